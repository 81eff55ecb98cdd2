"""python -m services.watchdog SETTINGS"""

import os
import signal
import time

import msgspec

from messages.heartbeat import Heartbeat
from messages.operator import Answer, Command, ProcessState, RollCall
from services.fleet.places import Fleet
from services.runtime import poll_loop, process
from services.runtime.actor import Actor
from services.runtime.bus import Bus
from services.trading.ids import is_symbol_process
from services.watchdog.core import Kill, Seen, WatchdogCore

_decode = msgspec.msgpack.Decoder(Heartbeat).decode
COLUMNS = list(ProcessState.__struct_fields__)


class HeartbeatMonitor(poll_loop.Hooks):
    """Reads heartbeats from the bus, answers roll calls, carries out kills."""

    def __init__(self, actor: Actor, bus: Bus, fleet: Fleet):
        self._actor, self._bus = actor, bus
        self._expected = set(fleet.processes)

    def work(self, machine_ns: int) -> None:
        for body in self._bus.beats():
            heartbeat = _decode(body)
            if heartbeat.process in self._expected or is_symbol_process(heartbeat.process):
                self._actor.deliver(heartbeat, machine_ns)

    def command(self, command: Command) -> Answer:
        if not isinstance(command, RollCall):
            return Answer(False, "the watchdog answers who is there")
        now = time.monotonic_ns()
        rows: list[list[object]] = [
            [s.process, s.pid, s.run, s.ready, s.note, (now - s.heard_ns) / 1e9, s.starts]
            for s in self._actor.state.table(Seen).values()
        ]
        return Answer(True, columns=COLUMNS, rows=rows)

    def publish(self, topic: str, message: object) -> None:
        """Carry out a kill. The watchdog has no subscribers: its core publishes only kills, for this shell."""
        if isinstance(message, Kill) and _is_ours(message.pid):
            os.kill(message.pid, signal.SIGKILL)


def _is_ours(pid: int) -> bool:
    """Whether this pid is a process of a fleet. Pids are reused, and a wrong kill is worse than a hung process."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"services." in file.read()
    except OSError:
        return False


def main() -> None:
    """Run the watchdog."""
    with process.enter("watchdog") as p:
        actor = p.actor(WatchdogCore(), p.ledger(durable=False))
        bus = p.bus(receives_beats=True)
        poll_loop.run(actor, bus, p.log, HeartbeatMonitor(actor, bus, p.fleet))


if __name__ == "__main__":
    main()
