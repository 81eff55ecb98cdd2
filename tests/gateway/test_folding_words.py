"""Folding word for word: what each of the broker's words makes of an order, and all that is told of it."""

from __future__ import annotations

from typing import Any

import pytest

from messages.broker import BrokerCommission, BrokerExecution, BrokerOrder, BrokerPosition
from messages.orders import (
    CommissionReported,
    Fill,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRecord,
    OrderRejected,
    OrderUpdated,
    PositionUpdated,
)
from services.gateway.book import (
    NEVER_ARRIVED,
    AccountPosition,
    Book,
    Change,
    CommissionSeen,
    Doubt,
    EarlyCommission,
    FillRecord,
    HeldBack,
    LastError,
    Own,
    Rates,
)
from services.gateway.folding import fold_commission, fold_execution, fold_order, fold_position, settle_absent

from .broker_words import ACCOUNT, DAY, broker_execution, broker_order, changed
from .decided import ENTRY, NOON_NS, STOP, draft, entry, fill, foreign, note, stop, told, written

BOOK = Book(account=ACCOUNT, next_order_id=50)


def echo(order: OrderRecord, **more: Any) -> BrokerOrder:
    """What the broker says of an order that is as the book has it."""
    words: dict[str, Any] = {
        "order_id": order.order_id,
        "perm_id": order.perm_id,
        "symbol": order.symbol,
        "side": order.side,
        "order_type": order.order_type,
        "quantity": order.quantity,
        "status": order.status,
        "why_held": order.why_held,
        "filled": order.filled,
        "parent_id": order.parent_id,
        "limit_price": order.limit_price,
        "trail_stop_price": order.trail_stop_price,
        "account": order.account,
        "oca_group": order.oca_group,
        "oca_type": order.oca_type,
    }
    return broker_order(order.client_order_id, **(words | more))


def fields(order: OrderRecord) -> dict[str, Any]:
    """What a log line says of an order."""
    return {
        "client_order_id": order.client_order_id,
        "order_id": order.order_id,
        "side": order.side,
        "order_type": order.order_type,
        "qty": order.quantity,
        "stop_price": order.stop_price,
        "limit_price": order.limit_price,
        "trailing_pct": order.trailing_pct,
        "status": order.status,
    }


RESTING = entry(perm_id=77, limit_price=110.25)
TRAILING = stop(perm_id=78, parent_id=1, oca_group="9", oca_type=3, limit_offset=0.2)


class TestMerge:
    """The order as both sides know it together."""

    @pytest.mark.parametrize(
        ("known", "word", "makes"),
        [
            (RESTING, {"why_held": ""}, {"why_held": ""}),
            (RESTING, {"order_id": 0, "quantity": 12.0}, {"quantity": 12.0}),
            (RESTING, {"order_id": 8}, {"order_id": 8}),
            (RESTING, {"perm_id": 0, "quantity": 12.0}, {"quantity": 12.0}),
            (entry(), {"perm_id": 77}, {"perm_id": 77}),
            (RESTING, {"limit_price": None, "quantity": 12.0}, {"quantity": 12.0}),
            (RESTING, {"limit_price": 111.0}, {"limit_price": 111.0}),
            (RESTING, {"trail_stop_price": 99.0, "quantity": 12.0}, {"quantity": 12.0}),  # any order may bear one
            (RESTING, {"trailing_pct": 9.0}, {"trailing_pct": 9.0}),
            (RESTING, {"account": "", "quantity": 12.0}, {"quantity": 12.0}),
            (changed(RESTING, account=""), {"account": ACCOUNT}, {"account": ACCOUNT}),
            (TRAILING, {"parent_id": 0}, {"parent_id": 0}),
            (TRAILING, {"trailing_pct": None, "quantity": 12.0}, {"quantity": 12.0}),
            (TRAILING, {"limit_offset": 0.3}, {"limit_offset": 0.3}),
            (TRAILING, {"limit_offset": None, "quantity": 12.0}, {"quantity": 12.0}),
            (TRAILING, {"oca_group": "10", "oca_type": 1}, {"oca_group": "10", "oca_type": 1}),
            # A level only rises, and both of its fields name it.
            (TRAILING, {"trail_stop_price": 97.0}, {"stop_price": 97.0, "trail_stop_price": 97.0}),
            (TRAILING, {"trail_stop_price": 90.0, "quantity": 12.0}, {"quantity": 12.0}),
            (TRAILING, {"trail_stop_price": None, "quantity": 12.0}, {"quantity": 12.0}),
            (
                changed(TRAILING, trail_stop_price=None, stop_price=None),
                {"trail_stop_price": 94.5},
                {"stop_price": 94.5, "trail_stop_price": 94.5},
            ),
            # What was sampled gives way to the broker's own word, unless that lags behind.
            (changed(TRAILING, level_estimated=True), {"trail_stop_price": 94.5}, {"level_estimated": False}),
            (
                changed(TRAILING, level_estimated=True),
                {"trail_stop_price": 97.0},
                {"stop_price": 97.0, "trail_stop_price": 97.0, "level_estimated": False},
            ),
            (changed(TRAILING, level_estimated=True), {"trail_stop_price": 90.0, "quantity": 12.0}, {"quantity": 12.0}),
            (changed(TRAILING, level_estimated=True), {"trail_stop_price": None, "quantity": 12.0}, {"quantity": 12.0}),
            (changed(RESTING, reason="as it was"), {"quantity": 12.0}, {"quantity": 12.0}),
        ],
    )
    def test_a_working_order(self, known: OrderRecord, word: dict[str, Any], makes: dict[str, Any]) -> None:
        d = draft(BOOK, known)
        assert fold_order(d, echo(known, **({"trailing_pct": known.trailing_pct} | word))) == "TSLA"
        after = changed(known, **makes)
        assert (written(d), told(d)) == ([after], [("TSLA", OrderUpdated(after))])

    def test_a_completed_one_is_told_without_its_details(self) -> None:
        d = draft(BOOK, TRAILING)
        bare = {"quantity": 0.0, "parent_id": 0, "limit_price": 1.0, "oca_group": "", "oca_type": 0}
        word = echo(TRAILING, status="Cancelled", why_held="", completed_status="Cancelled by Trader", **bare)
        fold_order(d, word)
        after = changed(TRAILING, status="Cancelled", why_held="", reason="Cancelled by Trader", updated_ns=NOON_NS)
        assert told(d)[0] == ("TSLA", OrderCancelled(after, False))
        assert written(d) == [after]

    @pytest.mark.parametrize(
        ("known", "word"),
        [
            (RESTING, {}),
            (RESTING, {"status": "PendingSubmit"}),
            (changed(RESTING, status="Cancelled"), {"status": "Submitted"}),
            (changed(RESTING, status="Cancelled"), {"status": "Inactive"}),
            (changed(RESTING, status="Filled", filled=10.0), {"status": "Cancelled"}),
            (changed(RESTING, status="Filled", filled=10.0), {"status": "Filled", "why_held": "?"}),
        ],
    )
    def test_what_says_nothing_new(self, known: OrderRecord, word: dict[str, Any]) -> None:
        d = draft(BOOK, known)
        assert fold_order(d, echo(known, **word)) == "TSLA"
        assert (written(d), told(d)) == ([], [])

    @pytest.mark.parametrize(("order_id", "after"), [(49, None), (50, 51), (60, 61)])
    def test_an_order_id_that_was_seen_is_never_handed_out(self, order_id: int, after: int | None) -> None:
        d = draft(BOOK, RESTING)
        fold_order(d, echo(RESTING, order_id=order_id))
        books = [r.next_order_id for r in written(d) if isinstance(r, Book)]
        assert books == ([] if after is None else [after])


SENT = entry(status="InFlight", why_held="", perm_id=77)


class TestTold:
    @pytest.mark.parametrize(
        ("known", "event"),
        [
            (SENT, "entry_order_placed"),
            (changed(SENT, role="flatten"), "flatten_order_placed"),
            (changed(SENT, role="stop"), "trailing_stop_placed"),
        ],
    )
    @pytest.mark.parametrize("status", ["PendingSubmit", "PreSubmitted", "Submitted"])
    def test_its_first_word_accepts_it(self, known: OrderRecord, event: str, status: str) -> None:
        d = draft(BOOK, known)
        fold_order(d, echo(known, status=status))
        after = changed(known, status=status, updated_ns=NOON_NS)
        assert written(d) == [after]
        assert told(d) == [("TSLA", OrderAccepted(after)), note(event, **fields(after))]

    @pytest.mark.parametrize("known", [SENT, RESTING])
    @pytest.mark.parametrize(
        ("asked", "completed", "reason"),
        [("end_of_day", "", "end_of_day"), ("", "Cancelled by Trader", "Cancelled by Trader"), ("", "", "")],
    )
    def test_a_cancel_and_whether_it_was_asked_for(
        self, known: OrderRecord, asked: str, completed: str, reason: str
    ) -> None:
        before = changed(known, cancel_reason=asked)
        d = draft(BOOK, before)
        fold_order(d, echo(before, status="Cancelled", completed_status=completed))
        after = changed(before, status="Cancelled", reason=completed, updated_ns=NOON_NS)
        assert written(d) == [after]
        assert told(d) == [
            ("TSLA", OrderCancelled(after, bool(asked))),
            note("order_cancelled", **fields(after), asked=bool(asked), reason=reason),
        ]

    @pytest.mark.parametrize(
        ("records", "code", "text"),
        [([], 0, "no reason"), ([LastError(ENTRY, 201, "no margin")], 201, "no margin")],
    )
    def test_a_rejection_with_the_last_error(self, records: list[Any], code: int, text: str) -> None:
        known = changed(RESTING, reason="no reason")
        d = draft(BOOK, known, *records)
        fold_order(d, echo(known, status="Inactive"))
        after = changed(known, status="Inactive", updated_ns=NOON_NS)
        assert written(d) == [after]
        assert told(d) == [
            ("TSLA", OrderRejected(after, code, text)),
            note("order_rejected", level="WARNING", **fields(after), code=code, text=text),
        ]

    @pytest.mark.parametrize(
        ("known", "status"),
        [
            (RESTING, "Submitted"),
            (RESTING, "PendingCancel"),
            (changed(RESTING, filled=10.0), "Filled"),
            (changed(RESTING, status="Cancelled", filled=10.0), "Filled"),  # a fill after a cancel (real world)
            (changed(TRAILING, status="Inactive"), "Submitted"),
        ],
    )
    def test_anything_else_is_an_update(self, known: OrderRecord, status: str) -> None:
        d = draft(BOOK, known)
        fold_order(d, echo(known, status=status, trailing_pct=known.trailing_pct))
        after = changed(known, status=status, updated_ns=NOON_NS)
        assert (written(d), told(d)) == ([after], [("TSLA", OrderUpdated(after))])


class TestWaiting:
    @pytest.mark.parametrize("status", ["Filled", "Cancelled"])
    def test_an_end_that_overtakes_its_executions_waits_for_them(self, status: str) -> None:
        known = changed(RESTING, filled=4.0)
        word = echo(known, status=status, filled=10.0)
        d = draft(BOOK, known)
        assert fold_order(d, word) == "TSLA"
        assert (written(d), told(d)) == ([HeldBack(ENTRY, word), Doubt(ENTRY)], [])

    @pytest.mark.parametrize(
        ("known", "word"),
        [
            (RESTING, {"status": "Cancelled", "filled": 0.0}),
            (RESTING, {"status": "Cancelled", "filled": 4.0, "completed_status": "Cancelled by Trader"}),
            (RESTING, {"status": "Submitted", "filled": 4.0}),
            (RESTING, {"status": "Inactive", "filled": 4.0}),
            (changed(RESTING, status="Cancelled"), {"status": "Filled", "filled": 4.0}),
        ],
    )
    def test_what_need_not_wait(self, known: OrderRecord, word: dict[str, Any]) -> None:
        d = draft(BOOK, known)
        fold_order(d, echo(known, **word))
        assert not [r for r in written(d) if isinstance(r, HeldBack)]
        assert isinstance(written(d)[0], OrderRecord)

    @pytest.mark.parametrize(("status", "certain"), [("PreSubmitted", True), ("PendingSubmit", False)])
    def test_a_word_ends_the_doubt(self, status: str, certain: bool) -> None:
        """Not the first one, which the broker's own gateway says before the exchange has it."""
        d = draft(BOOK, RESTING, Doubt(ENTRY))
        fold_order(d, echo(RESTING, status=status))
        assert written(d) == ([(Doubt, ENTRY)] if certain else [])

    @pytest.mark.parametrize(
        ("change", "over"),
        [
            (Change(STOP, "TSLA", 4.0, "sent"), True),
            (Change(STOP, "TSLA", 4.0, "reading"), False),
            (Change(STOP, "TSLA", 5.0, "sent"), False),
        ],
    )
    def test_a_change_is_over_once_its_quantity_is_told(self, change: Change, over: bool) -> None:
        d = draft(BOOK, TRAILING, change)
        fold_order(d, echo(TRAILING, quantity=4.0, trailing_pct=10.0))
        assert ((Change, STOP) in written(d)) is over


class TestUnknown:
    """Under our prefix, and no ledger of ours has it."""

    @pytest.mark.parametrize(
        ("key", "side", "role"),
        [
            ("CT-TSLA-20250106-5", "BUY", "entry"),
            ("CT-TSLA-20250106-F1", "BUY", "entry"),
            ("CT-TSLA-20250106-5-S1", "SELL", "stop"),
            ("CT-TSLA-20250106-F1", "SELL", "flatten"),
        ],
    )
    def test_it_is_ours_all_the_same(self, key: str, side: str, role: str) -> None:
        d = draft(BOOK)
        word = broker_order(key, side=side, order_id=3, order_type="LMT", quantity=7.0)
        assert fold_order(d, word) == "TSLA"
        after = OrderRecord(
            client_order_id=key,
            symbol="TSLA",
            role=role,  # type: ignore[arg-type]
            side=side,  # type: ignore[arg-type]
            order_type="LMT",
            quantity=7.0,
            status="Submitted",
            order_id=3,
            perm_id=77,
            account=ACCOUNT,
            created_ns=NOON_NS,
            updated_ns=NOON_NS,
        )
        assert written(d) == [after]
        assert told(d)[:2] == [
            note("unknown_own_order", level="WARNING", client_order_id=key, order_id=3),
            ("TSLA", OrderAccepted(after)),
        ]


class TestForeign:
    WORD = broker_order(
        "their own",
        order_id=9,
        perm_id=99,
        side="SELL",
        order_type="LMT",
        quantity=7.0,
        filled=2.0,
        avg_price=101.0,
        parent_id=8,
        limit_price=120.0,
        stop_price=90.0,
        trailing_pct=5.0,
        tif="GTC",
    )
    SEEN = OrderRecord(
        client_order_id="foreign:99",
        symbol="TSLA",
        role="foreign",
        side="SELL",
        order_type="LMT",
        quantity=7.0,
        limit_price=120.0,
        stop_price=90.0,
        trailing_pct=5.0,
        tif="GTC",
        status="Submitted",
        filled=2.0,
        avg_price=101.0,
        order_id=9,
        perm_id=99,
        parent_id=8,
        account=ACCOUNT,
        created_ns=NOON_NS,
        updated_ns=NOON_NS,
    )

    def test_seen_recorded_and_never_touched(self) -> None:
        d = draft(BOOK)
        assert fold_order(d, self.WORD) == "TSLA"
        assert written(d) == [self.SEEN]
        assert told(d) == [
            ("TSLA", OrderUpdated(self.SEEN)),
            note("foreign_order_seen", level="WARNING", order_id=9, perm_id=99, qty=7.0),
        ]

    def test_said_once_and_updated_after_that(self) -> None:
        before = changed(self.SEEN, created_ns=5, updated_ns=6)
        d = draft(BOOK, before)
        fold_order(d, self.WORD)
        assert (written(d), told(d)) == ([], [])
        fold_order(d, changed(self.WORD, filled=3.0, side="BUY"))
        after = changed(before, filled=3.0, side="BUY", updated_ns=NOON_NS)
        assert (written(d), told(d)) == ([after], [("TSLA", OrderUpdated(after))])

    @pytest.mark.parametrize(
        ("key", "account", "book", "ours"),
        [
            (ENTRY, ACCOUNT, BOOK, True),
            (ENTRY, "", BOOK, True),
            (ENTRY, "DU7654321", BOOK, False),  # another account of the same login
            (ENTRY, "DU7654321", Book(), True),
            ("their own", ACCOUNT, BOOK, False),
            ("", ACCOUNT, BOOK, False),
        ],
    )
    def test_only_our_prefix_in_our_account_is_ours(self, key: str, account: str, book: Book, ours: bool) -> None:
        d = draft(book)
        fold_order(d, broker_order(key, account=account))
        (order,) = (r for r in written(d) if isinstance(r, OrderRecord))
        assert (order.role != "foreign") is ours


def execution(key: str = ENTRY, quantity: float = 4.0, price: float = 105.0, **more: Any) -> BrokerExecution:
    """Of our entry, or of its stop."""
    words: dict[str, Any] = {"exec_id": "0000e0d5.a.01", "time_ns": DAY.open_ns}
    if key == STOP:
        words |= {"side": "SELL", "order_id": 2, "perm_id": 78}
    return broker_execution(key, quantity, price, **(words | more))


class TestExecution:
    def test_own_shares_the_orders_fill_and_one_event(self) -> None:
        d = draft(BOOK, Own("TSLA", 1.0, 90.0), RESTING, Doubt(ENTRY))
        assert fold_execution(d, execution(cum_quantity=6.0, avg_price=104.0)) == "TSLA"
        found = Fill(
            exec_id="0000e0d5.a.01",
            client_order_id=ENTRY,
            symbol="TSLA",
            role="entry",
            side="BUY",
            quantity=4.0,
            price=105.0,
            cum_quantity=6.0,
            avg_price=104.0,
            order_id=1,
            perm_id=77,
            account=ACCOUNT,
            time_ns=DAY.open_ns,
        )
        own = Own("TSLA", 5.0, 510.0)
        after = changed(RESTING, filled=6.0, avg_price=104.0, updated_ns=NOON_NS)
        assert written(d) == [own, FillRecord("0000e0d5.a", found, 0.0), (Doubt, ENTRY), after]
        assert told(d) == [
            ("TSLA", OrderFilled(found, after, 5.0, 510.0, 0.0)),
            note("fill_received", **fields(after), price=105.0, fill_qty=4.0, exec_id="0000e0d5.a.01"),
        ]

    def test_the_last_of_an_order_says_that_it_is_filled(self) -> None:
        d = draft(BOOK, RESTING)
        fold_execution(d, execution(cum_quantity=10.0, avg_price=104.0))
        after = changed(RESTING, filled=10.0, avg_price=104.0, updated_ns=NOON_NS)
        assert told(d)[-1] == note("order_filled", **fields(after), price=104.0)

    def test_one_share_short_of_it_does_not(self) -> None:
        d = draft(BOOK, RESTING)
        fold_execution(d, execution(cum_quantity=9.0))
        assert told(d)[-1][1].event == "fill_received"

    def test_a_late_one_lowers_no_count_and_keeps_the_permanent_id(self) -> None:
        d = draft(BOOK, changed(RESTING, filled=9.0))
        fold_execution(d, execution(cum_quantity=4.0, perm_id=0))
        (after,) = (r for r in written(d) if isinstance(r, OrderRecord))
        assert (after.filled, after.perm_id) == (9.0, 77)

    def test_an_order_that_no_ledger_has(self) -> None:
        d = draft(BOOK)
        fold_execution(d, execution(STOP, cum_quantity=7.0))
        (order,) = (r for r in written(d) if isinstance(r, OrderRecord))
        assert (order.role, order.side, order.order_type, order.quantity) == ("stop", "SELL", "", 7.0)
        assert (order.order_id, order.perm_id, order.filled, order.created_ns) == (2, 78, 7.0, NOON_NS)
        assert told(d)[0] == note("unknown_own_order", level="WARNING", client_order_id=STOP, order_id=2)

    @pytest.mark.parametrize("more", [{"account": "DU7654321"}, {"client_order_id": "their own"}])
    def test_of_others_nothing_is_folded_and_their_commission_waits_no_more(self, more: dict[str, Any]) -> None:
        cost = BrokerCommission("0000e0d5.a.01", 1.0, "USD", None)
        d = draft(BOOK, EarlyCommission("0000e0d5.a.01", cost))
        assert fold_execution(d, changed(execution(), **more)) == "TSLA"
        assert (written(d), told(d)) == ([(EarlyCommission, "0000e0d5.a.01")], [])

    @pytest.mark.parametrize(
        ("before", "side", "quantity", "price", "after", "realized"),
        [
            (Own("TSLA"), "BUY", 4.0, 105.0, Own("TSLA", 4.0, 420.0), 0.0),
            (Own("TSLA", 10.0, 1000.0), "SELL", 4.0, 105.0, Own("TSLA", 6.0, 600.0), 20.0),
            (Own("TSLA", 10.0, 1000.0), "SELL", 4.0, 95.0, Own("TSLA", 6.0, 600.0), -20.0),
            (Own("TSLA", 4.0, 400.0), "SELL", 4.0, 105.0, Own("TSLA", 0.0, 0.0), 20.0),
            # Sold before it was bought: at that price, and only what is left after that costs anything.
            (Own("TSLA"), "SELL", 4.0, 105.0, Own("TSLA", -4.0, 0.0), 0.0),
            (Own("TSLA", 2.0, 200.0), "SELL", 4.0, 105.0, Own("TSLA", -2.0, 0.0), 20.0),
            (Own("TSLA", -4.0, 0.0), "BUY", 10.0, 100.0, Own("TSLA", 6.0, 600.0), 0.0),
            (Own("TSLA", -4.0, 0.0), "BUY", 3.0, 100.0, Own("TSLA", -1.0, 0.0), 0.0),
            (Own("TSLA", 0.5, 50.0), "SELL", 0.25, 102.0, Own("TSLA", 0.25, 25.0), 0.5),
        ],
    )
    def test_shares_their_cost_and_what_was_realized(
        self, before: Own, side: str, quantity: float, price: float, after: Own, realized: float
    ) -> None:
        d = draft(BOOK, before, RESTING, TRAILING)
        fold_execution(d, execution(ENTRY if side == "BUY" else STOP, quantity, price))
        assert written(d)[0] == after
        assert [m.realized_usd for _, m in told(d) if isinstance(m, OrderFilled)] == [realized]


class TestCorrection:
    """IBKR numbers the corrections of an execution behind the last period of its id."""

    def test_a_purchase(self) -> None:
        before = fill(quantity=4.0, price=105.0, exec_id="0000e0d5.a.01")
        d = draft(BOOK, Own("TSLA", 5.0, 520.0), RESTING, before)
        fold_execution(d, execution(quantity=3.0, price=104.0, exec_id="0000e0d5.a.02"))
        assert written(d)[0] == Own("TSLA", 4.0, 412.0)
        assert told(d)[0] == note("execution_corrected", level="WARNING", exec_id="0000e0d5.a.02", price=104.0, qty=3.0)
        (event,) = (m for _, m in told(d) if isinstance(m, OrderFilled))
        assert (event.corrects, event.undone_usd, event.own, event.cost_usd) == ("0000e0d5.a.01", 0.0, 4.0, 412.0)

    def test_a_sale(self) -> None:
        """Four at 110 that had cost 100 each were in truth four at 108: six at 100 are held either way."""
        sold = fill(STOP, 4.0, price=110.0, side="SELL", role="stop", exec_id="0000e0d5.a.01")
        d = draft(BOOK, Own("TSLA", 6.0, 600.0), TRAILING, changed(sold, realized_usd=40.0))
        fold_execution(d, execution(STOP, 4.0, 108.0, exec_id="0000e0d5.a.02"))
        assert written(d)[0] == Own("TSLA", 6.0, 600.0)
        (event,) = (m for _, m in told(d) if isinstance(m, OrderFilled))
        assert (event.realized_usd, event.corrects, event.undone_usd) == (32.0, "0000e0d5.a.01", 40.0)

    @pytest.mark.parametrize("exec_id", ["0000e0d5.a.02", "0000e0d5.a.01"])
    def test_the_same_or_an_older_one_again_says_nothing(self, exec_id: str) -> None:
        d = draft(BOOK, RESTING, fill(quantity=4.0, exec_id="0000e0d5.a.02"))
        assert fold_execution(d, execution(exec_id=exec_id)) == "TSLA"
        assert (written(d), told(d)) == ([], [])


class TestWhatWaitedForIt:
    def test_an_early_commission(self) -> None:
        cost = BrokerCommission("0000e0d5.a.01", 1.0, "USD", None)
        d = draft(BOOK, RESTING, EarlyCommission("0000e0d5.a.01", cost))
        fold_execution(d, execution())
        assert written(d)[-2:] == [(EarlyCommission, "0000e0d5.a.01"), CommissionSeen("0000e0d5.a.01", 1.0)]
        assert isinstance(told(d)[-1][1], CommissionReported)

    @pytest.mark.parametrize(("cum", "over"), [(10.0, True), (9.0, False)])
    def test_the_orders_end(self, cum: float, over: bool) -> None:
        word = echo(RESTING, status="Filled", filled=10.0)
        d = draft(BOOK, changed(RESTING, filled=4.0), HeldBack(ENTRY, word), Doubt(ENTRY))
        fold_execution(d, execution(quantity=cum - 4.0, cum_quantity=cum))
        assert ((HeldBack, ENTRY) in written(d)) is over
        (after,) = (r for r in written(d) if isinstance(r, OrderRecord))
        assert after.status == ("Filled" if over else "PreSubmitted")


class TestCommission:
    FILLED = fill(quantity=4.0, exec_id="0000e0d5.a.01")
    COST = BrokerCommission("0000e0d5.a.01", 1.25, "EUR", 40.0)

    def test_once_per_execution_with_what_it_is_in_dollars(self) -> None:
        d = draft(self.FILLED, Rates({"EUR": 1.1}))
        fold_commission(d, self.COST)
        assert written(d) == [CommissionSeen("0000e0d5.a.01", 1.25)]
        assert told(d) == [("TSLA", CommissionReported("0000e0d5.a.01", ENTRY, "TSLA", 1.25, "EUR", 40.0, 0.0, 1.1))]
        fold_commission(d, self.COST)
        assert len(told(d)) == 1

    def test_where_the_rate_is_not_known(self) -> None:
        d = draft(self.FILLED)
        fold_commission(d, self.COST)
        assert told(d)[0][1].rate_usd is None

    def test_of_a_corrected_one_the_newest_replaces_the_others(self) -> None:
        d = draft(self.FILLED, CommissionSeen("0000e0d5.a.01", 1.25))
        fold_commission(d, changed(self.COST, exec_id="0000e0d5.a.02", commission=1.5))
        assert written(d) == [CommissionSeen("0000e0d5.a.02", 1.5)]
        assert (told(d)[0][1].commission, told(d)[0][1].undone_usd) == (1.5, 1.25)

    def test_an_early_one_waits(self) -> None:
        d = draft()
        fold_commission(d, self.COST)
        assert (written(d), told(d)) == ([EarlyCommission("0000e0d5.a.01", self.COST)], [])

    def test_minus_one_is_no_commission_yet(self) -> None:
        d = draft(self.FILLED)
        fold_commission(d, changed(self.COST, commission=-1.0))
        assert (written(d), told(d)) == ([], [])


class TestPosition:
    def test_what_is_new_is_told_with_what_is_own(self) -> None:
        d = draft(BOOK, Own("TSLA", 10.0, 1050.0), AccountPosition("TSLA", 10.0, 105.0))
        assert fold_position(d, BrokerPosition(ACCOUNT, "TSLA", 12.000_04, 106.0)) == "TSLA"
        assert written(d) == [AccountPosition("TSLA", 12.0, 106.0)]
        assert told(d) == [("TSLA", PositionUpdated("TSLA", 12.0, 106.0, 10.0))]

    def test_of_a_symbol_that_nobody_holds(self) -> None:
        d = draft()
        fold_position(d, BrokerPosition("DU7654321", "TSLA", -5.0, 106.0))
        assert told(d) == [("TSLA", PositionUpdated("TSLA", -5.0, 106.0, 0.0))]

    @pytest.mark.parametrize("account", [ACCOUNT, "DU7654321"])
    def test_the_same_again_or_of_another_account_says_nothing(self, account: str) -> None:
        d = draft(BOOK, AccountPosition("TSLA", 12.0, 106.0))
        assert fold_position(d, BrokerPosition(account, "TSLA", 12.0, 106.0)) == "TSLA"
        fold_position(d, BrokerPosition("DU7654321", "TSLA", 99.0, 1.0))
        assert (written(d), told(d)) == ([], [])


class TestAbsent:
    """A complete answer that does not list a live order."""

    def test_of_others_it_is_gone(self) -> None:
        d = draft(foreign(), Doubt("foreign:9"))
        settle_absent(d, foreign(), 3)
        after = changed(foreign(), status="Cancelled", reason="gone", updated_ns=NOON_NS)
        assert (written(d), told(d)) == ([after, (Doubt, "foreign:9")], [("TSLA", OrderUpdated(after))])

    def test_filled_by_its_executions_it_is_filled(self) -> None:
        known = changed(RESTING, filled=10.0, reason="as it was")
        d = draft(known)
        settle_absent(d, known, 3)
        after = changed(known, status="Filled", updated_ns=NOON_NS)
        assert (written(d), told(d)) == ([after, (Doubt, ENTRY)], [("TSLA", OrderUpdated(after))])

    @pytest.mark.parametrize(
        ("doubt", "after"),
        [
            ([], Doubt(ENTRY, False, 0)),
            ([Doubt(ENTRY, True, 0)], Doubt(ENTRY, False, 1)),
            ([Doubt(ENTRY, False, 1)], Doubt(ENTRY, False, 1)),  # the answer is to an earlier question
            ([Doubt(ENTRY, True, 1)], Doubt(ENTRY, False, 2)),
        ],
    )
    def test_it_is_asked_about_so_often(self, doubt: list[Any], after: Doubt) -> None:
        d = draft(RESTING, *doubt)
        settle_absent(d, RESTING, 3)
        assert (written(d), told(d)) == ([after], [])

    @pytest.mark.parametrize(
        ("asked", "error"), [("", None), ("end_of_day", None), ("", LastError(ENTRY, 201, "no margin"))]
    )
    def test_then_it_is_dead_and_its_record_the_tombstone(self, asked: str, error: LastError | None) -> None:
        known = changed(RESTING, cancel_reason=asked, filled=9.0)
        d = draft(known, Doubt(ENTRY, True, 2), *([] if error is None else [error]))
        settle_absent(d, known, 3)
        dead = changed(known, status="Cancelled", reason=NEVER_ARRIVED, updated_ns=NOON_NS)
        assert written(d) == [dead, (Doubt, ENTRY)]
        if error is None:
            assert told(d) == [
                ("TSLA", OrderCancelled(dead, bool(asked))),
                note("order_never_arrived", level="WARNING", **fields(dead)),
            ]
        else:
            assert told(d) == [
                ("TSLA", OrderRejected(dead, 201, "no margin")),
                note("order_rejected", level="WARNING", **fields(dead), code=201, text="no margin"),
            ]
