"""The blocking driver: one thread, one poll, one actor. Symbols, risk, clock, recorder and watchdog run on it.

Each turn takes what waits on the sockets, lets the actor handle it, commits once, and only then sends.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable

import msgspec

from messages import Message
from messages.frames import Frame
from messages.heartbeat import Heartbeat
from messages.operator import Answer, Command
from services.runtime.actor import Actor, Outputs
from services.runtime.bus import Bus, StopSignal
from services.runtime.log import Log

__all__ = ["Hooks", "beat", "emit", "run"]

SECOND = 1_000_000_000
TURN_FRAMES = 256
"""Frames that one turn, and so one transaction, takes at the most."""
IDLE_NS = 5 * SECOND

_encode = msgspec.msgpack.Encoder().encode


class Hooks:
    """What a process adds to the loop; the plain one adds nothing."""

    note = ""
    done = False
    """True once the process has nothing left to do: it ends with exit code 0, and is left down."""

    def frame(self, peer: str, frame: Frame, machine_ns: int) -> None:
        """Every frame, after the actor had it."""

    def work(self, machine_ns: int) -> None:
        """Once a turn, before the commit."""

    def sent(self) -> None:
        """Once a turn, after everything of it went out."""

    def wake(self, machine_ns: int) -> int:
        """Machine time of the next turn that is wanted even if nothing arrives."""
        return machine_ns + IDLE_NS

    def publish(self, topic: str, message: Message) -> None:
        """What the core publishes, for a process that has no publication of its own."""

    def command(self, command: Command) -> Answer:
        """A command from the control socket."""
        return Answer(False, "this process takes no commands")


def run(actor: Actor, bus: Bus, log: Log, hooks: Hooks | None = None) -> None:
    """Until SIGTERM or SIGINT."""
    hooks = hooks or Hooks()
    gc.freeze()  # what exists by now stays: no collection has to look at it again
    stop = StopSignal()
    bus.watch(stop.fileno())
    monotonic: Callable[[], int] = time.monotonic_ns
    actor.start(monotonic())
    log.event("bot_started", process_run=actor.run, pid=os.getpid())
    next_beat, announced_ready, announced_note = 0, False, ""
    while not stop.set and not hooks.done:
        now = monotonic()
        due = actor.next_deadline(now)
        wake = min(due, hooks.wake(now), next_beat)
        bus.poll(max(0, -(-(wake - now) // 1_000_000)))
        now = monotonic()
        # First: a command never waits behind rows and ticks.
        answers = [(client, hooks.command(command)) for client, command in bus.commands()]
        taken = 0
        for peer, frame in bus.frames():
            hooks.frame(peer, actor.receive(peer, frame, now), now)
            taken += 1
            if actor.careful:
                emit(actor.flush(now, drained=False), bus, log, hooks.publish)
            if taken >= TURN_FRAMES:
                break
        for message in bus.publications():
            actor.deliver(message, now)
        # Before the timers: after a stop of the machine, mail that waits is heard before anyone is judged silent.
        hooks.work(now)
        if now >= due:  # what this turn's inputs made due is for the next turn, which begins at once
            actor.elapse(now)
        emit(actor.flush(now, drained=taken < TURN_FRAMES), bus, log, hooks.publish)
        for client, answer in answers:
            bus.answer(client, answer)
        hooks.sent()
        if now >= next_beat or actor.announced_ready is not announced_ready or hooks.note != announced_note:
            announced_ready, announced_note = actor.announced_ready, hooks.note
            next_beat = actor.beat_after(now)
            beat(actor, bus, hooks.note)
    log.event("bot_stopped", process_run=actor.run)


def emit(outputs: Outputs, bus: Bus, log: Log, publish: Callable[[str, Message], None]) -> None:
    """Send what a commit allowed, write the log; what is for the broker is the caller's, who sends it first."""
    for peer, frame in outputs.frames:
        bus.send(peer, frame)
    for topic, message in outputs.published:
        publish(topic, message)
    for happened in outputs.noted:
        fields = {"symbol": happened.symbol, **happened.fields} if happened.symbol else happened.fields
        log.event(happened.event, market_ns=happened.time_ns, level=happened.level, **fields)


def beat(actor: Actor, bus: Bus, note: str) -> None:
    """Tell the watchdog."""
    bus.beat(_encode(Heartbeat(actor.name, os.getpid(), actor.run, actor.announced_ready, note)))
