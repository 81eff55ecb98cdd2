"""A recorded market: bars or ticks from Parquet or CSV files (`loading.py` reads and checks them).

Bars have the columns symbol, ts (their start), open, high, low, close, volume; ticks symbol, ts, price, size and, if
known, bid, ask, bid_size, ask_size.

A bar has no path of the price. The assumed path is: open, the extreme nearer to the open (the low if both are equally
near), the other extreme, close, at its start and after each quarter of its length. The open is a jump from the event
before; between the other points the price moves continuously, so that a stop within the bar fills at its
own level. The bar's prices are rounded to the price grid, its volume is split over the four points, and a quote is put
around each: the spread is 2 basis points, half of it on either side, rounded up to whole price steps.

Ticks are taken as they are, in the order of the file: each is a jump.

A row whose column `action` is halt, resume, split or dividend is no trade, and its other columns are ignored. Its
`value` is the new shares for one old share, or the dollars a share. Prices after a split are the new ones.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from messages.market import Session
from services.configuration.refusal import Refusal
from services.simulator.market.bars import NEW_YORK
from services.simulator.market.loading import load, rows_text
from services.simulator.venue.events import EventKey, MarketEvent
from services.simulator.venue.source import AFTER_HOURS_NS, PRE_MARKET_NS
from services.trading.prices import increment

__all__ = ["FileSource", "RecordedBar", "walk"]

SPREAD_PART = 2e-4
QUOTE_SIZE = 100


class RecordedBar(NamedTuple):
    """One bar of one symbol; `time_ns` is its start."""

    time_ns: int
    symbol: str
    open: float
    high: float
    low: float
    close: float
    volume: int


class FileSource:
    """The market of some symbols as recorded in files of one kind, from one session date to another (New York dates).

    Events of regular hours only, or, if `extended`, of 04:00 to 20:00 as well. `zone`: that of times without one.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        symbols: Sequence[str],
        *,
        start: str | None = None,
        end: str | None = None,
        extended: bool = False,
        zone: str | None = None,
    ) -> None:
        self.symbols = tuple(symbols)
        self._start = start or "0001-01-01"
        self._end = end or "9999-12-31"
        self._extended = extended
        self._loaded = load([Path(path) for path in paths], symbols, self._start, self._end, zone)
        self._db = self._loaded.db

    def of(self, symbol: str) -> FileSource:
        """The same market, of one symbol."""
        one = copy.copy(self)
        one.symbols = (symbol,)
        return one

    def events(self, after: EventKey | None, sessions: Sequence[Session]) -> Iterator[MarketEvent]:
        """All events of these sessions, as far as they lie between start and end, after `after`."""
        for session in sorted(sessions, key=lambda each: each.open_ns):
            if not self._start <= session.date <= self._end:
                continue
            begin, finish = self._span(session)
            if after is not None and finish <= after[0]:
                continue
            events = self._walked(begin, finish) if self._loaded.bars else self._ticks(begin, finish)
            for event in events:
                if after is None or event.key > after:
                    yield event

    def _walked(self, begin_ns: int, finish_ns: int) -> list[MarketEvent]:
        rows = self._db.execute(
            "SELECT t, symbol, open, high, low, close, volume, action, value FROM market"
            " WHERE t >= ? AND t < ? AND list_contains(?, symbol) ORDER BY t, rowid",
            [begin_ns, finish_ns, list(self.symbols)],
        ).fetchall()
        counts = dict.fromkeys(self.symbols, 0)
        events = []
        for *row, action, value in rows:
            bar = RecordedBar(*row)
            if action:
                events.append(
                    MarketEvent(bar.time_ns, bar.symbol, counts[bar.symbol], action=action, value=value or 0.0)
                )
                counts[bar.symbol] += 1
                continue
            events += walk(bar, self._loaded.bar_ns, counts[bar.symbol])
            counts[bar.symbol] += 4
        return sorted(events, key=lambda event: event.key)

    def _ticks(self, begin_ns: int, finish_ns: int) -> Iterator[MarketEvent]:
        cursor = self._db.cursor().execute(
            "SELECT t, symbol, price, size, bid, ask, bid_size, ask_size, action, value FROM market"
            " WHERE t >= ? AND t < ? AND list_contains(?, symbol) ORDER BY t, symbol, rowid",
            [begin_ns, finish_ns, list(self.symbols)],
        )
        counts = dict.fromkeys(self.symbols, 0)
        while rows := cursor.fetchmany(10_000):
            for time_ns, symbol, *tick, action, value in rows:
                row = counts[symbol]
                if action:
                    yield MarketEvent(time_ns, symbol, row, action=action, value=value or 0.0)
                else:
                    yield MarketEvent(time_ns, symbol, row, *tick)
                counts[symbol] += 1

    def check_sessions(self, sessions: Sequence[Session]) -> str:
        """How many rows lie in these sessions, and how many were left out and why.

        Refusal for a symbol without a row in any session.
        """
        db = self._loaded.db.cursor()
        spans = [self._span(session) for session in sessions if self._start <= session.date <= self._end]
        db.execute("CREATE OR REPLACE TEMP TABLE spans AS SELECT unnest(?) AS span", [[list(span) for span in spans]])
        counted = db.execute(
            "SELECT symbol, count(*), count(*) FILTER (coalesce(t < finish, false)), min(t), max(t)"
            " FROM (SELECT symbol, t FROM market WHERE action = '') AS rows"
            " ASOF LEFT JOIN (SELECT span[1] AS start, span[2] AS finish FROM spans) ON t >= start"
            " GROUP BY symbol ORDER BY symbol"
        ).fetchall()
        for symbol, count, inside, first, last in counted:
            if not inside:
                raise Refusal(
                    f"{self._loaded.files}: none of the {count:,} rows of {symbol} lies in a session; they are of"
                    f" {_new_york(first)} to {_new_york(last)} New York: correct the zone of their times,"
                    " simulation.start and simulation.end, or hours.calendar"
                )
        outside = sum(row[1] - row[2] for row in counted)
        return rows_text(
            replace(self._loaded, rows=self._loaded.rows - outside),
            self._loaded.left_out | {"outside every session": outside},
        )

    def _span(self, session: Session) -> tuple[int, int]:
        """When events of this session may happen: from the first time to before the last."""
        if not self._extended:
            return session.open_ns, session.close_ns
        return session.open_ns - PRE_MARKET_NS, session.close_ns + AFTER_HOURS_NS


def walk(bar: RecordedBar, length_ns: int, first_row: int) -> list[MarketEvent]:
    """The four events of a bar."""
    prices = [_to_grid(price) for price in (bar.open, bar.high, bar.low, bar.close)]
    start, end = prices[0], prices[3]
    high, low = max(prices), min(prices)
    extremes = (high, low) if high - start < start - low else (low, high)
    share, rest = divmod(bar.volume, 4)
    events = []
    for index, price in enumerate((start, *extremes, end)):
        step = increment(price)
        half = math.ceil(price * SPREAD_PART / 2.0 / step) * step
        events.append(
            MarketEvent(
                time_ns=bar.time_ns + index * length_ns // 4,
                symbol=bar.symbol,
                row=first_row + index,
                price=price,
                size=share + (rest if index == 0 else 0),
                bid=round(price - half, 4),
                ask=round(price + half, 4),
                bid_size=QUOTE_SIZE,
                ask_size=QUOTE_SIZE,
                through=index > 0,
            )
        )
    return events


def _to_grid(price: float) -> float:
    step = increment(price)
    return round(round(price / step) * step, 4)


def _new_york(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // 10**9, UTC).astimezone(NEW_YORK):%Y-%m-%d %H:%M}"
