"""Which symbols are traded, while the fleet runs."""

from __future__ import annotations

import msgspec

__all__ = ["SymbolRetired", "Watch", "WatchlistChanged"]


class Watch(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Command to the clock: from now on these are traded, and those are only held until they are sold."""

    watchlist: tuple[str, ...]
    winding_down: tuple[str, ...] = ()


class WatchlistChanged(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Event of the clock: these symbols are traded; `winding_down` get no entries and leave once they are flat."""

    watchlist: tuple[str, ...]
    winding_down: tuple[str, ...]


class SymbolRetired(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Command, symbol to clock: I was winding down and hold nothing any more; go on without me."""

    symbol: str
