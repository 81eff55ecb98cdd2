"""Converts the broker's account values to US dollars. Pure.

IBKR reports each value with a name and a currency. Values of the whole account are in its base currency. The cash of
each currency is in that currency; its `ExchangeRate` is the worth of one unit in the base currency. The fleet buys
stocks in US dollars, so every value is converted to dollars at the broker's rate. Only the account's dollars count as
cash to spend: a purchase beyond them would borrow.
"""

from __future__ import annotations

from messages.account import AccountUpdated
from messages.broker import BrokerAccount
from services.gateway.book.records import AccountSeen, Book, Rates
from services.runtime.core import Draft

__all__ = ["account_update", "on_account"]

USD = "USD"

KINDS = {"STKCASH": "cash", "STKMRGN": "margin", "PMRGN": "margin", "GPMRGN": "margin", "IRAMRGN": "margin"}
"""`TradingType-S` of an account as cash or margin, as far as IBKR's documentation lists the names. `STKNOPT` names what
the account may trade, and does not tell cash from margin: unknown."""


def account_update(report: BrokerAccount, now_ns: int) -> AccountUpdated | None:
    """The account's values in dollars; None until the broker has reported its net liquidation value.

    `usd_rate` is None if the broker reported no rate.
    """
    base = _base(report)
    if base is None:
        return None
    rate = 1.0 if base == USD else _number(report, "ExchangeRate", USD)
    if rate is not None and rate <= 0:
        rate = None

    def whole(name: str) -> float | None:
        """A value of the whole account."""
        value = _number(report, name, base)
        return value if value is None or base == USD else value / rate if rate else 0.0

    dollars = _number(report, "CashBalance", USD)
    if dollars is None:
        dollars = _number(report, "TotalCashBalance", USD)
    total = whole("TotalCashValue")
    if dollars is None:
        dollars = (total or 0.0) if base == USD else 0.0
    total = dollars if total is None else min(total, dollars)
    settled = whole("SettledCash")
    return AccountUpdated(
        account=report.account,
        net_liquidation=whole("NetLiquidation") or 0.0,
        total_cash=total,
        settled_cash=total if settled is None else min(settled, dollars),
        buying_power=whole("BuyingPower") or 0.0,
        time_ns=now_ns,
        account_type=KINDS.get(report.others.get("TradingType-S", ""), ""),
        base_currency=base,
        usd_rate=rate,
        rates=_rates(report, base, rate),
    )


def _rates(report: BrokerAccount, base: str, usd_rate: float | None) -> dict[str, float]:
    """Dollars for one unit of each other currency. The broker reports each rate in units of the base currency."""
    if usd_rate is None:
        return {}
    named = [key.partition(" ")[2] for key in report.others if key.startswith("ExchangeRate ")]
    in_base = {name: _number(report, "ExchangeRate", name) for name in named if name not in ("BASE", USD)}
    if base != USD:
        in_base[base] = 1.0
    return {name: value / usd_rate for name, value in in_base.items() if value and value > 0}


def _base(report: BrokerAccount) -> str | None:
    """The account's base currency; None as long as it is unknown."""
    if "NetLiquidation" in report.values:
        return USD
    return next((key.partition(" ")[2] for key in report.others if key.startswith("NetLiquidation ")), None)


def _number(report: BrokerAccount, name: str, currency: str) -> float | None:
    if currency == USD:
        return report.values.get(name)
    try:
        return float(report.others[f"{name} {currency}"])
    except (KeyError, ValueError):
        return None


def on_account(d: Draft, report: BrokerAccount) -> None:
    """Report the account's values to the fleet, and keep its exchange rates for commissions."""
    book = d.get(Book, "book") or Book()
    update = account_update(report, d.now.market_ns)
    if update is not None and (not book.account or report.account == book.account):
        d.put(AccountSeen(update))
        if update.rates and d.get(Rates, "rates") != Rates(update.rates):
            d.put(Rates(update.rates))
        d.send("fleet", update)
