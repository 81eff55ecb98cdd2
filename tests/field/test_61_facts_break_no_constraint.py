"""Row 61: what the broker reports never breaks a constraint of a ledger, so risk always answers."""

from __future__ import annotations

import pytest

from messages.account import BookTold, ReconciliationDone
from messages.entries import EntryDenied
from messages.orders import OrderCancelled, OrderRecord, PositionUpdated
from services.gateway.core import CONSTRAINTS
from services.risk.limits import FoundEntry, Reservation
from tests.risk.scenario import Risk, order, plan

ENTRY = "CT.sim-TSLA-20250106-1"


def live(key: str = ENTRY, symbol: str = "TSLA", **more: object) -> OrderRecord:
    return order(key, symbol, **({"limit_price": 100.0, "status": "Submitted"} | more))  # type: ignore[arg-type]


def test_field_61_two_live_entries_under_one_reference() -> None:
    risk = Risk(cold=True)
    risk.account(100_000.0)
    risk.handle(BookTold(True, (), (live(), live(f"{ENTRY}~2")), None))
    assert risk.core.ready(risk.state), "the book was taken"
    assert [f.symbol for f in risk.state.table(FoundEntry).values()] == ["TSLA", "TSLA"]
    assert risk.reserved() == pytest.approx(2 * (1000.0 + 1.0)), "both count as exposure"
    risk.submit(plan())
    (denied,) = [m for _, m in risk.sent if isinstance(m, EntryDenied)]
    assert denied.reason == "entry_live"
    risk.handle(OrderCancelled(live(f"{ENTRY}~2", status="Cancelled"), True))
    assert list(risk.state.table(FoundEntry)) == [ENTRY]


def test_field_61_a_reservation_and_a_double() -> None:
    risk = Risk()
    risk.submit(plan())
    (reserved,) = risk.state.table(Reservation).values()
    key = reserved.client_order_id
    risk.gateway_answers = False
    risk.handle(ReconciliationDone("DU1", 0, 0, 0))
    risk.handle(BookTold(True, (), (live(key), live(f"{key}~2")), None))
    assert list(risk.state.table(Reservation)) == [key]
    assert list(risk.state.table(FoundEntry)) == [f"{key}~2"]


def test_field_61_more_is_live_than_the_cap_allows() -> None:
    """The ledger was lost, or the cap was lowered."""
    risk = Risk(cold=True, allocation={"total_usd_cap": 1500.0})
    risk.account(100_000.0)
    entries = (live(), live("CT.sim-NVDA-20250106-1", "NVDA"), live("CT.sim-AMD-20250106-1", "AMD"))
    risk.handle(BookTold(True, (PositionUpdated("TSLA", 100.0, 50.0, 0.0),), entries, None))
    assert risk.core.ready(risk.state)
    assert risk.reserved() == pytest.approx(3 * 1001.0)


@pytest.mark.parametrize("quantity", [10_000.0, 0.0, -1.0, 0.5])
def test_field_61_an_entry_of_any_size(quantity: float) -> None:
    """Somebody made our entry larger in TWS."""
    risk = Risk()
    risk.submit(plan())
    (key,) = risk.state.table(Reservation)
    risk.gateway_answers = False
    risk.handle(ReconciliationDone("DU1", 0, 0, 0))
    risk.handle(BookTold(True, (), (live(key, quantity=quantity),), None))
    assert risk.core.ready(risk.state)


def test_field_61_an_entry_without_a_price() -> None:
    risk = Risk(cold=True)
    risk.handle(BookTold(True, (), (order(ENTRY, "TSLA", status="Submitted", order_type="MKT"),), None))
    assert list(risk.state.table(FoundEntry)) == [ENTRY]


def test_field_61_constraints_bind_only_what_the_fleet_decides() -> None:
    """`EntrySlot` is made when an approved entry is placed, `Reservation` when one is approved: nowhere else."""
    assert {c.kind for c in CONSTRAINTS} == {"EntrySlot"}
    risk = Risk()
    risk.handle(BookTold(True, (), (live(), live(f"{ENTRY}~2")), None))
    assert not risk.state.table(Reservation)
