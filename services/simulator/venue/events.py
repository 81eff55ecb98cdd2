"""Market events and their total order. Data only.

Times are nanoseconds since the epoch (UTC), prices are US dollars, quantities are shares. So in the whole venue.
"""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["EventKey", "MarketEvent"]

Action = Literal["", "halt", "resume", "split", "dividend"]

EventKey = tuple[int, str, int]
"""A place in the total order of market events: (time_ns, symbol, row)."""


class MarketEvent(msgspec.Struct, frozen=True, gc=False):
    """One event of one symbol's market: a trade, a quote, or both at once.

    Events are totally ordered by `(time_ns, symbol, row)`; `row` counts the events of one symbol within a session of
    its source, so that the order is the same in every run. A missing side or trade is None. `through`: the price
    moved continuously since the symbol's previous event and passed every level between the two. Otherwise it jumped.
    An `action` is no trade: a halt or its end, a split (`value` new shares for one), a dividend (`value`
    dollars a share).
    """

    time_ns: int
    symbol: str
    row: int
    price: float | None = None
    size: int = 0
    bid: float | None = None
    ask: float | None = None
    bid_size: int = 0
    ask_size: int = 0
    through: bool = False
    action: Action = ""
    value: float = 0.0

    @property
    def key(self) -> EventKey:
        """Its place in the total order."""
        return (self.time_ns, self.symbol, self.row)
