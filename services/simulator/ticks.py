"""One symbol's market as tick messages: everything at first, afterwards what changed.

In the order of real streams, with one exception in favour of the reader: the time of the last trade (45) comes before
its price (4), so that whoever acts on the price knows how old it is.
"""

from __future__ import annotations

from services.simulator.fields import market_size, message
from services.simulator.model import QuoteReport

__all__ = ["stream_parameters", "ticks"]

_BID, _ASK, _LAST = (1, 0, 1), (2, 3, 1), (4, 5, 0)
"""Tick type of a price, tick type of its size, and its attributes (1: can be executed automatically)."""

_VOLUME, _LAST_TIME, _HALTED = 8, 45, 49
_HIGH, _LOW, _CLOSE, _OPEN = 6, 7, 9, 14


def stream_parameters(request_id: int) -> bytes:
    """Precedes the first tick: smallest price step, exchange map, permissions."""
    return message(81, request_id, 0.01, "9c0001", 3)


def ticks(request_id: int, quote: QuoteReport, before: QuoteReport | None, version: int) -> list[bytes]:
    """The messages that turn what the client knows (`before`) into `quote`."""
    frames: list[bytes] = []

    def traded(
        types: tuple[int, int, int], price: float, size: int, price_before: float | None, size_before: int
    ) -> None:
        price_type, size_type, attributes = types
        shown = market_size(size, version)
        if price != price_before:
            frames.append(message(1, 6, request_id, price_type, price, shown, attributes))
        if price != price_before or size != size_before:
            frames.append(message(2, 6, request_id, size_type, shown))

    def level(kind: int, price: float | None, price_before: float | None) -> None:
        if price is not None and price != price_before:
            frames.append(message(1, 6, request_id, kind, price, "0", 0))

    def side(price: float | None) -> float:
        return -1.0 if price is None else price  # an empty side

    then = before or _NOTHING
    traded(_BID, side(quote.bid), quote.bid_size, None if before is None else side(then.bid), then.bid_size)
    traded(_ASK, side(quote.ask), quote.ask_size, None if before is None else side(then.ask), then.ask_size)
    if quote.last is not None:
        if quote.last_time_s != then.last_time_s or then.last is None:
            frames.append(message(46, 6, request_id, _LAST_TIME, quote.last_time_s))
        traded(_LAST, quote.last, quote.last_size, then.last, then.last_size)
    if before is None or quote.volume != then.volume:
        frames.append(message(2, 6, request_id, _VOLUME, market_size(quote.volume, version)))
    level(_HIGH, quote.high, then.high)
    level(_LOW, quote.low, then.low)
    level(_CLOSE, quote.prev_close, then.prev_close)
    level(_OPEN, quote.open, then.open)
    if before is None or quote.halted != then.halted:
        frames.append(message(45, 6, request_id, _HALTED, float(quote.halted)))
    return frames


_NOTHING = QuoteReport(
    symbol="",
    last=None,
    last_size=0,
    last_time_s=0,
    bid=None,
    ask=None,
    bid_size=0,
    ask_size=0,
    open=None,
    high=None,
    low=None,
    prev_close=None,
    volume=0,
)
