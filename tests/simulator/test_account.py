"""Cash, cost, profit, commission."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.simulator.account import Account, commission
from services.simulator.model import AccountTerms


def account_with(cash: float) -> Account:
    return Account(AccountTerms(account="DU1", cash=cash))


@pytest.mark.parametrize(
    ("quantity", "price", "expected"),
    [
        (100, 50.0, 1.0),  # the minimum
        (1000, 50.0, 5.0),
        (1000, 0.25, 2.5),  # 1 % of the value
        (10, 0.2, 0.02),  # IBKR's example: the maximum is below the minimum, and holds
    ],
)
def test_commission_of_the_fixed_schedule(quantity: float, price: float, expected: float) -> None:
    assert commission(quantity, quantity * price) == expected


def test_cost_and_profit_include_commissions() -> None:
    account = account_with(10_000.0)
    assert account.trade("ABC", "BUY", 100, 50.0, 1.0) is None
    assert account.cash == 4_999.0
    held = account.position("ABC", 55.0)
    assert (held.quantity, held.avg_cost, held.market_price) == (100, 50.01, 55.0)
    assert account.trade("ABC", "SELL", 40, 60.0, 1.0) == pytest.approx(40 * (60 - 50.01) - 1)
    assert account.position("ABC", None).quantity == 60
    assert account.position("ABC", None).avg_cost == pytest.approx(50.01)


def test_a_sale_through_zero_closes_and_opens() -> None:
    account = account_with(10_000.0)
    account.trade("ABC", "BUY", 10, 50.0, 1.0)
    realized = account.trade("ABC", "SELL", 30, 60.0, 3.0)
    assert realized == pytest.approx(10 * (60 - 50.1) - 1.0)
    short = account.position("ABC", 60.0)
    assert short.quantity == -20
    assert short.avg_cost == pytest.approx(59.9)
    assert account.trade("ABC", "BUY", 20, 50.0, 1.0) == pytest.approx(20 * (59.9 - 50) - 1)
    assert account.positions({}) == []


def test_account_values_at_the_market() -> None:
    account = account_with(10_000.0)
    account.trade("ABC", "BUY", 100, 50.0, 1.0)
    values = account.report({"ABC": 60.0}).values
    assert values["NetLiquidation"] == 4_999 + 6_000
    assert values["TotalCashValue"] == values["SettledCash"] == 4_999
    assert values["GrossPositionValue"] == 6_000
    assert values["UnrealizedPnL"] == 999
    assert values["AvailableFunds"] == 10_999 - 3_000


TRADES = st.lists(
    st.tuples(
        st.sampled_from(["ABC", "XYZ"]),
        st.sampled_from(["BUY", "SELL"]),
        st.integers(1, 500),
        st.floats(1, 500).map(lambda price: round(price, 2)),
    ),
    max_size=30,
)


@given(TRADES)
def test_cash_and_cost_change_by_the_realized_profit_alone(trades: list[tuple[str, str, int, float]]) -> None:
    account = account_with(100_000.0)
    realized = 0.0
    for symbol, side, quantity, price in trades:
        fee = commission(quantity, quantity * price)
        realized += account.trade(symbol, side, quantity, price, fee) or 0.0  # type: ignore[arg-type]
    cost = sum(held.quantity * held.avg_cost for held in account.holdings.values())
    assert account.cash + cost == pytest.approx(100_000.0 + realized, abs=1e-3)
    assert sum(held.realized_pnl for held in account.holdings.values()) == pytest.approx(realized, abs=1e-6)
