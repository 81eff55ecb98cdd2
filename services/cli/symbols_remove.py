"""`crazy symbols remove`."""

from __future__ import annotations

from services.cli import records
from services.cli.options import Config
from services.cli.watchlist import change, current, put_away, tickers
from services.fleet import Fleet
from services.refusal import Refusal
from services.supervision import Supervisor

__all__ = ["removed", "symbols_remove"]


def symbols_remove(*symbols: str, config: Config = None) -> int:
    """Trade these no longer.

    An unfilled entry is cancelled. What is held stays under its stop, and the process stays until it is sold: the
    removal is pending until then. No other process restarts.

    Parameters
    ----------
    symbols:
        Tickers of the watchlist.
    """
    if not symbols:
        raise Refusal("remove what? name at least one ticker")
    put_away(config)
    chosen = current(config)
    wanted = tickers(symbols)
    unknown = [symbol for symbol in wanted if symbol not in chosen.symbols.values()]
    if unknown:
        known = ", ".join(chosen.settings.watchlist)
        raise Refusal(f"{', '.join(unknown)}: not in the watchlist of fleet {chosen.name}: {known}")
    kept = tuple(symbol for symbol in chosen.settings.watchlist if symbol not in wanted)
    change(config, kept, wanted)
    for line in removed(config, wanted):
        print(line)
    return 0


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
