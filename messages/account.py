"""The account's values, the links to the broker, and what risk asks the gateway about the book."""

from __future__ import annotations

from typing import Literal

import msgspec

from messages.orders import OrderRecord, PositionUpdated

__all__ = [
    "ROUTES",
    "AccountUpdated",
    "BookTold",
    "LinkChanged",
    "PerformanceSnapshot",
    "ReconciliationDone",
    "RequestBook",
]


class AccountUpdated(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The account's values in USD, as the broker reports them.

    Foreign cash is not counted as cash, even though it could be changed into dollars.

    `net_liquidation` (USD): what the whole account is worth.
    `total_cash` (USD): the cash in dollars.
    `settled_cash` (USD): the part of it that is settled; equal to `total_cash` where the broker reports none.
    `buying_power` (USD): what the broker would let the account buy.
    `time_ns`: when the gateway received them.
    `account_type`: 'cash', 'margin', or '' where the broker does not report it.
    `base_currency`: the currency of the account.
    `usd_rate` (base currency per USD): the exchange rate. None: the broker reports no rate, so no figure here can be
    used.
    `rates`: USD for one unit of each other currency whose rate the broker reports.
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
    """One of the three links to the broker went up or down.

    `link`: 'socket' (this machine to IB Gateway), 'broker' (IB Gateway to the broker), 'data' (the market data farms).
    `up`: True when the link works.
    `detail`: the broker's text, or what the gateway knows about the cause.
    """

    link: Literal["socket", "broker", "data"]
    up: bool
    detail: str


class ReconciliationDone(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The gateway's book agrees with the broker's: trading may begin.

    `open_orders`: how many open orders the broker reported.
    `executions`: how many executions it reported.
    `positions`: how many positions it reported.
    `entries`: the client_order_ids of all live entries; None: not reported.
    `blocked`: the reasons that block entries now, `REASON` for all symbols or `REASON SYMBOL`; None: not reported.
    """

    account: str
    open_orders: int
    executions: int
    positions: int
    entries: tuple[str, ...] | None = None
    blocked: tuple[str, ...] | None = None


class RequestBook(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Risk asks the gateway for all positions and live orders.

    The request follows behind every approval on the same link, so the answer includes what became of each approved
    entry.
    """


class BookTold(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The gateway's answer to `RequestBook`: everything that counts as exposure.

    Positions and orders that are not the bot's are included.

    `reconciled`: True when the book agrees with the broker's.
    `positions`: the account's positions.
    `orders`: the live orders.
    `account`: the account's values; None until the broker has reported them.
    """

    reconciled: bool
    positions: tuple[PositionUpdated, ...]
    orders: tuple[OrderRecord, ...]
    account: AccountUpdated | None


class PerformanceSnapshot(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The figures of a session, taken when it closes.

    P&L is the bot's own, counted since the fleet's records began. The account's figures are those of the whole account.

    `date`: the session's date on the exchange, YYYY-MM-DD.
    `account_value` (USD): the net liquidation value of the account.
    `cash_value` (USD): the account's cash in dollars.
    `position_value` (USD): what the bot's own shares are worth.
    `unrealized_pnl` (USD): of the shares that are still held.
    `realized_pnl` (USD): of the shares that were sold, less commissions.
    `daily_pnl` (USD): how much the bot's P&L changed since the close before.
    `num_positions`: symbols of which the bot owns shares.
    `num_trades`: fills of this session, adopted shares excepted.
    `base_usd`: the amount that this day's return is measured against (`allocation.total_usd_cap`); 0: not recorded.
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


ROUTES: dict[type[msgspec.Struct], str] = {
    AccountUpdated: "gateway -> recorder, risk",
    LinkChanged: "gateway -> recorder, risk, symbol",
    ReconciliationDone: "gateway -> recorder, risk, symbol",
    RequestBook: "risk -> gateway",
    BookTold: "gateway -> risk",
    PerformanceSnapshot: "risk -> recorder",
}
