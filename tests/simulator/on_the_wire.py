"""The base of the wire tests: a scripted market behind a real socket, and real clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import ib_insync as ibi

from messages.market import Session
from services.configuration.broker_policy import Policy
from services.simulator.server import TwsServer
from services.simulator.venue.events import EventKey, MarketEvent
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.persistence import Changes

__all__ = [
    "ACCOUNT",
    "CALM",
    "OPEN_NS",
    "SECOND",
    "TSLA",
    "Gateway",
    "ask",
    "gateway",
    "ready",
    "rows",
    "trades",
    "trail",
]

ACCOUNT = "DU1234567"
SECOND = 1_000_000_000
OPEN_NS = 1_647_955_800 * SECOND  # 2022-03-22 09:30 in New York
SESSION = Session("2022-03-22", OPEN_NS, OPEN_NS + 23_400 * SECOND)


def trades(symbol: str, *prices: float) -> list[MarketEvent]:
    """One trade a second from the open on, a cent between it and either side."""
    return [
        MarketEvent(
            time_ns=OPEN_NS + at * SECOND,
            symbol=symbol,
            row=at,
            price=price,
            size=100 + at,
            bid=round(price - 0.01, 2),
            ask=round(price + 0.01, 2),
            bid_size=200,
            ask_size=300,
        )
        for at, price in enumerate(prices)
    ]


TSLA = ibi.Stock("TSLA", "SMART", "USD")
CALM = trades("TSLA", *[10.0] * 20)


class WrittenMarket:
    """A market source of given events."""

    def __init__(self, events: Sequence[MarketEvent]) -> None:
        self._events = sorted(events, key=lambda event: event.key)
        self.symbols = tuple(sorted({event.symbol for event in events}))

    def events(self, after: EventKey | None, _sessions: Sequence[Session]) -> Iterator[MarketEvent]:
        return (event for event in self._events if after is None or event.key > after)


class ListLedger:
    """A ledger in a list; with `broken` it fails."""

    def __init__(self) -> None:
        self.saved: list[Changes] = []
        self.broken = False

    def save(self, changes: Changes) -> None:
        if self.broken:
            raise OSError("no space left on device")
        self.saved.append(changes)


class Gateway:
    """A running server on a scripted market, and its clients."""

    def __init__(self, events: Sequence[MarketEvent], **options: Any) -> None:
        policy = options.pop("policy", Policy())
        self.ledger = ListLedger()
        self.exchange = Exchange(
            WrittenMarket(events),
            options.pop("sessions", [SESSION]),
            accounts=options.pop("accounts", [AccountTerms(account=ACCOUNT)]),
            start_ns=OPEN_NS - 60 * SECOND,
            policy=policy,
        )
        self.server = TwsServer(self.exchange, self.ledger, "127.0.0.1", 0, **options)
        self.clients: list[ibi.IB] = []
        self.received: dict[int, list[list[str]]] = {}

    async def connect(self, client_id: int = 1, *, highest_version: int = 176, readonly: bool = False) -> ibi.IB:
        """A connected and synchronized client of the real library; its messages are also kept in `received`."""
        ib = ibi.IB()
        ib.client.MaxClientVersion = highest_version
        ib.client.MaxRequests = 0  # the library holds back what exceeds 45 requests a second
        received: list[list[str]] = []
        self.received[client_id] = received
        interpret = ib.client.decoder.interpret

        def record(fields: list[str]) -> None:
            received.append(list(fields))
            interpret(fields)

        ib.client.decoder.interpret = record
        await ib.connectAsync("127.0.0.1", self.server.port, client_id, readonly=readonly)
        self.clients.append(ib)
        return ib

    async def step(self, count: int = 1) -> None:
        """Runs that many market events, one by one, after the requests sent before."""
        await self.settle()
        for _ in range(count):
            due = self.exchange.next_event_ns()
            assert due is not None, "the market is over"
            self.server.advance(due, one=True)
            await self.settle()

    async def settle(self) -> None:
        """Waits until both sides of every socket have counted the same frames, twice in a row."""
        async with asyncio.timeout(5):
            alike = 0
            while alike < 2:
                await asyncio.sleep(0.001)
                alike = alike + 1 if self.quiet() else 0

    async def news(self, client_id: int) -> list[str]:
        """New messages to a client, without account messages, in short form: `3 7 Submitted`, `4 7 202`."""
        await self.settle()
        found = [_short(fields) for fields in self.received[client_id] if fields[0] not in _ACCOUNT]
        self.received[client_id].clear()
        return found

    async def disconnect(self, *clients: ibi.IB) -> None:
        """Disconnects clients and waits until the server has noticed it."""
        gone = {ib.client.clientId for ib in clients}
        for ib in clients:
            ib.disconnect()
        async with asyncio.timeout(5):
            while gone & set(self.server.wire_counts()):
                await asyncio.sleep(0.001)

    def quiet(self) -> bool:
        """Whether the wire is empty. Only the client's side counts the handshake."""
        counts = self.server.wire_counts()
        seen = {
            ib.client.clientId: (ib.client.conn.numMsgSent - 1, ib.client._numMsgRecv - 1) for ib in self.connected()
        }
        return counts == seen

    def connected(self) -> list[ibi.IB]:
        return [ib for ib in self.clients if ib.isConnected()]


@asynccontextmanager
async def gateway(*events: Sequence[MarketEvent], **options: Any) -> AsyncIterator[Gateway]:
    """A gateway for the duration of a test."""
    simulator = Gateway([event for symbol in events for event in symbol], **options)
    await simulator.server.start()
    try:
        yield simulator
    finally:
        for ib in simulator.connected():
            ib.disconnect()
        await simulator.server.stop()


def trail(quantity: float, *, parent: int = 0, **details: Any) -> ibi.Order:
    percent = {} if "auxPrice" in details else {"trailingPercent": 10.0}
    return ibi.Order(
        orderType="TRAIL", action="SELL", totalQuantity=quantity, tif="GTC", parentId=parent, **percent, **details
    )


async def ready(simulator: Gateway, client_id: int = 1) -> ibi.IB:
    """A client, after the first trade."""
    ib = await simulator.connect(client_id)
    await simulator.step()
    await simulator.news(client_id)
    return ib


_ACCOUNT = ("6", "7", "8", "61", "73")
_SHORT_FIELDS = {
    "1": (3, 4),
    "2": (3, 4),
    "3": (1, 2, 10),
    "4": (2, 3),
    "5": (1,),
    "11": (2,),
    "45": (3, 4),
    "46": (3, 4),
}


def _short(fields: list[str]) -> str:
    """Message id and the most important fields: order id, status and why held, error code, tick type and price."""
    return " ".join([fields[0], *(fields[at] for at in _SHORT_FIELDS.get(fields[0], ()))]).strip()


async def rows(reader: asyncio.StreamReader, count: int) -> list[list[str]]:
    """The next frames from a bare socket, as rows of fields."""
    found = []
    async with asyncio.timeout(5):
        for _ in range(count):
            length = int.from_bytes(await reader.readexactly(4), "big")
            found.append((await reader.readexactly(length)).decode().removesuffix("\0").split("\0"))
    return found


def ask(*fields: object) -> bytes:
    """One request, as a client would send it."""
    payload = "".join(f"{field}\0" for field in fields).encode()
    return len(payload).to_bytes(4, "big") + payload
