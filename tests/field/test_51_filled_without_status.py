"""Row 51, at the edge: the last orderStatus never comes. An openOrder that says Filled is enough."""

from __future__ import annotations

from tests.gateway.on_the_wire import connected, run_scenario
from tests.simulator.faults.test_faults_wire import fail
from tests.simulator.on_the_wire import trades


def test_field_51_the_open_order_says_filled() -> None:
    async def play() -> None:
        async with connected(trades("TSLA", *[10.0] * 6, *[10.55] * 30)) as made:
            await made.until(lambda: made.ready, "not ready")
            await made.step(4)
            made.enter()
            await made.until(lambda: len(made.at_the_broker()) == 2, "the bracket is not there")
            fail(made.simulator, "lose", kind="orderStatus", count=0)
            await made.step(6)
            (entry,) = [order for order in made.orders() if order.role == "entry"]
            assert made.own() == entry.quantity > 0
            assert (entry.status, entry.live) == ("Filled", False)

    run_scenario(play)
