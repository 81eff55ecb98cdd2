"""The blocking driver: one thread, one poll, one actor. Symbols, risk, clock, recorder and watchdog run on it.

Each turn takes the inputs that wait on the sockets, lets the actor handle them, commits once, and only then sends.
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
"""Most frames of one turn, and so of one transaction."""
IDLE_NS = 5 * SECOND

_encode = msgspec.msgpack.Encoder().encode


class Hooks:
    """What a process adds to the loop. This class adds nothing."""

    note = ""
    done = False
    """True once the process has nothing left to do. It ends with exit code 0, and is not restarted."""

    def frame(self, peer: str, frame: Frame, machine_ns: int) -> None:
        """Called for every frame, after the actor took it."""

    def work(self, machine_ns: int) -> None:
        """Called once a turn, before the commit."""

    def sent(self) -> None:
        """Called once a turn, after everything was sent."""

    def wake(self, machine_ns: int) -> int:
        """Machine time of the next turn, even if no input arrives."""
        return machine_ns + IDLE_NS

    def publish(self, topic: str, message: Message) -> None:
        """Take what the core publishes, in a process that has no publications."""

    def command(self, command: Command) -> Answer:
        """Answer a command of the control socket."""
        return Answer(False, "this process takes no commands")


def run(actor: Actor, bus: Bus, log: Log, hooks: Hooks | None = None) -> None:
    """Run until SIGTERM or SIGINT."""
    hooks = hooks or Hooks()
    gc.freeze()  # all objects so far stay alive: no collection has to check them again
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
        # Before the timers: after a pause of the machine, read waiting heartbeats before a process counts as silent.
        hooks.work(now)
        if now >= due:  # a timer that this turn's inputs made due waits for the next turn, which starts at once
            actor.elapse(now)
        emit(actor.flush(now, drained=taken < TURN_FRAMES), bus, log, hooks.publish)
        for client, answer in answers:
            bus.answer(client, answer)
        hooks.sent()
        if now >= next_beat or actor.announced_ready is not announced_ready or hooks.note != announced_note:
            announced_ready, announced_note = actor.announced_ready, hooks.note
            next_beat = actor.beat_after(now)
            beat(actor, bus, hooks.note)
            bus.keep()
    log.event("bot_stopped", process_run=actor.run)


def emit(outputs: Outputs, bus: Bus, log: Log, publish: Callable[[str, Message], None]) -> None:
    """Send the outputs of a commit and write the log. The caller has executed the commands for the broker before."""
    for peer, frame in outputs.frames:
        bus.send(peer, frame)
    for topic, message in outputs.published:
        publish(topic, message)
    for happened in outputs.noted:
        fields = {"symbol": happened.symbol, **happened.fields} if happened.symbol else happened.fields
        log.record(happened.event, fields, market_ns=happened.time_ns, level=happened.level)


def beat(actor: Actor, bus: Bus, note: str) -> None:
    """Send a heartbeat to the watchdog."""
    bus.beat(_encode(Heartbeat(actor.name, os.getpid(), actor.run, actor.announced_ready, note)))
