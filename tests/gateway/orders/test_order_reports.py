"""Reports of an order on a given book, with all records and messages."""

from __future__ import annotations

from typing import Any

import pytest

from messages.orders import OrderAccepted, OrderCancelled, OrderRecord, OrderRejected, OrderUpdated
from services.gateway.book.records import FOUND_AT_BROKER, NEVER_ARRIVED, Book, Doubt, HeldBack, LastError
from tests.gateway.broker_reports import NOTHING, fields_of, fold_status, folded, reported, updated
from tests.gateway.one_decision import ACCOUNT, ENTRY, NOON_NS, STOP, entry, note, stop
from tests.gateway.scenario import changed

GONE = entry(status="Cancelled", reason=NEVER_ARRIVED)

COMPLETED: dict[str, Any] = {"completed_status": "Cancelled by Trader", "status": "Cancelled"}


class TestOwnership:
    ELSEWHERE = entry(account="DU7654321")

    @pytest.mark.parametrize(
        ("key", "account", "book", "ours"),
        [
            (ENTRY, ACCOUNT, Book(account=ACCOUNT), True),
            (ENTRY, "", Book(account=ACCOUNT), True),  # some reports have no account
            (ENTRY, "DU7654321", Book(account=ACCOUNT), False),
            (ENTRY, "DU7654321", Book(), True),  # our account is not known yet
            ("CT", ACCOUNT, Book(account=ACCOUNT), False),
            ("", ACCOUNT, Book(account=ACCOUNT), False),
        ],
    )
    def test_an_own_order_has_our_reference_in_our_account(
        self, key: str, account: str, book: Book, ours: bool
    ) -> None:
        (writes, _) = folded(reported(entry(key, account=account, perm_id=5)), book)
        orders = [o.key for o in writes if isinstance(o, OrderRecord)]
        assert orders == ([key] if ours else ["foreign:5"])

    @pytest.mark.parametrize(
        ("key", "side", "role"),
        [
            (ENTRY, "BUY", "entry"),
            (STOP, "SELL", "stop"),
            (f"{ENTRY}-S2", "SELL", "stop"),
            ("CT-TSLA-20250106-F1", "SELL", "flatten"),
            ("CT-F-20250106-1-S1", "SELL", "stop"),  # Ford's
        ],
    )
    def test_an_order_of_a_lost_book_is_recorded(self, key: str, side: str, role: str) -> None:
        before = entry(key, side=side, role=role, why_held="")
        (writes, says_) = folded(reported(before, perm_id=77, order_type="LMT", tif="GTC"), Book(next_order_id=9))
        order = OrderRecord(
            client_order_id=key,
            symbol="TSLA",
            role=role,  # type: ignore[arg-type]
            side=side,  # type: ignore[arg-type]
            order_type="LMT",
            quantity=10.0,
            stop_price=105.0,
            status="PreSubmitted",
            order_id=1,
            perm_id=77,
            account=ACCOUNT,
            created_ns=NOON_NS,
            updated_ns=NOON_NS,
            reason=FOUND_AT_BROKER if role == "entry" else "",
            tif="GTC",
            parent_client_order_id=key.removesuffix("-S1").removesuffix("-S2") if role == "stop" else "",
        )
        placed = {"entry": "entry_order_placed", "flatten": "flatten_order_placed"}.get(role, "trailing_stop_placed")
        assert writes == [order]
        assert says_ == [
            note("unknown_own_order", level="WARNING", client_order_id=key, order_id=1),
            ("TSLA", OrderAccepted(order)),
            note(placed, **fields_of(order)),
        ]


class TestForeignOrder:
    SEEN = OrderRecord(
        client_order_id="foreign:5",
        symbol="TSLA",
        role="foreign",
        side="SELL",
        order_type="LMT",
        quantity=7.0,
        limit_price=110.0,
        stop_price=109.0,
        trailing_pct=3.0,
        tif="GTC",
        status="Submitted",
        filled=2.0,
        avg_price=110.5,
        order_id=-3,
        perm_id=5,
        parent_id=4,
        account="DU7654321",
        created_ns=NOON_NS,
        updated_ns=NOON_NS,
    )

    def test_is_recorded_and_reported(self) -> None:
        seen = note("foreign_order_seen", level="WARNING", order_id=-3, perm_id=5, qty=7.0)
        assert folded(reported(self.SEEN, client_order_id="somebody's")) == (
            [self.SEEN],
            [("TSLA", OrderUpdated(self.SEEN)), seen],
        )

    def test_is_updated_without_a_note(self) -> None:
        before = changed(self.SEEN, created_ns=1, updated_ns=2)
        assert folded(reported(before, client_order_id="x"), before) == NOTHING
        assert folded(reported(before, client_order_id="x", filled=3.0), before) == updated(
            changed(before, filled=3.0, updated_ns=NOON_NS)
        )

    @pytest.mark.parametrize(("side", "is_"), [("BUY", "BUY"), ("SELL", "SELL"), ("SSHORT", "SELL")])
    def test_buys_or_sells(self, side: str, is_: str) -> None:
        (writes, _) = folded(reported(self.SEEN, client_order_id="", side=side))
        assert writes == [changed(self.SEEN, side=is_)]

    def test_without_a_perm_id_is_known_by_its_order_id(self) -> None:
        (writes, _) = folded(reported(self.SEEN, client_order_id="", perm_id=0, order_id=8))
        assert writes[0].key == "foreign:8"


RESTS = entry(
    perm_id=77,
    limit_price=110.25,
    trailing_pct=None,
    oca_group="g",
    oca_type=1,
    parent_id=3,
    reason="x",
    limit_offset=0.5,
)
TRAILS = stop(perm_id=78, limit_offset=0.2, parent_id=1)
SAMPLED = changed(TRAILS, level_estimated=True)
UNTOLD = changed(TRAILS, stop_price=None, trail_stop_price=None)
RISEN = {"stop_price": 95.0, "trail_stop_price": 95.0}


class TestMergedRecord:
    """`then`: the changed fields of the order; {} if nothing is new."""

    @pytest.mark.parametrize(
        ("known", "report", "then"),
        [
            (RESTS, {}, {}),
            (RESTS, {"why_held": ""}, {"why_held": ""}),
            (RESTS, {"why_held": "locate"}, {"why_held": "locate"}),
            (RESTS, {"order_id": 0}, {}),
            (RESTS, {"order_id": 4}, {"order_id": 4}),
            (changed(RESTS, perm_id=0), {"perm_id": 77}, {"perm_id": 77}),
            (RESTS, {"perm_id": 0}, {}),
            (RESTS, {"parent_id": 0}, {"parent_id": 0}),
            (RESTS, {"quantity": 8.0}, {"quantity": 8.0}),
            (RESTS, {"limit_price": 111.0}, {"limit_price": 111.0}),
            (RESTS, {"limit_price": None}, {}),
            (RESTS, {"stop_price": 106.0}, {}),
            (RESTS, {"trail_stop_price": 94.5}, {}),  # it does not trail
            (RESTS, {"trailing_pct": 9.0}, {"trailing_pct": 9.0}),
            (RESTS, {"limit_offset": 0.6}, {"limit_offset": 0.6}),
            (RESTS, {"limit_offset": None}, {}),
            (RESTS, {"oca_group": "h"}, {"oca_group": "h"}),
            (RESTS, {"oca_type": 2}, {"oca_type": 2}),
            (RESTS, {"account": ""}, {}),
            (changed(RESTS, account=""), {"account": ACCOUNT}, {"account": ACCOUNT}),
            (RESTS, {"filled": 4.0, "avg_price": 105.0, "tif": "GTC"}, {}),  # executions report it
            (TRAILS, {"trailing_pct": None}, {}),
            # The level only rises, and is no longer an estimate once the broker has reported it.
            (TRAILS, {"trail_stop_price": 95.0}, RISEN),
            (TRAILS, {"trail_stop_price": 94.0}, {}),
            (TRAILS, {"trail_stop_price": None}, {}),
            (changed(TRAILS, order_type="TRAIL LIMIT"), {"trail_stop_price": 95.0}, RISEN),
            (UNTOLD, {"trail_stop_price": 94.5}, {"stop_price": 94.5, "trail_stop_price": 94.5}),
            (UNTOLD, {}, {}),
            (SAMPLED, {}, {"level_estimated": False}),
            (SAMPLED, {"trail_stop_price": 95.0}, RISEN | {"level_estimated": False}),
            (SAMPLED, {"trail_stop_price": 94.0}, {}),
            (SAMPLED, {"trail_stop_price": None}, {}),
        ],
    )
    def test_takes_over_the_reported_values(
        self, known: OrderRecord, report: dict[str, Any], then: dict[str, Any]
    ) -> None:
        assert folded(reported(known, **report), known, Book(next_order_id=9)) == (
            updated(changed(known, **then)) if then else NOTHING
        )

    def test_of_a_completed_order_takes_over_only_its_end(self) -> None:
        """It is reported with quantity 0, and without the details of a working one."""
        bare: dict[str, Any] = {
            "quantity": 0.0,
            "order_id": 0,
            "parent_id": 0,
            "limit_price": 1.0,
            "oca_group": "",
            "oca_type": 0,
            "account": "",
            "why_held": "",
        }
        ended = changed(RESTS, status="Cancelled", why_held="", reason="Cancelled by Trader", updated_ns=NOON_NS)
        assert folded(reported(RESTS, **(bare | COMPLETED)), RESTS, Book(next_order_id=9)) == (
            [ended],
            [
                ("TSLA", OrderCancelled(ended, False)),
                note("order_cancelled", **fields_of(ended), asked=False, reason="Cancelled by Trader"),
            ],
        )

    def test_of_an_unknown_completed_order_records_nothing(self) -> None:
        """It is of a time that the ledger does not know: `rebuilding.py` counts it, if its shares are still held."""
        report = reported(entry(), quantity=0.0, why_held="", **COMPLETED)
        assert folded(report, Book(next_order_id=9)) == ([], [])

    def test_of_an_unknown_completed_stop_of_a_known_entry_is_recorded(self) -> None:
        report = reported(stop(), quantity=0.0, why_held="", **COMPLETED)
        (writes, _) = folded(report, entry(), Book(next_order_id=9))
        assert [(o.key, o.status) for o in writes] == [(STOP, "Cancelled")]

    @pytest.mark.parametrize(("next_id", "told_id", "then"), [(5, 4, 5), (4, 4, 5), (3, 4, 5), (1, 4, 5)])
    def test_no_order_id_is_given_out_twice(self, next_id: int, told_id: int, then: int) -> None:
        book = Book(account=ACCOUNT, next_order_id=next_id)
        (writes, _) = folded(reported(RESTS, order_id=told_id), RESTS, book)
        books = [b for b in writes if isinstance(b, Book)]
        assert books == ([Book(account=ACCOUNT, next_order_id=then)] if then != next_id else [])

    def test_a_lost_book_gives_out_no_order_id_twice(self) -> None:
        assert folded(reported(RESTS), RESTS) == ([Book(next_order_id=2)], [])


PLACED = {"entry": "entry_order_placed", "flatten": "flatten_order_placed", "stop": "trailing_stop_placed"}


class TestStatus:
    @pytest.mark.parametrize("status", ["PendingSubmit", "PreSubmitted", "Submitted", "PendingCancel"])
    @pytest.mark.parametrize("known", [entry(status="InFlight"), stop(status="InFlight")])
    def test_the_first_report_accepts_an_order(self, known: OrderRecord, status: str) -> None:
        order = changed(known, status=status, updated_ns=NOON_NS)
        placed = note(PLACED[known.role], **fields_of(order))
        assert fold_status(known, status) == ([order], [("TSLA", OrderAccepted(order)), placed])

    def test_the_first_report_accepts_a_flatten_order(self) -> None:
        known = stop("CT-TSLA-20250106-F1", role="flatten", order_type="MKT", status="InFlight")
        assert fold_status(known, "Submitted")[1][1][1].event == "flatten_order_placed"

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("PreSubmitted", "Submitted"),
            ("Submitted", "PreSubmitted"),
            ("Submitted", "PendingCancel"),
            ("InFlight", "Filled"),
            ("Submitted", "Filled"),
            ("Cancelled", "Filled"),  # real world: a fill after a cancel
            ("Inactive", "Filled"),
        ],
    )
    def test_a_new_status_updates_the_order(self, before: str, after: str) -> None:
        known = entry(status=before, filled=10.0 if after == "Filled" else 0.0)
        assert fold_status(known, after) == updated(changed(known, status=after, updated_ns=NOON_NS))

    def test_filled_without_a_figure_waits_for_the_executions_too(self) -> None:
        known, report = entry(), reported(entry(), status="Filled", filled=0.0)
        writes, says_ = folded(report, known, Book(account=ACCOUNT, next_order_id=9))
        assert (writes, says_) == ([HeldBack(ENTRY, report), Doubt(ENTRY)], [])

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("PreSubmitted", "PendingSubmit"),
            ("PendingCancel", "PendingSubmit"),
            ("Cancelled", "PendingSubmit"),
            ("Cancelled", "Submitted"),
            ("Cancelled", "Inactive"),
            ("Cancelled", "Cancelled"),
            ("Filled", "Submitted"),
            ("Filled", "Cancelled"),
            ("Filled", "Filled"),
            ("Inactive", "PendingSubmit"),
        ],
    )
    def test_an_old_status_is_ignored(self, before: str, after: str) -> None:
        assert fold_status(entry(status=before), after, why_held="locate") == NOTHING

    @pytest.mark.parametrize(
        ("fields", "asked", "reason"),
        [
            ({}, False, ""),
            ({"cancel_reason": "halted"}, True, "halted"),
            ({"reason": "of old"}, False, "of old"),
            ({"cancel_reason": "halted", "reason": "of old"}, True, "halted"),
        ],
    )
    @pytest.mark.parametrize("before", ["InFlight", "Submitted", "Inactive"])
    def test_a_final_status_ends_the_order(self, before: str, fields: dict[str, Any], asked: bool, reason: str) -> None:
        known = entry(status=before, **fields)
        order = changed(known, status="Cancelled", updated_ns=NOON_NS)
        assert fold_status(known, "Cancelled") == (
            [order],
            [
                ("TSLA", OrderCancelled(order, asked)),
                note("order_cancelled", **fields_of(order), asked=asked, reason=reason),
            ],
        )

    @pytest.mark.parametrize("before", ["InFlight", "PreSubmitted", "Submitted"])
    def test_inactive_is_a_refusal(self, before: str) -> None:
        known = entry(status=before, reason="margin")
        order = changed(known, status="Inactive", updated_ns=NOON_NS)
        for error, code, text in ((None, 0, "margin"), (LastError(ENTRY, 201, "as worded"), 201, "as worded")):
            assert fold_status(known, "Inactive", *([error] if error else [])) == (
                [order],
                [
                    ("TSLA", OrderRejected(order, code, text)),
                    note("order_rejected", level="WARNING", **fields_of(order), code=code, text=text),
                ],
            )

    def test_a_repeated_refusal_updates_the_order(self) -> None:
        known = entry(status="Inactive")
        assert fold_status(known, "Inactive") == NOTHING
        assert fold_status(known, "Inactive", why_held="") == updated(changed(known, why_held=""))

    def test_a_late_cancelled_of_an_order_that_was_given_up(self) -> None:
        assert fold_status(GONE, "Cancelled") == updated(changed(GONE, reason=""))
