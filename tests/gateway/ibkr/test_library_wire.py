"""What the edge needs of either IBKR library: the handshake, requests in the layout of the version, raw messages."""

from __future__ import annotations

from messages.broker import BrokerOrder, CancelOrder, PlaceOrder
from tests.field.test_39_pacing import order
from tests.gateway import on_the_wire
from tests.gateway.on_the_wire import connected, run_scenario
from tests.simulator.on_the_wire import CALM

VERSIONS = {"ib_insync": 176, "ib_async": 178}


def test_each_library_speaks_its_own_version() -> None:
    async def play() -> None:
        async with connected(CALM) as made:
            await made.until(lambda: made.ready, "not ready")
            assert made.broker._socket is not None
            assert made.broker._socket.version == VERSIONS[on_the_wire.LIBRARY]
            assert type(made.broker._socket._client).__module__ == f"{on_the_wire.LIBRARY}.client"

    run_scenario(play)


def test_a_bracket_is_placed_and_cancelled() -> None:
    async def play() -> None:
        async with connected(CALM) as made:
            await made.until(lambda: made.ready, "not ready")
            await made.opened()
            facts: list[BrokerOrder] = []
            made.receive = lambda fact: facts.append(fact) if isinstance(fact, BrokerOrder) else None  # type: ignore[method-assign]
            made.broker.execute(PlaceOrder(order(100), transmit=False))
            made.broker.execute(PlaceOrder(order(101, parent_id=100), transmit=True))
            await made.until(lambda: len(made.at_the_broker()) == 2, "the bracket is not there")
            tickets = [placed.ticket for placed in made.simulator.exchange.open_orders()]
            assert [(t.order_ref, t.limit_price, t.stop_price, t.parent_id) for t in tickets] == [
                ("CT-100", 1.0, None, 0),
                ("CT-101", None, 0.9, 100),
            ]
            made.broker.execute(CancelOrder(100, "CT-100"))
            await made.until(lambda: not made.at_the_broker(), "it is not cancelled")
            await made.until(lambda: {f.client_order_id for f in facts if f.status == "Cancelled"} >= {"CT-100"}, "")
            child = next(fact for fact in facts if fact.client_order_id == "CT-101")
            assert (child.parent_id, child.stop_price, child.order_type) == (100, 0.9, "STP")

    run_scenario(play)
