"""Live market data ("usfarm"): streams of quotes, tick-by-tick data, five-second bars, historical bars with updates.

Subscriptions are kept by symbol, because one event concerns one symbol only and there may be many others.
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
from services.simulator.requests.entitlements import DELAY_NS, DELAYED, LIVE, Entitlement, entitlement_for
from services.simulator.requests.historical_ticks import latest_ticks
from services.simulator.requests.subscriptions import FiveSeconds, SingleTicks, Subscription, UpdatedBars
from services.simulator.venue.reports import QuoteReport
from services.simulator.venue.view import ExchangeView
from services.simulator.wire import errors, replies
from services.simulator.wire.contracts import Contract
from services.simulator.wire.market_requests import (
    DepthRequest,
    LiveDataRequest,
    MarketDataRequest,
    MarketDataTypeRequest,
    RealTimeBarsRequest,
    StopDepthRequest,
    StopMarketDataRequest,
    StopRealTimeBarsRequest,
    StopTickByTickRequest,
    TickByTickRequest,
)
from services.simulator.wire.ticks import Shape, Ticks, encode_ticks, read_generic_ticks, stream_parameters

__all__ = ["LiveDataHandler"]

_SUPPORTED = {
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
"""The generic ticks of stocks, by IBKR's names. `ticks.py` sends nothing for those that it doesn't simulate."""


def _is_supported(name: str) -> bool:
    return name.split(":")[0].isdigit() and int(name.split(":")[0]) in _SUPPORTED


class _Stream(msgspec.Struct):
    """A stream of quotes. `last_sent` is the quote that its client has. `kind` is its type of data, None for no data.

    `denied` is the code with which live data were denied at the request, None if they were not.
    """

    client: Client
    request_id: int
    symbol: str
    shape: Shape
    encoded_id: bytes
    wanted: int
    kind: int | None = LIVE
    denied: int | None = None
    last_sent: QuoteReport | None = None


class LiveDataHandler:
    """The live data subscriptions of one exchange.

    `find` gives the symbol of a client's contract, or sends an error. `faults` may deny data, and know which clients
    hang.
    """

    def __init__(
        self,
        history: History,
        exchange: ExchangeView,
        find: Callable[[Client, int, Contract], str | None],
        faults: Faults,
    ) -> None:
        self._policy = exchange.policy
        self._history = history
        self._exchange = exchange
        self._find = find
        self._faults = faults
        self._streams: dict[str, list[_Stream]] = {}
        self._subscriptions: dict[str, list[Subscription]] = {}
        self._delayed: dict[str, DelayedTape] = {}

    # Events

    def on_quote(self, quote: QuoteReport) -> None:
        """The symbol's market changed."""
        if streams := self._streams.get(quote.symbol):
            self._push(streams, quote, LIVE)
        if subscriptions := self._subscriptions.get(quote.symbol):
            session = self._history.session_at(quote.time_ns)
            for subscription in subscriptions:
                subscription.pass_time(quote.time_ns, self._history.session_at)
                subscription.on_quote(quote, session)

    def pass_time(self, now_ns: int) -> None:
        """All quotes up to now were given to `on_quote`."""
        for subscription in chain.from_iterable(self._subscriptions.values()):
            subscription.pass_time(now_ns + 1, self._history.session_at)
        for symbol, tape in self._delayed.items():
            for quote in tape.until(now_ns - DELAY_NS):
                self._push(self._streams.get(symbol, []), quote, DELAYED)

    def _push(self, streams: list[_Stream], quote: QuoteReport, kind: int) -> None:
        """Sends the changes. Streams of the same shape with the same last quote share one encoding."""
        encoded: dict[tuple[Shape, int, int], Ticks] = {}
        if self._faults.active:  # a client that hangs gets only the newest quote afterwards
            streams = [stream for stream in streams if not self._faults.hangs(stream.client.client_id)]
        for stream in streams:
            last_sent = stream.last_sent
            # Frozen data are the live data of a closed market: when it opens, they change with it.
            if stream.kind is None or (stream.kind >= DELAYED) is not (kind == DELAYED):
                continue
            encoded_id = stream.encoded_id
            key = (stream.shape, len(encoded_id), id(last_sent))
            ticks = encoded.get(key)
            if ticks is None:
                ticks = encoded[key] = encode_ticks(quote, last_sent, stream.shape, len(encoded_id))
            stream.last_sent = quote
            if ticks.number:
                stream.client.send_encoded(ticks.to(encoded_id), ticks.number)

    # Requests

    def handle(self, client: Client, request: LiveDataRequest) -> None:
        """Begins or ends a stream."""
        match request:
            case MarketDataRequest(request_id, contract):
                if symbol := self._find(client, request_id, contract):
                    self._stream(client, request, symbol)
            case StopMarketDataRequest(request_id):
                if not self._drop_stream(client, request_id):
                    client.send_error(request_id, *errors.NO_TICKER.about(request_id))
            case MarketDataTypeRequest(kind):
                client.data_type = kind
            case TickByTickRequest(request_id, contract):
                if symbol := self._find(client, request_id, contract):
                    self._single_ticks(client, request, symbol)
            case StopTickByTickRequest(request_id):
                if not self._drop(client, request_id, SingleTicks):
                    client.send_error(request_id, *errors.NO_TICKER.about(request_id))
            case RealTimeBarsRequest(request_id, contract):
                if symbol := self._find(client, request_id, contract):
                    self._real_time_bars(client, request, symbol)
            case StopRealTimeBarsRequest(request_id):
                if not self._drop(client, request_id, FiveSeconds):
                    client.send_error(request_id, *errors.NO_BARS.about(request_id))
            case DepthRequest(request_id, contract):
                if self._find(client, request_id, contract):
                    client.send_error(request_id, *errors.NO_BOOK)
            case StopDepthRequest(request_id):
                client.send_error(request_id, *errors.NO_DEPTH.about(request_id))
            case _:
                assert_never(request)

    def add_updated_bars(self, bars: UpdatedBars) -> None:
        """Adds historical bars with updates."""
        self._add(bars)

    def remove_updated_bars(self, client: Client, request_id: int) -> bool:
        """Ends the updates; True if there were any."""
        return self._drop(client, request_id, UpdatedBars)

    def remove_client(self, client: Client) -> None:
        """The client disconnected."""
        for streams in self._streams.values():
            streams[:] = [stream for stream in streams if stream.client is not client]
        for subscriptions in self._subscriptions.values():
            subscriptions[:] = [subscription for subscription in subscriptions if subscription.client is not client]

    def check_entitlements(self) -> None:
        """Apply changed entitlements: an error to a stream that lost its data, all values to one that got them back.

        Other streams get the newest quote, because they may have missed some.
        """
        for stream in list(chain.from_iterable(self._streams.values())):
            entitlement = self._entitlement(
                self._faults.denied(stream.symbol, anew=False) or stream.denied, stream.wanted, stream.symbol
            )
            if entitlement.kind == stream.kind:
                if stream.kind is not None and not self._faults.hangs(stream.client.client_id):
                    self._send_quote(stream)
                continue
            stream.kind, stream.last_sent = entitlement.kind, None
            if entitlement.error is not None:
                stream.client.send_error(stream.request_id, *entitlement.error)
            if stream.kind is not None:
                stream.shape = stream.shape._replace(delayed=stream.kind >= DELAYED)
                stream.client.send(replies.market_data_type(stream.request_id, stream.kind))
                self._send_quote(stream)

    # Quotes

    def _stream(self, client: Client, request: MarketDataRequest, symbol: str) -> None:
        request_id = request.request_id
        names = read_generic_ticks(request.generic_ticks)
        wrong = [name for name in names if name.split(":")[0] != "mdoff" and not _is_supported(name)]
        own = [stream for stream in chain.from_iterable(self._streams.values()) if stream.client is client]
        if any(stream.request_id == request_id for stream in own):
            client.send_error(request_id, *errors.DUPLICATE_TICKER)
        elif wrong:
            supported = ",".join(f"{number}({name})" for number, name in _SUPPORTED.items())
            cause = f"Incorrect generic tick list of {request.generic_ticks}.  Legal ones for (STK) are: {supported}"
            client.send_error(request_id, *errors.INVALID.about(cause))
        elif names and request.snapshot:
            cause = "Snapshot market data subscription is not applicable to generic ticks"
            client.send_error(request_id, *errors.INVALID.about(cause))
        elif len(own) >= self._policy.market_data_lines and not request.snapshot:
            client.send_error(request_id, *errors.TOO_MANY_TICKERS)
        else:
            self._start(client, request, symbol, names)

    def _start(self, client: Client, request: MarketDataRequest, symbol: str, names: Sequence[str]) -> None:
        request_id = request.request_id
        generic = frozenset(int(name.split(":")[0]) for name in names if name != "mdoff")
        denied = self._faults.denied(symbol, anew=True)
        entitlement = self._entitlement(denied, client.data_type, symbol)
        delayed = entitlement.kind is not None and entitlement.kind >= DELAYED
        shape = Shape(client.lots, delayed, "mdoff" not in names, generic)
        stream = _Stream(
            client, request_id, symbol, shape, str(request_id).encode(), client.data_type, entitlement.kind, denied
        )
        if not delayed:
            client.send(stream_parameters(request_id, self._policy.price_grid))
        if entitlement.error is not None:
            client.send_error(request_id, *entitlement.error)
        if entitlement.kind is None:
            return
        client.send(replies.market_data_type(request_id, entitlement.kind))
        if delayed:
            client.send(stream_parameters(request_id, self._policy.price_grid))
        self._send_quote(stream)
        if request.snapshot:
            client.send(replies.snapshot_end(request_id))
        else:
            self._streams.setdefault(symbol, []).append(stream)

    def _send_quote(self, stream: _Stream) -> None:
        """Sends what the client does not have yet: at first, everything."""
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
            ticks = encode_ticks(quote, stream.last_sent, stream.shape, len(stream.encoded_id))
            stream.last_sent = quote
            if ticks.number:
                stream.client.send_encoded(ticks.to(stream.encoded_id), ticks.number)

    def _entitlement(self, denied: int | None, wanted: int, symbol: str) -> Entitlement:
        now_ns = self._exchange.now_ns
        session = self._history.session_at(now_ns)
        is_open = session is not None and session.open_ns <= now_ns < session.close_ns
        return entitlement_for(denied, wanted, symbol, is_open=is_open)

    # Single ticks and bars

    def _single_ticks(self, client: Client, request: TickByTickRequest, symbol: str) -> None:
        request_id = request.request_id
        if request.kind not in ("Last", "AllLast", "BidAsk", "MidPoint"):
            client.send_error(request_id, *errors.BAD_TICK_BY_TICK.about(f"Invalid tick type {request.kind}"))
        elif self._has(client, request_id, SingleTicks):
            client.send_error(request_id, *errors.DUPLICATE_TICKER)
        elif self._count(client, SingleTicks) >= self._policy.tick_by_tick_lines:
            client.send_error(request_id, *errors.TOO_MANY_TICK_BY_TICK)
        elif self._may_see(client, request_id, symbol):
            if request.count:
                client.send(latest_ticks(self._history, symbol, request, self._exchange.now_ns, lots=client.lots))
            self._add(SingleTicks(client, request, symbol, self._exchange.quote(symbol)))

    def _real_time_bars(self, client: Client, request: RealTimeBarsRequest, symbol: str) -> None:
        request_id = request.request_id
        if request.what not in WHAT[:4]:
            client.send_error(request_id, *errors.INVALID.about(f"Invalid what to show {request.what}"))
        elif self._has(client, request_id, FiveSeconds):
            client.send_error(request_id, *errors.DUPLICATE_TICKER)
        elif self._may_see(client, request_id, symbol):
            self._add(FiveSeconds(client, request, symbol, self._exchange.now_ns, self._exchange.quote(symbol)))

    def _may_see(self, client: Client, request_id: int, symbol: str) -> bool:
        """Whether a client gets live data; if not, it gets an error. Ticks and bars are never delayed."""
        entitlement = self._entitlement(self._faults.denied(symbol, anew=True), LIVE, symbol)
        if entitlement.error is not None:
            client.send_error(request_id, *entitlement.error)
        return entitlement.kind is not None

    def _add(self, subscription: Subscription) -> None:
        self._subscriptions.setdefault(subscription.symbol, []).append(subscription)

    def _of(self, client: Client, kind: type[Subscription]) -> Iterator[Subscription]:
        subscriptions = chain.from_iterable(self._subscriptions.values())
        return (
            subscription
            for subscription in subscriptions
            if subscription.client is client and isinstance(subscription, kind)
        )

    def _has(self, client: Client, request_id: int, kind: type[Subscription]) -> bool:
        return any(subscription.request_id == request_id for subscription in self._of(client, kind))

    def _count(self, client: Client, kind: type[Subscription]) -> int:
        return sum(1 for _ in self._of(client, kind))

    def _drop(self, client: Client, request_id: int, kind: type[Subscription]) -> bool:
        for subscription in self._of(client, kind):
            if subscription.request_id == request_id:
                self._subscriptions[subscription.symbol].remove(subscription)
                return True
        return False

    def _drop_stream(self, client: Client, request_id: int) -> bool:
        for streams in self._streams.values():
            for stream in streams:
                if stream.client is client and stream.request_id == request_id:
                    streams.remove(stream)
                    return True
        return False
