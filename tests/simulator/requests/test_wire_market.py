"""Quotes and account values over the wire, and what the server counts."""

from __future__ import annotations

import asyncio
from typing import Any

import ib_insync as ibi
import pytest

from tests.simulator.on_the_wire import ACCOUNT, OPEN_NS, SECOND, TSLA, Gateway, gateway, trades

TSM = ibi.Stock("TSM", "SMART", "USD")


@pytest.mark.shows(request=1, reply=(1, 2, 45, 46, 58, 81))
def test_a_stream_of_quotes() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0, 10.0, 10.5, 9.5), trades("TSM", 20.0, 21.0)) as simulator:
            ib = await simulator.connect()
            await simulator.news(1)
            ticker = ib.reqMktData(TSLA)
            # Before the first trade: parameters, type of data, empty sides.
            assert await simulator.news(1) == [
                "81",
                "58",
                "1 1 -1.0",
                "2 0 0",
                "1 2 -1.0",
                "2 3 0",
                "2 8 0",
                "45 49 0.0",
            ]
            assert ticker.marketDataType == 1
            await simulator.step()
            opened = OPEN_NS // SECOND
            assert await simulator.news(1) == [
                "1 1 9.99",
                "2 0 200",
                "1 2 10.01",
                "2 3 300",
                f"46 45 {opened}",
                "1 4 10.0",
                "2 5 100",
                "2 8 1",
                "1 6 10.0",
                "1 7 10.0",
                "1 14 10.0",
                "46 32 Q",
                "46 33 Q",
                "46 84 Q",
            ]
            await simulator.step()  # TSM has no stream
            assert await simulator.news(1) == []
            await simulator.step()  # the same price again
            assert await simulator.news(1) == [f"46 45 {opened + 1}", "2 5 101", "2 8 2"]
            await simulator.step(2)
            await simulator.step()
            assert (ticker.bid, ticker.ask, ticker.last, ticker.lastSize) == (9.49, 9.51, 9.5, 103)
            assert (ticker.open, ticker.high, ticker.low, ticker.volume) == (10.0, 10.5, 9.5, 4)

    asyncio.run(play())


@pytest.mark.shows(request=2)
def test_a_stream_that_is_cancelled_is_silent() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0, 11.0, 12.0)) as simulator:
            ib = await simulator.connect()
            ticker = ib.reqMktData(TSLA)
            await simulator.step()
            ib.cancelMktData(TSLA)
            await simulator.news(1)
            await simulator.step()
            assert await simulator.news(1) == []
            assert ticker.last == 10.0
            ib.client.cancelMktData(4711)
            assert await simulator.news(1) == ["4 4711 300"]

    asyncio.run(play())


@pytest.mark.shows(request=1, reply=4)
def test_requests_for_quotes_that_are_refused() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0)) as simulator:
            ib = await simulator.connect()
            await simulator.news(1)
            ib.client.reqMktData(90, ibi.Stock("GONE", "SMART", "USD"), "", False, False, [])
            ib.client.reqMktData(91, TSLA, "", False, False, [])
            ib.client.reqMktData(91, TSLA, "", False, False, [])
            received = await simulator.news(1)
            assert received[0] == "4 90 200"
            assert received[-1] == "4 91 102"
            assert received.count("81") == 1

    asyncio.run(play())


@pytest.mark.shows(request=1, reply=57)
def test_a_snapshot_ends_and_does_not_stream() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0, 11.0)) as simulator:
            ib = await simulator.connect()
            await simulator.step()
            (ticker,) = await ib.reqTickersAsync(TSLA)
            assert (ticker.last, ticker.bid, ticker.ask) == (10.0, 9.99, 10.01)
            await simulator.news(1)
            await simulator.step()
            assert await simulator.news(1) == []

    asyncio.run(play())


@pytest.mark.shows(request=59, reply=58)
def test_delayed_data_are_never_needed() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0)) as simulator:
            ib = await simulator.connect()
            ib.reqMarketDataType(3)
            await simulator.step()
            ticker = ib.reqMktData(TSLA)
            await simulator.settle()
            assert (ticker.marketDataType, ticker.last) == (1, 10.0)

    asyncio.run(play())


def test_streams_of_one_symbol_are_independent() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0, 11.0), trades("TSM", 20.0, 21.0)) as simulator:
            first, second = await simulator.connect(1), await simulator.connect(2)
            a, b = first.reqMktData(TSLA), second.reqMktData(TSM)
            await simulator.step(2)
            late = second.reqMktData(TSLA)
            await simulator.step(2)
            assert (a.last, b.last, late.last) == (11.0, 21.0, 11.0)

    asyncio.run(play())


@pytest.mark.shows(request=(6, 62, 76), reply=(6, 7, 8, 63, 73))
def test_account_values_follow_a_fill_for_all_who_subscribed() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0, 10.0, 10.0)) as simulator:
            ib, other = await simulator.connect(1), await simulator.connect(2)
            summary = {v.tag: v.value for v in await other.accountSummaryAsync()}
            assert summary["TotalCashValue"] == "100000.00"
            await simulator.step()
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 100))
            await simulator.step()
            for client in (ib, other):
                values = {v.tag: v.value for v in client.accountValues()}
                assert values["TotalCashValue"] == "98998.0"
                (held,) = client.portfolio()
                assert (held.position, held.marketPrice, held.marketValue, held.account) == (100, 10.0, 1000.0, ACCOUNT)
                assert (held.averageCost, held.unrealizedPNL) == (pytest.approx(10.02), pytest.approx(-2.0))
            assert {v.tag: v.value for v in await other.accountSummaryAsync()}["TotalCashValue"] == "98998.00"

    asyncio.run(play())


@pytest.mark.shows(request=(6, 63, 64, 77))
def test_a_cancelled_subscription_is_silent() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0, 10.0, 10.0)) as simulator:
            ib, other = await simulator.connect(1), await simulator.connect(2)
            multi = [row[2] for row in simulator.received[2] if row[0] == "74"]
            other.client.reqAccountSummary(900, "All", "TotalCashValue")
            await simulator.settle()
            other.client.cancelPositions()
            other.client.reqAccountUpdates(False, "")
            other.client.cancelAccountUpdatesMulti(int(multi[0]))
            other.client.cancelAccountSummary(900)
            await simulator.step()
            simulator.received[2].clear()
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 100))
            await simulator.step()
            assert simulator.received[2] == []
            assert len(ib.positions()) == 1

    asyncio.run(play())


def test_another_account_is_refused() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0)) as simulator:
            ib = await simulator.connect()
            await simulator.news(1)
            ib.client.reqAccountUpdates(True, "DU9")
            ib.client.reqAccountUpdatesMulti(77, "DU9", "", False)
            assert await simulator.news(1) == ["4 -1 321", "4 77 321"]

    asyncio.run(play())


def test_advance_returns_whether_more_than_quotes_changed() -> None:
    async def play() -> list[bool]:
        async with gateway(trades("TSLA", 10.0, 10.0, 10.0, 10.0)) as simulator:
            ib = await simulator.connect()
            happened = [simulator.server.advance(OPEN_NS, one=True).orders]
            ib.placeOrder(TSLA, ibi.LimitOrder("BUY", 1, 10.0))
            await simulator.settle()
            happened.append(simulator.server.advance(OPEN_NS + SECOND // 2).orders)
            happened.append(simulator.server.advance(OPEN_NS + SECOND, one=True).orders)
            ib.placeOrder(TSLA, ibi.MarketOrder("BUY", 1))
            await simulator.settle()
            happened.append(simulator.server.advance(OPEN_NS + 3 * SECOND).orders)
            assert simulator.exchange.now_ns == OPEN_NS + 3 * SECOND
            await simulator.settle()
            return happened

    assert asyncio.run(play()) == [False, False, False, True]


def test_frames_are_counted_on_both_sides() -> None:
    def counted(simulator: Gateway, ib: ibi.IB) -> tuple[int, int]:
        stats = ib.client.connectionStats()
        return (stats.numMsgSent - 1, stats.numMsgRecv - 1)  # without the handshake

    async def play() -> None:
        async with gateway(trades("TSLA", 10.0, 10.0), trades("TSM", 20.0, 20.0)) as simulator:
            clients: dict[int, Any] = {3: await simulator.connect(3), 4: await simulator.connect(4)}
            clients[3].reqMktData(TSLA)
            clients[4].placeOrder(TSM, ibi.MarketOrder("BUY", 1))
            clients[4].client.send(9999)  # unreadable requests count too
            await simulator.step(4)
            assert simulator.server.wire_counts() == {n: counted(simulator, ib) for n, ib in clients.items()}
            assert all(received and sent for received, sent in simulator.server.wire_counts().values())
            before = simulator.server.wire_counts()[3]
            await simulator.disconnect(clients[3])
            assert set(simulator.server.wire_counts()) == {4}
            again = await simulator.connect(3)
            await simulator.settle()
            assert simulator.server.wire_counts()[3] == counted(simulator, again) != before

    asyncio.run(play())
