"""Changing the watchlist, of a fleet that runs or rests: what `crazy symbols` and `crazy reload` stand on.

The change goes into the overlay and into what the processes read at their next start; then a running fleet gets its new
processes, and the clock tells everyone. Nothing else restarts. A removed symbol's process ends by itself once it holds
nothing, and is put away by the next look at the list.
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
from services.fleet.places import Fleet, home
from services.fleet.process_lock import Lock
from services.fleet.supervision import Supervisor
from services.fleet.watchlist_overlay import Overlay
from services.simulator.market.choice import market_source
from services.trading.ids import symbol_process

__all__ = ["carry_out", "change", "current", "locked", "parts", "put_away", "removed", "tickers"]

LOCK_S = 60.0
SETTLE_S = 5.0
"""Longest wait for symbols that hold nothing to leave."""
POLL_S = 0.1


def tickers(words: tuple[str, ...]) -> tuple[str, ...]:
    """Tickers as the configuration has them, each once; a Refusal that names the first that is none."""
    found = tuple(dict.fromkeys(word.strip().upper() for word in words))
    for symbol in found:
        try:
            msgspec.convert(symbol, Ticker)
        except msgspec.ValidationError:
            raise Refusal(f'{symbol}: no ticker; write it as IBKR does (TSLA, "BRK B")') from None
    return found


def current(config: Config) -> Fleet:
    """The fleet as it runs, or, at rest, as it would start."""
    started = fleet(config)
    return started if Supervisor(started).pid is not None else Fleet(load(config), home())


def change(config: Config, watchlist: tuple[str, ...], leaving: tuple[str, ...] = ()) -> None:
    """Make this the watchlist of the fleet; `leaving` are those that were on it."""
    chosen = current(config)
    lock = locked(chosen)
    try:
        if load(config).watchlist != chosen.settings.watchlist:
            file, remedy = config_path(config), crazy(config, "reload")
            raise Refusal(f"{file}: its watchlist was edited since the start; take that over first: {remedy}")
        # At rest nobody knows what is held; one that never ran holds nothing.
        leaving = tuple(symbol for symbol in leaving if chosen.ledger(symbol_process(symbol)).exists())
        wanted = watchlist_overlay.changed(chosen.settings, watchlist, (*chosen.settings.winding_down, *leaving))
        _check(wanted)
        base = config_file.load(config_path(config)).watchlist
        watchlist_overlay.write(chosen.overlay, Overlay(base, wanted.watchlist, wanted.winding_down))
        carry_out(wanted)
    finally:
        lock.release()


def locked(chosen: Fleet) -> Lock:
    """The fleet to ourselves: one command at a time changes it."""
    if not chosen.run.is_dir():
        chosen.prepare()
    lock = Lock(chosen.lock("fleet"))
    if not lock.take(LOCK_S):
        raise Refusal(f"fleet {chosen.name}: another command has been at it for {LOCK_S:.0f} s; wait for its end")
    return lock


def _check(wanted: Settings) -> None:
    """Refuse what the configuration would refuse, and a symbol that a recorded market has not got."""
    for mistake in checks.contradictions(wanted):
        raise Refusal(str(mistake))
    if not wanted.watchlist:
        raise Refusal("a fleet trades at least one symbol; `crazy pause` or `crazy down` ends it all")
    if wanted.mode == "sim" and wanted.simulation.market == "files":
        market_source(wanted)


def carry_out(wanted: Settings) -> None:
    """Give a running fleet its new settings, programs and processes, and have the clock tell everyone."""
    there = Fleet(wanted, home())
    supervisor = Supervisor(there)
    if supervisor.pid is None:
        return
    there.settings_file.write_bytes(wanted.to_json())
    programs.write(there)
    supervisor.update()
    for name in there.symbols:
        if process_lock.holder(there.lock(name)) is None:
            supervisor.begin(name)
    answer = records.command(there, "clock", Watch(wanted.watchlist, wanted.winding_down))
    if not answer.ok:
        raise Refusal(answer.text)


def parts(chosen: Fleet) -> dict[str, str]:
    """What the running clock says of each symbol: traded, leaving or left. Empty at rest."""
    if process_lock.holder(chosen.lock("clock")) is None:
        return {}
    answer = records.command(chosen, "clock", RollCall())
    return {str(symbol): str(part) for symbol, part in answer.rows}


def put_away(config: Config, *, wait_for: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Put away those that have left; `wait_for` get a moment to do so. Who is still leaving."""
    chosen = current(config)
    if not chosen.settings.winding_down or Supervisor(chosen).pid is None:
        return chosen.settings.winding_down
    deadline = time.monotonic() + (SETTLE_S if wait_for else 0.0)
    while True:
        told = parts(chosen)
        gone = [symbol for symbol in chosen.settings.winding_down if told.get(symbol) == "left"]
        ended = [symbol for symbol in gone if process_lock.holder(chosen.lock(symbol_process(symbol))) is None]
        if set(wait_for) <= set(ended) or time.monotonic() >= deadline:
            break
        time.sleep(POLL_S)
    if not ended:
        return chosen.settings.winding_down
    kept = tuple(symbol for symbol in chosen.settings.winding_down if symbol not in ended)
    lock = locked(chosen)
    try:
        wanted = watchlist_overlay.changed(chosen.settings, chosen.settings.watchlist, kept)
        laid = watchlist_overlay.read(chosen.overlay)
        if laid is not None:
            watchlist_overlay.write(chosen.overlay, msgspec.structs.replace(laid, winding_down=kept))
        carry_out(wanted)
    finally:
        lock.release()
    return kept


def removed(config: Config, wanted: tuple[str, ...]) -> list[str]:
    """What became of symbols that were taken off the list, a line each."""
    chosen = current(config)
    at_rest = Supervisor(chosen).pid is None
    held = set() if at_rest else _held(chosen)
    leaving = put_away(config, wait_for=tuple(symbol for symbol in wanted if symbol not in held))
    lines = []
    for symbol in wanted:
        if symbol not in leaving:
            lines.append(f"removed {symbol}")
        elif at_rest:
            lines.append(f"{symbol}: no new entries from the next start on; it leaves once nothing of it is held")
        else:
            lines.append(
                f"{symbol}: removal pending; its entry is cancelled, its stop stays, it leaves once it is flat"
            )
    return lines


def _held(chosen: Fleet) -> set[str]:
    """Symbols that hold shares, as far as the records know: nobody waits for those to leave."""
    try:
        with records.opened(chosen) as open_records:
            return {row["symbol"] for row in open_records.rows("SELECT symbol FROM positions WHERE own > 0")}
    except Refusal:
        return set()
