"""How many ticks a second the simulated gateway pushes: python -m benchmarks.tick_push [--quick]

The real exchange model and the real TWS server on one core, a market of five symbols with a trade and a quote in each
event, and clients in a process of their own that only read. Counted are tick messages; time is the server's processor
time, from taking an event from the market to its last byte in the socket. Beside it, in the same run and on the same
bytes: how many of these messages ib_insync decodes in a second of its processor time.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection

import ib_insync as ibi

from messages.market import Session
from services.simulator.server import TwsServer
from services.simulator.venue.events import EventKey, MarketEvent
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.persistence import Changes

SECOND = 1_000_000_000
SYMBOLS = ("AA", "BB", "CC", "DD", "EE")
OPEN_NS = 1_647_955_800 * SECOND
TODAY = Session("2022-03-22", OPEN_NS, OPEN_NS + 23_400 * SECOND)
STEP = 20
"""Events in one step of the market: what is due when the clock looks."""

CLIENTS = (1, 10)
TARGET = 200_000


class Market:
    """A seeded walk of each symbol. See `services.simulator.venue.source.MarketSource`."""

    def __init__(self, events: int) -> None:
        self.symbols = SYMBOLS
        draw = random.Random(20)
        cents = dict.fromkeys(SYMBOLS, 10_000)
        self._events = []
        for row in range(events):
            symbol = SYMBOLS[row % len(SYMBOLS)]
            cents[symbol] += draw.randint(-5, 5)
            price = cents[symbol] / 100
            bid, ask = round(price - 0.01, 2), round(price + 0.01, 2)
            sizes = draw.randrange(1, 900), draw.randrange(1, 900), draw.randrange(1, 900)
            at = OPEN_NS + row * 50_000_000
            self._events.append(MarketEvent(at, symbol, row, price, sizes[0], bid, ask, sizes[1], sizes[2]))

    def events(self, _after: EventKey | None, _sessions: Sequence[Session]) -> Iterator[MarketEvent]:
        return iter(self._events)


class Nothing:
    """A ledger that is not measured: nobody trades."""

    def save(self, changes: Changes) -> None:
        pass


def read(port: int, clients: int, told: Connection) -> None:
    """Connects, asks for every symbol, and reads until it is told to stop; the first client keeps what it read."""
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(clients)]
    for number, each in enumerate(sockets, start=1):
        each.sendall(b"API\0" + framed("v157..178"))
        each.recv(100)
        each.sendall(framed(f"71\0002\0{number}\0\0"))
        for place, symbol in enumerate(SYMBOLS):
            contract = f"0\0{symbol}\0STK\0\0000.0\0\0\0SMART\0\0USD\0\0\0"
            each.sendall(framed(f"1\00011\0{100 + place}\0{contract}0\0\0000\0000\0\0"))
        each.setblocking(False)
    kept = bytearray()
    while not told.poll():
        idle = True
        for number, each in enumerate(sockets):
            try:
                data = each.recv(1 << 18)
            except BlockingIOError:
                continue
            idle = False
            if number == 0:
                kept += data
        if idle:
            time.sleep(0.0005)
    told.send_bytes(bytes(kept))


def framed(payload: str) -> bytes:
    """One message of a client."""
    return len(payload).to_bytes(4, "big") + payload.encode()


async def push(events: int, clients: int) -> tuple[float, bytes]:
    """Tick messages in a second of the server's processor time, all clients together, and what one client read."""
    accounts = [AccountTerms(account="DU1", cash=1e6)]
    exchange = Exchange(Market(events), [TODAY], accounts=accounts, start_ns=OPEN_NS - SECOND)
    server = TwsServer(exchange, Nothing(), "127.0.0.1", 0)
    await server.start()
    ours, theirs = multiprocessing.Pipe()
    reader = multiprocessing.get_context("fork").Process(target=read, args=(server.port, clients, theirs))
    reader.start()
    while sum(count[0] for count in server.wire_counts().values()) < clients * (1 + len(SYMBOLS)):
        await asyncio.sleep(0.01)
    sent = sum(count[1] for count in server.wire_counts().values())
    spent = 0.0
    for at in range(STEP, events + STEP, STEP):
        begun = time.process_time()
        server.advance(OPEN_NS + at * 50_000_000 - 1)
        await asyncio.sleep(0)
        spent += time.process_time() - begun
        while any(each.waiting() for each in server.connections):  # the reader's turn, on the other core
            await asyncio.sleep(0.001)
    sent = sum(count[1] for count in server.wire_counts().values()) - sent
    await asyncio.sleep(0.2)
    ours.send("enough")
    kept = ours.recv_bytes()
    reader.join()
    await server.stop()
    return sent / spent, kept


def decoded(data: bytes) -> float:
    """Messages that ib_insync decodes in a second of processor time, in pieces as it would read them."""
    ib = ibi.IB()
    client = ib.client
    client._serverVersion = client.decoder.serverVersion = 176
    client.connState = client.CONNECTED
    client._apiReady = True
    for place, symbol in enumerate(SYMBOLS):
        ib.wrapper.startTicker(100 + place, ibi.Stock(symbol, "SMART", "USD"), "mktData")
    begun = time.process_time()
    for at in range(0, len(data), 4096):
        client._onSocketHasData(data[at : at + 4096])
    spent = time.process_time() - begun
    return client._numMsgRecv / spent


def main() -> None:
    """Measures and prints."""
    events = 2_000 if "--quick" in sys.argv else 40_000
    rates = []
    for clients in CLIENTS:
        rate, data = asyncio.run(push(events, clients))
        rates.append(rate)
        print(f"{clients:2} client{'s' if clients > 1 else ' '}  {rate:12,.0f} ticks a second pushed by one core")
    theirs = decoded(data)
    print(f"ib_insync   {theirs:12,.0f} messages a second decoded by one core")
    verdict = "met" if rates[0] >= TARGET else "MISSED"
    one, ten = (rate / theirs for rate in rates)
    print(f"one client {one:.2f}x, ten {ten:.2f}x of what ib_insync decodes; {TARGET:,} a second to one {verdict}")


if __name__ == "__main__":
    main()
