"""What follows one symbol for one client: single ticks, bars of five seconds, historical bars that go on.

Each hears everything that happens in its symbol, and that time passes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from messages.market import Session
from services.simulator.market.bars import BAR_SIZES, Bar, BarMaker, hours_of
from services.simulator.requests.client import Client
from services.simulator.venue.reports import QuoteReport
from services.simulator.wire import market_replies
from services.simulator.wire.market_replies import Quoted, Traded, middle
from services.simulator.wire.market_requests import HistoricalData, RealTimeBars, TickByTick

__all__ = ["FiveSeconds", "Follower", "KeptBars", "SessionAt", "SingleTicks"]

_NS = 1_000_000_000
_LENGTH_NS = 5 * _NS

SessionAt = Callable[[int], Session | None]
"""The session of a time, hours before and after it included."""


class Follower(Protocol):
    """Something that follows a symbol."""

    client: Client
    request_id: int
    symbol: str

    def hear(self, quote: QuoteReport, session: Session | None) -> None:
        """Something happened."""

    def pass_time(self, until_ns: int, session_at: SessionAt) -> None:
        """Everything that happened before `until_ns` was heard."""


class SingleTicks:
    """Every trade, or every quote that changed (with `ignore_size`: whose prices changed)."""

    def __init__(self, client: Client, request: TickByTick, symbol: str, quote: QuoteReport | None) -> None:
        self.client, self.request_id, self.symbol = client, request.request_id, symbol
        self._kind = request.kind
        self._prices_only = request.ignore_size or request.kind == "MidPoint"
        self._told = None if quote is None else self._what_matters(_quoted(quote))

    def hear(self, quote: QuoteReport, _session: Session | None) -> None:
        if self._kind in ("Last", "AllLast"):
            if quote.traded and quote.last is not None:
                traded = Traded(quote.time_ns // _NS, quote.last, quote.last_size)
                every = self._kind == "AllLast"
                self.client.say(
                    market_replies.tick_by_tick_trade(self.request_id, traded, every=every, lots=self.client.lots)
                )
            return
        quoted = _quoted(quote)
        matters = self._what_matters(quoted)
        if matters == self._told:
            return
        self._told = matters
        if self._kind == "BidAsk":
            self.client.say(market_replies.tick_by_tick_quote(self.request_id, quoted, lots=self.client.lots))
        elif quoted.bid and quoted.ask:
            self.client.say(market_replies.tick_by_tick_midpoint(self.request_id, quoted))

    def pass_time(self, until_ns: int, session_at: SessionAt) -> None:
        pass

    def _what_matters(self, quoted: Quoted) -> tuple[float, ...]:
        if self._kind == "MidPoint":
            return (middle(quoted.bid, quoted.ask),)
        return quoted[1:3] if self._prices_only else quoted[1:]


def _quoted(quote: QuoteReport) -> Quoted:
    return Quoted(quote.time_ns // _NS, quote.bid or 0.0, quote.ask or 0.0, quote.bid_size, quote.ask_size)


class FiveSeconds:
    """A bar at the end of every five seconds of the session; flat, and without volume, where nothing happened."""

    def __init__(
        self, client: Client, request: RealTimeBars, symbol: str, now_ns: int, quote: QuoteReport | None
    ) -> None:
        self.client, self.request_id, self.symbol = client, request.request_id, symbol
        self._maker = BarMaker(BAR_SIZES["5 secs"], request.what, regular=request.regular)
        self._start_ns = now_ns - now_ns % _LENGTH_NS
        self._level = _level(quote, request.what)

    def hear(self, quote: QuoteReport, session: Session | None) -> None:
        if session is not None:
            self._maker.take(quote.time_ns, session, _traded(quote), quote.last_size, quote.bid, quote.ask)

    def pass_time(self, until_ns: int, session_at: SessionAt) -> None:
        while self._start_ns + _LENGTH_NS <= until_ns:
            session = session_at(self._start_ns)
            if session is None:  # the market is closed: nobody counts the seconds of a night
                self._start_ns = until_ns - until_ns % _LENGTH_NS
                return
            begin, finish = hours_of(session, regular=self._maker.regular)
            if begin <= self._start_ns < finish:
                self._tell()
            self._start_ns += _LENGTH_NS

    def _tell(self) -> None:
        bar = self._maker.last
        if bar is not None and bar.start_ns == self._start_ns:
            self._level = bar.close
        elif self._level is None:
            return
        else:
            bar = Bar(self._start_ns, "", self._level, self._level, self._level, self._level)
        self.client.say(
            market_replies.real_time_bar(
                self.request_id, self._start_ns, bar, trades=self._maker.trades, lots=self.client.lots
            )
        )


class KeptBars:
    """Historical bars that are kept up to date: the one in the making, whenever it changes."""

    def __init__(self, client: Client, request: HistoricalData, symbol: str, maker: BarMaker) -> None:
        self.client, self.request_id, self.symbol = client, request.request_id, symbol
        self._maker = maker
        self._date_format = request.date_format

    def hear(self, quote: QuoteReport, session: Session | None) -> None:
        if session is None:
            return
        bar = self._maker.take(quote.time_ns, session, _traded(quote), quote.last_size, quote.bid, quote.ask)
        if bar is not None:
            self.client.say(
                market_replies.bar_update(
                    self.request_id,
                    bar,
                    self._maker.size,
                    trades=self._maker.trades,
                    date_format=self._date_format,
                    version=self.client.version,
                    lots=self.client.lots,
                )
            )

    def pass_time(self, until_ns: int, session_at: SessionAt) -> None:
        pass


def _traded(quote: QuoteReport) -> float | None:
    """The price of the trade that just was, None if it was a quote."""
    return quote.last if quote.traded else None


def _level(quote: QuoteReport | None, what: str) -> float | None:
    """Where the bars of this kind stand before anything happens."""
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
