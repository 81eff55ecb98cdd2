"""Asks the broker for its time at intervals, and reports how far this machine's clock differs. Part of the edge."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from messages.broker import BrokerClock
from services.gateway.ibkr.clock_offset import ASK_EVERY_S, QUESTIONS, bounds
from services.runtime.steady_time import steady_ns

__all__ = ["ClockCheck"]

ANSWER_S = 30.0
COMPARE_S, COMPARE_SOON_S = 60.0, 10.0
"""Pause between two comparisons: normally, and while the clocks differ."""


class ClockCheck:
    """Compares the clocks. `ask` sends the question; the caller passes each answer to `answer`."""

    def __init__(self, ask: Callable[[], None], report: Callable[[BrokerClock], None]):
        self._ask = ask
        self._report = report
        self._answer: asyncio.Future[int] | None = None

    def answer(self, broker_s: int) -> None:
        """The broker's time, in whole seconds."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(broker_s)

    async def run(self) -> None:
        """Compare until cancelled."""
        while True:
            found = bounds(await self._samples())
            if found is not None:
                self._report(BrokerClock(*found, time.time_ns(), steady_ns()))
            apart = found is None or max(abs(found[0]), abs(found[1])) > 1.0
            await asyncio.sleep(COMPARE_SOON_S if apart else COMPARE_S)

    async def _samples(self) -> list[tuple[int, int, int]]:
        samples = []
        for _ in range(QUESTIONS):
            self._answer = asyncio.get_running_loop().create_future()
            asked_ns = time.time_ns()
            self._ask()
            with contextlib.suppress(TimeoutError):
                broker_s = await asyncio.wait_for(self._answer, ANSWER_S)
                samples.append((asked_ns, time.time_ns(), broker_s))
            await asyncio.sleep(ASK_EVERY_S)
        return samples
