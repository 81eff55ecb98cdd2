"""`crazy symbols list`."""

from __future__ import annotations

from services.cli.options import Config
from services.cli.render import console, table
from services.cli.watchlist import current_fleet, finish_removals, symbol_parts

__all__ = ["symbols_list"]

PARTS = {
    "traded": "traded",
    "leaving": "removal pending: leaves once nothing of it is held",
    "left": "removed",
}


def symbols_list(*, config: Config = None) -> int:
    """List the symbols that are traded, in the order in which they arm, and those that are leaving."""
    finish_removals(config)
    chosen = current_fleet(config)
    part_of = symbol_parts(chosen)
    rows = [(symbol, PARTS[part_of.get(symbol, "traded")]) for symbol in chosen.settings.watchlist]
    rows += [(symbol, PARTS[part_of.get(symbol, "leaving")]) for symbol in chosen.settings.winding_down]
    console().print(table(("SYMBOL", "PART"), rows))
    return 0
