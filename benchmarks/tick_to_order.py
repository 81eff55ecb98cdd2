"""How long from a tick to the order: python -m benchmarks.tick_to_order [--quick] [--rounds N] [--seconds S]

From the gateway's publishing of a tick to the approved entry's arrival in the gateway, through symbol and risk, as
processes: 20 symbols, 20 ticks a second each. In one run, round by round in turn: a bare ZeroMQ chain of the same
hops, the fleet with its ledgers in memory, the fleet with durable commits; between them what one commit and one
fsync cost on this disk. Then the way through the wire, with the recorder and the real gateway: from the simulator's
writing of a tick to its reading of placeOrder.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.children import Children
from benchmarks.figures import TICKERS, free_port, in_words, percentile
from benchmarks.stages import Way, stages, table
from services.cli.readiness import roll_call
from services.configuration.settings import Allocation, Cooldowns, Guards, Ibkr, Risk, Settings
from services.fleet.places import Fleet, home
from services.runtime.ledger import Batch, OutboxRow, RecordChange, SqliteLedger

BARE, MEMORY, DURABLE, COMMIT, FSYNC, WIRE = "bare chain", "in memory", "durable", "one commit", "one fsync", "wire"
WIRE_SECONDS = 4.0
"""Of each round on the wire: every symbol once."""
READY_S = 60.0
COMMITS = 50
"""Measured after each round."""
ENOUGH = 0.02
"""Of the ticks of a chain: if fewer led to an order, a limit denies the others, and the run fails.

The limit that stopped this benchmark once lets 120 entries a minute through: 1 % of the ticks of a full run, and after
the warm-up none of a quick one. A busy machine or a slow disk drops ticks as well, because a symbol asks for nothing
while its entry is under way. So the counts are printed with the figures."""


def settings(name: str, tickers: tuple[str, ...], port: int = 5000) -> Settings:
    """A fleet whose limits never deny an entry, with no cooldown between two positions.

    `guards.orders_per_minute` is off. Every tick leads to an entry here: 24,000 a minute through the chain, 300 through
    the wire. The guard allows 120. A higher limit would not do either: risk keeps the time of each approval of the
    last minute in one record, so 24,000 times would be encoded with each entry, which no real fleet does.
    """
    return Settings(
        fleet=name,
        watchlist=tickers,
        ibkr=Ibkr(account="DU1234567", port=port),
        cooldowns=Cooldowns(after_stopout_minutes=0),
        allocation=Allocation(total_usd_cap=1e6),
        risk=Risk(max_total_exposure_usd=1e6),
        guards=Guards(orders_per_minute=None),
    )


def start_bare(folder: Path, tickers: tuple[str, ...], stack: ExitStack) -> Children:
    sockets = stack.enter_context(tempfile.TemporaryDirectory(prefix="crazy-bare-"))
    chain = stack.enter_context(Children(BARE, folder / "bare.out"))
    chain.start("benchmarks.bare", "gateway", sockets, *tickers)
    chain.start("benchmarks.bare", "risk", sockets)
    for ticker in tickers:
        chain.start("benchmarks.bare", "symbol", sockets, ticker)
    return chain


def start_fleet(folder: Path, tickers: tuple[str, ...], ledger: str, name: str, stack: ExitStack) -> Children:
    fleet = Fleet(settings(f"bench-{ledger}", tickers), folder)
    fleet.prepare()
    fleet.settings_file.write_bytes(fleet.settings.to_json())
    chain = stack.enter_context(Children(name, folder / f"{ledger}.out"))
    given = (str(fleet.settings_file), ledger)
    for kind in ("gateway", "clock", "risk"):
        chain.start("benchmarks.actors", kind, *given)
    for ticker in tickers:
        chain.start("benchmarks.actors", "symbol", *given, ticker)
    return chain


def start_in_memory(folder: Path, tickers: tuple[str, ...], stack: ExitStack) -> Children:
    return start_fleet(folder, tickers, "memory", MEMORY, stack)


def start_durable(folder: Path, tickers: tuple[str, ...], stack: ExitStack) -> Children:
    return start_fleet(folder, tickers, "durable", DURABLE, stack)


def start_wire(folder: Path, tickers: tuple[str, ...], stack: ExitStack) -> Children:
    """The fleet as it is, recorder included, but for the exchange's stopwatch and the clock's calendar.

    The processes on the way of a tick leave notes of it in the folder `notes`.
    """
    fleet = Fleet(settings("bench-wire", tickers, free_port()), folder)
    fleet.prepare()
    fleet.settings_file.write_bytes(fleet.settings.to_json())
    given = str(fleet.settings_file)
    chain = stack.enter_context(Children(WIRE, folder / "wire.out"))
    chain.start("benchmarks.exchange", given)
    chain.start("benchmarks.actors", "clock", given, "memory")
    notes = folder / "notes"
    notes.mkdir()
    for kind in ("recorder", "watchdog"):
        chain.start(f"services.{kind}", given)
    for kind in ("risk", "gateway"):
        chain.start("benchmarks.traced", str(notes / kind), kind, given)
    for ticker in tickers:
        chain.start("benchmarks.traced", str(notes / f"symbol-{ticker}"), "symbol", given, ticker)
    missing = {"all"}
    deadline = time.monotonic() + READY_S
    while missing and time.monotonic() < deadline:
        ready = {name for name, state in roll_call(fleet).items() if state.ready}
        missing = set(fleet.processes) - ready - {"simulator"}
        time.sleep(0.2)
    if missing:
        raise RuntimeError(f"{WIRE}: not ready: {', '.join(sorted(missing))}; see {fleet.logs}")
    return chain


class Disk:
    """What the disk takes: a commit as an entry makes it, and an fsync of 4 KiB."""

    def __init__(self, folder: Path, stack: ExitStack):
        self._ledger = SqliteLedger(folder / "disk.sqlite", "benchmark")
        stack.callback(self._ledger.close)
        self._file = stack.enter_context((folder / "disk.bin").open("wb", buffering=0))
        self._seq = 0

    def commit_us(self) -> float:
        self._seq += 1
        record = RecordChange("Record", "key", b'{"n": %d, "text": "%s"}' % (self._seq, b"x" * 300))
        row = OutboxRow(self._seq, "risk", b"x" * 230)
        begun = time.perf_counter_ns()
        self._ledger.commit(Batch(changes=[record], rows=[row], cursors={"gateway": self._seq}))
        return (time.perf_counter_ns() - begun) / 1000

    def fsync_us(self) -> float:
        self._file.write(b"x" * 4096)
        begun = time.perf_counter_ns()
        os.fsync(self._file.fileno())
        return (time.perf_counter_ns() - begun) / 1000


def measure(folder: Path, tickers: tuple[str, ...], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Every figure in microseconds, by what it is of."""
    found: dict[str, list[float]] = {name: [] for name in (BARE, MEMORY, DURABLE, COMMIT, FSYNC, WIRE)}
    asked = dict.fromkeys((BARE, MEMORY, DURABLE, WIRE), 0)
    with ExitStack() as stack:
        disk = Disk(folder, stack)
        print(f"starting {3 * (len(tickers) + 2) + 2} processes …", flush=True)
        chains: list[Children] = []
        for start in (start_bare, start_in_memory, start_durable):
            chains.append(start(folder, tickers, stack))
            chains[-1].warm_up(len(tickers))
        for number in range(rounds):
            for chain in chains:
                measured = chain.measure(seconds)
                found[chain.name] += measured.latencies_us
                asked[chain.name] += measured.ticks
                require_enough(chain.name, len(found[chain.name]), asked[chain.name])
            found[COMMIT] += [disk.commit_us() for _ in range(COMMITS)]
            found[FSYNC] += [disk.fsync_us() for _ in range(COMMITS)]
            so_far = "  ".join(f"{c.name} {percentile(found[c.name], 50) / 1000:.3f}" for c in chains)
            print(f"round {number + 1} of {rounds}: p50 so far, ms: {so_far}", flush=True)
    ways: list[Way] = []
    with ExitStack() as stack:
        print(f"starting {len(tickers) + 6} processes, and the broker's wire …", flush=True)
        chain = start_wire(folder, tickers, stack)
        chain.measure(WIRE_SECONDS)
        for number in range(rounds):
            measured = chain.measure(WIRE_SECONDS)
            found[WIRE] += measured.latencies_us
            ways += measured.ways
            asked[WIRE] += measured.ticks
            require_enough(WIRE, len(found[WIRE]), asked[WIRE])
            print(f"round {number + 1} of {rounds}: {WIRE} p50 {percentile(found[WIRE], 50) / 1000:.3f} ms", flush=True)
    for name, ticks in asked.items():
        print(f"{name}: {len(found[name])} of {ticks} ticks led to an order")
    print("\nthrough the wire, stage by stage\n" + table(stages(folder / "notes", ways)))
    return found


def require_enough(name: str, answered: int, asked: int) -> None:
    """Raise RuntimeError if too few ticks of a chain led to an order."""
    if answered < asked * ENOUGH:
        raise RuntimeError(f"{name}: {answered} of {asked} ticks led to an order; something denies the others")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round: does it run?")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round and kind")
    chosen = parser.parse_args()
    rounds, seconds = (1, 0.5) if chosen.quick else (chosen.rounds, chosen.seconds)
    (home() / "var").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=home() / "var") as folder:
        found = measure(Path(folder), TICKERS, rounds, seconds)
    print()
    for name, values in found.items():
        print(f"  {name:<12} {in_words(values)}")
    print()
    print(summary(found))


def summary(found: dict[str, list[float]]) -> str:
    """The line that counts: in memory against the bare chain, durable in milliseconds and in commits."""

    def ratio(of: str, to: str, percent: float) -> float:
        return percentile(found[of], percent) / percentile(found[to], percent)

    durable_ms = percentile(found[DURABLE], 99) / 1000
    added_us = percentile(found[DURABLE], 50) - percentile(found[MEMORY], 50)
    commits = added_us / percentile(found[COMMIT], 50)
    return (
        f"p50 {ratio(MEMORY, BARE, 50):.2f}x p99 {ratio(MEMORY, BARE, 99):.2f}x of the bare chain without commits; "
        f"durable p50 {ratio(DURABLE, BARE, 50):.2f}x p99 {durable_ms:.2f} ms, {commits:.1f} commits more; "
        f"through the wire p50 {percentile(found[WIRE], 50) / 1000:.2f} p99 {percentile(found[WIRE], 99) / 1000:.2f} ms"
    )


if __name__ == "__main__":
    main()
