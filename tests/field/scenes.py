"""What tests of single rows start from: a fleet on the wire that waits, holds shares, or has an entry resting.

The judge is the exchange: its shares, its live orders.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from services.configuration.broker_policy import Policy
from services.simulator.venue.events import MarketEvent
from services.simulator.venue.orders import Order
from tests.gateway.on_the_wire import Fleet, connected, run_scenario
from tests.simulator.faults.test_faults_wire import fail
from tests.simulator.on_the_wire import ACCOUNT, trades

__all__ = [
    "CALM",
    "KEY",
    "RISE",
    "entries",
    "holding",
    "protected",
    "reconnected",
    "resting",
    "scene",
    "shares",
    "waiting",
]

KEY = "CT-TSLA-20250106-1"
RISE = trades("TSLA", *[10.0] * 5, *[10.55] * 200)
"""The entry's trigger is 10.50: it fills with the sixth trade, once it was sent."""
CALM = trades("TSLA", *[10.0] * 200)
"""Nothing triggers."""


def scene(
    play: Callable[[Fleet], Awaitable[None]],
    market: Sequence[MarketEvent] = RISE,
    policy: Policy | None = None,
    **settings: Any,
) -> None:
    """Play on a fleet that is connected to a simulated gateway."""

    async def whole() -> None:
        async with connected(market, policy=policy or Policy(), **settings) as fleet:
            await play(fleet)

    run_scenario(whole)


async def waiting(fleet: Fleet) -> None:
    """The session is open, there are prices, and nothing is ordered yet."""
    await fleet.until(lambda: fleet.ready, "not reconciled")
    await fleet.step(4)


async def resting(fleet: Fleet) -> Order:
    """An entry of ten shares rests at the broker."""
    await waiting(fleet)
    fleet.enter()
    await fleet.settle()
    (order,) = entries(fleet)
    return order


async def holding(fleet: Fleet) -> Order:
    """Ten shares with their stop, which is returned; all links are up for long enough."""
    await waiting(fleet)
    fleet.enter()
    await fleet.step(15)
    (stop,) = fleet.sells()
    assert (shares(fleet), stop.remaining, stop.why_held) == (10, 10.0, "trigger")
    return stop


async def reconnected(fleet: Fleet) -> None:
    """The socket drops, and the next connection has reconciled."""
    fail(fleet.simulator, "drop")
    await fleet.until(lambda: fleet.notes("socket_lost"), "still connected")
    await fleet.until(lambda: fleet.client_id in fleet.simulator.server.wire_counts(), "no connection")
    await fleet.until(lambda: fleet.ready, "not reconciled")
    await fleet.settle()


def shares(fleet: Fleet, symbol: str = "TSLA") -> int:
    """Shares that our account has, by the exchange."""
    positions = fleet.simulator.exchange.positions()
    held = (p.quantity for p in positions if (p.account, p.symbol) == (ACCOUNT, symbol))
    return math.floor(next(held, 0.0))


def entries(fleet: Fleet) -> list[Order]:
    """The live purchases at the broker."""
    return [order for order in fleet.simulator.exchange.open_orders() if order.ticket.side == "BUY"]


def protected(fleet: Fleet, symbol: str = "TSLA") -> float:
    """Shares of our account that the exchange would sell at a stop now. Never more than there are."""
    ours = [o for o in fleet.sells() if (o.ticket.account, o.ticket.symbol) == (ACCOUNT, symbol)]
    sells = [o for o in ours if not o.waits_for_parent]
    assert sum(o.remaining for o in sells) <= max(0, shares(fleet, symbol)), [o.ticket for o in sells]
    return sum(o.remaining for o in sells if o.status in ("PreSubmitted", "Submitted"))
