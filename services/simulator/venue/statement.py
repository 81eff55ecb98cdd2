"""An account's values by IBKR's key names, in the currencies in which they are reported. Pure.

The values of the whole account are in its base currency. There is also a ledger for each currency that the account has
anything in, in that currency, with its exchange rate; and one named BASE, for all of them together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from services.simulator.venue.holdings import AccountTerms, Funds
from services.simulator.venue.reports import AccountReport

__all__ = ["BASE", "LEDGER", "rows", "statement"]

BASE, USD = "BASE", "USD"

LEDGER = (
    "CashBalance",
    "TotalCashBalance",
    "AccruedCash",
    "StockMarketValue",
    "NetLiquidationByCurrency",
    "UnrealizedPnL",
    "RealizedPnL",
    "ExchangeRate",
)
"""The values of each currency: `$LEDGER` in a summary stands for them."""

TRADING_TYPES = {"margin": "STKMRGN", "cash": "STKCASH"}
"""IBKR's name for the trading type of each kind of account."""

Dollars = Mapping[str, float]


def statement(terms: AccountTerms, funds: Funds, whole: Dollars, stock: Dollars) -> AccountReport:
    """`whole`: the values of the whole account, in dollars. `stock`: its shares' value and profits, in dollars."""
    base, rate = terms.base_currency, terms.usd_rate
    ledgers = {USD: _ledger(funds.cash, stock, rate)}
    if base == USD:
        ledgers = {BASE: ledgers[USD], **ledgers}
    else:
        reported = ledgers if any(value for key, value in ledgers[USD].items() if key != "ExchangeRate") else {}
        in_base = {key: value * rate for key, value in stock.items()}
        ledgers = {
            BASE: _ledger(funds.base_cash + funds.cash * rate, in_base, 1.0),
            base: _ledger(funds.base_cash, {}, 1.0),
            **reported,
        }
    if not terms.rates_reported:
        ledgers = {
            name: {key: value for key, value in ledger.items() if key != "ExchangeRate"}
            for name, ledger in ledgers.items()
        }
    return AccountReport(
        account=terms.account,
        values={key: round(value * rate, 2) for key, value in whole.items()},
        ledgers=ledgers,
        currency=base,
        kind=terms.kind,
    )


def rows(report: AccountReport) -> Iterator[tuple[str, float | str, str]]:
    """Name, value, currency of each value, in the order in which they are sent.

    They are not rounded here, so that every reader gets the same figures.
    """
    yield ("AccountType", "INDIVIDUAL", "")
    yield ("TradingType-S", TRADING_TYPES[report.kind], "")
    for key, value in report.values.items():
        yield (key, value, report.currency)
    for currency, ledger in report.ledgers.items():
        yield ("Currency", currency, currency)
        for key, value in ledger.items():
            yield (key, value, currency)


def _ledger(cash: float, stock: Mapping[str, float], rate: float) -> dict[str, float]:
    """The values of one currency, in that currency; one unit of it is worth `rate` of the base currency."""
    values = {
        "CashBalance": cash,
        "TotalCashBalance": cash,
        "AccruedCash": 0.0,
        "StockMarketValue": stock.get("StockMarketValue", 0.0),
        "NetLiquidationByCurrency": cash + stock.get("StockMarketValue", 0.0),
        "UnrealizedPnL": stock.get("UnrealizedPnL", 0.0),
        "RealizedPnL": stock.get("RealizedPnL", 0.0),
    }
    return {**{key: round(value, 2) for key, value in values.items()}, "ExchangeRate": rate}
