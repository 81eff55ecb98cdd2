"""An account as it lies in a drawer: its terms, its money, what it holds. Data only; `account.py` reckons with it."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["AccountTerms", "Funds", "Holding"]


class AccountTerms(msgspec.Struct, frozen=True, kw_only=True):
    """An account as it is opened: its name, its first cash, and what it may do.

    A `margin` account may borrow and, unless `may_short` says otherwise, sell what it doesn't have; a `cash` account
    does neither. `cash` are dollars, `base_cash` is money of the `base_currency`, in which the whole account is valued:
    there a dollar is worth `usd_rate`.
    """

    account: str
    cash: float = 100_000.0
    kind: Literal["margin", "cash"] = "margin"
    may_short: bool = True
    base_currency: str = "USD"
    usd_rate: float = 1.0
    base_cash: float = 0.0
    fees_in_base: bool = False
    rates_told: bool = True

    @property
    def shorts(self) -> bool:
        """Whether it may hold less than nothing."""
        return self.may_short and self.kind == "margin"


class Funds(msgspec.Struct, kw_only=True):
    """The money of one account, in dollars: its cash, which of it isn't settled (session date, amount), dividends.

    `base_cash` is what it has of another base currency, in that.
    """

    account: str
    cash: float
    unsettled: list[tuple[str, float]] = []
    dividends: float = 0.0
    base_cash: float = 0.0


class Holding(msgspec.Struct, kw_only=True):
    """What an account holds of one symbol: signed shares, average cost with commission, realized profit.

    The figures of the session date `day`: shares at its beginning, money in or out since, profit realized since.
    """

    account: str
    symbol: str
    quantity: float = 0.0
    avg_cost: float = 0.0
    realized_pnl: float = 0.0
    day: str = ""
    day_quantity: float = 0.0
    day_flow: float = 0.0
    day_realized: float = 0.0
