"""How many shares one market event has for a symbol's orders: what is displayed, or what was traded. Pure.

The orders of one side share what the other side displays, or what the event traded if that is more; what is left of
them waits for the next event. A market that tells no sizes sets no limit; nor does one without the switch
(`Policy.partial_fills`): there everything is filled whole.
"""

from __future__ import annotations

import math

from services.simulator.venue.events import MarketEvent
from services.simulator.venue.orders import Order, Side

__all__ = ["Liquidity"]


class Liquidity:
    """What is left for buyers and for sellers."""

    def __init__(self, event: MarketEvent | None = None) -> None:
        """Of this event; without one there is enough for all."""
        self._left: dict[Side, float] = {"BUY": math.inf, "SELL": math.inf}
        if event is not None:
            self._left["BUY"] = float(max(event.ask_size, event.size)) or math.inf
            self._left["SELL"] = float(max(event.bid_size, event.size)) or math.inf

    def for_order(self, order: Order) -> float:
        """How much of it can be filled now; nothing of a fill-or-kill order that can't be filled whole."""
        left = min(order.remaining, self._left[order.ticket.side])
        return 0.0 if order.ticket.tif == "FOK" and left < order.remaining else left

    def take(self, side: Side, quantity: float) -> None:
        """So many shares are gone."""
        self._left[side] -= quantity
