"""Connecting and synchronizing: unmodified ib_insync against the simulated gateway, over a real socket."""

from __future__ import annotations

import asyncio
import logging

import ib_insync as ibi
import pytest

from services.configuration.broker_policy import OrderPriceGrid, Policy
from services.simulator.venue.instruments import contract_id
from tests.simulator.on_the_wire import ACCOUNT, OPEN_NS, SECOND, TSLA, Gateway, ask, gateway, ready, rows, trades


@pytest.mark.shows(request=(5, 6, 7, 61, 71, 76, 99), reply=(53, 54, 55, 62, 74, 102))
def test_connect_and_synchronize() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0)) as simulator:
            ib = await simulator.connect(12)
            assert ib.client.serverVersion() == 176
            assert ib.managedAccounts() == [ACCOUNT]
            assert (ib.positions(), ib.trades(), ib.fills()) == ([], [], [])
            values = {value.tag: (value.value, value.currency) for value in ib.accountValues()}
            assert values["NetLiquidation"] == ("100000.0", "USD")
            assert values["AccountType"] == ("INDIVIDUAL", "")
            needed = (
                "TotalCashValue SettledCash AvailableFunds BuyingPower GrossPositionValue UnrealizedPnL RealizedPnL"
            )
            assert set(needed.split()) <= set(values)
            assert {v.currency for v in ib.accountValues() if v.tag == "Currency"} == {"BASE", "USD"}
            assert ib.client.getReqId() > 0
            await simulator.settle()

    asyncio.run(play())


@pytest.mark.shows(request=71, reply=(4, 9, 15))
def test_the_first_messages_of_a_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0)) as simulator:
            reader, writer = await asyncio.open_connection("127.0.0.1", simulator.server.port)
            writer.write(b"API\0" + b"\0\0\0\x09v100..176")
            assert await rows(reader, 1) == [["176", "20220322 09:29:00 US/Eastern"]]
            writer.write(ask(61, 1) + ask(9999))  # too early: must not be answered
            writer.write(ask(71, 2, 5, ""))
            accounts, next_id, *farms = await rows(reader, 5)
            assert accounts == ["15", "1", ACCOUNT]
            assert next_id == ["9", "1", "1"]
            assert [(farm[0], farm[2], farm[3]) for farm in farms] == [("4", "-1", c) for c in ("2104", "2106", "2158")]
            assert simulator.server.wire_counts() == {5: (1, 5)}
            writer.close()
            await writer.wait_closed()

    asyncio.run(play())
    assert "asks before startApi" in caplog.text
    assert "message 9999: this id is unknown" in caplog.text


@pytest.mark.shows(request=71, reply=(3, 5, 53))
def test_open_orders_come_before_the_accounts() -> None:
    async def play(*, download: bool) -> list[str]:
        async with gateway(trades("TSLA", 10.0, 10.0), download_open_orders=download) as simulator:
            ib = await simulator.connect(1)
            ib.placeOrder(TSLA, ibi.LimitOrder("BUY", 1, 5.0, tif="GTC"))
            ib.placeOrder(TSLA, ibi.LimitOrder("BUY", 2, 5.0, tif="GTC"))
            await simulator.settle()
            highest = max(trade.order.orderId for trade in ib.trades())
            await simulator.disconnect(ib)
            reader, writer = await asyncio.open_connection("127.0.0.1", simulator.server.port)
            writer.write(b"API\0" + b"\0\0\0\x09v157..176" + ask(71, 2, 1, ""))
            found = (await rows(reader, 11 if download else 6))[1:]
            assert ["9", "1", str(highest + 1)] in found
            writer.close()
            await writer.wait_closed()
            return [row[0] for row in found]

    assert asyncio.run(play(download=True)) == ["5", "3", "5", "3", "53", "15", "9", "4", "4", "4"]
    assert asyncio.run(play(download=False)) == ["15", "9", "4", "4", "4"]


@pytest.mark.shows(request=71, reply=4)
def test_a_client_id_in_use_is_refused_and_the_first_lives_on() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0)) as simulator:
            first = await simulator.connect(7)
            second = ibi.IB()
            errors: list[int] = []
            second.errorEvent += lambda _id, code, _text, _contract: errors.append(code)
            with pytest.raises(TimeoutError):  # the library still waits for its accounts
                await second.connectAsync("127.0.0.1", simulator.server.port, 7, timeout=0.5)
            assert errors == [326]
            assert await first.reqCurrentTimeAsync() is not None
            third = await simulator.connect(8)
            assert set(simulator.server.wire_counts()) == {7, 8}
            await simulator.disconnect(first, third)
            assert (await simulator.connect(7)).isConnected()

    asyncio.run(play())


@pytest.mark.parametrize(
    "opening", [b"API\0\0\0\0\x09v100..156", b"API\0\0\0\0\x09v179..193", b"GET / HTTP/1.1\r\n\r\n"]
)
def test_other_protocols_are_disconnected(opening: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0)) as simulator:
            ib = await simulator.connect(1)
            reader, writer = await asyncio.open_connection("127.0.0.1", simulator.server.port)
            writer.write(opening)
            assert await reader.read() == b""
            writer.close()
            assert await ib.reqCurrentTimeAsync() is not None

    asyncio.run(play())
    assert "is cut off" in caplog.text


@pytest.mark.shows(request=(9, 81), reply=(10, 52, 79))
def test_contracts() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0), trades("TSM", 20.0)) as simulator:
            ib = await simulator.connect()
            tesla, unknown = ibi.Stock("TSLA", "SMART", "USD"), ibi.Stock("GONE", "SMART", "USD")
            errors: list[tuple[int, str]] = []
            ib.errorEvent += lambda _id, code, text, _contract: errors.append((code, text))
            assert await ib.qualifyContractsAsync(tesla, unknown) == [tesla]
            assert (tesla.conId, tesla.primaryExchange, tesla.exchange) == (contract_id("TSLA"), "NASDAQ", "SMART")
            assert errors == [(200, "No security definition has been found for the request")]
            (by_id,) = await ib.qualifyContractsAsync(ibi.Contract(conId=contract_id("TSM")))
            assert by_id.symbol == "TSM"
            found = await ib.reqMatchingSymbolsAsync("TS")
            assert [sample.contract.symbol for sample in found] == ["TSLA", "TSM"]

    asyncio.run(play())


@pytest.mark.shows(request=91, reply=93)
@pytest.mark.parametrize(
    ("grid", "number", "step", "wrong"),
    [
        (OrderPriceGrid.CENT, 26, 0.01, 9.995),
        (OrderPriceGrid.HALF_CENT, 612, 0.005, 9.996),
        (OrderPriceGrid.NICKEL, 613, 0.05, 9.99),
    ],
)
def test_field_31_contract_details_name_the_rule_that_orders_are_held_to(
    grid: OrderPriceGrid, number: int, step: float, wrong: float
) -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0), policy=Policy(price_grid=grid)) as simulator:
            ib = await ready(simulator)
            tesla = ibi.Stock("TSLA", "SMART", "USD")
            (details,) = await ib.reqContractDetailsAsync(tesla)
            assert set(details.marketRuleIds.split(",")) == {str(number)}
            assert details.minTick == step
            rule = await ib.reqMarketRuleAsync(number)
            assert [(each.lowEdge, each.increment) for each in rule] == [(0.0, 0.0001), (1.0, step)]
            errors: list[int] = []
            ib.errorEvent += lambda _id, code, _text, _contract: errors.append(code)
            for price in (wrong, round(10.0 - step, 4)):
                ib.placeOrder(tesla, ibi.LimitOrder("BUY", 1, price))
            await simulator.settle()
            assert errors == [110]
            assert [order.limit_price for order in simulator.exchange.open_orders()] == [round(10.0 - step, 4)]

    asyncio.run(play())


@pytest.mark.shows(request=(8, 15, 17, 49), reply=(9, 15, 49))
def test_the_gateways_own_time_and_ids() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0)) as simulator:
            ib = await simulator.connect()
            assert (await ib.reqCurrentTimeAsync()).timestamp() * SECOND == OPEN_NS - 60 * SECOND
            await simulator.step()
            assert (await ib.reqCurrentTimeAsync()).timestamp() * SECOND == OPEN_NS
            ib.client.reqIds(1)
            ib.client.reqManagedAccts()
            ib.client.reqAutoOpenOrders(True)
            errors: list[int] = []
            ib.errorEvent += lambda _id, code, _text, _contract: errors.append(code)
            await simulator.settle()
            assert errors == [327]

    asyncio.run(play())


def test_a_request_that_cant_be_read_leaves_the_connection_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0)) as simulator:
            ib = await simulator.connect()
            errors: list[tuple[int, int]] = []
            ib.errorEvent += lambda request_id, code, _text, _contract: errors.append((request_id, code))
            ib.client.send(61, 1, "left over")
            ib.client.send(2, 2, 44, "left over")
            ib.client.send(9999, 1)
            ib.client.send(1, 11, 45, TSLA, "x")
            ib.client.startApi()
            ib.client.reqMarketRule(5)
            await simulator.settle()
            assert errors == [(-1, 320), (44, 320), (-1, 320), (45, 320), (-1, 321), (-1, 321)]
            assert await ib.reqCurrentTimeAsync() is not None

    asyncio.run(play())
    assert "1 fields left over from field 3 on" in caplog.text


def test_a_handler_that_fails_affects_no_other_client(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0)) as simulator:
            ib, other = await simulator.connect(1), await simulator.connect(2)
            errors: list[tuple[int, int]] = []
            ib.errorEvent += lambda request_id, code, _text, _contract: errors.append((request_id, code))
            monkeypatch.setattr(simulator.exchange, "quote", lambda _symbol: 1 / 0)
            ib.reqMktData(TSLA)
            await simulator.settle()
            assert [code for _, code in errors] == [322]
            assert await other.reqCurrentTimeAsync() is not None
            assert await ib.reqCurrentTimeAsync() is not None

    asyncio.run(play())
    assert "request failed" in caplog.text


def test_a_frame_too_long_ends_that_connection_only(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0)) as simulator:
            ib, other = await simulator.connect(1), await simulator.connect(2)
            gone = asyncio.Event()
            ib.disconnectedEvent += gone.set
            ib.client.conn.sendMsg(b"\x01\x00\x00\x00")
            async with asyncio.timeout(5):
                await gone.wait()
            assert await other.reqCurrentTimeAsync() is not None
            assert set(simulator.server.wire_counts()) == {2}

    with caplog.at_level(logging.ERROR, "services.simulator"):
        asyncio.run(play())
    assert "a frame of 16777216 bytes" in caplog.text


def test_a_client_that_never_reads_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0), max_buffer=100_000) as simulator:
            ib = await simulator.connect(1)
            _, writer = await asyncio.open_connection("127.0.0.1", simulator.server.port)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(b"API\0" + b"\0\0\0\x09v157..176" + ask(71, 2, 9, ""))
            async with asyncio.timeout(20):
                while 9 not in simulator.server.wire_counts():
                    await asyncio.sleep(0.001)
                while 9 in simulator.server.wire_counts():
                    writer.write(ask(62, 1, 1, "All", "All") * 200)
                    await asyncio.sleep(0)
            writer.transport.abort()
            assert await ib.reqCurrentTimeAsync() is not None

    asyncio.run(play())
    assert "client 9 is dropped" in caplog.text


def test_stopping_ends_the_clients() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0)) as simulator:
            ib = await simulator.connect(1)
            gone = asyncio.Event()
            ib.disconnectedEvent += gone.set
            await simulator.server.stop()
            async with asyncio.timeout(5):
                await gone.wait()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", simulator.server.port)

    asyncio.run(play())


def test_stopping_does_not_wait_for_a_client_that_never_reads() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0)) as simulator:
            _, writer = await asyncio.open_connection("127.0.0.1", simulator.server.port)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(b"API\0" + b"\0\0\0\x09v157..176" + ask(71, 2, 9, ""))
            async with asyncio.timeout(20):
                while simulator.server.wire_counts().get(9, (0, 0))[1] < 100_000:
                    writer.write(ask(62, 1, 1, "All", "All") * 200)
                    await asyncio.sleep(0)
                await simulator.server.stop()
            assert simulator.server.wire_counts() == {}
            writer.transport.abort()

    asyncio.run(play())


def test_a_port_in_use_is_an_error_at_the_start() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0)) as simulator:
            second = Gateway(trades("TSLA", 10.0))
            second.server.port = simulator.server.port
            with pytest.raises(OSError, match="in use"):
                await second.server.start()

    asyncio.run(play())
