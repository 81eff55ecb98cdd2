"""A process dies with its supervisor, and no other has its name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from services.fleet import process_lock
from services.fleet.places import Fleet
from services.fleet.process_lock import Lock, holder

ROOT = Path(__file__).parents[2]

CHILD = """
import sys, time
from services.fleet import process_lock
from services.fleet.places import Fleet
process_lock.PREDECESSOR_S = 0.2
lock = process_lock.enter(Fleet.of(sys.argv[1]), "risk")
print("in", flush=True)
time.sleep(60)
"""

# A supervisor that starts one child and tells its pid; `late` writes the pidfile of somebody else.
SUPERVISOR = """
import os, subprocess, sys
with open(sys.argv[2], "w") as file:
    file.write(str(os.getpid() if sys.argv[3] == "mine" else 1))
child = subprocess.Popen([sys.executable, "-c", sys.argv[4], sys.argv[1]], env=os.environ | {"SUPERVISOR_ENABLED": "1"})
print(child.pid, flush=True)
sys.exit(child.wait())
"""


def start(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", *command], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_lock_has_one_holder_and_is_free_after_it(tmp_path: Path) -> None:
    path = tmp_path / "risk.lock"
    first, second = Lock(path), Lock(path)
    assert holder(path) is None
    assert first.take()
    assert not second.take()
    assert holder(path) == os.getpid()
    first.release()
    assert holder(path) is None
    assert second.take()


def test_no_process_runs_twice_and_a_dead_one_is_replaced(fleet: Fleet) -> None:
    first = start(CHILD, str(fleet.settings_file))
    assert first.stdout is not None
    assert first.stdout.readline() == "in\n"
    second = start(CHILD, str(fleet.settings_file))
    _, error = second.communicate(timeout=30)
    assert second.returncode == process_lock.HELD
    assert error == f"risk: runs already as process {first.pid}; `crazy down` stops the fleet\n"
    first.kill()
    first.wait()
    third = start(CHILD, str(fleet.settings_file))
    assert third.stdout is not None
    assert third.stdout.readline() == "in\n"
    third.kill()
    third.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="PDEATHSIG is Linux")
def test_kill_9_of_the_supervisor_takes_the_process_with_it(fleet: Fleet) -> None:
    parent = start(SUPERVISOR, str(fleet.settings_file), str(fleet.pidfile), "mine", CHILD)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert parent.stdout.readline() == "in\n"
    assert holder(fleet.lock("risk")) == child
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until(lambda: holder(fleet.lock("risk")) is None)


def test_a_process_whose_supervisor_died_while_it_started_leaves(fleet: Fleet) -> None:
    parent = start(SUPERVISOR, str(fleet.settings_file), str(fleet.pidfile), "another", CHILD)
    _, error = parent.communicate(timeout=30)
    assert parent.returncode == process_lock.ORPHANED
    assert error.startswith("risk: the supervisor of this fleet (1) is not my parent (")
    assert holder(fleet.lock("risk")) is None
