"""`crazy config keys`."""

from __future__ import annotations

from services.configuration.keys import keys, markdown

__all__ = ["config_keys"]


def config_keys(*, reference: bool = False) -> int:
    """Show every key of the configuration: what fits, its default, and what it means.

    Parameters
    ----------
    reference:
        Print it as Markdown tables, as the documentation has it.
    """
    if reference:
        print(markdown())
        return 0
    for key in keys():
        print(f"{key.path}: {key.default}\n    {key.meaning}\n    ({key.range})")
    return 0
