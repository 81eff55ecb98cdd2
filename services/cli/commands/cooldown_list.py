"""`crazy cooldown list`."""

from __future__ import annotations

from datetime import datetime

from services.cli.cooldowns import in_cooldown
from services.cli.options import Config
from services.cli.render import console, table
from services.cli.wording import clock

__all__ = ["cooldown_list"]


def cooldown_list(*, config: Config = None) -> int:
    """List the symbols that rest after a stop-out, and until when (exchange time)."""
    found = in_cooldown(config)
    if not found:
        print("no symbol is in cooldown")
        return 0
    times = {symbol: datetime.fromisoformat(until) for symbol, until in found.items()}
    rows = [[symbol, clock(until, "%a %Y-%m-%d %H:%M:%S ET")] for symbol, until in times.items()]
    console().print(table(["SYMBOL", "UNTIL"], rows))
    return 0
