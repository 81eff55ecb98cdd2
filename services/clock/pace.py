"""The sources of market time: the real clock, and a simulated market that runs freely.

Lock-step, where the market waits for the fleet, is in `lockstep.py`. Each source sends `TimeReached` to the clock's
core and publishes `MarketTime`. None of them decides about sessions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from messages.frames import Advance, Advanced, Beat, Frame, Schedule
from messages.market import MarketTime, Session
from services.clock.core import (
    LEAD_NS,
    BrokerSeen,
    ClockCore,
    ClockDoubted,
    ClockRecord,
    MarketEnded,
    TimeCorrected,
    TimeReached,
)
from services.runtime.actor import Actor
from services.runtime.steady_time import steady_ns

__all__ = ["FreePace", "RealPace", "SimulatorLink", "TimeSource"]

SECOND = 1_000_000_000
PUBLISH_NS, PUBLISH_CLOSED_NS = SECOND, 4 * SECOND
"""How often market time is published (machine time), in sessions and between them. Readers extrapolate.

Both are shorter than the time after which a reader's market time is stale.
"""
STEP_NS, LONG_STEP_NS = SECOND // 20, SECOND
"""How often a free-running simulated market moves (machine time): with events near, and without."""
STALL_NS = SECOND // 5
"""A longer pause of the machine is not caught up: the simulated market stood still meanwhile."""
LINGER_NS = SECOND
"""Machine time after a close before the night is skipped. Meanwhile the last statuses arrive."""
RESEND_NS = SECOND // 2
JUMP_NS = 2 * SECOND
"""The machine's clock, its steady time and the broker's time may differ by this. More is a jump."""
FRESH_NS = 60 * SECOND
"""A report of the broker's time is good for so long."""
ERAS = 1000
"""Numbers of eras in one run of the clock."""

Send = Callable[[str, Frame], None]
Publish = Callable[[MarketTime], None]


class TimeSource(Protocol):
    """What the clock's loop needs of a source of market time."""

    note: str
    """For `crazy status`: the phase of the market."""

    def frame(self, peer: str, frame: Frame, machine_ns: int) -> None:
        """A frame of the clock's conversations with the simulator and, in lock-step, with the fleet."""

    def work(self, machine_ns: int) -> None:
        """One turn: move market time, and publish it if it is due."""

    def wake(self, machine_ns: int) -> int:
        """Machine time of the next call of `work`."""

    def list_symbols(self, symbols: tuple[str, ...]) -> bool:
        """Let the market trade these symbols. False until it does: call again."""


class RealPace:
    """Paper and live: market time starts at this machine's UTC clock, runs with its steady time, follows the broker's.

    The machine's clock is followed while it runs with the steady time: so small corrections (NTP) are taken. A jump is
    not: entries stop, market time runs on evenly, and so does protection. It ends when the clock jumps back, or when
    the broker's time decides. If market time itself was wrong from the start, the broker's time sets it right, forwards
    or back.
    """

    def __init__(
        self,
        actor: Actor,
        core: ClockCore,
        publish: Publish,
        wall: Callable[[], int] = time.time_ns,
        steady: Callable[[], int] = steady_ns,
    ):
        self._actor, self._core, self._publish, self._wall, self._steady = actor, core, publish, wall, steady
        self._next_publish = 0
        self._base_ns, self._base_steady_ns = wall(), steady()
        self._doubted = self._noted = False
        self._jump_s = 0.0
        self._seen: BrokerSeen | None = None
        self._era = actor.run * ERAS
        self._started = False
        self.note = ""

    def frame(self, peer: str, frame: Frame, machine_ns: int) -> None:
        """The real market sends no frames."""

    def list_symbols(self, symbols: tuple[str, ...]) -> bool:
        return True

    def work(self, machine_ns: int) -> None:
        now_ns = self._now()
        if not self._started:
            self._started = True
            if self._core.record(self._actor.state).now_ns > now_ns + JUMP_NS:
                self._set(now_ns, self._core.record(self._actor.state).now_ns - now_ns, machine_ns)
        now_ns = self._follow_broker(now_ns, machine_ns)
        self._actor.market.reach(now_ns)
        record = self._core.record(self._actor.state)
        boundary = self._core.next_boundary(record)
        if not record.date or (boundary is not None and boundary <= now_ns):
            self._actor.deliver(TimeReached(now_ns), machine_ns)
            self._next_publish = 0
        if machine_ns >= self._next_publish:
            record = self._core.record(self._actor.state)
            self._next_publish = machine_ns + _publish_after(record)
            self.note = record.phase
            boundary = self._core.next_boundary(record)
            until_ns = boundary or now_ns + 10 * SECOND
            self._publish(MarketTime(now_ns, machine_ns, 1.0, until_ns, self._doubted, self._era))
        if self._doubted is not self._noted:
            self._noted = self._doubted
            self._next_publish = 0
            self._actor.deliver(ClockDoubted(self._jump_s if self._doubted else 0.0), machine_ns)

    def _now(self) -> int:
        """Market time: by the machine's clock, unless that jumped against the steady time."""
        wall_ns, steady = self._wall(), self._steady()
        even_ns = self._base_ns + steady - self._base_steady_ns
        self._doubted = abs(wall_ns - even_ns) > JUMP_NS
        if self._doubted:
            self._jump_s = round((wall_ns - even_ns) / SECOND, 1)
            return even_ns
        self._base_ns, self._base_steady_ns = wall_ns, steady
        return wall_ns

    def _follow_broker(self, now_ns: int, machine_ns: int) -> int:
        """Market time, set to the broker's if they differ by more than clocks may."""
        seen, steady = self._actor.state.get(BrokerSeen, "broker"), self._steady()
        if seen is None or seen is self._seen:
            return now_ns
        self._seen = seen
        passed_ns = steady - seen.reported.steady_ns
        broker_ns = seen.reported.broker_ns + passed_ns
        # A report of another run of the machine, or one that waited too long on its way, is worth nothing.
        if not 0 <= passed_ns <= FRESH_NS or abs(now_ns - broker_ns) <= JUMP_NS:
            return now_ns
        self._base_ns, self._base_steady_ns = broker_ns, steady
        self._set(broker_ns, now_ns - broker_ns, machine_ns)
        return broker_ns

    def _set(self, market_ns: int, off_ns: int, machine_ns: int) -> None:
        self._era += 1
        self._actor.market.set_back(market_ns)
        self._actor.deliver(TimeCorrected(market_ns, off_ns / SECOND), machine_ns)
        self._next_publish = 0

    def wake(self, machine_ns: int) -> int:
        boundary = self._core.next_boundary(self._core.record(self._actor.state))
        until = (boundary - self._now()) if boundary is not None else PUBLISH_NS
        return min(self._next_publish, machine_ns + max(0, until))


def _publish_after(record: ClockRecord) -> int:
    return PUBLISH_CLOSED_NS if record.phase == "waiting" else PUBLISH_NS


class SimulatorLink:
    """The clock's conversation with the simulator: send it the sessions, then move it and get its time.

    One request at a time. An unanswered one is sent again. A restarted simulator gets the sessions again.
    """

    def __init__(self, send: Send, sessions: Sequence[Session], first_open_ns: int, symbols: Sequence[str]):
        self._send = send
        self._schedule = Schedule(tuple(sessions), first_open_ns - LEAD_NS, tuple(symbols))
        self.listed = tuple(symbols)
        """The symbols that the simulator has confirmed."""
        self._run = 0
        self._request: Schedule | Advance = self._schedule
        self._requested_at = 0
        self._repeat: Advance | None = None
        self.answer: Advanced | None = None
        """The answer to the last request, None while it is open."""
        self.known = False
        """True once the simulator has the sessions."""

    def frame(self, frame: Frame, machine_ns: int) -> None:
        """A frame from the simulator."""
        match frame:
            case Beat(run) if run != self._run:
                self._run = run
                if isinstance(self._request, Advance) and self.answer is None:
                    self._repeat = self._request
                self.known = False
                self._send_request(self._schedule, machine_ns)
            case Advanced(step) if step == (self._request.step if isinstance(self._request, Advance) else 0):
                self.known = True
                if self._request is self._schedule:
                    self.listed = self._schedule.symbols
                if self._repeat is not None:
                    repeat, self._repeat = self._repeat, None
                    self._send_request(repeat, machine_ns)
                else:
                    self.answer = frame
            case _:
                pass

    def want(self, symbols: tuple[str, ...]) -> bool:
        """Let the simulator list these symbols. True once it does. `relist` sends the request."""
        new = tuple(symbol for symbol in symbols if symbol not in self._schedule.symbols)
        if new:
            self._schedule = Schedule(self._schedule.sessions, self._schedule.start_ns, (*self._schedule.symbols, *new))
        return set(symbols) <= set(self.listed)

    def relist(self, machine_ns: int) -> bool:
        """Between two moves: hand over the symbols that are new. True when it has to answer first."""
        if self.listed == self._schedule.symbols or self.answer is None:
            return False
        self._send_request(self._schedule, machine_ns)
        return True

    def advance(self, step: int, to_ns: int, machine_ns: int, *, one: bool) -> None:
        """Ask it to move."""
        self._send_request(Advance(step, to_ns, one), machine_ns)

    def _send_request(self, question: Schedule | Advance, machine_ns: int) -> None:
        self.answer = None
        self._request, self._requested_at = question, machine_ns
        self._send("simulator", question)

    def resend(self, machine_ns: int) -> None:
        """Send an open request again after `RESEND_NS`."""
        if self._run and self.answer is None and machine_ns - self._requested_at >= RESEND_NS:
            self._send_request(self._request, machine_ns)


class FreePace:
    """A simulated market that runs at `speed` while the simulator follows.

    Without the simulator the market stands still.
    """

    def __init__(
        self,
        actor: Actor,
        core: ClockCore,
        simulator: SimulatorLink,
        publish: Publish,
        *,
        speed: float,
        skip_closed: bool,
        fleet_ready: Callable[[], bool],
    ):
        self._actor, self._core, self._simulator, self._publish = actor, core, simulator, publish
        self._speed, self._skip_closed, self._fleet_ready = speed, skip_closed, fleet_ready
        self._step = 0
        self._next_move = 0
        self._next_publish = 0
        self._moved_at = 0
        self._rest_ns = STEP_NS
        self._closed_at: int | None = None
        self._running = False
        self.note = "starting"

    def frame(self, peer: str, frame: Frame, machine_ns: int) -> None:
        if peer == "simulator":
            self._simulator.frame(frame, machine_ns)

    def list_symbols(self, symbols: tuple[str, ...]) -> bool:
        return self._simulator.want(symbols)

    def work(self, machine_ns: int) -> None:
        self._simulator.resend(machine_ns)
        answer = self._simulator.answer
        if answer is None:
            return
        if not self._running:
            self._start(answer, machine_ns)
            return
        self._reach(answer, machine_ns)
        if machine_ns >= self._next_publish:
            self._publish_time(machine_ns)
        if self._simulator.relist(machine_ns):
            return
        if machine_ns >= self._next_move and not self._ended:
            self._move(machine_ns)

    def wake(self, machine_ns: int) -> int:
        if self._simulator.answer is None:
            return machine_ns + RESEND_NS
        return min(self._next_publish, self._next_publish if self._ended else self._next_move)

    @property
    def _record(self) -> ClockRecord:
        return self._core.record(self._actor.state)

    @property
    def _ended(self) -> bool:
        record = self._record
        return record.ended and record.phase == "waiting"

    @property
    def _now_ns(self) -> int:
        return self._actor.market.now(0)

    def _start(self, answer: Advanced, machine_ns: int) -> None:
        """The simulator answered. The market starts once the fleet is ready."""
        start_ns = self._core.simulated_start(self._record, answer.now_ns, answer.next_ns)
        self._actor.market.reach(start_ns)
        if not self._record.date:
            self._actor.deliver(TimeReached(start_ns), machine_ns)
        if machine_ns >= self._next_publish:
            self._next_publish = machine_ns + PUBLISH_NS
            self._publish(MarketTime(start_ns, machine_ns, 0.0, start_ns))
        if self._fleet_ready():
            self._running = True
            self._moved_at = machine_ns
            self._next_publish = 0

    def _reach(self, answer: Advanced, machine_ns: int) -> None:
        """Take the market time that the simulator has reached."""
        if answer.now_ns > self._now_ns:
            self._actor.market.reach(answer.now_ns)
        boundary = self._core.next_boundary(self._record)
        if boundary is not None and boundary <= self._now_ns:
            phase = self._record.phase
            self._actor.deliver(TimeReached(self._now_ns), machine_ns)
            self._next_publish = 0
            self._closed_at = machine_ns if self._record.phase == "waiting" and phase != "waiting" else None
        if answer.ended and answer.next_ns is None and not self._record.ended and self._record.phase == "waiting":
            self._actor.deliver(MarketEnded(), machine_ns)
            self._next_publish = 0
        self._rest_ns = self._rest(answer.next_ns)
        self._next_move = self._moved_at + self._rest_ns

    def _move(self, machine_ns: int) -> None:
        """Move the simulator, but never past a boundary that has not been announced."""
        pause = min(machine_ns - self._moved_at, self._rest_ns + STALL_NS)
        self._moved_at = machine_ns
        target = self._now_ns + int(pause * self._speed)
        boundary = self._core.next_boundary(self._record)
        waiting = self._record.phase == "waiting"
        if self._skip_closed and waiting and boundary is not None:
            rested = self._closed_at is None or machine_ns - self._closed_at >= LINGER_NS
            if rested:
                target = max(target, boundary - LEAD_NS)
        if boundary is not None:
            target = min(target, boundary)
        self._step += 1
        self._simulator.advance(self._step, target, machine_ns, one=False)

    def _rest(self, next_ns: int | None) -> int:
        """Machine time until the next market event (at `next_ns`) or boundary of the calendar, as far as known."""
        coming = (next_ns, self._core.next_boundary(self._record))
        until = min((at - self._now_ns for at in coming if at is not None), default=0)
        return max(STEP_NS, min(LONG_STEP_NS, int(until / self._speed)))

    def _publish_time(self, machine_ns: int) -> None:
        record = self._record
        self._next_publish = machine_ns + _publish_after(record)
        self.note = "ended" if self._ended else record.phase
        boundary = self._core.next_boundary(record)
        now_ns = self._now_ns
        speed = 0.0 if self._ended else self._speed
        self._publish(MarketTime(now_ns, machine_ns, speed, boundary if boundary is not None else now_ns))
