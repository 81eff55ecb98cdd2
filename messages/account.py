"""What the account is worth, and which of the three links to the broker stand."""

from __future__ import annotations

from typing import Literal

import msgspec

from messages.orders import OrderRecord, PositionUpdated

__all__ = ["AccountUpdated", "BookTold", "LinkChanged", "PerformanceSnapshot", "ReconciliationDone", "RequestBook"]


class AccountUpdated(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The account in USD, by the broker's word. `settled_cash` equals `total_cash` where the broker gives none.

    Cash is what there is of dollars, not what another currency could be changed into. `account_type` is 'cash',
    'margin', or '' where the broker does not say. `usd_rate` is what a dollar is worth in the account's
    `base_currency`; None when the broker told no rate: then no figure can be trusted. `rates`: dollars for one unit of
    each other currency, as far as the broker told them.
    """

    account: str
    net_liquidation: float
    total_cash: float
    settled_cash: float
    buying_power: float
    time_ns: int
    account_type: str = ""
    base_currency: str = "USD"
    usd_rate: float | None = 1.0
    rates: dict[str, float] = {}


class LinkChanged(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """One of the three links changed: the socket to the gateway, the gateway's link to the broker, the data farms."""

    link: Literal["socket", "broker", "data"]
    up: bool
    detail: str


class ReconciliationDone(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The gateway's book agrees with the broker's: trading may begin. Counts of what the broker reported."""

    account: str
    open_orders: int
    executions: int
    positions: int


class RequestBook(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Question, risk to gateway: what is held, what is ordered?

    It comes behind every approval, so the answer knows what became of each.
    """


class BookTold(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Answer, gateway to risk: all that counts as exposure, foreign positions and orders included.

    `orders` are the live ones; `account` is None while the broker has not told its values; `reconciled`: the book
    agrees with the broker's.
    """

    reconciled: bool
    positions: tuple[PositionUpdated, ...]
    orders: tuple[OrderRecord, ...]
    account: AccountUpdated | None


class PerformanceSnapshot(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The close of a session in figures, USD. The bot's own P&L; account figures beside it.

    `base_usd` is what returns of this day are measured against (`allocation.total_usd_cap`); 0: not told.
    """

    date: str
    account_value: float
    cash_value: float
    position_value: float
    unrealized_pnl: float
    realized_pnl: float
    daily_pnl: float
    num_positions: int
    num_trades: int
    base_usd: float = 0.0
