"""When account values are told again without a cause. Pure."""

from __future__ import annotations

__all__ = ["AccountUpdates"]


class AccountUpdates:
    """Due once in each `every_s` of market time, with the first price of it; never if that is 0.

    The intervals are those of the market's time, not of the connection's, so that they are the same in every run.
    """

    def __init__(self, every_s: float, now_ns: int) -> None:
        self._every_ns = round(every_s * 1e9)
        self._interval = self._interval_of(now_ns)

    def due(self, now_ns: int) -> bool:
        """Whether the price that comes now makes them due; if so, they count as told."""
        before, self._interval = self._interval, self._interval_of(now_ns)
        return self._interval != before

    def _interval_of(self, now_ns: int) -> int:
        return now_ns // self._every_ns if self._every_ns else 0
