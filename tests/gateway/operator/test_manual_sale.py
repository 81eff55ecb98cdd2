"""A manual sale: shares that the account no longer has are not the bot's, once a second answer confirms it."""

from __future__ import annotations

from typing import Any

import pytest

from messages.broker import BrokerPosition
from messages.orders import OrderFilled, OrderRecord, PositionUpdated
from services.gateway.book.records import Anchor, Audit, Doubt, HeldBack, Missing, Own
from tests.gateway.scenario import ACCOUNT, Gateway, broker_order

STOP = "CT-TSLA-20250106-1-S1"


def short_of(left: float) -> Gateway:
    """Ten own shares, of which the account has lacked some for long; the stop is shrunk or gone."""
    gateway = Gateway()
    gateway.wait(15)
    gateway.holding()
    gateway.quote(120.0)
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", left, 105.0))
    gateway.wait(6)
    if left:
        gateway.clear()
        gateway.confirm_until("SELL")
        gateway.receive(gateway.status(STOP, "PreSubmitted", why_held="trigger", quantity=left))
    else:
        gateway.confirm_until(f"cancel {STOP}")
        gateway.receive(gateway.status(STOP, "Cancelled"))
    gateway.wait(6)
    assert gateway.state.get(Missing, "TSLA") is not None
    gateway.clear()
    return gateway


def answers_twice(gateway: Gateway) -> None:
    """Two complete answers that agree with the book and with each other."""
    gateway.answer_as_known()
    gateway.wait(3)
    gateway.answer_as_known()


def test_two_answers_that_differ_prove_nothing() -> None:
    gateway = short_of(4.0)
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 5.0, 105.0))
    gateway.answer_as_known()
    assert gateway.own() == 10.0, "what was proved was another figure"
    gateway.confirm()
    assert gateway.own() == 5.0


def test_the_remaining_shares_keep_their_stop() -> None:
    gateway = short_of(4.0)
    assert gateway.own() == 10.0, "not before the broker has answered"
    gateway.confirm()
    assert gateway.state.get(Own, "TSLA") == Own("TSLA", 4.0, 420.0)
    (filled,) = gateway.events(OrderFilled)
    fill = filled.fill
    assert (fill.role, fill.side, fill.quantity, fill.price, filled.own) == ("adopted", "SELL", 6.0, 120.0, 4.0)
    assert (filled.realized_usd, filled.cost_usd) == (90.0, 420.0)
    (position,) = gateway.events(PositionUpdated)
    assert (position.account_quantity, position.own, position.own_cost_usd) == (4.0, 4.0, 420.0)
    assert gateway.order("CT.sim-TSLA-20250106-M1").status == "Filled"
    assert set(gateway.orders_sent()) <= {"ask"}
    assert "sold_by_hand" in gateway.notes()
    assert gateway.state.get(Missing, "TSLA") is None


def test_all_shares_were_sold() -> None:
    gateway = short_of(0.0)
    gateway.confirm()
    assert gateway.own() == 0.0
    gateway.clear()
    gateway.wait(60)
    assert gateway.notes() == []


def test_a_short_position_counts_as_no_shares() -> None:
    gateway = short_of(0.0)
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", -5.0, 105.0))
    gateway.confirm()
    assert gateway.own() == 0.0


def late_execution(gateway: Gateway) -> None:
    gateway.receive(gateway.execution(STOP, 10.0, 94.0))


def comes_back(gateway: Gateway) -> None:
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0))


def put(record: Any) -> Any:
    return lambda gateway: gateway.state.apply([(type(record), record.key, record)])


@pytest.mark.parametrize(
    ("meanwhile", "own"),
    [
        (late_execution, 0.0),
        (comes_back, 10.0),
        (put(HeldBack(STOP, broker_order(STOP, side="SELL", status="Filled", filled=10.0))), 10.0),
        (put(Missing("TSLA")), 10.0),
    ],
    ids=["an execution of ours after all", "the shares are back", "its end was reported", "not asked"],
)
def test_other_causes_are_not_booked_as_a_sale(meanwhile: Any, own: float) -> None:
    gateway = short_of(0.0)
    meanwhile(gateway)
    gateway.confirm()
    assert gateway.own() == own
    assert "sold_by_hand" not in gateway.notes()
    assert not [o for o in gateway.state.table(OrderRecord).values() if o.role == "adopted"]


def test_an_own_order_in_doubt_may_explain_it() -> None:
    gateway = short_of(4.0)
    gateway.state.apply([(Doubt, STOP, Doubt(STOP))])
    gateway.answer(BrokerPosition(ACCOUNT, "TSLA", 4.0, 105.0))
    assert gateway.own() == 10.0


def test_an_unconfirmed_split_may_explain_it() -> None:
    gateway = short_of(4.0)
    for record in (Anchor("TSLA", 10.0, 42.0, 120.0, 2**62), Audit("TSLA")):
        gateway.state.apply([(type(record), record.key, record)])
    gateway.confirm()
    assert gateway.own() == 10.0


@pytest.mark.parametrize(
    ("left", "cost_was", "cost_is", "closed_ns", "own"),
    [
        (4.0, 105.0, 105.0, 2**62, 4.0),  # a sale does not change the average cost
        (4.0, 26.25, 105.0, 2**62, 10.0),  # each costs four times as much
        (4.0, 26.25, 105.0, 0, 4.0),  # bought after that close: the old cost does not count
        (1.0, 10.5, 105.0, 2**62, 10.0),  # ten became one
        (4.0, 0.5, 1.25, 2**62, 10.0),  # a penny stock
        (4.0, 100.0, 124.9, 2**62, 4.0),  # no reverse split raises the cost so little: others bought
        (4.0, 100.0, 125.0, 2**62, 10.0),
        (4.0, 100.0, 95.0, 2**62, 4.0),
        (4.0, 0.0, 105.0, 2**62, 4.0),  # the old cost is unknown
    ],
)
def test_fewer_shares_with_a_higher_cost_were_not_sold(
    left: float, cost_was: float, cost_is: float, closed_ns: int, own: float
) -> None:
    """A reverse split that the audit does not recognize. Booked as a sale it would give a false profit."""
    gateway = short_of(left)
    gateway.state.apply([(Anchor, "TSLA", Anchor("TSLA", 10.0, cost_was, 30.0, closed_ns))])
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", left, cost_is))
    gateway.confirm()
    assert gateway.own() == own
    assert ("sold_by_hand" in gateway.notes()) == (own == left)


def test_without_a_price_the_sale_is_booked_at_cost() -> None:
    gateway = short_of(0.0)
    gateway.quote(0.0)
    gateway.confirm()
    (filled,) = gateway.events(OrderFilled)
    assert (filled.fill.price, filled.realized_usd) == (105.0, 0.0)
