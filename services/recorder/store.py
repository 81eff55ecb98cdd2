"""The DuckDB file. Of the recorder, only this file imports duckdb.

`DuckLedger` is the recorder's ledger. It writes the rows of a batch and the cursors of their producers in one
transaction, so after a kill -9 the producers send exactly what is missing. Records are passed to DuckDB as JSON, one
statement per kind of record: 1,000 records take 7 ms (with parameter lists 11, with `executemany` 300).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar, get_args, get_type_hints

import duckdb
import msgspec

import messages
from messages.frames import Envelope
from services.recorder.core import rows_of
from services.recorder.records import RECORDS, AccountRow, FillRow, TableRow
from services.recorder.schema import STEPS, TABLES, VERSION, VIEWS
from services.runtime import safekeeping
from services.runtime.core import Now
from services.runtime.ledger import (
    Batch,
    ConstraintBroken,
    LedgerError,
    Loaded,
    OutboxRow,
    RecordChange,
    SetAside,
    new_epoch,
)

__all__ = ["Connection", "DuckLedger", "SqlError", "open_at_rest"]

Connection = duckdb.DuckDBPyConnection
SqlError = duckdb.Error

# SQL may read this database and nothing else: no files, no network, no extensions, no variables of this process. No
# statement can change that. The fleet shares the machine: one thread, and limited memory.
CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "memory_limit": "512MB",
    "threads": "1",
    "lock_configuration": "true",
}

_VIEWS_ID = hashlib.sha256(VIEWS.encode()).hexdigest()[:16]
"""The version of the views in a file; kept in `meta`."""

_decode_fill = msgspec.json.Decoder(FillRow).decode
_decode_envelope = msgspec.msgpack.Decoder(Envelope).decode
_encode = msgspec.json.Encoder().encode


class _Cursor(TableRow, frozen=True, kw_only=True):
    """The recorder's cursor in the rows of one producer."""

    table: ClassVar[str] = "cursors"
    key_column: ClassVar[str] = "producer"

    producer: str
    seq: int


SYNTHETIC = ("order", "stop")
"""The witnesses of a fill that was rebuilt, because the broker no longer reports its execution."""

_DAMAGED = (
    *("not a valid DuckDB database", "Corrupt", "replaying WAL", "Could not read enough bytes", "checksum"),
    *("Failed to deserialize", "Serialization Error", "INTERNAL Error", "FATAL Error"),
)
"""Errors of a file that can't be read. Others (a lock, a missing permission, a full disk) are no damage."""

_WAL = ".wal"


class DuckLedger:
    """A ledger whose records are the rows of the tables that users query.

    It keeps no journal and no acknowledgements: the recorder is never replayed and has no consumers. Its own messages
    (a message was refused) go directly into `events`.

    `patience_s`: how long to wait while another process reads the file, as a command does while no recorder runs.

    A file that can't be read is set aside, and a new one begun: the other processes report again what they have. Where
    only its write-ahead log is damaged, only that is set aside.
    """

    def __init__(self, path: str | os.PathLike[str], *, fleet: str, account: str | None, patience_s: float = 0.0):
        self._path = Path(path)
        kinds: tuple[type[TableRow], ...] = (*RECORDS, _Cursor)
        self._statements = {kind.__name__: _upsert(kind) for kind in kinds}
        self._fleet = fleet
        self.was_set_aside: SetAside | None = None
        if self._damage.exists():
            self._set_aside(self._damage.read_text() or "unknown")
        try:
            self._db = self._open(patience_s)
        except _Damaged as damage:
            self._set_aside(str(damage), only_wal=damage.only_wal)
            try:
                self._db = self._open(patience_s)
            except _Damaged as more:  # the log was not all of it
                self._set_aside(str(more))
                self._db = self._open(patience_s)
        try:
            self._bind(account)
        except BaseException:
            self._db.close()
            raise

    @property
    def _damage(self) -> Path:
        """A note for the next start: the running recorder has found that the file is damaged."""
        return self._path.with_name(f"{self._path.name}.damage")

    def _open(self, patience_s: float) -> Connection:
        """The file, with present tables and views. Raises _Damaged."""
        db = _opened(self._path, patience_s)
        try:
            db.execute("CHECKPOINT")  # it reads what a later one would stumble over
            if _has_meta(db) and int(_meta(db)["version"]) < VERSION:
                self._check_fleet(db)
                db = _copied_first(self._path, db)
            self._prepare(db)
        except duckdb.Error as error:
            db.close()
            if _is_damage(error):
                raise _Damaged(error) from None
            raise LedgerError(_unusable(self._path, error)) from None
        except BaseException:
            db.close()
            raise
        return db

    def _set_aside(self, error: str, *, only_wal: bool = False) -> None:
        if only_wal:
            wal = self._path.with_name(self._path.name + _WAL)
            file, kept_as = wal, safekeeping.set_aside(wal)
        else:
            file, kept_as = self._path, safekeeping.set_aside(self._path, (_WAL,))
            self._damage.unlink(missing_ok=True)
        self.was_set_aside = SetAside(file.name, kept_as.name, error.splitlines()[0])

    def set_aside(self, error: str) -> None:
        self._db.close()
        self._set_aside(error)
        self._db = self._open(0.0)

    def _check_fleet(self, db: Connection) -> None:
        found = _meta(db)["fleet"]
        if found != self._fleet:
            raise LedgerError(f"{self._path}: belongs to fleet {found}, not {self._fleet}; move the file away")

    def _prepare(self, db: Connection) -> None:
        """Create or update tables and views. A file of another fleet or of a newer release is refused."""
        with _transaction(db):
            if not _has_meta(db):
                db.execute(TABLES)
                first = {"version": VERSION, "fleet": self._fleet, "run": 0, "epoch": new_epoch()}
                for key, value in first.items():
                    db.execute("INSERT INTO meta VALUES (?, ?)", [key, str(value)])
            self._check_fleet(db)
            _renew(db, self._path)
        self._account = _meta(db).get("account")

    def _bind(self, account: str | None) -> None:
        """Bind the database to one account: the first one that is reported."""
        if account is None or account == self._account:
            return
        if self._account is not None:
            raise LedgerError(
                f"{self._path}: holds the records of account {self._account}, not {account}; "
                "use another fleet name for another account"
            )
        self._db.execute("INSERT INTO meta VALUES ('account', ?)", [account])
        self._account = account

    def load(self) -> Loaded:
        """Cursors and the number of this run. Records stay in the file."""
        meta = _meta(self._db)
        run = int(meta["run"]) + 1
        self._db.execute("UPDATE meta SET value = ? WHERE key = 'run'", [str(run)])
        places = self._db.execute("SELECT producer, seq, epoch FROM cursors").fetchall()
        return Loaded(
            records={},
            head=self._head(),
            cursors={producer: seq for producer, seq, _ in places},
            acked={},
            run=run,
            epoch=int(meta.get("epoch", 0)),  # an upgraded file has none
            epochs={producer: epoch for producer, _, epoch in places},
        )

    def count_start(self, wall_ns: int, within_ns: int) -> int:
        """Record a start. Returns how many there were in the last `within_ns`, this one included."""
        with _transaction(self._db):
            self._db.execute("DELETE FROM starts WHERE wall_ns < ?", [wall_ns - within_ns])
            self._db.execute("INSERT INTO starts VALUES (?)", [wall_ns])
            row = self._db.execute("SELECT count(*) FROM starts").fetchone()
        return int(row[0]) if row else 0

    def commit(self, batch: Batch) -> None:
        """Write rows and cursors, all or nothing. Raises ConstraintBroken if DuckDB can't take the data."""
        own_rows = [change for row in batch.rows for change in _own_changes(row)]
        cursors = [_change(_Cursor(producer=producer, seq=seq)) for producer, seq in batch.cursors.items()]
        kinds: dict[str, dict[str, bytes | None]] = {}
        for change in (*batch.changes, *own_rows, *cursors):
            kinds.setdefault(change.kind, {})[change.key] = change.body
        try:
            with _transaction(self._db):
                for account in kinds.get(AccountRow.__name__, ()):
                    self._bind(account)
                if FillRow.__name__ in kinds:
                    self._drop_known_shares(kinds[FillRow.__name__])
                for kind, bodies in kinds.items():
                    if bodies:
                        self._db.execute(self._statements[kind], [_array(bodies.values())])
                for producer, epoch in batch.epochs.items():
                    self._db.execute("UPDATE cursors SET epoch = ? WHERE producer = ?", [epoch, producer])
        except (duckdb.IntegrityError, duckdb.DataError, duckdb.InvalidInputException) as error:
            raise ConstraintBroken(str(error)) from None
        except (duckdb.FatalException, duckdb.InternalError) as error:
            if _is_damage(error):
                self._damage.write_text(str(error))  # this process ends; the next start sets the file aside
            raise

    def _drop_known_shares(self, fills: dict[str, bytes | None]) -> None:
        """Leave out of synthetic fills what is recorded already.

        A gateway that lost its ledger rebuilds fills whose true executions are recorded here. The bot's own shares
        after the fill say how many of them are new.
        """
        rows = {key: _decode_fill(body) for key, body in fills.items() if body is not None}
        symbols = {row.symbol for row in rows.values() if row.witness in SYNTHETIC}
        if not symbols:
            return
        recorded = self._db.execute(
            "SELECT exec_key, symbol, CASE side WHEN 'BUY' THEN qty ELSE -qty END FROM fills "
            "WHERE role <> 'foreign' AND list_contains(?, symbol)",
            [sorted(symbols)],
        ).fetchall()
        known = {exec_key: (symbol, signed) for exec_key, symbol, signed in recorded}
        for key, row in rows.items():
            if row.symbol not in symbols:
                continue
            sign = 1 if row.side == "BUY" else -1
            before = sum(
                signed for each, (symbol, signed) in known.items() if symbol == row.symbol and each != row.exec_key
            )
            quantity = row.qty
            if row.witness in SYNTHETIC and row.exec_key not in known:
                quantity = min(row.qty, max(0.0, sign * ((row.own or 0.0) - before)))
                if quantity <= 1e-9:
                    del fills[key]
                    continue
                fills[key] = _encode(msgspec.structs.replace(row, qty=quantity))
            known[row.exec_key] = (row.symbol, sign * quantity)

    def _head(self) -> int:
        row = self._db.execute("SELECT max(seq) FROM events WHERE sender = 'recorder'").fetchone()
        return int(row[0] or 0) if row else 0

    def rows_after(self, seq: int) -> list[OutboxRow]:
        """Nothing: the recorder has no consumers."""
        return []

    def oldest(self) -> int:
        """After the last one: no row waits for a consumer."""
        return self._head() + 1

    def prune(self, through: int, journal_before_ns: int) -> None:
        """Nothing to delete."""

    def forget(self, consumer: str) -> None:
        """It has no consumers."""

    def reader(self) -> Connection:
        """A separate connection for another thread. It sees what is committed."""
        return self._db.cursor()

    def close(self) -> None:
        """Close the file. Committed data is safe even without it."""
        self._db.close()


@contextlib.contextmanager
def _transaction(db: Connection) -> Iterator[None]:
    """A transaction: commits, or rolls back if the block raises."""
    db.execute("BEGIN TRANSACTION")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(duckdb.Error):  # a failed COMMIT rolls back by itself
            db.execute("ROLLBACK")
        raise


class _Damaged(Exception):
    """The file can't be read. `only_wal`: it may be readable without its write-ahead log."""

    def __init__(self, error: duckdb.Error):
        text = str(error).splitlines()[0]
        super().__init__(text)
        self.only_wal = "WAL file" in text and "Corrupt database" not in text and "enough bytes" not in text


def _is_damage(error: duckdb.Error) -> bool:
    return any(text in str(error) for text in _DAMAGED)


def _copied_first(path: Path, db: Connection) -> Connection:
    """Copy the file of an earlier release before it is upgraded. Its log is empty: a checkpoint came before."""
    version = _meta(db)["version"]
    db.close()
    safekeeping.back_up(path, version)
    return _opened(path, 5.0)


def _opened(path: Path, patience_s: float) -> Connection:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return duckdb.connect(str(path), config=CONFIG)
        except duckdb.Error as error:
            if _is_damage(error):
                raise _Damaged(error) from None
            if not _in_use(error) or time.monotonic() >= deadline:
                raise LedgerError(_unusable(path, error)) from None
        time.sleep(0.05)


def open_at_rest(path: Path) -> Connection:
    """Open the file of a fleet that is down, read-only.

    A file of an earlier release is updated first, as the recorder does at its start.
    """
    db = _read_only(path)
    try:
        if not _has_meta(db):
            raise LedgerError(f"{path}: is no database of a fleet")
        if _is_current(db, path):
            return db
    except BaseException:
        db.close()
        raise
    db.close()
    try:
        writable = duckdb.connect(str(path), config=CONFIG)
        try:
            if int(_meta(writable)["version"]) < VERSION:
                writable.execute("CHECKPOINT")
                writable = _copied_first(path, writable)
            with _transaction(writable):
                _renew(writable, path)
        finally:
            writable.close()
    except duckdb.Error as error:
        if _in_use(error):
            raise LedgerError(_unusable(path, error)) from None
        reason = str(error).splitlines()[0]
        raise LedgerError(
            f"{path}: an earlier release wrote it, and it can't be brought up to date: {reason}"
        ) from None
    return _read_only(path)


def _read_only(path: Path) -> Connection:
    try:
        return duckdb.connect(str(path), read_only=True, config=CONFIG)
    except duckdb.Error as error:
        raise LedgerError(_unusable(path, error)) from None


def _has_meta(db: Connection) -> bool:
    return db.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'meta'").fetchone() is not None


def _meta(db: Connection) -> dict[str, str]:
    return dict(db.execute("SELECT key, value FROM meta").fetchall())


def _is_current(db: Connection, path: Path) -> bool:
    """Whether tables and views are those of this release. Raises LedgerError if a newer release wrote them."""
    meta = _meta(db)
    if int(meta["version"]) > VERSION:
        raise LedgerError(
            f"{path}: schema version {meta['version']}, this release reads {VERSION}; use the release that wrote it"
        )
    return meta["version"] == str(VERSION) and meta.get("views") == _VIEWS_ID


def _renew(db: Connection, path: Path) -> None:
    """Update the tables of an earlier release, and replace the views, in the open transaction."""
    if _is_current(db, path):
        return
    for step in STEPS[int(_meta(db)["version"]) - 1 :]:
        db.execute(step())
    db.execute(VIEWS)
    for key, value in (("version", str(VERSION)), ("views", _VIEWS_ID)):
        db.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", [key, value])


def _in_use(error: duckdb.Error) -> bool:
    return "Conflicting lock" in str(error)


def _unusable(path: Path, error: duckdb.Error) -> str:
    if _in_use(error):
        return f"{path}: in use by another process; is a recorder running?"
    reason = str(error).splitlines()[0]
    if _is_damage(error):
        return f"{path}: {reason}; restore the file, or start the fleet, which renames it and begins anew"
    return f"{path}: {reason}; restore the file, or move it away to begin anew"


def _own_changes(row: OutboxRow) -> list[RecordChange]:
    """A row of the recorder's own outbox, as changes of records."""
    envelope = _decode_envelope(row.envelope)
    now = Now(envelope.time_ns, 0, envelope)
    return [_change(record) for record in rows_of(messages.decode(envelope.body), now)]


def _change(record: TableRow) -> RecordChange:
    return RecordChange(type(record).__name__, record.key, _encode(record))


def _array(bodies: Iterable[bytes | None]) -> str:
    return b"".join((b"[", b",".join(body for body in bodies if body is not None), b"]")).decode()


SQL_TYPES = {str: "VARCHAR", int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN"}


def _upsert(kind: type[TableRow]) -> str:
    """The statement that writes a JSON array of these records into their table."""
    if kind.statement:
        return kind.statement
    columns: dict[str, str] = {}
    values: list[str] = []
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if name not in kind.__struct_fields__:
            continue
        meta = [m for m in getattr(hint, "__metadata__", ()) if isinstance(m, msgspec.Meta)]
        if any((m.extra or {}).get("timestamp") for m in meta):
            columns[name], value = "BIGINT", f"make_timestamp(r.{name} // 1000)"
        else:
            plain = next((a for a in (hint, *get_args(hint)) if a in SQL_TYPES), None)
            columns[name], value = SQL_TYPES[plain] if plain else "JSON", f"r.{name}"
        values.append(value)
    structure = msgspec.json.encode([columns]).decode()
    source = f"(SELECT unnest(from_json_strict(?, '{structure}')) AS r)"
    insert = f"INSERT INTO {kind.table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {source}"
    if kind.rising:
        insert += f" QUALIFY row_number() OVER (PARTITION BY r.{kind.key_column} ORDER BY r.{kind.rising} DESC) = 1"
    if kind.final:
        return f"{insert} ON CONFLICT DO NOTHING"
    kept = (kind.key_column, *kind.fresh)
    changed = ", ".join(f"{name} = {_changed(kind, name, columns[name])}" for name in columns if name not in kept)
    guard = f" WHERE coalesce(excluded.{kind.rising} >= {kind.table}.{kind.rising}, true)" if kind.rising else ""
    return f"{insert} ON CONFLICT ({kind.key_column}) DO UPDATE SET {changed}{guard}"


def _changed(kind: type[TableRow], name: str, sql_type: str) -> str:
    """The new value of a column whose row is there already."""
    new, old = f"excluded.{name}", f"{kind.table}.{name}"
    if name in kind.rules:
        return kind.rules[name]
    if name in kind.first:
        newer = f"excluded.{kind.rising} > {kind.table}.{kind.rising}" if kind.rising else "false"
        return f"CASE WHEN {newer} THEN {new} ELSE coalesce({old}, {new}) END"
    if name in kind.lasting:
        empty = "''" if sql_type == "VARCHAR" else "0"
        return f"coalesce(nullif({new}, {empty}), {old}, {new})"
    return new
