"""What clients can ask for about the market: its quotes as they come, and what it was. One struct a request."""

from __future__ import annotations

import msgspec

from services.simulator.wire.contracts import Contract

__all__ = [
    "Depth",
    "FeedRequest",
    "HeadTimestamp",
    "Histogram",
    "HistoricalData",
    "HistoricalTicks",
    "MarketData",
    "MarketDataType",
    "PastRequest",
    "RealTimeBars",
    "StopDepth",
    "StopHeadTimestamp",
    "StopHistogram",
    "StopHistoricalData",
    "StopMarketData",
    "StopRealTimeBars",
    "StopTickByTick",
    "TickByTick",
]


class MarketData(msgspec.Struct, frozen=True):
    """Stream the quotes of a contract, or send them once. `generic_ticks` is the client's list as it stands."""

    request_id: int
    contract: Contract
    snapshot: bool
    generic_ticks: str = ""


class StopMarketData(msgspec.Struct, frozen=True):
    """End a stream."""

    request_id: int


class MarketDataType(msgspec.Struct, frozen=True):
    """1 live, 2 frozen, 3 delayed, 4 delayed and frozen."""

    kind: int


class TickByTick(msgspec.Struct, frozen=True):
    """Every single trade or quote. `kind` is Last, AllLast, BidAsk or MidPoint; the last `count` come at once."""

    request_id: int
    contract: Contract
    kind: str
    count: int
    ignore_size: bool


class StopTickByTick(msgspec.Struct, frozen=True):
    """End it."""

    request_id: int


class RealTimeBars(msgspec.Struct, frozen=True):
    """A bar every five seconds. `regular` leaves out what is traded outside regular hours."""

    request_id: int
    contract: Contract
    what: str
    regular: bool


class StopRealTimeBars(msgspec.Struct, frozen=True):
    """End them."""

    request_id: int


class Depth(msgspec.Struct, frozen=True):
    """The book of a contract."""

    request_id: int
    contract: Contract


class StopDepth(msgspec.Struct, frozen=True):
    """End it."""

    request_id: int


class HistoricalData(msgspec.Struct, frozen=True):
    """Bars of the past: `end`, `duration` and `bar_size` as the client spells them.

    `date_format` 2 asks for seconds since the epoch; `keep` for updates of the last bar as the market goes on.
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


class StopHistoricalData(msgspec.Struct, frozen=True):
    """End the updates, or the search."""

    request_id: int


class HeadTimestamp(msgspec.Struct, frozen=True):
    """How far back the data reach."""

    request_id: int
    contract: Contract
    regular: bool
    what: str
    date_format: int


class StopHeadTimestamp(msgspec.Struct, frozen=True):
    """End the search."""

    request_id: int


class HistoricalTicks(msgspec.Struct, frozen=True):
    """Single trades or quotes of the past: `count` from `start` on or up to `end`, as the client spells them."""

    request_id: int
    contract: Contract
    start: str
    end: str
    count: int
    what: str
    regular: bool
    ignore_size: bool


class Histogram(msgspec.Struct, frozen=True):
    """How much was traded at each price."""

    request_id: int
    contract: Contract
    regular: bool
    period: str


class StopHistogram(msgspec.Struct, frozen=True):
    """End the search."""

    request_id: int


FeedRequest = (
    MarketData
    | StopMarketData
    | MarketDataType
    | TickByTick
    | StopTickByTick
    | RealTimeBars
    | StopRealTimeBars
    | Depth
    | StopDepth
)
"""What is answered by the live market."""

PastRequest = (
    HistoricalData
    | StopHistoricalData
    | HeadTimestamp
    | StopHeadTimestamp
    | HistoricalTicks
    | Histogram
    | StopHistogram
)
"""What is answered by the market's past."""
