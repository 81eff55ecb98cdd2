"""Prices that the simulated broker refuses or stops sending: reported, and requested again where that helps."""

from __future__ import annotations

from typing import Any

import pytest

from messages.market import Tick
from tests.gateway.on_the_wire import Fleet, connected, run_scenario
from tests.simulator.faults.test_faults_wire import clear, fail
from tests.simulator.on_the_wire import trades

PRICES = trades("TSLA", *[10.0 + cents / 100 for cents in range(40)])


class Listening:
    """The ticks that the gateway publishes."""

    def __init__(self, fleet: Fleet) -> None:
        self.ticks: list[Tick] = []
        handle = fleet.core.handle

        def record(*args: Any) -> Any:
            decision = handle(*args)
            self.ticks += [quote for _, quote in decision.published if isinstance(quote, Tick)]
            return decision

        fleet.core.handle = record  # type: ignore[method-assign]

    @property
    def refused(self) -> int:
        return self.ticks[-1].refused


@pytest.mark.parametrize("code", [354, 10089, 10168])
def test_a_missing_subscription_is_reported(code: int) -> None:
    """Reported although the refusal came before the book was reconciled, and no other tick will follow."""

    async def play() -> None:
        async with connected(PRICES) as made:
            listening = Listening(made)
            fail(made.simulator, "no-market-data", code=code, count=0)
            await made.until(lambda: made.ready and listening.ticks, "nothing is published")
            await made.step(4)
            assert (listening.refused, listening.ticks[-1].last) == (code, 0.0)
            assert [n.fields["code"] for n in made.notes("market_data_refused")] == [code]

    run_scenario(play)


def test_field_37_delayed_prices_are_not_a_refusal() -> None:
    async def play() -> None:
        async with connected(PRICES) as made:
            listening = Listening(made)
            fail(made.simulator, "no-market-data", code=10167, count=0)
            await made.until(lambda: made.ready, "not ready")
            await made.step(4)
            assert not any(tick.refused for tick in listening.ticks)

    run_scenario(play)


def test_field_38_a_competing_session_starts_and_ends() -> None:
    async def play() -> None:
        async with connected(PRICES) as made:
            await made.until(lambda: made.ready, "not ready")
            listening = Listening(made)
            await made.step(4)
            assert listening.refused == 0
            fail(made.simulator, "competing-session")
            await made.step(4)
            assert listening.refused == 10197
            clear(made.simulator, "competing-session")
            await made.step(4)
            assert listening.refused == 0
            assert len(made.notes("market_data_refused")) == 1

    run_scenario(play)


def test_field_09_lost_subscriptions_are_requested_again() -> None:
    """1101: the broker sends nothing more for earlier subscriptions."""

    async def play() -> None:
        async with connected(PRICES) as made:
            await made.until(lambda: made.ready, "not ready")
            await made.step(4)
            before = made.last("TSLA")
            fail(made.simulator, "broker-lost", data="lost", seconds=3)
            await made.pass_time(5)
            await made.step(4)
            assert made.last("TSLA") > before > 0

    run_scenario(play)


def test_field_11_streams_are_restarted_after_a_farm_was_down() -> None:
    """2103, 2104, and no price until the symbol is subscribed again."""

    async def play() -> None:
        async with connected(PRICES) as made:
            await made.until(lambda: made.ready, "not ready")
            await made.step(4)
            before = made.last("TSLA")
            fail(made.simulator, "farm-down", streams="dead", seconds=3)
            await made.pass_time(5)
            await made.step(4)
            assert made.last("TSLA") > before

    run_scenario(play)
