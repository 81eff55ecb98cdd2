"""Shares, whole and in parts.

Where a broker trades fractions of a share it counts them to four digits (IBKR). Sums of binary fractions would not:
rounded after every sum, what is bought and what is held compare equal, as counts of whole shares do.
"""

from __future__ import annotations

import math

__all__ = ["exact", "fraction_for"]

DIGITS = 4


def exact(quantity: float) -> float:
    """So many shares, without the noise of a sum."""
    return round(quantity, DIGITS)


def fraction_for(usd: float, price: float) -> float:
    """The most shares that these dollars buy at this price, in parts of a share too."""
    steps = 10.0**DIGITS
    return math.floor(usd / price * steps) / steps
