"""The simulated gateway for tests in Python: in its own thread, on a free port, with control of time and faults.

    from services.simulator.testing import Simulator

    with Simulator(symbols=("TSLA",)) as simulator:
        ib.connect("127.0.0.1", simulator.port, clientId=1)
        simulator.advance(seconds=60)
        simulator.fault("hang", seconds=30)

Only `advance` moves the market, unless `pace` is given. The options are the fields of `standalone.Wanted`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from services.simulator.standalone import StandaloneSimulator, Wanted

__all__ = ["Simulator"]

T = TypeVar("T")

START_S = 60.0
"""Longest wait until it listens: loading the calendar's library takes seconds the first time."""


class Simulator:
    """A gateway that runs as long as its `with` block. Call its methods from any thread except its own."""

    def __init__(self, **wanted: Any) -> None:
        self._wanted = Wanted(**{"port": 0, "pace": "manual", **wanted})
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulator", daemon=True)
        self._stopped: asyncio.Event | None = None
        self._ticking: asyncio.Future[None] | None = None
        self._standalone: StandaloneSimulator | None = None

    def __enter__(self) -> Simulator:
        """It listens when this returns. Raises a Refusal of one line for an invalid option."""
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
        """The address on which it listens."""
        return self._wanted.host

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return self._running.broker.server.port

    @property
    def now_ns(self) -> int:
        """The market's time, in nanoseconds since the epoch (UTC)."""
        return self._call(lambda: self._running.broker.exchange.now_ns)

    def advance(self, seconds: float = 0.0, events: int = 0) -> int:
        """Move by `seconds` of market time, or by `events` market events. Returns the market's time afterwards."""
        return self._call(lambda: self._running.advance(seconds, events))

    def fault(self, name: str, **arguments: Any) -> None:
        """Start a fault. Raises a Refusal for an unknown fault or an invalid argument."""
        self._call(lambda: self._running.broker.fault(name, arguments))

    def clear(self, name: str = "") -> None:
        """End all active faults, or those of this name."""
        self._call(lambda: self._running.broker.clear(name))

    def active(self) -> list[str]:
        """The active faults, one line each."""
        return self._call(lambda: self._running.broker.active())

    @property
    def _running(self) -> StandaloneSimulator:
        assert self._standalone is not None, "use it in a `with` block"
        return self._standalone

    def _call(self, what: Callable[[], T]) -> T:
        """Run it in the gateway's thread, between two steps."""

        async def do() -> T:
            return what()

        return asyncio.run_coroutine_threadsafe(do(), self._loop).result(START_S)

    async def _open(self) -> None:
        self._standalone = StandaloneSimulator(self._wanted)
        await self._standalone.open()
        self._stopped = asyncio.Event()
        self._ticking = asyncio.ensure_future(self._standalone.tick(self._stopped))

    async def _close(self) -> None:
        assert self._stopped is not None, "it was opened"
        assert self._ticking is not None, "it was opened"
        self._stopped.set()
        await self._ticking
        await self._running.close()

    def _end_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
