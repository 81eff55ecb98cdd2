"""The gateway's conversation with the broker, in this project's own terms.

Commands go out to the broker, facts come in. The gateway's edge turns them into calls of the IBKR library and back. In
a backtest the exchange model takes the broker's place. These messages stay inside the gateway process: they are no
rows, and nothing repeats them.
"""

from __future__ import annotations

from typing import get_args

import msgspec

from messages.orders import OrderRecord

__all__ = [
    "ROUTES",
    "BrokerAccount",
    "BrokerClock",
    "BrokerCommission",
    "BrokerContract",
    "BrokerError",
    "BrokerExecution",
    "BrokerMarketRule",
    "BrokerOrder",
    "BrokerPosition",
    "BrokerSnapshot",
    "BrokerUndecoded",
    "CancelOrder",
    "Connected",
    "Disconnected",
    "DiskSpace",
    "FromBroker",
    "LiveConfirmation",
    "PlaceOrder",
    "Qualify",
    "Quote",
    "RequestSnapshot",
    "Resubscribe",
    "SnapshotFailed",
    "StartStreams",
    "Subscribe",
    "ToBroker",
    "UnknownOrderStatus",
]


class PlaceOrder(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Send this order; if it has an `order_id` that the broker knows, change that order to this one.

    `order`: the order to send.
    `transmit`: False makes IB Gateway hold the order until its child order arrives.
    """

    order: OrderRecord
    transmit: bool


class CancelOrder(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Cancel this order."""

    order_id: int
    client_order_id: str


class RequestSnapshot(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Ask the broker for all positions, open orders, completed orders and executions.

    The answer is one `BrokerSnapshot` or one `SnapshotFailed` with the same number. A new question abandons the one
    that is still open.

    `question`: the number of this question.
    """

    question: int = 0


class Subscribe(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Stream the prices of these symbols, and of no others.

    `symbols`: the tickers.
    """

    symbols: tuple[str, ...]


class Qualify(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Ask the broker which contract each subscribed symbol is. The answer is one `BrokerContract` for each of them."""


class StartStreams(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The connection is of the right account: stream its values, and the prices of the symbols subscribed last.

    Until this command arrives on a connection, the edge sends nothing of itself on it.
    """

    account: str


class Connected(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The socket to IB Gateway is open, and the broker has accepted our client id.

    `accounts`: the accounts of this login.
    `next_order_id`: the first order id that is free.
    `client_id`: our API client id.
    """

    accounts: tuple[str, ...]
    next_order_id: int
    client_id: int


class Disconnected(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The socket to IB Gateway is closed.

    `reason`: the cause, for the log.
    """

    reason: str


class BrokerOrder(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """An order as the broker has it now: IBKR's openOrder and orderStatus, merged.

    `client_id`: the API client that placed it.
    `stop_price` (USD per share): IBKR's auxPrice: the trigger of a stop order.
    `status`: IBKR's status.
    `completed_status`: IBKR's text about how the order ended; set only for a completed order.
    `completed_ns`: when it ended; 0: not reported.
    `con_id`: the broker's id of the contract; 0: not reported.
    `sec_type`: IBKR's type of the contract: STK, OPT, FUT, and others.
    `currency`: the currency of its price.
    """

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
    completed_ns: int = 0
    con_id: int = 0
    sec_type: str = "STK"
    currency: str = "USD"


class BrokerExecution(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """One execution: IBKR's execDetails.

    `client_id`: the API client that placed the order.
    `quantity` (shares): how many traded in this execution.
    `time_ns`: when it traded, by the broker, in whole seconds.
    `con_id`: the broker's id of the contract; 0: not reported.
    `sec_type`: IBKR's type of the contract: STK, OPT, FUT, and others.
    `currency`: the currency of its price.
    `time_guessed`: the broker's text of the time could not be read; `time_ns` is the best guess.
    """

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
    con_id: int = 0
    sec_type: str = "STK"
    currency: str = "USD"
    time_guessed: bool = False


class BrokerCommission(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What one execution cost: IBKR's commissionReport."""

    exec_id: str
    commission: float
    currency: str
    realized_usd: float | None


class BrokerPosition(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The account's whole position in a symbol.

    `quantity` (shares): the whole position; below 0 when the account is short.
    `con_id`: the broker's id of the contract; 0: not reported.
    `sec_type`: IBKR's type of the contract: STK, OPT, FUT, and others.
    `currency`: the currency of its price.
    """

    account: str
    symbol: str
    quantity: float
    avg_cost: float
    con_id: int = 0
    sec_type: str = "STK"
    currency: str = "USD"


class BrokerContract(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Which contract a symbol is: the answer to `Qualify`.

    `symbol`: the ticker that was asked for.
    `con_id`: the broker's id of the contract; 0: it knows none, or did not answer.
    `ticker`: the broker's ticker of this contract now; another one if the company changed its name.
    `error`: why there is no contract; '' if there is one.
    `answered`: False: the broker did not answer in time, so nothing can be concluded.
    """

    symbol: str
    con_id: int
    ticker: str = ""
    error: str = ""
    answered: bool = True


class BrokerAccount(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The account's values under the broker's own names.

    `values` (USD): the values in dollars, by name.
    `others`: all other values, as text. A key is the name and, after a blank, the currency if there is one:
    'NetLiquidation EUR', 'TradingType-S'.
    """

    account: str
    values: dict[str, float]
    others: dict[str, str] = {}


class BrokerError(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """An error message of the broker.

    `order_id`: the order that it is about; -1: no order.
    `code`: IBKR's code; below 100 the gateway's own, about the connection.
    `text`: IBKR's text, or the gateway's own.
    """

    order_id: int
    code: int
    text: str


class Quote(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """The newest market of one symbol, from the broker.

    `close` (USD per share): the close of the last session, adjusted for splits; 0 where the broker gives none.
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
    """The price grid of a symbol: how far apart its prices may be."""

    symbol: str
    steps: tuple[tuple[float, float], ...]


class BrokerSnapshot(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The answer to `RequestSnapshot`.

    If a part is missing that must be known, there is no `BrokerSnapshot` but a `SnapshotFailed`: a missing part is not
    an empty one.

    `account`: the account of the configuration; '' if it names none.
    `positions`: all positions of the account.
    `open_orders`: all orders that are open.
    `completed_orders`: orders that ended recently.
    `executions`: the executions that the broker still reports.
    `commissions`: their commissions.
    `question`: the number of the question.
    `missing`: the optional parts that did not come: 'completed_orders'.
    """

    account: str
    positions: tuple[BrokerPosition, ...]
    open_orders: tuple[BrokerOrder, ...]
    completed_orders: tuple[BrokerOrder, ...]
    executions: tuple[BrokerExecution, ...]
    commissions: tuple[BrokerCommission, ...]
    question: int = 0
    missing: tuple[str, ...] = ()


class SnapshotFailed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The answer to `RequestSnapshot` is incomplete, so nothing can be concluded from it.

    `reason`: the cause, for the log.
    `question`: the number of the question.
    """

    reason: str
    question: int = 0


class BrokerClock(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """How far this machine's clock is ahead of the broker's.

    The broker reports whole seconds, so only bounds are known. Negative: this machine is behind.

    `least_s`: it is ahead by at least this.
    `most_s`: it is ahead by at most this.
    `wall_ns`: this machine's clock at the end of the comparison; 0: not reported.
    `steady_ns`: the machine's steady time at that moment (`services/runtime/steady_time.py`).
    """

    least_s: float
    most_s: float
    wall_ns: int = 0
    steady_ns: int = 0


class LiveConfirmation(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The owner's confirmation (`crazy golive`) that this account may be traded live.

    The gateway's shell reads it from a file and reports every change.

    `account`: the confirmed account; '' when there is no confirmation.
    `until_ns`: when the confirmation ends.
    """

    account: str
    until_ns: int


class DiskSpace(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """How much space is left on the disk of the fleet's records.

    The gateway's shell reports it while there is little, and once more when there is enough again.

    `free_mb`: megabytes (10^6 bytes) that are free.
    """

    free_mb: float


class BrokerUndecoded(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A message of the broker that could not be read, in whole or in part. What it is about is in doubt.

    `message`: IBKR's number of the message: 3 orderStatus, 5 openOrder, 11 execution, 61 position, and others.
    `order_id`: the order that it is about; 0: not known.
    `client_order_id`: its orderRef; '': not known.
    `text`: what is wrong with it.
    """

    message: int
    order_id: int
    client_order_id: str
    text: str


class UnknownOrderStatus(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The status of an order that the broker has not described on this connection: ask for its open orders.

    `order_id`: its order id; 0 or below 0 for an order of another client.
    `perm_id`: the broker's number of it.
    `status`: IBKR's status.
    """

    order_id: int
    perm_id: int
    status: str


class Resubscribe(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """End the stream of this symbol's prices and start it again: nothing came for too long."""

    symbol: str


ToBroker = PlaceOrder | CancelOrder | Qualify | RequestSnapshot | Resubscribe | StartStreams | Subscribe

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
    | BrokerContract
    | BrokerMarketRule
    | LiveConfirmation
    | DiskSpace
    | BrokerUndecoded
    | UnknownOrderStatus
)

ROUTES: dict[type[msgspec.Struct], str] = {
    **dict.fromkeys(get_args(ToBroker), "gateway -> broker"),
    **dict.fromkeys(get_args(FromBroker), "broker -> gateway"),
}
