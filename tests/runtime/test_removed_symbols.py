"""The process of a removed symbol may send frames after the removal: no process waits for it."""

from __future__ import annotations

import msgspec
import pytest

from messages.frames import Beat, Frame, Idle, Probe, Resume
from messages.watchlist import WatchlistChanged
from services.runtime.actor import Actor
from services.runtime.ledger import MemoryLedger
from services.runtime.market_clock import MarketClock
from tests.runtime.network import Relay, SendText

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Frame).decode

LEAVES, STAYS = "symbol-GME", "symbol-TSLA"


@pytest.fixture
def actor() -> Actor:
    """It sends to the fleet. Two symbols are its consumers, and the clock has started a step."""
    made = Actor("risk", Relay(), MemoryLedger(), dials={}, market=MarketClock(lockstep=True))
    made.start(0)
    for peer in (LEAVES, STAYS):
        opened(made, peer)
    reached(made)
    return made


def opened(actor: Actor, peer: str) -> None:
    actor.receive(peer, encode(Beat(1, True, 0, 0)), 0)
    actor.receive(peer, encode(Resume(None, ("fleet",))), 0)


def reached(actor: Actor) -> tuple[str, ...]:
    """The processes that its answer to a probe names as reached."""
    actor.receive("clock", encode(Probe(step=1, wave=1, time_ns=0)), 0)
    idle = decode(actor.flush(0).frames[-1][1])
    assert isinstance(idle, Idle)
    return idle.reached


def test_both_are_waited_for(actor: Actor) -> None:
    actor.deliver(SendText("fleet", "one"), 0)
    assert actor.pending == 2
    assert set(reached(actor)) == {LEAVES, STAYS}


def test_one_that_left_is_not_waited_for_even_if_it_opens_again(actor: Actor) -> None:
    actor.deliver(WatchlistChanged(("TSLA",), ()), 0)
    opened(actor, LEAVES)
    actor.deliver(SendText("fleet", "one"), 0)
    assert actor.pending == 1
    assert reached(actor) == (STAYS,)


def test_one_that_comes_back_is_waited_for_again(actor: Actor) -> None:
    actor.deliver(WatchlistChanged(("TSLA",), ()), 0)
    actor.deliver(WatchlistChanged(("TSLA", "GME"), ()), 0)
    opened(actor, LEAVES)
    actor.deliver(SendText("fleet", "one"), 0)
    assert actor.pending == 2
