"""A symbol is one contract: what is about another contract of the same ticker never counts as the symbol's."""

from __future__ import annotations

from typing import Any

import pytest

from messages.broker import BrokerContract, BrokerPosition, PlaceOrder
from messages.entries import EntryApproved, EntryDropped
from messages.interlock import EntriesBlocked, EntriesUnblocked
from messages.market import SessionApproaching
from services.gateway.book.instruments import QUARANTINED, in_our_terms
from services.gateway.book.records import AccountPosition, Block, Instrument, OrderRecord
from tests.gateway.one_decision import BOUND, draft
from tests.gateway.scenario import (
    ACCOUNT,
    DAY,
    Gateway,
    broker_execution,
    broker_order,
    changed,
    con_id,
    plan,
)

OURS = BOUND.con_id


def position(quantity: float, *, symbol: str = "TSLA", contract: int = OURS, **more: Any) -> BrokerPosition:
    return changed(BrokerPosition(ACCOUNT, symbol, quantity, 105.0), con_id=contract, **more)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("report", "name"),
    [
        (position(5.0), "TSLA"),
        (position(5.0, symbol="TSLQ"), "TSLA"),
        (position(5.0, contract=0), "TSLA"),
        (position(-1.0, contract=7, sec_type="OPT"), "TSLA OPT 7"),
        (position(-1.0, contract=0, sec_type="OPT"), "TSLA OPT USD"),
        (position(5.0, contract=8), "TSLA STK 8"),
        (position(5.0, contract=9, currency="EUR"), "TSLA STK 9"),
        (position(5.0, contract=0, currency="EUR"), "TSLA STK EUR"),
        (position(5.0, symbol="GME", contract=10), "GME"),
    ],
    ids=str,
)
def test_a_contract_has_one_name(report: BrokerPosition, name: str) -> None:
    found = in_our_terms(draft(BOUND), report)
    assert found == changed(report, symbol=name)


def test_another_account_is_neither_ours_nor_our_exposure() -> None:
    gateway = Gateway()
    gateway.receive(changed(position(5.0), account="DU7654321"))
    gateway.receive(broker_order("CT-TSLA-20250106-9", account="DU7654321", con_id=OURS))
    gateway.receive(broker_execution("CT-TSLA-20250106-9", 5.0, 100.0, account="DU7654321", con_id=OURS))
    gateway.answer(changed(position(7.0), account="DU7654321"))
    assert not [p for p in gateway.state.table(AccountPosition).values() if p.quantity]
    assert not gateway.state.table(OrderRecord)


def test_a_covered_call_leaves_the_shares_their_stop() -> None:
    gateway = Gateway()
    entry = gateway.holding()
    gateway.clear()
    gateway.receive(position(-1.0, contract=7, sec_type="OPT"))
    gateway.answer_as_known()
    gateway.wait(60)
    held = gateway.state.table(AccountPosition)
    assert {name: p.quantity for name, p in held.items() if p.quantity} == {"TSLA": 10.0, "TSLA OPT 7": -1.0}
    assert [c for c in gateway.orders_sent() if c != "ask"] == []
    assert gateway.order(entry.stop_client_order_id).live


def test_a_renamed_company_keeps_its_stop_and_its_name_here() -> None:
    gateway = Gateway()
    entry = gateway.holding()
    gateway.clear()
    gateway.receive(position(10.0, symbol="TSLQ"))
    gateway.receive(BrokerContract("TSLA", 0, error="no security definition"))
    gateway.wait(60)
    assert (gateway.own(), gateway.order(entry.stop_client_order_id).live) == (10.0, True)
    assert [c for c in gateway.orders_sent() if c != "ask"] == []
    (blocked,) = gateway.events(EntriesBlocked)
    assert (blocked.symbol, blocked.reason) == ("TSLA", QUARANTINED)


class TestQuarantine:
    """A contract that is not what it was: no entries, and the orders of shares held go to the old contract."""

    @pytest.mark.parametrize("answer", [(0, "no security definition"), (4711, "")])
    def test_begins_and_ends(self, answer: tuple[int, str]) -> None:
        gateway = Gateway()
        for _ in range(2):
            gateway.receive(BrokerContract("TSLA", answer[0], "TSLA", answer[1]))
        assert [m.reason for m in gateway.events(EntriesBlocked)] == [QUARANTINED], "once"
        gateway.enter()
        gateway.enter(symbol="NVDA")
        assert [(m.symbol, m.reason) for m in gateway.events(EntryDropped)] == [("TSLA", QUARANTINED)]
        assert gateway.state.get(Instrument, "TSLA") == BOUND, "what it was bound to stays"
        gateway.qualify()
        assert [(m.symbol, m.reason) for m in gateway.events(EntriesUnblocked)] == [("TSLA", QUARANTINED)]

    def test_is_for_its_symbol_only_and_told_to_one_that_starts(self) -> None:
        gateway = Gateway()
        gateway.receive(BrokerContract("TSLA", 0, error="no security definition"))
        snapshot = gateway.core.snapshot(gateway.state, ("TSLA",))
        assert [to for to, m in snapshot if isinstance(m, EntriesBlocked)] == ["TSLA"]

    def test_a_missing_stop_goes_to_the_old_contract(self) -> None:
        gateway = Gateway()
        entry = gateway.holding()
        gateway.receive(BrokerContract("TSLA", 4711, "TSLA"))
        gateway.receive(gateway.status(entry.stop_client_order_id, "Cancelled"))
        gateway.wait(20)
        gateway.answer_as_known()
        gateway.wait(20)
        (placed,) = [m.order for m in gateway.to_broker if isinstance(m, PlaceOrder) and m.order.role == "stop"][-1:]
        assert (placed.con_id, placed.quantity) == (OURS, 10.0)

    def test_no_answer_concludes_nothing(self) -> None:
        gateway = Gateway()
        gateway.receive(BrokerContract("TSLA", 0, error="no answer", answered=False))
        assert not gateway.state.table(Block)


def test_before_the_broker_has_named_the_contract_there_is_no_entry() -> None:
    gateway = Gateway(watchlist=["TSLA", "NVDA"])
    gateway.state.apply([(Instrument, "TSLA", None)])
    gateway.clear()
    gateway.receive(EntryApproved(plan(), 1100.0))
    assert [m.reason for m in gateway.events(EntryDropped)] == ["contract_unknown"]


def test_orders_name_their_contract() -> None:
    gateway = Gateway()
    gateway.enter()
    assert [m.order.con_id for m in gateway.to_broker if isinstance(m, PlaceOrder)] == [con_id("TSLA")] * 2


def test_each_session_asks_again() -> None:
    gateway = Gateway()
    gateway.receive(SessionApproaching(DAY))
    assert [type(m).__name__ for m in gateway.to_broker] == ["Qualify"]
