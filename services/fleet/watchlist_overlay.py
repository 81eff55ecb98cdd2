"""What commands changed of the watchlist: a small file beside the fleet's records, laid over the operator's YAML.

The YAML is the operator's and is never written to. The overlay names the watchlist that it was made over: once that is
edited in the YAML, the YAML is the newer word, and the overlay no longer holds.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from services.configuration.settings import Settings, Ticker

__all__ = ["Overlay", "changed", "laid_over", "read", "write"]


class Overlay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`base` is the YAML's watchlist at the time; the others hold instead."""

    base: tuple[Ticker, ...]
    watchlist: tuple[Ticker, ...]
    winding_down: tuple[Ticker, ...] = ()


def read(path: Path) -> Overlay | None:
    """The overlay; None where there is none, or one that can't be read (the YAML holds then)."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Overlay)
    except (OSError, msgspec.DecodeError):
        return None


def write(path: Path, overlay: Overlay) -> None:
    """Replace it whole; one that says what the YAML says is removed."""
    if overlay.watchlist == overlay.base and not overlay.winding_down:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(overlay), indent=2))
    fresh.replace(path)


def laid_over(settings: Settings, overlay: Overlay | None) -> Settings:
    """The settings with the overlay, if it was made over this watchlist."""
    if overlay is None or overlay.base != settings.watchlist:
        return settings
    return changed(settings, overlay.watchlist, (*settings.winding_down, *overlay.winding_down))


def changed(settings: Settings, watchlist: tuple[str, ...], winding_down: tuple[str, ...]) -> Settings:
    """The settings with another watchlist; what is traded winds down no more."""
    leaving = tuple(dict.fromkeys(symbol for symbol in winding_down if symbol not in watchlist))
    return msgspec.structs.replace(settings, watchlist=watchlist, winding_down=leaving)
