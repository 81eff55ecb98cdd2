"""A ledger was lost, its own, the gateway's or risk's: what it finds it owns, what nobody knows it takes back."""

from __future__ import annotations

import pytest

from messages.account import LinkChanged, ReconciliationDone, SymbolBook
from messages.entries import CancelEntry
from messages.interlock import EntriesBlocked
from messages.market import SessionClosing
from messages.operator import Pause, Paused, Resumed
from messages.orders import OrderAccepted, OrderPlaced, OrderRecord, OrderUpdated, PositionUpdated
from messages.timers import LedgerLost
from services.symbol.states import SymbolState
from tests.symbol.scenario import MINUTE, MONDAY, TUESDAY, Symbol

OLD = "CT.sim-TSLA-20250106-3"
HELD = {"status": "PreSubmitted", "why_held": "trigger"}


def entry(client_order_id: str = OLD, **more: object) -> OrderRecord:
    fields = {"symbol": "TSLA", "role": "entry", "side": "BUY", "order_type": "STP LMT", "quantity": 9.0}
    return OrderRecord(client_order_id=client_order_id, stop_price=105.0, **(fields | HELD | more))  # type: ignore[arg-type]


def cancels(symbol: Symbol) -> list[tuple[str, str]]:
    return [(m.client_order_id, m.reason) for _, m in symbol.sent if isinstance(m, CancelEntry)]


def lost(**sections: object) -> Symbol:
    """A symbol without its ledger, which has heard of its live entry."""
    symbol = Symbol(**sections)
    symbol.handle(LedgerLost("symbol-TSLA", 5))
    symbol.handle(OrderUpdated(entry()))
    return symbol


class TestAnEntryThatItFinds:
    def test_is_its_own(self) -> None:
        symbol = lost()
        r = symbol.record
        assert (r.state, r.why, r.entry_id, r.entry_at, r.entry_number) == (
            SymbolState.ENTRY_PENDING,
            "waits_for_trigger",
            OLD,
            "held",
            3,
        )
        symbol.tick(100.0)
        assert not symbol.submitted(), "it has one"

    def test_is_cancelled_before_the_close(self) -> None:
        symbol = lost()
        symbol.closing()
        assert cancels(symbol) == [(OLD, "end_of_day")]

    def test_is_cancelled_by_a_pause(self) -> None:
        symbol = lost()
        symbol.handle(Paused("TSLA", "operator"))
        assert cancels(symbol) == [(OLD, "paused")]

    def test_is_cancelled_in_a_halt(self) -> None:
        symbol = lost()
        symbol.tick(100.0, halted=True)
        assert cancels(symbol) == [(OLD, "halted")]

    @pytest.mark.parametrize("paused", [Paused(None, "operator"), Paused("TSLA", "operator")])
    def test_is_taken_back_while_paused(self, paused: Paused) -> None:
        symbol = Symbol()
        symbol.handle(paused)
        symbol.handle(OrderUpdated(entry()))
        assert cancels(symbol) == [(OLD, "paused")]

    def test_is_taken_back_near_the_close(self) -> None:
        symbol = Symbol()
        symbol.handle(SessionClosing(MONDAY))
        symbol.handle(OrderUpdated(entry()))
        assert cancels(symbol) == [(OLD, "end_of_day")]

    def test_is_taken_back_by_a_symbol_that_holds_shares(self) -> None:
        symbol = Symbol()
        symbol.handle(PositionUpdated("TSLA", 9.0, 105.0, 9.0, 945.0))
        symbol.handle(OrderUpdated(entry()))
        assert cancels(symbol) == [(OLD, "position_open")]
        assert symbol.is_in is SymbolState.POSITION_OPEN

    def test_fills_like_any_other(self) -> None:
        symbol = lost()
        symbol.fill(OLD, "BUY", own=9.0)
        assert (symbol.is_in, symbol.record.entry_live) == (SymbolState.POSITION_OPEN, False)

    @pytest.mark.parametrize("kind", [OrderPlaced, OrderAccepted, OrderUpdated])
    @pytest.mark.parametrize("other", [{"status": "Cancelled"}, {"role": "foreign"}, {"role": "stop"}])
    def test_is_live(self, kind: type, other: dict[str, str]) -> None:
        symbol = Symbol()
        symbol.handle(kind(entry(**other)))
        assert (symbol.record.entry_live, cancels(symbol)) == (False, [])

    def test_is_awaited_while_it_is_being_cancelled(self) -> None:
        symbol = Symbol()
        symbol.handle(OrderUpdated(entry(cancel_reason="came_late")))
        assert (symbol.record.entry_live, cancels(symbol)) == (True, [])

    def test_its_number_is_not_used_again(self) -> None:
        symbol = lost()
        symbol.cancelled(asked=True, client_order_id=OLD)
        symbol.now += MINUTE
        symbol.tick(100.0)
        assert symbol.submitted()[-1].plan.client_order_id == "CT.sim-TSLA-20250106-4"


class TestTheGatewaysLedgerIsLost:
    UP = LinkChanged("socket", True, "reconciled")

    def test_an_entry_that_it_reports_again_goes_on(self) -> None:
        symbol = Symbol()
        symbol.enter()
        symbol.resting()
        symbol.handle(LedgerLost("gateway", 5))
        symbol.handle(OrderAccepted(symbol.entry(**HELD)))
        symbol.handle(self.UP)
        symbol.handle(ReconciliationDone("DU1", 1, 0, 0))
        assert (symbol.is_in, cancels(symbol)) == (SymbolState.ENTRY_PENDING, [])

    def test_an_entry_that_nobody_knows_is_taken_back_and_the_symbol_goes_on(self) -> None:
        symbol = Symbol()
        old = symbol.enter()
        symbol.handle(LedgerLost("gateway", 5))
        symbol.handle(LinkChanged("socket", False, "starting"))
        assert cancels(symbol) == [], "the broker has not been asked"
        symbol.handle(self.UP)
        assert cancels(symbol) == [(old, "ledger_lost")]
        symbol.drop("ledger_lost")
        symbol.now += MINUTE
        symbol.tick(100.0)
        assert symbol.submitted()[-1].plan.client_order_id != old

    def test_a_stop_out_that_is_reported_again_after_its_purchase_leaves_no_position(self) -> None:
        symbol = Symbol()
        entry = symbol.hold()
        stopped_ns = symbol.now
        symbol.fill(f"{entry}-S1", "SELL", own=0.0)
        symbol.now = later_ns = symbol.record.cooldown_until_ns
        symbol.elapse()
        assert symbol.is_in is SymbolState.NO_POSITION
        symbol.handle(LedgerLost("gateway", 5))
        symbol.now = stopped_ns  # (the fills have their old times)
        symbol.fill(entry, "BUY", own=9.0)
        symbol.fill(f"{entry}-S1", "SELL", own=0.0)
        symbol.now = later_ns
        symbol.elapse()
        assert symbol.is_in is SymbolState.NO_POSITION

    def test_a_cancel_that_was_lost_is_sent_again(self) -> None:
        symbol = Symbol()
        old = symbol.enter()
        symbol.handle(Paused("TSLA", "operator"))
        symbol.handle(LedgerLost("gateway", 5))
        symbol.handle(self.UP)
        assert cancels(symbol) == [(old, "paused"), (old, "ledger_lost")]

    def test_a_fill_confirms_it_too(self) -> None:
        symbol = Symbol()
        old = symbol.enter()
        symbol.handle(LedgerLost("gateway", 5))
        symbol.fill(old, "BUY", own=4.0, quantity=4.0)
        symbol.handle(self.UP)
        assert cancels(symbol) == []

    def test_its_blocks_are_over_unless_it_reports_them_again(self) -> None:
        symbol = Symbol()
        symbol.handle(EntriesBlocked("clock_off", "set it", {}))
        symbol.handle(LedgerLost("gateway", 5))
        symbol.enter()


class TestRisksLedgerIsLost:
    def test_an_entry_that_the_broker_has_goes_on(self) -> None:
        symbol = Symbol()
        symbol.enter()
        symbol.resting()
        symbol.handle(LedgerLost("risk", 5))
        assert cancels(symbol) == []

    def test_an_entry_without_an_answer_is_taken_back(self) -> None:
        symbol = Symbol()
        old = symbol.enter()
        symbol.handle(LedgerLost("risk", 5))
        assert cancels(symbol) == [(old, "ledger_lost")]

    def test_pauses_are_those_that_risk_has_now(self) -> None:
        symbol = Symbol()
        symbol.handle(Paused("TSLA", "operator"))
        symbol.handle(LedgerLost("risk", 5))
        symbol.handle(Paused(None, "risk's ledger was lost"))
        symbol.tick(100.0)
        assert symbol.why == "paused"
        symbol.handle(Resumed(None, "operator"))
        symbol.enter()


class TestItsOwnLedgerIsLost:
    BOOK = SymbolBook("TSLA", "2025-01-06", 2, MONDAY.open_ns, 99.0)

    @pytest.mark.parametrize("first", ["book", "session"])
    def test_it_counts_on_and_keeps_the_cooldown(self, first: str) -> None:
        symbol = Symbol(cold=True)
        symbol.handle(LedgerLost("symbol-TSLA", 5))
        if first == "session":
            symbol.open()
        symbol.handle(self.BOOK)
        symbol.open()
        symbol.now = MONDAY.open_ns + 2 * MINUTE
        symbol.tick(100.0)
        r = symbol.record
        minutes = symbol.settings.cooldowns.after_stopout_minutes
        assert (r.state, r.why, r.cooldown_until_ns) == (
            SymbolState.COOLDOWN,
            "stopped_out",
            MONDAY.open_ns + minutes * MINUTE,
        )
        symbol.now = r.cooldown_until_ns
        symbol.elapse()
        symbol.tick(100.0)
        assert symbol.submitted()[-1].plan.client_order_id == "CT.sim-TSLA-20250106-3"

    def test_a_cooldown_that_is_over_is_over(self) -> None:
        symbol = Symbol()
        symbol.now = MONDAY.close_ns - 60 * MINUTE
        symbol.handle(SymbolBook("TSLA", "2025-01-06", 2, symbol.now - 10_000 * MINUTE, 99.0))
        symbol.enter()

    def test_who_holds_shares_has_none(self) -> None:
        symbol = Symbol()
        symbol.hold()
        symbol.handle(self.BOOK)
        assert symbol.is_in is SymbolState.POSITION_OPEN

    def test_the_numbers_of_another_day_do_not_count(self) -> None:
        symbol = Symbol()
        symbol.open(TUESDAY)
        symbol.handle(SymbolBook("TSLA", "2025-01-06", 7))
        assert (symbol.record.entry_number, symbol.record.session_date) == (0, "2025-01-07")

    def test_the_command_is_no_message_to_it(self) -> None:
        assert not Symbol().handle(Pause("TSLA")).messages
