"""A running fleet is changed: its configuration, its watchlist, what the operator lets it do.

Whoever has nothing to do with it goes on as if nothing had happened. One fleet in a calm market serves them all: each
test finds both symbols with an entry at the broker, and all but the last leave it so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from services.configuration.settings import Settings
from tests.day.conftest import RunningFleet, fleets, until


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFleet]:
    """Prices that reach no trigger."""
    simulation = {"seed": 7, "daily_volatility": 0.01, "speed": 60}
    with fleets(tmp_path_factory.mktemp("calm")) as start:
        yield start(mode="sim", watchlist=["GME", "TSLA"], simulation=simulation)


@pytest.fixture
def fleet(calm: RunningFleet) -> RunningFleet:
    armed(calm, "GME", "TSLA")
    return calm


def armed(fleet: RunningFleet, *symbols: str) -> None:
    """Wait until these and no others have an entry order, as far as the records go."""

    def pending() -> list[str]:
        rows = fleet.sql("SELECT symbol FROM state WHERE state = 'ENTRY_PENDING' ORDER BY symbol")
        return [row["symbol"] for row in rows]

    until(lambda: pending() == sorted(symbols), f"no entries of just {symbols}")


def shown(fleet: RunningFleet, symbol: str) -> dict[str, Any]:
    """The line of this symbol in `crazy status`."""
    (line,) = [row for row in fleet.status()["symbols"] if row["symbol"] == symbol]
    return line


def listed(fleet: RunningFleet) -> list[str]:
    """The symbols that `crazy status` shows."""
    return [row["symbol"] for row in fleet.status()["symbols"]]


def test_reload_says_what_holds_now_and_what_needs_a_restart(fleet: RunningFleet) -> None:
    before, text = fleet.pids(), fleet.config.read_text()
    assert "nothing has changed" in fleet.crazy("reload").stdout
    config = yaml.safe_load(text)
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
    armed(fleet, "AMC", "TSLA")

    # And back: what was refused is no change any more.
    fleet.config.write_text(text)
    assert "refused" not in fleet.crazy("reload").stdout
    assert listed(fleet) == ["GME", "TSLA"]


def test_symbols_come_and_go_and_nobody_else_restarts(fleet: RunningFleet) -> None:
    before = fleet.pids()

    # One more.
    fleet.crazy("symbols", "add", "nvda")
    armed(fleet, "GME", "TSLA", "NVDA")
    after = fleet.pids()
    assert {name: after[name] for name in before} == before, "somebody else was restarted"
    assert after.keys() - before.keys() == {"symbol-NVDA"}
    assert fleet.crazy("status", check=False).returncode == 0

    # One less: its entry is taken back, then its process leaves.
    said = fleet.crazy("symbols", "remove", "GME").stdout
    until(lambda: "symbol-GME" not in fleet.pids(), "the process of a removed symbol stays")
    assert "GME" in said
    fleet.crazy("symbols", "list")
    assert listed(fleet) == ["TSLA", "NVDA"]
    rows = fleet.sql("SELECT status, reason FROM orders WHERE symbol = 'GME' AND role = 'entry'")
    assert {row["status"] for row in rows} == {"Cancelled"}
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
    assert listed(fleet) == ["TSLA", "NVDA"]
    armed(fleet, "TSLA", "NVDA")

    # And back again.
    fleet.crazy("symbols", "add", "GME")
    armed(fleet, "GME", "TSLA", "NVDA")
    compared = fleet.crazy("audit", "--settle", "10", check=False).stdout.split()
    at = compared.index("orders")
    assert compared[at + 3] == "0", "the database and the broker differ"
    fleet.crazy("symbols", "remove", "NVDA")


def test_pause_cancels_entries_and_resume_arms_again(fleet: RunningFleet) -> None:
    cancelled = "SELECT count(*) AS n FROM orders WHERE role = 'entry' AND status = 'Cancelled'"
    before = fleet.sql(cancelled)[0]["n"]
    fleet.crazy("pause", "GME")
    armed(fleet, "TSLA")
    fleet.crazy("pause")
    armed(fleet)
    assert fleet.sql(cancelled)[0]["n"] == before + 2
    assert fleet.kill("risk")
    assert fleet.kill("symbol-TSLA")
    fleet.crazy("wait", "--ready", "--timeout", "20")
    assert fleet.crazy("status", check=False).returncode == 1
    until(lambda: shown(fleet, "TSLA")["why"].startswith("paused"), "a pause did not survive a restart")
    armed(fleet)
    fleet.crazy("resume")
    armed(fleet, "TSLA")
    fleet.crazy("resume", "GME")
    armed(fleet, "GME", "TSLA")

    # Shares that were bought by hand, in the same account: adopted, they are own and stopped, and stay so.
    fleet.crazy("simulator", "fault", "foreign-order", "symbol=GME", "side=BUY", "quantity=5")
    done = fleet.crazy("adopt", "GME", "4", check=False)

    def adopted() -> bool:
        nonlocal done
        if done.returncode:
            assert "the account has 0 GME" in done.stderr  # not bought yet
            done = fleet.crazy("adopt", "GME", "4", check=False)
        return done.returncode == 0

    until(adopted, "what was bought by hand is never seen")
    assert "adopting 4 GME: they become own shares and get a stop" in done.stdout
    armed(fleet, "TSLA")
    assert fleet.kill("gateway")
    assert fleet.kill("risk")
    fleet.crazy("wait", "--ready", "--timeout", "20")
    text = "the account has 5 GME, 4 of them own: 2 can't be adopted"
    until(lambda: text in fleet.crazy("adopt", "GME", "2", check=False).stderr, "risk does not listen")
    line = shown(fleet, "GME")
    assert (line["state"], line["own"], line["unprotected"]) == ("POSITION OPEN", 4, 0)
    assert (line["why"], line["order"].split()[0]) == ("stop live at the broker", "trail")
    assert fleet.status()["money"]["foreign"] == {"GME": 1}
    _, ours, theirs, differences = fleet.crazy("audit", check=False).stdout.splitlines()[1].split()
    assert (ours, differences) == (theirs, "0"), "the broker has no order of that name"
