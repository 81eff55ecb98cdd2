"""The first minute: the configuration that comes with the project, as it is, until it holds a protected position."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.day.conftest import ROOT, RunningFleet, until


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
    fleet = start_fleet(**config)
    until(lambda: protected(fleet.status()), "no protected position after a minute")
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
