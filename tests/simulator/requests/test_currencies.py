"""Accounts valued in another currency, and cash accounts: their reports, and what they can buy."""

from __future__ import annotations

import pytest

from services.configuration.broker_policy import AccountKind, BaseCurrency, Policy
from services.simulator.venue.account import terms_of
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.reports import AccountReport, CommissionReport
from tests.simulator.scripted import MONDAY, SECOND, TUESDAY, exchange, prints, reported, ticket

MINUTE = 60 * SECOND
EUROS = Policy(base_currency=BaseCurrency.EUR, usd_in_base=0.8, base_cash_part=0.25)


def market(*prices: float, policy: Policy, cash: float = 100_000.0) -> Exchange:
    begun = exchange(prints(*prices, through=True), policy=policy, accounts=[terms_of("DU1", cash, policy)])
    begun.advance(MONDAY.open_ns)
    return begun


def test_terms_follow_from_the_switches() -> None:
    assert terms_of("DU1", 1000.0, Policy(base_cash_part=0.5, usd_in_base=0.5)) == AccountTerms(
        account="DU1", cash=1000.0
    ), "a dollar account has no other base"
    assert terms_of("DU1", 1000.0, EUROS) == AccountTerms(
        account="DU1", cash=750.0, base_currency="EUR", usd_rate=0.8, base_cash=200.0
    )
    assert terms_of("DU1", 1000.0, Policy(account_kind=AccountKind.CASH)).kind == "cash"


def test_the_account_in_euros_and_each_currency_in_itself() -> None:
    simulator = market(100.0, 100.0, 110.0, policy=EUROS)
    simulator.place(ticket(1, "BUY", "MKT"))
    simulator.advance(MONDAY.open_ns + 2 * MINUTE)
    report = simulator.account_report("DU1")
    dollars = 75_000.0 - 10_001.0 - 1.0
    assert (report.currency, report.values["TotalCashValue"]) == ("EUR", round(dollars * 0.8 + 20_000.0, 2))
    assert report.values["NetLiquidation"] == round((dollars + 11_000.0) * 0.8 + 20_000.0, 2)
    assert list(report.ledgers) == ["BASE", "EUR", "USD"]
    assert {name: ledger["CashBalance"] for name, ledger in report.ledgers.items()} == {
        "BASE": round(dollars * 0.8 + 20_000.0, 2),
        "EUR": 20_000.0,
        "USD": dollars,
    }
    assert {name: ledger["ExchangeRate"] for name, ledger in report.ledgers.items()} == {
        "BASE": 1.0,
        "EUR": 1.0,
        "USD": 0.8,
    }
    assert report.ledgers["USD"]["StockMarketValue"] == 11_000.0
    assert report.ledgers["USD"]["UnrealizedPnL"] == 998.0
    assert report.ledgers["BASE"]["UnrealizedPnL"] == pytest.approx(998.0 * 0.8)


def test_without_dollars_no_dollar_values_are_reported() -> None:
    simulator = market(100.0, policy=Policy(base_currency=BaseCurrency.EUR, usd_in_base=0.8, base_cash_part=1.0))
    assert list(simulator.account_report("DU1").ledgers) == ["BASE", "EUR"]
    untold = Policy(base_currency=BaseCurrency.EUR, usd_in_base=0.8, exchange_rate_told=False)
    ledgers = market(100.0, policy=untold).account_report("DU1").ledgers
    assert list(ledgers) == ["BASE", "EUR", "USD"]
    assert not [name for name, ledger in ledgers.items() if "ExchangeRate" in ledger]


def test_a_margin_account_borrows_dollars_against_its_euros_and_a_cash_account_does_not() -> None:
    for kind, taken in ((AccountKind.MARGIN, True), (AccountKind.CASH, False)):
        policy = Policy(base_currency=BaseCurrency.EUR, usd_in_base=0.8, base_cash_part=1.0, account_kind=kind)
        simulator = market(100.0, 100.0, policy=policy)
        asked = reported(simulator.place(ticket(1, "BUY", "MKT")))
        assert (asked[0][0] == "order") is taken, asked
        simulator.advance(MONDAY.open_ns + MINUTE)
        cash = simulator.account_report("DU1").ledgers.get("USD", {}).get("CashBalance")
        assert cash == (-10_002.0 if taken else None)


def test_commissions_in_euros_cost_no_dollars() -> None:
    """Reported in euros and paid in euros; a bust pays them back."""
    policy = Policy(base_currency=BaseCurrency.EUR, usd_in_base=0.8, base_cash_part=0.5, commission_in_base=True)
    simulator = market(100.0, 100.0, policy=policy)
    simulator.place(ticket(1, "BUY", "MKT"))
    reports = simulator.advance(MONDAY.open_ns + MINUTE)
    (charge,) = [each for each in reports if isinstance(each, CommissionReport)]
    assert (charge.commission, charge.currency) == (0.8, "EUR")
    ledgers = simulator.account_report("DU1").ledgers
    assert (ledgers["EUR"]["CashBalance"], ledgers["USD"]["CashBalance"]) == (39_999.2, 50_000.0 - 10_001.0)
    corrected = [
        each for each in simulator.correct_execution(charge.exec_id, 99.0) if isinstance(each, CommissionReport)
    ]
    assert [(each.commission, each.currency) for each in corrected] == [(0.8, "EUR")]
    simulator.bust_execution(corrected[0].exec_id)
    ledgers = simulator.account_report("DU1").ledgers
    assert (ledgers["EUR"]["CashBalance"], ledgers["USD"]["CashBalance"]) == (40_000.0, 50_000.0)


def test_settlement_is_reported_when_it_happens() -> None:
    """The proceeds of a sale can be spent on the next day; the report comes before that day's first trade."""
    policy = Policy(account_kind=AccountKind.CASH)
    simulator = market(100.0, 100.0, 100.0, policy=policy, cash=20_000.0)
    simulator.place(ticket(1, "BUY", "MKT"))
    simulator.advance(MONDAY.open_ns + MINUTE)
    simulator.place(ticket(2, "SELL", "MKT"))
    simulator.advance(MONDAY.open_ns + 2 * MINUTE)
    assert simulator.account_report("DU1").values["SettledCash"] == 20_000.0 - 10_002.0
    assert reported(simulator.place(ticket(3, "BUY", "MKT")))[0] == ("error", 3, 201)
    reports = simulator.advance(TUESDAY.open_ns - MINUTE)
    settled = [each.values["SettledCash"] for each in reports if isinstance(each, AccountReport)]
    assert settled == [simulator.account_report("DU1").values["TotalCashValue"]] == [20_000.0 - 4.0]
    assert [each for each in reported(simulator.place(ticket(4, "BUY", "MKT"))) if each[0] != "order"] == [
        ("error", 4, 399)
    ]
