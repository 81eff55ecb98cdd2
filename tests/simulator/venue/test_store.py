"""The simulator's ledger: its contents and its refusals."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.configuration.refusal import Refusal
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.store import Store
from tests.simulator.scripted import DU1, MONDAY, ScriptedMarket, exchange, prints, ticket


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "simulator.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = Store(path, "DU1")
    yield opened
    opened.close()


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    """Reads the ledger as the audit does, while the simulator has it open."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def test_a_new_ledger_is_empty(store: Store) -> None:
    assert store.load() is None


def test_an_auditor_sees_orders_executions_and_commissions(store: Store, path: Path) -> None:
    market = exchange(prints(100.0, 106.0, 90.0, through=True))
    market.place(ticket(1, "BUY", "STP LMT", stop_price=105.0, limit_price=106.0, transmit=False, order_ref="ABC-1"))
    market.place(ticket(2, "SELL", "TRAIL", trailing_pct=10.0, parent_id=1, tif="GTC", order_ref="ABC-1-stop"))
    market.place(ticket(3, "BUY", "LMT", limit_price=50.0))
    store.save(market.changes())
    assert rows(path, "SELECT order_id, status, why_held FROM orders ORDER BY perm_id") == [
        (1, "PreSubmitted", "trigger"),
        (2, "PreSubmitted", "child,trigger"),
        (3, "Submitted", ""),
    ]
    market.advance(MONDAY.close_ns)
    store.save(market.changes())
    assert rows(path, "SELECT order_ref, status, filled, avg_price, completed_status FROM orders ORDER BY perm_id") == [
        ("ABC-1", "Filled", 100.0, 105.01, "Filled Size: 100"),
        ("ABC-1-stop", "Filled", 100.0, 95.39, "Filled Size: 100"),
        ("", "Cancelled", 0.0, 0.0, "Cancelled by System:"),
    ]
    query = "SELECT order_ref, side, quantity, price, realized_pnl FROM executions JOIN commissions USING (exec_id)"
    assert rows(path, query) == [("ABC-1", "BUY", 100.0, 105.01, None), ("ABC-1-stop", "SELL", 100.0, 95.39, -964.0)]
    assert rows(path, "SELECT trail_stop_price, trailing_pct FROM orders WHERE order_id = 2") == [(95.4, 10.0)]


def test_saving_is_all_or_nothing(store: Store, path: Path) -> None:
    market = exchange(prints(100.0, 101.0))
    market.place(ticket(1, "BUY", "MKT"))
    market.advance(MONDAY.close_ns)
    changes = market.changes()
    store.save(changes)
    market.place(ticket(2, "BUY", "MKT"))
    again = market.changes()
    again.executions.extend(changes.executions)  # an execution twice breaks the key
    with pytest.raises(sqlite3.IntegrityError):
        store.save(again)
    assert rows(path, "SELECT order_id FROM orders") == [(1,)]
    market.place(ticket(3, "BUY", "MKT"))
    store.save(market.changes())
    assert rows(path, "SELECT order_id FROM orders") == [(1,), (3,)]


def test_only_changes_are_saved() -> None:
    market = exchange(prints(100.0, 101.0))
    market.place(ticket(1, "BUY", "LMT", limit_price=50.0))
    assert [order.ticket.order_id for order in market.changes().orders] == [1]
    market.advance(MONDAY.open_ns)
    changes = market.changes()
    assert (changes.orders, changes.executions, [tape.symbol for tape in changes.tapes]) == ([], [], ["ABC"])
    assert market.changes().tapes == []


def test_a_ledger_keeps_to_its_account(store: Store, path: Path) -> None:
    with pytest.raises(Refusal, match="belongs to account DU1, not DU2"):
        Store(path, "DU2")
    Store(path, "DU1").close()


def test_a_newer_schema_is_refused(store: Store, path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    db.commit()
    db.close()
    with pytest.raises(Refusal, match="has schema 99"):
        Store(path, "DU1")


@pytest.mark.parametrize("damage", ["no folder", "not a database"])
def test_a_file_that_is_no_ledger_is_refused(path: Path, damage: str) -> None:
    if damage == "no folder":
        path = path.parent / "absent" / "simulator.sqlite"
    else:
        path.write_text("something else entirely, and long enough to be read as a header of a database file" * 20)
    with pytest.raises(Refusal, match="can't be used") as refused:
        Store(path, "DU1")
    assert "\n" not in str(refused.value)


def test_adjustments_and_the_last_login_are_saved(tmp_path: Path) -> None:
    market = exchange(prints(100.0, 101.0))
    market.log_in(here=True)
    market.advance(MONDAY.open_ns)
    market.split("ABC", 2.0)
    market.dividend("ABC", 0.5)
    market.halt("ABC")
    store = Store(tmp_path / "simulator.sqlite", "DU1")
    store.save(market.changes())
    later = Exchange(ScriptedMarket([]), [MONDAY], accounts=[DU1], start_ns=0, saved=store.load())
    assert later.adjustments("ABC") == market.adjustments("ABC")
    assert (
        len(later.adjustments("ABC").splits),
        len(later.adjustments("ABC").dividends),
        len(later.adjustments("ABC").halts),
    ) == (1, 1, 1)
    assert later.changes().checkpoint.last_login_ns == MONDAY.open_ns
