"""The layout of `services/`, from which the other tests of this folder follow: what is pure, what is an edge."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVICES = ROOT / "services"
SOURCES = sorted(path for folder in ("messages", "services") for path in (ROOT / folder).rglob("*.py"))

LIBRARIES = ("trading", "configuration", "fleet", "runtime")
"""The libraries. Each imports only those before it."""

PROGRAMS = tuple(sorted(path.parent.name for path in SERVICES.glob("*/__main__.py")))
"""Folders with a `__main__.py`: processes, and programs that a person starts."""

SHELLS = ("cli", "fleet")
"""Folders that are all shell: a person's commands, and files and processes on this machine."""

EDGES = {
    "configuration": ("config_file.py", "settings.py", "yaml_document.py"),
    "runtime": ("bus.py", "event_loop.py", "ledger.py", "log.py", "poll_loop.py", "process.py", "steady_time.py"),
    "gateway": (
        "ibkr/clock_check.py",
        "ibkr/connection.py",
        "ibkr/host_zone.py",
        "ibkr/library.py",
        "ibkr/market_rules.py",
        "ibkr/qualification.py",
        "ibkr/snapshot.py",
    ),
    "clock": ("calendar.py", "pace.py"),
    "recorder": ("sql.py", "store.py"),
    "simulator": (
        *("control.py", "fault_effects.py", "server.py", "standalone.py", "testing.py"),
        *("faults/timetable.py", "market/choice.py", "market/files.py", "market/loading.py", "venue/store.py"),
        *("requests/dispatch.py", "requests/historical_data.py", "requests/unsupported.py"),
    ),
}
"""The files outside of shells that touch a file, a socket, a clock, a thread or a log. Every other file is pure."""


def name_of(path: Path) -> str:
    """A file's path below the root."""
    return path.relative_to(ROOT).as_posix()


def is_pure(path: Path) -> bool:
    """Whether the layout says that this file of `services/` touches nothing outside."""
    folder, *rest = path.relative_to(SERVICES).parts
    if not rest:
        return True
    return folder not in SHELLS and path.name != "__main__.py" and "/".join(rest) not in EDGES.get(folder, ())


PURE = [path for path in SOURCES if path.is_relative_to(SERVICES) and is_pure(path)]


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it; of `from package import module` the module."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(module), level=0, names=names):
                for name in names:
                    full = f"{module}.{name.name}"
                    yield full if (ROOT / full.replace(".", "/")).with_suffix(".py").is_file() else module


@cache
def imports_of_services() -> dict[str, set[str]]:
    """Each file of `services/` as a module, with the modules of `services/` that it imports."""
    modules = {
        name_of(path)[:-3].removesuffix("/__init__").replace("/", "."): path
        for path in SOURCES
        if path.is_relative_to(SERVICES)
    }
    return {module: {m for m in imported(path) if m in modules} for module, path in modules.items()}
