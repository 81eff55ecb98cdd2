"""Single trades and quotes of the past: so many of them from a time on, or up to one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from services.simulator.market.history import History
from services.simulator.venue.events import MarketEvent
from services.simulator.wire import market_replies
from services.simulator.wire.market_replies import Quoted, Traded
from services.simulator.wire.market_requests import HistoricalTicks, TickByTick

__all__ = ["MAX_TICKS", "latest_ticks", "wanted_ticks"]

MAX_TICKS = 1_000
"""Ticks in one answer, as with the broker."""

_NS = 1_000_000_000

_KINDS = {"TRADES": "Last", "BID_ASK": "BidAsk", "MIDPOINT": "MidPoint"}
"""What is asked about the past, in the words in which single ticks of the moment are asked for."""


def wanted_ticks(
    history: History, symbol: str, request: HistoricalTicks, start_ns: int, end_ns: int, *, lots: bool
) -> bytes:
    """The ticks that a request means, oldest first: up to `end_ns`, or from `start_ns` on where that is 0."""
    kind, count = _KINDS[request.what], request.count
    if end_ns:
        found = _last(history, symbol, end_ns, count, kind, regular=request.regular, prices_only=request.ignore_size)
    else:
        sessions = history.from_time(symbol, start_ns, regular=request.regular)
        events = chain.from_iterable(events for _, events in sessions)
        found = _first(_single(events, kind, prices_only=request.ignore_size), count)
    return _spelled(request.request_id, kind, found, lots=lots)


def latest_ticks(history: History, symbol: str, request: TickByTick, now_ns: int, *, lots: bool) -> bytes:
    """The ticks with which a stream of single ticks may begin."""
    count = min(request.count, MAX_TICKS)
    found = _last(history, symbol, now_ns, count, request.kind, regular=False, prices_only=request.ignore_size)
    return _spelled(request.request_id, request.kind, found, lots=lots)


def _last(
    history: History, symbol: str, end_ns: int, count: int, kind: str, *, regular: bool, prices_only: bool
) -> list[Traded | Quoted]:
    """The last so many until a time."""
    found: list[Traded | Quoted] = []
    for _, events in history.until_time(symbol, end_ns, regular=regular):
        found = [*_single(events, kind, prices_only=prices_only), *found]
        if len(found) >= count:
            break
    return found[-count:]


def _first(ticks: Iterator[Traded | Quoted], count: int) -> list[Traded | Quoted]:
    """The first so many, and those of the same second, as the broker does."""
    found: list[Traded | Quoted] = []
    for tick in ticks:
        if len(found) >= count and tick.time_s != found[-1].time_s:
            break
        found.append(tick)
    return found


def _single(events: Iterable[MarketEvent], kind: str, *, prices_only: bool) -> Iterator[Traded | Quoted]:
    """The trades, or the quotes that changed; with `prices_only`, those whose prices did."""
    before: tuple[float, ...] = ()
    for event in events:
        time_s = event.time_ns // _NS
        if kind in ("Last", "AllLast"):
            if event.price is not None:
                yield Traded(time_s, event.price, event.size)
        elif event.bid is not None or event.ask is not None:
            quoted = Quoted(time_s, event.bid or 0.0, event.ask or 0.0, event.bid_size, event.ask_size)
            told = quoted[1:3] if prices_only or kind == "MidPoint" else quoted[1:]
            if told != before and (kind == "BidAsk" or (quoted.bid and quoted.ask)):
                before = told
                yield quoted


def _spelled(request_id: int, kind: str, ticks: list[Traded | Quoted], *, lots: bool) -> bytes:
    """Ticks of one kind as one message."""
    trades = [tick for tick in ticks if isinstance(tick, Traded)]
    quotes = [tick for tick in ticks if isinstance(tick, Quoted)]
    match kind:
        case "BidAsk":
            return market_replies.historical_quotes(request_id, quotes, lots=lots)
        case "MidPoint":
            return market_replies.historical_midpoints(request_id, quotes)
        case _:
            return market_replies.historical_trades(request_id, trades, lots=lots)
