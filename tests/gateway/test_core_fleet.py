"""Messages from the fleet: sessions, commands, the live confirmation, and time."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from messages.account import LinkChanged, RequestBook, SymbolBook
from messages.broker import BrokerClock, BrokerCommission, CancelOrder, Connected, LiveConfirmation, Subscribe
from messages.entries import CancelEntry, EntryApproved
from messages.interlock import EntriesBlocked
from messages.market import Session, SessionApproaching, SessionClosed, SessionClosing, SessionOpened
from messages.operator import Adopt, Flatten, Happened
from messages.orders import OrderPlaced, OrderRecord, OrderUpdated, PositionUpdated
from messages.timers import Elapsed
from messages.watchlist import WatchlistChanged
from services.gateway.book.expiry import KEEP_NS
from services.gateway.book.queries import book_snapshot
from services.gateway.book.records import (
    Anchor,
    Audit,
    Block,
    Book,
    CancelSent,
    CommissionSeen,
    Confirmed,
    Doubt,
    EarlyCommission,
    FlattenRecord,
    Links,
    Own,
    SessionRecord,
    Tombstone,
    Unprotected,
)
from services.gateway.core import GatewayCore
from services.runtime.core import Deadlines, Now
from tests.gateway.broker_reports import ASK, BOOK, NOTHING, QUALIFY, RECONCILING, handle, state_of
from tests.gateway.one_decision import (
    ACCOUNT,
    BOUND,
    DAY,
    DOWN,
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
    quoted,
    rules,
    stop,
)
from tests.gateway.scenario import UNTIL, changed, plan


class TestQueries:
    CORE = GatewayCore(rules(), quiet_s=0)

    @pytest.mark.parametrize(
        ("phase", "ready"), [("down", False), ("reconciling", False), ("ready", True), ("refused", False)]
    )
    def test_the_gateway_is_ready_once_its_links_are(self, phase: str, ready: bool) -> None:
        assert self.CORE.ready(state_of(Links(phase=phase))) is ready
        assert self.CORE.ready(state_of()) is False

    def test_the_snapshot_has_live_orders_positions_and_blocks(self) -> None:
        blocked = Block("clock_off", "set it", {"off_s": 1.5})
        links = Links(phase="ready", data_up=False)
        update = self.CORE.snapshot(state_of(entry(), stop(status="Filled"), *held(4.0, 5.0), blocked, links), ())
        assert update == [
            ("TSLA", OrderUpdated(entry())),
            ("TSLA", PositionUpdated("TSLA", 5.0, 105.0, 4.0, 420.0)),
            ("symbol-TSLA", SymbolBook("TSLA", "", 0)),
            ("fleet", EntriesBlocked("clock_off", "set it", {"off_s": 1.5})),
            ("fleet", LinkChanged("broker", True, "")),
            ("fleet", LinkChanged("data", False, "")),
            ("fleet", LinkChanged("socket", True, "reconciled")),
        ]

    def test_the_note_names_a_wrong_account(self) -> None:
        assert self.CORE.note(state_of(Block("clock_off", "set it", {}))) == ""
        assert self.CORE.note(state_of(Block("wrong_account", "another one", {}))) == "another one"

    LOOKS = Unprotected("TSLA", 1, MACHINE_NS)
    SENT = CancelSent(ENTRY, 1, MACHINE_NS + 3)

    @pytest.mark.parametrize(
        ("records", "machine_ns", "market_ns"),
        [
            ((), None, None),
            ((READY,), None, None),
            ((changed(READY, ask_at_ns=7),), 7, None),
            ((changed(READY, ask_at_ns=7, asking=True, asked_ns=5),), 5 + 180 * SECOND, None),  # an answer can be lost
            ((changed(READY, confirm_at_ns=6),), 6, None),
            ((READY, LOOKS), MACHINE_NS + SECOND, None),
            ((READY, SENT), MACHINE_NS + 3, None),
            ((READY, SENT, LOOKS), MACHINE_NS + 3, None),
            ((changed(READY, ask_at_ns=7), SENT, LOOKS), 7, None),
            ((RECONCILING, SENT), MACHINE_NS + 3, None),
            ((READY, Confirmed("DU1", 99)), None, 99),
            ((LOOKS, Confirmed("DU1", 99)), None, None),
            ((Links(phase="down", ask_at_ns=7), LOOKS, Confirmed("DU1", 99)), None, None),
            ((Links(phase="refused", ask_at_ns=7), LOOKS, Confirmed("DU1", 99)), None, None),
        ],
    )
    def test_the_deadlines_are_the_earliest_ones(
        self, records: tuple[Any, ...], machine_ns: int | None, market_ns: int | None
    ) -> None:
        due = self.CORE.deadlines(state_of(*records), Now(NOON_NS, MACHINE_NS))
        assert due == Deadlines(market_ns=market_ns, machine_ns=machine_ns)

    def test_risk_receives_the_book(self) -> None:
        records = (READY, entry(), *held())
        assert handle(RequestBook(), *records) == ([], [("risk", book_snapshot(state_of(*records)))])

    def test_the_watchlist_is_subscribed(self) -> None:
        update = WatchlistChanged(("TSLA", "NVDA"), ("AMC",))
        assert handle(update, READY) == ([], [("broker", Subscribe(("TSLA", "NVDA", "AMC"))), QUALIFY])

    def test_other_messages_change_nothing(self) -> None:
        assert handle(EntriesBlocked("x", "", {}), READY, entry()) == NOTHING


class TestSession:
    SESSION = Session(DAY.date, DAY.open_ns, DAY.close_ns, break_start_ns=5, break_end_ns=6)
    RECORD = SessionRecord(
        phase="open",
        date=DAY.date,
        entries_until_ns=UNTIL,
        open_ns=DAY.open_ns,
        close_ns=DAY.close_ns,
        break_ns=(5, 6),
        end_ns=DAY.close_ns,
    )

    def test_is_recorded(self) -> None:
        assert handle(SessionOpened(self.SESSION, UNTIL)) == ([self.RECORD], [])

    def test_has_regular_hours_within_longer_ones(self) -> None:
        longer = changed(self.SESSION, regular_open_ns=7, regular_close_ns=8)
        record = changed(self.RECORD, open_ns=7, close_ns=8)
        assert handle(SessionOpened(longer, UNTIL)) == ([record], [])

    def test_sends_cancels_again_that_were_given_up(self) -> None:
        given_up = CancelSent(STOP, 5, 0, asked=True)
        under_way = CancelSent(ENTRY, 2, MACHINE_NS)
        orders = (entry(cancel_reason="paused"), stop(cancel_reason="x"))
        writes, messages = handle(SessionOpened(self.SESSION, UNTIL), READY, *orders, given_up, under_way)
        assert writes == [self.RECORD, (CancelSent, STOP), changed(orders[1], cancel_reason="")], "decided anew"
        assert [m for to, m in messages if to == "broker"] == []
        late = CancelSent(ENTRY, 5, 0, asked=True)
        writes, messages = handle(SessionOpened(self.SESSION, UNTIL), READY, orders[0], late)
        assert writes == [self.RECORD, CancelSent(ENTRY, 1, MACHINE_NS + 10 * SECOND)]
        assert messages == [("broker", CancelOrder(1, ENTRY))]
        writes, messages = handle(SessionOpened(self.SESSION, UNTIL), RECONCILING, *orders, given_up, under_way)
        assert (writes, messages) == ([self.RECORD], [])

    @pytest.mark.parametrize("record", [Own("TSLA", 10.0, 1050.0), FlattenRecord(symbol="TSLA")])
    def test_checks_all_held_and_flattened_symbols(self, record: Any) -> None:
        writes, messages = handle(SessionOpened(self.SESSION, UNTIL), READY, record)
        assert len(writes) > 1 or messages

    @pytest.mark.parametrize(("message", "phase"), [(SessionClosing(DAY), "closing"), (SessionClosed(DAY), "closed")])
    def test_closing_changes_the_phase(self, message: Any, phase: str) -> None:
        assert handle(message, OPEN) == ([changed(OPEN, phase=phase)], [])
        assert handle(message) == ([SessionRecord(phase=phase)], [])

    def test_the_close_saves_the_positions(self) -> None:
        anchored = Anchor("TSLA", 10.0, 105.0, 106.0, NOON_NS, {STOP: 94.5}, own=10.0)
        closed = changed(OPEN, phase="closed")
        writes, _ = handle(SessionClosed(DAY), OPEN, READY, *held(), stop(), quoted())
        assert writes == [closed, anchored]
        assert len(handle(SessionClosing(DAY), OPEN, READY, *held(), stop(), quoted())[0]) == 1

    def test_approaching_makes_audits_due(self) -> None:
        anchored = Anchor("TSLA", 10.0, 105.0, 106.0, 0)
        soon = SessionApproaching(DAY)
        assert handle(soon, READY, anchored) == ([Audit("TSLA"), changed(READY, asking=True)], [QUALIFY, ASK])
        assert handle(soon, RECONCILING, anchored) == ([Audit("TSLA")], [QUALIFY])
        assert handle(soon, READY) == ([], [QUALIFY])
        assert handle(soon, DOWN, anchored) == ([Audit("TSLA")], [])
        later = changed(READY, asking=True, ask_at_ns=MACHINE_NS + 2 * SECOND)
        assert handle(soon, changed(READY, asking=True), anchored) == ([Audit("TSLA"), later], [QUALIFY])


class TestOldRecords:
    OLD_NS, YOUNG_NS = NOON_NS - KEEP_NS - 1, NOON_NS - KEEP_NS

    def dropped(self, *records: Any) -> list[Any]:
        writes, _ = handle(SessionOpened(DAY, UNTIL), *records)
        return writes[1:]

    @pytest.mark.parametrize(
        ("order", "gone"),
        [
            (entry(status="Cancelled", updated_ns=OLD_NS), True),
            (entry(status="Cancelled", updated_ns=YOUNG_NS), False),
            (entry(updated_ns=OLD_NS), False),
        ],
    )
    def test_an_order_that_ended_is_dropped(self, order: OrderRecord, gone: bool) -> None:
        assert self.dropped(order) == ([(OrderRecord, ENTRY)] if gone else [])
        assert self.dropped(order, Own("TSLA", 0.0)) == ([(OrderRecord, ENTRY)] if gone else [])
        others = self.dropped(order, Own("NVDA", 0.0))
        assert others == ([(OrderRecord, ENTRY)] if gone else [])

    @pytest.mark.parametrize("quantity", [10.0, 0.5])
    def test_orders_of_a_held_symbol_stay(self, quantity: float) -> None:
        """A new stop is made from them."""
        order, old = entry(status="Cancelled", updated_ns=self.OLD_NS), fill(time_ns=self.OLD_NS)
        assert [w for w in self.dropped(order, old, Own("TSLA", quantity, 5.0)) if isinstance(w, tuple)] == []

    def test_a_fill_is_dropped_with_its_commission(self) -> None:
        old, seen = fill(time_ns=self.OLD_NS), CommissionSeen(f"0000e0d5.{ENTRY}.01", 1.0)
        assert self.dropped(old, seen) == [(type(old), old.key), (CommissionSeen, old.key)]
        assert self.dropped(fill(time_ns=self.YOUNG_NS), seen) == []

    def test_tombstones_and_early_commissions_are_dropped_every_morning(self) -> None:
        early = EarlyCommission("x.01", BrokerCommission("x.01", 1.0, "USD", None))
        assert self.dropped(Tombstone(ENTRY, "paused"), early) == [(Tombstone, ENTRY), (EarlyCommission, "x.01")]


class TestFleetCommands:
    def test_an_approved_entry_is_sent_with_a_deadline(self) -> None:
        approved = EntryApproved(plan(), 1100.0)
        writes, messages = handle(approved, BOUND, OPEN, READY, BOOK, quoted(100.0))
        assert [type(m) for to, m in messages if to == "TSLA"] == [OrderPlaced, OrderPlaced]
        assert writes[-1] == changed(READY, ask_at_ns=MACHINE_NS + 10 * SECOND)

    def test_an_approved_entry_is_dropped_while_the_link_is_down(self) -> None:
        writes, messages = handle(EntryApproved(plan(), 1100.0), OPEN, RECONCILING, BOOK, quoted(100.0))
        assert writes == []
        assert messages[0][1].reason == "links_down"

    def test_an_entry_is_cancelled(self) -> None:
        taken = changed(entry(), cancel_reason="paused")
        command = CancelEntry(ENTRY, "TSLA", "paused")
        sent = CancelSent(ENTRY, 1, MACHINE_NS + 10 * SECOND)
        assert handle(command, READY, entry()) == ([taken, sent], [("broker", CancelOrder(1, ENTRY))])
        assert handle(command, RECONCILING, entry()) == ([taken], [])

    def test_shares_are_adopted(self) -> None:
        _, position, _ = held(0.0, 10.0)
        _, messages = handle(Adopt("TSLA", 4.0), OPEN, READY, BOOK, position, quoted())
        assert "shares_adopted" in [m.event for _, m in messages if isinstance(m, Happened)]
        writes, _ = handle(Adopt("TSLA", 4.0), OPEN, READY, BOOK, position, quoted())
        assert Own("TSLA", 4.0, 424.0) in writes
        assert Unprotected("TSLA", MACHINE_NS, MACHINE_NS) in writes, "and looked at"
        _, messages = handle(Adopt("TSLA", 4.0), OPEN, RECONCILING, BOOK, position, quoted())
        assert "shares_adopted" not in [m.event for _, m in messages if isinstance(m, Happened)]

    def test_a_flatten_is_started(self) -> None:
        records = (OPEN, READY, BOOK, *held(), stop(), quoted())
        writes, messages = handle(Flatten("TSLA"), *records)
        assert FlattenRecord(symbol="TSLA", phase="clearing") in writes
        assert ("broker", CancelOrder(2, STOP)) in messages
        assert handle(Flatten("NVDA"), *records) == NOTHING
        writes, messages = handle(Flatten("TSLA"), *records, observe=True)
        assert writes == [FlattenRecord(symbol="TSLA", phase="waiting", reason="observed")]
        assert not [update for recipient, update in messages if recipient == "broker"]


class TestObserving:
    """Orders and cancels are noted instead of sent; questions are still sent."""

    def test_a_cancel_is_noted(self) -> None:
        _, messages = handle(CancelEntry(ENTRY, "TSLA", "paused"), READY, entry(), observe=True)
        update = Happened("order_observed", "", "INFO", {"would": "CancelOrder", "client_order_id": ENTRY}, NOON_NS)
        assert messages == [("recorder", update)]

    def test_an_earlier_flatten_is_noted_and_kept(self) -> None:
        begun = FlattenRecord(symbol="TSLA", phase="clearing")
        records = (OPEN, READY, BOOK, *held(), begun, quoted())
        writes, messages = handle(SessionOpened(DAY, UNTIL), *records, observe=True)
        assert FlattenRecord(symbol="TSLA", phase="waiting", reason="observed") in writes
        update = Happened("flatten_waiting", "TSLA", "WARNING", {"qty": 10, "reason": "observed"}, NOON_NS)
        assert ("recorder", update) in messages
        assert not [m for to, m in messages if to == "broker"]

    def test_questions_are_still_sent(self) -> None:
        _, messages = handle(Connected((ACCOUNT,), 1, 12), READY, observe=True)
        assert ASK in messages


class TestTime:
    def test_unacknowledged_orders_are_asked_about(self) -> None:
        due = changed(READY, ask_at_ns=MACHINE_NS)
        sent = entry(status="InFlight")
        assert handle(Elapsed(), due, sent) == (
            [Doubt(ENTRY, asked=True), changed(READY, asking=True)],
            [ASK],
        )

    @pytest.mark.parametrize(
        ("links", "then"),
        [
            (changed(READY, ask_at_ns=MACHINE_NS + 1), []),
            (changed(READY, ask_at_ns=MACHINE_NS, asking=True, asked_ns=MACHINE_NS), []),
            (READY, []),
            (changed(READY, ask_at_ns=MACHINE_NS), [READY]),  # nothing is in doubt
        ],
    )
    def test_there_is_nothing_to_ask(self, links: Links, then: list[Links]) -> None:
        assert handle(Elapsed(), links, entry()) == (then, [])

    def test_a_snapshot_is_always_requested_while_reconciling(self) -> None:
        due = changed(RECONCILING, ask_at_ns=MACHINE_NS)
        assert handle(Elapsed(), due) == ([changed(RECONCILING, asking=True)], [ASK])

    @pytest.mark.parametrize("ask_at_ns", [0, MACHINE_NS, MACHINE_NS + 1])
    def test_an_overdue_cancel_is_asked_about(self, ask_at_ns: int) -> None:
        sent = CancelSent(ENTRY, 1, MACHINE_NS)
        writes, messages = handle(Elapsed(), changed(READY, ask_at_ns=ask_at_ns), entry(cancel_reason="x"), sent)
        assert Doubt(ENTRY, asked=True) in writes
        assert messages == [ASK]

    def test_unprotected_shares_are_checked_again(self) -> None:
        looked = Unprotected("TSLA", MACHINE_NS - SECOND, MACHINE_NS - SECOND)
        writes, _ = handle(Elapsed(), OPEN, READY, *held(), looked)
        assert writes[0] == changed(looked, looked_ns=MACHINE_NS)

    def test_an_expired_confirmation_blocks_entries(self) -> None:
        fields = {"mode": "live", "ibkr": {"account": "U1234567"}}
        expired = Confirmed("U1234567", NOON_NS)
        writes, messages = handle(Elapsed(), READY, Book(account="U1234567"), expired, entry(), **fields)
        assert [w.reason for w in writes if isinstance(w, Block)] == ["live_unconfirmed"]
        assert messages[-1] == ("broker", CancelOrder(1, ENTRY))


class TestConfirmation:
    LIVE: ClassVar[dict[str, Any]] = {"mode": "live", "ibkr": {"account": "U1234567"}}
    BOOK = Book(account="U1234567")
    LAPSED = LiveConfirmation("U1234567", NOON_NS)

    def test_is_recorded_when_read(self) -> None:
        confirmed = Confirmed("U1234567", NOON_NS + 1)
        assert handle(LiveConfirmation("U1234567", NOON_NS + 1), READY, self.BOOK, **self.LIVE) == ([confirmed], [])
        assert handle(self.LAPSED, READY, **self.LIVE) == ([Confirmed("U1234567", NOON_NS)], []), (
            "no account is known yet"
        )

    def test_without_it_unfilled_entries_are_cancelled(self) -> None:
        orders = (entry(), stop(), entry("CT-NVDA-20250106-1", status="Filled"), foreign(side="BUY"))
        writes, messages = handle(self.LAPSED, READY, self.BOOK, *orders, **self.LIVE)
        cancelled = [w for w in writes if isinstance(w, OrderRecord)]
        assert cancelled == [changed(entry(), cancel_reason="live_unconfirmed")]
        assert messages[-1] == ("broker", CancelOrder(1, ENTRY))

    def test_matters_in_live_mode_only(self) -> None:
        assert handle(self.LAPSED, READY, BOOK, entry()) == ([Confirmed("U1234567", NOON_NS)], [])


def test_a_wrong_clock_blocks_entries() -> None:
    writes, _ = handle(BrokerClock(1.5, 2.5), READY, entry())
    assert [(w.reason, w.figures) for w in writes] == [("clock_off", {"off_s": 1.5})]
