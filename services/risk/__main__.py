"""python -m services.risk SETTINGS"""

import time

from messages.operator import Answer, Command
from services.fleet.places import Fleet
from services.risk.core import RiskCore, constraints
from services.risk.operator import answer_to
from services.runtime import poll_loop, process
from services.runtime.actor import Actor


class Commands(poll_loop.Hooks):
    """Deliver the operator's commands to the core. The answer goes out after the commit."""

    def __init__(self, actor: Actor, fleet: Fleet):
        self.actor = actor
        self.fleet = fleet

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols of now: the watchlist may change while the fleet runs."""
        return tuple(Fleet.of(self.fleet.settings_file).symbols.values())

    def command(self, command: Command) -> Answer:
        state = self.actor.state
        ready, observe = self.actor.core.ready(state), self.fleet.settings.observe
        answer = answer_to(state, command, self.symbols, ready=ready, observe=observe)
        if answer.ok:
            self.actor.deliver(command, time.monotonic_ns(), "operator")
        return answer


if __name__ == "__main__":
    with process.enter("risk") as p:
        actor = p.actor(RiskCore(p.settings), p.ledger(constraints(p.settings)))
        poll_loop.run(actor, p.bus(), p.log, Commands(actor, p.fleet))
