"""The part of the history that a request covers; bars of every size agree."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages.market import Session
from services.simulator.market.bars import (
    BAR_SIZES,
    Bar,
    BarBuilder,
    Duration,
    bar_size,
    hours_of,
    read_duration,
    stretches,
)
from services.simulator.market.history import LOOKBACK_SESSIONS, History, Search, weekdays_before
from services.simulator.market.synthetic import SyntheticSource
from services.simulator.venue.events import EventKey

SECOND = 1_000_000_000
OPEN_NS = 1_647_955_800 * SECOND  # 2022-03-22 09:30 in New York, a Tuesday
TODAY = Session("2022-03-22", OPEN_NS, OPEN_NS + 23_400 * SECOND)
PAST = weekdays_before(TODAY)
SESSIONS = [*PAST, TODAY]
NOON = OPEN_NS + 9_000 * SECOND
SOURCE = SyntheticSource(7, ("TSLA", "TSM"), tick_s=60.0)


def history(now: EventKey) -> History:
    return History(lambda: SOURCE, lambda: (TODAY,), lambda: now)


def found(search: Search[list[Bar]]) -> list[Bar]:
    """The result of a search, with all its pieces at once."""
    while True:
        try:
            next(search)
        except StopIteration as end:
            return list(end.value)


def bars(size: str, duration: str, *, what: str = "TRADES", now: int = NOON, regular: bool = True) -> list[Bar]:
    length = read_duration(duration)
    assert length is not None
    wanted = stretches(length, now + 1, SESSIONS, regular=regular)
    builder = BarBuilder(BAR_SIZES[size], what, regular=regular)
    return found(history((now, "~", 0)).bars("TSLA", wanted, builder, what))


def test_the_weekdays_before_a_session() -> None:
    assert len(PAST) == LOOKBACK_SESSIONS
    assert [session.date for session in PAST[-3:]] == ["2022-03-17", "2022-03-18", "2022-03-21"]
    assert all(date.fromisoformat(session.date).weekday() < 5 for session in PAST)
    # Clocks went forward on 2022-03-13: the open is an hour earlier in UTC from then on.
    friday, monday = (next(s for s in PAST if s.date == day) for day in ("2022-03-11", "2022-03-14"))
    assert monday.open_ns - friday.open_ns == (3 * 24 - 1) * 3600 * SECOND


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1800 S", Duration(1800, "S")),
        ("2 D", Duration(2, "D")),
        ("1 Y", Duration(1, "Y")),
        ("60", Duration(60, "S")),
        ("0 D", None),
        ("D", None),
        ("1 day", None),
        ("-1 D", None),
    ],
)
def test_durations(text: str, expected: Duration | None) -> None:
    assert read_duration(text) == expected


@pytest.mark.parametrize(("text", "seconds"), [("1 secs", 1), ("1 sec", 1), ("1 hours", 3600), ("1W", 86_400)])
def test_bar_sizes(text: str, seconds: int) -> None:
    size = bar_size(text)
    assert size is not None
    assert size.seconds == seconds
    assert bar_size("7 mins") is None


@pytest.mark.parametrize(
    ("duration", "first", "count"),
    [
        ("1 D", "2022-03-22", 1),
        ("2 D", "2022-03-21", 2),
        ("1 W", "2022-03-16", 5),
        ("1 M", "2022-02-23", 20),
        ("600 S", "2022-03-22", 1),
        ("9600 S", "2022-03-21", 2),  # 9000 s of today, and the last ten minutes of yesterday
    ],
)
def test_the_sessions_of_a_request(duration: str, first: str, count: int) -> None:
    length = read_duration(duration)
    assert length is not None
    wanted = stretches(length, NOON, SESSIONS, regular=True)
    assert (wanted[0].session.date, len(wanted)) == (first, count)
    assert wanted[-1].finish_ns == NOON
    if length.unit == "S":
        assert sum(stretch.finish_ns - stretch.begin_ns for stretch in wanted) == length.number * SECOND


def test_the_last_day_of_february() -> None:
    march = Session("2022-03-31", OPEN_NS + 9 * 86_400 * SECOND, OPEN_NS + 9 * 86_400 * SECOND + 23_400 * SECOND)
    wanted = stretches(Duration(1, "M"), march.close_ns, [*SESSIONS, march], regular=True)
    assert wanted[0].session.date == "2022-03-01"


@pytest.mark.parametrize("what", ["TRADES", "MIDPOINT", "BID", "ASK"])
def test_bars_of_every_size_agree(what: str) -> None:
    (day,) = bars("1 day", "1 D", what=what)
    for size in ("1 min", "3 mins", "30 mins", "1 hour", "4 hours"):
        parts = bars(size, "1 D", what=what)
        assert (parts[0].open, parts[-1].close) == (day.open, day.close)
        assert (max(bar.high for bar in parts), min(bar.low for bar in parts)) == (day.high, day.low)
        assert sum(bar.volume for bar in parts) == day.volume
        assert sum(bar.count for bar in parts) == day.count
        starts = [bar.start_ns for bar in parts]
        assert starts == sorted(set(starts))
        assert starts[0] == OPEN_NS
        assert all(start % (BAR_SIZES[size].seconds * SECOND) == 0 or start == OPEN_NS for start in starts[:7]) or (
            size == "4 hours"
        )


def test_weeks_and_months_consist_of_days() -> None:
    days = bars("1 day", "1 M")
    for size, key in (("1W", lambda day: date.fromisoformat(day).isocalendar()[:2]), ("1M", lambda day: day[:7])):
        whole = bars(size, "1 M")
        assert [key(bar.day) for bar in whole] == sorted({key(bar.day) for bar in days})
        for bar in whole:
            own = [day for day in days if key(day.day) == key(bar.day)]
            assert (bar.open, bar.close, bar.volume) == (own[0].open, own[-1].close, sum(day.volume for day in own))
            assert (bar.high, bar.low) == (max(day.high for day in own), min(day.low for day in own))
            assert bar.day == own[-1].day


def test_a_day_that_is_over_is_built_once() -> None:
    adjustments = history((NOON, "~", 0))
    made: list[str] = []

    def counted(symbol: str, session: Session) -> object:
        made.append(session.date)
        return original(symbol, session)

    original = adjustments._made
    adjustments._made = counted  # type: ignore[method-assign, assignment]
    wanted = stretches(Duration(5, "D"), NOON + 1, SESSIONS, regular=True)
    first = found(adjustments.bars("TSLA", wanted, BarBuilder(BAR_SIZES["1 day"], "TRADES", regular=True), "TRADES"))
    adjustments._days.clear()
    again = found(adjustments.bars("TSLA", wanted, BarBuilder(BAR_SIZES["1 day"], "TRADES", regular=True), "TRADES"))
    assert again == first
    assert made == [stretch.session.date for stretch in wanted] + [TODAY.date]


@given(
    now=st.integers(OPEN_NS - SECOND, TODAY.close_ns + SECOND),
    size=st.sampled_from(["30 secs", "5 mins", "1 day"]),
    regular=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_no_data_of_the_future(now: int, size: str, regular: bool) -> None:
    reported = bars(size, "1 D", now=now, regular=regular)
    happened = [event for event in SOURCE.of("TSLA").events(None, [TODAY]) if event.time_ns <= now]
    if not happened:
        assert all(bar.day != TODAY.date for bar in reported)
    else:
        assert sum(bar.volume for bar in reported if bar.day == TODAY.date) == sum(event.size for event in happened)


def test_hours() -> None:
    regular, extended = hours_of(TODAY, regular=True), hours_of(TODAY, regular=False)
    assert regular == (TODAY.open_ns, TODAY.close_ns)
    assert (regular[0] - extended[0], extended[1] - regular[1]) == (19_800 * SECOND, 14_400 * SECOND)


def sources_agree(sessions: Sequence[Session]) -> None:
    whole = [event for event in SOURCE.events(None, sessions) if event.symbol == "TSM"]
    assert list(SOURCE.of("TSM").events(None, sessions)) == whole


def test_one_symbol_alone_is_the_same_market() -> None:
    sources_agree([PAST[-1], TODAY])
