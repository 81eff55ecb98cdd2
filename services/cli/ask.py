"""Commands to processes of a running fleet: sent, and the answer printed."""

from __future__ import annotations

from messages.operator import Command
from services.cli import records
from services.configuration.refusal import Refusal
from services.fleet.places import Fleet

__all__ = ["commanded", "watched"]


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
