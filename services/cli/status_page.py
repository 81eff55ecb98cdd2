"""Prints the status of a fleet: for `crazy status`, and for `crazy up` when all is ready."""

from __future__ import annotations

from services.cli.render import console, status_page
from services.cli.status_data import gather
from services.cli.status_summary import summarize
from services.fleet.places import Fleet

__all__ = ["show_status"]


def show_status(chosen: Fleet, warnings_command: str) -> int:
    """Print the status of a fleet; its exit code. `warnings_command`: the command that lists its warnings."""
    summary = summarize(gather(chosen))
    console().print(status_page(summary, warnings_command))
    return summary.exit_code
