"""The options of commands to a simulated gateway: its command socket, and NAME=VALUE arguments."""

from __future__ import annotations

from pathlib import Path

from services.cli.options import fleet
from services.configuration.refusal import Refusal
from services.simulator.control import default_path

__all__ = ["control_socket", "named_values"]


def control_socket(port: int | None, control: Path | None, config: Path | None) -> Path:
    """The command socket that these options mean."""
    if control is not None:
        return control
    if port is not None:
        return default_path(port)
    return fleet(config).simulator_control


def named_values(arguments: tuple[str, ...], where: str) -> dict[str, str]:
    """NAME=VALUE arguments as a mapping. Refusal if one is not of this form; `where` begins its message."""
    found = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or not name:
            raise Refusal(f"{where}: {argument!r} is not NAME=VALUE")
        found[name.replace("-", "_")] = value
    return found
