"""Subscriptions of one client to one symbol: tick-by-tick data, five-second bars, historical bars with updates.

Each gets every quote of its symbol, and the passing of time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from messages.market import Session
from services.simulator.market.bars import BAR_SIZES, Bar, BarBuilder, hours_of
from services.simulator.requests.client import Client
from services.simulator.venue.reports import QuoteReport
from services.simulator.wire import market_replies
from services.simulator.wire.market_replies import QuoteTick, TradeTick, middle
from services.simulator.wire.market_requests import HistoricalDataRequest, RealTimeBarsRequest, TickByTickRequest

__all__ = ["FiveSeconds", "SessionAt", "SingleTicks", "Subscription", "UpdatedBars"]

_NS = 1_000_000_000
_LENGTH_NS = 5 * _NS

SessionAt = Callable[[int], Session | None]
"""The session at a time, pre-market and after-hours included."""


class Subscription(Protocol):
    """A subscription to a symbol."""

    client: Client
    request_id: int
    symbol: str

    def on_quote(self, quote: QuoteReport, session: Session | None) -> None:
        """The symbol's market changed."""

    def pass_time(self, until_ns: int, session_at: SessionAt) -> None:
        """All quotes before `until_ns` were given to `on_quote`."""


class SingleTicks:
    """Every trade, or every quote that changed (with `ignore_size`: whose prices changed)."""

    def __init__(self, client: Client, request: TickByTickRequest, symbol: str, quote: QuoteReport | None) -> None:
        self.client, self.request_id, self.symbol = client, request.request_id, symbol
        self._kind = request.kind
        self._prices_only = request.ignore_size or request.kind == "MidPoint"
        self._last_sent = None if quote is None else self._sent_fields(_quoted(quote))

    def on_quote(self, quote: QuoteReport, _session: Session | None) -> None:
        if self._kind in ("Last", "AllLast"):
            if quote.traded and quote.last is not None:
                traded = TradeTick(quote.time_ns // _NS, quote.last, quote.last_size)
                every = self._kind == "AllLast"
                self.client.send(
                    market_replies.tick_by_tick_trade(self.request_id, traded, every=every, lots=self.client.lots)
                )
            return
        quoted = _quoted(quote)
        fields = self._sent_fields(quoted)
        if fields == self._last_sent:
            return
        self._last_sent = fields
        if self._kind == "BidAsk":
            self.client.send(market_replies.tick_by_tick_quote(self.request_id, quoted, lots=self.client.lots))
        elif quoted.bid and quoted.ask:
            self.client.send(market_replies.tick_by_tick_midpoint(self.request_id, quoted))

    def pass_time(self, until_ns: int, session_at: SessionAt) -> None:
        pass

    def _sent_fields(self, quoted: QuoteTick) -> tuple[float, ...]:
        if self._kind == "MidPoint":
            return (middle(quoted.bid, quoted.ask),)
        return quoted[1:3] if self._prices_only else quoted[1:]


def _quoted(quote: QuoteReport) -> QuoteTick:
    return QuoteTick(quote.time_ns // _NS, quote.bid or 0.0, quote.ask or 0.0, quote.bid_size, quote.ask_size)


class FiveSeconds:
    """A bar at the end of every five seconds of the session; without events it is flat and has no volume."""

    def __init__(
        self, client: Client, request: RealTimeBarsRequest, symbol: str, now_ns: int, quote: QuoteReport | None
    ) -> None:
        self.client, self.request_id, self.symbol = client, request.request_id, symbol
        self._builder = BarBuilder(BAR_SIZES["5 secs"], request.what, regular=request.regular)
        self._start_ns = now_ns - now_ns % _LENGTH_NS
        self._level = _level(quote, request.what)

    def on_quote(self, quote: QuoteReport, session: Session | None) -> None:
        if session is not None:
            self._builder.take(quote.time_ns, session, _traded(quote), quote.last_size, quote.bid, quote.ask)

    def pass_time(self, until_ns: int, session_at: SessionAt) -> None:
        while self._start_ns + _LENGTH_NS <= until_ns:
            session = session_at(self._start_ns)
            if session is None:  # the market is closed: skip the night
                self._start_ns = until_ns - until_ns % _LENGTH_NS
                return
            begin, finish = hours_of(session, regular=self._builder.regular)
            if begin <= self._start_ns < finish:
                self._send_bar()
            self._start_ns += _LENGTH_NS

    def _send_bar(self) -> None:
        bar = self._builder.last
        if bar is not None and bar.start_ns == self._start_ns:
            self._level = bar.close
        elif self._level is None:
            return
        else:
            bar = Bar(self._start_ns, "", self._level, self._level, self._level, self._level)
        self.client.send(
            market_replies.real_time_bar(
                self.request_id, self._start_ns, bar, trades=self._builder.trades, lots=self.client.lots
            )
        )


class UpdatedBars:
    """Historical bars with `keepUpToDate`: sends the current bar whenever it changes."""

    def __init__(self, client: Client, request: HistoricalDataRequest, symbol: str, builder: BarBuilder) -> None:
        self.client, self.request_id, self.symbol = client, request.request_id, symbol
        self._builder = builder
        self._date_format = request.date_format

    def on_quote(self, quote: QuoteReport, session: Session | None) -> None:
        if session is None:
            return
        bar = self._builder.take(quote.time_ns, session, _traded(quote), quote.last_size, quote.bid, quote.ask)
        if bar is not None:
            self.client.send(
                market_replies.bar_update(
                    self.request_id,
                    bar,
                    self._builder.size,
                    trades=self._builder.trades,
                    date_format=self._date_format,
                    version=self.client.version,
                    lots=self.client.lots,
                )
            )

    def pass_time(self, until_ns: int, session_at: SessionAt) -> None:
        pass


def _traded(quote: QuoteReport) -> float | None:
    """The price if the quote is of a trade, else None."""
    return quote.last if quote.traded else None


def _level(quote: QuoteReport | None, what: str) -> float | None:
    """The level of bars of this kind before the first event."""
    if quote is None:
        return None
    match what:
        case "BID":
            return quote.bid
        case "ASK":
            return quote.ask
        case "MIDPOINT":
            return None if quote.bid is None or quote.ask is None else middle(quote.bid, quote.ask)
        case _:
            return quote.last
