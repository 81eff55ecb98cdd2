"""Delayed market data: the market a quarter of an hour ago, for clients without live data. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from services.simulator.market.bars import hours_of
from services.simulator.market.history import History
from services.simulator.venue.reports import QuoteReport
from services.simulator.venue.tape import Tape, observe, quote_of

__all__ = ["DelayedTape"]


class DelayedTape:
    """One symbol's delayed market. `quote` is the last one returned, None before the first of the day."""

    def __init__(self, history: History, symbol: str, prev_close: float | None) -> None:
        self.quote: QuoteReport | None = None
        self._history = history
        self._symbol = symbol
        self._tape = Tape(symbol=symbol, last=prev_close)
        self._seen = 0
        self._date = ""

    def until(self, time_ns: int) -> Iterator[QuoteReport]:
        """The quotes after the last call, up to `time_ns`, in order."""
        session = self._history.session_at(time_ns)
        if session is None:
            return
        if session.date != self._date:
            self._date, self._seen = session.date, 0
        begin, _ = hours_of(session, regular=False)
        events = self._history.events(self._symbol, session, begin, time_ns + 1)
        for event in events[self._seen :]:
            regular = session.open_ns <= event.time_ns < session.close_ns
            observe(self._tape, event, session if regular else None)
            self.quote = quote_of(self._tape, event)
            yield self.quote
        self._seen = len(events)
