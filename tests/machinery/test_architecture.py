"""Taste that is certain: who may import what, and what a core never touches."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(p for folder in ("messages", "services") for p in (ROOT / folder).rglob("*.py"))

ALONE = {
    "zmq": {"services/bus.py"},
    "ib_insync": {"services/gateway/broker.py"},
    "exchange_calendars": {"services/clock/calendar.py"},
    "duckdb": {"services/recorder/store.py", "services/recorder/sql.py", "services/simulator/market/files.py"},
    "yaml": {"services/configuration.py", "services/cli/config_show.py"},
}
"""A library of the outside world, and the only files that know it."""

OUTSIDE = {
    "asyncio",
    "io",
    "logging",
    "os",
    "pathlib",
    "random",
    "secrets",
    "socket",
    "subprocess",
    "threading",
    "time",
    "uuid",
}
"""What pure code has no use for: clocks, chance, files, sockets, threads."""

PURE = [
    *(f"services/{name}/core.py" for name in ("clock", "gateway", "recorder", "risk", "symbol", "watchdog")),
    *(
        f"services/gateway/{name}.py"
        for name in (
            "account",
            "adopt",
            "audit",
            "book",
            "byhand",
            "cancels",
            "codes",
            "disown",
            "doubles",
            "flatten",
            "folding",
            "guard",
            "hostclock",
            "identity",
            "interlock",
            "levels",
            "placing",
            "protection",
            "questions",
            "reconcile",
            "stops",
            "words",
        )
    ),
    *(f"services/symbol/{name}.py" for name in ("entry", "outcome", "record", "states")),
    *(f"services/risk/{name}.py" for name in ("exposure", "guards", "limits", "operator", "pauses", "track", "turns")),
    "services/clock/hours.py",
    "services/clock/renewal.py",
    "services/clock/steps.py",
    "services/backtest/promises.py",
    *(f"services/{name}.py" for name in ("actor", "core", "link", "markettime", "prices", "wiring")),
    *(
        f"services/simulator/venue/{name}.py"
        for name in (
            *("exchange", "books", "lifecycle", "matching", "floor", "orderbook", "account", "acceptance", "margin"),
            *("events", "orders", "reports", "holdings", "memory", "tape", "grid", "past", "liquidity", "bands"),
            *("corporate", "policy", "switches", "executions", "hand", "view", "world"),
        )
    ),
    *(f"services/simulator/market/{name}.py" for name in ("bars", "history", "trading_hours")),
    *(
        f"services/simulator/desk/{name}.py"
        for name in ("contracts", "delayed", "entitlements", "feeds", "followers", "ownership", "past_ticks")
    ),
    "services/simulator/wire/ticks.py",
]


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module


@pytest.mark.parametrize(("library", "allowed"), ALONE.items())
def test_one_library_of_the_outside_lives_in_one_place(library: str, allowed: set[str]) -> None:
    users = {str(p.relative_to(ROOT)) for p in SOURCES if any(m.partition(".")[0] == library for m in imported(p))}
    assert users
    assert users <= allowed


@pytest.mark.parametrize("name", PURE)
def test_pure_files_touch_nothing(name: str) -> None:
    modules = {module.partition(".")[0] for module in imported(ROOT / name)}
    assert not modules & (OUTSIDE | ALONE.keys())


def test_every_core_is_listed_as_pure() -> None:
    cores = {str(p.relative_to(ROOT)) for p in SOURCES if p.name == "core.py"}
    assert cores == {name for name in PURE if name.endswith("/core.py")}


def test_messages_know_nobody() -> None:
    for path in SOURCES:
        if path.parent.name == "messages":
            assert not [m for m in imported(path) if m.startswith("services")], path


def test_no_process_imports_another_ones_edge() -> None:
    """What a process shares are its words (`messages`) and pure files; nobody else's sockets, files or loops."""
    edges = {
        "services.gateway.broker",
        "services.recorder.store",
        "services.simulator.server",
        "services.clock.calendar",
    }
    own_clock = ROOT / "services" / "simulator" / "alone.py"  # a program by itself: no clock process tells it sessions
    for path in SOURCES:
        folder = ".".join(path.relative_to(ROOT).parts[:2])
        strangers = {m for m in imported(path) if m in edges and not m.startswith(folder)}
        strangers -= {"services.clock.calendar"} if path == own_clock else set()
        assert not strangers or path.parent.name in ("cli", "benchmarks"), f"{path}: {strangers}"


ROOMS = ("venue", "market", "wire", "faults", "desk")
"""The simulator's rooms, in the order in which they may know each other: each only those before it."""


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_of_the_simulator_knows_only_those_before_it(room: str) -> None:
    known = ROOMS[: ROOMS.index(room) + 1]
    for path in (ROOT / "services" / "simulator" / room).glob("*.py"):
        for module in imported(path):
            if module.startswith("services.simulator"):
                assert module.split(".")[2] in known, f"{path}: {module}"


def test_a_symbol_process_stays_small() -> None:
    """A hundred of them run side by side."""
    code = """
import sys
import services.symbol.__main__
heavy = {"yaml", "pandas", "numpy", "duckdb", "ib_insync", "exchange_calendars", "rich", "cyclopts"}
sys.exit(", ".join(sorted(heavy & sys.modules.keys())) or None)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
