"""The rate limit: IBKR takes 50 messages a second, answers more with error 100, then disconnects the client.

Pure. It uses machine time, because the simulated market may run faster than any client.
"""

from __future__ import annotations

from collections import deque

from services.simulator.wire.errors import TOO_FAST, ErrorMessage

__all__ = ["RateLimit"]


class RateLimit:
    """One client's last second. `limit` is in messages a second."""

    def __init__(self, limit: int) -> None:
        self.strikes = 0
        self._limit = limit
        self._times: deque[float] = deque()

    def count(self, now_s: float) -> ErrorMessage | None:
        """Count one message. An error if it exceeds the limit; the next error comes a second later at the earliest."""
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
