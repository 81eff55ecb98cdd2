"""The files and folders of one fleet, and the names of its processes. All of it is derived from the settings.

Records and locks are in `<root>/var/<fleet>/`, so that simulated, paper and live records never mix. The sockets are
there, too, in `run`. The path of a unix socket has at most 107 bytes; where that of the checkout is too long, they lie
in a folder of the user's state (`~/.local/state`). Both last as long as the records do. `$XDG_RUNTIME_DIR` ends with
the last login and the temporary folder is swept by age, so these come last, and the start warns of them.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.configuration.refusal import Refusal
from services.configuration.settings import Settings
from services.trading.ids import symbol_process

__all__ = [
    "RUNTIME_VARIABLE",
    "Fleet",
    "check_length",
    "check_private",
    "home",
    "private_folders",
    "short_lived",
    "write_private",
]

SOCKET_PATH_BYTES = 107
"""sockaddr_un.sun_path holds 108 bytes, the last of them a zero (unix(7))."""

LONGEST_SOCKET_NAME = "symbol-ABCDEF.XYZ.control.sock"
"""The longest file name of a socket; the folder's path must leave room for it."""

RUNTIME_VARIABLE = "CRAZY_RUNTIME_DIR"
"""Environment variable: the folder for sockets, chosen by the user."""

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
    def probe_results(self) -> Path:
        """What `crazy paper-probe` found out about the broker."""
        return self.var / "probe.json"

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
        """The private folder of the sockets: that of the last start, or else the default.

        It may have vanished under a running fleet, which makes it again.
        """
        try:
            note = os.fsdecode(self.run_note.read_bytes().strip())
        except OSError:
            note = ""
        return Path(note) if Path(note).is_absolute() else self.default_run()

    def default_run(self) -> Path:
        """The first folder for sockets whose path is short enough."""
        folders = list(self._run_folders())
        return next((folder for folder in folders if _fits(folder / LONGEST_SOCKET_NAME)), folders[-1])

    def _run_folders(self) -> Iterator[Path]:
        """Folders for the sockets, the best one first: one per user, checkout and fleet."""
        checkout = hashlib.sha256(os.fsencode(self.root.resolve())).hexdigest()[:10]
        if not os.environ.get(RUNTIME_VARIABLE):
            yield self.var / "run"
        for folder in private_folders(f"crazy-{checkout}"):
            yield folder / self.name

    @property
    def locks(self) -> Path:
        """The folder of the lock files."""
        return self.var / "locks"

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
        return self.locks / f"{process}.lock"

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
        if set(str(self.var)) & set("?\n\r"):
            raise Refusal(
                f"{str(self.var)!r}: DuckDB keeps no journal in a folder with a `?` or a line break in its path; rename"
                " the folder, or set CRAZY_HOME to another one"
            )
        if not running:
            check_length(self.default_run() / LONGEST_SOCKET_NAME)
        try:
            for folder in (self.root / "var", self.var, self.ledgers, self.logs, self.programs, self.locks):
                _make_private(folder)
                for path in folder.iterdir() if folder != self.root / "var" else ():
                    if not os.access(path, os.W_OK):
                        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
                    if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077:
                        path.chmod(0o600)
            run = self._make_run((self.run,) if running else tuple(self._run_folders()))
        except OSError as error:
            raise Refusal(
                f"{error.filename or self.var}: no write permission ({error.strerror}); make it writable for you, "
                f"or set CRAZY_HOME (records) or {RUNTIME_VARIABLE} (sockets) to a folder that is"
            ) from error
        write_private(self.run_note, os.fsencode(f"{run}\n"))

    def _make_run(self, folders: tuple[Path, ...]) -> Path:
        """The first of these folders that takes sockets, created. Some file systems, such as shared ones, take none."""
        usable = [folder for folder in folders if _fits(folder / LONGEST_SOCKET_NAME)] or list(folders)
        for folder in usable:
            for part in (folder.parent, folder):
                if not part.is_relative_to(self.root / "var"):
                    part.mkdir(mode=0o700, parents=True, exist_ok=True)
                    check_private(part)
                elif part == folder:
                    _make_private(part)
            try:
                _try_socket(folder)
            except OSError:
                if folder is usable[-1]:
                    raise
            else:
                return folder
        raise AssertionError("there is always a folder")


def private_folders(name: str) -> Iterator[Path]:
    """Where a private folder of this name may lie, the best place first: CRAZY_RUNTIME_DIR alone if it is set.

    The user's state lasts. The system's runtime directory ends with the last login, the temporary one is swept by age.
    """
    chosen = os.environ.get(RUNTIME_VARIABLE)
    if chosen:
        yield Path(chosen).absolute() / name
        return
    state = os.environ.get("XDG_STATE_HOME", "")
    with contextlib.suppress(RuntimeError):  # a user without a home
        yield (Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state") / name
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir():
        yield Path(runtime) / name
    yield Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}"


def short_lived(folder: Path) -> str:
    """Why what lies in this folder may vanish while it is in use; '' if it lasts, or if the user chose it."""
    folder = folder.resolve()
    for ended in (os.environ.get("XDG_RUNTIME_DIR") or "/run/user", "/run/user"):
        if folder.is_relative_to(Path(ended).resolve()):
            return "the system removes it with your last logout"
    chosen = os.environ.get(RUNTIME_VARIABLE)
    if chosen and folder.is_relative_to(Path(chosen).resolve()):
        return ""
    for swept in (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"):
        if folder.is_relative_to(Path(swept).resolve()):
            return "old files there are removed, and all of them at the next start of this machine"
    return ""


def write_private(path: Path, content: bytes) -> None:
    """Write a file that this user alone can read, as a whole or not at all."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)  # whatever the umask is
        file.write(content)
    fresh.replace(path)


def _make_private(folder: Path) -> None:
    """Create a folder that this user alone can enter, whatever the umask is. An existing one becomes private."""
    folder.mkdir(parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) != 0o700:
        folder.chmod(0o700)


def _try_socket(folder: Path) -> None:
    """OSError if no socket can be made in this folder."""
    path = folder / ".trial"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.bind(str(path))
    path.unlink()


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= SOCKET_PATH_BYTES


def check_length(path: Path) -> None:
    """Refusal if a socket path is too long: the socket library would fail later, with an unclear error."""
    size = len(os.fsencode(path))
    if not _fits(path):
        raise Refusal(
            f"{path}: a socket path of {size} bytes, the system allows {SOCKET_PATH_BYTES}; "
            f"set {RUNTIME_VARIABLE} to a shorter folder of your own"
        )


def check_private(folder: Path) -> None:
    """Make the folder private, or Refusal if another user owns it.

    A user who can write here can command the fleet, and anybody can create a folder in the temporary directory.
    """
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise Refusal(
            f"{folder}: belongs to another user; remove it, or set {RUNTIME_VARIABLE} to a folder of your own"
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)
