"""Market sources and the session calendar.

A source gives market events in their total order and can start after any of them, so that an exchange can continue
after a restart. Sources: `synthetic.py` (seeded) and `files.py` (recorded).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from messages.market import Session
from services.simulator.venue.events import EventKey, MarketEvent

__all__ = ["AFTER_HOURS_NS", "PRE_MARKET_NS", "MarketSource", "SessionCalendar", "SingleSymbolSource"]

PRE_MARKET_NS = 19_800 * 10**9
"""Trading before the open: 04:00 to 09:30 in New York."""

AFTER_HOURS_NS = 14_400 * 10**9
"""Trading after the close: 16:00 to 20:00 in New York, and four hours after an early close as well."""


class MarketSource(Protocol):
    """A market: its symbols, and their events during given sessions."""

    symbols: tuple[str, ...]

    def events(self, after: EventKey | None, sessions: Sequence[Session]) -> Iterator[MarketEvent]:
        """All events of these sessions beyond the place `after`, in the total order (time, symbol, row)."""


@runtime_checkable
class SingleSymbolSource(Protocol):
    """A source that can give the market of a single symbol, without generating the others."""

    def of(self, symbol: str) -> MarketSource:
        """The same market, of one symbol."""


class SessionCalendar:
    """Lookup of sessions by time. A session includes its open, not its close."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        self.sessions = tuple(sorted(sessions, key=lambda session: session.open_ns))
        self._closes = [session.close_ns for session in self.sessions]
        self._begins = [session.open_ns - PRE_MARKET_NS for session in self.sessions]

    def coming(self, time_ns: int) -> Session | None:
        """The session that is open, else the next one; None beyond the last one known."""
        index = bisect_right(self._closes, time_ns)
        return self.sessions[index] if index < len(self.sessions) else None

    def date(self, time_ns: int) -> str:
        """The date of the session whose pre-market began last; "" before all of them."""
        index = bisect_right(self._begins, time_ns)
        return self.sessions[index - 1].date if index else ""

    def at(self, time_ns: int) -> Session | None:
        """The session that is open, else None."""
        session = self.coming(time_ns)
        return session if session is not None and session.open_ns <= time_ns else None
