"""The option that every command has, and what it leads to."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from services.configuration import checks, config_file
from services.configuration.refusal import Refusal
from services.configuration.settings import Settings
from services.fleet import watchlist_overlay
from services.fleet.places import Fleet, home

__all__ = ["Config", "config_path", "crazy", "fleet", "load"]

Config = Annotated[
    Path | None,
    Parameter(
        name=["--config", "-c"],
        env_var="CRAZY_CONFIG",
        show_default=False,
        help="Configuration file; it chooses the fleet. Default: config/config.yaml.",
    ),
]
"""Type of the `config` parameter of every command."""


def config_path(config: Path | None) -> Path:
    """The chosen configuration file: the option, else CRAZY_CONFIG, else the default of the checkout."""
    chosen = config or os.environ.get("CRAZY_CONFIG")
    return Path(chosen) if chosen else home() / "config" / "config.yaml"


def load(config: Path | None) -> Settings:
    """The validated settings of the chosen fleet, with what `crazy symbols` changed; raises a `Refusal` of one line."""
    settings = config_file.load(config_path(config))
    place = Fleet(settings, home()).overlay
    laid = watchlist_overlay.laid_over(settings, watchlist_overlay.read(place))
    for mistake in checks.contradictions(laid):
        raise Refusal(f"{place}: {mistake}; or remove this file")
    return laid


def fleet(config: Path | None) -> Fleet:
    """The chosen fleet as it was last started, or as the file has it when it never was.

    So an edit of the file, right or wrong, changes nothing of what is said about a running fleet, and keeps nobody from
    pausing or stopping it.
    """
    started = home() / "var" / config_file.fleet_name(config_path(config)) / "settings.json"
    with contextlib.suppress(OSError, msgspec.ValidationError):
        return Fleet.of(started)
    return Fleet(load(config), home())


def crazy(config: Path | None, words: str) -> str:
    """A command as the operator can paste it, for this fleet, from this folder."""
    program = Path(sys.executable).with_name("crazy")
    if program.is_relative_to(Path.cwd()):
        program = program.relative_to(Path.cwd())
    chosen = f" --config {shlex.quote(str(config))}" if config else ""
    return f"{shlex.quote(str(program))} {words}{chosen}"
