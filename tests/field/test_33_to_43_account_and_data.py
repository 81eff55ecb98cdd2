"""Rows 33 to 43: orders of others, executions, contracts and data, on the wire."""

from __future__ import annotations

import platform

import ib_insync
import pytest

from messages.entries import EntryApproved, EntryDropped
from messages.market import SessionApproaching
from messages.orders import CommissionReported, OrderUpdated
from services.gateway.book.records import Own
from tests.field.scenes import CALM, KEY, entries, holding, protected, reconnected, scene, shares, waiting
from tests.gateway.on_the_wire import DAY, Fleet
from tests.gateway.scenario import plan
from tests.simulator.faults.test_faults_wire import clear, fail
from tests.simulator.on_the_wire import SECOND


def test_field_33_a_manual_order_is_seen_counted_and_not_touched() -> None:
    async def play(fleet: Fleet) -> None:
        await waiting(fleet)
        fail(fleet.simulator, "foreign-order", symbol="TSLA", side="BUY", order_type="LMT", price=5.0, quantity=7.0)
        await reconnected(fleet)
        assert fleet.notes("foreign_order_seen")
        told = [m.order for m in fleet.messages_of(OrderUpdated) if m.order.role == "foreign"]
        assert [(o.side, o.remaining) for o in told][-1:] == [("BUY", 7.0)], "risk counts it as exposure"
        (order,) = entries(fleet)
        assert (order.remaining, order.status, order.ticket.order_ref) == (7.0, "Submitted", "")

    scene(play, CALM)


def test_field_34_executions_that_the_broker_forgot_are_kept() -> None:
    async def play(fleet: Fleet) -> None:
        await holding(fleet)
        fail(fleet.simulator, "short-memory")
        fleet.simulator.server.advance(fleet.simulator.exchange.now_ns + 2 * SECOND)
        await reconnected(fleet)
        await fleet.pass_time(20)
        assert fleet.own() == shares(fleet) == protected(fleet) == 10

    scene(play)


def test_field_35_a_corrected_execution_replaces_the_first_and_its_commission() -> None:
    async def play(fleet: Fleet) -> None:
        await waiting(fleet)
        fail(fleet.simulator, "correct-execution", seconds=2.0, by=-0.05)
        fail(fleet.simulator, "commission-late", seconds=1.0, pending=True)
        fleet.enter()
        await fleet.step(15)
        (execution,) = fleet.simulator.exchange.executions()
        assert execution.exec_id.endswith(".02")
        own = fleet.state.get(Own, "TSLA")
        assert own is not None
        assert (own.quantity, own.cost_usd) == (10.0, pytest.approx(10 * execution.price))
        paid = sum(m.commission - m.undone_usd for m in fleet.messages_of(CommissionReported))
        charge = fleet.simulator.exchange.commission_of(execution.exec_id)
        assert charge is not None
        assert paid == pytest.approx(charge.commission), "the pending -1 is no commission"
        assert protected(fleet) == 10

    scene(play)


def test_field_36_a_contract_that_is_gone_takes_entries_and_leaves_the_stop() -> None:
    async def play(fleet: Fleet) -> None:
        await holding(fleet)
        fail(fleet.simulator, "unknown-contract", symbol="TSLA")
        fleet.receive(SessionApproaching(DAY))
        await fleet.until(lambda: "contract_quarantined" in fleet.blocks(), "it was not asked for again")
        assert protected(fleet) == 10
        clear(fleet.simulator)
        fleet.receive(SessionApproaching(DAY))
        await fleet.until(lambda: fleet.notes("contract_quarantined_over"), "it never ends")

    scene(play)


def test_field_37_no_entry_without_live_data() -> None:
    async def play(fleet: Fleet) -> None:
        fail(fleet.simulator, "no-market-data", symbol="TSLA", code=354)
        await fleet.until(lambda: fleet.ready, "not reconciled")
        await fleet.pass_time(3)
        fleet.enter()
        await fleet.settle()
        assert entries(fleet) == []
        assert [m.reason for m in fleet.messages_of(EntryDropped)] == ["no_market_data"]

    scene(play, CALM)


def test_field_38_a_competing_session_stops_entries_and_not_the_stop() -> None:
    async def play(fleet: Fleet) -> None:
        await holding(fleet)
        fail(fleet.simulator, "competing-session")
        await fleet.pass_time(5)
        assert len(fleet.notes("market_data_refused")) == 1, "told once"
        assert protected(fleet) == 10

    scene(play)


def test_field_39_a_refused_message_loses_no_protection() -> None:
    """How many messages a second go out has a test of its own; here the broker has had enough, and disconnects."""

    async def play(fleet: Fleet) -> None:
        await holding(fleet)
        fail(fleet.simulator, "pacing", strikes=1)
        await fleet.pass_time(3)
        clear(fleet.simulator)
        await fleet.until(lambda: fleet.ready, "not back")
        await fleet.pass_time(15)
        assert protected(fleet) == fleet.own() == 10

    scene(play)


def test_field_40_every_order_names_its_account() -> None:
    async def play(fleet: Fleet) -> None:
        await holding(fleet)
        assert {o.ticket.account for o in fleet.simulator.exchange.orders()} == {"DU1234567"}

    scene(play, ibkr={"account": None})


def test_field_40_a_refusal_for_a_missing_account_ends_the_entry() -> None:
    async def play(fleet: Fleet) -> None:
        await waiting(fleet)
        fail(fleet.simulator, "reject", code=435, attached="parent")
        fleet.enter()
        await fleet.pass_time(40)
        assert entries(fleet) == fleet.sells() == []

    scene(play, CALM)


def test_field_41_the_library_works_on_the_pythons_that_the_project_names() -> None:
    """It fails to import on 3.14; `pyproject.toml` says which versions are supported."""
    assert platform.python_version_tuple()[:2] in {("3", "11"), ("3", "12"), ("3", "13")}
    assert ib_insync.IB().client is not None


@pytest.mark.parametrize("code", [10326, 10327])
def test_field_43_a_change_that_the_broker_refuses_is_cancel_confirm_replace(code: int) -> None:
    async def play(fleet: Fleet) -> None:
        await holding(fleet)
        fail(fleet.simulator, "refuse-modify", code=code, count=1)
        fail(fleet.simulator, "foreign-order", symbol="TSLA", quantity=4.0)
        most = 0.0
        for _ in range(60):
            await fleet.step(1)
            most = max(most, sum(o.remaining for o in fleet.sells() if o.ticket.order_ref))
        assert most == 10, "never a second stop"
        assert protected(fleet) == shares(fleet) == 6

    scene(play)


def test_field_43_an_entry_is_not_sent_beside_shares() -> None:
    """The naive guard of this row adds; nothing of this fleet adds an order where one lives."""

    async def play(fleet: Fleet) -> None:
        await holding(fleet)
        again = plan(2, session_date=DAY.date, trigger=11.0, limit_price=11.1, reference=10.55)
        fleet.receive(EntryApproved(again, 110.0))
        await fleet.settle()
        assert entries(fleet) == []
        assert [m.reason for m in fleet.messages_of(EntryDropped)] == ["position_open"]
        assert again.client_order_id != KEY

    scene(play)
