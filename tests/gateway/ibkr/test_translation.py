"""Callbacks of orders without a permId, and statuses that only the library has."""

from __future__ import annotations

from typing import Any

import ib_insync as ibi
import msgspec
import pytest

from messages.broker import BrokerOrder
from services.configuration.settings import Settings
from services.gateway.ibkr.connection import Broker

STATE = ibi.OrderState(status="PendingSubmit")


def order(perm_id: int, quantity: float, ref: str) -> ibi.Order:
    fields: dict[str, Any] = {"permId": perm_id, "totalQuantity": quantity, "orderRef": ref}
    return ibi.Order(action="SELL", orderType="TRAIL", trailingPercent=10.0, tif="GTC", **fields)


def received(*callbacks: Any) -> list[tuple[str, int, int, str]]:
    """The facts that follow from (order id, permId, quantity, ref) and (order id, permId, status)."""
    broker = Broker(msgspec.convert({"watchlist": ["TSLA"]}, Settings), lambda: None)
    for callback in callbacks:
        if len(callback) == 4:
            number, perm_id, quantity, ref = callback
            broker.on_open_order(number, ibi.Stock("TSLA"), order(perm_id, quantity, ref), STATE)
        else:
            number, perm_id, status = callback
            broker.on_order_status(number, status, 0.0, 0.0, perm_id, 0, "")
    facts = [fact for fact in broker.facts if isinstance(fact, BrokerOrder)]
    return [(f.client_order_id, f.order_id, f.perm_id, f.status) for f in facts]


def test_two_orders_without_a_perm_id_stay_separate() -> None:
    """Callbacks of a bracket before it is acknowledged: neither order gets the other's terms."""
    callbacks = [(1, 0, 10.0, "CT-1"), (2, 0, 5.0, "CT-1-S1"), (1, 0, "PreSubmitted"), (2, 0, "PreSubmitted")]
    assert received(*callbacks) == [("CT-1", 1, 0, "PreSubmitted"), ("CT-1-S1", 2, 0, "PreSubmitted")]


def test_the_status_may_bring_the_perm_id() -> None:
    assert received((1, 0, 10.0, "CT-1"), (1, 77, "Submitted")) == [("CT-1", 1, 77, "Submitted")]


def test_field_06_two_orders_with_one_order_id_stay_separate() -> None:
    callbacks = [(1, 77, 10.0, "CT-1"), (1, 78, 4.0, "CT-1"), (1, 77, "Submitted"), (1, 78, "Cancelled")]
    assert received(*callbacks) == [("CT-1", 1, 77, "Submitted"), ("CT-1", 1, 78, "Cancelled")]


def test_a_status_of_an_unknown_order_is_ignored() -> None:
    assert received((1, 77, "Submitted")) == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [("ApiPending", "PendingSubmit"), ("ApiCancelled", "Cancelled"), ("Inactive", "Inactive"), ("Filled", "Filled")],
)
def test_statuses_of_the_library_are_translated(fields: str, status: str) -> None:
    assert received((1, 77, 10.0, "CT-1"), (1, 77, fields)) == [("CT-1", 1, 77, status)]
