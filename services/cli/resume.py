"""`crazy resume`."""

from __future__ import annotations

from messages.operator import Resume
from services.cli import records
from services.cli.options import Config, fleet
from services.cli.pause import watched
from services.refusal import Refusal

__all__ = ["resume"]


def resume(symbol: str | None = None, *, config: Config = None) -> int:
    """Entries again after `crazy pause`, or after a symbol paused itself.

    Without a ticker it ends the pause of the whole fleet; a symbol that was paused by name stays so until it is resumed
    by name.

    Parameters
    ----------
    symbol:
        One ticker of the watchlist. Default: the fleet.
    """
    chosen = fleet(config)
    ticker = watched(chosen, symbol)
    answer = records.command(chosen, "risk", Resume(ticker))
    if not answer.ok:
        raise Refusal(answer.text)
    print(f"entries of {ticker or f'fleet {chosen.name}'} are allowed again")
    return 0
