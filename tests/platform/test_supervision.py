"""A real supervisord with the real supervisord.conf, and processes that do nothing but guard themselves."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services import programs, supervision
from services.fleet import Fleet
from services.refusal import Refusal
from services.settings import Settings
from services.supervision import Supervisor

ROOT = Path(__file__).parents[2]

IDLE = """
import signal, sys
from services import guard
from services.fleet import Fleet
names = {argument: name for name, argument in Fleet.of(sys.argv[1]).symbols.items()}
lock = guard.enter(Fleet.of(sys.argv[1]), names[sys.argv[2]] if sys.argv[2:] else "NAME")
signal.sigwait([signal.SIGTERM])
"""


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """A fleet whose processes are idle, in a folder with a blank and a bracket in its name."""
    code = tmp_path / "code"
    (code / "services").mkdir(parents=True)
    for file in (ROOT / "services").glob("*.py"):
        shutil.copy(file, code / "services")
    for name in ("gateway", "risk", "clock", "recorder", "watchdog", "simulator", "symbol"):
        (code / "services" / name).mkdir()
        (code / "services" / name / "__main__.py").write_text(IDLE.replace("NAME", name))
    shutil.copy(ROOT / "supervisord.conf", code)
    monkeypatch.setattr(supervision, "CODE", code)
    monkeypatch.setenv("PYTHONPATH", str(code))
    with tempfile.TemporaryDirectory(prefix="crazy-", dir="/tmp") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        chosen = Fleet(Settings(watchlist=("TSLA", "BRK B")), tmp_path / "my [own] folder")
        chosen.prepare()
        chosen.settings_file.write_bytes(chosen.settings.to_json())
        programs.write(chosen)
        yield chosen
        Supervisor(chosen).stop()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def running(supervisor: Supervisor) -> set[str]:
    return {process.name for process in supervisor.processes() if process.state == "RUNNING"}


def test_a_fleet_from_start_to_end(fleet: Fleet) -> None:
    supervisor = Supervisor(fleet)
    assert supervisor.pid is None
    supervisor.start()
    until(lambda: running(supervisor) == set(fleet.processes))
    until(lambda: set(supervisor.survivors()) == set(fleet.processes))

    # What dies is started again, by a new process of the same name.
    victim = supervisor.survivors()["risk"]
    os.kill(victim, signal.SIGKILL)
    until(lambda: supervisor.survivors().get("risk", victim) != victim)

    # kill -9 of supervisord leaves nobody, and what it left lying about does not hinder the next start.
    before = supervisor.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    until(lambda: not supervisor.survivors())
    assert supervisor.pid is None
    assert fleet.pidfile.exists()
    assert fleet.supervisor_socket.exists()
    supervisor.start()
    until(lambda: running(supervisor) == set(fleet.processes))

    assert supervisor.stop() == []
    assert supervisor.pid is None
    assert supervisor.survivors() == {}
    log = (fleet.logs / "supervisord.log").read_text()
    assert "exited: gateway (exit status" not in log
    assert supervisor.stop() == []


def test_a_pidfile_that_names_a_stranger_is_not_believed(fleet: Fleet) -> None:
    fleet.pidfile.write_text(str(os.getpid()))
    assert Supervisor(fleet).pid is None
    fleet.pidfile.write_text("")
    assert Supervisor(fleet).pid is None


def test_a_supervisord_that_does_not_start_is_one_line(fleet: Fleet) -> None:
    (supervision.CODE / "supervisord.conf").write_text("[supervisord]\nlogfile = /nowhere/at/all.log\n")
    with pytest.raises(Refusal, match=r"supervisord does not start: .*/nowhere/at.*; see .*supervisord.out"):
        Supervisor(fleet).start()


def test_programs_follow_the_watchlist(fleet: Fleet) -> None:
    assert {file.name for file in fleet.programs.iterdir()} == {
        "simulator.conf", "symbol-TSLA.conf", "symbol-BRK.B.conf"
    }  # fmt: skip
    assert '"BRK B"' in (fleet.programs / "symbol-BRK.B.conf").read_text()
    changed = Fleet(Settings(mode="paper", fleet="sim", watchlist=("TSLA", "NVDA")), fleet.root)
    programs.write(changed)
    assert {file.name for file in fleet.programs.iterdir()} == {"symbol-TSLA.conf", "symbol-NVDA.conf"}
