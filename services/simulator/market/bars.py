"""Bars: their sizes, the parts of sessions that a request covers, and building bars from events. Pure.

Bars are aligned to the clock of New York, not to the first trade. The first bar starts with the session: hours of
regular trading begin 09:30, 10:00, 11:00. A bar without events is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from messages.market import Session
from services.simulator.venue.source import AFTER_HOURS_NS, PRE_MARKET_NS

__all__ = [
    "BAR_SIZES",
    "NEW_YORK",
    "WHAT",
    "Bar",
    "BarBuilder",
    "BarSize",
    "Duration",
    "Stretch",
    "bar_size",
    "hours_of",
    "read_duration",
    "start_of",
    "stretches",
]

_NS = 1_000_000_000
NEW_YORK = ZoneInfo("America/New_York")

WHAT = ("TRADES", "MIDPOINT", "BID", "ASK", "BID_ASK", "ADJUSTED_LAST")
"""What bars can be made of."""


class BarSize(NamedTuple):
    """The size of a bar: seconds within a session, or `day`, `week`, `month` (then `seconds` is that of a day)."""

    name: str
    seconds: int
    unit: str = "second"


BAR_SIZES = {
    size.name: size
    for size in (
        *(BarSize(f"{n} secs", n) for n in (1, 5, 10, 15, 30)),
        BarSize("1 min", 60),
        *(BarSize(f"{n} mins", n * 60) for n in (2, 3, 5, 10, 15, 20, 30)),
        BarSize("1 hour", 3600),
        *(BarSize(f"{n} hours", n * 3600) for n in (2, 3, 4, 8)),
        BarSize("1 day", 86_400, "day"),
        BarSize("1W", 86_400, "week"),
        BarSize("1M", 86_400, "month"),
    )
}
"""IBKR's bar sizes, by its names and in its order."""

_ALIASES = {"1 sec": "1 secs", "1 mins": "1 min", "1 hours": "1 hour", "1 week": "1W", "1 month": "1M"}


def bar_size(text: str) -> BarSize | None:
    """The size of this name, None if there is none."""
    return BAR_SIZES.get(_ALIASES.get(text, text))


class Duration(NamedTuple):
    """How far back: a number of `S`econds, `D`ays, `W`eeks, `M`onths or `Y`ears."""

    number: int
    unit: str


def read_duration(text: str) -> Duration | None:
    """`1800 S`, `2 D`; None if it is no duration. A number alone is seconds."""
    found = re.fullmatch(r"(\d{1,8})(?: ([SDWMY]))?", text.strip())
    return Duration(int(found[1]), found[2] or "S") if found and int(found[1]) else None


class Stretch(NamedTuple):
    """A part of a session, from `begin_ns` until just before `finish_ns`."""

    session: Session
    begin_ns: int
    finish_ns: int


def hours_of(session: Session, *, regular: bool) -> tuple[int, int]:
    """Start and end of a session: regular hours, or with pre-market and after-hours."""
    if regular:
        return session.open_ns, session.close_ns
    return session.open_ns - PRE_MARKET_NS, session.close_ns + AFTER_HOURS_NS


def stretches(duration: Duration, end_ns: int, sessions: Sequence[Session], *, regular: bool) -> list[Stretch]:
    """The parts of sessions that a request covers, oldest first.

    Days are sessions, including the one in progress. Seconds count trading time only. Weeks, months and years follow
    the calendar.
    """
    begun = [session for session in sessions if hours_of(session, regular=regular)[0] < end_ns]
    count, unit = duration
    if unit == "D":
        begun = begun[-count:]
    elif unit != "S" and begun:
        first = _back(datetime.fromtimestamp(end_ns // _NS, UTC).astimezone(NEW_YORK).date(), count, unit)
        begun = [session for session in begun if session.date > first.isoformat()]
    found: list[Stretch] = []
    left_ns = count * _NS
    for session in reversed(begun):
        begin, finish = hours_of(session, regular=regular)
        finish = min(finish, end_ns)
        if unit == "S":
            begin = max(begin, finish - left_ns)
            left_ns -= finish - begin
        found.append(Stretch(session, begin, finish))
        if left_ns <= 0:
            break
    return found[::-1]


def start_of(duration: Duration, end_ns: int) -> int:
    """Where a request begins: its end less its duration, by the calendar, at the earliest in 1970.

    The answer names it, whatever bars there are.
    """
    count, unit = duration
    if unit in ("S", "D"):
        return max(0, end_ns - count * (86_400 if unit == "D" else 1) * _NS)
    end = datetime.fromtimestamp(end_ns // _NS, UTC).astimezone(NEW_YORK)
    day = _back(end.date(), count, unit)
    if day.year <= 1970:
        return 0
    return int(datetime.combine(day, end.time(), NEW_YORK).timestamp()) * _NS


def _back(day: date, count: int, unit: str) -> date:
    if unit == "W":
        return day - timedelta(weeks=count)
    months = count * (12 if unit == "Y" else 1)
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    if year < 1:
        return date.min
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, last)
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


class Bar(msgspec.Struct, gc=False):
    """One bar. `start_ns` is its beginning, `day` the session's date; quotes have neither volume nor count."""

    start_ns: int
    day: str
    open: float
    high: float
    low: float
    close: float
    volume: int = 0
    turnover: float = 0.0
    count: int = 0

    @property
    def average(self) -> float:
        """The average price of its shares."""
        return round(self.turnover / self.volume, 6) if self.volume else self.close


class BarBuilder:
    """Builds bars of one size from the events of one symbol. `last` is the current bar."""

    def __init__(self, size: BarSize, what: str, *, regular: bool) -> None:
        self.size = size
        self.regular = regular
        self.trades = what in ("TRADES", "ADJUSTED_LAST")
        self.last: Bar | None = None
        self._what = what
        self._bid: float | None = None
        self._ask: float | None = None
        self._key: object = None
        self._midnight: tuple[str, int] = ("", 0)

    def take(
        self, time_ns: int, session: Session, price: float | None, size: int, bid: float | None, ask: float | None
    ) -> Bar | None:
        """Add an event: a trade if there is a price, a quote if there is a side.

        Returns the bar that changed or started, None if none did.
        """
        quoted = bid is not None or ask is not None
        if quoted:
            self._bid, self._ask = bid, ask
        begin, finish = hours_of(session, regular=self.regular)
        if not begin <= time_ns < finish:
            return None
        if self.trades:
            return None if price is None else self._fold(time_ns, begin, session, price, price, size)
        if not quoted:
            return None
        low, high = self._levels()
        return None if low is None or high is None else self._fold(time_ns, begin, session, low, high, 0)

    def add(self, day: Bar) -> Bar:
        """Add a whole day to a bar of days, weeks or months. Returns the bar that changed or started."""
        key, bar = self._span(day.day), self.last
        if bar is None or key != self._key:
            self._key = key
            self.last = bar = msgspec.structs.replace(day)
            return bar
        bar.high, bar.low, bar.close = max(bar.high, day.high), min(bar.low, day.low), day.close
        bar.volume += day.volume
        bar.turnover += day.turnover
        bar.count += day.count
        bar.day = day.day
        return bar

    def _span(self, day: str) -> object:
        match self.size.unit:
            case "week":
                return date.fromisoformat(day).isocalendar()[:2]
            case "month":
                return day[:7]
            case _:
                return day

    def _levels(self) -> tuple[float | None, float | None]:
        """The low and the high of the quote."""
        bid, ask = self._bid, self._ask
        match self._what:
            case "BID":
                return bid, bid
            case "ASK":
                return ask, ask
            case "BID_ASK":
                return bid, ask
            case _:
                middle = None if bid is None or ask is None else round((bid + ask) / 2.0, 6)
                return middle, middle

    def _fold(self, time_ns: int, begin: int, session: Session, low: float, high: float, size: int) -> Bar:
        key, start = self._place(time_ns, begin, session)
        bar = self.last
        if bar is None or key != self._key:
            self._key = key
            # A BID_ASK bar opens at the bid and closes at the ask, as at IBKR.
            self.last = bar = Bar(start, session.date, low, high, low, high)
        else:
            bar.high = max(bar.high, high)
            bar.low = min(bar.low, low)
            bar.close = high
            bar.day = session.date
        if self.trades:
            bar.volume += size
            bar.turnover += low * size
            bar.count += 1
        return bar

    def _place(self, time_ns: int, begin: int, session: Session) -> tuple[object, int]:
        """The key of the bar at this time, and its start."""
        if self.size.unit != "second":
            return self._span(session.date), begin
        midnight, length = self._midnight_of(session), self.size.seconds * _NS
        start = time_ns - (time_ns - midnight) % length
        return start, max(start, begin)

    def _midnight_of(self, session: Session) -> int:
        if self._midnight[0] != session.date:
            midnight = datetime.combine(date.fromisoformat(session.date), time(), NEW_YORK)
            self._midnight = (session.date, int(midnight.timestamp()) * _NS)
        return self._midnight[1]
