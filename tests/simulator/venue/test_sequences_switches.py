"""Behaviour that is hardly documented is a switch. Here each switch has the value that is not the default."""

from __future__ import annotations

import pytest

from services.configuration.broker_policy import Policy, RejectedAs
from tests.simulator.venue.sequences import (
    OCA_1,
    VERSIONS,
    SequenceRow,
    cancel,
    cancel_all,
    close,
    place,
    play,
    sequences,
    tick,
)

TABLE = [
    SequenceRow(
        "328 switched off",
        [
            tick(),
            place(1, "BUY", "STP", auxPrice=10.5, transmit=False),
            place(
                2,
                "SELL",
                "TRAIL",
                "5 1 STP 10.53 10.5",
                "3 1 PreSubmitted 0/5 trigger",
                "5 2 TRAIL 0 0 @",
                "3 2 PreSubmitted 0/5 child,trigger",
                trailingPercent=10.0,
                parentId=1,
            ),
        ],
        policy=Policy(trail_child_needs_limit_parent=False),
    ),
    SequenceRow(
        "a trailing stop whose moves are not reported",
        [
            tick(),
            place(1, "SELL", "TRAIL", "5 1 TRAIL 0 0 @9.0", "3 1 PreSubmitted 0/5 trigger", trailingPercent=10.0),
            tick(),
            tick(
                "5 1 TRAIL 0 0 @9.9",
                "3 1 Submitted 0/5",
                "11 1 SLD 5 9.79",
                "5 1 TRAIL 0 0 @9.9",
                "3 1 Filled 5/5",
                "5 1 TRAIL 0 0 @9.9",
                "3 1 Filled 5/5",
                "59 0.4895",
            ),
        ],
        prices=(10, 11, 9.8),
        policy=Policy(report_trail_ratchet=False),
    ),
    SequenceRow(
        "a global cancel that tells nothing twice",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0, **OCA_1),
            place(2, "BUY", "LMT", "5 2 LMT 8 0", "3 2 Submitted 0/5", lmtPrice=8.0, **OCA_1),
            cancel_all("3 1 Cancelled 0/5", "4 1 202", "3 2 Cancelled 0/5", "4 2 202"),
        ],
        policy=Policy(global_cancel_tells_done=False),
    ),
    SequenceRow(
        "10349 for an order that names no time in force",
        [
            tick(),
            place(1, "BUY", "LMT", "4 1 10349", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0, tif=""),
            place(1, "BUY", "LMT", "5 1 LMT 8 0", "3 1 Submitted 0/5", lmtPrice=8.0, tif=""),
            place(2, "BUY", "LMT", "5 2 LMT 9 0", "3 2 Submitted 0/5", lmtPrice=9.0, tif="DAY"),
            close("3 1 Cancelled 0/5", "4 1 202", "3 2 Cancelled 0/5", "4 2 202"),
        ],
        policy=Policy(preset_tif_told=True),
    ),
    SequenceRow(
        "the cancel of one OCA member, cascade off",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9.5 0", "3 1 Submitted 0/5", lmtPrice=9.5, **OCA_1),
            place(2, "BUY", "LMT", "5 2 LMT 9 0", "3 2 Submitted 0/5", lmtPrice=9.0, **OCA_1),
            cancel(1, "3 1 Cancelled 0/5", "4 1 202"),
        ],
        policy=Policy(oca_client_cancel_cascades=False),
    ),
    SequenceRow(
        "rejected (201), status first",
        [
            tick(),
            place(1, "BUY", "LMT", "3 1 Cancelled 0/100000", "4 1 201", lmtPrice=10.0, shares=100000),
        ],
        policy=Policy(rejected_as=RejectedAs.CANCELLED, rejection_before_status=False),
    ),
    SequenceRow(
        "every pair comes twice",
        [
            tick(),
            place(
                1, "BUY", "LMT", "5 1 LMT 9 0", "3 1 Submitted 0/5", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0
            ),
        ],
        policy=Policy(pairs_told_twice=True),
    ),
    SequenceRow(
        "a resting order is PreSubmitted first",
        [
            tick(),
            place(
                1, "BUY", "LMT", "5 1 LMT 9 0", "3 1 PreSubmitted 0/5", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0
            ),
        ],
        policy=Policy(resting_told_before=True),
    ),
    SequenceRow(
        "Filled before its execution",
        [
            tick(),
            place(1, "BUY", "MKT", "5 1 MKT 0 0", "3 1 PreSubmitted 0/5"),
            tick("5 1 MKT 0 0", "3 1 Filled 5/5", "11 1 BOT 5 10.01", "5 1 MKT 0 0", "3 1 Filled 5/5", "59 0.5005"),
        ],
        policy=Policy(filled_before_execution=True),
    ),
    SequenceRow(
        "modify of an order that is still new",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0),
            place(1, "BUY", "LMT", "4 1 2102", lmtPrice=9.1),
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9.1 0", "3 1 Submitted 0/5", lmtPrice=9.1),
        ],
        policy=Policy(modify_refused_while_new=True),
    ),
    SequenceRow(
        "a child that survives its parent",
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
            cancel(1, "3 1 Cancelled 0/5", "4 1 202"),
        ],
        policy=Policy(child_survives_parent_cancel=True),
    ),
]


@pytest.mark.parametrize("version", VERSIONS)
@sequences(TABLE)
def test_a_sequence(row: SequenceRow, version: int) -> None:
    play(row, version)
