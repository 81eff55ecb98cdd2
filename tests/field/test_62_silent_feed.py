"""Row 62, and 11: a feed that dies silently is subscribed again; if that does not help, its entries are blocked."""

from __future__ import annotations

import pytest

from messages.interlock import EntriesUnblocked
from messages.market import SessionOpened
from services.gateway.feeds import STALE, feed_deadline
from tests.gateway.on_the_wire import DAY, Fleet, connected, run_scenario
from tests.simulator.faults.test_faults_wire import clear, fail
from tests.simulator.on_the_wire import SECOND, trades

PRICES = trades("TSLA", *[10.0 + n / 1000 for n in range(400)])


async def pass_time(made: Fleet, seconds: int) -> None:
    """Market time passes; the core gets `Elapsed` when one of its market deadlines is due."""
    from messages.timers import Elapsed

    for _ in range(seconds):
        await made.pass_time(1)
        due = feed_deadline(made.state, made.core.settings)
        if due is not None and due <= made.simulator.exchange.now_ns:
            made.receive(Elapsed())
            await made.settle()


async def started(made: Fleet) -> None:
    await made.until(lambda: made.ready, "not ready")
    await made.step(2)
    made.receive(SessionOpened(DAY, DAY.close_ns - 900 * SECOND))


@pytest.mark.parametrize("heals", [True, False])
def test_field_62_a_dead_feed(heals: bool) -> None:
    async def play() -> None:
        async with connected(PRICES, ibkr={"feed_stale_s": 20}) as made:
            await started(made)
            await pass_time(made, 15)
            fail(made.simulator, "dead-feed", heals=heals)
            before = made.last("TSLA")
            await pass_time(made, 25)
            assert made.notes("feed_silent")
            assert made.last("TSLA") > before, "the new stream brings the present price"
            await pass_time(made, 70)
            assert (STALE in made.blocks()) is not heals
            if not heals:
                assert made.notes(STALE)[0].level == "ERROR"
                clear(made.simulator, "dead-feed")
                await pass_time(made, 30)
                assert [m.symbol for m in made.messages_of(EntriesUnblocked) if m.reason == STALE] == ["TSLA"]

    run_scenario(play)


def test_field_62_a_stream_that_brings_nothing_at_all() -> None:
    async def play() -> None:
        async with connected(PRICES, ibkr={"feed_stale_s": 20}) as made:
            await started(made)
            for kind in ("tickPrice", "tickString", "tickGeneric", "marketDataType"):
                fail(made.simulator, "lose", kind=kind, count=0)
            await pass_time(made, 45)
            assert made.blocks() == []
            await pass_time(made, 10)
            assert made.blocks() == [STALE]

    run_scenario(play)


def test_field_62_a_feed_that_lives_is_left_alone() -> None:
    async def play() -> None:
        async with connected(PRICES, ibkr={"feed_stale_s": 20}) as made:
            await started(made)
            await pass_time(made, 60)
            assert not made.notes("feed_silent")
            assert made.blocks() == []

    run_scenario(play)
