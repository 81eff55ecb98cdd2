"""What a fill adds to the bot's own record, and how a guard trips: every figure and every word."""

from __future__ import annotations

from typing import Any

import pytest

from messages.operator import Happened, Paused
from messages.orders import Fill, OrderFilled
from services.core import Draft, Now, Record, State
from services.risk.core import RiskCore
from services.risk.guards import Pace, Tally, Track
from services.risk.guards import Record as Seen
from services.risk.limits import Holding, Mark, Reservation
from services.risk.pauses import FLEET, NEXT_SESSION, RESUME, PauseRecord
from services.risk.track import count_fill, look, record_of

from .risk_words import configured, order

AT = 1_000
TODAY, YESTERDAY = "2025-01-06", "2025-01-03"


def draft(*records: Record) -> Draft:
    state = State(RiskCore.kinds)
    state.apply([(type(record), record.key, record) for record in records])
    return Draft(state, Now(AT, 5))


def filled(side: str = "BUY", *, own: float = 10.0, realized: float = 0.0, role: str = "", **more: Any) -> OrderFilled:
    told: dict[str, Any] = {
        "exec_id": "e",
        "client_order_id": "CT-TSLA",
        "symbol": "TSLA",
        "role": role or ("entry" if side == "BUY" else "stop"),
        "side": side,
        "quantity": 10.0,
        "price": 95.0,
        "cum_quantity": 10.0,
        "avg_price": 95.0,
        "order_id": 1,
        "perm_id": 1,
        "account": "DU1",
        "time_ns": 0,
    }
    fill = Fill(**told)
    return OrderFilled(fill, order("CT-TSLA", "TSLA"), own, own * 95.0, realized, **more)


class TestAFill:
    """TSLA was stopped out once today, its open position has realized -20, another -100 were realized before."""

    TALLY = Tally(
        realized_usd=-120.0,
        commissions_usd=9.0,
        last_close_pnl_usd=1.0,
        peak_pnl_usd=2.0,
        session_date=TODAY,
        sessions=(YESTERDAY, TODAY),
        trades=5,
        stopouts=2,
        losses=1,
    )
    TRACK = Track(symbol="TSLA", stopouts=1, realized_usd=-20.0, bought=TODAY, day_trades=(YESTERDAY,))

    def counted(self, *fills: OrderFilled, track: Track = TRACK, tally: Tally = TALLY) -> dict[str, Any]:
        """What changed, by name."""
        d = draft(tally, track, Track(symbol="NVDA", stopouts=7))
        for fill in fills:
            count_fill(d, fill)
        changed = {}
        for before in (tally, track):
            now = d.get(type(before), before.key)
            for name in before.__struct_fields__:
                if getattr(now, name) != getattr(before, name):
                    changed[f"{type(before).__name__}.{name}"] = getattr(now, name)
        assert {kind for kind, _, _ in d.decision.changes} == {Tally, Track}
        return changed

    def test_a_purchase_is_a_trade_of_this_session(self) -> None:
        old = Track(symbol="TSLA", bought=YESTERDAY)
        assert self.counted(filled(), track=old) == {"Tally.trades": 6, "Track.bought": TODAY}

    def test_the_first_of_a_symbol_and_of_a_ledger(self) -> None:
        d = draft()
        count_fill(d, filled("SELL", own=3.0, realized=4.0))
        assert d.get(Tally, "tally") == Tally(realized_usd=4.0, trades=1)
        assert d.get(Track, "TSLA") == Track(symbol="TSLA", realized_usd=4.0)

    def test_adopted_shares_are_no_trade(self) -> None:
        assert self.counted(filled(role="adopted"), track=Track(symbol="TSLA", bought=YESTERDAY)) == {}

    def test_a_part_sold_is_a_day_trade_and_no_end(self) -> None:
        assert self.counted(filled("SELL", own=1.0, realized=-5.0)) == {
            "Tally.realized_usd": -125.0,
            "Tally.trades": 6,
            "Track.realized_usd": -25.0,
            "Track.bought": "",
            "Track.day_trades": (YESTERDAY, TODAY),
        }

    def test_the_rest_sold_is_no_second_day_trade(self) -> None:
        parts = [filled("SELL", own=4.0), filled("SELL", own=0.0)]
        assert self.counted(*parts)["Track.day_trades"] == (YESTERDAY, TODAY)

    @pytest.mark.parametrize("bought", ["", YESTERDAY])
    def test_what_was_held_overnight_is_no_day_trade(self, bought: str) -> None:
        kept = Track(symbol="TSLA", bought=bought)
        changed = self.counted(filled("SELL", own=4.0), track=kept)
        assert changed == {"Tally.trades": 6}

    def test_before_the_first_session_there_is_no_day(self) -> None:
        assert self.counted(filled("SELL", own=4.0), track=Track(symbol="TSLA"), tally=Tally()) == {"Tally.trades": 1}

    def test_a_stop_out_that_lost(self) -> None:
        assert self.counted(filled("SELL", own=0.0, realized=10.0)) == {
            "Tally.realized_usd": -110.0,
            "Tally.trades": 6,
            "Tally.stopouts": 3,
            "Tally.losses": 2,
            "Track.realized_usd": 0.0,
            "Track.stopouts": 2,
            "Track.bought": "",
            "Track.day_trades": (YESTERDAY, TODAY),
        }

    @pytest.mark.parametrize(("realized", "losses"), [(19.99, 2), (20.0, 0), (20.5, 0)])
    def test_a_loss_is_what_the_whole_position_realized(self, realized: float, losses: int) -> None:
        d = draft(self.TALLY, self.TRACK)
        count_fill(d, filled("SELL", own=0.0, realized=realized))
        tally = d.get(Tally, "tally")
        assert tally is not None
        assert tally.losses == losses

    @pytest.mark.parametrize(("own", "over"), [(0.0, True), (0.99, True), (1.0, False)])
    def test_a_fraction_that_is_left_is_the_end_as_well(self, own: float, over: bool) -> None:
        assert ("Tally.stopouts" in self.counted(filled("SELL", own=own))) is over

    def test_a_sale_by_hand_is_no_stop_out(self) -> None:
        changed = self.counted(filled("SELL", own=0.0, role="flatten"))
        assert (changed["Tally.losses"], "Tally.stopouts" in changed, "Track.stopouts" in changed) == (2, False, False)

    @pytest.mark.parametrize("side", ["BUY", "SELL"])
    def test_a_correction_moves_money_only(self, side: str) -> None:
        told = filled(side, own=0.0, realized=-7.0, corrects="e.01", undone_usd=-4.0)
        assert self.counted(told) == {"Tally.realized_usd": -123.0, "Track.realized_usd": -23.0}


def test_what_guards_look_at() -> None:
    tally, track, pace = Tally(realized_usd=10.0), Track(symbol="TSLA"), Pace((1, 2))
    holding, mark = Holding("TSLA", own=10.0, cost_usd=950.0), Mark("TSLA", 96.0)
    reservation = Reservation("CT-NVDA", "NVDA", 1.0, 1.0, 1.0, 1.0)
    assert record_of(draft(tally, track, pace, holding, mark, reservation)) == Seen(
        tally=tally,
        tracks={"TSLA": track},
        holdings={"TSLA": holding},
        reservations={"CT-NVDA": reservation},
        marks={"TSLA": mark},
        pace=pace,
        pnl_usd=20.0,
        now_ns=AT,
    )
    nothing: dict[str, Any] = {}
    assert record_of(draft()) == Seen(Tally(), nothing, nothing, nothing, nothing, Pace(), 0.0, AT)


class TestLook:
    def looked(self, *records: Record, **guards: Any) -> Draft:
        d = draft(*records)
        look(d, configured(allocation={"total_usd_cap": 10_000.0}, guards=guards))
        return d

    def test_a_guard_of_all_stops_all_and_says_why(self) -> None:
        d = self.looked(Tally(stopouts=3), stopouts_per_day=3)
        by = "guard stopouts"
        figures = {"stopouts": 3.0, "limit": 3.0}
        stopped = PauseRecord(scope=FLEET, cause="stopouts", by=by, resets=NEXT_SESSION, figures=figures, since_ns=AT)
        assert d.decision.changes == [(PauseRecord, "fleet:stopouts", stopped)]
        told = {"guard": "stopouts", "resets": NEXT_SESSION, **figures}
        assert d.decision.messages == [
            (FLEET, Paused(None, by)),
            ("recorder", Happened("entries_paused", "", "WARNING", {"by": by}, AT)),
            ("recorder", Happened("guard_tripped", "", "WARNING", told, AT)),
        ]

    def test_a_guard_of_a_symbol_stops_that_one(self) -> None:
        d = self.looked(Track(symbol="NVDA", stopouts=2), stopouts_per_symbol_per_day=2)
        by = "guard symbol_stopouts"
        figures = {"stopouts": 2.0, "limit": 2.0}
        stopped = PauseRecord(
            scope="NVDA", cause="symbol_stopouts", by=by, resets=NEXT_SESSION, figures=figures, since_ns=AT
        )
        assert d.decision.changes == [(PauseRecord, "NVDA:symbol_stopouts", stopped)]
        told = {"guard": "symbol_stopouts", "resets": NEXT_SESSION, **figures}
        assert d.decision.messages == [
            ("NVDA", Paused("NVDA", by)),
            ("recorder", Happened("entries_paused", "NVDA", "WARNING", {"by": by}, AT)),
            ("recorder", Happened("guard_tripped", "NVDA", "WARNING", told, AT)),
        ]

    def test_one_that_is_tripped_says_nothing_more_and_hides_no_other(self) -> None:
        stopped = PauseRecord(scope=FLEET, cause="stopouts", by="guard stopouts", resets=NEXT_SESSION, since_ns=1)
        tally = Tally(stopouts=4, losses=2)
        assert not self.looked(stopped, tally, stopouts_per_day=3).decision
        both = self.looked(stopped, tally, stopouts_per_day=3, consecutive_losses=2)
        assert [(kind, key) for kind, key, _ in both.decision.changes] == [(PauseRecord, "fleet:consecutive_losses")]

    @pytest.mark.parametrize(("pnl", "peak"), [(50.99, 50.0), (51.0, 51.0), (60.0, 60.0), (49.0, 50.0)])
    def test_the_peak_rises_in_steps_of_a_ten_thousandth_of_the_cap(self, pnl: float, peak: float) -> None:
        d = self.looked(Tally(realized_usd=pnl, peak_pnl_usd=50.0), drawdown_pct=1.0)
        assert d.get(Tally, "tally") == Tally(realized_usd=pnl, peak_pnl_usd=peak)
        assert bool(d.decision.changes) is (peak != 50.0)

    def test_without_its_guard_no_peak_is_kept(self) -> None:
        assert not self.looked(Tally(realized_usd=500.0), stopouts_per_day=3).decision
        assert not self.looked(Tally(realized_usd=500.0)).decision

    def test_a_drawdown_is_measured_from_the_newest_peak(self) -> None:
        d = self.looked(Tally(realized_usd=300.0, peak_pnl_usd=100.0), drawdown_pct=1.0)
        assert not d.table(PauseRecord)
        fallen = self.looked(Tally(realized_usd=200.0, peak_pnl_usd=300.0), drawdown_pct=1.0)
        figures = {"drawdown_usd": 100.0, "limit_usd": 100.0}
        assert fallen.table(PauseRecord) == {
            "fleet:drawdown": PauseRecord(
                scope=FLEET, cause="drawdown", by="guard drawdown", resets=RESUME, figures=figures, since_ns=AT
            )
        }
