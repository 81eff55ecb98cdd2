"""What the shell of a process, its main loop, gives to the core of the same process."""

from __future__ import annotations

import msgspec

__all__ = ["ROUTES", "Elapsed", "Started"]


class Started(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A new run of this process begins; its machine-time deadlines start again."""

    run: int


class Elapsed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A deadline of the core is due."""


ROUTES: dict[type[msgspec.Struct], str] = {
    Started: "shell -> clock, gateway, risk, symbol",
    Elapsed: "shell -> gateway, symbol, watchdog",
}
