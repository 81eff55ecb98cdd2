"""Bars, ticks and profits in every version: the real decoder reads the right values, and no field is left over."""

from __future__ import annotations

from typing import Any

import pytest
from ib_insync.decoder import Decoder

from services.simulator.market.bars import BAR_SIZES, Bar
from services.simulator.venue.instruments import stock
from services.simulator.venue.reports import PositionReport
from services.simulator.wire import market_replies, replies
from services.simulator.wire.fields import split
from services.simulator.wire.market_replies import QuoteTick, TradeTick

NOON = 1_647_964_800_000_000_000  # 2022-03-22 16:00:00 UTC
BAR = Bar(NOON, "2022-03-22", 10.0, 11.0, 9.0, 10.5, volume=1_200, turnover=12_300.0, count=7)
HELD = PositionReport("DU1", "TSLA", -10.0, 12.5, 12.0, 3.25)
VERSIONS = range(157, 179)


class DecodedCalls:
    """The callbacks of the library's decoder."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.calls.append((name, arguments))


def received(frame: bytes, version: int) -> list[tuple[str, tuple[Any, ...]]]:
    ears = DecodedCalls()
    # The handlers themselves, because the decoder only logs their errors.
    decoder = Decoder(ears, version)
    fields = split(frame[4:])
    decoder.handlers[int(fields[0])](fields)
    return ears.calls


@pytest.mark.parametrize("version", VERSIONS)
def test_bars(version: int) -> None:
    lots = 100 if version < 159 else 1
    times = "20220322  16:00:00" if version < 174 else "20220322 12:00:00 US/Eastern"
    size = BAR_SIZES["1 min"]
    details = {"trades": True, "date_format": 1, "version": version, "lots": version < 159}
    frame = market_replies.historical_bars(5, NOON, NOON, [BAR, BAR], size, **details)
    assert len(split(frame[4:])) == 5 + 2 * 8
    (_, (request_id, bar)), _, (_, end) = received(frame, version)
    assert (request_id, bar.date, bar.open, bar.high, bar.low, bar.close) == (5, times, 10.0, 11.0, 9.0, 10.5)
    assert (bar.volume, bar.average, bar.barCount) == (1_200 / lots, 10.25, 7)
    assert end == (5, times, times)
    frame = market_replies.bar_update(5, BAR, size, **details)
    assert len(split(frame[4:])) == 10
    ((_, (_, again)),) = received(frame, version)
    assert again == bar
    frame = market_replies.real_time_bar(5, NOON, BAR, trades=True, lots=version < 159)
    assert len(split(frame[4:])) == 11
    ((_, reported),) = received(frame, version)
    assert reported == (5, NOON // 10**9, 10.0, 11.0, 9.0, 10.5, 1_200 / lots, 10.25, 7)


@pytest.mark.parametrize("version", VERSIONS)
def test_single_ticks(version: int) -> None:
    trade, quote = TradeTick(NOON // 10**9, 10.0, 300), QuoteTick(NOON // 10**9, 9.0, 11.0, 100, 200)
    lots = 100 if version < 159 else 1
    ((_, (_, trades, done)),) = received(market_replies.historical_trades(5, [trade] * 2, lots=version < 159), version)
    assert ([(tick.price, tick.size, tick.exchange) for tick in trades], done) == (
        [(10.0, 300 / lots, "NASDAQ")] * 2,
        True,
    )
    ((_, (_, quotes, done)),) = received(market_replies.historical_quotes(5, [quote], lots=version < 159), version)
    assert [(tick.priceBid, tick.priceAsk, tick.sizeBid, tick.sizeAsk) for tick in quotes] == [
        (9.0, 11.0, 100 / lots, 200 / lots)
    ]
    ((_, (_, middles, done)),) = received(market_replies.historical_midpoints(5, [quote], done=False), version)
    assert ([tick.price for tick in middles], done) == ([10.0], False)
    ((_, reported),) = received(market_replies.tick_by_tick_trade(5, trade, every=True, lots=version < 159), version)
    assert reported[:5] == (5, 2, NOON // 10**9, 10.0, 300 / lots)
    ((_, reported),) = received(market_replies.tick_by_tick_quote(5, quote, lots=version < 159), version)
    assert reported[:6] == (5, NOON // 10**9, 9.0, 11.0, 100 / lots, 200 / lots)
    ((_, reported),) = received(market_replies.tick_by_tick_midpoint(5, quote), version)
    assert reported == (5, NOON // 10**9, 10.0)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_rest(version: int) -> None:
    ((_, reported),) = received(market_replies.head_timestamp(5, NOON, 1), version)
    assert reported == (5, "20220322-16:00:00")
    ((_, (_, rows)),) = received(market_replies.histogram(5, [(10.0, 3)]), version)
    assert [(row.price, row.count) for row in rows] == [(10.0, 3)]
    ((_, reported),) = received(replies.profit(5, 1.0, 2.0, 3.0), version)
    assert reported == (5, 1.0, 2.0, 3.0)
    ((_, reported),) = received(replies.profit_single(5, -10.0, 1.0, 2.0, 3.0, 4.0), version)
    assert reported == (5, -10, 1.0, 2.0, 3.0, 4.0)
    ((_, (request_id, account, model, contract, shares, cost)),) = received(
        replies.position_multi(5, HELD, stock("TSLA")), version
    )
    assert (request_id, account, model, contract.symbol, shares, cost) == (5, "DU1", "", "TSLA", -10.0, 12.5)
    ((_, reported),) = received(replies.order_bound(77, 0, -1), version)
    assert reported == (77, 0, -1)
