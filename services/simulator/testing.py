"""The simulated gateway for tests in Python: in a thread of its own, on a free port, with time and faults at hand.

    from services.simulator.testing import Simulator

    with Simulator(symbols=("TSLA",)) as simulator:
        ib.connect("127.0.0.1", simulator.port, clientId=1)
        simulator.advance(seconds=60)
        simulator.fault("hang", seconds=30)

Nothing moves the market but `advance`, unless `pace` says otherwise. What may be chosen is in `alone.Wanted`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from services.simulator.standalone import Alone, Wanted

__all__ = ["Simulator"]

T = TypeVar("T")

START_S = 60.0
"""Longest wait for it to listen: the calendar's library takes seconds when it is read for the first time."""


class Simulator:
    """A gateway that lives as long as its `with` block. Its methods may be called from any thread but its own."""

    def __init__(self, **wanted: Any) -> None:
        self._wanted = Wanted(**{"port": 0, "pace": "manual", **wanted})
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulator", daemon=True)
        self._stopped: asyncio.Event | None = None
        self._ticking: asyncio.Future[None] | None = None
        self._alone: Alone | None = None

    def __enter__(self) -> Simulator:
        """Listens when this returns. Raises a Refusal, of one line, for whatever is amiss."""
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(START_S)
        except BaseException:
            self._end_thread()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(START_S)
        self._end_thread()

    @property
    def host(self) -> str:
        """Where it listens."""
        return self._wanted.host

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._there.house.server.port

    @property
    def now_ns(self) -> int:
        """The market's time, in nanoseconds since the epoch (UTC)."""
        return self._call(lambda: self._there.house.exchange.now_ns)

    def advance(self, seconds: float = 0.0, events: int = 0) -> int:
        """Let so much market time pass, or so many market events happen; the market's time after it."""
        return self._call(lambda: self._there.advance(seconds, events))

    def fault(self, name: str, **arguments: Any) -> None:
        """Begin a fault. Raises a Refusal for one that does not exist, or an argument that does not fit."""
        self._call(lambda: self._there.house.fault(name, arguments))

    def clear(self, name: str = "") -> None:
        """End the active faults, or those of one name."""
        self._call(lambda: self._there.house.clear(name))

    def active(self) -> list[str]:
        """The faults that are active, a line each."""
        return self._call(lambda: self._there.house.active())

    @property
    def _there(self) -> Alone:
        assert self._alone is not None, "use it in a `with` block"
        return self._alone

    def _call(self, what: Callable[[], T]) -> T:
        """Have it done between two of the gateway's own steps."""

        async def do() -> T:
            return what()

        return asyncio.run_coroutine_threadsafe(do(), self._loop).result(START_S)

    async def _open(self) -> None:
        self._alone = Alone(self._wanted)
        await self._alone.open()
        self._stopped = asyncio.Event()
        self._ticking = asyncio.ensure_future(self._alone.tick(self._stopped))

    async def _close(self) -> None:
        assert self._stopped is not None, "it was opened"
        assert self._ticking is not None, "it was opened"
        self._stopped.set()
        await self._ticking
        await self._there.close()

    def _end_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
