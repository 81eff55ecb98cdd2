"""A lost cancel is asked about and sent again; not for ever, and only while the broker lists the order."""

from __future__ import annotations

import pytest

from messages.broker import BrokerOrder, BrokerPosition, CancelOrder, SnapshotFailed
from messages.market import SessionOpened
from messages.operator import Flatten, Happened
from services.gateway.book.records import CancelSent
from services.gateway.orders.cancels import MAX_SENT
from tests.gateway.scenario import ACCOUNT, DAY, UNTIL, Gateway

TEN = BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0)


def asked() -> tuple[Gateway, list[BrokerOrder]]:
    """A resting entry that is being cancelled, and the orders that the broker still lists."""
    gateway = Gateway()
    entry = gateway.working()
    listed = [
        gateway.status(entry.client_order_id, "PreSubmitted", why_held="trigger"),
        gateway.status(entry.stop_client_order_id, "PreSubmitted", why_held="child,trigger"),
    ]
    gateway.wait(20)
    gateway.clear()
    gateway.cancel(entry)
    return gateway, listed


def cancels(gateway: Gateway) -> int:
    return sum(isinstance(c, CancelOrder) for c in gateway.to_broker)


def levels(gateway: Gateway, event: str) -> list[str]:
    return [m.level for m in gateway.events(Happened) if m.event == event]


def test_nothing_is_asked_before_ten_seconds() -> None:
    gateway, _ = asked()
    gateway.wait(9)
    assert gateway.orders_sent() == ["cancel CT-TSLA-20250106-1"]
    gateway.wait(2)
    assert gateway.orders_sent() == ["cancel CT-TSLA-20250106-1", "ask"]


def test_a_cancel_is_sent_again_while_the_broker_lists_the_order() -> None:
    gateway, listed = asked()
    gateway.wait(11)
    gateway.answer(*listed)
    assert gateway.orders_sent() == ["cancel CT-TSLA-20250106-1", "ask", "cancel CT-TSLA-20250106-1"]
    assert levels(gateway, "cancel_repeated") == ["WARNING"]
    gateway.receive(gateway.status("CT-TSLA-20250106-1", "Cancelled"))
    gateway.receive(gateway.status("CT-TSLA-20250106-1-S1", "Cancelled"))
    gateway.wait(600)
    assert cancels(gateway) == 2
    assert not gateway.state.table(CancelSent)


def answers(gateway: Gateway, listed: list[BrokerOrder], seconds: int) -> list[int]:
    """The broker answers each question at once and ends no order. Returns the seconds at which it received cancels."""
    cancelled_at, count = [], cancels(gateway)
    for second in range(1, seconds + 1):
        gateway.wait(1)
        if gateway.links().asking:
            gateway.answer(*listed)
        if cancels(gateway) > count:
            cancelled_at.append(second)
        count = cancels(gateway)
    return cancelled_at


def test_a_cancel_is_sent_five_times_at_most_with_growing_waits() -> None:
    gateway, listed = asked()
    assert answers(gateway, listed, 3600) == [10, 30, 70, 130]
    assert cancels(gateway) == MAX_SENT
    assert levels(gateway, "cancel_unanswered") == ["ERROR"], "reported once"


def test_field_27_a_cancel_given_up_after_hours_is_sent_again_at_the_open() -> None:
    gateway, listed = asked()
    gateway.closed()
    answers(gateway, listed, 3600)
    assert levels(gateway, "cancel_unanswered") == ["WARNING"]
    gateway.receive(SessionOpened(DAY, UNTIL))
    assert cancels(gateway) == MAX_SENT + 1
    gateway.receive(SessionOpened(DAY, UNTIL))
    assert cancels(gateway) == MAX_SENT + 1, "it is under way"


def test_an_answer_without_the_order_sends_nothing() -> None:
    """It may have ended: three complete answers decide, as for any order."""
    gateway, listed = asked()
    for _ in range(4):
        gateway.wait(11)
        gateway.answer(listed[1])
    assert not gateway.order("CT-TSLA-20250106-1").live
    assert gateway.orders_sent().count("cancel CT-TSLA-20250106-1") == 1
    assert "cancel CT-TSLA-20250106-1-S1" in gateway.orders_sent(), "its child would hold up the next entry"


def test_a_failed_snapshot_sends_nothing() -> None:
    gateway, listed = asked()
    for _ in range(5):
        gateway.wait(11)
        gateway.receive(SnapshotFailed("no complete answer in time"))
    assert cancels(gateway) == 1
    gateway.wait(11)
    gateway.answer(*listed)
    assert cancels(gateway) == 2


def test_a_report_of_its_level_does_not_answer_the_cancel() -> None:
    """The broker reports the order and still works it: a failed question is asked again."""
    gateway = Gateway()
    stop = gateway.holding().stop_client_order_id
    gateway.wait(20)
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 0.0, 0.0))
    gateway.wait(6)
    listed = gateway.status(stop, "PreSubmitted", why_held="trigger")
    gateway.answer(listed)
    for _ in range(2):  # (the first answer is the doubt, and two more agree)
        gateway.wait(2)
        gateway.answer(listed)
    assert cancels(gateway) == 1, "sold manually"
    gateway.wait(11)
    gateway.receive(SnapshotFailed("no complete answer in time"))
    gateway.receive(gateway.status(stop, "PreSubmitted", why_held="trigger", trail_stop_price=96.0))
    for _ in range(20):
        gateway.wait(1)
        if gateway.links().asking:
            gateway.answer(listed)
    assert cancels(gateway) == 2


def test_a_new_connection_counts_from_one_again() -> None:
    gateway, listed = asked()
    answers(gateway, listed, 600)
    assert cancels(gateway) == MAX_SENT
    gateway.disconnect()
    gateway.connect(*listed)
    assert cancels(gateway) == MAX_SENT + 1
    gateway.wait(11)
    gateway.answer(*listed)
    assert cancels(gateway) == MAX_SENT + 2


def test_a_restart_sends_the_cancel_again() -> None:
    gateway, listed = asked()
    gateway.restart()
    gateway.connect(*listed)
    assert cancels(gateway) == 1


@pytest.mark.parametrize("lost", [1, 3])
def test_a_flatten_continues_although_the_stops_cancel_was_lost(lost: int) -> None:
    """Until its end is confirmed nothing is sold."""
    gateway = Gateway()
    stop = gateway.holding().stop_client_order_id
    gateway.wait(20)
    gateway.clear()
    gateway.receive(Flatten("TSLA"))
    assert gateway.orders_sent() == [f"cancel {stop}"]
    listed = gateway.status(stop, "PreSubmitted", why_held="trigger")
    for _ in range(lost):
        gateway.wait(61)
        gateway.answer(listed, TEN)
    assert cancels(gateway) == 1 + lost
    assert not [c for c in gateway.orders_sent() if c.startswith("SELL")]
    gateway.receive(gateway.status(stop, "Cancelled"))
    assert gateway.orders_sent()[-1] == "SELL 10 MKT"
