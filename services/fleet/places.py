"""Where the things of one fleet lie, and what its processes are called.

Records lie under `<root>/var/<fleet>/`, so that simulated, paper and live records never mix. Sockets and locks lie in a
private folder of the system's runtime directory, because the path of a unix socket ends at 107 bytes and a checkout may
lie deep. Everything here is derived from the settings; the watchlist stands in the configuration only.
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
"""What must still fit behind the folder: no socket of a fleet is named longer than this."""

CORE_PROCESSES = ("gateway", "risk", "clock", "recorder", "watchdog")


def home() -> Path:
    """The folder that holds `var/`: CRAZY_HOME, or else the checkout that this code was installed from."""
    chosen = os.environ.get("CRAZY_HOME")
    return Path(chosen).resolve() if chosen else Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Fleet:
    """The places and process names of one fleet. Asking for a place creates nothing; `prepare` does."""

    settings: Settings
    root: Path

    @classmethod
    def of(cls, settings_file: str | Path) -> Fleet:
        """The fleet whose processes were given this `settings.json`."""
        path = Path(settings_file).resolve()
        return cls(Settings.from_json(path), path.parents[2])

    @property
    def name(self) -> str:
        """What the fleet is called."""
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
        """The SQLite file that this process alone opens."""
        return self.ledgers / f"{process}.sqlite"

    @property
    def simulator_ledger(self) -> Path:
        """The simulated exchange's own SQLite file: the truth that audits compare with."""
        return self.var / "simulator.sqlite"

    @property
    def simulator_control(self) -> Path:
        """Where the simulator takes commands: faults on demand."""
        return self.socket("simulator.faults")

    @property
    def logs(self) -> Path:
        """The folder of the log files."""
        return self.var / "logs"

    def log(self, process: str) -> Path:
        """The JSON log of this process, one object a line."""
        return self.logs / f"{process}.jsonl"

    def output(self, process: str) -> Path:
        """What this process says beside its log: a traceback, before the log is open or after it is closed."""
        return self.logs / f"{process}.out"

    @property
    def settings_file(self) -> Path:
        """The validated settings, as the processes read them."""
        return self.var / "settings.json"

    @property
    def overlay(self) -> Path:
        """What was changed of the watchlist since, by commands."""
        return self.var / "watchlist.json"

    @property
    def confirmation(self) -> Path:
        """The owner's word for live trading, and until when it holds."""
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
        """Remembers `run` of the running fleet for shells whose environment would lead elsewhere (cron, sudo)."""
        return self.var / "run.path"

    @property
    def run(self) -> Path:
        """The private folder of sockets and locks: where the running fleet has it, or else where it would be."""
        try:
            noted = Path(self.run_note.read_text().strip())
        except OSError:
            return self.default_run()
        return noted if noted.is_dir() else self.default_run()

    def default_run(self) -> Path:
        """The private folder as this environment has it: per user, per checkout, per fleet."""
        checkout = hashlib.sha256(os.fsencode(self.root.resolve())).hexdigest()[:10]
        runtime = os.environ.get("XDG_RUNTIME_DIR")
        if runtime and Path(runtime).is_dir():
            return Path(runtime) / f"crazy-{checkout}" / self.name
        return Path(tempfile.gettempdir()) / f"crazy-{os.getuid()}-{checkout}" / self.name

    def socket(self, name: str) -> Path:
        """The unix socket of this name, refused when the system could not bind it."""
        path = self.run / f"{name}.sock"
        check_length(path)
        return path

    @property
    def supervisor_socket(self) -> Path:
        """Where supervisord listens for commands."""
        return self.socket("supervisor")

    def lock(self, process: str) -> Path:
        """The file that the living process of this name holds locked."""
        return self.run / f"{process}.lock"

    @property
    def symbols(self) -> dict[str, str]:
        """Process name of each ticker, in the order of the watchlist; those that are winding down come last."""
        settings = self.settings
        return {symbol_process(symbol): symbol for symbol in (*settings.watchlist, *settings.winding_down)}

    @property
    def processes(self) -> tuple[str, ...]:
        """Names of all processes of this fleet, as `crazy status` and supervisord show them."""
        simulator = ("simulator",) if self.settings.mode == "sim" else ()
        return (*simulator, *CORE_PROCESSES, *self.symbols)

    def prepare(self, *, running: bool = False) -> None:
        """Create the folders, private to this user, or refuse in one line that says why.

        Where the sockets lie is decided anew by this environment, unless the fleet is `running`.
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
    """A path that is too long fails late and cryptically inside the socket library, so say it here."""
    size = len(os.fsencode(path))
    if size > SOCKET_PATH_BYTES:
        raise Refusal(
            f"{path}: a socket path of {size} bytes, the system allows {SOCKET_PATH_BYTES}; "
            "set XDG_RUNTIME_DIR (or TMPDIR, where that is unset) to a shorter folder"
        )


def check_private(folder: Path) -> None:
    """Whoever can write here can command the fleet; a folder under the temporary directory may have been planted."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise Refusal(f"{folder}: belongs to another user; remove it, or set XDG_RUNTIME_DIR to a folder of your own")
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)
