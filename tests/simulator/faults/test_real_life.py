"""Real-life rows with several faults, or a fault and an action, on the wire; and every row once."""

from __future__ import annotations

import asyncio

import ib_insync as ibi
import pytest

from services.simulator.faults import catalogue, real_life
from services.simulator.requests.ownership import MANUAL_CLIENT_ID
from services.simulator.venue.instruments import contract_id
from tests.simulator.faults.test_faults_wire import clear, codes, fail, gone, limit, orders, pass_time
from tests.simulator.on_the_wire import ACCOUNT, CALM, TSLA, Gateway, gateway, ready, trades, trail

NEEDED = {"symbol": "TSLA", "text": "text"}


def typed(words: str) -> tuple[str, dict[str, str]]:
    """A fault as in the table, with its required arguments."""
    name, *rest = words.split()
    given = dict(word.split("=", 1) for word in rest)
    missing = (each.name for each in catalogue.arguments(catalogue.FAULTS[name]) if each.default == "must be given")
    return name, {each: NEEDED[each] for each in missing if each not in given} | given


async def listens(simulator: Gateway) -> None:
    """Waits until the port is open: the event loop binds the socket later."""
    async with asyncio.timeout(5):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", simulator.server.port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.005)
            else:
                writer.close()
                return


@pytest.mark.parametrize("row", [number for number, row in real_life.ROWS.items() if row.faults])
def test_the_gateway_recovers_after_every_row_of_real_life(row: int) -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            ib.reqMktData(TSLA)
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 10))
            await simulator.step(2)
            ib.placeOrder(TSLA, trail(10))
            await simulator.settle()
            for words in real_life.ROWS[row].faults:
                name, given = typed(words)
                fail(simulator, name, **given)
            simulator.server.advance(simulator.exchange.now_ns + 2_000_000_000)  # do not wait for a client that hangs
            for _ in range(4):  # the end of a fault may start another one
                clear(simulator)
                simulator.server.advance(simulator.exchange.now_ns + 300_000_000_000)
            clear(simulator)
            await listens(simulator)
            back = await simulator.connect(7)
            assert await back.reqCurrentTimeAsync()
            await simulator.news(7)
            tesla = ibi.Contract(conId=contract_id("TSLA"), exchange="SMART")  # whatever its ticker is now
            trade = back.placeOrder(tesla, limit(account=ACCOUNT))
            assert f"5 {trade.order.orderId}" in await simulator.news(7)

    asyncio.run(play())


def test_field_18_a_trailing_stop_moves_without_a_report() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0, 10.0, 12.0, 12.0)) as simulator:
            ib = await ready(simulator)
            stop = ib.placeOrder(TSLA, trail(1))
            await simulator.step()
            fail(simulator, "lose", kind="openOrder", count=0)
            await simulator.news(1)
            await simulator.step()
            assert not [each for each in await orders(simulator) if each.startswith("5 ")]
            (working,) = simulator.exchange.open_orders()
            assert working.ticket.order_id == stop.order.orderId
            clear(simulator)
            ib.client.reqOpenOrders()
            await simulator.settle()
            assert simulator.received[1][0][0] == "5"
            assert "10.8" in simulator.received[1][0]  # 12 less ten percent: sent on request

    asyncio.run(play())


def test_field_23_a_manual_sale_leaves_the_stop() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 10))
            await simulator.step(2)
            stop = ib.placeOrder(TSLA, trail(10))
            await simulator.settle()
            fail(simulator, "foreign-order", symbol="TSLA", quantity=10)
            await simulator.step()
            assert [held.position for held in await ib.reqPositionsAsync() if held.position] == []
            assert [each.ticket.order_id for each in simulator.exchange.open_orders()] == [stop.order.orderId]

    asyncio.run(play())


def test_field_24_a_foreign_stop_beside_ours() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            ours = ib.placeOrder(TSLA, trail(10, orderRef="ours"))
            await simulator.settle()
            fail(simulator, "foreign-order", symbol="TSLA", order_type="STP", price=8.0)
            seen = {trade.order.orderRef: trade.order for trade in await ib.reqAllOpenOrdersAsync()}
            assert set(seen) == {"ours", ""}
            ib.cancelOrder(ours.order)
            await simulator.settle()
            assert [each.ticket.client_id for each in simulator.exchange.open_orders()] == [MANUAL_CLIENT_ID]

    asyncio.run(play())


def test_field_13_a_passing_error_is_no_reason_to_restart() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(
                simulator,
                "message",
                code=100,
                text="Max rate of messages per second has been exceeded:max=50 rec=51 (1)",
            )
            fail(simulator, "broker-lost", seconds=5)
            await pass_time(simulator, 6)
            assert codes(await simulator.news(1)) == [100, 1100, 1102]
            assert ib.isConnected()
            assert await ib.reqCurrentTimeAsync()

    asyncio.run(play())


def test_field_16_many_reconnects_at_once() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "refuse", seconds=30)
            fail(simulator, "drop")
            await gone(ib)
            tried = await asyncio.gather(*(simulator.connect(1) for _ in range(5)), return_exceptions=True)
            assert all(isinstance(each, OSError) for each in tried)
            simulator.server.advance(simulator.exchange.now_ns + 31_000_000_000)
            await listens(simulator)
            assert (await simulator.connect(1)).isConnected()

    asyncio.run(play())
