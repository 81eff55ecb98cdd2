"""What happened to a symbol besides trading, and what its past looks like for that: halts, splits, dividends. Pure.

A source tells what would have been traded. What a halt kept from happening was not; after a split that the source
doesn't know its prices are others. Bars are served as IBKR serves them: those of TRADES in today's shares, those of
ADJUSTED_LAST less the dividends since as well.
"""

from __future__ import annotations

import math

import msgspec

from services.simulator.venue.events import EventKey, MarketEvent
from services.simulator.venue.price_grid import nearest
from services.trading.prices import round_down, round_up

__all__ = ["Past", "rescaled"]


class Past(msgspec.Struct, frozen=True):
    """One symbol's. Each thing stands at the last market event before it.

    A halt with the last event that it kept from happening, None while it lasts; a split with its new shares for one,
    and whether the source goes on in old prices; a dividend with the part of the price that was left after it.
    """

    halts: tuple[tuple[EventKey, EventKey | None], ...] = ()
    splits: tuple[tuple[EventKey, float, bool], ...] = ()
    dividends: tuple[tuple[EventKey, float], ...] = ()

    def halted(self, at: EventKey) -> Past:
        """A halt began, unless one lasts already."""
        if self.halts and self.halts[-1][1] is None:
            return self
        return msgspec.structs.replace(self, halts=(*self.halts, (at, None)))

    def resumed(self, at: EventKey) -> Past:
        """It ended, if there was one."""
        if not self.halts or self.halts[-1][1] is not None:
            return self
        return msgspec.structs.replace(self, halts=(*self.halts[:-1], (self.halts[-1][0], at)))

    def split(self, at: EventKey, ratio: float, *, rescale: bool) -> Past:
        """One share became `ratio` shares."""
        return msgspec.structs.replace(self, splits=(*self.splits, (at, ratio, rescale)))

    def dividend(self, at: EventKey, usd: float, price: float | None) -> Past:
        """So many dollars a share at this price."""
        if price is None or not 0 < usd < price:
            return self
        return msgspec.structs.replace(self, dividends=(*self.dividends, (at, 1.0 - usd / price)))

    def happened(self, event: MarketEvent) -> MarketEvent | None:
        """An event of the source as it was at the exchange; None if a halt kept it from happening."""
        key = event.key
        if any(begin < key and (end is None or key <= end) for begin, end in self.halts):
            return None
        factor = math.prod(1.0 / ratio for at, ratio, rescale in self.splits if rescale and at < key)
        return event if factor == 1.0 else rescaled(event, factor)

    def adjusted(self, event: MarketEvent, *, dividends: bool) -> MarketEvent:
        """An event that happened, in today's shares; less the `dividends` since, if that is wanted."""
        if not self.splits and not self.dividends:
            return event
        key = event.key
        ratio = math.prod(ratio for at, ratio, _ in self.splits if key <= at)
        left = math.prod(part for at, part in self.dividends if key <= at) if dividends else 1.0
        if ratio == left == 1.0:
            return event
        return msgspec.structs.replace(rescaled(event, left / ratio), size=round(event.size * ratio))


def rescaled(event: MarketEvent, factor: float) -> MarketEvent:
    """An event in old prices, in those after the split. Sizes are as displayed, in round lots of either."""
    prices = {
        name: on_grid(price * factor)
        for name, on_grid in (("price", nearest), ("bid", round_down), ("ask", round_up))
        if (price := getattr(event, name)) is not None
    }
    return msgspec.structs.replace(event, **prices)
