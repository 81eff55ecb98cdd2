"""The boundaries of sessions: sent once and in order, even if the clock was down."""

from __future__ import annotations

import pytest

from messages.market import Session, SessionApproaching, SessionAwaited, SessionClosed, SessionClosing, SessionOpened
from messages.operator import Happened
from messages.watchlist import SymbolRetired, Watch, WatchlistChanged
from services.clock.core import ClockCore, ClockRecord, MarketEnded, StepBegun, TimeReached
from services.clock.steps import MarketStep, next_step
from services.runtime.core import Now, State

MINUTE = 60_000_000_000
DAY = 24 * 60 * MINUTE
OPEN, CLOSE = 570 * MINUTE, 960 * MINUTE


def session(day: int, *, early: bool = False) -> Session:
    return Session(f"2025-01-{day:02}", day * DAY + OPEN, day * DAY + (780 * MINUTE if early else CLOSE), early)


# A Thursday, a Friday that closes early, a weekend, a Monday.
DAYS = (session(2), session(3, early=True), session(6))


class Clock:
    def __init__(self) -> None:
        self.core = ClockCore(DAYS, 15)
        self.state = State(self.core.kinds)

    def handle(self, message: object) -> list[tuple[str, str]]:
        decision = self.core.handle(self.state, message, Now(0, 0))  # type: ignore[arg-type]
        self.state.apply(decision.changes)
        return [
            (type(m).__name__, m.session.date)
            for to, m in decision.messages
            if isinstance(m, SessionAwaited | SessionOpened | SessionClosing | SessionClosed) and to == "fleet"
        ]

    def reach(self, at: int) -> list[tuple[str, str]]:
        return self.handle(TimeReached(at))

    @property
    def record(self) -> ClockRecord:
        return self.core.record(self.state)

    @property
    def boundary(self) -> int | None:
        return self.core.next_boundary(self.record)


def test_boundary_by_boundary() -> None:
    clock = Clock()
    sent, at = clock.reach(DAYS[0].open_ns - MINUTE), []
    while (boundary := clock.boundary) is not None:
        assert clock.reach(boundary - 1) == []
        at.append(boundary)
        sent += clock.reach(boundary)
    assert at == [t for s in DAYS for t in (s.open_ns, s.close_ns - 15 * MINUTE, s.close_ns)]
    changes = [(kind, date) for kind, date in sent if kind != "SessionAwaited"]
    assert changes == [(k, s.date) for s in DAYS for k in ("SessionOpened", "SessionClosing", "SessionClosed")]


def test_an_early_close_ends_entries_early() -> None:
    clock = Clock()
    assert clock.core.entries_until(DAYS[1]) == DAYS[1].open_ns + 210 * MINUTE - 15 * MINUTE


def test_the_morning_audit_is_announced_once_before_each_open() -> None:
    core = ClockCore(DAYS, 15, 30)
    state = State(core.kinds)
    at: list[tuple[int, str]] = []
    now_ns: int | None = DAYS[0].open_ns - DAY
    while now_ns is not None:
        decision = core.handle(state, TimeReached(now_ns), Now(0, 0))
        state.apply(decision.changes)
        at += [(now_ns, m.session.date) for _, m in decision.messages if isinstance(m, SessionApproaching)]
        now_ns = core.next_boundary(core.record(state))
    assert at == [(s.open_ns - 30 * MINUTE, s.date) for s in DAYS]


def test_after_the_audit_time_it_is_announced_before_the_open() -> None:
    core = ClockCore(DAYS, 15, 30)
    decision = core.handle(State(core.kinds), TimeReached(DAYS[0].open_ns + MINUTE), Now(0, 0))
    kinds = [type(m).__name__ for to, m in decision.messages if to == "fleet"]
    assert kinds == ["SessionAwaited", "SessionApproaching", "SessionOpened"]


def test_the_close_names_the_next_session() -> None:
    clock = Clock()
    for at in (DAYS[0].open_ns, DAYS[0].close_ns - 1):
        clock.reach(at)
    decision = clock.core.handle(clock.state, TimeReached(DAYS[0].close_ns), Now(0, 0))  # type: ignore[arg-type]
    (closed,) = [m for _, m in decision.messages if isinstance(m, SessionClosed)]
    assert closed.next == DAYS[1]


AWAY = [
    # (the clock's last time, now, what it sends when it is back)
    (DAYS[0].open_ns - MINUTE, DAYS[0].open_ns + MINUTE, ["SessionOpened 2"]),
    (DAYS[0].open_ns + MINUTE, DAYS[0].open_ns + 2 * MINUTE, []),
    (DAYS[0].open_ns + MINUTE, DAYS[0].close_ns - MINUTE, ["SessionClosing 2"]),
    (DAYS[0].open_ns + MINUTE, DAYS[0].close_ns + MINUTE, ["SessionClosing 2", "SessionClosed 2"]),
    (DAYS[0].close_ns - MINUTE, DAYS[0].close_ns + MINUTE, ["SessionClosed 2"]),
    (DAYS[0].open_ns + MINUTE, DAYS[1].open_ns + MINUTE, ["SessionClosing 2", "SessionClosed 2", "SessionOpened 3"]),
    # The clock was down during all of Friday: nothing is sent about it.
    (DAYS[0].open_ns + MINUTE, DAYS[2].open_ns + MINUTE, ["SessionClosing 2", "SessionClosed 2", "SessionOpened 6"]),
    (DAYS[0].open_ns - MINUTE, DAYS[2].close_ns - MINUTE, ["SessionOpened 6", "SessionClosing 6"]),
    (DAYS[0].open_ns - MINUTE, DAYS[2].close_ns + MINUTE, []),
    (DAYS[1].open_ns + MINUTE, DAYS[1].close_ns + DAY, ["SessionClosing 3", "SessionClosed 3"]),
]


@pytest.mark.parametrize(("last", "now", "expected"), AWAY)
def test_back_after_being_away(last: int, now: int, expected: list[str]) -> None:
    clock = Clock()
    clock.reach(last)
    sent = [f"{kind} {int(date[-2:])}" for kind, date in clock.reach(now) if kind != "SessionAwaited"]
    assert sent == expected
    assert clock.reach(now) == [] or not clock.record.date
    boundary = clock.boundary
    assert boundary is None or boundary > now


def test_started_late_in_a_session() -> None:
    clock = Clock()
    sent = clock.reach(DAYS[1].close_ns - MINUTE)
    assert [kind for kind, _ in sent] == ["SessionAwaited", "SessionOpened", "SessionClosing"]


def test_when_the_market_ends() -> None:
    clock = Clock()
    clock.reach(DAYS[0].open_ns)
    clock.reach(DAYS[0].close_ns - MINUTE)
    clock.handle(MarketEnded())
    assert clock.boundary == DAYS[0].close_ns, "an open session still closes"
    decision = clock.core.handle(clock.state, TimeReached(DAYS[0].close_ns), Now(0, 0))  # type: ignore[arg-type]
    clock.state.apply(decision.changes)
    (closed,) = [m for _, m in decision.messages if isinstance(m, SessionClosed)]
    assert closed.next is None
    assert clock.boundary is None
    again = clock.core.handle(clock.state, MarketEnded(), Now(0, 0))  # type: ignore[arg-type]
    assert not [m for _, m in again.messages if isinstance(m, Happened)], "said once"


def test_a_snapshot_has_the_open_session() -> None:
    clock = Clock()
    assert clock.core.snapshot(clock.state, ("fleet",)) == []
    clock.reach(DAYS[0].open_ns)
    opened = ("fleet", SessionOpened(DAYS[0], DAYS[0].close_ns - 15 * MINUTE))
    assert clock.core.snapshot(clock.state, ("fleet",)) == [opened]
    clock.reach(DAYS[0].close_ns - MINUTE)
    assert clock.core.snapshot(clock.state, ("fleet",)) == [opened, ("fleet", SessionClosing(DAYS[0]))]


def test_a_step_is_remembered() -> None:
    clock = Clock()
    clock.handle(StepBegun(7, 99))
    assert (clock.record.step, clock.record.now_ns) == (7, 99)


class TestWatchlist:
    def watchlists(self, clock: Clock, message: object) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
        decision = clock.core.handle(clock.state, message, Now(0, 0))  # type: ignore[arg-type]
        clock.state.apply(decision.changes)
        return [(m.watchlist, m.winding_down) for _, m in decision.messages if isinstance(m, WatchlistChanged)]

    def test_the_first_start_sends_no_watchlist(self) -> None:
        clock = Clock()
        assert self.watchlists(clock, Watch(("GME", "TSLA"))) == []
        assert self.watchlists(clock, Watch(("GME", "TSLA"))) == []

    def test_a_change_is_sent_once(self) -> None:
        clock = Clock()
        self.watchlists(clock, Watch(("GME", "TSLA")))
        assert self.watchlists(clock, Watch(("TSLA", "NVDA"), ("GME",))) == [(("TSLA", "NVDA"), ("GME",))]
        assert self.watchlists(clock, Watch(("TSLA", "NVDA"), ("GME",))) == []

    def test_a_symbol_that_left_stays_so_over_restarts_until_it_is_traded_again(self) -> None:
        clock = Clock()
        self.watchlists(clock, Watch(("GME", "TSLA")))
        self.watchlists(clock, Watch(("TSLA",), ("GME",)))
        assert self.watchlists(clock, SymbolRetired("GME")) == [(("TSLA",), ())]
        assert self.watchlists(clock, SymbolRetired("GME")) == []
        assert self.watchlists(clock, SymbolRetired("AMC")) == [], "nobody asked it to"
        assert self.watchlists(clock, Watch(("TSLA",), ("GME",))) == [], "the settings of a restart"
        assert self.watchlists(clock, Watch(("TSLA", "GME"))) == [(("TSLA", "GME"), ())]
        assert self.watchlists(clock, Watch(("TSLA",), ("GME",))) == [(("TSLA",), ("GME",))]

    def test_a_new_process_gets_the_watchlist_by_snapshot(self) -> None:
        clock = Clock()
        self.watchlists(clock, Watch(("TSLA",), ("GME",)))
        assert clock.core.snapshot(clock.state, ("fleet",)) == [("fleet", WatchlistChanged(("TSLA",), ("GME",)))]


class TestSteps:
    def test_the_earliest(self) -> None:
        assert next_step(30, 20, {"risk": 10, "symbol-A": None}, 0) == MarketStep("deadline", 10, "risk")
        assert next_step(30, 20, {}, 0) == MarketStep("calendar", 20)
        assert next_step(30, None, {}, 0) == MarketStep("market", 30)
        assert next_step(None, None, {"risk": None}, 0) is None

    def test_ties_calendar_then_deadlines_by_name_then_the_market(self) -> None:
        deadlines = {"symbol-B": 10, "symbol-A": 10}
        assert next_step(10, 10, deadlines, 0) == MarketStep("calendar", 10)
        assert next_step(10, 11, deadlines, 0) == MarketStep("deadline", 10, "symbol-A")
        assert next_step(10, 11, {"symbol-A": 11}, 0) == MarketStep("market", 10)

    def test_what_has_passed_counts_as_now(self) -> None:
        """Time never runs backwards, and what is late is still in its order."""
        assert next_step(3, 50, {"risk": 5}, 40) == MarketStep("deadline", 40, "risk")
        assert next_step(3, 2, {"risk": 5}, 40) == MarketStep("calendar", 40)
