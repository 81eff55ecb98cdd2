"""Entries are decided one after another: many entries exceed no limit, and each denial has its figures."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from messages import Message
from messages.account import (
    LinkChanged,
    PerformanceSnapshot,
    ReconciliationDone,
)
from messages.entries import EntryApproved, EntryDenied, EntryDropped
from messages.market import Session, SessionClosed, SessionOpened, Tick
from messages.operator import Happened, Pause, Paused, Refused, Resume, Resumed
from messages.orders import (
    CommissionReported,
    OrderCancelled,
    OrderRejected,
    PositionUpdated,
)
from services.risk.limits import AccountRecord, Holding, Mark, Reservation, exposure_of, worst_cost
from tests.risk.scenario import MONDAY, Risk, denied, order, plan


class TestFailClosed:
    def test_until_reconciled_and_the_account_is_known(self) -> None:
        risk = Risk(cold=True)
        assert denied(risk.submit(plan()))[0] == "risk_not_ready"
        risk.handle(ReconciliationDone("DU1", 0, 0, 0))
        assert denied(risk.submit(plan()))[0] == "risk_not_ready"
        risk.account(100_000.0)
        assert isinstance(risk.submit(plan()), EntryApproved)

    def test_while_the_gateway_is_away(self) -> None:
        risk = Risk()
        risk.handle(LinkChanged("socket", False, ""))
        assert not risk.core.ready(risk.state)
        assert denied(risk.submit(plan()))[0] == "risk_not_ready"
        risk.handle(ReconciliationDone("DU1", 0, 0, 0))
        assert isinstance(risk.submit(plan()), EntryApproved)

    def test_other_links_are_the_symbols_business(self) -> None:
        risk = Risk()
        risk.handle(LinkChanged("data", False, ""))
        assert risk.core.ready(risk.state)


class TestReservation:
    def test_at_the_worst_price_with_commission(self) -> None:
        settings = Risk().settings
        assert worst_cost(plan(), settings) == (100.1, 1001.0)
        assert worst_cost(plan(quantity=1000.0, limit=1.0), settings) == (1.005, 1005.0)
        per_share, total = worst_cost(plan(limit=None, order_type="STP"), settings)
        assert total == pytest.approx(95.0 * 1.05 * 10 + 1)
        assert per_share == pytest.approx(total / 10)

    def test_approved_with_what_is_set_aside(self) -> None:
        risk = Risk()
        answer = risk.submit(plan())
        assert isinstance(answer, EntryApproved)
        assert answer.reserved_usd == risk.reserved() == 1001.0

    def test_shrinks_with_each_part_that_fills(self) -> None:
        risk = Risk()
        risk.submit(plan())
        risk.fill("CT-TSLA-20250106-1", "TSLA", own=4.0, cost=380.0, quantity=4.0)
        assert risk.reserved() == pytest.approx(6 * 100.1)
        risk.fill("CT-TSLA-20250106-1", "TSLA", own=10.0, cost=950.0, quantity=6.0, cum=10.0)
        assert risk.reserved() == 0

    @pytest.mark.parametrize(
        "end",
        [
            OrderCancelled(order("CT-TSLA-20250106-1", "TSLA"), True),
            OrderRejected(order("CT-TSLA-20250106-1", "TSLA"), 201, ""),
            EntryDropped("CT-TSLA-20250106-1", "TSLA", "links_down", {}),
        ],
    )
    def test_ends_with_the_entry(self, end: Message) -> None:
        risk = Risk()
        risk.submit(plan())
        risk.handle(end)
        assert risk.reserved() == 0
        assert isinstance(risk.submit(plan(2)), EntryApproved)

    def test_the_end_of_a_stop_ends_none(self) -> None:
        risk = Risk()
        risk.submit(plan())
        risk.handle(OrderCancelled(order("CT-TSLA-20250106-1-S1", "TSLA", role="stop"), False))
        assert risk.reserved() == 1001.0

    def test_a_fill_after_the_end_counts_as_held(self) -> None:
        risk = Risk()
        risk.submit(plan())
        risk.handle(OrderCancelled(order("CT-TSLA-20250106-1", "TSLA"), True))
        risk.fill("CT-TSLA-20250106-1", "TSLA", own=10.0, cost=950.0)
        assert risk.exposure() == 950.0


class TestLimits:
    def test_one_entry_per_symbol(self) -> None:
        risk = Risk()
        risk.submit(plan())
        assert denied(risk.submit(plan(2)))[0] == "entry_live"

    def test_of_a_symbol(self) -> None:
        risk = Risk(risk={"max_symbol_exposure_usd": 1001.0})
        assert isinstance(risk.submit(plan()), EntryApproved)
        risk = Risk(risk={"max_symbol_exposure_usd": 1000.99})
        figures = {"exposure_usd": 0.0, "entry_usd": 1001.0, "limit_usd": 1000.99}
        assert denied(risk.submit(plan())) == ("symbol_exposure_exceeded", figures)
        assert "symbol_exposure_exceeded" in [m.event for _, m in risk.sent if isinstance(m, Happened)]

    @pytest.mark.parametrize(("total", "most"), [(2002.0, 20_000.0), (20_000.0, 2002.0)])
    def test_of_all_the_smaller_cap_holds_to_the_cent(self, total: float, most: float) -> None:
        risk = Risk(
            allocation={"total_usd_cap": total},
            risk={"max_total_exposure_usd": most},
            guards={"price_band_pct": None},
        )
        assert isinstance(risk.submit(plan()), EntryApproved)
        assert isinstance(risk.submit(plan(symbol="NVDA")), EntryApproved)
        reason, figures = denied(risk.submit(plan(symbol="AMD", quantity=1.0, limit=0.01)))
        assert reason == "exposure_limit_exceeded"
        assert figures == {"exposure_usd": 2002.0, "entry_usd": 1.01, "limit_usd": 2002.0}

    def test_held_counts_at_the_larger_of_cost_and_market(self) -> None:
        risk = Risk(allocation={"total_usd_cap": 2500.0})
        risk.submit(plan())
        risk.fill("CT-TSLA-20250106-1", "TSLA", own=10.0, cost=950.0)
        for price, exposure in [(90.0, 950.0), (200.0, 2000.0), (50.0, 950.0)]:
            risk.handle(Tick("TSLA", 1, int(price), 0, price, 0))
            assert risk.exposure() == exposure
        risk.handle(Tick("TSLA", 1, 1, 0, 200.0, 0))
        assert denied(risk.submit(plan(symbol="NVDA")))[1]["exposure_usd"] == 2000.0

    def test_foreign_shares_count_and_so_does_a_short(self) -> None:
        risk = Risk(allocation={"total_usd_cap": 2500.0})
        for quantity in (40.0, -40.0):
            risk.handle(PositionUpdated("NVDA", quantity, 50.0, 0.0))
            assert risk.exposure() == 2000.0
        assert denied(risk.submit(plan()))[0] == "exposure_limit_exceeded"
        risk.handle(PositionUpdated("NVDA", 0.0, 0.0, 0.0))
        assert isinstance(risk.submit(plan()), EntryApproved)

    @pytest.mark.parametrize("position_first", [True, False])
    def test_own_shares_are_never_foreign_in_any_order_of_reports(self, position_first: bool) -> None:
        """The account's position may overtake the execution, on the way in and on the way out."""
        risk = Risk()

        def report(own: float, cost: float, side: str) -> None:
            before = 10.0 - own
            steps = [
                lambda: risk.handle(PositionUpdated("TSLA", own, 95.0, before if position_first else own)),
                lambda: risk.fill("CT-TSLA-20250106-1", "TSLA", own=own, cost=cost, side=side),
            ]
            for step in steps if position_first else reversed(steps):
                step()

        report(10.0, 950.0, "BUY")
        assert risk.exposure() == 950.0
        report(0.0, 0.0, "SELL")
        assert risk.exposure() == 0.0

    def test_a_lagging_position_is_no_exposure(self) -> None:
        assert exposure_of(Holding("TSLA", own=10.0, cost_usd=950.0, account=0.0), 95.0) == 950.0
        assert (
            exposure_of(Holding("TSLA", own=10.0, cost_usd=950.0, account=15.0, avg_cost=95.0), 95.0) == 950.0 + 475.0
        )

    def test_the_cash_reserve(self) -> None:
        assert isinstance(Risk(cash=11_001.0).submit(plan()), EntryApproved)
        figures = {"cash_left_usd": 9999.99, "reserve_usd": 10_000.0}
        assert denied(Risk(cash=11_000.99).submit(plan())) == ("cash_reserve", figures)

    def test_reserved_money_is_not_spent_twice(self) -> None:
        risk = Risk(cash=12_002.0)
        assert isinstance(risk.submit(plan()), EntryApproved)
        assert isinstance(risk.submit(plan(symbol="NVDA")), EntryApproved)
        assert denied(risk.submit(plan(symbol="AMD")))[0] == "cash_reserve"

    def test_spent_until_the_broker_reports_what_is_left(self) -> None:
        risk = Risk(cash=12_002.0)
        risk.submit(plan())
        risk.fill("CT-TSLA-20250106-1", "TSLA", own=10.0, cost=950.0)
        account = risk.state.get(AccountRecord, "account")
        assert account is not None
        assert account.total_cash == 12_002.0 - 950.0
        risk.account(11_050.0)
        assert isinstance(risk.submit(plan(symbol="NVDA")), EntryApproved)

    def test_negative_cash_is_refused(self) -> None:
        assert denied(Risk(cash=-5.0).submit(plan())) == ("negative_cash", {"cash_usd": -5.0})


class TestPause:
    @pytest.mark.parametrize("scope", [None, "TSLA"])
    def test_until_resumed_across_a_restart(self, scope: str | None) -> None:
        risk = Risk()
        risk.handle(Pause(scope))
        assert (scope or "fleet", Paused(scope, "operator")) in risk.sent
        assert denied(risk.submit(plan()))[0] == "paused"
        assert isinstance(risk.submit(plan(symbol="NVDA")), EntryApproved) is (scope is not None)
        kept = risk.ledger.load().records["PauseRecord"]
        assert list(kept) == [f"{scope or 'fleet'}:operator"]
        assert risk.core.snapshot(risk.state, ()) == [(scope or "fleet", Paused(scope, "operator"))]
        risk.sent.clear()
        risk.handle(Resume(scope))
        assert (scope or "fleet", Resumed(scope, "operator")) in risk.sent
        assert isinstance(risk.submit(plan()), EntryApproved)

    def test_a_refused_message_pauses_its_symbol_or_all(self) -> None:
        risk = Risk()
        risk.handle(Refused("gateway", 3, "TSLA", "boom"))
        assert denied(risk.submit(plan()))[0] == "paused"
        assert isinstance(risk.submit(plan(symbol="NVDA")), EntryApproved)
        risk.handle(Refused("gateway", 4, "", "boom"))
        assert denied(risk.submit(plan(symbol="AMD")))[0] == "paused"


class TestTheClose:
    def test_figures_against_a_plain_calculation(self) -> None:
        risk = Risk()
        risk.handle(SessionOpened(MONDAY, 1))
        risk.fill("CT-TSLA-20250106-1", "TSLA", own=10.0, cost=950.0)
        risk.fill("CT-TSLA-20250106-1-S1", "TSLA", own=0.0, cost=0.0, side="SELL", price=90.0, realized=-50.0)
        risk.fill("CT-NVDA-20250106-1", "NVDA", own=5.0, cost=500.0, quantity=5.0)
        # The last is that of a correction: 1.0 in place of 1.25.
        costs = [("a.01", 1.0, 0.0), ("b.01", 1.0, 0.0), ("c.01", 1.25, 0.0), ("c.02", 1.0, 1.25)]
        for exec_id, commission, undone in costs:
            risk.handle(CommissionReported(exec_id, "x", "TSLA", commission, "USD", None, undone))
        risk.handle(Tick("NVDA", 1, 1, 0, 110.0, 0))
        risk.account(98_000.0, 99_000.0)
        risk.handle(SessionClosed(MONDAY))
        ((_, first),) = [(r, m) for r, m in risk.sent if isinstance(m, PerformanceSnapshot)]
        assert first == PerformanceSnapshot(
            date="2025-01-06",
            account_value=99_000.0,
            cash_value=98_000.0,
            position_value=550.0,
            unrealized_pnl=50.0,
            realized_pnl=-53.0,
            daily_pnl=-3.0,
            num_positions=1,
            num_trades=3,
            base_usd=20_000.0,
        )
        tuesday = Session("2025-01-07", 2, 3)
        risk.sent.clear()
        risk.handle(SessionOpened(tuesday, 3))
        risk.handle(Tick("NVDA", 1, 2, 0, 112.0, 0))
        risk.handle(SessionClosed(tuesday))
        ((_, second),) = [(r, m) for r, m in risk.sent if isinstance(m, PerformanceSnapshot)]
        assert isinstance(second, PerformanceSnapshot)
        assert (second.daily_pnl, second.realized_pnl, second.unrealized_pnl, second.num_trades) == (
            10.0,
            -53.0,
            60.0,
            0,
        )

    def test_a_correction_is_no_second_trade(self) -> None:
        risk = Risk()
        risk.handle(SessionOpened(MONDAY, 1))
        risk.fill("CT-TSLA-20250106-1", "TSLA", own=10.0, cost=950.0)
        cash = risk.state.table(AccountRecord)["account"].total_cash
        risk.fill("CT-TSLA-20250106-1", "TSLA", own=10.0, cost=940.0, price=94.0, corrects="e.01")
        assert risk.state.table(AccountRecord)["account"].total_cash == cash
        stop = "CT-TSLA-20250106-1-S1"
        risk.fill(stop, "TSLA", own=0.0, cost=0.0, side="SELL", realized=-40.0)
        risk.fill(stop, "TSLA", own=0.0, cost=0.0, side="SELL", realized=-30.0, corrects="s.01", undone_usd=-40.0)
        risk.handle(SessionClosed(MONDAY))
        ((_, snapshot),) = [(r, m) for r, m in risk.sent if isinstance(m, PerformanceSnapshot)]
        assert isinstance(snapshot, PerformanceSnapshot)
        assert (snapshot.realized_pnl, snapshot.num_trades) == (-30.0, 2)


@pytest.mark.parametrize("seed", range(20))
def test_promise_4_for_any_entries_at_any_time(seed: int) -> None:
    """Random entries, fills, prices and ends: at every approval all caps and the reserve hold."""
    random = Random(seed)
    cap, most = 6000.0, 2500.0
    symbols = ["A", "B", "C", "D", "E", "F", "G", "H"]
    sections = {
        "watchlist": symbols,
        "allocation": {"total_usd_cap": cap, "min_cash_reserve_percent": 10.0},
        "risk": {"max_symbol_exposure_usd": most},
    }
    risk = Risk(cash=9000.0, **sections)
    risk.account(9000.0, 10_000.0)
    own: dict[str, tuple[float, float]] = dict.fromkeys(symbols, (0.0, 0.0))
    filled: dict[str, float] = {}
    counts: Counter[str] = Counter()
    for number in range(400):
        symbol = random.choice(symbols)
        live = [r for r in risk.state.table(Reservation).values() if r.symbol == symbol]
        match random.choice(["ask", "ask", "fill", "cancel", "tick", "sell", "position"]):
            case "ask":
                entry = plan(
                    number,
                    symbol=symbol,
                    quantity=float(random.randint(1, 15)),
                    limit=random.choice([50.0, 100.0, 133.33]),
                )
                held, reserved = risk.exposure(), risk.reserved()
                cash = risk.state.table(AccountRecord)["account"].total_cash
                answer = risk.submit(entry)
                if isinstance(answer, EntryDenied):
                    counts[answer.reason] += 1
                    continue
                counts["approved"] += 1
                filled[entry.client_order_id] = 0.0
                assert not live
                # Its own reference is the newest price of its symbol now.
                assert risk.exposure() + risk.reserved() <= cap + 1e-9
                assert risk.reserved() == pytest.approx(reserved + answer.reserved_usd)
                assert cash - risk.reserved() >= 1000.0 - 1e-9
                mine = risk.state.table(Holding).get(symbol)
                at = risk.state.table(Mark)[symbol].price
                assert (exposure_of(mine, at) if mine else 0.0) + answer.reserved_usd <= most + 1e-9
                assert held >= 0
            case "fill" if live:
                (entry,) = live
                part = entry.leaves if random.random() < 0.5 else max(1.0, entry.leaves // 2)
                shares, cost = own[symbol]
                price = entry.usd_per_share * 0.99
                own[symbol] = (shares + part, cost + part * price)
                filled[entry.key] += part
                cum = filled[entry.key]
                risk.fill(
                    entry.key,
                    symbol,
                    own=shares + part,
                    cost=own[symbol][1],
                    quantity=part,
                    cum=cum,
                    of=entry.quantity,
                    price=price,
                )
                counts["filled"] += 1
            case "cancel" if live:
                risk.handle(OrderCancelled(order(live[0].key, symbol), True))
                counts["cancelled"] += 1
            case "tick":
                risk.handle(Tick(symbol, 1, number, 0, random.choice([40.0, 90.0, 120.0, 160.0]), 0))
            case "sell" if own[symbol][0]:
                own[symbol] = (0.0, 0.0)
                risk.fill("stop", symbol, own=0.0, cost=0.0, side="SELL", realized=1.0)
                risk.account(9000.0, 10_000.0)
                counts["sold"] += 1
            case "position":
                risk.handle(PositionUpdated(symbol, own[symbol][0], 100.0, own[symbol][0]))
    for what in ("approved", "filled", "cancelled", "sold", "entry_live", "exposure_limit_exceeded"):
        assert counts[what], f"{what} occurred too rarely: {counts}"
