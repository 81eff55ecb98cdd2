"""`crazy resume`."""

from __future__ import annotations

from messages.operator import Resume
from services.cli.ask import command_risk
from services.cli.options import Config, fleet

__all__ = ["resume"]


def resume(symbol: str | None = None, *, config: Config = None) -> int:
    """Entries again after `crazy pause`, a flatten, a tripped guard, or after a symbol paused itself.

    Without a ticker it ends the pause of the whole fleet; a symbol that was paused by name, or waits by itself, stays
    so until it is resumed by name. A guard that lasts until the next session is not ended: the answer says so.

    Parameters
    ----------
    symbol:
        One ticker of the watchlist. Default: the fleet.
    """
    return command_risk(fleet(config), Resume(symbol and symbol.upper()))
