"""The gateway's core and its edge on a real socket against the simulator: no bus, no ledger, no other process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import msgspec

from messages.entries import EntryApproved
from messages.interlock import EntriesBlocked
from messages.market import Session, SessionOpened
from messages.operator import Happened
from messages.timers import Elapsed, Started
from services.configuration.broker_policy import Policy
from services.configuration.settings import Settings
from services.gateway.book.records import Links, OrderRecord, Own, QuoteRecord
from services.gateway.core import GatewayCore
from services.gateway.ibkr.connection import Broker
from services.runtime.core import Now, State
from services.simulator.venue.events import MarketEvent
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.orders import Order
from tests.gateway.scenario import plan
from tests.simulator.on_the_wire import OPEN_NS, SECOND, Gateway, gateway

LIBRARY = "ib_insync"
"""The library that the edge stands on; `conftest.py` plays the tests of tests/gateway with each of them."""
NOON = datetime(2022, 3, 22, 12)  # far from the restart that a fleet expects around midnight
DAY = Session("2022-03-22", OPEN_NS, OPEN_NS + 23_400 * SECOND)


class Fleet:
    """The gateway without its bus: the core's commands go to the wire, and facts from the wire to the core."""

    def __init__(self, simulator: Gateway, **settings: Any) -> None:
        ibkr = {"port": simulator.server.port, "library": LIBRARY, **settings.pop("ibkr", {})}
        fields = {"watchlist": ["TSLA"], "ibkr": ibkr} | settings
        chosen = msgspec.convert(fields, Settings)
        self.simulator = simulator
        self.client_id = chosen.ibkr.client_id
        self.core = GatewayCore(chosen)
        self.state = State(self.core.kinds)
        self.messages: list[Any] = []
        self.broker = Broker(
            chosen,
            lambda: asyncio.get_running_loop().call_soon(self.take) and None,
            now_ns=lambda: simulator.exchange.now_ns,
            clock=lambda zone: NOON.replace(tzinfo=zone),
        )
        self.receive(Started(1))

    def receive(self, message: Any) -> None:
        now_ns = self.simulator.exchange.now_ns
        decision = self.core.handle(self.state, message, Now(now_ns, now_ns))
        self.state.apply(decision.changes)
        for recipient, message in decision.messages:
            if recipient == "broker":
                self.broker.execute(message)  # type: ignore[arg-type]
            else:
                self.messages.append(message)

    def take(self) -> None:
        facts, self.broker.facts = self.broker.facts, []
        for fact in (*facts, *self.broker.quotes.take()):
            self.receive(fact)

    async def until(self, condition: Callable[[], object], what: str) -> None:
        async with asyncio.timeout(8):
            while not condition():
                await asyncio.sleep(0.01)
        assert condition(), what

    async def opened(self) -> None:
        """Wait until the market has traded and the price has arrived."""
        for _ in range(4):
            due = self.simulator.exchange.next_event_ns()
            assert due is not None
            self.simulator.server.advance(due, one=True)
        symbol = next(iter(self.broker.quotes.streams.values()))
        await self.until(lambda: self.last(symbol) > 0, "no price")

    async def settle(self) -> None:
        """Wait until both sides have sent and received everything."""
        async with asyncio.timeout(8):
            alike = 0
            while alike < 3:
                await asyncio.sleep(0.001)
                received, sent = self.broker.wire
                counts = self.simulator.server.wire_counts().get(self.client_id)
                quiet = counts == (sent, received) and not self.broker.facts and not self.broker.asking
                alike = alike + 1 if quiet else 0

    async def step(self, count: int = 1) -> None:
        """Play so many events of the market, one by one, with all that follows."""
        for _ in range(count):
            await self.settle()
            due = self.simulator.exchange.next_event_ns()
            assert due is not None, "the market is over"
            await self._reach(due)

    async def pass_time(self, seconds: int) -> None:
        """Let the time of both clocks pass, second by second."""
        for _ in range(seconds):
            await self._reach(self.simulator.exchange.now_ns + SECOND)

    async def _reach(self, to_ns: int) -> None:
        await self.settle()
        self.simulator.server.advance(to_ns)
        due = self.core.deadlines(self.state, Now(to_ns, to_ns)).machine_ns
        if due is not None and due <= to_ns:
            self.receive(Elapsed())
        await self.settle()

    def last(self, symbol: str) -> float:
        record = self.state.get(QuoteRecord, symbol)
        return record.quote.last if record else 0.0

    def messages_of(self, kind: type) -> list[Any]:
        return [m for m in self.messages if isinstance(m, kind)]

    def blocks(self) -> list[str]:
        return [m.reason for m in self.messages_of(EntriesBlocked)]

    def notes(self, event: str) -> list[Happened]:
        return [m for m in self.messages_of(Happened) if m.event == event]

    @property
    def ready(self) -> bool:
        return self.core.ready(self.state)

    @property
    def phase(self) -> str:
        links = self.state.get(Links, "links")
        return links.phase if links is not None else ""

    def enter(self) -> None:
        """Send an approved entry in the open session at a price of 10."""
        self.receive(SessionOpened(DAY, DAY.close_ns - 900 * SECOND))
        entry = plan(session_date=DAY.date, trigger=10.5, limit_price=10.6, reference=10.0)
        self.receive(EntryApproved(entry, 110.0))

    def at_the_broker(self) -> list[str]:
        return [order.ticket.order_ref for order in self.simulator.exchange.open_orders()]

    def orders(self) -> list[OrderRecord]:
        """The book."""
        return list(self.state.table(OrderRecord).values())

    def own(self, symbol: str = "TSLA") -> float:
        found = self.state.get(Own, symbol)
        return found.quantity if found else 0.0

    def sells(self) -> list[Order]:
        """The live sells at the broker."""
        return [order for order in self.simulator.exchange.open_orders() if order.ticket.side == "SELL"]


@asynccontextmanager
async def connected(
    *events: Sequence[MarketEvent],
    accounts: tuple[str, ...] = ("DU1234567",),
    policy: Policy | None = None,
    **settings: Any,
) -> AsyncIterator[Fleet]:
    """A fleet on a simulated gateway whose login has these accounts, and whose market is this."""
    terms = [AccountTerms(account=account) for account in accounts]
    async with gateway(*events, accounts=terms, policy=policy or Policy()) as simulator:
        made = Fleet(simulator, **settings)
        connection = asyncio.create_task(made.broker.run())
        try:
            yield made
        finally:
            connection.cancel()
            await asyncio.wait((connection,))


def run_scenario(play: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(play())
