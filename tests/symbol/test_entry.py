"""When an entry may be made, and what it is."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from messages.account import LinkChanged, ReconciliationDone
from messages.entries import EntryPlan
from messages.market import SessionOpened, Tick
from messages.operator import Paused
from services.symbol.core import ASK_AGAIN_NS
from services.symbol.entry import Blocked, plan_entry, price_blocked
from services.trading.prices import increment, limit_offset, round_down, round_up
from tests.symbol.scenario import MINUTE, MONDAY, SECOND, Symbol, settings_of

NOW = MONDAY.open_ns + 30 * MINUTE


def tick(last: float = 100.0, age_s: float = 0.0, **more: Any) -> Tick:
    fields: dict[str, Any] = {"last_ns": NOW - int(age_s * SECOND), "bid": 99.99, "ask": 100.01}
    return Tick("TSLA", 1, 1, NOW, last, **(fields | more))


@pytest.mark.parametrize("hours", [{}, {"allow_pre_market": True}, {"allow_after_hours": True}])
def test_orders_may_trade_outside_regular_hours_where_that_is_allowed(hours: dict[str, bool]) -> None:
    plan = plan_entry("TSLA", "2025-01-06", 1, tick(), NOW, settings_of(hours=hours))
    assert not isinstance(plan, Blocked)
    assert plan.outside_rth is bool(hours)


@pytest.mark.parametrize(
    ("quote", "why"),
    [
        (tick(), None),
        (tick(age_s=10), None),
        (tick(age_s=10.5), None),  # old, but within bid and ask
        (tick(101.01, age_s=11), None),  # ... give or take one per cent
        (tick(101.02, age_s=11), "price_stale"),
        (tick(99.0, age_s=11), None),
        (tick(98.98, age_s=11), "price_stale"),
        (tick(101.02, age_s=10), None),  # a fresh trade needs no quote
        (tick(101.0, age_s=11, bid=100.0, ask=100.0), None),  # ... that one per cent included
        (tick(99.0, age_s=11, bid=100.0, ask=100.0), None),
        (tick(age_s=11, bid=0.0), "price_stale"),
        (tick(age_s=11, ask=0.0), "price_stale"),
        (tick(age_s=0, bid=0.0, ask=0.0), None),
        (tick(age_s=30 * 60), None),  # the first trade of the session
        (tick(age_s=30 * 60 + 1), "no_trade_yet"),  # the close of yesterday, or before the open
        (tick(0.0), "no_trade_yet"),
        (tick(halted=True), "halted"),
        (tick(delayed=True), "delayed_data"),
    ],
)
def test_what_serves_as_a_reference(quote: Tick, why: str | None) -> None:
    blocked = price_blocked(quote, MONDAY.open_ns, NOW, settings_of(), 0)
    assert (blocked.why if blocked else None) == why


@pytest.mark.parametrize(
    ("price", "pct", "distance"),
    [
        (105.0, 0.2, 0.21),
        (97.12, 0.3, 0.3),  # 0.29136: whole cents where the stop's price has them
        (4.0, 0.2, 0.01),  # 0.008: at no distance at all it would never sell in a fall
        (0.5, 0.2, 0.001),
        (100.0, 2.0, 2.0),
    ],
)
def test_the_limit_of_a_trailing_stop_lies_whole_increments_below_it(price: float, pct: float, distance: float) -> None:
    assert limit_offset(price, pct) == distance
    assert limit_offset(price, pct, ((0.0, 0.05),)) >= distance


def test_a_stale_price_has_its_age() -> None:
    blocked = price_blocked(tick(age_s=11.26, bid=0.0), MONDAY.open_ns, NOW, settings_of(), 0)
    assert blocked == Blocked("price_stale", {"age_s": 11.3})


def test_a_quote_of_a_cheap_stock_is_a_quote() -> None:
    cheap = tick(0.5, age_s=11, bid=0.4999, ask=0.5001)
    assert price_blocked(cheap, MONDAY.open_ns, NOW, settings_of(), 0) is None


def test_delayed_data_serves_paper_if_allowed_and_live_never() -> None:
    allowed = {"ibkr": {"allow_delayed": True}}
    for mode, blocked in [("sim", None), ("paper", None), ("live", Blocked("delayed_data"))]:
        assert price_blocked(tick(delayed=True), MONDAY.open_ns, NOW, settings_of(mode=mode, **allowed), 0) == blocked


class TestThePlan:
    def plan(self, last: float = 100.0, **sections: Any) -> Any:
        return plan_entry("TSLA", "2025-01-06", 3, tick(last, bid=last, ask=last), NOW, settings_of(**sections))

    def test_a_capped_stop_above_the_last_price_with_a_trailing_stop(self) -> None:
        entry = self.plan()
        assert (entry.order_type, entry.stop_price, entry.limit_price) == ("STP LMT", 105.0, 110.25)
        assert (entry.quantity, entry.reference, entry.tif) == (10.0, 100.0, "DAY")
        assert (entry.stop_order_type, entry.trailing_pct, entry.limit_offset, entry.stop_tif) == (
            "TRAIL",
            10.0,
            None,
            "GTC",
        )
        assert (entry.client_order_id, entry.stop_client_order_id) == (
            "CT.sim-TSLA-20250106-3",
            "CT.sim-TSLA-20250106-3-S1",
        )

    def test_stop_limit_slips_less(self) -> None:
        assert self.plan(entries={"type": "buy_stop_limit"}).limit_price == 106.05

    def test_a_bare_stop_has_a_fixed_stop_behind_it(self) -> None:
        """The broker attaches trailing stops to LMT and STP LMT parents only (error 328)."""
        entry = self.plan(entries={"native_stp": True})
        assert (entry.order_type, entry.stop_price, entry.limit_price) == ("STP", 105.0, None)
        assert (entry.stop_order_type, entry.stop_level, entry.trailing_pct) == ("STP", 94.5, 10.0)

    def test_an_ask_at_the_trigger_would_buy_at_once(self) -> None:
        wide = tick(100.0, bid=95.0, ask=105.0)
        blocked = plan_entry("TSLA", "2025-01-06", 3, wide, NOW, settings_of())
        assert blocked == Blocked("price_through_trigger", {"last": 100.0, "ask": 105.0, "trigger": 105.0})

    @pytest.mark.parametrize(("last", "trigger", "limit"), [(100.0, 105.0, 110.25), (100.02, 105.05, 110.35)])
    def test_the_brokers_own_grid_counts_where_it_is_another(self, last: float, trigger: float, limit: float) -> None:
        """A symbol of the tick-size pilot: five cents, whatever the price."""
        quote = tick(last, bid=last, ask=last)
        entry = plan_entry("TSLA", "2025-01-06", 3, quote, NOW, settings_of(), ((0.0, 0.05),))
        assert not isinstance(entry, Blocked)
        assert (entry.stop_price, entry.limit_price) == (trigger, limit)

    def test_the_brokers_own_grid_counts_for_every_price(self) -> None:
        dimes = ((0.0, 0.1),)
        quote = tick(101.0, bid=101.0, ask=101.0)
        limited = plan_entry(
            "TSLA", "2025-01-06", 3, quote, NOW, settings_of(stops={"use_trailing_limit": True}), dimes
        )
        bare = plan_entry("TSLA", "2025-01-06", 3, quote, NOW, settings_of(entries={"native_stp": True}), dimes)
        assert not isinstance(limited, Blocked)
        assert not isinstance(bare, Blocked)
        assert (limited.stop_price, limited.limit_price, limited.limit_offset) == (106.1, 111.5, 0.3)
        assert (bare.stop_price, bare.stop_level) == (106.1, 95.4)

    def test_whole(self) -> None:
        """Every field of both orders, of each kind."""
        common = {
            "client_order_id": "CT.sim-TSLA-20250106-3",
            "symbol": "TSLA",
            "session_date": "2025-01-06",
            "quantity": 10.0,
            "stop_price": 105.0,
            "reference": 100.0,
            "tif": "DAY",
            "stop_client_order_id": "CT.sim-TSLA-20250106-3-S1",
            "trailing_pct": 10.0,
            "stop_tif": "GTC",
            "decided_ns": NOW,
        }
        capped = {"order_type": "STP LMT", "limit_price": 110.25, "stop_order_type": "TRAIL", "limit_offset": None}
        limited = capped | {"stop_order_type": "TRAIL LIMIT", "limit_offset": 0.21}
        bare = {"order_type": "STP", "limit_price": None, "stop_order_type": "STP", "limit_offset": None}
        bare |= {"stop_level": 94.5}
        assert self.plan() == EntryPlan(**common, **capped)
        assert self.plan(stops={"use_trailing_limit": True}) == EntryPlan(**common, **limited)
        assert self.plan(entries={"native_stp": True}) == EntryPlan(**common, **bare)
        both = self.plan(entries={"native_stp": True}, stops={"use_trailing_limit": True})
        assert both == EntryPlan(**common, **bare), "a fixed stop has no limit to trail"

    def test_trailing_limit(self) -> None:
        entry = self.plan(stops={"use_trailing_limit": True})
        assert (entry.stop_order_type, entry.limit_offset) == ("TRAIL LIMIT", 0.21)

    @pytest.mark.parametrize(
        ("last", "trigger"),
        [(33.33, 35.0), (33.34, 35.01), (0.97, 1.02), (0.95, 0.9975), (0.9524, 1.01), (20.0, 21.0), (19.99, 20.99)],
    )
    def test_field_31_the_trigger_is_rounded_up_by_its_own_increment(self, last: float, trigger: float) -> None:
        entry = self.plan(last)
        assert entry.stop_price == trigger
        assert entry.stop_price >= last * 1.05 - 1e-9
        assert entry.limit_price >= entry.stop_price

    def test_whole_shares_rounded_down(self) -> None:
        assert self.plan(333.4).quantity == 2.0
        assert self.plan(1000.0).quantity == 1.0

    def test_price_above_allocation(self) -> None:
        assert self.plan(1000.01) == Blocked("price_above_allocation", {"last": 1000.01, "allocation_usd": 1000.0})
        assert self.plan(1000.01, allocation={"per_symbol_override": {"TSLA": 3000.0}}).quantity == 2.0

    def test_a_share_class_has_no_blank_in_its_order_ids(self) -> None:
        entry = plan_entry("BRK B", "2025-01-06", 1, tick(), NOW, settings_of(watchlist=["BRK B"]))
        assert not isinstance(entry, Blocked)
        assert (entry.symbol, entry.client_order_id) == ("BRK B", "CT.sim-BRK.B-20250106-1")


@pytest.mark.parametrize("price", [0.0001, 0.5, 0.99991, 0.9999, 1.0, 1.001, 1.005, 104.999999, 3.3333, 12345.678])
def test_rounding_goes_one_way_and_no_further_than_a_step(price: float) -> None:
    up, down = round_up(price), round_down(price)
    assert down <= price + 1e-9
    assert up >= price - 1e-9
    assert up - down <= increment(price) + 1e-9
    assert round_up(up) == up
    assert round_down(down) == down


def early(symbol: Symbol) -> None:
    symbol.now = MONDAY.open_ns + 15 * SECOND - 1


def test_the_delay_counts_from_the_beginning_of_the_allowed_hours_and_there_is_no_second_one() -> None:
    """The regular open is a moment like any other where the pre-market is allowed."""
    early_ns = MONDAY.open_ns - 330 * MINUTE
    hours = msgspec.structs.replace(
        MONDAY, open_ns=early_ns, regular_open_ns=MONDAY.open_ns, regular_close_ns=MONDAY.close_ns
    )
    for at_ns, entered in (
        (early_ns + 15 * SECOND - 1, False),
        (early_ns + 15 * SECOND, True),
        (MONDAY.open_ns, True),
        (MONDAY.open_ns + SECOND, True),
    ):
        symbol = Symbol(cold=True, hours={"allow_pre_market": True})
        symbol.handle(ReconciliationDone("DU1", 0, 0, 0))
        symbol.now = early_ns
        symbol.handle(SessionOpened(hours, MONDAY.close_ns - 15 * MINUTE))
        symbol.now = at_ns
        symbol.tick()
        assert (symbol.record.state == "ENTRY_PENDING") is entered, (at_ns, symbol.why)
        assert symbol.why == ("waits_for_trigger" if entered else "open_delay")


def late(symbol: Symbol) -> None:
    symbol.now = MONDAY.close_ns - 15 * MINUTE


def silent(symbol: Symbol) -> None:
    symbol.stale = True


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (early, "open_delay"),
        (late, "closing"),
        (Symbol.closing, "closing"),
        (Symbol.closed, "session_closed"),
        (silent, "clock_stale"),
        (lambda s: s.handle(Paused(None, "operator")), "paused"),
        (lambda s: s.handle(Paused("TSLA", "operator")), "paused"),
        (lambda s: s.handle(LinkChanged("socket", False, "")), "links_down"),
        (lambda s: s.handle(LinkChanged("broker", False, "")), "links_down"),
        (lambda s: s.handle(LinkChanged("data", False, "")), "links_down"),
    ],
)
def test_when_there_is_no_entry(before: Any, why: str) -> None:
    symbol = Symbol()
    before(symbol)
    symbol.tick()
    assert symbol.submitted() == []
    assert symbol.why == why


def test_before_the_first_session_there_is_none() -> None:
    symbol = Symbol(cold=True)
    symbol.tick()
    assert symbol.submitted() == []
    assert symbol.why == "session_closed"


def test_fifteen_seconds_after_the_open_there_is_one() -> None:
    symbol = Symbol()
    symbol.now = MONDAY.open_ns + 15 * SECOND
    symbol.tick()
    (asked,) = symbol.submitted()
    assert asked.plan.client_order_id == "CT.sim-TSLA-20250106-1"
    assert [recipient for recipient, m in symbol.sent if m is asked] == ["risk"]
    assert symbol.why == "waits_for_trigger"


def test_a_message_about_another_symbol_changes_nothing() -> None:
    symbol = Symbol()
    symbol.handle(Paused("NVDA", "operator"))
    symbol.enter()


def test_one_tick_one_entry() -> None:
    symbol = Symbol()
    symbol.enter()
    symbol.drop("price_through_trigger")
    last = Tick("TSLA", 1, symbol.number, symbol.now, 100.0, symbol.now, 99.99, 100.01)
    symbol.handle(last)
    assert len(symbol.submitted()) == 1, "the last value that is sent again is no news"
    symbol.tick()
    assert [m.plan.client_order_id[-2:] for m in symbol.submitted()] == ["-1", "-2"]


def test_after_a_denial_it_asks_again_a_minute_later() -> None:
    symbol = Symbol()
    symbol.enter()
    symbol.deny()
    assert (symbol.why, symbol.record.figures) == ("exposure_limit_exceeded", {"limit_usd": 1.0})
    symbol.now += ASK_AGAIN_NS - 1
    symbol.tick()
    assert len(symbol.submitted()) == 1
    assert symbol.why == "exposure_limit_exceeded"
    symbol.now += 1
    symbol.enter()


class TestFractions:
    def quantity(self, last: float, *, whole_only: bool = False, **allocation: Any) -> Any:
        sections = {"allocation": {"allow_fractional": True, "per_symbol_usd": 1000.0} | allocation}
        quote = tick(last, bid=last, ask=last)
        planned = plan_entry("TSLA", "2025-01-06", 3, quote, NOW, settings_of(**sections), whole_only=whole_only)
        return planned.why if isinstance(planned, Blocked) else planned.quantity

    def test_beyond_whole_shares_where_allowed(self) -> None:
        assert self.quantity(300.0) == 3.3333
        assert self.quantity(300.0, allow_fractional=False) == 3.0
        assert self.quantity(300.0, whole_only=True) == 3.0

    def test_are_not_refused_unless_the_broker_did(self) -> None:
        fractional = settings_of(allocation={"allow_fractional": True})
        entry = plan_entry("TSLA", "2025-01-06", 3, tick(300.0, bid=300.0, ask=300.0), NOW, fractional)
        assert not isinstance(entry, Blocked)
        assert entry.quantity == 3.3333

    def test_less_than_one_share_is_never_bought(self) -> None:
        assert self.quantity(1000.01) == "price_above_allocation"
