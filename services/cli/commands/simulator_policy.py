"""`crazy simulator policy`."""

from __future__ import annotations

from services.configuration.broker_switches import markdown, switches

__all__ = ["simulator_policy"]


def simulator_policy(*, reference: bool = False) -> int:
    """Show every switch of the simulated broker: what it means, its default, and the evidence for it.

    They are set by `simulation.policy` in the configuration: `policy: {partial_fills: true}`.

    Parameters
    ----------
    reference:
        Print it as a Markdown table, as the documentation has it.
    """
    if reference:
        print(markdown())
        return 0
    for switch in switches():
        print(f"{switch.name}: {switch.default}\n    {switch.meaning}\n    ({switch.values}; {switch.evidence})")
    return 0
