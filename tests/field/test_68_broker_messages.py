"""Row 68: every message of the broker is said, with its remedy; a socket that never answers says what to do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from messages.account import LinkChanged
from messages.broker import BrokerError
from services.gateway.ibkr import connection, error_codes
from tests.gateway.on_the_wire import Fleet, connected, run_scenario
from tests.simulator.faults.test_faults_wire import clear, fail
from tests.simulator.on_the_wire import CALM, gateway


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "TROUBLE_SIM_S", 0.3)


def remedies(made: Fleet, code: int) -> list[str]:
    return [str(note.fields["remedy"]) for note in made.notes("broker_message") if note.fields["code"] == code]


@pytest.mark.parametrize(
    ("code", "text", "words"),
    [
        (321, "Error validating request: API interface is currently in Read-Only mode.", "untick Read-Only API"),
        (1300, "TWS socket port has been reset and this connection is being dropped.", "ibkr.port"),
        (2100, "API client has been unsubscribed from account data.", "the other program"),
        (507, "Bad Message Length", "client id"),
    ],
)
def test_field_68_a_message_without_an_order_is_an_event_with_its_remedy(code: int, text: str, words: str) -> None:
    async def play() -> None:
        async with connected(CALM) as made:
            await made.until(lambda: made.ready, "not ready")
            fail(made.simulator, "message", code=code, text=text)
            fail(made.simulator, "message", code=code, text=text)
            await made.until(lambda: remedies(made, code), "no event")
            await made.settle()
            (remedy,) = remedies(made, code)
            assert words in remedy

    run_scenario(play)


async def troubled(port: int, code: int) -> Fleet:
    """A fleet that can't connect there, once it has said so."""
    async with gateway(CALM) as simulator:
        made = Fleet(simulator, ibkr={"port": port})
        running = asyncio.create_task(made.broker.run())
        try:
            await made.until(lambda: remedies(made, code), "nothing is said")
            await asyncio.sleep(1.0)  # further attempts say nothing new
            assert len(remedies(made, code)) == 1
            return made
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def test_field_68_a_socket_that_accepts_and_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, the log said `TimeoutError: `."""
    monkeypatch.setattr(connection, "CONNECT_S", 0.2)

    async def play() -> None:
        async def silent(*_: Any) -> None:
            await asyncio.sleep(60)

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        async with server:
            made = await troubled(server.sockets[0].getsockname()[1], error_codes.NO_ANSWER)
        link = made.messages_of(LinkChanged)[-1]
        assert (link.link, link.up) == ("socket", False)
        assert "Trusted IPs" in link.detail

    run_scenario(play)


def test_field_68_nobody_listens() -> None:
    async def play() -> None:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        made = await troubled(port, error_codes.NO_CONNECTION)
        assert "start IB Gateway" in made.messages_of(LinkChanged)[-1].detail

    run_scenario(play)


def test_field_15_the_client_id_is_in_use() -> None:
    """It waits, says why, and comes back with the same id."""

    async def play() -> None:
        async with gateway(CALM) as simulator:
            fail(simulator, "client-id-in-use", count=0)
            made = Fleet(simulator)
            running = asyncio.create_task(made.broker.run())
            try:
                await made.until(lambda: remedies(made, 326), "nothing is said")
                assert "keeps its id" in remedies(made, 326)[0]
                clear(simulator, "client-id-in-use")
                await made.until(lambda: made.ready, "it does not come back")
                assert made.client_id in simulator.server.wire_counts()
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    run_scenario(play)


def test_field_10_a_long_wait_for_a_login_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LOGIN_ALERT_S", 0.5)

    async def play() -> None:
        async with connected(CALM) as made:
            await made.until(lambda: made.ready, "not ready")
            fail(made.simulator, "weekly-reset")
            code = error_codes.LOGIN_NEEDED
            await made.until(lambda: remedies(made, code), "nobody is told")
            await asyncio.sleep(1.0)
            assert len(remedies(made, code)) == 1
            clear(made.simulator, "weekly-reset")
            await made.until(lambda: made.ready, "it does not come back")

    run_scenario(play)


def test_field_07_around_the_restart_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker's link counts as down from a minute before: no entry, no stop, and a lost socket is no news."""
    monkeypatch.setattr(connection, "WATCH_S", 0.02)

    async def play() -> None:
        async with connected(CALM, ibkr={"nightly_restart": "12:05"}) as made:
            await made.until(lambda: made.ready, "not ready")
            await made.opened()
            noon = made.broker._clock
            made.broker._clock = lambda zone: noon(zone).replace(minute=4, second=30)
            await made.until(lambda: made.messages_of(LinkChanged)[-1].link == "broker", "no restart")
            assert not made.messages_of(LinkChanged)[-1].up
            made.enter()
            await made.settle()
            assert made.at_the_broker() == []
            fail(made.simulator, "drop")
            await made.until(lambda: made.notes("socket_lost"), "the loss is not recorded")
            assert {note.level for note in made.notes("socket_lost")} == {"INFO"}
            await made.until(lambda: made.phase == "reconciling", "no new connection")
            made.broker.on_message(["4", "2", "-1", "1102", "restored"])
            made.broker.on_read()
            await asyncio.sleep(0.1)
            made.enter()
            assert made.at_the_broker() == []
            made.broker._clock = noon
            await made.until(lambda: made.messages_of(LinkChanged)[-1].up, "it does not end")
            await made.until(lambda: made.ready, "not ready")

    run_scenario(play)


def test_a_message_of_our_own_is_no_error_of_an_order() -> None:
    assert BrokerError(-1, error_codes.HUNG, "").order_id == -1
