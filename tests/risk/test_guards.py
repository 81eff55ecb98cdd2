"""Guards: what trips each of them, what resets it, and what one entry is denied for."""

from __future__ import annotations

from typing import Any

import pytest

from messages.account import AccountUpdated
from messages.entries import EntryApproved
from messages.market import Session, SessionClosed, SessionOpened, Tick
from messages.operator import Happened, Paused, Resume, Resumed
from messages.orders import CommissionReported, PositionUpdated
from services.risk.guards import DENIALS, TRIPS, Tally, guards_on
from services.risk.pauses import PauseRecord
from tests.risk.scenario import MONDAY, Risk, denied, plan

TUESDAY = Session("2025-01-07", 10**15, 2 * 10**15)
CAP = {"total_usd_cap": 10_000.0}


def opened(**guards: Any) -> Risk:
    risk = Risk(allocation=CAP, guards=guards)
    risk.handle(SessionOpened(MONDAY, 1))
    risk.now = 10**12  # after the minute in which earlier symbols have priority
    risk.sent.clear()
    return risk


def round_trip(
    risk: Risk, realized: float, *, symbol: str = "TSLA", role: str = "stop", number: int = 1, commission: float = 0.0
) -> None:
    entry = f"CT-{symbol}-20250106-{number}"
    risk.fill(entry, symbol, own=10.0, cost=950.0)
    if commission:
        risk.handle(CommissionReported(f"e{number}", entry, symbol, commission, "USD", None))
    price = 95.0 + realized / 10
    risk.fill(f"{entry}-S1", symbol, own=0.0, cost=0.0, side="SELL", price=price, realized=realized)


def tripped(risk: Risk) -> list[str]:
    return [p.key for p in risk.state.table(PauseRecord).values()]


def test_all_that_trip_are_off_by_default() -> None:
    assert guards_on(Risk().settings) == ()
    risk = opened()
    for number in range(20):
        round_trip(risk, -400.0, number=number)
    assert tripped(risk) == []
    assert isinstance(risk.submit(plan(99)), EntryApproved)


@pytest.mark.parametrize(
    ("guards", "before", "last", "cause", "scope"),
    [
        ({"daily_loss_pct": 5.0}, [-250.0], -250.0, "daily_loss", "fleet"),
        ({"drawdown_pct": 5.0}, [300.0, -400.0], -100.0, "drawdown", "fleet"),
        ({"stopouts_per_day": 3}, [10.0, -10.0], 10.0, "stopouts", "fleet"),
        ({"stopouts_per_symbol_per_day": 2}, [10.0], 10.0, "symbol_stopouts", "TSLA"),
        ({"consecutive_losses": 3}, [-1.0, -1.0], -1.0, "consecutive_losses", "fleet"),
    ],
)
def test_trips_at_its_limit_and_not_before(
    guards: dict[str, Any], before: list[float], last: float, cause: str, scope: str
) -> None:
    risk = opened(**guards)
    for number, realized in enumerate(before):
        round_trip(risk, realized, number=number)
    assert tripped(risk) == []
    risk.sent.clear()
    round_trip(risk, last, number=99)
    assert tripped(risk) == [f"{scope}:{cause}"]
    symbol = None if scope == "fleet" else scope
    assert (scope, Paused(symbol, f"guard {cause}")) in risk.sent, "resting entries are taken back"
    (event,) = [m for _, m in risk.sent if isinstance(m, Happened) and m.event == "guard_tripped"]
    assert {"guard", "resets"} < event.fields.keys()
    reason, figures = denied(risk.submit(plan()))
    assert reason == f"guard_{cause}"
    assert figures
    other = risk.submit(plan(symbol="NVDA"))
    assert isinstance(other, EntryApproved) is (scope != "fleet")


def test_every_guard_that_trips_has_a_row_above() -> None:
    assert set(TRIPS) == {"daily_loss", "drawdown", "stopouts", "symbol_stopouts", "consecutive_losses"}


def test_open_positions_lose_money_too_and_the_close_resets_the_day() -> None:
    risk = opened(daily_loss_pct=1.0)
    risk.fill("CT-TSLA-20250106-1", "TSLA", own=10.0, cost=950.0)
    risk.handle(Tick("TSLA", 1, 1, 0, 85.01, 0))
    assert tripped(risk) == []
    risk.handle(SessionClosed(MONDAY))
    risk.handle(SessionOpened(TUESDAY, 1))
    risk.handle(Tick("TSLA", 1, 2, 0, 76.0, 0))
    assert tripped(risk) == [], "yesterday's loss is yesterday's"
    risk.handle(Tick("TSLA", 1, 3, 0, 75.0, 0))
    assert tripped(risk) == ["fleet:daily_loss"]


def test_the_next_session_resets_what_lasts_until_then() -> None:
    risk = opened(daily_loss_pct=1.0, stopouts_per_symbol_per_day=1, consecutive_losses=1)
    round_trip(risk, -200.0)
    assert (
        tripped(risk) == ["TSLA:symbol_stopouts", "fleet:consecutive_losses", "fleet:daily_loss"]
        or len(tripped(risk)) == 3
    )
    risk.handle(SessionClosed(MONDAY))
    risk.sent.clear()
    risk.handle(SessionOpened(TUESDAY, 1))
    assert tripped(risk) == ["fleet:consecutive_losses"]
    assert ("TSLA", Resumed("TSLA", "next session")) in risk.sent
    assert ("fleet", Resumed(None, "next session")) not in risk.sent, "another cause is left"
    risk.handle(Resume(None))
    assert tripped(risk) == []


def test_resume_ends_no_guard_of_the_day_and_rebases_the_drawdown() -> None:
    risk = opened(daily_loss_pct=1.0, drawdown_pct=1.0)
    round_trip(risk, -150.0)
    risk.handle(Resume(None))
    assert tripped(risk) == ["fleet:daily_loss"]
    tally = risk.state.get(Tally, "tally")
    assert tally is not None
    assert tally.peak_pnl_usd == -150.0


def test_deposits_and_foreign_positions_move_no_guard() -> None:
    risk = opened(daily_loss_pct=1.0, drawdown_pct=1.0)
    risk.handle(AccountUpdated("DU1", 1.0, 1.0, 1.0, 1.0, 0))
    risk.handle(PositionUpdated("NVDA", 100.0, 500.0, 0.0))
    risk.handle(Tick("NVDA", 1, 1, 0, 1.0, 0))
    assert tripped(risk) == []


def test_a_loss_counts_with_its_commission_and_a_win_ends_the_row() -> None:
    risk = opened(consecutive_losses=2)
    round_trip(risk, 0.5, commission=1.0, number=1)
    round_trip(risk, 5.0, number=2)
    round_trip(risk, 0.5, commission=1.0, number=3)
    assert tripped(risk) == []
    round_trip(risk, 0.5, commission=1.0, number=4)
    assert tripped(risk) == ["fleet:consecutive_losses"]


def test_a_correction_is_no_second_stop_out() -> None:
    risk = opened(stopouts_per_day=2)
    round_trip(risk, -5.0)
    stop = "CT-TSLA-20250106-1-S1"
    risk.fill(stop, "TSLA", own=0.0, cost=0.0, side="SELL", realized=-4.0, corrects="s.01", undone_usd=-5.0)
    assert tripped(risk) == []


def test_survives_a_restart_and_leaves_with_its_key() -> None:
    risk = opened(daily_loss_pct=1.0)
    round_trip(risk, -200.0)
    risk.restart()
    assert tripped(risk) == ["fleet:daily_loss"]
    risk.handle(risk.book())
    assert denied(risk.submit(plan(2)))[0] == "guard_daily_loss"
    risk.core.settings = Risk(allocation=CAP).settings
    risk.restart()
    assert tripped(risk) == [], "the guard was taken out of the configuration"


@pytest.mark.parametrize(
    ("guards", "entry", "reason"),
    [
        ({"restricted": ["TSLA"]}, {}, "restricted"),
        ({"blackouts": {"TSLA": ["2025-01-06"]}}, {}, "blackout"),
        ({"max_quantity": 9.0}, {}, "max_quantity"),
        ({"max_notional_usd": 1000.99}, {}, "max_notional"),
        ({"price_band_pct": 11.0}, {}, "price_band"),
        ({"price_band_pct": 5.0}, {"limit": None, "order_type": "STP"}, "price_band"),
        ({"day_trades": 0}, {}, "day_trades"),
    ],
)
def test_denies_one_entry(guards: dict[str, Any], entry: dict[str, Any], reason: str) -> None:
    assert reason in DENIALS
    risk = opened(**guards)
    assert denied(risk.submit(plan(**entry)))[0] == reason
    assert tripped(risk) == []


@pytest.mark.parametrize(
    "guards",
    [
        {"restricted": ["NVDA"]},
        {"blackouts": {"TSLA": ["2025-01-07"], "NVDA": ["2025-01-06"]}},
        {"max_quantity": 10.0},
        {"max_notional_usd": 1001.0},
        {"price_band_pct": 11.2},
        {"day_trades": 1},
    ],
)
def test_denies_nothing_within_it(guards: dict[str, Any]) -> None:
    assert isinstance(opened(**guards).submit(plan()), EntryApproved)


def test_orders_per_minute() -> None:
    risk = opened(orders_per_minute=2)
    assert isinstance(risk.submit(plan()), EntryApproved)
    risk.now += 30 * 10**9
    assert isinstance(risk.submit(plan(symbol="NVDA")), EntryApproved)
    assert denied(risk.submit(plan(symbol="AMD"))) == ("orders_per_minute", {"orders": 2.0, "limit": 2.0})
    risk.now += 31 * 10**9
    assert isinstance(risk.submit(plan(symbol="AMD")), EntryApproved)


def test_day_trades_count_what_may_become_one() -> None:
    risk = opened(day_trades=2, day_trade_sessions=2)
    round_trip(risk, 5.0)
    assert isinstance(risk.submit(plan(symbol="NVDA")), EntryApproved)
    assert denied(risk.submit(plan(symbol="AMD"))) == ("day_trades", {"done": 1.0, "may_come": 1.0, "limit": 2.0})
    risk.fill("CT-NVDA-20250106-1", "NVDA", own=10.0, cost=950.0)
    assert denied(risk.submit(plan(symbol="AMD")))[1]["may_come"] == 1.0
    for day in ("2025-01-07", "2025-01-08"):
        risk.handle(SessionOpened(Session(day, 0, 1), 1))
    assert isinstance(risk.submit(plan(symbol="AMD")), EntryApproved), (
        "Monday is out of the window, NVDA held overnight"
    )
