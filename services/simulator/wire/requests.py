"""Requests of clients: one struct per request. `decode.py` reads them from the wire.

`market_requests.py` has those for market data, `unsupported_requests.py` those that this broker does not support.
"""

from __future__ import annotations

import msgspec

from services.simulator.wire.contracts import Contract
from services.simulator.wire.market_requests import HistoricalRequest, LiveDataRequest
from services.simulator.wire.place_order import PlaceOrderRequest
from services.simulator.wire.unsupported_requests import UnsupportedRequest

__all__ = [
    "AccountRequest",
    "AccountSummaryRequest",
    "AccountUpdatesMultiRequest",
    "AccountUpdatesRequest",
    "AllOpenOrdersRequest",
    "AutoOpenOrdersRequest",
    "CancelOrderRequest",
    "CompletedOrdersRequest",
    "ContractDetailsRequest",
    "CurrentTimeRequest",
    "ExecutionsRequest",
    "GlobalCancelRequest",
    "ManagedAccountsRequest",
    "MarketRuleRequest",
    "MatchingSymbolsRequest",
    "NextIdRequest",
    "OpenOrdersRequest",
    "PlaceOrderRequest",
    "PositionsMultiRequest",
    "PositionsRequest",
    "ProfitRequest",
    "ProfitSingleRequest",
    "Request",
    "StartApiRequest",
    "StopAccountSummaryRequest",
    "StopAccountUpdatesMultiRequest",
    "StopPositionsMultiRequest",
    "StopPositionsRequest",
    "StopProfitRequest",
    "StopProfitSingleRequest",
    "name_of",
]


class StartApiRequest(msgspec.Struct, frozen=True):
    """The first request of a connection, with its client id."""

    client_id: int


class CancelOrderRequest(msgspec.Struct, frozen=True):
    """Cancel one of the client's own orders."""

    order_id: int


class GlobalCancelRequest(msgspec.Struct, frozen=True):
    """Cancel every open order of all clients."""


class OpenOrdersRequest(msgspec.Struct, frozen=True):
    """The client's own open orders."""


class AllOpenOrdersRequest(msgspec.Struct, frozen=True):
    """The open orders of all clients."""


class AutoOpenOrdersRequest(msgspec.Struct, frozen=True):
    """Bind new manual orders to client 0."""

    bind: bool


class CompletedOrdersRequest(msgspec.Struct, frozen=True):
    """Orders that are done; `api_only` leaves out manual orders."""

    api_only: bool


class ExecutionsRequest(msgspec.Struct, frozen=True):
    """Executions that match the filter; empty, 0 or None matches everything."""

    request_id: int
    client_id: int = 0
    account: str = ""
    since_ns: int | None = None
    symbol: str = ""
    security_type: str = ""
    exchange: str = ""
    side: str = ""


class AccountUpdatesRequest(msgspec.Struct, frozen=True):
    """Subscribe to account values and portfolio, or stop."""

    subscribe: bool
    account: str


class AccountUpdatesMultiRequest(msgspec.Struct, frozen=True):
    """Subscribe to account values under a request id; `account` may be empty, models are not supported."""

    request_id: int
    account: str
    model: str = ""


class StopAccountUpdatesMultiRequest(msgspec.Struct, frozen=True):
    """End it."""

    request_id: int


class AccountSummaryRequest(msgspec.Struct, frozen=True):
    """Subscribe to the named values of all accounts (group `All`)."""

    request_id: int
    tags: tuple[str, ...]
    group: str = "All"


class StopAccountSummaryRequest(msgspec.Struct, frozen=True):
    """End it."""

    request_id: int


class PositionsRequest(msgspec.Struct, frozen=True):
    """Subscribe to positions."""


class StopPositionsRequest(msgspec.Struct, frozen=True):
    """End it."""


class PositionsMultiRequest(msgspec.Struct, frozen=True):
    """Subscribe to the positions of one account (or of all, if it is empty) under a request id."""

    request_id: int
    account: str
    model: str = ""


class StopPositionsMultiRequest(msgspec.Struct, frozen=True):
    """End it."""

    request_id: int


class ProfitRequest(msgspec.Struct, frozen=True):
    """Subscribe to the profit of an account: of the day, unrealized, realized (`reqPnL`)."""

    request_id: int
    account: str
    model: str = ""


class StopProfitRequest(msgspec.Struct, frozen=True):
    """End it."""

    request_id: int


class ProfitSingleRequest(msgspec.Struct, frozen=True):
    """The same of one position (`reqPnLSingle`)."""

    request_id: int
    account: str
    model: str
    contract_id: int


class StopProfitSingleRequest(msgspec.Struct, frozen=True):
    """End it."""

    request_id: int


class ContractDetailsRequest(msgspec.Struct, frozen=True):
    """The details of a contract."""

    request_id: int
    contract: Contract


class MatchingSymbolsRequest(msgspec.Struct, frozen=True):
    """Search for symbols."""

    request_id: int
    pattern: str


class MarketRuleRequest(msgspec.Struct, frozen=True):
    """The price increments of a rule."""

    rule_id: int


class NextIdRequest(msgspec.Struct, frozen=True):
    """The next order id."""


class ManagedAccountsRequest(msgspec.Struct, frozen=True):
    """The accounts of the login."""


class CurrentTimeRequest(msgspec.Struct, frozen=True):
    """The gateway's time."""


AccountRequest = (
    AccountUpdatesRequest
    | AccountUpdatesMultiRequest
    | StopAccountUpdatesMultiRequest
    | AccountSummaryRequest
    | StopAccountSummaryRequest
    | PositionsRequest
    | StopPositionsRequest
    | PositionsMultiRequest
    | StopPositionsMultiRequest
    | ProfitRequest
    | StopProfitRequest
    | ProfitSingleRequest
    | StopProfitSingleRequest
)
"""Requests that `accounts.py` answers."""

Request = (
    StartApiRequest
    | PlaceOrderRequest
    | CancelOrderRequest
    | GlobalCancelRequest
    | OpenOrdersRequest
    | AllOpenOrdersRequest
    | AutoOpenOrdersRequest
    | CompletedOrdersRequest
    | ExecutionsRequest
    | ContractDetailsRequest
    | MatchingSymbolsRequest
    | MarketRuleRequest
    | NextIdRequest
    | ManagedAccountsRequest
    | CurrentTimeRequest
    | AccountRequest
    | LiveDataRequest
    | HistoricalRequest
    | UnsupportedRequest
)


def name_of(request: Request) -> str:
    """The name of a request without its suffix: `PlaceOrder` for a `PlaceOrderRequest`."""
    return type(request).__name__.removesuffix("Request")
