"""The live data farm ("usfarm"): who streams what of which symbol, and what each hears when something happens in it.

Streams of quotes, single ticks, bars of five seconds, historical bars that are kept up to date. Everything is kept by
symbol, since one event concerns the streams of one symbol, and there may be many of others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import assert_never

import msgspec

from services.simulator.faults.active import Faults
from services.simulator.market.bars import WHAT
from services.simulator.market.history import History
from services.simulator.requests.client import Client
from services.simulator.requests.delayed import DelayedTape
from services.simulator.requests.entitlements import DELAY_NS, DELAYED, LIVE, Verdict, judge
from services.simulator.requests.historical_ticks import latest_ticks
from services.simulator.requests.subscriptions import FiveSeconds, Follower, KeptBars, SingleTicks
from services.simulator.venue.reports import QuoteReport
from services.simulator.venue.view import View
from services.simulator.wire import complaints, replies
from services.simulator.wire.contracts import Contract
from services.simulator.wire.market_requests import (
    Depth,
    FeedRequest,
    MarketData,
    MarketDataType,
    RealTimeBars,
    StopDepth,
    StopMarketData,
    StopRealTimeBars,
    StopTickByTick,
    TickByTick,
)
from services.simulator.wire.ticks import Shape, Ticks, read_generic_ticks, spell, stream_parameters

__all__ = ["Feeds"]

_LEGAL = {
    100: "Option Volume",
    101: "Option Open Interest",
    104: "Historical Volatility",
    105: "Average Opt Volume",
    106: "impvolat",
    162: "Index Future Premium",
    165: "Misc. Stats",
    220: "Creditman, Mark Price",
    221: "Mark Price",
    225: "Auction",
    232: "Pl Price",
    233: "RTVolume",
    236: "inventory",
    258: "Fundamentals",
    292: "Wide_news",
    293: "TradeCount",
    294: "TradeRate",
    295: "VolumeRate",
    318: "LastRTHTrade",
    375: "RTTrdVolume",
    411: "rtHistVol",
    456: "IBDividends",
    460: "Bond Factor Multiplier",
    576: "EtfNavBidAsk(ETF)",
    577: "EtfNavLast(ETF)",
    578: "EtfNavClose(ETF)",
    586: "IPOHLCPrice",
    587: "Pl Price Delayed",
    588: "Futures Open Interest",
    595: "Short-Term Volume X Mins",
    614: "EtfNavMisc(ETF)",
    619: "Creditman Slow Mark Price",
    623: "EtfFrozenNavLast(ETF)",
}
"""Generic ticks that a stock may be asked for, by the broker's own names. What `ticks.py` doesn't know is silent."""


def _is_legal(name: str) -> bool:
    return name.split(":")[0].isdigit() and int(name.split(":")[0]) in _LEGAL


class _Stream(msgspec.Struct):
    """A stream of quotes, and the quote that its client knows. `kind` is its type of data, None while it gets none.

    `denied` is the code with which live data were denied when it was asked for, None if they weren't.
    """

    client: Client
    request_id: int
    symbol: str
    shape: Shape
    spelled_id: bytes
    wanted: int
    kind: int | None = LIVE
    denied: int | None = None
    shown: QuoteReport | None = None


class Feeds:
    """All that is streamed from one exchange.

    `find` tells which symbol a client means, or complains; `faults` may deny data, and know who hears nothing now.
    """

    def __init__(
        self,
        history: History,
        exchange: View,
        find: Callable[[Client, int, Contract], str | None],
        faults: Faults,
    ) -> None:
        self._policy = exchange.policy
        self._history = history
        self._exchange = exchange
        self._find = find
        self._faults = faults
        self._streams: dict[str, list[_Stream]] = {}
        self._feeds: dict[str, list[Follower]] = {}
        self._delayed: dict[str, DelayedTape] = {}

    # What happens

    def hear(self, quote: QuoteReport) -> None:
        """Something happened in this symbol."""
        if streams := self._streams.get(quote.symbol):
            self._push(streams, quote, LIVE)
        if feeds := self._feeds.get(quote.symbol):
            session = self._history.session_at(quote.time_ns)
            for feed in feeds:
                feed.pass_time(quote.time_ns, self._history.session_at)
                feed.hear(quote, session)

    def pass_time(self, now_ns: int) -> None:
        """All that happened until now was heard."""
        for feed in chain.from_iterable(self._feeds.values()):
            feed.pass_time(now_ns + 1, self._history.session_at)
        for symbol, tape in self._delayed.items():
            for quote in tape.until(now_ns - DELAY_NS):
                self._push(self._streams.get(symbol, []), quote, DELAYED)

    def _push(self, streams: list[_Stream], quote: QuoteReport, kind: int) -> None:
        """Tells what changed; streams that are alike and knew the same hear the same."""
        known: dict[tuple[Shape, int, int], Ticks] = {}
        if self._faults.active:  # who hangs hears of the newest quote afterwards, not of every one that there was
            streams = [stream for stream in streams if not self._faults.hangs(stream.client.client_id)]
        for stream in streams:
            shown = stream.shown
            # Frozen data are live ones of a closed market, and move with them once it opens.
            if stream.kind is None or (stream.kind >= DELAYED) is not (kind == DELAYED):
                continue
            spelled_id = stream.spelled_id
            key = (stream.shape, len(spelled_id), id(shown))
            told = known.get(key)
            if told is None:
                told = known[key] = spell(quote, shown, stream.shape, len(spelled_id))
            stream.shown = quote
            if told.number:
                stream.client.say_many(told.to(spelled_id), told.number)

    # What is asked for

    def handle(self, client: Client, request: FeedRequest) -> None:
        """Begins or ends a stream."""
        match request:
            case MarketData(request_id, contract):
                if symbol := self._find(client, request_id, contract):
                    self._stream(client, request, symbol)
            case StopMarketData(request_id):
                if not self._drop_stream(client, request_id):
                    client.complain(request_id, *complaints.NO_TICKER.about(request_id))
            case MarketDataType(kind):
                client.data_type = kind
            case TickByTick(request_id, contract):
                if symbol := self._find(client, request_id, contract):
                    self._single_ticks(client, request, symbol)
            case StopTickByTick(request_id):
                if not self._drop(client, request_id, SingleTicks):
                    client.complain(request_id, *complaints.NO_TICKER.about(request_id))
            case RealTimeBars(request_id, contract):
                if symbol := self._find(client, request_id, contract):
                    self._real_time_bars(client, request, symbol)
            case StopRealTimeBars(request_id):
                if not self._drop(client, request_id, FiveSeconds):
                    client.complain(request_id, *complaints.NO_BARS.about(request_id))
            case Depth(request_id, contract):
                if self._find(client, request_id, contract):
                    client.complain(request_id, *complaints.NO_BOOK)
            case StopDepth(request_id):
                client.complain(request_id, *complaints.NO_DEPTH.about(request_id))
            case _:
                assert_never(request)

    def keep(self, bars: KeptBars) -> None:
        """Historical bars that go on."""
        self._add(bars)

    def stop_keeping(self, client: Client, request_id: int) -> bool:
        """They end; True if there were any."""
        return self._drop(client, request_id, KeptBars)

    def leave(self, client: Client) -> None:
        """The client is gone."""
        for streams in self._streams.values():
            streams[:] = [stream for stream in streams if stream.client is not client]
        for feeds in self._feeds.values():
            feeds[:] = [feed for feed in feeds if feed.client is not client]

    def review(self) -> None:
        """Who lost his data hears why, who got them back hears everything anew, who missed some hears the newest."""
        for stream in list(chain.from_iterable(self._streams.values())):
            verdict = self._judge(
                self._faults.denied(stream.symbol, anew=False) or stream.denied, stream.wanted, stream.symbol
            )
            if verdict.kind == stream.kind:
                if stream.kind is not None and not self._faults.hangs(stream.client.client_id):
                    self._show(stream)
                continue
            stream.kind, stream.shown = verdict.kind, None
            if verdict.complaint is not None:
                stream.client.complain(stream.request_id, *verdict.complaint)
            if stream.kind is not None:
                stream.shape = stream.shape._replace(delayed=stream.kind >= DELAYED)
                stream.client.say(replies.market_data_type(stream.request_id, stream.kind))
                self._show(stream)

    # Quotes

    def _stream(self, client: Client, request: MarketData, symbol: str) -> None:
        request_id = request.request_id
        names = read_generic_ticks(request.generic_ticks)
        wrong = [name for name in names if name.split(":")[0] != "mdoff" and not _is_legal(name)]
        own = [stream for stream in chain.from_iterable(self._streams.values()) if stream.client is client]
        if any(stream.request_id == request_id for stream in own):
            client.complain(request_id, *complaints.DUPLICATE_TICKER)
        elif wrong:
            legal = ",".join(f"{number}({name})" for number, name in _LEGAL.items())
            cause = f"Incorrect generic tick list of {request.generic_ticks}.  Legal ones for (STK) are: {legal}"
            client.complain(request_id, *complaints.INVALID.about(cause))
        elif names and request.snapshot:
            cause = "Snapshot market data subscription is not applicable to generic ticks"
            client.complain(request_id, *complaints.INVALID.about(cause))
        elif len(own) >= self._policy.market_data_lines and not request.snapshot:
            client.complain(request_id, *complaints.TOO_MANY_TICKERS)
        else:
            self._begin(client, request, symbol, names)

    def _begin(self, client: Client, request: MarketData, symbol: str, names: Sequence[str]) -> None:
        request_id = request.request_id
        generic = frozenset(int(name.split(":")[0]) for name in names if name != "mdoff")
        denied = self._faults.denied(symbol, anew=True)
        verdict = self._judge(denied, client.data_type, symbol)
        delayed = verdict.kind is not None and verdict.kind >= DELAYED
        shape = Shape(client.lots, delayed, "mdoff" not in names, generic)
        stream = _Stream(
            client, request_id, symbol, shape, str(request_id).encode(), client.data_type, verdict.kind, denied
        )
        if not delayed:
            client.say(stream_parameters(request_id, self._policy.price_grid))
        if verdict.complaint is not None:
            client.complain(request_id, *verdict.complaint)
        if verdict.kind is None:
            return
        client.say(replies.market_data_type(request_id, verdict.kind))
        if delayed:
            client.say(stream_parameters(request_id, self._policy.price_grid))
        self._show(stream)
        if request.snapshot:
            client.say(replies.snapshot_end(request_id))
        else:
            self._streams.setdefault(symbol, []).append(stream)

    def _show(self, stream: _Stream) -> None:
        """What it doesn't know yet: at first, everything."""
        if stream.shape.delayed:
            tape = self._delayed.get(stream.symbol)
            if tape is None:
                now = self._exchange.quote(stream.symbol)
                tape = DelayedTape(self._history, stream.symbol, now.prev_close if now else None)
                self._delayed[stream.symbol] = tape
                for _ in tape.until(self._exchange.now_ns - DELAY_NS):
                    pass
            quote: QuoteReport | None = tape.quote
        else:
            quote = self._exchange.quote(stream.symbol)
        if quote is not None:
            told = spell(quote, stream.shown, stream.shape, len(stream.spelled_id))
            stream.shown = quote
            if told.number:
                stream.client.say_many(told.to(stream.spelled_id), told.number)

    def _judge(self, denied: int | None, wanted: int, symbol: str) -> Verdict:
        now_ns = self._exchange.now_ns
        session = self._history.session_at(now_ns)
        is_open = session is not None and session.open_ns <= now_ns < session.close_ns
        return judge(denied, wanted, symbol, is_open=is_open)

    # Single ticks and bars

    def _single_ticks(self, client: Client, request: TickByTick, symbol: str) -> None:
        request_id = request.request_id
        if request.kind not in ("Last", "AllLast", "BidAsk", "MidPoint"):
            client.complain(request_id, *complaints.BAD_TICK_BY_TICK.about(f"Invalid tick type {request.kind}"))
        elif self._has(client, request_id, SingleTicks):
            client.complain(request_id, *complaints.DUPLICATE_TICKER)
        elif self._count(client, SingleTicks) >= self._policy.tick_by_tick_lines:
            client.complain(request_id, *complaints.TOO_MANY_TICK_BY_TICK)
        elif self._may_see(client, request_id, symbol):
            if request.count:
                client.say(latest_ticks(self._history, symbol, request, self._exchange.now_ns, lots=client.lots))
            self._add(SingleTicks(client, request, symbol, self._exchange.quote(symbol)))

    def _real_time_bars(self, client: Client, request: RealTimeBars, symbol: str) -> None:
        request_id = request.request_id
        if request.what not in WHAT[:4]:
            client.complain(request_id, *complaints.INVALID.about(f"Invalid what to show {request.what}"))
        elif self._has(client, request_id, FiveSeconds):
            client.complain(request_id, *complaints.DUPLICATE_TICKER)
        elif self._may_see(client, request_id, symbol):
            self._add(FiveSeconds(client, request, symbol, self._exchange.now_ns, self._exchange.quote(symbol)))

    def _may_see(self, client: Client, request_id: int, symbol: str) -> bool:
        """Single ticks and bars of the moment are live data or none."""
        verdict = self._judge(self._faults.denied(symbol, anew=True), LIVE, symbol)
        if verdict.complaint is not None:
            client.complain(request_id, *verdict.complaint)
        return verdict.kind is not None

    def _add(self, feed: Follower) -> None:
        self._feeds.setdefault(feed.symbol, []).append(feed)

    def _of(self, client: Client, kind: type[Follower]) -> Iterator[Follower]:
        feeds = chain.from_iterable(self._feeds.values())
        return (feed for feed in feeds if feed.client is client and isinstance(feed, kind))

    def _has(self, client: Client, request_id: int, kind: type[Follower]) -> bool:
        return any(feed.request_id == request_id for feed in self._of(client, kind))

    def _count(self, client: Client, kind: type[Follower]) -> int:
        return sum(1 for _ in self._of(client, kind))

    def _drop(self, client: Client, request_id: int, kind: type[Follower]) -> bool:
        for feed in self._of(client, kind):
            if feed.request_id == request_id:
                self._feeds[feed.symbol].remove(feed)
                return True
        return False

    def _drop_stream(self, client: Client, request_id: int) -> bool:
        for streams in self._streams.values():
            for stream in streams:
                if stream.client is client and stream.request_id == request_id:
                    streams.remove(stream)
                    return True
        return False
