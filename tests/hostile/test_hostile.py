"""Hostile clients: none crashes the gateway, fills its memory, or affects other clients."""

from __future__ import annotations

import asyncio
import logging
import tracemalloc

import pytest

from services.simulator import server as server_module
from services.simulator.wire.framing import MAX_FRAME, frame
from tests.hostile.corpus import start_api
from tests.hostile.mutations import written
from tests.simulator.connection import ClientConnection
from tests.simulator.on_the_wire import CALM, Gateway, ask, gateway, ready, rows

HELLO = b"API\0" + frame(b"v100..178")


async def unharmed(simulator: Gateway) -> None:
    """The well-behaved client is served."""
    simulator.received[1].clear()
    await simulator.clients[0].reqCurrentTimeAsync()
    assert [fields[0] for fields in simulator.received[1]] == ["49"]


async def closed(reader: asyncio.StreamReader) -> bytes:
    """The data up to the disconnect."""
    async with asyncio.timeout(5):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


OPENINGS = {
    "another protocol": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS": bytes.fromhex("16030100f4010000f00303"),
    "nothing but zeros": b"\0" * 64,
    "a greeting without versions": b"API\0" + frame(b""),
    "versions that are none": b"API\0" + frame(b"v" * 100),
    "versions of the past": b"API\0" + frame(b"v1..99"),
    "a long greeting": b"API\0" + frame(b"v100..178 " + b"+" * 5000),
    "a frame without end": b"API\0" + b"\xff\xff\xff\xff",
    "a frame too long before the start": HELLO + (5000).to_bytes(4, "big"),
}


@pytest.mark.parametrize("opening", OPENINGS.values(), ids=OPENINGS)
def test_other_protocols_are_cut_off(opening: bytes) -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            await ready(simulator)
            reader, writer = await asyncio.open_connection("127.0.0.1", simulator.server.port)
            writer.write(opening)
            output = await closed(reader)
            assert output == b"" or opening.startswith(HELLO)
            writer.close()
            await unharmed(simulator)

    asyncio.run(play())


PATIENT = {
    "silence": b"",
    "half a greeting": b"AP",
    "half a length": HELLO + b"\0\0",
    "half a frame": HELLO + ask(*start_api(7))[:-1],
    "an announcement of much": HELLO + ask(*start_api(7)) + MAX_FRAME.to_bytes(4, "big") + b"3\0" * 1000,
}


@pytest.mark.parametrize("opening", PATIENT.values(), ids=PATIENT)
def test_the_gateway_waits_for_the_rest_of_a_frame(opening: bytes) -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            await ready(simulator)
            _, writer = await asyncio.open_connection("127.0.0.1", simulator.server.port)
            writer.write(opening)
            await writer.drain()
            while len(simulator.server.connections) < 2:
                await asyncio.sleep(0.001)
            await unharmed(simulator)
            writer.close()
            while len(simulator.server.connections) > 1:
                await asyncio.sleep(0.001)
            await unharmed(simulator)

    asyncio.run(play())


def test_a_connection_without_start_api_is_closed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server_module, "_OPENING_S", 0.05)

    async def play() -> None:
        async with gateway(CALM) as simulator:
            await ready(simulator)
            reader, writer = await asyncio.open_connection("127.0.0.1", simulator.server.port)
            writer.write(HELLO)
            assert await closed(reader) != b""
            writer.close()
            await unharmed(simulator)

    asyncio.run(play())
    assert "hasn't started the API within 0.05 s" in caplog.text


def test_nothing_is_answered_before_the_start() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            await ready(simulator)
            reader, writer = await asyncio.open_connection("127.0.0.1", simulator.server.port)
            writer.write(HELLO + ask(49, 1) + ask(61, 1) + ask(3, "x") + ask(999) + ask(*start_api(7)))
            greeting, accounts, next_id = await rows(reader, 3)
            assert greeting[0] == "178"
            assert (accounts[0], next_id[0]) == ("15", "9")
            writer.close()

    asyncio.run(play())


def test_more_connections_than_allowed() -> None:
    async def play() -> None:
        async with gateway(CALM, max_connections=20) as simulator:
            await ready(simulator)
            lines = [await asyncio.open_connection("127.0.0.1", simulator.server.port) for _ in range(40)]
            refused = 0
            for reader, _ in lines[19:]:
                refused += await closed(reader) == b""
            assert refused == 21
            assert len(simulator.server.connections) == 20
            await unharmed(simulator)
            for _, writer in lines:
                writer.close()
            while len(simulator.server.connections) > 1:
                await asyncio.sleep(0.001)
            await simulator.connect(2)

    asyncio.run(play())


def test_thousands_of_connections_with_half_a_frame_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "services")  # pytest keeps the log records, and they would count as memory

    async def play() -> None:
        async with gateway(CALM) as simulator:
            await ready(simulator)
            tracemalloc.start()
            lines = [ClientConnection(simulator.server) for _ in range(5000)]
            for line in lines:
                line.send(HELLO + (4096).to_bytes(4, "big") + b"x" * 4000)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert len(simulator.server.connections) == simulator.server.max_connections
            assert peak < 20_000_000
            await unharmed(simulator)
            for line in lines:
                line.disconnect()
            assert len(simulator.server.connections) == 1

    asyncio.run(play())


def test_thousands_of_subscriptions() -> None:
    """They are limited as at the broker, so that one tick never costs more than a hundred messages."""

    async def play() -> None:
        async with gateway(CALM) as simulator:
            await ready(simulator)
            line = ClientConnection(simulator.server)
            line.send(HELLO + frame(written(start_api(7))))
            stock = ["0", "TSLA", "STK", "", "0", "", "", "SMART", "", "USD", "", ""]
            for number in range(3000):
                line.send(frame(written(["1", "11", str(number), *stock, "0", "", "0", "0", ""])))
                line.send(frame(written(["62", "1", str(number), "All", "NetLiquidation"])))
                line.send(frame(written(["76", "1", str(number), "", "", "0"])))
            line.taken()
            due = simulator.exchange.next_event_ns()
            assert due is not None
            simulator.server.advance(due, one=True)
            assert sum(map(len, line.taken())) < 500_000
            await unharmed(simulator)

    asyncio.run(play())


def test_a_huge_request_is_an_error_and_no_more() -> None:
    async def play() -> None:
        async with gateway(CALM) as simulator:
            await ready(simulator)
            line = ClientConnection(simulator.server)
            line.send(HELLO + frame(written(start_api(7))))
            line.taken()
            for payload in (b"\0" * 1_000_000, b"3\0" + b"7\0" * 500_000, b"9" * 1_000_000, b"\xff" * 1_000_000):
                line.send(frame(payload))
                (answer,) = line.taken()
                assert answer.startswith(b"4\0")
                assert len(answer) < 1000
            await unharmed(simulator)

    asyncio.run(play())
