"""Asks the broker for its time now and then, and tells how far this machine's clock is from it. Part of the edge."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from messages.broker import BrokerClock
from services.gateway.ibkr.clock_offset import ASK_EVERY_S, QUESTIONS, bounds

__all__ = ["TimeCheck"]

ANSWER_S = 30.0
COMPARE_S, COMPARE_SOON_S = 60.0, 10.0
"""How often this machine's clock is compared with the broker's, and how often as long as the two differ."""


class TimeCheck:
    """`ask` sends the question; whatever hears the answer hands it to `answer`."""

    def __init__(self, ask: Callable[[], None], tell: Callable[[BrokerClock], None]):
        self._ask = ask
        self._tell = tell
        self._told: asyncio.Future[int] | None = None

    def answer(self, told_s: int) -> None:
        """The broker's time, in whole seconds."""
        if self._told is not None and not self._told.done():
            self._told.set_result(told_s)

    async def compare(self) -> None:
        """Until cancelled."""
        while True:
            found = bounds(await self._samples())
            if found is not None:
                self._tell(BrokerClock(*found))
            apart = found is None or max(abs(found[0]), abs(found[1])) > 1.0
            await asyncio.sleep(COMPARE_SOON_S if apart else COMPARE_S)

    async def _samples(self) -> list[tuple[int, int, int]]:
        samples = []
        for _ in range(QUESTIONS):
            self._told = asyncio.get_running_loop().create_future()
            asked_ns = time.time_ns()
            self._ask()
            with contextlib.suppress(TimeoutError):
                told_s = await asyncio.wait_for(self._told, ANSWER_S)
                samples.append((asked_ns, time.time_ns(), told_s))
            await asyncio.sleep(ASK_EVERY_S)
        return samples
