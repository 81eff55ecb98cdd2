"""Every command of the operator's that acts, on one running fleet: answered at once, true soon after, and kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.day.conftest import RunningFleet, until


def states(fleet: RunningFleet) -> dict[str, str]:
    return {row["symbol"]: row["state"] for row in fleet.sql("SELECT symbol, state FROM state")}


def held(fleet: RunningFleet) -> list[str]:
    """Symbols whose shares rest under a stop."""
    rows = fleet.sql("SELECT symbol FROM status WHERE own >= 1 AND protecting_qty >= own AND state = 'POSITION_OPEN'")
    return [row["symbol"] for row in rows]


@pytest.mark.timeout(150)
def test_every_command_that_acts(start_fleet: Callable[..., RunningFleet]) -> None:
    simulation = {"seed": 7, "daily_volatility": 0.4, "speed": 150}
    config: dict[str, Any] = {"mode": "sim", "watchlist": ["GME", "AMC", "TSLA", "NVDA"], "simulation": simulation}
    config |= {"entries": {"buy_stop_pct_above_last": 1.0}, "stops": {"trailing_stop_pct": 10.0}}
    fleet = start_fleet(**config, cooldowns={"after_stopout_minutes": 300})

    # Refusals: one line, exit code 4, nothing done.
    for words, text in (
        (("pause", "IBM"), "IBM is not on the watchlist"),
        (("resume",), "nothing to resume"),
        (("flatten",), "say --yes"),
        (("flatten", "--withdraw"), "nothing to withdraw"),
        (("adopt", "GME", "5"), "can't be adopted"),
        (("cooldown", "clear"), "say either a symbol or --all"),
    ):
        refused = fleet.crazy(*words, check=False)
        assert refused.returncode == 4, (words, refused.stdout, refused.stderr)
        assert text in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1

    # A stop-out rests; the operator ends it.
    until(lambda: "COOLDOWN" in states(fleet).values(), f"no stop-out: {states(fleet)}")
    assert "UNTIL" in fleet.crazy("cooldown", "list").stdout
    fleet.crazy("cooldown", "clear", "--all")
    until(
        lambda: bool(fleet.sql("SELECT 1 AS x FROM events WHERE event_type = 'stopout_cooldown_cleared'")),
        "the cooldown was not cleared",
    )

    # Flatten one symbol: sold, PAUSED, and it stays so over a restart of risk and the gateway.
    flattened: list[str] = []

    def flatten_one() -> bool:
        for each in held(fleet)[:1]:  # its stop may be quicker
            done = fleet.crazy("flatten", each, "--yes", check=False)
            flattened.extend([each] if done.returncode == 0 and f" {each};" in done.stdout else [])
        return bool(flattened)

    until(flatten_one, f"nothing is held: {states(fleet)}")
    symbol = flattened[0]
    until(lambda: states(fleet)[symbol] in ("PAUSED", "COOLDOWN"), f"{symbol}: {states(fleet)}")
    sold = fleet.sql(f"SELECT status, filled, qty FROM orders WHERE role = 'flatten' AND symbol = '{symbol}'")
    if states(fleet)[symbol] == "PAUSED":  # else its stop was quicker
        assert [(row["status"], row["filled"]) for row in sold] == [("Filled", sold[0]["qty"])]

    # All of it; entries are paused, and stay so over restarts.
    fleet.crazy("flatten", "--yes", check=False)
    until(lambda: not fleet.sql("SELECT 1 AS x FROM status WHERE own >= 1"), "shares are left")
    assert fleet.kill("risk")
    assert fleet.kill("gateway")
    fleet.crazy("wait", "--ready", "--timeout", "30")
    status = fleet.status()
    assert (status["exit_code"], status["entries"]) == (1, "PAUSED"), status["problems"]
    assert any("paused by flatten" in problem for problem in status["problems"])
    live = "SELECT 1 AS x FROM orders WHERE status IN ('InFlight', 'PreSubmitted', 'Submitted') AND role <> 'foreign'"
    assert not fleet.sql(live)

    # Risk was killed a moment ago, and may not listen yet.
    until(lambda: fleet.crazy("resume", symbol, check=False).returncode == 0, "risk is not back")
    fleet.crazy("resume")
    until(lambda: states(fleet)[symbol] in ("ENTRY_PENDING", "POSITION_OPEN"), f"{symbol} did not arm: {states(fleet)}")
    fleet.crazy("pause")
    fleet.crazy("audit", "--settle", "15")
