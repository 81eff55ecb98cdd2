"""`crazy adopt`."""

from __future__ import annotations

from messages.operator import Adopt, AdoptFound
from services.cli.ask import command_risk
from services.cli.options import Config, fleet
from services.configuration.refusal import Refusal

__all__ = ["adopt"]


def adopt(symbol: str | None = None, quantity: int | None = None, *, found: bool = False, config: Config = None) -> int:
    """Make shares that the account holds already the bot's own; they get a stop from the market's price now.

    Up to what the account has of the symbol beyond the bot's own shares, and only of a symbol on the watchlist. They
    are booked at the market's price of this moment: what they gained or lost before is not the bot's.

    Parameters
    ----------
    symbol:
        One ticker of the watchlist.
    quantity:
        How many whole shares.
    found:
        Accept the shares that the gateway found under stops of ours, after its records were lost.
    """
    if found:
        return command_risk(fleet(config), AdoptFound(symbol and symbol.upper()))
    if symbol is None or quantity is None:
        raise Refusal("say which shares: `crazy adopt SYMBOL QTY`, or `crazy adopt --found`")
    return command_risk(fleet(config), Adopt(symbol.upper(), float(quantity)))
