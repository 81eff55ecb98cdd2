"""`crazy up`."""

from __future__ import annotations

import os
import shlex
import socket
import sys
import time
from pathlib import Path

from services import configuration, programs
from services.cli.options import Config, config_path, fleet
from services.cli.status import show
from services.cli.wait import wait_ready
from services.fleet import Fleet
from services.guard import Lock
from services.refusal import Refusal
from services.supervision import Supervisor

__all__ = ["up"]

READY_S = 60.0
"""Longest wait for every process to be ready."""


def up(*, config: Config = None) -> int:
    """Start the fleet and return when every process is ready.

    Checks the configuration and the surroundings first; whatever would hinder the start is said in one line and nothing
    starts. Waits 60 seconds at most, then shows the status. A second `crazy up` on a running fleet changes nothing.
    """
    chosen = fleet(config)
    if chosen.settings.mode == "live":
        raise Refusal(f"{config_path(config)}: mode: live is not in this release; set mode: paper, or mode: sim")
    chosen.prepare()
    lock = Lock(chosen.lock("fleet"))
    if not lock.take(READY_S):
        raise Refusal(f"fleet {chosen.name}: another `crazy up` has been at it for {READY_S:.0f} s; wait for its end")
    supervisor = Supervisor(chosen)
    wanted = chosen.settings.to_json()
    if supervisor.pid is not None:
        if chosen.settings_file.read_bytes() != wanted:
            raise Refusal(
                f"fleet {chosen.name} runs with another configuration; stop it first: {crazy(config, 'down')}"
            )
        said = f"fleet {chosen.name} is running already (supervisord {supervisor.pid})"
    else:
        check(chosen, supervisor, crazy(config, "down"))
        chosen.settings_file.write_bytes(wanted)
        programs.write(chosen)
        for notice in configuration.notices(chosen.settings):
            print(f"note: {notice}", file=sys.stderr)
        begun = time.monotonic()
        supervisor.start()
        said = ""
    missing = wait_ready(chosen, READY_S)
    if missing:
        logs = crazy(config, f"logs {missing[0]}")
        raise Refusal(f"fleet {chosen.name}: not ready after {READY_S:.0f} s: {', '.join(missing)}; see {logs}")
    print(said or f"fleet {chosen.name} is ready after {time.monotonic() - begun:.1f} s")
    show(chosen)
    for command, meaning in NEXT:
        print(f"  {crazy(config, command):<50} {meaning}")
    return 0


NEXT = (
    ("status", "what every symbol does, and why"),
    ("logs --follow", "what happens, as it happens"),
    ("sql 'from fills order by ts desc limit 10'", "every record, by SQL"),
    ("down", "stop; orders at the broker stay"),
)
"""What to type next, most wanted first."""


def crazy(config: Path | None, words: str) -> str:
    """A command as the operator can paste it, for this fleet, from this folder."""
    program = Path(sys.executable).with_name("crazy")
    if program.is_relative_to(Path.cwd()):
        program = program.relative_to(Path.cwd())
    chosen = f" --config {shlex.quote(str(config))}" if config else ""
    return f"{shlex.quote(str(program))} {words}{chosen}"


def check(chosen: Fleet, supervisor: Supervisor, down: str) -> None:
    """Refuse what cannot work, before anything starts."""
    left = supervisor.orphans()
    if left:
        raise Refusal(f"fleet {chosen.name}: {', '.join(left)} still there without a supervisor; end them: {down}")
    if chosen.settings.mode == "sim":
        for file in chosen.settings.simulation.files if chosen.settings.simulation.market == "files" else ():
            if not Path(file).is_file():
                raise Refusal(
                    f"{file}: no such market file; mend simulation.files, or set simulation.market: synthetic"
                )
        _check_port(chosen.settings.ibkr.host, chosen.settings.ibkr.port)


def _check_port(host: str, port: int) -> None:
    """The simulated gateway must be able to listen there; someone else's gateway must not be taken for it."""
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise Refusal(
            f"{host}:{port}: the simulated gateway cannot listen there ({why}); "
            "set ibkr.port to a free port, or give the fleet a name of its own (`fleet: mine`) for a port of its own"
        ) from error
