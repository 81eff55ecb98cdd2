"""What an entry may cost: both sides of every bound, and the figures of each no."""

from __future__ import annotations

import pytest

from services.risk.limits import (
    AccountRecord,
    Denied,
    ForeignOrder,
    Holding,
    Mark,
    Reservation,
    cap_usd,
    commission,
    exposure_of,
    exposures,
    first_limit,
    worst_cost,
    worst_price,
)
from tests.risk.scenario import configured, order, plan


class TestPrices:
    @pytest.mark.parametrize(("quantity", "usd"), [(1.0, 1.0), (0.5, 1.0), (200.0, 1.0), (201.0, 1.005), (1000.0, 5.0)])
    def test_half_a_cent_a_share_and_a_dollar_at_least(self, quantity: float, usd: float) -> None:
        assert commission(quantity) == pytest.approx(usd)

    @pytest.mark.parametrize(
        ("limit", "stop", "worst"),
        [(100.0, 95.0, 100.0), (None, 95.0, 95.0 * 1.04), (100.0, None, 100.0), (None, None, 0.0), (0.5, 0.4, 0.5)],
    )
    def test_its_limit_or_the_trigger_and_what_it_may_slip(
        self, limit: float | None, stop: float | None, worst: float
    ) -> None:
        assert worst_price(limit, stop, configured(risk={"stop_slippage_pct": 4.0})) == pytest.approx(worst)

    def test_the_commission_is_part_of_each_share(self) -> None:
        assert worst_cost(plan(quantity=400.0, limit=10.0), configured()) == (10.005, 4002.0)

    def test_the_smaller_cap_holds(self) -> None:
        assert cap_usd(configured(allocation={"total_usd_cap": 3000.0})) == 3000.0
        assert cap_usd(configured(risk={"max_total_exposure_usd": 2000.0})) == 2000.0


class TestHeld:
    @pytest.mark.parametrize(
        ("holding", "mark", "usd"),
        [
            (Holding("TSLA", own=10.0, cost_usd=950.0, account=10.0), 90.0, 950.0),
            (Holding("TSLA", own=10.0, cost_usd=950.0, account=10.0), 96.0, 960.0),
            (Holding("TSLA", own=10.0, cost_usd=5.0, account=10.0), None, 5.0),
            (Holding("TSLA", account=10.0, avg_cost=95.0), 90.0, 950.0),
            (Holding("TSLA", account=10.0, avg_cost=95.0), 96.0, 960.0),
            (Holding("TSLA", account=10.0, avg_cost=0.5), None, 5.0),
            (Holding("TSLA", account=-10.0, avg_cost=95.0), 96.0, 960.0),
            (Holding("TSLA", own=10.0, cost_usd=950.0, account=14.0, avg_cost=80.0), 96.0, 960.0 + 4 * 96.0),
            (Holding("TSLA", own=10.0, cost_usd=950.0, account=4.0, avg_cost=80.0), 90.0, 950.0),
        ],
    )
    def test_at_the_larger_of_cost_and_market(self, holding: Holding, mark: float | None, usd: float) -> None:
        assert exposure_of(holding, mark) == usd

    def test_each_symbol_at_its_own_price(self) -> None:
        holdings = {s: Holding(s, own=10.0, cost_usd=5.0, account=10.0) for s in ("TSLA", "NVDA")}
        assert exposures(holdings, {}, {"NVDA": Mark("NVDA", 2.0)}) == {"TSLA": 5.0, "NVDA": 20.0}


AT_TEN = {"NVDA": Mark("NVDA", 10.0)}


class TestForeign:
    """What orders that are not ours may add: 15 shares are held, the price is 10."""

    HELD = Holding("NVDA", account=15.0, avg_cost=10.0)

    def added(self, *orders: ForeignOrder, held: Holding | None = HELD, marks: dict[str, Mark] = AT_TEN) -> float:
        holdings = {} if held is None else {"NVDA": held}
        before = 0.0 if held is None else exposures(holdings, {}, marks)["NVDA"]
        return exposures(holdings, {o.key: o for o in orders}, marks)["NVDA"] - before

    @staticmethod
    def foreign(side: str, shares: float, price: float = 0.0, key: str = "a") -> ForeignOrder:
        return ForeignOrder(key, "NVDA", side, shares, price)

    @pytest.mark.parametrize(
        ("side", "shares", "price", "added"),
        [
            ("BUY", 4.0, 0.0, 40.0),
            ("BUY", 4.0, 9.0, 40.0),
            ("BUY", 4.0, 12.0, 48.0),
            ("SELL", 15.0, 0.0, 0.0),
            ("SELL", 16.0, 0.0, 10.0),
            ("SELL", 16.0, 12.0, 12.0),
        ],
    )
    def test_a_purchase_whole_a_sale_beyond_what_is_held(
        self, side: str, shares: float, price: float, added: float
    ) -> None:
        assert self.added(self.foreign(side, shares, price)) == added

    def test_sales_share_what_is_held_and_each_counts_at_its_own_price(self) -> None:
        sales = [self.foreign("SELL", 10.0, 0.0, "a"), self.foreign("SELL", 7.0, 20.0, "b")]
        assert self.added(*sales) == 2 * 20.0
        assert self.added(*sales, self.foreign("SELL", 3.0, 30.0, "c")) == 2 * 20.0 + 3 * 30.0

    def test_a_purchase_covers_no_sale(self) -> None:
        orders = [self.foreign("SELL", 15.0, 0.0, "a"), self.foreign("BUY", 5.0, 0.0, "b")]
        assert self.added(*orders, self.foreign("SELL", 1.0, 0.0, "c")) == 50.0 + 10.0

    def test_beyond_a_short_position_all_counts(self) -> None:
        short = Holding("NVDA", account=-5.0, avg_cost=10.0)
        assert self.added(self.foreign("SELL", 2.0), held=short) == 20.0
        both = [self.foreign("BUY", 2.0, 0.0, "a"), self.foreign("BUY", 3.0, 0.0, "b")]
        assert self.added(*both, held=short) == 50.0

    def test_where_nothing_is_held_or_no_price_is_known(self) -> None:
        assert self.added(self.foreign("SELL", 2.0, 9.0), held=None) == 20.0
        assert self.added(self.foreign("BUY", 2.0, 0.25), held=None, marks={}) == 0.5
        assert self.added(self.foreign("BUY", 2.0), held=None, marks={}) == 0.0

    @pytest.mark.parametrize(
        ("prices", "price"),
        [
            ({"limit_price": 9.0, "stop_price": 8.0}, 9.0),
            ({"stop_price": 8.0}, 8.0),
            ({"limit_price": 9.0}, 9.0),
            ({}, 0.0),
        ],
    )
    def test_of_an_order_the_part_that_may_still_trade(self, prices: dict[str, float], price: float) -> None:
        report = order("foreign:1", "NVDA", role="foreign", side="BUY", quantity=2.0, filled=1.5, **prices)
        assert ForeignOrder.of(report) == ForeignOrder("foreign:1", "NVDA", "BUY", 0.5, price)

    def test_more_filled_than_ordered_leaves_nothing(self) -> None:
        report = order("foreign:1", "NVDA", role="foreign", quantity=2.0, filled=3.0)
        assert ForeignOrder.of(report).remaining == 0.0


def reserved(symbol: str, usd: float) -> dict[str, Reservation]:
    return {f"CT-{symbol}": Reservation(f"CT-{symbol}", symbol, 1.0, 1.0, usd, usd)}


class TestTheFirstLimit:
    ACCOUNT = AccountRecord("DU1", net_liquidation=50_000.0, total_cash=20_000.0)
    OF = configured(allocation={"total_usd_cap": 6000.0}, risk={"max_symbol_exposure_usd": 2000.0})

    def limit(
        self,
        usd: float,
        exposed: dict[str, float] | None = None,
        reservations: dict[str, Reservation] | None = None,
        account: AccountRecord = ACCOUNT,
    ) -> Denied | None:
        return first_limit(plan(), usd, exposed or {}, reservations or {}, account, self.OF)

    def test_of_the_symbol_held_and_reserved_together(self) -> None:
        held, under_way = {"TSLA": 300.0, "NVDA": 1000.0}, reserved("TSLA", 700.0) | reserved("AMD", 1000.0)
        assert self.limit(1000.0, held, under_way) is None
        assert self.limit(1000.2544, {"TSLA": 300.1264}, under_way) == Denied(
            "symbol_exposure_exceeded", {"exposure_usd": 1000.13, "entry_usd": 1000.25, "limit_usd": 2000.0}
        )

    def test_of_all_together(self) -> None:
        held, under_way = {"TSLA": 500.0, "NVDA": 2500.0}, reserved("AMD", 2000.0)
        assert self.limit(1000.0, held, under_way) is None
        assert self.limit(1000.2544, held | {"NVDA": 2500.1264}, under_way) == Denied(
            "exposure_limit_exceeded", {"exposure_usd": 5000.13, "entry_usd": 1000.25, "limit_usd": 6000.0}
        )

    def test_the_limit_of_the_symbol_comes_first(self) -> None:
        denied = self.limit(2000.25, {"NVDA": 5999.0})
        assert denied is not None
        assert denied.reason == "symbol_exposure_exceeded"

    @pytest.mark.parametrize("cash", [0.0, 0.5])
    def test_no_cash_is_no_debt(self, cash: float) -> None:
        denied = self.limit(1.0, account=AccountRecord("DU1", 50_000.0, cash))
        assert denied == Denied("cash_reserve", {"cash_left_usd": cash - 1.0, "reserve_usd": 5000.0})

    def test_debt_is_given_in_cents(self) -> None:
        denied = self.limit(1.0, account=AccountRecord("DU1", 50_000.0, -0.1264))
        assert denied == Denied("negative_cash", {"cash_usd": -0.13})

    def test_the_reserve_stays_to_the_cent(self) -> None:
        under_way = reserved("NVDA", 2000.0)
        assert self.limit(1000.0, {}, under_way, AccountRecord("DU1", 50_000.0, 8000.0)) is None
        assert self.limit(1000.2544, {}, under_way, AccountRecord("DU1", 50_001.264, 8000.375)) == Denied(
            "cash_reserve", {"cash_left_usd": 5000.12, "reserve_usd": 5000.13}
        )

    def test_without_a_rate_no_figure_is_trusted(self) -> None:
        unknown = AccountRecord("DU1", 50_000.0, -5.0, usd_rate=None)
        assert self.limit(1.0, account=unknown) == Denied("no_exchange_rate")

    @pytest.mark.parametrize(
        ("kind", "settled", "spendable"),
        [
            ("margin", 5.0, 20.0),
            ("cash", 5.0, 5.0),
            ("cash", 30.0, 30.0),
            ("cash", None, 20.0),
            ("", 5.0, 5.0),
            ("", 30.0, 20.0),
            ("", None, 20.0),
        ],
    )
    def test_what_may_be_spent(self, kind: str, settled: float | None, spendable: float) -> None:
        account = AccountRecord("DU1", 50.0, total_cash=20.0, settled_cash=settled, account_type=kind)
        assert account.spendable == spendable
