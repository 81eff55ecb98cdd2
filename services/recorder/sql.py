"""SQL that only reads, for people and programs, with limits of time and rows.

Three protections, each enough for an honest mistake: the statement must be a single one that reads (SELECT, WITH,
DESCRIBE, SHOW, SUMMARIZE, EXPLAIN); it runs in a read-only transaction (EXPLAIN ANALYZE and WITH can hide a DELETE);
the database is opened without access to anything outside of it, with a locked configuration (`store.CONFIG`).
"""

from __future__ import annotations

import contextlib
import threading
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from messages.operator import Answer, Command, Sql
from services.recorder.store import Connection, SqlError

__all__ = ["MAX_ROWS", "TIMEOUT_S", "ReadOnlySql"]

TIMEOUT_S = 10.0
"""After this much machine time a statement is interrupted."""

MAX_ROWS = 10_000
"""Most rows of an answer."""

READING = {"SELECT", "EXPLAIN"}
"""DuckDB's own statement types. WITH, FROM, VALUES, DESCRIBE, SHOW and SUMMARIZE count as SELECT."""


class ReadOnlySql:
    """Answers statements on its own connection, one after another."""

    def __init__(self, connection: Connection, *, timeout_s: float = TIMEOUT_S, max_rows: int = MAX_ROWS):
        self._db = connection
        self._timeout_s = timeout_s
        self._max_rows = max_rows

    def answer(self, command: Command) -> Answer:
        """Handle a command of the control socket: SQL, or a refusal."""
        match command:
            case Sql(statement):
                return self.run(statement)
            case _:
                return Answer(False, f"the recorder answers SQL, not {type(command).__name__}")

    def run(self, statement: str) -> Answer:
        """Columns and rows with values for JSON; or the error in one line."""
        try:
            refused = self._refused(statement)
            return Answer(False, refused) if refused else self._read(statement)
        except SqlError as error:
            return Answer(False, _one_line(error, self._timeout_s))

    def _refused(self, statement: str) -> str:
        found = self._db.extract_statements(statement)
        if len(found) != 1:
            return f"one statement at a time, please: {len(found)} given"
        kind = found[0].type.name
        return "" if kind in READING else f"only reading is allowed (SELECT, EXPLAIN, DESCRIBE, SHOW, …), not {kind}"

    def _read(self, statement: str) -> Answer:
        db = self._db
        alarm = threading.Timer(self._timeout_s, db.interrupt)
        db.execute("BEGIN TRANSACTION READ ONLY")
        try:
            alarm.start()
            db.execute(statement)
            columns = [column[0] for column in db.description or ()]
            rows = db.fetchmany(self._max_rows + 1)
        finally:
            alarm.cancel()
            alarm.join()  # it must not interrupt the next statement
            with contextlib.suppress(SqlError):
                db.execute("ROLLBACK")
        cut = len(rows) > self._max_rows
        text = f"only the first {self._max_rows} rows; narrow it down with WHERE or LIMIT" if cut else ""
        return Answer(True, text, columns, [[_plain(value) for value in row] for row in rows[: self._max_rows]])


def _plain(value: object) -> object:
    """A value for JSON and msgpack: times as ISO text, durations in seconds."""
    match value:
        case None | bool() | float() | str():
            return value
        case int():
            return value if -(2**63) <= value < 2**64 else str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return float(value)
        case bytes():
            return value.hex()
        case list() | tuple():
            return [_plain(item) for item in value]
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case _:
            return str(value)


def _one_line(error: SqlError, timeout_s: float) -> str:
    text = " ".join(str(error).split("\n\n")[0].split())
    return f"stopped after {timeout_s:g} s; narrow it down" if "INTERRUPT" in text else text
