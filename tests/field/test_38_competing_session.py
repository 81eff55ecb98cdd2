"""Row 38: another login of the same user takes the prices. Entries wait; one alert, however many symbols there are."""

from __future__ import annotations

from tests.gateway.ibkr.test_market_data_wire import Listening
from tests.gateway.on_the_wire import connected, run_scenario
from tests.simulator.faults.test_faults_wire import clear, fail
from tests.simulator.on_the_wire import trades

MANY = ("AAPL", "NVDA", "TSLA")


def test_field_38_one_alert_with_its_remedy() -> None:
    async def play() -> None:
        markets = [trades(symbol, *[10.0 + n / 100 for n in range(40)]) for symbol in MANY]
        async with connected(*markets, watchlist=list(MANY)) as made:
            listening = Listening(made)
            await made.until(lambda: made.ready, "not ready")
            await made.step(9)
            fail(made.simulator, "competing-session")
            await made.until(lambda: len(made.notes("market_data_refused")) == len(MANY), "not all are reported")
            assert {tick.symbol for tick in listening.ticks if tick.refused == 10197} == set(MANY)
            (alert,) = [note for note in made.notes("broker_message") if note.fields["code"] == 10197]
            assert (alert.level, "log out there" in alert.fields["remedy"]) == ("WARNING", True)
            clear(made.simulator, "competing-session")
            await made.step(9)
            assert {listening.ticks[-1].refused for _ in MANY} == {0}

    run_scenario(play)
