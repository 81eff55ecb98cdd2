"""The bot's own record: whose loss a commission is, however late it comes, and dollars of another currency's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.account import AccountUpdated, BookTold
from messages.entries import EntryApproved
from messages.market import SessionClosed, SessionOpened
from messages.operator import Resume
from messages.orders import CommissionReported
from services.risk.guards import Tally, Track
from services.risk.pauses import PauseRecord
from services.risk.track_record import Unpriced, in_dollars
from tests.risk.scenario import MONDAY, Risk, denied, plan


def opened(**guards: Any) -> Risk:
    risk = Risk(allocation={"total_usd_cap": 10_000.0}, guards=guards)
    risk.handle(SessionOpened(MONDAY, 1))
    risk.now = 10**12  # after the minute in which earlier symbols have priority
    return risk


def tally(risk: Risk) -> Tally:
    found = risk.state.get(Tally, "tally")
    assert found is not None
    return found


def charge(
    risk: Risk, key: str, usd: float, *, symbol: str = "TSLA", currency: str = "USD", undone: float = 0.0
) -> None:
    risk.handle(CommissionReported(f"e.{key}", key, symbol, usd, currency, None, undone))


def bought(risk: Risk, key: str, *, symbol: str = "TSLA", own: float = 10.0, quantity: float = 10.0) -> None:
    risk.fill(key, symbol, own=own, cost=own * 95.0, quantity=quantity)


def sold(risk: Risk, key: str, realized: float, *, symbol: str = "TSLA", own: float = 0.0) -> None:
    risk.fill(key, symbol, own=own, cost=own * 95.0, side="SELL", realized=realized)


class TestLateCommissions:
    def test_the_exits_own_makes_a_loss_of_a_small_gain(self) -> None:
        risk = opened(consecutive_losses=1)
        bought(risk, "a")
        charge(risk, "a", 1.0)
        sold(risk, "a-S1", 1.5)
        assert tally(risk).losses == 0
        charge(risk, "a-S1", 1.0)
        assert tally(risk).losses == 1
        assert [p.key for p in risk.state.table(PauseRecord).values()] == ["fleet:consecutive_losses"]

    def test_it_is_no_part_of_the_next_position(self) -> None:
        risk = opened()
        bought(risk, "a")
        sold(risk, "a-S1", 5.0)
        bought(risk, "b")
        charge(risk, "a-S1", 1.0)
        charge(risk, "b", 0.25)
        track = risk.state.get(Track, "TSLA")
        assert track is not None
        assert track.realized_usd == -0.25
        assert track.last is not None
        assert (track.last.realized_usd, track.orders) == (4.0, ("b",))
        assert tally(risk).commissions_usd == 1.25

    def test_of_less_than_one_share_it_counts_as_well(self) -> None:
        """The first part of an entry may be a fraction of a share: its commission is the position's."""
        risk = opened()
        bought(risk, "a", own=0.5, quantity=0.5)
        charge(risk, "a", 0.4)
        bought(risk, "a", own=3.0, quantity=2.5)
        sold(risk, "a-S1", 0.3)
        assert tally(risk).losses == 1

    def test_of_a_position_long_gone_it_is_money_and_nothing_else(self) -> None:
        risk = opened()
        for key in ("a", "b"):
            bought(risk, key)
            sold(risk, f"{key}-S1", 0.5)
        charge(risk, "a-S1", 1.0)
        assert (tally(risk).commissions_usd, tally(risk).losses) == (1.0, 0)

    def test_a_correction_may_remove_a_loss(self) -> None:
        risk = opened()
        for key, realized in (("a", -5.0), ("b", -5.0)):
            bought(risk, key)
            sold(risk, f"{key}-S1", realized)
        assert tally(risk).losses == 2
        risk.fill("b-S1", "TSLA", own=0.0, cost=0.0, side="SELL", realized=3.0, corrects="e", undone_usd=-5.0)
        assert tally(risk).losses == 0
        bought(risk, "c")
        sold(risk, "c-S1", -5.0)
        assert tally(risk).losses == 1

    def test_what_the_operator_forgave_stays_forgiven(self) -> None:
        risk = opened(consecutive_losses=3)
        for key, realized in (("a", -5.0), ("b", -5.0), ("c", 0.5)):
            bought(risk, key)
            sold(risk, f"{key}-S1", realized)
        assert tally(risk).losses == 0
        charge(risk, "c-S1", 1.0)
        assert tally(risk).losses == 3
        risk.handle(Resume(None))
        assert tally(risk).losses == 0
        charge(risk, "c-S1", 0.2, undone=1.0)
        charge(risk, "c-S1", 1.0, undone=0.2)
        assert tally(risk).losses == 0
        bought(risk, "d")
        sold(risk, "d-S1", -5.0)
        assert tally(risk).losses == 1

    def test_a_record_from_before_positions_were_numbered_goes_on(self) -> None:
        risk = opened()
        risk.state.apply([(Tally, "tally", Tally(losses=3, session_date=MONDAY.date))])
        bought(risk, "a")
        sold(risk, "a-S1", -5.0)
        assert (tally(risk).losses, tally(risk).closed) == (4, 4)
        bought(risk, "b")
        sold(risk, "b-S1", 5.0)
        assert tally(risk).losses == 0


@given(
    st.lists(
        st.tuples(st.sampled_from(["TSLA", "NVDA"]), st.sampled_from([-3.0, 0.5, 4.0]), st.booleans()),
        min_size=1,
        max_size=10,
    ),
    st.randoms(use_true_random=False),
)
def test_the_losses_in_a_row_are_those_of_all_commissions_in_whatever_order(
    trades: list[tuple[str, float, bool]], chance: Any
) -> None:
    """Counted again from every closed position, as if each commission had been reported in time.

    Only that of a symbol's last closed position may be late; so late that it comes after the closings of others.
    """
    risk, results = opened(), []
    waiting: dict[str, str] = {}
    for number, (symbol, realized, late) in enumerate(trades):
        if symbol in waiting:
            charge(risk, waiting.pop(symbol), 1.0, symbol=symbol)
        key = f"{symbol}{number}"
        bought(risk, key, symbol=symbol)
        sold(risk, f"{key}-S1", realized, symbol=symbol)
        results.append(realized - 1.0)
        if late:
            waiting[symbol] = f"{key}-S1"
        else:
            charge(risk, f"{key}-S1", 1.0, symbol=symbol)
    left = list(waiting.items())
    chance.shuffle(left)
    for symbol, key in left:
        charge(risk, key, 1.0, symbol=symbol)
    wins = [at for at, result in enumerate(results) if result >= 0]
    assert tally(risk).losses == len(results) - (wins[-1] + 1 if wins else 0)
    assert tally(risk).commissions_usd == len(trades)


class TestCurrencies:
    @pytest.mark.parametrize(
        ("currency", "dollars"), [("USD", 10.0), ("", 10.0), ("EUR", 12.5), ("JPY", None), ("usd", None)]
    )
    def test_by_the_brokers_rate_or_not_at_all(self, currency: str, dollars: float | None) -> None:
        assert in_dollars(10.0, currency, {"EUR": 1.25}) == dollars

    def test_the_rate_that_comes_with_it_is_the_recorders_too(self) -> None:
        risk = opened()
        risk.handle(self.rates_of_account({"EUR": 1.3}))
        bought(risk, "a")
        risk.handle(CommissionReported("e9", "a", "GME", 80.0, "EUR", None, rate_usd=1.25))
        assert tally(risk).commissions_usd == 100.0

    def rates_of_account(self, rates: dict[str, float]) -> AccountUpdated:
        return AccountUpdated("DU1", 100_000.0, 100_000.0, 100_000.0, 0.0, 0, base_currency="EUR", rates=rates)

    def test_converted_it_counts_towards_the_daily_loss(self) -> None:
        risk = opened(daily_loss_pct=1.0)  # 100 dollars
        risk.handle(self.rates_of_account({"EUR": 1.25}))
        bought(risk, "a")
        charge(risk, "a", 79.0, currency="EUR")
        assert tally(risk).commissions_usd == 98.75
        assert not risk.state.table(PauseRecord)
        charge(risk, "b", 1.0, currency="EUR")
        assert [p.key for p in risk.state.table(PauseRecord).values()] == ["fleet:daily_loss"]

    def test_entries_wait_for_an_exchange_rate(self) -> None:
        """Never a dollar for a euro; when the rate comes it counts, and may trip a guard then."""
        risk = opened(daily_loss_pct=1.0)
        bought(risk, "a")
        charge(risk, "a", 90.0, currency="EUR")
        assert "commission_unpriced" in risk.notes()
        assert tally(risk).commissions_usd == 0.0
        assert denied(risk.submit(plan(symbol="NVDA"))) == ("commission_unpriced", {"commissions": 1.0})
        risk.handle(self.rates_of_account({"GBP": 1.3}))
        risk.restart()
        risk.handle(BookTold(True, (), (), self.rates_of_account({"EUR": 1.25})))
        assert len(risk.state.table(Unpriced)) == 1, "a known account hears its next word by itself"
        risk.handle(self.rates_of_account({"EUR": 1.25}))
        assert not risk.state.table(Unpriced)
        assert tally(risk).commissions_usd == 112.5
        assert [p.key for p in risk.state.table(PauseRecord).values()] == ["fleet:daily_loss"]

    def test_with_the_rate_entries_go_on(self) -> None:
        risk = opened()
        bought(risk, "a")
        sold(risk, "a-S1", 0.5)
        charge(risk, "a-S1", 1.0, currency="EUR")
        assert tally(risk).losses == 0
        risk.handle(self.rates_of_account({"EUR": 1.25}))
        assert tally(risk).losses == 1, "and the position was a loss after all"
        risk.handle(SessionClosed(MONDAY))
        assert isinstance(risk.submit(plan(symbol="NVDA")), EntryApproved)
