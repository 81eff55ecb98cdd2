"""What a fill, a position, an order or a whole book makes of risk's records: each of them whole."""

from __future__ import annotations

from typing import Any

import pytest

from messages.account import AccountUpdated, BookTold
from messages.orders import OrderFilled, OrderRecord, PositionUpdated
from services.risk.core import RiskCore
from services.risk.exposure import fold_account, fold_fill, fold_foreign, fold_position, rebuild
from services.risk.limits import AccountRecord, ForeignOrder, FoundEntry, Holding, Reservation
from services.runtime.core import Draft, Now, Record, State
from tests.risk.scenario import configured, execution, order

ACCOUNT = AccountRecord("DU1", 50_000.0, 20_000.0, 18_000.0, "cash")
HELD = Holding("TSLA", own=4.0, cost_usd=380.0, account=9.0, avg_cost=96.0)
SET_ASIDE = Reservation("CT-TSLA", "TSLA", 10.0, 10.0, 100.5, 1005.0)
OTHER = Reservation("CT-NVDA", "NVDA", 5.0, 5.0, 20.0, 100.0)


def draft(*records: Record) -> Draft:
    state = State(RiskCore.kinds)
    state.apply([(type(record), record.key, record) for record in records])
    return Draft(state, Now(1_000, 5))


def filled(
    *, cum: float = 4.0, status: str = "Submitted", side: Any = "BUY", role: Any = "entry", **more: Any
) -> OrderFilled:
    """Four of ten at 95; then eight are held, which cost 760."""
    fill = execution("CT-TSLA", "TSLA", role=role, side=side, quantity=4.0, cum_quantity=cum)
    return OrderFilled(fill, order("CT-TSLA", "TSLA", status=status), 8.0, 760.0, 0.0, **more)


class TestAFill:
    def test_shares_reservation_and_money(self) -> None:
        d = draft(HELD, SET_ASIDE, OTHER, ACCOUNT)
        fold_fill(d, filled())
        assert d.table(Holding) == {"TSLA": Holding("TSLA", own=8.0, cost_usd=760.0, account=9.0, avg_cost=96.0)}
        assert d.table(Reservation) == {
            "CT-TSLA": Reservation("CT-TSLA", "TSLA", 10.0, 6.0, 100.5, 603.0),
            "CT-NVDA": OTHER,
        }
        assert d.get(AccountRecord, "account") == AccountRecord("DU1", 50_000.0, 19_620.0, 17_620.0, "cash")

    def test_the_first_of_a_symbol_in_an_account_that_is_not_known(self) -> None:
        d = draft()
        fold_fill(d, filled())
        assert d.decision.changes == [(Holding, "TSLA", Holding("TSLA", own=8.0, cost_usd=760.0))]

    @pytest.mark.parametrize(
        ("cum", "status", "left"),
        [
            (9.5, "Submitted", 0.5),
            (10.0, "Submitted", None),
            (11.0, "Submitted", None),
            (4.0, "Cancelled", None),
            (4.0, "PendingCancel", 6.0),
        ],
    )
    def test_a_reservation_lasts_while_shares_are_left_and_the_order_lives(
        self, cum: float, status: str, left: float | None
    ) -> None:
        d = draft(SET_ASIDE)
        fold_fill(d, filled(cum=cum, status=status))
        kept = d.get(Reservation, "CT-TSLA")
        assert (kept and (kept.leaves, kept.usd)) == (left and (left, left * 100.5))

    @pytest.mark.parametrize(
        "report", [filled(side="SELL", role="stop"), filled(role="adopted"), filled(corrects="e.01", undone_usd=0.0)]
    )
    def test_neither_sale_nor_adoption_nor_correction_spends(self, report: OrderFilled) -> None:
        d = draft(ACCOUNT)
        fold_fill(d, report)
        assert d.get(AccountRecord, "account") == ACCOUNT

    def test_unknown_settled_cash_stays_unknown(self) -> None:
        d = draft(AccountRecord("DU1", 50_000.0, 20_000.0))
        fold_fill(d, filled())
        assert d.get(AccountRecord, "account") == AccountRecord("DU1", 50_000.0, 19_620.0, None)


class TestAPosition:
    def test_the_cost_of_own_shares_stays_unless_it_is_reported(self) -> None:
        d = draft(HELD)
        fold_position(d, PositionUpdated("TSLA", 12.0, 97.0, 5.0))
        assert d.get(Holding, "TSLA") == Holding("TSLA", own=5.0, cost_usd=380.0, account=12.0, avg_cost=97.0)
        fold_position(d, PositionUpdated("TSLA", 12.0, 97.0, 5.0, 0.0))
        assert d.get(Holding, "TSLA") == Holding("TSLA", own=5.0, cost_usd=0.0, account=12.0, avg_cost=97.0)

    def test_the_first_of_a_symbol(self) -> None:
        d = draft()
        fold_position(d, PositionUpdated("NVDA", 12.0, 97.0, 0.0))
        assert d.decision.changes == [(Holding, "NVDA", Holding("NVDA", account=12.0, avg_cost=97.0))]


def test_a_foreign_order_counts_as_long_as_it_lives() -> None:
    report = order("foreign:1", "NVDA", role="foreign", side="BUY", quantity=5.0, limit_price=9.0, status="Submitted")
    d = draft()
    fold_foreign(d, report)
    assert d.table(ForeignOrder) == {"foreign:1": ForeignOrder("foreign:1", "NVDA", "BUY", 5.0, 9.0)}
    fold_foreign(d, order("foreign:1", "NVDA", role="foreign", status="Filled"))
    assert d.table(ForeignOrder) == {}


@pytest.mark.parametrize(
    "account",
    [
        AccountRecord("DU2", 1.0, 2.0, 3.0, "margin", "EUR", 0.9),
        AccountRecord("DU2", 1.0, 2.0, 3.0, "cash", "EUR", None, {"EUR": 1.25}),
    ],
)
def test_the_brokers_account_report_replaces_all(account: AccountRecord) -> None:
    d = draft(ACCOUNT)
    report = AccountUpdated("DU2", 1.0, 2.0, 3.0, 4.0, 5, account.account_type, "EUR", account.usd_rate, account.rates)
    fold_account(d, report)
    assert d.table(AccountRecord) == {"account": account}


class TestRebuild:
    """The gateway's book replaces what was there, whatever that was."""

    REPORT = AccountUpdated("DU1", 60_000.0, 30_000.0, 30_000.0, 0.0, 0)

    def rebuilt(
        self,
        *before: Record,
        positions: tuple[PositionUpdated, ...] = (),
        orders: tuple[OrderRecord, ...] = (),
        account: AccountUpdated | None = None,
    ) -> Draft:
        d = draft(*before)
        rebuild(d, BookTold(True, positions, orders, account), configured(risk={"stop_slippage_pct": 4.0}))
        return d

    def test_what_the_book_does_not_hold_is_gone(self) -> None:
        foreign = ForeignOrder("foreign:1", "NVDA", "BUY", 5.0, 9.0)
        d = self.rebuilt(HELD, SET_ASIDE, OTHER, foreign, ACCOUNT)
        assert (d.table(Holding), d.table(Reservation), d.table(ForeignOrder)) == ({}, {}, {})
        assert d.get(AccountRecord, "account") == ACCOUNT

    def test_what_the_book_holds_is_taken(self) -> None:
        new = order("foreign:2", "AMD", role="foreign", side="SELL", quantity=3.0, stop_price=7.0, status="Submitted")
        d = self.rebuilt(
            HELD,
            ForeignOrder("foreign:1", "NVDA", "BUY", 5.0, 9.0),
            positions=(PositionUpdated("NVDA", 6.0, 20.0, 2.0, 40.0),),
            orders=(new, order("CT-NVDA-S1", "NVDA", role="stop", status="Submitted")),
        )
        assert d.table(Holding) == {"NVDA": Holding("NVDA", own=2.0, cost_usd=40.0, account=6.0, avg_cost=20.0)}
        assert d.table(ForeignOrder) == {"foreign:2": ForeignOrder("foreign:2", "AMD", "SELL", 3.0, 7.0)}
        assert d.table(Reservation) == {}, "a stop reserves nothing"

    def test_a_reservation_stays_at_the_price_it_was_made_at(self) -> None:
        live = order("CT-TSLA", "TSLA", filled=9.5, limit_price=1.0)
        d = self.rebuilt(OTHER, SET_ASIDE, orders=(live,))
        assert d.table(Reservation) == {"CT-TSLA": Reservation("CT-TSLA", "TSLA", 10.0, 0.5, 100.5, 50.25)}

    @pytest.mark.parametrize(
        ("prices", "price"), [({"limit_price": 100.0, "stop_price": 95.0}, 100.0), ({"stop_price": 100.0}, 104.0)]
    )
    def test_one_that_was_lost_is_made_at_the_worst_price(self, prices: dict[str, Any], price: float) -> None:
        d = self.rebuilt(orders=(order("CT-TSLA", "TSLA", quantity=10.0, filled=6.0, **prices),))
        per_share = price + 1.0 / 10.0
        assert d.table(FoundEntry) == {"CT-TSLA": FoundEntry("CT-TSLA", "TSLA", 10.0, 4.0, per_share, 4.0 * per_share)}
        assert d.table(Reservation) == {}

    def test_more_filled_than_ordered_reserves_nothing(self) -> None:
        d = self.rebuilt(SET_ASIDE, orders=(order("CT-TSLA", "TSLA", filled=11.0),))
        assert d.table(Reservation) == {"CT-TSLA": Reservation("CT-TSLA", "TSLA", 10.0, 0.0, 100.5, 0.0)}

    def test_the_account_is_taken_where_none_was_known(self) -> None:
        expected = AccountRecord("DU1", 60_000.0, 30_000.0, 30_000.0)
        assert self.rebuilt(account=self.REPORT).get(AccountRecord, "account") == expected
        assert self.rebuilt(ACCOUNT, account=self.REPORT).get(AccountRecord, "account") == ACCOUNT
        assert self.rebuilt().get(AccountRecord, "account") is None
