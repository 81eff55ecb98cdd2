"""A real supervisord with the real supervisord.conf, and processes that do nothing but take their lock."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from services.configuration.refusal import Refusal
from services.configuration.settings import Settings
from services.fleet import programs
from services.fleet.places import Fleet
from services.fleet.supervision import Supervisor


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def running(supervisor: Supervisor) -> set[str]:
    return {process.name for process in supervisor.processes() if process.state == "RUNNING"}


@pytest.mark.usefixtures("idle")
def test_a_fleet_from_start_to_end(fleet: Fleet) -> None:
    programs.write(fleet)
    supervisor = Supervisor(fleet)
    assert supervisor.pid is None
    supervisor.start()
    until(lambda: running(supervisor) == set(fleet.processes))
    until(lambda: set(supervisor.survivors()) == set(fleet.processes))

    # A process that dies is started again.
    victim = supervisor.survivors()["risk"]
    os.kill(victim, signal.SIGKILL)
    until(lambda: supervisor.survivors().get("risk", victim) != victim)

    # A kill -9 of supervisord ends all processes, and the files that it left do not hinder the next start.
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


def test_a_pidfile_that_names_another_process_is_ignored(fleet: Fleet) -> None:
    fleet.pidfile.write_text(str(os.getpid()))
    assert Supervisor(fleet).pid is None
    fleet.pidfile.write_text("")
    assert Supervisor(fleet).pid is None


def test_a_supervisord_that_does_not_start_is_one_line(fleet: Fleet, idle: Path) -> None:
    (idle / "supervisord.conf").write_text("[supervisord]\nlogfile = /nowhere/at/all.log\n")
    with pytest.raises(Refusal, match=r"supervisord does not start: .*/nowhere/at.*; see .*supervisord.out"):
        Supervisor(fleet).start()


def test_programs_follow_the_watchlist(fleet: Fleet) -> None:
    programs.write(fleet)
    assert {file.name for file in fleet.programs.iterdir()} == {
        "simulator.conf", "symbol-TSLA.conf", "symbol-BRK.B.conf"
    }  # fmt: skip
    assert '"BRK B"' in (fleet.programs / "symbol-BRK.B.conf").read_text()
    changed = Fleet(Settings(mode="paper", fleet="sim", watchlist=("TSLA", "NVDA")), fleet.root)
    programs.write(changed)
    assert {file.name for file in fleet.programs.iterdir()} == {"symbol-TSLA.conf", "symbol-NVDA.conf"}
