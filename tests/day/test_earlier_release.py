"""A fleet is updated: it goes on with the files that the release before wrote."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.day.conftest import RunningFleet
from tests.runtime.earlier_release import files

ORDERS = "SELECT client_order_id, order_id, perm_id, role, status, qty, filled FROM orders ORDER BY client_order_id"
STOP = "FROM orders WHERE client_order_id = 'CT-AMC-20250106-1-S1'"
CONFIG = {**files.CONFIG, "simulation": {**files.SIMULATION, "speed": 1000}}


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[RunningFleet]:
    """The fleet of the release before, which is down."""
    with tempfile.TemporaryDirectory(prefix="crazy-", dir="/tmp") as runtime:
        fleet = RunningFleet(files.FLEET, tmp_path, Path(runtime), CONFIG)
        files.build(fleet.var)
        yield fleet
        fleet.crazy("down", check=False)


def test_a_fleet_goes_on_with_the_files_of_the_release_before(fleet: RunningFleet) -> None:
    """It reconciles with the broker, follows the stop that it finds there, and sends no order twice."""
    before = fleet.sql(ORDERS)
    (stop,) = fleet.sql(STOP)
    assert (len(before), stop["trail_stop_price"]) == (10, 39.096)
    fleet.crazy("up")
    fleet.until(f"{STOP} AND trail_stop_price > 39.096")  # the market rises, and the stop with it
    fleet.crazy("down")  # more than two market hours before an order is filled

    assert len(fleet.sql("FROM events WHERE event_type = 'reconciliation_done'")) == 2
    assert not fleet.sql("FROM events WHERE event_type = 'message_refused' OR level = 'ERROR'")
    assert fleet.sql(ORDERS) == before
    fleet.crazy("audit")
    symbols = fleet.sql("SELECT symbol, state, why, own, protecting_qty FROM status ORDER BY symbol")
    assert [tuple(row.values()) for row in symbols] == [
        ("AMC", "POSITION_OPEN", "protected_by_stop", 25.0, 25.0),
        ("NVDA", "ENTRY_PENDING", "waits_for_trigger", 0.0, 0.0),
        ("SMCI", "ENTRY_PENDING", "waits_for_trigger", 0.0, 0.0),
        ("TSLA", "NO_POSITION", "paused", 0.0, 0.0),
    ]
    assert not fleet.sql("FROM unprotected")
