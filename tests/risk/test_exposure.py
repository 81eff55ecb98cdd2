"""Exposure rebuilt from the gateway's book: the same sums after a restart at any point, and closed until then."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import settings as budget
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from messages.account import AccountUpdated, BookTold, RequestBook
from messages.entries import EntryApproved, EntryDenied, EntryDropped, SubmitEntry
from messages.market import Session, SessionOpened
from messages.operator import Pause
from messages.orders import OrderCancelled, OrderRecord, OrderUpdated, PositionUpdated
from services.risk.core import Asked
from services.risk.limits import AccountRecord, ForeignOrder, Holding, Mark, Reservation, exposures
from services.risk.pauses import PauseRecord
from tests.risk.scenario import MONDAY, Risk, denied, order, plan


def foreign(key: str, side: str, quantity: float, price: float, **more: Any) -> OrderRecord:
    return order(f"foreign:{key}", "NVDA", role="foreign", side=side, quantity=quantity, limit_price=price, **more)


class TestForeignOrders:
    def test_a_purchase_under_way_counts_as_if_filled(self) -> None:
        risk = Risk(allocation={"total_usd_cap": 2500.0})
        risk.handle(OrderUpdated(foreign("1", "BUY", 20.0, 100.0, status="Submitted", filled=4.0)))
        assert denied(risk.submit(plan())) == (
            "exposure_limit_exceeded",
            {"exposure_usd": 1600.0, "entry_usd": 1001.0, "limit_usd": 2500.0},
        )
        risk.handle(OrderUpdated(foreign("1", "BUY", 20.0, 100.0, status="Cancelled")))
        assert isinstance(risk.submit(plan()), EntryApproved)

    def test_a_sale_counts_only_beyond_what_is_held(self) -> None:
        held = {"NVDA": Holding("NVDA", account=15.0, avg_cost=10.0)}
        marks = {"NVDA": Mark("NVDA", 10.0)}
        sales = {k: ForeignOrder(k, "NVDA", "SELL", 10.0, 0.0) for k in "ab"}
        assert exposures(held, {}, marks) == {"NVDA": 150.0}
        assert exposures(held, {"a": sales["a"]}, marks) == {"NVDA": 150.0}
        assert exposures(held, sales, marks) == {"NVDA": 200.0}
        assert exposures({}, {"a": sales["a"]}, marks) == {"NVDA": 100.0}


class TestCash:
    @pytest.mark.parametrize(
        ("kind", "settled", "fits"),
        [("margin", 0.0, True), ("cash", 11_001.0, True), ("cash", 11_000.0, False), ("", 11_000.0, False)],
    )
    def test_settled_or_all_by_the_account_type(self, kind: str, settled: float, fits: bool) -> None:
        risk = Risk()
        risk.handle(AccountUpdated("DU1", 100_000.0, 50_000.0, settled, 0.0, 0, account_type=kind))
        assert isinstance(risk.submit(plan()), EntryApproved) is fits

    def test_without_a_rate_entries_are_denied(self) -> None:
        risk = Risk()
        risk.handle(AccountUpdated("DU1", 0.0, 0.0, 0.0, 0.0, 0, base_currency="EUR", usd_rate=None))
        assert denied(risk.submit(plan())) == ("no_exchange_rate", {})

    def test_adopted_shares_cost_no_cash(self) -> None:
        risk = Risk()
        before = risk.state.get(AccountRecord, "account")
        risk.fill("CT-TSLA-20250106-A1", "TSLA", own=10.0, cost=950.0, role="adopted")
        assert risk.state.get(AccountRecord, "account") == before
        assert risk.exposure() == 950.0
        risk.fill("CT-TSLA-20250106-1", "TSLA", own=20.0, cost=1900.0)
        spent = risk.state.get(AccountRecord, "account")
        assert before is not None
        assert spent is not None
        assert (spent.total_cash, spent.settled_cash) == (before.total_cash - 950.0, 100_000.0 - 950.0)


class TestWatchlistOrder:
    def risk(self, **more: Any) -> Risk:
        """Three symbols, room for two entries of about $1,000."""
        risk = Risk(allocation={"total_usd_cap": 2500.0}, **more)
        risk.handle(SessionOpened(Session(MONDAY.date, 0, 10**14), 10**14))
        risk.now = 20 * 10**9
        return risk

    def test_short_caps_are_noted(self) -> None:
        assert "caps_short" in self.risk().notes()
        plenty = Risk()
        plenty.handle(SessionOpened(MONDAY, 1))
        assert "caps_short" not in plenty.notes()

    def test_the_last_leaves_room_for_the_first_two(self) -> None:
        risk = self.risk()
        assert denied(risk.submit(plan(symbol="AMD")))[0] == "waits_for_turn"
        assert isinstance(risk.submit(plan(symbol="NVDA")), EntryApproved)
        assert isinstance(risk.submit(plan(symbol="TSLA")), EntryApproved)
        assert denied(risk.submit(plan(2, symbol="AMD")))[0] == "exposure_limit_exceeded"

    def test_a_symbol_that_asked_or_is_paused_keeps_no_room(self) -> None:
        risk = self.risk()
        risk.handle(Pause("TSLA"))
        assert isinstance(risk.submit(plan(symbol="AMD")), EntryApproved)

    def test_a_minute_later_no_room_is_kept(self) -> None:
        risk = self.risk()
        risk.now = 76 * 10**9
        assert isinstance(risk.submit(plan(symbol="AMD")), EntryApproved)


class TestRebuild:
    def test_an_entry_asked_for_meanwhile_is_answered_when_the_book_arrives(self) -> None:
        risk = Risk()
        risk.restart()
        risk.sent.clear()
        risk.handle(SubmitEntry(plan()))
        risk.handle(SubmitEntry(plan(symbol="NVDA")))
        assert not [m for _, m in risk.sent if isinstance(m, EntryApproved | EntryDenied)]
        assert not risk.core.ready(risk.state)
        risk.handle(risk.book())
        assert [r for r, m in risk.sent if isinstance(m, EntryApproved)] == ["gateway", "gateway"]
        assert not risk.state.table(Asked)

    def test_an_unreconciled_book_keeps_entries_closed(self) -> None:
        risk = Risk()
        risk.restart()
        risk.handle(SubmitEntry(plan()))
        risk.sent.clear()
        risk.handle(risk.book(reconciled=False))
        assert [m.reason for _, m in risk.sent if isinstance(m, EntryDenied)] == ["risk_not_ready"]

    def test_what_was_dropped_meanwhile_is_not_approved(self) -> None:
        risk = Risk()
        risk.restart()
        risk.handle(SubmitEntry(plan()))
        risk.handle(EntryDropped(plan().client_order_id, "TSLA", "end_of_day", {}))
        risk.handle(risk.book())
        assert not risk.state.table(Reservation)

    def test_without_a_ledger_from_the_book_alone(self) -> None:
        risk = Risk(cold=True)
        live = order("CT-TSLA-20250106-1", "TSLA", quantity=10.0, filled=4.0, status="Submitted", limit_price=100.0)
        account = AccountUpdated("DU1", 100_000.0, 50_000.0, 50_000.0, 0.0, 0)
        positions = (PositionUpdated("TSLA", 9.0, 96.0, 4.0, 380.0),)
        risk.handle(BookTold(True, positions, (live, foreign("7", "BUY", 5.0, 10.0, status="Submitted")), account))
        assert risk.core.ready(risk.state)
        assert risk.state.get(Holding, "TSLA") == Holding("TSLA", 4.0, 380.0, 9.0, 96.0)
        assert risk.reserved() == pytest.approx(6 * 100.1)
        assert [o.remaining for o in risk.state.table(ForeignOrder).values()] == [5.0]

    def test_money_spent_since_the_last_account_report_stays_spent(self) -> None:
        risk = Risk()
        risk.submit(plan())
        risk.fill("CT-TSLA-20250106-1", "TSLA", own=10.0, cost=950.0)
        before = risk.state.get(AccountRecord, "account")
        risk.restart()
        old = AccountUpdated("DU1", 100_000.0, 100_000.0, 100_000.0, 0.0, 0)
        risk.handle(msgspec.structs.replace(risk.book(), account=old))
        assert risk.state.get(AccountRecord, "account") == before


SYMBOLS = ["TSLA", "NVDA", "AMD"]


class RiskMachine(RuleBasedStateMachine):
    """A gateway's book beside risk: after any entries, events and restarts the sums are the same."""

    def __init__(self) -> None:
        super().__init__()
        self.risk = Risk(
            cash=6_000.0, allocation={"total_usd_cap": 3_000.0}, guards={"price_band_pct": None, "day_trades": None}
        )
        self.risk.account(6_000.0, 10_000.0)
        self.risk.gateway_answers = False
        self.orders: dict[str, OrderRecord] = {}
        self.own: dict[str, tuple[float, float]] = {}
        self.foreign: dict[str, float] = {}
        self.sent: list[EntryApproved] = []
        self.number = 0
        self.book_requested = False

    def handle(self, message: Any) -> None:
        marks = dict(self.risk.state.table(Mark))
        for recipient, reply in self.risk.sent_on(message):
            if isinstance(reply, EntryApproved | EntryDenied):
                # Each is decided at the prices known by then; the reference of the next one comes after it.
                symbol = reply.plan.symbol if isinstance(reply, EntryApproved) else reply.symbol
                marks[symbol] = Mark(symbol, plan().reference)
            if recipient == "gateway" and isinstance(reply, EntryApproved):
                assert not self.book_requested, "approved before the book was known"
                order_ = order(
                    reply.plan.client_order_id,
                    reply.plan.symbol,
                    quantity=reply.plan.quantity,
                    limit_price=reply.plan.limit_price,
                    stop_price=reply.plan.stop_price,
                    status="Submitted",
                )
                assert not [o for o in self.orders.values() if o.symbol == order_.symbol], "two entries of a symbol"
                self.orders[order_.key] = order_
                self._within_limits(marks)
            elif isinstance(reply, RequestBook):
                self.book_requested = True

    def _within_limits(self, marks: dict[str, Mark]) -> None:
        state = self.risk.state
        held = sum(exposures(state.table(Holding), state.table(ForeignOrder), marks).values())
        worst = sum(o.remaining * (o.limit_price or 0.0) for o in self.orders.values())
        assert held + worst <= 3_000.0 + 1e-6
        account = self.risk.state.get(AccountRecord, "account")
        assert account is not None
        assert account.spendable - self.risk.reserved() >= 1_000.0 - 1e-6

    @rule(symbol=st.sampled_from(SYMBOLS), quantity=st.integers(1, 14), limit=st.sampled_from([50.0, 100.0, 133.0]))
    def submit(self, symbol: str, quantity: int, limit: float) -> None:
        self.number += 1
        self.handle(SubmitEntry(plan(self.number, symbol=symbol, quantity=float(quantity), limit=limit)))

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def fills(self, data: st.DataObject) -> None:
        entry = self.orders[data.draw(st.sampled_from(sorted(self.orders)))]
        part = float(data.draw(st.integers(1, int(entry.remaining))))
        price = (entry.limit_price or 0.0) * 0.98
        shares, cost = self.own.get(entry.symbol, (0.0, 0.0))
        self.own[entry.symbol] = (shares + part, cost + part * price)
        cum = entry.filled + part
        done = cum >= entry.quantity
        self.orders[entry.key] = msgspec.structs.replace(entry, filled=cum)
        own, cost = self.own[entry.symbol]
        self.risk.fill(
            entry.key, entry.symbol, own=own, cost=cost, quantity=part, cum=cum, of=entry.quantity, price=price
        )
        self.position(entry.symbol)
        if done:
            del self.orders[entry.key]

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def ends(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.orders)))
        entry = self.orders.pop(key)
        self.handle(OrderCancelled(msgspec.structs.replace(entry, status="Cancelled"), True))

    @rule(symbol=st.sampled_from(SYMBOLS), price=st.sampled_from([40.0, 90.0, 140.0]))
    def stops_out(self, symbol: str, price: float) -> None:
        shares, cost = self.own.get(symbol, (0.0, 0.0))
        if shares:
            self.own[symbol] = (0.0, 0.0)
            self.risk.fill("stop", symbol, own=0.0, cost=0.0, side="SELL", realized=shares * price - cost, price=price)
            self.position(symbol)

    @rule(symbol=st.sampled_from(SYMBOLS), quantity=st.integers(0, 10))
    def trades_manually(self, symbol: str, quantity: int) -> None:
        self.foreign[symbol] = float(quantity)
        self.position(symbol)

    def position(self, symbol: str) -> None:
        own, _ = self.own.get(symbol, (0.0, 0.0))
        self.handle(PositionUpdated(symbol, own + self.foreign.get(symbol, 0.0), 90.0, own))

    @rule()
    def restarts(self) -> None:
        before = self.sums()
        self.risk.restart()
        self.book_requested = True
        self.risk.gateway_answers = False
        assert self.sums() == before, "the ledger remembers"

    @precondition(lambda self: self.book_requested)
    @rule()
    def the_book_comes(self) -> None:
        before = self.sums()
        self.book_requested = False
        positions = tuple(
            PositionUpdated(
                s, self.own.get(s, (0.0, 0.0))[0] + self.foreign.get(s, 0.0), 90.0, *self.own.get(s, (0.0, 0.0))
            )
            for s in SYMBOLS
        )
        reply = BookTold(True, positions, tuple(self.orders.values()), None)
        waiting = len(self.risk.state.table(Asked))
        self.handle(reply)
        if not waiting:
            assert self.sums() == pytest.approx(before), "rebuilt to the same"

    @invariant()
    def one_reservation_for_each_live_entry(self) -> None:
        reservations = self.risk.state.table(Reservation)
        assert set(reservations) == set(self.orders)
        for key, entry in self.orders.items():
            assert reservations[key].leaves == entry.remaining

    @invariant()
    def nobody_is_paused(self) -> None:
        assert not self.risk.state.table(PauseRecord)

    def sums(self) -> tuple[float, ...]:
        """Held at cost: prices live in memory only."""
        state = self.risk.state
        held = sum(exposures(state.table(Holding), state.table(ForeignOrder), {}).values())
        return (round(held, 6), round(self.risk.reserved(), 6))


TestRiskMachine = RiskMachine.TestCase
TestRiskMachine.settings = budget(max_examples=60, stateful_step_count=30, deadline=None)
