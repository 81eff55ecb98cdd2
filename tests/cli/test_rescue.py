"""`crazy rescue` against a simulated gateway that outlived the fleet: judged by what the exchange has afterwards."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import ib_insync as ibi
import pytest

from services.cli.commands.rescue import rescue
from services.configuration.refusal import Refusal
from services.configuration.settings import Settings
from services.fleet.places import Fleet
from services.fleet.process_lock import Lock
from services.simulator.testing import Simulator

Capture = pytest.CaptureFixture[str]
CLIENT_ID = 12
TSLA = ibi.Stock("TSLA", "SMART", "USD")
ENTRY, STOP = "CT.paper-TSLA-20250106-1", "CT.paper-TSLA-20250106-1-S1"


@asynccontextmanager
async def client(simulator: Simulator, client_id: int) -> AsyncIterator[ibi.IB]:
    """A client of the gateway."""
    ib = ibi.IB()
    await ib.connectAsync("127.0.0.1", simulator.port, clientId=client_id)
    yield ib
    ib.disconnect()
    await asyncio.sleep(0.1)


@contextmanager
def moving(simulator: Simulator) -> Iterator[None]:
    """The market moves by itself."""
    over = threading.Event()

    def move() -> None:
        while not over.wait(0.05):
            simulator.advance(seconds=1)

    mover = threading.Thread(target=move)
    mover.start()
    try:
        yield
    finally:
        over.set()
        mover.join()


class Left:
    """A gateway with what a dead fleet left there."""

    def __init__(self, simulator: Simulator, config: Path):
        self.simulator = simulator
        self.config = config

    def trade(self, *orders: ibi.Order, client_id: int = CLIENT_ID) -> None:
        """Place orders as this client, and let them trade."""

        async def play() -> None:
            async with client(self.simulator, client_id) as ib:
                for order in orders:
                    ib.placeOrder(TSLA, order)
                await asyncio.sleep(0.3)
                self.simulator.advance(seconds=10)
                await asyncio.sleep(0.2)

        asyncio.run(play())

    def bought(self, quantity: int = 10) -> None:
        """Shares that an entry of the bot bought; no stop."""
        self.trade(ibi.MarketOrder("BUY", quantity, orderRef=ENTRY))

    def exchange(self) -> tuple[float, list[tuple[str, str, float, str]]]:
        """(shares of the account, the live orders), by the exchange."""
        exchange = self.simulator._call(lambda: self.simulator._running.broker.exchange)
        shares = sum(p.quantity for p in exchange.positions("DU1234567") if p.symbol == "TSLA")
        live = [
            (o.ticket.side, o.ticket.order_type, o.ticket.quantity - o.filled, o.ticket.order_ref)
            for o in exchange.open_orders()
        ]
        return shares, sorted(live)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(symbols=("TSLA",), accounts=("DU1234567",)) as made:
        made.advance(seconds=60)
        yield made


@pytest.fixture
def left(simulator: Simulator, config: Path) -> Left:
    config.write_text(
        "mode: paper\nwatchlist: [TSLA]\n"
        f"ibkr: {{port: {simulator.port}, client_id: {CLIENT_ID}, account: DU1234567}}\n"
    )
    return Left(simulator, config)


def stop_of(quantity: int, reference: str = STOP) -> ibi.Order:
    return ibi.Order(
        action="SELL", totalQuantity=quantity, orderType="TRAIL", trailingPercent=10, tif="GTC", orderRef=reference
    )


def test_shares_without_a_stop_are_shown(left: Left, capsys: Capture) -> None:
    left.bought()
    assert rescue(config=left.config) == 2
    header, _, row = capsys.readouterr().out.splitlines()[:3]
    assert header.startswith("PAPER  account DU1234567  fleet paper  127.0.0.1:")
    assert row.split() == ["TSLA", "10", "10", "10"], "shares, ours, bare; nothing is stopped"
    assert left.exchange() == (10.0, []), "looking changes nothing"


def test_a_stop_is_placed_for_what_is_bare(left: Left, capsys: Capture) -> None:
    left.bought()
    left.trade(stop_of(4))
    assert rescue(place_stops=True, yes=True, config=left.config) == 0
    shares, live = left.exchange()
    assert shares == 10.0
    assert [(side, kind, quantity) for side, kind, quantity, _ in live] == [
        ("SELL", "TRAIL", 4.0),
        ("SELL", "TRAIL", 6.0),
    ]
    assert all(reference.startswith("CT.paper-TSLA-") for *_, reference in live), "the fleet will know it for its own"
    assert rescue(place_stops=True, yes=True, config=left.config) == 0
    assert len(left.exchange()[1]) == 2, "once"
    assert "place a trailing stop, 10 %, good till cancelled, for 6 TSLA" in capsys.readouterr().out


def test_entries_are_cancelled_and_nothing_else(left: Left) -> None:
    left.bought()
    foreign = ibi.LimitOrder("BUY", 5, 1.0, tif="GTC", orderRef="mine")
    entry = ibi.LimitOrder("BUY", 3, 1.0, tif="GTC", orderRef="CT.paper-TSLA-20250106-2")
    left.trade(stop_of(10), entry, foreign)
    assert rescue(cancel_entries=True, yes=True, config=left.config) == 0
    assert left.exchange() == (
        10.0,
        [("BUY", "LMT", 5.0, "mine"), ("SELL", "TRAIL", 10.0, STOP)],
    )


class TestFlatten:
    @pytest.fixture(autouse=True)
    def any_hour(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The simulated exchange is open whatever the time is here."""
        monkeypatch.setattr("services.cli.rescue_actions.Rescuer._check_open", lambda self: None)

    def test_cancels_the_stop_and_sells_what_is_the_bots(self, left: Left, capsys: Capture) -> None:
        left.bought()
        left.trade(stop_of(10))
        left.trade(ibi.MarketOrder("BUY", 7), client_id=3)
        with moving(left.simulator):
            rescue(flatten=True, yes=True, config=left.config)
        assert left.exchange() == (7.0, [])
        assert "Filled, 10 at" in capsys.readouterr().out

    def test_without_a_trace_of_the_bot_a_person_says_how_many(self, left: Left) -> None:
        left.trade(ibi.MarketOrder("BUY", 7), client_id=3)
        with pytest.raises(Refusal, match="say --symbol and --quantity"):
            rescue(flatten=True, yes=True, config=left.config)
        assert left.exchange() == (7.0, [])


def test_a_sale_while_the_exchange_is_closed_is_refused_and_the_stop_stays(
    left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    left.bought()
    left.trade(stop_of(10))
    monkeypatch.setattr("services.clock.calendar.sessions", lambda *_, **__: ())
    with pytest.raises(Refusal, match="the exchange is closed"):
        rescue(flatten=True, yes=True, config=left.config)
    assert left.exchange() == (10.0, [("SELL", "TRAIL", 10.0, STOP)])


def test_without_yes_nothing_is_done(left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    left.bought()
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(Refusal, match="say --yes to mean it"):
        rescue(place_stops=True, config=left.config)
    assert left.exchange() == (10.0, [])


def test_it_needs_nothing_of_var(left: Left, tmp_path: Path) -> None:
    """Records in the way: a file where the fleet's folder should be, as the strongest form of "unreadable"."""
    left.bought()
    (tmp_path / "var").write_bytes(b"\0garbage")
    assert rescue(place_stops=True, yes=True, config=left.config) == 0
    assert len(left.exchange()[1]) == 1


def test_a_running_gateway_is_left_alone(left: Left, tmp_path: Path) -> None:
    made = Fleet(Settings(mode="paper", watchlist=("TSLA",)), tmp_path)
    made.prepare()
    lock = Lock(made.lock("gateway"))
    assert lock.take()
    try:
        with pytest.raises(Refusal, match=f"runs \\(process {os.getpid()}\\)"):
            rescue(place_stops=True, yes=True, config=left.config)
    finally:
        lock.release()


def test_the_login_of_another_account_gets_nothing(left: Left) -> None:
    left.config.write_text(left.config.read_text().replace("DU1234567", "DU7654321"))
    left.bought()
    with pytest.raises(Refusal, match="DU7654321 is not of this login"):
        rescue(place_stops=True, yes=True, config=left.config)
    assert left.exchange() == (10.0, [])


def test_without_a_gateway_the_steps_by_hand_are_printed(
    config: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("mode: paper\nwatchlist: [TSLA]\nibkr: {port: 1, account: DU1234567}\n")
    monkeypatch.setattr("services.cli.broker_session.CONNECT_S", 1.0)
    assert rescue(config=config) == 3
    said = capsys.readouterr()
    assert "no answer from IB Gateway: " in said.err
    assert "sell, order type TRAIL, 10 %, GTC" in said.out
