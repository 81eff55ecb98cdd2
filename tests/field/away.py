"""A fleet that is away and comes back, on one simulated gateway: the market goes on, and the broker forgets.

The judge is the exchange's own ledger: shares, live sells, cancelled sells. The gateway's book is not asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from messages.broker import BrokerSnapshot
from messages.market import Session, SessionOpened
from messages.timers import Started
from services.gateway.book.records import Block, FillRecord
from services.runtime.core import is_volatile
from tests.gateway.on_the_wire import DAY, Fleet
from tests.simulator.faults.test_faults_wire import fail
from tests.simulator.on_the_wire import SECOND, Gateway

__all__ = ["Story"]


class Story:
    """One simulated gateway and the fleet on it, which has come back so many times."""

    def __init__(self, simulator: Gateway, *, tells_completed: bool = True) -> None:
        self.simulator = simulator
        self.tells_completed = tells_completed
        self.fleet = Fleet(simulator)
        self.visits = 0

    @asynccontextmanager
    async def visit(self, *, ledger_lost: bool = False, opened: Session | None = DAY) -> AsyncIterator[Fleet]:
        """The fleet is there: with its ledger as it was when it left, or with an empty one.

        `opened`: the session that is open; None: it is night.
        """
        kept = [] if ledger_lost else self._kept()
        self.visits += 1
        made = self.fleet = Fleet(self.simulator)
        made.state.apply(kept)
        made.receive(Started(self.visits))
        if not self.tells_completed:
            _forget_completed_orders(made)
        connection = asyncio.create_task(made.broker.run())
        try:
            await made.until(lambda: made.ready, "not ready")
            if opened is not None:
                made.receive(SessionOpened(opened, opened.close_ns - 900 * SECOND))
            yield made
            await made.settle()
        finally:
            connection.cancel()
            await asyncio.wait((connection,))
            async with asyncio.timeout(5):
                while self.simulator.server.wire_counts():
                    await asyncio.sleep(0.001)

    def _kept(self) -> list[Any]:
        kinds = [kind for kind in self.fleet.core.kinds if not is_volatile(kind)]
        return [(kind, key, record) for kind in kinds for key, record in self.fleet.state.table(kind).items()]

    def midnight(self) -> None:
        """From now on the broker does not report the executions so far any more."""
        fail(self.simulator, "short-memory")

    def market(self, events: int) -> None:
        """So many events of the market, without the fleet."""
        for _ in range(events):
            due = self.simulator.exchange.next_event_ns()
            assert due is not None, "the market is over"
            self.simulator.server.advance(due, one=True)

    # The judge.

    @property
    def shares(self) -> float:
        return sum(p.quantity for p in self.simulator.exchange.positions())

    @property
    def live_sells(self) -> float:
        return sum(o.remaining for o in self.simulator.exchange.open_orders() if o.ticket.side == "SELL")

    @property
    def cancelled_sells(self) -> int:
        orders = self.simulator.exchange.orders()
        return sum(o.ticket.side == "SELL" and o.status == "Cancelled" for o in orders)

    # The gateway's book, where a test is about it.

    def witnesses(self) -> list[tuple[str, float, str]]:
        found = (r.fill for r in self.fleet.state.table(FillRecord).values())
        return [(f.role, f.quantity, f.witness) for f in sorted(found, key=lambda f: f.time_ns)]

    def blocks(self) -> list[str]:
        return [block.reason for block in self.fleet.state.table(Block).values()]


def _forget_completed_orders(made: Fleet) -> None:
    """This broker no longer lists the orders that are completed."""
    receive = made.receive

    def without(fact: Any) -> None:
        if isinstance(fact, BrokerSnapshot):
            fact = msgspec.structs.replace(fact, completed_orders=())
        receive(fact)

    made.receive = without  # type: ignore[method-assign]
