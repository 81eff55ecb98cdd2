"""The price grid: which prices an order may name. Pure.

Steps and rounding are those of `services/trading/prices.py`. The market's own prices lie on the grid of US stocks. The
grid for orders is a switch (`Policy.price_grid`), because brokers' market rules differ, and so does the rule over the
years.
"""

from __future__ import annotations

from services.configuration.broker_policy import PriceGrid
from services.trading.prices import US_STOCKS, Grid, increment

__all__ = ["GRIDS", "nearest", "on_grid"]

GRIDS: dict[PriceGrid, Grid] = {
    PriceGrid.CENT: US_STOCKS,
    PriceGrid.HALF_CENT: ((0.0, 0.0001), (1.0, 0.005)),
    PriceGrid.NICKEL: ((0.0, 0.0001), (1.0, 0.05)),
}

_EPSILON = 1e-6


def on_grid(price: float, grid: Grid = US_STOCKS) -> bool:
    """Whether an order may name this price."""
    steps = price / increment(price, grid)
    return steps > _EPSILON and abs(steps - round(steps)) < _EPSILON * max(1.0, steps)


def nearest(price: float, grid: Grid = US_STOCKS) -> float:
    """The nearest price of the grid, and never nothing."""
    step = increment(price, grid)
    return round(max(1, round(price / step)) * step, 4)
