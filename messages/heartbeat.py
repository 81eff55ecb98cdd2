"""What every process tells the watchdog once a second, from its main loop."""

from __future__ import annotations

import msgspec

__all__ = ["RETIRED", "Heartbeat"]

RETIRED = "retired"
"""The note of a symbol that was removed, holds nothing, and leaves."""


class Heartbeat(msgspec.Struct, frozen=True, array_like=True):
    """I live. `note` is a word on what the process does, for `crazy status`; `starts` counts its lives."""

    process: str
    pid: int
    run: int
    ready: bool
    note: str
