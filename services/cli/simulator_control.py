"""The command socket of a simulated gateway, and what is typed for it."""

from __future__ import annotations

from pathlib import Path

from services.cli.options import fleet
from services.configuration.refusal import Refusal
from services.simulator import control as line

__all__ = ["line_to", "pairs"]


def line_to(port: int | None, control: Path | None, config: Path | None) -> Path:
    """The command socket that these options mean."""
    if control is not None:
        return control
    if port is not None:
        return line.default_path(port)
    return fleet(config).simulator_control


def pairs(words: tuple[str, ...], where: str) -> dict[str, str]:
    """NAME=VALUE words as a mapping; a Refusal for a word that is none."""
    found = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not name:
            raise Refusal(f"{where}: {word!r} is not NAME=VALUE")
        found[name.replace("-", "_")] = value
    return found
