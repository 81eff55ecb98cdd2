"""The clock's decisions: when market time passes a boundary of a session, the fleet gets a message.

Sessions are data here (`calendar.py` reads them). The core gets the time by messages and reads no clock.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import ClassVar

import msgspec

from messages import Message
from messages.market import (
    BrokerTime,
    Session,
    SessionApproaching,
    SessionAwaited,
    SessionClosed,
    SessionClosing,
    SessionOpened,
)
from messages.timers import Started
from messages.watchlist import SymbolRetired, Watch, WatchlistChanged
from services.runtime.core import Deadlines, Decision, Draft, Now, State

__all__ = [
    "LEAD_NS",
    "BrokerSeen",
    "ClockCore",
    "ClockDoubted",
    "ClockRecord",
    "MarketEnded",
    "StepBegun",
    "TimeCorrected",
    "TimeReached",
    "Watched",
]

MINUTE = 60_000_000_000
FLEET = "fleet"
LEAD_NS = MINUTE
"""Market time before the open at which a simulated day starts."""


class TimeReached(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Market time is at least this."""

    market_ns: int


class TimeCorrected(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Market time was wrong by `off_s` (above 0: ahead): it is this. Sessions announced too early are over."""

    market_ns: int
    off_s: float


class ClockDoubted(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """This machine's clock jumped by `jump_s`, and market time does not follow it; or (0) it is right again."""

    jump_s: float


class StepBegun(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Lock-step: this step starts. It is committed before its effects."""

    number: int
    time_ns: int


class MarketEnded(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The market source has nothing left: the market stays closed."""


ClockInput = TimeReached | TimeCorrected | ClockDoubted | StepBegun | MarketEnded


class ClockRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The clock's position in the calendar.

    `phase`: waiting (for the open), open or closing. `date`: its session, '' before the first time. `audited`: the last
    session whose morning audit was announced.
    """

    now_ns: int = 0
    date: str = ""
    phase: str = "waiting"
    audited: str = ""
    step: int = 0
    ended: bool = False

    @property
    def key(self) -> str:
        return "clock"


class BrokerSeen(msgspec.Struct, frozen=True):
    """The broker's time as last reported; in memory. The source of market time reads it."""

    volatile: ClassVar[bool] = True

    reported: BrokerTime

    @property
    def key(self) -> str:
        return "broker"


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """The symbols: those that are traded, those that wind down, and of these the ones that have left."""

    watchlist: tuple[str, ...] = ()
    winding_down: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return "watched"

    @property
    def staying(self) -> tuple[str, ...]:
        """The symbols that wind down and have not left yet."""
        return tuple(symbol for symbol in self.winding_down if symbol not in self.left)


class ClockCore:
    """See `services.runtime.core.Core`. `sessions` in order.

    `cancel_before_close_minutes`: when entries end. `audit_before_open_minutes`: when stops are checked.
    """

    kinds: tuple[type, ...] = (ClockRecord, Watched, BrokerSeen)

    def __init__(
        self, sessions: Sequence[Session], cancel_before_close_minutes: int, audit_before_open_minutes: int = 0
    ):
        self.extend(sessions)
        self._before_close_ns = cancel_before_close_minutes * MINUTE
        self._before_open_ns = audit_before_open_minutes * MINUTE

    def extend(self, sessions: Sequence[Session]) -> None:
        """Take a newer calendar, which reaches further."""
        self.sessions = tuple(sessions)
        self._closes = [s.close_ns for s in self.sessions]
        self._by_date = {s.date: s for s in self.sessions}

    def record(self, state: State) -> ClockRecord:
        return state.get(ClockRecord, "clock") or ClockRecord()

    def watched(self, state: State) -> Watched:
        """The symbols, as the fleet was informed last."""
        return state.get(Watched, "watched") or Watched()

    def ready(self, state: State) -> bool:
        return True

    def deadlines(self, state: State, now: Now) -> Deadlines:
        return Deadlines()

    def snapshot(self, state: State, interest: tuple[str, ...]) -> list[tuple[str, Message]]:
        record = self.record(state)
        session = self._by_date.get(record.date)
        watched = self.watched(state)
        snapshot: list[tuple[str, Message]] = []
        if watched.watchlist:
            snapshot.append((FLEET, WatchlistChanged(watched.watchlist, watched.staying)))
        if session is not None and record.phase != "waiting":
            snapshot.append((FLEET, SessionOpened(session, self.entries_until(session))))
            if record.phase == "closing":
                snapshot.append((FLEET, SessionClosing(session)))
        return snapshot

    def entries_until(self, session: Session) -> int:
        """Market time from which unfilled entries are cancelled."""
        return session.close_ns - self._before_close_ns

    def next_boundary(self, record: ClockRecord) -> int | None:
        """Market time of the next change of phase, or of the next morning audit; None if no session is left."""
        if record.ended and record.phase == "waiting":
            return None
        session = self._by_date.get(record.date) or self.session_after(record.now_ns)
        if session is None:
            return None
        match record.phase:
            case "waiting" if record.audited != session.date:
                return session.open_ns - self._before_open_ns
            case "waiting":
                return session.open_ns
            case "open":
                return self.entries_until(session)
            case _:
                return session.close_ns

    def simulated_start(self, record: ClockRecord, now_ns: int, next_ns: int | None) -> int:
        """Market time at which a simulated market starts: shortly before the first session that has data.

        A market that was running goes on at the time that it has reached.

        `now_ns`: the simulator's time. `next_ns`: its next market event, None: it has no more.
        """
        start_ns = max(now_ns, record.now_ns)
        first = self.session_after(next_ns) if next_ns is not None else None
        if first is not None and record.phase == "waiting":
            start_ns = max(start_ns, first.open_ns - LEAD_NS)
        return start_ns

    def session_after(self, market_ns: int) -> Session | None:
        """The session that is open at this time, or the next one."""
        index = bisect_right(self._closes, market_ns)
        return self.sessions[index] if index < len(self.sessions) else None

    def handle(self, state: State, message: Message | ClockInput, now: Now) -> Decision:
        d = Draft(state, now)
        match message:
            case TimeReached(market_ns):
                self._pass_time(d, market_ns)
            case BrokerTime():
                d.put(BrokerSeen(message))
            case TimeCorrected(market_ns, off_s):
                self._correct(d, market_ns, off_s)
            case ClockDoubted(jump_s):
                if jump_s:
                    d.note("clock_jumped", "", "ERROR", jump_s=jump_s, followed=False)
                else:
                    d.note("clock_jumped_over")
            case StepBegun(number, time_ns):
                d.put(msgspec.structs.replace(self.record(state), step=number, now_ns=time_ns))
            case MarketEnded():
                record = self.record(state)
                if not record.ended:
                    d.put(msgspec.structs.replace(record, ended=True))
                    d.note("market_ended", at_ns=record.now_ns)
            case Watch(watchlist, winding_down):
                self._watch(d, watchlist, winding_down)
            case SymbolRetired(symbol):
                watched = self.watched(state)
                if symbol in watched.staying:
                    self._send_watchlist(d, msgspec.structs.replace(watched, left=(*watched.left, symbol)))
            case Started():
                d.note("market_time", phase=self.record(state).phase, date=self.record(state).date)
        return d.decision

    def _watch(self, d: Draft, watchlist: tuple[str, ...], winding_down: tuple[str, ...]) -> None:
        """Take the watchlist of the operator, or at a start of the settings. A symbol that left stays so."""
        before = self.watched(d.state)
        after = Watched(
            watchlist=watchlist,
            winding_down=winding_down,
            left=tuple(symbol for symbol in before.left if symbol in winding_down),
        )
        if after == before:
            return
        added = [symbol for symbol in watchlist if symbol not in before.watchlist]
        removed = [symbol for symbol in before.watchlist if symbol not in watchlist]
        if not before.watchlist:
            d.put(after)  # the first start: all processes have read the same settings
            return
        d.note("watchlist_changed", added=" ".join(added), removed=" ".join(removed))
        self._send_watchlist(d, after)

    def _send_watchlist(self, d: Draft, watched: Watched) -> None:
        d.put(watched)
        d.send(FLEET, WatchlistChanged(watched.watchlist, watched.staying))

    def _pass_time(self, d: Draft, market_ns: int) -> None:
        before = record = self.record(d.state)
        if not record.date:
            record = self._await(d, record, market_ns)
        while (boundary := self.next_boundary(record)) is not None and boundary <= market_ns:
            record = self._cross(d, record, market_ns)
        if record is not before:
            d.put(msgspec.structs.replace(record, now_ns=max(record.now_ns, market_ns)))

    def _correct(self, d: Draft, market_ns: int, off_s: float) -> None:
        """Go to the session of this time, as at a start. What was announced of later ones does not hold."""
        d.note("market_time_corrected", "", "ERROR", off_s=round(off_s, 1))
        before = self.record(d.state)
        session = self.session_after(market_ns)
        if session is not None and session.date == before.date and not self._is_ahead(before, session, market_ns):
            self._pass_time(d, market_ns)
            return
        record = self._await(d, msgspec.structs.replace(before, phase="waiting", audited=""), market_ns)
        if session is not None and session.open_ns <= market_ns:
            record = msgspec.structs.replace(record, audited=session.date)
        while (boundary := self.next_boundary(record)) is not None and boundary <= market_ns:
            record = self._cross(d, record, market_ns)
        d.put(msgspec.structs.replace(record, now_ns=market_ns))

    def _is_ahead(self, record: ClockRecord, session: Session, market_ns: int) -> bool:
        """Whether a boundary of this session was announced that is not reached yet."""
        match record.phase:
            case "waiting":
                return False
            case "open":
                return market_ns < session.open_ns
            case _:
                return market_ns < self.entries_until(session)

    def _await(self, d: Draft, record: ClockRecord, market_ns: int) -> ClockRecord:
        """Announce the session that is open at this time, or the next one."""
        session = self.session_after(market_ns)
        if session is not None:
            d.send(FLEET, SessionAwaited(session))
        return msgspec.structs.replace(record, date=session.date if session else "", now_ns=market_ns)

    def _cross(self, d: Draft, record: ClockRecord, market_ns: int) -> ClockRecord:
        session = self._by_date.get(record.date) or self.session_after(record.now_ns)
        assert session is not None, "a boundary belongs to a session"
        match record.phase:
            case "waiting":
                if session.close_ns <= market_ns:
                    # The clock was down during the whole session: skip it, and all others that are over.
                    return self._await(d, record, market_ns)
                if record.audited != session.date:
                    d.send(FLEET, SessionApproaching(session))
                    return msgspec.structs.replace(record, audited=session.date)
                d.send(FLEET, SessionOpened(session, self.entries_until(session)))
                d.note("session_opened", date=session.date, early=session.early)
                return msgspec.structs.replace(record, date=session.date, phase="open")
            case "open":
                d.send(FLEET, SessionClosing(session))
                d.note("session_closing", date=session.date)
                return msgspec.structs.replace(record, phase="closing")
            case _:
                following = self.session_after(session.close_ns)
                d.send(FLEET, SessionClosed(session, None if record.ended else following))
                d.note("session_closed", date=session.date)
                date = following.date if following else ""
                return msgspec.structs.replace(record, date=date, phase="waiting", now_ns=session.close_ns)
