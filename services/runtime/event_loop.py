"""The asyncio driver: one actor beside a broker's socket in one event loop. The gateway runs on it.

A turn is the same as in the blocking loop: take the inputs that wait, let the actor handle them, commit once, send.
Commands to the broker are executed after the commit, once.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from collections.abc import Callable
from typing import Protocol

from messages.broker import FromBroker, Quote, ToBroker
from messages.frames import Frame, Probe
from services.runtime.actor import Actor
from services.runtime.bus import Bus
from services.runtime.log import Log
from services.runtime.poll_loop import TURN_FRAMES, beat, emit

__all__ = ["BrokerEdge", "EventLoop"]

SECOND = 1_000_000_000


class NewestQuotes(Protocol):
    """The prices that changed since the last call. `symbol` counts as changed."""

    def take(self, symbol: str = "") -> list[Quote]: ...


class BrokerEdge(Protocol):
    """What the loop needs of the broker's edge file."""

    facts: list[FromBroker]

    @property
    def quotes(self) -> NewestQuotes: ...

    @property
    def wire(self) -> tuple[int, int]: ...

    @property
    def asking(self) -> bool: ...

    async def run(self) -> None: ...

    def execute(self, command: ToBroker) -> None: ...

    def close(self) -> None: ...


class EventLoop:
    """Turns of one actor, woken by the bus, the broker or a timer."""

    def __init__(self, actor: Actor, bus: Bus, log: Log, note: Callable[[], str] = lambda: ""):
        self._actor, self._bus, self._log, self._note = actor, bus, log, note
        self._loop = asyncio.get_running_loop()
        self._broker: BrokerEdge | None = None
        self._lockstep = False
        self._soon = False
        self._timer: asyncio.TimerHandle | None = None
        self._failed: asyncio.Future[None] = self._loop.create_future()
        self._next_beat, self._announced_ready = 0, False
        self._probe: Probe | None = None
        self._flushed_step = -1

    async def run(self, broker: BrokerEdge, *, lockstep: bool) -> None:
        """Run until SIGTERM or SIGINT. Then close the broker's connection cleanly; orders stay at the broker."""
        self._broker, self._lockstep = broker, lockstep
        gc.freeze()  # what exists by now stays: to look at all of it again would hold up orders for 20 ms and more
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, stopped.set)
        self._actor.start(time.monotonic_ns())
        self._log.event("bot_started", process_run=self._actor.run, pid=os.getpid())
        for fd in self._bus.fds:
            self._loop.add_reader(fd, self._turn)
        self._turn()
        connection = self._loop.create_task(broker.run())
        waiting = self._loop.create_task(stopped.wait())
        await asyncio.wait((connection, waiting, self._failed), return_when=asyncio.FIRST_COMPLETED)
        for fd in self._bus.fds:
            self._loop.remove_reader(fd)
        ended = connection.done()
        connection.cancel()
        broker.close()
        await asyncio.wait((connection,), timeout=1.0)
        if self._failed.done():
            self._failed.result()
        if ended:
            connection.result()  # it never returns: raise what ended it
        self._log.event("bot_stopped", process_run=self._actor.run)

    def turn_soon(self) -> None:
        """There is input: handle it once the caller has returned."""
        if not self._soon:
            self._soon = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Turns until no input is left: the bus's descriptors are edge-triggered, so all must be taken."""
        self._soon = False
        if self._failed.done():
            return
        try:
            self._bus.poll(0)
            self._one_turn()
            while self._bus.poll(0):
                self._one_turn()
        except Exception as error:  # asyncio would log it and continue with a state that is not in the ledger
            self._failed.set_exception(error)
            return
        now = time.monotonic_ns()
        wake = min(self._actor.next_deadline(now), self._next_beat) / SECOND
        if self._timer is None or wake < self._timer.when():  # one turn too many costs less than a new timer each turn
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(wake, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._turn()

    def _one_turn(self) -> None:
        actor, bus, broker = self._actor, self._bus, self._broker
        assert broker is not None
        now = time.monotonic_ns()
        taken = 0
        for peer, frame in bus.frames():
            self._look_at(actor.receive(peer, frame, now))
            taken += 1
            if actor.careful:
                self._commit(now, drained=False)
            if taken >= TURN_FRAMES:
                break
        for message in bus.publications():
            actor.deliver(message, now)
        # An actor that is not ready publishes no price, and would miss that of the step.
        asked = self._probe is not None and actor.ready and broker.wire[0] >= self._probe.wire and not broker.asking
        if asked or not self._lockstep or not actor.ready:
            taken += self._hear_broker(now, asked)
        if now >= actor.next_deadline(now):
            actor.elapse(now)
        self._commit(now, drained=taken < TURN_FRAMES and asked)
        if now >= self._next_beat or actor.announced_ready is not self._announced_ready:
            self._announced_ready = actor.announced_ready
            self._next_beat = actor.beat_after(now)
            beat(actor, bus, self._note())
            bus.keep()

    def _look_at(self, frame: Frame) -> None:
        if isinstance(frame, Probe):
            self._probe = frame

    def _hear_broker(self, now: int, asked: bool) -> int:
        """Deliver the broker's reports in the order of the wire, then the newest prices. Returns how many.

        Free-running, they are delivered at once. In lock-step they wait for a probe, which has their market time and
        their number. Prices wait for the probe that wants them, once a step.
        """
        broker, actor = self._broker, self._actor
        assert broker is not None
        facts, broker.facts = broker.facts, []
        for fact in facts:
            actor.deliver(fact, now, "broker")
            if actor.careful:
                self._commit(now, drained=False)
        quotes: list[Quote] = []
        if not self._lockstep:
            quotes = broker.quotes.take()
        elif asked and self._probe is not None:
            if self._probe.flush and self._probe.step != self._flushed_step:
                self._flushed_step = self._probe.step
                quotes = broker.quotes.take(self._probe.symbol)
            self._probe = None
        for quote in quotes:
            actor.deliver(quote, now, "broker")
        return len(facts) + len(quotes)

    def _commit(self, now: int, *, drained: bool) -> None:
        broker = self._broker
        assert broker is not None
        outputs = self._actor.flush(now, drained=drained, wire=broker.wire)
        for command in outputs.broker:  # before the rows and the log, on which no order has to wait
            broker.execute(command)
        emit(outputs, self._bus, self._log, self._bus.publish)
