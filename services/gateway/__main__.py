"""python -m services.gateway SETTINGS"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from messages.broker import LiveConfirmation
from services import confirmation, eventloop, process
from services.gateway.broker import Broker
from services.gateway.core import CONSTRAINTS, GatewayCore

LOOK_S = 5.0
"""How often the owner's word for live trading is read anew."""


async def main() -> None:
    """Hold the broker's socket and the bus in one event loop."""
    with process.enter("gateway") as p:
        core = GatewayCore(p.settings)
        actor = p.actor(core, p.ledger(CONSTRAINTS))
        loop = eventloop.EventLoop(actor, p.bus(), p.log, lambda: core.note(actor.state))
        broker = Broker(p.settings, loop.turn_soon)
        if p.settings.mode == "live":
            watching = asyncio.get_running_loop().create_task(watch(p.fleet.confirmation, broker.tell))
            watching.add_done_callback(lambda task: task.cancelled() or task.result())
        await loop.run(broker, lockstep=p.lockstep)


async def watch(path: Path, tell: Callable[[LiveConfirmation], None]) -> None:
    """Tell the owner's word for live trading, now and whenever it changes: a renewal needs no restart."""
    told: LiveConfirmation | None = None
    while True:
        found = confirmation.read(path)
        word = LiveConfirmation(found.account, found.until_ns) if found else LiveConfirmation("", 0)
        if word != told:
            told = word
            tell(word)
        await asyncio.sleep(LOOK_S)


if __name__ == "__main__":
    asyncio.run(main())
