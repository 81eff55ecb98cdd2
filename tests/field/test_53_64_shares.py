"""Rows 53 and 64: shares that an entry leaves bare, and fractions of a share that are not ours."""

from __future__ import annotations

import pytest

from messages.broker import BrokerPosition, PlaceOrder
from messages.operator import Happened
from services.gateway.book.records import Block, Disputed
from tests.gateway.scenario import ACCOUNT, Gateway


def test_field_53_shares_of_an_entry_whose_cancel_is_never_confirmed_get_a_stop() -> None:
    """Four of ten fill, the child is dead, and the cancel of the rest stays unanswered."""
    gateway = Gateway()
    entry = gateway.working()
    key, child = entry.client_order_id, entry.stop_client_order_id
    gateway.wait(20)
    gateway.receive(gateway.execution(key, 4.0, 105.0))
    gateway.receive(gateway.status(key, "Submitted", filled=4.0))
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 4.0, 105.0))
    gateway.receive(gateway.status(child, "Cancelled"))
    gateway.cancel(entry, "partial_fill")
    gateway.clear()
    gateway.wait(10)
    assert "position_unprotected" in gateway.notes(), "counted and reported whatever the reason"
    assert not [c for c in gateway.to_broker if isinstance(c, PlaceOrder)]
    for _ in range(40):
        if gateway.links().asking:
            gateway.answer_as_known()
        gateway.wait(1)
    (placed,) = [c.order for c in gateway.to_broker if isinstance(c, PlaceOrder)]
    assert (placed.side, placed.quantity) == ("SELL", 4.0), "never more than the shares"


@pytest.mark.parametrize("account", [10.05, 9.95, 10.9])
def test_field_64_a_fraction_freezes_nothing(account: float) -> None:
    gateway = Gateway()
    entry = gateway.holding()
    gateway.wait(20)
    gateway.clear()
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", account, 105.0))
    for _ in range(30):
        if gateway.links().asking:
            gateway.answer_as_known()
        for changed in [c.order for c in gateway.to_broker if isinstance(c, PlaceOrder)]:
            assert (account, changed.quantity) == (9.95, 9.0), "a stop for ten could sell short"
            stop = entry.stop_client_order_id
            gateway.receive(gateway.status(stop, "PreSubmitted", why_held="trigger", quantity=9.0))
        gateway.to_broker.clear()
        gateway.wait(1)
    assert not gateway.state.table(Disputed)
    assert not gateway.state.table(Block)
    assert gateway.own() == 10.0
    assert not [n for n in gateway.events(Happened) if n.level == "ERROR"]
    assert gateway.order(entry.stop_client_order_id).live
