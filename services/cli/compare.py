"""Two ledgers of the same trading, compared row for row and field for field. Pure.

`ours` is the recorder's database, `theirs` the simulated broker's own ledger; both come as rows with the same columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

__all__ = ["COMMISSIONS", "EXECUTIONS", "ORDERS", "Comparison", "Table", "compare"]

Row = Mapping[str, Any]

TOLERANCE = 1e-6
"""Prices travel as decimal text, so the last bits of a binary fraction may differ; a millionth of a dollar may not."""


class Table(msgspec.Struct, frozen=True):
    """A table to compare: its name, its key, and the fields that must be equal."""

    name: str
    key: str
    fields: tuple[str, ...]


ORDERS = Table(
    "orders",
    "client_order_id",
    (
        "order_id",
        "perm_id",
        "account",
        "symbol",
        "side",
        "order_type",
        "qty",
        "limit_price",
        "stop_price",
        "trailing_pct",
        "trail_stop_price",
        "tif",
        "status",
        "filled",
        "avg_price",
    ),
)
EXECUTIONS = Table(
    "executions",
    "exec_id",
    (
        "client_order_id",
        "order_id",
        "perm_id",
        "account",
        "symbol",
        "side",
        "qty",
        "price",
        "cum_qty",
        "avg_price",
        "time_s",
    ),
)
COMMISSIONS = Table("commissions", "exec_id", ("commission", "currency", "realized_pnl"))


class Comparison(msgspec.Struct, frozen=True):
    """The outcome for one table: the counts of rows, and each difference as a line. `never_sent`: see `compare`."""

    table: str
    ours: int
    theirs: int
    never_sent: int
    differences: list[str]

    @property
    def equal(self) -> bool:
        """Whether both sides have rows and all of them are equal."""
        return not self.differences and self.ours > 0 and self.theirs > 0


def compare(table: Table, ours: Iterable[Row], theirs: Iterable[Row]) -> Comparison:
    """Find each row that only one side has, or has twice, and each field that differs.

    Orders of ours that ended before the broker had them are counted as `never_sent`, not as differences.
    """
    differences: list[str] = []
    left = _by_key(table, ours, "in the database", differences)
    right = _by_key(table, theirs, "at the broker", differences)
    never_sent = [key for key, row in left.items() if key not in right and _never_sent(row)]
    for key in left.keys() - right.keys() - set(never_sent):
        differences.append(f"{table.name} {key}: only in the database")
    for key in right.keys() - left.keys():
        differences.append(f"{table.name} {key}: only at the broker")
    for key in left.keys() & right.keys():
        for field in table.fields:
            a, b = left[key][field], right[key][field]
            if not _equal(a, b):
                differences.append(f"{table.name} {key}: {field} is {a!r} in the database, {b!r} at the broker")
    return Comparison(table.name, len(left) - len(never_sent), len(right), len(never_sent), sorted(differences))


def _by_key(table: Table, rows: Iterable[Row], where: str, differences: list[str]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for row in rows:
        key = str(row[table.key])
        if key in found:
            differences.append(f"{table.name} {key}: stands twice {where}")
        found[key] = row
    return found


def _never_sent(row: Row) -> bool:
    """Whether the broker never gave this order an id: we committed it and it ended at once; its record stays."""
    return row.get("perm_id") == 0 and row.get("status") in ("Cancelled", "Inactive") and row.get("filled") == 0


def _equal(a: object, b: object) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) < TOLERANCE
    return a == b
