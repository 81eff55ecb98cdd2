"""Payload to request, of those about the market. `decode.py` has the rest and the way in."""

from __future__ import annotations

from services.simulator.wire.contracts import read_contract
from services.simulator.wire.fields import FieldReader
from services.simulator.wire.market_requests import (
    Depth,
    FeedRequest,
    HeadTimestamp,
    Histogram,
    HistoricalData,
    HistoricalTicks,
    MarketData,
    MarketDataType,
    PastRequest,
    RealTimeBars,
    StopDepth,
    StopHeadTimestamp,
    StopHistogram,
    StopHistoricalData,
    StopMarketData,
    StopRealTimeBars,
    StopTickByTick,
    TickByTick,
)
from services.simulator.wire.readers import Reader, plain, read_combination, read_dated_contract, with_id, with_number

__all__ = ["MARKET_READERS"]


def _market_data(fields: FieldReader) -> MarketData:
    fields.skip()  # _v
    request_id, contract = fields.identity(), read_contract(fields)
    read_combination(fields, contract)
    if fields.flag():  # delta neutral
        fields.skip(3)
    generic_ticks = fields.text()
    request = MarketData(request_id, contract, fields.flag(), generic_ticks)
    fields.skip(2)  # regulatory snapshot, options
    return request


def _depth(fields: FieldReader) -> Depth:
    fields.skip()  # _v
    request = Depth(fields.identity(), read_contract(fields))
    fields.skip(3)  # rows, smart, options
    return request


def _real_time_bars(fields: FieldReader) -> RealTimeBars:
    fields.skip()  # _v
    request_id, contract = fields.identity(), read_contract(fields)
    fields.skip()  # bar size: five seconds, whatever is asked for
    request = RealTimeBars(request_id, contract, fields.text(), fields.flag())
    fields.skip()  # options
    return request


def _tick_by_tick(fields: FieldReader) -> TickByTick:
    return TickByTick(fields.identity(), read_contract(fields), fields.text(), fields.integer(), fields.flag())


def _historical_data(fields: FieldReader) -> HistoricalData:
    request_id, contract = fields.identity(), read_dated_contract(fields)
    end, bar_size, duration = fields.text(), fields.text(), fields.text()
    regular, what, date_format = fields.flag(), fields.text(), fields.integer(default=1)
    read_combination(fields, contract)
    request = HistoricalData(
        request_id, contract, end, bar_size, duration, regular, what, date_format, keep=fields.flag()
    )
    fields.skip()  # options
    return request


def _head_timestamp(fields: FieldReader) -> HeadTimestamp:
    request_id, contract = fields.identity(), read_dated_contract(fields)
    return HeadTimestamp(request_id, contract, fields.flag(), fields.text(), fields.integer(default=1))


def _historical_ticks(fields: FieldReader) -> HistoricalTicks:
    request = HistoricalTicks(
        request_id=fields.identity(),
        contract=read_dated_contract(fields),
        start=fields.text(),
        end=fields.text(),
        count=fields.integer(),
        what=fields.text(),
        regular=fields.flag(),
        ignore_size=fields.flag(),
    )
    fields.skip()  # options
    return request


def _histogram(fields: FieldReader) -> Histogram:
    request_id, contract = fields.identity(), read_dated_contract(fields)
    return Histogram(request_id, contract, fields.flag(), fields.text())


MARKET_READERS: dict[int, Reader[FeedRequest | PastRequest]] = {
    1: plain(_market_data),
    2: with_id(StopMarketData),
    10: plain(_depth),
    11: with_id(StopDepth, after=1),
    20: plain(_historical_data),
    25: with_id(StopHistoricalData),
    50: plain(_real_time_bars),
    51: with_id(StopRealTimeBars),
    59: with_number(MarketDataType),
    87: plain(_head_timestamp),
    88: plain(_histogram),
    89: with_id(StopHistogram, relic=False),
    90: with_id(StopHeadTimestamp, relic=False),
    96: plain(_historical_ticks),
    97: plain(_tick_by_tick),
    98: with_id(StopTickByTick, relic=False),
}
