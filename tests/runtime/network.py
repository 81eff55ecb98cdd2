"""Actors over a network that loses frames and kills processes, all from one seed.

Every actor has the core `Relay`. It sends texts on command, and records every text that it receives and how often.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from random import Random

import msgspec

from messages import Message
from messages.operator import Happened, Paused
from messages.timers import Started
from services.runtime.actor import Actor
from services.runtime.core import Deadlines, Decision, Draft, Now, State
from services.runtime.ledger import Constraint, MemoryLedger
from services.runtime.market_clock import MarketClock

SECOND = 1_000_000_000


class SendText(msgspec.Struct, frozen=True):
    """A command to a relay: send this text to that recipient."""

    recipient: str
    text: str


class Received(msgspec.Struct, frozen=True):
    """How often a text was received, and in which place."""

    text: str
    times: int
    place: int

    @property
    def key(self) -> str:
        return self.text


class Place(msgspec.Struct, frozen=True):
    """How many texts were received so far."""

    count: int

    @property
    def key(self) -> str:
        return "place"


class Relay:
    """Records what it receives. `fails`: texts at which it raises."""

    kinds: tuple[type, ...] = (Received, Place)

    def __init__(self, fails: frozenset[str] = frozenset()):
        self.fails = fails

    def ready(self, state: State) -> bool:
        return True

    def deadlines(self, state: State, now: Now) -> Deadlines:
        return Deadlines()

    def snapshot(self, state: State, interest: tuple[str, ...]) -> list[tuple[str, Message]]:
        return [("TSLA", Paused("TSLA", "snapshot")), ("NVDA", Paused("NVDA", "snapshot"))]

    def handle(self, state: State, message: Message | SendText, now: Now) -> Decision:
        d = Draft(state, now)
        match message:
            case SendText(recipient, text):
                d.send(recipient, Happened(text, "", "INFO", {}, now.market_ns))
            case Happened(event=text) | Paused(by=text):
                if text in self.fails:
                    raise ValueError(f"{text} is more than I can take")
                place = d.get(Place, "place") or Place(0)
                before = d.get(Received, text)
                d.put(Place(place.count + 1))
                d.put(Received(text, before.times + 1 if before else 1, before.place if before else place.count))
            case Started():
                pass
        return d.decision


class Network:
    """Actors, each with its ledger, and queues between them. `loss` is the part of frames that vanishes."""

    def __init__(self, seed: int, dials: dict[str, dict[str, tuple[str, ...]]], *, loss: float = 0.0):
        self.random = Random(seed)
        self.loss = loss
        self.dials = dials
        self.now = SECOND
        self.ledgers = {name: MemoryLedger(name) for name in dials}
        self.cores = {name: Relay() for name in dials}
        self.actors: dict[str, Actor] = {}
        self.queues: dict[tuple[str, str], deque[bytes]] = defaultdict(deque)
        self.counts: Counter[str] = Counter()
        for name in dials:
            self.start(name)

    def constrain(self, name: str, *constraints: Constraint) -> None:
        self.ledgers[name]._constraints = constraints

    def start(self, name: str) -> None:
        """A new life of this process, out of its ledger. What was on its way to the old one is gone."""
        for (sender, receiver), queue in self.queues.items():
            if name in (sender, receiver):
                self.counts["lost with a process"] += len(queue)
                queue.clear()
        self.actors[name] = Actor(
            name, self.cores[name], self.ledgers[name], dials=self.dials[name], market=MarketClock(lockstep=True)
        )
        self.actors[name].start(self.now)
        self.flush(name)

    def flush(self, name: str) -> None:
        for peer, frame in self.actors[name].flush(self.now).frames:
            if self.random.random() < self.loss:
                self.counts["lost on the way"] += 1
            else:
                self.queues[name, peer].append(frame)

    def send_text(self, name: str, recipient: str, text: str) -> None:
        self.actors[name].deliver(SendText(recipient, text), self.now)

    def deliver(self, sender: str, receiver: str, frames: int = 1) -> None:
        """So many frames of this queue, handled in one turn, not flushed yet."""
        queue = self.queues[sender, receiver]
        for _ in range(min(frames, len(queue))):
            self.actors[receiver].receive(sender, queue.popleft(), self.now)
            self.counts["frames"] += 1

    def tick(self, ns: int = SECOND // 4) -> None:
        self.now += ns
        for name, actor in self.actors.items():
            actor.elapse(self.now)
            self.flush(name)

    def settle(self, rounds: int = 40) -> None:
        """Let time pass and everything arrive, without further losses."""
        loss, self.loss = self.loss, 0.0
        for _ in range(rounds):
            self.tick()
            while any(self.queues.values()):
                for (sender, receiver), queue in list(self.queues.items()):
                    if queue:
                        self.deliver(sender, receiver, len(queue))
                        self.flush(receiver)
        self.loss = loss

    def received(self, name: str) -> dict[str, int]:
        """The texts in this process's ledger in order of arrival, with how often each was received."""
        table = [
            msgspec.json.decode(b, type=Received)
            for b in self.ledgers[name].load().records.get("Received", {}).values()
        ]
        return {h.text: h.times for h in sorted(table, key=lambda h: h.place)}
