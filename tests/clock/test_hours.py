"""The hours in which entries are allowed: every minute of five years, and what pre- and after-market make of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime

import exchange_calendars
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.market import Session, SessionClosed, SessionClosing, SessionOpened
from services.clock.calendar import sessions
from services.clock.core import ClockCore, TimeReached
from services.clock.hours import AFTER_MARKET_NS, PRE_MARKET_NS, allowed
from services.configuration.calendars import EXTENDED, ZONES, zone_word
from services.configuration.settings import Hours, Settings
from services.runtime.core import Now, State
from services.symbol.core import SymbolCore
from services.symbol.record import SymbolRecord

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pandas, of what the library does inside

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
FIRST, LAST = date(2021, 1, 1), date(2025, 12, 31)
BEFORE_CLOSE, OPEN_DELAY_S = 15, 15


@pytest.fixture(scope="module", params=["XNYS", "XTKS"])
def exchange(request: pytest.FixtureRequest) -> exchange_calendars.ExchangeCalendar:
    """The library's calendar: with early closes and clock changes, and with a break at noon."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return exchange_calendars.get_calendar(request.param, start=FIRST, end=LAST)


def entry_hours(days: tuple[Session, ...]) -> Iterator[tuple[int, int]]:
    """From when to when the fleet may enter: the clock is driven from boundary to boundary."""
    core = ClockCore(days, BEFORE_CLOSE, 30)
    state, since, rest = State(core.kinds), None, (0, 0)
    at: int | None = days[0].open_ns - 3600 * SECOND
    while at is not None:
        decision = core.handle(state, TimeReached(at), Now(0, 0))
        state.apply(decision.changes)
        for _, message in decision.messages:
            match message:
                case SessionOpened(session, until_ns):
                    since, rest = at, (session.break_start_ns, session.break_end_ns)
                    assert until_ns == session.close_ns - BEFORE_CLOSE * MINUTE
                case SessionClosing():
                    assert since is not None
                    yield from [(since, at)] if rest == (0, 0) else [(since, rest[0]), (rest[1], at)]
                    since = None
                case SessionClosed():
                    assert since is None, "closed without a word before"
        at = core.next_boundary(core.record(state))


def test_every_minute_of_five_years(exchange: exchange_calendars.ExchangeCalendar) -> None:
    days = sessions(exchange.name, FIRST, LAST, today=LAST)
    start = int(datetime(2021, 1, 1, tzinfo=UTC).timestamp()) * SECOND
    minutes = numpy.arange(start, start + 5 * 365 * 1440 * MINUTE, MINUTE)
    ours = numpy.zeros(len(minutes), dtype=bool)
    for since, until in entry_hours(days):
        ours[numpy.searchsorted(minutes, since) : numpy.searchsorted(minutes, until)] = True

    # The library's own minutes of trading; of each session the last quarter of an hour is for no new entries.
    trading = exchange.minutes.asi8
    theirs = numpy.isin(minutes, trading)
    for close in exchange.closes.dt.tz_convert(None).to_numpy().astype("int64"):
        at = numpy.searchsorted(minutes, close)
        theirs[max(0, at - BEFORE_CLOSE) : at] = False
    differ = numpy.flatnonzero(ours != theirs)
    assert not len(differ), f"{len(differ)} minutes, the first {datetime.fromtimestamp(minutes[differ[0]] / 1e9, UTC)}"
    assert 5 * 240 * 200 < ours.sum() < 5 * 262 * 390


def test_what_everyone_knows_of_new_york() -> None:
    """Independent of the library: hours on the wall clock, a holiday, an early close, both clock changes."""
    days = {s.date: s for s in sessions("XNYS", FIRST, LAST, today=LAST)}

    def utc(day: str) -> tuple[str, str]:
        session = days[day]
        at = (datetime.fromtimestamp(ns / 1e9, UTC) for ns in (session.open_ns, session.close_ns))
        return tuple(f"{moment:%H:%M}" for moment in at)  # type: ignore[return-value]

    assert utc("2024-03-08") == ("14:30", "21:00")
    assert utc("2024-03-11") == ("13:30", "20:00")
    assert utc("2024-11-01") == ("13:30", "20:00")
    assert utc("2024-11-04") == ("14:30", "21:00")
    for early in ("2022-11-25", "2024-11-29", "2025-11-28", "2024-12-24"):
        assert (utc(early), days[early].early) == (("14:30", "18:00"), True)
    assert not days.keys() & {"2021-12-24", "2022-06-20", "2024-07-04", "2025-01-09", "2025-04-18", "2025-06-19"}


DAYS = sessions("XNYS", date(2024, 11, 25), date(2024, 12, 2), today=LAST)


@pytest.mark.parametrize(("pre", "after"), [(False, False), (True, False), (False, True), (True, True)])
def test_allowed_hours_open_earlier_and_close_later(pre: bool, after: bool) -> None:
    for before, now in zip(DAYS, allowed(DAYS, Hours(allow_pre_market=pre, allow_after_hours=after)), strict=True):
        assert now.open_ns == before.open_ns - (PRE_MARKET_NS if pre else 0)
        assert now.close_ns == before.close_ns + (AFTER_MARKET_NS if after else 0)
        if pre or after:
            assert (now.regular_open_ns, now.regular_close_ns) == (before.open_ns, before.close_ns)


@given(st.integers(-8 * 3600, 30 * 3600), st.booleans(), st.booleans())
def test_a_symbol_enters_in_the_allowed_hours_and_never_outside(offset_s: int, pre: bool, after: bool) -> None:
    """At any second around two sessions, the second of them shortened: Wednesday and the Friday after Thanksgiving."""
    hours = Hours(allow_pre_market=pre, allow_after_hours=after)
    days = [s for s in DAYS if s.date in ("2024-11-27", "2024-11-29")]
    for index, regular in enumerate(days):
        now_ns = regular.open_ns + offset_s * SECOND
        clock = ClockCore(allowed(days, hours), BEFORE_CLOSE)
        symbol = SymbolCore("TSLA", Settings(watchlist=("TSLA",), hours=hours))
        clock_state, symbol_state = State(clock.kinds), State(symbol.kinds)
        for at in (days[0].open_ns - 86_400 * SECOND, now_ns):
            decision = clock.handle(clock_state, TimeReached(at), Now(0, 0))
            clock_state.apply(decision.changes)
            for _, message in decision.messages:
                symbol_state.apply(symbol.handle(symbol_state, message, Now(at, 0)).changes)
        record = symbol_state.get(SymbolRecord, "TSLA") or SymbolRecord(symbol="TSLA")
        opens = regular.open_ns - (PRE_MARKET_NS if pre else 0)
        closes = regular.close_ns + (AFTER_MARKET_NS if after else 0)
        may = opens + OPEN_DELAY_S * SECOND <= now_ns < closes - BEFORE_CLOSE * MINUTE
        assert (symbol._blocked(record, Now(now_ns, 0)) is None) is may, (index, record.phase)


def test_the_table_of_calendars_is_the_librarys() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = exchange_calendars.get_calendar_names(include_aliases=True)
    assert {name for name in names if "/" not in name and "_" not in name} == ZONES.keys()
    for name in ("XNYS", "XLON", "XTKS", "XASX", "CMES", "NASDAQ"):
        assert str(exchange_calendars.get_calendar(name, start="2025-01-01", end="2025-02-01").tz) == ZONES[name]
    assert {name for name, zone in ZONES.items() if zone == "America/New_York"} >= EXTENDED
    assert (zone_word("XNYS"), zone_word("XTKS"), zone_word("XBUE")) == ("ET", "Tokyo time", "Buenos Aires time")
