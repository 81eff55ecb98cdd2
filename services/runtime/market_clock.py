"""The market's time as a process knows it: from the clock's word, carried on by machine time, or told step by step.

Market time and machine time are never mixed: this file alone relates them.
"""

from __future__ import annotations

from messages.market import MarketTime

__all__ = ["MarketClock"]

STALE_NS = 5_000_000_000
"""Machine time for which the clock's last word carries: then time stands still, and there are no entries."""


class MarketClock:
    """Market time for one process; it never runs backwards.

    In lock-step (`lockstep`) it moves only by `reach`; otherwise `hear` sets it and it runs on at the clock's speed, up
    to the boundary that the clock named, and as long as the word is not stale.
    """

    def __init__(self, *, lockstep: bool = False):
        self.lockstep = lockstep
        self._reached = 0
        self._published: MarketTime | None = None

    def update(self, published: MarketTime) -> None:
        """The clock's newest word."""
        self._published = published

    def reach(self, market_ns: int) -> None:
        """It is at least this late."""
        if market_ns > self._reached:
            self._reached = market_ns

    def follow(self, market_ns: int) -> None:
        """Someone else spoke at this market time: in lock-step that moves it, otherwise it is only their word."""
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
        """True when the clock has been silent for too long (never in lock-step: there the clock drives)."""
        if self.lockstep:
            return False
        return self._published is None or machine_ns - self._published.machine_ns > STALE_NS

    def machine_at(self, market_ns: int, machine_ns: int) -> int | None:
        """The machine time at which it will be `market_ns`; None where nobody can say (lock-step, no fresh word)."""
        published = self._published
        if self.lockstep or published is None or published.speed <= 0:
            return None
        if market_ns <= self._reached:
            return machine_ns
        at = published.machine_ns + int((market_ns - published.market_ns) / published.speed) + 1
        return None if market_ns > published.until_ns or at > published.machine_ns + STALE_NS else at
