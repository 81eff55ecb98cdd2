"""Late orders, ends that wait for executions, two orders with one reference, orders that are no longer listed."""

from __future__ import annotations

from typing import Any

import pytest

from messages.broker import CancelOrder, RequestSnapshot
from messages.orders import OrderCancelled, OrderRecord, OrderRejected, OrderUpdated
from services.gateway.book.records import NEVER_ARRIVED, CancelSent, Change, Doubt, HeldBack, LastError
from services.gateway.orders.folding import fold_absence
from services.runtime.core import Draft
from tests.gateway.broker_reports import BOOK, Outcome, all_changes, fields_of, fold_status, folded, reported, updated
from tests.gateway.one_decision import (
    ENTRY,
    MACHINE_NS,
    NOON_NS,
    READY,
    SECOND,
    STOP,
    draft,
    entry,
    foreign,
    messages_of,
    note,
    stop,
)
from tests.gateway.scenario import changed

GONE = entry(status="Cancelled", reason=NEVER_ARRIVED)


class TestLateOrder:
    """It was given up, or Inactive, and works after all. Another entry may have its slot, so it is cancelled."""

    @pytest.mark.parametrize(
        ("known", "reason"),
        [
            (GONE, "came_late"),
            (entry(status="Inactive"), "came_late"),
            (entry(status="Inactive", cancel_reason="halted"), "halted"),
        ],
    )
    def test_is_cancelled(self, known: OrderRecord, reason: str) -> None:
        order = changed(known, status="Submitted", cancel_reason=reason, reason="", updated_ns=NOON_NS)
        fields = {"client_order_id": known.key, "order_id": known.order_id}
        assert fold_status(known, "Submitted") == (
            [order, CancelSent(known.key, 1, MACHINE_NS + 10 * SECOND)],
            [
                note("late_order_cancelled", level="WARNING", **fields),
                ("broker", CancelOrder(known.order_id, known.key)),
                ("TSLA", OrderUpdated(order)),
            ],
        )

    def test_stays_if_it_is_a_stop(self) -> None:
        known = stop(status="Inactive")
        assert fold_status(known, "Submitted") == updated(changed(known, status="Submitted", updated_ns=NOON_NS))

    def test_a_stop_that_was_given_up_counts_again(self) -> None:
        known = stop(status="Cancelled", reason=NEVER_ARRIVED, cancel_reason="orphan_stop")
        order = changed(known, status="Submitted", cancel_reason="", reason="", updated_ns=NOON_NS)
        fields = {"client_order_id": STOP, "order_id": 2}
        assert fold_status(known, "Submitted") == (
            [order],
            [note("late_stop_kept", level="WARNING", **fields), ("TSLA", OrderUpdated(order))],
        )

    def test_can_be_filled_already(self) -> None:
        assert fold_status(GONE, "Filled") == updated(changed(GONE, status="Filled", reason="", updated_ns=NOON_NS))


class TestEndBeforeItsExecutions:
    """A final status that counts more shares than the executions."""

    @pytest.mark.parametrize("status", ["Filled", "Cancelled"])
    def test_waits_for_its_executions(self, status: str) -> None:
        known = entry(status="Submitted", filled=3.0)
        report = reported(known, status=status, filled=4.0)
        assert folded(report, known, BOOK) == ([HeldBack(ENTRY, report), Doubt(ENTRY)], [])

    @pytest.mark.parametrize(
        ("known", "status", "report"),
        [
            (entry(status="Submitted", filled=4.0), "Filled", {"filled": 4.0}),
            (entry(status="Submitted", filled=4.0), "Cancelled", {"filled": 3.0}),
            (entry(status="Submitted", filled=3.0), "Inactive", {"filled": 4.0}),
            (entry(status="PreSubmitted", filled=3.0), "Submitted", {"filled": 4.0}),
            (entry(status="Submitted", filled=3.0), "Filled", {"filled": 4.0, "completed_status": "Filled"}),
            (entry(status="Cancelled", filled=3.0), "Filled", {"filled": 4.0}),
        ],
    )
    def test_does_not_wait_otherwise(self, known: OrderRecord, status: str, report: dict[str, Any]) -> None:
        (writes, _) = fold_status(known, status, **report)
        assert [type(record) for record in writes] == [OrderRecord]
        assert writes[0].status == status


class TestEndOfDoubt:
    @pytest.mark.parametrize(("status", "certain"), [("PendingSubmit", False), ("PreSubmitted", True)])
    def test_a_report_ends_the_doubt(self, status: str, certain: bool) -> None:
        (writes, _) = fold_status(entry(), status, Doubt(ENTRY, True, 1), Doubt("CT-TSLA-20250106-0"))
        assert writes == ([(Doubt, ENTRY)] if certain else [])

    @pytest.mark.parametrize(
        ("stage", "quantity", "done"), [("sent", 5.0, True), ("sent", 6.0, False), ("reading", 5.0, False)]
    )
    def test_a_report_with_the_new_quantity_ends_the_change(self, stage: str, quantity: float, done: bool) -> None:
        known = stop(quantity=5.0)
        change = Change(STOP, "TSLA", quantity, stage)
        (writes, _) = fold_status(known, "PreSubmitted", change)
        assert writes == ([(Change, STOP)] if done else [])


class TestDouble:
    """Another order with the reference of one that we have."""

    FIRST = stop(perm_id=78, order_id=2, filled=1.0, avg_price=94.0, renewed_ns=5, reason="x", cancel_reason="y")
    OURS = changed(READY, client_id=12)
    DOUBLE = changed(
        FIRST,
        client_order_id=f"{STOP}~2",
        quantity=6.0,
        status="PendingSubmit",
        why_held="",
        filled=0.0,
        avg_price=0.0,
        order_id=3,
        perm_id=99,
        created_ns=NOON_NS,
        updated_ns=NOON_NS,
        cancel_reason="",
        reason="",
        renewed_ns=0,
    )
    WORD = reported(FIRST, order_id=3, perm_id=99, quantity=6.0, status="PendingSubmit", why_held="")

    def noted(self, *, cancelled: bool, client_id: int = 12, key: str = f"{STOP}~2") -> tuple[str, Any]:
        return note(
            "double_order",
            level="ERROR",
            client_order_id=key,
            order_id=3,
            perm_id=99,
            client_id=client_id,
            qty=6.0,
            first_order_id=2,
            first_perm_id=78,
            cancelled=cancelled,
        )

    def test_is_to_be_cancelled_and_all_orders_are_asked_about(self) -> None:
        """A sell is cancelled once the first protects for certain (`protection/permission.py`)."""
        taken = changed(self.DOUBLE, cancel_reason="double_order")
        assert folded(self.WORD, self.FIRST, BOOK, self.OURS) == (
            [
                taken,
                Doubt(STOP, asked=True),
                Doubt(taken.key, asked=True),
                changed(self.OURS, asking=True),
                (CancelSent, taken.key),
            ],
            [
                self.noted(cancelled=True),
                ("broker", RequestSnapshot()),
            ],
        )

    def test_of_another_client_is_not_cancelled(self) -> None:
        (writes, messages) = folded(self.WORD, self.FIRST, BOOK, changed(READY, client_id=13))
        assert writes[0] == changed(self.DOUBLE, order_id=0), "its order id is that of another order of ours"
        assert not [w for w in writes if isinstance(w, CancelSent)]
        assert messages == [self.noted(cancelled=False), ("broker", RequestSnapshot())]
        assert folded(self.WORD, self.FIRST, BOOK)[1][0] == self.noted(cancelled=False), "not ours, without a link"

    def test_is_asked_about_later_while_an_answer_is_awaited(self) -> None:
        awaits = changed(self.OURS, asking=True)
        (writes, messages) = folded(self.WORD, self.FIRST, BOOK, awaits)
        assert changed(awaits, ask_at_ns=MACHINE_NS + 2 * SECOND) in writes
        assert ("broker", RequestSnapshot()) not in messages

    def test_is_updated_by_reports(self) -> None:
        (writes, messages) = folded(changed(self.WORD, status="Submitted"), self.FIRST, BOOK, self.OURS)
        works = changed(self.DOUBLE, status="Submitted", cancel_reason="double_order")
        assert writes[0] == works
        assert messages[-1] == ("TSLA", OrderUpdated(works))
        assert (Doubt, works.key) in writes, "it was just spoken of"

    def test_may_have_another_side_or_symbol(self) -> None:
        bought = changed(self.WORD, side="BUY", symbol="NVDA")
        (writes, _) = folded(bought, self.FIRST, BOOK, self.OURS)
        assert writes[0] == changed(self.DOUBLE, side="BUY", symbol="NVDA", cancel_reason="double_order")

    @pytest.mark.parametrize(("status", "filled", "counts"), [("Cancelled", 0.0, False), ("Cancelled", 1.0, True)])
    def test_that_ended_counts_if_it_filled(self, status: str, filled: float, counts: bool) -> None:
        report = changed(self.WORD, status=status, filled=filled)
        (writes, messages) = folded(report, self.FIRST, BOOK, self.OURS)
        assert [w.key for w in writes if isinstance(w, OrderRecord)] == ([f"{STOP}~2"] if counts else [])
        assert bool(messages) is counts

    def test_of_an_order_that_ended_puts_only_itself_in_doubt(self) -> None:
        first = changed(self.FIRST, status="Filled")
        (writes, _) = folded(self.WORD, first, BOOK, self.OURS)
        assert [w.key for w in writes if isinstance(w, Doubt)] == [f"{STOP}~2"]

    def test_can_be_a_third_order(self) -> None:
        second = changed(self.DOUBLE, perm_id=98, order_id=4, status="Submitted", cancel_reason="double_order")
        (writes, messages) = folded(self.WORD, self.FIRST, second, BOOK, self.OURS)
        assert writes[0].key == f"{STOP}~3"
        assert [w.key for w in writes if isinstance(w, Doubt)] == [STOP, f"{STOP}~2", f"{STOP}~3"]
        assert messages[0] == self.noted(cancelled=True, key=f"{STOP}~3")

    @pytest.mark.parametrize(
        ("fields", "again"),
        [
            ({}, True),
            ({"order_id": 3}, False),
            ({"status": "Cancelled"}, False),
            ({"cancel_reason": "paused"}, False),
        ],
    )
    def test_is_cancelled_again_if_its_cancel_ended_the_first(self, fields: dict[str, Any], again: bool) -> None:
        """Both have the order id: a cancel ends one of them, not always the double."""
        double = changed(self.DOUBLE, order_id=2, status="Submitted", cancel_reason="double_order")
        double = changed(double, **fields)
        (writes, messages) = folded(reported(self.FIRST, status="Cancelled"), self.FIRST, double, BOOK, self.OURS)
        assert ((CancelSent, double.key) in writes) is again, "it is to be decided anew"
        assert [m for to, m in messages if to == "broker"] == []

    def test_is_not_cancelled_again_while_the_first_lives(self) -> None:
        double = changed(self.DOUBLE, order_id=2, status="Submitted", cancel_reason="double_order")
        (_, messages) = folded(reported(self.FIRST, why_held=""), self.FIRST, double, BOOK, self.OURS)
        assert [to for to, _ in messages] == ["TSLA"]


class TestAbsent:
    """A complete answer of the broker does not list a live order."""

    def settled(self, order: OrderRecord, *records: Any, questions: int = 3) -> Outcome:
        d: Draft = draft(order, *records)
        fold_absence(d, order, questions)
        return all_changes(d), messages_of(d)

    def test_a_foreign_order_is_gone(self) -> None:
        gone = changed(foreign(), status="Cancelled", reason="gone", updated_ns=NOON_NS)
        (writes, messages) = self.settled(foreign(), Doubt("foreign:9"))
        assert (writes, messages) == ([gone, (Doubt, "foreign:9")], [("TSLA", OrderUpdated(gone))])

    @pytest.mark.parametrize("filled", [10.0, 11.0])
    def test_an_order_filled_by_its_executions_is_filled(self, filled: float) -> None:
        order = entry(filled=filled, reason="x")
        done = changed(order, status="Filled", updated_ns=NOON_NS)
        assert self.settled(order, Doubt(ENTRY)) == (
            [done, (Doubt, ENTRY)],
            [("TSLA", OrderUpdated(done))],
        )

    @pytest.mark.parametrize(
        ("doubt", "questions", "then"),
        [
            (None, 3, Doubt(ENTRY)),
            (Doubt(ENTRY), 1, Doubt(ENTRY)),  # it was not asked about
            (Doubt(ENTRY, True), 2, Doubt(ENTRY, absent=1)),
            (Doubt(ENTRY, True, 1), 3, Doubt(ENTRY, absent=2)),
            (Doubt(ENTRY, False, 1), 3, Doubt(ENTRY, absent=1)),
        ],
    )
    def test_an_absence_is_counted_and_asked_about_again(
        self, doubt: Doubt | None, questions: int, then: Doubt
    ) -> None:
        for order in (entry(), entry(filled=9.5)):
            assert self.settled(order, *([doubt] if doubt else []), questions=questions) == ([then], [])

    @pytest.mark.parametrize(
        ("doubt", "questions"), [(Doubt(ENTRY, True), 1), (Doubt(ENTRY, True, 2), 3), (Doubt(ENTRY, True, 3), 3)]
    )
    @pytest.mark.parametrize("asked", ["", "halted"])
    def test_the_last_absence_ends_the_order(self, doubt: Doubt, questions: int, asked: str) -> None:
        order = entry(cancel_reason=asked)
        dead = changed(order, status="Cancelled", reason=NEVER_ARRIVED, updated_ns=NOON_NS)
        writes = [dead, (Doubt, ENTRY)]
        assert self.settled(order, doubt, questions=questions) == (
            writes,
            [
                ("TSLA", OrderCancelled(dead, bool(asked))),
                note("order_never_arrived", level="WARNING", **fields_of(dead)),
            ],
        )
        error = LastError(ENTRY, 201, "as worded")
        assert self.settled(order, doubt, error, questions=questions) == (
            writes,
            [
                ("TSLA", OrderRejected(dead, 201, "as worded")),
                note("order_rejected", level="WARNING", **fields_of(dead), code=201, text="as worded"),
            ],
        )
