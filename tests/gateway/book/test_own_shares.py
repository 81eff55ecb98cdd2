"""Own shares and their cost: purchases, sales, corrections, against sums of exact fractions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.book.own_shares import bought, sold
from services.gateway.book.records import Own

trades = st.lists(
    st.tuples(st.sampled_from(["BUY", "SELL"]), st.integers(1, 500), st.integers(100, 60_000)), min_size=1, max_size=30
)
"""(side, shares, price in cents)."""


@given(trades)
def test_cost_and_profit_equal_those_of_exact_fractions(done: list[tuple[str, int, int]]) -> None:
    own = Own("TSLA")
    held, cost = 0, Fraction(0)
    for side, shares, cents in done:
        price = Fraction(cents, 100)
        if side == "BUY":
            own = bought(own, shares, cents / 100)
            held += shares
            cost += min(shares, max(0, held)) * price
        else:
            average = cost / held if held > 0 else price
            own, realized = sold(own, shares, cents / 100)
            assert realized == pytest.approx(float((price - average) * shares), rel=1e-9, abs=1e-6)
            held -= shares
            cost = cost - average * shares if held > 0 else Fraction(0)
        assert own.quantity == held
        assert own.cost_usd == pytest.approx(float(cost), rel=1e-9, abs=1e-6)


def test_a_purchase_covers_missing_shares_first() -> None:
    assert bought(Own("TSLA", -3.0), 5, 10.0) == Own("TSLA", 2.0, 20.0)
    assert bought(Own("TSLA", -3.0), 3, 10.0) == Own("TSLA", 0.0, 0.0)
