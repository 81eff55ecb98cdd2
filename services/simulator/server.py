"""The TWS socket of the simulated IB Gateway: asyncio on one side, the request dispatcher on the other.

This is the only file with a TCP socket. Everything that results from one request or one step of the market is one write
to each client: a client never sees half a step, and ib_insync decodes small writes fastest.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import cast

from services.simulator.fault_effects import FaultEffects
from services.simulator.requests.client import Client
from services.simulator.requests.dispatch import AdvanceResult, ExchangeLedger, LedgerFailed, RequestDispatcher
from services.simulator.requests.pacing import RateLimit
from services.simulator.venue.exchange import Exchange
from services.simulator.wire import errors, replies
from services.simulator.wire.decode import UnreadableRequest, decode
from services.simulator.wire.framing import MAX_FRAME, MAX_OPENING, FrameReader, ProtocolError, negotiate
from services.simulator.wire.requests import StartApiRequest

__all__ = ["TwsServer"]

log = logging.getLogger(__name__)

_GRACE_S = 1.0
"""How long the server waits for the last bytes when it stops: a client may never read them."""

_OPENING_S = 30.0
"""How long a connection may take to send startApi: otherwise an idle one would block a place."""

_CLIENT_ID_IN_USE = (326, "Unable to connect as the client id is already in use. Retry with a unique client id.")


class TwsServer:
    """Listens for TWS API clients and serves them on one exchange.

    With `port` 0 it takes a free one, which `port` then shows. `max_buffer` (bytes) bounds what waits for a client that
    doesn't read; a client above it is dropped. `max_connections` bounds the connections; one more is closed at once.
    Nothing here moves the market: the owner of the clock calls `advance`.
    """

    def __init__(
        self,
        exchange: Exchange,
        store: ExchangeLedger,
        host: str,
        port: int,
        *,
        download_open_orders: bool = True,
        max_buffer: int = 16 * 1024 * 1024,
        max_connections: int = 500,
    ) -> None:
        self.host = host
        self.port = port
        self.max_buffer = max_buffer
        self.max_connections = max_connections
        self.max_rate = exchange.policy.messages_per_s
        self.old_clients_get_lots = exchange.policy.old_clients_get_lots
        self.dispatcher = RequestDispatcher(
            exchange,
            store,
            download_open_orders=download_open_orders,
        )
        self.effects = FaultEffects(self.dispatcher, self)
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._reopening: asyncio.Task[None] | None = None
        self._ledger_error: LedgerFailed | None = None
        self._search_scheduled = False

    async def start(self) -> None:
        """Starts to listen. OSError if the address is not available."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self.connection, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def connection(self) -> asyncio.Protocol:
        """The asyncio protocol of a new connection."""
        return _Connection(self)

    async def stop(self) -> None:
        """Ends all connections and stops listening."""
        if self._reopening is not None:
            await asyncio.wait((self._reopening,))
        if self._server is not None:
            self._server.close()
        closing = [connection.disconnect() for connection in self.connections]
        if closing:
            _, stuck = await asyncio.wait(closing, timeout=_GRACE_S)
            for connection in self.connections:
                connection.abort()
            if stuck:
                await asyncio.wait(stuck)
        if self._server is not None:
            await self._server.wait_closed()

    def advance(self, to_ns: int, *, one: bool = False) -> AdvanceResult:
        """Moves the market to `to_ns` (`one`: by one event at most), saves, and sends the reports.

        It stops at the time of each fault on the way, so that faults start and end on time, however far it moves.

        LedgerFailed if saving fails, or failed before. The clients are then disconnected; only a restart from the
        ledger helps.
        """
        if self._ledger_error is not None:
            raise self._ledger_error
        orders, symbols = False, dict[str, None]()
        try:
            while not one and (due := self.dispatcher.faults.next_ns()) is not None and due < to_ns:
                moved = self._advance(due, one=False)
                orders, symbols = orders or moved.orders, symbols | dict.fromkeys(moved.symbols)
            moved = self._advance(to_ns, one=one)
        except LedgerFailed as error:
            self.abort_all(error)
            raise
        return AdvanceResult(orders or moved.orders, tuple(symbols | dict.fromkeys(moved.symbols)))

    def _advance(self, to_ns: int, *, one: bool) -> AdvanceResult:
        """Moves the market; no fault is due before `to_ns`."""
        moved = self.dispatcher.advance(to_ns, one=one)
        happened = self.effects.pass_time()
        self.flush()
        return moved if not happened else moved._replace(orders=True)

    def wire_counts(self) -> dict[int, tuple[int, int]]:
        """Frames received from and sent to each connected client after the handshake, by client id."""
        return {client_id: (client.received, client.sent) for client_id, client in self.dispatcher.clients.items()}

    def flush(self) -> None:
        """Writes the outboxes to the sockets, and performs effects that faults added meanwhile."""
        for connection in list(self.connections):
            connection.flush()
        if self.dispatcher.faults.effects and self.effects.perform():
            for connection in list(self.connections):
                connection.flush()
        if self.dispatcher.historical_data.searching and not self._search_scheduled:
            self._search_scheduled = True
            asyncio.get_running_loop().call_soon(self._search)

    def _search(self) -> None:
        """One piece of a long historical search. The next one follows after the other work of the event loop."""
        self._search_scheduled = False
        self.dispatcher.historical_data.search()
        self.flush()

    def send(self, client_id: int, frames: Sequence[bytes]) -> None:
        """Writes frames to a client, unaffected by faults."""
        for connection in self.connections:
            if connection.client_id == client_id:
                connection.write(frames)

    def listen(self, wanted: bool) -> None:
        """Stop or start to listen. Existing connections stay."""
        if self._server is None or wanted is self._server.is_serving():
            return
        if not wanted:
            self._server.close()
        elif self._reopening is None or self._reopening.done():
            self._reopening = asyncio.get_running_loop().create_task(self.start())

    def resume_reading(self) -> None:
        """Process what connections held back while they hung, except on those that still hang."""
        for connection in list(self.connections):
            connection.resume_reading()

    def disconnect(self, client_id: int | None) -> None:
        """Close the connection of one client, or all, after their outboxes were written."""
        for connection in list(self.connections):
            connection.flush()
            if client_id in (None, connection.client_id):
                connection.disconnect()

    def abort_all(self, error: LedgerFailed) -> None:
        """Close every connection without sending its answers: clients must not see what the ledger doesn't hold."""
        log.critical("%s", error)
        self._ledger_error = error
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.abort()


class _Connection(asyncio.Protocol):
    """One socket: handshake, startApi, then requests until it closes."""

    def __init__(self, server: TwsServer) -> None:
        self._server = server
        self._frames = FrameReader(MAX_OPENING)
        self._version = 0
        self._client: Client | None = None
        self._rate_limit: RateLimit | None = None
        self._held_back: list[bytes] = []
        loop = asyncio.get_running_loop()
        self._startup_timer = loop.call_later(_OPENING_S, self._startup_timed_out)
        self._closed = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio sets TCP_NODELAY by itself.
        self._transport = cast("asyncio.Transport", transport)
        self._name = str(self._transport.get_extra_info("peername"))
        if len(self._server.connections) >= self._server.max_connections:
            log.error("%s is refused: there are %d connections", self._name, len(self._server.connections))
            self._transport.abort()
            return
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._startup_timer.cancel()
        if self._client is not None:
            self._server.dispatcher.remove_client(self._client)
            log.info("client %d disconnected (%s)", self._client.client_id, exc or "closed")
        if not self._closed.done():
            self._closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._frames.feed(data):
                if self._transport.is_closing():
                    return
                self._take(payload)
                self._server.effects.perform()
                self._server.flush()
        except ProtocolError as error:
            log.error("%s is cut off: %s", self._name, error)
            self._transport.abort()
        except LedgerFailed as error:
            self._server.abort_all(error)

    def flush(self) -> None:
        """Writes the client's outbox, and drops the client if it has stopped reading."""
        faults = self._server.dispatcher.faults
        if self._client is None or self._transport.is_closing():
            return
        if faults.hangs(self.client_id):
            if self._client.waiting > self._server.max_buffer:
                log.error("client %d is dropped: %d bytes wait while it hangs", self.client_id, self._client.waiting)
                self._transport.abort()
            return
        before = self._client.sent
        if data := self._client.take():
            if faults.active:
                data, count = faults.frames(self.client_id, data)
                self._client.sent = before + count
            self._transport.write(data)
            waiting = self.waiting()
            if waiting > self._server.max_buffer:
                log.error("client %d is dropped: %d bytes wait to be read", self._client.client_id, waiting)
                self._transport.abort()

    def waiting(self) -> int:
        """Bytes that the client has not read yet."""
        return self._transport.get_write_buffer_size()

    def write(self, frames: Sequence[bytes]) -> None:
        """Writes frames, after those that wait in the outbox."""
        self.flush()
        if self._client is not None and not self._transport.is_closing():
            self._client.sent += len(frames)
            self._transport.write(b"".join(frames))

    def disconnect(self) -> asyncio.Future[None]:
        """Closes after everything is written; the future is done once it is closed."""
        self._transport.close()
        return self._closed

    def abort(self) -> None:
        """Closes at once."""
        self._transport.abort()

    def _startup_timed_out(self) -> None:
        if self._server.dispatcher.faults.hangs(self.client_id):
            loop = asyncio.get_running_loop()
            self._startup_timer = loop.call_later(_OPENING_S, self._startup_timed_out)
            return
        log.error("%s is cut off: it hasn't started the API within %g s", self._name, _OPENING_S)
        self._transport.abort()

    @property
    def client_id(self) -> int:
        """The client id; -1 before startApi."""
        return -1 if self._client is None else self._client.client_id

    def resume_reading(self) -> None:
        """Process what was held back, unless it still hangs."""
        while self._held_back and not self._server.dispatcher.faults.hangs(self.client_id):
            self._receive(self._held_back.pop(0))

    def _take(self, payload: bytes) -> None:
        """One frame: processed, or held back while the gateway hangs."""
        if self._client is not None:
            self._client.received += 1
        if not self._server.dispatcher.faults.hangs(self.client_id):
            self._receive(payload)
            return
        self._held_back.append(payload)
        if sum(map(len, self._held_back)) > self._server.max_buffer:
            log.error("client %d is dropped: it asks on while the gateway hangs", self.client_id)
            self._transport.abort()

    def _receive(self, payload: bytes) -> None:
        if not self._version:
            self._version = negotiate(payload)
            self._transport.write(replies.greeting(self._version, self._server.dispatcher.now_ns))
        elif self._client is None:
            self._start(payload)
        else:
            self._server.dispatcher.receive(self._client, payload)
            self._check_rate(self._client)

    def _check_rate(self, client: Client) -> None:
        """Sends an error to a client that asks too fast, and disconnects one that continues."""
        if not self._server.max_rate:
            return
        if self._rate_limit is None:
            self._rate_limit = RateLimit(self._server.max_rate)
        error = self._rate_limit.count(asyncio.get_running_loop().time())
        if error is None:
            return
        client.send_error(-1, *error)
        if self._rate_limit.strikes >= errors.STRIKES:
            log.error("client %d is cut off: it asks too fast", client.client_id)
            self.flush()
            self._transport.close()

    def _is_taken(self, client_id: int) -> bool:
        return client_id in self._server.dispatcher.clients or self._server.dispatcher.faults.takes_id(client_id)

    def _start(self, payload: bytes) -> None:
        """Reads startApi. Nothing is answered before it."""
        try:
            request = decode(payload, self._version, client_id=-1)
        except UnreadableRequest as error:
            log.error("%s before startApi: %s", self._name, error)
            return
        if not isinstance(request, StartApiRequest):
            log.error("%s asks before startApi", self._name)
        elif self._is_taken(request.client_id):
            log.warning("%s: client id %d is in use", self._name, request.client_id)
            self._transport.write(replies.error(-1, *_CLIENT_ID_IN_USE, self._version))
            self._transport.close()
        else:
            self._startup_timer.cancel()
            self._frames.limit = MAX_FRAME
            lots = self._version < 159 and self._server.old_clients_get_lots
            self._client = Client(request.client_id, self._version, lots=lots)
            self._client.received += 1
            self._server.dispatcher.add_client(self._client)
            log.info("client %d connected at version %d", self._client.client_id, self._version)
