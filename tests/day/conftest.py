"""Whole fleets of real processes under supervisord, each in folders and on a port of its own."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest
import yaml

from services.cli.__main__ import main
from services.configuration.settings import Settings
from services.fleet.places import Fleet

ROOT = Path(__file__).parents[2]
MARKET = ROOT.parent / "shared" / "market"


def market_file(name: str) -> Path:
    """A recorded market; the test that wants it is skipped, loudly, where it is not there."""
    path = MARKET / name
    if not path.exists():
        pytest.skip(f"recorded market data is not at {path}: this test compares real days and did not run")
    return path


class Said(NamedTuple):
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


def until(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait for a fact. The time is for a machine that is busy with other things: nothing waits longer than it must."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


class RunningFleet:
    """A fleet as an operator has it: the commands, and the processes to be killed."""

    def __init__(self, name: str, home: Path, runtime: Path, config: dict[str, Any]):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.home = home
        self.config = home / "config.yaml"
        self.config.write_text(yaml.safe_dump({"fleet": name, "ibkr": {"port": port}, **config}))
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("CRAZY_")},
            "CRAZY_HOME": str(home),
            "CRAZY_CONFIG": str(self.config),
            "CRAZY_RUNTIME_DIR": str(runtime),
            "PYTHONPATH": str(ROOT),
        }
        self.var = home / "var" / name

    def crazy(self, *words: str, check: bool = True, typed: str = "") -> Said:
        """A command of the operator's; its exit code has to be 0 unless `check` is False.

        It runs in this process: starting Python costs more than most of them do, and tests/fleet has the program.
        """
        out, errors = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self.environment, clear=True),
            mock.patch.object(sys, "argv", ["crazy", *words]),
            mock.patch.object(sys, "stdin", io.StringIO(typed)),
            redirect_stdout(out),
            redirect_stderr(errors),
            pytest.raises(SystemExit) as ended,
        ):
            main()
        said = Said(int(ended.value.code or 0), out.getvalue(), errors.getvalue())
        if check:
            assert said.returncode == 0, (
                f"{words}: exit {said.returncode}\n{said.stdout}\n{said.stderr}\n{self.complaints()}"
            )
        return said

    def sql(self, statement: str) -> list[dict[str, Any]]:
        """Rows of the recorder's database."""
        rows: list[dict[str, Any]] = json.loads(self.crazy("sql", statement, "--format", "json").stdout)
        return rows

    def status(self) -> dict[str, Any]:
        """What `crazy status --json` says."""
        told: dict[str, Any] = json.loads(self.crazy("status", "--json", check=False).stdout)
        return told

    def until(self, query: str, seconds: float = 60) -> list[dict[str, Any]]:
        """Wait until it has rows."""
        until(lambda: self.sql(query), query, seconds)
        return self.sql(query)

    def complaints(self) -> str:
        """What the processes said on their error output."""
        return "\n".join(
            f"{p.name}: {p.read_text()[-2000:]}" for p in sorted(self.var.glob("logs/*.out")) if p.stat().st_size
        )

    def pids(self) -> dict[str, int]:
        """Process ids by process name, of all that live and belong to this fleet."""
        fleet = Fleet(Settings.from_json(self.var / "settings.json"), self.home)
        names = {("services.symbol", symbol): name for name, symbol in fleet.symbols.items()}
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().decode().rstrip("\0").split("\0")
            except OSError:
                continue
            if "-m" in words and str(self.var / "settings.json") in words:
                module = words[words.index("-m") + 1]
                found[names.get((module, words[-1]), module.removeprefix("services."))] = int(folder.name)
        return found

    def supervisord(self) -> int:
        """The process id of the supervisor."""
        return int((self.var / "supervisord.pid").read_text())

    def kill(self, process: str) -> bool:
        """kill -9; False when there is no such process at this moment."""
        pid = self.pids().get(process)
        if pid is None:
            return False
        os.kill(pid, signal.SIGKILL)
        return True


_calendars: dict[tuple[str | None, ...], bytes] = {}
"""What clocks have read of the exchange's calendar, by mode and days: it costs a start more than a second."""


@contextmanager
def fleets(folder: Path) -> Iterator[Callable[..., RunningFleet]]:
    """Starts a fleet of this configuration; at the end every one is stopped, and nothing may be left of it.

    `typed` is what its owner types at `crazy golive`, without which a live one does not start.
    """
    started: list[RunningFleet] = []
    with tempfile.TemporaryDirectory(prefix="crazy-", dir="/tmp") as runtime:

        def start(*, environment: Mapping[str, str] | None = None, typed: str = "", **config: Any) -> RunningFleet:
            name = f"t{len(started)}"
            home = folder / name
            home.mkdir()
            fleet = RunningFleet(name, home, Path(runtime), config)
            fleet.environment.update(environment or {})
            started.append(fleet)
            simulation = config.get("simulation", {})
            kept, days = fleet.var / "sessions.json", (config["mode"], simulation.get("start"), simulation.get("end"))
            fleet.var.mkdir(parents=True)
            if days in _calendars:
                kept.write_bytes(_calendars[days])
            if typed:
                refused = fleet.crazy("up", check=False)
                assert (refused.returncode, "only after its owner's word" in refused.stderr) == (4, True), refused
                fleet.crazy("golive", "--without-probe", typed=typed)
            fleet.crazy("up")
            _calendars[days] = kept.read_bytes()
            return fleet

        try:
            yield start
        finally:
            for fleet in started:
                fleet.crazy("down", check=False)
        for fleet in started:
            deadline = time.monotonic() + 5
            while fleet.pids() and time.monotonic() < deadline:
                time.sleep(0.1)
            assert not fleet.pids(), "processes outlived `crazy down`"


@pytest.fixture
def start_fleet(tmp_path: Path) -> Iterator[Callable[..., RunningFleet]]:
    """See `fleets`."""
    with fleets(tmp_path) as start:
        yield start
