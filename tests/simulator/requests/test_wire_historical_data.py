"""Historical data over the wire: bars, ticks, schedules, updates; never data of the future."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from typing import Any

import ib_insync as ibi
import pytest

from services.configuration.broker_policy import Policy
from services.simulator.venue.events import MarketEvent
from tests.simulator.on_the_wire import OPEN_NS, SECOND, TSLA, Gateway, gateway, trades

MINUTE = [10.0 + at / 100 for at in range(120)]  # a cent a second, two minutes long
OPENED = datetime(2022, 3, 22, 13, 30, tzinfo=UTC)


async def asked(simulator: Gateway, ib: ibi.IB, **details: Any) -> ibi.BarDataList:
    wanted = {"endDateTime": "", "durationStr": "1 D", "barSizeSetting": "1 min", "whatToShow": "TRADES"}
    return await ib.reqHistoricalDataAsync(TSLA, useRTH=True, **{**wanted, **details})


@pytest.mark.shows(request=20, reply=17)
@pytest.mark.parametrize("version", [157, 173, 174, 176])
def test_bars_of_the_day_so_far(version: int) -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", *MINUTE)) as simulator:
            ib = await simulator.connect(highest_version=version)
            simulator.server.advance(OPEN_NS + 89 * SECOND)
            bars = await asked(simulator, ib)
            told = next(fields for fields in simulator.received[1] if fields[0] == "17")
            assert told[2].split()[1] == ("09:31:29" if version >= 174 else "13:31:29"), "a day before the end"
            assert [bar.date.replace(tzinfo=bar.date.tzinfo or UTC) for bar in bars] == [
                OPENED,
                OPENED.replace(minute=31),
            ]
            first, second = bars
            assert (first.open, first.high, first.low, first.close) == (10.0, 10.59, 10.0, 10.59)
            lots = 100 if version < 159 else 1
            assert (first.volume, first.barCount) == (sum(range(100, 160)) // lots, 60)
            assert first.average == pytest.approx(10.31, abs=0.01)
            assert (second.open, second.close, second.barCount) == (10.6, 10.89, 30)

    asyncio.run(play())


def test_dates_in_seconds_and_days_by_their_date() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", *MINUTE)) as simulator:
            ib = await simulator.connect()
            simulator.server.advance(OPEN_NS + 89 * SECOND)
            bars = await asked(simulator, ib, formatDate=2)
            assert [bar.date for bar in bars] == [OPENED, OPENED.replace(minute=31)]
            assert [row[5] for row in simulator.received[1] if row[0] == "17"] == [str(OPEN_NS // SECOND)]
            (day,) = await asked(simulator, ib, barSizeSetting="1 day", formatDate=2)
            assert (day.date, day.open, day.close, day.barCount) == (date(2022, 3, 22), 10.0, 10.89, 90)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("MIDPOINT", (10.0, 10.59, 10.0, 10.59)),
        ("BID", (9.99, 10.58, 9.99, 10.58)),
        ("ASK", (10.01, 10.6, 10.01, 10.6)),
        ("BID_ASK", (9.99, 10.6, 9.99, 10.6)),
    ],
)
def test_bars_of_quotes(what: str, expected: tuple[float, ...]) -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", *MINUTE)) as simulator:
            ib = await simulator.connect()
            simulator.server.advance(OPEN_NS + 59 * SECOND)
            (bar,) = await asked(simulator, ib, whatToShow=what)
            assert (bar.open, bar.high, bar.low, bar.close) == expected
            assert (bar.volume, bar.average, bar.barCount) == (-1, -1, -1)

    asyncio.run(play())


def test_the_end_of_a_request_and_seconds() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", *MINUTE)) as simulator:
            ib = await simulator.connect()
            simulator.server.advance(OPEN_NS + 100 * SECOND)
            end = datetime(2022, 3, 22, 13, 30, 40, tzinfo=UTC)
            bars = await asked(simulator, ib, endDateTime=end, durationStr="30 S", barSizeSetting="10 secs")
            assert [bar.date.second for bar in bars] == [10, 20, 30]
            assert bars[-1].close == 10.39
            later = datetime(2022, 3, 23, 13, 30, tzinfo=UTC)
            bars = await asked(simulator, ib, endDateTime=later, barSizeSetting="1 day")
            assert bars[-1].close == 11.0, "nothing of the future, whatever the end"

    asyncio.run(play())


@pytest.mark.shows(request=(20, 25), reply=(17, 90))
def test_bars_with_updates() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", *MINUTE)) as simulator:
            ib = await simulator.connect()
            simulator.server.advance(OPEN_NS + 57 * SECOND)
            bars = await asked(simulator, ib, keepUpToDate=True)
            assert (len(bars), bars[-1].close) == (1, 10.57)
            new: list[bool] = []
            bars.updateEvent += lambda _bars, is_new: new.append(is_new)
            await simulator.step(4)
            assert new == [False, False, True, False]
            assert [(bar.open, bar.high, bar.low, bar.close, bar.barCount) for bar in bars] == [
                (10.0, 10.59, 10.0, 10.59, 60),
                (10.6, 10.61, 10.6, 10.61, 2),
            ]
            ib.cancelHistoricalData(bars)
            await simulator.news(1)
            await simulator.step()
            assert await simulator.news(1) == []
            ib.client.cancelHistoricalData(bars.reqId)
            assert await simulator.news(1) == [f"4 {bars.reqId} 366"]

    asyncio.run(play())


@pytest.mark.shows(request=20, reply=17)
@pytest.mark.parametrize("rescale", [True, False])
def test_bars_over_a_split_are_in_todays_shares(rescale: bool) -> None:
    """Earlier bars come in new shares, whether the source continues in old prices or includes the split."""
    after = [10.6, 10.8] if rescale else [5.3, 5.4]

    async def play() -> None:
        async with gateway(trades("TSLA", 10.0, 10.2, *after)) as simulator:
            ib = await simulator.connect()
            await simulator.step(2)
            simulator.server.dispatcher.run_exchange_action(
                lambda exchange: exchange.split("TSLA", 2.0, rescale=rescale)
            )
            await simulator.step(2)
            (bar,) = await asked(simulator, ib)
            assert (bar.open, bar.high, bar.low, bar.close) == (5.0, 5.4, 5.0, 5.4)
            assert bar.volume == 2 * (100 + 101) + 102 + 103
            (day,) = await asked(simulator, ib, barSizeSetting="1 day")
            assert (day.open, day.close, day.volume) == (5.0, 5.4, bar.volume)
            ticks = await ib.reqHistoricalTicksAsync(TSLA, "20220322 13:30:00 UTC", "", 10, "TRADES", useRth=True)
            assert [tick.price for tick in ticks] == [10.0, 10.2, 5.3, 5.4], "single ticks are as they were traded"

    asyncio.run(play())


@pytest.mark.shows(request=20, reply=17)
def test_a_day_before_a_split_is_rebuilt_after_it() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", *MINUTE)) as simulator:
            ib = await simulator.connect()
            simulator.server.advance(OPEN_NS + 8 * 3600 * SECOND)
            (before,) = await asked(simulator, ib, barSizeSetting="1 day")
            simulator.server.dispatcher.run_exchange_action(lambda exchange: exchange.split("TSLA", 0.1))
            (after,) = await asked(simulator, ib, barSizeSetting="1 day")
            assert (before.open, before.close) == (10.0, 11.19)
            assert (after.open, after.close) == (100.0, 111.9)

    asyncio.run(play())


@pytest.mark.shows(request=20, reply=17)
def test_a_dividend_is_in_adjusted_last_alone() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0, 10.0, 9.5)) as simulator:
            ib = await simulator.connect()
            await simulator.step(2)
            simulator.server.dispatcher.run_exchange_action(lambda exchange: exchange.dividend("TSLA", 0.5))
            await simulator.step()
            (plain,) = await asked(simulator, ib)
            (adjusted,) = await asked(simulator, ib, whatToShow="ADJUSTED_LAST")
            assert (plain.open, plain.close) == (10.0, 9.5)
            assert (adjusted.open, adjusted.high, adjusted.close) == (9.5, 9.5, 9.5)

    asyncio.run(play())


@pytest.mark.shows(request=20, reply=17)
def test_events_removed_by_a_halt_are_in_no_bar() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", *MINUTE)) as simulator:
            ib = await simulator.connect()
            simulator.server.advance(OPEN_NS + 9 * SECOND)
            simulator.server.dispatcher.run_exchange_action(lambda exchange: exchange.halt("TSLA"))
            simulator.server.advance(OPEN_NS + 40 * SECOND)
            bars = await asked(simulator, ib, barSizeSetting="10 secs")
            assert [bar.close for bar in bars] == [10.09], "while it lasts"
            simulator.server.dispatcher.run_exchange_action(lambda exchange: exchange.resume("TSLA"))
            simulator.server.advance(OPEN_NS + 59 * SECOND)
            bars = await asked(simulator, ib, barSizeSetting="10 secs")
            assert [(bar.date.second, bar.barCount) for bar in bars] == [(0, 10), (40, 9), (50, 10)]
            assert bars[1].open == 10.41
            ticks = await ib.reqHistoricalTicksAsync(TSLA, "20220322 13:30:09 UTC", "", 2, "TRADES", useRth=True)
            assert [tick.price for tick in ticks] == [10.09, 10.41]

    asyncio.run(play())


def test_events_removed_by_a_price_band_are_in_no_bar() -> None:
    async def play() -> None:
        jump = [10.0] * 5 + [20.0] * 310 + [10.1] * 5
        async with gateway(trades("TSLA", *jump), policy=Policy(limit_up_limit_down=True)) as simulator:
            ib = await simulator.connect()
            simulator.server.advance(OPEN_NS + 200 * SECOND)
            bars = await asked(simulator, ib)
            assert [(bar.high, bar.barCount) for bar in bars] == [(10.0, 5)]
            simulator.server.advance(OPEN_NS + 320 * SECOND)
            bars = await asked(simulator, ib)
            traded = sum(bar.barCount for bar in bars)
            quote = simulator.exchange.quote("TSLA")
            assert quote is not None
            assert sum(bar.volume for bar in bars) == quote.volume
            assert 5 < traded < 320

    asyncio.run(play())


@pytest.mark.shows(request=20, reply=4)
@pytest.mark.parametrize(
    ("details", "code"),
    [
        ({"barSizeSetting": "7 mins"}, 321),
        ({"durationStr": "1 fortnight"}, 321),
        ({"durationStr": "400 D"}, 321),
        ({"durationStr": "90000 S"}, 321),
        ({"endDateTime": "tomorrow"}, 10314),
        ({"endDateTime": "20220322 13:30:00 UTC", "keepUpToDate": True}, 321),
        ({"barSizeSetting": "1 secs", "keepUpToDate": True}, 321),
        ({"durationStr": "5 D", "barSizeSetting": "1 secs"}, 162),
        ({"whatToShow": "HISTORICAL_VOLATILITY"}, 162),
        ({"endDateTime": "20220301 13:30:00 UTC"}, 162),
    ],
)
def test_requests_for_bars_that_are_refused(details: dict[str, Any], code: int) -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", *MINUTE)) as simulator:
            ib = await simulator.connect()
            simulator.server.advance(OPEN_NS + 10 * SECOND)
            errors: list[int] = []
            ib.errorEvent += lambda _id, number, _text, _contract: errors.append(number)
            assert not await asked(simulator, ib, **details)
            assert errors == [code]

    asyncio.run(play())


@pytest.mark.shows(request=(87, 90), reply=88)
def test_how_far_back_the_data_reach() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", *MINUTE)) as simulator:
            ib = await simulator.connect()
            simulator.server.advance(OPEN_NS + 10 * SECOND)
            assert await ib.reqHeadTimeStampAsync(TSLA, "TRADES", True, 2) == OPENED
            naive = await ib.reqHeadTimeStampAsync(TSLA, "TRADES", True, 1)
            assert naive.replace(tzinfo=UTC) == OPENED

    asyncio.run(play())


def test_a_schedule() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", *MINUTE)) as simulator:
            ib = await simulator.connect()
            simulator.server.advance(OPEN_NS + 10 * SECOND)
            schedule = await ib.reqHistoricalScheduleAsync(TSLA, 1)
            assert schedule.timeZone == "US/Eastern"
            (session,) = schedule.sessions
            assert (session.startDateTime, session.endDateTime) == ("20220322-09:30:00", "20220322-16:00:00")
            assert session.refDate == "20220322"

    asyncio.run(play())


@pytest.mark.shows(request=96, reply=(96, 97, 98))
def test_single_ticks_of_the_past() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", *MINUTE)) as simulator:
            ib = await simulator.connect()
            simulator.server.advance(OPEN_NS + 60 * SECOND)
            last = await ib.reqHistoricalTicksAsync(
                TSLA, "", datetime(2022, 3, 22, 13, 30, 9, tzinfo=UTC), 3, "TRADES", True
            )
            assert [(tick.time.second, tick.price, tick.size) for tick in last] == [
                (7, 10.07, 107),
                (8, 10.08, 108),
                (9, 10.09, 109),
            ]
            quotes = await ib.reqHistoricalTicksAsync(TSLA, OPENED, "", 2, "BID_ASK", True)
            assert [(tick.priceBid, tick.priceAsk, tick.sizeBid, tick.sizeAsk) for tick in quotes] == [
                (9.99, 10.01, 200, 300),
                (10.0, 10.02, 200, 300),
            ]
            middles = await ib.reqHistoricalTicksAsync(TSLA, "20220322-13:30:58", "", 1000, "MIDPOINT", True)
            assert [tick.price for tick in middles] == [10.58, 10.59, 10.6], "and nothing of the future"
            ib.client.reqHistoricalTicks(
                900, TSLA, "20220322-13:30:58", "20220322-13:30:59", 3, "TRADES", True, False, []
            )
            ib.client.reqHistoricalTicks(901, TSLA, "", "20220322-13:30:59", 1001, "TRADES", True, False, [])
            await simulator.settle()
            assert [row[2:4] for row in simulator.received[1] if row[0] == "4" and row[2] in ("900", "901")] == [
                ["900", "10187"],
                ["901", "10187"],
            ]

    asyncio.run(play())


def test_how_much_was_traded_at_each_price() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0, 10.5, 10.0)) as simulator:
            ib = await simulator.connect()
            simulator.server.advance(OPEN_NS + 60 * SECOND)
            found = await ib.reqHistogramDataAsync(TSLA, True, "1 day")
            assert [(row.price, row.count) for row in found] == [(10.0, 202), (10.5, 101)]

    asyncio.run(play())


def test_trades_outside_regular_hours_are_sent_on_request() -> None:
    def early(at: int, price: float) -> MarketEvent:
        return MarketEvent(time_ns=OPEN_NS - 40 * SECOND + at * SECOND, symbol="TSLA", row=-9 + at, price=price, size=1)

    async def play() -> None:
        async with gateway([early(0, 9.0), early(1, 9.1)], trades("TSLA", 10.0)) as simulator:
            ib = await simulator.connect()
            simulator.server.advance(OPEN_NS)
            assert [bar.open for bar in await asked(simulator, ib)] == [10.0]
            wanted = {"endDateTime": "", "durationStr": "1 D", "barSizeSetting": "1 min", "whatToShow": "TRADES"}
            bars = await ib.reqHistoricalDataAsync(TSLA, useRTH=False, **wanted)
            assert [(bar.open, bar.volume) for bar in bars] == [(9.0, 2), (10.0, 100)]

    asyncio.run(play())
