"""What `crazy paper-probe` found out about the broker: a small file beside the fleet's records."""

from __future__ import annotations

from pathlib import Path

import msgspec

from services.configuration.broker_switches import switches

__all__ = ["Probed", "Results", "read", "write"]


class Probed(msgspec.Struct, frozen=True):
    """The answer to one question: `value` of this switch, or why there is none; and when it was asked (a date)."""

    value: str
    why: str
    date: str


class Results(msgspec.Struct):
    """`account`: the account that was asked, in this `mode`. `switches`: by their names in docs/switches.md.

    `executions`: ids of our own executions, each with its date: a later run asks whether they are still reported.
    """

    account: str
    mode: str = ""
    switches: dict[str, Probed] = {}
    executions: dict[str, str] = {}

    def policy(self) -> dict[str, str]:
        """The answers as `simulation.policy` takes them."""
        return {name: probed.value for name, probed in self.switches.items() if probed.value}

    def differing(self) -> dict[str, str]:
        """The answers that are not what the simulated broker does by default."""
        defaults = {switch.name: switch.default for switch in switches()}
        return {name: value for name, value in self.policy().items() if value != defaults.get(name)}


def read(path: Path) -> Results | None:
    """The results in this file; None if there are none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Results)
    except (OSError, msgspec.DecodeError):
        return None


def write(path: Path, results: Results) -> None:
    """Replace the file as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2))
    fresh.replace(path)
