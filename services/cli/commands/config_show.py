"""`crazy config show`."""

from __future__ import annotations

import msgspec
import yaml

from services.cli.options import Config, config_path, load
from services.configuration.notices import notices

__all__ = ["config_show"]


def config_show(*, config: Config = None) -> int:
    """Show the configuration that holds, complete: what the file says, the defaults, and what follows from both.

    A mistake in the file is named instead, by line and key, with its remedy.
    """
    settings = load(config)
    print(f"# {config_path(config)}")
    print(yaml.safe_dump(msgspec.to_builtins(settings), sort_keys=False), end="")
    for notice in notices(settings):
        print(f"# note: {notice}")
    return 0
