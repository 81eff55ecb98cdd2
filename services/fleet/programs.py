"""The supervisord programs that follow from the settings: the simulator in `mode: sim`, and one for each symbol.

The other processes are the same in every fleet and stand in `supervisord.conf`. Each program is a file of its own: in
one group, adding a ticker would restart every symbol.
"""

from __future__ import annotations

from pathlib import Path

from services.fleet.places import Fleet

__all__ = ["programs", "write"]

PROGRAM = """\
[program:{process}]
command = "%(ENV_CRAZY_PYTHON)s" -m {arguments}
priority = {priority}
startsecs = 1
startretries = 100
autorestart = unexpected
exitcodes = 0
stopsignal = TERM
stopwaitsecs = 10
redirect_stderr = true
stdout_logfile = %(ENV_CRAZY_LOGS)s/{process}.out
stdout_logfile_maxbytes = 1MB
stdout_logfile_backups = 2
"""


def programs(fleet: Fleet) -> dict[str, str]:
    """File name and text of each generated program."""
    found: dict[str, str] = {}
    settings = '"%(ENV_CRAZY_SETTINGS)s"'
    if "simulator" in fleet.processes:
        found["simulator"] = PROGRAM.format(
            process="simulator", arguments=f"services.simulator {settings}", priority=10
        )
    for process, symbol in fleet.symbols.items():
        found[process] = PROGRAM.format(
            process=process, arguments=f'services.symbol {settings} "{symbol}"', priority=100
        )
    return {f"{process}.conf": text for process, text in found.items()}


def write(fleet: Fleet) -> None:
    """Make the folder of programs say what the settings say, and nothing more."""
    wanted = programs(fleet)
    for old in fleet.programs.glob("*.conf"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        Path(fleet.programs / name).write_text(text)
