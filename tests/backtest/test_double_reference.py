"""A change of a double names the reference that the order has at the broker, not the book's own key."""

from __future__ import annotations

from services.backtest.broker import ExchangeBroker
from services.trading.ids import double_reference
from tests.gateway.one_decision import STOP, stop
from tests.simulator.scripted import exchange, prints


def test_a_change_of_a_double_keeps_its_reference() -> None:
    broker = ExchangeBroker(exchange(prints(100.0, 100.0)), 1)
    assert broker._ticket(stop(double_reference(STOP, 2)), True).order_ref == STOP
