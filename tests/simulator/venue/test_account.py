"""Cash, cost, profit, commission."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.simulator.venue.account import Account, commission, requirement
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.orders import Side
from services.simulator.venue.tape import Tape

DAY, NEXT_DAY = "2024-03-04", "2024-03-05"


def account_with(cash: float, *, daily_profit: bool = True, **terms: Any) -> tuple[Account, Tape]:
    """An account, and the tape of its only symbol."""
    tape = Tape(symbol="ABC", date=DAY)
    return Account(AccountTerms(account="DU1", cash=cash, **terms), {"ABC": tape}, daily_profit=daily_profit), tape


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
    account, tape = account_with(10_000.0)
    assert account.trade("ABC", "BUY", 100, 50.0, 1.0, DAY) is None
    assert account.cash == 4_999.0
    tape.last = 55.0
    held = account.position("ABC", DAY)
    assert (held.quantity, held.avg_cost, held.market_price) == (100, 50.01, 55.0)
    assert account.trade("ABC", "SELL", 40, 60.0, 1.0, DAY) == pytest.approx(40 * (60 - 50.01) - 1)
    assert account.position("ABC", DAY).quantity == 60
    assert account.position("ABC", DAY).avg_cost == pytest.approx(50.01)


def test_a_sale_through_zero_closes_and_opens() -> None:
    account, tape = account_with(10_000.0)
    tape.last = 60.0
    account.trade("ABC", "BUY", 10, 50.0, 1.0, DAY)
    realized = account.trade("ABC", "SELL", 30, 60.0, 3.0, DAY)
    assert realized == pytest.approx(10 * (60 - 50.1) - 1.0)
    short = account.position("ABC", DAY)
    assert short.quantity == -20
    assert short.avg_cost == pytest.approx(59.9)
    assert account.trade("ABC", "BUY", 20, 50.0, 1.0, DAY) == pytest.approx(20 * (59.9 - 50) - 1)
    assert account.positions(DAY) == []


def test_account_values_at_the_market() -> None:
    account, tape = account_with(10_000.0)
    account.trade("ABC", "BUY", 100, 50.0, 1.0, DAY)
    tape.last = 60.0
    values = account.report(DAY).values
    assert values["NetLiquidation"] == values["EquityWithLoanValue"] == 4_999 + 6_000
    assert values["TotalCashValue"] == values["SettledCash"] == 4_999
    assert values["GrossPositionValue"] == 6_000
    assert account.report(DAY).ledgers["USD"]["UnrealizedPnL"] == 999
    assert values["InitMarginReq"] == values["MaintMarginReq"] == 1_500
    assert values["AvailableFunds"] == 10_999 - 1_500
    assert values["BuyingPower"] == 4 * values["AvailableFunds"]
    assert values["RegTMargin"] == 3_000


def test_a_cash_account_pays_with_what_is_settled() -> None:
    account, tape = account_with(10_000.0, kind="cash")
    tape.last = 60.0
    account.trade("ABC", "BUY", 100, 50.0, 1.0, DAY)
    account.trade("ABC", "SELL", 50, 60.0, 1.0, DAY)
    values = account.report(DAY).values
    assert values["TotalCashValue"] == 7_998
    assert values["SettledCash"] == values["AvailableFunds"] == values["BuyingPower"] == 4_999
    assert values["InitMarginReq"] == 0
    assert account.report(NEXT_DAY).values["BuyingPower"] == 7_998


def test_sales_settle_with_the_next_session() -> None:
    account, _ = account_with(1_000.0)
    account.trade("ABC", "BUY", 10, 50.0, 1.0, DAY)
    account.trade("ABC", "SELL", 10, 51.0, 1.0, DAY)
    assert (account.cash, account.settled_cash(DAY)) == (1_008.0, 499.0)
    assert account.settled_cash(NEXT_DAY) == 1_008.0
    account.trade("ABC", "BUY", 10, 50.0, 1.0, NEXT_DAY)
    assert account.funds.unsettled == []


@pytest.mark.parametrize(
    ("quantity", "price", "expected"),
    [(100, 50.0, 1250.0), (-100, 50.0, 1500.0), (-100, 16.67, 500.0), (-100, 4.0, 400.0), (-100, 2.0, 250.0)],
)
def test_margin_of_a_position(quantity: float, price: float, expected: float) -> None:
    assert requirement(quantity, price) == pytest.approx(expected)


def test_a_small_account_borrows_nothing() -> None:
    account, tape = account_with(1_999.0)
    tape.last = 10.0
    assert account.requirement("ABC", 100) == 1_000.0


def test_the_profit_of_a_day_is_against_the_last_close() -> None:
    account, tape = account_with(10_000.0)
    account.trade("ABC", "BUY", 100, 50.0, 1.0, DAY)
    tape.last = tape.close = 52.0
    pnl = account.pnl_single("ABC", DAY)
    assert (pnl.daily, pnl.unrealized, pnl.realized, pnl.quantity, pnl.value) == (199.0, 199.0, 0.0, 100.0, 5_200.0)
    before_the_open = account.pnl_single("ABC", NEXT_DAY)
    assert (before_the_open.daily, before_the_open.unrealized) == (0.0, 199.0)
    tape.date, tape.prev_close, tape.last = NEXT_DAY, 52.0, 55.0
    assert account.pnl_single("ABC", NEXT_DAY).daily == 300.0
    account.trade("ABC", "SELL", 40, 54.0, 1.0, NEXT_DAY)
    pnl = account.pnl_single("ABC", NEXT_DAY)
    assert pnl.daily == pytest.approx(60 * 3 + 40 * 2 - 1)
    assert pnl.realized == pytest.approx(40 * (54 - 50.01) - 1)
    assert account.pnl(NEXT_DAY).daily == pnl.daily
    assert account.pnl_single("XYZ", NEXT_DAY).daily == 0.0


def test_realized_profit_is_of_the_day_or_of_all_days() -> None:
    for daily, expected in ((True, 0.0), (False, 98.0)):
        account, _ = account_with(10_000.0, daily_profit=daily)
        account.trade("ABC", "BUY", 100, 50.0, 1.0, DAY)
        account.trade("ABC", "SELL", 100, 51.0, 1.0, DAY)
        assert account.report(DAY).ledgers["USD"]["RealizedPnL"] == 98.0
        assert account.report(NEXT_DAY).ledgers["USD"]["RealizedPnL"] == expected


TRADES = st.lists(
    st.tuples(
        st.sampled_from(["ABC", "XYZ"]),
        st.sampled_from(["BUY", "SELL"]),
        st.integers(1, 500),
        st.floats(1, 500).map(lambda price: round(price, 2)),
        st.sampled_from([DAY, NEXT_DAY]),
    ),
    max_size=30,
)


@given(TRADES)
def test_cash_and_cost_change_by_the_realized_profit_alone(trades: list[tuple[str, Side, int, float, str]]) -> None:
    account, _ = account_with(100_000.0)
    realized = 0.0
    for symbol, side, quantity, price, day in sorted(trades, key=lambda trade: trade[-1]):
        fee = commission(quantity, quantity * price)
        realized += account.trade(symbol, side, quantity, price, fee, day) or 0.0
    cost = sum(held.quantity * held.avg_cost for held in account.holdings.values())
    assert account.cash + cost == pytest.approx(100_000.0 + realized, abs=1e-3)
    assert sum(held.realized_pnl for held in account.holdings.values()) == pytest.approx(realized, abs=1e-6)
    assert account.settled_cash(NEXT_DAY) <= account.cash + 1e-9


@given(TRADES, st.integers(1, 500))
def test_the_profit_of_the_first_day_is_the_change_of_what_the_account_is_worth(
    trades: list[tuple[str, Side, int, float, str]], last: int
) -> None:
    account, tape = account_with(100_000.0)
    tape.last = float(last)
    for _, side, quantity, price, _ in trades:
        account.trade("ABC", side, quantity, price, 1.0, DAY)
    worth = account.report(DAY).values["NetLiquidation"]
    assert account.pnl(DAY).daily == pytest.approx(worth - 100_000.0, abs=0.01)
