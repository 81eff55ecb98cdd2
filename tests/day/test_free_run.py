"""Free-running days with everything killed once: the fleet comes back by itself, and every record equals the
broker's."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.day.conftest import RunningFleet, market_file

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

EVERY = ["gateway", "symbol-GME", "risk", "clock", "recorder", "watchdog", "simulator"]


def free_days(start_fleet: Callable[..., RunningFleet], entry_type: str, speed: float) -> RunningFleet:
    simulation = {
        "market": "files",
        "files": [str(market_file("yahoo_bars_1m_2022.parquet"))],
        "start": "2022-03-22",
        "end": "2022-03-25",
        "speed": speed,
    }
    entries = {"type": entry_type}
    return start_fleet(mode="sim", watchlist=["GME", "AMC", "TSLA"], entries=entries, simulation=simulation)


@pytest.mark.parametrize("entry_type", ["buy_stop", "buy_stop_limit"])
def test_undisturbed(entry_type: str, start_fleet: Callable[..., RunningFleet]) -> None:
    fleet = free_days(start_fleet, entry_type, 1200)
    fleet.crazy("wait", "--end", "--timeout", "400")
    fleet.crazy("audit")


def test_one_kill_of_each_process(start_fleet: Callable[..., RunningFleet]) -> None:
    fleet = free_days(start_fleet, "buy_stop", 600)
    for process in EVERY:
        time.sleep(8)
        before = fleet.pids()[process]
        assert fleet.kill(process)
        deadline = time.monotonic() + 15
        while fleet.pids().get(process) in (None, before) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert fleet.pids()[process] != before, f"{process} did not come back"
    fleet.crazy("wait", "--ready", "--timeout", "30")
    fleet.crazy("wait", "--end", "--timeout", "500")
    fleet.crazy("audit")


def test_the_supervisor_is_killed(start_fleet: Callable[..., RunningFleet]) -> None:
    fleet = free_days(start_fleet, "buy_stop", 1200)
    time.sleep(10)
    orders = fleet.sql("SELECT count(*) AS n FROM orders")[0]["n"]
    os.kill(fleet.supervisord(), signal.SIGKILL)
    deadline = time.monotonic() + 5
    while fleet.pids() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not fleet.pids(), "orphans trade on unseen"
    assert fleet.crazy("status", check=False).returncode == 3
    fleet.crazy("up")
    assert len(fleet.pids()) == 9
    assert fleet.sql("SELECT count(*) AS n FROM orders")[0]["n"] >= orders
    fleet.crazy("wait", "--end", "--timeout", "400")
    fleet.crazy("audit")
