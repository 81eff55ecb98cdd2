"""Estimates the level of a trailing stop from ticks, if the broker does not report each rise. Pure.

A replacement starts at the highest known level, so the estimate must not be too high: a trade far from the quote, or
one from before the fill, is ignored.
"""

from __future__ import annotations

import msgspec

from messages.broker import Quote
from messages.orders import OrderRecord, OrderUpdated
from services.gateway.book.queries import grid_of, stops_of
from services.gateway.book.records import Doubt, Own, SessionRecord
from services.gateway.protection.plan import protects
from services.runtime.core import Draft
from services.trading.prices import round_down

__all__ = ["sample_level"]

SECOND = 1_000_000_000
STRAY_PCT = 0.5
"""A trade further outside bid and ask is a stray print. IBKR's triggers ignore it as well."""
MIN_RISE_PCT = 0.1
"""A smaller rise is not recorded. A level that the broker reports is exact."""


def sample_level(d: Draft, quote: Quote) -> None:
    """Raise the level of the symbol's stop to the level that follows from this trade."""
    own = d.state.get(Own, quote.symbol)
    if own is None or own.quantity <= 0 or not _is_usable(d, quote):
        return
    # This runs on every tick of a held symbol: read the live stop only, and its history only if the level rises.
    live = [o for o in d.state.table(OrderRecord).values() if o.symbol == quote.symbol and o.role == "stop" and o.live]
    for stop in live:
        known = max(stop.trail_stop_price or 0.0, stop.stop_price or 0.0)
        if not protects(stop) or stop.trailing_pct is None or d.get(Doubt, stop.key) is not None:
            continue
        level = round_down(quote.last * (1 - stop.trailing_pct / 100), grid_of(d, quote.symbol))
        if level > known * (1 + MIN_RISE_PCT / 100) and quote.last_ns > _entry_changed_ns(d, quote.symbol):
            trailing = stop.order_type.startswith("TRAIL")
            risen = msgspec.structs.replace(
                stop,
                stop_price=level if trailing else stop.stop_price,
                trail_stop_price=level,
                level_estimated=True,
            )
            d.put(risen)
            d.send(quote.symbol, OrderUpdated(risen))


def _is_usable(d: Draft, quote: Quote) -> bool:
    session = d.get(SessionRecord, "session") or SessionRecord()
    if quote.halted or session.phase == "closed" or quote.last <= 0:
        return False
    slack = quote.last * STRAY_PCT / 100
    return (not quote.ask or quote.last <= quote.ask + slack) and (not quote.bid or quote.last >= quote.bid - slack)


def _entry_changed_ns(d: Draft, symbol: str) -> int:
    """The start of the second in which the entry last changed: a trade in that second may be older than its fill."""
    entry = d.get(OrderRecord, stops_of(d, symbol)[0])
    return entry.updated_ns // SECOND * SECOND if entry is not None else 0
