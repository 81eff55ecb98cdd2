"""Rows 49, 54 and 55: answers that are stale, incomplete, or from before a link changed. The exchange is the judge."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from messages.broker import BrokerError, BrokerSnapshot, SnapshotFailed
from messages.orders import OrderRecord
from services.gateway.book.queries import links_of
from services.gateway.book.records import Links
from services.runtime.core import Draft, Now
from tests.gateway.on_the_wire import Fleet, connected, run_scenario
from tests.gateway.orders.test_doubles_wire import holding
from tests.simulator.on_the_wire import trades

MARKET = trades("TSLA", *[10.0] * 5, *[10.55] * 200)
RESTORED = BrokerError(-1, 1101, "connectivity restored, data lost")


def altered(made: Fleet, change: Callable[[BrokerSnapshot], BrokerSnapshot | SnapshotFailed], answers: int) -> None:
    """So many of the next complete answers reach the gateway changed."""
    report, left = made.broker.report, [answers]

    def changed(fact: object) -> None:
        if isinstance(fact, BrokerSnapshot) and left[0]:
            left[0] -= 1
            fact = change(fact)
        report(fact)  # type: ignore[arg-type]

    made.broker.report = changed  # type: ignore[method-assign]


def links(made: Fleet) -> Links:
    return links_of(Draft(made.state, Now(0, 0)))


def without_positions(answer: BrokerSnapshot) -> BrokerSnapshot:
    return msgspec.structs.replace(answer, positions=())


def test_field_49_one_stale_answer_takes_no_stop_away() -> None:
    async def play() -> None:
        async with connected(MARKET) as made:
            await holding(made)
            await made.pass_time(15)
            altered(made, without_positions, 1)
            made.receive(RESTORED)
            await made.pass_time(60)
            assert [o.remaining for o in made.sells()] == [10.0]
            assert [p.quantity for p in made.simulator.exchange.positions()] == [10.0]
            assert made.own() == 10.0
            assert not [o for o in made.simulator.exchange.orders() if o.status == "Cancelled"]

    run_scenario(play)


def test_field_49_shares_that_are_gone_take_their_stop_with_them() -> None:
    """Two answers agree: the shares were sold elsewhere."""

    async def play() -> None:
        async with connected(MARKET) as made:
            stop = await holding(made)
            await made.pass_time(15)
            sale = msgspec.structs.replace(
                stop.ticket, client_id=99, order_id=1, order_type="MKT", order_ref="", parent_id=0, trailing_pct=None
            )
            made.simulator.exchange.place(sale)
            await made.step(2)
            assert [p.quantity for p in made.simulator.exchange.positions() if p.quantity] == []
            await made.pass_time(90)
            assert made.sells() == []

    run_scenario(play)


def test_field_54_completed_orders_are_done_without() -> None:
    async def play() -> None:
        async with connected(MARKET) as made:
            await holding(made)
            altered(
                made,
                lambda a: msgspec.structs.replace(a, completed_orders=(), missing=("completed_orders",)),
                99,
            )
            made.receive(RESTORED)
            await made.pass_time(15)
            assert made.ready
            assert [n.level for n in made.notes("snapshot_incomplete")] == ["ERROR"]
            await made.pass_time(90)
            assert len(made.notes("snapshot_incomplete")) == 1, "once for each connection"

    run_scenario(play)


def test_field_54_three_failures_are_an_error_and_bare_shares_get_their_stop() -> None:
    async def play() -> None:
        async with connected(MARKET) as made:
            stop = await holding(made)
            await made.pass_time(15)
            made.simulator.exchange.cancel(made.client_id, stop.ticket.order_id)
            altered(made, lambda a: SnapshotFailed("no end", a.question), 99)
            made.receive(RESTORED)
            await made.pass_time(40)
            assert not made.ready
            assert [n.level for n in made.notes("reconciliation_failing")] == ["ERROR"]

    run_scenario(play)


def test_field_55_an_answer_from_before_a_change_of_the_link_does_not_count() -> None:
    async def play() -> None:
        async with connected(MARKET) as made:
            await holding(made)
            await made.pass_time(15)
            altered(made, without_positions, 1)
            made.receive(RESTORED)
            question = links(made).question
            made.receive(RESTORED)  # the first answer is still under way
            assert links(made).question == question + 1
            made.receive(BrokerSnapshot("", (), (), (), (), (), question))
            assert not made.ready, "it is no answer to the new question"
            await made.pass_time(15)
            assert made.ready
            assert [o.remaining for o in made.sells()] == [10.0]
            assert all(o.live for o in made.state.table(OrderRecord).values() if o.role == "stop")

    run_scenario(play)
