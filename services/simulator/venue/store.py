"""The simulator's ledger, a SQLite file: what really happened at the simulated broker.

Only the simulator writes it. Tests and the audit compare with its tables `orders`, `executions` and `commissions`. The
rest for a restart (time, cash, holdings, the last market) is JSON in `meta`. A file belongs to the accounts for
which it was created.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from services.configuration.refusal import Refusal
from services.simulator.venue.holdings import AccountHolding
from services.simulator.venue.orders import Execution, Order
from services.simulator.venue.persistence import Changes, Checkpoint, SavedExchange
from services.simulator.venue.reports import CommissionReport
from services.simulator.venue.tape import Tape

__all__ = ["SCHEMA_VERSION", "Store"]

SCHEMA_VERSION = 2
"""1: one account, named by `account` in `meta`. 2: several, named by `accounts`; money and holdings name theirs."""

_ORDER_COLUMNS = (
    "perm_id",
    "order_id",
    "client_id",
    "order_ref",
    "account",
    "symbol",
    "side",
    "order_type",
    "quantity",
    "limit_price",
    "stop_price",
    "trailing_pct",
    "trailing_amount",
    "tif",
    "parent_id",
    "status",
    "filled",
    "avg_price",
    "why_held",
    "trail_stop_price",
    "created_ns",
    "completed_ns",
    "completed_status",
    "body",
)
_EXECUTION_COLUMNS = Execution.__struct_fields__

_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    perm_id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, client_id INTEGER NOT NULL, order_ref TEXT NOT NULL,
    account TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL, order_type TEXT NOT NULL, quantity REAL NOT NULL,
    limit_price REAL, stop_price REAL, trailing_pct REAL, trailing_amount REAL, tif TEXT NOT NULL,
    parent_id INTEGER NOT NULL, status TEXT NOT NULL, filled REAL NOT NULL, avg_price REAL NOT NULL,
    why_held TEXT NOT NULL, trail_stop_price REAL, created_ns INTEGER NOT NULL, completed_ns INTEGER NOT NULL,
    completed_status TEXT NOT NULL, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS executions (
    exec_id TEXT PRIMARY KEY, perm_id INTEGER NOT NULL, client_id INTEGER NOT NULL, order_id INTEGER NOT NULL,
    order_ref TEXT NOT NULL, account TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL, quantity REAL NOT NULL,
    price REAL NOT NULL, cum_quantity REAL NOT NULL, avg_price REAL NOT NULL, time_ns INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS commissions (
    exec_id TEXT PRIMARY KEY, client_id INTEGER NOT NULL, commission REAL NOT NULL, currency TEXT NOT NULL,
    realized_pnl REAL
);
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Store:
    """The ledger of these accounts in the file at `path`, created if it does not exist. One writer."""

    def __init__(self, path: Path, *accounts: str) -> None:
        self._path = path
        self._accounts = sorted(accounts)
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
            self._bind()
        except sqlite3.Error as error:
            raise Refusal(
                f"{path}: can't be used as the simulator's ledger ({error}); check path and rights"
            ) from error

    def load(self) -> SavedExchange | None:
        """What was saved, None for a new ledger."""
        meta = dict(self._db.execute("SELECT key, value FROM meta"))
        if "standing" not in meta:
            return None
        return SavedExchange(
            checkpoint=msgspec.json.decode(meta["standing"], type=Checkpoint),
            orders=[
                msgspec.json.decode(body, type=Order)
                for (body,) in self._db.execute("SELECT body FROM orders ORDER BY perm_id")
            ],
            executions=[
                Execution(**dict(zip(_EXECUTION_COLUMNS, row, strict=True)))
                for row in self._db.execute(f"SELECT {', '.join(_EXECUTION_COLUMNS)} FROM executions ORDER BY rowid")
            ],
            commissions=[
                CommissionReport(*row)
                for row in self._db.execute(
                    "SELECT exec_id, client_id, commission, currency, realized_pnl FROM commissions ORDER BY rowid"
                )
            ],
            holdings=[
                msgspec.json.decode(v, type=AccountHolding) for k, v in sorted(meta.items()) if k.startswith("holding:")
            ],
            tapes=[msgspec.json.decode(v, type=Tape) for k, v in sorted(meta.items()) if k.startswith("tape:")],
        )

    def save(self, changes: Changes) -> None:
        """Write what changed, in one transaction."""
        meta = {"standing": _json(changes.checkpoint)}
        meta |= {f"holding:{each.account}:{each.symbol}": _json(each) for each in changes.holdings}
        meta |= {f"tape:{each.symbol}": _json(each) for each in changes.tapes}
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(_upsert("orders", _ORDER_COLUMNS), map(_order_row, changes.orders))
            self._db.executemany("DELETE FROM executions WHERE exec_id GLOB ?", _corrected(changes))
            self._db.executemany("DELETE FROM commissions WHERE exec_id GLOB ?", _corrected(changes))
            self._db.executemany(
                _insert("executions", _EXECUTION_COLUMNS), map(msgspec.structs.astuple, changes.executions)
            )
            self._db.executemany(
                _insert("commissions", CommissionReport.__struct_fields__),
                map(msgspec.structs.astuple, changes.commissions),
            )
            self._db.executemany(_upsert("meta", ("key", "value")), meta.items())
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _bind(self) -> None:
        """Check the ledger's accounts and schema."""
        meta = dict(self._db.execute("SELECT key, value FROM meta WHERE key IN ('schema', 'account', 'accounts')"))
        if not meta:
            rows = (("schema", str(SCHEMA_VERSION)), ("accounts", " ".join(self._accounts)))
            self._db.executemany("INSERT INTO meta VALUES (?, ?)", rows)
            return
        if int(meta["schema"]) > SCHEMA_VERSION:
            raise Refusal(
                f"{self._path}: has schema {meta['schema']}, this release knows {SCHEMA_VERSION}; use the newer release"
            )
        owners = (meta["account"] if meta["schema"] == "1" else meta["accounts"]).split()
        if owners != self._accounts:
            raise Refusal(
                f"{self._path}: belongs to account {', '.join(owners)}, not {', '.join(self._accounts)};"
                " set ibkr.account, or choose another fleet"
            )
        if meta["schema"] == "1":
            self._upgrade(*owners)

    def _upgrade(self, account: str) -> None:
        """Schema 1 to 2: the only account's name goes into its money and its holdings."""
        rows = dict(self._db.execute("SELECT key, value FROM meta"))
        new = {"schema": str(SCHEMA_VERSION), "accounts": account}
        for key, value in rows.items():
            kind, _, symbol = key.partition(":")
            if kind == "holding":
                new[f"holding:{account}:{symbol}"] = _json({"account": account, **msgspec.json.decode(value)})
            elif kind == "standing":
                checkpoint = msgspec.json.decode(value)
                checkpoint["funds"] = [{"account": checkpoint.pop("account"), "cash": checkpoint.pop("cash")}]
                new[key] = _json(checkpoint)
            elif kind == "tape":
                new[key] = value
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("DELETE FROM meta")
        self._db.executemany("INSERT INTO meta VALUES (?, ?)", new.items())
        self._db.execute("COMMIT")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _corrected(changes: Changes) -> Iterator[tuple[str]]:
    """Patterns of the replaced executions: a correction has the same id except for its last number."""
    for execution in changes.executions:
        base, _, revision = execution.exec_id.rpartition(".")
        if revision != "01":
            yield (f"{base}.*",)


def _order_row(order: Order) -> tuple[object, ...]:
    ticket = order.ticket
    return (
        order.perm_id,
        ticket.order_id,
        ticket.client_id,
        ticket.order_ref,
        ticket.account,
        ticket.symbol,
        ticket.side,
        ticket.order_type,
        ticket.quantity,
        order.limit_price,
        ticket.stop_price,
        ticket.trailing_pct,
        ticket.trailing_amount,
        ticket.tif,
        ticket.parent_id,
        order.status,
        order.filled,
        order.avg_price,
        order.why_held,
        order.trail_stop_price,
        order.created_ns,
        order.completed_ns,
        order.completed_status,
        _json(order),
    )


def _insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def _upsert(table: str, columns: tuple[str, ...]) -> str:
    key, *rest = columns
    return f"{_insert(table, columns)} ON CONFLICT ({key}) DO UPDATE SET " + ", ".join(
        f"{c} = excluded.{c}" for c in rest
    )
