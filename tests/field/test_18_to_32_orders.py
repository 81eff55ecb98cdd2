"""Rows 18 to 32: orders that are refused, changed or ended by the broker, on the wire."""

from __future__ import annotations

import pytest

from messages.entries import CancelEntry
from messages.orders import OrderCancelled, OrderRecord, OrderRejected
from services.configuration.broker_policy import ChildOnPartialFill, Policy
from services.simulator.venue.orders import Order
from tests.field.scenes import CALM, KEY, RISE, entries, holding, protected, resting, scene, shares, waiting
from tests.gateway.on_the_wire import Fleet
from tests.simulator.faults.test_faults_wire import clear, fail
from tests.simulator.on_the_wire import trades

FULL = Policy(child_on_partial_fill=ChildOnPartialFill.AT_ONCE)
"""A child is live for all its shares as soon as its parent has some."""


async def half_filled(fleet: Fleet) -> Order:
    """Four of ten shares fill, and the rest is cancelled. The stop was made for all ten."""
    await waiting(fleet)
    fleet.enter()
    await fleet.pass_time(0)
    await fleet.settle()
    fail(fleet.simulator, "partial-fill", part=0.4)
    await fleet.settle()
    (stop,) = fleet.sells()
    fleet.receive(CancelEntry(KEY, "TSLA", "partial_fill"))
    await fleet.settle()
    assert shares(fleet) == 4
    return stop


def end_stop(fleet: Fleet, stop: Order) -> None:
    """The broker ends the stop by itself."""
    reports = fleet.simulator.exchange.broker_actions.end(stop.perm_id, "Order Canceled - reason:test")
    fleet.simulator.server.dispatcher.save_and_deliver(reports)
    fleet.simulator.server.flush()


def test_field_18_the_level_of_a_trailing_stop_never_falls_although_it_is_not_told() -> None:
    rise = trades("TSLA", *[10.0] * 5, *[10.55] * 20, *[round(10.55 + 0.05 * step, 2) for step in range(40)])

    async def play(fleet: Fleet) -> None:
        await holding(fleet)
        await fleet.step(40)
        (stop,) = fleet.sells()
        assert stop.trail_stop_price is not None
        end_stop(fleet, stop)
        await fleet.pass_time(15)
        (new,) = fleet.sells()
        assert new.trail_stop_price is not None
        assert new.trail_stop_price >= stop.trail_stop_price * 0.998, "the estimate is a little lower at most"
        assert new.trail_stop_price > 10.55 * 0.9

    scene(play, rise, Policy(report_trail_ratchet=False))


def test_field_19_a_trailing_stop_has_a_percentage_and_no_amount() -> None:
    async def play(fleet: Fleet) -> None:
        stop = await holding(fleet)
        assert (stop.ticket.trailing_pct, stop.ticket.trailing_amount) == (10.0, None)
        end_stop(fleet, stop)
        await fleet.pass_time(15)
        (new,) = fleet.sells()
        assert (new.ticket.trailing_pct, new.ticket.trailing_amount) == (10.0, None)
        assert new.ticket.trail_stop_price == pytest.approx(stop.trail_stop_price, abs=0.01), "its first level"

    scene(play)


def test_field_20_inactive_is_rejected_with_its_reason() -> None:
    async def play(fleet: Fleet) -> None:
        await waiting(fleet)
        fail(fleet.simulator, "reject", code=201, text="no margin", attached="parent")
        fleet.enter()
        await fleet.pass_time(30)
        (entry, *_) = [o for o in fleet.simulator.exchange.orders() if o.ticket.side == "BUY"]
        assert entry.status == "Inactive"
        assert not fleet.state.table(OrderRecord)[KEY].live
        assert "no margin" in next(m.text for m in fleet.messages_of(OrderRejected) if m.order.key == KEY)

    scene(play, CALM)


@pytest.mark.parametrize("child", list(ChildOnPartialFill))
def test_field_21_the_stop_of_a_partly_filled_entry_has_its_shares(child: ChildOnPartialFill) -> None:
    async def play(fleet: Fleet) -> None:
        await half_filled(fleet)
        await fleet.pass_time(40)
        assert protected(fleet) == shares(fleet) == 4
        assert len(fleet.sells()) == 1

    scene(play, RISE, Policy(child_on_partial_fill=child))


def test_field_22_an_entry_whose_child_was_rejected_is_cancelled() -> None:
    async def play(fleet: Fleet) -> None:
        await waiting(fleet)
        fail(fleet.simulator, "reject", code=201, attached="child")
        fleet.enter()
        await fleet.pass_time(5)
        assert entries(fleet) == []
        assert shares(fleet) == 0

    scene(play, CALM)


def test_field_22_shares_whose_child_was_rejected_get_a_stop() -> None:
    async def play(fleet: Fleet) -> None:
        await waiting(fleet)
        fail(fleet.simulator, "reject", code=201, attached="child")
        fail(fleet.simulator, "ignore-cancel")
        fleet.enter()
        await fleet.step(30)
        assert shares(fleet) == 10
        assert protected(fleet) == 10

    scene(play)


def test_field_23_a_manual_sale_takes_no_share_twice() -> None:
    async def play(fleet: Fleet) -> None:
        await holding(fleet)
        fail(fleet.simulator, "foreign-order", symbol="TSLA", quantity=10.0)
        await fleet.step(60)
        assert shares(fleet) == 0
        assert fleet.sells() == [], "a stop that stays would sell short"

    scene(play)


def test_field_24_a_foreign_stop_is_not_touched() -> None:
    async def play(fleet: Fleet) -> None:
        await holding(fleet)
        fail(fleet.simulator, "foreign-order", symbol="TSLA", order_type="STP", price=5.0, quantity=3.0)
        await fleet.step(40)
        foreign = [o for o in fleet.sells() if not o.ticket.order_ref]
        assert [(o.remaining, o.status) for o in foreign] == [(3.0, "PreSubmitted")]
        assert sum(o.remaining for o in fleet.sells() if o.ticket.order_ref) == 10

    scene(play)


def test_field_25_the_bracket_is_transmitted_as_one() -> None:
    async def play(fleet: Fleet) -> None:
        entry = await resting(fleet)
        (stop,) = fleet.sells()
        assert stop.parent_perm_id == entry.perm_id
        assert stop.ticket.order_id == entry.ticket.order_id + 1, "their ids were allocated together"
        assert (entry.ticket.transmit, stop.ticket.transmit) == (False, True)
        assert stop.why_held.startswith("child"), "it sells nothing before its parent has bought"

    scene(play, CALM)


@pytest.mark.parametrize("code", [10147, 10148, 161])
def test_field_26_a_refused_cancel_is_asked_about_before_anything_else(code: int) -> None:
    async def play(fleet: Fleet) -> None:
        await resting(fleet)
        fail(fleet.simulator, "refuse-cancel", code=code)
        fleet.receive(CancelEntry(KEY, "TSLA", "paused"))
        await fleet.settle()
        assert fleet.state.table(OrderRecord)[KEY].live, "the error alone ends nothing"
        await fleet.pass_time(60)
        assert entries(fleet) == [], "it is cancelled again"
        assert not fleet.state.table(OrderRecord)[KEY].live

    scene(play, CALM)


def test_field_27_a_cancel_that_is_not_acknowledged_is_repeated() -> None:
    async def play(fleet: Fleet) -> None:
        await resting(fleet)
        fail(fleet.simulator, "ignore-cancel", count=1, pending=False)
        fleet.receive(CancelEntry(KEY, "TSLA", "paused"))
        await fleet.pass_time(40)
        assert fleet.notes("cancel_repeated")
        assert entries(fleet) == []

    scene(play, CALM)


def test_field_28_a_rejection_ends_the_entry_and_is_told_with_its_code() -> None:
    async def play(fleet: Fleet) -> None:
        await waiting(fleet)
        fail(fleet.simulator, "reject", code=201, attached="parent")
        fleet.enter()
        await fleet.pass_time(30)
        assert entries(fleet) == fleet.sells() == []
        assert [m.code for m in fleet.messages_of(OrderRejected) if m.order.key == KEY] == [201]

    scene(play, CALM)


def test_field_29_a_cancel_by_the_broker_is_not_ours() -> None:
    async def play(fleet: Fleet) -> None:
        await resting(fleet)
        fail(fleet.simulator, "unasked-cancel", attached="parent")
        await fleet.pass_time(10)
        assert entries(fleet) == fleet.sells() == []
        assert [m.asked for m in fleet.messages_of(OrderCancelled) if m.order.key == KEY] == [False]

    scene(play, CALM)


def test_field_30_an_order_that_waits_for_the_open_lives() -> None:
    async def play(fleet: Fleet) -> None:
        await waiting(fleet)
        fail(fleet.simulator, "reject", code=399)
        fleet.enter()
        await fleet.pass_time(30)
        assert len(entries(fleet)) == 1
        assert fleet.state.table(OrderRecord)[KEY].live

    scene(play, CALM)


def test_field_31_a_price_off_the_grid_is_only_an_error_and_ends_the_entry() -> None:
    async def play(fleet: Fleet) -> None:
        await waiting(fleet)
        fail(fleet.simulator, "reject", code=110, attached="parent")
        fleet.enter()
        await fleet.pass_time(40)
        assert entries(fleet) == []
        assert not fleet.state.table(OrderRecord)[KEY].live, "no status comes: the fleet must ask"

    scene(play, CALM)


@pytest.mark.parametrize("code", [104, 105, 135])
def test_field_32_a_refused_change_is_never_a_second_stop(code: int) -> None:
    async def play(fleet: Fleet) -> None:
        fail(fleet.simulator, "refuse-modify", code=code, count=1)
        await half_filled(fleet)
        most = 0.0
        for _ in range(60):
            await fleet.pass_time(1)
            most = max(most, sum(o.remaining for o in fleet.sells()))
        assert most <= 10, "never more than the child that the broker made too large"
        assert fleet.notes("stop_taken_back"), "the refused one is cancelled, its end awaited, and replaced"
        assert protected(fleet) == shares(fleet) == 4

    scene(play, RISE, FULL)


def test_field_32_a_duplicate_id_is_not_placed_again_under_another() -> None:
    async def play(fleet: Fleet) -> None:
        await waiting(fleet)
        fail(fleet.simulator, "reject", code=103, attached="parent")
        fleet.enter()
        await fleet.pass_time(40)
        assert len({o.ticket.order_id for o in fleet.simulator.exchange.orders() if o.ticket.side == "BUY"}) <= 1
        assert not fleet.state.table(OrderRecord)[KEY].live
        clear(fleet.simulator)

    scene(play, CALM)
