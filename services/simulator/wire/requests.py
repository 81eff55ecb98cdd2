"""What clients can ask for: one struct a request. `decode.py` reads them from the wire.

What is asked about the market stands in `market_requests.py`, what this broker has none of in `other_requests.py`.
"""

from __future__ import annotations

import msgspec

from services.simulator.wire.contracts import Contract
from services.simulator.wire.market_requests import FeedRequest, PastRequest
from services.simulator.wire.other_requests import Other
from services.simulator.wire.place_order import PlaceOrder

__all__ = [
    "AccountRequest",
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
    "MarketRule",
    "MatchingSymbols",
    "NextId",
    "OpenOrders",
    "PlaceOrder",
    "Positions",
    "PositionsMulti",
    "Profit",
    "ProfitSingle",
    "Request",
    "StartApi",
    "StopAccountSummary",
    "StopAccountUpdatesMulti",
    "StopPositions",
    "StopPositionsMulti",
    "StopProfit",
    "StopProfitSingle",
]


class StartApi(msgspec.Struct, frozen=True):
    """The first request of a connection: who it is."""

    client_id: int


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
    """Subscribe to account values under a request id; `account` may be empty, models are not known here."""

    request_id: int
    account: str
    model: str = ""


class StopAccountUpdatesMulti(msgspec.Struct, frozen=True):
    """End it."""

    request_id: int


class AccountSummary(msgspec.Struct, frozen=True):
    """Subscribe to the values that are named, of all accounts (group `All`)."""

    request_id: int
    tags: tuple[str, ...]
    group: str = "All"


class StopAccountSummary(msgspec.Struct, frozen=True):
    """End it."""

    request_id: int


class Positions(msgspec.Struct, frozen=True):
    """Subscribe to positions."""


class StopPositions(msgspec.Struct, frozen=True):
    """End it."""


class PositionsMulti(msgspec.Struct, frozen=True):
    """Subscribe to the positions of one account (or of all, if it is empty) under a request id."""

    request_id: int
    account: str
    model: str = ""


class StopPositionsMulti(msgspec.Struct, frozen=True):
    """End it."""

    request_id: int


class Profit(msgspec.Struct, frozen=True):
    """Subscribe to the profit of an account: of the day, unrealized, realized (`reqPnL`)."""

    request_id: int
    account: str
    model: str = ""


class StopProfit(msgspec.Struct, frozen=True):
    """End it."""

    request_id: int


class ProfitSingle(msgspec.Struct, frozen=True):
    """The same of one position (`reqPnLSingle`)."""

    request_id: int
    account: str
    model: str
    contract_id: int


class StopProfitSingle(msgspec.Struct, frozen=True):
    """End it."""

    request_id: int


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


AccountRequest = (
    AccountUpdates
    | AccountUpdatesMulti
    | StopAccountUpdatesMulti
    | AccountSummary
    | StopAccountSummary
    | Positions
    | StopPositions
    | PositionsMulti
    | StopPositionsMulti
    | Profit
    | StopProfit
    | ProfitSingle
    | StopProfitSingle
)
"""What is answered by the accounts."""

Request = (
    StartApi
    | PlaceOrder
    | CancelOrder
    | GlobalCancel
    | OpenOrders
    | AllOpenOrders
    | AutoOpenOrders
    | CompletedOrders
    | Executions
    | ContractDetails
    | MatchingSymbols
    | MarketRule
    | NextId
    | ManagedAccounts
    | CurrentTime
    | AccountRequest
    | FeedRequest
    | PastRequest
    | Other
)
