"""An account's data: its terms, its money, its holdings. `account.py` computes with it."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["AccountHolding", "AccountTerms", "Funds"]


class AccountTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The terms of an account: its name, its first cash, and what it may do.

    A `margin` account may borrow and, with `may_short`, sell short; a `cash` account may do neither. `cash` is in
    dollars, `base_cash` in the `base_currency`, in which the whole account is valued: a dollar is `usd_rate` of it.
    """

    account: str
    cash: float = 100_000.0
    kind: Literal["margin", "cash"] = "margin"
    may_short: bool = True
    base_currency: str = "USD"
    usd_rate: float = 1.0
    base_cash: float = 0.0
    fees_in_base: bool = False
    rates_reported: bool = True

    @property
    def shorts(self) -> bool:
        """Whether it may hold a short position."""
        return self.may_short and self.kind == "margin"


class Funds(msgspec.Struct, kw_only=True):
    """The money of one account, in dollars: cash, unsettled amounts (session date, amount), dividends.

    `base_cash` is in another base currency.
    """

    account: str
    cash: float
    unsettled: list[tuple[str, float]] = []
    dividends: float = 0.0
    base_cash: float = 0.0


class AccountHolding(msgspec.Struct, kw_only=True):
    """An account's position in one symbol: signed shares, average cost with commission, realized profit.

    Figures of the session date `day`: shares at its start, money in or out since, profit realized since.
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
