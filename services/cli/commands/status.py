"""`crazy status`."""

from __future__ import annotations

import msgspec

from services.cli.options import Config, crazy, fleet
from services.cli.status_data import gather
from services.cli.status_page import show_status
from services.cli.status_summary import summarize

__all__ = ["status"]


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
        return show_status(chosen, crazy(config, "events --warn"))
    summary = summarize(gather(chosen))
    print(msgspec.json.format(msgspec.json.encode(summary), indent=1).decode())
    return summary.exit_code
