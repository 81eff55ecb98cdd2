"""Rows 34, 44, 50 and 57: what happened while the fleet was away, and the broker has forgotten the executions."""

from __future__ import annotations

import pytest

from services.gateway.book.records import OrderRecord
from tests.field.away import Story
from tests.gateway.on_the_wire import run_scenario
from tests.simulator.on_the_wire import gateway, trades

RISES = trades("TSLA", *[10.0] * 6, *[10.55] * 400)
FALLS = trades("TSLA", *[10.0] * 6, *[10.55] * 60, *[9.0] * 400)
SECONDS = 20
"""Longer than the guard waits before it acts."""

completed = pytest.mark.parametrize("tells_completed", [True, False], ids=["completed orders told", "not told"])


@completed
def test_field_44_an_entry_fills_while_the_fleet_is_away_and_midnight_passes(*, tells_completed: bool) -> None:
    """Before, own stayed 0, and the fleet cancelled the live stop as an orphan."""

    async def play() -> None:
        async with gateway(RISES) as simulator:
            story = Story(simulator, tells_completed=tells_completed)
            async with story.visit() as made:
                await made.step(4)
                made.enter()
                await made.settle()
            story.market(6)
            assert (story.shares, story.live_sells) == (10.0, 10.0)
            story.midnight()
            async with story.visit() as made:
                await made.pass_time(SECONDS)
                assert (story.shares, story.live_sells, story.cancelled_sells) == (10.0, 10.0, 0)
                assert made.own() == 10.0
                assert story.witnesses() == [("entry", 10.0, "order")]
                assert story.blocks() == [], "our record of the entry explains the shares"

    run_scenario(play)


@completed
def test_field_44_a_stop_out_while_the_fleet_is_away_is_a_stop_out(*, tells_completed: bool) -> None:
    async def play() -> None:
        async with gateway(FALLS) as simulator:
            story = Story(simulator, tells_completed=tells_completed)
            async with story.visit() as made:
                await made.step(4)
                made.enter()
                await made.step(8)
                assert made.own() == 10.0
            story.market(70)
            assert (story.shares, story.live_sells) == (0.0, 0.0)
            story.midnight()
            async with story.visit() as made:
                await made.pass_time(SECONDS)
                assert made.own() == 0.0
                assert story.witnesses() == [("entry", 10.0, "execution"), ("stop", 10.0, "order")]
                assert story.live_sells == 0.0

    run_scenario(play)


def test_field_34_shares_that_are_recorded_need_no_executions() -> None:
    async def play() -> None:
        async with gateway(RISES) as simulator:
            story = Story(simulator, tells_completed=False)
            async with story.visit() as made:
                await made.step(4)
                made.enter()
                await made.step(8)
            story.midnight()
            for _ in range(3):
                async with story.visit() as made:
                    await made.pass_time(SECONDS)
                    assert (made.own(), story.live_sells, story.cancelled_sells) == (10.0, 10.0, 0)
            assert story.witnesses() == [("entry", 10.0, "execution")]

    run_scenario(play)


def test_field_34_the_true_executions_replace_what_was_rebuilt() -> None:
    """The trade log of another day is set to seven days: the broker reports them again."""

    async def play() -> None:
        async with gateway(RISES) as simulator:
            story = Story(simulator, tells_completed=False)
            async with story.visit() as made:
                await made.step(4)
                made.enter()
                await made.settle()
            story.market(6)
            story.midnight()
            async with story.visit() as made:
                assert story.witnesses() == [("entry", 10.0, "order")]
            simulator.server.dispatcher.faults.clear("short-memory")
            async with story.visit() as made:
                await made.pass_time(1)
                assert {witness for _, _, witness in story.witnesses()} == {"execution"}
                assert (made.own(), story.live_sells) == (10.0, 10.0)

    run_scenario(play)


@completed
def test_field_45_the_gateways_ledger_is_lost_while_it_holds_shares(*, tells_completed: bool) -> None:
    """Before, each older position's stop was cancelled 10 s after the connect."""

    async def play() -> None:
        async with gateway(RISES) as simulator:
            story = Story(simulator, tells_completed=tells_completed)
            async with story.visit() as made:
                await made.step(4)
                made.enter()
                await made.step(8)
                assert (made.own(), story.live_sells) == (10.0, 10.0)
            story.midnight()
            async with story.visit(ledger_lost=True) as made:
                await made.pass_time(SECONDS)
                assert (story.shares, story.live_sells, story.cancelled_sells) == (10.0, 10.0, 0)
                assert made.own() == 10.0
                assert story.blocks() == ["shares_found"]

    run_scenario(play)


def test_field_45_and_an_entry_that_nobody_remembers_is_taken_back() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", *[10.0] * 400)) as simulator:
            story = Story(simulator)
            async with story.visit() as made:
                await made.step(4)
                made.enter()
                await made.settle()
            assert len(simulator.exchange.open_orders()) == 2
            async with story.visit(ledger_lost=True) as made:
                await made.pass_time(SECONDS)
                assert simulator.exchange.open_orders() == []
                assert (made.own(), story.blocks()) == (0.0, [])

    run_scenario(play)


def test_field_57_the_gateway_tells_the_whole_book_to_a_symbol_that_asks() -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", *[10.0] * 400)) as simulator:
            story = Story(simulator)
            async with story.visit() as made:
                await made.step(4)
                made.enter()
                await made.settle()
                told = [m.order for topic, m in made.core.snapshot(made.state, ("TSLA",)) if hasattr(m, "order")]
                live = [o for o in made.state.table(OrderRecord).values() if o.live]
                assert len(live) == 2
                assert {o.client_order_id for o in told} == {o.client_order_id for o in live}

    run_scenario(play)
