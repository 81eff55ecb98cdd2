"""What a symbol's tape shows: how an event changes it, and the quote that it amounts to. Pure."""

from __future__ import annotations

from services.simulator.venue.model import MarketEvent, QuoteReport, Session, Tape

__all__ = ["observe", "quote_of"]


def observe(tape: Tape, event: MarketEvent, session: Session | None) -> None:
    """Fold one event in. Only trades of regular hours (`session` given) make the day's open, high, low and volume."""
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
    """The tape as whoever streams the symbol sees it; `event` is what changed it just now."""
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
