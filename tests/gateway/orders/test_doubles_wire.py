"""Two orders with one reference, on the wire: it counts how many sells are live at the simulated broker."""

from __future__ import annotations

import msgspec
import pytest

from messages.entries import CancelEntry
from services.configuration.broker_policy import ChildOnPartialFill, Policy
from services.gateway.book.identity import is_double
from services.simulator.faults.active import RunExchangeAction
from services.simulator.venue.orders import Order
from tests.gateway.on_the_wire import Fleet, connected, run_scenario
from tests.simulator.faults.test_faults_wire import fail, perform
from tests.simulator.on_the_wire import trades

KEY = "CT-TSLA-20250106-1"
MARKET = trades("TSLA", *[10.0] * 5, *[10.55] * 60)
FULL = Policy(child_on_partial_fill=ChildOnPartialFill.AT_ONCE)
"""A child is live for all its shares as soon as its parent has some: it must be shrunk."""


async def half_filled(made: Fleet) -> None:
    """Ten shares are ordered, four fill, and the rest is cancelled: the stop is still for all ten."""
    await made.until(lambda: made.ready, "not ready")
    await made.step(4)
    made.enter()
    await made.settle()
    fail(made.simulator, "partial-fill", part=0.4)
    await made.settle()
    made.receive(CancelEntry(KEY, "TSLA", "partial_fill"))


async def holding(made: Fleet) -> Order:
    """Ten shares with their stop. Returns its order at the broker."""
    await made.until(lambda: made.ready, "not ready")
    await made.step(4)
    made.enter()
    await made.step(8)
    (stop,) = made.sells()
    assert (made.own(), stop.remaining, stop.why_held) == (10.0, 10.0, "trigger")
    return stop


def test_field_06_a_change_that_becomes_a_second_order() -> None:
    """The stop is shrunk from ten to four: the old order for ten works on, and another for four appears.

    Both have one order id and one OCA group: the cancel of the first ends both, and a new stop follows at once.
    """

    async def play() -> None:
        async with connected(MARKET, policy=FULL) as made:
            fail(made.simulator, "two-perm-ids", side="SELL")
            await half_filled(made)
            await made.pass_time(4)
            assert len([o for o in made.orders() if is_double(o)]) == 1
            for _ in range(30):
                (left,) = made.sells()
                assert made.own() == left.remaining == 4.0
                await made.pass_time(1)
            assert not made.notes("position_unprotected")

    run_scenario(play)


@pytest.mark.parametrize("cascades", [True, False])
@pytest.mark.parametrize("own_id", [True, False])
def test_a_copy_of_the_stop_is_cancelled_first(own_id: bool, cascades: bool) -> None:
    """If the broker cancels the whole OCA group, the first ends too, and a new stop follows."""

    async def play() -> None:
        async with connected(MARKET, policy=Policy(oca_client_cancel_cascades=cascades)) as made:
            stop = await holding(made)
            copy = msgspec.structs.replace(stop.ticket, order_id=77, parent_id=0) if own_id else stop.ticket
            act = RunExchangeAction(
                lambda exchange: exchange.place(copy) if own_id else exchange.broker_actions.double(copy)
            )
            made.simulator.server.dispatcher.faults.effects.append(act)
            perform(made.simulator)
            assert sum(o.remaining for o in made.sells()) == 20.0
            await made.pass_time(20)  # two answers agree that the first protects the shares
            (left,) = made.sells()
            assert left.remaining == 10.0
            assert (left.perm_id == stop.perm_id) is (own_id or not cascades)
            await made.pass_time(30)
            assert [o.perm_id for o in made.sells()] == [left.perm_id]
            assert len(made.notes("double_order")) == 1
            assert not made.notes("position_unprotected")

    run_scenario(play)


def test_field_06_both_stops_fill_before_the_cancel_and_no_more_is_sold() -> None:
    """The market triggers both at the same moment: the account is short, which is reported once."""

    async def play() -> None:
        fall = trades("TSLA", *[10.0] * 5, *[10.55] * 7, *[9.0] * 60)
        async with connected(fall, policy=Policy(oca_overfills_without_block=True)) as made:
            stop = await holding(made)
            made.simulator.server.dispatcher.faults.effects.append(
                RunExchangeAction(lambda exchange: exchange.broker_actions.double(stop.ticket))
            )
            perform(made.simulator)
            due = made.simulator.exchange.next_event_ns()
            assert due is not None
            made.simulator.server.advance(due)
            await made.pass_time(30)
            assert [p.quantity for p in made.simulator.exchange.positions()] == [-10.0]
            assert made.own() == -10.0
            assert made.sells() == []
            assert len(made.notes("position_oversold")) == 1
            made.enter()
            await made.settle()
            assert made.at_the_broker() == []

    run_scenario(play)
