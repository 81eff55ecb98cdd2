"""What an entry may cost: pure sums over holdings, reservations and the account.

Exposure of a symbol is what is held at the larger of cost and market value, the bot's own and foreign shares alike,
plus what is reserved for entries under way. Nothing here approves: it returns the first limit that speaks against.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from messages.entries import EntryPlan
from services.settings import Settings

__all__ = ["AccountRecord", "Denied", "Holding", "Mark", "Reservation", "exposure_of", "first_limit", "worst_cost"]

COMMISSION_PER_SHARE, COMMISSION_MINIMUM = 0.005, 1.0
"""IBKR's fixed US schedule; the maximum of 1 % of the trade only lowers it."""


class Holding(msgspec.Struct, frozen=True):
    """What is held of a symbol: the bot's own shares and their cost, and all that the account has."""

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
        """Shares that are not the bot's: what the account has beyond them, or is short.

        An account that has less is late or disputed.
        """
        return max(0.0, self.account - max(0.0, self.own)) + max(0.0, -self.account)


class Reservation(msgspec.Struct, frozen=True):
    """Money set aside for an approved entry, at the worst price that it can fill at."""

    client_order_id: str
    symbol: str
    quantity: float
    leaves: float
    usd_per_share: float
    usd: float

    @property
    def key(self) -> str:
        return self.client_order_id


class AccountRecord(msgspec.Struct, frozen=True):
    """The account by the broker's last word, cash lowered by entry fills since."""

    account: str
    net_liquidation: float
    total_cash: float

    @property
    def key(self) -> str:
        return "account"


class Mark(msgspec.Struct, frozen=True, gc=False):
    """Newest price of a symbol; in memory only."""

    symbol: str
    price: float

    @property
    def key(self) -> str:
        return self.symbol


class Denied(msgspec.Struct, frozen=True):
    """The limit that speaks against an entry, with its figures."""

    reason: str
    figures: dict[str, float]


def worst_cost(plan: EntryPlan, settings: Settings) -> tuple[float, float]:
    """(dollars per share, dollars in all): the limit price, or trigger and assumed slippage; with commission."""
    price = plan.limit_price or plan.stop_price * (1 + settings.risk.stop_slippage_pct / 100)
    total = price * plan.quantity + max(COMMISSION_MINIMUM, COMMISSION_PER_SHARE * plan.quantity)
    return total / plan.quantity, total


def exposure_of(holding: Holding, mark: float | None) -> float:
    """Dollars at the larger of cost and market value."""
    own = max(holding.cost_usd, holding.own * (mark or 0.0))
    foreign = holding.foreign * max(holding.avg_cost, mark or 0.0)
    return own + foreign


def first_limit(
    plan: EntryPlan,
    usd: float,
    holdings: Mapping[str, Holding],
    reservations: Mapping[str, Reservation],
    marks: Mapping[str, Mark],
    account: AccountRecord,
    settings: Settings,
) -> Denied | None:
    """The first limit that this entry would exceed; None when it fits."""
    exposures = {
        symbol: exposure_of(holding, marks[symbol].price if symbol in marks else None)
        for symbol, holding in holdings.items()
    }
    reserved = sum(r.usd for r in reservations.values())
    of_symbol = exposures.get(plan.symbol, 0.0) + sum(r.usd for r in reservations.values() if r.symbol == plan.symbol)
    limit = settings.risk.max_symbol_exposure_usd
    if of_symbol + usd > limit:
        return Denied(
            "symbol_exposure_exceeded",
            {"exposure_usd": round(of_symbol, 2), "entry_usd": round(usd, 2), "limit_usd": limit},
        )
    total = sum(exposures.values()) + reserved
    limit = min(settings.allocation.total_usd_cap, settings.risk.max_total_exposure_usd)
    if total + usd > limit:
        return Denied(
            "exposure_limit_exceeded", {"exposure_usd": round(total, 2), "entry_usd": round(usd, 2), "limit_usd": limit}
        )
    left = account.total_cash - reserved - usd
    reserve = account.net_liquidation * settings.allocation.min_cash_reserve_percent / 100
    if left < reserve:
        return Denied("cash_reserve", {"cash_left_usd": round(left, 2), "reserve_usd": round(reserve, 2)})
    return None
