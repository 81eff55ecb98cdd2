"""`crazy down`."""

from __future__ import annotations

from services.cli.options import Config, fleet
from services.configuration.refusal import Refusal
from services.fleet.supervision import Supervisor

__all__ = ["down"]


def down(*, config: Config = None) -> int:
    """Stop the fleet.

    Every process gets 10 seconds to close; the connection to the broker is closed cleanly. Orders stay where they are:
    a stop that rests at the broker goes on protecting what is held. With nothing running this does nothing.
    """
    chosen = fleet(config)
    supervisor = Supervisor(chosen)
    if supervisor.pid is None and not supervisor.survivors():
        print(f"fleet {chosen.name} is not running")
        return 0
    killed = supervisor.stop()
    left = supervisor.survivors()
    if left or supervisor.pid is not None:
        named = ", ".join(f"{name} ({pid})" for name, pid in left.items()) or f"supervisord ({supervisor.pid})"
        raise Refusal(f"fleet {chosen.name}: still there: {named}; end it by its process id")
    forced = f" (killed: {', '.join(killed)})" if killed else ""
    print(f"fleet {chosen.name} is down{forced}; its orders at the broker stay where they are")
    return 0
