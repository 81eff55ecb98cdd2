"""Historical data: the events of one symbol up to now, never later. Pure: it reads from a market source.

The events of a few days are cached, so that paging through a day reads it once; the rest is read from the source again.
Long searches are cut into sessions, so that the caller can do other work in between.

Before the first known session there is a year of assumed ones: weekdays from 09:30 to 16:00 in New York. A source
that reaches back so far (the synthetic market does) has history on the first day. Its holidays are unknown, and traded.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import TypeVar

from messages.market import Session
from services.simulator.market.bars import BAR_SIZES, NEW_YORK, Bar, BarBuilder, Stretch, hours_of
from services.simulator.venue.adjustments import Adjustments
from services.simulator.venue.events import EventKey, MarketEvent
from services.simulator.venue.source import MarketSource, SingleSymbolSource

__all__ = ["LOOKBACK_SESSIONS", "History", "Search", "weekdays_before"]

T = TypeVar("T")

Search = Generator[None, None, T]
"""A search in pieces: it can pause at each `yield`."""

LOOKBACK_SESSIONS = 260
"""Assumed sessions before the first known one: a year of weekdays."""

MAX_EVENTS_KEPT = 200_000
"""Cached events, over all days and symbols."""

_NS = 1_000_000_000


class _Day:
    """The events of one symbol in one session, read as far as needed."""

    def __init__(self, events: Iterator[MarketEvent]) -> None:
        self.found: list[MarketEvent] = []
        self._coming = events
        self._next = next(events, None)

    def until(self, key: EventKey) -> int:
        """How many of `found` happened up to `key`."""
        while self._next is not None and self._next.key <= key:
            self.found.append(self._next)
            self._next = next(self._coming, None)
        return bisect_right(self.found, key, key=lambda event: event.key)


class History:
    """The history of a source's symbols; symbols may be added.

    `now` gives the last event so far, `sessions` the calendar, `adjustments` a symbol's halts, splits, dividends.
    """

    def __init__(
        self,
        source: Callable[[], MarketSource],
        sessions: Callable[[], Sequence[Session]],
        now: Callable[[], EventKey],
        adjustments: Callable[[str], Adjustments] = lambda _symbol: Adjustments(),
    ) -> None:
        self._source = source
        self._adjustments = adjustments
        self._calendar = sessions
        self._now = now
        self._known: Sequence[Session] = ()
        self._all: tuple[Session, ...] = ()
        self._days: dict[tuple[str, str], _Day] = {}
        self._daily: dict[tuple[object, ...], Bar | None] = {}

    def sessions(self) -> tuple[Session, ...]:
        """Every session with possible events, in order, future ones included."""
        known = self._calendar()
        if known is not self._known:
            self._known = known
            self._all = (*weekdays_before(known[0]), *known) if known else ()
        return self._all

    def session_at(self, time_ns: int) -> Session | None:
        """The session at this time, pre-market and after-hours included."""
        sessions = self.sessions()
        index = bisect_right(sessions, time_ns, key=lambda session: hours_of(session, regular=False)[1])
        if index < len(sessions) and hours_of(sessions[index], regular=False)[0] <= time_ns:
            return sessions[index]
        return None

    def events(self, symbol: str, session: Session, begin_ns: int, finish_ns: int) -> list[MarketEvent]:
        """The events from `begin_ns` until before `finish_ns`, up to now, in the prices of that time."""
        day = self._day(symbol, session)
        limit = min(self._now(), (finish_ns, "", -1))
        last = day.until(limit)
        first = bisect_left(day.found, begin_ns, hi=last, key=lambda event: event.time_ns)
        adjustments = self._adjustments(symbol)
        if not adjustments.halts and not adjustments.splits:
            return day.found[first:last]
        return [event for each in day.found[first:last] if (event := adjustments.happened(each)) is not None]

    def bars(self, symbol: str, stretches: Sequence[Stretch], builder: BarBuilder, what: str) -> Search[list[Bar]]:
        """The bars of these stretches in today's shares, oldest first; the last one may be incomplete."""
        bars: list[Bar] = []
        for stretch in stretches:
            if builder.size.unit == "second":
                self._fold(symbol, stretch, builder, bars, what)
            else:
                self._fold_day(symbol, stretch, builder, bars, what)
            yield
        return bars

    def first(self, symbol: str, *, regular: bool) -> Search[int | None]:
        """The start of the session with the earliest event. None if there is none."""
        for session in self.sessions():
            begin, finish = hours_of(session, regular=regular)
            if begin > self._now()[0]:
                break
            if self.events(symbol, session, begin, finish):
                return begin
            yield
        return None

    def from_time(self, symbol: str, start_ns: int, *, regular: bool) -> Iterator[tuple[Session, list[MarketEvent]]]:
        """What happened from then on, session by session."""
        for session in self.sessions():
            begin, finish = hours_of(session, regular=regular)
            if finish > start_ns and begin <= self._now()[0]:
                yield session, self.events(symbol, session, max(begin, start_ns), finish)

    def until_time(self, symbol: str, end_ns: int, *, regular: bool) -> Iterator[tuple[Session, list[MarketEvent]]]:
        """The events up to `end_ns`, the latest session first."""
        for session in reversed(self.sessions()):
            begin, finish = hours_of(session, regular=regular)
            if begin <= min(end_ns, self._now()[0]):
                yield session, self.events(symbol, session, begin, min(finish, end_ns + 1))

    def _fold(self, symbol: str, stretch: Stretch, builder: BarBuilder, bars: list[Bar], what: str) -> None:
        session, adjustments = stretch.session, self._adjustments(symbol)
        for each in self.events(symbol, session, stretch.begin_ns, stretch.finish_ns):
            event = adjustments.adjusted(each, dividends=what == "ADJUSTED_LAST")
            bar = builder.take(event.time_ns, session, event.price, event.size, event.bid, event.ask)
            if bar is not None and (not bars or bars[-1] is not bar):
                bars.append(bar)

    def _fold_day(self, symbol: str, stretch: Stretch, builder: BarBuilder, bars: list[Bar], what: str) -> None:
        """Add a whole day. A day that is over is built once and cached."""
        session = stretch.session
        adjustments = self._adjustments(symbol)
        key = (symbol, session.date, what, builder.regular, adjustments.splits, adjustments.dividends)
        over = (
            stretch.finish_ns <= self._now()[0] and stretch.finish_ns == hours_of(session, regular=builder.regular)[1]
        )
        if not over or key not in self._daily:
            days: list[Bar] = []
            self._fold(symbol, stretch, BarBuilder(BAR_SIZES["1 day"], what, regular=builder.regular), days, what)
            day = days[-1] if days else None
            if over:
                self._daily[key] = day
        else:
            day = self._daily[key]
        if day is not None:
            bar = builder.add(day)
            if not bars or bars[-1] is not bar:
                bars.append(bar)

    def _day(self, symbol: str, session: Session) -> _Day:
        key = (symbol, session.date)
        day = self._days.pop(key, None)
        if day is None:
            while self._days and sum(len(kept.found) for kept in self._days.values()) > MAX_EVENTS_KEPT:
                del self._days[next(iter(self._days))]
            day = _Day(self._made(symbol, session))
        self._days[key] = day  # the last one used is dropped last
        return day

    def _made(self, symbol: str, session: Session) -> Iterator[MarketEvent]:
        source = self._source()
        if isinstance(source, SingleSymbolSource):
            source = source.of(symbol)
        begin, finish = hours_of(session, regular=False)
        for event in source.events((begin, "", -1), [session]):
            if event.time_ns >= finish:
                return
            if event.symbol == symbol and event.time_ns >= begin:
                yield event


def weekdays_before(first: Session, count: int = LOOKBACK_SESSIONS) -> list[Session]:
    """Sessions on the weekdays before this one, in order."""
    found: list[Session] = []
    day = date.fromisoformat(first.date)
    while len(found) < count and day > date.min + timedelta(days=3):
        day -= timedelta(days=1)
        if day.weekday() < 5:
            opening = int(datetime.combine(day, time(9, 30), NEW_YORK).timestamp()) * _NS
            found.append(Session(day.isoformat(), opening, opening + 23_400 * _NS))
    return found[::-1]
