"""The TWS socket of the simulated IB Gateway: asyncio on one side, the desk on the other. The only file with a socket.

All that follows from one request or one step of the market is written to a client in one go: a client never sees half a
step, and small writes are what ib_insync decodes fastest.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import cast

from services.simulator.fault_effects import FaultEffects
from services.simulator.requests.client import Client
from services.simulator.requests.dispatch import Desk, Ledger, LedgerLost, Moved
from services.simulator.requests.pacing import Pacing
from services.simulator.venue.exchange import Exchange
from services.simulator.wire import complaints, replies
from services.simulator.wire.decode import UnreadableRequest, decode
from services.simulator.wire.framing import MAX_FRAME, MAX_OPENING, FrameReader, ProtocolError, negotiate
from services.simulator.wire.requests import StartApi

__all__ = ["TwsServer"]

log = logging.getLogger(__name__)

_GRACE_S = 1.0
"""How long the last bytes may take to leave when the server stops: a client that never reads would take for ever."""

_OPENING_S = 30.0
"""How long a connection may take to say who it is: one that never does would keep its place for ever."""

_CLIENT_ID_IN_USE = (326, "Unable to connect as the client id is already in use. Retry with a unique client id.")


class TwsServer:
    """Listens for TWS API clients and serves them on one exchange.

    `port` 0 takes a free one; `port` tells which. `max_buffer` (bytes) bounds what waits for a client that doesn't
    read: beyond it the client is dropped. `max_connections` bounds how many there are; one more is closed at once.
    Nothing here moves the market: whoever owns the clock calls `advance`.
    """

    def __init__(
        self,
        exchange: Exchange,
        store: Ledger,
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
        self.desk = Desk(
            exchange,
            store,
            download_open_orders=download_open_orders,
        )
        self.effects = FaultEffects(self)
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._reopening: asyncio.Task[None] | None = None
        self._lost: LedgerLost | None = None
        self._goes_on = False

    async def start(self) -> None:
        """Begins to listen. OSError if the address can't be had."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self.connection, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def connection(self) -> asyncio.Protocol:
        """The protocol of one more connection."""
        return _Connection(self)

    async def stop(self) -> None:
        """Ends all connections and stops listening."""
        if self._reopening is not None:
            await asyncio.wait((self._reopening,))
        if self._server is not None:
            self._server.close()
        closing = [connection.hang_up() for connection in self.connections]
        if closing:
            _, stuck = await asyncio.wait(closing, timeout=_GRACE_S)
            for connection in self.connections:
                connection.abort()
            if stuck:
                await asyncio.wait(stuck)
        if self._server is not None:
            await self._server.wait_closed()

    def advance(self, to_ns: int, *, one: bool = False) -> Moved:
        """Moves the market to `to_ns` (`one`: by one event at most), saves, and tells the clients.

        On the way it stops where a fault is due, so that one begins and ends at its time however far the market moves.

        LedgerLost if it can't be saved, now or ever since: the clients are gone then, and only a restart from the
        ledger helps.
        """
        if self._lost is not None:
            raise self._lost
        orders, symbols = False, dict[str, None]()
        try:
            while not one and (due := self.desk.faults.next_ns()) is not None and due < to_ns:
                moved = self._advance(due, one=False)
                orders, symbols = orders or moved.orders, symbols | dict.fromkeys(moved.symbols)
            moved = self._advance(to_ns, one=one)
        except LedgerLost as error:
            self.give_up(error)
            raise
        return Moved(orders or moved.orders, tuple(symbols | dict.fromkeys(moved.symbols)))

    def _advance(self, to_ns: int, *, one: bool) -> Moved:
        """Moves it so far, past no fault."""
        moved = self.desk.advance(to_ns, one=one)
        happened = self.effects.pass_time()
        self.flush()
        return moved if not happened else moved._replace(orders=True)

    def wire_counts(self) -> dict[int, tuple[int, int]]:
        """Frames received from and sent to each connected client after the handshake, by client id."""
        return {client_id: (client.received, client.sent) for client_id, client in self.desk.clients.items()}

    def flush(self) -> None:
        """Writes what waits in the outboxes, and what faults want done about it."""
        for connection in list(self.connections):
            connection.flush()
        if self.desk.faults.effects and self.effects.perform():
            for connection in list(self.connections):
                connection.flush()
        if self.desk.past.searching and not self._goes_on:
            self._goes_on = True
            asyncio.get_running_loop().call_soon(self._search)

    def _search(self) -> None:
        """One piece of a long search into the past, and the next one when everybody else had a turn."""
        self._goes_on = False
        self.desk.past.search()
        self.flush()

    def say(self, client_id: int, frames: Sequence[bytes]) -> None:
        """Writes frames to a client that was said to wait, past all faults."""
        for connection in self.connections:
            if connection.client_id == client_id:
                connection.write(frames)

    def listen(self, wanted: bool) -> None:
        """Stop listening while faults have it so, and begin again afterwards. Who is connected stays."""
        if self._server is None or wanted is self._server.is_serving():
            return
        if not wanted:
            self._server.close()
        elif self._reopening is None or self._reopening.done():
            self._reopening = asyncio.get_running_loop().create_task(self.start())

    def read_on(self) -> None:
        """Read what connections held back while they hung, as far as they don't any more."""
        for connection in list(self.connections):
            connection.read_on()

    def hang_up(self, client_id: int | None) -> None:
        """Close the connection of a client, or all, after what was said."""
        for connection in list(self.connections):
            connection.flush()
            if client_id in (None, connection.client_id):
                connection.hang_up()

    def give_up(self, error: LedgerLost) -> None:
        """Nobody may learn what the ledger doesn't hold: every connection is cut, with its answers unsent."""
        log.critical("%s", error)
        self._lost = error
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
        self._pacing: Pacing | None = None
        self._held: list[bytes] = []
        loop = asyncio.get_running_loop()
        self._late = loop.call_later(_OPENING_S, self._wait_no_longer)
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
        self._late.cancel()
        if self._client is not None:
            self._server.desk.leave(self._client)
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
        except LedgerLost as error:
            self._server.give_up(error)

    def flush(self) -> None:
        """Writes the client's outbox, and drops the client if it has stopped reading."""
        faults = self._server.desk.faults
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
        """Bytes that the client has not taken yet."""
        return self._transport.get_write_buffer_size()

    def write(self, frames: Sequence[bytes]) -> None:
        """Writes frames, after those that wait in the outbox."""
        self.flush()
        if self._client is not None and not self._transport.is_closing():
            self._client.sent += len(frames)
            self._transport.write(b"".join(frames))

    def hang_up(self) -> asyncio.Future[None]:
        """Closes after what was written; done once it is closed."""
        self._transport.close()
        return self._closed

    def abort(self) -> None:
        """Closes at once."""
        self._transport.abort()

    def _wait_no_longer(self) -> None:
        log.error("%s is cut off: it hasn't started the API within %g s", self._name, _OPENING_S)
        self._transport.abort()

    @property
    def client_id(self) -> int:
        """Who it is; -1 before it said so."""
        return -1 if self._client is None else self._client.client_id

    def read_on(self) -> None:
        """Take up what was held back, unless it still hangs."""
        while self._held and not self._server.desk.faults.hangs(self.client_id):
            self._receive(self._held.pop(0))

    def _take(self, payload: bytes) -> None:
        """One frame: dealt with, or held back while the gateway hangs."""
        if self._client is not None:
            self._client.received += 1
        if not self._server.desk.faults.hangs(self.client_id):
            self._receive(payload)
            return
        self._held.append(payload)
        if sum(map(len, self._held)) > self._server.max_buffer:
            log.error("client %d is dropped: it asks on while the gateway hangs", self.client_id)
            self._transport.abort()

    def _receive(self, payload: bytes) -> None:
        if not self._version:
            self._version = negotiate(payload)
            self._transport.write(replies.greeting(self._version, self._server.desk.now_ns))
        elif self._client is None:
            self._start(payload)
        else:
            self._server.desk.receive(self._client, payload)
            self._keep_pace(self._client)

    def _keep_pace(self, client: Client) -> None:
        """Complains about who asks too fast, and hangs up on who goes on."""
        if not self._server.max_rate:
            return
        if self._pacing is None:
            self._pacing = Pacing(self._server.max_rate)
        complaint = self._pacing.count(asyncio.get_running_loop().time())
        if complaint is None:
            return
        client.complain(-1, *complaint)
        if self._pacing.strikes >= complaints.STRIKES:
            log.error("client %d is cut off: it asks too fast", client.client_id)
            self.flush()
            self._transport.close()

    def _is_taken(self, client_id: int) -> bool:
        return client_id in self._server.desk.clients or self._server.desk.faults.takes_id(client_id)

    def _start(self, payload: bytes) -> None:
        """Reads startApi. Before it, nothing is answered."""
        try:
            request = decode(payload, self._version, client_id=-1)
        except UnreadableRequest as error:
            log.error("%s before startApi: %s", self._name, error)
            return
        if not isinstance(request, StartApi):
            log.error("%s asks before startApi", self._name)
        elif self._is_taken(request.client_id):
            log.warning("%s: client id %d is in use", self._name, request.client_id)
            self._transport.write(replies.error(-1, *_CLIENT_ID_IN_USE, self._version))
            self._transport.close()
        else:
            self._late.cancel()
            self._frames.limit = MAX_FRAME
            lots = self._version < 159 and self._server.old_clients_get_lots
            self._client = Client(request.client_id, self._version, lots=lots)
            self._client.received += 1
            self._server.desk.welcome(self._client)
            log.info("client %d connected at version %d", self._client.client_id, self._version)
