"""What a gateway says about orders, message by message, as recorded from real ones and as IBKR documents it.

One row is one sequence: what the client does, or what the market does, and what the client hears of it, in order. Each
is played at the oldest version that is spoken, at that of ib_insync, and at the newest.

What is heard is written `5 7 LMT 9 0` (openOrder of order 7: its type, limit and auxiliary price, the current level of
a trailing stop after `@`), `3 7 Submitted 0/5 trigger` (orderStatus: filled of all, and why it is held),
`11 7 BOT 5 10.01` (execDetails), `59 1` (commissionReport), `4 7 202` (an error or a warning).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ib_insync as ibi
import pytest

from services.simulator.exchange import Exchange
from services.simulator.framing import frame
from services.simulator.model import AccountTerms, Memory, Session
from services.simulator.policy import Policy
from services.simulator.server import TwsServer
from services.simulator.store import Store
from tests.hostile.corpus import STOCK, place_order, sent, start_api
from tests.hostile.mutations import written
from tests.simulator.line import Line
from tests.simulator.wire import ACCOUNT, OPEN_NS, SECOND, SESSION, Written, trades

VERSIONS = (157, 176, 178)
DAY_NS = 24 * 3600 * SECOND
TOMORROW = Session("2022-03-23", SESSION.open_ns + DAY_NS, SESSION.close_ns + DAY_NS)
CALM = (10.0,) * 6


class Step(NamedTuple):
    """One thing that happens, and what the client hears of it."""

    what: str
    expected: Sequence[str]
    order_id: int = 0
    order: ibi.Order | None = None


class Row(NamedTuple):
    """A row of the table."""

    name: str
    steps: list[Step]
    prices: Sequence[float] = CALM
    policy: Policy = Policy()


def place(order_id: int, side: str, kind: str, *expected: str, **details: Any) -> Step:
    order = ibi.Order(action=side, totalQuantity=details.pop("shares", 5), orderType=kind, **{"tif": "DAY", **details})
    return Step("place", expected, order_id, order)


def cancel(order_id: int, *expected: str) -> Step:
    return Step("cancel", expected, order_id)


def cancel_all(*expected: str) -> Step:
    return Step("cancel_all", expected)


def tick(*expected: str) -> Step:
    """The next trade of the market."""
    return Step("tick", expected)


def close(*expected: str) -> Step:
    """The session ends."""
    return Step("close", expected)


def restart(*expected: str) -> Step:
    """The gateway starts again from its ledger, and the client connects anew."""
    return Step("restart", expected)


OCA_1, OCA_2, OCA_3 = ({"ocaGroup": "g", "ocaType": kind} for kind in (1, 2, 3))

TABLE: list[Row] = [
    Row(
        "nothing is said until it is transmitted",
        [
            place(1, "BUY", "LMT", lmtPrice=9.0, transmit=False),
            tick(),
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0),
        ],
    ),
    Row(
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
                "5 2 STP 0 8",
                "3 2 PreSubmitted 0/5 child,trigger",
                "5 3 LMT 12 0",
                "3 3 PreSubmitted 0/5 child",
                lmtPrice=12.0,
                parentId=1,
            ),
            cancel(1, "3 1 Cancelled 0/5", "4 1 202", "3 2 Cancelled 0/5", "4 2 202", "3 3 Cancelled 0/5", "4 3 202"),
        ],
    ),
    Row(
        "a market order",
        [
            tick(),
            place(1, "BUY", "MKT", "5 1 MKT 0 0", "3 1 PreSubmitted 0/5"),
            tick("11 1 BOT 5 10.01", "5 1 MKT 0 0", "3 1 Filled 5/5", "59 0.5005"),
        ],
    ),
    Row(
        "a limit order that rests",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9.5 0", "3 1 Submitted 0/5", lmtPrice=9.5),
            tick(),
            tick("11 1 BOT 5 9.41", "5 1 LMT 9.5 0", "3 1 Filled 5/5", "59 0.4705"),
        ],
        prices=(10, 10, 9.4),
    ),
    Row(
        "a limit order that can fill",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 10.5 0", "3 1 Submitted 0/5", lmtPrice=10.5),
            tick("11 1 BOT 5 10.01", "5 1 LMT 10.5 0", "3 1 Filled 5/5", "59 0.5005"),
        ],
    ),
    Row(
        "a buy stop",
        [
            tick(),
            place(1, "BUY", "STP", "5 1 STP 0 10.5", "3 1 PreSubmitted 0/5 trigger", auxPrice=10.5),
            tick(),
            tick(
                "5 1 STP 0 10.5",
                "3 1 Submitted 0/5",
                "11 1 BOT 5 10.61",
                "5 1 STP 0 10.5",
                "3 1 Filled 5/5",
                "59 0.5305",
            ),
        ],
        prices=(10, 10.2, 10.6),
    ),
    Row(
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
            tick("11 1 BOT 5 10.51", "5 1 STP LMT 10.55 10.5", "3 1 Filled 5/5", "59 0.5255"),
        ],
        prices=(10, 10.6, 10.5),
    ),
    Row(
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
                "59 0.5245",
            ),
        ],
        prices=(10, 11, 12, 11, 10.5),
    ),
    Row(
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
                "59 0.4745",
            ),
        ],
        prices=(10, 10.2, 9.5),
    ),
    Row(
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
            tick("11 1 SLD 5 10.44", "5 1 TRAIL LIMIT 10.4 0 @10.45", "3 1 Filled 5/5", "59 0.522"),
        ],
        prices=(10, 11, 10.4, 10.45),
    ),
    Row(
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
                "59 0.4805",
            ),
        ],
        prices=(10, 9, 9.6),
    ),
    Row(
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
                "59 0.4945",
            ),
        ],
        prices=(10, 10.6, 11, 9.9),
    ),
    Row(
        "328 a trailing child of a stop",
        [
            tick(),
            place(1, "BUY", "STP", auxPrice=10.5, transmit=False),
            place(2, "SELL", "TRAIL", "4 2 328", trailingPercent=10.0, parentId=1),
            tick(),
            cancel(1, "3 1 Cancelled 0/5", "4 1 202", "4 1 161"),
        ],
    ),
    Row(
        "328 a trailing child of a market order",
        [
            tick(),
            place(1, "BUY", "MKT", transmit=False),
            place(2, "SELL", "TRAIL", "4 2 328", trailingPercent=10.0, parentId=1),
            tick(),
            cancel(1, "3 1 Cancelled 0/5", "4 1 202", "4 1 161"),
        ],
    ),
    Row(
        "328 switched off",
        [
            tick(),
            place(1, "BUY", "STP", auxPrice=10.5, transmit=False),
            place(
                2,
                "SELL",
                "TRAIL",
                "5 1 STP 0 10.5",
                "3 1 PreSubmitted 0/5 trigger",
                "5 2 TRAIL 0 0 @",
                "3 2 PreSubmitted 0/5 child,trigger",
                trailingPercent=10.0,
                parentId=1,
            ),
        ],
        policy=Policy(trail_child_needs_limit_parent=False),
    ),
    Row(
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
                "59 0.4895",
            ),
        ],
        prices=(10, 11, 9.8),
        policy=Policy(report_trail_ratchet=False),
    ),
    Row(
        "modify",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0),
            place(1, "BUY", "LMT", "5 1 LMT 9.5 0", "3 1 Submitted 0/6", lmtPrice=9.5, shares=6),
            place(1, "BUY", "STP", "4 1 329", auxPrice=11.0),
            place(1, "SELL", "LMT", "4 1 105", lmtPrice=9.5),
            place(1, "BUY", "MKT", "5 1 MKT 0 0", "3 1 Submitted 0/5"),
            tick("11 1 BOT 5 10.01", "5 1 MKT 0 0", "3 1 Filled 5/5", "59 0.5005"),
            place(1, "BUY", "LMT", "4 1 104", lmtPrice=9.0),
        ],
    ),
    Row(
        "modify a stop",
        [
            tick(),
            place(1, "BUY", "STP", "5 1 STP 0 11", "3 1 PreSubmitted 0/5 trigger", auxPrice=11.0),
            place(1, "BUY", "STP", "5 1 STP 0 10.5", "3 1 PreSubmitted 0/5 trigger", auxPrice=10.5),
        ],
    ),
    Row(
        "cancel and cancel again",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0),
            cancel(1, "3 1 Cancelled 0/5", "4 1 202"),
            cancel(1, "4 1 10148"),
            cancel(9, "4 9 10147"),
            place(1, "BUY", "LMT", "4 1 103", lmtPrice=9.0),
        ],
    ),
    Row(
        "cancel what is filled",
        [
            tick(),
            place(1, "BUY", "MKT", "5 1 MKT 0 0", "3 1 PreSubmitted 0/5"),
            tick("11 1 BOT 5 10.01", "5 1 MKT 0 0", "3 1 Filled 5/5", "59 0.5005"),
            cancel(1, "4 1 10148"),
        ],
    ),
    Row(
        "global cancel",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0),
            place(2, "BUY", "LMT", "5 2 LMT 9 0", "3 2 Submitted 0/5", lmtPrice=9.0),
            cancel_all("3 1 Cancelled 0/5", "4 1 202", "3 2 Cancelled 0/5", "4 2 202"),
            cancel_all(),
        ],
    ),
    Row(
        "IOC that finds nobody",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0, tif="IOC"),
            tick("5 1 LMT 9 0", "3 1 PendingCancel 0/5", "3 1 Cancelled 0/5", "4 1 202"),
        ],
    ),
    Row(
        "IOC that fills",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 10.5 0", "3 1 Submitted 0/5", lmtPrice=10.5, tif="IOC"),
            tick("11 1 BOT 5 10.01", "5 1 LMT 10.5 0", "3 1 Filled 5/5", "59 0.5005"),
        ],
    ),
    Row(
        "OCA 1 cancels the rest",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9.5 0", "3 1 Submitted 0/5", lmtPrice=9.5, **OCA_1),
            place(2, "BUY", "LMT", "5 2 LMT 9 0", "3 2 Submitted 0/8", lmtPrice=9.0, shares=8, **OCA_1),
            tick(),
            tick("11 1 BOT 5 9.41", "5 1 LMT 9.5 0", "3 1 Filled 5/5", "59 0.4705", "3 2 Cancelled 0/8", "4 2 202"),
        ],
        prices=(10, 10, 9.4),
    ),
    Row(
        "OCA 2 reduces the rest",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9.5 0", "3 1 Submitted 0/5", lmtPrice=9.5, **OCA_2),
            place(2, "BUY", "LMT", "5 2 LMT 9 0", "3 2 Submitted 0/8", lmtPrice=9.0, shares=8, **OCA_2),
            tick(),
            tick("11 1 BOT 5 9.41", "5 1 LMT 9.5 0", "3 1 Filled 5/5", "59 0.4705", "5 2 LMT 9 0", "3 2 Submitted 0/3"),
        ],
        prices=(10, 10, 9.4),
    ),
    Row(
        "OCA 3 reduces the rest",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9.5 0", "3 1 Submitted 0/5", lmtPrice=9.5, **OCA_3),
            place(2, "BUY", "LMT", "5 2 LMT 9 0", "3 2 Submitted 0/8", lmtPrice=9.0, shares=8, **OCA_3),
            tick(),
            tick("11 1 BOT 5 9.41", "5 1 LMT 9.5 0", "3 1 Filled 5/5", "59 0.4705", "5 2 LMT 9 0", "3 2 Submitted 0/3"),
        ],
        prices=(10, 10, 9.4),
    ),
    Row(
        "the cancel of one OCA member cancels the rest",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9.5 0", "3 1 Submitted 0/5", lmtPrice=9.5, **OCA_1),
            place(2, "BUY", "LMT", "5 2 LMT 9 0", "3 2 Submitted 0/5", lmtPrice=9.0, **OCA_1),
            cancel(1, "3 1 Cancelled 0/5", "4 1 202", "3 2 Cancelled 0/5", "4 2 202"),
        ],
    ),
    Row(
        "the cancel of one OCA member, cascade off",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9.5 0", "3 1 Submitted 0/5", lmtPrice=9.5, **OCA_1),
            place(2, "BUY", "LMT", "5 2 LMT 9 0", "3 2 Submitted 0/5", lmtPrice=9.0, **OCA_1),
            cancel(1, "3 1 Cancelled 0/5", "4 1 202"),
        ],
        policy=Policy(oca_client_cancel_cascades=False),
    ),
    Row(
        "DAY ends with the session",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0),
            place(2, "BUY", "LMT", "5 2 LMT 9 0", "3 2 Submitted 0/5", lmtPrice=9.0, tif="GTC"),
            close("3 1 Cancelled 0/5", "4 1 202"),
        ],
        prices=(10,),
    ),
    Row(
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
    Row(
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
                "59 0.4745",
            ),
        ],
        prices=(10, 11, 9.5),
    ),
    Row(
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
                "59 0.5005",
                "11 2 BOT 5 10.01",
                "5 2 MKT 0 0",
                "3 2 Filled 5/5",
                "59 0.5005",
            ),
        ],
    ),
    Row(
        "outside regular hours",
        [
            place(1, "BUY", "LMT", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0, outsideRth=True),
            place(2, "BUY", "MKT", "4 2 2109", "4 2 399", "5 2 MKT 0 0", "3 2 PreSubmitted 0/5", outsideRth=True),
            tick("11 2 BOT 5 10.01", "5 2 MKT 0 0", "3 2 Filled 5/5", "59 0.5005"),
        ],
    ),
    Row(
        "rejects",
        [
            tick(),
            place(1, "BUY", "LMT", "4 1 110", lmtPrice=9.001),
            place(2, "BUY", "MKT", "4 2 434", shares=0),
            place(3, "BUY", "PEG MID", "4 3 387"),
            place(4, "BUY", "LMT", "4 4 10052", lmtPrice=9.0, tif="OPG"),
            place(5, "BUY", "LMT", "4 5 321"),
            place(6, "SELL", "TRAIL", "4 6 321"),
            place(7, "BUY", "MKT", "4 7 10243", shares=1.5),
            place(8, "BUY", "MKT", "4 8 135", parentId=77),
        ],
    ),
    Row(
        "10326 a child's OCA group is the broker's",
        [
            tick(),
            place(1, "BUY", "LMT", lmtPrice=10.5, transmit=False),
            place(
                2,
                "SELL",
                "STP",
                "5 1 LMT 10.5 0",
                "3 1 Submitted 0/5",
                "5 2 STP 0 8",
                "3 2 PreSubmitted 0/5 child,trigger",
                auxPrice=8.0,
                parentId=1,
            ),
            tick(
                "11 1 BOT 5 10.01",
                "5 1 LMT 10.5 0",
                "3 1 Filled 5/5",
                "59 0.5005",
                "5 2 STP 0 8",
                "3 2 PreSubmitted 0/5 trigger",
            ),
            place(2, "SELL", "STP", "4 2 10326", auxPrice=8.5, parentId=1),
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
    Row(
        "no time in force means DAY",
        [
            tick(),
            place(1, "BUY", "LMT", "5 1 LMT 9 0", "3 1 Submitted 0/5", lmtPrice=9.0, tif=""),
        ],
    ),
]


class House:
    """A gateway with one client, on a ledger that outlives it."""

    def __init__(self, row: Row, version: int) -> None:
        self._row, self.version = row, version
        self._events = trades("TSLA", *row.prices)
        self._store = Store(Path(":memory:"), ACCOUNT)
        self.begin(None)

    def begin(self, memory: Memory | None) -> None:
        self.exchange = Exchange(
            Written(self._events),
            [SESSION, TOMORROW],
            accounts=[AccountTerms(account=ACCOUNT)],
            start_ns=OPEN_NS - 60 * SECOND,
            policy=self._row.policy,
            memory=memory,
        )
        self.server = TwsServer(self.exchange, self._store, "127.0.0.1", 0)
        self.line = Line(self.server)
        self.line.send(b"API\0" + frame(f"v100..{self.version}".encode()) + frame(written(start_api(1))))

    def do(self, step: Step) -> list[str]:
        match step.what:
            case "place":
                assert step.order is not None
                self.ask(place_order(self.version, step.order_id, STOCK, step.order))
            case "cancel":
                self.ask(sent(self.version, lambda client: client.cancelOrder(step.order_id)))
            case "cancel_all":
                self.ask(sent(self.version, lambda client: client.reqGlobalCancel()))
            case "tick":
                due = self.exchange.next_event_ns()
                assert due is not None
                self.server.advance(due, one=True)
            case "close":
                self.server.advance(SESSION.close_ns + 600 * SECOND)
            case "restart":
                self.line.hang_up()
                self.begin(self._store.load())
        return self.heard()

    def ask(self, fields: list[str]) -> None:
        self.line.send(frame(written(fields)))

    def heard(self) -> list[str]:
        rows = [payload.decode().removesuffix("\0").split("\0") for payload in self.line.taken()]
        return [line for fields in rows if (line := _short(fields, self.version))]


def _short(fields: list[str], version: int) -> str:
    match fields[0]:
        case "5":
            kind, limit, aux = fields[15], *map(float, fields[16:18])
            words = ["5", fields[1], kind, f"{limit:g}", f"{aux:g}"]
            if kind.startswith("TRAIL"):
                # The second place of the current level, which is the one that clients keep, counted from the end.
                level = fields[-14 - sum(version >= since for since in (159, 160, 162)) - 5 * (version >= 170)]
                words.append(f"@{level}")
            return " ".join(words)
        case "3":
            filled, remaining = float(fields[3]), float(fields[4])
            return f"3 {fields[1]} {fields[2]} {filled:g}/{filled + remaining:g} {fields[10]}".strip()
        case "11":
            side = fields.index("BOT") if "BOT" in fields else fields.index("SLD")
            return f"11 {fields[2]} {fields[side]} {float(fields[side + 1]):g} {float(fields[side + 2]):g}"
        case "59":
            return f"59 {float(fields[3]):g}"
        case "4" if fields[2] != "-1":
            return f"4 {fields[2]} {fields[3]}"
    return ""


def _shown(row: Row) -> pytest.MarkDecorator:
    """What a row shows follows from what is done and heard in it."""
    asked = {"place": 3, "cancel": 4, "cancel_all": 58}
    heard = {int(line.split()[0]) for step in row.steps for line in step.expected}
    orders = [(step.order.orderType, step.order.tif or "DAY") for step in row.steps if step.order and step.expected]
    accepted = row.name not in ("rejects",)
    features = {
        "transmit and family": any(order.parentId for order in (step.order for step in row.steps) if order),
        "328": "328" in row.name,
        "modify": row.name.startswith("modify"),
        "cancel": row.name.startswith("cancel"),
        "global cancel": row.name == "global cancel",
        **{f"OCA {kind}": row.name.startswith(f"OCA {kind}") for kind in (1, 2, 3)},
        "trail ratchet": row.name.startswith("a trailing stop by"),
        "outside regular hours": row.name == "outside regular hours",
        "off hours (399)": row.name.startswith("399"),
        "survives a restart": row.name.endswith("restart"),
        "rejects": row.name == "rejects",
    }
    return pytest.mark.shows(
        feature=[name for name, shown in features.items() if shown],
        request=sorted({asked[step.what] for step in row.steps if step.what in asked}),
        reply=sorted(heard),
        order=sorted({f"{kind}/{tif}" for kind, tif in orders}) if accepted else (),
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name, marks=_shown(row)) for row in TABLE])
def test_a_sequence(row: Row, version: int) -> None:
    async def play() -> None:
        house = House(row, version)
        house.heard()
        for at, step in enumerate(row.steps, start=1):
            assert house.do(step) == list(step.expected), f"{row.name}, step {at}: {step.what} {step.order_id or ''}"

    asyncio.run(play())


RESTING = {
    "LMT": {"lmtPrice": 9.0},
    "STP": {"auxPrice": 11.0},
    "STP LMT": {"auxPrice": 11.0, "lmtPrice": 11.5},
    "TRAIL": {"trailingPercent": 10.0},
    "TRAIL LIMIT": {"trailingPercent": 10.0, "lmtPriceOffset": 0.05},
}
ENDS = {
    "DAY": (("3 1 Cancelled 0/5", "4 1 202"), 0),
    "GTD": (("3 1 Cancelled 0/5", "4 1 202"), 0),
    "GTC": ((), 1),
}
"""What is heard when the session ends, and how many orders are open then."""


def _order(kind: str, tif: str, **prices: float) -> Step:
    until = {"goodTillDate": "20220322 15:00:00 US/Eastern"} if tif == "GTD" else {}
    side = "SELL" if kind.startswith("TRAIL") else "BUY"
    return place(1, side, kind, tif=tif, **prices, **until)


@pytest.mark.parametrize(
    ("kind", "tif"),
    [
        pytest.param(kind, tif, marks=pytest.mark.shows(order=f"{kind}/{tif}", request=3, reply=(3, 4, 5)))
        for kind in RESTING
        for tif in ENDS
    ],
)
def test_every_type_lasts_as_long_as_its_time_in_force(kind: str, tif: str) -> None:
    async def play() -> None:
        house = House(Row("", []), 176)
        house.do(tick())
        opened = house.do(_order(kind, tif, **RESTING[kind]))
        assert opened[0].startswith(f"5 1 {kind} ")
        assert opened[1].split()[2] in ("Submitted", "PreSubmitted")
        expected, left = ENDS[tif]
        assert [line for line in house.do(close()) if line.startswith(("3", "4"))] == list(expected)
        assert len(house.exchange.open_orders()) == left

    asyncio.run(play())


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.shows(order=f"{kind}/IOC", request=3)) for kind in RESTING]
)
def test_immediate_or_cancel_ends_with_the_first_chance(kind: str) -> None:
    """A limit order's is the next trade; a stop's comes when it has triggered and found nobody at its price."""
    unreachable = {
        "LMT": {"lmtPrice": 9.0},
        "STP LMT": {"auxPrice": 10.0, "lmtPrice": 9.0},
        "TRAIL LIMIT": {"auxPrice": 0.5, "lmtPriceOffset": -3.0, "trailStopPrice": 10.0},
        "STP": {"auxPrice": 10.0},
        "TRAIL": {"auxPrice": 0.5, "trailStopPrice": 10.0},
    }

    async def play() -> None:
        house = House(Row("", []), 176)
        house.do(tick())
        assert house.do(_order(kind, "IOC", **unreachable[kind]))
        last = [line for line in house.do(tick()) if line.startswith("3")][-1]
        assert last == ("3 1 Filled 5/5" if kind in ("STP", "TRAIL") else "3 1 Cancelled 0/5")
        assert house.exchange.open_orders() == []

    asyncio.run(play())


@pytest.mark.parametrize(
    "tif",
    [
        pytest.param(tif, marks=pytest.mark.shows(order=f"MKT/{tif}", request=3, reply=(3, 5, 11, 59)))
        for tif in ("DAY", "GTC", "IOC", "GTD")
    ],
)
def test_a_market_order_fills_in_every_time_in_force(tif: str) -> None:
    async def play() -> None:
        house = House(Row("", []), 176)
        house.do(tick())
        house.do(_order("MKT", tif))
        assert house.do(tick()) == ["11 1 BOT 5 10.01", "5 1 MKT 0 0", "3 1 Filled 5/5", "59 0.5005"]

    asyncio.run(play())
