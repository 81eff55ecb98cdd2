"""Orders over the wire: placed, changed, triggered, filled, cancelled, refused."""

from __future__ import annotations

import asyncio

import ib_insync as ibi
import pytest

from services.configuration.broker_policy import Policy
from tests.simulator.on_the_wire import (
    ACCOUNT,
    CALM,
    OPEN_NS,
    SECOND,
    TSLA,
    Gateway,
    ask,
    gateway,
    ready,
    trades,
    trail,
)

_TRAIL_STOP = -22  # its second field in openOrder at version 176, the one that clients keep


async def bracket(simulator: Gateway, ib: ibi.IB, parent: ibi.Order, child: ibi.Order) -> tuple[ibi.Trade, ibi.Trade]:
    """Parent and child in one transmit; the parent alone must not be answered."""
    parent.transmit = False
    entry = ib.placeOrder(TSLA, parent)
    assert await simulator.news(ib.client.clientId) == []
    child.parentId = entry.order.orderId
    return entry, ib.placeOrder(TSLA, child)


@pytest.mark.shows(
    request=3, reply=(3, 5, 11, 59, 61), order=("STP LMT/DAY", "TRAIL/GTC"), feature="transmit and family"
)
def test_a_bracket_from_trigger_to_stop_out() -> None:
    async def play() -> None:
        market = trades("TSLA", 10.0, 10.2, 10.6, 11.0, 12.0, 10.9, 10.7, 10.5)
        async with gateway(market) as simulator:
            ib = await ready(simulator)
            fills: list[tuple[str, float]] = []
            commissions: list[tuple[float, float]] = []
            ib.execDetailsEvent += lambda _trade, fill: fills.append((fill.execution.side, fill.execution.price))
            ib.commissionReportEvent += lambda _t, _f, report: commissions.append(
                (report.commission, report.realizedPNL)
            )

            entry, stop = await bracket(
                simulator, ib, ibi.StopLimitOrder("BUY", 10, 10.8, 10.5, orderRef="E"), trail(10)
            )
            a, b = entry.order.orderId, stop.order.orderId
            assert await simulator.news(1) == [
                f"5 {a}",
                f"3 {a} PreSubmitted trigger",
                f"5 {b}",
                f"3 {b} PreSubmitted child,trigger",
            ]
            assert entry.order.permId + 1 == stop.order.permId

            await simulator.step()  # 10.20: below the trigger
            assert await simulator.news(1) == []
            await simulator.step()  # 10.60: triggered, filled at the ask, the child goes live
            assert await simulator.news(1) == [
                f"5 {a}",
                f"3 {a} Submitted",
                f"11 {a}",
                f"5 {a}",
                f"3 {a} Filled",
                f"5 {a}",  # again, with the commission in it
                f"3 {a} Filled",
                "59",
                f"5 {b}",
                f"3 {b} PreSubmitted trigger",
            ]
            assert entry.fills[0].execution.orderRef == "E"
            assert (entry.filled(), entry.remaining(), entry.orderStatus.avgFillPrice) == (10, 0, 10.61)
            assert [(p.position, p.avgCost) for p in ib.positions()] == [(10, pytest.approx(10.71))]

            await simulator.step(2)  # 11.00, 12.00: the stop follows
            assert [row[_TRAIL_STOP] for row in simulator.received[1] if row[0] == "5"] == ["9.9", "10.8"]
            assert await simulator.news(1) == [f"5 {b}", f"3 {b} PreSubmitted trigger"] * 2
            await simulator.step()  # 10.90
            assert await simulator.news(1) == []
            await simulator.step()  # 10.70: below 12.00 - 10 %
            assert await simulator.news(1) == [
                f"5 {b}",
                f"3 {b} Submitted",
                f"11 {b}",
                *[f"5 {b}", f"3 {b} Filled"] * 2,
                "59",
            ]
            assert fills == [("BOT", 10.61), ("SLD", 10.69)]
            assert commissions == [(1.0, 0.0), (1.0, pytest.approx(-1.2))]
            assert ib.positions() == []
            assert {v.tag: v.value for v in ib.accountValues()}["TotalCashValue"] == "99998.8"

    asyncio.run(play())


@pytest.mark.shows(request=5, reply=5, order="TRAIL/GTC", feature="trail ratchet")
def test_the_level_of_a_trailing_stop_is_found_again() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0, 12.0, 12.0)) as simulator:
            ib = await ready(simulator)
            ib.placeOrder(TSLA, trail(1))
            await simulator.step()
            await simulator.disconnect(ib)
            back = await simulator.connect(1)
            (trade,) = back.openTrades()
            assert (trade.order.orderType, trade.order.trailingPercent, trade.order.trailStopPrice) == (
                "TRAIL",
                10.0,
                10.8,
            )
            assert (trade.order.auxPrice, trade.order.tif, trade.orderStatus.status) == (0.0, "GTC", "PreSubmitted")
            assert trade.orderStatus.whyHeld == "trigger"

    asyncio.run(play())


MARKET_ORDERS = [
    (ibi.MarketOrder("BUY", 5), "PreSubmitted", 10.01),
    (ibi.LimitOrder("BUY", 5, 10.5), "Submitted", 10.01),
]


@pytest.mark.parametrize(("order", "first", "price"), MARKET_ORDERS)
def test_immediate_fills_happen_at_the_next_event(order: ibi.Order, first: str, price: float) -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            trade = ib.placeOrder(TSLA, order)
            received = await simulator.news(1)
            assert received[1].startswith(f"3 {trade.order.orderId} ")
            assert not trade.fills
            await simulator.step()
            assert trade.orderStatus.status == "Filled"
            assert [fill.execution.price for fill in trade.fills] == [price]
            assert trade.fills[0].execution.time.timestamp() * SECOND == OPEN_NS + SECOND

    asyncio.run(play())


RESTING = [
    (ibi.LimitOrder("BUY", 5, 9.0, tif="GTD", goodTillDate="20220323 16:00:00 US/Eastern"), {"lmtPrice": 9.0}),
    (ibi.LimitOrder("BUY", 5, 9.0), {"lmtPrice": 9.0}),
    (ibi.StopOrder("BUY", 5, 11.0), {"auxPrice": 11.0}),
    (ibi.StopLimitOrder("BUY", 5, 11.5, 11.0), {"auxPrice": 11.0, "lmtPrice": 11.5}),
    (trail(5, auxPrice=0.5), {"auxPrice": 0.5, "trailStopPrice": 9.5}),
    (trail(5, trailStopPrice=9.25), {"trailingPercent": 10.0, "trailStopPrice": 9.25}),
    (
        ibi.Order(orderType="TRAIL LIMIT", action="SELL", totalQuantity=5, trailingPercent=10.0, lmtPriceOffset=0.05),
        {"trailingPercent": 10.0, "trailStopPrice": 9.0, "lmtPriceOffset": 0.05, "lmtPrice": 8.95},
    ),
]


@pytest.mark.parametrize(("order", "prices"), RESTING)
def test_a_resting_order_reads_back_as_it_was_placed(order: ibi.Order, prices: dict[str, float]) -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            order.orderRef, order.orderId = "ref", 0
            placed = ib.placeOrder(TSLA, order)
            await simulator.step()
            await simulator.disconnect(ib)
            back = await simulator.connect(1)
            (trade,) = back.openTrades()
            read = trade.order
            assert (read.orderId, read.permId, read.clientId) == (
                placed.order.orderId,
                placed.order.permId or 1_000_001,
                1,
            )
            assert (read.orderType, read.action, read.totalQuantity) == (order.orderType, order.action, 5)
            assert (read.orderRef, read.account, trade.contract.symbol) == ("ref", ACCOUNT, "TSLA")
            assert (read.tif or "DAY", read.goodTillDate) == (order.tif or "DAY", order.goodTillDate)
            for name, price in prices.items():
                assert getattr(read, name) == pytest.approx(price), name
            # Sending the order again as it was read is a modification that changes nothing.
            back.placeOrder(trade.contract, read)
            await simulator.settle()
            (again,) = simulator.exchange.open_orders()
            assert again.perm_id == read.permId
            assert not [row for row in simulator.received[1] if row[0] == "4" and row[2] != "-1"]

    asyncio.run(play())


@pytest.mark.shows(feature="328")
def test_a_trailing_child_needs_a_limit_parent() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            parent, child = await bracket(simulator, ib, ibi.StopOrder("BUY", 10, 10.5), trail(10))
            a, b = parent.order.orderId, child.order.orderId
            assert await simulator.news(1) == [f"4 {b} 328"]
            await simulator.step()
            assert await simulator.news(1) == []
            ib.cancelOrder(parent.order)
            assert await simulator.news(1) == [f"3 {a} Cancelled", f"4 {a} 202", f"4 {a} 161"]
            assert simulator.exchange.open_orders() == []

    asyncio.run(play())


def test_the_rule_about_trailing_children_can_be_switched_off() -> None:
    async def play() -> None:
        async with gateway(CALM, policy=Policy(trail_child_needs_limit_parent=False)) as simulator:
            ib = await ready(simulator)
            await bracket(simulator, ib, ibi.StopOrder("BUY", 10, 10.5), trail(10))
            assert [line.split()[0] for line in await simulator.news(1)] == ["5", "3", "5", "3"]

    asyncio.run(play())


@pytest.mark.shows(feature="modify")
def test_modify_keeps_the_permanent_id() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            trade = ib.placeOrder(TSLA, ibi.LimitOrder("BUY", 5, 9.0))
            await simulator.step()
            perm_id = trade.order.permId
            await simulator.news(1)
            trade.order.lmtPrice, trade.order.totalQuantity = 9.5, 6
            ib.placeOrder(TSLA, trade.order)
            assert await simulator.news(1) == [f"5 {trade.order.orderId}", f"3 {trade.order.orderId} Submitted"]
            (order,) = simulator.exchange.open_orders()
            assert (order.perm_id, order.ticket.limit_price, order.ticket.quantity) == (perm_id, 9.5, 6)
            assert trade.orderStatus.remaining == 6

    asyncio.run(play())


@pytest.mark.shows(request=4, feature="cancel")
def test_cancel_and_cancel_again() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            trade = ib.placeOrder(TSLA, ibi.LimitOrder("BUY", 5, 9.0))
            number = trade.order.orderId
            await simulator.news(1)
            ib.cancelOrder(trade.order)
            assert await simulator.news(1) == [f"3 {number} Cancelled", f"4 {number} 202"]
            assert trade.isDone()
            ib.client.cancelOrder(number)
            ib.client.cancelOrder(99)
            assert await simulator.news(1) == [f"4 {number} 10148", "4 99 10147"]

    asyncio.run(play())


def test_cancelling_the_parent_cancels_the_child() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            parent, child = await bracket(simulator, ib, ibi.LimitOrder("BUY", 5, 9.0), trail(5))
            a, b = parent.order.orderId, child.order.orderId
            await simulator.news(1)
            ib.cancelOrder(parent.order)
            assert await simulator.news(1) == [f"3 {a} Cancelled", f"4 {a} 202", f"3 {b} Cancelled", f"4 {b} 202"]

    asyncio.run(play())


@pytest.mark.shows(request=58, feature="global cancel")
def test_global_cancel_reaches_everybody_once() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib, other = await ready(simulator, 1), await simulator.connect(2)
            mine = ib.placeOrder(TSLA, ibi.LimitOrder("BUY", 5, 9.0))
            await simulator.news(1)
            parent, child = await bracket(simulator, ib, ibi.LimitOrder("BUY", 5, 9.0), trail(5))
            theirs = other.placeOrder(TSLA, ibi.LimitOrder("BUY", 5, 9.0))
            await simulator.news(1)
            await simulator.news(2)
            ib.reqGlobalCancel()
            cancelled = [t.order.orderId for t in (mine, parent, child)]
            ended = [line for n in cancelled for line in (f"3 {n} Cancelled", f"4 {n} 202")]
            assert await simulator.news(1) == ended
            assert await simulator.news(2) == [f"3 {theirs.order.orderId} Cancelled", f"4 {theirs.order.orderId} 202"]
            assert simulator.exchange.open_orders() == []

    asyncio.run(play())


def test_an_oca_group() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            low, high = ibi.LimitOrder("BUY", 5, 9.0), ibi.LimitOrder("BUY", 5, 10.5)
            first, second = (ib.placeOrder(TSLA, o) for o in ib.oneCancelsAll([low, high], "pair", 1))
            await simulator.step()
            assert (first.orderStatus.status, second.orderStatus.status) == ("Cancelled", "Filled")

    asyncio.run(play())


@pytest.mark.shows(reply=4, feature="rejects")
@pytest.mark.parametrize(
    ("contract", "order", "code"),
    [
        (ibi.Stock("GONE", "SMART", "USD"), ibi.MarketOrder("BUY", 1), 200),
        (ibi.Stock("TSLA", "", "USD"), ibi.MarketOrder("BUY", 1), 321),
        (TSLA, ibi.MarketOrder("BUY", 1, account="DU9"), 321),
        (TSLA, ibi.MarketOrder("BUY", 1, allOrNone=True), 321),
        (TSLA, ibi.LimitOrder("BUY", 1, 9.001), 110),
        (TSLA, ibi.MarketOrder("BUY", 1, tif="NEVER"), 10052),
        (TSLA, ibi.Order(action="BUY", totalQuantity=1, orderType="PEG MID"), 321),
    ],
)
def test_a_refused_order_is_only_an_error(contract: ibi.Contract, order: ibi.Order, code: int) -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            order.orderId = 0
            trade = ib.placeOrder(contract, order)
            assert await simulator.news(1) == [f"4 {trade.order.orderId} {code}"]
            assert simulator.exchange.orders() == []

    asyncio.run(play())


def test_a_what_if_reports_margins_and_commission() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            state = await ib.whatIfOrderAsync(TSLA, ibi.LimitOrder("BUY", 100, 10.0))
            assert (state.initMarginBefore, state.initMarginChange, state.initMarginAfter) == ("0.0", "250.0", "250.0")
            assert (state.equityWithLoanBefore, state.equityWithLoanAfter) == ("100000.0", "99999.0")
            assert (state.commission, state.commissionCurrency) == (1.0, "USD")
            assert simulator.exchange.orders() == []

    asyncio.run(play())


def test_a_malformed_order_names_its_id() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            ib.client.conn.sendMsg(ask(3, 55, 0, "TSLA"))
            assert await simulator.news(1) == ["4 55 320"]

    asyncio.run(play())
