"""Which records leave the ledger: never what explains shares that are held, and orders only with their fills."""

from __future__ import annotations

from typing import Any

import pytest

from services.gateway.book.expiry import KEEP_NS, drop_old_records
from services.gateway.book.own_shares import replay
from services.gateway.book.records import FillRecord, OrderRecord, Own
from tests.gateway.one_decision import ENTRY, NOON_NS, STOP, draft, entry, fill, stop

OLD = NOON_NS - 3 * KEEP_NS
LATER = OLD + 60 * 10**9


def trip(number: int, bought_ns: int, sold_ns: int) -> list[Any]:
    """Ten shares that were bought and sold again."""
    key = f"CT-TSLA-20250106-{number}"
    sale = {"role": "stop", "side": "SELL", "time_ns": sold_ns}
    return [
        entry(key, status="Filled", filled=10.0, updated_ns=bought_ns),
        stop(f"{key}-S1", status="Filled", filled=10.0, updated_ns=sold_ns),
        fill(key, time_ns=bought_ns),
        fill(f"{key}-S1", **sale),
    ]


def left(*records: Any) -> set[str]:
    d = draft(*records)
    drop_old_records(d)
    return {*d.table(OrderRecord), *(r.fill.client_order_id for r in d.table(FillRecord).values())}


def test_a_round_trip_of_weeks_ago_leaves_as_a_whole() -> None:
    assert left(*trip(1, OLD, LATER)) == set()


@pytest.mark.parametrize("holds", [Own("TSLA", 10.0, 1050.0), Own("TSLA", -3.0)])
def test_everything_about_held_shares_stays_however_old(holds: Own) -> None:
    assert left(*trip(1, OLD, LATER), holds) == {ENTRY, STOP}


def test_a_live_stop_keeps_the_records_of_its_shares() -> None:
    records = [entry(status="Filled", filled=10.0, updated_ns=OLD), fill(time_ns=OLD), stop(updated_ns=OLD)]
    assert left(*records) == {ENTRY, STOP}


def test_a_purchase_does_not_leave_before_the_sale_of_its_shares() -> None:
    """Own shares follow from the fills: what is left adds up to what is held."""
    records = [*trip(1, OLD, LATER), *trip(2, OLD, NOON_NS - KEEP_NS // 2)]
    d = draft(*records)
    drop_old_records(d)
    kept = [record.fill for record in d.table(FillRecord).values()]
    assert {f.client_order_id for f in kept} >= {"CT-TSLA-20250106-2", "CT-TSLA-20250106-2-S1"}
    assert replay("TSLA", kept)[0].quantity == 0.0


def test_an_order_and_its_fills_leave_together() -> None:
    """An order without its fills would count as one whose executions are forgotten."""
    late = [
        r if not isinstance(r, OrderRecord) else entry(r.key, status="Filled", filled=10.0) for r in trip(1, OLD, LATER)
    ]
    assert left(*late) == {ENTRY, STOP}
    d = draft(*late)
    drop_old_records(d)
    assert len(d.table(FillRecord)) == 2
