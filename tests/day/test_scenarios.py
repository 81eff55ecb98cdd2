"""Eight scenarios, end to end on the wire: one fleet, one day, one symbol for each; a hand-made market.

2025-01-06, New York 09:30 to 16:00 (14:30 to 21:00 UTC). Each symbol trades every two minutes, each trade a jump, with
a quote of a cent around it. Its prices are straight lines between the points of `MARKET`, rounded to the cent; two
points one step apart are a gap.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.day.conftest import fleets, until

OPEN = datetime(2025, 1, 6, 14, 30, tzinfo=UTC)
STEP_MINUTES = 2
DISPLAYED = 10_000
"""Shares of every trade and quote: nothing fills in parts."""

MARKET: dict[str, list[tuple[int, float]]] = {
    # Over the trigger (105) and its cap (110.25) at once; then over the next trigger (117.60), within its cap.
    "GAPS": [(0, 100.0), (58, 100.0), (60, 112.0), (78, 112.0), (80, 120.0), (390, 120.0)],
    # Bought, the stop follows to 108, 10 % under 120, and sells.
    "TRAIL": [(0, 100.0), (4, 100.0), (14, 106.0), (60, 120.0), (90, 105.0), (390, 105.0)],
    # Stopped out, and up by 13 % at once: no entry before the rest is over.
    "COOL": [(0, 50.0), (4, 50.0), (14, 53.0), (24, 46.0), (42, 52.0), (390, 52.0)],
    # Bought and held; the broker ends its stop at 15:00 (`FAULTS`).
    "DUPL": [(0, 20.0), (4, 20.0), (14, 21.2), (390, 21.2)],
    # Far up before the open, bought in the session, far down after the close.
    "GATE": [(-90, 130.0), (-2, 130.0), (0, 100.0), (4, 100.0), (20, 106.0), (389, 106.0), (394, 60.0), (440, 60.0)],
    # Too dear for its 1,000 dollars, then not.
    "SIZE": [(0, 1200.0), (58, 1200.0), (60, 333.0), (390, 333.0)],
    # Bought, taken off the watchlist by command, and sold by its stop.
    "LEFT": [(0, 100.0), (4, 100.0), (14, 106.0), (330, 106.0), (350, 94.0), (390, 94.0)],
    # Never near its trigger.
    "EVEN": [(0, 50.0), (4, 50.0), (200, 51.0), (390, 50.0)],
}

FAULTS = """
faults:
  - {at: 2025-01-06 10:00, fault: unasked-cancel, symbol: DUPL, order_type: TRAIL}
"""


def trades() -> Iterator[tuple[str, datetime, float]]:
    """Every trade of the market: (symbol, when, price)."""
    for symbol, points in MARKET.items():
        for (begin, first), (end, last) in pairwise(points):
            for minute in range(begin, end, STEP_MINUTES):
                price = first + (last - first) * (minute - begin) / (end - begin)
                yield symbol, OPEN + timedelta(minutes=minute), round(price, 2)


def write_market(path: Path) -> None:
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["symbol", "ts", "price", "size", "bid", "ask", "bid_size", "ask_size"])
        for symbol, at, price in sorted(trades(), key=lambda each: (each[1], each[0])):
            quote = (round(price - 0.01, 2), round(price + 0.01, 2), DISPLAYED, DISPLAYED)
            out.writerow([symbol, at.strftime("%Y-%m-%d %H:%M:%SZ"), price, DISPLAYED, *quote])


QUERIES = {
    "orders": (
        "SELECT symbol, right(client_order_id, -length('CT.t0-' || symbol || '-20250106-')) AS id,"
        " strftime(created_at, '%H:%M:%S') AS placed, strftime(updated_at, '%H:%M:%S') AS changed,"
        " qty, stop_price, limit_price, status, filled, reason, role, tif FROM orders ORDER BY client_order_id"
    ),
    "fills": (
        "SELECT symbol, strftime(ts, '%H:%M:%S') AS at, side, qty, price, round(realized_pnl, 2) AS usd"
        " FROM fills ORDER BY ts"
    ),
    "events": (
        "SELECT symbol, event_type, strftime(ts, '%H:%M:%S') AS at, level, payload_json->>'restarted' AS restarted"
        " FROM events ORDER BY ts, event_id"
    ),
    "states": "SELECT symbol, state FROM state",
}


@dataclass
class Day:
    """What the database has at the end of the day, what was said of LEFT's removal, and what the audit said."""

    orders: list[dict[str, Any]]
    fills: list[dict[str, Any]]
    events: list[dict[str, Any]]
    states: list[dict[str, Any]]
    removal: list[str]
    audit: str


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """The whole day has passed, in lock-step; in its middle the broker ended DUPL's stop, LEFT was taken off the
    watchlist, and the gateway was killed."""
    folder = tmp_path_factory.mktemp("scenarios")
    write_market(folder / "market.csv")
    (folder / "faults.yaml").write_text(FAULTS)
    simulation: dict[str, Any] = {"market": "files", "files": [str(folder / "market.csv")], "extended_hours": True}
    simulation |= {"start": "2025-01-06", "end": "2025-01-06", "pace": "lockstep", "speed": 2500}
    simulation["faults"] = str(folder / "faults.yaml")
    with fleets(folder) as start:
        fleet = start(mode="sim", watchlist=list(MARKET), simulation=simulation)
        fleet.until("SELECT 1 AS x FROM status WHERE symbol = 'LEFT' AND protecting_qty >= 10")
        removal = fleet.crazy("symbols", "remove", "LEFT").stdout
        waits = [line["why"] for line in fleet.status()["symbols"] if line["symbol"] == "LEFT"]
        assert "symbol-LEFT" in fleet.pids(), "it holds something"
        # Nothing else is under way then.
        fleet.until("SELECT 1 AS x FROM market_clock WHERE market_ts > '2025-01-06 16:30'")
        assert fleet.kill("gateway")
        fleet.crazy("wait", "--end", "--timeout", "105")
        # Heartbeats go by the machine's time: the day may be over before the watchdog heard of the second life.
        fleet.until("SELECT 1 AS x FROM events WHERE payload_json->>'restarted' = 'gateway'")
        rows: dict[str, Any] = {name: fleet.sql(query) for name, query in QUERIES.items()}
        until(lambda: "symbol-LEFT" not in fleet.pids(), "it stays though it has sold")
        rows["removal"] = [removal, *waits, fleet.crazy("symbols", "list").stdout]
        yield Day(**rows, audit=fleet.crazy("audit").stdout)


def orders(day: Day, symbol: str) -> list[tuple[Any, ...]]:
    """(id without ticker and date, placed and changed last (UTC), shares, trigger, limit, status, filled, why)."""
    return [tuple(row.values())[1:10] for row in day.orders if row["symbol"] == symbol]


def fills(day: Day, symbol: str) -> list[tuple[Any, ...]]:
    """(when (UTC), side, shares, price)."""
    return [tuple(row.values())[1:5] for row in day.fills if row["symbol"] == symbol]


def test_gap_up_through_the_stop(day: Day) -> None:
    """A gap beyond the cap buys nothing: taken back after 30 s, armed anew. One within it pays the market's price."""
    assert orders(day, "GAPS") == [
        ("1", "14:32:00", "15:30:30", 10.0, 105.0, 110.25, "Cancelled", 0.0, "triggered_unfilled"),
        ("1-S1", "14:32:00", "15:30:30", 10.0, None, None, "Cancelled", 0.0, ""),
        ("2", "15:32:00", "15:50:00", 8.0, 117.6, 123.48, "Filled", 8.0, ""),
        ("2-S1", "15:32:00", "15:32:00", 8.0, 108.0, None, "PreSubmitted", 0.0, ""),
    ]
    assert fills(day, "GAPS") == [("15:50:00", "BUY", 8.0, 120.01)]
    assert {"symbol": "GAPS", "state": "POSITION_OPEN"} in day.states


def test_trailing_stop_triggers(day: Day) -> None:
    """It rose with the price to 120, and sold on the first trade at 108."""
    entry, stop, *_ = orders(day, "TRAIL")
    assert entry == ("1", "14:32:00", "14:44:00", 10.0, 105.0, 110.25, "Filled", 10.0, "")
    assert stop == ("1-S1", "14:32:00", "15:54:00", 10.0, 108.0, None, "Filled", 10.0, "")
    assert fills(day, "TRAIL") == [("14:44:00", "BUY", 10.0, 106.01), ("15:54:00", "SELL", 10.0, 107.99)]
    assert [row["usd"] for row in day.fills if row["symbol"] == "TRAIL"][1] == 19.8


def test_cooldown_expiry(day: Day) -> None:
    """Stopped out at 14:52; the price is up 13 % by 15:12, and not a minute earlier is there a new entry."""
    assert fills(day, "COOL") == [("14:44:00", "BUY", 20.0, 53.01), ("14:52:00", "SELL", 20.0, 47.39)]
    told = [(row["event_type"], row["at"]) for row in day.events if row["symbol"] == "COOL"]
    assert [each for each in told if each[0].startswith("stopout_cooldown")] == [
        ("stopout_cooldown_started", "14:52:00"),
        ("stopout_cooldown_ended", "15:12:00"),
    ]
    assert orders(day, "COOL")[2:] == [
        ("2", "15:12:00", "20:45:00", 19.0, 54.6, 57.33, "Cancelled", 0.0, "end_of_day"),
        ("2-S1", "15:12:00", "20:45:00", 19.0, None, None, "Cancelled", 0.0, ""),
    ]


def test_duplicate_stop(day: Day) -> None:
    """A stop that the broker ended unasked is replaced once, at its level; a gateway that is born anew adds none."""
    entry, ended, live = orders(day, "DUPL")
    assert entry == ("1", "14:32:00", "14:44:00", 50.0, 21.0, 22.05, "Filled", 50.0, "")
    assert (ended[0], *ended[3:8]) == ("1-S1", 50.0, 19.08, None, "Cancelled", 0.0)
    assert (live[0], *live[3:]) == ("1-S2", 50.0, 19.08, None, "PreSubmitted", 0.0, "")
    assert ended[2] <= live[1], "the two never overlap"
    assert fills(day, "DUPL") == [("14:44:00", "BUY", 50.0, 21.21)]
    assert [row["restarted"] for row in day.events if row["restarted"]] == ["gateway"]


def test_regular_trading_hours_gate_entries_and_stops(day: Day) -> None:
    """It traded at 130 from 13:00 on: no order before the open, and the trigger stands on the session's own trades.

    After the close it falls to 60, far under the stop at 95.40: that waits for the next session.
    """
    assert orders(day, "GATE") == [
        ("1", "14:32:00", "14:48:00", 10.0, 105.0, 110.25, "Filled", 10.0, ""),
        ("1-S1", "14:32:00", "14:32:00", 10.0, 95.4, None, "PreSubmitted", 0.0, ""),
    ]
    assert fills(day, "GATE") == [("14:48:00", "BUY", 10.0, 105.26)]
    assert min(row["placed"] for row in day.orders) >= "14:30:15"


def test_sizing(day: Day) -> None:
    """1,000 dollars buy no share at 1,200, and three at 333; twenty at 50, as whole shares of the last price."""
    assert orders(day, "SIZE") == [
        ("1", "15:30:00", "20:45:00", 3.0, 349.65, 367.14, "Cancelled", 0.0, "end_of_day"),
        ("1-S1", "15:30:00", "20:45:00", 3.0, None, None, "Cancelled", 0.0, ""),
    ]
    sizes = {symbol: orders(day, symbol)[0][3] for symbol in MARKET if symbol not in ("SIZE", "LEFT")}
    assert sizes == {"GAPS": 10.0, "TRAIL": 10.0, "COOL": 20.0, "DUPL": 50.0, "GATE": 10.0, "EVEN": 20.0}


def test_what_is_held_keeps_its_process_until_it_is_sold(day: Day) -> None:
    """Taken off the watchlist while it holds shares; its stop sells at 20:18, and its process leaves."""
    said, why, left = day.removal
    assert "removal pending" in said
    assert why.startswith("removal pending: ")
    assert "LEFT" not in left
    assert fills(day, "LEFT") == [("14:44:00", "BUY", 10.0, 106.01), ("20:18:00", "SELL", 10.0, 95.19)]
    assert [order[0] for order in orders(day, "LEFT")] == ["1", "1-S1"]


def test_end_of_day_cancel(day: Day) -> None:
    """What has not filled ends fifteen minutes before the close, its stop with it; what is held keeps its stop."""
    assert orders(day, "EVEN") == [
        ("1", "14:32:00", "20:45:00", 20.0, 52.5, 55.13, "Cancelled", 0.0, "end_of_day"),
        ("1-S1", "14:32:00", "20:45:00", 20.0, None, None, "Cancelled", 0.0, ""),
    ]
    live = [row for row in day.orders if row["status"] in ("InFlight", "PreSubmitted", "Submitted")]
    assert [(row["symbol"], row["role"], row["tif"]) for row in live] == [
        ("DUPL", "stop", "GTC"),
        ("GAPS", "stop", "GTC"),
        ("GATE", "stop", "GTC"),
    ]


def test_the_database_equals_the_brokers_ledger(day: Day) -> None:
    """After all of it; and nobody had to be alarmed."""
    counts = [line.split() for line in day.audit.splitlines()[1:4]]
    assert counts == [["orders", "23", "23", "0"], ["executions", "9", "9", "0"], ["commissions", "9", "9", "0"]]
    assert not [row for row in day.events if row["level"] == "ERROR"]
