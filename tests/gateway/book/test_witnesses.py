"""What the broker's answer says about own shares beside the executions: counts, prices, claims."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.orders import execution_key
from services.gateway.book.witnesses import (
    claimed,
    counted,
    entry_filled_unseen,
    price_of_missing,
    rests,
    sold_unseen,
    synthetic_exec_id,
    unexplained,
)
from tests.gateway.one_decision import ENTRY, fill, stop
from tests.gateway.scenario import broker_order

shares = st.integers(0, 100).map(float)


@pytest.mark.parametrize(
    ("report", "count"),
    [
        ({"status": "Submitted", "filled": 4.0}, 4.0),
        ({"status": "Filled", "filled": 10.0, "quantity": 0.0}, 10.0),
        ({"status": "Filled", "filled": 0.0, "quantity": 12.0}, 12.0),
        ({"status": "Filled", "filled": 0.0, "quantity": 0.0}, 10.0),  # as our record has it
        ({"status": "Filled", "filled": 0.0, "quantity": 0.0, "completed_status": "Filled Size: 7"}, 7.0),
        ({"status": "Cancelled", "filled": 0.0}, 0.0),
        ({"status": "Cancelled", "filled": 3.0}, 3.0),
    ],
)
def test_how_many_shares_a_report_says_are_filled(report: dict[str, Any], count: float) -> None:
    assert counted(broker_order(ENTRY, **report), 10.0) == count


@given(known=st.lists(st.tuples(st.integers(1, 50), st.integers(100, 20_000)), max_size=5), missing=st.integers(1, 50))
def test_the_price_of_what_is_missing_makes_the_average_right(known: list[tuple[int, int]], missing: int) -> None:
    fills = [fill(quantity=float(q), price=c / 100).fill for q, c in known]
    count = sum(q for q, _ in known) + missing
    true_price = 105.0
    average = (sum(q * c / 100 for q, c in known) + missing * true_price) / count
    assert price_of_missing(count, average, fills, 99.0) == pytest.approx(true_price)
    assert price_of_missing(count, 0.0, fills, 99.0) == 99.0, "without an average: the level"
    assert unexplained(count, fills) == missing


@given(account=shares, own=shares, resting=shares)
def test_a_claim_never_exceeds_account_or_stops(account: float, own: float, resting: float) -> None:
    quantity = claimed(account, own, resting)
    assert quantity >= 0
    assert quantity == 0 or own + quantity == min(account, resting)


@given(remaining=shares, account=shares, own=shares, stops=shares, under=shares)
def test_an_entry_never_fills_more_than_each_witness_allows(
    remaining: float, account: float, own: float, stops: float, under: float
) -> None:
    quantity = entry_filled_unseen(remaining, account, own, stops, under)
    assert 0 <= quantity <= remaining
    assert quantity == 0 or (own + quantity <= account and under + quantity <= stops)


@pytest.mark.parametrize(
    ("account", "own", "foreign", "missing", "sold"),
    [
        (0.0, 10.0, 0.0, 10.0, True),
        (25.0, 10.0, 25.0, 10.0, True),
        (4.0, 10.0, 0.0, 10.0, False),  # a part was sold by hand
        (10.0, 10.0, 0.0, 10.0, False),
        (0.0, 10.0, 0.0, 4.0, False),
        (0.0, 0.0, 0.0, 0.0, False),
    ],
)
def test_a_stop_has_sold_if_exactly_its_shares_are_missing(
    account: float, own: float, foreign: float, missing: float, *, sold: bool
) -> None:
    assert sold_unseen(account, own, foreign, missing) is sold


@pytest.mark.parametrize(
    ("status", "why_held", "resting"),
    [
        ("PreSubmitted", "trigger", True),
        ("PreSubmitted", "", True),
        ("Submitted", "", True),
        ("PreSubmitted", "child,trigger", False),
        ("InFlight", "", False),
        ("PendingSubmit", "", False),
        ("Cancelled", "", False),
    ],
)
def test_which_stops_rest(status: str, why_held: str, *, resting: bool) -> None:
    assert rests(stop(status=status, why_held=why_held)) is resting


@given(count=st.sampled_from([1.0, 10.0, 10.5, 0.0001, 1e6]))
def test_ids_of_synthetic_fills_differ_by_count_and_have_a_revision(count: float) -> None:
    base, revision = execution_key(synthetic_exec_id(ENTRY, count))
    assert (base, revision) == (f"synthetic.{ENTRY}.{count:g}", 1)
