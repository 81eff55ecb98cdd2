"""Simulated days in every kind of account: the fleet spends settled dollars only."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest

from messages.account import PerformanceSnapshot
from services.backtest.promises import Promises
from services.backtest.runner import Result, Runner
from services.clock.calendar import sessions
from services.configuration.settings import Settings
from services.risk.limits import AccountRecord
from services.simulator.market.synthetic import SyntheticSource
from services.symbol.core import SymbolRecord

DAYS = sessions("XNYS", date(2025, 1, 6), date(2025, 1, 7), today=date(2025, 1, 7))
SYMBOLS = ("TSLA", "NVDA", "AMD", "GME")
EUROS = {"base_currency": "EUR", "usd_in_base": 0.8}


def days(cash: float, seed: int = 4, **policy: Any) -> tuple[Runner, Result, Promises]:
    raw = {"watchlist": SYMBOLS, "simulation": {"cash": cash, "policy": policy}}
    settings = msgspec.convert(raw, Settings)
    promises = Promises(settings, DAYS)
    runner = Runner(settings, SyntheticSource(seed, SYMBOLS, tick_s=60.0), DAYS, promises=promises)
    return runner, runner.run(), promises


def denials(result: Result) -> set[str]:
    return {e.event for e in result.events if e.event in ("cash_reserve", "no_exchange_rate", "negative_cash")}


def account(runner: Runner) -> AccountRecord:
    found = runner.actors["risk"].state.get(AccountRecord, "account")
    assert found is not None
    return found


def test_a_cash_account_waits_for_its_sales_to_settle() -> None:
    """A margin account can spend the proceeds of stop-outs on the same day, a cash account on the next day."""
    money = 4_900.0
    _, margin, _ = days(money)
    runner, cash, promises = days(money, account_kind="cash")
    assert account(runner).account_type == "cash"
    assert promises.counts["stops filled"] >= 2

    def bought(result: Result, day: int) -> int:
        fills = [r.fill for r in result.fills.values() if r.fill.side == "BUY"]
        return sum(DAYS[day].open_ns <= fill.time_ns < DAYS[day].close_ns for fill in fills)

    assert bought(cash, 0) < bought(margin, 0)
    assert "cash_reserve" in denials(cash)
    rejected = [o for o in cash.orders.values() if o.status == "Inactive"]
    assert not rejected, "risk asked for no more than the broker would give"
    late = [o for o in cash.orders.values() if o.role == "entry" and o.created_ns >= DAYS[1].open_ns]
    assert late, "nothing was settled over night"


def test_another_base_currency_changes_nothing_but_what_it_can_spend() -> None:
    """With enough dollars: the same orders, fills and figures to the cent as a dollar account of the same worth."""
    _, dollars, _ = days(100_000.0)
    runner, euros, promises = days(200_000.0, **EUROS, base_cash_part=0.5)
    assert (account(runner).base_currency, account(runner).usd_rate) == ("EUR", 0.8)
    assert promises.counts["stops filled"] >= 2
    assert {k: (o.quantity, o.status, o.avg_price) for k, o in euros.orders.items()} == {
        k: (o.quantity, o.status, o.avg_price) for k, o in dollars.orders.items()
    }

    def figures(snapshot: PerformanceSnapshot) -> tuple[float, float, float]:
        return snapshot.daily_pnl, snapshot.realized_pnl, snapshot.position_value

    assert list(map(figures, euros.snapshots)) == list(map(figures, dollars.snapshots))
    worth = [(e.account_value - d.account_value) for e, d in zip(euros.snapshots, dollars.snapshots, strict=True)]
    assert worth == pytest.approx([100_000.0, 100_000.0], abs=0.02)


def test_the_reserve_is_a_part_of_the_whole_account_kept_in_dollars() -> None:
    """10 % of 50,000 dollars' worth are 5,000: of 5,500 dollars 500 may be spent, and an entry needs more."""
    runner, result, _ = days(50_000.0, **EUROS, base_cash_part=0.89)
    assert account(runner).total_cash == pytest.approx(5_500.0)
    assert denials(result) == {"cash_reserve"}
    assert not result.fills
    figures = next(e.fields for e in result.events if e.event == "cash_reserve")
    assert figures["reserve_usd"] == pytest.approx(5_000.0)


@pytest.mark.parametrize("policy", [{"base_cash_part": 1.0}, {"base_cash_part": 0.5, "exchange_rate_told": False}])
def test_without_an_exchange_rate_there_are_no_entries_and_a_reason(policy: dict[str, Any]) -> None:
    runner, result, _ = days(100_000.0, **EUROS, **policy)
    assert denials(result) == {"no_exchange_rate"}
    assert not [o for o in result.orders.values() if o.role == "entry"]
    record = runner.actors["symbol-TSLA"].state.get(SymbolRecord, "TSLA")
    assert record is not None
    assert record.state == "NO_POSITION"
