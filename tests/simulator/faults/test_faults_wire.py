"""Every fault on the wire, as a client receives it."""

from __future__ import annotations

import asyncio
from typing import Any

import ib_insync as ibi
import pytest

from services.configuration.broker_policy import Policy
from services.simulator.faults import catalogue
from services.simulator.faults.active import BeginFault
from tests.simulator.on_the_wire import CALM, SECOND, TSLA, Gateway, ask, gateway, ready, rows, trades, trail

TSM = ibi.Stock("TSM", "SMART", "USD")

WANTED = ("3", "4", "5", "11", "59")


def fail(simulator: Gateway, name: str, **arguments: Any) -> None:
    """Start a fault, as the control command does."""
    faults = simulator.server.dispatcher.faults
    faults.begin(name, catalogue.fault(name, arguments))
    perform(simulator)


def clear(simulator: Gateway, name: str = "") -> None:
    simulator.server.dispatcher.faults.clear(name)
    perform(simulator)


def perform(simulator: Gateway) -> None:
    simulator.server.effects.perform()
    simulator.server.effects.settle()
    simulator.server.flush()


async def pass_time(simulator: Gateway, seconds: float) -> None:
    """Move market time without waiting for a market event."""
    await simulator.settle()
    simulator.server.advance(simulator.exchange.now_ns + int(seconds * SECOND))
    await simulator.settle()


async def orders(simulator: Gateway) -> list[str]:
    """The order messages to client 1."""
    return [each for each in await simulator.news(1) if each.split()[0] in WANTED]


def codes(news: list[str]) -> list[int]:
    return [int(each.split()[2]) for each in news if each.startswith("4 ")]


async def gone(ib: ibi.IB) -> None:
    async with asyncio.timeout(5):
        while ib.isConnected():
            await asyncio.sleep(0.001)


def limit(side: str = "BUY", price: float = 9.0, **more: Any) -> ibi.Order:
    return ibi.LimitOrder(side, 10, price, tif="GTC", **more)


# Connections


def test_field_17_drop() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            first, second = await simulator.connect(1), await simulator.connect(2)
            fail(simulator, "drop", client=1)
            await gone(first)
            assert second.isConnected()
            fail(simulator, "drop")
            await gone(second)

    asyncio.run(play())


def test_field_14_hang_answers_nothing_and_later_everything() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib, other = await ready(simulator), await simulator.connect(2)
            fail(simulator, "hang", seconds=5, client=1)
            ib.client.reqCurrentTime()
            ib.placeOrder(TSLA, limit())
            await other.reqCurrentTimeAsync()
            await simulator.step()
            assert ib.isConnected()
            assert await simulator.news(1) == []
            assert simulator.exchange.open_orders() == []
            await pass_time(simulator, 5)
            assert (await simulator.news(1))[:2] != []
            assert len(simulator.exchange.open_orders()) == 1

    asyncio.run(play())


def test_field_16_refuse() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "refuse", seconds=3)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", simulator.server.port)
            assert ib.isConnected()
            await simulator.step(4)
            await asyncio.sleep(0.01)
            await simulator.connect(2)

    asyncio.run(play())


def test_field_15_client_id_in_use() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            fail(simulator, "client-id-in-use", client=5)
            for expected in ("326", "15"):
                reader, writer = await asyncio.open_connection("127.0.0.1", simulator.server.port)
                writer.write(b"API\0" + b"\0\0\0\x09v157..178")
                await rows(reader, 1)
                writer.write(ask(71, 2, 5, ""))
                (answer,) = await rows(reader, 1)
                assert answer[3 if expected == "326" else 0] == expected
                writer.close()

    asyncio.run(play())


@pytest.mark.parametrize(("data", "code"), [("kept", 1102), ("lost", 1101)])
def test_field_02_broker_lost(data: str, code: int) -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            ib.reqMktData(TSLA)
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 5))
            await simulator.settle()
            await simulator.news(1)
            fail(simulator, "broker-lost", seconds=3, data=data)
            assert codes(await simulator.news(1)) == [1100]
            ib.placeOrder(TSLA, limit())  # vanishes
            await simulator.step(2)  # the first order fills, and no client gets a report
            assert await simulator.news(1) == []
            assert [each.quantity for each in simulator.exchange.executions()] == [5]
            await simulator.step(2)
            received = await simulator.news(1)
            assert codes(received) == [code]
            await simulator.step()
            assert any(each.startswith(("2 ", "46 ")) for each in await simulator.news(1)) is (data == "kept")
            assert len(await ib.reqExecutionsAsync()) == 1
            assert simulator.exchange.open_orders() == []

    asyncio.run(play())


def test_broker_lost_with_reports_afterwards() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 5))
            await simulator.news(1)
            fail(simulator, "broker-lost", told="true")
            await simulator.step()
            clear(simulator)
            received = [each.split()[0] for each in await orders(simulator)]
            assert received[:2] == ["4", "4"]
            assert "11" in received

    asyncio.run(play())


@pytest.mark.parametrize(
    ("farm", "down", "up"), [("usfarm", 2103, 2104), ("ushmds", 2105, 2106), ("secdefnj", 2157, 2158)]
)
def test_field_12_farm_down(farm: str, down: int, up: int) -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            ib.reqMktData(TSLA)
            await simulator.settle()
            await simulator.news(1)
            fail(simulator, "farm-down", farm=farm, seconds=2)
            await simulator.step()
            received = await simulator.news(1)
            assert codes(received) == [down]
            assert (len(received) == 1) is (farm == "usfarm")
            await simulator.step(2)
            assert codes(await simulator.news(1)) == [up]

    asyncio.run(play())


def test_field_11_a_blip_leaves_the_feed_dead_until_it_is_subscribed_anew() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            ib.reqMktData(TSLA)
            await simulator.settle()
            await simulator.news(1)
            fail(simulator, "farm-down", seconds=1, streams="dead")
            await simulator.step(4)
            assert codes(await simulator.news(1)) == [2103, 2104]
            await simulator.step(2)
            assert await simulator.news(1) == []
            ib.cancelMktData(TSLA)
            ib.reqMktData(TSLA)
            await simulator.step(2)
            assert len(await simulator.news(1)) > 5

    asyncio.run(play())


def test_dead_feed_of_one_symbol() -> None:
    async def play() -> None:
        async with gateway(CALM, trades("TSM", *[20.0] * 20)) as simulator:
            ib = await ready(simulator)
            ib.reqMktData(TSLA)
            await simulator.settle()
            fail(simulator, "dead-feed", symbol="TSLA", heals=False)
            await simulator.news(1)
            before = simulator.exchange.now_ns
            await simulator.step(2)
            moved = simulator.server.advance(before + 5 * SECOND)
            assert moved.symbols == ("TSM",)
            assert await simulator.news(1) == []
            clear(simulator, "dead-feed")
            await simulator.step(2)
            assert await simulator.news(1) != []

    asyncio.run(play())


def test_field_09_nightly_reset() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            await ready(simulator)
            fail(simulator, "nightly-reset", seconds=3)
            assert codes(await simulator.news(1)) == [1100, 2110, 2103, 2105, 2157]
            await simulator.step(5)
            assert sorted(codes(await simulator.news(1))) == [1102, 2104, 2106, 2158]

    asyncio.run(play())


def test_field_09_a_reset_with_a_restart_keeps_its_times_however_far_the_market_moves() -> None:
    """The restart is half over. A jump over all of it leads to the same end, with the messages in order."""

    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            began_ns = simulator.exchange.now_ns
            fail(simulator, "nightly-reset", seconds=40, restart=True)
            await simulator.settle()
            simulator.server.advance(began_ns + 21 * SECOND)
            await gone(ib)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", simulator.server.port)
            simulator.server.advance(began_ns + 31 * SECOND)
            await asyncio.sleep(0.01)
            back = await simulator.connect(1)
            await simulator.news(1)
            simulator.server.advance(began_ns + 3600 * SECOND)
            assert sorted(codes(await simulator.news(1))) == [1102, 2104, 2106, 2158]
            assert back.isConnected()
            fail(simulator, "nightly-reset", seconds=40, restart=True)
            simulator.server.advance(simulator.exchange.now_ns + 3600 * SECOND)
            await gone(back)
            assert simulator.server.dispatcher.faults.active == []
            await asyncio.sleep(0.01)
            await simulator.connect(1)

    asyncio.run(play())


def test_a_fault_strikes_at_its_time_within_a_long_move_of_the_market() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", *(10.0 + at for at in range(20)))) as simulator:
            await ready(simulator)
            at_ns = simulator.exchange.now_ns + 5 * SECOND
            simulator.server.dispatcher.faults.schedule(
                at_ns, (BeginFault(catalogue.fault("halt", {"symbol": "TSLA", "seconds": 4})),)
            )
            moved = simulator.server.advance(at_ns + 3 * SECOND)
            quote = simulator.exchange.quote("TSLA")
            assert quote is not None
            assert (moved.symbols, quote.last, quote.halted) == (("TSLA",), 15.0, True)
            simulator.server.advance(at_ns + 60 * SECOND)
            (begin, end), *_ = simulator.exchange.adjustments("TSLA").halts
            assert (begin[0], end and end[0]) == (at_ns, at_ns + 4 * SECOND), "the last market event before each"
            quote = simulator.exchange.quote("TSLA")
            assert quote is not None
            assert quote.last == 29.0

    asyncio.run(play())


def test_field_10_weekly_reset_lasts_until_a_login() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "weekly-reset")
            await gone(ib)
            await pass_time(simulator, 5)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", simulator.server.port)
            clear(simulator)
            await asyncio.sleep(0.01)
            await simulator.connect(2)

    asyncio.run(play())


def test_field_07_orders_in_the_second_of_a_restart_vanish() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "gateway-restart", seconds=5)
            ib.placeOrder(TSLA, limit())
            await simulator.settle()
            simulator.server.advance(simulator.exchange.now_ns + 2 * SECOND)
            await gone(ib)
            assert simulator.exchange.orders() == []
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", simulator.server.port)
            await pass_time(simulator, 6)
            await asyncio.sleep(0.01)
            await simulator.connect(1)

    asyncio.run(play())


def test_field_39_pacing() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "pacing", strikes=2)
            ib.client.reqCurrentTime()
            assert await simulator.news(1) == ["4 -1 100"]
            ib.client.reqCurrentTime()
            await gone(ib)

    asyncio.run(play())


def test_any_message() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            await ready(simulator)
            fail(simulator, "message", code=2119, text="Market data farm is connecting:usfarm")
            assert await simulator.news(1) == ["4 -1 2119"]

    asyncio.run(play())


# Callbacks


def test_delay_lose_duplicate_and_reorder() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)

            async def placed(name: str, **arguments: Any) -> list[str]:
                fail(simulator, name, **arguments)
                ib.placeOrder(TSLA, limit())
                return [each.split()[0] for each in await orders(simulator)]

            assert await placed("lose", kind="orderStatus") == ["5"]
            assert await placed("duplicate", kind="orderStatus", copies=2) == ["5", "3", "3", "3"]
            assert await placed("reorder", kind="openOrder") == ["3", "5"]
            assert await placed("delay", kind="openOrder", seconds=2) == ["3"]
            await pass_time(simulator, 2)
            assert [each.split()[0] for each in await orders(simulator)] == ["5"]
            assert simulator.server.dispatcher.faults.active == []
            assert await placed("reorder", kind="orderStatus") == ["5", "3"]  # nothing follows: it comes anyway

    asyncio.run(play())


def test_random_numbers_come_from_the_seed() -> None:
    async def play(seed: int) -> list[str]:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            simulator.server.dispatcher.faults.seed = seed
            fail(simulator, "lose", kind="orderStatus", count=0, probability=0.5)
            for _ in range(20):
                ib.placeOrder(TSLA, limit())
            return await orders(simulator)

    once, again, other = (asyncio.run(play(seed)) for seed in (1, 1, 2))
    assert once == again != other
    assert 20 < len(once) < 40


def test_field_04_an_answer_that_never_ends() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "lose", kind="positionEnd")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ib.reqPositionsAsync(), 0.05)

    asyncio.run(play())


def test_field_05_order_id_rolls_back() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            ib.placeOrder(TSLA, limit())
            await simulator.settle()
            await simulator.disconnect(ib)
            fail(simulator, "id-rollback", to=2)
            again = await simulator.connect(1)
            assert [fields[2] for fields in simulator.received[1] if fields[0] == "9"] == ["2"]
            assert again.isConnected()

    asyncio.run(play())


def test_clock_skew() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "clock-skew", by=-90)
            reported = await ib.reqCurrentTimeAsync()
            assert reported.timestamp() == simulator.exchange.now_ns // SECOND - 90

    asyncio.run(play())


# Data


@pytest.mark.parametrize("code", [354, 10089, 10090, 10168])
def test_field_37_no_right_to_the_data(code: int) -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "no-market-data", code=code)
            ib.reqMktData(TSLA)
            await simulator.step()
            assert codes(await simulator.news(1)) == [code]

    asyncio.run(play())


def test_field_37_delayed_data_instead() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "no-market-data", code=10167, count=0)
            ticker = ib.reqMktData(TSLA)
            await simulator.step()
            received = await simulator.news(1)
            assert codes(received) == [10167]
            assert ticker.marketDataType == 3
            assert {each.split()[1] for each in received if each.startswith("1 ")} <= {
                "66",
                "67",
                "68",
                "72",
                "73",
                "75",
                "76",
            }

    asyncio.run(play())


def test_field_37_a_running_stream_keeps_its_data() -> None:
    """One request gets no live data; that changes neither its running stream nor the next request."""

    async def play() -> None:
        async with gateway(CALM, trades("TSM", 20.0, 20.1, 20.2)) as simulator:
            ib = await ready(simulator)
            fail(simulator, "no-market-data", code=10167)
            delayed, live = ib.reqMktData(TSLA), ib.reqMktData(TSM)
            await simulator.step()
            await simulator.step()
            assert (delayed.marketDataType, live.marketDataType) == (3, 1)
            await simulator.news(1)
            fail(simulator, "competing-session")
            assert codes(await simulator.news(1)) == [10197, 10197]
            clear(simulator)
            await simulator.settle()
            assert (delayed.marketDataType, live.marketDataType) == (3, 1)

    asyncio.run(play())


def test_field_38_a_competing_session_takes_the_data_and_gives_them_back() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0, 10.5, 11.0), trades("TSM", 20.0)) as simulator:
            ib = await simulator.connect()
            ticker = ib.reqMktData(TSLA)
            await simulator.step()
            await simulator.news(1)
            fail(simulator, "competing-session")
            (output,) = await simulator.news(1)
            assert output.endswith(" 10197")
            ib.reqTickByTickData(TSLA, "Last")
            ib.reqMktData(TSM)
            assert codes(await simulator.news(1)) == [10197, 10197]
            await simulator.step(2)  # TSM's event, and the next one of TSLA
            assert (await simulator.news(1), ticker.last) == ([], 10.0)
            clear(simulator)
            await simulator.settle()
            assert (ticker.last, ticker.marketDataType) == (10.5, 1)
            await simulator.step()
            assert ticker.last == 11.0

    asyncio.run(play())


def test_field_36_a_contract_that_is_gone() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "unknown-contract", symbol="TSLA")
            ib.placeOrder(TSLA, limit())
            ib.reqMktData(TSLA)
            assert codes(await simulator.news(1)) == [200, 200]
            assert await ib.reqContractDetailsAsync(TSLA) == []

    asyncio.run(play())


# Orders


@pytest.mark.parametrize(
    ("code", "first", "reported"),
    [
        (201, "error", ["4 201", "3 Inactive"]),
        (201, "status", ["3 Inactive", "4 201"]),
        (404, "error", ["4 404", "5", "3 PreSubmitted"]),
        (110, "error", ["4 110"]),
        (10243, "error", ["4 10243"]),
        (321, "error", ["4 321"]),
        (435, "error", ["4 435"]),
        (200, "error", ["4 200"]),
        (103, "error", ["4 103"]),
        (4711, "error", ["4 4711"]),
        (10349, "error", ["5", "3 Submitted", "4 10349"]),
        (399, "error", ["5", "3 Submitted", "4 399"]),
    ],
)
def test_field_28_rejections_by_code(code: int, first: str, reported: list[str]) -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "reject", code=code, first=first)
            trade = ib.placeOrder(TSLA, limit())
            received = await orders(simulator)
            short = {"4": lambda f: f"4 {f[2]}", "5": lambda _f: "5", "3": lambda f: f"3 {f[2]}"}
            assert [short[each.split()[0]](each.split()) for each in received] == reported
            assert len(simulator.exchange.open_orders()) == (code in (10349, 399, 404))
            ib.placeOrder(TSLA, limit())  # the next one is accepted
            assert any("Submitted" in each for each in await orders(simulator))
            assert trade.order.orderId

    asyncio.run(play())


def test_field_22_only_the_child_is_rejected() -> None:
    """Its transmission also transmits the parent, which fills: shares without a stop."""

    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "reject", code=201, attached="child")
            parent = ibi.LimitOrder("BUY", 5, 11.0, orderId=ib.client.getReqId(), transmit=False)
            ib.placeOrder(TSLA, parent)
            ib.placeOrder(TSLA, trail(5, parent=parent.orderId))
            await simulator.step()
            assert [order.ticket.order_type for order in simulator.exchange.completed_orders()] == ["LMT", "TRAIL"]
            assert [order.status for order in simulator.exchange.completed_orders()] == ["Filled", "Inactive"]
            assert len(simulator.exchange.executions()) == 1

    asyncio.run(play())


def test_field_20_rejected_and_held_orders_are_found_again() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "reject", code=201)
            ib.placeOrder(TSLA, limit())
            await simulator.settle()
            fail(simulator, "reject", code=404)
            ib.placeOrder(TSLA, limit(price=8.0))
            await simulator.settle()
            (refused,) = await ib.reqCompletedOrdersAsync(False)
            assert (refused.orderStatus.status, refused.order.lmtPrice) == ("Inactive", 9.0)
            ib.disconnect()
            again = await simulator.connect(1)
            (held,) = [each for each in again.openTrades() if each.orderStatus.status != "Inactive"]
            assert (held.orderStatus.status, held.orderStatus.whyHeld) == ("PreSubmitted", "locate")

    asyncio.run(play())


def test_a_client_that_hung_gets_only_the_newest_quote() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", *(10.0 + at / 100 for at in range(40)))) as simulator:
            ib = await simulator.connect()
            ticker = ib.reqMktData(TSLA)
            await simulator.step()
            await simulator.news(1)
            fail(simulator, "hang", seconds=20)
            for _ in range(15):
                await simulator.step()
            waiting = simulator.server.dispatcher.clients[1].waiting
            assert (waiting, await simulator.news(1)) == (0, [])
            clear(simulator)
            await simulator.settle()
            assert ticker.last == pytest.approx(10.15)
            assert [each for each in await simulator.news(1) if each.startswith("1 4")] == ["1 4 10.15"]
            await simulator.step()
            assert ticker.last == pytest.approx(10.16)

    asyncio.run(play())


def test_the_buffer_of_a_client_that_hangs_is_bounded() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", *(10.0 + at / 100 for at in range(400)))) as simulator:
            ib = await simulator.connect()
            simulator.server.max_buffer = 2000
            ib.reqTickByTickData(TSLA, "Last")
            await simulator.settle()
            fail(simulator, "hang")
            most = 0
            for _ in range(100):
                await simulator.step()
                most = max([most, *(client.waiting for client in simulator.server.dispatcher.clients.values())])
            assert 1500 < most < 2200
            await gone(ib)

    asyncio.run(play())


@pytest.mark.parametrize("code", [10326, 10327, 105])
def test_field_43_a_change_is_refused(code: int) -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            trade = ib.placeOrder(TSLA, limit())
            await simulator.settle()
            await simulator.news(1)
            fail(simulator, "refuse-modify", code=code)
            trade.order.lmtPrice = 8.0
            ib.placeOrder(TSLA, trade.order)
            assert codes(await simulator.news(1)) == [code]
            assert simulator.exchange.open_orders()[0].limit_price == 9.0

    asyncio.run(play())


@pytest.mark.parametrize("code", [161, 10147, 10148])
def test_field_26_a_cancel_is_refused(code: int) -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            trade = ib.placeOrder(TSLA, limit())
            await simulator.settle()
            await simulator.news(1)
            fail(simulator, "refuse-cancel", code=code)
            ib.cancelOrder(trade.order)
            assert codes(await simulator.news(1)) == [code]
            assert len(simulator.exchange.open_orders()) == 1

    asyncio.run(play())


def test_field_27_a_cancel_is_acknowledged_late() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            trade = ib.placeOrder(TSLA, limit())
            await simulator.settle()
            await simulator.news(1)
            fail(simulator, "ignore-cancel", seconds=3)
            ib.cancelOrder(trade.order)
            number = trade.order.orderId
            assert await simulator.news(1) == [f"3 {number} PendingCancel"]
            await pass_time(simulator, 3)
            assert await simulator.news(1) == [f"3 {number} Cancelled", f"4 {number} 202"]

    asyncio.run(play())


def test_field_08_an_order_without_an_answer() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "swallow")
            ib.placeOrder(TSLA, limit())
            assert await simulator.news(1) == []
            ib.placeOrder(TSLA, limit())
            assert len(await orders(simulator)) == 2
            assert len(simulator.exchange.orders()) == 1

    asyncio.run(play())


def test_field_06_a_change_makes_two_orders() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            trade = ib.placeOrder(TSLA, limit())
            await simulator.settle()
            fail(simulator, "two-perm-ids")
            trade.order.lmtPrice = 8.0
            ib.placeOrder(TSLA, trade.order)
            await simulator.settle()
            live = simulator.exchange.open_orders()
            assert {order.ticket.order_id for order in live} == {trade.order.orderId}
            assert [order.limit_price for order in live] == [9.0, 8.0]
            assert len({order.perm_id for order in live}) == 2

    asyncio.run(play())


def test_field_29_a_cancel_by_the_broker() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            first = ib.placeOrder(TSLA, limit())
            await simulator.settle()
            await simulator.news(1)
            fail(simulator, "unasked-cancel", count=2)
            number = first.order.orderId
            assert await simulator.news(1) == [f"3 {number} Cancelled", f"4 {number} 202"]
            second = ib.placeOrder(TSLA, limit())
            received = await simulator.news(1)
            assert received[-2:] == [f"3 {second.order.orderId} Cancelled", f"4 {second.order.orderId} 202"]
            assert simulator.exchange.open_orders() == []

    asyncio.run(play())


def test_early_expiry_of_a_gtc_stop() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            ib.placeOrder(TSLA, limit())
            day = ib.placeOrder(TSLA, ibi.LimitOrder("BUY", 1, 9.0, tif="DAY"))
            await simulator.settle()
            fail(simulator, "early-expiry")
            await simulator.settle()
            assert [order.ticket.order_id for order in simulator.exchange.open_orders()] == [day.order.orderId]

    asyncio.run(play())


def test_field_21_partial_fill_of_the_parent() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            parent = ibi.LimitOrder("BUY", 10, 9.0, orderId=ib.client.getReqId(), transmit=False)
            ib.placeOrder(TSLA, parent)
            ib.placeOrder(TSLA, trail(10, parent=parent.orderId))
            await simulator.settle()
            fail(simulator, "partial-fill", part=0.3)
            await simulator.settle()
            bought, stop = simulator.exchange.open_orders()
            assert (bought.filled, bought.remaining) == (3, 7)
            assert stop.why_held == "trigger"
            assert [held.position for held in await ib.reqPositionsAsync()] == [3]

    asyncio.run(play())


def test_status_before_execution_and_errors_before_status() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "status-before-execution")
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 5))
            await simulator.step()
            kinds = [each.split()[0] for each in await orders(simulator)]
            assert kinds[-6:] == ["5", "3", "11", "5", "3", "59"]
            fail(simulator, "error-before-status")
            trade = ib.placeOrder(TSLA, limit())
            await simulator.news(1)
            ib.cancelOrder(trade.order)
            number = trade.order.orderId
            assert await simulator.news(1) == [f"4 {number} 202", f"3 {number} Cancelled"]
            fail(simulator, "status-before-error")
            ib.placeOrder(TSLA, ibi.LimitOrder("BUY", 1_000_000, 9.0))
            assert [each.split()[0] for each in await orders(simulator)][-1] == "4"

    asyncio.run(play())


def test_field_35_commissions_late_and_executions_corrected() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "commission-late", seconds=3, pending=True)
            fail(simulator, "correct-execution", by=-0.5, seconds=5)
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 10))
            await simulator.step()
            assert [fields[3] for fields in simulator.received[1] if fields[0] == "59"] == ["-1.0"]
            simulator.received[1].clear()
            cash = simulator.exchange.account_report("DU1234567").values["TotalCashValue"]
            await simulator.step(3)
            assert [fields[3] for fields in simulator.received[1] if fields[0] == "59"] == ["1.0"]
            simulator.received[1].clear()
            await simulator.step(3)
            (reported,) = [fields for fields in simulator.received[1] if fields[0] == "11"]
            assert reported[14].endswith(".02")
            assert simulator.exchange.account_report("DU1234567").values["TotalCashValue"] == pytest.approx(cash + 5.0)
            assert [each.exec_id[-2:] for each in simulator.exchange.executions()] == ["02"]
            assert simulator.exchange.orders()[0].avg_price == pytest.approx(9.51)

    asyncio.run(play())


def test_an_execution_is_taken_back() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "bust-execution", seconds=2)
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 10))
            await simulator.step(4)
            assert [fields[19] for fields in simulator.received[1] if fields[0] == "11"] == ["10", "0"]
            assert sum(held.quantity for held in simulator.exchange.positions()) == 0

    asyncio.run(play())


@pytest.mark.parametrize("name", ["halt", "limit-up-limit-down"])
def test_a_halt_of_the_exchange(name: str) -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            ib.reqMktData(TSLA)
            await simulator.news(1)
            fail(simulator, name, symbol="TSLA", seconds=4)
            assert "45 49 1.0" in await simulator.news(1)
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 5))
            await simulator.step(3)
            assert simulator.exchange.executions() == []
            await simulator.step(5)
            assert "45 49 0.0" in await simulator.news(1)
            assert len(simulator.exchange.executions()) == 1

    asyncio.run(play())


def test_field_42_split_and_dividend() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 10))
            await simulator.step()
            cash = simulator.exchange.account_report("DU1234567").values["TotalCashValue"]
            fail(simulator, "dividend", symbol="TSLA", usd=1.0)
            assert simulator.exchange.account_report("DU1234567").values["TotalCashValue"] == pytest.approx(cash + 10)
            fail(simulator, "split", symbol="TSLA", ratio=2)
            assert [held.quantity for held in simulator.exchange.positions()] == [20]

    asyncio.run(play())


def test_field_03_a_fill_while_disconnected() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "fill-unseen", seconds=2)
            trade = ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 5))
            await simulator.settle()
            simulator.server.advance(simulator.exchange.now_ns + SECOND)
            await gone(ib)
            assert not trade.fills
            await pass_time(simulator, 3)
            await asyncio.sleep(0.01)
            back = await simulator.connect(1)
            assert [fill.execution.shares for fill in back.fills()] == [5]

    asyncio.run(play())


def test_field_33_a_manual_order() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            fail(simulator, "foreign-order", symbol="TSLA", order_type="STP", price=8.0, quantity=5)
            assert await orders(simulator) == []
            (seen,) = await ib.reqAllOpenOrdersAsync()
            assert (seen.order.clientId, seen.order.orderId) == (0, 0)
            assert (seen.order.action, seen.order.auxPrice) == ("SELL", 8.0)
            fail(simulator, "foreign-order", symbol="TSLA", side="BUY", quantity=7)
            await simulator.step()
            assert [held.position for held in await ib.reqPositionsAsync()] == [7]

    asyncio.run(play())


def test_field_34_executions_of_yesterday_are_not_reported() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            ib = await ready(simulator)
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 5))
            await simulator.step(3)
            fail(simulator, "short-memory")
            assert await ib.reqExecutionsAsync() == []
            clear(simulator)
            assert len(await ib.reqExecutionsAsync()) == 1

    asyncio.run(play())


def test_field_01_a_warning_makes_the_library_call_a_live_order_cancelled() -> None:
    """The status that ib_insync sets for 10349, and the status after the gateway's next message."""

    async def play() -> None:
        async with gateway(trades("TSLA", 10.0, 8.9), policy=Policy(preset_tif_told=True)) as simulator:
            ib = await ready(simulator)
            seen: list[str] = []
            trade = ib.placeOrder(TSLA, ibi.LimitOrder("BUY", 10, 9.0))
            trade.statusEvent += lambda reported: seen.append(reported.orderStatus.status)
            await simulator.settle()
            assert seen == ["Cancelled", "Submitted"]
            assert [entry.errorCode for entry in trade.log if entry.errorCode] == [10349]
            await simulator.step()
            assert trade.orderStatus.status == "Filled"

    asyncio.run(play())
