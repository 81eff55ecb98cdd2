"""Which order of the book is meant by a reference, an order id and a permId."""

from __future__ import annotations

import pytest

from messages.orders import OrderRecord
from services.gateway.book.identity import doubles_of, find, is_double, named_by_id, reference_of
from tests.gateway.one_decision import ENTRY, entry

SECOND, THIRD = f"{ENTRY}~2", f"{ENTRY}~3"


@pytest.mark.parametrize(
    ("key", "reference"),
    [
        (ENTRY, ENTRY),
        (SECOND, ENTRY),
        (f"{ENTRY}~12", ENTRY),
        (f"{ENTRY}~2~3", SECOND),
        (f"{ENTRY}~", f"{ENTRY}~"),
        (f"{ENTRY}~x", f"{ENTRY}~x"),
        ("12", "12"),
    ],
)
def test_a_double_has_the_reference_of_another_order(key: str, reference: str) -> None:
    assert reference_of(entry(key)) == reference
    assert is_double(entry(key)) is (reference != key)


def test_the_first_double_has_number_two() -> None:
    book = {o.key: o for o in (entry(ENTRY), entry(SECOND), entry(THIRD), entry(f"{ENTRY}~5"))}
    assert doubles_of(book.get, ENTRY) == ([book[SECOND], book[THIRD]], f"{ENTRY}~4")
    assert doubles_of({}.get, ENTRY) == ([], SECOND)


FIRST = entry(order_id=7, perm_id=70)


@pytest.mark.parametrize(
    ("orders", "order_id", "perm_id", "meant"),
    [
        ([], 7, 70, None),
        ([FIRST], 7, 70, ENTRY),
        ([FIRST], 9, 70, ENTRY),  # order ids roll back; the permId is its identity
        ([FIRST], 7, 71, None),  # another one, although it has the same order id
        ([FIRST], 7, 0, ENTRY),
        ([FIRST], 9, 0, None),
        ([FIRST], 0, 0, ENTRY),  # completed orders have no order id
        ([FIRST], -1, 0, ENTRY),
        ([entry(order_id=7)], 7, 70, ENTRY),  # not acknowledged yet
        ([entry(order_id=7)], 9, 70, None),
        ([entry(order_id=7)], 1, 70, None),
        ([entry(order_id=0)], 9, 70, ENTRY),
        ([entry(order_id=-1)], 9, 70, ENTRY),
        ([entry(order_id=7)], 1, 0, None),
        ([entry(order_id=1)], 7, 0, None),
        # Doubles, by their permId first.
        ([FIRST, entry(SECOND, order_id=7, perm_id=71)], 7, 71, SECOND),
        ([FIRST, entry(SECOND, order_id=7, perm_id=71)], 7, 70, ENTRY),
        ([FIRST, entry(SECOND, order_id=7, perm_id=71)], 7, 0, ENTRY),  # by its order id the first one known
        ([FIRST, entry(SECOND, order_id=8, perm_id=71)], 8, 0, SECOND),
        ([FIRST, entry(SECOND, order_id=8)], 8, 72, SECOND),
        ([entry(order_id=7), entry(SECOND, order_id=8, perm_id=71)], 7, 71, SECOND),
        ([entry(order_id=7), entry(SECOND, order_id=7, perm_id=71)], 7, 72, ENTRY),
        ([FIRST, entry(SECOND, order_id=8, perm_id=71), entry(THIRD, order_id=9, perm_id=72)], 9, 72, THIRD),
        ([FIRST, entry(SECOND, order_id=8, perm_id=71)], 9, 73, None),
    ],
)
def test_find_returns_the_order_with_these_ids(
    orders: list[OrderRecord], order_id: int, perm_id: int, meant: str | None
) -> None:
    book = {o.key: o for o in orders}
    found = find(book.get, ENTRY, order_id, perm_id)
    assert (found.key if found is not None else None) == meant


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (entry(SECOND, order_id=7), True),
        (entry(SECOND, order_id=8), False),
        (entry(SECOND, order_id=7, status="Cancelled"), False),
        (entry(SECOND, order_id=7, role="foreign"), False),
        (FIRST, False),  # (itself is named once)
    ],
)
def test_a_command_reaches_every_live_order_with_its_id(other: OrderRecord, named: bool) -> None:
    assert named_by_id(FIRST, [other]) == ([FIRST, other] if named else [FIRST])


def test_without_an_id_no_other_order_is_named() -> None:
    assert named_by_id(entry(order_id=0), [entry(SECOND, order_id=0)]) == [entry(order_id=0)]
