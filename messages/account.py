"""What the account is worth, and which of the three links to the broker stand."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["AccountUpdated", "LinkChanged", "PerformanceSnapshot", "ReconciliationDone"]


class AccountUpdated(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The account in USD, by the broker's word. `settled_cash` equals `total_cash` where the broker gives none."""

    account: str
    net_liquidation: float
    total_cash: float
    settled_cash: float
    buying_power: float
    time_ns: int


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


class PerformanceSnapshot(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The close of a session in figures, USD. The bot's own P&L; account figures beside it."""

    date: str
    account_value: float
    cash_value: float
    position_value: float
    unrealized_pnl: float
    realized_pnl: float
    daily_pnl: float
    num_positions: int
    num_trades: int
