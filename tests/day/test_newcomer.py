"""The first minute: the configuration that comes with the project, as it is, until it holds a protected position."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from .conftest import ROOT, RunningFleet


def protected(status: dict[str, Any]) -> list[str]:
    """Symbols that hold a position under a live stop."""
    return [
        s["symbol"]
        for s in status["symbols"]
        if s["state"] == "POSITION OPEN" and s["why"] == "stop live at the broker"
    ]


@pytest.mark.timeout(110)
def test_trades_within_a_minute(start_fleet: Callable[..., RunningFleet]) -> None:
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    config.pop("ibkr", None)
    config.pop("fleet", None)
    begun = time.monotonic()
    fleet = start_fleet(**config)
    held: list[str] = []
    while not held and time.monotonic() - begun < 60:
        time.sleep(0.5)
        held = protected(fleet.status())
    assert held, f"no protected position after a minute\n{fleet.crazy('status', check=False).stdout}"
    fleet.crazy("audit", "--settle", "10")

    lines = [json.loads(line) for path in fleet.var.glob("logs/*.jsonl") for line in path.read_text().splitlines()]
    events = {line["event"] for line in lines}
    wanted = {
        "bot_started",
        "entry_order_placed",
        "trailing_stop_placed",
        "fill_received",
        "order_filled",
        "reconciled",
    }
    assert wanted <= events
    placed = next(line for line in lines if line["event"] == "entry_order_placed")
    assert {"symbol", "client_order_id", "order_id", "qty", "stop_price", "timestamp", "wall", "level"} <= placed.keys()

    fleet.crazy("down")
    assert not fleet.pids()
    assert fleet.crazy("status", check=False).returncode == 3
    stopped = [json.loads(p.read_text().splitlines()[-1])["event"] for p in fleet.var.glob("logs/*.jsonl")]
    assert set(stopped) == {"bot_stopped"}


def test_pause_cancels_entries_and_resume_arms_again(start_fleet: Callable[..., RunningFleet]) -> None:
    simulation = {"seed": 7, "daily_volatility": 0.01, "speed": 60}
    fleet = start_fleet(mode="sim", watchlist=["GME", "TSLA"], simulation=simulation)

    def pending() -> set[str]:
        rows = fleet.sql("SELECT symbol FROM state WHERE state = 'ENTRY_PENDING'")
        return {row["symbol"] for row in rows}

    def until(wanted: set[str]) -> None:
        deadline = time.monotonic() + 30
        while pending() != wanted and time.monotonic() < deadline:
            time.sleep(0.3)
        assert pending() == wanted

    until({"GME", "TSLA"})
    fleet.crazy("pause", "GME")
    until({"TSLA"})
    fleet.crazy("pause")
    until(set())
    cancelled = fleet.sql("SELECT count(*) AS n FROM orders WHERE role = 'entry' AND status = 'Cancelled'")
    assert cancelled[0]["n"] == 2
    assert fleet.kill("risk")
    assert fleet.kill("symbol-TSLA")
    fleet.crazy("wait", "--ready", "--timeout", "20")
    assert fleet.crazy("status", check=False).returncode == 1
    time.sleep(2)
    assert pending() == set(), "a pause did not survive a restart"
    fleet.crazy("resume")
    until({"TSLA"})
    fleet.crazy("resume", "GME")
    until({"GME", "TSLA"})

    # Shares that were bought by hand, in the same account: adopted, they are own and stopped, and stay so.
    fleet.crazy("simulator", "fault", "foreign-order", "symbol=GME", "side=BUY", "quantity=5")
    deadline = time.monotonic() + 30
    while (done := fleet.crazy("adopt", "GME", "4", check=False)).returncode and time.monotonic() < deadline:
        assert "the account has 0 GME" in done.stderr  # not bought yet
        time.sleep(0.2)
    assert "adopting 4 GME: they become own shares and get a stop" in done.stdout
    until({"TSLA"})
    assert fleet.kill("gateway")
    assert fleet.kill("risk")
    fleet.crazy("wait", "--ready", "--timeout", "20")
    told = ""
    while "can't be adopted" not in told and time.monotonic() < deadline:
        told = fleet.crazy("adopt", "GME", "2", check=False).stderr  # risk may not listen yet
    assert "the account has 5 GME, 4 of them own: 2 can't be adopted" in told
    status = fleet.status()
    (line,) = [each for each in status["symbols"] if each["symbol"] == "GME"]
    assert (line["state"], line["own"], line["unprotected"]) == ("POSITION OPEN", 4, 0)
    assert (line["why"], line["order"].split()[0]) == ("stop live at the broker", "trail")
    assert status["money"]["foreign"] == {"GME": 1}
    _, ours, theirs, differences = fleet.crazy("audit", check=False).stdout.splitlines()[1].split()
    assert (ours, differences) == (theirs, "0"), "the broker has no order of that name"
