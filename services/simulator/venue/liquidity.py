"""How many shares of a symbol's orders one market event can fill: the displayed or the traded size. Pure.

The orders of one side share the size that the other side displays, or the traded size if that is larger. Their rest
waits for the next event. Without sizes, or without the switch `Policy.partial_fills`, there is no limit.
"""

from __future__ import annotations

import math

from services.simulator.venue.events import MarketEvent
from services.simulator.venue.orders import Order, Side

__all__ = ["Liquidity"]


class Liquidity:
    """The remaining shares for buyers and for sellers."""

    def __init__(self, event: MarketEvent | None = None) -> None:
        """Of this event; without an event there is no limit."""
        self._left: dict[Side, float] = {"BUY": math.inf, "SELL": math.inf}
        if event is not None:
            self._left["BUY"] = float(max(event.ask_size, event.size)) or math.inf
            self._left["SELL"] = float(max(event.bid_size, event.size)) or math.inf

    def for_order(self, order: Order) -> float:
        """How much of it can be filled now; 0 for a fill-or-kill order that can't be filled completely."""
        left = min(order.remaining, self._left[order.ticket.side])
        return 0.0 if order.ticket.tif == "FOK" and left < order.remaining else left

    def take(self, side: Side, quantity: float) -> None:
        """Use up `quantity` shares."""
        self._left[side] -= quantity
