"""What goes wrong with bots in real life, row by row of the project's list, and the fault that makes it happen.

The tests that replay a row are named for it (`test_field_05_order_id_rolls_back`). Rows that no gateway can cause say
why.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ROWS", "Row", "markdown"]


class Row(NamedTuple):
    """One row: what it is, and the faults that cause it, as they are typed. Without any, the reason stands instead."""

    meaning: str
    faults: tuple[str, ...]
    not_ours: str = ""


ROWS: dict[int, Row] = {
    1: Row("a warning with an order's id makes a library call the order cancelled", ("reject code=10349",)),
    2: Row("fills and cancels of an outage are never told", ("broker-lost", "broker-lost data=lost")),
    3: Row("a fill is found after a reconnect and no callback says so", ("fill-unseen",)),
    4: Row("a snapshot that never ends looks like an empty one", ("lose kind=positionEnd", "lose kind=openOrderEnd")),
    5: Row("order ids fall back", ("id-rollback",)),
    6: Row("a change becomes a second live order", ("two-perm-ids",)),
    7: Row("orders sent while the gateway restarts are gone", ("gateway-restart",)),
    8: Row("an order is never answered", ("swallow",)),
    9: Row("the nightly reset", ("nightly-reset", "nightly-reset data=lost", "nightly-reset restart=true")),
    10: Row("the weekly logout", ("weekly-reset",)),
    11: Row("quotes cease and nothing says so", ("dead-feed", "farm-down seconds=3 streams=dead")),
    12: Row("socket, broker and farms fail by themselves", ("drop", "broker-lost", "farm-down")),
    13: Row("a passing error restarts the gateway for nothing", ("message code=100", "broker-lost seconds=5")),
    14: Row("the socket is open and nobody answers", ("hang",)),
    15: Row("the client id is in use", ("client-id-in-use",)),
    16: Row("many reconnects at once", ("drop", "refuse seconds=30")),
    17: Row("what a library knew is stale after a drop", ("drop",)),
    18: Row("a trailing stop moves and nobody hears of it", ("lose kind=openOrder count=0",)),
    19: Row("two trailing distances in one order", (), "the client sends it, and it is refused as by the broker"),
    20: Row("Inactive: rejected, or held for shares to borrow", ("reject code=201", "reject code=404")),
    21: Row("the parent fills in parts", ("partial-fill",)),
    22: Row("shares without a stop: the child is rejected", ("reject code=201 attached=child",)),
    23: Row("a stop outlives what it protected: somebody sold by hand", ("foreign-order",)),
    24: Row("somebody else's stops lie beside ours", ("foreign-order order_type=STP",)),
    25: Row("orders transmitted in the wrong sequence", (), "the client does it; transmit works here as at the broker"),
    26: Row("a cancel is refused", ("refuse-cancel", "refuse-cancel code=10148", "refuse-cancel code=161")),
    27: Row("a cancel is acknowledged much later, or never", ("ignore-cancel", "ignore-cancel seconds=600")),
    28: Row("an order is rejected", ("reject code=201",)),
    29: Row("the broker cancels by itself", ("unasked-cancel",)),
    30: Row("the order waits for the open", ("reject code=399",)),
    31: Row("a price off the grid: the error is all that comes", ("reject code=110",)),
    32: Row("103, 104, 105, 135 in answer to an order or a change", ("reject code=103", "refuse-modify code=104")),
    33: Row("manual orders in the same account", ("foreign-order",)),
    34: Row("executions are told since midnight only", ("short-memory",)),
    35: Row(
        "executions corrected or taken back, late commissions",
        ("correct-execution", "bust-execution", "commission-late"),
    ),
    36: Row("a symbol is unknown overnight", ("unknown-contract",)),
    37: Row("rights to data are missing, or data are delayed", ("no-market-data", "no-market-data code=10167")),
    38: Row("the user is logged in elsewhere", ("competing-session",)),
    39: Row("too many messages: error, then the end", ("pacing",)),
    40: Row("the account is not named", ("reject code=321", "reject code=435")),
    41: Row("a library does not run on a version of Python", (), "no gateway has a part in it"),
    42: Row("a split, and a stop at its old price", ("split",)),
    43: Row("a change of an attached order is refused", ("refuse-modify code=10326", "refuse-modify code=10327")),
}


def markdown() -> str:
    """The rows as a table for the documentation. Arguments that a fault needs are left to whoever types it."""
    lines = ["| row | what happens | how to make it happen |", "|---|---|---|"]
    for number, row in ROWS.items():
        how = ", ".join(f"`{fault}`" for fault in row.faults) or f"not a gateway's doing: {row.not_ours}"
        lines.append(f"| {number} | {row.meaning} | {how} |")
    return "\n".join(lines)
