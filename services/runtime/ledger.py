"""The persistent state of a process: records, outbox, cursors, journal. They are committed together or not at all.

`load()` and `commit()` are the main methods. The others serve links that resume. Two implementations pass the same
tests: `SqliteLedger` (one file per process, which no other process opens) and `MemoryLedger` (for the in-process
runner). A file belongs to one owner and one schema version.

Constraints are the last protection against a wrong core. They apply to intents and reservations, never to reports of
the broker.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

__all__ = [
    "AtMost",
    "Batch",
    "Constraint",
    "ConstraintBroken",
    "JournalLine",
    "Ledger",
    "LedgerError",
    "Loaded",
    "MemoryLedger",
    "OutboxRow",
    "RecordChange",
    "SqliteLedger",
    "Unique",
]

VERSION = 1
"""Version of the schema below. A file of another version is refused."""


class LedgerError(Exception):
    """The file can't be used; the message names it and the remedy."""


class ConstraintBroken(Exception):
    """A commit would have broken a constraint. Nothing of it was written."""


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
    """Everything that one commit writes."""

    changes: list[RecordChange] = []
    rows: list[OutboxRow] = []
    cursors: dict[str, int] = {}
    acked: dict[str, int] = {}
    journal: list[JournalLine] = []

    def __bool__(self) -> bool:
        return bool(self.changes or self.rows or self.cursors or self.acked or self.journal)


class Loaded(msgspec.Struct):
    """The result of `load()`: records by kind and key, the last seq, cursors by producer, acks by consumer."""

    records: dict[str, dict[str, bytes]]
    head: int
    cursors: dict[str, int]
    acked: dict[str, int]
    run: int


class Ledger(Protocol):
    """The interface of a ledger. It has one writer, in one thread."""

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


_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE records (kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, recipient TEXT NOT NULL, envelope BLOB NOT NULL);
CREATE TABLE cursors (producer TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE acked (consumer TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE starts (wall_ns INTEGER NOT NULL);
CREATE TABLE journal (
    n INTEGER PRIMARY KEY,
    market_ns INTEGER NOT NULL,
    machine_ns INTEGER NOT NULL,
    sender TEXT NOT NULL,
    body BLOB NOT NULL
);
"""


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
        self._path = os.fspath(path)
        self._limits = tuple(c for c in constraints if isinstance(c, AtMost))
        try:
            self._db = sqlite3.connect(self._path, isolation_level=None, timeout=5.0)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._prepare(owner, tuple(c for c in constraints if isinstance(c, Unique)))
        except sqlite3.Error as error:
            raise LedgerError(f"{self._path}: {error}; move the file away to begin anew, or restore it") from None

    def _prepare(self, owner: str, unique: Sequence[Unique]) -> None:
        db = self._db
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
            first = f"INSERT INTO meta VALUES ('version', '{VERSION}'), ('owner', {_literal(owner)}), ('run', '0');"
            db.executescript(f"BEGIN; {_SCHEMA} {first} COMMIT;")
        meta = dict(db.execute("SELECT key, value FROM meta"))
        if meta["version"] != str(VERSION):
            raise LedgerError(
                f"{self._path}: schema version {meta['version']}, this release reads {VERSION}; "
                "use the release that wrote it"
            )
        if meta["owner"] != owner and self._formerly(meta["owner"]):
            db.execute("UPDATE meta SET value = ? WHERE key = 'owner'", (owner,))
        elif meta["owner"] != owner:
            raise LedgerError(f"{self._path}: belongs to {meta['owner']}, not to {owner}; use another fleet name")
        # Rebuilt at each start: another release may have other constraints.
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE name LIKE 'constraint_%'").fetchall():
            db.execute(f"DROP INDEX {name}")
        for number, constraint in enumerate(unique):
            db.execute(_index(number, constraint))

    def load(self) -> Loaded:
        db = self._db
        run = int(db.execute("SELECT value FROM meta WHERE key = 'run'").fetchone()[0]) + 1
        db.execute("UPDATE meta SET value = ? WHERE key = 'run'", (str(run),))
        records: dict[str, dict[str, bytes]] = {}
        for kind, key, body in db.execute("SELECT kind, key, body FROM records ORDER BY kind, key"):
            records.setdefault(kind, {})[key] = body.encode()
        head = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
        return Loaded(
            records=records,
            head=head[0] if head else 0,
            cursors=dict(db.execute("SELECT producer, seq FROM cursors")),
            acked=dict(db.execute("SELECT consumer, seq FROM acked")),
            run=run,
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
            if batch.cursors:
                db.executemany("INSERT OR REPLACE INTO cursors VALUES (?, ?)", list(batch.cursors.items()))
            if batch.acked:
                db.executemany("INSERT OR REPLACE INTO acked VALUES (?, ?)", list(batch.acked.items()))
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

    def __init__(self, owner: str = "", constraints: Sequence[Constraint] = ()):
        self._owner = owner
        self._constraints = tuple(constraints)
        self._records: dict[str, dict[str, bytes]] = {}
        self._outbox: dict[int, OutboxRow] = {}
        self._cursors: dict[str, int] = {}
        self._acked: dict[str, int] = {}
        self._head = 0
        self._run = 0
        self.journal: list[JournalLine] = []

    def load(self) -> Loaded:
        self._run += 1
        records = {kind: dict(sorted(table.items())) for kind, table in sorted(self._records.items())}
        return Loaded(records, self._head, dict(self._cursors), dict(self._acked), self._run)

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

    def close(self) -> None:
        """Nothing to close."""
