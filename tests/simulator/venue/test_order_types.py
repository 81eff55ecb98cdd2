"""Order types, trigger methods, times in force, each through a sequence of prices; switches for the reports."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.configuration.broker_policy import FarLimits, FilledTold, OffHoursWord, Policy
from services.simulator.venue.events import MarketEvent
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.orders import Ticket
from services.simulator.venue.reports import ErrorReport, OrderReport
from tests.simulator.scripted import MONDAY, SECOND, TUESDAY, exchange, prints, reported, session, ticket

MINUTE = 60 * SECOND

TYPES: dict[str, dict[str, Any]] = {
    "MKT": {},
    "LMT": {"limit_price": 97.0},
    "STP": {"stop_price": 103.0},
    "STP LMT": {"stop_price": 103.0, "limit_price": 103.5},
    "TRAIL": {"trailing_amount": 4.0},
    "TRAIL LIMIT": {"trailing_amount": 4.0, "limit_offset": 0.5},
}
"""Buys in a market at 100 when they were placed."""

MARKETS = {
    "still": (100.0, 100.0, 100.0),
    "up": (100.0, 101.0, 103.2, 108.0),
    "down": (100.0, 99.0, 96.8, 92.0),
    "down and up": (100.0, 96.0, 100.2, 99.0),
}

FILLED_AT: dict[tuple[str, str], dict[str, float | None]] = {
    ("MKT", "DAY"): dict.fromkeys(MARKETS, 100.01),
    ("LMT", "DAY"): {"still": None, "up": None, "down": 97.0, "down and up": 97.0},
    ("LMT", "IOC"): {"still": None, "up": None, "down": None, "down and up": 97.0},
    ("STP", "DAY"): {"still": None, "up": 103.01, "down": None, "down and up": None},
    ("STP", "IOC"): {"still": None, "up": 103.01, "down": None, "down and up": None},
    ("STP LMT", "DAY"): {"still": None, "up": 103.01, "down": None, "down and up": None},
    ("TRAIL", "DAY"): {"still": None, "up": 104.01, "down": None, "down and up": 100.01},
    ("TRAIL LIMIT", "DAY"): {"still": None, "up": 104.01, "down": None, "down and up": 100.01},
}
"""The price of each in each continuous market; None if nothing is bought."""

FILLED_AT |= {
    (kind, tif): prices
    for (kind, of_day), prices in FILLED_AT.copy().items()
    if of_day == "DAY"
    for tif in ("GTC", "GTD")
}
FILLED_AT |= {
    (kind, tif): FILLED_AT.get((kind, "IOC"), FILLED_AT[kind, "DAY"]) for kind in TYPES for tif in ("IOC", "FOK")
}


@pytest.mark.parametrize(("kind", "tif"), sorted(FILLED_AT))
@pytest.mark.parametrize("name", MARKETS)
def test_an_order_of_each_type_and_time_in_force(kind: str, tif: str, name: str) -> None:
    market = exchange(prints(*MARKETS[name], through=True))
    market.advance(MONDAY.open_ns)
    until = {"good_till_ns": MONDAY.close_ns} if tif == "GTD" else {}
    market.place(ticket(1, "BUY", kind, tif=tif, **TYPES[kind], **until))
    market.advance(MONDAY.close_ns)
    expected = FILLED_AT[kind, tif][name]
    assert [execution.price for execution in market.executions()] == ([] if expected is None else [expected])
    (order,) = market.orders()
    waits = kind not in ("MKT", "LMT")  # a stop that was never reached expires with the day
    unfilled = {"GTC": "PreSubmitted" if waits else "Submitted", "FOK": "Cancelled" if waits else "Inactive"}
    assert order.status == ("Filled" if expected is not None else unfilled.get(tif, "Cancelled"))


def quotes(*pairs: tuple[float | None, float, float]) -> list[MarketEvent]:
    """Events of (trade or None, bid, ask), a minute apart."""
    return [
        MarketEvent(MONDAY.open_ns + row * MINUTE, "ABC", row, price=price, size=100, bid=bid, ask=ask)
        for row, (price, bid, ask) in enumerate(pairs)
    ]


BEFORE = (100.0, 99.9, 100.1)
TRIGGERS = [
    # A trade at the level, once and twice.
    (0, [(105.0, 104.9, 105.1)], 1),
    (2, [(105.0, 104.9, 105.1)], 1),
    (3, [(105.0, 104.9, 105.1)], None),
    (3, [(105.0, 104.9, 105.1), (104.0, 103.9, 104.1), (105.0, 104.9, 105.1)], None),
    (3, [(105.0, 104.9, 105.1), (106.0, 105.9, 106.1)], 2),
    # The bid at the level, without a trade: buys trigger on it, not on the ask.
    (0, [(None, 105.0, 105.2)], None),
    (4, [(None, 104.9, 105.3)], None),
    (4, [(None, 105.0, 105.2)], 1),
    (1, [(None, 105.0, 105.2)], None),
    (1, [(None, 105.0, 105.2), (None, 105.0, 105.2)], 2),
    (1, [(None, 105.0, 105.2), (None, 104.0, 105.2), (None, 105.0, 105.2)], None),
    # Either of the two.
    (7, [(105.0, 104.9, 105.1)], 1),
    (7, [(None, 105.0, 105.2)], 1),
    (7, [(104.9, 104.8, 105.2)], None),
    # The middle.
    (8, [(None, 104.8, 105.2)], 1),
    (8, [(105.5, 104.7, 105.2)], None),
]


@pytest.mark.shows(feature="trigger methods")
@pytest.mark.parametrize(("method", "events", "at"), TRIGGERS)
def test_what_triggers_a_stop(method: int, events: list[tuple[float | None, float, float]], at: int | None) -> None:
    market = exchange(quotes(BEFORE, *events))
    market.advance(MONDAY.open_ns)
    market.place(ticket(1, "BUY", "STP", stop_price=105.0, trigger_method=method))
    triggered = None
    for minute in range(1, len(events) + 1):
        market.advance(MONDAY.open_ns + minute * MINUTE)
        if market.orders()[0].triggered and triggered is None:
            triggered = minute
    assert triggered == at


@pytest.mark.shows(feature="trigger methods")
@pytest.mark.parametrize("method", [0, 1, 2, 3, 4, 7, 8])
def test_a_continuous_fall_triggers_every_kind_of_stop(method: int) -> None:
    market = exchange(prints(100.0, 90.0, through=True))
    market.advance(MONDAY.open_ns)
    market.place(ticket(1, "SELL", "STP", stop_price=95.0, trigger_method=method))
    market.advance(MONDAY.close_ns)
    (execution,) = market.executions()
    assert execution.price == pytest.approx(94.98, abs=0.02)


def test_a_trail_by_bid_and_ask_follows_the_quote() -> None:
    market = exchange(quotes(BEFORE, (None, 109.9, 110.1)))
    market.advance(MONDAY.open_ns)
    market.place(ticket(1, "SELL", "TRAIL", trailing_amount=5.0, trigger_method=4))
    market.advance(MONDAY.open_ns + MINUTE)
    assert market.orders()[0].trail_stop_price == 105.1


# Adjustable stops

STOP = ticket(1, "SELL", "STP", stop_price=95.0, tif="GTC", adjusts_at=105.0)


@pytest.mark.shows(feature="adjustable stop")
@pytest.mark.parametrize(
    ("becomes", "prices", "expected"),
    [
        ({"adjusted_order_type": "STP", "adjusted_stop_price": 100.0}, (100.0, 106.0, 94.0), 99.99),
        ({"adjusted_order_type": "STP", "adjusted_stop_price": 100.0}, (100.0, 104.9, 94.0), 94.99),
        (
            {"adjusted_order_type": "STP LMT", "adjusted_stop_price": 100.0, "adjusted_limit_price": 99.5},
            (100.0, 106.0, 94.0),
            99.99,
        ),
        (
            {"adjusted_order_type": "TRAIL", "adjusted_stop_price": 101.0, "adjusted_trailing_amount": 3.0},
            (100.0, 106.0, 110.0, 94.0),
            106.99,
        ),
        (
            {"adjusted_order_type": "TRAIL", "adjusted_stop_price": 101.0, "adjusted_trailing_pct": 10.0},
            (100.0, 106.0, 110.0, 94.0),
            100.99,
        ),
    ],
)
def test_an_adjustable_stop_becomes_another_one(
    becomes: dict[str, Any], prices: tuple[float, ...], expected: float
) -> None:
    market = exchange(prints(*prices, through=True))
    market.advance(MONDAY.open_ns)
    assert reported(market.place(msgspec.structs.replace(STOP, **becomes))) == [("order", 1, "PreSubmitted", "trigger")]
    market.advance(MONDAY.close_ns)
    assert [execution.price for execution in market.executions()] == [expected]


@pytest.mark.shows(feature="adjustable stop")
@pytest.mark.parametrize("works", [True, False])
def test_an_attached_adjustable_stop_may_never_be_submitted(works: bool) -> None:
    market = exchange(prints(100.0, 100.0), policy=Policy(adjustable_child_works=works))
    market.advance(MONDAY.open_ns)
    market.place(ticket(1, "BUY", "MKT", transmit=False))
    child = msgspec.structs.replace(STOP, order_id=2, parent_id=1, adjusted_order_type="STP", adjusted_stop_price=99.0)
    assert len(reported(market.place(child))) == (2 if works else 1)
    market.advance(MONDAY.close_ns)
    assert len(market.open_orders()) == (1 if works else 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"adjusted_order_type": "LMT", "adjusted_stop_price": 99.0},
        {"adjusted_order_type": "STP"},
        {"adjusted_order_type": "STP LMT", "adjusted_stop_price": 99.0},
        {"adjusted_order_type": "TRAIL", "adjusted_stop_price": 99.0},
        {"adjusted_order_type": "STP", "adjusted_stop_price": 99.0, "order_type": "MKT", "stop_price": None},
        {"adjusted_order_type": "STP", "adjusted_stop_price": 99.0, "adjusts_at": None},
    ],
)
def test_an_adjustable_stop_needs_all_fields_of_its_adjusted_order(wrong: dict[str, Any]) -> None:
    market = exchange(prints(100.0))
    assert reported(market.place(msgspec.structs.replace(STOP, **wrong))) == [("error", 1, 321)]


# Switches for reports and durations


def reports_of(policy: Policy, *tickets: Ticket, prices: tuple[float, ...] = (100.0, 96.0)) -> list[tuple[Any, ...]]:
    market = exchange(prints(*prices, through=True), policy=policy)
    market.advance(MONDAY.open_ns)
    reports = [report for each in tickets for report in market.place(each)]
    return reported(reports + market.advance(MONDAY.close_ns - 1))


LIMIT = ticket(1, "BUY", "LMT", limit_price=97.0)


def test_the_reports_of_a_resting_order() -> None:
    assert reports_of(Policy(), LIMIT)[:1] == [("order", 1, "Submitted", "")]
    assert reports_of(Policy(resting_told_before=True), LIMIT)[:2] == [
        ("order", 1, "PreSubmitted", ""),
        ("order", 1, "Submitted", ""),
    ]
    assert reports_of(Policy(pairs_told_twice=True), LIMIT)[:2] == [("order", 1, "Submitted", "")] * 2
    kinds = [each[0] for each in reports_of(Policy(filled_before_execution=True), LIMIT)]
    assert kinds == ["order", "order", "execution", "order", "commission", "position", "account"]


@pytest.mark.parametrize(
    ("told", "kinds"),
    [
        (FilledTold.TWICE, ["order", "execution", "order", "order", "commission"]),
        (FilledTold.ONCE, ["order", "execution", "order", "commission"]),
        (FilledTold.OPEN_ORDER, ["order", "execution", "open order", "commission"]),
        (FilledTold.STATUS, ["order", "execution", "status", "commission"]),
        (FilledTold.EXECUTION, ["order", "execution", "commission"]),
    ],
)
def test_who_says_that_an_order_is_filled_is_a_switch(told: FilledTold, kinds: list[str]) -> None:
    assert [each[0] for each in reports_of(Policy(filled_told=told), LIMIT)][: len(kinds)] == kinds


def test_the_commission_is_in_the_second_report_of_a_filled_order() -> None:
    market = exchange(prints(100.0, 96.0))
    market.advance(MONDAY.open_ns)
    market.place(LIMIT)
    reports = market.advance(MONDAY.close_ns)
    assert [each.order.commission for each in reports if isinstance(each, OrderReport)] == [0.0, 1.0]


def test_off_hours_the_warning_has_two_spellings() -> None:
    for word in OffHoursWord:
        market = exchange(prints(100.0), policy=Policy(off_hours_word=word), start_ns=MONDAY.open_ns - MINUTE)
        warning = market.place(LIMIT)[0]
        assert isinstance(warning, ErrorReport)
        assert f"Warning: {word} order will not be placed" in warning.text


def test_a_new_order_may_not_be_modified_at_once_by_switch() -> None:
    market = exchange(prints(100.0, 100.0), policy=Policy(modify_refused_while_new=True))
    market.advance(MONDAY.open_ns)
    market.place(LIMIT)
    assert reported(market.place(LIMIT)) == [("error", 1, 2102)]
    market.advance(MONDAY.open_ns + MINUTE)
    assert reported(market.place(LIMIT)) == [("order", 1, "Submitted", "")]


def test_trail_reports_are_limited_by_the_switch() -> None:
    trail = ticket(1, "SELL", "TRAIL", trailing_amount=5.0)
    rising = tuple(100.0 + step for step in range(7))
    assert len(reports_of(Policy(), trail, prices=rising)) == 7
    assert len(reports_of(Policy(trail_told_every_s=120.0), trail, prices=rising)) == 4


def test_a_trail_on_a_stop_parent_by_switch() -> None:
    for allowed, count in ((False, 1), (True, 2)):
        market = exchange(prints(100.0), policy=Policy(trail_child_on_stop_parent=allowed))
        market.place(ticket(1, "BUY", "STP", stop_price=105.0, transmit=False))
        assert len(market.place(ticket(2, "SELL", "TRAIL", trailing_pct=5.0, parent_id=1))) == count


@pytest.mark.parametrize(
    ("policy", "tif", "limit", "status"),
    [
        (Policy(), "IOC", 120.0, "Cancelled"),
        (Policy(), "FOK", 120.0, "Inactive"),
        (Policy(), "DAY", 120.0, "Filled"),
        (Policy(), "IOC", 109.0, "Filled"),
        (Policy(far_limit_pct=30.0), "IOC", 120.0, "Filled"),
        (Policy(far_limits=FarLimits.FILL), "FOK", 120.0, "Filled"),
        (Policy(far_limits=FarLimits.ALL_END), "DAY", 120.0, "Cancelled"),
    ],
)
def test_a_limit_far_beyond_the_market_meets_the_brokers_price_check(
    policy: Policy, tif: str, limit: float, status: str
) -> None:
    market = exchange(prints(100.0, 100.0), policy=policy)
    market.advance(MONDAY.open_ns)
    market.place(ticket(1, "BUY", "LMT", limit_price=limit, tif=tif))
    market.advance(MONDAY.close_ns - 1)
    assert [order.status for order in market.orders()] == [status]


def test_a_wide_cap_of_a_stop_limit_meets_the_price_check_only_by_switch() -> None:
    for check, status in ((FarLimits.IMMEDIATE_END, "Filled"), (FarLimits.ALL_END, "Cancelled")):
        market = exchange(prints(100.0, 105.0, 105.0), policy=Policy(far_limits=check))
        market.advance(MONDAY.open_ns)
        market.place(ticket(1, "BUY", "STP LMT", stop_price=104.0, limit_price=130.0))
        market.advance(MONDAY.close_ns - 1)
        assert [order.status for order in market.orders()] == [status]


@pytest.mark.parametrize("overfills", [False, True])
def test_a_group_without_block_may_fill_twice_in_one_movement(overfills: bool) -> None:
    policy = Policy(oca_overfills_without_block=overfills)
    pair = [
        ticket(number, "BUY", "LMT", limit_price=price, oca_group="one", oca_type=3)
        for number, price in ((1, 98.0), (2, 97.0))
    ]
    fills = [each[1] for each in reports_of(policy, *pair) if each[0] == "execution"]
    assert fills == ([1, 2] if overfills else [1])


def test_day_orders_end_some_minutes_after_the_close_by_switch() -> None:
    market = exchange(prints(100.0), policy=Policy(day_orders_linger_s=300.0))
    market.place(ticket(1, "BUY", "LMT", limit_price=50.0))
    market.advance(MONDAY.close_ns)
    assert market.next_event_ns() == MONDAY.close_ns + 5 * MINUTE
    assert reported(market.advance(MONDAY.close_ns + 5 * MINUTE)) == [("status", 1, "Cancelled"), ("error", 1, 202)]


@pytest.mark.parametrize("ends", [True, False])
def test_a_gtc_order_ends_with_the_next_quarter(ends: bool) -> None:
    days = [MONDAY, session("2024-06-28"), session("2024-07-01")]
    market = exchange(prints(100.0), sessions=days, policy=Policy(gtc_ends_after_next_quarter=ends))
    market.place(ticket(1, "SELL", "STP", stop_price=50.0, tif="GTC"))
    assert market.next_event_ns() == MONDAY.open_ns
    assert reported(market.advance(days[1].close_ns)) == []
    assert market.next_event_ns() is None
    assert bool(reported(market.advance(days[2].open_ns))) is ends


# Properties

prices_of_a_day = st.lists(st.integers(9000, 11000).map(lambda cents: cents / 100), min_size=2, max_size=20)


@given(prices_of_a_day, st.booleans(), st.sampled_from(sorted(TYPES)), st.sampled_from([0, 1, 3, 4, 7, 8]))
def test_nothing_fills_beyond_its_quantity_or_outside_of_the_market(
    prices: list[float], through: bool, kind: str, method: int
) -> None:
    market: Exchange = exchange(prints(*prices, through=through))
    market.advance(MONDAY.open_ns)
    market.place(ticket(1, "BUY", kind, trigger_method=method, **TYPES[kind]))
    reports = market.advance(TUESDAY.close_ns)
    (order,) = market.orders()
    assert sum(execution.quantity for execution in market.executions()) == order.filled <= 100.0
    for execution in market.executions():
        assert min(prices) - 0.01 <= execution.price <= max(prices) + 0.0101
    levels = [r.order.trail_stop_price for r in reports if isinstance(r, OrderReport) and r.order.trail_stop_price]
    assert levels == sorted(levels, reverse=True)  # a buy's level only falls


def test_an_attached_trailing_stop_starts_from_the_market_or_from_the_fill() -> None:
    for from_fill, start in ((False, 100.0), (True, 101.02)):
        policy = Policy(
            trail_child_needs_limit_parent=False, slippage_bps=100.0, trail_child_starts_from_fill=from_fill
        )
        market = exchange(prints(100.0, 100.0), policy=policy)
        market.place(ticket(1, "BUY", "MKT", transmit=False))
        market.place(ticket(2, "SELL", "TRAIL", parent_id=1, trailing_pct=10.0))
        market.advance(MONDAY.close_ns - MINUTE)
        parent, child = market.orders()
        assert parent.avg_price == 101.02
        assert child.trail_stop_price == pytest.approx(0.9 * start, abs=0.01)
