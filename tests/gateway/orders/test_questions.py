"""Questions to the broker: one at a time, and what they cover; and the reports of coverage."""

from __future__ import annotations

from typing import Any

import pytest

from messages.broker import BrokerPosition, RequestSnapshot
from messages.orders import OrderRecord, ProtectionChanged
from services.gateway.book.queries import links_of
from services.gateway.book.records import AccountPosition, Change, Coverage, Doubt, Missing, Own
from services.gateway.orders.questions import ask, ask_later, ask_soon, doubt_unacknowledged, watch_acks
from services.gateway.protection.coverage import report_coverage
from tests.gateway.one_decision import (
    ENTRY,
    MACHINE_NS,
    NOON_NS,
    READY,
    STOP,
    Links,
    draft,
    entry,
    foreign,
    held,
    messages_of,
    stop,
    written,
)
from tests.gateway.scenario import ACCOUNT, SECOND, Gateway, changed

SOON = MACHINE_NS + 2 * SECOND
QUESTION = [("broker", RequestSnapshot())]


def test_an_unknown_link_is_down() -> None:
    assert links_of(draft()) == Links()
    assert links_of(draft(READY)) == READY


def test_a_question_covers_every_order_in_doubt() -> None:
    d = draft(changed(READY, ask_at_ns=SOON), Doubt(STOP, False, 2), Doubt(ENTRY, True), Missing("TSLA"))
    ask(d)
    assert written(d) == [
        Doubt(STOP, True, 2),
        Doubt(ENTRY, True),
        Missing("TSLA", asked=True),
        changed(READY, asking=True),
    ]
    assert messages_of(d) == QUESTION


@pytest.mark.parametrize("asking", [True, False])
def test_the_next_question_waits_for_the_answer(asking: bool) -> None:
    d = draft(changed(READY, asking=asking))
    ask_soon(d)
    assert messages_of(d) == ([] if asking else QUESTION)
    assert written(d) == [changed(READY, asking=True, ask_at_ns=SOON if asking else 0)]


@pytest.mark.parametrize("asking", [True, False])
def test_ask_later_sets_a_deadline(asking: bool) -> None:
    d = draft(READY)
    ask_later(d, asking=asking)
    assert (written(d), messages_of(d)) == ([changed(READY, ask_at_ns=SOON, asking=asking)], [])


def test_a_missing_acknowledgement_sets_a_deadline() -> None:
    d = draft(READY)
    watch_acks(d)
    assert written(d) == [changed(READY, ask_at_ns=MACHINE_NS + 10 * SECOND)]
    d = draft(changed(READY, ask_at_ns=7))
    watch_acks(d)
    assert written(d) == [], "it will be asked sooner"


def test_unacknowledged_orders_are_in_doubt() -> None:
    sent, over = entry(status="InFlight"), entry("CT-TSLA-20250106-2", status="Cancelled")
    known = entry("CT-TSLA-20250106-3", status="InFlight")
    changes = [Change(STOP, "TSLA", 4.0, "sent"), Change(over.key, "TSLA", 4.0, "sent")]
    d = draft(over, sent, known, stop(), stop(f"{ENTRY}-S2"), *changes, Doubt(known.key, True, 2))
    doubt_unacknowledged(d)
    assert written(d) == [Doubt(ENTRY), Doubt(STOP)]


def test_orders_that_filled_without_an_end_are_in_doubt() -> None:
    filled, part = entry(status="Submitted", filled=10.0), stop(filled=4.0)
    d = draft(filled, part, foreign(filled=10.0, quantity=10.0), stop(f"{ENTRY}-S2", status="Filled", filled=10.0))
    doubt_unacknowledged(d)
    assert written(d) == [Doubt(ENTRY)]


class TestCoverage:
    """Ten own shares of ten; this decision changed their stop."""

    @pytest.mark.parametrize(
        ("records", "touched", "now"),
        [
            ([*held()], stop(), (10.0, 10.0)),
            ([*held()], stop(quantity=4.0), (10.0, 4.0)),
            ([*held(4.0)], stop(), (4.0, 4.0)),  # no more than there is
            ([*held()], stop(quantity=14.0, filled=8.0), (10.0, 6.0)),
            ([*held()], stop(why_held="child"), (10.0, 0.0)),
            ([*held()], stop(status="Cancelled"), (10.0, 0.0)),
            ([*held()], stop(role="flatten"), (10.0, 10.0)),
            ([*held()], foreign(), (10.0, 0.0)),
            ([*held(10.0, 4.0)], stop(quantity=3.0), (4.0, 3.0)),  # manually sold shares need no stop
            ([*held(10.5, 500.0)], stop(), (10.0, 10.0)),
            ([Own("TSLA", 10.0)], stop(), (10.0, 10.0)),
            ([*held(1.0)], stop(quantity=1.0), (1.0, 1.0)),
            ([*held(0.9)], stop(), None),
            ([*held(-3.0)], stop(), None),
            ([AccountPosition("TSLA", 10.0, 105.0)], stop(), None),
        ],
    )
    def test_shares_to_protect_and_protected_shares_are_reported(
        self, records: list[Any], touched: OrderRecord, now: tuple[float, float] | None
    ) -> None:
        d = draft(*records, stop("CT-NVDA-20250106-1-S1", symbol="NVDA"))
        d.put(touched)
        report_coverage(d)
        if now is None:
            assert messages_of(d) == []
            return
        assert written(d)[1:] == [Coverage("TSLA", *now)]
        assert messages_of(d) == [("recorder", ProtectionChanged("TSLA", *now, NOON_NS))]

    @pytest.mark.parametrize("record", [Own("TSLA", 10.0, 1050.0), AccountPosition("TSLA", 10.0, 105.0), stop()])
    def test_every_kind_of_change_reports_coverage(self, record: Any) -> None:
        d = draft(*held(), stop())
        d.put(record)
        report_coverage(d)
        assert written(d) == [record, Coverage("TSLA", 10.0, 10.0)]

    @pytest.mark.parametrize(("before", "tells"), [(Coverage("TSLA", 10.0, 10.0), False), (Coverage("TSLA"), True)])
    def test_the_same_coverage_is_not_reported_twice(self, before: Coverage, tells: bool) -> None:
        d = draft(*held(), before)
        d.put(stop())
        report_coverage(d)
        assert bool(messages_of(d)) is tells

    def test_unchanged_symbols_are_not_reported(self) -> None:
        d = draft(*held(), stop())
        d.put(Doubt(STOP))
        d.drop(OrderRecord, "CT-GME-20250106-1")
        report_coverage(d)
        assert messages_of(d) == []

    def test_zero_shares_are_reported_and_each_symbol_separately(self) -> None:
        d = draft(Coverage("TSLA", 10.0, 10.0), AccountPosition("NVDA", 5.0, 90.0))
        d.put(Own("TSLA", 0.0))
        d.put(stop(status="Filled"))
        d.put(Own("GME", 0.0))
        d.put(Own("NVDA", 5.0, 450.0))
        report_coverage(d)
        assert messages_of(d) == [
            ("recorder", ProtectionChanged("TSLA", 0.0, 0.0, NOON_NS)),
            ("recorder", ProtectionChanged("NVDA", 5.0, 0.0, NOON_NS)),
        ]


def test_an_answer_does_not_undo_a_position_that_was_reported_since_it_was_asked_for() -> None:
    """The question goes out, then the entry fills, then the answer comes: it is of before the purchase."""
    gateway = Gateway()
    entry = gateway.working()
    gateway.wait(20)
    gateway.receive(gateway.status(entry.client_order_id, "Submitted"))
    gateway.error(entry.client_order_id, 104, "Cannot modify a filled order")
    gateway.wait(2)
    assert gateway.orders_sent()[-1] == "ask"
    gateway.clear()
    gateway.receive(gateway.execution(entry.client_order_id, 10.0, 105.0))
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0))
    gateway.answer()
    position = gateway.state.get(AccountPosition, "TSLA")
    assert position is not None
    assert position.quantity == 10.0
    assert gateway.orders_sent() == ["ask"], "only a later answer can say more"
    gateway.answer()
    position = gateway.state.get(AccountPosition, "TSLA")
    assert position is not None
    assert position.quantity == 0.0
