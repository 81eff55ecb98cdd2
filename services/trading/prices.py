"""Prices on the exchange's grid, rounded up or down.

US stocks (Reg NMS, Rule 612): increments of $0.01 from $1.00 on, $0.0001 below. The increment depends on the *order's*
price. If the broker's market rule for a symbol differs, its grid counts.
"""

from __future__ import annotations

import math

__all__ = ["US_STOCKS", "Grid", "increment", "limit_offset", "round_down", "round_up"]

Grid = tuple[tuple[float, float], ...]
"""(from this price on, increment), lowest price first, as in IBKR's market rules."""

US_STOCKS: Grid = ((0.0, 0.0001), (1.0, 0.01))

SLACK = 1e-6
"""Part of an increment. Floating point noise below it must not move a price by a whole increment."""


def increment(price: float, grid: Grid = US_STOCKS) -> float:
    """The price step at `price`, in dollars."""
    return next((step for edge, step in reversed(grid) if price >= edge), grid[0][1])


def round_up(price: float, grid: Grid = US_STOCKS) -> float:
    """The lowest valid price at or above `price`."""
    step = increment(price, grid)
    return round(math.ceil(price / step - SLACK) * step, 6)


def round_down(price: float, grid: Grid = US_STOCKS) -> float:
    """The highest valid price at or below `price`."""
    step = increment(price, grid)
    return round(math.floor(price / step + SLACK) * step, 6)


def limit_offset(price: float, pct: float, grid: Grid = US_STOCKS) -> float:
    """The distance of a limit from a stop at `price`: `pct` percent of it, rounded up to whole increments there.

    An offset with its own increment (0.2913 below 97.12) would put the limit between two valid prices.
    """
    step = increment(price, grid)
    return round(math.ceil(price * pct / 100 / step - SLACK) * step, 6)
