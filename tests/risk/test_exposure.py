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
        risk.hear(OrderUpdated(foreign("1", "BUY", 20.0, 100.0, status="Submitted", filled=4.0)))
        assert denied(risk.ask(plan())) == (
            "exposure_limit_exceeded",
            {"exposure_usd": 1600.0, "entry_usd": 1001.0, "limit_usd": 2500.0},
        )
        risk.hear(OrderUpdated(foreign("1", "BUY", 20.0, 100.0, status="Cancelled")))
        assert isinstance(risk.ask(plan()), EntryApproved)

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
        risk.hear(AccountUpdated("DU1", 100_000.0, 50_000.0, settled, 0.0, 0, account_type=kind))
        assert isinstance(risk.ask(plan()), EntryApproved) is fits

    def test_without_a_rate_there_are_no_entries(self) -> None:
        risk = Risk()
        risk.hear(AccountUpdated("DU1", 0.0, 0.0, 0.0, 0.0, 0, base_currency="EUR", usd_rate=None))
        assert denied(risk.ask(plan())) == ("no_exchange_rate", {})

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
        risk.hear(SessionOpened(Session(MONDAY.date, 0, 10**14), 10**14))
        risk.now = 20 * 10**9
        return risk

    def test_it_is_said_that_the_caps_are_short(self) -> None:
        assert "caps_short" in self.risk().notes()
        plenty = Risk()
        plenty.hear(SessionOpened(MONDAY, 1))
        assert "caps_short" not in plenty.notes()

    def test_the_last_leaves_room_for_the_first_two(self) -> None:
        risk = self.risk()
        assert denied(risk.ask(plan(symbol="AMD")))[0] == "waits_for_turn"
        assert isinstance(risk.ask(plan(symbol="NVDA")), EntryApproved)
        assert isinstance(risk.ask(plan(symbol="TSLA")), EntryApproved)
        assert denied(risk.ask(plan(2, symbol="AMD")))[0] == "exposure_limit_exceeded"

    def test_who_has_asked_or_is_paused_has_had_its_turn(self) -> None:
        risk = self.risk()
        risk.hear(Pause("TSLA"))
        assert isinstance(risk.ask(plan(symbol="AMD")), EntryApproved)

    def test_a_minute_later_nobody_waits_for_the_silent(self) -> None:
        risk = self.risk()
        risk.now = 76 * 10**9
        assert isinstance(risk.ask(plan(symbol="AMD")), EntryApproved)


class TestRebuild:
    def test_who_asks_meanwhile_is_answered_when_the_book_has_come(self) -> None:
        risk = Risk()
        risk.restart()
        risk.said.clear()
        risk.hear(SubmitEntry(plan()))
        risk.hear(SubmitEntry(plan(symbol="NVDA")))
        assert not [m for _, m in risk.said if isinstance(m, EntryApproved | EntryDenied)]
        assert not risk.core.ready(risk.state)
        risk.hear(risk.book())
        assert [r for r, m in risk.said if isinstance(m, EntryApproved)] == ["gateway", "gateway"]
        assert not risk.state.table(Asked)

    def test_an_unreconciled_book_keeps_the_door_closed(self) -> None:
        risk = Risk()
        risk.restart()
        risk.hear(SubmitEntry(plan()))
        risk.said.clear()
        risk.hear(risk.book(reconciled=False))
        assert [m.reason for _, m in risk.said if isinstance(m, EntryDenied)] == ["risk_not_ready"]

    def test_what_was_dropped_meanwhile_is_not_approved(self) -> None:
        risk = Risk()
        risk.restart()
        risk.hear(SubmitEntry(plan()))
        risk.hear(EntryDropped(plan().client_order_id, "TSLA", "end_of_day", {}))
        risk.hear(risk.book())
        assert not risk.state.table(Reservation)

    def test_without_a_ledger_from_the_book_alone(self) -> None:
        risk = Risk(cold=True)
        live = order("CT-TSLA-20250106-1", "TSLA", quantity=10.0, filled=4.0, status="Submitted", limit_price=100.0)
        account = AccountUpdated("DU1", 100_000.0, 50_000.0, 50_000.0, 0.0, 0)
        positions = (PositionUpdated("TSLA", 9.0, 96.0, 4.0, 380.0),)
        risk.hear(BookTold(True, positions, (live, foreign("7", "BUY", 5.0, 10.0, status="Submitted")), account))
        assert risk.core.ready(risk.state)
        assert risk.state.get(Holding, "TSLA") == Holding("TSLA", 4.0, 380.0, 9.0, 96.0)
        assert risk.reserved() == pytest.approx(6 * 100.1)
        assert [o.remaining for o in risk.state.table(ForeignOrder).values()] == [5.0]

    def test_money_spent_since_the_brokers_word_stays_spent(self) -> None:
        risk = Risk()
        risk.ask(plan())
        risk.fill("CT-TSLA-20250106-1", "TSLA", own=10.0, cost=950.0)
        before = risk.state.get(AccountRecord, "account")
        risk.restart()
        old = AccountUpdated("DU1", 100_000.0, 100_000.0, 100_000.0, 0.0, 0)
        risk.hear(msgspec.structs.replace(risk.book(), account=old))
        assert risk.state.get(AccountRecord, "account") == before


SYMBOLS = ["TSLA", "NVDA", "AMD"]


class RiskMachine(RuleBasedStateMachine):
    """A gateway's book beside risk: whoever asks, whatever happens, and wherever it restarts, the sums are the same."""

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
        self.asked_for_book = False

    def hear(self, message: Any) -> None:
        marks = dict(self.risk.state.table(Mark))
        for recipient, told in self.risk.hears(message):
            if isinstance(told, EntryApproved | EntryDenied):
                # Each is decided at the prices known by then; the reference of the next one comes after it.
                symbol = told.plan.symbol if isinstance(told, EntryApproved) else told.symbol
                marks[symbol] = Mark(symbol, plan().reference)
            if recipient == "gateway" and isinstance(told, EntryApproved):
                assert not self.asked_for_book, "approved before the book was known"
                order_ = order(
                    told.plan.client_order_id,
                    told.plan.symbol,
                    quantity=told.plan.quantity,
                    limit_price=told.plan.limit_price,
                    stop_price=told.plan.stop_price,
                    status="Submitted",
                )
                assert not [o for o in self.orders.values() if o.symbol == order_.symbol], "two entries of a symbol"
                self.orders[order_.key] = order_
                self._within_limits(marks)
            elif isinstance(told, RequestBook):
                self.asked_for_book = True

    def _within_limits(self, marks: dict[str, Mark]) -> None:
        state = self.risk.state
        held = sum(exposures(state.table(Holding), state.table(ForeignOrder), marks).values())
        worst = sum(o.remaining * (o.limit_price or 0.0) for o in self.orders.values())
        assert held + worst <= 3_000.0 + 1e-6
        account = self.risk.state.get(AccountRecord, "account")
        assert account is not None
        assert account.spendable - self.risk.reserved() >= 1_000.0 - 1e-6

    @rule(symbol=st.sampled_from(SYMBOLS), quantity=st.integers(1, 14), limit=st.sampled_from([50.0, 100.0, 133.0]))
    def ask(self, symbol: str, quantity: int, limit: float) -> None:
        self.number += 1
        self.hear(SubmitEntry(plan(self.number, symbol=symbol, quantity=float(quantity), limit=limit)))

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
        self.hear(OrderCancelled(msgspec.structs.replace(entry, status="Cancelled"), True))

    @rule(symbol=st.sampled_from(SYMBOLS), price=st.sampled_from([40.0, 90.0, 140.0]))
    def stops_out(self, symbol: str, price: float) -> None:
        shares, cost = self.own.get(symbol, (0.0, 0.0))
        if shares:
            self.own[symbol] = (0.0, 0.0)
            self.risk.fill("stop", symbol, own=0.0, cost=0.0, side="SELL", realized=shares * price - cost, price=price)
            self.position(symbol)

    @rule(symbol=st.sampled_from(SYMBOLS), quantity=st.integers(0, 10))
    def trades_by_hand(self, symbol: str, quantity: int) -> None:
        self.foreign[symbol] = float(quantity)
        self.position(symbol)

    def position(self, symbol: str) -> None:
        own, _ = self.own.get(symbol, (0.0, 0.0))
        self.hear(PositionUpdated(symbol, own + self.foreign.get(symbol, 0.0), 90.0, own))

    @rule()
    def restarts(self) -> None:
        before = self.sums()
        self.risk.restart()
        self.asked_for_book = True
        self.risk.gateway_answers = False
        assert self.sums() == before, "the ledger remembers"

    @precondition(lambda self: self.asked_for_book)
    @rule()
    def the_book_comes(self) -> None:
        before = self.sums()
        self.asked_for_book = False
        positions = tuple(
            PositionUpdated(
                s, self.own.get(s, (0.0, 0.0))[0] + self.foreign.get(s, 0.0), 90.0, *self.own.get(s, (0.0, 0.0))
            )
            for s in SYMBOLS
        )
        told = BookTold(True, positions, tuple(self.orders.values()), None)
        waiting = len(self.risk.state.table(Asked))
        self.hear(told)
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
