"""Decodes requests about market data. `decode.py` has the other requests and the entry point."""

from __future__ import annotations

from services.simulator.wire.contracts import read_contract
from services.simulator.wire.fields import FieldReader
from services.simulator.wire.market_requests import (
    DepthRequest,
    HeadTimestampRequest,
    HistogramRequest,
    HistoricalDataRequest,
    HistoricalRequest,
    HistoricalTicksRequest,
    LiveDataRequest,
    MarketDataRequest,
    MarketDataTypeRequest,
    RealTimeBarsRequest,
    StopDepthRequest,
    StopHeadTimestampRequest,
    StopHistogramRequest,
    StopHistoricalDataRequest,
    StopMarketDataRequest,
    StopRealTimeBarsRequest,
    StopTickByTickRequest,
    TickByTickRequest,
)
from services.simulator.wire.readers import Reader, plain, read_combination, read_dated_contract, with_id, with_number

__all__ = ["MARKET_READERS"]


def _market_data(fields: FieldReader) -> MarketDataRequest:
    fields.skip()  # _v
    request_id, contract = fields.identity(), read_contract(fields)
    read_combination(fields, contract)
    if fields.flag():  # delta neutral
        fields.skip(3)
    generic_ticks = fields.text()
    request = MarketDataRequest(request_id, contract, fields.flag(), generic_ticks)
    fields.skip(2)  # regulatory snapshot, options
    return request


def _depth(fields: FieldReader) -> DepthRequest:
    fields.skip()  # _v
    request = DepthRequest(fields.identity(), read_contract(fields))
    fields.skip(3)  # rows, smart, options
    return request


def _real_time_bars(fields: FieldReader) -> RealTimeBarsRequest:
    fields.skip()  # _v
    request_id, contract = fields.identity(), read_contract(fields)
    fields.skip()  # bar size: always five seconds
    request = RealTimeBarsRequest(request_id, contract, fields.text(), fields.flag())
    fields.skip()  # options
    return request


def _tick_by_tick(fields: FieldReader) -> TickByTickRequest:
    return TickByTickRequest(fields.identity(), read_contract(fields), fields.text(), fields.integer(), fields.flag())


def _historical_data(fields: FieldReader) -> HistoricalDataRequest:
    request_id, contract = fields.identity(), read_dated_contract(fields)
    end, bar_size, duration = fields.text(), fields.text(), fields.text()
    regular, what, date_format = fields.flag(), fields.text(), fields.integer(default=1)
    read_combination(fields, contract)
    request = HistoricalDataRequest(
        request_id, contract, end, bar_size, duration, regular, what, date_format, keep=fields.flag()
    )
    fields.skip()  # options
    return request


def _head_timestamp(fields: FieldReader) -> HeadTimestampRequest:
    request_id, contract = fields.identity(), read_dated_contract(fields)
    return HeadTimestampRequest(request_id, contract, fields.flag(), fields.text(), fields.integer(default=1))


def _historical_ticks(fields: FieldReader) -> HistoricalTicksRequest:
    request = HistoricalTicksRequest(
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


def _histogram(fields: FieldReader) -> HistogramRequest:
    request_id, contract = fields.identity(), read_dated_contract(fields)
    return HistogramRequest(request_id, contract, fields.flag(), fields.text())


MARKET_READERS: dict[int, Reader[LiveDataRequest | HistoricalRequest]] = {
    1: plain(_market_data),
    2: with_id(StopMarketDataRequest),
    10: plain(_depth),
    11: with_id(StopDepthRequest, after=1),
    20: plain(_historical_data),
    25: with_id(StopHistoricalDataRequest),
    50: plain(_real_time_bars),
    51: with_id(StopRealTimeBarsRequest),
    59: with_number(MarketDataTypeRequest),
    87: plain(_head_timestamp),
    88: plain(_histogram),
    89: with_id(StopHistogramRequest, relic=False),
    90: with_id(StopHeadTimestampRequest, relic=False),
    96: plain(_historical_ticks),
    97: plain(_tick_by_tick),
    98: with_id(StopTickByTickRequest, relic=False),
}
