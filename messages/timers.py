"""What a process's own shell tells its core."""

from __future__ import annotations

import msgspec

__all__ = ["Elapsed", "Started"]


class Started(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A new run of this process begins; machine deadlines start anew."""

    run: int


class Elapsed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A deadline of the core is due."""
