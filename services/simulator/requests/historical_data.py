"""Requests for historical data (IBKR's "HMDS").

An answer never holds the future. If the loaded market lacks the data, the answer is error 162, as at IBKR. A long
search is done in pieces of one session, so that a request for a year delays no other client.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, assert_never

from messages.market import Session
from services.simulator.market.bars import (
    BAR_SIZES,
    WHAT,
    BarBuilder,
    BarSize,
    Duration,
    Stretch,
    bar_size,
    hours_of,
    read_duration,
    start_of,
    stretches,
)
from services.simulator.market.history import History, Search
from services.simulator.market.trading_hours import ZONE, session_texts
from services.simulator.requests.client import Client
from services.simulator.requests.historical_ticks import MAX_TICKS, wanted_ticks
from services.simulator.requests.live_data import LiveDataHandler
from services.simulator.requests.subscriptions import UpdatedBars
from services.simulator.venue.view import ExchangeView
from services.simulator.wire import errors, market_replies
from services.simulator.wire.contracts import Contract
from services.simulator.wire.errors import ErrorMessage
from services.simulator.wire.fields import FieldError, nanoseconds
from services.simulator.wire.market_requests import (
    HeadTimestampRequest,
    HistogramRequest,
    HistoricalDataRequest,
    HistoricalRequest,
    HistoricalTicksRequest,
    StopHeadTimestampRequest,
    StopHistogramRequest,
    StopHistoricalDataRequest,
)

__all__ = ["MAX_BARS", "HistoricalDataHandler"]

log = logging.getLogger(__name__)

MAX_BARS = 50_000
"""Bars of less than a day in one answer: two sessions of single seconds."""

_AT_ONCE = 3
"""Pieces of a search that are done at once: most searches end here."""

_NS = 1_000_000_000

_ERROR_NAMES = {"TRADES": "Trades", "MIDPOINT": "Midpoint", "BID": "Bid", "ASK": "Ask", "BID_ASK": "BidAsk"}


class _Pending(NamedTuple):
    client: Client
    request_id: int
    search: Search[None]


class HistoricalDataHandler:
    """Answers requests for historical data. Bars with updates go on to `live_data`."""

    def __init__(
        self,
        history: History,
        exchange: ExchangeView,
        find: Callable[[Client, int, Contract], str | None],
        live_data: LiveDataHandler,
    ) -> None:
        self._history = history
        self._exchange = exchange
        self._find = find
        self._live_data = live_data
        self._pending: deque[_Pending] = deque()

    @property
    def searching(self) -> int:
        """The number of unfinished searches."""
        return len(self._pending)

    def search(self) -> None:
        """Does one piece of the next search."""
        if self._pending:
            pending = self._pending.popleft()
            if self._step(pending, 1):
                self._pending.append(pending)

    def remove_client(self, client: Client) -> None:
        """The client disconnected: drop its searches."""
        self._pending = deque(pending for pending in self._pending if pending.client is not client)

    def handle(self, client: Client, request: HistoricalRequest) -> None:
        """Answers one request, at once or in pieces."""
        match request:
            case HistoricalDataRequest(request_id, contract):
                if symbol := self._find(client, request_id, contract):
                    self._bars(client, request, symbol)
            case StopHistoricalDataRequest(request_id):
                found = self._drop(client, request_id)
                if self._live_data.remove_updated_bars(client, request_id) or found:
                    client.send_error(request_id, *errors.QUERY_CANCELLED.about(request_id))
                else:
                    client.send_error(request_id, *errors.NO_QUERY.about(request_id))
            case HeadTimestampRequest(request_id, contract):
                if symbol := self._find(client, request_id, contract):
                    self._start(client, request_id, self._head(client, request, symbol))
            case HistoricalTicksRequest(request_id, contract):
                if symbol := self._find(client, request_id, contract):
                    self._ticks(client, request, symbol)
            case HistogramRequest(request_id, contract):
                if symbol := self._find(client, request_id, contract):
                    self._histogram(client, request, symbol)
            case StopHeadTimestampRequest(request_id) | StopHistogramRequest(request_id):
                self._drop(client, request_id)
            case _:
                assert_never(request)

    # Bars

    def _bars(self, client: Client, request: HistoricalDataRequest, symbol: str) -> None:
        request_id = request.request_id
        size, duration = bar_size(request.bar_size), read_duration(request.duration)
        end_ns = self._time(client, request_id, request.end, errors.BAD_END)
        if end_ns is None:
            return
        end_ns = end_ns or self._exchange.now_ns + 1  # includes the present moment
        cause = self._error_in(request, size, duration)
        if cause is not None:
            client.send_error(request_id, *errors.INVALID.about(cause))
            return
        assert size is not None
        assert duration is not None
        if request.what == "SCHEDULE":
            self._schedule(client, request, symbol, duration, end_ns)
        elif request.what not in WHAT:
            self._nothing(client, request_id, symbol, request.what)
        else:
            wanted = stretches(duration, end_ns, self._begun(), regular=request.regular)
            traded_s = sum(stretch.finish_ns - stretch.begin_ns for stretch in wanted) // _NS
            if size.unit == "second" and traded_s // size.seconds > MAX_BARS:
                client.send_error(request_id, *errors.TOO_LONG)
            else:
                begin_ns = start_of(duration, end_ns)
                search = self._bar_search(client, request, symbol, size, wanted, begin_ns, end_ns)
                self._start(client, request_id, search)

    @staticmethod
    def _error_in(request: HistoricalDataRequest, size: BarSize | None, duration: Duration | None) -> str | None:
        if size is None:
            legal = ", ".join(BAR_SIZES)
            return f"Historical data bar size setting is invalid. Legal ones are: {legal}"
        if duration is None:
            return "Historical data request duration string is invalid. Format is 'integer{SPACE}unit (S|D|W|M|Y)'"
        if duration.unit == "D" and duration.number > 365:
            return "Historical data requests for durations longer than 365 days must be made in years."
        if duration.unit == "M" and duration.number > 12:
            return "Historical data requests for durations longer than 12 months must be made in years."
        if duration.unit == "S" and duration.number > 86_400:
            return "Historical data requests for durations longer than 86400 seconds must be made in days."
        if request.keep and request.end:
            return "End date not supported with keepUpToDate"
        if request.keep and size.seconds < 5:
            return "Bar size is too small for keepUpToDate"
        if request.what == "ADJUSTED_LAST" and request.end:
            return "End date not supported with adjusted last"
        return None

    def _bar_search(
        self,
        client: Client,
        request: HistoricalDataRequest,
        symbol: str,
        size: BarSize,
        wanted: list[Stretch],
        begin_ns: int,
        end_ns: int,
    ) -> Search[None]:
        builder = BarBuilder(size, request.what, regular=request.regular)
        bars = yield from self._history.bars(symbol, wanted, builder, request.what)
        if not bars and not request.keep:
            self._nothing(client, request.request_id, symbol, request.what)
            return
        client.send(
            market_replies.historical_bars(
                request.request_id,
                begin_ns,
                end_ns,
                bars,
                size,
                trades=builder.trades,
                date_format=request.date_format,
                version=client.version,
                lots=client.lots,
            )
        )
        if request.keep:
            self._live_data.add_updated_bars(UpdatedBars(client, request, symbol, builder))

    def _schedule(
        self, client: Client, request: HistoricalDataRequest, symbol: str, duration: Duration, end_ns: int
    ) -> None:
        found = [stretch.session for stretch in stretches(duration, end_ns, self._begun(), regular=request.regular)]
        if not found:
            self._nothing(client, request.request_id, symbol, request.what)
            return
        rows = [session_texts(session, regular=request.regular) for session in found]
        client.send(market_replies.historical_schedule(request.request_id, ZONE, rows))

    # How far back

    def _head(self, client: Client, request: HeadTimestampRequest, symbol: str) -> Search[None]:
        if request.what not in WHAT:
            self._nothing(client, request.request_id, symbol, request.what)
            return
        first = yield from self._history.first(symbol, regular=request.regular)
        if first is None:
            self._nothing(client, request.request_id, symbol, request.what)
        else:
            client.send(market_replies.head_timestamp(request.request_id, first, request.date_format))

    # Single ticks

    def _ticks(self, client: Client, request: HistoricalTicksRequest, symbol: str) -> None:
        request_id = request.request_id
        start_ns = self._time(client, request_id, request.start, errors.BAD_START)
        end_ns = self._time(client, request_id, request.end, errors.BAD_END)
        if start_ns is None or end_ns is None:
            return
        if bool(start_ns) is bool(end_ns):
            cause = "Exactly one of start time and end time must be specified"
        elif request.what not in ("TRADES", "BID_ASK", "MIDPOINT"):
            cause = f"{request.what} is not supported"
        elif not 1 <= request.count <= MAX_TICKS:
            cause = f"Number of ticks must be from 1 to {MAX_TICKS}"
        else:
            cause = ""
        if cause:
            client.send_error(request_id, *errors.BAD_TICKS_QUERY.about(cause))
            return
        client.send(wanted_ticks(self._history, symbol, request, start_ns, end_ns, lots=client.lots))

    def _histogram(self, client: Client, request: HistogramRequest, symbol: str) -> None:
        found = _PERIODS.get(request.period.strip().rstrip("s"))
        if found is None:
            client.send_error(request.request_id, *errors.INVALID.about("Histogram data period is invalid"))
            return
        wanted = stretches(found, self._exchange.now_ns + 1, self._begun(), regular=request.regular)
        self._start(client, request.request_id, self._histogram_search(client, request.request_id, symbol, wanted))

    def _histogram_search(self, client: Client, request_id: int, symbol: str, wanted: list[Stretch]) -> Search[None]:
        shares: dict[float, int] = {}
        for stretch in wanted:
            for event in self._history.events(symbol, *stretch):
                if event.price is not None:
                    shares[event.price] = shares.get(event.price, 0) + event.size
            yield
        client.send(market_replies.histogram(request_id, sorted(shares.items())))

    # Shared

    def _begun(self) -> list[Session]:
        now_ns = self._exchange.now_ns
        return [each for each in self._history.sessions() if hours_of(each, regular=False)[0] <= now_ns]

    def _time(self, client: Client, request_id: int, text: str, error: ErrorMessage) -> int | None:
        """The time in a request; 0 if it is empty. None, with an error to the client, if it can't be read."""
        try:
            return nanoseconds(text) or 0
        except FieldError:
            client.send_error(request_id, *error)
            return None

    @staticmethod
    def _nothing(client: Client, request_id: int, symbol: str, what: str) -> None:
        client.send_error(request_id, *errors.NO_DATA.about(symbol, "SMART", _ERROR_NAMES.get(what, what)))

    def _start(self, client: Client, request_id: int, search: Search[None]) -> None:
        pending = _Pending(client, request_id, search)
        if self._step(pending, _AT_ONCE):
            self._pending.append(pending)

    def _step(self, pending: _Pending, pieces: int) -> bool:
        """Does some pieces of a search; True if more are left."""
        try:
            for _ in range(pieces):
                next(pending.search)
        except StopIteration:
            return False
        except Exception as error:
            log.exception("client %d: a search failed", pending.client.client_id)
            pending.client.send_error(pending.request_id, *errors.FAILED.about(error))
            return False
        return True

    def _drop(self, client: Client, request_id: int) -> bool:
        """Drops a search; True if there was one."""
        left = deque(each for each in self._pending if each.client is not client or each.request_id != request_id)
        found, self._pending = len(left) < len(self._pending), left
        return found


_PERIODS = {
    f"{count} {name}": Duration(count, unit)
    for name, unit in (("second", "S"), ("day", "D"), ("week", "W"), ("month", "M"), ("year", "Y"))
    for count in range(1, 61)
}
