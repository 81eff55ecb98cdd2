"""The watchdog's decisions: which process is silent for too long, and which one was restarted.

supervisord handles a process that dies. A process that hangs still holds its sockets and answers ZeroMQ's own
heartbeats: only the silence of its main loop shows it.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from messages import Message
from messages.heartbeat import RETIRED, Heartbeat
from messages.timers import Elapsed
from services.runtime.core import Deadlines, Decision, Draft, Now, State

__all__ = ["HUNG_NS", "Kill", "Seen", "WatchdogCore"]

SECOND = 1_000_000_000
HUNG_NS = 15 * SECOND
"""Machine time of silence after which a process counts as hung. No transaction and no start takes so long."""


class Seen(msgspec.Struct, frozen=True):
    """A process by its last heartbeat. `heard_ns` is its machine time. `starts` counts runs since the ledger began."""

    volatile: ClassVar[bool] = True

    process: str
    pid: int
    run: int
    ready: bool
    note: str
    heard_ns: int
    starts: int

    @property
    def key(self) -> str:
        return self.process


class Counted(msgspec.Struct, frozen=True):
    """How many runs of a process were seen, across restarts of the watchdog."""

    process: str
    run: int
    starts: int

    @property
    def key(self) -> str:
        return self.process


class Kill(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """For the shell: send SIGKILL to this process."""

    process: str
    pid: int


class WatchdogCore:
    """See `services.runtime.core.Core`. Heartbeats are in memory only; restarts are counted in the ledger."""

    kinds: tuple[type, ...] = (Seen, Counted)

    def ready(self, state: State) -> bool:
        return True

    def snapshot(self, state: State, interest: tuple[str, ...]) -> list[tuple[str, Message]]:
        return []

    def deadlines(self, state: State, now: Now) -> Deadlines:
        last_beats = [seen.heard_ns for seen in state.table(Seen).values()]
        return Deadlines(machine_ns=min(last_beats) + HUNG_NS if last_beats else None)

    def handle(self, state: State, message: Message | Heartbeat, now: Now) -> Decision:
        d = Draft(state, now)
        match message:
            case Heartbeat(process, pid, run, ready, note):
                counted = d.get(Counted, process)
                if counted is None or counted.run != run:
                    counted = d.put(Counted(process, run, counted.starts + 1 if counted else 1))
                    if counted.starts > 1:
                        d.note("process_restarted", "", "WARNING", restarted=process, starts=counted.starts, pid=pid)
                if note == RETIRED:
                    d.drop(Seen, process)  # it ends by itself: its silence is no hang
                else:
                    d.put(Seen(process, pid, run, ready, note, now.machine_ns, counted.starts))
            case Elapsed():
                for seen in list(state.table(Seen).values()):
                    if now.machine_ns - seen.heard_ns >= HUNG_NS:
                        d.drop(Seen, seen.process)
                        d.note("process_hung", "", "ERROR", hung=seen.process, pid=seen.pid)
                        d.publish("kill", Kill(seen.process, seen.pid))  # type: ignore[arg-type]
        return d.decision
