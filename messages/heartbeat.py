"""What every process tells the watchdog once a second, from its main loop."""

from __future__ import annotations

import msgspec

__all__ = ["Heartbeat"]


class Heartbeat(msgspec.Struct, frozen=True, array_like=True):
    """I live. `note` is a word on what the process does, for `crazy status`; `starts` counts its lives."""

    process: str
    pid: int
    run: int
    ready: bool
    note: str
