"""`crazy events`."""

from __future__ import annotations

import json
from datetime import datetime

from services.calendars import zone_word
from services.cli import records
from services.cli.options import Config, fleet
from services.cli.pause import watched
from services.cli.render import console, table
from services.cli.words import clock

__all__ = ["events"]

LINES = 40


def events(symbol: str | None = None, *, warn: bool = False, lines: int = LINES, config: Config = None) -> int:
    """List what happened, the newest last: sessions, orders, fills, denials, pauses, errors.

    Parameters
    ----------
    symbol:
        Only what concerns this ticker.
    warn:
        Only warnings and errors.
    lines:
        How many of the newest to list.
    """
    chosen = fleet(config)
    ticker = watched(chosen, symbol)
    wanted = ["true"]
    if ticker:
        wanted.append(f"symbol = '{ticker}'")
    if warn:
        wanted.append("level NOT IN ('DEBUG', 'INFO')")
    with records.opened(chosen) as open_records:
        found = open_records.rows(
            "SELECT ts, level, symbol, event_type, payload_json, sender FROM events "
            f"WHERE {' AND '.join(wanted)} ORDER BY ts DESC, seq DESC LIMIT {int(lines)}"
        )
    calendar = chosen.settings.hours.calendar
    shown = [
        [
            clock(datetime.fromisoformat(row["ts"]), "%Y-%m-%d %H:%M:%S", calendar) if row["ts"] else "",
            row["level"],
            row["symbol"] or "",
            row["event_type"],
            row["sender"],
            " ".join(f"{name}={value}" for name, value in json.loads(row["payload_json"] or "{}").items()),
        ]
        for row in reversed(found)
    ]
    if shown:
        console().print(table([zone_word(calendar), "LEVEL", "SYMBOL", "EVENT", "FROM", "DETAILS"], shown))
    else:
        print("nothing happened yet" if len(wanted) == 1 else "nothing of the kind happened")
    return 0
