"""Unconfirmed orders: never sent again, and dead only after several complete answers without them."""

from __future__ import annotations

import pytest

from messages.broker import BrokerPosition, SnapshotFailed
from messages.orders import OrderAccepted, OrderCancelled, OrderFilled, OrderRejected
from services.gateway.book.records import Doubt
from services.gateway.links import MAX_ABSENCES
from tests.gateway.scenario import ACCOUNT, Gateway


def in_doubt() -> tuple[Gateway, str, str]:
    """An entry that was sent when the gateway was killed."""
    gateway = Gateway()
    entry = gateway.enter()
    gateway.restart()
    return gateway, entry.client_order_id, entry.stop_client_order_id


def test_an_order_is_dead_after_three_complete_answers_without_it() -> None:
    gateway, key, stop = in_doubt()
    gateway.connect()
    for asked in range(1, MAX_ABSENCES):
        assert gateway.order(key).live, f"after {asked} answers"
        gateway.wait(3)
        gateway.answer()
    assert (gateway.order(key).status, gateway.order(key).reason) == ("Cancelled", "never_arrived")
    assert not gateway.order(stop).live
    assert gateway.orders_sent().count("ask") == MAX_ABSENCES
    assert [e.asked for e in gateway.events(OrderCancelled)] == [False, False]
    assert not gateway.state.table(Doubt)
    gateway.wait(60)
    assert gateway.orders_sent() == ["ask"] * MAX_ABSENCES, "nothing is outstanding any more"


def test_a_missing_answer_does_not_count_as_absence() -> None:
    """Field 4: a timed-out answer looks like an empty one."""
    gateway, key, _ = in_doubt()
    gateway.connect()
    for _ in range(10):
        gateway.wait(3)
        gateway.receive(SnapshotFailed("no complete answer in time", gateway.links().question))
    assert gateway.order(key).live
    assert gateway.links().phase == "ready"


def test_a_failed_snapshot_is_requested_again_while_reconciling() -> None:
    gateway, _, _ = in_doubt()
    from messages.broker import Connected

    gateway.receive(Connected(("DU1234567",), 1, 12))
    gateway.receive(SnapshotFailed("timeout", gateway.links().question))
    gateway.wait(3)
    assert gateway.orders_sent() == ["ask", "ask"]
    assert gateway.links().phase == "reconciling"
    assert not gateway.core.ready(gateway.state)


def test_an_order_in_doubt_is_found_open() -> None:
    gateway, key, stop = in_doubt()
    gateway.connect(gateway.status(key, "PreSubmitted"), gateway.status(stop, "PreSubmitted"))
    assert [e.order.client_order_id for e in gateway.events(OrderAccepted)] == [key, stop]
    gateway.wait(60)
    assert gateway.orders_sent() == ["ask"]


def test_an_order_in_doubt_is_found_filled() -> None:
    gateway, key, stop = in_doubt()
    gateway.connect(
        gateway.execution(key, 10.0, 105.0), gateway.completed(key, "Filled"), gateway.status(stop, "PreSubmitted")
    )
    assert gateway.own() == 10.0
    assert not gateway.order(key).live


def test_an_order_in_doubt_is_found_by_its_executions() -> None:
    """Completed orders are of today only: the executions report the complete fill."""
    gateway, key, stop = in_doubt()
    gateway.connect(gateway.execution(key, 10.0, 105.0), gateway.status(stop, "PreSubmitted"))
    assert (gateway.order(key).status, gateway.live_entries()) == ("Filled", [])


def test_a_partial_fill_of_an_order_that_is_gone_counts() -> None:
    gateway, key, stop = in_doubt()
    gateway.connect(gateway.execution(key, 4.0, 105.0), gateway.status(stop, "PreSubmitted"))
    assert gateway.order(key).live
    for _ in range(MAX_ABSENCES):
        gateway.wait(3)
        gateway.answer(gateway.status(stop, "PreSubmitted"))
    assert (gateway.order(key).status, gateway.own()) == ("Cancelled", 4.0)


def dead() -> tuple[Gateway, str, str]:
    gateway, key, stop = in_doubt()
    gateway.connect()
    for _ in range(MAX_ABSENCES):
        gateway.wait(3)
        gateway.answer()
    assert not gateway.order(key).live
    gateway.clear()
    return gateway, key, stop


@pytest.mark.parametrize("status", ["PreSubmitted", "Submitted"])
def test_an_order_that_appears_late_is_cancelled_once(status: str) -> None:
    gateway, key, _ = dead()
    gateway.receive(gateway.status(key, status))
    gateway.receive(gateway.status(key, status))
    assert gateway.orders_sent() == [f"cancel {key}"]
    assert "late_order_cancelled" in gateway.notes()
    gateway.quote()
    gateway.enter(2)
    assert gateway.live_entries() == [key], "while it is live no other one is placed"
    gateway.receive(gateway.status(key, "Cancelled"))
    assert gateway.live_entries() == []


def test_a_late_fill_changes_own_shares() -> None:
    gateway, key, _ = dead()
    gateway.receive(gateway.execution(key, 10.0, 105.0))
    gateway.receive(gateway.status(key, "Filled", filled=10.0))
    assert gateway.own() == 10.0
    assert len(gateway.events(OrderFilled)) == 1


def test_field_51_an_order_that_filled_without_its_last_status_is_asked_about() -> None:
    """Until it is over the symbol can't enter again."""
    gateway = Gateway()
    entry = gateway.holding()
    gateway.wait(20)
    gateway.clear()
    gateway.receive(gateway.execution(entry.stop_client_order_id, 10.0, 94.0))
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 0.0, 0.0))
    gateway.wait(11)
    assert gateway.orders_sent() == ["ask"]
    gateway.answer()
    assert gateway.order(entry.stop_client_order_id).status == "Filled"


def test_an_order_that_ends_in_time_is_not_asked_about() -> None:
    gateway = Gateway()
    entry = gateway.holding()
    gateway.wait(20)
    gateway.clear()
    gateway.receive(gateway.execution(entry.stop_client_order_id, 10.0, 94.0))
    gateway.receive(gateway.status(entry.stop_client_order_id, "Filled", filled=10.0))
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 0.0, 0.0))
    gateway.wait(60)
    assert gateway.orders_sent() == []


def test_field_08_a_missing_acknowledgement_is_asked_about() -> None:
    gateway = Gateway()
    entry = gateway.enter()
    gateway.clear()
    gateway.wait(9)
    assert gateway.orders_sent() == []
    gateway.wait(2)
    assert gateway.orders_sent() == ["ask"]
    keys = (entry.client_order_id, entry.stop_client_order_id)
    gateway.answer(*(gateway.status(key, "PreSubmitted") for key in keys))
    gateway.wait(60)
    assert gateway.orders_sent() == ["ask"]


class TestErrors:
    """An error alone never ends an order."""

    @pytest.mark.parametrize("code", [10349, 161, 104, 10147, 10148, 201, 10326, 10327, 103, 105, 999])
    def test_field_01_an_order_with_an_error_is_asked_about_and_lives_on(self, code: int) -> None:
        gateway = Gateway()
        entry = gateway.working()
        gateway.clear()
        gateway.error(entry.client_order_id, code)
        assert gateway.order(entry.client_order_id).live
        gateway.wait(3)
        assert gateway.orders_sent() == ([] if code == 10349 else ["ask"])
        gateway.answer(
            *(gateway.status(k, "PreSubmitted") for k in (entry.client_order_id, entry.stop_client_order_id))
        )
        assert gateway.order(entry.client_order_id).live
        assert not gateway.events(OrderCancelled)
        assert not gateway.events(OrderRejected)

    @pytest.mark.parametrize("code", [202, 399, 2109, 2137])
    def test_field_30_an_informational_message_causes_no_doubt(self, code: int) -> None:
        gateway = Gateway()
        entry = gateway.working()
        gateway.clear()
        gateway.error(entry.client_order_id, code)
        gateway.wait(30)
        assert gateway.messages == []

    def test_field_26_a_cancel_answered_with_10148_of_a_filled_order(self) -> None:
        gateway = Gateway()
        entry = gateway.working()
        key = entry.client_order_id
        gateway.cancel(entry)
        gateway.error(key, 10148, "OrderId that needs to be cancelled can not be cancelled, state: Filled.")
        gateway.wait(3)
        stop = gateway.status(entry.stop_client_order_id, "PreSubmitted", why_held="trigger")
        gateway.answer(gateway.execution(key, 10.0, 105.0), gateway.completed(key, "Filled"), stop)
        assert (gateway.order(key).status, gateway.own()) == ("Filled", 10.0)

    def test_field_28_a_rejected_order_that_is_not_listed(self) -> None:
        gateway = Gateway()
        entry = gateway.enter()
        gateway.error(entry.client_order_id, 201, "no margin")
        for _ in range(MAX_ABSENCES + 1):
            gateway.wait(3)
            gateway.answer()
        rejected = gateway.events(OrderRejected)
        assert [(e.code, e.text) for e in rejected] == [(201, "no margin")]
        assert gateway.live_entries() == []

    def test_field_29_a_202_without_a_request_is_an_unrequested_cancel(self) -> None:
        gateway = Gateway()
        entry = gateway.working()
        gateway.error(entry.client_order_id, 202, "Order Canceled - reason: price")
        gateway.receive(gateway.status(entry.client_order_id, "Cancelled"))
        (event,) = gateway.events(OrderCancelled)
        assert not event.asked

    def test_an_error_of_an_unknown_order_is_ignored(self) -> None:
        from messages.broker import BrokerError

        gateway = Gateway()
        gateway.receive(BrokerError(4711, 200, "No security definition"))
        assert gateway.to_broker == []
