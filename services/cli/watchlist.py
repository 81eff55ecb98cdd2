"""Changes of the watchlist, of a fleet that runs or not, for `crazy symbols` and `crazy reload`.

A change goes into the overlay and into the settings that the processes read at their next start. A running fleet then
gets its new processes, and the clock publishes the new list. Nothing else restarts. The process of a removed symbol
ends by itself when it holds nothing; the next command then takes the symbol off the lists.
"""

from __future__ import annotations

import time

import msgspec

from messages.operator import RollCall
from messages.watchlist import Watch
from services.cli import records
from services.cli.options import Config, config_path, crazy, fleet, load
from services.configuration import checks, config_file
from services.configuration.refusal import Refusal
from services.configuration.settings import Settings, Ticker
from services.fleet import process_lock, programs, watchlist_overlay
from services.fleet.places import Fleet, home, write_private
from services.fleet.process_lock import Lock
from services.fleet.supervision import Supervisor
from services.fleet.watchlist_overlay import Overlay
from services.simulator.market.choice import market_source
from services.trading.ids import symbol_process

__all__ = [
    "apply_to_running_fleet",
    "change",
    "current_fleet",
    "finish_removals",
    "fleet_lock",
    "removal_lines",
    "symbol_parts",
    "tickers",
]

LOCK_S = 60.0
"""Longest wait for another command to end."""
SETTLE_S = 5.0
"""Longest wait for the processes of removed symbols that hold nothing to end."""
POLL_S = 0.1


def tickers(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The texts as tickers, each once. Refusal that names the first text that is none."""
    symbols = tuple(dict.fromkeys(text.strip().upper() for text in texts))
    for symbol in symbols:
        try:
            msgspec.convert(symbol, Ticker)
        except msgspec.ValidationError:
            raise Refusal(f'{symbol}: no ticker; write it as IBKR does (TSLA, "BRK B")') from None
    return symbols


def current_fleet(config: Config) -> Fleet:
    """The fleet as it runs; if it does not run, as it would start."""
    started = fleet(config)
    return started if Supervisor(started).pid is not None else Fleet(load(config), home())


def change(config: Config, watchlist: tuple[str, ...], leaving: tuple[str, ...] = ()) -> None:
    """Make this the watchlist of the fleet. `leaving`: the symbols that are taken off it."""
    chosen = current_fleet(config)
    lock = fleet_lock(chosen)
    try:
        if load(config).watchlist != chosen.settings.watchlist:
            file, remedy = config_path(config), crazy(config, "reload")
            raise Refusal(f"{file}: its watchlist was edited since the start; take that over first: {remedy}")
        # The ledger of a symbol may hold shares; a symbol that never ran has none.
        leaving = tuple(symbol for symbol in leaving if chosen.ledger(symbol_process(symbol)).exists())
        wanted = watchlist_overlay.with_watchlist(chosen.settings, watchlist, (*chosen.settings.winding_down, *leaving))
        _check(wanted)
        base = config_file.load(config_path(config)).watchlist
        watchlist_overlay.write(chosen.overlay, Overlay(base, wanted.watchlist, wanted.winding_down))
        apply_to_running_fleet(wanted)
    finally:
        lock.release()


def fleet_lock(chosen: Fleet) -> Lock:
    """The lock of the fleet, taken: one command at a time changes a fleet. Refusal after `LOCK_S`."""
    if not chosen.locks.is_dir():
        chosen.prepare()
    lock = Lock(chosen.lock("fleet"))
    if not lock.take(LOCK_S):
        raise Refusal(f"fleet {chosen.name}: another command has been at it for {LOCK_S:.0f} s; wait for its end")
    return lock


def _check(wanted: Settings) -> None:
    """Refusal for what the configuration would refuse, and for a symbol that the market files lack."""
    for mistake in checks.contradictions(wanted):
        raise Refusal(str(mistake))
    if not wanted.watchlist:
        raise Refusal("a fleet trades at least one symbol; `crazy pause` or `crazy down` ends it all")
    if wanted.mode == "sim" and wanted.simulation.market == "files":
        market_source(wanted)


def apply_to_running_fleet(wanted: Settings) -> None:
    """Give a running fleet its new settings, programs and processes; the clock publishes the new watchlist."""
    running = Fleet(wanted, home())
    supervisor = Supervisor(running)
    if supervisor.pid is None:
        return
    write_private(running.settings_file, wanted.to_json())
    programs.write(running)
    supervisor.update()
    for name in running.symbols:
        if process_lock.holder(running.lock(name)) is None:
            supervisor.start_process(name)
    answer = records.command(running, "clock", Watch(wanted.watchlist, wanted.winding_down))
    if not answer.ok:
        raise Refusal(answer.text)


def symbol_parts(chosen: Fleet) -> dict[str, str]:
    """The part of each symbol, as the clock reports it: traded, leaving or left. Empty if the clock does not run."""
    if process_lock.holder(chosen.lock("clock")) is None:
        return {}
    answer = records.command(chosen, "clock", RollCall())
    return {str(symbol): str(state) for symbol, state in answer.rows}


def finish_removals(config: Config, *, wait_for: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Take symbols whose process has ended off the lists, after a wait for `wait_for`. The symbols still leaving."""
    chosen = current_fleet(config)
    if not chosen.settings.winding_down or Supervisor(chosen).pid is None:
        return chosen.settings.winding_down
    deadline = time.monotonic() + (SETTLE_S if wait_for else 0.0)
    while True:
        part_of = symbol_parts(chosen)
        gone = [symbol for symbol in chosen.settings.winding_down if part_of.get(symbol) == "left"]
        ended = [symbol for symbol in gone if process_lock.holder(chosen.lock(symbol_process(symbol))) is None]
        if set(wait_for) <= set(ended) or time.monotonic() >= deadline:
            break
        time.sleep(POLL_S)
    if not ended:
        return chosen.settings.winding_down
    kept = tuple(symbol for symbol in chosen.settings.winding_down if symbol not in ended)
    lock = fleet_lock(chosen)
    try:
        wanted = watchlist_overlay.with_watchlist(chosen.settings, chosen.settings.watchlist, kept)
        overlay = watchlist_overlay.read(chosen.overlay)
        if overlay is not None:
            watchlist_overlay.write(chosen.overlay, msgspec.structs.replace(overlay, winding_down=kept))
        apply_to_running_fleet(wanted)
    finally:
        lock.release()
    return kept


def removal_lines(config: Config, wanted: tuple[str, ...]) -> list[str]:
    """What happened to symbols that were taken off the watchlist, a line each."""
    chosen = current_fleet(config)
    stopped = Supervisor(chosen).pid is None
    held = set() if stopped else _held(chosen)
    leaving = finish_removals(config, wait_for=tuple(symbol for symbol in wanted if symbol not in held))
    lines = []
    for symbol in wanted:
        if symbol not in leaving:
            lines.append(f"removed {symbol}")
        elif stopped:
            lines.append(f"{symbol}: no new entries from the next start on; it leaves once nothing of it is held")
        else:
            lines.append(
                f"{symbol}: removal pending; its entry is cancelled, its stop stays, it leaves once it is flat"
            )
    return lines


def _held(chosen: Fleet) -> set[str]:
    """Symbols that hold shares, by the records. Their processes do not end soon, so no command waits for them."""
    try:
        with records.opened(chosen) as open_records:
            return {row["symbol"] for row in open_records.rows("SELECT symbol FROM positions WHERE own > 0")}
    except Refusal:
        return set()
