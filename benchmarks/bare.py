"""A ZeroMQ chain of the same hops with empty handlers: python -m benchmarks.bare gateway|risk|symbol FOLDER TICKER…

What the wire, the scheduler and Python cost before a line of this project runs: XPUB to SUB, DEALER to ROUTER,
DEALER to ROUTER, with frames as long as the real ones.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import zmq

from benchmarks.children import Measured, answer, orders
from benchmarks.figures import TICKS_PER_SECOND

TICK = b"x" * 60
ENTRY = b"x" * 230
"""As long as a real tick and a real row with an entry."""

STRAGGLERS_S = 0.2


def _bind(context: zmq.Context[zmq.Socket[bytes]], kind: int, path: str) -> zmq.Socket[bytes]:
    sock = context.socket(kind)
    sock.setsockopt(zmq.LINGER, 0)
    sock.bind(path)
    return sock


def _dial(context: zmq.Context[zmq.Socket[bytes]], kind: int, path: str, identity: str) -> zmq.Socket[bytes]:
    sock = context.socket(kind)
    sock.setsockopt(zmq.LINGER, 0)
    if kind == zmq.DEALER:
        sock.setsockopt(zmq.IDENTITY, identity.encode())
    sock.connect(path)
    return sock


def symbol(folder: str, ticker: str) -> None:
    """Each tick becomes an entry."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    ticks = _dial(context, zmq.SUB, f"ipc://{folder}/gateway.pub", "")
    ticks.subscribe(f"{ticker}|".encode())
    risk = _dial(context, zmq.DEALER, f"ipc://{folder}/risk", ticker)
    poller = zmq.Poller()
    poller.register(ticks, zmq.POLLIN)
    poller.register(risk, zmq.POLLIN)
    while True:
        poller.poll()
        ticks.recv()
        risk.send(ticker.encode() + ENTRY)


def risk(folder: str, *_: str) -> None:
    """Each entry goes on to the gateway."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    entries = _bind(context, zmq.ROUTER, f"ipc://{folder}/risk")
    gateway = _dial(context, zmq.DEALER, f"ipc://{folder}/gateway", "risk")
    poller = zmq.Poller()
    poller.register(entries, zmq.POLLIN)
    poller.register(gateway, zmq.POLLIN)
    while True:
        poller.poll()
        gateway.send(entries.recv_multipart()[1])


def gateway(folder: str, *tickers: str) -> None:
    """Ticks go out evenly, entries come back."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    publication = _bind(context, zmq.XPUB, f"ipc://{folder}/gateway.pub")
    approved = _bind(context, zmq.ROUTER, f"ipc://{folder}/gateway")
    poller = zmq.Poller()
    poller.register(publication, zmq.POLLIN)
    poller.register(approved, zmq.POLLIN)
    gap_ns = int(1e9 / (len(tickers) * TICKS_PER_SECOND))
    for seconds in orders():
        count = int(seconds * 1e9 / gap_ns)
        sent: dict[str, int] = {}
        answered: set[str] = set()
        latencies: list[float] = []
        next_ns, number = time.monotonic_ns(), 0
        end_ns = next_ns + count * gap_ns + int(STRAGGLERS_S * 1e9)
        while (now := time.monotonic_ns()) < end_ns:
            if now >= next_ns and number < count:
                ticker = tickers[number % len(tickers)]
                sent[ticker] = time.monotonic_ns()
                publication.send(f"{ticker}|".encode() + TICK)
                number, next_ns = number + 1, next_ns + gap_ns
                continue
            wait_ns = (next_ns if number < count else end_ns) - now
            ready = dict(poller.poll(max(0, -(-wait_ns // 1_000_000))))
            if publication in ready:
                publication.recv()
            if approved in ready:
                frame = approved.recv_multipart()[1]
                ticker = frame[:2].decode()
                if ticker in sent:  # else it answers a tick of the round before, on a machine that is very busy
                    latencies.append((time.monotonic_ns() - sent[ticker]) / 1000)
                    answered.add(ticker)
        answer(Measured(count, len(answered), latencies))


if __name__ == "__main__":
    roles: dict[str, Callable[..., None]] = {"gateway": gateway, "risk": risk, "symbol": symbol}
    roles[sys.argv[1]](*sys.argv[2:])
