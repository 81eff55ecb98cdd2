"""A symbol's tape: its last prices, how an event changes them, and the quote report of it. Pure."""

from __future__ import annotations

import msgspec

from messages.market import Session
from services.simulator.venue.adjustments import Adjustments
from services.simulator.venue.events import MarketEvent
from services.simulator.venue.reports import QuoteReport

__all__ = ["Tape", "observe", "quote_of"]


class Tape(msgspec.Struct, kw_only=True):
    """One symbol's market as of its last event: last trade, quote, and the range of the session `date`.

    `close` is that session's last price so far, `prev_close` the one of the session before. A halt lasts until
    `halted_until_ns`, or, if that is 0, until it is resumed. After a `gap` (a halt, a split) the next price is a jump.
    The source's prices are multiplied by `factor`; `recent` has the trades for the price band,
    `adjustments` the halts, splits and dividends (saved as `past`).
    """

    symbol: str
    last: float | None = None
    last_size: int = 0
    last_ns: int = 0
    bid: float | None = None
    ask: float | None = None
    bid_size: int = 0
    ask_size: int = 0
    date: str = ""
    open: float | None = None
    high: float | None = None
    low: float | None = None
    prev_close: float | None = None
    close: float | None = None
    volume: int = 0
    turnover: float = 0.0
    halted: bool = False
    halted_until_ns: int = 0
    gap: bool = False
    factor: float = 1.0
    recent: list[tuple[int, float]] = []
    adjustments: Adjustments = msgspec.field(default=Adjustments(), name="past")


def observe(tape: Tape, event: MarketEvent, session: Session | None) -> None:
    """Apply one event. Only trades of regular hours (`session` given) make the day's open, high, low and volume."""
    if event.bid is not None or event.ask is not None:
        tape.bid, tape.bid_size = event.bid, event.bid_size
        tape.ask, tape.ask_size = event.ask, event.ask_size
    if event.price is None:
        return
    if session is not None:
        if session.date != tape.date:
            tape.date, tape.prev_close = session.date, tape.close
            tape.open = tape.high = tape.low = event.price
            tape.volume, tape.turnover = 0, 0.0
        tape.high = max(event.price, tape.high or event.price)
        tape.low = min(event.price, tape.low or event.price)
        tape.volume += event.size
        tape.close = event.price
        tape.turnover += event.price * event.size
    tape.gap = False
    tape.last, tape.last_size, tape.last_ns = event.price, event.size, event.time_ns


def quote_of(tape: Tape, event: MarketEvent | None = None) -> QuoteReport:
    """The quote report of a tape; `event` is the event that changed it."""
    return QuoteReport(
        symbol=tape.symbol,
        last=tape.last,
        last_size=tape.last_size,
        last_time_s=tape.last_ns // 10**9,
        bid=tape.bid,
        ask=tape.ask,
        bid_size=tape.bid_size,
        ask_size=tape.ask_size,
        open=tape.open,
        high=tape.high,
        low=tape.low,
        prev_close=tape.prev_close,
        volume=tape.volume,
        time_ns=tape.last_ns if event is None else event.time_ns,
        traded=event is not None and event.price is not None,
        vwap=tape.turnover / tape.volume if tape.volume else None,
        halted=tape.halted,
    )
