"""Faults of answers, numbers, times and last statuses, as a client receives them."""

from __future__ import annotations

import asyncio
import logging
import math

import ib_insync as ibi
import pytest

from services.simulator.faults.answers import NUMBERS, VALUES
from tests.simulator.faults.test_by_hand_wire import held, holding
from tests.simulator.faults.test_faults_wire import clear, codes, fail, limit, orders, pass_time
from tests.simulator.on_the_wire import CALM, TSLA, ask, gateway, ready, rows, trades, trail

TSM = ibi.Stock("TSM", "SMART", "USD")


@pytest.mark.parametrize(("symbol", "left"), [("", []), ("TSLA", ["TSM"])])
def test_field_49_one_position_answer_lacks_positions_and_the_next_one_is_right(symbol: str, left: list[str]) -> None:
    async def play() -> None:
        async with gateway(CALM, trades("TSM", *[20.0] * 20)) as simulator:
            ib = await ready(simulator)
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 10))
            ib.placeOrder(TSM, ibi.MarketOrder("BUY", 10))
            await simulator.step(4)
            fail(simulator, "stale-positions", symbol=symbol)
            assert [each[2] for each in await held(ib)] == left
            assert [each[2] for each in await held(ib)] == ["TSLA", "TSM"]
            fail(simulator, "stale-positions", client=9)
            assert [each[2] for each in await held(ib)] == ["TSLA", "TSM"]

    asyncio.run(play())


@pytest.mark.parametrize(("open_order", "kinds"), [(False, ["11", "5", "5", "59"]), (True, ["11", "59"])])
def test_field_51_the_last_status_of_a_filled_order_never_comes(open_order: bool, kinds: list[str]) -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "last-status-lost", open_order=open_order)
            trade = ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 5))
            await simulator.news(1)
            await simulator.step()
            assert [each.split()[0] for each in await orders(simulator)] == kinds
            assert trade.filled() == 5
            assert [each.position for each in await ib.reqPositionsAsync()] == [5]
            second = ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 5))
            await simulator.step(2)
            assert second.orderStatus.status == "Filled"

    asyncio.run(play())


def test_field_51_the_last_status_of_a_cancelled_order_never_comes() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "last-status-lost", status="Cancelled")
            trade = ib.placeOrder(TSLA, limit())
            await simulator.news(1)
            ib.client.cancelOrder(trade.order.orderId)
            assert await simulator.news(1) == [f"4 {trade.order.orderId} 202"]
            assert await ib.reqOpenOrdersAsync() == []

    asyncio.run(play())


def test_field_55_an_answer_comes_after_1102_and_the_question_before_it() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await holding(simulator)
            fail(simulator, "delay", kind="positionEnd", seconds=20)
            ib.client.reqPositions()
            await simulator.news(1)
            fail(simulator, "broker-lost", seconds=5)
            await pass_time(simulator, 6)
            assert codes(await simulator.news(1)) == [1100, 1102]
            await pass_time(simulator, 20)
            assert "62" in await simulator.news(1)

    asyncio.run(play())


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("value", VALUES)
def test_field_65_a_number_is_none(kind: str, value: str) -> None:
    """Every kind of number in every kind of spelling reaches the client as it is, once."""

    async def play() -> None:
        async with gateway(trades("TSLA", 10.0, 10.1, 10.2, 10.3)) as simulator:
            ib = await ready(simulator)
            ib.reqMktData(TSLA)
            await simulator.settle()
            simulator.received[1].clear()
            logging.disable(logging.CRITICAL)
            fail(simulator, "bad-number", kind=kind, value=value)
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 10))
            await simulator.step(2)
            logging.disable(logging.NOTSET)
            place = NUMBERS[kind].get("quantity", min(NUMBERS[kind].values()))
            ids = {"tickPrice": "1", "orderStatus": "3", "openOrder": "5", "accountValue": "6", "portfolioValue": "7"}
            ids |= {"execDetails": "11", "commissionReport": "59", "position": "61"}
            spoilt = [each for each in simulator.received[1] if each[0] == ids[kind] and each[place] == VALUES[value]]
            assert len(spoilt) == 1

    asyncio.run(play())


def test_field_65_a_position_of_nan_shares() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await holding(simulator)
            fail(simulator, "bad-number", number="average", value="inf")
            assert [(each.position, each.avgCost) for each in await ib.reqPositionsAsync()] == [(10.0, math.inf)]
            fail(simulator, "bad-number")
            (position,) = await ib.reqPositionsAsync()
            assert math.isnan(position.position)
            assert [each.position for each in await ib.reqPositionsAsync()] == [10.0]

    asyncio.run(play())


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("jst", "20220322 22:30:01 JST"),
        ("utc_dash", "20220322-13:30:01"),
        ("utc", "20220322 13:30:01 UTC"),
        ("us_eastern", "20220322 09:30:01 US/Eastern"),
    ],
)
def test_field_67_the_time_of_an_execution_in_another_form(form: str, text: str) -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "time-form", form=form)
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 5))
            await simulator.settle()
            simulator.received[1].clear()
            logging.disable(logging.CRITICAL)
            await simulator.step()
            logging.disable(logging.NOTSET)
            (told,) = [each for each in simulator.received[1] if each[0] == "11"]
            assert told[15] == text
            known = [each.execution.shares for each in ib.fills()]
            assert known == ([] if form == "jst" else [5]), "the library drops what it can't decode"

    asyncio.run(play())


def test_field_68_a_read_only_api() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await holding(simulator)
            fail(simulator, "read-only", seconds=60)
            trade = ib.placeOrder(TSLA, trail(10))
            number = trade.order.orderId
            assert await simulator.news(1) == [f"4 {number} 321"]
            for ask_about in (ib.client.reqOpenOrders, ib.client.reqAllOpenOrders, ib.client.reqGlobalCancel):
                ask_about()
                assert await simulator.news(1) == ["4 -1 321"]
            ib.client.reqCompletedOrders(False)
            ib.client.cancelOrder(1)
            assert await simulator.news(1) == ["4 -1 321"] * 2
            assert [each.position for each in await ib.reqPositionsAsync()] == [10]
            assert simulator.exchange.open_orders() == []
            reader = await simulator.connect(2, readonly=True)
            assert reader.isConnected()
            clear(simulator)
            assert await ib.reqOpenOrdersAsync() == []

    asyncio.run(play())


def test_field_68_a_socket_that_accepts_and_never_answers() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "mute", seconds=60)
            reader, writer = await asyncio.open_connection("127.0.0.1", simulator.server.port)
            writer.write(b"API\0" + b"\0\0\0\x09v157..178")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.1)
            assert await ib.reqCurrentTimeAsync(), "who is connected goes on"
            clear(simulator)
            (greeting,) = await rows(reader, 1)
            assert greeting[0] == "178"
            writer.write(ask(71, 2, 5, ""))
            assert (await rows(reader, 1))[0][0] == "15"
            writer.close()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("code", "text"), [(507, "Bad Message Length"), (1300, "reconnect on the new port"), (2100, "unsubscribed")]
)
def test_field_68_messages_without_an_order_id_have_ibkrs_text(code: int, text: str) -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            heard: list[tuple[int, int, str]] = []
            ib.errorEvent += lambda number, code, text, _contract: heard.append((number, code, text))
            fail(simulator, "message", code=code)
            await simulator.settle()
            ((number, told, words),) = heard
            assert (number, told) == (-1, code)
            assert text in words

    asyncio.run(play())


def test_field_66_the_gateways_clock_is_a_day_ahead() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            right = await ib.reqCurrentTimeAsync()
            fail(simulator, "clock-skew", by=86_400)
            assert (await ib.reqCurrentTimeAsync() - right).total_seconds() == 86_400
            clear(simulator)
            assert await ib.reqCurrentTimeAsync() == right

    asyncio.run(play())
