"""All that the clock decides, sends and remembers at each boundary."""

from __future__ import annotations

from typing import Any

import pytest

from messages.market import Session, SessionApproaching, SessionAwaited, SessionClosed, SessionClosing, SessionOpened
from messages.operator import Happened
from messages.timers import Elapsed, Started
from messages.watchlist import SymbolRetired, Watch, WatchlistChanged
from services.clock.core import ClockCore, ClockRecord, MarketEnded, StepBegun, TimeReached, Watched
from services.runtime.core import Deadlines, Decision, Now, State
from tests.clock.test_core import DAYS, MINUTE

THURSDAY, FRIDAY, MONDAY = DAYS
EVE = THURSDAY.open_ns - 600 * MINUTE
NOW_NS = 4711
"""What the shell stamps on a message; notes bear it."""


class Clock:
    """The core with its state: entries end 15 minutes before the close, audits begin 30 before the open."""

    def __init__(self, record: ClockRecord | None = None, watched: Watched | None = None):
        self.core = ClockCore(DAYS, 15, 30)
        self.state = State(self.core.kinds)
        self.state.apply([(type(r), r.key, r) for r in (record, watched) if r is not None])

    def handle(self, message: Any) -> Decision:
        decision = self.core.handle(self.state, message, Now(NOW_NS, 0))
        self.state.apply(decision.changes)
        return decision

    @property
    def record(self) -> ClockRecord:
        return self.core.record(self.state)


def note(event: str, **fields: Any) -> tuple[str, Happened]:
    return "recorder", Happened(event, "", "INFO", fields, NOW_NS)


def waiting(session: Session, now_ns: int, audited: str = "") -> ClockRecord:
    return ClockRecord(now_ns=now_ns, date=session.date, audited=audited)


def during(session: Session, now_ns: int, phase: str) -> ClockRecord:
    return ClockRecord(now_ns=now_ns, date=session.date, phase=phase, audited=session.date)


def of(record: ClockRecord) -> list[tuple[type, str, Any]]:
    return [(ClockRecord, "clock", record)]


BEGUN = waiting(THURSDAY, EVE)
AUDITED = waiting(THURSDAY, THURSDAY.open_ns - 30 * MINUTE, THURSDAY.date)
OPEN = during(THURSDAY, THURSDAY.open_ns, "open")
ENDING_NS = THURSDAY.close_ns - 15 * MINUTE
CLOSING = during(THURSDAY, ENDING_NS, "closing")
SLEPT_NS = FRIDAY.open_ns - 30 * MINUTE


@pytest.mark.parametrize(
    ("before", "at", "sent", "after"),
    [
        (None, EVE, [("fleet", SessionAwaited(THURSDAY))], BEGUN),
        (BEGUN, AUDITED.now_ns - 1, [], None),
        (BEGUN, AUDITED.now_ns, [("fleet", SessionApproaching(THURSDAY))], AUDITED),
        (AUDITED, THURSDAY.open_ns - 1, [], None),
        (
            AUDITED,
            THURSDAY.open_ns,
            [
                ("fleet", SessionOpened(THURSDAY, ENDING_NS)),
                note("session_opened", date="2025-01-02", early=False),
            ],
            OPEN,
        ),
        (OPEN, ENDING_NS - 1, [], None),
        (
            OPEN,
            ENDING_NS,
            [("fleet", SessionClosing(THURSDAY)), note("session_closing", date="2025-01-02")],
            CLOSING,
        ),
        (CLOSING, THURSDAY.close_ns - 1, [], None),
        (
            CLOSING,
            THURSDAY.close_ns,
            [("fleet", SessionClosed(THURSDAY, FRIDAY)), note("session_closed", date="2025-01-02")],
            waiting(FRIDAY, THURSDAY.close_ns, THURSDAY.date),
        ),
        # Asleep until half an hour before Friday's open: the close is sent late, and the audit at once.
        (
            CLOSING,
            SLEPT_NS,
            [
                ("fleet", SessionClosed(THURSDAY, FRIDAY)),
                note("session_closed", date="2025-01-02"),
                ("fleet", SessionApproaching(FRIDAY)),
            ],
            waiting(FRIDAY, SLEPT_NS, FRIDAY.date),
        ),
        # Down until exactly the close of Friday: Monday is the next.
        (
            waiting(FRIDAY, THURSDAY.close_ns, FRIDAY.date),
            FRIDAY.close_ns,
            [("fleet", SessionAwaited(MONDAY))],
            waiting(MONDAY, FRIDAY.close_ns, FRIDAY.date),
        ),
        (
            waiting(FRIDAY, THURSDAY.close_ns, FRIDAY.date),
            FRIDAY.close_ns - 1,
            [
                ("fleet", SessionOpened(FRIDAY, FRIDAY.close_ns - 15 * MINUTE)),
                note("session_opened", date="2025-01-03", early=True),
                ("fleet", SessionClosing(FRIDAY)),
                note("session_closing", date="2025-01-03"),
            ],
            during(FRIDAY, FRIDAY.close_ns - 1, "closing"),
        ),
        # The last session that the calendar knows.
        (
            during(MONDAY, MONDAY.close_ns - 1, "closing"),
            MONDAY.close_ns,
            [("fleet", SessionClosed(MONDAY)), note("session_closed", date="2025-01-06")],
            ClockRecord(now_ns=MONDAY.close_ns, date="", audited=MONDAY.date),
        ),
        (None, MONDAY.close_ns, [], ClockRecord(now_ns=MONDAY.close_ns)),
        # The calendar no longer has the session that was awaited: the next one takes its place.
        (
            ClockRecord(now_ns=EVE, date="2025-01-01", audited=THURSDAY.date),
            THURSDAY.open_ns,
            [
                ("fleet", SessionOpened(THURSDAY, ENDING_NS)),
                note("session_opened", date="2025-01-02", early=False),
            ],
            OPEN,
        ),
    ],
)
def test_what_a_time_leads_to(before: ClockRecord | None, at: int, sent: list[Any], after: ClockRecord | None) -> None:
    assert Clock(before).handle(TimeReached(at)) == Decision(of(after) if after is not None else [], sent)


def test_time_never_runs_backwards() -> None:
    """The step of lock-step was later than the boundary that is reached."""
    ahead = ClockRecord(now_ns=THURSDAY.open_ns + 7, date=THURSDAY.date, audited=THURSDAY.date)
    clock = Clock(ahead)
    clock.handle(TimeReached(THURSDAY.open_ns))
    assert clock.record == during(THURSDAY, THURSDAY.open_ns + 7, "open")


@pytest.mark.parametrize(
    ("record", "boundary"),
    [
        (ClockRecord(now_ns=EVE), THURSDAY.open_ns - 30 * MINUTE),
        (BEGUN, THURSDAY.open_ns - 30 * MINUTE),
        (AUDITED, THURSDAY.open_ns),
        (OPEN, ENDING_NS),
        (CLOSING, THURSDAY.close_ns),
        (ClockRecord(now_ns=MONDAY.close_ns), None),
        (ClockRecord(now_ns=MONDAY.close_ns - 1), MONDAY.open_ns - 30 * MINUTE),
        (ClockRecord(now_ns=EVE, date=THURSDAY.date, ended=True), None),
        (ClockRecord(now_ns=EVE, date=THURSDAY.date, phase="open", ended=True), ENDING_NS),
        (ClockRecord(now_ns=EVE, date=THURSDAY.date, phase="closing", ended=True), THURSDAY.close_ns),
    ],
)
def test_the_next_boundary(record: ClockRecord, boundary: int | None) -> None:
    assert Clock().core.next_boundary(record) == boundary


@pytest.mark.parametrize(
    ("record", "now_ns", "next_ns", "start_ns"),
    [
        (ClockRecord(), 5, THURSDAY.open_ns, THURSDAY.open_ns - MINUTE),
        (ClockRecord(), 5, THURSDAY.open_ns + 7, THURSDAY.open_ns - MINUTE),
        (ClockRecord(), THURSDAY.open_ns - 5, THURSDAY.open_ns, THURSDAY.open_ns - 5),
        (BEGUN, EVE - 5, THURSDAY.close_ns, FRIDAY.open_ns - MINUTE),
        (OPEN, THURSDAY.open_ns + 5, FRIDAY.open_ns, THURSDAY.open_ns + 5),
        (ClockRecord(now_ns=EVE), 5, None, EVE),
        (ClockRecord(), 5, MONDAY.close_ns, 5),
    ],
)
def test_a_simulated_market_starts_a_minute_before_the_first_session_with_data(
    record: ClockRecord, now_ns: int, next_ns: int | None, start_ns: int
) -> None:
    assert Clock().core.simulated_start(record, now_ns, next_ns) == start_ns


def test_without_a_morning_audit_it_is_due_at_the_open() -> None:
    assert ClockCore(DAYS, 15).next_boundary(BEGUN) == THURSDAY.open_ns


def test_a_calendar_that_reaches_further() -> None:
    core = ClockCore(DAYS[:1], 15)
    assert core.session_after(THURSDAY.close_ns) is None
    core.extend(DAYS)
    assert core.session_after(THURSDAY.close_ns) == FRIDAY
    assert core.next_boundary(waiting(FRIDAY, 0, FRIDAY.date)) == FRIDAY.open_ns


class TestTheMarketEnds:
    def test_it_is_noted_with_the_time_reached_and_remembered(self) -> None:
        ended = ClockRecord(now_ns=OPEN.now_ns, date=THURSDAY.date, phase="open", audited=THURSDAY.date, ended=True)
        clock = Clock(OPEN)
        assert clock.handle(MarketEnded()) == Decision(of(ended), [note("market_ended", at_ns=OPEN.now_ns)])
        assert clock.handle(MarketEnded()) == Decision()

    def test_the_last_close_promises_no_further_session(self) -> None:
        clock = Clock(CLOSING)
        clock.handle(MarketEnded())
        assert clock.handle(TimeReached(THURSDAY.close_ns)).messages[0] == ("fleet", SessionClosed(THURSDAY, None))
        assert clock.core.next_boundary(clock.record) is None


def test_a_step_is_remembered_beside_the_rest() -> None:
    stepped = ClockRecord(now_ns=99, date=THURSDAY.date, phase="open", audited=THURSDAY.date, step=7)
    assert Clock(OPEN).handle(StepBegun(7, 99)) == Decision(of(stepped))


def test_a_start_notes_phase_and_date() -> None:
    assert Clock().handle(Started(3)) == Decision([], [note("market_time", phase="waiting", date="")])
    assert Clock(OPEN).handle(Started(3)) == Decision([], [note("market_time", phase="open", date="2025-01-02")])


def test_what_does_not_concern_it_leads_to_nothing() -> None:
    clock = Clock(OPEN)
    assert clock.handle(Elapsed()) == Decision()
    assert clock.core.ready(clock.state) is True
    assert clock.core.deadlines(clock.state, Now(0, 0)) == Deadlines()


class TestParticipants:
    BEFORE = Watched(watchlist=("GME", "TSLA", "AMC"), winding_down=("BBBY", "NOK"), left=("NOK",))

    def test_a_new_watchlist_names_added_and_removed_symbols(self) -> None:
        after = Watched(watchlist=("TSLA", "NVDA", "AMD"), winding_down=("GME", "NOK"), left=("NOK",))
        decision = Clock(OPEN, self.BEFORE).handle(Watch(("TSLA", "NVDA", "AMD"), ("GME", "NOK")))
        assert decision == Decision(
            [(Watched, "watched", after)],
            [
                note("watchlist_changed", added="NVDA AMD", removed="GME AMC"),
                ("fleet", WatchlistChanged(("TSLA", "NVDA", "AMD"), ("GME",))),
            ],
        )

    def test_the_same_again_is_no_news(self) -> None:
        assert Clock(OPEN, self.BEFORE).handle(Watch(("GME", "TSLA", "AMC"), ("BBBY", "NOK"))) == Decision()

    def test_at_the_first_start_everyone_has_read_it(self) -> None:
        after = Watched(watchlist=("GME",), winding_down=("NOK",))
        assert Clock().handle(Watch(("GME",), ("NOK",))) == Decision([(Watched, "watched", after)])

    def test_a_symbol_that_winds_down_leaves_once(self) -> None:
        clock = Clock(OPEN, self.BEFORE)
        after = Watched(watchlist=("GME", "TSLA", "AMC"), winding_down=("BBBY", "NOK"), left=("NOK", "BBBY"))
        assert clock.handle(SymbolRetired("BBBY")) == Decision(
            [(Watched, "watched", after)], [("fleet", WatchlistChanged(("GME", "TSLA", "AMC"), ()))]
        )
        assert clock.handle(SymbolRetired("BBBY")) == Decision()
        assert clock.handle(SymbolRetired("GME")) == Decision(), "it is traded"

    @pytest.mark.parametrize(
        ("record", "sessions"),
        [
            (AUDITED, [("fleet", SessionAwaited(THURSDAY))]),
            (OPEN, [("fleet", SessionOpened(THURSDAY, ENDING_NS))]),
            (CLOSING, [("fleet", SessionOpened(THURSDAY, ENDING_NS)), ("fleet", SessionClosing(THURSDAY))]),
            (ClockRecord(date="2025-01-01", phase="open"), []),  # a session that the calendar does not have
        ],
    )
    def test_a_snapshot_has_the_watchlist_and_the_session(self, record: ClockRecord, sessions: list[Any]) -> None:
        clock = Clock(record, self.BEFORE)
        watchlist = [("fleet", WatchlistChanged(("GME", "TSLA", "AMC"), ("BBBY",)))]
        assert clock.core.snapshot(clock.state, ("fleet",)) == watchlist + sessions
        assert Clock(record).core.snapshot(Clock(record).state, ("fleet",)) == sessions
