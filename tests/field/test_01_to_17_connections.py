"""Rows 1 to 17: answers and links that fail, on the wire."""

from __future__ import annotations

import asyncio
import logging

import pytest

from messages.account import LinkChanged
from messages.entries import CancelEntry
from messages.orders import OrderFilled, OrderRecord
from tests.field.scenes import CALM, KEY, entries, holding, protected, resting, scene, shares, waiting
from tests.gateway.on_the_wire import Fleet
from tests.simulator.faults.test_faults_wire import clear, fail
from tests.simulator.on_the_wire import SECOND


async def back(fleet: Fleet) -> None:
    """The connection is there again, and the book agrees with the broker's."""
    await fleet.until(lambda: fleet.client_id in fleet.simulator.server.wire_counts(), "no connection")
    await fleet.until(lambda: fleet.ready, "not reconciled")
    await fleet.settle()


async def lost(fleet: Fleet, times: int = 1) -> None:
    await fleet.until(lambda: len(fleet.notes("socket_lost")) >= times, "still connected")


def test_field_01_a_warning_does_not_end_an_order() -> None:
    async def play(fleet: Fleet) -> None:
        await waiting(fleet)
        fail(fleet.simulator, "reject", code=10349)
        fleet.enter()
        await fleet.pass_time(30)
        assert len(entries(fleet)) == 1, "it lives at the broker"
        assert fleet.state.table(OrderRecord)[KEY].live, "and in the book"

    scene(play, CALM)


@pytest.mark.parametrize("data", ["kept", "lost"])
def test_field_02_fills_around_1100_are_found(data: str) -> None:
    async def play(fleet: Fleet) -> None:
        await resting(fleet)
        fail(fleet.simulator, "broker-lost", data=data)
        await fleet.settle()
        for _ in range(4):
            due = fleet.simulator.exchange.next_event_ns()
            assert due is not None
            fleet.simulator.server.advance(due)
        assert shares(fleet) == 10
        assert fleet.own() == 0
        clear(fleet.simulator)
        await fleet.until(lambda: fleet.own() == 10, "the fill is never found")
        await fleet.pass_time(15)
        assert protected(fleet) == 10

    scene(play)


def test_field_03_a_fill_while_disconnected_is_an_event_once() -> None:
    async def play(fleet: Fleet) -> None:
        await resting(fleet)
        fail(fleet.simulator, "fill-unseen", seconds=0.5)
        for _ in range(4):
            due = fleet.simulator.exchange.next_event_ns()
            assert due is not None
            fleet.simulator.server.advance(due)
        fleet.simulator.server.advance(fleet.simulator.exchange.now_ns + SECOND)
        await back(fleet)
        assert shares(fleet) == fleet.own() == 10
        assert len({m.fill.exec_id for m in fleet.messages_of(OrderFilled)}) == len(fleet.messages_of(OrderFilled)) >= 1
        await fleet.pass_time(15)
        assert protected(fleet) == 10

    scene(play)


@pytest.mark.parametrize("kind", ["positionEnd", "openOrderEnd"])
def test_field_04_an_answer_that_never_ends_is_not_flat(kind: str) -> None:
    async def play(fleet: Fleet) -> None:
        await holding(fleet)
        fail(fleet.simulator, "lose", kind=kind, count=2)  # open orders are also told without a question
        fail(fleet.simulator, "drop")
        await lost(fleet)
        await fleet.until(lambda: fleet.client_id in fleet.simulator.server.wire_counts(), "no connection")
        await asyncio.sleep(0.5)
        assert not fleet.ready, "it waits for the whole answer"
        assert fleet.own() == 10
        assert protected(fleet) == 10

    scene(play)


def test_field_05_order_ids_that_roll_back_are_not_used_again() -> None:
    async def play(fleet: Fleet) -> None:
        stop = await holding(fleet)
        fail(fleet.simulator, "id-rollback")
        fail(fleet.simulator, "drop")
        await lost(fleet)
        await back(fleet)
        reports = fleet.simulator.exchange.cancel(fleet.client_id, stop.ticket.order_id)
        fleet.simulator.server.dispatcher.save_and_deliver(reports)
        fleet.simulator.server.flush()
        await fleet.pass_time(20)
        (new,) = fleet.sells()
        assert new.ticket.order_id > stop.ticket.order_id
        assert protected(fleet) == 10

    scene(play)


def test_field_06_a_change_that_makes_two_orders_leaves_one() -> None:
    async def play(fleet: Fleet) -> None:
        stop = await holding(fleet)
        fail(fleet.simulator, "foreign-order", symbol="TSLA", quantity=4.0)
        fail(fleet.simulator, "two-perm-ids", side="SELL")
        await fleet.step(40)
        assert shares(fleet) == 6
        assert sum(o.remaining for o in fleet.sells()) == 6
        assert protected(fleet) == 6
        assert stop.remaining == 10

    scene(play)


def test_field_07_an_order_sent_while_the_gateway_restarts_is_not_sent_again() -> None:
    async def play(fleet: Fleet) -> None:
        await waiting(fleet)
        fail(fleet.simulator, "gateway-restart", lost_before=1.0, seconds=1.0)
        fleet.enter()
        fleet.simulator.server.advance(fleet.simulator.exchange.now_ns + 2 * SECOND)
        await lost(fleet)
        fleet.simulator.server.advance(fleet.simulator.exchange.now_ns + 3 * SECOND)
        await back(fleet)
        await fleet.pass_time(30)
        assert not [o for o in fleet.simulator.exchange.orders() if o.ticket.order_ref == KEY], "it never arrived"
        assert not fleet.state.table(OrderRecord)[KEY].live

    scene(play, CALM)


def test_field_08_an_order_that_is_never_acknowledged_is_asked_about_and_ended() -> None:
    async def play(fleet: Fleet) -> None:
        await waiting(fleet)
        fail(fleet.simulator, "swallow", count=2)
        fleet.enter()
        await fleet.pass_time(40)
        assert not fleet.simulator.exchange.orders()
        assert fleet.notes("order_never_arrived")
        assert not fleet.state.table(OrderRecord)[KEY].live

    scene(play, CALM)


@pytest.mark.parametrize("data", ["kept", "lost"])
def test_field_09_the_nightly_reset_leaves_the_stop(data: str) -> None:
    async def play(fleet: Fleet) -> None:
        await holding(fleet)
        fail(fleet.simulator, "nightly-reset", data=data, seconds=20.0)
        await fleet.pass_time(60)
        assert protected(fleet) == shares(fleet) == fleet.own() == 10
        assert [m.up for m in fleet.messages_of(LinkChanged) if m.link == "broker"][-1], "it came back"

    scene(play)


def test_field_10_the_weekly_login_is_waited_for_quietly(caplog: pytest.LogCaptureFixture) -> None:
    async def play(fleet: Fleet) -> None:
        await holding(fleet)
        with caplog.at_level(logging.WARNING, "gateway.broker"):
            fail(fleet.simulator, "weekly-reset")
            await lost(fleet)
            await asyncio.sleep(2.0)
        assert 1 <= len([r for r in caplog.records if "no connection" in r.message]) <= 2, "told once, not each time"
        assert protected(fleet) == 10
        clear(fleet.simulator)
        await back(fleet)
        assert protected(fleet) == fleet.own() == 10

    scene(play)


def test_field_11_a_feed_that_died_in_a_blip_is_subscribed_again() -> None:
    async def play(fleet: Fleet) -> None:
        await waiting(fleet)
        fail(fleet.simulator, "farm-down", seconds=3, streams="dead")
        fleet.simulator.server.advance(fleet.simulator.exchange.now_ns + 4 * SECOND)
        await fleet.until(lambda: fleet.last("TSLA") == 10.55, "no price after the blip")

    scene(play)


def test_field_12_a_dead_farm_is_not_a_dead_broker() -> None:
    async def play(fleet: Fleet) -> None:
        await waiting(fleet)
        fail(fleet.simulator, "farm-down")
        await fleet.settle()
        links = {m.link: m.up for m in fleet.messages_of(LinkChanged)}
        assert links == {"socket": True, "broker": True, "data": False}

    scene(play, CALM)


def test_field_13_a_passing_error_does_not_restart_anything() -> None:
    async def play(fleet: Fleet) -> None:
        await holding(fleet)
        fail(fleet.simulator, "message", code=100, text="Max rate of messages per second has been exceeded.")
        await fleet.pass_time(5)
        assert not fleet.notes("socket_lost")
        assert fleet.ready
        assert protected(fleet) == 10

    scene(play)


def test_field_14_a_socket_that_hung_is_caught_up_with() -> None:
    """What was sent meanwhile arrives; how a hang is noticed has tests of its own."""

    async def play(fleet: Fleet) -> None:
        await resting(fleet)
        fail(fleet.simulator, "hang")
        for _ in range(4):
            due = fleet.simulator.exchange.next_event_ns()
            assert due is not None
            fleet.simulator.server.advance(due)
        assert shares(fleet) == 10
        clear(fleet.simulator)
        await fleet.until(lambda: fleet.own() == 10, "the fill never arrived")
        await fleet.pass_time(15)
        assert protected(fleet) == 10

    scene(play)


def test_field_15_a_taken_client_id_is_waited_for() -> None:
    async def play(fleet: Fleet) -> None:
        await holding(fleet)
        fail(fleet.simulator, "client-id-in-use", count=1)
        fail(fleet.simulator, "drop")
        await lost(fleet)
        async with asyncio.timeout(20):  # a refused connection may only end with the wait for its handshake
            while fleet.client_id not in fleet.simulator.server.wire_counts():
                await asyncio.sleep(0.05)
        await back(fleet)
        assert list(fleet.simulator.server.wire_counts()) == [fleet.client_id], "another id can't manage its orders"
        fleet.receive(CancelEntry(KEY, "TSLA", "paused"))
        await fleet.settle()
        assert protected(fleet) == 10

    scene(play)


def test_field_16_one_connection_however_often_it_breaks() -> None:
    async def play(fleet: Fleet) -> None:
        await waiting(fleet)
        server = fleet.simulator.server
        most = 0
        for times in range(1, 6):
            fail(fleet.simulator, "drop")
            await lost(fleet, times)
            await back(fleet)
            most = max(most, len(server.connections))
        assert most == 1

    scene(play, CALM)


def test_field_17_nothing_is_stale_after_a_drop() -> None:
    async def play(fleet: Fleet) -> None:
        stop = await holding(fleet)
        fail(fleet.simulator, "drop")
        await lost(fleet)
        await back(fleet)
        record = fleet.state.table(OrderRecord)[stop.ticket.order_ref]
        assert (record.live, record.perm_id) == (True, stop.perm_id)
        assert not fleet.messages_of(OrderFilled)[1:], "its fill is told once"
        await fleet.until(lambda: fleet.broker.quotes.streams, "prices are not requested again")

    scene(play)
