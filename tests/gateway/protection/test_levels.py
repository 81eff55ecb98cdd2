"""Sampling a level from ticks: which trades raise which stop, exactly to which level, and which are ignored."""

from __future__ import annotations

from typing import Any

import pytest

from messages.broker import Quote
from messages.orders import OrderRecord, OrderUpdated
from services.gateway.book.records import Doubt, Own, PriceGrid
from services.gateway.protection.levels import MIN_RISE_PCT, STRAY_PCT, sample_level
from tests.gateway.one_decision import ENTRY, NOON_NS, OPEN, STOP, draft, entry, fill, messages_of, stop, written
from tests.gateway.scenario import SECOND, changed

BOUGHT = entry(status="Filled", filled=10.0, updated_ns=NOON_NS - 1)
"""The entry, filled within the second before noon; noon is a whole second."""
HELD = [OPEN, Own("TSLA", 10.0, 1050.0), fill(), BOUGHT]


def quote(last: float = 110.0, **more: Any) -> Quote:
    fields: dict[str, Any] = {"last_ns": NOON_NS, "bid": last - 0.01, "ask": last + 0.01}
    return Quote("TSLA", last, **(fields | more))


def raised(order: OrderRecord, level: float, **more: Any) -> OrderRecord:
    fields: dict[str, Any] = {"stop_price": level, "trail_stop_price": level, "level_estimated": True}
    return changed(order, **(fields | more))  # type: ignore[no-any-return]


def test_the_new_level_is_recorded_and_reported_as_estimated() -> None:
    d = draft(*HELD, stop())
    sample_level(d, quote(110.05))
    assert NOON_NS % SECOND == 0
    risen = raised(stop(), 99.04)  # 10 % under 110.05, rounded down
    assert (written(d), messages_of(d)) == ([risen], [("TSLA", OrderUpdated(risen))])


@pytest.mark.parametrize(
    ("order", "after"),
    [
        (stop(order_type="TRAIL LIMIT"), raised(stop(order_type="TRAIL LIMIT"), 99.0)),
        # A fixed stop that simulates a trailing one keeps its own price.
        (stop(order_type="STP"), raised(stop(order_type="STP"), 99.0, stop_price=94.5)),
        (stop(trailing_pct=5.0), raised(stop(trailing_pct=5.0), 104.5)),
        (stop(trail_stop_price=None), raised(stop(), 99.0)),
        (stop(stop_price=None), raised(stop(), 99.0)),
        (stop(stop_price=None, trail_stop_price=None), raised(stop(), 99.0)),
        (stop(trailing_pct=None), None),
        (stop(status="InFlight", why_held=""), None),  # it may not work yet
        (stop(status="Cancelled"), None),
        (stop(why_held="child,trigger"), None),
        (stop(cancel_reason="flatten"), None),
        (stop(symbol="NVDA"), None),
        (stop(role="flatten"), None),
    ],
)
def test_levels_that_rise(order: OrderRecord, after: OrderRecord | None) -> None:
    d = draft(*HELD, order)
    sample_level(d, quote())
    assert written(d) == ([] if after is None else [after])


def test_a_stop_in_doubt_is_skipped() -> None:
    second = stop(f"{ENTRY}-S2")
    d = draft(*HELD, stop(), second, Doubt(STOP))
    sample_level(d, quote())
    assert written(d) == [raised(second, 99.0)]


@pytest.mark.parametrize(
    ("trail", "at", "rises"),
    [
        (98.9, 98.9, True),
        (98.95, 98.95, False),  # less than 0.1 % is not recorded
        (99.0, 94.5, False),
        (94.5, 99.0, False),  # the higher of both is its level
        (120.0, 120.0, False),
    ],
)
def test_a_level_never_falls_and_small_steps_are_not_counted(trail: float, at: float, rises: bool) -> None:
    d = draft(*HELD, stop(trail_stop_price=trail, stop_price=at))
    sample_level(d, quote())
    assert bool(written(d)) is rises


@pytest.mark.parametrize(("last", "rises"), [(111.2223, False), (111.24, True)])
def test_a_rise_of_exactly_the_minimum_is_ignored(last: float, rises: bool) -> None:
    """From 100.00 to 100.10, and to 100.11."""
    assert MIN_RISE_PCT == 0.1
    d = draft(*HELD, stop(stop_price=100.0, trail_stop_price=100.0))
    sample_level(d, quote(last))
    assert bool(written(d)) is rises


def test_the_level_is_rounded_by_the_brokers_grid() -> None:
    d = draft(*HELD, stop(), PriceGrid("TSLA", ((0.0, 0.5),)))
    sample_level(d, quote(110.5))
    assert written(d) == [raised(stop(), 99.0)]


@pytest.mark.parametrize(
    ("records", "trade", "serves"),
    [
        ([OPEN], quote(), True),
        ([changed(OPEN, phase="closing")], quote(), True),
        ([changed(OPEN, phase="closed")], quote(), False),
        ([], quote(), False),
        ([OPEN], quote(halted=True), False),
        ([OPEN], quote(0.0, bid=0.0, ask=0.0), False),
        # Within half a percent of its own price outside of bid and ask, and no further.
        ([OPEN], quote(200.0, bid=201.0, ask=202.0), True),
        ([OPEN], quote(200.0, bid=201.01, ask=202.0), False),
        ([OPEN], quote(200.0, bid=198.0, ask=199.0), True),
        ([OPEN], quote(200.0, bid=198.0, ask=198.99), False),
        # A missing side is no reason to ignore it.
        ([OPEN], quote(200.0, bid=0.0, ask=200.5), True),
        ([OPEN], quote(200.0, bid=199.5, ask=0.0), True),
        ([OPEN], quote(200.0, bid=0.0, ask=0.0), True),
        ([OPEN], quote(200.0, bid=0.0, ask=100.0), False),
        ([OPEN], quote(200.0, bid=300.0, ask=0.0), False),
    ],
)
def test_trades_that_count(records: list[Any], trade: Quote, serves: bool) -> None:
    assert STRAY_PCT == 0.5
    d = draft(*records, *HELD[1:], stop())
    sample_level(d, trade)
    assert bool(written(d)) is serves


@pytest.mark.parametrize(("own", "serves"), [(0.5, True), (0.0, False), (None, False)])
def test_only_held_symbols_have_a_level(own: float | None, serves: bool) -> None:
    d = draft(OPEN, fill(), BOUGHT, stop(), *([] if own is None else [Own("TSLA", own)]))
    sample_level(d, quote())
    assert bool(written(d)) is serves


@pytest.mark.parametrize(
    ("traded_ns", "serves"),
    [
        (NOON_NS, True),
        (NOON_NS - SECOND + 1, True),
        (NOON_NS - SECOND, False),  # of the second in which the entry filled: it may be older than the fill
        (0, False),
    ],
)
def test_a_trade_from_before_the_fill_is_ignored(traded_ns: int, serves: bool) -> None:
    d = draft(*HELD, stop())
    sample_level(d, quote(last_ns=traded_ns))
    assert bool(written(d)) is serves


def test_without_the_entry_every_trade_counts() -> None:
    d = draft(OPEN, Own("TSLA", 10.0, 1050.0), stop())
    sample_level(d, quote(last_ns=1))
    assert written(d) == [raised(stop(), 99.0)]


@pytest.mark.parametrize(("trail", "at"), [(None, 0.5), (0.5, None), (None, None)])
def test_the_level_of_a_penny_stock_rises(trail: float | None, at: float | None) -> None:
    order = stop(trail_stop_price=trail, stop_price=at)
    d = draft(*HELD, order)
    sample_level(d, quote(0.95))
    assert written(d) == [raised(order, 0.855)]
