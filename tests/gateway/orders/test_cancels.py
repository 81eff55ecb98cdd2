"""Cancels: sent, asked about, sent again, given up and resumed; with all records and messages."""

from __future__ import annotations

from typing import Any

import pytest

from messages.broker import CancelOrder
from messages.orders import OrderRecord
from services.gateway.book.records import CancelSent, Doubt
from services.gateway.orders.cancels import (
    ANSWER_MAX_NS,
    ANSWER_NS,
    MAX_SENT,
    Release,
    cancel_deadline,
    decide_cancels,
    doubt_overdue_cancels,
    drop_cancels,
    request_cancel,
    resend_cancels,
    resume_cancels,
    send_cancel,
)
from services.runtime.core import Draft, is_volatile
from tests.gateway.one_decision import (
    ENTRY,
    MACHINE_NS,
    OPEN,
    STOP,
    draft,
    entry,
    messages_of,
    note,
    state_of,
    stop,
    written,
)
from tests.gateway.scenario import SECOND, changed

CANCEL = ("broker", CancelOrder(2, STOP))
GOING = stop(cancel_reason="flatten")
LATER = MACHINE_NS + ANSWER_NS


def allow(_: Draft, order: OrderRecord) -> Release | None:
    return Release(order.key, 0.0)


def forbid(_: Draft, order: OrderRecord) -> Release | None:
    return None


def test_a_cancel_is_sent_with_a_deadline_to_ask_about_it() -> None:
    d = draft(stop())
    assert send_cancel(d, stop(), "flatten", Release(STOP, 0.0)) == GOING
    assert written(d, cancels=True) == [GOING, CancelSent(STOP, 1, LATER)]
    assert messages_of(d) == [CANCEL]


def test_the_first_reason_stays() -> None:
    d = draft(GOING)
    assert send_cancel(d, GOING, "orphan_stop", Release(STOP, 0.0)) == GOING
    assert messages_of(d) == [CANCEL]


@pytest.mark.parametrize(
    ("cancels", "wanted"),
    [
        ([], None),
        ([CancelSent(STOP, 1, 700), CancelSent(ENTRY, 1, 500)], 500),
        ([CancelSent(STOP, 5, 0), CancelSent(ENTRY, 1, 500)], 500),  # one was given up
        ([CancelSent(STOP, 5, 0)], None),
    ],
)
def test_the_deadline_is_the_earliest_one(cancels: list[CancelSent], wanted: int | None) -> None:
    state = state_of(*cancels)
    assert cancel_deadline(state) == wanted
    assert is_volatile(CancelSent)


class TestAsking:
    @pytest.mark.parametrize(
        ("doubt", "after"),
        [([], Doubt(STOP)), ([Doubt(STOP, False, 1)], Doubt(STOP, False, 1))],  # it keeps its count
    )
    def test_an_overdue_cancel_puts_the_order_in_doubt(self, doubt: list[Any], after: Doubt) -> None:
        d = draft(GOING, CancelSent(STOP, 2, MACHINE_NS), *doubt)
        assert doubt_overdue_cancels(d) is True
        assert written(d, cancels=True) == [CancelSent(STOP, 2, LATER, asked=True), after]
        assert messages_of(d) == []

    @pytest.mark.parametrize("sent", [CancelSent(STOP, 2, MACHINE_NS + 1), CancelSent(STOP, 5, 0)])
    def test_no_doubt_before_the_deadline_or_after_giving_up(self, sent: CancelSent) -> None:
        d = draft(GOING, sent)
        assert doubt_overdue_cancels(d) is False
        assert written(d, cancels=True) == []

    @pytest.mark.parametrize("orders", [[], [changed(GOING, status="Cancelled")]])
    def test_an_order_that_ended_is_not_asked_about(self, orders: list[OrderRecord]) -> None:
        """And the next one is checked, too."""
        d = draft(*orders, entry(), CancelSent(STOP, 2, MACHINE_NS), CancelSent(ENTRY, 1, MACHINE_NS))
        assert doubt_overdue_cancels(d) is True
        assert written(d, cancels=True) == [
            (CancelSent, STOP),
            CancelSent(ENTRY, 1, LATER, asked=True),
            Doubt(ENTRY),
        ]


class TestSendingAgain:
    @pytest.mark.parametrize(("count", "wait_s"), [(1, 20), (2, 40), (3, 60), (4, 60)])
    def test_it_is_sent_again_with_growing_waits_while_the_order_works(self, count: int, wait_s: int) -> None:
        assert (ANSWER_NS, ANSWER_MAX_NS, MAX_SENT) == (10 * SECOND, 60 * SECOND, 5)
        d = draft(OPEN, GOING, CancelSent(STOP, count, LATER, asked=True))
        resend_cancels(d, allow)
        assert written(d, cancels=True) == [CancelSent(STOP, count + 1, MACHINE_NS + wait_s * SECOND)]
        assert messages_of(d) == [
            note("cancel_repeated", level="WARNING", client_order_id=STOP, sent=count, status="PreSubmitted"),
            CANCEL,
        ]

    @pytest.mark.parametrize(
        ("session", "level"),
        [([OPEN], "ERROR"), ([changed(OPEN, phase="closed")], "WARNING"), ([], "WARNING")],
    )
    def test_after_the_fifth_cancel_the_operator_is_alerted(self, session: list[Any], level: str) -> None:
        """Some brokers answer a cancel only at the open: while the market is closed it is no error."""
        d = draft(*session, GOING, CancelSent(STOP, MAX_SENT, LATER, asked=True))
        resend_cancels(d, allow)
        assert written(d, cancels=True) == [CancelSent(STOP, MAX_SENT, 0, asked=True)]
        assert messages_of(d) == [
            note("cancel_unanswered", level=level, client_order_id=STOP, sent=MAX_SENT, status="PreSubmitted")
        ]

    @pytest.mark.parametrize(
        "records",
        [
            [GOING, CancelSent(STOP, 1, LATER)],  # the answer was asked for before it was overdue
            [GOING, CancelSent(STOP, MAX_SENT, 0, asked=True)],
            [GOING, CancelSent(STOP, 1, LATER, asked=True), Doubt(STOP)],  # the answer does not list it
        ],
    )
    def test_it_is_not_sent_again_unless_the_order_is_known_to_work(self, records: list[Any]) -> None:
        d = draft(OPEN, *records)
        resend_cancels(d, allow)
        assert (written(d, cancels=True), messages_of(d)) == ([], [])

    @pytest.mark.parametrize("count", [1, MAX_SENT])
    @pytest.mark.parametrize("orders", [[], [changed(GOING, status="Cancelled")], [GOING, Doubt(STOP)], [GOING]])
    def test_it_is_not_sent_again_for_an_order_that_ended(self, orders: list[Any], count: int) -> None:
        asked = (CancelSent(STOP, count, LATER, asked=True), CancelSent(ENTRY, 1, LATER, asked=True))
        d = draft(OPEN, *orders, entry(), *asked)
        resend_cancels(d, allow)
        assert messages_of(d)[-1] == ("broker", CancelOrder(1, ENTRY))
        assert ((CancelSent, STOP) in written(d, cancels=True)) is (GOING not in orders)


class TestResuming:
    CANCELS = (CancelSent(STOP, 2, LATER), CancelSent(ENTRY, MAX_SENT, 0))

    def test_a_new_connection_drops_all_cancels(self) -> None:
        d = draft(*self.CANCELS)
        drop_cancels(d)
        assert written(d, cancels=True) == [(CancelSent, STOP), (CancelSent, ENTRY)]

    def test_the_next_session_drops_those_given_up(self) -> None:
        d = draft(*self.CANCELS)
        drop_cancels(d, given_up=True)
        assert written(d, cancels=True) == [(CancelSent, ENTRY)]

    @pytest.mark.parametrize(
        ("records", "goes"),
        [
            ([GOING], True),
            ([stop()], False),
            ([changed(GOING, status="Cancelled")], False),
            ([changed(GOING, order_id=0)], False),  # without an order id it can't be sent
            ([GOING, Doubt(STOP)], False),
            ([GOING, CancelSent(STOP, 1, LATER)], False),  # it is under way
        ],
    )
    def test_wanted_cancels_that_are_not_sent_are_sent(self, records: list[Any], goes: bool) -> None:
        d = draft(*records)
        resume_cancels(d, allow)
        assert messages_of(d) == ([CANCEL] if goes else [])
        assert written(d, cancels=True) == ([CancelSent(STOP, 1, LATER)] if goes else [])


class TestSells:
    """A cancel of a sell needs a release; without one it is withdrawn."""

    @pytest.mark.parametrize(
        "release", [None, Release("CT-TSLA-20250106-2-S1", 0.0), Release(STOP, 4.0)], ids=["none", "another", "partial"]
    )
    def test_no_cancel_of_a_sell_is_sent_without_its_release(self, release: Release | None) -> None:
        with pytest.raises(ValueError, match=STOP):
            send_cancel(draft(stop()), stop(), "orphan_stop", release)

    def test_a_request_sends_nothing(self) -> None:
        d = draft(stop(), CancelSent(STOP, 1, LATER))
        assert request_cancel(d, stop(), "flatten") == GOING
        assert (written(d, cancels=True), messages_of(d)) == ([(CancelSent, STOP), GOING], [])

    def test_a_purchase_is_cancelled_at_once(self) -> None:
        d = draft(entry())
        request_cancel(d, entry(), "paused")
        assert messages_of(d) == [("broker", CancelOrder(1, ENTRY))]

    def test_a_permitted_cancel_is_sent(self) -> None:
        d = draft(stop())
        request_cancel(d, stop(), "flatten")
        decide_cancels(d, allow)
        assert messages_of(d) == [CANCEL]

    @pytest.mark.parametrize("decides", [decide_cancels, resume_cancels])
    def test_a_cancel_that_is_not_permitted_is_withdrawn(self, decides: Any) -> None:
        d = draft(GOING)
        d.put(GOING)
        decides(d, forbid)
        assert written(d, cancels=True) == [stop(), (CancelSent, STOP)]
        assert messages_of(d) == [note("cancel_withdrawn", level="WARNING", client_order_id=STOP, reason="flatten")]

    def test_a_cancel_that_is_no_longer_permitted_is_not_repeated(self) -> None:
        d = draft(OPEN, GOING, CancelSent(STOP, 1, LATER, asked=True))
        resend_cancels(d, forbid)
        assert written(d, cancels=True) == [(CancelSent, STOP), stop()]
        assert [m for to, m in messages_of(d) if to == "broker"] == []

    def test_a_sale_in_doubt_waits(self) -> None:
        d = draft(GOING, Doubt(STOP))
        resume_cancels(d, allow)
        assert (written(d, cancels=True), messages_of(d)) == ([], [])
