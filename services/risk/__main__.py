"""python -m services.risk SETTINGS"""

import time

from messages.operator import Answer, Command, Pause, Resume
from services import pollloop, process
from services.actor import Actor
from services.fleet import Fleet
from services.risk.core import RiskCore, constraints


class Commands(pollloop.Hooks):
    """The operator's commands become messages to the core; the answer goes out once they are handled."""

    def __init__(self, actor: Actor, fleet: Fleet):
        self.actor = actor
        self.fleet = fleet

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols there are now: the watchlist may change while the fleet runs."""
        return tuple(Fleet.of(self.fleet.settings_file).symbols.values())

    def command(self, command: Command) -> Answer:
        if not isinstance(command, Pause | Resume):
            return Answer(False, "risk takes pause and resume")
        if command.symbol is not None and command.symbol not in self.symbols:
            return Answer(False, f"{command.symbol} is not on the watchlist ({', '.join(self.symbols)})")
        self.actor.hear(command, time.monotonic_ns(), "operator")
        done = "paused: unfilled entries are cancelled, stops stay" if isinstance(command, Pause) else "resumed"
        return Answer(True, f"{command.symbol or 'all symbols'} {done}")


if __name__ == "__main__":
    with process.enter("risk") as p:
        actor = p.actor(RiskCore(p.settings), p.ledger(constraints(p.settings)))
        pollloop.run(actor, p.bus(), p.log, Commands(actor, p.fleet))
