"""A recorded market: bars or ticks from Parquet or CSV files. Only this file reads them (duckdb).

Bars have the columns symbol, ts (their start), open, high, low, close, volume; ticks symbol, ts, price, size and, if
known, bid, ask, bid_size, ask_size. A `ts` without a zone is UTC.

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
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from messages.market import Session
from services.configuration.refusal import Refusal
from services.simulator.venue.events import EventKey, MarketEvent
from services.simulator.venue.source import AFTER_HOURS_NS, PRE_MARKET_NS
from services.trading.prices import increment

__all__ = ["Contents", "FileSource", "RecordedBar", "contents", "walk"]

BAR_COLUMNS = ("open", "high", "low", "close", "volume")
TICK_COLUMNS = ("price", "size")
QUOTE_COLUMNS = ("bid", "ask", "bid_size", "ask_size")

SPREAD_PART = 2e-4
QUOTE_SIZE = 100
MINUTE_NS = 60 * 10**9

_DAY = "INTERVAL 1 DAY"


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

    Events of regular hours only, or, if `extended`, of 04:00 to 20:00 as well.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        symbols: Sequence[str],
        *,
        start: str | None = None,
        end: str | None = None,
        extended: bool = False,
    ) -> None:
        self.symbols = tuple(symbols)
        self._start = start or "0001-01-01"
        self._end = end or "9999-12-31"
        self._extended = extended
        self._db = duckdb.connect()
        self._bars = self._load([Path(path) for path in paths])
        self._bar_ns = self._bar_length() if self._bars else 0

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
            begin = session.open_ns - (PRE_MARKET_NS if self._extended else 0)
            finish = session.close_ns + (AFTER_HOURS_NS if self._extended else 0)
            if after is not None and finish <= after[0]:
                continue
            events = self._walked(begin, finish) if self._bars else self._ticks(begin, finish)
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
            events += walk(bar, self._bar_ns, counts[bar.symbol])
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

    # Loading

    def _load(self, paths: Sequence[Path]) -> bool:
        """Load the rows into memory; True for bars, False for ticks."""
        kinds = {path: self._are_bars(path) for path in paths}
        if len(set(kinds.values())) != 1:
            raise Refusal(f"{', '.join(map(str, paths))}: bars and ticks can't be mixed; name files of one kind")
        bars = kinds[paths[0]]
        for number, path in enumerate(paths):
            columns = f"{self._selection(path, bars)}, {self._actions(path)}"
            create = "CREATE TABLE market AS" if number == 0 else "INSERT INTO market"
            self._db.execute(
                f"{create} SELECT symbol, epoch_ns(ts) AS t, {columns} FROM {_relation(path)}"
                f" WHERE list_contains(?, symbol) AND ts >= ?::TIMESTAMP - {_DAY} AND ts <= ?::TIMESTAMP + 2 * {_DAY}"
                f" AND ({_SANE_BAR if bars else 'true'} OR action <> '')",
                [list(self.symbols), max(self._start, "1900-01-01"), min(self._end, "2200-01-01")],
            )
        self._check_symbols(paths)
        return bars

    def _are_bars(self, path: Path) -> bool:
        if not path.is_file():
            raise Refusal(f"{path}: no such market file; correct simulation.files or use simulation.market: synthetic")
        if path.suffix not in (".parquet", ".csv"):
            raise Refusal(f"{path}: neither .parquet nor .csv; convert it, or rename it if it is one of the two")
        columns = self._columns(path)
        kind = BAR_COLUMNS if "open" in columns else TICK_COLUMNS
        missing = [name for name in ("symbol", "ts", *kind) if name not in columns]
        if missing:
            raise Refusal(
                f"{path}: column {', '.join(missing)} is missing; bars need symbol, ts, {', '.join(BAR_COLUMNS)},"
                f" ticks symbol, ts, {', '.join(TICK_COLUMNS)}"
            )
        if not columns["ts"].startswith("TIMESTAMP"):
            raise Refusal(f"{path}: column ts is {columns['ts']}; it must hold timestamps, with a zone or in UTC")
        return kind is BAR_COLUMNS

    def _columns(self, path: Path) -> dict[str, str]:
        try:
            described = self._db.execute(f"DESCRIBE SELECT * FROM {_relation(path)}").fetchall()
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise Refusal(f"{path}: can't be read ({reason}); it must be a Parquet or CSV file") from error
        return {row[0]: row[1] for row in described}

    def _selection(self, path: Path, bars: bool) -> str:
        if bars:
            return "open, high, low, close, CAST(coalesce(volume, 0) AS BIGINT) AS volume"
        columns = self._columns(path)
        known = [name if name in columns else "NULL" for name in QUOTE_COLUMNS]
        bid, ask, bid_size, ask_size = known
        prices = [f"{_price(each)} AS {name}" for each, name in (("price", "price"), (bid, "bid"), (ask, "ask"))]
        sizes = [
            f"CAST(coalesce({each}, 0) AS BIGINT) AS {name}"
            for each, name in (("size", "size"), (bid_size, "bid_size"), (ask_size, "ask_size"))
        ]
        return ", ".join(prices + sizes)

    def _actions(self, path: Path) -> str:
        """The columns `action` and `value`, empty for trades. Refusal for an invalid row."""
        columns = self._columns(path)
        if "action" not in columns:
            return "'' AS action, NULL::DOUBLE AS value"
        value = "TRY_CAST(value AS DOUBLE)" if "value" in columns else "NULL::DOUBLE"
        chosen = f"coalesce(CAST(action AS VARCHAR), '') AS action, {value} AS value"
        wrong = self._rows(
            f"SELECT * FROM (SELECT symbol, ts::VARCHAR, {chosen} FROM {_relation(path)})"
            " WHERE NOT (action IN ('', 'halt', 'resume')"
            " OR action IN ('split', 'dividend') AND coalesce(isfinite(value) AND value > 0, false)) LIMIT 1"
        )
        for symbol, when, action, given in wrong:
            raise Refusal(
                f"{path}: {symbol} at {when}: action {action} with value {given}; give halt, resume, split with the new"
                " shares for one old share, or dividend with the dollars a share, both above 0"
            )
        return chosen

    def _check_symbols(self, paths: Sequence[Path]) -> None:
        files = ", ".join(map(str, paths))
        found = {row[0] for row in self._rows("SELECT DISTINCT symbol FROM market")}
        for symbol in self.symbols:
            if symbol in found:
                continue
            spans = [
                self._rows(
                    f"SELECT count(*), min(ts)::DATE::VARCHAR, max(ts)::DATE::VARCHAR FROM {_relation(path)}"
                    " WHERE symbol = ?",
                    symbol,
                )[0]
                for path in paths
            ]
            present = [span for span in spans if span[0]]
            if present:
                first, last = min(span[1] for span in present), max(span[2] for span in present)
                raise Refusal(
                    f"{files}: nothing of {symbol} between {self._start} and {self._end}; it has {first} to {last}:"
                    " correct simulation.start and simulation.end"
                )
            raise Refusal(f"{files}: has no symbol {symbol}; take it off the watchlist or name a file that has it")

    def _bar_length(self) -> int:
        """The most frequent distance between two bars of a symbol."""
        query = (
            "SELECT mode(d) FROM (SELECT t - lag(t) OVER (PARTITION BY symbol ORDER BY t) AS d FROM market"
            " WHERE action = '') WHERE d > 0"
        )
        length = self._rows(query)[0][0]
        return MINUTE_NS if length is None else int(length)

    def _rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self._db.execute(query, list(parameters)).fetchall()


class Contents(NamedTuple):
    """The contents of recorded files: their symbols in alphabetical order, their first and last day (UTC)."""

    symbols: tuple[str, ...]
    first: date
    last: date


def contents(paths: Sequence[Path]) -> Contents:
    """The contents of files, without loading them. Refusal for one that can't be read."""
    symbols: set[str] = set()
    days: list[date] = []
    with duckdb.connect() as db:
        for path in paths:
            try:
                rows = db.execute(
                    f"SELECT symbol, min(ts)::DATE, max(ts)::DATE FROM {_relation(path)} GROUP BY symbol"
                ).fetchall()
            except duckdb.Error as error:
                reason = str(error).splitlines()[0]
                raise Refusal(
                    f"{path}: can't be read ({reason}); it must be a Parquet or CSV file with the columns symbol and ts"
                ) from error
            symbols.update(symbol for symbol, _, _ in rows)
            days += [day for _, *span in rows for day in span]
    if not days:
        raise Refusal(f"{', '.join(map(str, paths))}: holds nothing; name a file with bars or ticks")
    return Contents(tuple(sorted(symbols)), min(days), max(days))


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


def _relation(path: Path) -> str:
    reader = "read_parquet" if path.suffix == ".parquet" else "read_csv"
    quoted = str(path).replace("'", "''")
    return f"{reader}('{quoted}')"


def _price(column: str) -> str:
    """SQL for a valid price, else NULL; exports write a missing side as 0 or NaN."""
    return f"CASE WHEN isfinite(CAST({column} AS DOUBLE)) AND {column} > 0 THEN CAST({column} AS DOUBLE) END"


_SANE_BAR = " AND ".join(f"{_price(column)} IS NOT NULL" for column in ("open", "high", "low", "close"))
