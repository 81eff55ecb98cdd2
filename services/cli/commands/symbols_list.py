"""`crazy symbols list`."""

from __future__ import annotations

from services.cli.options import Config
from services.cli.render import console, table
from services.cli.watchlist import current, parts, put_away

__all__ = ["symbols_list"]

WORDS = {
    "traded": "traded",
    "leaving": "removal pending: leaves once nothing of it is held",
    "left": "removed",
}


def symbols_list(*, config: Config = None) -> int:
    """List the symbols that are traded, in the order in which they arm, and those that are leaving."""
    put_away(config)
    chosen = current(config)
    told = parts(chosen)
    rows = [(symbol, WORDS[told.get(symbol, "traded")]) for symbol in chosen.settings.watchlist]
    rows += [(symbol, WORDS[told.get(symbol, "leaving")]) for symbol in chosen.settings.winding_down]
    console().print(table(("SYMBOL", "PART"), rows))
    return 0
