"""Single orders, as recorded from real gateways and as IBKR documents them."""

from __future__ import annotations

import pytest

from services.configuration.broker_policy import Policy
from tests.simulator.venue.sequences import (
    VERSIONS,
    SequenceRow,
    cancel,
    cancel_all,
    close,
    place,
    play,
    restart,
    sequences,
    tick,
)

TABLE = [
    SequenceRow(
        "a market order",
        [
            tick(),
            place(1, "BUY", "MKT", "5 1 MKT 0 0", "3 1 PreSubmitted 0/5"),
            tick("11 1 BOT 5 10.01", "5 1 MKT 0 0", "3 1 Filled 5/5", "5 1 MKT 0 0", "3 1 Filled 5/5", "59 0.5005"),
        ],
    ),
    SequenceRow(
        "a limit order that rests",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9.5 0", "3 1 Submitted 0/5", lmtPrice=9.5),
            tick(),
            tick("11 1 BOT 5 9.41", "5 1 LMT 9.5 0", "3 1 Filled 5/5", "5 1 LMT 9.5 0", "3 1 Filled 5/5", "59 0.4705"),
        ],
        prices=(10, 10, 9.4),
    ),
    SequenceRow(
        "a limit order that can fill",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 10.5 0", "3 1 Submitted 0/5", lmtPrice=10.5),
            tick(
                "11 1 BOT 5 10.01", "5 1 LMT 10.5 0", "3 1 Filled 5/5", "5 1 LMT 10.5 0", "3 1 Filled 5/5", "59 0.5005"
            ),
        ],
    ),
    SequenceRow(
        "a buy stop",
        [
            tick(),
            place(1, "BUY", "STP", "5 1 STP 10.53 10.5", "3 1 PreSubmitted 0/5 trigger", auxPrice=10.5),
            tick(),
            tick(
                "5 1 STP 0 10.5",
                "3 1 Submitted 0/5",
                "11 1 BOT 5 10.61",
                "5 1 STP 0 10.5",
                "3 1 Filled 5/5",
                "5 1 STP 0 10.5",
                "3 1 Filled 5/5",
                "59 0.5305",
            ),
        ],
        prices=(10, 10.2, 10.6),
    ),
    SequenceRow(
        "a stop limit rests as a limit once it is triggered",
        [
            tick(),
            place(
                1,
                "BUY",
                "STP LMT",
                "5 1 STP LMT 10.55 10.5",
                "3 1 PreSubmitted 0/5 trigger",
                auxPrice=10.5,
                lmtPrice=10.55,
            ),
            tick("5 1 STP LMT 10.55 10.5", "3 1 Submitted 0/5"),
            tick(
                "11 1 BOT 5 10.51",
                "5 1 STP LMT 10.55 10.5",
                "3 1 Filled 5/5",
                "5 1 STP LMT 10.55 10.5",
                "3 1 Filled 5/5",
                "59 0.5255",
            ),
        ],
        prices=(10, 10.6, 10.5),
    ),
    SequenceRow(
        "a trailing stop by percentage",
        [
            tick(),
            place(1, "SELL", "TRAIL", "5 1 TRAIL 0 0 @9.0", "3 1 PreSubmitted 0/5 trigger", trailingPercent=10.0),
            tick("5 1 TRAIL 0 0 @9.9", "3 1 PreSubmitted 0/5 trigger"),
            tick("5 1 TRAIL 0 0 @10.8", "3 1 PreSubmitted 0/5 trigger"),
            tick(),
            tick(
                "5 1 TRAIL 0 0 @10.8",
                "3 1 Submitted 0/5",
                "11 1 SLD 5 10.49",
                "5 1 TRAIL 0 0 @10.8",
                "3 1 Filled 5/5",
                "5 1 TRAIL 0 0 @10.8",
                "3 1 Filled 5/5",
                "59 0.5245",
            ),
        ],
        prices=(10, 11, 12, 11, 10.5),
    ),
    SequenceRow(
        "a trailing stop by amount with a first level",
        [
            tick(),
            place(
                1,
                "SELL",
                "TRAIL",
                "5 1 TRAIL 0 0.5 @9.0",
                "3 1 PreSubmitted 0/5 trigger",
                auxPrice=0.5,
                trailStopPrice=9.0,
            ),
            tick("5 1 TRAIL 0 0.5 @9.7", "3 1 PreSubmitted 0/5 trigger"),
            tick(
                "5 1 TRAIL 0 0.5 @9.7",
                "3 1 Submitted 0/5",
                "11 1 SLD 5 9.49",
                "5 1 TRAIL 0 0.5 @9.7",
                "3 1 Filled 5/5",
                "5 1 TRAIL 0 0.5 @9.7",
                "3 1 Filled 5/5",
                "59 0.4745",
            ),
        ],
        prices=(10, 10.2, 9.5),
    ),
    SequenceRow(
        "a trailing stop limit",
        [
            tick(),
            place(
                1,
                "SELL",
                "TRAIL LIMIT",
                "5 1 TRAIL LIMIT 9.45 0 @9.5",
                "3 1 PreSubmitted 0/5 trigger",
                trailingPercent=5.0,
                lmtPriceOffset=0.05,
            ),
            tick("5 1 TRAIL LIMIT 10.4 0 @10.45", "3 1 PreSubmitted 0/5 trigger"),
            tick("5 1 TRAIL LIMIT 10.4 0 @10.45", "3 1 Submitted 0/5"),
            tick(
                "11 1 SLD 5 10.44",
                "5 1 TRAIL LIMIT 10.4 0 @10.45",
                "3 1 Filled 5/5",
                "5 1 TRAIL LIMIT 10.4 0 @10.45",
                "3 1 Filled 5/5",
                "59 0.522",
            ),
        ],
        prices=(10, 11, 10.4, 10.45),
    ),
    SequenceRow(
        "a buying trailing stop",
        [
            tick(),
            place(1, "BUY", "TRAIL", "5 1 TRAIL 0 0.5 @10.5", "3 1 PreSubmitted 0/5 trigger", auxPrice=0.5),
            tick("5 1 TRAIL 0 0.5 @9.5", "3 1 PreSubmitted 0/5 trigger"),
            tick(
                "5 1 TRAIL 0 0.5 @9.5",
                "3 1 Submitted 0/5",
                "11 1 BOT 5 9.61",
                "5 1 TRAIL 0 0.5 @9.5",
                "3 1 Filled 5/5",
                "5 1 TRAIL 0 0.5 @9.5",
                "3 1 Filled 5/5",
                "59 0.4805",
            ),
        ],
        prices=(10, 9, 9.6),
    ),
    SequenceRow(
        "modify",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0),
            place(1, "BUY", "LMT", "5 1 LMT 9.5 0", "3 1 Submitted 0/6", lmtPrice=9.5, shares=6),
            place(1, "BUY", "STP", "4 1 329", auxPrice=11.0),
            place(1, "SELL", "LMT", "4 1 105", lmtPrice=9.5),
            place(1, "BUY", "MKT", "5 1 MKT 0 0", "3 1 Submitted 0/5"),
            tick("11 1 BOT 5 10.01", "5 1 MKT 0 0", "3 1 Filled 5/5", "5 1 MKT 0 0", "3 1 Filled 5/5", "59 0.5005"),
            place(1, "BUY", "LMT", "4 1 104", lmtPrice=9.0),
        ],
    ),
    SequenceRow(
        "modify a stop",
        [
            tick(),
            place(1, "BUY", "STP", "5 1 STP 11.03 11", "3 1 PreSubmitted 0/5 trigger", auxPrice=11.0),
            place(1, "BUY", "STP", "5 1 STP 0 10.5", "3 1 PreSubmitted 0/5 trigger", auxPrice=10.5),
        ],
    ),
    SequenceRow(
        "cancel and cancel again",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0),
            cancel(1, "3 1 Cancelled 0/5", "4 1 202"),
            cancel(1, "4 1 10148"),
            cancel(9, "4 9 10147"),
            place(1, "BUY", "LMT", "4 1 104", lmtPrice=9.0),
        ],
    ),
    SequenceRow(
        "cancel what is filled",
        [
            tick(),
            place(1, "BUY", "MKT", "5 1 MKT 0 0", "3 1 PreSubmitted 0/5"),
            tick("11 1 BOT 5 10.01", "5 1 MKT 0 0", "3 1 Filled 5/5", "5 1 MKT 0 0", "3 1 Filled 5/5", "59 0.5005"),
            cancel(1, "4 1 10148"),
        ],
    ),
    SequenceRow(
        "global cancel",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0),
            place(2, "BUY", "LMT", "5 2 LMT 9 0", "3 2 Submitted 0/5", lmtPrice=9.0),
            cancel_all("3 1 Cancelled 0/5", "4 1 202", "3 2 Cancelled 0/5", "4 2 202"),
            cancel_all("4 1 161", "4 2 161"),
        ],
    ),
    SequenceRow(
        "a global cancel of what was never transmitted",
        [
            tick(),
            place(1, "BUY", "MKT", transmit=False),
            place(2, "SELL", "TRAIL", "4 2 328", trailingPercent=10.0, parentId=1, transmit=False),
            place(3, "SELL", "LMT", lmtPrice=12.0, parentId=1, transmit=False),
            cancel_all(*["3 1 Cancelled 0/5"] * 3, "4 1 202", "4 1 161"),
            tick(),
        ],
    ),
    SequenceRow(
        "cancel outside of the session",
        [
            place(1, "BUY", "LMT", "4 1 399", "5 1 LMT 9 0", "3 1 PreSubmitted 0/5", lmtPrice=9.0),
            cancel(1, *["5 1 LMT 9 0", "3 1 PendingCancel 0/5"] * 2, "3 1 Cancelled 0/5", "4 1 202"),
        ],
    ),
    SequenceRow(
        "order ids only rise, and a time in force stays",
        [
            tick(),
            place(7, "BUY", "LMT", "5 7 LMT 9 0", "3 7 Submitted 0/5", lmtPrice=9.0),
            place(6, "BUY", "LMT", "4 6 103", lmtPrice=9.0),
            place(0, "BUY", "LMT", "4 0 10149", lmtPrice=9.0),
            place(7, "BUY", "LMT", "4 7 462", lmtPrice=9.0, tif="GTC"),
            place(7, "BUY", "LMT", "5 7 LMT 9.1 0", "3 7 Submitted 0/5", lmtPrice=9.1),
        ],
    ),
    SequenceRow(
        "IOC and FOK far beyond the market",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 12 0", "3 1 Submitted 0/5", lmtPrice=12.0, tif="IOC"),
            place(2, "BUY", "LMT", "5 2 LMT 12 0", "3 2 Submitted 0/5", lmtPrice=12.0, tif="FOK"),
            tick(
                *["5 1 LMT 12 0", "3 1 PendingCancel 0/5", "3 1 Cancelled 0/5", "4 1 202"],
                *["5 2 LMT 12 0", "3 2 Inactive 0/5"],
            ),
        ],
    ),
    SequenceRow(
        "IOC that finds nobody",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0, tif="IOC"),
            tick("5 1 LMT 9 0", "3 1 PendingCancel 0/5", "3 1 Cancelled 0/5", "4 1 202"),
        ],
    ),
    SequenceRow(
        "IOC that fills",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 10.5 0", "3 1 Submitted 0/5", lmtPrice=10.5, tif="IOC"),
            tick(
                "11 1 BOT 5 10.01", "5 1 LMT 10.5 0", "3 1 Filled 5/5", "5 1 LMT 10.5 0", "3 1 Filled 5/5", "59 0.5005"
            ),
        ],
    ),
    SequenceRow(
        "DAY ends with the session",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0),
            place(2, "BUY", "LMT", "5 2 LMT 9 0", "3 2 Submitted 0/5", lmtPrice=9.0, tif="GTC"),
            close("3 1 Cancelled 0/5", "4 1 202"),
        ],
        prices=(10,),
    ),
    SequenceRow(
        "GTD ends at its time",
        [
            tick(),
            place(
                1,
                "BUY",
                "LMT",
                "5 1 LMT 9 0",
                "3 1 Submitted 0/5",
                lmtPrice=9.0,
                tif="GTD",
                goodTillDate="20220322 15:00:00 US/Eastern",
            ),
            close("3 1 Cancelled 0/5", "4 1 202"),
        ],
        prices=(10,),
    ),
    SequenceRow(
        "GTC survives a restart",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0, tif="GTC"),
            place(
                2,
                "SELL",
                "TRAIL",
                "5 2 TRAIL 0 0 @9.0",
                "3 2 PreSubmitted 0/5 trigger",
                trailingPercent=10.0,
                tif="GTC",
            ),
            tick("5 2 TRAIL 0 0 @9.9", "3 2 PreSubmitted 0/5 trigger"),
            restart("5 1 LMT 9 0", "3 1 Submitted 0/5", "5 2 TRAIL 0 0 @9.9", "3 2 PreSubmitted 0/5 trigger"),
            tick(
                "5 2 TRAIL 0 0 @9.9",
                "3 2 Submitted 0/5",
                "11 2 SLD 5 9.49",
                "5 2 TRAIL 0 0 @9.9",
                "3 2 Filled 5/5",
                "5 2 TRAIL 0 0 @9.9",
                "3 2 Filled 5/5",
                "59 0.4745",
            ),
        ],
        prices=(10, 11, 9.5),
    ),
    SequenceRow(
        "399 before the open",
        [
            place(1, "BUY", "LMT", "4 1 399", "5 1 LMT 10.5 0", "3 1 PreSubmitted 0/5", lmtPrice=10.5),
            place(2, "BUY", "MKT", "4 2 399", "5 2 MKT 0 0", "3 2 PreSubmitted 0/5"),
            tick(
                "5 1 LMT 10.5 0",
                "3 1 Submitted 0/5",
                "11 1 BOT 5 10.01",
                "5 1 LMT 10.5 0",
                "3 1 Filled 5/5",
                "5 1 LMT 10.5 0",
                "3 1 Filled 5/5",
                "59 0.5005",
                "11 2 BOT 5 10.01",
                "5 2 MKT 0 0",
                "3 2 Filled 5/5",
                "5 2 MKT 0 0",
                "3 2 Filled 5/5",
                "59 0.5005",
            ),
        ],
    ),
    SequenceRow(
        "outside regular hours",
        [
            place(1, "BUY", "LMT", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0, outsideRth=True),
            place(2, "BUY", "MKT", "4 2 2109", "4 2 399", "5 2 MKT 0 0", "3 2 PreSubmitted 0/5", outsideRth=True),
            tick("11 2 BOT 5 10.01", "5 2 MKT 0 0", "3 2 Filled 5/5", "5 2 MKT 0 0", "3 2 Filled 5/5", "59 0.5005"),
        ],
    ),
    SequenceRow(
        "rejects",
        [
            tick(),
            place(1, "BUY", "LMT", "4 1 110", lmtPrice=9.001),
            place(2, "BUY", "MKT", "4 2 434", shares=0),
            place(3, "BUY", "PEG MID", "4 3 321"),
            place(4, "BUY", "LMT", "4 4 10052", lmtPrice=9.0, tif="OPG"),
            place(5, "BUY", "LMT", "4 5 321"),
            place(6, "SELL", "TRAIL", "4 6 321"),
            place(7, "BUY", "MKT", "4 7 10243", shares=1.5),
            place(8, "BUY", "MKT", "4 8 135", parentId=77),
            place(9, "BUY", "LMT", "5 9 LMT 9 0", "3 9 Submitted 0/5", lmtPrice=9.0),
            place(9, "BUY", "LMT", "4 9 10242", lmtPrice=9.0, shares=5.5),
        ],
    ),
    SequenceRow(
        "fractions of a share where they are taken",
        [
            tick(),
            place(1, "BUY", "MKT", "5 1 MKT 0 0", "3 1 PreSubmitted 0/1.2345", shares=1.2345),
            tick(
                "11 1 BOT 1.2345 10.01",
                "5 1 MKT 0 0",
                "3 1 Filled 1.2345/1.2345",
                "5 1 MKT 0 0",
                "3 1 Filled 1.2345/1.2345",
                "59 0.123573",
            ),
            place(2, "SELL", "TRAIL", "4 2 10243", shares=1.2345, trailingPercent=10.0),
            place(3, "SELL", "STP", "5 3 STP 9.03 9", "3 3 PreSubmitted 0/0.2345 trigger", shares=0.2345, auxPrice=9.0),
            place(4, "BUY", "MKT", "4 4 321", shares=0.12345),
        ],
        policy=Policy(fractional_shares=True),
    ),
    SequenceRow(
        "no time in force means DAY",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0, tif=""),
        ],
    ),
    SequenceRow(
        "a market order is filled in parts",
        [
            tick(),
            place(1, "BUY", "MKT", "5 1 MKT 0 0", "3 1 PreSubmitted 0/800", shares=800),
            tick("11 1 BOT 300 10.01", "3 1 Submitted 300/800", "59 1.5"),
            tick("11 1 BOT 300 10.01", "3 1 Submitted 600/800", "59 1.5"),
            tick(
                "11 1 BOT 200 10.01", "5 1 MKT 0 0", "3 1 Filled 800/800", "5 1 MKT 0 0", "3 1 Filled 800/800", "59 1"
            ),
        ],
        policy=Policy(partial_fills=True),
    ),
    SequenceRow(
        "a limit order is filled in parts, and cancelled",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 10.01 0", "3 1 Submitted 0/800", lmtPrice=10.01, shares=800),
            tick("11 1 BOT 300 10.01", "3 1 Submitted 300/800", "59 1.5"),
            tick("11 1 BOT 300 10.01", "3 1 Submitted 600/800", "59 1.5"),
            cancel(1, "3 1 Cancelled 600/800", "4 1 202"),
        ],
        policy=Policy(partial_fills=True),
    ),
    SequenceRow(
        "IOC takes what is there",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 10.01 0", "3 1 Submitted 0/800", lmtPrice=10.01, shares=800, tif="IOC"),
            tick(
                "11 1 BOT 300 10.01",
                "3 1 Submitted 300/800",
                "59 1.5",
                "5 1 LMT 10.01 0",
                "3 1 PendingCancel 300/800",
                "3 1 Cancelled 300/800",
                "4 1 202",
            ),
            tick(),
        ],
        policy=Policy(partial_fills=True),
    ),
    SequenceRow(
        "rejected (201), error first",
        [
            tick(),
            place(1, "BUY", "LMT", "4 1 201", "3 1 Inactive 0/100000", lmtPrice=10.0, shares=100000),
        ],
    ),
    SequenceRow(
        "a what-if order leaves no trace",
        [
            tick(),
            place(1, "BUY", "MKT", "5 1 MKT 0 0", whatIf=True),
            tick(),
        ],
    ),
    SequenceRow(
        "FOK that can't be filled",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0, tif="FOK"),
            tick("5 1 LMT 9 0", "3 1 Inactive 0/5"),
        ],
    ),
    SequenceRow(
        "an adjustable stop becomes a trailing one",
        [
            tick(),
            place(
                1,
                "SELL",
                "STP",
                "5 1 STP 9.03 9",
                "3 1 PreSubmitted 0/5 trigger",
                auxPrice=9.0,
                adjustedOrderType="TRAIL",
                triggerPrice=11.0,
                adjustedStopPrice=10.5,
                adjustedTrailingAmount=0.5,
            ),
            tick("5 1 TRAIL 0 0.5 @10.5", "3 1 PreSubmitted 0/5 trigger"),
            tick("5 1 TRAIL 0 0.5 @11.5", "3 1 PreSubmitted 0/5 trigger"),
            tick(
                "5 1 TRAIL 0 0.5 @11.5",
                "3 1 Submitted 0/5",
                "11 1 SLD 5 11.39",
                "5 1 TRAIL 0 0.5 @11.5",
                "3 1 Filled 5/5",
                "5 1 TRAIL 0 0.5 @11.5",
                "3 1 Filled 5/5",
                "59 0.5695",
            ),
        ],
        prices=(10, 11, 12, 11.4),
    ),
]


@pytest.mark.parametrize("version", VERSIONS)
@sequences(TABLE)
def test_a_sequence(row: SequenceRow, version: int) -> None:
    play(row, version)
