"""Whose orders are whose: what a person entered, what client 0 binds, and cancels across clients."""

from __future__ import annotations

import asyncio

import ib_insync as ibi
import pytest

from services.configuration.broker_policy import Policy
from services.simulator.requests.dispatch import Desk
from services.simulator.requests.ownership import BY_HAND
from services.simulator.venue.orders import Ticket
from tests.simulator.on_the_wire import ACCOUNT, CALM, TSLA, Gateway, gateway, ready, trades

RESTING = Ticket(
    client_id=BY_HAND,
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
    client_id=BY_HAND, order_id=0, account=ACCOUNT, symbol="TSLA", side="BUY", quantity=10.0, order_type="MKT"
)


def desk(house: Gateway) -> Desk:
    return house.server.desk


def orders(house: Gateway, client_id: int) -> list[tuple[str, str]]:
    """Order id and client id of each openOrder that a client heard."""
    return [(row[1], row[24]) for row in house.heard[client_id] if row[0] == "5"]


@pytest.mark.shows(request=(4, 5, 15, 16), reply=(5, 53, 100), feature="manual orders of client 0")
def test_field_33_an_order_by_hand_is_nobodys_until_client_0_binds_it() -> None:
    async def play() -> None:
        async with gateway(CALM) as house:
            other = await ready(house, 7)
            perm_id = desk(house).enter_by_hand(RESTING)
            house.server.flush()
            assert await house.news(7) == []
            other.client.reqOpenOrders()
            assert await house.news(7) == ["53"]
            other.client.reqAllOpenOrders()
            await house.settle()
            assert orders(house, 7) == [("0", "0")]
            # Client 0 asks for its orders when it connects, and has it from then on.
            zero = await house.connect(0)
            await house.settle()
            assert ["100", str(perm_id), "0", "-1"] in house.heard[0]
            assert orders(house, 0) == [("-1", "0")]
            (trade,) = zero.openTrades()
            house.heard[0].clear()
            zero.client.cancelOrder(-1)
            assert await house.news(0) == ["3 -1 Cancelled", "4 -1 202"]
            assert trade.orderStatus.status == "Cancelled"

    asyncio.run(play())


@pytest.mark.shows(request=15, reply=(11, 59, 100), feature="manual orders of client 0")
def test_what_comes_later_is_bound_where_client_0_asks_for_it() -> None:
    async def play() -> None:
        async with gateway(CALM) as house:
            zero = await ready(house, 0)  # the library asks for it by itself
            perm_id = desk(house).enter_by_hand(AT_MARKET)
            house.server.flush()
            assert (await house.news(0))[0] == "100"
            await house.step()
            (fill,) = zero.fills()
            assert (fill.execution.permId, fill.execution.clientId, fill.execution.orderId) == (perm_id, 0, -1)
            assert fill.commissionReport.commission == 1.0
            zero.client.reqAutoOpenOrders(False)
            await house.news(0)
            desk(house).enter_by_hand(RESTING)
            house.server.flush()
            assert await house.news(0) == []

    asyncio.run(play())


@pytest.mark.shows(request=3, reply=5, feature="manual orders of client 0")
def test_client_0_changes_what_it_has_bound() -> None:
    async def play() -> None:
        async with gateway(CALM) as house:
            zero = await ready(house, 0)
            desk(house).enter_by_hand(RESTING)
            house.server.flush()
            await house.news(0)
            zero.client.placeOrder(-1, TSLA, ibi.LimitOrder("BUY", 10, 6.0, tif="GTC", account=ACCOUNT))
            heard = await house.news(0)
            assert heard[0] == "5 -1"
            (order,) = house.exchange.open_orders()
            assert (order.ticket.client_id, order.ticket.limit_price) == (BY_HAND, 6.0)

    asyncio.run(play())


@pytest.mark.parametrize("may", [False, True])
def test_whether_another_client_may_cancel(may: bool) -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", *[10.0] * 4), policy=Policy(other_clients_may_cancel=may)) as house:
            owner, other = await ready(house, 1), await house.connect(2)
            trade = owner.placeOrder(TSLA, ibi.LimitOrder("BUY", 1, 5.0, tif="GTC"))
            await house.settle()
            await house.news(1)
            await house.news(2)
            order_id = trade.order.orderId
            other.client.cancelOrder(order_id)
            if may:
                assert await house.news(1) == [f"3 {order_id} Cancelled", f"4 {order_id} 202"]
                await house.settle()
                (status,) = [row for row in house.heard[2] if row[0] == "3"]
                assert (status[1:3], status[9]) == ([str(order_id), "Cancelled"], "2")
            else:
                assert await house.news(1) == []
                assert await house.news(2) == [f"4 {order_id} 10147"]

    asyncio.run(play())
