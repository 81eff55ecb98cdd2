"""Historical ticks: single trades or quotes from a time on, or up to a time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from services.simulator.market.history import History
from services.simulator.venue.events import MarketEvent
from services.simulator.wire import market_replies
from services.simulator.wire.market_replies import QuoteTick, TradeTick
from services.simulator.wire.market_requests import HistoricalTicksRequest, TickByTickRequest

__all__ = ["MAX_TICKS", "latest_ticks", "wanted_ticks"]

MAX_TICKS = 1_000
"""Ticks in one answer, as with the broker."""

_NS = 1_000_000_000

_KINDS = {"TRADES": "Last", "BID_ASK": "BidAsk", "MIDPOINT": "MidPoint"}
"""The tick-by-tick type for each type of historical ticks."""


def wanted_ticks(
    history: History, symbol: str, request: HistoricalTicksRequest, start_ns: int, end_ns: int, *, lots: bool
) -> bytes:
    """The ticks of a request, oldest first: up to `end_ns`; or, if that is 0, from `start_ns` on."""
    kind, count = _KINDS[request.what], request.count
    if end_ns:
        found = _last(history, symbol, end_ns, count, kind, regular=request.regular, prices_only=request.ignore_size)
    else:
        sessions = history.from_time(symbol, start_ns, regular=request.regular)
        events = chain.from_iterable(events for _, events in sessions)
        found = _first(_single(events, kind, prices_only=request.ignore_size), count)
    return _encoded(request.request_id, kind, found, lots=lots)


def latest_ticks(history: History, symbol: str, request: TickByTickRequest, now_ns: int, *, lots: bool) -> bytes:
    """The past ticks at the start of a tick-by-tick stream."""
    count = min(request.count, MAX_TICKS)
    found = _last(history, symbol, now_ns, count, request.kind, regular=False, prices_only=request.ignore_size)
    return _encoded(request.request_id, request.kind, found, lots=lots)


def _last(
    history: History, symbol: str, end_ns: int, count: int, kind: str, *, regular: bool, prices_only: bool
) -> list[TradeTick | QuoteTick]:
    """The last `count` ticks up to a time."""
    found: list[TradeTick | QuoteTick] = []
    for _, events in history.until_time(symbol, end_ns, regular=regular):
        found = [*_single(events, kind, prices_only=prices_only), *found]
        if len(found) >= count:
            break
    return found[-count:]


def _first(ticks: Iterator[TradeTick | QuoteTick], count: int) -> list[TradeTick | QuoteTick]:
    """The first `count` ticks, and the rest of the last one's second, as at IBKR."""
    found: list[TradeTick | QuoteTick] = []
    for tick in ticks:
        if len(found) >= count and tick.time_s != found[-1].time_s:
            break
        found.append(tick)
    return found


def _single(events: Iterable[MarketEvent], kind: str, *, prices_only: bool) -> Iterator[TradeTick | QuoteTick]:
    """The trades, or the quotes that changed; with `prices_only`, those whose prices changed."""
    before: tuple[float, ...] = ()
    for event in events:
        time_s = event.time_ns // _NS
        if kind in ("Last", "AllLast"):
            if event.price is not None:
                yield TradeTick(time_s, event.price, event.size)
        elif event.bid is not None or event.ask is not None:
            quoted = QuoteTick(time_s, event.bid or 0.0, event.ask or 0.0, event.bid_size, event.ask_size)
            fields = quoted[1:3] if prices_only or kind == "MidPoint" else quoted[1:]
            if fields != before and (kind == "BidAsk" or (quoted.bid and quoted.ask)):
                before = fields
                yield quoted


def _encoded(request_id: int, kind: str, ticks: list[TradeTick | QuoteTick], *, lots: bool) -> bytes:
    """Ticks of one kind as one message."""
    trades = [tick for tick in ticks if isinstance(tick, TradeTick)]
    quotes = [tick for tick in ticks if isinstance(tick, QuoteTick)]
    match kind:
        case "BidAsk":
            return market_replies.historical_quotes(request_id, quotes, lots=lots)
        case "MidPoint":
            return market_replies.historical_midpoints(request_id, quotes)
        case _:
            return market_replies.historical_trades(request_id, trades, lots=lots)
