"""One order, one movement: where it triggers and fills."""

from __future__ import annotations

import pytest

from services.simulator.venue.events import MarketEvent
from services.simulator.venue.orders import Order
from services.simulator.venue.tape import Tape
from services.simulator.venue.triggers import OrderStep, Path, next_step, path_of, ratcheted, trail_level, trail_limit
from tests.simulator.scripted import ticket

UP = Path(100.0, 110.0, 0.02, 0.02, 0, 1000)
DOWN = Path(110.0, 100.0, 0.02, 0.02, 0, 1000)
JUMP_UP = UP._replace(start=110.0)
JUMP_DOWN = DOWN._replace(start=100.0)


def order(side: str, order_type: str, *, triggered: bool = False, level: float | None = None, **more: object) -> Order:
    asked = ticket(1, side, order_type, **more)
    return Order(ticket=asked, perm_id=1, triggered=triggered, trail_stop_price=level, limit_price=asked.limit_price)


@pytest.mark.parametrize(
    ("resting", "path", "expected"),
    [
        # A market order pays the spread, where the movement begins or where a jump lands.
        (order("BUY", "MKT"), UP, OrderStep(100.0, 100.02)),
        (order("SELL", "MKT"), UP, OrderStep(100.0, 99.98)),
        (order("BUY", "MKT"), JUMP_UP, OrderStep(110.0, 110.02)),
        # A limit on the way fills at the limit; after a jump over it, at the better price.
        (order("BUY", "LMT", limit_price=105.0), DOWN, OrderStep(104.98, 105.0)),
        (order("BUY", "LMT", limit_price=105.0), JUMP_DOWN, OrderStep(100.0, 100.02)),
        (order("BUY", "LMT", limit_price=100.01), DOWN, None),
        (order("BUY", "LMT", limit_price=100.02), DOWN, OrderStep(100.0, 100.02)),
        (order("SELL", "LMT", limit_price=105.0), UP, OrderStep(105.02, 105.0)),
        (order("SELL", "LMT", limit_price=105.0), JUMP_UP, OrderStep(110.0, 109.98)),
        (order("SELL", "LMT", limit_price=109.99), UP, None),
        # A stop triggers on the last price at its level, or where a jump lands.
        (order("BUY", "STP", stop_price=105.0), UP, OrderStep(105.0, None)),
        (order("BUY", "STP", stop_price=110.0), UP, OrderStep(110.0, None)),
        (order("BUY", "STP", stop_price=110.01), UP, None),
        (order("BUY", "STP", stop_price=105.0), JUMP_UP, OrderStep(110.0, None)),
        (order("SELL", "STP", stop_price=105.0), DOWN, OrderStep(105.0, None)),
        (order("SELL", "STP", stop_price=99.99), DOWN, None),
        (order("SELL", "STP", stop_price=105.0), JUMP_DOWN, OrderStep(100.0, None)),
        # Beyond its level from the beginning.
        (order("SELL", "STP", stop_price=115.0), DOWN, OrderStep(110.0, None)),
        # Once triggered, it is a market order; a stop limit is a limit order.
        (order("BUY", "STP", stop_price=105.0, triggered=True), UP.beyond(105.0), OrderStep(105.0, 105.02)),
        (
            order("BUY", "STP LMT", stop_price=105.0, limit_price=105.02, triggered=True),
            UP.beyond(105.0),
            OrderStep(105.0, 105.02),
        ),
        (order("BUY", "STP LMT", stop_price=105.0, limit_price=105.01, triggered=True), UP.beyond(105.0), None),
        (order("BUY", "STP LMT", stop_price=105.0, limit_price=106.0, triggered=True), JUMP_UP, None),
        (order("BUY", "STP LMT", stop_price=105.0, limit_price=106.0, triggered=True), DOWN, OrderStep(105.98, 106.0)),
        # Trailing stops trigger at their own level, and never without one.
        (order("SELL", "TRAIL", trailing_pct=10.0, level=104.0), DOWN, OrderStep(104.0, None)),
        (order("SELL", "TRAIL", trailing_pct=10.0), DOWN, None),
        (order("BUY", "TRAIL", trailing_pct=10.0, level=104.0), UP, OrderStep(104.0, None)),
        # An empty side; a quote without a trade triggers no stop.
        (order("BUY", "MKT"), UP._replace(ask_distance=None), None),
        (order("SELL", "MKT"), UP._replace(bid_distance=None), None),
        (order("BUY", "STP", stop_price=105.0), UP._replace(traded=False), None),
    ],
)
def test_the_next_step_of_an_order(resting: Order, path: Path, expected: OrderStep | None) -> None:
    assert next_step(resting, path) == expected


@pytest.mark.parametrize(
    ("level", "buy", "sell"),
    [(88.4071, 88.43, 88.38), (0.45678, 0.4768, 0.4367)],
)
def test_fills_lie_on_the_price_grid_rounded_against_the_trader(level: float, buy: float, sell: float) -> None:
    here = Path(level, level, 0.02, 0.02, 0, 0)
    assert next_step(order("BUY", "MKT"), here) == OrderStep(level, buy)
    assert next_step(order("SELL", "MKT"), here) == OrderStep(level, sell)


def test_a_trailing_stop_follows_in_its_favour_only() -> None:
    sell = order("SELL", "TRAIL", trailing_pct=10.0, level=90.0)
    assert ratcheted(sell, 110.0) == 99.0
    assert ratcheted(sell, 99.0) == 90.0
    buy = order("BUY", "TRAIL", trailing_amount=5.0, level=105.0)
    assert ratcheted(buy, 90.0) == 95.0
    assert ratcheted(buy, 101.0) == 105.0
    assert ratcheted(order("SELL", "TRAIL", trailing_amount=2.5), 50.0) == 47.5


def test_the_limit_of_a_trailing_limit_lies_behind_its_stop_on_the_grid() -> None:
    assert trail_limit(ticket(1, "SELL", "TRAIL LIMIT", trailing_pct=10.0, limit_offset=0.05), 2000.0) == 1999.95
    assert trail_limit(ticket(1, "SELL", "TRAIL LIMIT", trailing_pct=10.0, limit_offset=0.05), 88.407) == 88.35
    given = ticket(1, "BUY", "TRAIL LIMIT", trailing_amount=1.0, trail_stop_price=10.0, limit_price=10.2)
    assert trail_limit(given, 9.5) == 9.7
    assert trail_level(given, 8.0) == 9.0


def test_an_order_meets_the_rest_of_the_movement_during_which_it_came_in() -> None:
    assert UP.since(0) == UP
    assert UP.since(400) == UP._replace(start=104.0, start_ns=400)
    assert UP.beyond(103.0) == UP._replace(start=103.0, start_ns=300)
    assert UP.beyond(103.0).since(200) == UP.beyond(103.0)
    assert JUMP_UP.since(500) == JUMP_UP


BEFORE = Tape(symbol="ABC", last=8.0, last_ns=5)


def tick(
    price: float | None, bid: float | None = None, ask: float | None = None, *, through: bool = False
) -> MarketEvent:
    return MarketEvent(9, "ABC", 0, price=price, bid=bid, ask=ask, through=through)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (tick(10.0, 9.5, 10.5), Path(10.0, 10.0, 0.5, 0.5, 9, 9)),
        (tick(10.0, 9.5, 10.5, through=True), Path(8.0, 10.0, 0.5, 0.5, 5, 9)),
        (tick(10.0), Path(10.0, 10.0, 0.0, 0.0, 9, 9)),
        (tick(10.0, bid=9.5), Path(10.0, 10.0, None, 0.5, 9, 9)),
        (tick(None, 9.5, 10.5), Path(9.5, 9.5, 1.0, 0.0, 9, 9, traded=False)),
        (tick(None, ask=10.5), Path(10.5, 10.5, 0.0, None, 9, 9, traded=False)),
        (tick(None), None),
    ],
)
def test_the_movement_of_an_event(event: MarketEvent, expected: Path | None) -> None:
    assert path_of(event, BEFORE) == expected


def test_the_first_event_of_a_symbol_is_a_jump() -> None:
    assert path_of(tick(10.0, through=True), Tape(symbol="ABC")) == Path(10.0, 10.0, 0.0, 0.0, 9, 9)


def test_strays_trigger_nothing_if_they_are_filtered() -> None:
    stray, near = tick(9.0, 9.5, 10.5), tick(9.46, 9.5, 10.5)
    assert path_of(stray, BEFORE) == Path(9.0, 9.0, 1.5, -0.5, 9, 9)
    assert path_of(stray, BEFORE, filter_strays=True) == Path(9.5, 9.5, 1.0, 0.0, 9, 9, traded=False)
    kept = path_of(near, BEFORE, filter_strays=True)
    assert kept is not None
    assert kept.traded
