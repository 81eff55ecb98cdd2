"""`crazy reload`."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from services.cli.options import Config, config_path, crazy, load
from services.cli.readiness import is_ready, roll_call
from services.cli.render import console, table
from services.cli.watchlist import apply_to_running_fleet, current_fleet, finish_removals, fleet_lock, removal_lines
from services.configuration import checks, config_file
from services.configuration.keys import in_yaml, keys, value_of
from services.configuration.refusal import Refusal
from services.configuration.settings import ReadBy, Settings
from services.fleet import process_lock, watchlist_overlay
from services.fleet.places import Fleet
from services.fleet.supervision import Supervisor
from services.trading.ids import is_symbol_process

__all__ = ["reload"]

RESTARTED = frozenset({ReadBy.RISK, ReadBy.SYMBOL})
"""The processes that may restart while the fleet runs: they resume from their ledgers; orders at the broker stay."""
BACK_S = 15.0
"""Longest wait until a restarted process is ready."""
REFUSED = 1
LISTS = ("watchlist", "winding_down")


def reload(*, config: Config = None) -> int:
    """Take over what was edited in the configuration file, key by key, without stopping the fleet.

    The watchlist changes at once and restarts nobody. Keys that only risk and symbols read are taken over by restarting
    just these, one after another; orders stay where they are. Any other key is refused, with what to do. Exit code 1 if
    any was.
    """
    finish_removals(config)
    chosen = current_fleet(config)
    supervisor = Supervisor(chosen)
    if supervisor.pid is None:
        raise Refusal(f"fleet {chosen.name} is not running; the file is read at the start: {crazy(config, 'up')}")
    before = chosen.settings
    edited = msgspec.structs.replace(load(config), observe=before.observe)
    changes = _changes(before, edited)
    if not changes:
        print(f"{config_path(config)}: nothing has changed")
        return 0
    read_by = {key.path: key.read_by for key in keys() if key.path in changes and key.path not in LISTS}
    refused = {key for key, processes in read_by.items() if processes - RESTARTED}
    rows = [(key, in_yaml(was), in_yaml(now), _taken_over(read_by.get(key))) for key, (was, now) in changes.items()]
    console().print(table(("KEY", "WAS", "IS", "TAKEN OVER"), rows))
    wanted = _with_keys(before, edited, set(changes) - refused)
    gone = tuple(symbol for symbol in before.watchlist if symbol not in wanted.watchlist)
    wanted = watchlist_overlay.with_watchlist(
        wanted, wanted.watchlist, (*before.winding_down, *wanted.winding_down, *gone)
    )
    for mistake in checks.contradictions(wanted):
        raise Refusal(f"{config_path(config)}: {mistake}; stop the fleet to change all of it: {crazy(config, 'down')}")
    restarted = frozenset().union(*(read_by[key] for key in read_by.keys() - refused))
    _take_over(chosen, config, wanted, restarted)
    for line in removal_lines(config, gone) if gone else ():
        print(line)
    if refused:
        print(f"refused keys hold from the next start: {crazy(config, 'down')}, {crazy(config, 'up')}")
    return REFUSED if refused else 0


def _changes(before: Settings, after: Settings) -> dict[str, tuple[Any, Any]]:
    """Keys whose values differ: (was, is)."""
    pairs = {key.path: (value_of(before, key.path), value_of(after, key.path)) for key in keys()}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _taken_over(read_by: frozenset[ReadBy] | None) -> str:
    """When a key with these readers takes effect; None stands for the watchlist."""
    if read_by is None:
        return "now; nobody restarts"
    if fixed := sorted(read_by - RESTARTED):
        return f"refused: read at the start by {', '.join(fixed)}, which must not restart under orders"
    restarted = " and ".join(sorted(read_by))
    return f"now; {restarted} restart, orders stay" if restarted else "now"


def _with_keys(before: Settings, edited: Settings, accepted: set[str]) -> Settings:
    """The running settings with the accepted keys as they were edited."""
    made = msgspec.to_builtins(before)
    source = msgspec.to_builtins(edited)
    for key in accepted:
        group, _, name = key.rpartition(".")
        (made[group] if group else made)[name] = (source[group] if group else source)[name]
    return msgspec.convert(made, Settings)


def _take_over(chosen: Fleet, config: Config, wanted: Settings, restarted: frozenset[ReadBy]) -> None:
    lock = fleet_lock(chosen)
    try:
        base = config_file.load(config_path(config)).watchlist
        watchlist_overlay.write(chosen.overlay, watchlist_overlay.Overlay(base, wanted.watchlist, wanted.winding_down))
        supervisor = Supervisor(chosen)
        apply_to_running_fleet(wanted)
        staying = Fleet(msgspec.structs.replace(wanted, winding_down=()), chosen.root)
        for name in staying.processes:
            kind = "symbol" if is_symbol_process(name) else name
            if kind in restarted and process_lock.holder(chosen.lock(name)) is not None:
                supervisor.restart(name)
                _await(chosen, name)
    finally:
        lock.release()


def _await(chosen: Fleet, name: str) -> None:
    """Wait until this process is ready; only then the next one restarts, so that most of the fleet keeps running."""
    deadline = time.monotonic() + BACK_S
    while time.monotonic() < deadline:
        if is_ready(chosen, name, roll_call(chosen).get(name)):
            return
        time.sleep(0.1)
    raise Refusal(f"{name} is not ready {BACK_S:.0f} s after its restart; see `crazy logs {name}`")
