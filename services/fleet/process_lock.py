"""The first step of a process: it makes sure that it dies with its supervisor, and that no other has its name.

    lock = process_lock.enter(fleet, "gateway")     # first line of a process; keep the result alive

A kill -9 of supervisord must leave no orphan that trades unseen. Two processes of one name would take each other's
sockets without an error and write the same ledger.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import sys
import time
from pathlib import Path
from typing import IO, NoReturn

from services.fleet.places import Fleet

__all__ = ["HELD", "ORPHANED", "Lock", "enter", "holder"]

HELD = 75
"""Exit code if another process of this name lives (sysexits: EX_TEMPFAIL; supervisord tries again)."""

ORPHANED = 76
"""Exit code if the supervisor died while this process started."""

PREDECESSOR_S = 5.0
"""Longest wait for a process of the same name that is about to end."""

PR_SET_PDEATHSIG = 1
"""prctl(2): sets the signal that the kernel sends this process when its parent dies."""


class Lock:
    """An advisory lock on a file, held until this object or the process ends. The file holds the holder's pid."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None

    def take(self, timeout_s: float = 0.0) -> bool:
        """Whether this process has the lock now, after a wait of at most `timeout_s`."""
        file = open(self.path, "a+", encoding="ascii")  # noqa: SIM115 (it lives as long as the lock)
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    file.close()
                    return False
                time.sleep(0.05)
            else:
                break
        _write_pid(file)
        self._file = file
        return True

    def keep(self) -> bool:
        """Make the file again if it has vanished. False if another process has taken the lock meanwhile."""
        if self._file is None:
            return False
        try:
            found = self.path.stat()
        except OSError:
            found = None
        mine = os.fstat(self._file.fileno())
        if found is not None and (found.st_dev, found.st_ino) == (mine.st_dev, mine.st_ino):
            return True
        before = self._file
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            kept = self.take()
        except OSError:  # a full disk, for example: try again later
            return False
        if kept:
            before.close()
        return kept

    def release(self) -> None:
        """Free the lock. The file stays: if it were removed, two processes could lock two files of one name."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _write_pid(file: IO[str]) -> None:
    """Write the holder's pid. On a full disk the lock holds without it."""
    with contextlib.suppress(OSError):
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()


def holder(path: Path) -> int | None:
    """Process id of the living holder of this lock; None if it is free."""
    try:
        file = open(path, encoding="ascii")  # noqa: SIM115
    except OSError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read() or 0) or _locking_process(os.fstat(file.fileno()).st_ino)
    return None


def _locking_process(inode: int) -> int | None:
    """The process that holds a lock on this file by the kernel's list (Linux): a full disk took no pid."""
    try:
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    pids = (
        int(words[4])
        for words in map(str.split, locks)
        if words[1:4:2] == ["FLOCK", "WRITE"] and words[5].endswith(f":{inode}")
    )
    return next(iter(pids), None)


def enter(fleet: Fleet, process: str) -> Lock:
    """Tie this process to its supervisor and take the lock of its name, or exit with one clear line.

    A process that a person starts (no supervisor in the environment) only takes the lock. What a process writes is
    private to its user.
    """
    os.umask(0o077)
    if os.environ.get("SUPERVISOR_ENABLED"):
        _die_with_parent()
        supervisor = _read_pid(fleet.pidfile)
        # The signal is set for the parent of this moment. If the supervisor died before, no signal will come.
        if os.getppid() != supervisor:
            _exit(process, ORPHANED, f"the supervisor of this fleet ({supervisor}) is not my parent ({os.getppid()})")
    lock = Lock(fleet.lock(process))
    lock.path.parent.mkdir(mode=0o700, exist_ok=True)
    if not lock.take(PREDECESSOR_S):
        _exit(process, HELD, f"runs already as process {holder(lock.path)}; `crazy down` stops the fleet")
    return lock


def _die_with_parent() -> None:
    """Linux: SIGKILL when supervisord dies. Elsewhere an orphan still holds its lock, so that it can be found."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def _read_pid(pidfile: Path) -> int | None:
    try:
        return int(pidfile.read_text())
    except (OSError, ValueError):
        return None


def _exit(process: str, code: int, why: str) -> NoReturn:
    print(f"{process}: {why}", file=sys.stderr, flush=True)
    raise SystemExit(code)
