"""Row 14, and 62: a socket that stays open and answers nothing is found by its silence, closed, and made anew."""

from __future__ import annotations

import pytest

from messages.broker import Connected
from services.gateway.book.records import Links
from services.gateway.ibkr import connection, error_codes
from tests.gateway.on_the_wire import Fleet, connected, run_scenario
from tests.simulator.faults.test_faults_wire import clear, fail
from tests.simulator.on_the_wire import CALM


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("HEARTBEAT_S", 0.2), ("HEARTBEAT_ANSWER_S", 0.2), ("WATCH_S", 0.02), ("CONNECT_S", 0.5)):
        monkeypatch.setattr(connection, name, seconds)


def links(made: Fleet) -> Links:
    found = made.state.get(Links, "links")
    assert found is not None
    return found


def hung(made: Fleet) -> bool:
    return any(note.fields["code"] == error_codes.HUNG for note in made.notes("broker_message"))


def test_field_14_a_hung_socket_is_closed_and_made_anew() -> None:
    async def play() -> None:
        async with connected(CALM) as made:
            await made.until(lambda: made.ready, "not ready")
            fail(made.simulator, "hang")
            await made.until(lambda: links(made).phase == "down", "the silence is not noticed")
            assert hung(made)
            clear(made.simulator, "hang")
            await made.until(lambda: made.ready, "no new connection")
            assert made.broker._socket is not None
            assert made.broker._socket.ready

    run_scenario(play)


def test_field_14_silence_alone_is_no_reason() -> None:
    """A closed market says nothing for hours: the answers to the heartbeat show that the socket lives."""

    async def play() -> None:
        async with connected(CALM) as made:
            await made.until(lambda: made.ready, "not ready")
            socket = made.broker._socket
            before = made.broker.wire[0]
            await made.until(lambda: made.broker.wire[0] >= before + 3, "no heartbeat")
            assert made.ready
            assert made.broker._socket is socket
            assert not hung(made)

    run_scenario(play)


def test_field_17_a_new_connection_has_nothing_of_the_old_one() -> None:
    async def play() -> None:
        async with connected(CALM) as made:
            await made.until(lambda: made.ready, "not ready")
            first = made.broker._socket
            fail(made.simulator, "drop")
            await made.until(lambda: made.ready and made.broker._socket is not first, "no new connection")
            assert not made.messages_of(Connected)
            assert len(made.broker.quotes.streams) == 1, "one stream, of the new connection"
            await made.opened()

    run_scenario(play)
