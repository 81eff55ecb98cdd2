"""How earlier stops decide about the next one: its level, its type, and when it is due."""

from __future__ import annotations

import pytest

from messages.orders import OrderRecord
from services.gateway.book.records import NEVER_ARRIVED
from services.gateway.protection.plan import (
    MIN_DISTANCE_PCT,
    RENEW_AFTER_NS,
    CancelStop,
    PlaceStop,
    ResizeStop,
    due_for_renewal,
    level_reached,
    may_become_trailing,
    plan,
    refused_in_a_row,
    replacement_type,
)
from tests.gateway.one_decision import stop
from tests.gateway.scenario import changed


def of(number: int, **more: object) -> OrderRecord:
    """The stop with this number, placed at its time."""
    return stop(f"S{number}", **({"created_ns": number, "order_id": number} | more))


def fixed(number: int, **more: object) -> OrderRecord:
    return of(number, **({"order_type": "STP", "trail_stop_price": None} | more))


REFUSED = {"status": "Inactive"}
ENDED = {"status": "Cancelled"}
LOST = {"status": "Cancelled", "reason": NEVER_ARRIVED}


@pytest.mark.parametrize(
    ("stops", "count"),
    [
        ([], 0),
        ([of(1)], 0),
        ([of(1, **REFUSED)], 1),
        ([of(1, **LOST)], 1),  # never arrived counts as refused
        ([of(1, **REFUSED), of(2, **ENDED)], 0),
        ([of(1, **ENDED), of(2, **REFUSED), of(3, **LOST)], 2),
        ([of(3, **REFUSED), of(2, **REFUSED), of(1, **ENDED)], 2),  # by their time, not by position
        ([of(1, **REFUSED), of(2, **ENDED), of(3, **REFUSED)], 1),
        # Placed in the same moment, by their order id.
        ([of(2, **REFUSED, created_ns=5), of(1, **ENDED, created_ns=5)], 1),
        ([of(1, **REFUSED, created_ns=5), of(2, **ENDED, created_ns=5)], 0),
        ([of(9, **ENDED, created_ns=1), of(2, **REFUSED)], 1),
    ],
)
def test_refusals_in_a_row_count_from_the_newest_stop(stops: list[OrderRecord], count: int) -> None:
    assert refused_in_a_row(stops) == count


@pytest.mark.parametrize(
    ("stops", "wanted"),
    [
        ([], "TRAIL"),
        ([of(1, **ENDED)], "TRAIL"),
        ([of(1, **REFUSED)], "TRAIL"),
        ([fixed(1, **ENDED)], "STP"),
        ([fixed(1, **ENDED, cancel_reason="exchanged")], "TRAIL"),
        ([fixed(1, **ENDED, cancel_reason="modify_refused")], "STP"),
        # The replacement was refused: the fixed stop is placed again, and stays fixed.
        ([fixed(1, **ENDED, cancel_reason="exchanged"), of(2, **REFUSED)], "STP"),
        ([fixed(1, **ENDED, cancel_reason="exchanged"), of(2, **LOST)], "STP"),
        ([fixed(1, **ENDED, cancel_reason="exchanged"), of(2, **REFUSED), fixed(3, **ENDED)], "STP"),
        # It was not refused: another trailing stop follows one that ended otherwise.
        ([fixed(1, **ENDED, cancel_reason="exchanged"), of(2, **ENDED)], "TRAIL"),
        # By their time, not by position; at the same time by their order id.
        ([of(2, **ENDED), fixed(1, **ENDED)], "TRAIL"),
        ([fixed(2, **ENDED), of(1, **ENDED)], "STP"),
        ([of(2, **ENDED, created_ns=5), fixed(1, **ENDED, created_ns=5)], "TRAIL"),
        ([of(1, **ENDED, created_ns=5), fixed(2, **ENDED, created_ns=5)], "STP"),
    ],
)
def test_the_type_of_a_new_stop(stops: list[OrderRecord], wanted: str) -> None:
    assert replacement_type(stops, "TRAIL") == wanted


@pytest.mark.parametrize(
    ("levels", "reached"),
    [
        ([], 90.0),
        ([(None, None)], 90.0),
        ([(94.5, None)], 94.5),
        ([(None, 95.5)], 95.5),
        ([(94.5, 96.0), (95.5, 95.5)], 96.0),
        ([(97.0, 96.0), (95.5, 95.5)], 97.0),
        ([(80.0, None)], 80.0),  # a known level counts, even below the default
    ],
)
def test_the_level_only_rises(levels: list[tuple[float | None, float | None]], reached: float) -> None:
    stops = [of(n, trail_stop_price=trail, stop_price=at) for n, (trail, at) in enumerate(levels)]
    assert level_reached(stops, 90.0) == reached


@pytest.mark.parametrize(
    ("order", "age_ns", "due"),
    [
        (of(0), RENEW_AFTER_NS, True),
        (of(0), RENEW_AFTER_NS - 1, False),
        (of(0, renewed_ns=1), RENEW_AFTER_NS, False),
        (of(0, renewed_ns=1), RENEW_AFTER_NS + 1, True),
        (of(0, tif="DAY"), RENEW_AFTER_NS, False),
    ],
)
def test_a_resting_stop_is_renewed_before_the_quarter_is_over(order: OrderRecord, age_ns: int, due: bool) -> None:
    assert due_for_renewal(order, age_ns) is due


def test_the_lifetime_starts_when_the_stop_was_placed() -> None:
    assert not due_for_renewal(of(0, created_ns=1000), RENEW_AFTER_NS + 999)
    assert due_for_renewal(of(0, created_ns=1000, renewed_ns=500), RENEW_AFTER_NS + 1000)


EDGE = 100.0 * (1 + MIN_DISTANCE_PCT / 100)


@pytest.mark.parametrize(
    ("order", "others", "last", "may"),
    [
        (fixed(1, stop_price=100.0), [], EDGE + 0.01, True),
        (fixed(1, stop_price=100.0), [], EDGE, False),
        (fixed(1, stop_price=None), [], 500.0, False),
        (of(1, stop_price=100.0), [], 500.0, False),
        (fixed(1, stop_price=100.0, cancel_reason="exchanged"), [], 500.0, False),
        (fixed(1, stop_price=100.0, status="InFlight"), [], 500.0, False),
        (fixed(1, stop_price=100.0), [of(2, **REFUSED)], 500.0, False),
        (fixed(1, stop_price=100.0), [of(2, **REFUSED, order_type="TRAIL LIMIT")], 500.0, False),
        (fixed(1, stop_price=100.0), [of(2, **ENDED, filled=1.0)], 500.0, True),  # it worked, and sold
        (fixed(1, stop_price=100.0), [of(2)], 500.0, True),
        (fixed(1, stop_price=100.0), [fixed(2, **REFUSED)], 500.0, True),
    ],
)
def test_a_fixed_stop_is_replaced_well_above_its_level_and_once(
    order: OrderRecord, others: list[OrderRecord], last: float, may: bool
) -> None:
    assert may_become_trailing(order, [order, *others], last) is may


class TestPlan:
    def test_the_oldest_stop_grows_and_the_others_stay(self) -> None:
        old, young = of(1, quantity=3.0, filled=1.0), of(2, quantity=4.0)
        assert plan(10.0, 10.0, [young, old], False) == [ResizeStop(old, 7.0)]

    def test_the_oldest_stop_stays_if_there_are_too_many(self) -> None:
        one, two, three = (of(n) for n in (1, 2, 3))
        assert plan(10.0, 10.0, [two, three, one], False) == [
            CancelStop(two, "duplicate_stop"),
            CancelStop(three, "duplicate_stop"),
        ]

    def test_the_lower_order_id_is_older_at_the_same_time(self) -> None:
        one, two = of(1, created_ns=5), of(2, created_ns=5)
        assert plan(10.0, 10.0, [two, one], False) == [CancelStop(two, "duplicate_stop")]

    def test_without_shares_all_stops_are_cancelled_oldest_first(self) -> None:
        one, two = of(1), of(2)
        assert plan(0.0, 0.0, [two, one], False) == [CancelStop(one, "orphan_stop"), CancelStop(two, "orphan_stop")]

    @pytest.mark.parametrize(
        ("own", "account", "wanted"),
        [
            (1.0, 1.0, [PlaceStop(1)]),
            (10.0, 10.0, [PlaceStop(10)]),
            (10.0, 9.0, []),
            (10.0, 9.99, [PlaceStop(9)]),  # a fraction of a share is no dispute
            (10.9, 10.9, [PlaceStop(10)]),
            (0.9, 1.0, []),
        ],
    )
    def test_a_stop_covers_whole_shares_of_the_account(
        self, own: float, account: float, wanted: list[PlaceStop]
    ) -> None:
        assert plan(own, account, [], False) == wanted

    def test_with_an_unknown_position_stops_only_shrink(self) -> None:
        assert plan(10.0, None, [of(1, quantity=4.0)], False) == []
        assert plan(4.0, None, [of(1)], False) == [ResizeStop(of(1), 4.0)]
        assert plan(0.4, None, [of(1)], False) == [CancelStop(of(1), "orphan_stop")]

    def test_a_stop_that_only_reserves_blocks_all_actions(self) -> None:
        reserves = changed(of(2), status="PendingCancel")
        assert plan(30.0, 30.0, [of(1), reserves], False) == []
