"""Adopting: on the operator's command foreign shares become own at the market price, and get a stop."""

from __future__ import annotations

from typing import Any

import pytest

from messages.broker import BrokerPosition
from messages.operator import Adopt, Flatten
from messages.orders import OrderFilled, OrderRecord, PositionUpdated
from services.gateway.book.records import Own
from tests.gateway.scenario import ACCOUNT, Gateway, broker_order


def foreign(quantity: float = 20.0) -> Gateway:
    gateway = Gateway()
    gateway.wait(15)
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", quantity, 50.0))
    gateway.quote(100.0)
    gateway.clear()
    return gateway


def test_adopted_shares_cost_the_market_price_and_get_a_stop() -> None:
    gateway = foreign()
    gateway.receive(Adopt("TSLA", 15.0))
    assert gateway.state.get(Own, "TSLA") == Own("TSLA", 15.0, 1500.0)
    (filled,) = gateway.events(OrderFilled)
    assert (filled.fill.role, filled.fill.quantity, filled.fill.price, filled.own) == ("adopted", 15.0, 100.0, 15.0)
    (position,) = gateway.events(PositionUpdated)
    assert (position.account_quantity, position.own, position.own_cost_usd) == (20.0, 15.0, 1500.0)
    assert gateway.orders_sent() == ["SELL 15 TRAIL"]
    assert gateway.order("CT.sim-TSLA-20250106-A1-S1").trail_stop_price == 90.0


def test_adopted_shares_are_added_to_own_shares() -> None:
    gateway = foreign(0.0)
    gateway.holding()
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 15.0, 80.0))
    gateway.clear()
    gateway.receive(Adopt("TSLA", 5.0))
    assert gateway.own() == 15
    gateway.answer_as_known()
    assert gateway.orders_sent() == ["ask", "SELL 15 TRAIL"], "one stop for all of them"


def test_two_adoptions_in_a_day_have_two_references() -> None:
    gateway = foreign()
    gateway.receive(Adopt("TSLA", 5.0))
    gateway.answer_as_known()
    gateway.receive(Adopt("TSLA", 5.0))
    adopted = [o.client_order_id for o in gateway.state.table(OrderRecord).values() if o.role == "adopted"]
    assert adopted == ["CT.sim-TSLA-20250106-A1", "CT.sim-TSLA-20250106-A2"]
    assert gateway.own() == 10


def flattening(gateway: Gateway) -> None:
    gateway.receive(Adopt("TSLA", 5.0))
    gateway.receive(Flatten("TSLA"))


@pytest.mark.parametrize(
    ("before", "quantity"),
    [
        (lambda g: None, 21.0),
        (lambda g: None, 1.5),
        (lambda g: None, 0.0),
        (lambda g: g.receive(broker_order("", side="SELL", quantity=10.0, perm_id=9, client_id=0)), 11.0),
        (Gateway.disconnect, 5.0),
        (lambda g: g.quote(0.0), 5.0),
        (flattening, 5.0),
    ],
)
def test_adopting_is_refused(before: Any, quantity: float) -> None:
    gateway = foreign()
    before(gateway)
    own = gateway.own()
    gateway.clear()
    gateway.receive(Adopt("TSLA", quantity))
    assert gateway.own() == own
    assert gateway.notes() == ["adopt_refused"]
