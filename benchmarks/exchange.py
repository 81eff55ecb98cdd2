"""The simulated IB Gateway with a stopwatch: python -m benchmarks.exchange SETTINGS

The real TWS server on the real exchange model, in real time, on a market in which each symbol goes every four
seconds through the whole life of a position: an entry on a calm price, its fill on a jump, the stop's fill on a
fall, which ends at a price that is too high for an entry. The next calm tick is timed, from before it is written to
the socket until placeOrder is read and decoded.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence

from benchmarks.actors import session
from benchmarks.children import Measured, answer, orders
from benchmarks.figures import TICKS_PER_SECOND
from benchmarks.stages import Way
from messages.market import Session
from services.fleet.places import Fleet
from services.simulator.requests.client import Client
from services.simulator.server import TwsServer
from services.simulator.venue.events import EventKey, MarketEvent
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.store import Store
from services.simulator.wire import requests

SECOND = 1_000_000_000
CALM, JUMP, RISE, FALL = 900.0, 950.0, 1200.0, 1050.0
FALLEN = 10
"""Ticks from the stop's fill to the calm price: half a second, so that the fleet has booked the exit by then on a slow
disk, too. A calm price that comes earlier leads to no entry, and the wire does not repeat an unchanged price."""
PATH = (*(FALL,) * FALLEN, *(CALM,) * 50, *(JUMP,) * 10, *(RISE,) * 10)
"""The prices of four seconds, tick by tick."""
AGAIN = FALLEN
"""The place in it of the tick that leads to an entry."""
STRAGGLERS_S = 0.2


def place(number: int, symbols: int) -> int:
    """Where on its path the symbol of this tick is; each begins a little before the next."""
    round_, symbol = divmod(number, symbols)
    return (round_ + symbol * len(PATH) // symbols) % len(PATH)


class Market:
    """See `services.simulator.venue.source.MarketSource`."""

    def __init__(self, symbols: tuple[str, ...]):
        self.symbols = symbols

    def events(self, after: EventKey | None, sessions: Sequence[Session]) -> Iterator[MarketEvent]:
        begun, number = time.time_ns(), 0
        gap_ns = SECOND // (len(self.symbols) * TICKS_PER_SECOND)
        while sessions:
            price = PATH[place(number, len(self.symbols))]
            yield MarketEvent(
                time_ns=begun + number * gap_ns,
                symbol=self.symbols[number % len(self.symbols)],
                row=number,
                price=price,
                size=100,
                bid=price - 0.01,
                ask=price + 0.01,
                bid_size=1000,
                ask_size=1000,
            )
            number += 1


class TimedServer(TwsServer):
    """Remembers when it last wrote."""

    written_ns = 0

    def flush(self) -> None:
        self.written_ns = time.monotonic_ns()
        super().flush()


class Stopwatch:
    """From the tick's writing to the order's reading."""

    def __init__(self, exchange: Exchange, server: TimedServer):
        self._exchange, self._server = exchange, server
        self._written: dict[str, int] = {}
        self.ticks = 0
        self.answered: set[str] = set()
        self.ways: list[Way] = []
        handle = server.dispatcher.handle

        def noted(client: Client, request: requests.Request) -> None:
            if isinstance(request, requests.PlaceOrderRequest):
                symbol = server.dispatcher.contracts.find(client, request.ticket.order_id, request.contract)
                self._ordered(symbol or "")
            handle(client, request)

        server.dispatcher.handle = noted  # type: ignore[method-assign]

    def _ordered(self, symbol: str) -> None:
        written = self._written.pop(symbol, None)  # the bracket's second order has none
        if written is not None:
            self.answered.add(symbol)
            self.ways.append(Way(symbol, written, time.monotonic_ns()))

    async def run(self) -> None:
        """Tick for ever, from now on."""
        number, symbols = 0, self._exchange.symbols
        self._exchange.set_sessions([session()])
        while (due := self._exchange.next_event_ns()) is not None:
            await asyncio.sleep((due - time.time_ns()) / SECOND)
            self._server.advance(due, one=True)
            if place(number, len(symbols)) == AGAIN:
                self._written[symbols[number % len(symbols)]] = self._server.written_ns
                self.ticks += 1
            number += 1


async def main(settings: str) -> None:
    fleet = Fleet.of(settings)
    ibkr = fleet.settings.ibkr
    assert ibkr.account is not None
    accounts = [AccountTerms(account=ibkr.account, cash=1e9)]
    exchange = Exchange(Market(fleet.settings.watchlist), [], accounts=accounts, start_ns=time.time_ns())
    server = TimedServer(exchange, Store(fleet.simulator_ledger, ibkr.account), ibkr.host, ibkr.port)
    await server.start()
    watch = Stopwatch(exchange, server)
    asked = iter(orders())
    ticking: asyncio.Task[None] | None = None
    while (seconds := await asyncio.to_thread(next, asked, None)) is not None:
        ticking = ticking or asyncio.create_task(watch.run())
        watch.ticks = 0
        watch.answered.clear()
        watch.ways.clear()
        await asyncio.sleep(seconds)
        ticks = watch.ticks
        await asyncio.sleep(STRAGGLERS_S)
        ways = watch.ways[:ticks]
        latencies_us = [(way.ordered_ns - way.written_ns) / 1000 for way in ways]
        answer(Measured(ticks, len(watch.answered), latencies_us, ways))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
