"""Row 34, as far as the database: a fill that the broker has forgotten is recorded as synthetic, once, and replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from messages.orders import OrderFilled
from services.recorder.store import DuckLedger
from tests.recorder.scenario import fill, order, record

SHOWN = "SELECT exec_id, qty, price, witness FROM fills"


@pytest.fixture
def ledger(tmp_path: Path) -> DuckLedger:
    return DuckLedger(tmp_path / "bot.duckdb", fleet="sim", account="DU1")


def read(ledger: DuckLedger, sql: str) -> list[tuple[object, ...]]:
    return ledger.reader().execute(sql).fetchall()


@pytest.mark.parametrize("witness", ["order", "stop"])
def test_field_34_it_is_marked_and_the_true_execution_replaces_it(ledger: DuckLedger, witness: str) -> None:
    rebuilt = fill("SYN.CT-TSLA-20250106-1", "TSLA-1", witness=witness, price=101.0)
    record(ledger, OrderFilled(rebuilt, order(), 10.0, 1010.0, 0.0))
    assert read(ledger, SHOWN) == [("SYN.CT-TSLA-20250106-1", 10.0, 101.0, witness)]
    assert read(ledger, "SELECT symbol, qty, witness FROM synthetic") == [("TSLA", 10.0, witness)]
    true = OrderFilled(fill("0001.01", price=100.0), order(), 10.0, 1000.0, 0.0, corrects="SYN.CT-TSLA-20250106-1")
    record(ledger, true, seq=2)
    assert read(ledger, SHOWN) == [("0001.01", 10.0, 100.0, "execution")]
    assert read(ledger, "FROM synthetic") == []


def test_field_34_what_a_person_adopted_is_not_synthetic(ledger: DuckLedger) -> None:
    record(ledger, OrderFilled(fill(role="adopted"), order(role="adopted"), 10.0, 1000.0, 0.0))
    assert read(ledger, "SELECT witness FROM fills") == [("operator",)]
    assert read(ledger, "FROM synthetic") == []
