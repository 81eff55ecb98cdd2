"""Market time in a process: the clock's last publication plus machine time, or step by step in lock-step.

Market time and machine time are never mixed. Only this file relates them.
"""

from __future__ import annotations

from messages.market import MarketTime

__all__ = ["MarketClock"]

STALE_NS = 5_000_000_000
"""Machine time for which the clock's last publication is good. Then time stands still, and entries stop."""

BACK_NS = 1_000_000_000
"""Market time is set back by more than this, or not at all."""


class MarketClock:
    """Market time for one process. It never runs backwards, unless the clock process says that it was wrong (`era`).

    In lock-step (`lockstep`) only `reach` moves it. Otherwise `update` sets it, and it runs on at the clock's speed up
    to the boundary in the publication, until that is stale.
    """

    def __init__(self, *, lockstep: bool = False):
        self.lockstep = lockstep
        self._reached = 0
        self._published: MarketTime | None = None

    def update(self, published: MarketTime) -> None:
        """Take the clock's newest publication."""
        before = self._published
        if before is not None and before.era != published.era and published.market_ns < self._reached - BACK_NS:
            self._reached = published.market_ns
        self._published = published

    def set_back(self, market_ns: int) -> None:
        """Market time was wrong: it is this. Only the clock process knows."""
        self._reached = market_ns

    def reach(self, market_ns: int) -> None:
        """Market time is at least this."""
        if market_ns > self._reached:
            self._reached = market_ns

    def follow(self, market_ns: int) -> None:
        """Another process sent something at this market time. Only in lock-step this moves our time."""
        if self.lockstep:
            self.reach(market_ns)

    def now(self, machine_ns: int) -> int:
        """Nanoseconds of market time at machine time `machine_ns`."""
        published = self._published
        if published is not None and not self.lockstep:
            passed = min(max(0, machine_ns - published.machine_ns), STALE_NS)
            run_on = published.market_ns + int(passed * published.speed)
            self.reach(min(run_on, published.until_ns))
        return self._reached

    def stale(self, machine_ns: int) -> bool:
        """Whether market time is uncertain: the clock has been silent for too long, or is in doubt itself.

        Never in lock-step, where the clock drives.
        """
        if self.lockstep:
            return False
        published = self._published
        return published is None or published.doubtful or machine_ns - published.machine_ns > STALE_NS

    def machine_at(self, market_ns: int, machine_ns: int) -> int | None:
        """The machine time at which it will be `market_ns`; None if unknown (lock-step, no fresh publication)."""
        published = self._published
        if self.lockstep or published is None or published.speed <= 0:
            return None
        if market_ns <= self._reached:
            return machine_ns
        at = published.machine_ns + int((market_ns - published.market_ns) / published.speed) + 1
        return None if market_ns > published.until_ns or at > published.machine_ns + STALE_NS else at
