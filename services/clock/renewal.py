"""When a clock that runs for years reads its calendar again: in a closed market, long before its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from messages.market import Session
from services.clock.core import ClockCore, ClockRecord

__all__ = ["AHEAD_NS", "Renewal"]

SECOND = 1_000_000_000
DAY = 24 * 3600 * SECOND
AHEAD_NS = 100 * DAY
"""Market time that must be left in the calendar. A start reads at least twice as much."""
RETRY_NS = 3600 * SECOND
"""Machine time between two tries."""


class Renewal:
    """`read` returns the sessions from now on. If it raises, `failed` gets the error, and it is tried again later."""

    def __init__(self, core: ClockCore, read: Callable[[], Sequence[Session]], failed: Callable[[Exception], None]):
        self._core, self._read, self._failed = core, read, failed
        self._not_before = 0

    def work(self, record: ClockRecord, market_ns: int, machine_ns: int) -> bool:
        """Renew the calendar if it is time. True if it was renewed."""
        sessions = self._core.sessions
        left_ns = sessions[-1].close_ns - market_ns if sessions else 0
        if record.phase != "waiting" or left_ns > AHEAD_NS or machine_ns < self._not_before:
            return False
        self._not_before = machine_ns + RETRY_NS
        try:
            fresh = self._read()
        except Exception as error:  # any error: the old calendar is enough for months
            self._failed(error)
            return False
        self._core.extend(fresh)
        return True
