"""The connection, the account, complete answers of the broker, and errors."""

from __future__ import annotations

from typing import Any

import pytest

from messages.account import LinkChanged, ReconciliationDone
from messages.broker import (
    BrokerAccount,
    BrokerCommission,
    BrokerError,
    BrokerPosition,
    BrokerSnapshot,
    CancelOrder,
    Connected,
    Disconnected,
    SnapshotFailed,
    StartStreams,
)
from messages.interlock import EntriesBlocked
from messages.operator import Happened
from messages.orders import OrderRecord
from messages.timers import Started
from services.gateway.book.records import (
    Anchor,
    Audit,
    Block,
    Book,
    CancelSent,
    Change,
    Doubt,
    EntrySlot,
    FlattenRecord,
    LastError,
    Links,
    Own,
    Unprotected,
)
from tests.gateway.broker_reports import (
    ASK,
    BOOK,
    NOTHING,
    QUALIFY,
    RECONCILING,
    REFUSED,
    execution_of,
    handle,
    reported,
)
from tests.gateway.one_decision import (
    ACCOUNT,
    ENTRY,
    MACHINE_NS,
    NOON_NS,
    OPEN,
    READY,
    SECOND,
    STOP,
    entry,
    fill,
    foreign,
    held,
    note,
    stop,
)
from tests.gateway.scenario import changed


class TestWrongAccount:
    """Its reports are ignored."""

    @pytest.mark.parametrize(
        "message",
        [
            reported(entry(status="Submitted")),
            execution_of(entry(), 4.0, 105.0),
            BrokerCommission("0000e0d5.1.01", 1.0, "USD", None),
            BrokerPosition(ACCOUNT, "TSLA", 5.0, 1.0),
            BrokerAccount(ACCOUNT, {"NetLiquidation": 1.0}),
            BrokerError(1, 201, "no"),
            BrokerSnapshot(ACCOUNT, (), (), (), (), ()),
            SnapshotFailed("timeout"),
        ],
    )
    def test_its_reports_are_ignored(self, message: Any) -> None:
        records = (entry(), fill())
        assert handle(message, REFUSED, *records) == NOTHING
        assert handle(message, READY, *records) != NOTHING

    def test_is_reported_and_nothing_is_asked(self) -> None:
        text = "ibkr.account DU7654321 is not of this login (DU1234567); log in with its user, or name another"
        text += "; nothing is sent"
        assert handle(Connected((ACCOUNT,), 5, 12), BOOK, RECONCILING, entry(), ibkr={"account": "DU7654321"}) == (
            [Block("wrong_account", text, {}), REFUSED],
            [
                ("fleet", EntriesBlocked("wrong_account", text, {})),
                note("wrong_account", "", "ERROR", text=text),
            ],
        )

    def test_can_be_another_than_that_of_the_records(self) -> None:
        writes, _ = handle(Connected(("DU7654321",), 5, 12), BOOK)
        assert writes[-1] == REFUSED


class TestConnection:
    UP = changed(
        Links(run=3), phase="reconciling", client_id=12, up_since_ns=MACHINE_NS, up_since_market_ns=NOON_NS, asking=True
    )
    BOTH = (
        ("fleet", LinkChanged("broker", True, "connected")),
        ("fleet", LinkChanged("data", True, "connected")),
    )

    def test_starts_with_a_question_about_everything(self) -> None:
        before = Links(run=3, broker_up=False, data_up=False, ask_at_ns=5)
        records = (Book(), before, entry(), stop(status="Filled"), foreign(), CancelSent(ENTRY, 2, 7))
        assert handle(Connected((ACCOUNT,), 7, 12), *records) == (
            [
                Book(account=ACCOUNT, next_order_id=7, client_id=12, born_ns=NOON_NS),
                self.UP,
                Doubt(ENTRY, asked=True),
                (CancelSent, ENTRY),
            ],
            [*self.BOTH, QUALIFY, ("broker", StartStreams(ACCOUNT)), ASK],
        )

    @pytest.mark.parametrize(("ours", "theirs", "then"), [(9, 7, 9), (7, 9, 9), (0, 0, 0)])
    def test_order_ids_only_grow(self, ours: int, theirs: int, then: int) -> None:
        writes, _ = handle(Connected((ACCOUNT,), theirs, 12), Book(account=ACCOUNT, next_order_id=ours))
        assert writes[0] == Book(account=ACCOUNT, next_order_id=then, client_id=12)
        assert handle(Connected((ACCOUNT,), 1, 12))[0][0] == Book(
            account=ACCOUNT, next_order_id=1, client_id=12, born_ns=NOON_NS
        )

    def test_to_the_right_account_ends_the_block(self) -> None:
        block = Block("wrong_account", "x", {})
        writes, messages = handle(Connected((ACCOUNT,), 7, 12), Book(), REFUSED, block)
        assert writes[0] == (Block, "wrong_account")
        assert messages[1] == note("wrong_account_over", "")

    def test_in_live_mode_needs_the_confirmation(self) -> None:
        writes, messages = handle(Connected(("U1234567",), 7, 12), entry(), mode="live", ibkr={"account": "U1234567"})
        assert [w.reason for w in writes if isinstance(w, Block)] == ["live_unconfirmed"]
        assert next(w for w in writes if isinstance(w, OrderRecord)).cancel_reason == "live_unconfirmed"
        assert not [m for _, m in messages if isinstance(m, CancelOrder)], "nothing is certain yet"

    def test_a_loss_is_reported(self) -> None:
        before = changed(READY, ask_at_ns=5, asking=True, client_id=12, broker_up=False)
        assert handle(Disconnected("gone"), before, entry()) == (
            [changed(before, phase="down", ask_at_ns=0, asking=False)],
            [
                ("fleet", LinkChanged("socket", False, "gone")),
                note("socket_lost", "", "WARNING", reason="gone"),
            ],
        )

    @pytest.mark.parametrize("phase", ["down", "refused"])
    def test_a_loss_while_down_is_not_reported(self, phase: str) -> None:
        before = Links(phase=phase, ask_at_ns=5)
        assert handle(Disconnected("gone"), before) == ([changed(before, phase="down")], [])

    def test_starts_anew_after_a_restart(self) -> None:
        assert handle(Started(4), READY, Book(account=ACCOUNT)) == (
            [Links(run=4), Book(account=ACCOUNT, fleet="sim")],
            [("fleet", LinkChanged("socket", False, "starting"))],
        )

    def test_without_an_answer_is_asked_again(self) -> None:
        asking = changed(READY, asking=True)
        assert handle(SnapshotFailed("timeout"), asking) == (
            [changed(READY, ask_at_ns=MACHINE_NS + 2 * SECOND, failures=1)],
            [note("snapshot_failed", "", "WARNING", reason="timeout")],
        )
        assert handle(SnapshotFailed("timeout", 3), changed(asking, question=4)) == NOTHING, "another was asked since"

    def test_three_failures_in_a_row_are_an_error(self) -> None:
        _, messages = handle(SnapshotFailed("timeout"), changed(READY, asking=True, failures=2))
        assert messages[1] == note("reconciliation_failing", "", "ERROR", failures=3, reason="timeout")
        _, messages = handle(SnapshotFailed("timeout"), changed(READY, asking=True, failures=3))
        assert len(messages) == 1, "reported once"


class TestCompleteAnswer:
    EMPTY = BrokerSnapshot(ACCOUNT, (), (), (), (), ())

    def test_makes_it_ready(self) -> None:
        asking = changed(RECONCILING, asking=True)
        answer = BrokerSnapshot(
            ACCOUNT,
            (BrokerPosition(ACCOUNT, "TSLA", 4.0, 105.0),),
            (reported(entry()), reported(stop())),
            (),
            (execution_of(entry(), 4.0, 105.0),) * 3,
            (),
        )
        _, messages = handle(answer, BOOK, asking, entry(), stop())
        counts = {"open_orders": 2, "executions": 3, "positions": 1}
        assert messages[-3:] == [
            note("reconciled", "", **counts),
            ("fleet", LinkChanged("socket", True, "reconciled")),
            ("fleet", ReconciliationDone(ACCOUNT, **counts, entries=(ENTRY,), blocked=())),
        ]

    def test_makes_it_ready_once(self) -> None:
        asking = changed(RECONCILING, asking=True)
        assert handle(self.EMPTY, BOOK, asking)[0] == [READY]
        assert handle(self.EMPTY, BOOK, changed(READY, asking=True)) == ([READY], [])
        assert handle(self.EMPTY, asking)[1][-1] == ("fleet", ReconciliationDone("", 0, 0, 0, (), ()))

    def test_of_a_closed_connection_does_not_make_it_ready(self) -> None:
        gone = Links(phase="down", asking=True)
        assert handle(self.EMPTY, BOOK, gone) == ([Links(phase="down")], [])

    def test_sends_the_cancels_that_are_wanted(self) -> None:
        known = entry(cancel_reason="paused")
        answer = BrokerSnapshot(ACCOUNT, (), (reported(known),), (), (), ())
        asking = changed(RECONCILING, asking=True)
        _, messages = handle(answer, BOOK, asking, known)
        assert [m for to, m in messages if to == "broker"] == [CancelOrder(1, ENTRY)]
        _, messages = handle(answer, BOOK, changed(READY, asking=True), known)
        assert messages == [("broker", CancelOrder(1, ENTRY))], "whenever it is wanted and not sent"

    def test_sends_a_cancel_again_that_was_asked_about(self) -> None:
        known, sent = entry(cancel_reason="paused"), CancelSent(ENTRY, 1, MACHINE_NS, asked=True)
        answer = BrokerSnapshot(ACCOUNT, (), (reported(known),), (), (), ())
        _, messages = handle(answer, BOOK, changed(READY, asking=True), known, sent)
        assert messages[-1] == ("broker", CancelOrder(1, ENTRY))

    def test_settles_what_was_in_doubt(self) -> None:
        answer = BrokerSnapshot(ACCOUNT, (), (reported(stop()),), (), (), ())
        doubts = (Doubt(ENTRY, True), Doubt(STOP, True), Doubt("CT-TSLA-20250103-1"))
        writes, messages = handle(answer, BOOK, changed(READY, asking=True), entry(), stop(), *doubts)
        assert writes == [
            (Doubt, STOP),
            (Doubt, "CT-TSLA-20250103-1"),
            Doubt(ENTRY, absent=1),
            changed(READY, ask_at_ns=MACHINE_NS + 2 * SECOND),
        ]
        assert messages == []

    @pytest.mark.parametrize(("absent", "dead"), [(1, False), (2, True)])
    def test_three_absences_end_an_order(self, absent: int, dead: bool) -> None:
        writes, _ = handle(self.EMPTY, BOOK, changed(READY, asking=True), entry(), Doubt(ENTRY, True, absent))
        assert ((Doubt, ENTRY) in writes) is dead

    def test_frees_the_slot_of_a_dead_entry(self) -> None:
        records = (entry(), EntrySlot(ENTRY, "TSLA"), Doubt(ENTRY, True, 2))
        writes, _ = handle(self.EMPTY, BOOK, changed(READY, asking=True), *records)
        assert (EntrySlot, ENTRY) in writes

    @pytest.mark.parametrize(
        ("stage", "times", "doubt", "refused"),
        [
            ("sent", 2, Doubt(STOP, True), True),
            ("sent", 1, Doubt(STOP, True), False),
            ("sent", 2, Doubt(STOP), False),
            ("sent", 2, Doubt(ENTRY, True), False),
            ("reading", 2, Doubt(STOP, True), False),
        ],
    )
    def test_that_does_not_show_a_change_counts_it_as_refused(
        self, stage: str, times: int, doubt: Doubt, refused: bool
    ) -> None:
        """Not the first time: nobody refused it, so it is sent once more."""
        change = Change(STOP, "TSLA", 5.0, stage, times=times)
        answer = BrokerSnapshot(ACCOUNT, (), (reported(stop()),), (), (), ())
        writes, _ = handle(answer, BOOK, OPEN, changed(READY, asking=True), stop(), change, doubt, stale=False)
        assert (changed(change, stage="refused") in writes) is refused

    def test_folds_every_fact_in_order(self) -> None:
        """Executions, commissions, completed orders, open orders, positions; a position that is not listed is flat."""
        bought = execution_of(entry(), 10.0, 105.0)
        done = reported(entry(), status="Filled", filled=10.0, completed_status="Filled", quantity=0.0)
        answer = BrokerSnapshot(
            ACCOUNT,
            (BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0),),
            (reported(stop(), quantity=11.0),),
            (done,),
            (bought,),
            (BrokerCommission(bought.exec_id, 1.0, "USD", None),),
        )
        _, gone, _ = held(0.0, 7.0)
        records = (entry(), stop(), EntrySlot(ENTRY, "TSLA"), changed(gone, symbol="NVDA"))
        writes, messages = handle(answer, BOOK, changed(READY, asking=True), *records)
        kinds = [type(m).__name__ if not isinstance(m, Happened) else m.event for _, m in messages]
        assert kinds == [
            "OrderFilled",
            "fill_received",
            "order_filled",
            "CommissionReported",
            "OrderUpdated",
            "OrderUpdated",
            "PositionUpdated",
            "PositionUpdated",
        ]
        assert (EntrySlot, ENTRY) in writes

    def test_does_the_due_audit(self) -> None:
        audits = (Audit("TSLA"), Anchor("TSLA", 10.0, 105.0, 106.0, 0))
        writes, _ = handle(self.EMPTY, changed(READY, asking=True), *held(), *audits)
        assert (Audit, "TSLA") in writes

    @pytest.mark.parametrize("record", [Own("TSLA", 10.0, 1050.0), FlattenRecord(symbol="TSLA")])
    def test_checks_all_held_and_flattened_symbols(self, record: Any) -> None:
        writes, messages = handle(self.EMPTY, OPEN, changed(READY, asking=True), record)
        looked = [w for w in writes if isinstance(w, Unprotected)] or [m for to, m in messages if to == "TSLA"]
        assert looked


class TestLinkErrors:
    def test_the_broker_link_is_lost_once(self) -> None:
        lost = BrokerError(-1, 1100, "lost")
        assert handle(lost, READY) == (
            [changed(READY, broker_up=False)],
            [
                ("fleet", LinkChanged("broker", False, "lost")),
                note("broker_link_lost", "", "WARNING", code=1100, text="lost"),
            ],
        )
        assert handle(lost, changed(READY, broker_up=False)) == NOTHING

    @pytest.mark.parametrize("code", [1101, 1102])
    def test_the_broker_link_is_restored_and_everything_is_asked_again(self, code: int) -> None:
        lost = changed(READY, broker_up=False)
        up = changed(READY, phase="reconciling", up_since_ns=MACHINE_NS, up_since_market_ns=NOON_NS, asking=True)
        assert handle(BrokerError(-1, code, "back"), lost, entry(), foreign()) == (
            [up, Doubt(ENTRY, asked=True)],
            [
                ("fleet", LinkChanged("broker", True, "back")),
                note("broker_link_restored", "", code=code, text="back"),
                ASK,
            ],
        )

    @pytest.mark.parametrize(
        ("code", "up", "event"), [(2103, False, "data_farm_lost"), (2104, True, "data_farm_restored")]
    )
    def test_the_data_link_changes(self, code: int, up: bool, event: str) -> None:
        error = BrokerError(-1, code, "farm")
        assert handle(error, changed(READY, data_up=not up)) == (
            [changed(READY, data_up=up)],
            [
                ("fleet", LinkChanged("data", up, "farm")),
                note(event, "", "WARNING", code=code, text="farm"),
            ],
        )
        assert handle(error, changed(READY, data_up=up)) == NOTHING

    @pytest.mark.parametrize("code", [1100, 1101, 1102, 2103, 2104])
    @pytest.mark.parametrize("order_id", [-1, 0])
    def test_errors_of_a_closed_connection_are_ignored(self, code: int, order_id: int) -> None:
        assert handle(BrokerError(order_id, code, "x"), Links(broker_up=code != 1101, data_up=code != 2104)) == NOTHING

    def test_a_link_error_has_no_order_id(self) -> None:
        assert handle(BrokerError(0, 1100, "lost"), READY, entry(order_id=0))[0] == [changed(READY, broker_up=False)]

    def test_other_errors_are_ignored(self) -> None:
        assert handle(BrokerError(-1, 2158, "fine"), READY) == NOTHING


class TestOrderErrors:
    """An error may end the order or not: the broker's answer decides."""

    ERROR = BrokerError(1, 201, "as worded")
    NOTE = note("order_error", level="WARNING", client_order_id=ENTRY, code=201, text="as worded")
    SOON = changed(READY, ask_at_ns=MACHINE_NS + 2 * SECOND)

    def test_an_error_is_kept_reported_and_asked_about(self) -> None:
        assert handle(self.ERROR, READY, entry()) == (
            [LastError(ENTRY, 201, "as worded"), Doubt(ENTRY), self.SOON],
            [self.NOTE],
        )
        asking = changed(READY, asking=True)
        assert handle(self.ERROR, asking, entry())[0][-1] == changed(self.SOON, asking=True)
        assert handle(self.ERROR, Links(), entry())[0][0] == LastError(ENTRY, 201, "as worded")

    def test_an_error_of_an_order_that_ended_is_kept_and_reported(self) -> None:
        order = entry(status="Cancelled")
        assert handle(self.ERROR, READY, order) == ([LastError(ENTRY, 201, "as worded")], [self.NOTE])

    def test_an_error_belongs_to_the_live_one_of_two_orders_with_its_id(self) -> None:
        older = entry("CT-TSLA-20250103-1", status="Cancelled")
        writes, _ = handle(self.ERROR, READY, older, entry())
        assert writes[0].key == ENTRY
        writes, _ = handle(self.ERROR, READY, changed(entry(), status="Filled"), older)
        assert writes[0].key == ENTRY, "or of the first"

    @pytest.mark.parametrize("orders", [(), (foreign(order_id=1),), (entry(order_id=2),)])
    def test_an_error_of_a_foreign_order_is_ignored(self, orders: tuple[OrderRecord, ...]) -> None:
        assert handle(self.ERROR, READY, *orders) == NOTHING

    @pytest.mark.parametrize("code", [202, 399, 2109])
    def test_informational_codes_are_ignored(self, code: int) -> None:
        assert handle(BrokerError(1, code, "x"), READY, entry()) == NOTHING

    @pytest.mark.parametrize(
        ("stage", "phase", "refused", "goes"),
        [("sent", "open", True, False), ("sent", "closed", True, True), ("reading", "closed", False, False)],
    )
    def test_an_error_refuses_a_change(self, stage: str, phase: str, refused: bool, goes: bool) -> None:
        """A stop that could not be adjusted before the open could trigger: it is cancelled."""
        change = Change(STOP, "TSLA", 5.0, stage)
        session = changed(OPEN, phase=phase)
        writes, messages = handle(BrokerError(2, 201, "x"), READY, session, stop(), change, *held())
        assert (changed(change, stage="refused") in writes) is (refused and not goes)
        assert ((Change, STOP) in writes) is goes
        assert (("broker", CancelOrder(2, STOP)) in messages) is goes

    def test_an_error_refuses_a_change_before_any_session(self) -> None:
        change = Change(STOP, "TSLA", 5.0, "sent")
        _, messages = handle(BrokerError(2, 201, "x"), READY, stop(), change, *held())
        assert ("broker", CancelOrder(2, STOP)) in messages
        _, messages = handle(BrokerError(2, 201, "x"), READY, stop(), change, *held()[:2])
        assert ("broker", CancelOrder(2, STOP)) not in messages, "two answers must agree on the shares"
