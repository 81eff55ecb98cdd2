"""The supervisord programs that follow from the settings: the simulator in `mode: sim`, and one for each symbol.

The other processes are the same in every fleet. `supervisord.conf` shows their programs; a test compares each of them
with the template here. Each generated program has a file of its own: if they were one group, adding a ticker would
restart every symbol.
"""

from __future__ import annotations

from services.fleet.places import Fleet, write_private

__all__ = ["program", "programs", "write"]

PROGRAM = """\
[program:{process}]
command = /bin/sh -c 'cd "$CRAZY_CODE" && exec "$CRAZY_PYTHON" -m services.{module} "$CRAZY_SETTINGS"{argument}'
priority = {priority}
startsecs = 1
startretries = 100
autorestart = unexpected
exitcodes = 0
stopsignal = TERM
stopwaitsecs = 10
redirect_stderr = true
stdout_logfile = logs/{process}.out
stdout_logfile_maxbytes = 1MB
stdout_logfile_backups = 2
"""


def program(process: str, priority: int, symbol: str | None = None) -> str:
    """The program of a process: that of `symbol`, or the only one of its module."""
    module, argument = (process, "") if symbol is None else ("symbol", f' "{symbol}"')
    return PROGRAM.format(process=process, module=module, argument=argument, priority=priority)


def programs(fleet: Fleet) -> dict[str, str]:
    """File name and text of each generated program."""
    found = {"simulator": program("simulator", 10)} if "simulator" in fleet.processes else {}
    found |= {process: program(process, 100, symbol) for process, symbol in fleet.symbols.items()}
    return {f"{process}.conf": text for process, text in found.items()}


def write(fleet: Fleet) -> None:
    """Write the generated programs, and remove the files of those that are no longer wanted."""
    wanted = programs(fleet)
    for old in fleet.programs.glob("*.conf"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        write_private(fleet.programs / name, text.encode())
