"""What the shell of a process, its main loop, gives to the core of the same process."""

from __future__ import annotations

import msgspec

__all__ = ["ROUTES", "Elapsed", "LedgerLost", "Started"]


class Started(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A new run of this process begins; its machine-time deadlines start again.

    `run`: a number that no other run of this process has, even if its ledger was lost.
    """

    run: int


class Elapsed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A deadline of the core is due."""


class LedgerLost(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The ledger of a process was lost, and it has begun a new one. What it still knows follows as messages.

    `process`: the process that lost it: this one, or one whose messages this one gets.
    `epoch`: of its new ledger.
    """

    process: str
    epoch: int


ROUTES: dict[type[msgspec.Struct], str] = {
    Started: "shell -> clock, gateway, risk, symbol",
    Elapsed: "shell -> gateway, symbol, watchdog",
    LedgerLost: "shell -> recorder, risk, symbol",
}
