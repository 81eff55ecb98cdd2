"""`crazy pause`."""

from __future__ import annotations

from messages.operator import Pause
from services.cli import records
from services.cli.options import Config, fleet
from services.fleet import Fleet
from services.refusal import Refusal

__all__ = ["pause", "watched"]


def pause(symbol: str | None = None, *, config: Config = None) -> int:
    """No more entries, until `crazy resume`.

    Unfilled entries are cancelled; the stops under what is held stay, and protection goes on. Survives a restart of the
    fleet.

    Parameters
    ----------
    symbol:
        One ticker of the watchlist. Default: all of them.
    """
    chosen = fleet(config)
    ticker = watched(chosen, symbol)
    answer = records.command(chosen, "risk", Pause(ticker))
    if not answer.ok:
        raise Refusal(answer.text)
    print(f"entries of {ticker or f'fleet {chosen.name}'} are paused; stops stay, `crazy resume` ends it")
    return 0


def watched(chosen: Fleet, symbol: str | None) -> str | None:
    """The ticker as the watchlist has it; a Refusal if it is not there."""
    if symbol is None or symbol.upper() in chosen.settings.watchlist:
        return symbol and symbol.upper()
    raise Refusal(f"{symbol}: not in the watchlist of fleet {chosen.name}: {', '.join(chosen.settings.watchlist)}")
