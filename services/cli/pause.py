"""`crazy pause`."""

from __future__ import annotations

from messages.operator import Command, Pause
from services.cli import records
from services.cli.options import Config, fleet
from services.fleet import Fleet
from services.refusal import Refusal

__all__ = ["commanded", "pause", "watched"]


def pause(symbol: str | None = None, *, config: Config = None) -> int:
    """No more entries, until `crazy resume`.

    Unfilled entries are cancelled; the stops under what is held stay, and protection goes on. Survives a restart of the
    fleet.

    Parameters
    ----------
    symbol:
        One ticker of the watchlist. Default: all of them.
    """
    return commanded(fleet(config), Pause(symbol and symbol.upper()))


def commanded(chosen: Fleet, command: Command) -> int:
    """Tell risk, which judges it, and print its answer; a Refusal where it says no."""
    answer = records.command(chosen, "risk", command)
    if not answer.ok:
        raise Refusal(f"{answer.text} (fleet {chosen.name})")
    print(answer.text)
    return 0


def watched(chosen: Fleet, symbol: str | None) -> str | None:
    """The ticker as the watchlist has it; a Refusal if it is not there."""
    if symbol is None or symbol.upper() in chosen.settings.watchlist:
        return symbol and symbol.upper()
    raise Refusal(f"{symbol}: not in the watchlist of fleet {chosen.name}: {', '.join(chosen.settings.watchlist)}")
