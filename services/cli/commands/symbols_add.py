"""`crazy symbols add`."""

from __future__ import annotations

from services.cli.options import Config
from services.cli.watchlist import change, current_fleet, finish_removals, tickers
from services.configuration.refusal import Refusal

__all__ = ["symbols_add"]


def symbols_add(*symbols: str, config: Config = None) -> int:
    """Trade these as well, from now on.

    A running fleet gets a process for each; no other one restarts. They come last in the watchlist, and stay there over
    restarts until the list is edited in the configuration file.

    Parameters
    ----------
    symbols:
        Tickers as IBKR writes them.
    """
    if not symbols:
        raise Refusal("add what? name at least one ticker")
    finish_removals(config)
    before = current_fleet(config).settings.watchlist
    added = tuple(symbol for symbol in tickers(symbols) if symbol not in before)
    if not added:
        print("all of them are traded already")
        return 0
    change(config, (*before, *added))
    print(f"added {', '.join(added)}; {len(before) + len(added)} symbols are traded")
    return 0
