"""What clients can ask for: one struct a request. `decode.py` reads them from the wire."""

from __future__ import annotations

import msgspec

from services.simulator.contracts import Contract
from services.simulator.place_order import PlaceOrder

__all__ = [
    "AccountSummary",
    "AccountUpdates",
    "AccountUpdatesMulti",
    "AllOpenOrders",
    "AutoOpenOrders",
    "CancelOrder",
    "CompletedOrders",
    "ContractDetails",
    "CurrentTime",
    "Executions",
    "GlobalCancel",
    "ManagedAccounts",
    "MarketData",
    "MarketDataType",
    "MarketRule",
    "MatchingSymbols",
    "NextId",
    "NotSimulated",
    "OpenOrders",
    "PlaceOrder",
    "Positions",
    "Request",
    "StartApi",
    "StopAccountSummary",
    "StopAccountUpdatesMulti",
    "StopMarketData",
    "StopPositions",
]


class StartApi(msgspec.Struct, frozen=True):
    """The first request of a connection: who it is."""

    client_id: int


class MarketData(msgspec.Struct, frozen=True):
    """Stream the quotes of a contract, or send them once."""

    request_id: int
    contract: Contract
    snapshot: bool


class StopMarketData(msgspec.Struct, frozen=True):
    """End a stream."""

    request_id: int


class MarketDataType(msgspec.Struct, frozen=True):
    """1 live, 2 frozen, 3 delayed, 4 delayed and frozen."""

    kind: int


class CancelOrder(msgspec.Struct, frozen=True):
    """Cancel one of the client's own orders."""

    order_id: int


class GlobalCancel(msgspec.Struct, frozen=True):
    """Cancel every open order of the account, whoever placed it."""


class OpenOrders(msgspec.Struct, frozen=True):
    """The client's own open orders."""


class AllOpenOrders(msgspec.Struct, frozen=True):
    """Everybody's open orders."""


class AutoOpenOrders(msgspec.Struct, frozen=True):
    """Bind the orders that a person enters to client 0."""

    bind: bool


class CompletedOrders(msgspec.Struct, frozen=True):
    """Orders that are done; `api_only` leaves out those that a person entered."""

    api_only: bool


class Executions(msgspec.Struct, frozen=True):
    """Executions that pass the filter; empty, 0 or None lets everything pass."""

    request_id: int
    client_id: int = 0
    account: str = ""
    since_ns: int | None = None
    symbol: str = ""
    security_type: str = ""
    exchange: str = ""
    side: str = ""


class AccountUpdates(msgspec.Struct, frozen=True):
    """Subscribe to account values and portfolio, or stop."""

    subscribe: bool
    account: str


class AccountUpdatesMulti(msgspec.Struct, frozen=True):
    """Subscribe to account values under a request id."""

    request_id: int
    account: str


class StopAccountUpdatesMulti(msgspec.Struct, frozen=True):
    """End it."""

    request_id: int


class AccountSummary(msgspec.Struct, frozen=True):
    """Subscribe to the values that are named."""

    request_id: int
    tags: tuple[str, ...]


class StopAccountSummary(msgspec.Struct, frozen=True):
    """End it."""

    request_id: int


class Positions(msgspec.Struct, frozen=True):
    """Subscribe to positions."""


class StopPositions(msgspec.Struct, frozen=True):
    """End it."""


class ContractDetails(msgspec.Struct, frozen=True):
    """What is known about a contract."""

    request_id: int
    contract: Contract


class MatchingSymbols(msgspec.Struct, frozen=True):
    """Search for symbols."""

    request_id: int
    pattern: str


class MarketRule(msgspec.Struct, frozen=True):
    """The price increments of a rule."""

    rule_id: int


class NextId(msgspec.Struct, frozen=True):
    """The next order id."""


class ManagedAccounts(msgspec.Struct, frozen=True):
    """The accounts of the login."""


class CurrentTime(msgspec.Struct, frozen=True):
    """The gateway's time."""


class NotSimulated(msgspec.Struct, frozen=True):
    """A request that was understood and that this gateway doesn't serve yet."""

    what: str
    request_id: int = -1


Request = (
    StartApi
    | MarketData
    | StopMarketData
    | MarketDataType
    | PlaceOrder
    | CancelOrder
    | GlobalCancel
    | OpenOrders
    | AllOpenOrders
    | AutoOpenOrders
    | CompletedOrders
    | Executions
    | AccountUpdates
    | AccountUpdatesMulti
    | StopAccountUpdatesMulti
    | AccountSummary
    | StopAccountSummary
    | Positions
    | StopPositions
    | ContractDetails
    | MatchingSymbols
    | MarketRule
    | NextId
    | ManagedAccounts
    | CurrentTime
    | NotSimulated
)
