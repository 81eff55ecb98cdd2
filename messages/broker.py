"""The gateway's conversation with the broker, in this project's words.

The broker is a peer of the gateway's core: commands go out, facts come in. The edge (`gateway/ibkr/connection.py`)
turns them into the IBKR library's calls and back; the backtest turns the same facts out of the exchange model.
"""

from __future__ import annotations

import msgspec

from messages.orders import OrderRecord

__all__ = [
    "BrokerAccount",
    "BrokerClock",
    "BrokerCommission",
    "BrokerError",
    "BrokerExecution",
    "BrokerMarketRule",
    "BrokerOrder",
    "BrokerPosition",
    "BrokerSnapshot",
    "CancelOrder",
    "Connected",
    "Disconnected",
    "DiskSpace",
    "FromBroker",
    "LiveConfirmation",
    "PlaceOrder",
    "Quote",
    "RequestSnapshot",
    "SnapshotFailed",
    "Subscribe",
    "ToBroker",
]


class PlaceOrder(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Send this order (or, with a known order id, change it to this). `transmit` False holds it for its child."""

    order: OrderRecord
    transmit: bool


class CancelOrder(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Take this order back."""

    order_id: int
    client_order_id: str


class RequestSnapshot(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Ask for positions, all open orders, completed orders and executions.

    Answered by one `BrokerSnapshot` or `SnapshotFailed`.
    """


class Subscribe(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Stream the prices of these symbols, and of no others."""

    symbols: tuple[str, ...]


ToBroker = PlaceOrder | CancelOrder | RequestSnapshot | Subscribe


class Connected(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The socket stands and the client id is ours. `run` counts the connections of this process."""

    accounts: tuple[str, ...]
    next_order_id: int
    client_id: int


class Disconnected(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The socket is gone."""

    reason: str


class BrokerOrder(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """openOrder and orderStatus, merged: the order as the broker has it now. `final_only` marks a completed order."""

    client_order_id: str
    order_id: int
    perm_id: int
    client_id: int
    symbol: str
    side: str
    order_type: str
    quantity: float
    status: str
    why_held: str
    filled: float
    avg_price: float
    parent_id: int
    limit_price: float | None
    stop_price: float | None
    trailing_pct: float | None
    trail_stop_price: float | None
    tif: str
    account: str
    oca_group: str
    oca_type: int
    completed_status: str = ""
    limit_offset: float | None = None


class BrokerExecution(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """execDetails. `time_ns` in whole seconds."""

    exec_id: str
    client_order_id: str
    order_id: int
    perm_id: int
    client_id: int
    symbol: str
    side: str
    quantity: float
    price: float
    cum_quantity: float
    avg_price: float
    account: str
    time_ns: int


class BrokerCommission(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """commissionReport; `realized_usd` is None for an opening execution."""

    exec_id: str
    commission: float
    currency: str
    realized_usd: float | None


class BrokerPosition(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The account's whole position in a symbol: signed shares, average cost per share."""

    account: str
    symbol: str
    quantity: float
    avg_cost: float


class BrokerAccount(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The account's values, by the broker's own keys: `values` in USD, `others` as they were told.

    A key of `others` is the name and, after a blank, the currency, if it has one: 'NetLiquidation EUR',
    'TradingType-S'.
    """

    account: str
    values: dict[str, float]
    others: dict[str, str] = {}


class BrokerError(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """An error message; `order_id` -1 concerns no order."""

    order_id: int
    code: int
    text: str


class Quote(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """A symbol's market as last heard; `last_ns` is the last trade's own time. A side that is not there is 0.

    `close` is the last session's, adjusted for splits; 0 where the broker gives none. `refused` is the code with which
    the broker refuses the symbol's prices, 0 as long as they come.
    """

    symbol: str
    last: float
    last_ns: int
    bid: float
    ask: float
    halted: bool = False
    delayed: bool = False
    close: float = 0.0
    refused: int = 0


class BrokerMarketRule(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The price grid of a symbol: (from this price on, increment), lowest first."""

    symbol: str
    steps: tuple[tuple[float, float], ...]


class BrokerSnapshot(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Every answer arrived. A missing answer is not an empty answer: then it is `SnapshotFailed`."""

    account: str
    positions: tuple[BrokerPosition, ...]
    open_orders: tuple[BrokerOrder, ...]
    completed_orders: tuple[BrokerOrder, ...]
    executions: tuple[BrokerExecution, ...]
    commissions: tuple[BrokerCommission, ...]


class SnapshotFailed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Not every answer arrived; nothing may be concluded."""

    reason: str


class BrokerClock(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """How far this machine's clock is ahead of the broker's: at least, and at most, in seconds (negative: behind).

    The broker tells whole seconds, so the truth lies between.
    """

    least_s: float
    most_s: float


class LiveConfirmation(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The owner's word that this account may be traded live, until then; account '' when there is none."""

    account: str
    until_ns: int


class DiskSpace(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """How much room is left where the fleet's records lie, in MB; told while it is little, and once when it is not."""

    free_mb: float


FromBroker = (
    Connected
    | Disconnected
    | BrokerOrder
    | BrokerExecution
    | BrokerCommission
    | BrokerPosition
    | BrokerAccount
    | BrokerError
    | Quote
    | BrokerSnapshot
    | SnapshotFailed
    | BrokerClock
    | BrokerMarketRule
    | LiveConfirmation
    | DiskSpace
)
