"""How purchases and sales change the bot's own shares and their cost. Pure.

Executions, adopted shares and manual sales follow one rule: a purchase adds its price, a sale removes the average cost
of the shares sold. The cost contains no commissions.
"""

from __future__ import annotations

from collections.abc import Iterable

from messages.orders import Fill
from services.gateway.book.records import FillRecord, Own
from services.trading.shares import exact

__all__ = ["bought", "chronological", "replay", "sold", "without"]


def bought(own: Own, quantity: float, price: float) -> Own:
    """The shares after a purchase at this price.

    If more was sold than bought, the purchase first covers the missing shares. These get no cost.
    """
    held = exact(own.quantity + quantity)
    return Own(own.symbol, held, own.cost_usd + min(quantity, max(0.0, held)) * price)


def sold(own: Own, quantity: float, price: float) -> tuple[Own, float]:
    """(the shares after a sale at this price, its realized profit in dollars against the average cost)."""
    average = own.cost_usd / own.quantity if own.quantity > 0 else price
    left = exact(own.quantity - quantity)
    cost = own.cost_usd - average * quantity if left > 0 else 0.0
    return Own(own.symbol, left, cost), (price - average) * quantity


def without(own: Own, before: FillRecord) -> Own:
    """The shares without this execution, which a correction replaces."""
    fill = before.fill
    if fill.side == "BUY":
        return Own(own.symbol, exact(own.quantity - fill.quantity), own.cost_usd - fill.quantity * fill.price)
    cost = fill.quantity * fill.price - before.realized_usd
    return Own(own.symbol, exact(own.quantity + fill.quantity), own.cost_usd + cost)


def chronological(fill: Fill) -> tuple[int, bool, str]:
    """The order in which fills happened. Times are whole seconds: within a second, purchases come before sales."""
    return (fill.time_ns, fill.side == "SELL", fill.exec_id)


def replay(symbol: str, fills: Iterable[Fill]) -> tuple[Own, dict[str, float]]:
    """(the shares after all these fills, the realized profit of each by its exec_id)."""
    own, realized = Own(symbol), dict[str, float]()
    for fill in sorted(fills, key=chronological):
        if fill.side == "BUY":
            own, realized[fill.exec_id] = bought(own, fill.quantity, fill.price), 0.0
        else:
            own, realized[fill.exec_id] = sold(own, fill.quantity, fill.price)
    return own, realized
