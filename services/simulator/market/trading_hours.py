"""The calendar in IBKR's format: trading hours and liquid hours of contract details, schedules. Pure.

`20220322:0400-20220322:2000;20220326:CLOSED`: in the contract's own zone, for today and the days after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from messages.market import Session
from services.simulator.market.bars import NEW_YORK, hours_of

__all__ = ["ZONE", "hours_text", "local_day", "session_texts"]

ZONE = "US/Eastern"
"""IBKR's name of the zone."""

DAYS_SHOWN = 6


def local_day(time_ns: int) -> date:
    """The date in New York."""
    return _local(time_ns).date()


def hours_text(now_ns: int, sessions: Sequence[Session], *, regular: bool) -> str:
    """The hours of today and the days after it; empty without any known session."""
    if not sessions:
        return ""
    by_date = {session.date: session for session in sessions}
    today = local_day(now_ns)
    days = []
    for day in (today + timedelta(days=ahead) for ahead in range(DAYS_SHOWN)):
        session = by_date.get(day.isoformat())
        if session is None:
            days.append(f"{day:%Y%m%d}:CLOSED")
        else:
            begin, finish = (_local(time_ns) for time_ns in hours_of(session, regular=regular))
            days.append(f"{begin:%Y%m%d:%H%M}-{finish:%Y%m%d:%H%M}")
    return ";".join(days)


def session_texts(session: Session, *, regular: bool) -> tuple[str, str, str]:
    """Start, end and date of a session in a schedule."""
    begin, finish = (_local(time_ns) for time_ns in hours_of(session, regular=regular))
    return f"{begin:%Y%m%d-%H:%M:%S}", f"{finish:%Y%m%d-%H:%M:%S}", session.date.replace("-", "")


def _local(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns // 10**9, UTC).astimezone(NEW_YORK)
