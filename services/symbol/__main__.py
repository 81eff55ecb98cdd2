"""python -m services.symbol SETTINGS TICKER"""

import time

from messages.heartbeat import RETIRED
from services.runtime import poll_loop, process
from services.runtime.actor import Actor
from services.runtime.process import STAY_S
from services.symbol.core import SymbolCore

SECOND = 1_000_000_000
NOTED_NS = SECOND // 10
"""Time to send the last heartbeat. Without it the watchdog would take the end of the process for a hang."""


class Retiring(poll_loop.Hooks):
    """Ends the process of a removed symbol that holds nothing, once all its messages have arrived."""

    def __init__(self, actor: Actor, core: SymbolCore):
        self._actor, self._core = actor, core
        self._since = self._retired_ns = time.monotonic_ns()

    def work(self, machine_ns: int) -> None:
        retired = self._core.record(self._actor.state).retired
        if not retired or not self.note:
            self._retired_ns = machine_ns
        self.note = RETIRED if retired else ""
        delivered = not any(link.pending for link in self._actor.links.values()) and self._actor.announced_ready
        noted = machine_ns - self._retired_ns > NOTED_NS
        # supervisord counts an exit within its startsecs as a failed start, and starts the process again.
        self.done = retired and delivered and noted and machine_ns - self._since > STAY_S * SECOND

    def wake(self, machine_ns: int) -> int:
        return machine_ns + (SECOND // 5 if self.note else poll_loop.IDLE_NS)


if __name__ == "__main__":
    with process.enter("symbol") as p:
        core = SymbolCore(p.ticker, p.settings)
        actor = p.actor(core, p.ledger())
        poll_loop.run(actor, p.bus(), p.log, Retiring(actor, core))
