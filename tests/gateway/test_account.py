"""Account values by (name, currency), in dollars or not at all."""

from __future__ import annotations

import pytest

from messages.broker import BrokerAccount
from services.gateway.account import account_update

DOLLARS = {"NetLiquidation": 1000.0, "TotalCashValue": 600.0, "SettledCash": 500.0, "BuyingPower": 4000.0}


def test_an_account_in_dollars() -> None:
    got = account_update(BrokerAccount("DU1", DOLLARS, {"TradingType-S": "STKCASH"}), 7)
    assert got is not None
    assert (got.net_liquidation, got.total_cash, got.settled_cash, got.buying_power) == (
        1000,
        600,
        500,
        4000,
    )
    assert (got.account_type, got.base_currency, got.usd_rate, got.time_ns) == ("cash", "USD", 1.0, 7)


@pytest.mark.parametrize(("account", "kind"), [("STKMRGN", "margin"), ("PMRGN", "margin"), ("STKNOPT", ""), ("", "")])
def test_the_account_type_comes_from_the_brokers_name(account: str, kind: str) -> None:
    update = account_update(BrokerAccount("DU1", DOLLARS, {"TradingType-S": account}), 0)
    assert update is not None
    assert update.account_type == kind


def test_cash_of_another_currency_buys_nothing() -> None:
    """TotalCashValue counts euros as dollars; spending them would borrow."""
    account = account_update(BrokerAccount("DU1", DOLLARS | {"CashBalance": -50.0}, {"CashBalance EUR": "600"}), 0)
    assert account is not None
    assert (account.total_cash, account.settled_cash) == (-50.0, -50.0)


def test_values_in_another_base_currency_are_converted() -> None:
    others = {"NetLiquidation EUR": "8000", "TotalCashValue EUR": "4000", "SettledCash EUR": "2000"}
    account = account_update(BrokerAccount("DU1", {"ExchangeRate": 0.8, "CashBalance": 3000.0}, others), 0)
    assert account is not None
    assert (account.net_liquidation, account.total_cash, account.settled_cash) == (10_000, 3000, 2500)
    assert (account.base_currency, account.usd_rate) == ("EUR", 0.8)
    assert account.rates == {"EUR": 1.25}


def test_rates_are_dollars_for_one_unit() -> None:
    """Rates are in the base currency: a franc is 1.05 euros and a dollar 0.8, so a franc is 1.3125 dollars."""
    euros = {
        "NetLiquidation EUR": "8000",
        "ExchangeRate CHF": "1.05",
        "ExchangeRate EUR": "1",
        "ExchangeRate BASE": "1",
    }
    account = account_update(BrokerAccount("DU1", {"ExchangeRate": 0.8}, euros | {"ExchangeRate JPY": "?"}), 0)
    assert account is not None
    assert account.rates == pytest.approx({"CHF": 1.3125, "EUR": 1.25})
    dollars = account_update(BrokerAccount("DU1", DOLLARS | {"ExchangeRate": 1.0}, {"ExchangeRate EUR": "1.1"}), 0)
    assert dollars is not None
    assert dollars.rates == {"EUR": 1.1}


@pytest.mark.parametrize("values", [{}, {"ExchangeRate": 0.0}])
def test_without_a_rate_there_are_no_figures(values: dict[str, float]) -> None:
    account = account_update(BrokerAccount("DU1", values, {"NetLiquidation EUR": "8000"}), 0)
    assert account is not None
    assert (account.usd_rate, account.net_liquidation, account.total_cash, account.rates) == (None, 0.0, 0.0, {})


def test_without_a_net_liquidation_value_there_is_no_update() -> None:
    assert account_update(BrokerAccount("DU1", {"BuyingPower": 1.0}, {"AccountType": "INDIVIDUAL"}), 0) is None
