"""Reports of prices, orders and shares, and what follows for the symbol."""

from __future__ import annotations

from typing import Any

import pytest

from messages.account import AccountUpdated
from messages.broker import (
    BrokerAccount,
    BrokerCommission,
    BrokerMarketRule,
    BrokerPosition,
    CancelOrder,
    PlaceOrder,
    Quote,
)
from messages.market import MarketRule, Tick
from messages.orders import OrderRecord, OrderUpdated, PositionUpdated, ProtectionChanged
from services.gateway.book.records import (
    AccountSeen,
    Anchor,
    Audit,
    Book,
    Change,
    Doubt,
    EarlyCommission,
    EntrySlot,
    FlattenRecord,
    HeldBack,
    Links,
    Own,
    PriceGrid,
    QuoteRecord,
    Rates,
    Unprotected,
)
from services.gateway.core import GatewayCore
from services.runtime.core import Now
from tests.gateway.broker_reports import ASK, BOOK, NOTHING, execution_of, handle, reported, state_of
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
    held,
    note,
    quoted,
    rules,
    stop,
)
from tests.gateway.scenario import changed


class TestQuote:
    QUOTE = Quote("TSLA", 106.0, NOON_NS, 105.9, 106.1, halted=False, delayed=True)
    TICK = Tick("TSLA", 3, 1, NOON_NS, 106.0, NOON_NS, 105.9, 106.1, halted=False, delayed=True)
    UP = Links(phase="ready", run=3)

    @pytest.mark.parametrize(("before", "number"), [((), 1), ((quoted(),), 2)])
    def test_is_published_under_the_next_number(self, before: tuple[Any, ...], number: int) -> None:
        tick = changed(self.TICK, number=number)
        writes, messages = handle(self.QUOTE, self.UP, *before, published=[("TSLA", tick)])
        assert (writes, messages) == ([QuoteRecord(self.QUOTE, number)], [])

    def test_of_a_halt_is_published_as_halted(self) -> None:
        halted = changed(self.QUOTE, halted=True, delayed=False)
        tick = changed(self.TICK, halted=True, delayed=False)
        handle(halted, self.UP, published=[("TSLA", tick)])

    @pytest.mark.parametrize(
        ("before", "said_again"), [((), True), ((quoted(),), True), ((quoted(refused=354),), False)]
    )
    def test_that_is_refused_is_noted_once_and_published_in_every_tick(
        self, before: tuple[Any, ...], said_again: bool
    ) -> None:
        number = 2 if before else 1
        tick = changed(self.TICK, number=number, refused=354)
        _, messages = handle(changed(self.QUOTE, refused=354), self.UP, *before, published=[("TSLA", tick)])
        assert messages == ([note("market_data_refused", "TSLA", "WARNING", code=354)] if said_again else [])

    @pytest.mark.parametrize("phase", ["down", "reconciling"])
    @pytest.mark.parametrize(("before", "number"), [((), 0), ((quoted(),), 1)])
    def test_is_not_published_before_the_book_is_reconciled(
        self, phase: str, before: tuple[Any, ...], number: int
    ) -> None:
        assert handle(self.QUOTE, Links(phase=phase), *before) == ([QuoteRecord(self.QUOTE, number)], [])

    @pytest.mark.parametrize(("waits", "does"), [(True, True), (False, False)])
    def test_may_complete_an_audit(self, waits: bool, does: bool) -> None:
        before = Anchor("TSLA", 5.0, 210.0, 212.0, 0)
        writes, _ = handle(self.QUOTE, self.UP, *held(), before, Audit("TSLA", waits), published=[("TSLA", self.TICK)])
        assert ((Audit, "TSLA") in writes) is does

    def test_raises_the_level_of_a_stop(self) -> None:
        higher = changed(self.QUOTE, last=120.0, bid=119.9, ask=120.1)
        tick = changed(self.TICK, last=120.0, bid=119.9, ask=120.1)
        risen = changed(stop(), stop_price=108.0, trail_stop_price=108.0, level_estimated=True)
        writes, messages = handle(higher, OPEN, self.UP, *held(), stop(), published=[("TSLA", tick)])
        assert risen in writes
        assert messages == [("TSLA", OrderUpdated(risen))]

    @pytest.mark.parametrize("native", [True, False])
    def test_may_replace_a_fixed_stop_by_a_trailing_one(self, native: bool) -> None:
        fixed = stop(order_type="STP", trail_stop_price=None)
        records = (OPEN, self.UP, BOOK, *held(), fill(), entry(status="Filled"), fixed)
        published = [("TSLA", changed(self.TICK))]
        _, messages = handle(self.QUOTE, *records, published=published, entries={"native_stp": native})
        assert (("broker", CancelOrder(2, STOP)) in messages) is native

    def test_may_end_a_halt_that_a_flatten_waits_for(self) -> None:
        waits = FlattenRecord(symbol="TSLA", phase="waiting", reason="halted")
        published = [("TSLA", self.TICK)]
        writes, _ = handle(self.QUOTE, OPEN, self.UP, BOOK, *held(), stop(), waits, published=published)
        assert changed(waits, phase="clearing", reason="") in writes
        other = changed(waits, symbol="NVDA")
        assert other not in handle(self.QUOTE, OPEN, self.UP, other, published=published)[0]
        assert len(handle(self.QUOTE, OPEN, self.UP, other, published=published)[0]) == 1


class TestBrokerReports:
    def test_of_an_order_are_folded_and_its_slot_is_freed(self) -> None:
        report = reported(entry(), status="Cancelled")
        writes, messages = handle(report, READY, BOOK, entry(), EntrySlot(ENTRY, "TSLA"))
        assert (EntrySlot, ENTRY) in writes
        assert not [w for w in writes if isinstance(w, Links)]
        assert len(messages) == 2

    def test_of_an_end_before_its_executions_are_asked_about(self) -> None:
        report = reported(entry(), status="Cancelled", filled=4.0)
        writes, _ = handle(report, READY, BOOK, entry())
        assert writes == [HeldBack(ENTRY, report), Doubt(ENTRY), changed(READY, ask_at_ns=MACHINE_NS + 10 * SECOND)]

    def test_of_an_execution_are_folded_and_the_shares_checked(self) -> None:
        writes, _ = handle(execution_of(entry(), 10.0, 105.0), OPEN, READY, BOOK, entry(), EntrySlot(ENTRY, "TSLA"))
        assert Own("TSLA", 10.0, 1050.0) in writes
        status = changed(entry(), status="Filled")
        writes, _ = handle(execution_of(status, 10.0, 105.0), OPEN, READY, BOOK, status, EntrySlot(ENTRY, "TSLA"))
        assert (EntrySlot, ENTRY) in writes
        assert Unprotected("TSLA", MACHINE_NS, MACHINE_NS) in writes

    def test_of_a_commission_are_folded(self) -> None:
        report = BrokerCommission("0000e0d5.1.01", 1.0, "USD", None)
        assert handle(report, READY) == ([EarlyCommission("0000e0d5.1.01", report)], [])

    def test_of_a_position_are_folded_and_the_shares_checked(self) -> None:
        own, before, _ = held()
        writes, messages = handle(BrokerPosition(ACCOUNT, "TSLA", 9.0, 105.0), OPEN, READY, BOOK, own, before)
        assert changed(before, quantity=9.0) in writes
        assert Unprotected("TSLA", MACHINE_NS, MACHINE_NS) in writes
        assert messages[0] == ("TSLA", PositionUpdated("TSLA", 9.0, 105.0, 10.0))

    @pytest.mark.parametrize(
        ("account", "book", "counts"),
        [(ACCOUNT, BOOK, True), ("DU7654321", BOOK, False), ("DU7654321", Book(), True), (ACCOUNT, None, True)],
    )
    def test_of_the_account_are_published(self, account: str, book: Book | None, counts: bool) -> None:
        report = BrokerAccount(account, {"NetLiquidation": 100.0, "TotalCashValue": 60.0, "BuyingPower": 400.0})
        update = AccountUpdated(account, 100.0, 60.0, 60.0, 400.0, NOON_NS)
        expected = ([AccountSeen(update)], [("fleet", update)])
        assert handle(report, READY, *([book] if book else [])) == (expected if counts else NOTHING)

    def test_of_other_currencies_are_kept_for_commissions(self) -> None:
        """A commission may come before the account's next report."""
        report = BrokerAccount(ACCOUNT, {"NetLiquidation": 100.0}, {"ExchangeRate EUR": "1.25"})
        rates = Rates({"EUR": 1.25})
        assert [w for w in handle(report, READY, BOOK)[0] if isinstance(w, Rates)] == [rates]
        assert [w for w in handle(report, READY, BOOK, Rates({"EUR": 1.2}))[0] if isinstance(w, Rates)] == [rates]
        assert [w for w in handle(report, READY, BOOK, rates)[0] if isinstance(w, Rates)] == []

    def test_of_an_account_without_a_value_are_ignored(self) -> None:
        assert handle(BrokerAccount(ACCOUNT, {"BuyingPower": 400.0}), READY, BOOK) == NOTHING

    def test_of_a_price_grid_are_published_when_they_change(self) -> None:
        dimes = ((0.0, 0.1),)
        report, expected = BrokerMarketRule("TSLA", dimes), ("TSLA", MarketRule("TSLA", dimes))
        assert handle(report, READY) == ([PriceGrid("TSLA", dimes)], [expected])
        assert handle(report, READY, PriceGrid("NVDA", dimes)) == ([PriceGrid("TSLA", dimes)], [expected])
        assert handle(report, READY, PriceGrid("TSLA", dimes)) == NOTHING
        assert handle(BrokerMarketRule("TSLA", ((0.0, 0.0001), (1.0, 0.01))), READY) == NOTHING


class TestSymbolUpdate:
    TOUCH = BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0)

    @pytest.mark.parametrize(
        ("order", "symbol", "freed"),
        [
            (entry(), "TSLA", False),
            (entry(status="Cancelled"), "TSLA", True),
            (None, "TSLA", True),
            (entry(status="Cancelled"), "NVDA", False),
        ],
    )
    def test_the_slot_of_an_entry_that_ended_is_free(self, order: OrderRecord | None, symbol: str, freed: bool) -> None:
        _, position, _ = held(0.0, 10.0)
        records = [READY, BOOK, position, EntrySlot(ENTRY, symbol), *([order] if order else [])]
        writes, _ = handle(self.TOUCH, *records)
        assert ((EntrySlot, ENTRY) in writes) is freed

    def test_a_running_flatten_replaces_protection(self) -> None:
        record = FlattenRecord(symbol="TSLA", phase="clearing")
        looked = Unprotected("TSLA", 1, 1)
        writes, _ = handle(self.TOUCH, OPEN, READY, BOOK, *held(), stop(), record, looked, quoted())
        assert (Unprotected, "TSLA") in writes

    def test_coverage_is_reported_last(self) -> None:
        core, bought = GatewayCore(rules()), execution_of(entry(), 10.0, 105.0)
        decision = core.handle(state_of(OPEN, READY, BOOK, entry(), stop()), bought, Now(NOON_NS, MACHINE_NS))
        assert decision.messages[-1] == ("recorder", ProtectionChanged("TSLA", 10.0, 10.0, NOON_NS))

    @pytest.mark.parametrize("sells", [True, False])
    def test_unprotectable_shares_may_be_sold(self, sells: bool) -> None:
        """Two stops in a row were refused: a flatten starts, and its first step is done at once."""
        refused = [stop(f"{ENTRY}-S{number}", status="Inactive", order_id=number) for number in (1, 2)]
        own, position, _ = held()
        since = Unprotected("TSLA", MACHINE_NS - 6 * SECOND, MACHINE_NS - 6 * SECOND)
        records = (OPEN, READY, BOOK, own, changed(position, quantity=11.0), fill(), *refused, quoted(), since)
        writes, messages = handle(self.TOUCH, *records, risk={"flatten_if_unprotectable": sells})
        assert [w.phase for w in writes if isinstance(w, FlattenRecord)] == (["selling"] if sells else [])
        assert ((Unprotected, "TSLA") in writes) is sells
        placed = [m.order for to, m in messages if to == "broker" and isinstance(m, PlaceOrder)]
        assert [(o.role, o.order_type) for o in placed] == [("flatten", "MKT") if sells else ("stop", "TRAIL")]

    def test_the_broker_is_asked_first_if_needed(self) -> None:
        """A stop for too many shares is changed once two answers agree on the shares."""
        since = Unprotected("TSLA", MACHINE_NS - 6 * SECOND, MACHINE_NS)
        position = BrokerPosition(ACCOUNT, "TSLA", 4.0, 105.0)
        own, before, _ = held(4.0, 5.0)
        records = (OPEN, BOOK, own, before, fill(quantity=4.0), stop(), since)
        writes, messages = handle(position, READY, *records)
        assert Change(STOP, "TSLA", 4.0, "reading") not in writes
        assert messages[-1] == ASK

    def test_a_sent_change_has_a_deadline(self) -> None:
        _, before, _ = held(0.0, 5.0)
        sent = Change(STOP, "TSLA", 4.0, "sent")
        awaits = changed(READY, ask_at_ns=MACHINE_NS + 10 * SECOND)
        assert awaits in handle(self.TOUCH, READY, BOOK, before, sent)[0]
        for other in (changed(sent, stage="reading"), changed(sent, symbol="NVDA")):
            assert awaits not in handle(self.TOUCH, READY, BOOK, before, other)[0]
