"""One connection of a command to the broker, without the fleet: for `crazy rescue` and `crazy paper-probe`.

It uses the gateway's own edge and the fleet's client id, so it sees and may cancel the fleet's orders. While the
gateway runs, the broker refuses a second connection with this id.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from messages.broker import (
    BrokerContract,
    BrokerError,
    BrokerOrder,
    BrokerSnapshot,
    CancelOrder,
    Connected,
    FromBroker,
    PlaceOrder,
    Qualify,
    Quote,
    RequestSnapshot,
    SnapshotFailed,
    StartStreams,
)
from messages.orders import OrderRecord
from services.configuration.refusal import Refusal
from services.configuration.settings import Settings
from services.gateway.ibkr.connection import Broker
from services.gateway.interlock import account_trouble

__all__ = ["BrokerSession", "NoBroker", "connected"]

CONNECT_S, ANSWER_S, SNAPSHOT_S = 15.0, 15.0, 60.0
"""How long to wait for the connection, for the report of an order, and for the answer about everything."""

Fact = TypeVar("Fact")


class NoBroker(Exception):
    """The broker could not be reached, or did not answer. Its text says why."""


class BrokerSession:
    """The facts of one connection, and commands on it. Order ids are greater than any that the broker has seen."""

    def __init__(
        self, broker: Broker, facts: list[FromBroker], arrived: asyncio.Event, opened: Connected, account: str
    ):
        self._broker, self._facts, self._arrived = broker, facts, arrived
        self._question = 0
        self._next_id = opened.next_order_id
        self.account = account
        self.accounts = opened.accounts

    async def snapshot(self) -> BrokerSnapshot:
        """The broker's complete answer. NoBroker if it does not come."""
        self._question += 1
        self._broker.execute(RequestSnapshot(self._question))
        answer = await self._first(
            lambda fact: isinstance(fact, BrokerSnapshot | SnapshotFailed), SNAPSHOT_S, "the broker's complete answer"
        )
        if isinstance(answer, SnapshotFailed):
            raise NoBroker(f"the broker's answer is incomplete: {answer.reason}")
        assert isinstance(answer, BrokerSnapshot)
        self._next_id = max(self._next_id, *(order.order_id + 1 for order in answer.open_orders), 1)
        return answer

    def new_id(self) -> int:
        """An order id that was never used."""
        self._next_id += 1
        return self._next_id - 1

    def place(self, order: OrderRecord, *, transmit: bool = True) -> None:
        """Send the order; with the id of a known one, change that one."""
        self._broker.execute(PlaceOrder(order, transmit))

    def cancel(self, order_id: int, client_order_id: str) -> None:
        """Send the cancel."""
        self._broker.execute(CancelOrder(order_id, client_order_id))

    async def listen(self, seconds: float) -> list[FromBroker]:
        """All facts that came since the last call, and that come within so many seconds."""
        await asyncio.sleep(seconds)
        heard = list(self._facts)
        self._facts.clear()
        return heard

    async def con_id(self, symbol: str) -> int:
        """The contract id of a symbol of the watchlist. NoBroker if the broker knows none."""
        self._broker.execute(Qualify())
        found = await self._first(
            lambda fact: isinstance(fact, BrokerContract) and fact.symbol == symbol,
            SNAPSHOT_S,
            f"the contract {symbol}",
        )
        assert isinstance(found, BrokerContract)
        if not found.con_id:
            raise NoBroker(f"the broker knows no contract {symbol}: {found.error}")
        return found.con_id

    async def price(self, symbol: str) -> Quote:
        """The price of a symbol of the watchlist. NoBroker if none comes."""
        self._broker.execute(StartStreams(self.account))
        for _ in range(int(ANSWER_S * 10)):
            for quote in self._broker.quotes.take():
                if quote.symbol == symbol and quote.last > 0:
                    return quote
            await asyncio.sleep(0.1)
        raise NoBroker(f"no price of {symbol} within {ANSWER_S:g} s")

    async def report(
        self, order_id: int, accept: Callable[[BrokerOrder], bool], timeout_s: float = ANSWER_S
    ) -> BrokerOrder | BrokerError | None:
        """The first report of an order that `accept` takes, or the first error with its id; None if none comes.

        Reports that came before are not taken again.
        """

        def fits(fact: FromBroker) -> bool:
            if isinstance(fact, BrokerError):
                return fact.order_id == order_id
            return isinstance(fact, BrokerOrder) and fact.order_id == order_id and accept(fact)

        try:
            found = await self._first(fits, timeout_s, "")
        except NoBroker:
            return None
        assert isinstance(found, BrokerOrder | BrokerError)
        return found

    async def _first(self, wanted: Callable[[FromBroker], bool], timeout_s: float, what: str) -> FromBroker:
        """Take the first fact that is wanted, and drop those before it."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    while self._facts:
                        fact = self._facts.pop(0)
                        if wanted(fact):
                            return fact
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            raise NoBroker(f"{what} did not come within {timeout_s:g} s") from None


class _Reasons(logging.Handler):
    """Keeps the newest reason why the edge could not connect, instead of printing it."""

    newest = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line."""
        self.newest = record.getMessage()


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[BrokerSession]:
    """A connection under the fleet's client id, to its account.

    NoBroker if there is none; Refusal if the login does not have the configured account.
    """
    arrived, facts, reasons = asyncio.Event(), list[FromBroker](), _Reasons()

    def take() -> None:
        facts.extend(broker.facts)
        broker.facts.clear()
        arrived.set()

    broker = Broker(settings, take)
    log = logging.getLogger("gateway")
    log.addHandler(reasons)
    propagated, log.propagate = log.propagate, False
    connection = asyncio.get_running_loop().create_task(broker.run())
    try:
        opened = await _opened(facts, arrived, reasons)
        account, trouble = account_trouble(settings, opened.accounts, "")
        if trouble:
            raise Refusal(trouble)
        yield BrokerSession(broker, facts, arrived, opened, account)
    finally:
        connection.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await connection
        log.removeHandler(reasons)
        log.propagate = propagated


async def _opened(facts: list[FromBroker], arrived: asyncio.Event, reasons: _Reasons) -> Connected:
    try:
        async with asyncio.timeout(CONNECT_S):
            while True:
                for fact in facts:
                    if isinstance(fact, Connected):
                        return fact
                arrived.clear()
                await arrived.wait()
    except TimeoutError:
        raise NoBroker(reasons.newest or f"no answer within {CONNECT_S:g} s") from None
