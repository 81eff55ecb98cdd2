"""The persistent state of a process: records, outbox, cursors, journal. They are committed together or not at all.

`load()` and `commit()` are the main methods. The others serve links that resume. Two implementations pass the same
tests: `SqliteLedger` (one file per process, which no other process opens) and `MemoryLedger` (for the in-process
runner).

A file belongs to one owner. A file of an earlier version is copied and upgraded, one of a later version is refused. A
file that can't be read is set aside, and a new one begun (`set_aside`).

Every ledger has an *epoch*, which no other ledger of the same process has. A cursor in its rows is valid in this epoch
only: if the ledger is lost, the next one counts its rows from 1 again.

Constraints are the last protection against a wrong core. They apply to intents and reservations, never to reports of
the broker.
"""

from __future__ import annotations

import json
import math
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import msgspec

from services.runtime import safekeeping
from services.runtime.migrations import SCHEMA, VERSION, steps_from

__all__ = [
    "UNKNOWN",
    "AtMost",
    "Batch",
    "Constraint",
    "ConstraintBroken",
    "JournalLine",
    "Ledger",
    "LedgerError",
    "Loaded",
    "MemoryLedger",
    "NotFinite",
    "OutboxRow",
    "RecordChange",
    "SetAside",
    "SqliteLedger",
    "Unique",
    "check_finite",
    "encode_record",
    "new_epoch",
]


class LedgerError(Exception):
    """The file can't be used; the message names it and the remedy."""


class ConstraintBroken(Exception):
    """A commit would have broken a constraint. Nothing of it was written."""


class NotFinite(Exception):
    """A record or a message has a number that is not finite. A ledger takes none: JSON would have null instead."""


class SetAside(msgspec.Struct, frozen=True):
    """A file that could not be read: its name, its new name, and the error."""

    file: str
    kept_as: str
    error: str


class Unique(msgspec.Struct, frozen=True):
    """Among the records of `kind` whose fields equal `where`, no two have the same `field`."""

    kind: str
    field: str
    where: dict[str, str | bool] = {}


class AtMost(msgspec.Struct, frozen=True):
    """No commit lets the sum of `field` over the records of `kind` grow beyond `limit`.

    If `limit` was lowered below the sum, the sum may still shrink.
    """

    kind: str
    field: str
    limit: float


Constraint = Unique | AtMost

SLACK = 1e-6
"""Rounding noise of a sum, as floats may be added in another order than in the core."""


class RecordChange(msgspec.Struct, frozen=True):
    """One record that is new or changed (its JSON), or deleted (None)."""

    kind: str
    key: str
    body: bytes | None


class OutboxRow(msgspec.Struct, frozen=True, gc=False):
    """A message that must arrive. `envelope` is encoded. `seq` grows for ever."""

    seq: int
    recipient: str
    envelope: bytes


class JournalLine(msgspec.Struct, frozen=True, gc=False):
    """An input that changed something, with its times: the source of a replay."""

    market_ns: int
    machine_ns: int
    sender: str
    body: bytes


class Batch(msgspec.Struct):
    """Everything that one commit writes.

    `epochs`: of producers whose cursor now counts in another ledger, the epoch of that ledger. `consumers`: of
    consumers that have a new ledger, its epoch. Both only together with a cursor, or an ack, of the same process.
    """

    changes: list[RecordChange] = []
    rows: list[OutboxRow] = []
    cursors: dict[str, int] = {}
    acked: dict[str, int] = {}
    journal: list[JournalLine] = []
    epochs: dict[str, int] = {}
    consumers: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self.changes or self.rows or self.cursors or self.acked or self.journal)


class Loaded(msgspec.Struct):
    """The result of `load()`.

    Records by kind and key, the last seq, cursors by producer, acks by consumer, the number of this run. `epoch`: of
    this ledger. `epochs`: by producer, of the ledger in which its cursor counts. `consumers`: by consumer, of its
    ledger when it last resumed, or `UNKNOWN`.
    """

    records: dict[str, dict[str, bytes]]
    head: int
    cursors: dict[str, int]
    acked: dict[str, int]
    run: int
    epoch: int = 0
    epochs: dict[str, int] = {}
    consumers: dict[str, int] = {}


class Ledger(Protocol):
    """The interface of a ledger. It has one writer, in one thread."""

    was_set_aside: SetAside | None
    """The file that could not be read, if this run has begun a new one instead."""

    def set_aside(self, error: str) -> None:
        """Its records can't be read: keep them under another name, and begin anew with another epoch."""

    def load(self) -> Loaded:
        """Everything that was committed. `run` is the number of this run, one more than the last."""

    def commit(self, batch: Batch) -> None:
        """Write all of it durably, or nothing of it. Raises ConstraintBroken."""

    def rows_after(self, seq: int) -> list[OutboxRow]:
        """The outbox after `seq`, in order."""

    def oldest(self) -> int:
        """The seq of the oldest row that was not pruned (head + 1 if none is left)."""

    def prune(self, through: int, journal_before_ns: int) -> None:
        """Delete the rows up to `through`, and journal lines from before that market time."""

    def forget(self, consumer: str) -> None:
        """This consumer is removed: no row waits for it any more."""

    def close(self) -> None: ...


EPOCHS = 1_000_000
"""Nanoseconds of a unit of an epoch. A later ledger of the same process has a higher epoch."""


UNKNOWN = -1
"""Instead of the epoch of a consumer's ledger: it has never resumed."""


def new_epoch() -> int:
    """The epoch of a new file: milliseconds since 1970. 0 is the epoch of files from before there were epochs."""
    return time.time_ns() // EPOCHS


_json = msgspec.json.Encoder().encode
_PERHAPS_NOT_FINITE = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")
"""In msgpack: a float whose exponent has all bits set. Other bytes may look like it."""


def encode_record(record: Any) -> bytes:
    """A record as JSON. Raises NotFinite."""
    body = _json(record)
    if b"null" in body:  # JSON has no other way to write such a number
        check_finite(record)
    return body


def check_finite(value: Any, encoded: bytes | None = None) -> None:
    """Raise NotFinite if there is a NaN or an infinity anywhere in `value`. `encoded`: its msgpack, if there is one."""
    if encoded is not None and _PERHAPS_NOT_FINITE.search(encoded) is None:
        return
    for name, number in _floats(value, type(value).__name__):
        if not math.isfinite(number):
            raise NotFinite(f"{name} is {number}")


def _floats(value: Any, name: str) -> Iterator[tuple[str, float]]:
    match value:
        case float():
            yield name, value
        case msgspec.Struct():
            for field in value.__struct_fields__:
                yield from _floats(getattr(value, field), f"{name}.{field}")
        case dict():
            for key, item in value.items():
                yield from _floats(item, f"{name}.{key}")
        case list() | tuple():
            for item in value:
                yield from _floats(item, name)


_UNREADABLE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_SHORT_READ = sqlite3.SQLITE_IOERR_SHORT_READ


class _Unreadable(Exception):
    """The file is no ledger, or a damaged one."""


@contextmanager
def _reading() -> Iterator[None]:
    """Tell damage to a file from other errors, such as a lock or a missing permission."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0)
        if code & 0xFF in _UNREADABLE or code == _SHORT_READ:
            raise _Unreadable(str(error)) from None
        raise


class SqliteLedger:
    """A ledger in one SQLite file (WAL). `durable` commits reach the disk before they return (synchronous=FULL).

    `formerly`: whether the owner that the file names is this one, in the form of an earlier release.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        owner: str,
        constraints: Sequence[Constraint] = (),
        *,
        durable: bool = True,
        formerly: Callable[[str], bool] = lambda owner: False,
    ):
        self._formerly = formerly
        self._path = Path(path)
        self._owner = owner
        self._durable = durable
        self._limits = tuple(c for c in constraints if isinstance(c, AtMost))
        self._unique = tuple(c for c in constraints if isinstance(c, Unique))
        self.was_set_aside: SetAside | None = None
        self._db = self._opened()

    def _opened(self) -> sqlite3.Connection:
        """The open file. One that can't be read is set aside first."""
        try:
            try:
                return self._open()
            except _Unreadable as damage:
                self._set_aside(str(damage))
                return self._open()
        except (sqlite3.Error, _Unreadable, OSError) as error:
            raise LedgerError(f"{self._path}: {error}; move the file away to begin anew, or restore it") from None

    def _open(self) -> sqlite3.Connection:
        if self._path.exists() and not self._path.stat().st_size:
            raise _Unreadable("the file is empty")
        db = sqlite3.connect(self._path, isolation_level=None, timeout=5.0)
        try:
            with _reading():
                db.execute("PRAGMA journal_mode=WAL")
                db.execute(f"PRAGMA synchronous={'FULL' if self._durable else 'NORMAL'}")
                self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        if not db.execute("SELECT 1 FROM sqlite_master").fetchone():
            first = (
                f"INSERT INTO meta VALUES ('version', '{VERSION}'), ('owner', {_literal(self._owner)}), ('run', '0'), "
                f"('epoch', '{new_epoch()}');"
            )
            db.executescript(f"BEGIN; {SCHEMA} {first} COMMIT;")
        elif (found := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise _Unreadable(found)
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
            raise _Unreadable("it is no ledger")
        meta = dict(db.execute("SELECT key, value FROM meta"))
        if not meta.keys() >= {"version", "owner", "run"} or not meta["version"].isdecimal():
            raise _Unreadable("it is no ledger")
        version = int(meta["version"])
        if version > VERSION:
            raise LedgerError(
                f"{self._path}: schema version {version}, this release reads {VERSION}; use the release that wrote it"
            )
        if meta["owner"] != self._owner and self._formerly(meta["owner"]):
            db.execute("UPDATE meta SET value = ? WHERE key = 'owner'", (self._owner,))
        elif meta["owner"] != self._owner:
            raise LedgerError(f"{self._path}: belongs to {meta['owner']}, not to {self._owner}; use another fleet name")
        if version < VERSION:
            self._upgrade(db, version)
        # Rebuilt at each start: another release may have other constraints.
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE name LIKE 'constraint_%'").fetchall():
            db.execute(f"DROP INDEX {name}")
        for number, constraint in enumerate(self._unique):
            db.execute(_index(number, constraint))

    def _upgrade(self, db: sqlite3.Connection, version: int) -> None:
        """Copy the file of an earlier release, then take all steps in one transaction."""

        def copy(target: Path) -> None:
            with closing(sqlite3.connect(target)) as other:
                db.backup(other)

        safekeeping.back_up(self._path, str(version), copy)
        db.execute("BEGIN IMMEDIATE")
        try:
            for step in steps_from(version):
                for statement in step():
                    db.execute(statement)
            db.execute("UPDATE meta SET value = ? WHERE key = 'version'", (str(VERSION),))
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def set_aside(self, error: str) -> None:
        self._db.close()
        self._set_aside(error)
        self._db = self._opened()

    def _set_aside(self, error: str) -> None:
        kept_as = safekeeping.set_aside(self._path, ("-wal", "-shm"))
        self.was_set_aside = SetAside(self._path.name, kept_as.name, error)

    def load(self) -> Loaded:
        db = self._db
        meta = dict(db.execute("SELECT key, value FROM meta"))
        run = int(meta["run"]) + 1
        db.execute("UPDATE meta SET value = ? WHERE key = 'run'", (str(run),))
        records: dict[str, dict[str, bytes]] = {}
        for kind, key, body in db.execute("SELECT kind, key, body FROM records ORDER BY kind, key"):
            records.setdefault(kind, {})[key] = body.encode()
        head = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
        cursors = db.execute("SELECT producer, seq, epoch FROM cursors").fetchall()
        acked = db.execute("SELECT consumer, seq, epoch FROM acked").fetchall()
        return Loaded(
            records=records,
            head=head[0] if head else 0,
            cursors={producer: seq for producer, seq, _ in cursors},
            acked={consumer: seq for consumer, seq, _ in acked},
            run=run,
            epoch=int(meta.get("epoch", 0)),  # an upgraded file has none
            epochs={producer: epoch for producer, _, epoch in cursors},
            consumers={consumer: epoch for consumer, _, epoch in acked},
        )

    def commit(self, batch: Batch) -> None:
        db = self._db
        last = {(change.kind, change.key): change.body for change in batch.changes}
        limits = [limit for limit in self._limits if any(kind == limit.kind for kind, _ in last)]
        db.execute("BEGIN IMMEDIATE")
        try:
            before = [self._sum(limit) for limit in limits]
            # Deletions first: they make room for new records.
            db.executemany(
                "DELETE FROM records WHERE kind = ? AND key = ?", [k for k, body in last.items() if body is None]
            )
            db.executemany(
                "INSERT INTO records VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body",
                [(*k, body.decode()) for k, body in last.items() if body is not None],
            )
            for limit, sum_before in zip(limits, before, strict=True):
                _check_limit(limit, sum_before, self._sum(limit))
            if batch.rows:
                db.executemany(
                    "INSERT INTO outbox VALUES (?, ?, ?)", [(r.seq, r.recipient, r.envelope) for r in batch.rows]
                )
            for table, key, places, epochs in (
                ("cursors", "producer", batch.cursors, batch.epochs),
                ("acked", "consumer", batch.acked, batch.consumers),
            ):
                if places:
                    db.executemany(
                        f"INSERT INTO {table} ({key}, seq) VALUES (?, ?) "
                        f"ON CONFLICT ({key}) DO UPDATE SET seq = excluded.seq",
                        list(places.items()),
                    )
                if epochs:
                    db.executemany(
                        f"UPDATE {table} SET epoch = ? WHERE {key} = ?",
                        [(epoch, name) for name, epoch in epochs.items()],
                    )
            if batch.journal:
                db.executemany(
                    "INSERT INTO journal (market_ns, machine_ns, sender, body) VALUES (?, ?, ?, ?)",
                    [(j.market_ns, j.machine_ns, j.sender, j.body) for j in batch.journal],
                )
            db.execute("COMMIT")
        except sqlite3.IntegrityError as error:
            db.execute("ROLLBACK")
            raise ConstraintBroken(str(error)) from None
        except BaseException:
            if db.in_transaction:  # on some errors SQLite rolls back by itself
                db.execute("ROLLBACK")
            raise

    def _sum(self, limit: AtMost) -> float:
        query = f"SELECT total(json_extract(body, '$.{limit.field}')) FROM records WHERE kind = ?"
        return float(self._db.execute(query, (limit.kind,)).fetchone()[0])

    def count_start(self, wall_ns: int, within_ns: int) -> int:
        """Note a start of this process; how many there were in the last `within_ns`, this one included."""
        self._db.execute("DELETE FROM starts WHERE wall_ns < ?", (wall_ns - within_ns,))
        self._db.execute("INSERT INTO starts VALUES (?)", (wall_ns,))
        return int(self._db.execute("SELECT count(*) FROM starts").fetchone()[0])

    def rows_after(self, seq: int) -> list[OutboxRow]:
        rows = self._db.execute("SELECT seq, recipient, envelope FROM outbox WHERE seq > ? ORDER BY seq", (seq,))
        return [OutboxRow(*row) for row in rows]

    def oldest(self) -> int:
        row = self._db.execute("SELECT min(seq) FROM outbox").fetchone()
        if row[0] is not None:
            return int(row[0])
        head = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
        return (head[0] if head else 0) + 1

    def prune(self, through: int, journal_before_ns: int) -> None:
        self._db.execute("DELETE FROM outbox WHERE seq <= ?", (through,))
        # Journal lines are in order of time: the first one to keep is found without a scan.
        self._db.execute(
            "DELETE FROM journal WHERE n < (SELECT n FROM journal WHERE market_ns >= ? ORDER BY n LIMIT 1)",
            (journal_before_ns,),
        )

    def forget(self, consumer: str) -> None:
        self._db.execute("DELETE FROM acked WHERE consumer = ?", (consumer,))

    def close(self) -> None:
        self._db.close()


def _literal(value: object) -> str:
    """A value in SQL; JSON's true and false come out of json_extract as 1 and 0."""
    return str(int(value)) if isinstance(value, bool) else "'" + str(value).replace("'", "''") + "'"


def _index(number: int, constraint: Unique) -> str:
    """The index over the JSON bodies that enforces a constraint inside SQLite."""
    where = "".join(
        f" AND json_extract(body, '$.{name}') = {_literal(value)}" for name, value in constraint.where.items()
    )
    return (
        f"CREATE UNIQUE INDEX constraint_{number} ON records (json_extract(body, '$.{constraint.field}')) "
        f"WHERE kind = {_literal(constraint.kind)}{where}"
    )


def _check_limit(limit: AtMost, before: float, after: float) -> None:
    if after > max(limit.limit, before) + SLACK:
        raise ConstraintBroken(
            f"{limit.kind}: the sum of {limit.field} would be {after:.2f}, the limit is {limit.limit:.2f}"
        )


class MemoryLedger:
    """The same ledger without a disk. A restart of a simulated process is another `load()`."""

    def __init__(self, owner: str = "", constraints: Sequence[Constraint] = (), *, epoch: int = 0):
        self._owner = owner
        self._constraints = tuple(constraints)
        self._begin(epoch)

    def _begin(self, epoch: int) -> None:
        self.epoch = epoch
        self.was_set_aside: SetAside | None = None
        self._records: dict[str, dict[str, bytes]] = {}
        self._outbox: dict[int, OutboxRow] = {}
        self._cursors: dict[str, int] = {}
        self._acked: dict[str, int] = {}
        self._epochs: dict[str, int] = {}
        self._consumers: dict[str, int] = {}
        self._head = 0
        self._run = 0
        self.journal: list[JournalLine] = []

    def lose(self) -> None:
        """Everything is lost: the file was removed. The next run begins a new ledger with another epoch."""
        self._begin(self.epoch + 1)

    def set_aside(self, error: str) -> None:
        self.lose()
        self.was_set_aside = SetAside("memory", f"memory {self.epoch - 1}", error)

    def load(self) -> Loaded:
        self._run += 1
        records = {kind: dict(sorted(table.items())) for kind, table in sorted(self._records.items())}
        return Loaded(
            records=records,
            head=self._head,
            cursors=dict(self._cursors),
            acked=dict(self._acked),
            run=self._run,
            epoch=self.epoch,
            epochs={producer: self._epochs.get(producer, 0) for producer in self._cursors},
            consumers={consumer: self._consumers.get(consumer, UNKNOWN) for consumer in self._acked},
        )

    def commit(self, batch: Batch) -> None:
        self._check(batch.changes)
        for change in batch.changes:
            table = self._records.setdefault(change.kind, {})
            if change.body is None:
                table.pop(change.key, None)
            else:
                table[change.key] = change.body
        for row in batch.rows:
            self._outbox[row.seq] = row
            self._head = max(self._head, row.seq)
        self._cursors.update(batch.cursors)
        self._acked.update(batch.acked)
        self._epochs.update(batch.epochs)
        self._consumers.update(batch.consumers)
        self.journal.extend(batch.journal)

    def _check(self, changes: Sequence[RecordChange]) -> None:
        for constraint in self._constraints:
            touched = [c for c in changes if c.kind == constraint.kind and c.body is not None]
            if not touched:
                continue
            table = dict(self._records.get(constraint.kind, {}))
            for change in changes:
                if change.kind != constraint.kind:
                    continue
                if change.body is None:
                    table.pop(change.key, None)
                else:
                    table[change.key] = change.body
            records = [json.loads(body) for body in table.values()]
            match constraint:
                case Unique(kind, field, where):
                    values = [r.get(field) for r in records if all(r.get(k) == v for k, v in where.items())]
                    values = [v for v in values if v is not None]
                    if len(values) != len(set(values)):
                        raise ConstraintBroken(f"{kind}: {field} stands twice")
                case AtMost(kind, field):
                    before = sum(json.loads(body).get(field) or 0 for body in self._records.get(kind, {}).values())
                    _check_limit(constraint, before, sum(r.get(field) or 0 for r in records))

    def rows_after(self, seq: int) -> list[OutboxRow]:
        return [row for number, row in self._outbox.items() if number > seq]

    def oldest(self) -> int:
        return next(iter(self._outbox), self._head + 1)

    def prune(self, through: int, journal_before_ns: int) -> None:
        for seq in [s for s in self._outbox if s <= through]:
            del self._outbox[seq]
        kept = next((i for i, line in enumerate(self.journal) if line.market_ns >= journal_before_ns), 0)
        del self.journal[:kept]

    def forget(self, consumer: str) -> None:
        self._acked.pop(consumer, None)
        self._consumers.pop(consumer, None)

    def close(self) -> None:
        """Nothing to close."""
