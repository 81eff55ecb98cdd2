"""Who may import whom, and what pure code never touches. All of it follows from the layout."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.layout import (
    EDGES,
    LIBRARIES,
    PROGRAMS,
    PURE,
    ROOT,
    SERVICES,
    SHELLS,
    SOURCES,
    imported,
    imports_of_services,
    name_of,
)

ALONE = {
    "zmq": {"services/runtime/bus.py"},
    "sqlite3": {
        "services/runtime/ledger.py",
        "services/simulator/venue/store.py",
        "services/cli/commands/audit.py",
    },
    "loguru": {"services/runtime/log.py"},
    "ib_insync": {"services/gateway/ibkr/library.py"},
    "ib_async": {"services/gateway/ibkr/library.py"},
    "exchange_calendars": {"services/clock/calendar.py"},
    "duckdb": {"services/recorder/store.py", "services/simulator/market/loading.py"},
    "yaml": {"services/configuration/yaml_document.py", "services/cli/commands/config_show.py"},
}
"""A library of the outside world, and the only files that know it."""

OUTSIDE = {
    *("asyncio", "ctypes", "fcntl", "io", "logging", "os", "pathlib", "secrets", "select", "selectors", "shutil"),
    *("signal", "socket", "subprocess", "sys", "tempfile", "threading", "time", "uuid"),
}
"""What pure code has no use for: clocks, files, sockets, threads, logs."""

CLOCKS = {"now", "today", "utcnow", "fromtimestamp"}
"""Methods of `datetime` and `date` that read the machine's clock or its zone."""


@pytest.mark.parametrize(("library", "allowed"), ALONE.items())
def test_one_library_of_the_outside_lives_in_one_place(library: str, allowed: set[str]) -> None:
    users = {name_of(path) for path in SOURCES if any(m.partition(".")[0] == library for m in imported(path))}
    assert users == allowed


def touches(path: Path) -> Iterator[str]:
    """What a file uses of the world outside of it."""
    yield from {m.partition(".")[0] for m in imported(path)} & (OUTSIDE | ALONE.keys())
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Attribute(value=ast.Name("datetime" | "date"), attr=clock) if clock in CLOCKS:
                if clock != "fromtimestamp" or not _names_a_zone(path):
                    yield f"datetime.{clock}"
            case ast.Import([ast.alias("random")]):  # Random(seed) repeats itself, the module's own functions do not
                yield "random"
            case ast.ImportFrom("random", names) if [name.name for name in names] != ["Random"]:
                yield "random"
            case ast.Call(func=ast.Name("open" | "print" | "input" as builtin)):
                yield builtin


def _names_a_zone(path: Path) -> bool:
    """Whether each `fromtimestamp` of a file gets a zone, so that the host's own is not used."""
    calls = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "fromtimestamp"
    ]
    return all(len(call.args) == 2 or any(k.arg == "tz" for k in call.keywords) for call in calls)


@pytest.mark.parametrize("path", PURE, ids=name_of)
def test_pure_files_touch_nothing(path: Path) -> None:
    prints_a_page = 'if __name__ == "__main__":' in path.read_text()  # python -m services.… > docs/page.md
    assert list(touches(path)) == (["print"] if prints_a_page else [])


def test_every_named_edge_touches_something() -> None:
    """A file that became pure leaves the list of edges."""
    for folder, files in EDGES.items():
        for file in files:
            assert list(touches(SERVICES / folder / file)), f"{folder}/{file} is pure: take it off EDGES"


def test_every_process_decides_in_a_pure_core() -> None:
    """The simulator has the exchange model instead; `cli` and `backtest` are no processes."""
    cores = {path.parent.name for path in SERVICES.rglob("core.py") if path in PURE} - set(LIBRARIES)
    assert cores == set(PROGRAMS) - {"cli", "simulator"}


def test_every_folder_says_what_it_is() -> None:
    for folder in {path.parent for path in SOURCES}:
        init = folder / "__init__.py"
        assert init.is_file(), f"{name_of(folder)} has no __init__.py"
        assert ast.get_docstring(ast.parse(init.read_text())), f"{name_of(init)} has no docstring"


def test_messages_know_nobody() -> None:
    for path in SOURCES:
        if path.parent.name == "messages":
            assert not [m for m in imported(path) if m.startswith("services")], path


def test_libraries_import_in_one_direction() -> None:
    for module, imports in imports_of_services().items():
        own = module.split(".")[1:2]
        if own and own[0] in LIBRARIES:
            known = LIBRARIES[: LIBRARIES.index(own[0]) + 1]
            assert {m.split(".")[1] for m in imports} <= set(known), f"{module}: {imports}"


ROOMS = {
    "gateway": ("book", "ibkr", "orders", "operator", "protection"),
    "simulator": ("venue", "market", "wire", "faults", "requests"),
    "cli": ("commands",),
}
"""The rooms of a folder, in the order in which they may know each other: each only those before it."""

BESIDE = {"gateway": set(), "simulator": set(), "cli": {"*"}}
"""Files beside the rooms that a room may import."""


@pytest.mark.parametrize(("folder", "room"), [(folder, room) for folder, rooms in ROOMS.items() for room in rooms])
def test_a_room_knows_only_those_before_it(folder: str, room: str) -> None:
    known = {*ROOMS[folder][: ROOMS[folder].index(room) + 1], *BESIDE[folder]}
    for module, imports in imports_of_services().items():
        if module.startswith(f"services.{folder}.{room}"):
            for other in imports:
                parts = other.split(".")
                if parts[1] == folder and len(parts) > 2:
                    beside = len(parts) == 3 and parts[2] not in ROOMS[folder]
                    assert parts[2] in known or (beside and "*" in known), f"{module}: {other}"


def test_every_room_is_in_the_order() -> None:
    for folder, rooms in ROOMS.items():
        assert {path.parent.name for path in (SERVICES / folder).glob("*/__init__.py")} == set(rooms)


def test_the_edge_of_the_gateway_is_called_by_nobody_but_its_shell() -> None:
    """The core talks to it by messages."""
    for module, imports in imports_of_services().items():
        if module.startswith("services.gateway") and not module.startswith("services.gateway.ibkr"):
            used = {m for m in imports if m.startswith("services.gateway.ibkr.")}
            used -= {"services.gateway.ibkr.error_codes"}  # data
            assert not used or module == "services.gateway.__main__", f"{module}: {used}"


def test_a_command_imports_no_other_command() -> None:
    """What two commands share is no command."""
    for module, imports in imports_of_services().items():
        if module.startswith("services.cli.commands."):
            assert not {m for m in imports if m.startswith("services.cli.commands.")}, f"{module}: {imports}"


def test_no_two_folders_import_each_other() -> None:
    arrows = {
        (module.split(".")[1], other.split(".")[1])
        for module, imports in imports_of_services().items()
        for other in imports
        if module.count(".") > 1 and other.count(".") > 1
    }
    assert {(a, b) for a, b in arrows if a != b and (b, a) in arrows} == set()


def test_no_files_import_each_other_in_a_circle() -> None:
    """Imports for annotations only (TYPE_CHECKING) count: they tie files together all the same."""
    left = imports_of_services()
    while free := {module for module, imports in left.items() if not imports & (left.keys() - {module})}:
        left = {module: imports for module, imports in left.items() if module not in free}
    assert left == {}


def test_no_process_imports_another_ones_edge() -> None:
    """Processes share messages and pure files; nobody else's sockets, files or loops."""
    edges = {f"services.{folder}.{file[:-3].replace('/', '.')}" for folder, files in EDGES.items() for file in files}
    edges -= {edge for edge in edges if edge.split(".")[1] in LIBRARIES}
    # Each stands for a whole process or program that it is part of: no clock process tells it sessions.
    edges -= {"services.clock.calendar"} if "simulator" in PROGRAMS else set()
    for module, imports in imports_of_services().items():
        folder = ".".join(module.split(".")[:2])
        if folder.removeprefix("services.") not in (*SHELLS, "backtest"):
            strangers = {m for m in imports & edges if not m.startswith(folder)}
            assert not strangers, f"{module}: {strangers}"


def test_only_what_has_no_clock_process_reads_the_exchange_calendar() -> None:
    users = {m for m, imports in imports_of_services().items() if "services.clock.calendar" in imports}
    # `crazy rescue` works without a clock process.
    assert users == {"services.clock.__main__", "services.simulator.standalone", "services.cli.rescue_actions"}


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


def classes() -> Iterator[tuple[str, Path, ast.ClassDef]]:
    """Every class of the project, with its file."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                yield node.name, path, node


def is_kept(path: Path, node: ast.ClassDef) -> bool:
    """Whether a class is a message or a record: its name is on the wire and in ledgers, so it stays as it is."""
    has_key = any(isinstance(item, ast.FunctionDef) and item.name == "key" for item in node.body)
    return path.parent.name == "messages" or has_key


def test_no_two_classes_have_one_name() -> None:
    """One name, one meaning. Two processes may keep records of one name, each in its own ledger."""
    found: dict[str, list[tuple[Path, ast.ClassDef]]] = {}
    for name, path, node in classes():
        found.setdefault(name, []).append((path, node))
    twice = {
        name: [name_of(path) for path, _ in places]
        for name, places in found.items()
        if len(places) > 1 and not all(is_kept(*place) for place in places)
    }
    assert twice == {}
