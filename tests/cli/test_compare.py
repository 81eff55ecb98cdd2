from __future__ import annotations

from typing import Any

import pytest

from services.cli.compare import COMMISSIONS, EXECUTIONS, ORDERS, Table, compare

ORDER: dict[str, Any] = {
    "client_order_id": "CT-TSLA-20220322-1",
    "order_id": 7,
    "perm_id": 70,
    "account": "DU1",
    "symbol": "TSLA",
    "side": "BUY",
    "order_type": "STP LMT",
    "qty": 10.0,
    "limit_price": 110.25,
    "stop_price": 105.0,
    "trailing_pct": None,
    "trail_stop_price": None,
    "tif": "DAY",
    "status": "Filled",
    "filled": 10.0,
    "avg_price": 105.02,
}
EXECUTION: dict[str, Any] = {
    "exec_id": "0001.01",
    "client_order_id": "CT-TSLA-20220322-1",
    "order_id": 7,
    "perm_id": 70,
    "account": "DU1",
    "symbol": "TSLA",
    "side": "BUY",
    "qty": 10.0,
    "price": 105.02,
    "cum_qty": 10.0,
    "avg_price": 105.02,
    "time_s": 1_647_957_600,
}
COMMISSION: dict[str, Any] = {"exec_id": "0001.01", "commission": 1.0, "currency": "USD", "realized_pnl": None}
SAMPLES = [(ORDERS, ORDER), (EXECUTIONS, EXECUTION), (COMMISSIONS, COMMISSION)]


def changed(value: object) -> object:
    match value:
        case float():
            return value + 0.01
        case int():
            return value + 1
        case None:
            return 1.0
        case _:
            return f"{value}x"


@pytest.mark.parametrize(("table", "row"), SAMPLES)
def test_equal_rows(table: Table, row: dict[str, Any]) -> None:
    found = compare(table, [row], [dict(row)])
    assert (found.ours, found.theirs, found.differences, found.equal) == (1, 1, [], True)


@pytest.mark.parametrize(("table", "row", "field"), [(t, r, f) for t, r in SAMPLES for f in t.fields])
@pytest.mark.parametrize("missing", [False, True])
def test_each_field_that_differs_is_one_difference(
    table: Table, row: dict[str, Any], field: str, missing: bool
) -> None:
    theirs = row | {field: changed(row[field])}
    if missing:
        theirs, row = row, row | {field: None if row[field] is not None else 0.0}
    found = compare(table, [row], [theirs])
    assert len(found.differences) == 1
    assert f"{row[table.key]}: {field} is" in found.differences[0]
    assert not found.equal


@pytest.mark.parametrize(("table", "row"), SAMPLES)
def test_rows_on_one_side_only_and_duplicate_rows(table: Table, row: dict[str, Any]) -> None:
    another, named = row | {table.key: "other"}, f"{table.name} {row[table.key]}"
    assert compare(table, [row, another], [row]).differences == [f"{table.name} other: only in the database"]
    assert compare(table, [row], [row, another]).differences == [f"{table.name} other: only at the broker"]
    assert compare(table, [row], [row, row]).differences == [f"{named}: stands twice at the broker"]
    assert compare(table, [row, row], [row]).differences == [f"{named}: stands twice in the database"]


@pytest.mark.parametrize(("table", "row"), SAMPLES)
def test_nothing_to_compare_is_not_equal(table: Table, row: dict[str, Any]) -> None:
    assert not compare(table, [], []).equal


def test_the_last_bits_of_a_price_do_not_matter() -> None:
    assert compare(EXECUTIONS, [EXECUTION | {"price": 0.1 + 0.2}], [EXECUTION | {"price": 0.3}]).equal


NEVER_SENT = ORDER | {"client_order_id": "CT-TSLA-20220322-2", "perm_id": 0, "status": "Cancelled", "filled": 0.0}


def test_an_order_that_ended_before_the_broker_had_it_is_counted_separately() -> None:
    found = compare(ORDERS, [ORDER, NEVER_SENT], [ORDER])
    assert (found.ours, found.never_sent, found.equal) == (1, 1, True)


@pytest.mark.parametrize("change", [{"perm_id": 71}, {"status": "InFlight"}, {"status": "Submitted"}, {"filled": 1.0}])
def test_an_order_that_the_broker_should_have_is_a_difference(change: dict[str, Any]) -> None:
    assert not compare(ORDERS, [ORDER, NEVER_SENT | change], [ORDER]).equal


def test_an_unsent_order_that_the_broker_has_is_a_difference() -> None:
    assert not compare(ORDERS, [ORDER, NEVER_SENT], [ORDER, NEVER_SENT | {"perm_id": 71}]).equal
