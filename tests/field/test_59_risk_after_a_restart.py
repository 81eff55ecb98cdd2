"""Row 59: risk after a restart values shares at the last known price, and a missed close does not move today's P&L."""

from __future__ import annotations

from messages.market import Session, SessionClosed, SessionOpened, Tick
from messages.orders import PositionUpdated
from messages.timers import Started
from services.risk.guards import Tally
from services.risk.pauses import PauseRecord
from services.runtime.core import State
from tests.risk.scenario import Risk

HOUR = 3_600_000_000_000
DAY = 24 * HOUR
MONDAY = Session("2025-01-06", 0, 7 * HOUR)
TUESDAY = Session("2025-01-07", DAY, DAY + 7 * HOUR)
WEDNESDAY = Session("2025-01-08", 2 * DAY, 2 * DAY + 7 * HOUR)
NEXT_MONDAY = Session("2025-01-13", 7 * DAY, 7 * DAY + 7 * HOUR)
ENTRY = "CT.sim-TSLA-20250106-1"


def tick(risk: Risk, price: float, at_ns: int) -> None:
    risk.now = at_ns
    risk.handle(Tick("TSLA", 1, at_ns, at_ns, price, at_ns))


def holding(**guards: float) -> Risk:
    """Ten shares, bought on Monday at 100."""
    risk = Risk(guards=guards, allocation={"total_usd_cap": 10_000})
    risk.handle(SessionOpened(MONDAY, 6 * HOUR))
    risk.fill(ENTRY, "TSLA", own=10.0, cost=1000.0, price=100.0)
    return risk


def tripped(risk: Risk) -> list[str]:
    return [p.cause for p in risk.state.table(PauseRecord).values()]


def tally(risk: Risk) -> Tally:
    found = risk.state.get(Tally, "tally")
    assert found is not None
    return found


def test_field_59_a_restart_makes_no_false_peak() -> None:
    """NVDA made 150 dollars while TSLA lost 100. Valued at cost after the restart, P&L would rise to 150 and fall."""
    risk = holding(drawdown_pct=0.9)
    risk.fill("CT.sim-NVDA-20250106-1", "NVDA", own=10.0, cost=100.0, price=10.0)
    tick(risk, 95.0, HOUR)
    risk.fill("CT.sim-NVDA-20250106-1-S1", "NVDA", own=0.0, cost=0.0, price=25.0, side="SELL", realized=150.0)
    tick(risk, 90.0, HOUR + 1)
    peak = tally(risk).peak_pnl_usd
    assert (peak, tripped(risk)) == (100.0, [])
    risk.restart()
    risk.handle(risk.book())
    risk.handle(SessionOpened(TUESDAY, DAY + 6 * HOUR))
    assert tally(risk).peak_pnl_usd == peak
    tick(risk, 90.0, DAY)
    assert tripped(risk) == []


def test_field_59_the_last_mark_is_durable() -> None:
    risk = holding(daily_loss_pct=1.0)
    tick(risk, 120.0, HOUR)
    risk.handle(SessionClosed(MONDAY, TUESDAY))
    risk.restart()
    risk.handle(risk.book())
    risk.handle(SessionOpened(TUESDAY, DAY + 6 * HOUR))
    assert tripped(risk) == [], "at cost the gain of yesterday would be lost today"
    tick(risk, 119.0, DAY)
    assert tripped(risk) == []
    tick(risk, 109.0, DAY)
    assert tripped(risk) == ["daily_loss"]


def test_field_59_guards_wait_for_a_mark() -> None:
    """The ledger is lost: nothing but the gateway's book says what is held."""
    risk = Risk(guards={"daily_loss_pct": 1.0, "drawdown_pct": 1.0}, allocation={"total_usd_cap": 10_000})
    risk.state = State(risk.core.kinds)
    risk.handle(Started(2))
    risk.handle(PositionUpdated("TSLA", 10.0, 100.0, 10.0, 1000.0))
    risk.handle(PositionUpdated("NVDA", 10.0, 10.0, 10.0, 100.0))
    tick(risk, 200.0, HOUR)
    assert (tally_or_new(risk).peak_pnl_usd, tripped(risk)) == (0.0, [])
    risk.handle(Tick("NVDA", 1, 1, HOUR, 10.0, HOUR))
    assert tally_or_new(risk).peak_pnl_usd == 1000.0


def tally_or_new(risk: Risk) -> Tally:
    return risk.state.get(Tally, "tally") or Tally()


def test_field_59_last_weeks_gain_does_not_pay_for_todays_loss() -> None:
    """A week without a machine: the shares gained 500 meanwhile, and lose 150 on the day of the return."""
    risk = holding(daily_loss_pct=1.0)
    tick(risk, 100.0, HOUR)
    risk.handle(SessionClosed(MONDAY, TUESDAY))
    risk.restart()
    risk.handle(risk.book())
    risk.handle(SessionOpened(NEXT_MONDAY, NEXT_MONDAY.close_ns - HOUR))
    tick(risk, 150.0, NEXT_MONDAY.open_ns + 1)
    assert tripped(risk) == []
    tick(risk, 135.0, NEXT_MONDAY.open_ns + 2)
    assert tripped(risk) == ["daily_loss"]


def test_field_59_last_weeks_loss_does_not_stop_today() -> None:
    risk = holding(daily_loss_pct=1.0)
    tick(risk, 100.0, HOUR)
    risk.handle(SessionClosed(MONDAY, TUESDAY))
    risk.handle(SessionOpened(NEXT_MONDAY, NEXT_MONDAY.close_ns - HOUR))
    tick(risk, 80.0, NEXT_MONDAY.open_ns + 1)
    assert tripped(risk) == []


def test_field_59_a_close_that_nobody_saw_is_a_missed_close() -> None:
    """Risk's link to the clock lost the close: Tuesday opens after Monday, whose close was never reported."""
    risk = holding(daily_loss_pct=1.0)
    tick(risk, 150.0, HOUR)  # Monday's gain
    risk.handle(SessionOpened(TUESDAY, DAY + 6 * HOUR))
    tick(risk, 150.0, DAY + 1)
    tick(risk, 139.0, DAY + 2)
    assert tripped(risk) == ["daily_loss"]


def test_field_59_shares_that_were_sold_meanwhile_are_not_of_today() -> None:
    """The broker's stop sold them on the day before at 150, and it is reported after today's open."""
    risk = holding(daily_loss_pct=1.0)
    tick(risk, 160.0, HOUR)
    risk.handle(SessionClosed(MONDAY, TUESDAY))
    risk.handle(SessionOpened(WEDNESDAY, WEDNESDAY.close_ns - HOUR))
    risk.now = WEDNESDAY.open_ns + 1
    risk.fill(
        f"{ENTRY}-S1", "TSLA", own=0.0, cost=0.0, price=140.0, role="stop", side="SELL", quantity=10.0, realized=400.0
    )
    assert tripped(risk) == [], "the loss of 200 was Tuesday's"


def test_field_59_seen_closes_keep_the_gap_over_night_in_the_day() -> None:
    risk = holding(daily_loss_pct=1.0)
    tick(risk, 120.0, HOUR)
    risk.handle(SessionClosed(MONDAY, TUESDAY))
    risk.handle(SessionOpened(TUESDAY, DAY + 6 * HOUR))
    tick(risk, 109.0, DAY + 1)
    assert tripped(risk) == ["daily_loss"]
