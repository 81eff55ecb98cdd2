"""Requests for live and historical market data: one struct per request."""

from __future__ import annotations

import msgspec

from services.simulator.wire.contracts import Contract

__all__ = [
    "DepthRequest",
    "HeadTimestampRequest",
    "HistogramRequest",
    "HistoricalDataRequest",
    "HistoricalRequest",
    "HistoricalTicksRequest",
    "LiveDataRequest",
    "MarketDataRequest",
    "MarketDataTypeRequest",
    "RealTimeBarsRequest",
    "StopDepthRequest",
    "StopHeadTimestampRequest",
    "StopHistogramRequest",
    "StopHistoricalDataRequest",
    "StopMarketDataRequest",
    "StopRealTimeBarsRequest",
    "StopTickByTickRequest",
    "TickByTickRequest",
]


class MarketDataRequest(msgspec.Struct, frozen=True):
    """Stream the quotes of a contract, or send them once. `generic_ticks` is the client's list as sent."""

    request_id: int
    contract: Contract
    snapshot: bool
    generic_ticks: str = ""


class StopMarketDataRequest(msgspec.Struct, frozen=True):
    """End a stream."""

    request_id: int


class MarketDataTypeRequest(msgspec.Struct, frozen=True):
    """1 live, 2 frozen, 3 delayed, 4 delayed and frozen."""

    kind: int


class TickByTickRequest(msgspec.Struct, frozen=True):
    """Every single trade or quote. `kind` is Last, AllLast, BidAsk or MidPoint; the last `count` ticks come first."""

    request_id: int
    contract: Contract
    kind: str
    count: int
    ignore_size: bool


class StopTickByTickRequest(msgspec.Struct, frozen=True):
    """End it."""

    request_id: int


class RealTimeBarsRequest(msgspec.Struct, frozen=True):
    """A bar every five seconds. `regular`: only regular hours."""

    request_id: int
    contract: Contract
    what: str
    regular: bool


class StopRealTimeBarsRequest(msgspec.Struct, frozen=True):
    """End them."""

    request_id: int


class DepthRequest(msgspec.Struct, frozen=True):
    """The book of a contract."""

    request_id: int
    contract: Contract


class StopDepthRequest(msgspec.Struct, frozen=True):
    """End it."""

    request_id: int


class HistoricalDataRequest(msgspec.Struct, frozen=True):
    """Bars of the past: `end`, `duration` and `bar_size` as the client sends them.

    `date_format` 2: seconds since the epoch. `keep`: updates of the last bar (`keepUpToDate`).
    """

    request_id: int
    contract: Contract
    end: str
    bar_size: str
    duration: str
    regular: bool
    what: str
    date_format: int
    keep: bool


class StopHistoricalDataRequest(msgspec.Struct, frozen=True):
    """End the updates, or the search."""

    request_id: int


class HeadTimestampRequest(msgspec.Struct, frozen=True):
    """How far back the data reach."""

    request_id: int
    contract: Contract
    regular: bool
    what: str
    date_format: int


class StopHeadTimestampRequest(msgspec.Struct, frozen=True):
    """End the search."""

    request_id: int


class HistoricalTicksRequest(msgspec.Struct, frozen=True):
    """Single trades or quotes of the past: `count` from `start` on or up to `end`, as the client sends them."""

    request_id: int
    contract: Contract
    start: str
    end: str
    count: int
    what: str
    regular: bool
    ignore_size: bool


class HistogramRequest(msgspec.Struct, frozen=True):
    """How much was traded at each price."""

    request_id: int
    contract: Contract
    regular: bool
    period: str


class StopHistogramRequest(msgspec.Struct, frozen=True):
    """End the search."""

    request_id: int


LiveDataRequest = (
    MarketDataRequest
    | StopMarketDataRequest
    | MarketDataTypeRequest
    | TickByTickRequest
    | StopTickByTickRequest
    | RealTimeBarsRequest
    | StopRealTimeBarsRequest
    | DepthRequest
    | StopDepthRequest
)
"""Requests that `live_data.py` answers."""

HistoricalRequest = (
    HistoricalDataRequest
    | StopHistoricalDataRequest
    | HeadTimestampRequest
    | StopHeadTimestampRequest
    | HistoricalTicksRequest
    | HistogramRequest
    | StopHistogramRequest
)
"""Requests that `historical_data.py` answers."""
