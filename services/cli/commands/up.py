"""`crazy up`."""

from __future__ import annotations

import sys
import time

import msgspec

from services.cli.options import Config, crazy, load
from services.cli.preflight import broker_notes, check, check_live, place_notes
from services.cli.readiness import await_records, gateway_refusal, market_note, wait_ready
from services.cli.status_page import show_status
from services.configuration.notices import notices
from services.configuration.refusal import Refusal
from services.fleet import programs
from services.fleet.places import Fleet, home, write_private
from services.fleet.process_lock import Lock
from services.fleet.supervision import Supervisor

__all__ = ["up"]

READY_S = 60.0
"""Longest wait for every process to be ready."""


def up(*, observe: bool = False, config: Config = None) -> int:
    """Start the fleet and return when every process is ready.

    Checks the configuration and the surroundings first; whatever would hinder the start is said in one line and nothing
    starts. Waits 60 seconds at most, then shows the status. A second `crazy up` on a running fleet changes nothing.

    Parameters
    ----------
    observe:
        Decide and send nothing: every order that would go out is recorded instead (`crazy events`).
    """
    settings = load(config)
    chosen = Fleet(msgspec.structs.replace(settings, observe=True) if observe else settings, home())
    supervisor = Supervisor(chosen)
    chosen.prepare(running=supervisor.pid is not None)
    lock = Lock(chosen.lock("fleet"))
    if not lock.take(READY_S):
        raise Refusal(f"fleet {chosen.name}: another `crazy up` has been at it for {READY_S:.0f} s; wait for its end")
    started = time.time()
    running = supervisor.pid
    if running:
        if chosen.settings_file.read_bytes() != chosen.settings.to_json():
            down = crazy(config, "down")
            raise Refusal(f"fleet {chosen.name} runs with another configuration; stop it first: {down}")
    else:
        check(chosen, supervisor, crazy(config, "down"))
        check_live(chosen, crazy(config, "golive"))
        for notice in (*notices(chosen.settings), *place_notes(chosen), *broker_notes(chosen)):
            print(f"note: {notice}", file=sys.stderr)
        write_private(chosen.settings_file, chosen.settings.to_json())
        programs.write(chosen)
        supervisor.start()
    missing = wait_ready(chosen, READY_S)
    if missing and (why := gateway_refusal(chosen)):
        raise Refusal(f"fleet {chosen.name}: {why}; it waits for that to change, or stop it: {crazy(config, 'down')}")
    if missing:
        logs = crazy(config, f"logs {missing[0]}")
        last = "".join(f"\n{name}: {line}" for name in missing if (line := last_output_line(chosen, name, started)))
        raise Refusal(f"fleet {chosen.name}: not ready after {READY_S:.0f} s: {', '.join(missing)}; see {logs}{last}")
    if played := market_note(chosen):
        print(f"note: {played}", file=sys.stderr)
    state = (
        f"is running already (supervisord {running})" if running else f"is ready after {time.time() - started:.1f} s"
    )
    print(f"fleet {chosen.name} {state}")
    await_records(chosen)
    show_status(chosen, crazy(config, "events --warn"))
    commands = [(crazy(config, command), meaning) for command, meaning in NEXT]
    width = max(len(command) for command, _ in commands)
    for command, meaning in commands:
        print(f"  {command:<{width}}  {meaning}")
    return 0


NEXT = (
    ("status", "what every symbol does, and why"),
    ("logs --follow", "what happens, as it happens"),
    ("sql 'from fills order by ts desc limit 10'", "every record, by SQL"),
    ("down", "stop; orders at the broker stay"),
)
"""What to type next, most wanted first."""


def last_output_line(chosen: Fleet, process: str, since: float) -> str:
    """The last line that a process wrote to its error output since then: after a crash, the exception."""
    output = chosen.output(process)
    try:
        if output.stat().st_mtime < since:
            return ""
        return output.read_text(errors="replace").strip().rpartition("\n")[2]
    except OSError:
        return ""
