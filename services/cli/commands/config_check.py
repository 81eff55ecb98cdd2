"""`crazy config check`."""

from __future__ import annotations

import msgspec

from services.cli.options import Config, config_path, load
from services.cli.preflight import check_files
from services.cli.render import console, table
from services.configuration import config_file
from services.configuration.keys import in_yaml, value_of
from services.configuration.notices import notices
from services.fleet import watchlist_overlay
from services.fleet.places import Fleet, home

__all__ = ["config_check"]


def config_check(*, observe: bool = False, config: Config = None) -> int:
    """Check the configuration, and show every value that holds with where it comes from.

    That is a line of the file, the default, what it follows from, a command (`crazy symbols`), or an option of
    `crazy up`. A mistake is named by line and key, with its remedy, and the exit code is 4; so is one in a timetable of
    faults. Nothing is started.

    Parameters
    ----------
    observe:
        As `crazy up --observe` would have it.
    """
    path = config_path(config)
    written, settings = config_file.load(path), load(config)
    origins = config_file.origins(path)
    place = Fleet(written, home()).overlay
    for key in ("watchlist", "winding_down"):
        if getattr(settings, key) != getattr(written, key):
            origins[key] = f"{place} (crazy symbols)"
    if watchlist_overlay.read(place) is not None and settings == written:
        print(f"note: {place} is older than the watchlist in {path}, and no longer holds")
    if settings.mode == "sim":
        check_files(settings)
    if observe:
        settings = msgspec.structs.replace(settings, observe=True)
        origins["observe"] = "--observe"
    rows = [(key, in_yaml(value_of(settings, key)), origin) for key, origin in origins.items()]
    console().print(table(("KEY", "VALUE", "FROM"), rows))
    for notice in notices(settings):
        print(f"note: {notice}")
    print(f"{path}: well")
    return 0
