"""Failures of real bots, row by row of the project's list, and the fault that reproduces each.

The tests that replay a row have its number in their name (`test_field_05_order_id_rolls_back`). Rows that a gateway
can't cause give the reason.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ROWS", "RealLifeCase", "markdown"]


class RealLifeCase(NamedTuple):
    """One row: its meaning, and the faults that cause it, as typed. Without faults, the reason."""

    meaning: str
    faults: tuple[str, ...]
    not_ours: str = ""


ROWS: dict[int, RealLifeCase] = {
    1: RealLifeCase("a warning with an order's id makes a library call the order cancelled", ("reject code=10349",)),
    2: RealLifeCase("fills and cancels during an outage are never reported", ("broker-lost", "broker-lost data=lost")),
    3: RealLifeCase("a fill is found after a reconnect, without a callback", ("fill-unseen",)),
    4: RealLifeCase(
        "a snapshot that never ends looks like an empty one", ("lose kind=positionEnd", "lose kind=openOrderEnd")
    ),
    5: RealLifeCase("order ids fall back", ("id-rollback",)),
    6: RealLifeCase("a change becomes a second live order", ("two-perm-ids",)),
    7: RealLifeCase("orders sent while the gateway restarts are gone", ("gateway-restart",)),
    8: RealLifeCase("an order is never answered", ("swallow",)),
    9: RealLifeCase("the nightly reset", ("nightly-reset", "nightly-reset data=lost", "nightly-reset restart=true")),
    10: RealLifeCase("the weekly logout", ("weekly-reset",)),
    11: RealLifeCase("quotes cease without a message", ("dead-feed", "farm-down seconds=3 streams=dead")),
    12: RealLifeCase("socket, broker and farms fail by themselves", ("drop", "broker-lost", "farm-down")),
    13: RealLifeCase(
        "a temporary error restarts the gateway without need", ("message code=100", "broker-lost seconds=5")
    ),
    14: RealLifeCase("the socket is open without any answer", ("hang",)),
    15: RealLifeCase("the client id is in use", ("client-id-in-use",)),
    16: RealLifeCase("many reconnects at once", ("drop", "refuse seconds=30")),
    17: RealLifeCase("a library's state is stale after a drop", ("drop",)),
    18: RealLifeCase("a trailing stop moves without a report", ("lose kind=openOrder count=0",)),
    19: RealLifeCase(
        "two trailing distances in one order", (), "the client sends it, and it is refused as by the broker"
    ),
    20: RealLifeCase("Inactive: rejected, or held for shares to borrow", ("reject code=201", "reject code=404")),
    21: RealLifeCase("the parent fills in parts", ("partial-fill",)),
    22: RealLifeCase("shares without a stop: the child is rejected", ("reject code=201 attached=child",)),
    23: RealLifeCase("a stop outlives its shares after a manual sale", ("foreign-order",)),
    24: RealLifeCase("foreign stops beside ours", ("foreign-order order_type=STP",)),
    25: RealLifeCase(
        "orders transmitted in the wrong sequence", (), "the client does it; transmit works here as at IBKR"
    ),
    26: RealLifeCase("a cancel is refused", ("refuse-cancel", "refuse-cancel code=10148", "refuse-cancel code=161")),
    27: RealLifeCase("a cancel is acknowledged much later, or never", ("ignore-cancel", "ignore-cancel seconds=600")),
    28: RealLifeCase("an order is rejected", ("reject code=201",)),
    29: RealLifeCase("the broker cancels by itself", ("unasked-cancel",)),
    30: RealLifeCase("the order waits for the open", ("reject code=399",)),
    31: RealLifeCase("a price off the grid: only an error comes", ("reject code=110",)),
    32: RealLifeCase(
        "103, 104, 105, 135 in answer to an order or a change", ("reject code=103", "refuse-modify code=104")
    ),
    33: RealLifeCase("manual orders in the same account", ("foreign-order",)),
    34: RealLifeCase("executions are reported since midnight only", ("short-memory",)),
    35: RealLifeCase(
        "executions corrected or taken back, late commissions",
        ("correct-execution", "bust-execution", "commission-late"),
    ),
    36: RealLifeCase("a symbol is unknown overnight", ("unknown-contract",)),
    37: RealLifeCase(
        "rights to data are missing, or data are delayed", ("no-market-data", "no-market-data code=10167")
    ),
    38: RealLifeCase("the user is logged in elsewhere", ("competing-session",)),
    39: RealLifeCase("too many messages: error, then the end", ("pacing",)),
    40: RealLifeCase("the account is not named", ("reject code=321", "reject code=435")),
    41: RealLifeCase("a library does not run on a version of Python", (), "no gateway can cause it"),
    42: RealLifeCase("a split, and a stop at its old price", ("split",)),
    43: RealLifeCase(
        "a change of an attached order is refused", ("refuse-modify code=10326", "refuse-modify code=10327")
    ),
    44: RealLifeCase("an entry fills unseen, and midnight passes", ("fill-unseen", "short-memory")),
    45: RealLifeCase("the ledgers are lost", (), "the fleet loses its own files"),
    46: RealLifeCase(
        "another instrument of the same ticker is held or ordered",
        (
            "foreign-position sec_type=OPT quantity=-1",
            "foreign-position currency=EUR quantity=50",
            "foreign-position sec_type=FUT",
            "foreign-order sec_type=OPT order_type=LMT price=1",
        ),
    ),
    47: RealLifeCase(
        "two accounts on one login hold the same stock", ("foreign-position account=DU7654321 quantity=50",)
    ),
    48: RealLifeCase("the client id changes while a stop rests", (), "the user edits the configuration"),
    49: RealLifeCase(
        "one position answer lacks all positions, or one", ("stale-positions", "stale-positions symbol=TSLA")
    ),
    50: RealLifeCase("a ticker is renamed, or passes to another contract", ("rename to=TSLB", "reassign")),
    51: RealLifeCase("the last orderStatus never comes", ("last-status-lost", "last-status-lost open_order=true")),
    52: RealLifeCase("a split while the machine is off", ("split",)),
    53: RealLifeCase(
        "a cancel is never acknowledged, after a partial fill whose child is dead",
        ("reject code=201 attached=child", "partial-fill", "ignore-cancel"),
    ),
    54: RealLifeCase(
        "one of the answers never ends",
        (
            "lose kind=completedOrdersEnd",
            "lose kind=positionEnd",
            "lose kind=openOrderEnd",
            "lose kind=execDetailsEnd",
        ),
    ),
    55: RealLifeCase(
        "1102 comes while an answer is under way", ("delay kind=openOrderEnd seconds=20", "broker-lost seconds=5")
    ),
    56: RealLifeCase(
        "another fleet on the account uses the same references", ("foreign-order client=9 order_ref=CT-TSLA-1",)
    ),
    57: RealLifeCase("a symbol's ledger is lost", (), "the fleet loses its own files"),
    58: RealLifeCase("the backtest's broker differs from the wire", (), "there is no gateway in a backtest"),
    59: RealLifeCase("a restart values shares at their cost", (), "the fleet's own risk process does it"),
    60: RealLifeCase("the account is named later", (), "the user edits the configuration"),
    61: RealLifeCase("two live entries have one reference", ("two-perm-ids",)),
    62: RealLifeCase("the socket hangs, a feed dies silently", ("hang", "dead-feed")),
    63: RealLifeCase(
        "orders are placed, cancelled or changed by hand",
        ("foreign-order", "cancel-by-hand", "cancel-by-hand told=false", "change-by-hand quantity=1 told=false"),
    ),
    64: RealLifeCase("a dividend is reinvested in a fraction of a share", ("transfer quantity=0.05",)),
    65: RealLifeCase(
        "a number is NaN or infinite",
        (
            "bad-number",
            "bad-number kind=execDetails number=price value=inf",
            "bad-number kind=orderStatus number=average",
            "bad-number kind=accountValue value=-inf",
            "bad-number kind=tickPrice number=price",
        ),
    ),
    66: RealLifeCase("the clock is a day ahead", ("clock-skew by=86400",)),
    67: RealLifeCase("times of executions in other forms", ("time-form form=jst", "time-form form=utc_dash")),
    68: RealLifeCase(
        "messages without an order id, and a socket that never answers",
        ("read-only", "mute", "message code=2100", "message code=1300", "message code=507"),
    ),
    69: RealLifeCase("the runtime folder is swept", (), "the machine does it"),
    70: RealLifeCase("the disk fills", (), "the machine does it"),
    71: RealLifeCase("types and dates of files are guessed", (), "the fleet reads them"),
    72: RealLifeCase("market files hold nothing usable", (), "the fleet reads them"),
    73: RealLifeCase("YAML makes booleans of tickers", (), "the fleet reads it"),
    74: RealLifeCase("paths, terminals and hosts are unusual", (), "the machine does it"),
}


def markdown() -> str:
    """The rows as a table for the documentation. Required arguments of faults are left out."""
    lines = ["| row | what happens | how to make it happen |", "|---|---|---|"]
    for number, row in ROWS.items():
        how = ", ".join(f"`{fault}`" for fault in row.faults) or f"not a gateway's doing: {row.not_ours}"
        lines.append(f"| {number} | {row.meaning} | {how} |")
    return "\n".join(lines)
