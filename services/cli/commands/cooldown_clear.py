"""`crazy cooldown clear`."""

from __future__ import annotations

from messages.operator import ClearCooldown
from services.cli.ask import command_risk
from services.cli.cooldowns import in_cooldown
from services.cli.options import Config, fleet
from services.configuration.refusal import Refusal

__all__ = ["cooldown_clear"]


def cooldown_clear(symbol: str | None = None, *, all: bool = False, config: Config = None) -> int:  # noqa: A002
    """End the rest after a stop-out now: the symbol arms again at the next usable price.

    Parameters
    ----------
    symbol:
        One ticker of the watchlist.
    all:
        Every symbol that rests.
    """
    if (symbol is None) is not all:
        raise Refusal("clear whose cooldown? say either a symbol or --all")
    chosen, found = fleet(config), in_cooldown(config)
    if symbol is not None and symbol.upper() in chosen.settings.watchlist and symbol.upper() not in found:
        raise Refusal(f"nothing to clear: {symbol.upper()} is not in cooldown")
    if all and not found:
        raise Refusal("nothing to clear: no symbol is in cooldown")
    return command_risk(chosen, ClearCooldown(symbol and symbol.upper()))
