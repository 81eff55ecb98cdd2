"""What a fleet of 20 symbols takes while it does nothing: python -m benchmarks.footprint [--quick]

Under supervisord, with the simulated gateway: seconds until every process is ready, memory (PSS), and the processor
time of a fleet whose market is closed, and of one in session without ticks.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

from benchmarks.figures import TICKERS, free_port
from benchmarks.procfs import cpu_s, pss_mib
from services.cli.readiness import roll_call, wait_end, wait_ready
from services.configuration.settings import Ibkr, Settings, Simulation
from services.fleet import programs
from services.fleet.places import Fleet, home
from services.fleet.supervision import Supervisor

READY_S = 120.0
DAY = date(2025, 1, 6)
OPEN_TICK, LAST_TICK = "2025-01-06T14:30:20Z", "2025-01-06T20:59:00Z"
"""UTC. One trade of each symbol after the open, which arms it, and one before the close."""


class Length(NamedTuple):
    """How long a run takes. What it does is the same for every length.

    `starts` come after the first one. Idling begins `settle_s` after the market's last event (heartbeats slow down when
    a process has had nothing to handle for ten seconds) and is measured for `idle_s`. `speed` is that of the session's
    market, which begins a minute before the open.
    """

    starts: int
    settle_s: float
    idle_s: float
    speed: float


FULL, QUICK = Length(3, 15.0, 20.0, 10), Length(1, 0.0, 1.0, 100)

Rows = list[tuple[str, float, str, float | None]]
"""What, how much, of which unit, and the target (at most)."""


@contextlib.contextmanager
def fleet(root: Path, name: str, speed: float) -> Iterator[Fleet]:
    """A fleet on a market of two trades for each symbol, stopped in the end."""
    market = root / "market.csv"
    if not market.exists():
        lines = [f"{ticker},{ts},100.0,100" for ts in (OPEN_TICK, LAST_TICK) for ticker in TICKERS]
        market.write_text("\n".join(["symbol,ts,price,size", *lines, ""]))
    chosen = Fleet(
        Settings(
            fleet=name,
            watchlist=TICKERS,
            ibkr=Ibkr(port=free_port()),
            simulation=Simulation(market="files", files=(str(market),), start=DAY, end=DAY, speed=speed),
        ),
        root,
    )
    chosen.prepare()
    chosen.settings_file.write_bytes(chosen.settings.to_json())
    programs.write(chosen)
    try:
        yield chosen
    finally:
        Supervisor(chosen).stop()


def start(chosen: Fleet) -> float:
    """Seconds until every process is ready."""
    begun = time.monotonic()
    Supervisor(chosen).start()
    missing = wait_ready(chosen, READY_S)
    if missing:
        raise RuntimeError(f"not ready: {', '.join(missing)}; see {chosen.logs}")
    return time.monotonic() - begun


def pids(chosen: Fleet) -> dict[str, int]:
    """Process ids by name, supervisord's among them."""
    supervisor = Supervisor(chosen)
    return {"supervisord": supervisor.pid or 0} | {each.name: each.pid for each in supervisor.processes()}


def idle(chosen: Fleet, seconds: float) -> tuple[float, dict[str, float]]:
    """Percent of one core that the whole fleet takes, and what each kind of process takes of it."""
    running = pids(chosen)
    before = {name: cpu_s(pid) for name, pid in running.items()}
    begun = time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - begun
    kinds: dict[str, float] = {}
    for name, pid in running.items():
        kind = name.partition("-")[0]
        kinds[kind] = kinds.get(kind, 0.0) + (cpu_s(pid) - before[name]) / passed * 100
    return sum(kinds.values()), kinds


def said(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def measure(root: Path, length: Length) -> Rows:
    """All of it."""
    rows: Rows = []
    said(f"starting {len(TICKERS)} symbols under supervisord")
    with fleet(root, "bench-closed", 100_000) as chosen:
        first = start(chosen)
        said(f"ready after {first:.2f} s; waiting for the market's end")
        if missing := wait_end(chosen, READY_S):
            raise RuntimeError(f"still waiting for {', '.join(missing)}; see {chosen.logs}")
        time.sleep(length.settle_s)
        memory = {name: pss_mib(pid) for name, pid in pids(chosen).items()}
        symbols = [mib for name, mib in memory.items() if name.startswith("symbol-")]
        said(f"market closed: {length.idle_s:g} s of doing nothing")
        closed, closed_kinds = idle(chosen, length.idle_s)
        again = []
        for _ in range(length.starts):
            Supervisor(chosen).stop()
            again.append(start(chosen))
            said(f"started again: ready after {again[-1]:.2f} s")
    with fleet(root, "bench-session", length.speed) as chosen:
        start(chosen)
        said("waiting for the session to open")
        while roll_call(chosen)["clock"].note != "open":
            time.sleep(0.5)
        time.sleep(length.settle_s)
        said(f"in session, no ticks: {length.idle_s:g} s of doing nothing")
        session, session_kinds = idle(chosen, length.idle_s)
    rows.append(("first start, until all are ready", first, "s", None))
    rows.append((f"start, until all are ready (median of {length.starts})", statistics.median(again), "s", 2.5))
    rows.append(("memory of a symbol process, PSS (median)", statistics.median(symbols), "MiB", 18.0))
    rows.append(("memory of the whole fleet, PSS", sum(memory.values()), "MiB", None))
    rows += [(f"  {name}", memory[name], "MiB", None) for name in memory if not name.startswith("symbol-")]
    rows.append(("processor, market closed (of one core)", closed, "%", 1.0))
    rows += [(f"  {kind}", value, "%", None) for kind, value in closed_kinds.items()]
    rows.append(("processor, in session without ticks", session, "%", 3.0))
    rows += [(f"  {kind}", value, "%", None) for kind, value in session_kinds.items()]
    return rows


def table(rows: Rows) -> str:
    """The figures beside their targets."""
    lines = []
    for what, value, unit, target in rows:
        verdict = "" if target is None else f"target {target:g} {unit}: {'met' if value <= target else 'MISSED'}"
        lines.append(f"  {what:<52} {value:8.2f} {unit:<4} {verdict}".rstrip())
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one more start, a second of idling: does it run?")
    chosen = parser.parse_args()
    (home() / "var").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=home() / "var") as folder:
        rows = measure(Path(folder), QUICK if chosen.quick else FULL)
    print()
    print(table(rows))


if __name__ == "__main__":
    main()
