"""`crazy simulator advance`."""

from __future__ import annotations

from pathlib import Path

from services.cli.simulator_control import control_socket
from services.simulator.control import ask

__all__ = ["simulator_advance"]


def simulator_advance(
    seconds: float = 0.0, *, events: int = 0, port: int | None = None, control: Path | None = None
) -> int:
    """Move the market of a simulated gateway that runs alone; it answers with the market's time.

    Meant for `--pace manual`, where nothing else moves it.

    Parameters
    ----------
    seconds:
        Market time to let pass.
    events:
        Market events to let happen, one by one, after that.
    port:
        Port of the gateway. Default: 4002.
    control:
        Its command socket, where it was given one.
    """
    answer = ask(control_socket(port or 4002, control, None), {"do": "advance", "seconds": seconds, "events": events})
    print(answer["text"])
    return 0
