"""Changes of the watchlist by commands: a small file beside the fleet's records that overrides the operator's YAML.

No command writes to the YAML. The overlay names the watchlist of the YAML that it was made for. When the operator edits
that watchlist, the YAML is newer, and the overlay no longer applies.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from services.configuration.settings import Settings, Ticker
from services.fleet.places import write_private

__all__ = ["Overlay", "apply_overlay", "read", "with_watchlist", "write"]


class Overlay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`base`: the watchlist of the YAML at the time. The other fields replace it."""

    base: tuple[Ticker, ...]
    watchlist: tuple[Ticker, ...]
    winding_down: tuple[Ticker, ...] = ()


def read(path: Path) -> Overlay | None:
    """The overlay in this file; None if there is none or it can't be read (then the YAML applies)."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Overlay)
    except (OSError, msgspec.DecodeError):
        return None


def write(path: Path, overlay: Overlay) -> None:
    """Replace the file as a whole. Remove it if the overlay is equal to the YAML."""
    if overlay.watchlist == overlay.base and not overlay.winding_down:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, msgspec.json.format(msgspec.json.encode(overlay), indent=2))


def apply_overlay(settings: Settings, overlay: Overlay | None) -> Settings:
    """The settings with the overlay, if it was made for this watchlist."""
    if overlay is None or overlay.base != settings.watchlist:
        return settings
    return with_watchlist(settings, overlay.watchlist, (*settings.winding_down, *overlay.winding_down))


def with_watchlist(settings: Settings, watchlist: tuple[str, ...], winding_down: tuple[str, ...]) -> Settings:
    """The settings with another watchlist. A symbol on it does not wind down."""
    leaving = tuple(dict.fromkeys(symbol for symbol in winding_down if symbol not in watchlist))
    return msgspec.structs.replace(settings, watchlist=watchlist, winding_down=leaving)
