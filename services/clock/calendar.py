"""The exchange calendar, out of exchange_calendars: the only file that imports it.

That import loads pandas (77 MiB, more than a second). So the sessions are kept in a small file beside the ledgers, and
read from there while calendar, library version and range are the same.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import msgspec

from messages.market import Session
from services.configuration.refusal import Refusal

__all__ = ["FIRST_DATE", "renew", "sessions"]

FIRST_DATE = date(1998, 1, 1)
"""The first date of recorded markets."""

RENEW_S = 60.0
HORIZON = timedelta(days=400)
MARGIN = timedelta(days=10)


class _Kept(msgspec.Struct):
    form: Literal[2]
    calendar: str
    library: str
    first: str
    last: str
    sessions: tuple[Session, ...]


def sessions(
    name: str, first: date, last: date | None, *, today: date, cache: Path | None = None
) -> tuple[Session, ...]:
    """All sessions of a calendar from `first` to `last`.

    `last` None: far enough ahead for a clock that runs for a year. Raises Refusal if the calendar does not exist, or
    has no session in this range.
    """
    library = version("exchange_calendars")
    enough = (last or max(today, first) + HORIZON / 2).isoformat()
    if cache is not None and cache.exists():
        try:
            kept = msgspec.json.decode(cache.read_bytes(), type=_Kept)
        except msgspec.DecodeError:
            kept = None  # half written: read the library
        same = kept is not None and (kept.calendar, kept.library, kept.first) == (name, library, first.isoformat())
        if kept is not None and same and kept.last >= enough:
            return tuple(s for s in kept.sessions if last is None or s.date <= last.isoformat())
    last = last or max(today, first) + HORIZON
    found = _read(name, first, last)
    if not found:
        raise Refusal(f"{name} has no session from {first} to {last}; correct simulation.start and simulation.end")
    if cache is not None:
        cache.write_bytes(msgspec.json.encode(_Kept(2, name, library, first.isoformat(), last.isoformat(), found)))
    return found


def renew(name: str, first: date, last: date | None, *, today: date, cache: Path) -> tuple[Session, ...]:
    """The same as `sessions`, read in a separate process.

    So a clock that runs for years does not keep pandas in memory.
    """
    code = (
        "import sys; from datetime import date; from pathlib import Path; from services.clock.calendar import sessions;"
        "first, last, today = (date.fromisoformat(text) if text else None for text in sys.argv[2:5]);"
        "sessions(sys.argv[1], first, last, today=today, cache=Path(sys.argv[5]))"
    )
    dates = [first.isoformat(), last.isoformat() if last else "", today.isoformat()]
    command = [sys.executable, "-c", code, name, *dates, str(cache)]
    subprocess.run(command, check=True, timeout=RENEW_S, capture_output=True)
    return sessions(name, first, last, today=today, cache=cache)


def _read(name: str, first: date, last: date) -> tuple[Session, ...]:
    import exchange_calendars

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pandas warns about calls inside the library
            # A margin on both sides: the library refuses a range without two days, or without a session in it.
            calendar = exchange_calendars.get_calendar(name, start=first - MARGIN, end=last + MARGIN)
    except exchange_calendars.errors.InvalidCalendarName:
        raise Refusal(
            f"hours.calendar: exchange_calendars knows no calendar {name!r}; XNYS is the New York Stock Exchange"
        ) from None
    breaks = calendar.schedule["break_start"].notna()
    early = {day.date().isoformat() for day in calendar.early_closes}
    return tuple(
        Session(
            date=day.date().isoformat(),
            open_ns=int(row.open.value),
            close_ns=int(row.close.value),
            early=day.date().isoformat() in early,
            break_start_ns=int(row.break_start.value) if breaks[day] else 0,
            break_end_ns=int(row.break_end.value) if breaks[day] else 0,
        )
        for day, row in calendar.schedule.iterrows()
        if first <= day.date() <= last
    )
