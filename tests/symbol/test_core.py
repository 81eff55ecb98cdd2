"""The day of a symbol: what becomes of its entries, and when it rests."""

from __future__ import annotations

import msgspec
import pytest

from messages.account import LinkChanged, ReconciliationDone
from messages.entries import SubmitEntry
from messages.interlock import EntriesBlocked, EntriesUnblocked
from messages.market import Session
from messages.operator import Happened, Paused, Refused, Resumed, SymbolStatus
from messages.orders import (
    OrderAccepted,
    OrderCancelled,
    OrderRecord,
    OrderRejected,
    OrderUpdated,
    PositionUpdated,
)
from messages.timers import Started
from messages.watchlist import SymbolRetired, WatchlistChanged
from services.runtime.core import Now
from services.symbol.states import SymbolState
from tests.symbol.scenario import MINUTE, MONDAY, SECOND, TUESDAY, Symbol

S = SymbolState


class TestEndOfDay:
    def test_an_unfilled_entry_is_taken_back_before_the_close(self) -> None:
        symbol = Symbol()
        entry = symbol.enter()
        symbol.closing()
        assert symbol.cancels() == [(entry, "end_of_day")]
        assert symbol.is_in is S.ENTRY_PENDING, "until the broker says so"
        symbol.cancelled(asked=True)
        assert (symbol.is_in, symbol.why) == (S.NO_POSITION, "end_of_day")
        symbol.tick()
        assert len(symbol.submitted()) == 1
        symbol.closed()
        symbol.open(TUESDAY)
        symbol.now += MINUTE
        symbol.enter()
        assert symbol.record.entry_id == "CT.sim-TSLA-20250107-1"

    def test_left_to_expire_if_configured(self) -> None:
        symbol = Symbol(entries={"cancel_at_close": False})
        symbol.enter()
        symbol.closing()
        assert symbol.cancels() == []
        symbol.closed()
        symbol.cancelled(asked=False)
        assert (symbol.is_in, symbol.record.refusals) == (S.NO_POSITION, 0)

    def test_an_order_that_could_outlive_the_close_is_taken_back_all_the_same(self) -> None:
        symbol = Symbol(entries={"cancel_at_close": False}, hours={"allow_pre_market": True})
        entry = symbol.enter()
        symbol.closing()
        assert symbol.cancels() == [(entry, "end_of_day")]

    def test_the_exchanges_break(self) -> None:
        symbol = Symbol(cold=True)
        noon = MONDAY.open_ns + 150 * MINUTE
        symbol.open(msgspec.structs.replace(MONDAY, break_start_ns=noon, break_end_ns=noon + 60 * MINUTE))
        symbol.now = noon
        symbol.tick()
        assert symbol.why == "session_break"
        symbol.now = noon + 60 * MINUTE
        symbol.enter()

    def test_an_early_close_comes_early(self) -> None:
        half = Session(MONDAY.date, MONDAY.open_ns, MONDAY.open_ns + 210 * MINUTE, True)
        symbol = Symbol(cold=True)
        symbol.open(half)
        symbol.now = half.close_ns - 15 * MINUTE - 1
        symbol.enter()
        symbol.closing(half)
        assert len(symbol.cancels()) == 1
        symbol.cancelled(asked=True)
        symbol.now = half.close_ns - 15 * MINUTE
        symbol.tick()
        assert len(symbol.submitted()) == 1

    def test_not_rearmed_until_resumed(self) -> None:
        symbol = Symbol(entries={"rearm_next_session": False})
        symbol.enter()
        symbol.closing()
        symbol.cancelled(asked=True)
        symbol.closed()
        symbol.open(TUESDAY)
        symbol.now += MINUTE
        symbol.tick()
        assert symbol.why == "not_rearmed"
        symbol.handle(Resumed(None, "operator"))
        symbol.tick()
        assert symbol.why == "not_rearmed"
        symbol.handle(Resumed("TSLA", "operator"))
        symbol.enter()

    def test_a_position_stays_overnight(self) -> None:
        symbol = Symbol()
        symbol.hold()
        symbol.closing()
        symbol.closed()
        symbol.open(TUESDAY)
        assert (symbol.is_in, symbol.cancels()) == (S.POSITION_OPEN, [])

    def test_the_same_session_opened_twice_starts_no_new_day(self) -> None:
        symbol = Symbol()
        symbol.enter()
        symbol.drop("price_through_trigger")
        symbol.open()
        symbol.tick()
        assert symbol.record.entry_id == "CT.sim-TSLA-20250106-2"


class TestStopOut:
    def stopped(self) -> Symbol:
        symbol = Symbol()
        symbol.hold()
        symbol.now += 90 * SECOND + 300
        symbol.fill(symbol.record.stop_id, "SELL", own=0.0, price=94.0)
        return symbol

    def test_it_rests_from_the_brokers_time_of_the_last_fill(self) -> None:
        symbol = self.stopped()
        assert (symbol.is_in, symbol.why) == (S.COOLDOWN, "stopped_out")
        until = symbol.now // SECOND * SECOND + 20 * MINUTE
        assert symbol.record.cooldown_until_ns == until
        assert symbol.core.deadlines(symbol.state, Now(symbol.now, 0)).market_ns == until
        assert "stopout_cooldown_started" in symbol.notes()
        symbol.now = until - 1
        symbol.elapse()
        symbol.tick()
        assert symbol.is_in is S.COOLDOWN
        symbol.now = until
        symbol.elapse()
        assert symbol.is_in is S.NO_POSITION
        assert symbol.core.deadlines(symbol.state, Now(symbol.now, 0)).market_ns is None
        assert symbol.enter() == "CT.sim-TSLA-20250106-2"

    def test_across_sessions(self) -> None:
        symbol = Symbol()
        symbol.hold()
        symbol.now = MONDAY.close_ns - MINUTE
        symbol.fill(symbol.record.stop_id, "SELL", own=0.0)
        symbol.closed()
        symbol.now = TUESDAY.open_ns
        symbol.elapse()
        symbol.open(TUESDAY)
        symbol.now += MINUTE
        assert symbol.enter() == "CT.sim-TSLA-20250107-1"

    def test_in_parts(self) -> None:
        symbol = Symbol()
        symbol.hold()
        symbol.fill(symbol.record.stop_id, "SELL", own=5.0, quantity=4.0)
        assert (symbol.is_in, symbol.record.own) == (S.EXITING, 5.0)
        symbol.tick()
        symbol.fill(symbol.record.stop_id, "SELL", own=0.0, quantity=5.0)
        assert symbol.is_in is S.COOLDOWN

    def test_reported_before_the_entry(self) -> None:
        symbol = Symbol()
        entry = symbol.enter()
        symbol.fill(symbol.record.stop_id, "SELL", own=-9.0)
        symbol.fill(entry, "BUY", own=0.0)
        assert (symbol.is_in, symbol.record.own) == (S.COOLDOWN, 0.0)

    def test_a_correction_of_it_is_no_second_stop_out(self) -> None:
        symbol = self.stopped()
        symbol.now = symbol.record.cooldown_until_ns
        symbol.elapse()
        symbol.enter()
        before = symbol.record
        symbol.fill("CT.sim-TSLA-20250106-1-S1", "SELL", own=0.0, price=93.0, corrects="e.1.01")
        assert symbol.record == before

    def test_a_correction_of_the_entry_while_flat_opens_nothing(self) -> None:
        symbol = self.stopped()
        symbol.fill("CT.sim-TSLA-20250106-1", "BUY", own=0.0, corrects="e.1.01")
        assert symbol.is_in is S.COOLDOWN

    def test_a_purchase_that_the_exchange_annuls_leaves_no_position(self) -> None:
        symbol = Symbol()
        symbol.hold()
        symbol.fill("CT.sim-TSLA-20250106-1", "BUY", own=0.0, corrects="e.1.01")
        assert (symbol.is_in, symbol.why) == (S.PAUSED, "purchase_busted")

    def test_a_sale_that_was_annulled_before_it_was_reported_is_no_stop_out(self) -> None:
        symbol = Symbol()
        symbol.fill("CT.sim-TSLA-20250106-1-S1", "SELL", own=0.0, quantity=0.0, price=0.0)
        assert symbol.is_in is S.NO_POSITION

    def test_if_the_gateway_has_lost_its_ledger_the_position_ends_what_it_says(self) -> None:
        symbol = Symbol()
        symbol.hold()
        symbol.fill("CT.sim-TSLA-20250106-1-S1", "SELL", own=0.0, quantity=0.0, price=0.0)
        assert symbol.is_in is S.POSITION_OPEN
        symbol.handle(PositionUpdated("TSLA", 4.0, 105.0, 0.0))
        assert (symbol.is_in, symbol.why) == (S.PAUSED, "sold_unseen")

    def test_sold_by_something_else_waits_for_the_operator(self) -> None:
        symbol = Symbol()
        symbol.hold()
        symbol.fill("CT.sim-TSLA-20250106-1-X", "SELL", own=0.0, role="foreign")
        assert (symbol.is_in, symbol.why) == (S.PAUSED, "sold_otherwise")
        symbol.tick()
        symbol.handle(Resumed("TSLA", "operator"))
        symbol.enter()

    def test_a_manual_sale_of_a_part_is_no_exit(self) -> None:
        symbol = Symbol()
        symbol.hold()
        symbol.fill("CT.sim-TSLA-20250106-M1", "SELL", own=2.0, quantity=7.0, role="adopted")
        assert (symbol.is_in, symbol.why, symbol.record.own) == (S.POSITION_OPEN, "protected_by_stop", 2.0)
        symbol.fill("CT.sim-TSLA-20250106-M2", "SELL", own=0.0, quantity=2.0, role="adopted")
        assert (symbol.is_in, symbol.why) == (S.PAUSED, "sold_otherwise")


class TestFills:
    def test_in_parts_it_holds_from_the_first(self) -> None:
        symbol = Symbol()
        entry = symbol.enter()
        symbol.fill(entry, "BUY", own=4.0, quantity=4.0)
        symbol.fill(entry, "BUY", own=9.0, quantity=5.0, cum=9.0)
        assert (symbol.is_in, symbol.record.own, symbol.record.cost_usd) == (S.POSITION_OPEN, 9.0, 945.0)

    def test_the_rest_is_cancelled_and_the_position_stays(self) -> None:
        symbol = Symbol()
        entry = symbol.enter()
        symbol.fill(entry, "BUY", own=4.0, quantity=4.0)
        symbol.cancelled(asked=True, filled=4.0)
        assert symbol.is_in is S.POSITION_OPEN

    def test_after_a_cancel(self) -> None:
        symbol = Symbol()
        entry = symbol.enter()
        symbol.cancelled(asked=True)
        symbol.fill(entry, "BUY", own=9.0)
        assert symbol.is_in is S.POSITION_OPEN

    def test_a_new_stop_is_known_by_its_name(self) -> None:
        symbol = Symbol()
        entry = symbol.hold()
        stop = symbol.entry(client_order_id=f"{entry}-S2", role="stop", side="SELL", status="PreSubmitted")
        symbol.handle(OrderAccepted(stop))
        assert symbol.record.stop_id == f"{entry}-S2"

    def test_reports_of_an_older_entry_do_not_change_the_present_one(self) -> None:
        symbol = Symbol()
        first = symbol.enter()
        symbol.drop("price_through_trigger")
        symbol.enter()
        older = symbol.entry(client_order_id=first)
        symbol.handle(OrderCancelled(older, True))
        symbol.handle(OrderRejected(older, 201, ""))
        assert symbol.is_in is S.ENTRY_PENDING


class TestBackOff:
    @pytest.mark.parametrize("refuse", [Symbol.rejected, lambda s: s.cancelled(asked=False)])
    def test_one_two_minutes_then_the_operator(self, refuse) -> None:  # type: ignore[no-untyped-def]
        symbol = Symbol()
        for minutes in (1, 2):
            symbol.enter()
            refuse(symbol)
            assert symbol.is_in is S.NO_POSITION
            symbol.now += minutes * MINUTE - 1
            asked = len(symbol.submitted())
            symbol.tick()
            assert len(symbol.submitted()) == asked
            symbol.now += 1
        symbol.enter()
        refuse(symbol)
        assert (symbol.is_in, symbol.why) == (S.PAUSED, "refused_too_often")
        assert "symbol_paused" in symbol.notes()
        symbol.handle(Resumed("TSLA", "operator"))
        symbol.now += 4 * MINUTE
        symbol.enter()
        refuse(symbol)
        assert symbol.is_in is S.NO_POSITION, "the operator's word begins the count anew"

    def test_field_29_counts_per_session(self) -> None:
        symbol = Symbol()
        for _ in range(2):
            symbol.enter()
            symbol.rejected()
            symbol.now += 2 * MINUTE
        symbol.closed()
        symbol.open(TUESDAY)
        symbol.now += MINUTE
        symbol.enter()
        symbol.rejected()
        assert symbol.is_in is S.NO_POSITION

    def test_dropped_by_the_gateway(self) -> None:
        symbol = Symbol()
        symbol.enter()
        symbol.drop("price_through_trigger")
        symbol.enter()  # the next tick is the new reference
        symbol.drop("links_down")
        symbol.tick()
        assert symbol.is_in is S.NO_POSITION
        symbol.now += 5 * SECOND
        symbol.enter()


class TestPause:
    @pytest.mark.parametrize("scope", [None, "TSLA"])
    def test_takes_the_entry_back_and_leaves_the_stop(self, scope: str | None) -> None:
        symbol = Symbol()
        entry = symbol.enter()
        symbol.handle(Paused(scope, "operator"))
        assert symbol.cancels() == [(entry, "paused")]
        symbol.cancelled(asked=True)
        symbol.now += MINUTE
        symbol.tick()
        assert (symbol.is_in, symbol.why) == (S.NO_POSITION, "paused")
        symbol.handle(Resumed(scope, "operator"))
        symbol.enter()

    def test_two_pauses_need_two_resumes(self) -> None:
        symbol = Symbol()
        symbol.handle(Paused(None, "operator"))
        symbol.handle(Paused("TSLA", "operator"))
        symbol.handle(Resumed(None, "operator"))
        symbol.tick()
        assert symbol.why == "paused"
        symbol.handle(Resumed("TSLA", "operator"))
        symbol.enter()

    def test_a_position_does_not_mind(self) -> None:
        symbol = Symbol()
        symbol.hold()
        symbol.handle(Paused(None, "operator"))
        assert (symbol.is_in, symbol.cancels()) == (S.POSITION_OPEN, [])

    def test_a_refused_message_pauses_and_takes_back_what_may_be_lost(self) -> None:
        symbol = Symbol()
        entry = symbol.enter()
        symbol.handle(Refused("gateway", 7, "TSLA", "boom"))
        assert symbol.cancels() == [(entry, "message_refused")]
        symbol.drop("message_refused")
        symbol.now += MINUTE
        symbol.tick()
        assert (symbol.is_in, symbol.why) == (S.NO_POSITION, "paused")
        symbol.handle(Refused("gateway", 8, "NVDA", "boom"))
        symbol.handle(Resumed("TSLA", "operator"))
        symbol.enter()


class TestBlocks:
    def test_a_block_of_the_gateways_stops_entries_until_it_ends(self) -> None:
        symbol = Symbol()
        entry = symbol.enter()
        symbol.handle(EntriesBlocked("clock_off", "synchronize it", {"off_s": 1.5}))
        assert symbol.cancels() == [], "what rests at the broker is the gateway's business"
        symbol.cancelled(asked=True)
        symbol.tick()
        assert (symbol.why, symbol.record.figures) == ("clock_off", {"off_s": 1.5})
        symbol.handle(EntriesUnblocked("clock_off"))
        symbol.enter()
        assert symbol.record.entry_id != entry

    def test_one_would_be_entry_a_session_where_nothing_is_sent(self) -> None:
        symbol = Symbol()
        symbol.enter()
        symbol.drop("observed")
        for _ in range(10):
            symbol.now += MINUTE
            symbol.tick()
        assert (symbol.is_in, symbol.why, len(symbol.submitted())) == (S.NO_POSITION, "observed", 1)
        symbol.closing()
        symbol.closed()
        symbol.open(TUESDAY)
        symbol.now += MINUTE
        symbol.enter()


class TestRemoved:
    """From the watchlist, while the fleet runs."""

    GONE = WatchlistChanged(("NVDA",), ("TSLA",))

    def retired(self, symbol: Symbol) -> int:
        return sum(isinstance(m, SymbolRetired) for to, m in symbol.sent if to == "clock")

    def test_when_idle_it_retires_at_once_and_sends_it_once(self) -> None:
        symbol = Symbol()
        symbol.handle(self.GONE)
        symbol.handle(self.GONE)
        symbol.tick()
        assert (self.retired(symbol), symbol.why, symbol.submitted()) == (1, "removal_pending", [])

    def test_the_entry_is_taken_back_first(self) -> None:
        symbol = Symbol()
        entry = symbol.enter()
        symbol.handle(self.GONE)
        assert (symbol.cancels(), self.retired(symbol)) == ([(entry, "removal_pending")], 0)
        symbol.cancelled(asked=True)
        assert self.retired(symbol) == 1

    def test_an_entry_that_fills_meanwhile_is_held_until_its_stop_sells(self) -> None:
        symbol = Symbol()
        entry = symbol.enter()
        symbol.handle(self.GONE)
        symbol.fill(entry, "BUY", own=9.0)
        assert (symbol.is_in, self.retired(symbol)) == (S.POSITION_OPEN, 0)
        symbol.fill(symbol.record.stop_id, "SELL", own=0.0)
        assert (symbol.is_in, self.retired(symbol)) == (S.COOLDOWN, 1)

    def test_back_on_the_watchlist_it_trades_again(self) -> None:
        symbol = Symbol()
        symbol.handle(self.GONE)
        symbol.handle(WatchlistChanged(("NVDA", "TSLA"), ()))
        assert not symbol.record.retired
        symbol.enter()

    def test_a_restart_goes_by_the_settings(self) -> None:
        symbol = Symbol(winding_down=["TSLA"], watchlist=["NVDA"])
        symbol.handle(Started(2))
        assert self.retired(symbol) == 1


class TestLinks:
    def test_all_must_stand(self) -> None:
        symbol = Symbol()
        for link in ("socket", "broker"):
            symbol.handle(LinkChanged(link, False, ""))  # type: ignore[arg-type]
        symbol.handle(LinkChanged("socket", True, ""))
        symbol.tick()
        assert symbol.why == "links_down"
        symbol.handle(LinkChanged("broker", True, ""))
        symbol.enter()

    def test_reconciled_is_up(self) -> None:
        symbol = Symbol()
        symbol.handle(LinkChanged("socket", False, ""))
        symbol.handle(ReconciliationDone("DU1", 0, 0, 0))
        symbol.enter()


class TestLostRows:
    """Its ledger, or the gateway's, is gone: the snapshot has the position."""

    def test_it_finds_what_it_holds(self) -> None:
        symbol = Symbol()
        symbol.handle(PositionUpdated("TSLA", 9.0, 105.0, 9.0))
        assert (symbol.is_in, symbol.record.own) == (S.POSITION_OPEN, 9.0)
        symbol.tick()
        assert symbol.submitted() == []

    def test_it_finds_what_that_cost(self) -> None:
        """Without it the whole position would be shown as profit."""
        symbol = Symbol()
        symbol.handle(PositionUpdated("TSLA", 12.0, 105.0, 9.0, 945.0))
        (shown,) = [m for _, m in symbol.sent if isinstance(m, SymbolStatus)]
        assert (shown.own, shown.cost_usd) == (9.0, 945.0)

    def test_it_finds_that_it_holds_nothing_any_more(self) -> None:
        symbol = Symbol()
        symbol.hold()
        symbol.handle(PositionUpdated("TSLA", 0.0, 0.0, 0.0))
        assert (symbol.is_in, symbol.why, symbol.record.own) == (S.PAUSED, "sold_unseen", 0.0)

    def test_shares_that_become_more_by_a_split_are_the_same_position(self) -> None:
        symbol = Symbol()
        symbol.hold()
        symbol.handle(PositionUpdated("TSLA", 18.0, 52.5, 18.0))
        assert (symbol.is_in, symbol.record.own, symbol.record.cost_usd) == (S.POSITION_OPEN, 18.0, 945.0)

    def test_what_is_adopted_takes_a_waiting_entry_back(self) -> None:
        symbol = Symbol()
        entry = symbol.enter()
        symbol.handle(PositionUpdated("TSLA", 5.0, 105.0, 5.0))
        assert symbol.is_in is S.POSITION_OPEN
        assert symbol.cancels() == [(entry, "position_open")]


class TestManualTrades:
    def test_a_position_that_does_not_match_freezes_entries_until_it_does(self) -> None:
        symbol = Symbol()
        symbol.handle(PositionUpdated("TSLA", 50.0, 90.0, 0.0))
        symbol.tick()
        symbol.tick()
        assert (symbol.is_in, symbol.why) == (S.NO_POSITION, "position_mismatch")
        assert symbol.record.figures == {"own": 0.0, "account": 50.0}
        assert symbol.notes().count("position_mismatch") == 1
        symbol.handle(PositionUpdated("TSLA", 0.0, 0.0, 0.0))
        symbol.enter()

    def test_the_position_is_reported_before_its_executions(self) -> None:
        symbol = Symbol()
        entry = symbol.enter()
        symbol.handle(PositionUpdated("TSLA", 9.0, 105.0, 0.0))
        symbol.fill(entry, "BUY", own=9.0)
        symbol.handle(PositionUpdated("TSLA", 0.0, 0.0, 9.0))
        symbol.fill(symbol.record.stop_id, "SELL", own=0.0)
        symbol.now = symbol.record.cooldown_until_ns
        symbol.elapse()
        symbol.enter()


class TestTriggered:
    def test_unfilled_for_thirty_seconds_it_is_cancelled_and_armed_again(self) -> None:
        symbol = Symbol()
        entry = symbol.enter()
        symbol.resting()
        symbol.working()
        assert (symbol.is_in, symbol.why) == (S.ENTRY_PENDING, "entry_triggered")
        symbol.now += 30 * SECOND - 1
        symbol.elapse()
        assert symbol.cancels() == []
        symbol.now += 1
        symbol.elapse()
        symbol.elapse()
        assert symbol.cancels() == [(entry, "triggered_unfilled")]
        symbol.cancelled(asked=True, cancel_reason="triggered_unfilled")
        assert (symbol.is_in, symbol.why, symbol.record.refusals) == (S.NO_POSITION, "triggered_unfilled", 0)
        assert symbol.enter() == "CT.sim-TSLA-20250106-2"

    def test_an_exchange_that_holds_the_stop_itself_calls_it_working_all_along(self) -> None:
        symbol = Symbol()
        symbol.enter()
        symbol.working()
        symbol.tick(104.0)
        symbol.now += MINUTE
        symbol.elapse()
        assert symbol.cancels() == []
        symbol.tick(105.0)
        symbol.now += 30 * SECOND
        symbol.elapse()
        assert [reason for _, reason in symbol.cancels()] == ["triggered_unfilled"]

    def test_filled_in_time_nothing_is_due(self) -> None:
        symbol = Symbol()
        entry = symbol.enter()
        symbol.resting()
        symbol.working()
        symbol.fill(entry, "BUY", own=9.0)
        assert symbol.core.deadlines(symbol.state, Now(symbol.now, 0)).market_ns is None


class TestHalt:
    def test_takes_the_entry_back_and_waits_for_a_trade(self) -> None:
        symbol = Symbol()
        entry = symbol.enter()
        traded_ns = symbol.now
        symbol.now += MINUTE
        symbol.tick(halted=True, last_ns=traded_ns)
        assert symbol.cancels() == [(entry, "halted")]
        symbol.cancelled(asked=True, cancel_reason="halted")
        assert (symbol.is_in, symbol.why) == (S.NO_POSITION, "halted")
        symbol.tick(halted=True, last_ns=traded_ns)
        symbol.now += 5 * MINUTE
        symbol.tick(last_ns=traded_ns)
        assert symbol.why == "no_trade_since_halt"
        symbol.tick(102.0)
        assert symbol.is_in is S.ENTRY_PENDING

    def test_kept_if_configured(self) -> None:
        symbol = Symbol(entries={"on_halt": "keep"})
        symbol.enter()
        symbol.tick(halted=True)
        assert symbol.cancels() == []

    def test_when_idle_its_reason_is_paused(self) -> None:
        symbol = Symbol()
        symbol.tick(halted=True)
        assert symbol.why == "halted"

    def test_what_is_left_of_a_filling_entry_goes_too(self) -> None:
        symbol = Symbol()
        entry = symbol.enter()
        symbol.fill(entry, "BUY", own=4.0, quantity=4.0)
        symbol.tick(halted=True)
        assert symbol.cancels() == [(entry, "halted")]


class TestReanchor:
    def fallen(self, **entries: object) -> Symbol:
        symbol = Symbol(entries=entries)
        symbol.enter()
        symbol.resting()
        symbol.now += 10 * MINUTE
        symbol.tick(95.0)
        return symbol

    def test_off_by_default_the_trigger_stays_where_it_is(self) -> None:
        assert self.fallen().cancels() == []

    def test_moves_a_resting_trigger_down(self) -> None:
        symbol = self.fallen(reanchor_minutes=10)
        assert [reason for _, reason in symbol.cancels()] == ["reanchored"]
        symbol.cancelled(asked=True, cancel_reason="reanchored")
        symbol.tick(95.0)
        assert symbol.submitted()[-1].plan.stop_price == 99.75

    def test_never_up_and_not_too_early(self) -> None:
        symbol = Symbol(entries={"reanchor_minutes": 10})
        symbol.enter()
        symbol.resting()
        symbol.now += 10 * MINUTE - 1
        symbol.tick(95.0)
        symbol.now += 1
        symbol.tick(101.0)
        assert symbol.cancels() == []

    def test_only_for_a_price_that_may_be_entered_on(self) -> None:
        symbol = Symbol(entries={"reanchor_minutes": 10})
        symbol.enter()
        symbol.resting()
        symbol.now += 10 * MINUTE
        symbol.tick(95.0, last_ns=symbol.now - 11 * SECOND, bid=90.0, ask=92.0)
        symbol.handle(LinkChanged("data", False, ""))
        symbol.tick(95.0)
        assert symbol.cancels() == []


class TestPartialFill:
    def filling(self, **entries: object) -> tuple[Symbol, str]:
        symbol = Symbol(entries=entries)
        entry = symbol.enter()
        symbol.fill(entry, "BUY", own=4.0, quantity=4.0)
        return symbol, entry

    def test_the_rest_has_ten_seconds_from_the_first(self) -> None:
        symbol, entry = self.filling()
        assert (symbol.is_in, symbol.why) == (S.POSITION_OPEN, "entry_filling")
        symbol.now += 6 * SECOND
        symbol.fill(entry, "BUY", own=6.0, quantity=2.0, cum=6.0)
        symbol.now += 4 * SECOND
        symbol.elapse()
        symbol.elapse()
        assert symbol.cancels() == [(entry, "partial_fill")]
        symbol.cancelled(asked=True, filled=6.0, cancel_reason="partial_fill")
        assert (symbol.is_in, symbol.why, symbol.record.entry_live) == (S.POSITION_OPEN, "protected_by_stop", False)

    def test_in_time_it_is_whole(self) -> None:
        symbol, entry = self.filling()
        symbol.fill(entry, "BUY", own=9.0, quantity=5.0, cum=9.0)
        assert (symbol.why, symbol.record.entry_live) == ("protected_by_stop", False)
        assert symbol.core.deadlines(symbol.state, Now(symbol.now, 0)).market_ns is None

    def test_the_close_takes_the_rest_back_too(self) -> None:
        symbol, entry = self.filling(partial_fill_s=3600)
        symbol.closing()
        assert symbol.cancels() == [(entry, "end_of_day")]

    def test_the_stop_sells_while_the_rest_is_live(self) -> None:
        symbol, entry = self.filling()
        symbol.fill(symbol.record.stop_id, "SELL", own=0.0, quantity=4.0)
        assert symbol.is_in is S.COOLDOWN
        assert symbol.cancels() == [(entry, "stopped_out")]
        symbol.fill(entry, "BUY", own=5.0, quantity=5.0, cum=9.0)
        assert symbol.is_in is S.POSITION_OPEN, "it filled before the cancel"

    def test_an_entry_that_was_given_up_fills_while_the_next_one_waits(self) -> None:
        symbol = Symbol()
        first = symbol.enter()
        symbol.drop("price_through_trigger")
        second = symbol.enter()
        symbol.fill(first, "BUY", own=9.0)
        assert symbol.is_in is S.POSITION_OPEN
        assert symbol.cancels() == [(second, "position_open")]


class TestExiting:
    def triggered(self, order_type: str) -> Symbol:
        symbol = Symbol(stops={"use_trailing_limit": True})
        symbol.hold()
        for status, why_held in (("PreSubmitted", "trigger"), ("Submitted", "")):
            stop = symbol.entry(
                client_order_id=symbol.record.stop_id,
                role="stop",
                side="SELL",
                order_type=order_type,
                status=status,
                why_held=why_held,
            )
            symbol.handle(OrderUpdated(stop))
        return symbol

    def test_a_capped_stop_that_does_not_fill_is_alerted_once(self) -> None:
        symbol = self.triggered("TRAIL LIMIT")
        assert (symbol.is_in, symbol.why) == (S.EXITING, "stop_triggered")
        symbol.now += 30 * SECOND
        symbol.elapse()
        symbol.now += MINUTE
        symbol.elapse()
        assert symbol.notes().count("exit_unfilled") == 1

    def test_an_uncapped_one_fills_or_was_native_all_along(self) -> None:
        assert self.triggered("TRAIL").is_in is S.POSITION_OPEN

    @pytest.mark.parametrize("kind", [OrderCancelled, OrderRejected])
    def test_if_it_vanishes_the_shares_are_held_again(self, kind: type) -> None:
        symbol = self.triggered("TRAIL LIMIT")
        stop = symbol.entry(client_order_id=symbol.record.stop_id, role="stop", side="SELL")
        symbol.handle(kind(stop, False) if kind is OrderCancelled else kind(stop, 201, "no"))
        assert (symbol.is_in, symbol.why) == (S.POSITION_OPEN, "stop_lost")
        again = symbol.entry(
            client_order_id=f"{symbol.record.entry_id}-S2",
            role="stop",
            side="SELL",
            status="PreSubmitted",
            why_held="trigger",
        )
        symbol.handle(OrderAccepted(again))
        assert symbol.why == "protected_by_stop"


class TestFractions:
    @pytest.mark.parametrize("code", [10242, 10243])
    def test_refused_once_whole_shares_from_then_on(self, code: int) -> None:
        symbol = Symbol(allocation={"allow_fractional": True})
        symbol.tick(300.0)
        (asked,) = [m.plan for _, m in symbol.sent if isinstance(m, SubmitEntry)]
        assert asked.quantity == 3.3333
        refused = OrderRecord(
            client_order_id=asked.client_order_id,
            symbol="TSLA",
            role="entry",
            side="BUY",
            order_type="STP LMT",
            quantity=asked.quantity,
            status="Cancelled",
        )
        symbol.sent.clear()
        symbol.handle(OrderRejected(refused, code, "no fractions"))
        assert "fractional_refused" in [m.event for _, m in symbol.sent if isinstance(m, Happened)]
        assert (symbol.record.why, symbol.record.refusals, symbol.record.whole_only) == ("fraction_refused", 0, True)
        symbol.sent.clear()
        symbol.tick(300.0)
        assert [m.plan.quantity for _, m in symbol.sent if isinstance(m, SubmitEntry)] == [3.0]
        symbol.handle(Resumed("TSLA", "guard pace"))
        assert symbol.record.whole_only
        symbol.handle(Resumed("TSLA", "operator"))
        assert not symbol.record.whole_only, "the operator may have got the permission"
