"""Rows 48, 56, 60: whose orders these are: by the fleet's name, the client id and the account. On the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from messages.entries import EntryApproved, EntryPlan
from messages.market import SessionOpened
from messages.operator import Flatten
from services.gateway.book.records import Block, Book
from services.runtime.core import State, is_volatile
from services.runtime.ledger import LedgerError, SqliteLedger
from services.runtime.process import was_owner
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.orders import Order
from services.trading.ids import order_reference, stop_reference
from tests.gateway.on_the_wire import DAY, Fleet, run_scenario
from tests.gateway.scenario import plan
from tests.simulator.on_the_wire import SECOND, Gateway, gateway, trades

ACCOUNT = "DU1234567"


def entry_of(fleet: str, number: int = 1, *, old: bool = False) -> EntryPlan:
    key = order_reference("" if old else fleet, "TSLA", DAY.date, number)
    made = plan(session_date=DAY.date, trigger=10.5, limit_price=10.6, reference=10.0)
    return msgspec.structs.replace(made, client_order_id=key, stop_client_order_id=stop_reference(key, 1))


@asynccontextmanager
async def a_gateway() -> AsyncIterator[Gateway]:
    async with gateway(trades("TSLA", *[10.0] * 60), accounts=[AccountTerms(account=ACCOUNT)]) as made:
        yield made


@asynccontextmanager
async def running(simulator: Gateway, name: str, client_id: int, state: State | None = None) -> AsyncIterator[Fleet]:
    """A fleet of this name; with `state` it goes on with these records."""
    fleet = Fleet(simulator, fleet=name, ibkr={"client_id": client_id})
    if state is not None:
        for kind in (kind for kind in state.kinds if not is_volatile(kind)):
            fleet.state.apply([(kind, key, record) for key, record in state.table(kind).items()])
    connection = asyncio.create_task(fleet.broker.run())
    try:
        await fleet.until(lambda: fleet.ready or fleet.state.table(Block), "neither ready nor refused")
        yield fleet
    finally:
        connection.cancel()
        await asyncio.wait((connection,))


async def enter(fleet: Fleet, plan: EntryPlan) -> None:
    await fleet.opened()
    fleet.receive(SessionOpened(DAY, DAY.close_ns - 900 * SECOND))
    fleet.receive(EntryApproved(plan, 110.0))
    await fleet.settle()


def live(simulator: Gateway) -> list[Order]:
    return list(simulator.exchange.open_orders())


def references(simulator: Gateway) -> list[str]:
    return sorted(order.ticket.order_ref for order in live(simulator))


def own_orders(fleet: Fleet) -> list[str]:
    return sorted(o.client_order_id for o in fleet.orders() if o.role != "foreign")


ONE = [entry_of("one").client_order_id, entry_of("one").stop_client_order_id]
TWO = [entry_of("two").client_order_id, entry_of("two").stop_client_order_id]


def test_field_48_another_client_id_is_refused_while_orders_rest() -> None:
    async def play() -> None:
        async with a_gateway() as simulator:
            async with running(simulator, "one", 12) as fleet:
                await enter(fleet, entry_of("one"))
                assert references(simulator) == ONE
                assert fleet.state.get(Book, "book").client_id == 12  # type: ignore[union-attr]
            async with running(simulator, "one", 13, fleet.state) as other:
                (block,) = other.state.table(Block).values()
                assert block.reason == "wrong_client_id"
                for part in ("ibkr.client_id is 13", "TSLA", "set ibkr.client_id: 12", "crazy flatten --yes"):
                    assert part in block.text
                assert other.core.note(other.state) == block.text, "`crazy up` and `crazy status` show it"
                other.receive(Flatten(None))
                await asyncio.sleep(0.2)
                assert references(simulator) == ONE, "nothing is sent"
            async with running(simulator, "one", 12, other.state) as again:
                await again.until(lambda: again.ready, "not ready")
                assert not again.state.table(Block)

    run_scenario(play)


def test_field_48_it_may_change_once_nothing_rests() -> None:
    async def play() -> None:
        async with a_gateway() as simulator:
            async with running(simulator, "one", 12) as fleet:
                assert fleet.ready
            async with running(simulator, "one", 13, fleet.state) as other:
                assert other.ready
                await enter(other, entry_of("one"))
                assert {order.ticket.client_id for order in live(simulator)} == {13}

    run_scenario(play)


def test_field_48_orders_of_lost_records_under_another_client_id_block_entries() -> None:
    async def play() -> None:
        async with a_gateway() as simulator:
            async with running(simulator, "one", 12) as fleet:
                await enter(fleet, entry_of("one"))
            async with running(simulator, "one", 13) as other:
                await other.until(lambda: other.ready, "not ready")
                assert "other_client_id" in other.blocks()
                (text,) = [b.text for b in other.state.table(Block).values() if b.reason == "other_client_id"]
                assert "set ibkr.client_id: 12" in text
                assert references(simulator) == ONE

    run_scenario(play)


def test_field_56_two_fleets_on_one_account() -> None:
    async def play() -> None:
        async with a_gateway() as simulator, running(simulator, "one", 12) as one:
            await enter(one, entry_of("one"))
            async with running(simulator, "two", 13) as two:
                await two.opened()
                assert own_orders(two) == []
                assert len([o for o in two.orders() if o.role == "foreign" and o.live]) == 2, "they are exposure"
                two.receive(SessionOpened(DAY, DAY.close_ns - 900 * SECOND))
                two.receive(EntryApproved(entry_of("two"), 110.0))
                await two.settle()
                assert references(simulator) == sorted([*ONE, *TWO])
                two.receive(Flatten("TSLA"))
                await two.settle()
                assert references(simulator) == ONE, "it takes back its own, and touches no other"

    run_scenario(play)


@pytest.mark.parametrize("known", [True, False], ids=["in the ledger", "ledger lost"])
def test_field_56_old_references_under_the_own_client_id_stay_ours(known: bool) -> None:
    async def play() -> None:
        async with a_gateway() as simulator:
            async with running(simulator, "one", 12) as fleet:
                await enter(fleet, entry_of("one", old=True))
            state = fleet.state if known else None
            old = [entry_of("one", old=True).client_order_id, entry_of("one", old=True).stop_client_order_id]
            async with running(simulator, "one", 12, state) as again:
                assert own_orders(again) == old
                await again.settle()
                assert references(simulator) == (old if known else []), "what nobody remembers is taken back"

    run_scenario(play)


def test_field_56_old_references_of_another_fleet_are_foreign() -> None:
    """Both have run an earlier release: the same references, in both ledgers."""

    async def play() -> None:
        async with a_gateway() as simulator:
            async with running(simulator, "one", 12) as one:
                await enter(one, entry_of("one", old=True))
            async with running(simulator, "two", 13) as two:
                assert own_orders(two) == []
                two.receive(SessionOpened(DAY, DAY.close_ns - 900 * SECOND))
                await two.opened()
                two.receive(EntryApproved(entry_of("two", old=True), 110.0))
                await two.settle()
                assert len(live(simulator)) == 4
            async with running(simulator, "two", 13, two.state) as again:
                again.receive(Flatten("TSLA"))
                await again.settle()
                assert {order.ticket.client_id for order in live(simulator)} == {12}
                assert len(live(simulator)) == 2
                assert not again.notes("double_order")

    run_scenario(play)


def test_field_60_an_account_named_later_opens_the_same_ledgers(tmp_path: Path) -> None:
    path = tmp_path / "risk.sqlite"

    def opened(owner: str, mode: str) -> None:
        SqliteLedger(path, owner, formerly=lambda before: was_owner(before, "risk", mode)).close()

    opened("risk@paper", "paper")  # account: null
    opened("risk@paper", "paper")  # account: DU1234567
    with pytest.raises(LedgerError, match="belongs to risk@paper, not to risk@live"):
        opened("risk@live", "live")


@pytest.mark.parametrize(
    ("before", "mode", "same"),
    [
        ("risk@DU1234567", "paper", True),
        ("risk@DU1234567", "sim", True),
        ("risk@U1234567", "live", True),
        ("risk@U1234567", "paper", False),
        ("risk@DU1234567", "live", False),
        ("gateway@DU1234567", "paper", False),
        ("risk@sim", "paper", False),
        ("risk", "paper", False),
    ],
)
def test_field_60_ledgers_of_earlier_releases_named_the_account(before: str, mode: str, same: bool) -> None:
    assert was_owner(before, "risk", mode) is same


def test_field_60_the_gateway_is_bound_by_the_account_that_the_broker_reports() -> None:
    async def play() -> None:
        async with a_gateway() as simulator:
            async with running(simulator, "one", 12) as fleet:
                book = fleet.state.get(Book, "book")
                assert book is not None
                assert book.account == ACCOUNT
            other = State(fleet.state.kinds)
            other.apply([(Book, "book", msgspec.structs.replace(book, account="DU7654321"))])
            async with running(simulator, "one", 12, other) as refused:
                (block,) = refused.state.table(Block).values()
                assert block.reason == "wrong_account"
                assert "the records of this fleet are of DU7654321" in block.text

    run_scenario(play)
