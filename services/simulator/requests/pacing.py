"""How fast a client may ask: IBKR takes 50 messages a second, answers more with error 100, and hangs up on who goes on.

Pure. The time is the machine's: the broker's market may run faster here than any client can ask.
"""

from __future__ import annotations

from collections import deque

from services.simulator.wire.complaints import TOO_FAST, Complaint

__all__ = ["Pacing"]


class Pacing:
    """One client's last second. `limit` is in messages a second."""

    def __init__(self, limit: int) -> None:
        self.strikes = 0
        self._limit = limit
        self._times: deque[float] = deque()

    def count(self, now_s: float) -> Complaint | None:
        """One message. A complaint if it was one too many; the next one comes a second later at the earliest."""
        times = self._times
        times.append(now_s)
        while times[0] <= now_s - 1.0:
            times.popleft()
        if len(times) <= self._limit:
            return None
        self.strikes += 1
        received = len(times)
        times.clear()
        return TOO_FAST.about(self._limit, received, self.strikes)
