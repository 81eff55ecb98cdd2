"""The price grid: which prices an order may name. Pure.

The steps of US stocks are a cent, and a hundredth of one under a dollar (Regulation NMS, rule 612). What the market
itself does lies on that grid; which one orders are held to is a switch (`Policy.price_grid`), since a broker's market
rules differ, and so does the rule over the years.
"""

from __future__ import annotations

import math

from services.prices import US_STOCKS, Grid, increment
from services.simulator.venue.policy import PriceGrid

__all__ = ["GRIDS", "nearest", "on_grid", "tick_size", "ticks_down", "ticks_up"]

GRIDS: dict[PriceGrid, Grid] = {
    PriceGrid.CENT: US_STOCKS,
    PriceGrid.HALF_CENT: ((0.0, 0.0001), (1.0, 0.005)),
    PriceGrid.NICKEL: ((0.0, 0.0001), (1.0, 0.05)),
}

_EPSILON = 1e-6


def tick_size(price: float, grid: Grid = US_STOCKS) -> float:
    """Smallest price step at this price."""
    return increment(price, grid)


def on_grid(price: float, grid: Grid = US_STOCKS) -> bool:
    """Whether an order may name this price."""
    steps = price / tick_size(price, grid)
    return steps > _EPSILON and abs(steps - round(steps)) < _EPSILON * max(1.0, steps)


def ticks_up(price: float, grid: Grid = US_STOCKS) -> float:
    """The lowest price of the grid that is not below."""
    tick = tick_size(price, grid)
    return round(math.ceil(price / tick - _EPSILON) * tick, 4)


def ticks_down(price: float, grid: Grid = US_STOCKS) -> float:
    """The highest price of the grid that is not above."""
    tick = tick_size(price, grid)
    return round(math.floor(price / tick + _EPSILON) * tick, 4)


def nearest(price: float, grid: Grid = US_STOCKS) -> float:
    """The nearest price of the grid, and never nothing."""
    step = tick_size(price, grid)
    return round(max(1, round(price / step)) * step, 4)
