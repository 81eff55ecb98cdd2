"""Every order type in every time in force, up to the session's end."""

from __future__ import annotations

import asyncio

import pytest

from tests.simulator.venue.sequences import GatewayWithLedger, SequenceRow, SequenceStep, close, place, tick

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
"""The messages at the end of the session, and the number of open orders then."""


def _order(kind: str, tif: str, **prices: float) -> SequenceStep:
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
    async def run() -> None:
        simulator = GatewayWithLedger(SequenceRow("", []), 176)
        simulator.do(tick())
        opened = simulator.do(_order(kind, tif, **RESTING[kind]))
        assert opened[0].startswith(f"5 1 {kind} ")
        assert opened[1].split()[2] in ("Submitted", "PreSubmitted")
        expected, left = ENDS[tif]
        assert [line for line in simulator.do(close()) if line.startswith(("3", "4"))] == list(expected)
        assert len(simulator.exchange.open_orders()) == left

    asyncio.run(run())


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.shows(order=f"{kind}/IOC", request=3)) for kind in RESTING]
)
def test_immediate_or_cancel_ends_with_the_first_chance(kind: str) -> None:
    """A limit order's chance is the next trade; a stop's comes when it triggers without a fill at its price."""
    unreachable = {
        "LMT": {"lmtPrice": 9.0},
        "STP LMT": {"auxPrice": 10.0, "lmtPrice": 9.0},
        "TRAIL LIMIT": {"auxPrice": 0.5, "lmtPriceOffset": -3.0, "trailStopPrice": 10.0},
        "STP": {"auxPrice": 10.0},
        "TRAIL": {"auxPrice": 0.5, "trailStopPrice": 10.0},
    }

    async def run() -> None:
        simulator = GatewayWithLedger(SequenceRow("", []), 176)
        simulator.do(tick())
        assert simulator.do(_order(kind, "IOC", **unreachable[kind]))
        last = [line for line in simulator.do(tick()) if line.startswith("3")][-1]
        assert last == ("3 1 Filled 5/5" if kind in ("STP", "TRAIL") else "3 1 Cancelled 0/5")
        assert simulator.exchange.open_orders() == []

    asyncio.run(run())


@pytest.mark.parametrize(
    "tif",
    [
        pytest.param(tif, marks=pytest.mark.shows(order=f"MKT/{tif}", request=3, reply=(3, 5, 11, 59)))
        for tif in ("DAY", "GTC", "IOC", "GTD")
    ],
)
def test_a_market_order_fills_in_every_time_in_force(tif: str) -> None:
    async def run() -> None:
        simulator = GatewayWithLedger(SequenceRow("", []), 176)
        simulator.do(tick())
        simulator.do(_order("MKT", tif))
        assert simulator.do(tick()) == [
            "11 1 BOT 5 10.01",
            "5 1 MKT 0 0",
            "3 1 Filled 5/5",
            "5 1 MKT 0 0",
            "3 1 Filled 5/5",
            "59 0.5005",
        ]

    asyncio.run(run())
