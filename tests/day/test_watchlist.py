"""The watchlist of a running fleet changes: whoever has nothing to do with it goes on as if nothing had happened."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import yaml

from services.settings import Settings

from .conftest import RunningFleet


def until(condition: Callable[[], object], what: str, timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)


def line(fleet: RunningFleet, symbol: str) -> dict[str, Any]:
    found = [row for row in fleet.status()["symbols"] if row["symbol"] == symbol]
    return found[0] if found else {}


def test_symbols_come_and_go_and_nobody_else_restarts(start_fleet: Callable[..., RunningFleet]) -> None:
    simulation = {"seed": 7, "daily_volatility": 0.01, "speed": 60}
    fleet = start_fleet(mode="sim", watchlist=["GME", "TSLA"], simulation=simulation)
    before = fleet.pids()

    # One more.
    fleet.crazy("symbols", "add", "nvda")
    until(lambda: line(fleet, "NVDA").get("state") == "ENTRY PENDING", "the new symbol does not trade")
    after = fleet.pids()
    assert {name: after[name] for name in before} == before, "somebody else was restarted"
    assert after.keys() - before.keys() == {"symbol-NVDA"}
    assert fleet.crazy("status", check=False).returncode == 0

    # One less: its entry is taken back, then its process leaves.
    said = fleet.crazy("symbols", "remove", "GME").stdout
    until(lambda: "symbol-GME" not in fleet.pids(), "the process of a removed symbol stays")
    assert "GME" in said
    fleet.crazy("symbols", "list")
    assert [row["symbol"] for row in fleet.status()["symbols"]] == ["TSLA", "NVDA"]
    rows = fleet.sql("SELECT status, reason FROM orders WHERE symbol = 'GME' AND role = 'entry'")
    assert {row["status"] for row in rows} <= {"Cancelled"}
    now = fleet.pids()
    assert {name: pid for name, pid in now.items() if name in before} == {
        name: pid for name, pid in before.items() if name != "symbol-GME"
    }
    assert fleet.crazy("status", check=False).returncode == 0

    # The list outlives a restart, of one process and of the fleet; so does the simulated market of what came later.
    assert fleet.kill("simulator")
    assert fleet.kill("gateway")
    fleet.crazy("wait", "--ready", "--timeout", "30")
    fleet.crazy("down")
    fleet.crazy("up")
    assert [row["symbol"] for row in fleet.status()["symbols"]] == ["TSLA", "NVDA"]
    until(lambda: line(fleet, "NVDA").get("state") == "ENTRY PENDING", "NVDA does not trade after a restart")

    # And back again.
    fleet.crazy("symbols", "add", "GME")
    until(lambda: line(fleet, "GME").get("state") == "ENTRY PENDING", "GME does not trade again")
    compared = fleet.crazy("audit", "--settle", "10", check=False).stdout.split()
    at = compared.index("orders")
    assert compared[at + 3] == "0", "the database and the broker differ"


def test_what_is_held_keeps_its_process_until_it_is_sold(start_fleet: Callable[..., RunningFleet]) -> None:
    fleet = start_fleet(mode="sim", watchlist=["GME", "AMC", "SMCI"], simulation={"seed": 7, "speed": 240})

    def held() -> list[str]:
        return [row["symbol"] for row in fleet.status()["symbols"] if row["state"] == "POSITION OPEN"]

    until(held, "nothing is bought")
    symbol = held()[0]
    said = fleet.crazy("symbols", "remove", symbol).stdout
    if "removal pending" in said:
        shown = line(fleet, symbol)
        assert shown["why"].startswith("removal pending: "), shown
        assert f"symbol-{symbol}" in fleet.pids()
    else:
        assert said == f"removed {symbol}\n", "the stop sold it in this moment"
    until(lambda: f"symbol-{symbol}" not in fleet.pids(), "it stays though it is flat", 60)
    assert "removal pending" not in fleet.crazy("symbols", "list").stdout
    signed = "sum(CASE side WHEN 'BUY' THEN qty ELSE -qty END)"
    rows = fleet.sql(f"SELECT {signed} AS own FROM fills WHERE symbol = '{symbol}'")
    assert rows[0]["own"] == 0
    bought = fleet.sql(f"SELECT count(*) AS n FROM orders WHERE symbol = '{symbol}' AND role = 'entry'")
    time.sleep(3)
    assert bought == fleet.sql(f"SELECT count(*) AS n FROM orders WHERE symbol = '{symbol}' AND role = 'entry'")
    fleet.crazy("audit", "--settle", "10")


def test_reload_says_what_holds_now_and_what_needs_a_restart(start_fleet: Callable[..., RunningFleet]) -> None:
    simulation = {"seed": 7, "daily_volatility": 0.01, "speed": 60}
    fleet = start_fleet(mode="sim", watchlist=["GME", "TSLA"], simulation=simulation)
    before = fleet.pids()
    assert "nothing has changed" in fleet.crazy("reload").stdout
    config = yaml.safe_load(fleet.config.read_text())
    config["watchlist"] = ["TSLA", "AMC"]
    config["cooldowns"] = {"after_stopout_minutes": 7}
    config["hours"] = {"protective_audit_minutes": 60}
    fleet.config.write_text(yaml.safe_dump(config))
    assert "was edited since the start" in fleet.crazy("symbols", "add", "NVDA", check=False).stderr

    told = fleet.crazy("reload", check=False)
    assert told.returncode == 1, told.stderr
    verdicts = {row.split()[0]: row for row in told.stdout.splitlines() if row.strip()}
    assert "nobody restarts" in verdicts["watchlist"]
    assert "now; symbol restart" in verdicts["cooldowns.after_stopout_minutes"]
    assert "refused: read at the start by clock" in verdicts["hours.protective_audit_minutes"]

    after = fleet.pids()
    steady = ("simulator", "gateway", "risk", "clock", "recorder", "watchdog")
    assert {name: after[name] for name in steady} == {name: before[name] for name in steady}
    assert {"symbol-TSLA", "symbol-AMC"} == {name for name in after if name.startswith("symbol-")}
    assert after["symbol-TSLA"] != before["symbol-TSLA"]
    settings = Settings.from_json(fleet.var / "settings.json")
    assert settings.watchlist == ("TSLA", "AMC")
    assert settings.cooldowns.after_stopout_minutes == 7
    assert settings.hours.protective_audit_minutes == 30
    until(lambda: line(fleet, "AMC").get("state") == "ENTRY PENDING", "AMC does not trade")
