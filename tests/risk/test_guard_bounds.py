"""Each guard at both sides of its bound, with its figures."""

from __future__ import annotations

from typing import Any

import pytest

from services.risk.guards import (
    MINUTE_NS,
    Pace,
    Tally,
    Track,
    TrackRecord,
    Trip,
    denial,
    guards_on,
    pnl_usd,
    realized_pnl_usd,
    trips,
    value_usd,
)
from services.risk.limits import Denied, Holding, Mark, Reservation
from services.risk.pauses import NEXT_SESSION, RESUME
from tests.risk.scenario import configured, plan

TODAY, YESTERDAY, BEFORE = "2025-01-06", "2025-01-03", "2025-01-02"
CAP = {"total_usd_cap": 10_000.0}


def record(**fields: Any) -> TrackRecord:
    nothing: dict[str, Any] = {
        "tally": Tally(),
        "tracks": {},
        "holdings": {},
        "reservations": {},
        "marks": {},
        "pace": Pace(),
        "pnl_usd": 0.0,
        "now_ns": 0,
    }
    return TrackRecord(**(nothing | fields))


class TestTrips:
    def tripped(self, seen: TrackRecord, **guards: Any) -> list[Trip]:
        return trips(seen, configured(allocation=CAP, guards=guards))

    def test_the_days_loss(self) -> None:
        tally = Tally(last_close_pnl_usd=50.0)
        assert self.tripped(record(tally=tally, pnl_usd=-74.99), daily_loss_pct=1.25) == []
        assert self.tripped(record(tally=tally, pnl_usd=-75.0), daily_loss_pct=1.25) == [
            Trip("daily_loss", None, NEXT_SESSION, {"today_usd": -125.0, "limit_usd": -125.0})
        ]
        assert self.tripped(record(tally=tally, pnl_usd=-99.8736), daily_loss_pct=1.25126) == [
            Trip("daily_loss", None, NEXT_SESSION, {"today_usd": -149.87, "limit_usd": -125.13})
        ]

    def test_the_drawdown(self) -> None:
        tally = Tally(peak_pnl_usd=50.0, last_close_pnl_usd=-900.0)
        assert self.tripped(record(tally=tally, pnl_usd=-74.99), drawdown_pct=1.25) == []
        assert self.tripped(record(tally=tally, pnl_usd=-75.0), drawdown_pct=1.25) == [
            Trip("drawdown", None, RESUME, {"drawdown_usd": 125.0, "limit_usd": 125.0})
        ]
        assert self.tripped(record(tally=tally, pnl_usd=-99.8736), drawdown_pct=1.25126) == [
            Trip("drawdown", None, RESUME, {"drawdown_usd": 149.87, "limit_usd": 125.13})
        ]

    def test_stop_outs_of_all(self) -> None:
        assert self.tripped(record(tally=Tally(stopouts=2)), stopouts_per_day=3) == []
        assert self.tripped(record(tally=Tally(stopouts=4)), stopouts_per_day=3) == [
            Trip("stopouts", None, NEXT_SESSION, {"stopouts": 4.0, "limit": 3.0})
        ]

    def test_stop_outs_of_a_symbol(self) -> None:
        counts = {"TSLA": 1, "NVDA": 2, "AMD": 3}
        tracks = {symbol: Track(symbol=symbol, stopouts=count) for symbol, count in counts.items()}
        assert self.tripped(record(tracks=tracks), stopouts_per_symbol_per_day=2) == [
            Trip("symbol_stopouts", "NVDA", NEXT_SESSION, {"stopouts": 2.0, "limit": 2.0}),
            Trip("symbol_stopouts", "AMD", NEXT_SESSION, {"stopouts": 3.0, "limit": 2.0}),
        ]

    def test_losses_in_a_row(self) -> None:
        assert self.tripped(record(tally=Tally(losses=2)), consecutive_losses=3) == []
        assert self.tripped(record(tally=Tally(losses=4)), consecutive_losses=3) == [
            Trip("consecutive_losses", None, RESUME, {"losses": 4.0, "limit": 3.0})
        ]

    def test_none_of_them_is_on_by_itself(self) -> None:
        bad = record(
            tally=Tally(stopouts=99, losses=99, peak_pnl_usd=9e9),
            tracks={"TSLA": Track(symbol="TSLA", stopouts=99)},
            pnl_usd=-9e9,
        )
        assert self.tripped(bad) == []

    @pytest.mark.parametrize(
        ("key", "name"),
        [
            ("daily_loss_pct", "daily_loss"),
            ("drawdown_pct", "drawdown"),
            ("stopouts_per_day", "stopouts"),
            ("stopouts_per_symbol_per_day", "symbol_stopouts"),
            ("consecutive_losses", "consecutive_losses"),
        ],
    )
    def test_each_goes_by_a_key_of_its_own(self, key: str, name: str) -> None:
        assert guards_on(configured(guards={key: 1})) == (name,)


class TestDenials:
    def denied(self, seen: TrackRecord | None = None, usd: float = 1001.0, *, entry: Any = None, **guards: Any) -> Any:
        return denial(entry or plan(), usd, seen or record(), configured(guards=guards))

    def test_restricted(self) -> None:
        assert self.denied(restricted=["TSLA"]) == Denied("restricted")
        assert self.denied(restricted=["NVDA"]) is None

    def test_a_blackout_is_a_symbols_on_its_dates(self) -> None:
        assert self.denied(blackouts={"TSLA": [YESTERDAY, TODAY]}) == Denied("blackout")
        assert self.denied(blackouts={"TSLA": [YESTERDAY], "NVDA": [TODAY]}) is None

    def test_the_quantity(self) -> None:
        assert self.denied(max_quantity=10.0) is None
        assert self.denied(max_quantity=9.5) == Denied("max_quantity", {"quantity": 10.0, "limit": 9.5})

    def test_the_dollars_of_one_entry(self) -> None:
        assert self.denied(max_notional_usd=1001.0) is None
        assert self.denied(usd=1001.1264, max_notional_usd=1001.0) == Denied(
            "max_notional", {"entry_usd": 1001.13, "limit_usd": 1001.0}
        )

    @pytest.mark.parametrize(
        ("stop", "limit", "off"),
        [
            (110.0, 125.0, None),
            (110.0, 125.5, 125.5),
            (126.0, 127.0, 126.0),
            (125.0, None, None),
            (125.5, None, 125.5),
            (75.0, 75.0, None),
            (74.5, 75.0, 74.5),
            (75.0, 74.5, 74.5),
        ],
    )
    def test_the_band_around_the_last_price(self, stop: float, limit: float | None, off: float | None) -> None:
        entry = plan(stop_price=stop, limit=limit, reference=100.0)
        figures = {"price": off, "last": 100.0, "band_pct": 25.0}
        assert self.denied(entry=entry, price_band_pct=25.0) == (Denied("price_band", figures) if off else None)  # type: ignore[arg-type]
        assert self.denied(entry=entry, price_band_pct=None) is None

    def test_the_band_is_half_the_price_by_default(self) -> None:
        assert self.denied(entry=plan(stop_price=150.0, limit=None, reference=100.0)) is None
        assert self.denied(entry=plan(stop_price=150.5, limit=None, reference=100.0)) is not None

    def test_entries_of_a_minute(self) -> None:
        pace, at = Pace((5, 6, 7)), MINUTE_NS + 5
        assert self.denied(record(pace=pace, now_ns=at), orders_per_minute=3) is None, "the first is a minute old"
        assert self.denied(record(pace=pace, now_ns=at - 1), orders_per_minute=3) == Denied(
            "orders_per_minute", {"orders": 3.0, "limit": 3.0}
        )
        assert self.denied(record(pace=pace, now_ns=at - 1), orders_per_minute=None) is None

    def test_the_first_guard_that_denies_gives_the_reason(self) -> None:
        assert self.denied(restricted=["TSLA"], max_quantity=1.0) == Denied("restricted")


class TestDayTrades:
    """What was done within the window, what may still become one today, and this entry."""

    def denied(self, most: int | None, *, sessions: int = 2, **fields: Any) -> Denied | None:
        tally = Tally(session_date=TODAY, sessions=(BEFORE, YESTERDAY, TODAY))
        settings = configured(guards={"day_trades": most, "day_trade_sessions": sessions})
        return denial(plan(), 1001.0, record(tally=tally, **fields), settings)

    @staticmethod
    def figures(done: float, may_come: float, limit: float) -> Denied:
        return Denied("day_trades", {"done": done, "may_come": may_come, "limit": limit})

    def test_this_entry_is_one(self) -> None:
        assert self.denied(1) is None
        assert self.denied(0) == self.figures(0.0, 0.0, 0.0)
        assert self.denied(None) is None

    def test_those_of_the_window_count_over_all_symbols(self) -> None:
        tracks = {
            "TSLA": Track(symbol="TSLA", day_trades=(BEFORE, YESTERDAY, TODAY)),
            "NVDA": Track(symbol="NVDA", day_trades=(YESTERDAY,)),
        }
        assert self.denied(4, tracks=tracks) is None
        assert self.denied(3, tracks=tracks) == self.figures(3.0, 0.0, 3.0)
        assert self.denied(4, sessions=3, tracks=tracks) == self.figures(4.0, 0.0, 4.0)

    def test_what_was_bought_today_and_is_held_may_become_one(self) -> None:
        tracks = {
            "TSLA": Track(symbol="TSLA", bought=TODAY),
            "NVDA": Track(symbol="NVDA", bought=TODAY),
            "AMD": Track(symbol="AMD", bought=YESTERDAY),
            "GME": Track(symbol="GME", bought=TODAY),
        }
        holdings = {s: Holding(s, own=own) for s, own in [("NVDA", 5.0), ("AMD", 5.0), ("GME", 0.0)]}
        assert self.denied(2, tracks=tracks, holdings=holdings) is None
        assert self.denied(1, tracks=tracks, holdings=holdings) == self.figures(0.0, 1.0, 1.0)

    def test_an_entry_under_way_is_no_second_one_of_its_symbol(self) -> None:
        tracks = {"NVDA": Track(symbol="NVDA", bought=TODAY)}
        holdings = {"NVDA": Holding("NVDA", own=5.0)}
        reservations = {s: Reservation(s, s, 1.0, 1.0, 1.0, 1.0) for s in ("NVDA", "AMD")}
        fields: dict[str, Any] = {"tracks": tracks, "holdings": holdings, "reservations": reservations}
        assert self.denied(3, **fields) is None
        assert self.denied(2, **fields) == self.figures(0.0, 2.0, 2.0)


def test_the_bots_pnl_is_what_it_realized_and_what_its_own_shares_are_worth() -> None:
    tally = Tally(realized_usd=100.0, commissions_usd=7.0)
    holdings = {
        "TSLA": Holding("TSLA", own=10.0, cost_usd=950.0, account=10.0),
        "NVDA": Holding("NVDA", own=4.0, cost_usd=480.0, account=9.0),
        "AMD": Holding("AMD", own=0.0, cost_usd=0.0, account=50.0, avg_cost=90.0),
    }
    marks = {"TSLA": Mark("TSLA", 97.0), "AMD": Mark("AMD", 1.0)}
    assert pnl_usd(tally, holdings, marks) == 100.0 - 7.0 + 20.0
    assert pnl_usd(tally, {}, {}) == 93.0
    assert realized_pnl_usd(tally) == 93.0
    assert value_usd(holdings, marks) == 970.0 + 480.0
