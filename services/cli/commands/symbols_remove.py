"""`crazy symbols remove`."""

from __future__ import annotations

from services.cli.options import Config
from services.cli.watchlist import change, current_fleet, finish_removals, removal_lines, tickers
from services.configuration.refusal import Refusal

__all__ = ["symbols_remove"]


def symbols_remove(*symbols: str, config: Config = None) -> int:
    """Trade these no longer.

    An unfilled entry is cancelled. What is held stays under its stop, and the process stays until it is sold: the
    removal is pending until then. No other process restarts.

    Parameters
    ----------
    symbols:
        Tickers of the watchlist.
    """
    if not symbols:
        raise Refusal("remove what? name at least one ticker")
    finish_removals(config)
    chosen = current_fleet(config)
    wanted = tickers(symbols)
    unknown = [symbol for symbol in wanted if symbol not in chosen.symbols.values()]
    if unknown:
        known = ", ".join(chosen.settings.watchlist)
        raise Refusal(f"{', '.join(unknown)}: not in the watchlist of fleet {chosen.name}: {known}")
    kept = tuple(symbol for symbol in chosen.settings.watchlist if symbol not in wanted)
    change(config, kept, wanted)
    for line in removal_lines(config, wanted):
        print(line)
    return 0
