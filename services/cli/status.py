"""`crazy status`."""

from __future__ import annotations

import msgspec

from services.cli.gather import gather
from services.cli.options import Config, crazy, fleet
from services.cli.render import console, status_page
from services.cli.summary import summarize
from services.fleet import Fleet

__all__ = ["show", "status"]


def status(*, json: bool = False, config: Config = None) -> int:
    """Show what every symbol does and why, the links, the money, and whether all is well.

    Exit code: 0 well; 1 degraded (a process is not ready, a link is down, entries are paused); 2 unprotected (own
    shares without a live stop at the broker); 3 the fleet is down (what is shown is its last record; orders at the
    broker stay live).

    Parameters
    ----------
    json:
        All of it as one JSON object.
    """
    chosen = fleet(config)
    if not json:
        return show(chosen, crazy(config, "events --warn"))
    told = summarize(gather(chosen))
    print(msgspec.json.format(msgspec.json.encode(told), indent=1).decode())
    return told.exit_code


def show(chosen: Fleet, warnings_command: str) -> int:
    """Print the status of a fleet; its exit code. `warnings_command` is what lists its warnings."""
    told = summarize(gather(chosen))
    console().print(status_page(told, warnings_command))
    return told.exit_code
