"""The checks of the promises: each can fail, and on a synthetic day none does."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest

from messages.market import Session
from messages.orders import OrderRecord
from services.backtest.promises import PromiseBroken, Promises
from services.backtest.runner import Result, run
from services.clock.calendar import sessions
from services.configuration.settings import Settings
from services.gateway.book.records import AccountPosition, Own
from services.gateway.core import GatewayCore
from services.risk.core import RiskCore
from services.risk.limits import AccountRecord, Holding, Mark, Reservation
from services.runtime.core import State
from services.simulator.market.synthetic import SyntheticSource

DAYS = sessions("XNYS", date(2025, 1, 6), date(2025, 1, 7), today=date(2025, 1, 7))
MONDAY: Session = DAYS[0]
NOON = MONDAY.open_ns + 9_000 * 10**9
SETTINGS = msgspec.convert(
    {"watchlist": ["TSLA", "NVDA", "AMD", "GME"], "allocation": {"total_usd_cap": 3000.0}}, Settings
)


def order(key: str, **more: Any) -> OrderRecord:
    told: dict[str, Any] = {
        "symbol": "TSLA",
        "role": "entry",
        "side": "BUY",
        "order_type": "STP LMT",
        "quantity": 10.0,
        "status": "PreSubmitted",
        "created_ns": NOON,
    }
    return OrderRecord(client_order_id=key, **(told | more))


def stop(key: str, **more: Any) -> OrderRecord:
    return order(key, role="stop", side="SELL", order_type="TRAIL", parent_client_order_id="1", **more)


def looked(gateway: list[Any], risk: list[Any] | None = None, *, now_ns: int = NOON) -> Promises:
    """One check of states made of these records."""
    promises = Promises(SETTINGS, DAYS)
    books = []
    for kinds, records in ((GatewayCore.kinds, gateway), (RiskCore.kinds, risk or [])):
        state = State(kinds)
        state.apply([(type(r), r.key, r) for r in records])
        books.append(state)
    promises.check(*books, now_ns)
    return promises


ACCOUNT = AccountRecord("DU1", 100_000.0, 100_000.0)


def reservation(key: str = "1", symbol: str = "TSLA", usd: float = 1000.0) -> Reservation:
    return Reservation(key, symbol, 10.0, 10.0, usd / 10, usd)


@pytest.mark.parametrize(
    ("gateway", "risk", "now_ns", "promise"),
    [
        ([order("1"), order("2")], [], NOON, "1"),
        ([order("1"), order("2", status="InFlight")], [], NOON, "1"),
        ([stop("S1")], [], NOON, "3"),
        ([order("1", status="Filled", filled=10.0), Own("TSLA", 4.0), stop("S1")], [], NOON, "3"),
        (
            [order("1", status="Filled", filled=10.0), Own("TSLA", 10.0), stop("S1"), stop("S2", status="InFlight")],
            [],
            NOON,
            "3",
        ),
        (
            [stop("S1"), Own("TSLA", 10.0), stop("S1~2", created_ns=NOON - 61 * 10**9, cancel_reason="double_order")],
            [],
            NOON,
            "3",
        ),
        ([Own("TSLA", -1.0)], [], NOON, "3"),
        ([AccountPosition("TSLA", -1.0, 5.0)], [], NOON, "3"),
        ([], [ACCOUNT, reservation(usd=3000.02)], NOON, "4"),
        ([], [ACCOUNT, reservation(), Holding("NVDA", own=20.0, cost_usd=1900.0), Mark("NVDA", 100.1)], NOON, "4"),
        ([], [ACCOUNT, reservation(usd=1100.0), Holding("TSLA", own=10.0, cost_usd=1000.0)], NOON, "4"),
        ([], [reservation()], NOON, "4"),
        ([], [AccountRecord("DU1", 100_000.0, 10_900.0), reservation()], NOON, "4"),
        ([order("1", created_ns=MONDAY.open_ns + 14 * 10**9)], [], NOON, "5"),
        ([order("1", created_ns=MONDAY.close_ns - 900 * 10**9)], [], NOON, "5"),
        ([order("1", created_ns=MONDAY.close_ns + 10**9)], [], NOON, "5"),
        ([order("1")], [], MONDAY.close_ns + 1, "5"),
    ],
)
def test_each_check_can_fail(gateway: list[Any], risk: list[Any], now_ns: int, promise: str) -> None:
    with pytest.raises(PromiseBroken, match=f"^{promise}: "):
        looked(gateway, risk, now_ns=now_ns)


def test_what_is_allowed() -> None:
    promises = looked(
        [
            order("1", status="Filled", filled=10.0),
            Own("TSLA", 6.0),
            stop("S1", filled=4.0),
            order("N1", symbol="NVDA", filled=3.0),
            order("N1-S1", symbol="NVDA", role="stop", side="SELL", parent_client_order_id="N1"),
            Own("NVDA", 3.0),
            order("A1", symbol="AMD", status="Cancelled"),
            order("A2", symbol="AMD"),
            order("foreign:1", symbol="AMD", role="foreign", side="SELL"),
            stop("S1~2", created_ns=NOON - 60 * 10**9, cancel_reason="double_order"),
            order("A2~2", symbol="AMD", cancel_reason="double_order"),
        ],
        [ACCOUNT, reservation(), Holding("NVDA", own=20.0, cost_usd=1900.0), Mark("NVDA", 99.9)],
    )
    assert promises.counts["entries placed"] == 4
    assert promises.counts["entries approved"] == 1


def day(seed: int) -> tuple[Result, Promises]:
    promises = Promises(SETTINGS, DAYS)
    source = SyntheticSource(seed, SETTINGS.watchlist, tick_s=60.0)
    return run(SETTINGS, source, DAYS, promises=promises), promises


@pytest.mark.parametrize("seed", [1, 4])
def test_promises_1_to_5_on_a_synthetic_day(seed: int) -> None:
    result, promises = day(seed)
    happened = {event.event for event in result.events}
    for what in ("entries approved", "entries placed", "entries filled", "entries cancelled", "stops filled"):
        assert promises.counts[what] >= 2, f"{what} never had a chance: {promises.counts}"
    assert promises.counts["sells covered by shares"] > 100
    assert promises.counts["shares to protect"] > 100
    assert promises.counts["unprotected ms"] == 0
    assert {
        "session_opened",
        "session_closed",
        "stopout_cooldown_started",
        "stopout_cooldown_ended",
        "order_cancelled",
    } <= happened
    assert "exposure_limit_exceeded" in {event.event for event in result.events}, "the cap was never in anyone's way"
    assert not {event.event for event in result.events if event.level == "ERROR"}


def test_promise_8_the_same_seed_gives_the_same_day_to_the_byte() -> None:
    first, again, other = (msgspec.json.encode(day(seed)[0]) for seed in (4, 4, 5))
    assert first == again
    assert first != other


def test_every_execution_has_its_commission_and_every_figure_its_fill() -> None:
    result, _ = day(4)
    exec_ids = {record.fill.exec_id for record in result.fills.values()}
    assert exec_ids == set(result.commissions)
    assert exec_ids
    bought = sum(f.fill.quantity * f.fill.price for f in result.fills.values() if f.fill.side == "BUY")
    sold = sum(f.fill.quantity * f.fill.price for f in result.fills.values() if f.fill.side == "SELL")
    last = result.snapshots[-1]
    commissions = sum(result.commissions.values())
    assert sold - bought - commissions + last.position_value == pytest.approx(
        last.realized_pnl + last.unrealized_pnl, abs=0.01
    )
    assert last.cash_value == pytest.approx(SETTINGS.simulation.cash + sold - bought - commissions, abs=0.01)
