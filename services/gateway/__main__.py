"""python -m services.gateway SETTINGS"""

import asyncio

from services import eventloop, process
from services.gateway.broker import Broker
from services.gateway.core import CONSTRAINTS, GatewayCore


async def main() -> None:
    """Hold the broker's socket and the bus in one event loop."""
    with process.enter("gateway") as p:
        actor = p.actor(GatewayCore(p.settings), p.ledger(CONSTRAINTS))
        loop = eventloop.EventLoop(actor, p.bus(), p.log)
        broker = Broker(p.settings, loop.turn_soon)
        await loop.run(broker, lockstep=p.lockstep)


if __name__ == "__main__":
    asyncio.run(main())
