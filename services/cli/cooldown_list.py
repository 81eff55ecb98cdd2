"""`crazy cooldown list`."""

from __future__ import annotations

from datetime import datetime

from services.cli import records
from services.cli.options import Config, fleet
from services.cli.render import console, table
from services.cli.words import clock

__all__ = ["cooldown_list", "resting"]

RESTING = "SELECT symbol, cooldown_until_ts FROM status WHERE state = 'COOLDOWN' ORDER BY cooldown_until_ts"


def cooldown_list(*, config: Config = None) -> int:
    """List the symbols that rest after a stop-out, and until when (exchange time)."""
    found = resting(config)
    if not found:
        print("no symbol is in cooldown")
        return 0
    times = {symbol: datetime.fromisoformat(until) for symbol, until in found.items()}
    rows = [[symbol, clock(until, "%a %Y-%m-%d %H:%M:%S ET")] for symbol, until in times.items()]
    console().print(table(["SYMBOL", "UNTIL"], rows))
    return 0


def resting(config: Config) -> dict[str, str]:
    """The symbols in cooldown, each with its end."""
    with records.opened(fleet(config)) as db:
        return {row["symbol"]: row["cooldown_until_ts"] for row in db.rows(RESTING)}
