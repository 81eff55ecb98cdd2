"""`crazy simulator fault`."""

from __future__ import annotations

from pathlib import Path

from services.cli.options import Config
from services.cli.simulator_control import control_socket, named_values
from services.simulator.control import Command, ask

__all__ = ["simulator_fault"]


def simulator_fault(
    name: str, /, *arguments: str, port: int | None = None, control: Path | None = None, config: Config = None
) -> int:
    """Make a running simulated gateway fail on purpose.

    `list` shows every fault with its arguments, and which are active; `clear` ends all that are active, `clear NAME`
    those of that name. Times are market time.

        crazy simulator fault drop                        (the fleet's simulator)
        crazy simulator fault hang seconds=30 --port 4002 (one that runs alone)
        crazy simulator fault reject code=201 count=2

    Parameters
    ----------
    name:
        Name of the fault, or `list`, or `clear`.
    arguments:
        Its arguments, as NAME=VALUE.
    port:
        Port of a gateway that runs alone. Default: the simulator of the chosen fleet.
    control:
        Its command socket, where it was given one.
    """
    path = control_socket(port, control, config)
    if name == "list":
        command: Command = {"do": "faults"}
    elif name == "clear":
        command = {"do": "clear", **({"name": arguments[0]} if arguments else {})}
    else:
        command = {"do": "fault", "name": name, "arguments": named_values(arguments, f"fault {name}")}
    print(ask(path, command)["text"])
    return 0
