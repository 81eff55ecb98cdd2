"""Live data over the wire: single ticks, five-second bars, generic ticks, delayed data, entitlements, limits."""

from __future__ import annotations

import asyncio
from typing import Any

import ib_insync as ibi
import pytest

from services.configuration.broker_policy import Policy
from services.simulator.faults import catalogue
from services.simulator.venue.events import MarketEvent
from tests.simulator.on_the_wire import OPEN_NS, SECOND, TSLA, gateway, trades

OPENED = OPEN_NS // SECOND
TSM = ibi.Stock("TSM", "SMART", "USD")


def quoted(at: int, bid: float, ask: float, size: int = 5) -> MarketEvent:
    return MarketEvent(
        time_ns=OPEN_NS + at * SECOND, symbol="TSLA", row=100 + at, bid=bid, ask=ask, bid_size=size, ask_size=size
    )


MIXED = [*trades("TSLA", 10.0, 10.0, 10.5), quoted(3, 10.4, 10.6), quoted(4, 10.4, 10.6, 7), quoted(5, 10.3, 10.7)]


@pytest.mark.shows(request=97, reply=99)
@pytest.mark.parametrize(
    ("kind", "ignore_size", "expected"),
    [
        (
            "Last",
            False,
            ["1 {0} 10.0 100 0 NASDAQ ", "1 {1} 10.0 101 0 NASDAQ ", "1 {2} 10.5 102 0 NASDAQ "],
        ),
        (
            "AllLast",
            False,
            ["2 {0} 10.0 100 0 NASDAQ ", "2 {1} 10.0 101 0 NASDAQ ", "2 {2} 10.5 102 0 NASDAQ "],
        ),
        (
            "BidAsk",
            False,
            [
                "3 {0} 9.99 10.01 200 300 0",
                "3 {2} 10.49 10.51 200 300 0",
                "3 {3} 10.4 10.6 5 5 0",
                "3 {4} 10.4 10.6 7 7 0",
                "3 {5} 10.3 10.7 5 5 0",
            ],
        ),
        (
            "BidAsk",
            True,
            [
                "3 {0} 9.99 10.01 200 300 0",
                "3 {2} 10.49 10.51 200 300 0",
                "3 {3} 10.4 10.6 5 5 0",
                "3 {5} 10.3 10.7 5 5 0",
            ],
        ),
        ("MidPoint", False, ["4 {0} 10.0", "4 {2} 10.5"]),
    ],
)
def test_single_ticks(kind: str, ignore_size: bool, expected: list[str]) -> None:
    async def play() -> None:
        async with gateway(MIXED) as simulator:
            ib = await simulator.connect()
            ib.reqTickByTickData(TSLA, kind, 0, ignore_size)
            await simulator.step(6)
            received = [" ".join(row[2:]) for row in simulator.received[1] if row[0] == "99"]
            assert received == [line.format(*(OPENED + at for at in range(6))) for line in expected]
            ib.cancelTickByTickData(TSLA, kind)
            ib.client.cancelTickByTickData(4711)
            assert (await simulator.news(1))[-1] == "4 4711 300"

    asyncio.run(play())


@pytest.mark.shows(request=97)
def test_single_ticks_begin_with_the_last_ones() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0, 10.1, 10.2, 10.3)) as simulator:
            ib = await simulator.connect()
            await simulator.step(3)
            ib.client.reqTickByTickData(77, TSLA, "Last", 2, False)
            await simulator.step()
            first, second = [row for row in simulator.received[1] if row[0] in ("98", "99") and row[1] == "77"]
            assert first[2] == "2"
            assert [first[5], first[11], first[-1]] == ["10.1", "10.2", "1"]
            assert second[4] == "10.3"

    asyncio.run(play())


def test_at_most_three_streams_of_single_ticks() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0)) as simulator:
            ib = await simulator.connect()
            await simulator.news(1)
            for request_id, kind in (
                (1, "Last"),
                (2, "AllLast"),
                (3, "BidAsk"),
                (4, "MidPoint"),
                (3, "Last"),
                (5, "x"),
            ):
                ib.client.reqTickByTickData(request_id, TSLA, kind, 0, False)
            assert await simulator.news(1) == ["4 4 10190", "4 3 102", "4 5 10189"]

    asyncio.run(play())


@pytest.mark.shows(request=(50, 51), reply=50)
def test_bars_of_five_seconds() -> None:
    async def play() -> None:
        prices = [10.0 + at / 100 for at in range(12)]
        late = [MarketEvent(time_ns=OPEN_NS + 21 * SECOND, symbol="TSLA", row=99, price=11.0, size=5)]
        async with gateway(trades("TSLA", *prices), late) as simulator:
            ib = await simulator.connect()
            simulator.server.advance(OPEN_NS - SECOND)
            bars = ib.reqRealTimeBars(TSLA, 5, "TRADES", True)
            await simulator.step(13)
            assert [(bar.open_, bar.high, bar.low, bar.close, bar.volume, bar.count) for bar in bars] == [
                (10.0, 10.04, 10.0, 10.04, 510, 5),
                (10.05, 10.09, 10.05, 10.09, 535, 5),
                (10.1, 10.11, 10.1, 10.11, 221, 2),
                (10.11, 10.11, 10.11, 10.11, 0, 0),  # nothing happened
            ]
            assert [int(bar.time.timestamp()) for bar in bars] == [OPENED, OPENED + 5, OPENED + 10, OPENED + 15]
            ib.cancelRealTimeBars(bars)
            await simulator.news(1)
            simulator.server.advance(OPEN_NS + 60 * SECOND)
            assert await simulator.news(1) == []
            ib.client.cancelRealTimeBars(4711)
            ib.client.reqRealTimeBars(900, TSLA, 5, "OPTION_IMPLIED_VOLATILITY", True, [])
            assert await simulator.news(1) == ["4 4711 421", "4 900 321"]

    asyncio.run(play())


@pytest.mark.shows(request=1, reply=(45, 46))
def test_generic_ticks() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0, 10.0, 10.5)) as simulator:
            ib = await simulator.connect()
            await simulator.step()
            await simulator.news(1)
            ticker = ib.reqMktData(TSLA, "233,375, 221,236,mdoff")
            assert await simulator.news(1) == ["81", "58", "1 37 10.0", "45 46 3.0", "2 89 10000000"]
            await simulator.step(2)
            assert ticker.rtVolume == ticker.rtTradeVolume == 303
            assert ticker.vwap == pytest.approx((100 * 10 + 101 * 10 + 102 * 10.5) / 303)
            assert ticker.rtTime.timestamp() == OPENED + 2
            assert ticker.markPrice == 10.5
            assert all(
                line.split()[:2] in (["46", "48"], ["46", "77"], ["1", "37"]) for line in await simulator.news(1)
            )

    asyncio.run(play())


@pytest.mark.parametrize(("generic", "snapshot"), [("999", False), ("233,x", False), ("233", True)])
def test_generic_ticks_that_are_refused(generic: str, snapshot: bool) -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0)) as simulator:
            ib = await simulator.connect()
            await simulator.news(1)
            ib.client.reqMktData(90, TSLA, generic, snapshot, False, [])
            assert await simulator.news(1) == ["4 90 321"]

    asyncio.run(play())


def test_market_data_lines_are_limited() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0), policy=Policy(market_data_lines=2)) as simulator:
            ib = await simulator.connect()
            for request_id in (90, 91, 92):
                ib.client.reqMktData(request_id, TSLA, "", False, False, [])
            assert (await simulator.news(1))[-1] == "4 92 101"
            ib.client.cancelMktData(90)
            ib.client.reqMktData(92, TSLA, "", False, False, [])
            assert "4 92 101" not in await simulator.news(1)

    asyncio.run(play())


@pytest.mark.parametrize("lines", [1, 3])
def test_tick_by_tick_lines_are_limited(lines: int) -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0), policy=Policy(tick_by_tick_lines=lines)) as simulator:
            ib = await simulator.connect()
            await simulator.news(1)
            for request_id in range(90, 91 + lines):
                ib.client.reqTickByTickData(request_id, TSLA, "Last", 0, False)
            assert await simulator.news(1) == [f"4 {90 + lines} 10190"]

    asyncio.run(play())


def test_depth_is_refused() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0)) as simulator:
            ib = await simulator.connect()
            await simulator.news(1)
            ib.client.reqMktDepth(90, TSLA, 5, False, [])
            ib.client.cancelMktDepth(90, False)
            assert await simulator.news(1) == ["4 90 10092", "4 90 310"]

    asyncio.run(play())


# Entitlements


@pytest.mark.parametrize(
    ("code", "wanted", "errors", "kind"),
    [
        (None, 1, [], "1"),
        (None, 3, [], "1"),
        (None, 2, [], "2"),  # before the open
        (10089, 1, ["10089"], None),
        (354, 1, ["354"], None),
        (354, 3, ["10167"], "3"),
        (10089, 4, ["10167"], "4"),
        (10167, 1, ["10167"], "3"),
        (10168, 3, ["10168"], None),
    ],
)
def test_field_37_the_type_received_can_differ_from_the_type_asked_for(
    code: int | None, wanted: int, errors: list[str], kind: str | None
) -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0), trades("TSM", 20.0)) as simulator:
            ib = await simulator.connect()
            await simulator.news(1)
            if code is not None:
                simulator.server.dispatcher.faults.begin(
                    "no-market-data", catalogue.fault("no-market-data", {"code": code})
                )
            ib.reqMarketDataType(wanted)
            ib.reqMktData(TSLA)
            await simulator.settle()
            received = simulator.received[1]
            assert [row[3] for row in received if row[0] == "4"] == errors
            assert [row[3] for row in received if row[0] == "58"] == ([] if kind is None else [kind])
            # Another symbol is not concerned.
            ib.reqMktData(TSM)
            await simulator.settle()
            assert [row[0] for row in received if row[0] in ("4", "58")][-1] == "58"

    asyncio.run(play())


@pytest.mark.shows(request=59, reply=58)
def test_delayed_data_are_a_quarter_of_an_hour_old() -> None:
    async def play() -> None:
        prices = [10.0, 10.5, 11.0]
        late = [
            MarketEvent(time_ns=OPEN_NS + at * SECOND, symbol="TSLA", row=at, price=20.0, size=1)
            for at in (900, 901, 1000)
        ]
        async with gateway(trades("TSLA", *prices), late) as simulator:
            ib = await simulator.connect()
            simulator.server.advance(OPEN_NS + 900 * SECOND)
            simulator.server.dispatcher.faults.begin("no-market-data", catalogue.fault("no-market-data", {}))
            ib.reqMarketDataType(3)
            await simulator.news(1)
            ticker = ib.reqMktData(TSLA)
            first = await simulator.news(1)
            assert first[0].endswith(" 10167")
            assert first[1:3] == ["58", "81"]
            kinds = [line.split()[1] for line in first[3:]]
            assert kinds == ["66", "69", "67", "70", "88", "68", "71", "74", "72", "73", "76"]
            assert (ticker.marketDataType, ticker.last, ticker.bid) == (3, 10.0, 9.99)
            simulator.server.advance(OPEN_NS + 901 * SECOND)
            await simulator.settle()
            assert (ticker.last, ticker.high, ticker.volume) == (10.5, 10.5, 2)

    asyncio.run(play())


def test_streams_share_their_encoding() -> None:
    """Streams with request ids of one length share the encoding; each has its own id and its own last quote."""

    async def play() -> None:
        async with gateway(trades("TSLA", 10.0, 10.5, 11.0)) as simulator:
            clients: dict[int, Any] = {number: await simulator.connect(number) for number in (1, 2)}
            clients[1].client.reqMktData(8, TSLA, "", False, False, [])
            clients[1].client.reqMktData(9, TSLA, "", False, False, [])
            clients[2].client.reqMktData(1_000_000, TSLA, "", False, False, [])
            await simulator.step(2)
            clients[2].client.reqMktData(7, TSLA, "233", False, False, [])
            await simulator.step()

            def lasts(number: int, request_id: int) -> list[str]:
                rows = [
                    row for row in simulator.received[number] if row[0] == "1" and row[2:4] == [str(request_id), "4"]
                ]
                return [row[4] for row in rows]

            assert lasts(1, 8) == lasts(1, 9) == lasts(2, 1_000_000) == ["10.0", "10.5", "11.0"]
            assert lasts(2, 7) == ["10.5", "11.0"]

    asyncio.run(play())


@pytest.mark.parametrize(("version", "lots", "shown"), [(157, True, 1), (157, False, 123), (159, True, 123)])
def test_old_clients_get_round_lots_unless_a_switch_says_otherwise(version: int, lots: bool, shown: int) -> None:
    async def play() -> None:
        event = MarketEvent(OPEN_NS, "TSLA", 0, price=10.0, size=123, bid=9.99, ask=10.01, bid_size=123, ask_size=123)
        async with gateway([event], policy=Policy(old_clients_get_lots=lots)) as simulator:
            ib = await simulator.connect(highest_version=version)
            await simulator.step()
            ticker = ib.reqMktData(TSLA)
            await simulator.settle()
            assert (ticker.bidSize, ticker.lastSize, ticker.volume) == (shown, shown, 1)
            (bar,) = await ib.reqHistoricalDataAsync(TSLA, "", "1 D", "1 min", "TRADES", useRTH=True)
            assert bar.volume == shown

    asyncio.run(play())
