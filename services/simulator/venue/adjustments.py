"""Adjustments of a symbol's history: halts, splits, dividends. Pure.

A source has the trades without halts. A halt removes those within it; a split that the source doesn't know changes its
prices. Bars are as at IBKR: TRADES in today's shares, ADJUSTED_LAST also less the dividends since.
"""

from __future__ import annotations

import math

import msgspec

from services.simulator.venue.events import EventKey, MarketEvent
from services.simulator.venue.price_grid import nearest
from services.trading.prices import round_down, round_up

__all__ = ["Adjustments", "rescaled"]


class Adjustments(msgspec.Struct, frozen=True):
    """The adjustments of one symbol. Each is keyed by the last market event before it.

    A halt has the last event that it removed, None while it lasts; a split has the new shares for one old share, and
    whether the source continues in old prices; a dividend has the part of the price that was left after it.
    """

    halts: tuple[tuple[EventKey, EventKey | None], ...] = ()
    splits: tuple[tuple[EventKey, float, bool], ...] = ()
    dividends: tuple[tuple[EventKey, float], ...] = ()

    def halted(self, at: EventKey) -> Adjustments:
        """A halt began, unless one is active."""
        if self.halts and self.halts[-1][1] is None:
            return self
        return msgspec.structs.replace(self, halts=(*self.halts, (at, None)))

    def resumed(self, at: EventKey) -> Adjustments:
        """The halt ended, if there was one."""
        if not self.halts or self.halts[-1][1] is not None:
            return self
        return msgspec.structs.replace(self, halts=(*self.halts[:-1], (self.halts[-1][0], at)))

    def split(self, at: EventKey, ratio: float, *, rescale: bool) -> Adjustments:
        """One share became `ratio` shares."""
        return msgspec.structs.replace(self, splits=(*self.splits, (at, ratio, rescale)))

    def dividend(self, at: EventKey, usd: float, price: float | None) -> Adjustments:
        """A dividend of `usd` dollars a share at this price."""
        if price is None or not 0 < usd < price:
            return self
        return msgspec.structs.replace(self, dividends=(*self.dividends, (at, 1.0 - usd / price)))

    def happened(self, event: MarketEvent) -> MarketEvent | None:
        """An event of the source as it was at the exchange; None if a halt removed it."""
        key = event.key
        if any(begin < key and (end is None or key <= end) for begin, end in self.halts):
            return None
        factor = math.prod(1.0 / ratio for at, ratio, rescale in self.splits if rescale and at < key)
        return event if factor == 1.0 else rescaled(event, factor)

    def adjusted(self, event: MarketEvent, *, dividends: bool) -> MarketEvent:
        """An event in today's shares; with `dividends`, also less the dividends since."""
        if not self.splits and not self.dividends:
            return event
        key = event.key
        ratio = math.prod(ratio for at, ratio, _ in self.splits if key <= at)
        left = math.prod(part for at, part in self.dividends if key <= at) if dividends else 1.0
        if ratio == left == 1.0:
            return event
        return msgspec.structs.replace(rescaled(event, left / ratio), size=round(event.size * ratio))


def rescaled(event: MarketEvent, factor: float) -> MarketEvent:
    """An event with its prices multiplied by `factor`. Sizes stay: they are displayed round lots."""
    prices = {
        name: on_grid(price * factor)
        for name, on_grid in (("price", nearest), ("bid", round_down), ("ask", round_up))
        if (price := getattr(event, name)) is not None
    }
    return msgspec.structs.replace(event, **prices)
