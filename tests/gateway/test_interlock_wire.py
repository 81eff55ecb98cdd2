"""The interlock on the wire: the gateway's core and its edge against the simulator, with U and DU accounts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from messages.broker import LiveConfirmation, StartStreams
from messages.interlock import EntriesBlocked, EntriesUnblocked
from messages.watchlist import WatchlistChanged
from services.configuration.broker_policy import Policy
from services.gateway.book.records import Book
from services.gateway.ibkr import clock_check
from tests.gateway.on_the_wire import Fleet, connected, run_scenario
from tests.simulator.on_the_wire import CALM, OPEN_NS, SECOND, trades

PAPER, LIVE = "DU1234567", "U1234567"
FAR = LiveConfirmation(LIVE, OPEN_NS + 30 * 86_400 * SECOND)


CLIENT_ID = 12
BROKER_TIME: dict[str, Callable[[], int]] = {}
"""The time of this test's simulated broker, in whole seconds."""


@asynccontextmanager
async def fleet(accounts: tuple[str, ...], policy: Policy | None = None, **settings: Any) -> AsyncIterator[Fleet]:
    """A fleet on a simulated gateway whose login has these accounts."""
    async with connected(CALM, trades("GME", *[20.0] * 20), accounts=accounts, policy=policy, **settings) as made:
        BROKER_TIME["ns"] = lambda: made.simulator.exchange.now_ns // SECOND * SECOND
        yield made


@pytest.fixture(autouse=True)
def time_apart(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """This machine's clock is that of the simulated broker, plus so many seconds."""
    apart = {"s": 0.5}
    monkeypatch.setattr(clock_check.time, "time_ns", lambda: BROKER_TIME["ns"]() + int(apart["s"] * SECOND))
    monkeypatch.setattr(clock_check, "ASK_EVERY_S", 0.0)
    monkeypatch.setattr(clock_check, "COMPARE_S", 0.4)
    monkeypatch.setattr(clock_check, "COMPARE_SOON_S", 0.4)
    return apart


WRONG = [
    ("live", LIVE, (PAPER,), "not of this login"),
    ("paper", PAPER, (LIVE,), "not of this login"),
    ("paper", None, (LIVE,), "mode is paper, U1234567 is a live account"),
    ("live", PAPER, (PAPER,), "mode is live, DU1234567 is a paper account"),
    ("paper", None, (PAPER, "DU7654321"), "the login has 2 accounts"),
]


@pytest.mark.parametrize(("mode", "account", "login", "why"), WRONG)
def test_a_wrong_account_sends_nothing_at_all(mode: str, account: str | None, login: tuple[str, ...], why: str) -> None:
    async def play() -> None:
        async with fleet(login, mode=mode, ibkr={"account": account}) as made:
            await made.until(lambda: made.blocks(), "no block is reported")
            made.enter()
            await asyncio.sleep(0.1)
            assert made.blocks() == ["wrong_account"]
            assert why in made.messages_of(EntriesBlocked)[0].text
            assert not made.ready
            assert made.at_the_broker() == []
            assert made.simulator.server.wire_counts()[CLIENT_ID][0] == 1, "startApi only"

    run_scenario(play)


def test_the_account_of_another_fleet_is_sent_nothing_at_all() -> None:
    """The login is valid; only the fleet's records are of another account."""

    async def play() -> None:
        async with fleet((PAPER,), mode="paper") as made:
            made.state.apply([(Book, "book", Book(account="DU7654321"))])
            await made.until(lambda: made.blocks(), "no block is reported")
            await asyncio.sleep(0.1)
            assert "the records of this fleet are of DU7654321" in made.messages_of(EntriesBlocked)[0].text
            assert made.simulator.server.wire_counts()[CLIENT_ID][0] == 1, "startApi only"

    run_scenario(play)


def test_no_price_request_reaches_a_wrong_account() -> None:
    """A changed watchlist, and streams that the broker reports as lost."""

    async def play() -> None:
        async with fleet((LIVE,), mode="paper") as made:
            await made.until(lambda: made.blocks(), "no block is reported")
            made.receive(WatchlistChanged(("GME",), ()))
            made.broker.on_message(["4", "2", "-1", "1101", "connectivity restored, data lost"])
            await asyncio.sleep(0.1)
            assert made.simulator.server.wire_counts()[CLIENT_ID][0] == 1, "startApi only"

    run_scenario(play)


def test_the_current_watchlist_is_streamed_once_the_account_is_right() -> None:
    async def play() -> None:
        async with fleet((LIVE,), mode="paper") as made:
            await made.until(lambda: made.blocks(), "no block is reported")
            made.receive(WatchlistChanged(("GME",), ()))
            made.broker.execute(StartStreams(LIVE))
            assert set(made.broker.quotes.streams.values()) == {"GME"}

    run_scenario(play)


@pytest.mark.parametrize(
    ("mode", "account", "login"),
    [("paper", None, (PAPER,)), ("paper", PAPER, (PAPER, "DU7654321")), ("live", LIVE, (LIVE,))],
)
def test_the_right_account_trades(mode: str, account: str | None, login: tuple[str, ...]) -> None:
    async def play() -> None:
        async with fleet(login, mode=mode, ibkr={"account": account}) as made:
            made.receive(FAR)
            await made.until(lambda: made.ready, "not ready")
            await made.opened()
            made.enter()
            await made.until(lambda: len(made.at_the_broker()) == 2, "the bracket is not there")
            assert made.blocks() == []

    run_scenario(play)


def test_live_without_a_confirmation_only_protects() -> None:
    async def play() -> None:
        async with fleet((LIVE,), mode="live", ibkr={"account": LIVE}) as made:
            await made.until(lambda: made.ready, "not ready")
            await made.opened()
            made.enter()
            await asyncio.sleep(0.1)
            assert (made.blocks(), made.at_the_broker()) == (["live_unconfirmed"], [])
            made.receive(FAR)
            assert [m.reason for m in made.messages_of(EntriesUnblocked)] == ["live_unconfirmed"]
            made.enter()
            await made.until(lambda: len(made.at_the_broker()) == 2, "the bracket is not there")
            # The confirmation is withdrawn: unfilled entries are cancelled, at the broker as well.
            made.receive(LiveConfirmation("", 0))
            await made.until(lambda: made.at_the_broker() == [], "the entry stays")

    run_scenario(play)


@pytest.mark.parametrize("apart_s", [3.5, -1.5])
def test_a_wrong_clock_blocks_once_and_the_block_ends(apart_s: float, time_apart: dict[str, float]) -> None:
    async def play() -> None:
        time_apart["s"] = apart_s
        async with fleet((PAPER,), mode="paper") as made:
            await made.until(lambda: made.blocks(), "it is not found")
            await made.until(lambda: made.ready, "not ready")
            await made.opened()
            made.enter()
            assert made.at_the_broker() == []
            await asyncio.sleep(0.6)
            assert made.blocks() == ["clock_off"]
            (note,) = made.notes("clock_off")
            assert note.fields["off_s"] == pytest.approx(apart_s, abs=1.0)
            time_apart["s"] = 0.5
            await made.until(lambda: made.messages_of(EntriesUnblocked), "it does not clear")
            assert made.blocks() == ["clock_off"]

    run_scenario(play)


def test_a_simulated_fleet_compares_no_clocks(time_apart: dict[str, float]) -> None:
    async def play() -> None:
        time_apart["s"] = 3600.0
        async with fleet((PAPER,), mode="sim") as made:
            await made.until(lambda: made.ready, "not ready")
            await asyncio.sleep(0.2)
            assert made.blocks() == []

    run_scenario(play)


def test_an_observing_fleet_asks_everything_and_places_nothing() -> None:
    async def play() -> None:
        async with fleet((PAPER,), mode="paper", observe=True) as made:
            await made.until(lambda: made.ready, "not ready")
            await made.opened()
            made.enter()
            await asyncio.sleep(0.1)
            (note,) = made.notes("entry_observed")
            assert note.fields["stop_price"] == 10.5
            assert made.at_the_broker() == []

    run_scenario(play)


def test_a_new_symbol_is_streamed_without_a_new_connection() -> None:
    async def play() -> None:
        async with fleet((PAPER,), mode="paper") as made:
            await made.until(lambda: made.ready, "not ready")
            made.receive(WatchlistChanged(("GME",), ()))
            await made.opened()
            assert (made.last("GME"), made.last("TSLA")) == (20.0, 0.0)

    run_scenario(play)
