"""When to connect again, and when IB Gateway restarts by itself. Pure.

One loop reconnects, with pauses that double and differ by chance, so that several fleets do not knock at the same
moment. Around the gateway's daily restart no order is sent: the gateway loses those of its last second.
"""

from __future__ import annotations

from datetime import datetime, timedelta

__all__ = ["FIRST_S", "LOGIN_ALERT_S", "LONGEST_S", "LONGEST_SIM_S", "pause_after", "restart_window"]

FIRST_S, LONGEST_S, LONGEST_SIM_S = 0.2, 30.0, 0.4
"""Seconds before the second attempt; the longest pause; the longest one in a simulation."""
JITTER = 0.25
"""A pause is so much longer or shorter by chance."""
LOGIN_ALERT_S = 900.0
"""After so many seconds without a connection a person is told, once: somebody may have to log in."""
BEFORE = timedelta(minutes=1)
"""So long before its restart the gateway gets no order any more."""


def pause_after(attempts: int, chance: float, longest_s: float) -> float:
    """Seconds to wait after so many failed attempts in a row. `chance`: 0 to 1, drawn by the caller."""
    pause: float = min(FIRST_S * 2.0 ** min(attempts - 1, 20), longest_s)
    return pause * (1.0 - JITTER + 2.0 * JITTER * chance)


def restart_window(now: datetime, at: str, minutes: int) -> bool:
    """Whether the gateway restarts about now. `now`: in the gateway's zone; `at`: HH:MM there; `minutes`: how long."""
    hour, minute = map(int, at.split(":"))
    for day in (-1, 0, 1):
        start = now.replace(hour=hour, minute=minute, second=0, microsecond=0) + timedelta(days=day)
        if start - BEFORE <= now < start + timedelta(minutes=minutes):
            return True
    return False
