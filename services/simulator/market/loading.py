"""Loads the rows of recorded market files into one table (duckdb). Nothing about a file is guessed.

Each column has a declared type. A text that does not fit its type is a Refusal of one line with the file and the row. A
time has a zone in the file, or the configuration names one (`simulation.zone`). What is left out is counted by reason.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from services.configuration.refusal import Refusal

__all__ = ["Contents", "LoadedRows", "contents", "load", "rows_text"]

BAR_COLUMNS = ("open", "high", "low", "close", "volume")
TICK_COLUMNS = ("price", "size")
QUOTE_COLUMNS = ("bid", "ask", "bid_size", "ask_size")
SIZES = frozenset({"volume", "size", "bid_size", "ask_size"})

MINUTE_NS = 60 * 10**9
LONGEST_BAR_NS = 12 * 60 * MINUTE_NS
"""Longer bars are those of whole days."""
FEW_BARS = 2

TIME = (
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)"  # the date, the time of day
    r" ?(?:(Z)|([+-])(\d{2})(?::?(\d{2}))?)?"  # the zone
)
NUMBER = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
MISSING = "('', 'null', 'nan', 'na', 'n/a', 'none')"
"""Texts in lower case that stand for no value in a column of numbers."""

_DAY_NS = 86_400 * 10**9
_NEW_YORK_DATE = "timezone('America/New_York', make_timestamptz({t} // 1000))::DATE"


@dataclass
class LoadedRows:
    """The table `market` in `db`, in the order of the files, and the count of rows that were left out, by reason."""

    db: duckdb.DuckDBPyConnection
    paths: tuple[Path, ...]
    bars: bool = True
    bar_ns: int = 0
    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    @property
    def files(self) -> str:
        """The paths of the files, for a message."""
        return ", ".join(map(str, self.paths))


class Contents(NamedTuple):
    """The contents of recorded files: their symbols in alphabetical order, their first and last day (New York)."""

    symbols: tuple[str, ...]
    first: date
    last: date


class _Column(NamedTuple):
    """A column of a file: SQL for its value (NULL where it is missing), and SQL that is true where it is invalid."""

    value: str
    invalid: str


def load(paths: Sequence[Path], symbols: Sequence[str], start: str, end: str, zone: str | None) -> LoadedRows:
    """The rows of these symbols between two dates, with a margin of days that no zone exceeds."""
    _check_each_once(paths)
    found = LoadedRows(_connect(), tuple(paths))
    files = [_File(found.db, path, zone) for path in paths]
    if len({file.bars for file in files}) != 1:
        raise Refusal(f"{found.files}: bars and ticks can't be mixed; name files of one kind")
    found.bars = files[0].bars
    for number, file in enumerate(files):
        file.check(symbols)
        file.insert(found, number, symbols, start, end)
    _remove_duplicates(found)
    _check_symbols(found, files, symbols, start, end)
    if found.bars:
        found.bar_ns = _bar_length(found)
    found.rows = _one(found.db, "SELECT count(*) FROM market")
    return found


def contents(paths: Sequence[Path], zone: str | None = None) -> Contents:
    """The contents of files, without loading them. Refusal for one that can't be read."""
    _check_each_once(paths)
    symbols: set[str] = set()
    days: list[date] = []
    with _connect() as db:
        for path in paths:
            file = _File(db, path, zone)
            file.check(None)
            day = _NEW_YORK_DATE.format(t="t")
            rows = db.execute(
                f"SELECT symbol, min({day}), max({day}) FROM (SELECT symbol, {file.time.value} AS t"
                f" FROM {file.relation}) WHERE symbol <> '' GROUP BY symbol"
            ).fetchall()
            symbols.update(symbol for symbol, _, _ in rows)
            days += [day for _, *span in rows for day in span]
    if not days:
        raise Refusal(f"{', '.join(map(str, paths))}: holds nothing; name a file with bars or ticks")
    return Contents(tuple(sorted(symbols)), min(days), max(days))


class _File:
    """One file: its kind, its columns, and how to read them."""

    def __init__(self, db: duckdb.DuckDBPyConnection, path: Path, zone: str | None) -> None:
        if not path.is_file():
            raise Refusal(f"{path}: no such market file; correct simulation.files or use simulation.market: synthetic")
        if path.suffix not in (".parquet", ".csv"):
            raise Refusal(f"{path}: neither .parquet nor .csv; convert it, or rename it if it is one of the two")
        self._db, self._path, self._zone = db, path, zone
        quoted = str(path).replace("'", "''")
        self._text = path.suffix == ".csv"
        if self._text:
            self._columns = dict.fromkeys(_header(path), "VARCHAR")
            declared = ", ".join(f"'{_quoted(name)}': 'VARCHAR'" for name in self._columns)
            self.relation = (
                f"read_csv('{quoted}', auto_detect=false, header=false, skip=1, delim=',', quote='\"', escape='\"',"
                f" encoding='utf-8', columns={{{declared}}})"
            )
        else:
            self.relation = f"read_parquet('{quoted}', file_row_number=true)"
            described = self._run(f"DESCRIBE SELECT * FROM {self.relation}")
            self._columns = {row[0]: row[1] for row in described}
        kind = BAR_COLUMNS if "open" in self._columns else TICK_COLUMNS
        self.bars = kind is BAR_COLUMNS
        missing = [name for name in ("symbol", "ts", *kind) if name not in self._columns]
        if missing:
            raise Refusal(
                f"{path}: column {', '.join(missing)} is missing; bars need symbol, ts, {', '.join(BAR_COLUMNS)},"
                f" ticks symbol, ts, {', '.join(TICK_COLUMNS)}"
            )
        if self._columns["symbol"] != "VARCHAR" and not self._columns["symbol"].startswith("ENUM"):
            raise Refusal(f"{path}: column symbol is {self._columns['symbol']}; write the symbols as text")
        numbers = kind if self.bars else (*kind, *QUOTE_COLUMNS)
        self._numbers = {name: self._number(name) for name in numbers}
        self.time = self._time()

    # Columns

    def _number(self, name: str) -> _Column:
        """A price (NULL if it is not above 0) or a size (0 if it is missing)."""
        if name not in self._columns:
            return _Column("0::BIGINT" if name in SIZES else "NULL::DOUBLE", "false")
        if self._text:
            text = f"trim(coalesce({name}, ''))"
            number = f"TRY_CAST({text} AS DOUBLE)"
            read = f"CASE WHEN lower({text}) NOT IN {MISSING} THEN {number} END"
            invalid = (
                f"lower({text}) NOT IN {MISSING} AND NOT coalesce(regexp_full_match({text}, '{NUMBER}')"
                f" AND isfinite({number}), false)"
            )
        else:
            kind = self._columns[name]
            if not re.match(r"U?(TINY|SMALL|BIG|HUGE)?INT|INTEGER|UINTEGER|FLOAT|DOUBLE|DECIMAL|\"?NULL", kind):
                raise Refusal(f"{self._path}: column {name} is {kind}; it must hold numbers")
            number = f"CAST({name} AS DOUBLE)"
            read, invalid = f"CASE WHEN isfinite({number}) THEN {number} END", "false"
        if name in SIZES:
            size = f"coalesce({read}, 0)"
            return _Column(
                f"CAST({size} AS BIGINT)", f"({invalid} OR coalesce({read}, 0) < 0 OR coalesce({read}, 0) > 1e15)"
            )
        return _Column(f"CASE WHEN {read} > 0 THEN {read} END", f"({invalid})")

    def _time(self) -> _Column:
        """The time in ns since the epoch (UTC)."""
        if not self._text:
            return self._parquet_time()
        part = [f"regexp_extract(ts, '^{TIME}$', {number})" for number in range(7)]
        naive = f"TRY_CAST({part[1]} || ' ' || {part[2]} || CASE WHEN length({part[2]}) = 5 THEN ':00' ELSE '' END"
        day_ns = f"epoch_ns({naive} AS TIMESTAMP_NS))"
        offset = f"(coalesce(TRY_CAST({part[5]} AS BIGINT), 0) * 60 + coalesce(TRY_CAST({part[6]} AS BIGINT), 0))"
        told = f"{day_ns} - CASE {part[4]} WHEN '-' THEN -1 ELSE 1 END * {offset} * {MINUTE_NS}"
        has_zone = f"({part[3]} <> '' OR {part[4]} <> '')"
        fits = f"regexp_full_match(coalesce(ts, ''), '{TIME}') AND {day_ns} IS NOT NULL"
        if self._zone is None:
            return _Column(told, f"NOT coalesce({fits} AND {has_zone}, false)")
        local = f"{self._in_zone(f'{naive} AS TIMESTAMP)')} + {day_ns} % 1000"
        return _Column(f"CASE WHEN {has_zone} THEN {told} ELSE {local} END", f"NOT coalesce({fits}, false)")

    def _parquet_time(self) -> _Column:
        kind = self._columns["ts"]
        if kind == "DATE":
            raise Refusal(f"{self._path}: column ts is DATE: {WHOLE_DAYS}")
        if not kind.startswith("TIMESTAMP"):
            raise Refusal(f"{self._path}: column ts is {kind}; it must hold timestamps, with a zone")
        if kind == "TIMESTAMP WITH TIME ZONE":
            return _Column("epoch_ns(ts)", "ts IS NULL")
        if self._zone is None:
            raise Refusal(f"{self._path}: {ZONE_MISSING.format(what='column ts')}")
        return _Column(f"{self._in_zone('ts::TIMESTAMP')} + epoch_ns(ts) % 1000", "ts IS NULL")

    def _in_zone(self, naive: str) -> str:
        return f"epoch_ns(timezone('{_quoted(self._zone or '')}', {naive}))"

    def _action(self) -> _Column:
        """The kind of a row that is no trade; '' for a trade."""
        if "action" not in self._columns:
            return _Column("''", "false")
        return _Column(
            "coalesce(CAST(action AS VARCHAR), '')",
            "coalesce(CAST(action AS VARCHAR), '') NOT IN ('', 'halt', 'resume', 'split', 'dividend')",
        )

    def _value(self) -> str:
        return "TRY_CAST(value AS DOUBLE)" if "value" in self._columns else "NULL::DOUBLE"

    # Rows

    def check(self, symbols: Sequence[str] | None) -> None:
        """Refusal for the first row of these symbols (None: of all) that has an invalid column."""
        action, value = self._action(), self._value()
        valueless = (
            f"{action.value} IN ('split', 'dividend') AND NOT coalesce(isfinite({value}) AND {value} > 0, false)"
        )
        wrong: dict[str, str] = {"ts": self.time.invalid, "action": f"({action.invalid} OR {valueless})"}
        wrong |= {name: f"({action.value} = '' AND {column.invalid})" for name, column in self._numbers.items()}
        flags = ", ".join(f"coalesce({sql}, false) AS {_flag(name)}" for name, sql in wrong.items())
        chosen = "true" if symbols is None else "list_contains(?, symbol)"
        any_wrong = " OR ".join(_flag(name) for name in wrong)
        cursor = self._db.cursor()
        try:
            found = cursor.execute(
                f"SELECT * FROM (SELECT *, {flags} FROM {self.relation} WHERE {chosen}) WHERE {any_wrong} LIMIT 1",
                [] if symbols is None else [list(symbols)],
            ).fetchone()
        except duckdb.Error as error:
            raise self._unreadable(error) from error
        if found is None:
            return
        row = dict(zip([column[0] for column in cursor.description or ()], found, strict=True))
        name = next(name for name in wrong if row[_flag(name)])
        raise Refusal(f"{self._path}:{self._place(row)}: {self._complaint(name, row)}")

    def insert(self, found: LoadedRows, number: int, symbols: Sequence[str], start: str, end: str) -> None:
        """Add the rows to the table, and count those that are left out."""
        action = self._action()
        names = BAR_COLUMNS if self.bars else (*TICK_COLUMNS, *QUOTE_COLUMNS)
        columns = ", ".join(f"{self._numbers[name].value} AS {name}" for name in names)
        needed = " AND ".join(f"{name} IS NOT NULL" for name in ("open", "high", "low", "close"))
        if not self.bars:
            needed = "(price IS NOT NULL OR bid IS NOT NULL OR ask IS NOT NULL)"
        first, last = _ns(max(start, "1900-01-01")) - _DAY_NS, _ns(min(end, "2200-01-01")) + 2 * _DAY_NS
        typed = (
            f"SELECT symbol, {self.time.value} AS t, {columns}, {action.value} AS action, {self._value()} AS value,"
            f" {number} AS file FROM {self.relation} WHERE list_contains(?, symbol)"
        )
        taken, in_range = f"(action <> '' OR {needed})", f"t >= {first} AND t < {last}"
        create = "CREATE TABLE market AS" if number == 0 else "INSERT INTO market"
        self._run(f"{create} SELECT * FROM ({typed}) WHERE {in_range} AND {taken}", list(symbols))
        ((other, outside, empty),) = self._run(
            f"SELECT (SELECT count(*) FROM {self.relation}) - count(*), count(*) FILTER (NOT ({in_range})),"
            f" count(*) FILTER ({in_range} AND NOT {taken}) FROM ({typed})",
            list(symbols),
        )
        found.left_out += Counter(
            {"of other symbols": other, f"not between {start} and {end}": outside, "without a price": empty}
        )

    def spans(self, symbol: str) -> tuple[int, date | None, date | None]:
        """How many rows it has of a symbol, and their first and last day (New York)."""
        day = _NEW_YORK_DATE.format(t=f"({self.time.value})")
        ((count, first, last),) = self._run(
            f"SELECT count(*), min({day}), max({day}) FROM {self.relation} WHERE symbol = ?", symbol
        )
        return count, first, last

    def symbols(self) -> list[str]:
        """Its first symbols in alphabetical order."""
        return [
            row[0] for row in self._run(f"SELECT DISTINCT symbol FROM {self.relation} ORDER BY 1 LIMIT 6") if row[0]
        ]

    def _run(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query, list(parameters)).fetchall()
        except duckdb.Error as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: duckdb.Error) -> Refusal:
        for line, row in _csv_rows(self._path) if self._text else ():
            if len(row) != len(self._columns):
                return Refusal(
                    f"{self._path}:{line}: has {len(row)} values, the first line names {len(self._columns)} columns;"
                    " write numbers without a separator for thousands, with a point before the decimals"
                )
        reason = str(error).splitlines()[0]
        return Refusal(f"{self._path}: can't be read ({reason}); it must be a Parquet or CSV file")

    def _place(self, row: Mapping[str, Any]) -> str:
        """Where the row stands: the line of a CSV file, the row of a Parquet file."""
        if not self._text:
            return f"row {row['file_row_number'] + 1}"
        wanted = [row[name] or "" for name in self._columns]
        return next((str(line) for line, texts in _csv_rows(self._path) if texts == wanted), "?")

    def _complaint(self, name: str, row: Mapping[str, Any]) -> str:
        given = row.get(name)
        if name == "ts":
            return _time_complaint("" if given is None else str(given))
        if name == "action":
            return (
                f"action {given} with value {row.get('value') or ''}; give halt, resume, split with the new shares for"
                " one old share, or dividend with the dollars a share, both above 0"
            )
        text = str(given).strip()
        if name in SIZES and re.fullmatch(NUMBER, text):
            return f"{name} is `{text}`; give the shares, 0 or empty if they are unknown"
        return f"{name} is `{text}`; write a number with a point before the decimals and no separator for thousands"


ZONE_MISSING = (
    "{what} has no zone; write it there (2025-01-06 14:30:00Z, 2025-01-06 09:30:00-05:00), or name it by"
    " simulation.zone (UTC, America/New_York)"
)
WHOLE_DAYS = "bars of whole days can't be played; name a file with bars of minutes, or with ticks"


def rows_text(found: LoadedRows, left_out: Mapping[str, int]) -> str:
    """How many rows were loaded, and how many were left out and why."""
    why = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items() if count)
    text = f"{found.files}: {found.rows:,} rows are played" + (f"; left out: {why}" if why else "")
    return "; ".join((text, *found.notes))


def _time_complaint(text: str) -> str:
    if re.fullmatch(TIME, text):
        moment = re.fullmatch(TIME, text)
        assert moment is not None
        if not (moment[3] or moment[4]) and _is_time(text):
            return ZONE_MISSING.format(what=f"ts `{text}`")
        return f"ts `{text}` is no time that exists"
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return f"ts `{text}` has no time of day: {WHOLE_DAYS}"
    return f"ts is `{text}`; write it as 2025-01-06 14:30:00Z (year-month-day, hours:minutes:seconds, zone)"


def _is_time(text: str) -> bool:
    return bool(_one(_connect(), "SELECT TRY_CAST(? AS TIMESTAMP_NS) IS NOT NULL", text))


def _header(path: Path) -> list[str]:
    """The names in the first line of a CSV file."""
    first = next(_csv_rows(path), None)
    names = first[1] if first else []
    for separator, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(names) == 1 and separator in names[0]:
            raise Refusal(f"{path}:1: the columns are separated by {word}; separate them by commas")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise Refusal(f"{path}:1: column {twice[0]} stands twice; remove one of the two")
    if not names:
        raise Refusal(f"{path}: holds nothing; name a file with bars or ticks")
    return names


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file with the number of the line, the first line included. Refusal if it is not text."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            for row in reader:
                if row:
                    yield reader.line_num, row
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refusal(f"{path}: can't be read ({error}); it must be a CSV file in UTF-8") from None


def _check_each_once(paths: Sequence[Path]) -> None:
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            raise Refusal(f"{path}: is named twice; name each market file once")
        seen.add(path.resolve())


def _remove_duplicates(found: LoadedRows) -> None:
    """Leave out bars and actions that stand twice. Two different bars of one time are a Refusal; ticks may be alike."""
    kinds = "true" if found.bars else "action <> ''"
    values = "open, high, low, close, volume, value" if found.bars else "value"
    for symbol, t in found.db.execute(
        f"SELECT symbol, t FROM (SELECT DISTINCT symbol, t, action, {values} FROM market WHERE {kinds})"
        " GROUP BY symbol, t, action HAVING count(*) > 1 ORDER BY t LIMIT 1"
    ).fetchall():
        when = _one(found.db, f"SELECT make_timestamptz({t} // 1000)::VARCHAR")
        raise Refusal(f"{found.files}: {symbol} has two different rows at {when}; keep one of them")
    ((twice,),) = found.db.execute(
        f"DELETE FROM market WHERE {kinds} AND rowid NOT IN"
        f" (SELECT min(rowid) FROM market WHERE {kinds} GROUP BY symbol, t, action)"
    ).fetchall()
    found.left_out["that stand twice"] += twice
    if not found.bars:
        alike = _one(
            found.db,
            "SELECT coalesce(sum(n - 1), 0)::BIGINT FROM (SELECT count(*) AS n FROM market WHERE action = ''"
            " GROUP BY symbol, t, price, size, bid, ask, bid_size, ask_size HAVING count(*) > 1)",
        )
        if alike:
            found.notes.append(f"{alike:,} ticks are equal to another one and are played as well")


def _check_symbols(found: LoadedRows, files: Sequence[_File], symbols: Sequence[str], start: str, end: str) -> None:
    present = {row[0] for row in found.db.execute("SELECT DISTINCT symbol FROM market WHERE action = ''").fetchall()}
    for symbol in symbols:
        if symbol in present:
            continue
        spans = [span for file in files if (span := file.spans(symbol))[0]]
        days = [day for _, *days in spans for day in days if day is not None]
        if days and (min(days).isoformat() > end or max(days).isoformat() < start):
            raise Refusal(
                f"{found.files}: nothing of {symbol} between {start} and {end}; it has {min(days)} to {max(days)}:"
                " correct simulation.start and simulation.end"
            )
        if spans:
            raise Refusal(f"{found.files}: none of the {sum(span[0] for span in spans):,} rows of {symbol} has a price")
        known = list(dict.fromkeys(name for file in files for name in file.symbols()))
        raise Refusal(
            f"{found.files}: has no symbol {symbol}; take it off the watchlist or name a file that has it"
            f" (here: {', '.join(known[:6])}{', …' if len(known) > 5 else ''})"
        )


def _bar_length(found: LoadedRows) -> int:
    """The most frequent distance between two bars of a symbol. Refusal for bars of whole days."""
    ((length, distances),) = found.db.execute(
        "SELECT mode(d), count(d) FROM (SELECT t - lag(t) OVER (PARTITION BY symbol ORDER BY t) AS d FROM market"
        " WHERE action = '') WHERE d > 0"
    ).fetchall()
    if length is not None and length < LONGEST_BAR_NS:
        return int(length)
    if distances > FEW_BARS:
        raise Refusal(f"{found.files}: {WHOLE_DAYS}")
    return MINUTE_NS  # too few bars to tell


def _connect() -> duckdb.DuckDBPyConnection:
    """A database in memory, in which the zone of this machine has no meaning."""
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    return db


def _one(db: duckdb.DuckDBPyConnection, query: str, *parameters: object) -> Any:
    ((value,),) = db.execute(query, list(parameters)).fetchall()
    return value


def _ns(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days * _DAY_NS


def _flag(name: str) -> str:
    return f"wrong_{name}"


def _quoted(text: str) -> str:
    return text.replace("'", "''")
