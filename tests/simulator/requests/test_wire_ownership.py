"""Manual orders, how client 0 binds them, and cancels across clients."""

from __future__ import annotations

import asyncio

import ib_insync as ibi
import pytest

from services.configuration.broker_policy import Policy
from services.simulator.requests.dispatch import RequestDispatcher
from services.simulator.requests.ownership import MANUAL_CLIENT_ID
from services.simulator.venue.orders import Ticket
from tests.simulator.on_the_wire import ACCOUNT, CALM, TSLA, Gateway, gateway, ready, trades

RESTING = Ticket(
    client_id=MANUAL_CLIENT_ID,
    order_id=0,
    account=ACCOUNT,
    symbol="TSLA",
    side="BUY",
    quantity=10.0,
    order_type="LMT",
    limit_price=5.0,
    tif="GTC",
)
AT_MARKET = Ticket(
    client_id=MANUAL_CLIENT_ID, order_id=0, account=ACCOUNT, symbol="TSLA", side="BUY", quantity=10.0, order_type="MKT"
)


def dispatcher(simulator: Gateway) -> RequestDispatcher:
    return simulator.server.dispatcher


def orders(simulator: Gateway, client_id: int) -> list[tuple[str, str]]:
    """Order id and client id of each openOrder to a client."""
    return [(row[1], row[24]) for row in simulator.received[client_id] if row[0] == "5"]


@pytest.mark.shows(request=(4, 5, 15, 16), reply=(5, 53, 100), feature="manual orders of client 0")
def test_field_33_a_manual_order_has_no_client_until_client_0_binds_it() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            other = await ready(simulator, 7)
            perm_id = dispatcher(simulator).enter_manual_order(RESTING)
            simulator.server.flush()
            assert await simulator.news(7) == []
            other.client.reqOpenOrders()
            assert await simulator.news(7) == ["53"]
            other.client.reqAllOpenOrders()
            await simulator.settle()
            assert orders(simulator, 7) == [("0", "0")]
            # Client 0 requests its orders when it connects, which binds it.
            zero = await simulator.connect(0)
            await simulator.settle()
            assert ["100", str(perm_id), "0", "-1"] in simulator.received[0]
            assert orders(simulator, 0) == [("-1", "0")]
            (trade,) = zero.openTrades()
            simulator.received[0].clear()
            zero.client.cancelOrder(-1)
            assert await simulator.news(0) == ["3 -1 Cancelled", "4 -1 202"]
            assert trade.orderStatus.status == "Cancelled"

    asyncio.run(play())


@pytest.mark.shows(request=15, reply=(11, 59, 100), feature="manual orders of client 0")
def test_later_manual_orders_are_bound_if_client_0_requests_it() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            zero = await ready(simulator, 0)  # the library requests it by itself
            perm_id = dispatcher(simulator).enter_manual_order(AT_MARKET)
            simulator.server.flush()
            assert (await simulator.news(0))[0] == "100"
            await simulator.step()
            (fill,) = zero.fills()
            assert (fill.execution.permId, fill.execution.clientId, fill.execution.orderId) == (perm_id, 0, -1)
            assert fill.commissionReport.commission == 1.0
            zero.client.reqAutoOpenOrders(False)
            await simulator.news(0)
            dispatcher(simulator).enter_manual_order(RESTING)
            simulator.server.flush()
            assert await simulator.news(0) == []

    asyncio.run(play())


@pytest.mark.shows(request=3, reply=5, feature="manual orders of client 0")
def test_client_0_changes_what_it_has_bound() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            zero = await ready(simulator, 0)
            dispatcher(simulator).enter_manual_order(RESTING)
            simulator.server.flush()
            await simulator.news(0)
            zero.client.placeOrder(-1, TSLA, ibi.LimitOrder("BUY", 10, 6.0, tif="GTC", account=ACCOUNT))
            received = await simulator.news(0)
            assert received[0] == "5 -1"
            (order,) = simulator.exchange.open_orders()
            assert (order.ticket.client_id, order.ticket.limit_price) == (MANUAL_CLIENT_ID, 6.0)

    asyncio.run(play())


@pytest.mark.parametrize("may", [False, True])
def test_whether_another_client_may_cancel(may: bool) -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", *[10.0] * 4), policy=Policy(other_clients_may_cancel=may)) as simulator:
            owner, other = await ready(simulator, 1), await simulator.connect(2)
            trade = owner.placeOrder(TSLA, ibi.LimitOrder("BUY", 1, 5.0, tif="GTC"))
            await simulator.settle()
            await simulator.news(1)
            await simulator.news(2)
            order_id = trade.order.orderId
            other.client.cancelOrder(order_id)
            if may:
                assert await simulator.news(1) == [f"3 {order_id} Cancelled", f"4 {order_id} 202"]
                await simulator.settle()
                (status,) = [row for row in simulator.received[2] if row[0] == "3"]
                assert (status[1:3], status[9]) == ([str(order_id), "Cancelled"], "2")
            else:
                assert await simulator.news(1) == []
                assert await simulator.news(2) == [f"4 {order_id} 10147"]

    asyncio.run(play())
