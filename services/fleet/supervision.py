"""Starts, asks and stops the supervisord of one fleet.

Its pidfile *and* its command line, which names that file, identify the living supervisord. So a pidfile that a kill -9
left behind is not believed, nor one whose number the system has given to another process.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.configuration.refusal import Refusal
from services.fleet import process_lock
from services.fleet.places import Fleet

__all__ = ["Process", "Supervisor"]

CODE = Path(__file__).resolve().parents[2]
"""The checkout: where supervisord.conf lies and the processes run."""

ANSWER_S = 10.0
"""Longest wait for one answer of supervisord; it is single-threaded and may be starting processes."""

WAVE_S = 12.0
"""Longest wait for processes that were stopped together: each has 10 s after SIGTERM before supervisord kills it."""

STOP_S = 30.0
"""Longest wait for the end of supervisord and of the processes that it still has."""


@dataclass(frozen=True)
class Process:
    """One process as supervisord sees it."""

    name: str
    state: str
    pid: int
    detail: str


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ANSWER_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return _UnixConnection(self._path)


class Supervisor:
    """The supervisord of one fleet, running or not."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet

    @property
    def pid(self) -> int | None:
        """Process id of the living supervisord, None when there is none."""
        try:
            pid = int(self.fleet.pidfile.read_text())
        except (OSError, ValueError):
            return None
        return pid if str(self.fleet.pidfile) in _command_line(pid) else None

    def start(self) -> None:
        """Start supervisord, which starts everything else; returns when it answers."""
        fleet = self.fleet
        environment = os.environ | {
            "CRAZY_CODE": str(CODE),
            "CRAZY_FLEET": fleet.name,
            # supervisord splits this at blanks and globs it; `?` stands for what would be misread.
            "CRAZY_PROGRAMS": re.sub(r"[\s\[\]*]", "?", str(fleet.programs)),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(CODE), os.environ.get("PYTHONPATH")))),
            "CRAZY_PYTHON": sys.executable,
            "CRAZY_SETTINGS": str(fleet.settings_file),
            "CRAZY_SOCKET": str(fleet.supervisor_socket),
        }
        output = fleet.logs / "supervisord.out"
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(CODE / "supervisord.conf")]
        with open(output, "wb") as sink:
            child = subprocess.Popen(
                [*command, "--pidfile", str(fleet.pidfile)],
                env=environment,
                cwd=fleet.var,  # its log files are named from here: supervisord misreads some characters of a path
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,  # Ctrl-C in this terminal is not for the fleet
            )
        if not _wait_until(lambda: child.poll() is not None or self._answers(), ANSWER_S) or child.poll() is not None:
            child.kill()
            errors = [line for line in output.read_text(errors="replace").splitlines() if line.startswith("Error")]
            raise Refusal(f"supervisord does not start: {errors[-1] if errors else 'no answer'}; see {output}")

    def processes(self) -> list[Process]:
        """Every process with its state as supervisord names it (RUNNING, STARTING, BACKOFF, STOPPED, EXITED, FATAL)."""
        found: Any = self._call("supervisor.getAllProcessInfo")
        return [Process(each["name"], each["statename"], each["pid"], each["description"]) for each in found]

    def update(self) -> None:
        """Start the programs whose files are new, stop those whose files are gone, leave all others alone."""
        ((added, _, removed),) = self._call("supervisor.reloadConfig")
        for name in removed:
            with contextlib.suppress(xmlrpc.client.Fault):  # it has ended by itself
                self._call("supervisor.stopProcessGroup", name)
            self._call("supervisor.removeProcessGroup", name)
        for name in added:
            self._call("supervisor.addProcessGroup", name)

    def start_process(self, name: str) -> None:
        """Start a process that has ended; nothing if it runs."""
        with contextlib.suppress(xmlrpc.client.Fault):
            self._call("supervisor.startProcess", name, False)

    def restart(self, name: str) -> None:
        """Stop a process and start it again: it resumes from its ledger."""
        with contextlib.suppress(xmlrpc.client.Fault):
            self._call("supervisor.stopProcess", name)
        self._call("supervisor.startProcess", name)

    def stop(self) -> list[str]:
        """Stop every process and supervisord itself. The names of the processes that had to be killed."""
        pid = self.pid
        if pid is not None:
            self._stop_in_order()
            os.kill(pid, signal.SIGTERM)
            if not _wait_until(lambda: self.pid is None, STOP_S):
                os.kill(pid, signal.SIGKILL)
                _wait_until(lambda: self.pid is None, ANSWER_S)
        # Processes may outlive supervisord: without PDEATHSIG (not Linux), or if supervisord hung.
        killed = []
        for name, survivor in self.survivors().items():
            os.kill(survivor, signal.SIGKILL)
            killed.append(name)
        _wait_until(lambda: not self.survivors(), ANSWER_S)
        return killed

    def survivors(self) -> dict[str, int]:
        """Living processes of this fleet, by name: each holds the lock of its name."""
        locks = sorted(self.fleet.locks.glob("*.lock"))
        return {
            lock.stem: pid for lock in locks if lock.stem != "fleet" and (pid := process_lock.holder(lock)) is not None
        }

    def orphans(self) -> dict[str, int]:
        """Processes that live without a supervisor. After a kill -9 of it, its processes get some time to end first."""
        _wait_until(lambda: not self.survivors(), process_lock.PREDECESSOR_S)
        return self.survivors()

    def _stop_in_order(self) -> None:
        """Stop the watchdog and the symbols first, then gateway and risk, then the recorder, then the rest.

        By itself supervisord takes a second for each process. It kills a process that does not end in time.
        """
        waves = ("watchdog", *self.fleet.symbols), ("gateway", "risk"), ("recorder",), ("clock", "simulator")
        with contextlib.suppress(OSError, Refusal, xmlrpc.client.Error):
            for wave in waves:
                for name in self._running(wave):
                    self._call("supervisor.stopProcess", name, False)
                _wait_until(functools.partial(self._stopped, wave), WAVE_S)

    def _running(self, names: tuple[str, ...]) -> list[str]:
        return [process.name for process in self.processes() if process.pid and process.name in names]

    def _stopped(self, names: tuple[str, ...]) -> bool:
        return not self._running(names)

    def _answers(self) -> bool:
        try:
            return bool(self._call("supervisor.getPID") == self.pid)
        except (OSError, Refusal):
            return False

    def _call(self, method: str, *arguments: Any) -> Any:
        """One XML-RPC call over supervisord's socket. Refusal if it does not answer."""
        path = self.fleet.supervisor_socket
        try:
            with xmlrpc.client.ServerProxy("http://localhost", transport=_UnixTransport(path)) as proxy:
                return getattr(proxy, method)(*arguments)
        except OSError as error:
            raise Refusal(
                f"fleet {self.fleet.name}: supervisord does not answer at {path} ({error.strerror or error}); it makes"
                " a socket that has vanished again within 10 s"
            ) from error


def _command_line(pid: int) -> str:
    """The command line of a living process; empty if it is gone or a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        if Path("/proc/self").exists():
            return ""
    return subprocess.run(["ps", "-p", str(pid), "-o", "command="], capture_output=True, text=True, check=False).stdout


def _wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)
    return True
