"""Holds the gateway's lock for a command that talks to the broker itself, so that no fleet starts meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from services.cli.options import Config, crazy
from services.configuration.refusal import Refusal
from services.configuration.settings import Settings
from services.fleet.places import Fleet, home
from services.fleet.process_lock import Lock, holder

__all__ = ["gateway_locked"]


@contextmanager
def gateway_locked(settings: Settings, config: Config) -> Iterator[None]:
    """Hold the gateway's lock, so that no fleet starts meanwhile.

    Where the lock can't be taken because its folder can't be used, the broker still refuses a second connection of this
    client id.
    """
    fleet = Fleet(settings, home())
    lock = Lock(fleet.lock("gateway"))
    try:
        lock.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        taken = lock.take()
    except OSError as error:
        print(f"the gateway's lock can't be taken ({error}); make sure that no fleet runs", file=sys.stderr)
        taken = True
    if not taken:
        raise Refusal(
            f"the gateway of fleet {fleet.name} runs (process {holder(lock.path)}): {crazy(config, 'status')}, "
            f"{crazy(config, 'flatten')}; or stop it first: {crazy(config, 'down')}"
        )
    try:
        yield
    finally:
        lock.release()
