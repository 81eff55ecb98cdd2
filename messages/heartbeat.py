"""What the main loop of every process reports to the watchdog, once a second."""

from __future__ import annotations

import msgspec

__all__ = ["RETIRED", "ROUTES", "Heartbeat"]

RETIRED = "retired"
"""The note of a symbol that was removed from the watchlist, holds nothing, and leaves."""


class Heartbeat(msgspec.Struct, frozen=True, array_like=True):
    """The main loop of this process is running."""

    process: str
    pid: int
    run: int
    ready: bool
    note: str


ROUTES: dict[type[msgspec.Struct], str] = {
    Heartbeat: "every process -> watchdog",
}
