"""Rows 42 and 52: a split over night, seen or not, whatever the broker makes of the stop. The exchange is the judge."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from messages.market import Session, SessionApproaching, SessionClosed, SessionOpened
from services.configuration.broker_policy import OnSplit, Policy
from services.simulator.venue.events import MarketEvent
from tests.field.away import Story
from tests.gateway.on_the_wire import DAY, Fleet, run_scenario
from tests.simulator.faults.test_faults_wire import fail
from tests.simulator.on_the_wire import SECOND, gateway, trades

NIGHT_NS = 86_400 * SECOND
NEXT = Session("2022-03-23", DAY.open_ns + NIGHT_NS, DAY.close_ns + NIGHT_NS)
HALF_AN_HOUR_NS = 1_800 * SECOND
BEFORE = 10.55


def two_days(after: float = BEFORE) -> list[MarketEvent]:
    """The first day's entry fills at 10.55. On the second day the old share is worth `after`."""
    first = trades("TSLA", *[10.0] * 5, *[BEFORE] * 100)
    second = trades("TSLA", *[after] * 100)
    return first + [msgspec.structs.replace(e, time_ns=e.time_ns + NIGHT_NS, row=e.row + 1000) for e in second]


async def entered(story: Story, fleet: Fleet) -> None:
    await fleet.step(4)
    fleet.enter()
    await fleet.step(15)
    assert (story.shares, story.live_sells) == (10.0, 10.0)


def night(story: Story, ratio: float) -> None:
    """The market closes, and hours later the stock splits."""
    story.simulator.server.advance(DAY.close_ns + 8 * HALF_AN_HOUR_NS)
    fail(story.simulator, "split", symbol="TSLA", ratio=ratio)


async def morning(story: Story, fleet: Fleet) -> None:
    """From half an hour before the open until some trades after it."""
    story.simulator.server.advance(NEXT.open_ns - HALF_AN_HOUR_NS)
    fleet.receive(SessionApproaching(NEXT))
    await fleet.pass_time(60)
    story.simulator.server.advance(NEXT.open_ns - SECOND)
    fleet.receive(SessionOpened(NEXT, NEXT.close_ns - 900 * SECOND))
    await fleet.step(60)


def kept(story: Story, shares: float) -> None:
    """All shares are there, under one stop that is below the market."""
    assert (story.shares, story.live_sells) == (shares, shares)
    (stop,) = [o for o in story.simulator.exchange.open_orders() if o.ticket.side == "SELL"]
    assert stop.trail_stop_price is not None
    assert stop.trail_stop_price == pytest.approx(BEFORE * 0.9 * 10 / shares, abs=0.02)


def play(story: Any, policy: Policy) -> None:
    async def whole() -> None:
        async with gateway(two_days(), sessions=[DAY, NEXT], policy=policy) as simulator:
            await story(Story(simulator))

    run_scenario(whole)


SPLITS = pytest.mark.parametrize(
    ("orders", "ratio"),
    [(OnSplit.CANCELLED, 2.0), (OnSplit.ADJUSTED, 2.0), (OnSplit.KEPT, 2.0), (OnSplit.KEPT, 0.5)],
)


@SPLITS
def test_field_42_the_stop_is_mended_before_the_open(orders: OnSplit, ratio: float) -> None:
    async def story(story: Story) -> None:
        async with story.visit() as fleet:
            await entered(story, fleet)
            story.simulator.server.advance(DAY.close_ns)
            fleet.receive(SessionClosed(DAY, NEXT))
            night(story, ratio)
            await fleet.settle()
            await morning(story, fleet)
            assert fleet.notes("split_mended")
            kept(story, 10 * ratio)

    play(story, Policy(gtc_on_split=orders))


@pytest.mark.parametrize("late", [True, False], ids=["the close is reported late", "the close is never reported"])
@SPLITS
def test_field_52_the_machine_is_off_over_the_close(orders: OnSplit, ratio: float, *, late: bool) -> None:
    """The anchor was taken after the split, the audit passed, and the stop kept its old level."""

    async def story(story: Story) -> None:
        async with story.visit() as fleet:
            await entered(story, fleet)
            await fleet.pass_time(40)
        night(story, ratio)
        async with story.visit(opened=None) as fleet:
            if late:
                fleet.receive(SessionClosed(DAY, NEXT))
                await fleet.settle()
            await morning(story, fleet)
            assert fleet.notes("split_mended")
            kept(story, 10 * ratio)

    play(story, Policy(gtc_on_split=orders))
