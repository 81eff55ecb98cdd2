"""Whole fleets in the modes for real accounts, against a simulated gateway that stands alone, as IBKR's does.

Such a fleet takes the time from its machine. Here each of its processes takes it from a clock that is set to the last
session before today and runs five times as fast; the market is moved by the same clock.
"""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from messages.market import Session
from services.clock.calendar import sessions
from services.fleet import live_confirmation
from services.fleet.live_confirmation import Confirmation
from services.simulator.testing import Simulator
from tests.day.conftest import ROOT, RunningFleet, until

SECOND = 1_000_000_000
SPEED = 5
BEGIN_S = 10
"""Seconds after the open at which the fleet finds the market."""

CLOCK = """
import time
_epoch_ns, _begun_ns, _speed = {epoch_ns}, {begun_ns}, {speed}
time.time_ns = lambda: _epoch_ns + (time.monotonic_ns() - _begun_ns) * _speed
time.time = lambda: time.time_ns() / 1e9
_read_ns = time.clock_gettime_ns
time.clock_gettime_ns = lambda clock: _read_ns(clock) * (_speed if clock == time.CLOCK_BOOTTIME else 1)
"""
"""A `sitecustomize.py`: every Python runs it before anything else.

The steady time runs as fast as the wall clock: a machine whose clocks drift apart is another test (row 66).
"""

RISES = 60
"""Trades of RISE, from the open on, that are a hundredth above the one before; then it stays. Whenever a fleet is
there, up to a minute late, its trigger is reached soon after."""


def last_session() -> Session:
    """The last one before today in New York's calendar."""
    today = datetime.now(UTC).date()
    days = sessions("XNYS", today - timedelta(days=6), today, today=today)
    return [day for day in days if date.fromisoformat(day.date) < today][-1]


def write_market(path: Path, open_ns: int) -> None:
    """A trade of each symbol every five seconds for an hour."""
    opened = datetime.fromtimestamp(open_ns // SECOND, UTC)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["symbol", "ts", "price", "size", "bid", "ask", "bid_size", "ask_size"])
        for number in range(720):
            ts = (opened + timedelta(seconds=5 * number)).strftime("%Y-%m-%d %H:%M:%SZ")
            for symbol, price in (("RISE", round(100 * 1.01 ** min(number, RISES), 2)), ("CALM", 50.0)):
                out.writerow([symbol, ts, price, 1000, round(price - 0.01, 2), round(price + 0.01, 2), 1000, 1000])


@dataclass
class Broker:
    """A gateway that stands alone, and what a fleet needs to find it and to live at its time."""

    simulator: Simulator
    ledger: Path
    environment: dict[str, str]
    now_ns: Callable[[], int]

    def ibkr(self, account: str | None) -> dict[str, Any]:
        return {"port": self.simulator.port, "account": account}


@contextmanager
def broker(folder: Path, account: str) -> Iterator[Broker]:
    """Its market goes on by the same clock that the fleet's processes see."""
    day = last_session()
    write_market(folder / "market.csv", day.open_ns)
    epoch_ns, begun_ns = day.open_ns + BEGIN_S * SECOND, time.monotonic_ns()

    def now_ns() -> int:
        return epoch_ns + (time.monotonic_ns() - begun_ns) * SPEED

    (folder / "sitecustomize.py").write_text(CLOCK.format(epoch_ns=epoch_ns, begun_ns=begun_ns, speed=SPEED))
    start = date.fromisoformat(day.date)
    market, ledger = (str(folder / "market.csv"),), folder / "broker.sqlite"
    with Simulator(market=market, accounts=(account,), start=start, end=start, ledger=ledger) as simulator:
        over = threading.Event()

        def move() -> None:
            while not over.wait(0.02):
                simulator.advance((now_ns() - simulator.now_ns) / SECOND)

        moving = threading.Thread(target=move)
        moving.start()
        try:
            yield Broker(simulator, ledger, {"PYTHONPATH": f"{folder}:{ROOT}"}, now_ns)
        finally:
            over.set()
            moving.join()


def events(fleet: RunningFleet, event_type: str) -> list[dict[str, Any]]:
    return fleet.sql(f"SELECT symbol, payload_json FROM events WHERE event_type = '{event_type}'")


def held(fleet: RunningFleet) -> list[str]:
    """Symbols whose shares rest under a stop."""
    return [row["symbol"] for row in fleet.sql("SELECT symbol FROM status WHERE own >= 1 AND protecting_qty >= own")]


def live_orders(fleet: RunningFleet) -> list[tuple[str, str]]:
    rows = fleet.sql("SELECT symbol, role FROM orders WHERE status IN ('PreSubmitted', 'Submitted') ORDER BY ALL")
    return [(row["symbol"], row["role"]) for row in rows]


def test_paper_trades(tmp_path: Path, start_fleet: Callable[..., RunningFleet]) -> None:
    with broker(tmp_path, "DU1234567") as real:
        fleet = start_fleet(
            mode="paper", watchlist=["RISE", "CALM"], ibkr=real.ibkr(None), environment=real.environment
        )
        until(lambda: held(fleet) == ["RISE"], "nothing is bought")
        told = fleet.status()
        assert (told["mode"], told["account"], told["exit_code"]) == ("paper", "DU1234567", 0), told["problems"]
        assert fleet.crazy("status").stdout.startswith("PAPER  DU1234567  fleet t0")
        assert live_orders(fleet) == [("CALM", "entry"), ("CALM", "stop"), ("RISE", "stop")]


def test_live_trades_for_as_long_as_its_owner_says(tmp_path: Path, start_fleet: Callable[..., RunningFleet]) -> None:
    with broker(tmp_path, "U1234567") as real:
        fleet = start_fleet(
            mode="live",
            watchlist=["RISE", "CALM"],
            ibkr=real.ibkr("U1234567"),
            environment=real.environment,
            typed="U1234567",
        )
        until(lambda: held(fleet) == ["RISE"], "nothing is bought")
        assert fleet.crazy("status").stdout.startswith("LIVE  U1234567  fleet t0")
        assert live_orders(fleet) == [("CALM", "entry"), ("CALM", "stop"), ("RISE", "stop")]

        # The word expires: entries are taken back, protection stays, and it is said once what to do.
        end = datetime.fromtimestamp(real.now_ns() // SECOND + 5, UTC)
        live_confirmation.write(fleet.var / "confirmation.json", Confirmation("U1234567", end, end))
        until(lambda: live_orders(fleet) == [("RISE", "stop")], "its entry stays")
        told = fleet.status()
        assert told["exit_code"] == 1
        assert [line for line in told["problems"] if "`crazy golive` confirms it" in line], told["problems"]
        assert held(fleet) == ["RISE"]

        # It goes on protecting over a restart, and enters nothing.
        fleet.crazy("down")
        fleet.crazy("up")
        assert live_orders(fleet) == [("RISE", "stop")]
        assert fleet.status()["entries"] != "ON"
        fleet.crazy("golive", "--without-probe", typed="U1234567")
        until(lambda: ("CALM", "entry") in live_orders(fleet), "it does not trade again")
