"""Which symbols are traded while the fleet runs."""

from __future__ import annotations

import msgspec

__all__ = ["ROUTES", "SymbolRetired", "Watch", "WatchlistChanged"]


class Watch(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """From now on trade these symbols, and only hold the others until they are sold."""

    watchlist: tuple[str, ...]
    winding_down: tuple[str, ...] = ()


class WatchlistChanged(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The watchlist has changed."""

    watchlist: tuple[str, ...]
    winding_down: tuple[str, ...]


class SymbolRetired(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The symbol was winding down and holds nothing any more; go on without it."""

    symbol: str


ROUTES: dict[type[msgspec.Struct], str] = {
    Watch: "cli -> clock",
    WatchlistChanged: "clock -> gateway, risk, symbol",
    SymbolRetired: "symbol -> clock",
}
