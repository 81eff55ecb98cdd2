"""Row 57, and its kind: one process has lost its ledger, whichever it is; the fleet finds it, says it and goes on.

The fleet is the one of `tests/runtime/earlier_release`: AMC is held under its stop, the entries of NVDA and SMCI rest,
TSLA is paused. The judge is the exchange's own ledger.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.day.conftest import RunningFleet
from tests.runtime.earlier_release import files

CONFIG = {**files.CONFIG, "simulation": {**files.SIMULATION, "speed": 60}}
LEDGERS = [*files.PROCESSES, "recorder"]
ALWAYS = ("gateway", "risk", "symbol-AMC")
"""A whole fleet starts twice for each ledger: the others are for `make soak`."""
TOLD = "FROM events WHERE event_type = 'ledger_lost' AND level = 'ERROR'"


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a fleet that is down in mid-session, and was up with this release."""
    home = tmp_path_factory.mktemp("before")
    with running(home) as fleet:
        files.build(fleet.var)
        fleet.crazy("up")
        fleet.until("FROM events WHERE event_type = 'reconciliation_done' AND run = 2")
        fleet.crazy("down")
        return fleet.var


@pytest.fixture
def fleet(before: Path, tmp_path: Path) -> Iterator[RunningFleet]:
    """The fleet, down, on a copy of these files."""
    with running(tmp_path) as fleet:
        shutil.copytree(before, fleet.var)
        yield fleet


@contextmanager
def running(home: Path) -> Iterator[RunningFleet]:
    with tempfile.TemporaryDirectory(prefix="crazy-", dir="/tmp") as runtime:
        fleet = RunningFleet(files.FLEET, home, Path(runtime), CONFIG)
        try:
            yield fleet
        finally:
            fleet.crazy("down", check=False)


def file_of(fleet: RunningFleet, process: str) -> Path:
    return fleet.var / "bot.duckdb" if process == "recorder" else fleet.var / "ledgers" / f"{process}.sqlite"


def lose(fleet: RunningFleet, *processes: str) -> None:
    for process in processes:
        file_of(fleet, process).unlink()


def at_the_exchange(fleet: RunningFleet) -> tuple[list[str], dict[str, float]]:
    """References of the live orders, and shares by symbol, in the exchange's own ledger."""
    found = files.memory(fleet.var)
    live = [o.ticket.order_ref for o in found.orders if o.status in ("PreSubmitted", "Submitted")]
    return sorted(live), {h.symbol: h.quantity for h in found.holdings if h.quantity}


ORDERS = "SELECT client_order_id, order_type, tif, qty, role FROM orders ORDER BY 1"
PRICES = "SELECT client_order_id, limit_price FROM orders ORDER BY 1"
FILLS = "SELECT exec_id, qty, price, witness FROM fills ORDER BY 1"


@pytest.mark.parametrize(
    "process", [name if name in ALWAYS else pytest.param(name, marks=pytest.mark.soak) for name in LEDGERS]
)
def test_field_57_any_one_ledger_is_lost(fleet: RunningFleet, process: str) -> None:
    orders, prices, fills = fleet.sql(ORDERS), fleet.sql(PRICES), fleet.sql(FILLS)
    lose(fleet, process)
    fleet.crazy("up")
    (told,) = fleet.until(f"SELECT payload_json->>'process' AS process, payload_json->>'lost' AS lost {TOLD}")
    assert told["process"] == process
    assert told["lost"]
    fleet.until("FROM status WHERE symbol = 'AMC' AND protecting_qty = 25 AND own = 25")
    if process != "risk":  # it pauses all entries itself
        pending = "FROM status WHERE state = 'ENTRY_PENDING' AND entry_status IS NOT NULL AND symbol"
        for symbol in ("NVDA", "SMCI"):
            fleet.until(f"{pending} = '{symbol}'")
        fleet.crazy("pause")
    fleet.until("FROM (SELECT count(entry_status) AS live FROM status) WHERE live = 0")
    fleet.crazy("down")

    assert at_the_exchange(fleet) == (["CT-AMC-20250106-1-S1"], {"AMC": 25.0})
    fleet.crazy("audit")
    for query, then in ((ORDERS, orders), (PRICES, prices)):
        now = {row["client_order_id"]: row for row in fleet.sql(query)}
        assert [now[row["client_order_id"]] for row in then] == then, "no order lies"
    assert fleet.sql(FILLS) == fills, "none is missing, none is doubled"
    assert not fleet.sql("FROM events WHERE event_type = 'message_refused'")
    assert len(fleet.sql(TOLD)) == 1
