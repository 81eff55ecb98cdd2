"""Flattening step by step: the records and messages of each step."""

from __future__ import annotations

from typing import Any

import pytest

from messages.broker import CancelOrder, PlaceOrder
from messages.operator import Flatten, Flattening
from messages.orders import OrderPlaced, OrderRecord
from services.gateway.book.queries import whole_shares
from services.gateway.book.records import AccountPosition, Book, Doubt, FlattenRecord, HeldBack, Own, SessionRecord
from services.gateway.operator.flatten import BEFORE_CLOSE_NS, flatten_step, handle_flatten
from tests.gateway.one_decision import (
    DOWN,
    ENTRY,
    NOON_NS,
    OPEN,
    READY,
    STOP,
    draft,
    entry,
    foreign,
    held,
    messages_of,
    note,
    quoted,
    stop,
    written,
)
from tests.gateway.scenario import ACCOUNT, DAY, Gateway, broker_order, changed

BEGUN = FlattenRecord(symbol="TSLA")
CLEARING = FlattenRecord(symbol="TSLA", phase="clearing")
SALE = "CT-TSLA-20250106-F1"


def flattening(phase: str, quantity: float, reason: str = "", symbol: str = "TSLA") -> tuple[str, Flattening]:
    return symbol, Flattening(symbol, phase, quantity, reason)  # type: ignore[arg-type]


def sale(key: str = SALE, **more: Any) -> OrderRecord:
    return stop(key, **({"role": "flatten", "order_type": "MKT", "status": "InFlight", "order_id": 3} | more))


@pytest.mark.parametrize(
    ("own", "whole"),
    [(None, 0), (0.0, 0), (0.9, 0), (1.0, 1), (10.5, 10), (9.999_999_999_5, 10), (9.99, 9), (-3.0, 0)],
)
def test_whole_shares_have_no_fraction(own: float | None, whole: int) -> None:
    assert whole_shares(draft(*([] if own is None else [Own("TSLA", own)])), "TSLA") == whole


class TestCommand:
    RECORDS = (
        Own("TSLA", 10.0),
        Own("AMC", 0.5),
        entry("CT-NVDA-20250106-1", symbol="NVDA"),
        entry("CT-AMD-20250106-1", symbol="AMD", status="Cancelled"),
        stop("CT-GME-20250106-1-S1", symbol="GME"),
        FlattenRecord(symbol="NOK", phase="selling"),
    )

    def test_without_a_symbol_it_concerns_all_held_and_live_symbols(self) -> None:
        d = draft(*self.RECORDS)
        assert handle_flatten(d, Flatten()) == ["TSLA", "NVDA", "NOK"]
        assert written(d) == [FlattenRecord(symbol="TSLA"), FlattenRecord(symbol="NVDA")]
        assert messages_of(d) == []

    def test_with_a_symbol_it_concerns_that_symbol(self) -> None:
        d = draft(*self.RECORDS)
        assert handle_flatten(d, Flatten("NVDA")) == ["NVDA"]
        assert written(d) == [FlattenRecord(symbol="NVDA")]
        assert handle_flatten(draft(*self.RECORDS), Flatten("AMC")) == [], "a fraction can't be sold"

    def test_withdrawn_while_it_waits(self) -> None:
        d = draft(Own("TSLA", 10.0), FlattenRecord(symbol="TSLA", phase="waiting", reason="halted"))
        assert handle_flatten(d, Flatten("TSLA", withdraw=True)) == ["TSLA"]
        assert written(d) == [(FlattenRecord, "TSLA")]
        assert messages_of(d) == [
            flattening("withdrawn", 10.0),
            note("flatten_withdrawn", level="WARNING", qty=10),
        ]

    @pytest.mark.parametrize("records", [[], [CLEARING], [BEGUN]])
    def test_withdrawing_a_flatten_that_does_not_wait_changes_nothing(self, records: list[Any]) -> None:
        d = draft(Own("TSLA", 10.0), *records)
        handle_flatten(d, Flatten("TSLA", withdraw=True))
        assert (written(d), messages_of(d)) == ([], [])


class TestStep:
    def test_without_a_flatten_nothing_happens(self) -> None:
        d = draft(OPEN, *held(), stop())
        assert flatten_step(d, "TSLA", READY) is False
        assert (written(d), messages_of(d)) == ([], [])

    def test_first_the_entry_and_the_stop_are_cancelled(self) -> None:
        other, theirs = stop("CT-NVDA-20250106-1-S1", symbol="NVDA", order_id=8), foreign()
        d = draft(OPEN, BEGUN, *held(4.0), entry(filled=4.0), stop(quantity=4.0), other, theirs)
        assert flatten_step(d, "TSLA", READY) is True
        assert written(d) == [
            changed(entry(filled=4.0), cancel_reason="flatten"),
            CLEARING,
            changed(stop(quantity=4.0), cancel_reason="flatten"),
        ]
        assert messages_of(d) == [
            ("broker", CancelOrder(1, ENTRY)),
            flattening("clearing", 4.0),
            note("flatten_clearing", level="WARNING", qty=4, reason=""),
            ("broker", CancelOrder(2, STOP)),
        ]

    def test_the_flatten_waits_for_requested_cancels(self) -> None:
        d = draft(OPEN, CLEARING, *held(), stop(status="PendingCancel", cancel_reason="flatten"))
        assert flatten_step(d, "TSLA", READY) is True
        assert (written(d), messages_of(d)) == ([], [])

    def test_finally_the_whole_shares_are_sold_once(self) -> None:
        d = draft(OPEN, CLEARING, Book(account=ACCOUNT, next_order_id=7), *held(10.5), stop(status="Cancelled"))
        assert flatten_step(d, "TSLA", READY) is True
        sold = OrderRecord(
            client_order_id=SALE,
            symbol="TSLA",
            role="flatten",
            side="SELL",
            order_type="MKT",
            quantity=10.0,
            tif="DAY",
            order_id=7,
            account=ACCOUNT,
            created_ns=NOON_NS,
            updated_ns=NOON_NS,
        )
        assert written(d) == [
            Book(account=ACCOUNT, next_order_id=8),
            sold,
            FlattenRecord(symbol="TSLA", phase="selling", sale_id=SALE),
        ]
        assert messages_of(d) == [
            ("TSLA", OrderPlaced(sold)),
            ("broker", PlaceOrder(sold, True)),
            flattening("selling", 10.0),
            note("flatten_selling", level="WARNING", qty=10, reason=""),
        ]

    def test_a_symbol_with_a_blank_and_its_third_sale_of_the_day(self) -> None:
        first, second = (sale(f"CT-BRK.B-20250106-F{n}", symbol="BRK B", status="Filled") for n in (1, 2))
        theirs = foreign("foreign:5", symbol="BRK B")
        shares = (Own("BRK B", 3.0), AccountPosition("BRK B", 2.0, 50.0))
        d = draft(OPEN, FlattenRecord(symbol="BRK B"), *shares, first, second, theirs)
        flatten_step(d, "BRK B", READY)
        found = written(d)[1]
        assert (found.key, found.quantity, found.account) == ("CT-BRK.B-20250106-F3", 2.0, "")

    def test_nothing_else_happens_while_the_sale_is_live(self) -> None:
        selling = FlattenRecord(symbol="TSLA", phase="selling", sale_id=SALE)
        d = draft(OPEN, selling, *held(), sale())
        assert flatten_step(d, "TSLA", READY) is True
        assert (written(d), messages_of(d)) == ([], [])

    def test_without_shares_and_orders_the_flatten_is_done(self) -> None:
        d = draft(OPEN, FlattenRecord(symbol="TSLA", phase="selling"), *held(0.4), foreign())
        assert flatten_step(d, "TSLA", READY) is False
        assert written(d) == [(FlattenRecord, "TSLA")]
        assert messages_of(d) == [flattening("done", 0.0), note("flatten_done", level="WARNING", qty=0)]

    def test_an_unfilled_entry_is_cancelled_together_with_its_child(self) -> None:
        child = stop(why_held="child,trigger")
        d = draft(OPEN, BEGUN, entry(), child)
        assert flatten_step(d, "TSLA", READY) is True
        assert [m for to, m in messages_of(d) if to == "broker"] == [CancelOrder(1, ENTRY), CancelOrder(2, STOP)]


HELD_BACK = HeldBack(STOP, broker_order(STOP))


@pytest.mark.parametrize("unsure", [Doubt(STOP), HELD_BACK])
@pytest.mark.parametrize(("record", "in_charge"), [(BEGUN, False), (CLEARING, True)])
def test_it_waits_while_an_order_is_in_doubt(unsure: Any, record: FlattenRecord, in_charge: bool) -> None:
    """A flatten that has cancelled the stop stays in control: no other stop may be placed meanwhile."""
    d = draft(OPEN, record, *held(), stop(), unsure)
    assert flatten_step(d, "TSLA", READY) is in_charge
    assert (written(d), messages_of(d)) == ([], [])


def test_a_doubt_about_an_unrelated_order_does_not_matter() -> None:
    d = draft(OPEN, BEGUN, *held(), stop(), Doubt("CT-NVDA-20250106-1-S1"))
    assert flatten_step(d, "TSLA", READY) is True
    assert messages_of(d)[-1] == ("broker", CancelOrder(2, STOP))


LAST_NS = DAY.close_ns - BEFORE_CLOSE_NS
CLOSED = SessionRecord(phase="closed", date=DAY.date, open_ns=DAY.open_ns, close_ns=DAY.close_ns)
CLOSING = SessionRecord(phase="closing", date=DAY.date, open_ns=DAY.open_ns, close_ns=DAY.close_ns)
ENDLESS = SessionRecord(phase="open", date=DAY.date, open_ns=DAY.open_ns)


@pytest.mark.parametrize(
    ("records", "now", "links", "reason"),
    [
        ([OPEN], {}, READY, None),
        ([OPEN], {}, DOWN, "links_down"),
        ([OPEN], {}, changed(READY, broker_up=False), "links_down"),
        ([OPEN], {"stale": True}, READY, "clock_stale"),
        ([], {}, READY, "session_closed"),
        ([CLOSED], {}, READY, "session_closed"),
        ([CLOSING], {}, READY, None),
        ([ENDLESS], {"market_ns": 1 << 62}, READY, None),  # its close is unknown
        ([OPEN], {"market_ns": DAY.open_ns - 1}, READY, "session_closed"),
        ([OPEN], {"market_ns": DAY.open_ns}, READY, None),
        ([OPEN], {"market_ns": LAST_NS - 1}, READY, None),
        ([OPEN], {"market_ns": LAST_NS}, READY, "session_closed"),
        ([OPEN, quoted(halted=True)], {}, READY, "halted"),
        ([OPEN, quoted()], {}, READY, None),
        ([OPEN, quoted(symbol="NVDA", halted=True)], {}, READY, None),
    ],
)
def test_reasons_to_wait(records: list[Any], now: dict[str, Any], links: Any, reason: str | None) -> None:
    d = draft(BEGUN, *held(), stop(), *records, **now)
    in_charge = flatten_step(d, "TSLA", links)
    if reason is None:
        assert in_charge
        assert written(d)[0] == CLEARING
        return
    assert in_charge is False, "the stop stays protected"
    assert written(d) == [FlattenRecord(symbol="TSLA", phase="waiting", reason=reason)]
    (tell, noted) = messages_of(d)
    assert tell == flattening("waiting", 10.0, reason)
    assert noted[1].fields == {"qty": 10, "reason": reason}


@pytest.mark.parametrize("account", [0.0, 0.9, -5.0, None])
def test_own_shares_missing_in_the_account_are_a_mismatch(account: float | None) -> None:
    shares = [Own("TSLA", 10.0)] if account is None else held(10.0, account)
    d = draft(OPEN, BEGUN, *shares)
    assert flatten_step(d, "TSLA", READY) is False
    assert messages_of(d) == [
        flattening("waiting", 10.0, "position_mismatch"),
        note("flatten_waiting", level="WARNING", qty=10, reason="position_mismatch"),
    ]


def test_each_new_reason_is_reported_once() -> None:
    waits = FlattenRecord(symbol="TSLA", phase="waiting", reason="session_closed")
    d = draft(CLOSED, waits, *held())
    flatten_step(d, "TSLA", READY)
    assert (written(d), messages_of(d)) == ([], [])
    d = draft(CLOSED, waits, *held())
    flatten_step(d, "TSLA", DOWN)
    assert messages_of(d)[0] == flattening("waiting", 10.0, "links_down")


class TestRefusals:
    def selling(self, refusals: int = 0) -> FlattenRecord:
        return FlattenRecord(symbol="TSLA", phase="selling", sale_id=SALE, refusals=refusals)

    @pytest.mark.parametrize(
        ("ended", "own"),
        [(sale(status="Inactive"), 10.0), (sale(status="Cancelled", filled=9.0), 1.0)],
    )
    def test_a_sale_that_ended_with_shares_left_counts_as_refused(self, ended: OrderRecord, own: float) -> None:
        d = draft(OPEN, self.selling(), *held(own), ended)
        assert flatten_step(d, "TSLA", READY) is True
        assert written(d)[0] == FlattenRecord(symbol="TSLA", phase="selling", sale_id=f"{SALE[:-1]}2", refusals=1)
        assert [m.order.quantity for to, m in messages_of(d) if to == "broker"] == [own]

    def test_a_filled_sale_does_not_count_as_refused(self) -> None:
        """More was bought since: the remaining shares are sold, too."""
        d = draft(OPEN, self.selling(), *held(5.0), sale(status="Filled", filled=10.0))
        flatten_step(d, "TSLA", READY)
        assert written(d)[-1].refusals == 0

    def test_without_a_sale_the_count_of_refusals_stays(self) -> None:
        d = draft(OPEN, changed(self.selling(1), sale_id=""), *held(), stop())
        flatten_step(d, "TSLA", READY)
        assert written(d)[0] == FlattenRecord(symbol="TSLA", phase="clearing", refusals=1)

    def test_the_second_refusal_ends_the_flatten_and_the_stop_is_allowed_again(self) -> None:
        d = draft(OPEN, self.selling(1), *held(10.5), sale(status="Inactive"))
        assert flatten_step(d, "TSLA", READY) is False
        assert written(d) == [(FlattenRecord, "TSLA")]
        assert messages_of(d) == [
            flattening("failed", 10.0),
            note("flatten_failed", level="ERROR", qty=10, refusals=2),
        ]


def test_two_refusals_by_the_broker_end_the_flatten() -> None:
    """All steps through the core: the operator's notes in order."""
    gateway = Gateway()
    gateway.wait(15)
    gateway.holding()
    gateway.clear()
    gateway.receive(Flatten("TSLA"))
    gateway.receive(gateway.status(STOP, "Cancelled"))
    for number in (1, 2):
        gateway.receive(gateway.status(f"CT.sim-TSLA-20250106-F{number}", "Inactive"))
    told_phases = [(m.phase, m.quantity) for m in gateway.events(Flattening)]
    assert told_phases == [("clearing", 10.0), ("selling", 10.0), ("failed", 10.0)]
    assert gateway.orders_sent() == [f"cancel {STOP}", "SELL 10 MKT", "SELL 10 MKT", "SELL 10 TRAIL"]
