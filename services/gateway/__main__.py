"""python -m services.gateway SETTINGS"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from shutil import disk_usage

from messages.broker import DiskSpace, LiveConfirmation
from services.fleet import live_confirmation
from services.gateway.core import CONSTRAINTS, GatewayCore
from services.gateway.ibkr.connection import Broker
from services.gateway.interlock import ENOUGH_FREE_MB
from services.runtime import event_loop, process

POLL_S = 5.0
"""How often the live confirmation is read, and the free disk space measured."""


async def main() -> None:
    """Run the broker's socket and the bus in one event loop."""
    with process.enter("gateway") as p:
        core = GatewayCore(p.settings)
        actor = p.actor(core, p.ledger(CONSTRAINTS))
        loop = event_loop.EventLoop(actor, p.bus(), p.log, lambda: core.note(actor.state))
        broker = Broker(p.settings, loop.turn_soon, now_ns=lambda: actor.market.now(time.monotonic_ns()))
        if p.settings.mode == "live":
            watching = asyncio.get_running_loop().create_task(watch_confirmation(p.fleet.confirmation, broker.report))
            watching.add_done_callback(lambda task: task.cancelled() or task.result())
        measuring = asyncio.get_running_loop().create_task(watch_disk(p.fleet.var, broker.report))
        measuring.add_done_callback(lambda task: task.cancelled() or task.result())
        await loop.run(broker, lockstep=p.lockstep)


async def watch_confirmation(path: Path, report: Callable[[LiveConfirmation], None]) -> None:
    """Report the live confirmation now and whenever it changes: a renewal needs no restart."""
    last: LiveConfirmation | None = None
    while True:
        file = live_confirmation.read(path)
        confirmation = LiveConfirmation(file.account, file.until_ns) if file else LiveConfirmation("", 0)
        if confirmation != last:
            last = confirmation
            report(confirmation)
        await asyncio.sleep(POLL_S)


async def watch_disk(
    folder: Path, report: Callable[[DiskSpace], None], free: Callable[[Path], int] = lambda path: disk_usage(path).free
) -> None:
    """Report the free disk space while it is low, and once when it is enough again."""
    little = False
    while True:
        free_mb = free(folder) / 1_000_000
        if little or free_mb < ENOUGH_FREE_MB:
            little = free_mb < ENOUGH_FREE_MB
            report(DiskSpace(free_mb))
        await asyncio.sleep(POLL_S)


if __name__ == "__main__":
    asyncio.run(main())
