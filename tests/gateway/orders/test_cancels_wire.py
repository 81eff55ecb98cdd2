"""A cancel that the simulated broker swallows, on the wire."""

from __future__ import annotations

import pytest

from messages.entries import CancelEntry
from messages.operator import Flatten
from tests.gateway.on_the_wire import connected, run_scenario
from tests.simulator.faults.test_faults_wire import fail
from tests.simulator.on_the_wire import trades

KEY = "CT-TSLA-20250106-1"


@pytest.mark.parametrize("lost", [1, 2])
def test_an_entry_ends_although_its_cancel_was_lost(lost: int) -> None:
    async def play() -> None:
        async with connected(trades("TSLA", *[10.0] * 60)) as made:
            await made.until(lambda: made.ready, "not ready")
            await made.step(4)
            made.enter()
            await made.settle()
            fail(made.simulator, "swallow", request_kind="CancelOrder", count=lost)
            made.receive(CancelEntry(KEY, "TSLA", "end_of_day"))
            await made.pass_time(9)
            assert made.at_the_broker() == [KEY, f"{KEY}-S1"]
            await made.pass_time(30 * lost)
            assert made.at_the_broker() == []
            assert len(made.notes("cancel_repeated")) == lost
            assert [o.status for o in made.orders()] == ["Cancelled", "Cancelled"]

    run_scenario(play)


def test_a_flatten_sells_once_although_a_cancel_was_lost() -> None:
    async def play() -> None:
        async with connected(trades("TSLA", *[10.0] * 5, *[10.55] * 90)) as made:
            await made.until(lambda: made.ready, "not ready")
            await made.step(4)
            made.enter()
            await made.step(8)
            assert made.own() == 10.0
            fail(made.simulator, "swallow", request_kind="CancelOrder")
            made.receive(Flatten("TSLA"))
            await made.pass_time(9)
            assert [o.ticket.order_type for o in made.sells()] == ["TRAIL"]
            await made.pass_time(10)
            assert (made.own(), made.at_the_broker()) == (0.0, [])
            assert not made.simulator.exchange.positions()

    run_scenario(play)


def test_a_cancel_that_is_never_answered_is_reported() -> None:
    async def play() -> None:
        async with connected(trades("TSLA", *[10.0] * 400)) as made:
            await made.until(lambda: made.ready, "not ready")
            await made.step(4)
            made.enter()
            await made.settle()
            fail(made.simulator, "ignore-cancel", count=0)
            made.receive(CancelEntry(KEY, "TSLA", "end_of_day"))
            await made.pass_time(240)
            assert made.at_the_broker() == [KEY, f"{KEY}-S1"]
            assert (len(made.notes("cancel_repeated")), len(made.notes("cancel_unanswered"))) == (4, 1)

    run_scenario(play)
