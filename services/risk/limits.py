"""What an entry may cost: pure sums over holdings, orders, reservations and the account.

The exposure of a symbol is what is held, at the larger of cost and market value, own and foreign shares alike, and what
foreign orders may still add. What is reserved for live entries is added to it. Nothing here approves: `first_limit`
returns the first limit that an entry would exceed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from messages.entries import EntryPlan
from messages.orders import OrderRecord
from services.configuration.settings import Settings

__all__ = [
    "MARK_STEP",
    "AccountRecord",
    "Denied",
    "ForeignOrder",
    "FoundEntry",
    "Holding",
    "LastMark",
    "Mark",
    "Reservation",
    "Reserved",
    "cap_usd",
    "commission",
    "exposure_of",
    "exposures",
    "first_limit",
    "worst_cost",
    "worst_price",
]

MARK_STEP = 0.002
"""A price that moved by less than this part of itself is not written to the ledger."""

COMMISSION_PER_SHARE, COMMISSION_MINIMUM = 0.005, 1.0
"""IBKR's fixed US schedule, in dollars. IBKR's maximum of 1 % of the trade could only lower it."""


class Holding(msgspec.Struct, frozen=True):
    """What is held of a symbol: the bot's own shares and their cost, and all shares of the account."""

    symbol: str
    own: float = 0.0
    cost_usd: float = 0.0
    account: float = 0.0
    avg_cost: float = 0.0

    @property
    def key(self) -> str:
        return self.symbol

    @property
    def foreign(self) -> float:
        """Shares that are not the bot's: what the account has beyond own shares, or what it is short.

        If the account has fewer shares than the bot, its report is late or disputed.
        """
        return max(0.0, self.account - max(0.0, self.own)) + max(0.0, -self.account)


class ForeignOrder(msgspec.Struct, frozen=True):
    """A live order that is not ours. `price` is its limit, else its trigger, 0 if it has neither."""

    order_key: str
    symbol: str
    side: str
    remaining: float
    price: float

    @property
    def key(self) -> str:
        return self.order_key

    @classmethod
    def of(cls, order: OrderRecord) -> ForeignOrder:
        """The part of an order that may still trade."""
        price = order.limit_price or order.stop_price or 0.0
        return cls(order.client_order_id, order.symbol, order.side, max(0.0, order.remaining), price)


class Reservation(msgspec.Struct, frozen=True):
    """Money reserved for an approved entry, at the worst price at which it can fill."""

    client_order_id: str
    symbol: str
    quantity: float
    leaves: float
    usd_per_share: float
    usd: float

    @property
    def key(self) -> str:
        return self.client_order_id


class FoundEntry(msgspec.Struct, frozen=True):
    """Money that a live entry of the gateway's book may still cost, and for which nothing was reserved.

    Risk's records were lost, or two orders are live where one was approved. It is a fact: no constraint of the ledger
    may refuse it.
    """

    client_order_id: str
    symbol: str
    quantity: float
    leaves: float
    usd_per_share: float
    usd: float

    @property
    def key(self) -> str:
        return self.client_order_id


Reserved = Reservation | FoundEntry


class AccountRecord(msgspec.Struct, frozen=True):
    """The account by the broker's last report, in dollars. Entry fills since then have lowered the cash.

    `settled_cash` is None if the broker reports none. `usd_rate` is None if a foreign base currency has no rate.
    `rates`: dollars for one unit of other currencies.
    """

    account: str
    net_liquidation: float
    total_cash: float
    settled_cash: float | None = None
    account_type: str = ""
    base_currency: str = "USD"
    usd_rate: float | None = 1.0
    rates: dict[str, float] = {}

    @property
    def key(self) -> str:
        return "account"

    @property
    def spendable(self) -> float:
        """Settled cash in a cash account, all cash in a margin account, the smaller one if the type is unknown."""
        settled = self.total_cash if self.settled_cash is None else self.settled_cash
        match self.account_type:
            case "margin":
                return self.total_cash
            case "cash":
                return settled
            case _:
                return min(settled, self.total_cash)


class Mark(msgspec.Struct, frozen=True, gc=False):
    """The newest price of a symbol. In memory only; `LastMark` is what a restart knows of it."""

    volatile: ClassVar[bool] = True

    symbol: str
    price: float

    @property
    def key(self) -> str:
        return self.symbol


class LastMark(msgspec.Struct, frozen=True):
    """The newest price of a symbol that is held, as the ledger knows it: within `MARK_STEP` of the true one."""

    symbol: str
    price: float

    @property
    def key(self) -> str:
        return self.symbol


class Denied(msgspec.Struct, frozen=True):
    """Why an entry is denied: the reason code with its figures."""

    reason: str
    figures: dict[str, float] = {}


def commission(quantity: float) -> float:
    """The most that the commission of one order can be, in dollars."""
    return max(COMMISSION_MINIMUM, COMMISSION_PER_SHARE * quantity)


def worst_price(limit_price: float | None, stop_price: float | None, settings: Settings) -> float:
    """The highest price at which an entry can fill: its limit, or its trigger plus the assumed slippage."""
    return limit_price or (stop_price or 0.0) * (1 + settings.risk.stop_slippage_pct / 100)


def worst_cost(plan: EntryPlan, settings: Settings) -> tuple[float, float]:
    """(dollars per share, dollars in all) of an entry at its worst price, with commission."""
    price = worst_price(plan.limit_price, plan.stop_price, settings)
    total = price * plan.quantity + commission(plan.quantity)
    return total / plan.quantity, total


def cap_usd(settings: Settings) -> float:
    """The most exposure of all symbols together, in dollars: the smaller of the two caps."""
    return min(settings.allocation.total_usd_cap, settings.risk.max_total_exposure_usd)


def exposure_of(holding: Holding, mark: float | None) -> float:
    """Dollars at the larger of cost and market value."""
    own = max(holding.cost_usd, holding.own * (mark or 0.0))
    foreign = holding.foreign * max(holding.avg_cost, mark or 0.0)
    return own + foreign


def exposures(
    holdings: Mapping[str, Holding], foreign: Mapping[str, ForeignOrder], marks: Mapping[str, Mark]
) -> dict[str, float]:
    """Dollars per symbol: what is held, and what foreign orders may add to it.

    A foreign sale adds only what it would sell beyond the account's shares, which would be a short position.
    """
    found = {}
    for symbol, holding in holdings.items():
        found[symbol] = exposure_of(holding, marks[symbol].price if symbol in marks else None)
    sold: dict[str, float] = {}
    for order in foreign.values():
        symbol, shares = order.symbol, order.remaining
        mark = marks[symbol].price if symbol in marks else 0.0
        if order.side == "SELL":
            held = max(0.0, holdings[symbol].account) if symbol in holdings else 0.0
            before = sold.get(symbol, 0.0)
            sold[symbol] = before + shares
            shares = max(0.0, before + shares - held) - max(0.0, before - held)
        found[symbol] = found.get(symbol, 0.0) + shares * max(order.price, mark)
    return found


def first_limit(
    plan: EntryPlan,
    usd: float,
    exposed: Mapping[str, float],
    reservations: Mapping[str, Reserved],
    account: AccountRecord,
    settings: Settings,
) -> Denied | None:
    """The first limit that this entry would exceed; None when it fits. `exposed`: see `exposures`."""
    reserved = sum(r.usd for r in reservations.values())
    of_symbol = exposed.get(plan.symbol, 0.0) + sum(r.usd for r in reservations.values() if r.symbol == plan.symbol)
    limit = settings.risk.max_symbol_exposure_usd
    if of_symbol + usd > limit:
        return Denied(
            "symbol_exposure_exceeded",
            {"exposure_usd": round(of_symbol, 2), "entry_usd": round(usd, 2), "limit_usd": limit},
        )
    total = sum(exposed.values()) + reserved
    limit = cap_usd(settings)
    if total + usd > limit:
        return Denied(
            "exposure_limit_exceeded", {"exposure_usd": round(total, 2), "entry_usd": round(usd, 2), "limit_usd": limit}
        )
    return _cash_limit(usd, reserved, account, settings)


def _cash_limit(usd: float, reserved: float, account: AccountRecord, settings: Settings) -> Denied | None:
    """Entries borrow nothing and leave the reserve. Without a rate to dollars nothing can be compared."""
    if account.usd_rate is None:
        return Denied("no_exchange_rate")
    if account.total_cash < 0:
        return Denied("negative_cash", {"cash_usd": round(account.total_cash, 2)})
    left = account.spendable - reserved - usd
    reserve = account.net_liquidation * settings.allocation.min_cash_reserve_percent / 100
    if left < reserve:
        return Denied("cash_reserve", {"cash_left_usd": round(left, 2), "reserve_usd": round(reserve, 2)})
    return None
