"""What a fill adds to the bot's own record, and how a guard trips: all figures and all fields."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from messages.operator import Happened, Paused
from messages.orders import CommissionReported, OrderFilled
from services.risk.core import RiskCore
from services.risk.guards import Closed, Pace, Tally, Track
from services.risk.guards import TrackRecord as Seen
from services.risk.limits import AccountRecord, Holding, Mark, Reservation
from services.risk.pauses import FLEET, NEXT_SESSION, RESUME, PauseRecord
from services.risk.track_record import Unpriced, count_commission, count_fill, price_commissions, record_of, trip_guards
from services.runtime.core import Draft, Now, Record, State
from tests.risk.scenario import configured, execution, order

AT = 1_000
ENTRY, STOP = "CT-TSLA", "CT-TSLA-S1"
TODAY, YESTERDAY = "2025-01-06", "2025-01-03"


def draft(*records: Record) -> Draft:
    state = State(RiskCore.kinds)
    state.apply([(type(record), record.key, record) for record in records])
    return Draft(state, Now(AT, 5))


def filled(side: str = "BUY", *, own: float = 10.0, realized: float = 0.0, role: str = "", **more: Any) -> OrderFilled:
    fill = (
        execution(ENTRY, "TSLA", role=role or "entry")
        if side == "BUY"
        else execution(STOP, "TSLA", role=role or "stop", side=side)
    )
    return OrderFilled(fill, order(ENTRY, "TSLA"), own, own * 95.0, realized, **more)


def changed(d: Draft, *before: Any) -> dict[str, Any]:
    """Each field that is another now, as Type.field."""
    found = {}
    for record in before:
        now = d.table(type(record))[record.key]
        for name in record.__struct_fields__:
            if getattr(now, name) != getattr(record, name):
                found[f"{type(record).__name__}.{name}"] = getattr(now, name)
    return found


class TestAFill:
    """TSLA was stopped out once today, its open position has realized -20; of 8 closed positions the last lost."""

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
        closed=8,
        wins=(6, 7),
    )
    TRACK = Track(symbol="TSLA", stopouts=1, realized_usd=-20.0, bought=TODAY, day_trades=(YESTERDAY,), orders=(ENTRY,))

    def counted(self, *fills: OrderFilled, track: Track = TRACK, tally: Tally = TALLY) -> dict[str, Any]:
        """What changed, by name."""
        d = draft(tally, track, Track(symbol="NVDA", stopouts=7))
        for fill in fills:
            count_fill(d, fill)
        assert {kind for kind, _, _ in d.decision.changes} == {Tally, Track}
        return changed(d, tally, track)

    def test_a_purchase_is_a_trade_of_this_session(self) -> None:
        old = Track(symbol="TSLA", bought=YESTERDAY, orders=("CT-TSLA-0",))
        new = {"Tally.trades": 6, "Track.bought": TODAY, "Track.orders": ("CT-TSLA-0", ENTRY)}
        assert self.counted(filled(), track=old) == new

    def test_two_parts_are_two_trades_of_one_order(self) -> None:
        assert self.counted(filled(own=4.0), filled()) == {"Tally.trades": 7}

    def test_the_first_of_a_symbol_and_of_a_ledger(self) -> None:
        d = draft()
        count_fill(d, filled("SELL", own=3.0, realized=4.0))
        assert d.get(Tally, "tally") == Tally(realized_usd=4.0, trades=1)
        assert d.get(Track, "TSLA") == Track(symbol="TSLA", realized_usd=4.0, orders=(STOP,))

    def test_adopted_shares_are_a_position_and_no_trade(self) -> None:
        old = Track(symbol="TSLA", bought=YESTERDAY)
        assert self.counted(filled(role="adopted"), track=old) == {"Track.orders": (ENTRY,)}

    def test_a_part_sold_is_a_day_trade_and_no_end(self) -> None:
        assert self.counted(filled("SELL", own=1.0, realized=-5.0)) == {
            "Tally.realized_usd": -125.0,
            "Tally.trades": 6,
            "Track.realized_usd": -25.0,
            "Track.bought": "",
            "Track.day_trades": (YESTERDAY, TODAY),
            "Track.orders": (ENTRY, STOP),
        }

    def test_the_rest_sold_is_no_second_day_trade(self) -> None:
        parts = [filled("SELL", own=4.0), filled("SELL", own=0.0)]
        assert self.counted(*parts)["Track.day_trades"] == (YESTERDAY, TODAY)

    @pytest.mark.parametrize("bought", ["", YESTERDAY])
    def test_what_was_held_overnight_is_no_day_trade(self, bought: str) -> None:
        kept = Track(symbol="TSLA", bought=bought, orders=(STOP,))
        assert self.counted(filled("SELL", own=4.0), track=kept) == {"Tally.trades": 6}

    def test_before_the_first_session_there_is_no_day(self) -> None:
        kept = Track(symbol="TSLA", orders=(STOP,))
        assert self.counted(filled("SELL", own=4.0), track=kept, tally=Tally()) == {"Tally.trades": 1}

    def test_a_stop_out_that_lost(self) -> None:
        assert self.counted(filled("SELL", own=0.0, realized=10.0)) == {
            "Tally.realized_usd": -110.0,
            "Tally.trades": 6,
            "Tally.stopouts": 3,
            "Tally.losses": 2,
            "Tally.closed": 9,
            "Track.realized_usd": 0.0,
            "Track.stopouts": 2,
            "Track.bought": "",
            "Track.day_trades": (YESTERDAY, TODAY),
            "Track.orders": (),
            "Track.last": Closed(number=9, orders=(ENTRY, STOP), realized_usd=-10.0),
        }

    @pytest.mark.parametrize(
        ("realized", "losses", "wins"), [(19.99, 2, (6, 7)), (20.0, 0, (6, 7, 9)), (20.5, 0, (6, 7, 9))]
    )
    def test_a_loss_is_what_the_whole_position_realized(
        self, realized: float, losses: int, wins: tuple[int, ...]
    ) -> None:
        d = draft(self.TALLY, self.TRACK)
        count_fill(d, filled("SELL", own=0.0, realized=realized))
        tally = d.table(Tally)["tally"]
        assert (tally.losses, tally.wins) == (losses, wins)

    def test_the_newest_twenty_wins_are_kept(self) -> None:
        tally = Tally(closed=30, wins=tuple(range(11, 31)))
        expected = self.counted(filled("SELL", own=0.0, realized=50.0), tally=tally)
        assert expected["Tally.wins"] == tuple(range(12, 32))

    def test_losses_in_a_row_count_from_the_operators_resume(self) -> None:
        tally = Tally(closed=8, wins=(3,), forgiven=6, losses=2)
        assert self.counted(filled("SELL", own=0.0), tally=tally)["Tally.losses"] == 3

    @pytest.mark.parametrize(("own", "over"), [(0.0, True), (0.99, True), (1.0, False)])
    def test_a_fraction_that_is_left_is_the_end_as_well(self, own: float, over: bool) -> None:
        assert ("Tally.stopouts" in self.counted(filled("SELL", own=own))) is over

    def test_a_manual_sale_is_no_stop_out(self) -> None:
        expected = self.counted(filled("SELL", own=0.0, role="flatten"))
        assert (expected["Tally.losses"], "Tally.stopouts" in expected, "Track.stopouts" in expected) == (
            2,
            False,
            False,
        )

    def test_a_correction_moves_money_only(self) -> None:
        for side, own in (("BUY", 10.0), ("SELL", 0.0)):
            kept = msgspec.structs.replace(self.TRACK, orders=(ENTRY, STOP))
            correction = filled(side, own=own, realized=-7.0, corrects="e.01", undone_usd=-4.0)
            assert self.counted(correction, track=kept) == {"Tally.realized_usd": -123.0, "Track.realized_usd": -23.0}

    def test_a_correction_of_an_older_position_changes_no_loss(self) -> None:
        correction = filled("SELL", own=0.0, realized=-7.0, corrects="e.01", undone_usd=-4.0)
        assert self.counted(correction) == {"Tally.realized_usd": -123.0}


class TestACommission:
    """Position 8 of TSLA was closed with a gain of half a dollar; another one is open."""

    TALLY = Tally(commissions_usd=9.0, closed=8, wins=(7, 8))
    LAST = Closed(number=8, orders=("old", "old-S1"), realized_usd=0.5)
    TRACK = Track(symbol="TSLA", realized_usd=-20.0, orders=(ENTRY,), last=LAST)
    ACCOUNT = AccountRecord("DU1", 1.0, 1.0, rates={"EUR": 1.25})

    def charged(self, key: str, *, currency: str = "USD", undone: float = 0.0, track: Track = TRACK) -> dict[str, Any]:
        d = draft(self.TALLY, track, self.ACCOUNT)
        count_commission(d, CommissionReported("e.1", key, "TSLA", 2.0, currency, None, undone))
        assert not d.decision.messages
        return changed(d, self.TALLY, track)

    def test_is_the_open_positions(self) -> None:
        assert self.charged(ENTRY) == {"Tally.commissions_usd": 11.0, "Track.realized_usd": -22.0}

    def test_takes_the_place_of_the_one_before(self) -> None:
        assert self.charged(ENTRY, undone=1.75) == {"Tally.commissions_usd": 9.25, "Track.realized_usd": -20.25}

    def test_makes_a_loss_of_the_position_before(self) -> None:
        assert self.charged("old-S1") == {
            "Tally.commissions_usd": 11.0,
            "Tally.wins": (7,),
            "Tally.losses": 1,
            "Track.last": Closed(number=8, orders=("old", "old-S1"), realized_usd=-1.5),
        }

    def test_leaves_a_gain_a_gain(self) -> None:
        assert self.charged("old", undone=1.5) == {
            "Tally.commissions_usd": 9.5,
            "Track.last": Closed(number=8, orders=("old", "old-S1"), realized_usd=0.0),
        }

    @pytest.mark.parametrize("track", [TRACK, Track(symbol="TSLA")])
    def test_of_an_order_long_gone_is_money_only(self, track: Track) -> None:
        assert self.charged("older", track=track) == {"Tally.commissions_usd": 11.0}

    def test_of_a_symbol_that_never_traded_is_money_only(self) -> None:
        d = draft()
        count_commission(d, CommissionReported("e.1", "a", "NVDA", 2.0, "", None))
        assert d.decision.changes == [
            (Tally, "tally", Tally(commissions_usd=2.0)),
            (Track, "NVDA", Track(symbol="NVDA")),
        ]

    def test_in_another_currency_counts_at_the_brokers_rate(self) -> None:
        expected = {"Tally.commissions_usd": 11.5, "Track.realized_usd": -22.5}
        assert self.charged(ENTRY, currency="EUR") == expected

    @pytest.mark.parametrize("known", [(), (ACCOUNT,)])
    def test_without_a_rate_it_waits(self, known: tuple[Record, ...]) -> None:
        d = draft(*known)
        count_commission(d, CommissionReported("e.1", ENTRY, "TSLA", 2.0, "JPY", None, 0.5))
        waiting = Unpriced("e.1", "TSLA", ENTRY, 1.5, "JPY")
        assert d.decision.changes == [(Unpriced, "e.1", waiting)]
        expected: dict[str, Any] = {"commission": 1.5, "currency": "JPY"}
        assert d.decision.messages == [("recorder", Happened("commission_unpriced", "TSLA", "WARNING", expected, AT))]

    def test_a_waiting_commission_is_counted_when_a_rate_arrives(self) -> None:
        waiting = [
            Unpriced("e.1", "TSLA", ENTRY, 2.0, "EUR"),
            Unpriced("e.2", "TSLA", ENTRY, 2.0, "JPY"),
            Unpriced("e.3", "NVDA", "CT-NVDA", 4.0, "EUR"),
        ]
        nvda = Track(symbol="NVDA", orders=("CT-NVDA",))
        d = draft(self.TALLY, self.TRACK, nvda, self.ACCOUNT, *waiting)
        price_commissions(d)
        assert list(d.table(Unpriced)) == ["e.2"]
        assert changed(d, self.TALLY, self.TRACK) == {"Tally.commissions_usd": 16.5, "Track.realized_usd": -22.5}
        assert d.table(Track)["NVDA"].realized_usd == -5.0

    def test_without_an_account_all_waits_on(self) -> None:
        d = draft(Unpriced("e.1", "TSLA", ENTRY, 2.0, "EUR"))
        price_commissions(d)
        assert not d.decision


def test_what_guards_see() -> None:
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
        trip_guards(d, configured(allocation={"total_usd_cap": 10_000.0}, guards=guards))
        return d

    def test_a_fleet_guard_stops_all_with_its_figures(self) -> None:
        d = self.looked(Tally(stopouts=3), stopouts_per_day=3)
        by = "guard stopouts"
        figures = {"stopouts": 3.0, "limit": 3.0}
        stopped = PauseRecord(scope=FLEET, cause="stopouts", by=by, resets=NEXT_SESSION, figures=figures, since_ns=AT)
        assert d.decision.changes == [(PauseRecord, "fleet:stopouts", stopped)]
        expected: dict[str, Any] = {"guard": "stopouts", "resets": NEXT_SESSION, **figures}
        assert d.decision.messages == [
            (FLEET, Paused(None, by)),
            ("recorder", Happened("entries_paused", "", "WARNING", {"by": by}, AT)),
            ("recorder", Happened("guard_tripped", "", "WARNING", expected, AT)),
        ]

    def test_a_guard_of_a_symbol_stops_that_one(self) -> None:
        d = self.looked(Track(symbol="NVDA", stopouts=2), stopouts_per_symbol_per_day=2)
        by = "guard symbol_stopouts"
        figures = {"stopouts": 2.0, "limit": 2.0}
        stopped = PauseRecord(
            scope="NVDA", cause="symbol_stopouts", by=by, resets=NEXT_SESSION, figures=figures, since_ns=AT
        )
        assert d.decision.changes == [(PauseRecord, "NVDA:symbol_stopouts", stopped)]
        expected: dict[str, Any] = {"guard": "symbol_stopouts", "resets": NEXT_SESSION, **figures}
        assert d.decision.messages == [
            ("NVDA", Paused("NVDA", by)),
            ("recorder", Happened("entries_paused", "NVDA", "WARNING", {"by": by}, AT)),
            ("recorder", Happened("guard_tripped", "NVDA", "WARNING", expected, AT)),
        ]

    def test_a_tripped_guard_repeats_nothing_and_hides_no_other(self) -> None:
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
