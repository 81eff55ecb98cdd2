"""Who beats, how often, and what a process that only beats does without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from messages.frames import Beat, Frame, Resume, Snapshot
from messages.market import MarketTime, Tick
from services.runtime.actor import Actor
from services.runtime.ledger import MemoryLedger
from services.runtime.market_clock import MarketClock
from tests.runtime.network import SECOND, Relay

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Frame).decode

ANSWER = encode(Beat(1, True, 0, 0))


@pytest.fixture
def symbol() -> Actor:
    """Dials gateway and risk, and has beaten once, at one second."""
    dials: dict[str, tuple[str, ...]] = {"gateway": (), "risk": ()}
    actor = Actor("symbol-TSLA", Relay(), MemoryLedger("symbol"), dials=dials, market=MarketClock())
    actor.start(SECOND)
    actor.elapse(SECOND)
    actor.flush(SECOND)
    return actor


def beaten(actor: Actor, now: int) -> list[str]:
    """Whom it beats to at this moment."""
    actor.elapse(now)
    return [peer for peer, frame in actor.flush(now).frames if isinstance(decode(frame), Beat)]


def meet(actor: Actor, *peers: str) -> None:
    for peer in peers:
        actor.receive(peer, ANSWER, SECOND)
    actor.flush(SECOND)


def test_only_unknown_peers_get_frequent_beats(symbol: Actor) -> None:
    meet(symbol, "gateway")
    assert symbol.next_deadline(SECOND) < SECOND + SECOND // 10
    assert beaten(symbol, SECOND + SECOND // 10) == ["risk"]
    assert beaten(symbol, 2 * SECOND) == ["gateway", "risk"]


def test_a_known_peer_gets_one_beat_a_second(symbol: Actor) -> None:
    meet(symbol, "gateway", "risk")
    beaten(symbol, SECOND + SECOND // 10)
    assert symbol.next_deadline(SECOND + SECOND // 10) == 2 * SECOND
    assert beaten(symbol, 2 * SECOND) == ["gateway", "risk"]
    assert beaten(symbol, 2 * SECOND + SECOND // 2) == []


def test_a_dialled_process_answers_beats_and_never_sends_the_first() -> None:
    gateway = Actor("gateway", Relay(), MemoryLedger("gateway"), dials={}, market=MarketClock())
    gateway.receive("risk", ANSWER, SECOND)
    kinds = [type(decode(frame)) for _, frame in gateway.flush(SECOND).frames]
    assert kinds.count(Resume) == 1
    for second in (2, 3):
        assert beaten(gateway, second * SECOND) == []
        gateway.receive("risk", ANSWER, second * SECOND)
        assert beaten(gateway, second * SECOND) == ["risk"]


def test_beats_are_slow_while_idle_and_a_tick_makes_them_fast(symbol: Actor) -> None:
    meet(symbol, "gateway", "risk")
    for second in range(2, 11):
        assert beaten(symbol, second * SECOND) == ["gateway", "risk"], second
    symbol.deliver(MarketTime(0, 0, 1.0, 0), 11 * SECOND)
    assert beaten(symbol, 11 * SECOND) == ["gateway", "risk"]
    assert symbol.next_deadline(11 * SECOND) == 15 * SECOND, "market time is nothing to handle"
    assert beaten(symbol, 14 * SECOND) == []
    assert beaten(symbol, 15 * SECOND) == ["gateway", "risk"], "with all others, at a multiple of five seconds"
    symbol.deliver(Tick("TSLA", 1, 1, 0, 10.0, 0), 17 * SECOND)
    assert symbol.next_deadline(17 * SECOND) == 17 * SECOND
    assert beaten(symbol, 17 * SECOND) == ["gateway", "risk"]
    assert beaten(symbol, 18 * SECOND) == ["gateway", "risk"]


def test_readiness_is_announced_at_once(symbol: Actor) -> None:
    meet(symbol, "gateway", "risk")
    assert not symbol.announced_ready
    for peer in ("gateway", "risk"):
        symbol.receive(peer, encode(Snapshot(0, (), None)), SECOND)
    frames = [decode(frame) for _, frame in symbol.flush(SECOND).frames]
    assert [beat.ready for beat in frames if isinstance(beat, Beat)] == [True, True]
    assert symbol.announced_ready


def test_the_log_brings_no_asyncio_and_takes_none_away() -> None:
    code = """
import sys
import services.symbol.__main__
assert "asyncio" not in sys.modules and "ssl" not in sys.modules, "a symbol carries asyncio"
import asyncio
asyncio.run(asyncio.sleep(0))
"""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
