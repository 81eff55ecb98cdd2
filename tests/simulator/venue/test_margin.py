"""Which orders an account can pay for, and how the others are rejected."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.configuration.broker_policy import Policy, RejectedAs
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.reports import ErrorReport, OrderReport
from tests.simulator.scripted import MONDAY, SECOND, exchange, prints, reported, ticket

MINUTE = 60 * SECOND
REJECTED = [("error", 1, 201), ("status", 1, "Inactive")]
TAKEN = [("order", 1, "Submitted", "")]


def market_with(*prices: float, policy: Policy | None = None, **terms: Any) -> Exchange:
    """An open market with one account of 10,000 dollars."""
    account = AccountTerms(account="DU1", **{"cash": 10_000.0, **terms})
    market = exchange(prints(*prices, through=True), accounts=[account], policy=policy)
    market.advance(MONDAY.open_ns)
    return market


def bought(quantity: float, **terms: Any) -> Exchange:
    """The same, with a position."""
    market = market_with(100.0, 100.0, 100.0, 100.0, **terms)
    market.place(ticket(9, "BUY", "MKT", client_id=2, quantity=quantity))
    market.advance(MONDAY.open_ns + MINUTE)
    return market


@pytest.mark.shows(feature="rejects")
@pytest.mark.parametrize(
    ("kind", "quantity", "taken"),
    [("margin", 399.0, True), ("margin", 400.0, False), ("cash", 99.0, True), ("cash", 100.0, False)],
)
def test_an_order_that_is_too_expensive_is_rejected(kind: str, quantity: float, taken: bool) -> None:
    market = market_with(100.0, kind=kind)
    reports = market.place(ticket(1, "BUY", "LMT", limit_price=100.0, quantity=quantity))
    assert reported(reports) == (TAKEN if taken else REJECTED)
    if not taken:
        assert isinstance(reports[0], ErrorReport)
        assert reports[0].text.startswith("Order rejected - reason:YOUR ORDER IS NOT ACCEPTED.")
        assert [order.status for order in market.completed_orders()] == ["Inactive"]
        assert reported(market.place(ticket(1, "BUY", "LMT", limit_price=1.0))) == [("error", 1, 103)]


def test_the_reports_of_a_rejection_are_a_switch() -> None:
    policy = Policy(rejected_as=RejectedAs.CANCELLED, rejection_before_status=False)
    market = market_with(100.0, policy=policy)
    dear = ticket(1, "BUY", "MKT", quantity=10_000.0)
    assert reported(market.place(dear)) == [("status", 1, "Cancelled"), ("error", 1, 201)]
    assert reported(market_with(100.0, policy=Policy(funds_checked=False)).place(dear)) == [
        ("order", 1, "PreSubmitted", "")
    ]


def test_field_28_a_rejected_parent_rejects_its_children() -> None:
    market = market_with(100.0, 106.0)
    market.place(ticket(1, "BUY", "LMT", limit_price=99.0, quantity=1_000.0, transmit=False))
    reports = market.place(ticket(2, "SELL", "STP", stop_price=90.0, quantity=1_000.0, parent_id=1))
    assert reported(reports) == [*REJECTED, ("error", 2, 201), ("status", 2, "Inactive")]
    assert market.open_orders() == []


def test_the_working_buys_of_a_cash_account_reserve_its_cash() -> None:
    market = market_with(100.0, kind="cash")
    market.place(ticket(1, "BUY", "LMT", limit_price=60.0, client_id=2))
    assert reported(market.place(ticket(1, "BUY", "LMT", limit_price=50.0))) == REJECTED
    assert reported(market.place(ticket(3, "BUY", "LMT", limit_price=39.0)))[0][2] == "Submitted"
    # Changing an order does not count it twice; a change that is too expensive leaves it as it was.
    assert reported(market.place(ticket(3, "BUY", "LMT", limit_price=39.5)))[0][2] == "Submitted"
    assert reported(market.place(ticket(3, "BUY", "LMT", limit_price=41.0))) == [("error", 3, 201)]
    assert [order.limit_price for order in market.open_orders()] == [60.0, 39.5]


@pytest.mark.parametrize("terms", [{"kind": "cash"}, {"may_short": False}])
def test_an_account_that_may_not_short_sells_what_it_has(terms: dict[str, Any]) -> None:
    market = bought(50.0, **terms)
    assert reported(market.place(ticket(1, "SELL", "MKT", quantity=51.0))) == REJECTED
    market.place(ticket(2, "SELL", "LMT", limit_price=120.0, quantity=30.0))
    assert reported(market.place(ticket(3, "SELL", "MKT", quantity=21.0)))[0] == ("error", 3, 201)
    assert reported(market.place(ticket(4, "SELL", "MKT", quantity=20.0)))[0][0] == "order"


def test_a_group_of_sells_is_counted_once() -> None:
    market = bought(50.0, kind="cash")
    group = {"oca_group": "out", "oca_type": 1, "quantity": 50.0}
    market.place(ticket(2, "SELL", "LMT", limit_price=120.0, **group))
    assert reported(market.place(ticket(3, "SELL", "STP", stop_price=80.0, **group)))[0][0] == "order"
    assert reported(market.place(ticket(4, "SELL", "LMT", limit_price=120.0, quantity=1.0)))[0] == ("error", 4, 201)


def test_an_order_that_closes_a_position_is_never_rejected() -> None:
    market = bought(390.0)
    assert reported(market.place(ticket(1, "SELL", "MKT", quantity=390.0)))[0][0] == "order"
    assert reported(market.place(ticket(2, "BUY", "LMT", limit_price=100.0)))[0] == ("error", 2, 201)


@pytest.mark.shows(feature="what-if")
def test_a_what_if_reports_margins_and_changes_nothing() -> None:
    market = bought(50.0)
    (report,) = market.place(ticket(1, "SELL", "LMT", limit_price=100.0, quantity=30.0, what_if=True))
    assert isinstance(report, OrderReport)
    margin = report.order.margin
    assert margin is not None
    assert (margin.initial_before, margin.initial_after, margin.commission) == (1_250.0, 500.0, 1.0)
    assert margin.equity_before == pytest.approx(9_998.5)
    assert len(market.orders()) == 1


def test_the_exchange_computes_profits() -> None:
    market = bought(50.0)
    assert market.pnl("DU1").daily == market.pnl_single("DU1", "ABC").daily == pytest.approx(-1.5)
    assert market.pnl_single("DU1", "ABC").quantity == 50.0


orders = st.lists(
    st.builds(
        lambda side, kind, cents, quantity, group: (side, kind, cents / 100, float(quantity), group),
        st.sampled_from(["BUY", "SELL"]),
        st.sampled_from(["MKT", "LMT", "STP", "TRAIL"]),
        st.integers(9000, 11000),
        st.integers(1, 120),
        st.sampled_from(["", "", "one"]),
    ),
    max_size=12,
)
price_lists = st.lists(st.integers(8000, 12000).map(lambda cents: cents / 100), min_size=2, max_size=20)


@given(orders, price_lists, st.booleans())
def test_a_cash_account_never_goes_short(
    asked: list[tuple[str, str, float, float, str]], prices: list[float], through: bool
) -> None:
    account = AccountTerms(account="DU1", cash=10_000.0, kind="cash")
    market = exchange(prints(*prices, through=through), accounts=[account])
    for number, (side, kind, price, quantity, group) in enumerate(asked, start=1):
        market.advance(MONDAY.open_ns + number * MINUTE)
        order = ticket(number, side, kind, quantity=quantity, oca_group=group, oca_type=1)
        named = {"LMT": {"limit_price": price}, "STP": {"stop_price": price}, "TRAIL": {"trailing_pct": 5.0}}
        market.place(msgspec.structs.replace(order, **named.get(kind, {})))
        assert all(held.quantity >= 0 for held in market.positions())
    market.advance(MONDAY.close_ns)
    assert all(held.quantity >= 0 for held in market.positions())
