"""Real recorded days through the whole fleet, over the real wire, in lock-step: equal to the in-process runner."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from tests.day.conftest import RunningFleet, market_file
from tests.day.days import Day, recorded, run_in_process

LOCKSTEP = {"pace": "lockstep", "speed": 100_000, "market": "files"}

MEMES, MEME_FILE = ["GME", "AMC", "TSLA"], "yahoo_bars_1m_2022.parquet"

MARKETS = {
    "a day of meme stocks": (MEMES, MEME_FILE, "2022-03-22", "2022-03-22"),
    "a gap of +113 %, then -44 %": (["GME"], "iex_bars_5m_gme_2022_2025.parquet", "2024-05-13", "2024-05-14"),
    "four days of meme stocks": (MEMES, MEME_FILE, "2022-03-22", "2022-03-25"),
}

TYPES = ["buy_stop", "buy_stop_limit"]
SOAK = {
    ("four days of meme stocks", "buy_stop"),
    ("four days of meme stocks", "buy_stop_limit"),
    ("a day of meme stocks", "buy_stop"),  # which test_kills_change_nothing compares as well, disturbed
}


def config_of(market: str, entry_type: str) -> dict[str, Any]:
    watchlist, file, start, end = MARKETS[market]
    simulation = {**LOCKSTEP, "files": [str(market_file(file))], "start": start, "end": end}
    return {"mode": "sim", "watchlist": watchlist, "entries": {"type": entry_type}, "simulation": simulation}


def assert_equal(fleet: Day, runner: Day) -> None:
    """Field by field, and something must have happened."""
    assert fleet.fills == runner.fills
    assert fleet.orders == runner.orders
    assert fleet.snapshots == runner.snapshots
    assert any(f["side"] == "BUY" for f in fleet.fills), "no entry was filled: nothing was compared"
    assert len(fleet.orders) >= 2
    assert fleet.snapshots


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("market", "entry_type"),
    [pytest.param(*day, marks=[pytest.mark.soak] if day in SOAK else []) for day in product(MARKETS, TYPES)],
)
def test_the_fleet_equals_the_runner(market: str, entry_type: str, start_fleet: Callable[..., RunningFleet]) -> None:
    config = config_of(market, entry_type)
    fleet = start_fleet(**config)
    fleet.crazy("wait", "--end", "--timeout", "280")
    fleet.crazy("audit")
    assert_equal(recorded(fleet), run_in_process(config))


@pytest.mark.soak
@pytest.mark.timeout(200)
@pytest.mark.parametrize("child", ["follows_the_fill", "active_at_once"])
def test_partial_fills_are_the_same_on_the_wire(child: str, start_fleet: Callable[..., RunningFleet]) -> None:
    """Orders much greater than what is displayed."""
    policy = {"child_on_partial_fill": child}
    days = {"start": "2025-01-06", "end": "2025-01-07", "seed": 5, "tick_s": 30, "cash": 10_000_000}
    config = {
        "mode": "sim",
        "watchlist": ["GME", "TSLA"],
        "simulation": {**days, "pace": "lockstep", "speed": 100_000, "policy": policy},
        "allocation": {"per_symbol_usd": 60_000, "total_usd_cap": 400_000},
        "risk": {"max_total_exposure_usd": 400_000, "max_symbol_exposure_usd": 200_000},
    }
    fleet = start_fleet(**config)
    fleet.crazy("wait", "--end", "--timeout", "180")
    fleet.crazy("audit")
    ours = recorded(fleet)
    assert any(fill["qty"] < fill["cum_qty"] for fill in ours.fills), "nothing was filled in parts"
    assert_equal(ours, run_in_process(config))


def test_entries_end_before_an_early_close_and_arm_again(start_fleet: Callable[..., RunningFleet]) -> None:
    """2025-07-03 closes at 13:00; made-up prices that reach no trigger."""
    calm = {"seed": 3, "daily_volatility": 0.02, "tick_s": 60, "pace": "lockstep", "speed": 100_000}
    simulation = {**calm, "start": "2025-07-03", "end": "2025-07-07"}
    stops = {"use_trailing_limit": True}
    config = {"mode": "sim", "watchlist": ["GME", "TSLA"], "stops": stops, "simulation": simulation}
    fleet = start_fleet(**config)
    fleet.crazy("wait", "--end", "--timeout", "60")
    fleet.crazy("events")
    ours = recorded(fleet)
    assert ours == run_in_process(config)
    ends = fleet.sql(
        "SELECT client_order_id, status, strftime(updated_at, '%H:%M') AS utc FROM orders "
        "WHERE role = 'entry' ORDER BY client_order_id"
    )
    assert [tuple(row.values()) for row in ends] == [
        ("CT.t0-GME-20250703-1", "Cancelled", "16:45"),
        ("CT.t0-GME-20250707-1", "Cancelled", "19:45"),
        ("CT.t0-TSLA-20250703-1", "Cancelled", "16:45"),
        ("CT.t0-TSLA-20250707-1", "Cancelled", "19:45"),
    ]
    assert {order["order_type"] for order in ours.orders} == {"STP LMT", "TRAIL LIMIT"}


@pytest.mark.timeout(300)
def test_kills_change_nothing(start_fleet: Callable[..., RunningFleet]) -> None:
    """kill -9 of symbol, risk, clock and recorder at any step gives the same orders and fills."""
    config = config_of("a day of meme stocks", "buy_stop")
    fleet = start_fleet(**config)
    rng = random.Random(20220322)
    victims = ["symbol-GME", "symbol-AMC", "symbol-TSLA", "risk", "clock", "recorder"] * 2
    rng.shuffle(victims)
    killed = 0
    for victim in victims:
        time.sleep(rng.uniform(0.1, 0.9))
        if fleet.sql("SELECT 1 AS ended FROM events WHERE event_type = 'market_ended'") if victim != "recorder" else ():
            break
        killed += fleet.kill(victim)
    fleet.crazy("wait", "--end", "--timeout", "200")
    fleet.crazy("audit")
    assert killed >= 6, "the day was over before it could be disturbed"
    ours, runner = recorded(fleet), run_in_process(config)
    assert ours.fills == runner.fills
    assert ours.orders == runner.orders
    assert ours.fills
