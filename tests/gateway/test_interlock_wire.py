"""The interlock on the wire: the gateway's core and its edge against the simulator, with U and DU accounts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from messages.broker import LiveConfirmation
from messages.entries import EntryApproved
from messages.interlock import EntriesBlocked, EntriesUnblocked
from messages.market import Session, SessionOpened
from messages.operator import Happened
from messages.timers import Started
from messages.watchlist import WatchlistChanged
from services.core import Now, State
from services.gateway import broker as edge
from services.gateway.book import QuoteRecord
from services.gateway.broker import Broker
from services.gateway.core import GatewayCore
from services.settings import Settings
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.policy import Policy
from tests.gateway.broker_words import plan
from tests.simulator.wire import CALM, OPEN_NS, SECOND, Gateway, gateway, trades

CLIENT_ID = 12
DAY = Session("2022-03-22", OPEN_NS, OPEN_NS + 23_400 * SECOND)
PAPER, LIVE = "DU1234567", "U1234567"
FAR = LiveConfirmation(LIVE, OPEN_NS + 30 * 86_400 * SECOND)


BROKER_TIME: dict[str, Callable[[], int]] = {}
"""What the simulated broker of this test makes of the time, in whole seconds."""


class Fleet:
    """The gateway without its bus: what the core decides goes to the wire, what the wire says to the core."""

    def __init__(self, house: Gateway, **settings: Any) -> None:
        told = {"watchlist": ["TSLA"], "ibkr": {"port": house.server.port, **settings.pop("ibkr", {})}} | settings
        chosen = msgspec.convert(told, Settings)
        self.house = house
        self.core = GatewayCore(chosen)
        self.state = State(self.core.kinds)
        self.said: list[Any] = []
        self.broker = Broker(chosen, lambda: asyncio.get_running_loop().call_soon(self.take) and None)
        self.hear(Started(1))

    def hear(self, message: Any) -> None:
        decision = self.core.handle(self.state, message, Now(self.house.exchange.now_ns, 0))
        self.state.apply(decision.changes)
        for recipient, told in decision.messages:
            if recipient == "broker":
                self.broker.execute(told)  # type: ignore[arg-type]
            else:
                self.said.append(told)

    def take(self) -> None:
        facts, self.broker.facts = self.broker.facts, []
        for fact in (*facts, *self.broker.take_quotes()):
            self.hear(fact)

    async def until(self, condition: Callable[[], object], what: str) -> None:
        async with asyncio.timeout(8):
            while not condition():
                await asyncio.sleep(0.01)
        assert condition(), what

    async def opened(self) -> None:
        """The market has traded, and the price is here."""
        for _ in range(4):
            due = self.house.exchange.next_event_ns()
            assert due is not None
            self.house.server.advance(due, one=True)
        symbol = self.broker._symbols[0]
        await self.until(lambda: self.last(symbol) > 0, "no price")

    def last(self, symbol: str) -> float:
        record = self.state.get(QuoteRecord, symbol)
        return record.quote.last if record else 0.0

    def told(self, kind: type) -> list[Any]:
        return [m for m in self.said if isinstance(m, kind)]

    def blocks(self) -> list[str]:
        return [m.reason for m in self.told(EntriesBlocked)]

    def notes(self, event: str) -> list[Happened]:
        return [m for m in self.told(Happened) if m.event == event]

    @property
    def ready(self) -> bool:
        return self.core.ready(self.state)

    def enter(self) -> None:
        """An approved entry, in the open session, on a price of 10."""
        self.hear(SessionOpened(DAY, DAY.close_ns - 900 * SECOND))
        entry = plan(session_date=DAY.date, trigger=10.5, limit_price=10.6, reference=10.0)
        self.hear(EntryApproved(entry, 110.0))

    def at_the_broker(self) -> list[str]:
        return [order.ticket.order_ref for order in self.house.exchange.open_orders()]


@asynccontextmanager
async def fleet(accounts: tuple[str, ...], policy: Policy | None = None, **settings: Any) -> AsyncIterator[Fleet]:
    """A fleet on a simulated gateway whose login has these accounts."""
    async with gateway(
        CALM,
        trades("GME", *[20.0] * 20),
        accounts=[AccountTerms(account=a) for a in accounts],
        policy=policy or Policy(),
    ) as house:
        BROKER_TIME["ns"] = lambda: house.exchange.now_ns // SECOND * SECOND
        made = Fleet(house, **settings)
        connection = asyncio.create_task(made.broker.run())
        try:
            yield made
        finally:
            connection.cancel()
            await asyncio.wait((connection,))


@pytest.fixture(autouse=True)
def time_apart(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """This machine's clock stands where the simulated broker's does, and so many seconds beside it."""
    apart = {"s": 0.5}
    monkeypatch.setattr(edge.time, "time_ns", lambda: BROKER_TIME["ns"]() + int(apart["s"] * SECOND))
    monkeypatch.setattr(edge.hostclock, "ASK_EVERY_S", 0.0)
    monkeypatch.setattr(edge, "COMPARE_S", 0.4)
    monkeypatch.setattr(edge, "COMPARE_SOON_S", 0.4)
    return apart


def played(play: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(play())


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
            await made.until(lambda: made.blocks(), "it is not said")
            made.enter()
            await asyncio.sleep(0.1)
            assert made.blocks() == ["wrong_account"]
            assert why in made.told(EntriesBlocked)[0].text
            assert not made.ready
            assert made.at_the_broker() == []
            assert made.house.server.wire_counts()[CLIENT_ID][0] == 1, "startApi, and not a word more"

    played(play)


@pytest.mark.parametrize(
    ("mode", "account", "login"),
    [("paper", None, (PAPER,)), ("paper", PAPER, (PAPER, "DU7654321")), ("live", LIVE, (LIVE,))],
)
def test_the_right_account_trades(mode: str, account: str | None, login: tuple[str, ...]) -> None:
    async def play() -> None:
        async with fleet(login, mode=mode, ibkr={"account": account}) as made:
            made.hear(FAR)
            await made.until(lambda: made.ready, "not ready")
            await made.opened()
            made.enter()
            await made.until(lambda: len(made.at_the_broker()) == 2, "the bracket is not there")
            assert made.blocks() == []

    played(play)


def test_live_without_its_owners_word_only_protects_until_it_has_it() -> None:
    async def play() -> None:
        async with fleet((LIVE,), mode="live", ibkr={"account": LIVE}) as made:
            await made.until(lambda: made.ready, "not ready")
            await made.opened()
            made.enter()
            await asyncio.sleep(0.1)
            assert (made.blocks(), made.at_the_broker()) == (["live_unconfirmed"], [])
            made.hear(FAR)
            assert [m.reason for m in made.told(EntriesUnblocked)] == ["live_unconfirmed"]
            made.enter()
            await made.until(lambda: len(made.at_the_broker()) == 2, "the bracket is not there")
            # The word is taken back: what has not filled goes, at the broker as well.
            made.hear(LiveConfirmation("", 0))
            await made.until(lambda: made.at_the_broker() == [], "the entry stays")

    played(play)


@pytest.mark.parametrize("apart_s", [3.5, -1.5])
def test_a_clock_that_is_off_blocks_once_and_clears(apart_s: float, time_apart: dict[str, float]) -> None:
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
            await made.until(lambda: made.told(EntriesUnblocked), "it does not clear")
            assert made.blocks() == ["clock_off"]

    played(play)


def test_a_simulated_fleet_is_not_asked(time_apart: dict[str, float]) -> None:
    async def play() -> None:
        time_apart["s"] = 3600.0
        async with fleet((PAPER,), mode="sim") as made:
            await made.until(lambda: made.ready, "not ready")
            await asyncio.sleep(0.2)
            assert made.blocks() == []

    played(play)


def test_observing_asks_everything_and_places_nothing() -> None:
    async def play() -> None:
        async with fleet((PAPER,), mode="paper", observe=True) as made:
            await made.until(lambda: made.ready, "not ready")
            await made.opened()
            made.enter()
            await asyncio.sleep(0.1)
            (note,) = made.notes("entry_observed")
            assert note.fields["stop_price"] == 10.5
            assert made.at_the_broker() == []

    played(play)


def test_prices_of_a_new_symbol_come_without_a_new_connection() -> None:
    async def play() -> None:
        async with fleet((PAPER,), mode="paper") as made:
            await made.until(lambda: made.ready, "not ready")
            made.hear(WatchlistChanged(("GME",), ()))
            await made.opened()
            assert (made.last("GME"), made.last("TSLA")) == (20.0, 0.0)

    played(play)
