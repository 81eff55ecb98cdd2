"""Prices by the broker's market rule, on the wire: orders are rounded to the grid that the broker reports."""

from __future__ import annotations

import pytest

from messages.entries import EntryApproved
from messages.market import MarketRule, SessionOpened, Tick
from services.configuration.broker_policy import OrderPriceGrid, Policy
from services.simulator.venue.price_grid import GRIDS
from services.symbol.entry import plan_entry
from services.trading.prices import US_STOCKS, Grid
from tests.gateway.on_the_wire import DAY, Fleet, run_scenario
from tests.gateway.test_interlock_wire import CLIENT_ID, PAPER, fleet, time_apart

__all__ = ["time_apart"]


def enter(made: Fleet, grid: Grid) -> None:
    """The entry that a symbol plans on this grid at a price of 10: a stop 3.33 % above it, a cap 1.7 % above that."""
    settings = made.core.settings
    now_ns = made.simulator.exchange.now_ns
    tick = Tick("TSLA", 1, 1, now_ns, 10.0, now_ns, 9.99, 10.01)
    entry = plan_entry("TSLA", DAY.date, 1, tick, now_ns, settings, grid)
    made.receive(SessionOpened(DAY, DAY.close_ns - 900 * 10**9))
    made.receive(EntryApproved(entry, 10_000.0))  # type: ignore[arg-type]


ENTRIES = {"buy_stop_pct_above_last": 3.33, "type": "buy_stop_limit", "stop_limit_max_slip_pct": 1.7}


@pytest.mark.parametrize(
    ("grid", "prices"),
    [
        (OrderPriceGrid.CENT, (10.34, 10.52)),
        (OrderPriceGrid.HALF_CENT, (10.335, 10.515)),
        (OrderPriceGrid.NICKEL, (10.35, 10.55)),
    ],
)
def test_field_31_order_prices_are_on_the_brokers_grid(grid: OrderPriceGrid, prices: tuple[float, float]) -> None:
    async def play() -> None:
        async with fleet((PAPER,), policy=Policy(price_grid=grid), mode="paper", entries=ENTRIES) as made:
            await made.until(lambda: made.ready, "not ready")
            await made.opened()
            if grid is not OrderPriceGrid.CENT:
                await made.until(lambda: made.messages_of(MarketRule), "the rule is not reported")
                assert made.messages_of(MarketRule)[0] == MarketRule("TSLA", GRIDS[grid])
            enter(made, GRIDS[grid])
            await made.until(lambda: len(made.at_the_broker()) == 2, "the bracket is not there")
            parent = made.simulator.exchange.open_orders()[0].ticket
            assert (parent.stop_price, parent.limit_price) == prices

    run_scenario(play)


def test_field_31_the_broker_refuses_a_price_off_the_grid_only_by_an_error() -> None:
    async def play() -> None:
        async with fleet(
            (PAPER,), policy=Policy(price_grid=OrderPriceGrid.NICKEL), mode="paper", entries=ENTRIES
        ) as made:
            await made.until(lambda: made.ready, "not ready")
            await made.opened()
            before = made.simulator.exchange.next_order_id(CLIENT_ID)
            enter(made, US_STOCKS)
            await made.until(lambda: made.simulator.exchange.next_order_id(CLIENT_ID) > before, "no order came")
            assert made.simulator.exchange.orders() == []

    run_scenario(play)
