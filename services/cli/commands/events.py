"""`crazy events`."""

from __future__ import annotations

from datetime import datetime

import msgspec

from services.cli import records
from services.cli.ask import watchlist_ticker
from services.cli.layout import EventList
from services.cli.options import Config, fleet
from services.cli.render import console
from services.cli.wording import clock, details
from services.configuration.calendars import zone_of, zone_word
from services.configuration.refusal import Refusal

__all__ = ["events"]

LINES = 40


def events(
    symbol: str | None = None, *, warn: bool = False, lines: int = LINES, json: bool = False, config: Config = None
) -> int:
    """List what happened, the newest last: sessions, orders, fills, denials, pauses, errors.

    Parameters
    ----------
    symbol:
        Only what concerns this ticker.
    warn:
        Only warnings and errors.
    lines:
        How many of the newest to list.
    json:
        As a list of JSON objects: `ts` in UTC, `payload` as it was recorded (times in it in nanoseconds).
    """
    if lines < 1:
        raise Refusal(f"--lines {lines}: 1 or more")
    chosen = fleet(config)
    ticker = watchlist_ticker(chosen, symbol)
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
    for row in found:
        row["payload"] = msgspec.json.decode(row.pop("payload_json") or "{}")
    if json:
        print(msgspec.json.format(msgspec.json.encode(found[::-1]), indent=1).decode())
        return 0
    calendar = chosen.settings.hours.calendar
    shown = [
        [
            clock(datetime.fromisoformat(row["ts"]), "%Y-%m-%d %H:%M:%S", calendar) if row["ts"] else "",
            row["level"],
            row["symbol"] or "",
            row["event_type"],
            row["sender"],
            details(row["payload"], zone_of(calendar)),
        ]
        for row in reversed(found)
    ]
    if shown:
        console().print(EventList((zone_word(calendar), "LEVEL", "SYMBOL", "EVENT", "FROM", "DETAILS"), shown))
    else:
        print("nothing happened yet" if len(wanted) == 1 else "nothing of the kind happened")
    return 0
