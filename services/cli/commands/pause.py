"""`crazy pause`."""

from __future__ import annotations

from messages.operator import Pause
from services.cli.ask import command_risk
from services.cli.options import Config, fleet

__all__ = ["pause"]


def pause(symbol: str | None = None, *, config: Config = None) -> int:
    """No more entries, until `crazy resume`.

    Unfilled entries are cancelled; the stops under what is held stay, and protection goes on. Survives a restart of the
    fleet.

    Parameters
    ----------
    symbol:
        One ticker of the watchlist. Default: all of them.
    """
    return command_risk(fleet(config), Pause(symbol and symbol.upper()))
