"""The files and folders of one fleet, and the names of its processes. All of it is derived from the settings.

Records are in `<root>/var/<fleet>/`, so that simulated, paper and live records never mix. Sockets and locks are in a
private folder of the system's runtime directory: the path of a unix socket has at most 107 bytes, and the path of a
checkout may be long.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from services.configuration.refusal import Refusal
from services.configuration.settings import Settings
from services.trading.ids import symbol_process

__all__ = ["Fleet", "check_length", "check_private", "home"]

SOCKET_PATH_BYTES = 107
"""sockaddr_un.sun_path holds 108 bytes, the last of them a zero (unix(7))."""

LONGEST_SOCKET_NAME = "symbol-ABCDEF.XYZ.control.sock"
"""The longest file name of a socket; the folder's path must leave room for it."""

CORE_PROCESSES = ("gateway", "risk", "clock", "recorder", "watchdog")


def home() -> Path:
    """The folder that holds `var/`: CRAZY_HOME, or else the checkout that this code was installed from."""
    path = os.environ.get("CRAZY_HOME")
    return Path(path).resolve() if path else Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Fleet:
    """The places and process names of one fleet. Only `prepare` creates folders."""

    settings: Settings
    root: Path

    @classmethod
    def of(cls, settings_file: str | Path) -> Fleet:
        """The fleet whose processes read this `settings.json`."""
        path = Path(settings_file).resolve()
        return cls(Settings.from_json(path), path.parents[2])

    @property
    def name(self) -> str:
        """The fleet's name."""
        return self.settings.name

    @property
    def var(self) -> Path:
        """The folder of its records."""
        return self.root / "var" / self.name

    @property
    def database(self) -> Path:
        """The recorder's DuckDB file."""
        return self.var / "bot.duckdb"

    @property
    def ledgers(self) -> Path:
        """The folder of the processes' own ledgers."""
        return self.var / "ledgers"

    def ledger(self, process: str) -> Path:
        """The SQLite file of this process; no other process opens it."""
        return self.ledgers / f"{process}.sqlite"

    @property
    def simulator_ledger(self) -> Path:
        """The simulated exchange's own SQLite file; `crazy audit` compares with it."""
        return self.var / "simulator.sqlite"

    @property
    def simulator_control(self) -> Path:
        """The socket on which the simulator takes commands, such as faults."""
        return self.socket("simulator.faults")

    @property
    def logs(self) -> Path:
        """The folder of the log files."""
        return self.var / "logs"

    def log(self, process: str) -> Path:
        """The JSON log of this process, one object a line."""
        return self.logs / f"{process}.jsonl"

    def output(self, process: str) -> Path:
        """The error output of this process, such as a traceback before its log is open."""
        return self.logs / f"{process}.out"

    @property
    def settings_file(self) -> Path:
        """The validated settings, as the processes read them."""
        return self.var / "settings.json"

    @property
    def overlay(self) -> Path:
        """The changes of the watchlist by commands."""
        return self.var / "watchlist.json"

    @property
    def confirmation(self) -> Path:
        """The owner's confirmation of live trading."""
        return self.var / "confirmation.json"

    @property
    def pidfile(self) -> Path:
        """Where supervisord writes its process id."""
        return self.var / "supervisord.pid"

    @property
    def programs(self) -> Path:
        """The folder of the generated supervisord programs, one file each."""
        return self.var / "programs.d"

    @property
    def run_note(self) -> Path:
        """Names `run` of the running fleet, for shells with another environment (cron, sudo)."""
        return self.var / "run.path"

    @property
    def run(self) -> Path:
        """The private folder of sockets and locks: that of the running fleet, or else the default."""
        try:
            note = Path(self.run_note.read_text().strip())
        except OSError:
            return self.default_run()
        return note if note.is_dir() else self.default_run()

    def default_run(self) -> Path:
        """The private folder that follows from this environment: one per user, checkout and fleet."""
        checkout = hashlib.sha256(os.fsencode(self.root.resolve())).hexdigest()[:10]
        runtime = os.environ.get("XDG_RUNTIME_DIR")
        if runtime and Path(runtime).is_dir():
            return Path(runtime) / f"crazy-{checkout}" / self.name
        return Path(tempfile.gettempdir()) / f"crazy-{os.getuid()}-{checkout}" / self.name

    def socket(self, name: str) -> Path:
        """The unix socket of this name. Refusal if its path is too long for the system."""
        path = self.run / f"{name}.sock"
        check_length(path)
        return path

    @property
    def supervisor_socket(self) -> Path:
        """Where supervisord listens for commands."""
        return self.socket("supervisor")

    def lock(self, process: str) -> Path:
        """The lock file of the process of this name."""
        return self.run / f"{process}.lock"

    @property
    def symbols(self) -> dict[str, str]:
        """The ticker of each symbol process, in the order of the watchlist; those that wind down come last."""
        settings = self.settings
        return {symbol_process(symbol): symbol for symbol in (*settings.watchlist, *settings.winding_down)}

    @property
    def processes(self) -> tuple[str, ...]:
        """Names of all processes of this fleet, as `crazy status` and supervisord show them."""
        simulator = ("simulator",) if self.settings.mode == "sim" else ()
        return (*simulator, *CORE_PROCESSES, *self.symbols)

    def prepare(self, *, running: bool = False) -> None:
        """Create the folders, private to this user. Refusal, one line, if that is not possible.

        The environment chooses the folder of the sockets anew, unless the fleet is `running`.
        """
        run = self.run if running else self.default_run()
        check_length(run / LONGEST_SOCKET_NAME)
        try:
            for folder in (self.var, self.ledgers, self.logs, self.programs):
                folder.mkdir(parents=True, exist_ok=True)
                for path in (folder, *folder.iterdir()):
                    if not os.access(path, os.W_OK):
                        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            run.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Refusal(
                f"{error.filename or self.var}: no write permission ({error.strerror}); make it writable for you, "
                "or set CRAZY_HOME (records) or XDG_RUNTIME_DIR (sockets) to a folder that is"
            ) from error
        for folder in (run.parent, run):
            check_private(folder)
        self.run_note.write_text(f"{run}\n")


def check_length(path: Path) -> None:
    """Refusal if a socket path is too long: the socket library would fail later, with an unclear error."""
    size = len(os.fsencode(path))
    if size > SOCKET_PATH_BYTES:
        raise Refusal(
            f"{path}: a socket path of {size} bytes, the system allows {SOCKET_PATH_BYTES}; "
            "set XDG_RUNTIME_DIR (or TMPDIR, where that is unset) to a shorter folder"
        )


def check_private(folder: Path) -> None:
    """Make the folder private, or Refusal if another user owns it.

    A user who can write here can command the fleet, and anybody can create a folder in the temporary directory.
    """
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise Refusal(f"{folder}: belongs to another user; remove it, or set XDG_RUNTIME_DIR to a folder of your own")
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)
