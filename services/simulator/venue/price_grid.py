"""The price grid of orders. Pure.

Steps and rounding are those of `services/trading/prices.py`. Market prices are on the grid of US stocks. The grid of
orders is a switch (`Policy.price_grid`), because market rules differ between brokers and over the years.
"""

from __future__ import annotations

from services.configuration.broker_policy import OrderPriceGrid
from services.trading.prices import US_STOCKS, Grid, increment

__all__ = ["GRIDS", "nearest", "on_grid"]

GRIDS: dict[OrderPriceGrid, Grid] = {
    OrderPriceGrid.CENT: US_STOCKS,
    OrderPriceGrid.HALF_CENT: ((0.0, 0.0001), (1.0, 0.005)),
    OrderPriceGrid.NICKEL: ((0.0, 0.0001), (1.0, 0.05)),
}

_EPSILON = 1e-6


def on_grid(price: float, grid: Grid = US_STOCKS) -> bool:
    """Whether an order may have this price."""
    steps = price / increment(price, grid)
    return steps > _EPSILON and abs(steps - round(steps)) < _EPSILON * max(1.0, steps)


def nearest(price: float, grid: Grid = US_STOCKS) -> float:
    """The nearest price of the grid above zero."""
    step = increment(price, grid)
    return round(max(1, round(price / step)) * step, 4)
