"""Row 70: supervisord and its processes survive a full disk: a real file system of 3 MB, where root may mount one."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.configuration.settings import Settings
from services.fleet import programs
from services.fleet.places import Fleet
from services.fleet.process_lock import Lock, holder
from services.fleet.supervision import Supervisor
from tests.day.conftest import until
from tests.fleet.conftest import idle, runtime

__all__ = ["idle", "runtime"]

NOISY = """
import signal, sys
from services.fleet import process_lock
from services.fleet.places import Fleet
lock = process_lock.enter(Fleet.of(sys.argv[1]), "risk")
while True:
    print("x" * 4000, flush=True)
    if signal.sigtimedwait([signal.SIGTERM], 0.02):
        break
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount a small file system: the full disk was not tried")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Take all space that is left."""
    filler = disk / "filler"
    with open(filler, "ab", buffering=0) as file:
        for size in (65_536, 512, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    assert os.statvfs(disk).f_bavail == 0
    return filler


def test_field_70_supervisord_outlives_a_full_disk(small_disk: Path, idle: Path, runtime: Path) -> None:
    (idle / "services" / "risk" / "__main__.py").write_text(NOISY)
    fleet = Fleet(Settings(watchlist=("TSLA",)), small_disk)
    fleet.prepare()
    fleet.settings_file.write_bytes(fleet.settings.to_json())
    programs.write(fleet)
    supervisor = Supervisor(fleet)
    supervisor.start()
    try:
        until(lambda: set(supervisor.survivors()) == set(fleet.processes), "all run", 60)
        pid, before = supervisor.pid, supervisor.survivors()
        filler = fill(small_disk)
        # Its own log and that of a noisy process are written all the time, and a death is logged as well.
        for name in ("clock", "gateway"):
            os.kill(before[name], signal.SIGKILL)
            until(lambda name=name: supervisor.survivors().get(name) not in (None, before[name]), f"{name} is back", 60)
        time.sleep(2)
        assert supervisor.pid == pid
        alive = supervisor.survivors()
        assert {name for name, each in alive.items() if before[name] == each} == set(before) - {"clock", "gateway"}
        filler.unlink()
        os.kill(alive["recorder"], signal.SIGKILL)
        until(lambda: supervisor.survivors().get("recorder") not in (None, alive["recorder"]), "recorder is back", 60)
        until(lambda: "exited: recorder" in (fleet.logs / "supervisord.log").read_text(), "it logs again", 30)
    finally:
        supervisor.stop()
    assert supervisor.pid is None


def test_field_70_a_lock_on_a_full_disk_still_names_its_holder(small_disk: Path) -> None:
    fill(small_disk)
    try:
        lock = Lock(small_disk / "risk.lock")
        taken = lock.take()
    except OSError:
        pytest.skip("this file system has no room for an empty file either")
    assert taken
    assert lock.path.read_text() == ""
    assert holder(lock.path) == os.getpid()
