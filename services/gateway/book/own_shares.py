"""What buying and selling make of the bot's own shares and of their cost. Pure.

One rule for executions of the broker, adopted shares and sales by hand: a purchase adds its price, a sale takes the
average cost of what it sells. Commissions are no part of the cost.
"""

from __future__ import annotations

from services.gateway.book.records import FillRecord, Own
from services.trading.shares import exact

__all__ = ["bought", "sold", "without"]


def bought(own: Own, quantity: float, price: float) -> Own:
    """The shares after a purchase at this price.

    After more was sold than bought, a purchase first makes up for the shares that are missing: they cost nothing.
    """
    held = exact(own.quantity + quantity)
    return Own(own.symbol, held, own.cost_usd + min(quantity, max(0.0, held)) * price)


def sold(own: Own, quantity: float, price: float) -> tuple[Own, float]:
    """(the shares after a sale at this price, the dollars that it realized against the average cost)."""
    average = own.cost_usd / own.quantity if own.quantity > 0 else price
    left = exact(own.quantity - quantity)
    cost = own.cost_usd - average * quantity if left > 0 else 0.0
    return Own(own.symbol, left, cost), (price - average) * quantity


def without(own: Own, before: FillRecord) -> Own:
    """The shares as they were without this execution, which a correction replaces."""
    fill = before.fill
    if fill.side == "BUY":
        return Own(own.symbol, exact(own.quantity - fill.quantity), own.cost_usd - fill.quantity * fill.price)
    cost = fill.quantity * fill.price - before.realized_usd
    return Own(own.symbol, exact(own.quantity + fill.quantity), own.cost_usd + cost)
