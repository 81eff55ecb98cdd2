"""Prices on the exchange's grid, rounded deliberately up or down.

US stocks (Reg NMS, Rule 612): increments of $0.01 from $1.00 on, $0.0001 below. The increment depends on the *order's*
price.
"""

from __future__ import annotations

import math

__all__ = ["increment", "round_down", "round_up"]

SLACK = 1e-6
"""Of one increment: floating point noise that must not push a price a whole increment further."""


def increment(price: float) -> float:
    """The price step at `price`, in dollars."""
    return 0.01 if price >= 1.0 else 0.0001


def round_up(price: float) -> float:
    """The lowest valid price at or above `price`."""
    step = increment(price)
    return round(math.ceil(price / step - SLACK) * step, 4)


def round_down(price: float) -> float:
    """The highest valid price at or below `price`."""
    step = increment(price)
    return round(math.floor(price / step + SLACK) * step, 4)
