"""A client that asks too fast gets 100, and is disconnected if it continues; by default there is no limit."""

from __future__ import annotations

import asyncio

import pytest

from services.configuration.broker_policy import Policy
from services.simulator.requests.pacing import RateLimit
from tests.simulator.on_the_wire import gateway, trades


def test_a_second_allows_a_number_of_messages() -> None:
    pacing = RateLimit(3)
    assert [pacing.count(at) for at in (0.0, 0.3, 0.6, 1.0, 1.4, 1.7)] == [None] * 6
    error = pacing.count(1.9)
    assert error is not None
    assert (error.code, error.text) == (
        100,
        "Max rate of messages per second has been exceeded:max=3 rec=4 (1)",
    )
    assert [pacing.count(at) for at in (1.9, 1.9, 1.9)] == [None] * 3
    assert pacing.count(1.9) is not None
    assert pacing.strikes == 2


@pytest.mark.parametrize("limit", [0, 50])
def test_field_39_too_many_messages_give_errors_then_a_disconnect(limit: int) -> None:
    async def play() -> None:
        async with gateway(trades("TSLA", 10.0), policy=Policy(messages_per_s=limit)) as simulator:
            ib = await simulator.connect()
            await simulator.news(1)
            for _ in range(200):
                ib.client.reqCurrentTime()
            if limit:
                async with asyncio.timeout(5):
                    while ib.isConnected():
                        await asyncio.sleep(0.001)
                codes = [row[3] for row in simulator.received[1] if row[0] == "4"]
                assert codes == ["100"] * 3
            else:
                assert await simulator.news(1) == ["49"] * 200
                assert ib.isConnected()

    asyncio.run(play())
