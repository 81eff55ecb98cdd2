"""Which stops wait for an entry that is over, and what proves it."""

from __future__ import annotations

from typing import Any

import pytest

from messages.broker import BrokerOrder, BrokerSnapshot
from messages.orders import OrderRecord
from services.gateway.book.records import Links
from services.gateway.book.waiting import forget_waiting, never_sells, take_waiting, waits
from tests.gateway.broker_reports import reported
from tests.gateway.one_decision import ACCOUNT, READY, STOP, draft, entry, stop
from tests.gateway.scenario import changed

CHILD = stop(why_held="child,trigger", perm_id=72)
PARENT = entry(perm_id=71)
PROVED = changed(READY, waiting=(STOP,))


def answer(*open_orders: BrokerOrder) -> BrokerSnapshot:
    return BrokerSnapshot(ACCOUNT, (), open_orders, (), (), ())


@pytest.mark.parametrize(
    ("order", "answer"),
    [
        (CHILD, True),
        (changed(CHILD, status="PendingCancel"), True),
        (changed(CHILD, status="Submitted"), False),  # the broker works it
        (stop(), False),
        (stop(why_held="locate"), False),
    ],
)
def test_what_waits(order: OrderRecord, answer: bool) -> None:
    assert waits(order) is answer


@pytest.mark.parametrize(
    ("open_orders", "waiting"),
    [
        ([reported(CHILD)], (STOP,)),  # its entry is over
        ([reported(PARENT), reported(CHILD)], ()),  # its entry works
        ([reported(PARENT, filled=4.0), reported(CHILD)], ()),
        ([reported(PARENT, filled=10.0), reported(CHILD)], (STOP,)),  # filled is filled
        ([reported(CHILD, why_held="trigger")], ()),
        ([reported(CHILD, client_order_id="CT-NVDA-20250106-1-S1", perm_id=99)], ()),  # the book does not know it
        ([], ()),
    ],
)
def test_an_answer_says_which_stops_wait_in_vain(open_orders: list[BrokerOrder], waiting: tuple[str, ...]) -> None:
    d = draft(READY, PARENT, CHILD)
    take_waiting(d, answer(*open_orders))
    links = d.get(Links, "links")
    assert links is not None
    assert links.waiting == waiting
    assert never_sells(d, CHILD) is (waiting == (STOP,))


def test_the_next_answer_and_a_newer_report_end_the_proof() -> None:
    d = draft(PROVED, CHILD)
    assert never_sells(d, CHILD)
    assert not never_sells(d, stop()), "it works now"
    take_waiting(d, answer())
    assert not never_sells(d, CHILD)
    d = draft(PROVED, CHILD)
    forget_waiting(d, stop())
    assert not never_sells(d, CHILD)


@pytest.mark.parametrize("other", [stop("CT-NVDA-20250106-1-S1"), entry()])
def test_a_report_of_another_order_changes_nothing(other: Any) -> None:
    d = draft(PROVED, CHILD)
    forget_waiting(d, other)
    assert d.decision.changes == []
