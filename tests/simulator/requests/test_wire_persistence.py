"""After a reconnect: each owner finds its orders and executions again; none is ahead of the ledger."""

from __future__ import annotations

import asyncio
from typing import Any

import ib_insync as ibi
import pytest

from services.configuration.broker_policy import CompletedOrdersTold, ExecutionsTold, Policy
from services.simulator.requests.dispatch import LedgerFailed
from services.simulator.venue.orders import Ticket
from tests.simulator.on_the_wire import (
    ACCOUNT,
    CALM,
    OPEN_NS,
    SECOND,
    TSLA,
    ask,
    gateway,
    ready,
    rows,
    trades,
    trail,
)


@pytest.mark.shows(request=(5, 7, 61, 99), reply=(5, 7, 11, 59, 61, 101))
def test_after_a_reconnect_everything_is_found_again() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            filled = ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 5, orderRef="bought"))
            cancelled = ib.placeOrder(TSLA, ibi.LimitOrder("BUY", 6, 9.0, orderRef="gone"))
            resting = ib.placeOrder(TSLA, trail(5, orderRef="rest"))
            await simulator.step()
            ib.cancelOrder(cancelled.order)
            await simulator.settle()
            await simulator.disconnect(ib)

            back = await simulator.connect(1)
            assert back.client.getReqId() > resting.order.orderId
            (opened,) = back.openTrades()
            assert (opened.order.orderRef, opened.order.permId) == ("rest", resting.order.permId)
            done = {t.order.orderRef: t for t in back.trades() if t.isDone()}
            assert {ref: t.orderStatus.status for ref, t in done.items()} == {"bought": "Filled", "gone": "Cancelled"}
            assert done["bought"].order.filledQuantity == 5
            assert done["gone"].order.totalQuantity == 6
            (fill,) = back.fills()
            assert (fill.execution.permId, fill.execution.shares) == (filled.order.permId, 5)
            assert fill.execution.time.timestamp() * SECOND == OPEN_NS + SECOND
            assert (fill.commissionReport.commission, fill.execution.orderRef) == (0.5005, "bought")
            assert [position.position for position in back.positions()] == [5]
            assert [item.position for item in back.portfolio()] == [5]

    asyncio.run(play())


@pytest.mark.shows(request=7, reply=(11, 55))
def test_executions_are_filtered() -> None:
    async def play() -> None:
        async with gateway(CALM, trades("TSM", *[20.0] * 20)) as simulator:
            ib, other = await ready(simulator, 1), await simulator.connect(2)
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 5))
            await simulator.step(4)
            other.placeOrder(ibi.Stock("TSM", "SMART", "USD"), ibi.MarketOrder("SELL", 5))
            await simulator.step(4)

            async def found(**filters: Any) -> list[str]:
                fills = await ib.reqExecutionsAsync(ibi.ExecutionFilter(**filters))
                return [fill.contract.symbol for fill in fills]

            assert await found() == ["TSLA", "TSM"]
            assert await found(clientId=1) == ["TSLA"]
            assert await found(clientId=2) == ["TSM"]
            assert await found(symbol="TSM") == ["TSM"]
            assert await found(side="BUY") == ["TSLA"]
            assert await found(acctCode=ACCOUNT, secType="STK", exchange="NASDAQ") == ["TSLA", "TSM"]
            assert await found(acctCode="DU9") == []
            assert await found(time="20220322 09:30:02 US/Eastern") == ["TSM"]
            assert await found(time="20220322-13:30:59") == []

    asyncio.run(play())


@pytest.mark.shows(request=(5, 16), reply=(53, 61))
def test_two_clients_get_reports_of_their_own_orders_only() -> None:
    async def play() -> None:
        async with gateway(CALM, policy=Policy(other_clients_may_cancel=False)) as simulator:
            ib, other = await ready(simulator, 1), await simulator.connect(2)
            await simulator.news(2)
            mine = ib.placeOrder(TSLA, ibi.LimitOrder("BUY", 5, 9.0))
            number = mine.order.orderId
            assert await simulator.news(1) == [f"5 {number}", f"3 {number} Submitted"]
            assert await simulator.news(2) == []
            assert await other.reqOpenOrdersAsync() == []
            (seen,) = await other.reqAllOpenOrdersAsync()
            assert (seen.order.permId, seen.order.clientId) == (mine.order.permId, 1)
            await simulator.news(2)
            other.client.cancelOrder(number)
            assert await simulator.news(2) == [f"4 {number} 10147"]
            assert await simulator.news(1) == []
            # Positions and account values belong to the account.
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 7))
            await simulator.step()
            assert await simulator.news(2) == []
            assert [position.position for position in other.positions()] == [7]
            await simulator.news(1)
            theirs = other.placeOrder(TSLA, ibi.MarketOrder("SELL", 3))
            await simulator.step()
            number = theirs.order.orderId
            assert [line for line in await simulator.news(2) if line[:2] in ("11", "59")] == [f"11 {number}", "59"]
            assert await simulator.news(1) == []
            assert [position.position for position in ib.positions()] == [4]

    asyncio.run(play())


def test_a_client_that_is_away_misses_reports_and_asks_for_them() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 5))
            await simulator.settle()
            await simulator.disconnect(ib)
            await simulator.step()
            back = await simulator.connect(1)
            assert [fill.execution.shares for fill in back.fills()] == [5]
            assert back.openTrades() == []

    asyncio.run(play())


@pytest.mark.shows(request=(1, 3), reply=(1, 2, 3, 11), versions=(157,))
def test_an_order_in_the_version_of_the_oldest_client() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            await simulator.step()
            ib = await simulator.connect(1, highest_version=157)
            assert ib.client.serverVersion() == 157
            trade = ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 5))
            ticker = ib.reqMktData(TSLA)
            await simulator.step()
            assert (trade.orderStatus.status, trade.fills[0].execution.shares) == ("Filled", 5)
            assert (ticker.bid, ticker.bidSize, ticker.last) == (9.99, 2, 10.0)

    asyncio.run(play())


def test_clients_get_exactly_the_saved_changes() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            saved = len(simulator.ledger.saved)
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 5))
            await simulator.settle()
            await simulator.step()
            orders = [order.status for changes in simulator.ledger.saved[saved:] for order in changes.orders]
            assert orders == ["PreSubmitted", "Filled"]
            executions = [e.exec_id for changes in simulator.ledger.saved for e in changes.executions]
            assert executions == [fill.execution.execId for fill in ib.fills()]

    asyncio.run(play())


def test_unsaved_changes_are_never_sent(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib, other = await ready(simulator, 1), await simulator.connect(2)
            gone = [asyncio.Event(), asyncio.Event()]
            ib.disconnectedEvent += gone[0].set
            other.disconnectedEvent += gone[1].set
            await simulator.news(1)
            simulator.ledger.broken = True
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 5))
            async with asyncio.timeout(5):
                await asyncio.gather(*(event.wait() for event in gone))
            assert simulator.received[1] == []
            with pytest.raises(LedgerFailed, match="no space left on device"):
                simulator.server.advance(OPEN_NS + 9 * SECOND)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", simulator.server.port)

    asyncio.run(play())
    assert "can't be written" in caplog.text


def test_an_unsaved_step_is_never_sent() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            gone = asyncio.Event()
            ib.disconnectedEvent += gone.set
            ib.reqMktData(TSLA)
            await simulator.news(1)
            simulator.ledger.broken = True
            with pytest.raises(LedgerFailed):
                simulator.server.advance(OPEN_NS + SECOND)
            async with asyncio.timeout(5):
                await gone.wait()
            assert simulator.received[1] == []
            simulator.ledger.broken = False
            with pytest.raises(LedgerFailed):
                simulator.server.advance(OPEN_NS + 2 * SECOND)

    asyncio.run(play())


def test_one_step_is_one_write() -> None:
    async def play() -> None:
        async with gateway(CALM, trades("TSM", *[20.0] * 20)) as simulator:
            ib = await ready(simulator)
            ib.reqMktData(TSLA)
            ib.reqMktData(ibi.Stock("TSM", "SMART", "USD"))
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 5))
            await simulator.settle()
            reads: list[int] = []
            ib.client.conn.hasData += lambda data: reads.append(len(data))
            assert simulator.server.advance(OPEN_NS + 3 * SECOND).orders is True
            await simulator.settle()
            assert len(reads) == 1
            assert len(ib.fills()) == 1

    asyncio.run(play())


@pytest.mark.shows(request=(7, 99), reply=(11, 55, 101, 102))
@pytest.mark.parametrize("long", [False, True])
def test_field_34_executions_and_completed_orders_are_told_since_midnight_in_new_york_or_of_seven_days(
    long: bool,
) -> None:
    async def play() -> None:
        policy = Policy(executions_told=ExecutionsTold.SEVEN_DAYS, completed_orders_told=CompletedOrdersTold.SEVEN_DAYS)
        async with gateway(CALM, policy=policy if long else Policy()) as simulator:
            ib = await ready(simulator)
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 5, orderRef="bought"))
            await simulator.step()

            async def told() -> tuple[int, int]:
                await simulator.settle()
                return len(await ib.reqExecutionsAsync()), len(await ib.reqCompletedOrdersAsync(apiOnly=False))

            midnight_ns = OPEN_NS + (14 * 3600 + 1800) * SECOND
            simulator.server.advance(midnight_ns - SECOND)
            assert await told() == (1, 1)
            simulator.server.advance(midnight_ns)  # on the same connection
            assert await told() == ((1, 1) if long else (0, 0))
            assert len(simulator.exchange.executions()) == 1
            simulator.server.advance(midnight_ns + 7 * 24 * 3600 * SECOND)
            assert await told() == (0, 0)

    asyncio.run(play())


@pytest.mark.shows(request=99)
@pytest.mark.parametrize("told", [CompletedOrdersTold.NEVER, CompletedOrdersTold.NEVER_ENDED])
def test_field_54_completed_orders_may_never_be_told_or_never_end(told: CompletedOrdersTold) -> None:
    async def play() -> None:
        async with gateway(CALM, policy=Policy(completed_orders_told=told)) as simulator:
            reader, writer = await asyncio.open_connection("127.0.0.1", simulator.server.port)
            writer.write(b"API\0" + b"\0\0\0\x09v157..178")
            await rows(reader, 1)
            writer.write(ask(71, 2, 1, ""))
            await rows(reader, 5)
            simulator.exchange.place(bought := market_order())
            simulator.server.advance(OPEN_NS + SECOND)
            simulator.server.advance(OPEN_NS + 2 * SECOND)
            found = simulator.exchange.find(1, bought.order_id)
            assert found is not None
            assert found.status == "Filled"
            writer.write(ask(99, 0) + ask(49, 1))
            kinds: list[str] = []
            while "49" not in kinds:
                kinds += [fields[0] for fields in await rows(reader, 1)]
            answer = [kind for kind in kinds if kind in ("101", "102")]
            assert answer == (["102"] if told is CompletedOrdersTold.NEVER else ["101"])
            writer.close()

    asyncio.run(play())


def market_order() -> Ticket:
    return Ticket(client_id=1, order_id=1, account=ACCOUNT, symbol="TSLA", side="BUY", quantity=5.0, order_type="MKT")
