"""Orders in groups, as recorded from real gateways and as IBKR documents them: families, OCA groups."""

from __future__ import annotations

import pytest

from services.configuration.broker_policy import ChildOnPartialFill, Policy
from tests.simulator.venue.sequences import (
    OCA_1,
    OCA_2,
    OCA_3,
    VERSIONS,
    SequenceRow,
    cancel,
    cancel_all,
    place,
    play,
    sequences,
    tick,
)

TABLE = [
    SequenceRow(
        "nothing is said until it is transmitted",
        [
            place(1, "BUY", "LMT", lmtPrice=9.0, transmit=False),
            tick(),
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0),
        ],
    ),
    SequenceRow(
        "a bracket, and the cancel of its parent",
        [
            tick(),
            place(1, "BUY", "LMT", lmtPrice=9.0, transmit=False),
            place(2, "SELL", "STP", auxPrice=8.0, parentId=1, transmit=False),
            place(
                3,
                "SELL",
                "LMT",
                "5 1 LMT 9 0",
                "3 1 Submitted 0/5",
                "5 2 STP 8.03 8",
                "3 2 PreSubmitted 0/5 child,trigger",
                "5 3 LMT 12 0",
                "3 3 PreSubmitted 0/5 child",
                lmtPrice=12.0,
                parentId=1,
            ),
            cancel(1, "3 1 Cancelled 0/5", "4 1 202", "3 2 Cancelled 0/5", "4 2 202", "3 3 Cancelled 0/5", "4 3 202"),
        ],
    ),
    SequenceRow(
        "a stop limit with a trailing child",
        [
            tick(),
            place(1, "BUY", "STP LMT", auxPrice=10.5, lmtPrice=10.8, transmit=False),
            place(
                2,
                "SELL",
                "TRAIL",
                "5 1 STP LMT 10.8 10.5",
                "3 1 PreSubmitted 0/5 trigger",
                "5 2 TRAIL 0 0 @",
                "3 2 PreSubmitted 0/5 child,trigger",
                trailingPercent=10.0,
                parentId=1,
                tif="GTC",
            ),
            tick(
                "5 1 STP LMT 10.8 10.5",
                "3 1 Submitted 0/5",
                "11 1 BOT 5 10.61",
                "5 1 STP LMT 10.8 10.5",
                "3 1 Filled 5/5",
                "5 1 STP LMT 10.8 10.5",
                "3 1 Filled 5/5",
                "59 0.5305",
                "5 2 TRAIL 0 0 @9.54",
                "3 2 PreSubmitted 0/5 trigger",
            ),
            tick("5 2 TRAIL 0 0 @9.9", "3 2 PreSubmitted 0/5 trigger"),
            tick(
                "5 2 TRAIL 0 0 @9.9",
                "3 2 Submitted 0/5",
                "11 2 SLD 5 9.89",
                "5 2 TRAIL 0 0 @9.9",
                "3 2 Filled 5/5",
                "5 2 TRAIL 0 0 @9.9",
                "3 2 Filled 5/5",
                "59 0.4945",
            ),
        ],
        prices=(10, 10.6, 11, 9.9),
    ),
    SequenceRow(
        "a global cancel ends families, and a second one tells what was cancelled",
        [
            tick(),
            place(1, "BUY", "LMT", lmtPrice=9.0, transmit=False),
            place(
                2,
                "SELL",
                "STP",
                "5 1 LMT 9 0",
                "3 1 Submitted 0/5",
                "5 2 STP 8.03 8",
                "3 2 PreSubmitted 0/5 child,trigger",
                auxPrice=8.0,
                parentId=1,
            ),
            cancel_all("3 1 Cancelled 0/5", "4 1 202", "3 2 Cancelled 0/5", "4 2 202"),
            cancel_all("4 1 161", "4 2 161"),
        ],
    ),
    SequenceRow(
        "328 a trailing child of a stop",
        [
            tick(),
            place(1, "BUY", "STP", auxPrice=10.5, transmit=False),
            place(2, "SELL", "TRAIL", "4 2 328", trailingPercent=10.0, parentId=1),
            tick(),
            cancel(1, "3 1 Cancelled 0/5", "4 1 202", "4 1 161"),
        ],
    ),
    SequenceRow(
        "328 a trailing child of a market order",
        [
            tick(),
            place(1, "BUY", "MKT", transmit=False),
            place(2, "SELL", "TRAIL", "4 2 328", trailingPercent=10.0, parentId=1),
            tick(),
            cancel(1, "3 1 Cancelled 0/5", "4 1 202", "4 1 161"),
        ],
    ),
    SequenceRow(
        "OCA 1 cancels the rest",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9.5 0", "3 1 Submitted 0/5", lmtPrice=9.5, **OCA_1),
            place(2, "BUY", "LMT", "5 2 LMT 9 0", "3 2 Submitted 0/8", lmtPrice=9.0, shares=8, **OCA_1),
            tick(),
            tick(
                "11 1 BOT 5 9.41",
                "5 1 LMT 9.5 0",
                "3 1 Filled 5/5",
                "5 1 LMT 9.5 0",
                "3 1 Filled 5/5",
                "59 0.4705",
                "3 2 Cancelled 0/8",
                "4 2 202",
            ),
        ],
        prices=(10, 10, 9.4),
    ),
    SequenceRow(
        "OCA 2 reduces the rest",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9.5 0", "3 1 Submitted 0/5", lmtPrice=9.5, **OCA_2),
            place(2, "BUY", "LMT", "5 2 LMT 9 0", "3 2 Submitted 0/8", lmtPrice=9.0, shares=8, **OCA_2),
            tick(),
            tick(
                "11 1 BOT 5 9.41",
                "5 1 LMT 9.5 0",
                "3 1 Filled 5/5",
                "5 1 LMT 9.5 0",
                "3 1 Filled 5/5",
                "59 0.4705",
                "5 2 LMT 9 0",
                "3 2 Submitted 0/3",
            ),
        ],
        prices=(10, 10, 9.4),
    ),
    SequenceRow(
        "OCA 3 reduces the rest",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9.5 0", "3 1 Submitted 0/5", lmtPrice=9.5, **OCA_3),
            place(2, "BUY", "LMT", "5 2 LMT 9 0", "3 2 Submitted 0/8", lmtPrice=9.0, shares=8, **OCA_3),
            tick(),
            tick(
                "11 1 BOT 5 9.41",
                "5 1 LMT 9.5 0",
                "3 1 Filled 5/5",
                "5 1 LMT 9.5 0",
                "3 1 Filled 5/5",
                "59 0.4705",
                "5 2 LMT 9 0",
                "3 2 Submitted 0/3",
            ),
        ],
        prices=(10, 10, 9.4),
    ),
    SequenceRow(
        "the cancel of one OCA member cancels the rest",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9.5 0", "3 1 Submitted 0/5", lmtPrice=9.5, **OCA_1),
            place(2, "BUY", "LMT", "5 2 LMT 9 0", "3 2 Submitted 0/5", lmtPrice=9.0, **OCA_1),
            cancel(1, "3 1 Cancelled 0/5", "4 1 202", "3 2 Cancelled 0/5", "4 2 202"),
        ],
    ),
    SequenceRow(
        "a change of a child may leave out its OCA group",
        [
            tick(),
            place(1, "BUY", "LMT", lmtPrice=10.5, transmit=False),
            place(
                2,
                "SELL",
                "STP",
                "5 1 LMT 10.5 0",
                "3 1 Submitted 0/5",
                "5 2 STP 8.03 8",
                "3 2 PreSubmitted 0/5 child,trigger",
                auxPrice=8.0,
                parentId=1,
            ),
            tick(
                "11 1 BOT 5 10.01",
                "5 1 LMT 10.5 0",
                "3 1 Filled 5/5",
                "5 1 LMT 10.5 0",
                "3 1 Filled 5/5",
                "59 0.5005",
                "5 2 STP 0 8",
                "3 2 PreSubmitted 0/5 trigger",
            ),
            place(2, "SELL", "STP", "5 2 STP 0 8.5", "3 2 PreSubmitted 0/5 trigger", auxPrice=8.5, parentId=1),
            place(2, "SELL", "STP", "4 2 10326", auxPrice=8.5, parentId=0, ocaGroup="another", ocaType=3),
            place(2, "SELL", "STP", "4 2 10327", auxPrice=8.5, parentId=0, ocaGroup="1000001", ocaType=1),
            place(
                2,
                "SELL",
                "STP",
                "5 2 STP 0 8.5",
                "3 2 PreSubmitted 0/5 trigger",
                auxPrice=8.5,
                ocaGroup="1000001",
                ocaType=3,
            ),
        ],
    ),
    SequenceRow(
        "a child is live in full while its parent is filled in parts",
        [
            tick(),
            place(1, "BUY", "LMT", lmtPrice=10.01, shares=800, transmit=False),
            place(
                2,
                "SELL",
                "STP",
                "5 1 LMT 10.01 0",
                "3 1 Submitted 0/800",
                "5 2 STP 9.03 9",
                "3 2 PreSubmitted 0/800 child,trigger",
                auxPrice=9.0,
                parentId=1,
                shares=800,
            ),
            tick(
                "11 1 BOT 300 10.01", "3 1 Submitted 300/800", "59 1.5", "5 2 STP 0 9", "3 2 PreSubmitted 0/800 trigger"
            ),
            cancel(1, "3 1 Cancelled 300/800", "4 1 202"),
        ],
        policy=Policy(partial_fills=True, child_on_partial_fill=ChildOnPartialFill.AT_ONCE),
    ),
    SequenceRow(
        "a child waits until its parent is filled in full",
        [
            tick(),
            place(1, "BUY", "LMT", lmtPrice=10.01, shares=800, transmit=False),
            place(
                2,
                "SELL",
                "STP",
                "5 1 LMT 10.01 0",
                "3 1 Submitted 0/800",
                "5 2 STP 9.03 9",
                "3 2 PreSubmitted 0/800 child,trigger",
                auxPrice=9.0,
                parentId=1,
                shares=800,
            ),
            tick("11 1 BOT 300 10.01", "3 1 Submitted 300/800", "59 1.5"),
            cancel(1, "3 1 Cancelled 300/800", "4 1 202", "3 2 Cancelled 0/800", "4 2 202"),
        ],
        policy=Policy(partial_fills=True, child_on_partial_fill=ChildOnPartialFill.AT_FULL_FILL),
    ),
    SequenceRow(
        "a child follows the filled part of its parent",
        [
            tick(),
            place(1, "BUY", "LMT", lmtPrice=10.01, shares=800, transmit=False),
            place(
                2,
                "SELL",
                "STP",
                "5 1 LMT 10.01 0",
                "3 1 Submitted 0/800",
                "5 2 STP 9.03 9",
                "3 2 PreSubmitted 0/800 child,trigger",
                auxPrice=9.0,
                parentId=1,
                shares=800,
            ),
            tick(
                "11 1 BOT 300 10.01", "3 1 Submitted 300/800", "59 1.5", "5 2 STP 0 9", "3 2 PreSubmitted 0/300 trigger"
            ),
            cancel(1, "3 1 Cancelled 300/800", "4 1 202"),
        ],
        policy=Policy(partial_fills=True, child_on_partial_fill=ChildOnPartialFill.FOLLOWS),
    ),
]


@pytest.mark.parametrize("version", VERSIONS)
@sequences(TABLE)
def test_a_sequence(row: SequenceRow, version: int) -> None:
    play(row, version)
