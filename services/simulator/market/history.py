"""The market's past: what happened in one symbol up to now, never beyond. Pure: a source is asked.

What a source can make up or look up at any time needn't be remembered: the events of a few days are, so that paging
through a day costs it once; the rest is asked for again. Long searches are cut into sessions, so that whoever runs
them can do something else in between.

Sessions before the first one known: weekdays from 09:30 to 16:00 in New York, a year of them. A source that reaches
back so far (the made-up market does) has a past on the very first day; holidays of that past aren't known, and traded.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import TypeVar

from messages.market import Session
from services.simulator.market.bars import BAR_SIZES, NEW_YORK, Bar, BarMaker, Stretch, hours_of
from services.simulator.venue.adjustments import Past
from services.simulator.venue.events import EventKey, MarketEvent
from services.simulator.venue.source import MarketSource, Narrowing

__all__ = ["LOOKBACK_SESSIONS", "History", "Search", "weekdays_before"]

T = TypeVar("T")

Search = Generator[None, None, T]
"""A search in pieces: each `yield` is a place to pause."""

LOOKBACK_SESSIONS = 260
"""How many sessions before the first one known there may be: a year of weekdays."""

MAX_EVENTS_KEPT = 200_000
"""Events that are remembered, over all days and symbols."""

_NS = 1_000_000_000


class _Day:
    """One symbol's events in one session as far as they were asked for."""

    def __init__(self, events: Iterator[MarketEvent]) -> None:
        self.found: list[MarketEvent] = []
        self._coming = events
        self._next = next(events, None)

    def until(self, key: EventKey) -> int:
        """How many of `found` happened until then."""
        while self._next is not None and self._next.key <= key:
            self.found.append(self._next)
            self._next = next(self._coming, None)
        return bisect_right(self.found, key, key=lambda event: event.key)


class History:
    """The past of a source's symbols, which may become more.

    `now` tells the last event that happened, `sessions` the calendar as known, `past` what else happened to a symbol.
    """

    def __init__(
        self,
        source: Callable[[], MarketSource],
        sessions: Callable[[], Sequence[Session]],
        now: Callable[[], EventKey],
        past: Callable[[str], Past] = lambda _symbol: Past(),
    ) -> None:
        self._source = source
        self._past = past
        self._calendar = sessions
        self._now = now
        self._known: Sequence[Session] = ()
        self._all: tuple[Session, ...] = ()
        self._days: dict[tuple[str, str], _Day] = {}
        self._daily: dict[tuple[object, ...], Bar | None] = {}

    def sessions(self) -> tuple[Session, ...]:
        """Every session there may be something of, in order, those to come as well."""
        known = self._calendar()
        if known is not self._known:
            self._known = known
            self._all = (*weekdays_before(known[0]), *known) if known else ()
        return self._all

    def session_at(self, time_ns: int) -> Session | None:
        """The session of this time, hours before and after it included."""
        sessions = self.sessions()
        index = bisect_right(sessions, time_ns, key=lambda session: hours_of(session, regular=False)[1])
        if index < len(sessions) and hours_of(sessions[index], regular=False)[0] <= time_ns:
            return sessions[index]
        return None

    def events(self, symbol: str, session: Session, begin_ns: int, finish_ns: int) -> list[MarketEvent]:
        """What happened from `begin_ns` until before `finish_ns`, and until now, as it was then."""
        day = self._day(symbol, session)
        limit = min(self._now(), (finish_ns, "", -1))
        last = day.until(limit)
        first = bisect_left(day.found, begin_ns, hi=last, key=lambda event: event.time_ns)
        past = self._past(symbol)
        if not past.halts and not past.splits:
            return day.found[first:last]
        return [event for each in day.found[first:last] if (event := past.happened(each)) is not None]

    def bars(self, symbol: str, stretches: Sequence[Stretch], maker: BarMaker, what: str) -> Search[list[Bar]]:
        """The bars of these stretches in today's shares, oldest first; the last one may be in the making."""
        bars: list[Bar] = []
        for stretch in stretches:
            if maker.size.unit == "second":
                self._fold(symbol, stretch, maker, bars, what)
            else:
                self._fold_day(symbol, stretch, maker, bars, what)
            yield
        return bars

    def first(self, symbol: str, *, regular: bool) -> Search[int | None]:
        """When the earliest event was: the begin of its session. None if there is none."""
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
        """What happened until then, the latest session first."""
        for session in reversed(self.sessions()):
            begin, finish = hours_of(session, regular=regular)
            if begin <= min(end_ns, self._now()[0]):
                yield session, self.events(symbol, session, begin, min(finish, end_ns + 1))

    def _fold(self, symbol: str, stretch: Stretch, maker: BarMaker, bars: list[Bar], what: str) -> None:
        session, past = stretch.session, self._past(symbol)
        for each in self.events(symbol, session, stretch.begin_ns, stretch.finish_ns):
            event = past.adjusted(each, dividends=what == "ADJUSTED_LAST")
            bar = maker.take(event.time_ns, session, event.price, event.size, event.bid, event.ask)
            if bar is not None and (not bars or bars[-1] is not bar):
                bars.append(bar)

    def _fold_day(self, symbol: str, stretch: Stretch, maker: BarMaker, bars: list[Bar], what: str) -> None:
        """A whole day is known once it is over: then it is made only once."""
        session = stretch.session
        past = self._past(symbol)
        key = (symbol, session.date, what, maker.regular, past.splits, past.dividends)
        over = stretch.finish_ns <= self._now()[0] and stretch.finish_ns == hours_of(session, regular=maker.regular)[1]
        if not over or key not in self._daily:
            days: list[Bar] = []
            self._fold(symbol, stretch, BarMaker(BAR_SIZES["1 day"], what, regular=maker.regular), days, what)
            day = days[-1] if days else None
            if over:
                self._daily[key] = day
        else:
            day = self._daily[key]
        if day is not None:
            bar = maker.add(day)
            if not bars or bars[-1] is not bar:
                bars.append(bar)

    def _day(self, symbol: str, session: Session) -> _Day:
        key = (symbol, session.date)
        day = self._days.pop(key, None)
        if day is None:
            while self._days and sum(len(kept.found) for kept in self._days.values()) > MAX_EVENTS_KEPT:
                del self._days[next(iter(self._days))]
            day = _Day(self._made(symbol, session))
        self._days[key] = day  # the last one used is the last one forgotten
        return day

    def _made(self, symbol: str, session: Session) -> Iterator[MarketEvent]:
        source = self._source()
        if isinstance(source, Narrowing):
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
