"""The option --config that every command has, and the fleet that it chooses."""

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
    """The settings of the chosen fleet, with the changes by `crazy symbols`. Refusal, one line, for a mistake."""
    settings = config_file.load(config_path(config))
    overlay_file = Fleet(settings, home()).overlay
    settings_now = watchlist_overlay.apply_overlay(settings, watchlist_overlay.read(overlay_file))
    for mistake in checks.contradictions(settings_now):
        raise Refusal(f"{overlay_file}: {mistake}; or remove this file")
    return settings_now


def fleet(config: Path | None) -> Fleet:
    """The chosen fleet as it was last started, or as the file has it if it never was.

    So an edit of the file, right or wrong, changes nothing in the output about a running fleet, and the operator can
    still pause or stop it.
    """
    started = home() / "var" / config_file.fleet_name(config_path(config)) / "settings.json"
    with contextlib.suppress(OSError, msgspec.ValidationError):
        return Fleet.of(started)
    return Fleet(load(config), home())


def crazy(config: Path | None, command: str) -> str:
    """The command `crazy …` as the operator can paste it, for this fleet, in this folder."""
    program = Path(sys.executable).with_name("crazy")
    if program.is_relative_to(Path.cwd()):
        program = program.relative_to(Path.cwd())
    chosen = f" --config {shlex.quote(str(config))}" if config else ""
    return f"{shlex.quote(str(program))} {command}{chosen}"
