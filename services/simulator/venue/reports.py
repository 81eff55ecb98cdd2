"""The exchange's reports: of orders, executions, accounts, the market. Data only.

The server turns reports into TWS messages; the backtest turns the same reports into broker messages.
"""

from __future__ import annotations

import msgspec

from services.simulator.venue.orders import Execution, Order

__all__ = [
    "AccountReport",
    "CommissionReport",
    "ErrorReport",
    "ExecutionReport",
    "OpenOrderReport",
    "OrderReport",
    "PnlReport",
    "PositionReport",
    "QuoteReport",
    "Report",
    "StatusReport",
]


class OrderReport(msgspec.Struct, frozen=True, tag=True):
    """The order changed: openOrder followed by orderStatus. Holds a copy of the order."""

    order: Order


class OpenOrderReport(msgspec.Struct, frozen=True, tag=True):
    """openOrder alone, without orderStatus."""

    order: Order


class StatusReport(msgspec.Struct, frozen=True, tag=True):
    """orderStatus alone (the end of a cancel has no openOrder)."""

    order: Order


class ExecutionReport(msgspec.Struct, frozen=True, tag=True):
    """execDetails."""

    execution: Execution


class CommissionReport(msgspec.Struct, frozen=True, tag=True):
    """commissionReport; `realized_pnl` is None for an opening execution."""

    exec_id: str
    client_id: int
    commission: float
    currency: str = "USD"
    realized_pnl: float | None = None


class PositionReport(msgspec.Struct, frozen=True, tag=True):
    """The account's position in one symbol after a change (signed shares, average cost per share)."""

    account: str
    symbol: str
    quantity: float
    avg_cost: float
    market_price: float = 0.0
    realized_pnl: float = 0.0


class AccountReport(msgspec.Struct, frozen=True, tag=True):
    """Account values after a change, by IBKR's key names (NetLiquidation, TotalCashValue).

    `values` are of the whole account, in its base `currency`. `ledgers` has the values of each currency, in that
    currency (CashBalance, ExchangeRate), and those of all together under 'BASE', in the base currency.
    """

    account: str
    values: dict[str, float]
    ledgers: dict[str, dict[str, float]] = {}
    currency: str = "USD"
    kind: str = "margin"


class PnlReport(msgspec.Struct, frozen=True, kw_only=True):
    """Profit in dollars: daily, unrealized, realized; shares and their value.

    For a whole account `quantity` is 0.
    """

    daily: float
    unrealized: float
    realized: float
    quantity: float
    value: float


class QuoteReport(msgspec.Struct, frozen=True, tag=True):
    """One symbol's market after an event. `last_time_s` is the second of the last trade.

    `time_ns` is the event's time and `traded` tells whether it was (also) a trade. `vwap` is that of the session.
    """

    symbol: str
    last: float | None
    last_size: int
    last_time_s: int
    bid: float | None
    ask: float | None
    bid_size: int
    ask_size: int
    open: float | None
    high: float | None
    low: float | None
    prev_close: float | None
    volume: int
    halted: bool = False
    time_ns: int = 0
    traded: bool = False
    vwap: float | None = None


class ErrorReport(msgspec.Struct, frozen=True, tag=True):
    """An error message for one client; `order_id` -1 concerns no order."""

    client_id: int
    order_id: int
    code: int
    text: str


Report = (
    OrderReport
    | OpenOrderReport
    | StatusReport
    | ExecutionReport
    | CommissionReport
    | PositionReport
    | AccountReport
    | QuoteReport
    | ErrorReport
)
