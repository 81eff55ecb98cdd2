"""`crazy flatten`."""

from __future__ import annotations

import sys

from messages.operator import Flatten
from services.cli import records
from services.cli.ask import command_risk, watchlist_ticker
from services.cli.options import Config, fleet
from services.configuration.refusal import Refusal
from services.fleet.places import Fleet

__all__ = ["flatten"]


def flatten(symbol: str | None = None, *, yes: bool = False, withdraw: bool = False, config: Config = None) -> int:
    """Cancel entries, then stops, and sell what the bot owns at the market.

    Entries are paused first, until `crazy resume`; a symbol that was sold is PAUSED until it is resumed by name. Never
    more is sold than is own, and shares that are not the bot's are not touched. While it can't be executed (market
    closed, halted, links down) the stops stay, `crazy status` says that it waits, and it is executed as soon as it can
    be, across restarts.

    Parameters
    ----------
    symbol:
        One ticker. Default: all of them.
    yes:
        Do not ask whether this is meant.
    withdraw:
        Take back a flatten that still waits; nothing is sold then.
    """
    chosen = fleet(config)
    if not yes and not withdraw:
        held = _held(chosen, symbol)
        shares_of_fleet = f"{held} of fleet {chosen.name}, mode {chosen.settings.mode}"
        if not sys.stdin.isatty():
            raise Refusal(f"this sells {shares_of_fleet}: say --yes to mean it")
        print(f"Sell {shares_of_fleet}, at the market? Type yes: ", end="", flush=True)
        if sys.stdin.readline().strip().lower() != "yes":
            raise Refusal("nothing is done")
    return command_risk(chosen, Flatten(symbol and symbol.upper(), withdraw))


def _held(chosen: Fleet, symbol: str | None) -> str:
    """The shares that would be sold, by the records, in words."""
    with records.opened(chosen) as db:
        rows = db.rows("SELECT symbol, own FROM status WHERE own >= 1 ORDER BY symbol")
    if symbol is not None and all(row["symbol"] != symbol.upper() for row in rows):
        watchlist_ticker(chosen, symbol)  # shares of a symbol that left the watchlist can be sold, too
    shares = [f"{row['own']:g} {row['symbol']}" for row in rows if symbol is None or row["symbol"] == symbol.upper()]
    return ", ".join(shares) or f"the own shares of {symbol.upper() if symbol else 'all symbols'}"
