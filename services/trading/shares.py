"""Numbers of shares, with fractions.

IBKR counts fractions of a share to four digits. Floating point sums have noise, so each sum is rounded to four digits:
then shares bought and shares held compare equal.
"""

from __future__ import annotations

import math

__all__ = ["exact", "fraction_for"]

DIGITS = 4


def exact(quantity: float) -> float:
    """A number of shares without floating point noise."""
    return round(quantity, DIGITS)


def fraction_for(usd: float, price: float) -> float:
    """The most shares that these dollars buy at this price, fractions included."""
    steps = 10.0**DIGITS
    return math.floor(usd / price * steps) / steps
