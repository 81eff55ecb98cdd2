"""The versions of a ledger's file: one step from each version to the next, in order. Pure: SQL as text.

A file of an earlier version is upgraded step by step in one transaction, after a copy of it was made. A file of a later
version is refused.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["SCHEMA", "STEPS", "VERSION", "steps_from"]

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE records (kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, recipient TEXT NOT NULL, envelope BLOB NOT NULL);
CREATE TABLE cursors (producer TEXT PRIMARY KEY, seq INTEGER NOT NULL, epoch INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE acked (consumer TEXT PRIMARY KEY, seq INTEGER NOT NULL, epoch INTEGER NOT NULL DEFAULT -1) WITHOUT ROWID;
CREATE TABLE starts (wall_ns INTEGER NOT NULL);
CREATE TABLE journal (
    n INTEGER PRIMARY KEY,
    market_ns INTEGER NOT NULL,
    machine_ns INTEGER NOT NULL,
    sender TEXT NOT NULL,
    body BLOB NOT NULL
);
"""
"""The tables of a new file."""


def add_epochs() -> tuple[str, ...]:
    """1 to 2: a ledger has an epoch. Ledgers from before have epoch 0, and so has every cursor that counts in them.

    Of a consumer that has acknowledged nothing it is not known whether it ever had a ledger (-1).
    """
    return (
        "ALTER TABLE cursors ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE acked ADD COLUMN epoch INTEGER NOT NULL DEFAULT -1",
        "UPDATE acked SET epoch = 0 WHERE seq > 0",
    )


STEPS: tuple[Callable[[], tuple[str, ...]], ...] = (add_epochs,)
"""The step from version 1 to 2, from 2 to 3, and so on: the SQL statements of each."""

VERSION = 1 + len(STEPS)
"""The version of this release."""


def steps_from(version: int) -> tuple[Callable[[], tuple[str, ...]], ...]:
    """The steps from this version to the present one."""
    return STEPS[version - 1 :]
