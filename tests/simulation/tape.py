"""A coarse, volatile market: few trades a session, each a jump, so that two weeks take a fraction of a second.

A session has a burst of trades at the open and others at random times. Sizes are small, so that orders fill in parts.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from random import Random

from messages.market import Session
from services.simulator.venue.events import EventKey, MarketEvent

__all__ = ["CoarseTape"]

SECOND = 1_000_000_000
SIGMA = 0.012
"""Standard deviation of the log return from one trade to the next."""
GAP = 0.03
"""Standard deviation of the overnight gap."""
SIZES = (1, 2, 4, 20, 200, 200, 200)


class CoarseTape:
    """A `MarketSource`. `trades`: about how many a session has for each symbol."""

    def __init__(self, seed: int, symbols: Sequence[str], trades: int = 26) -> None:
        self.symbols = tuple(symbols)
        self._seed = seed
        self._trades = trades
        self._days: dict[tuple[str, str], list[MarketEvent]] = {}
        self._levels: dict[str, float] = {}

    def events(self, after: EventKey | None, sessions: Sequence[Session]) -> Iterator[MarketEvent]:
        """All trades of these sessions after `after`."""
        for session in sessions:
            days = [self._session(symbol, session) for symbol in self.symbols]
            for event in heapq.merge(*days, key=lambda each: each.key):
                if after is None or event.key > after:
                    yield event

    def _session(self, symbol: str, session: Session) -> list[MarketEvent]:
        key = (symbol, session.date)
        if key not in self._days:
            self._days[key] = self._trade(symbol, session)
        return self._days[key]

    def _trade(self, symbol: str, session: Session) -> list[MarketEvent]:
        random = Random(f"{self._seed}/{symbol}/{session.date}")
        home = Random(f"{self._seed}/{symbol}").uniform(8.0, 60.0)
        length = session.close_ns - session.open_ns
        times = [session.open_ns + int(random.uniform(0.5, 90.0) * SECOND) for _ in range(3)]
        for _ in range(self._trades):
            at = session.open_ns + int(random.random() * (length - 60 * SECOND))
            times.append(at)
            if random.random() < 0.3:  # trades come in bursts
                times.append(at + int(random.uniform(0.2, 12.0) * SECOND))
        level = self._levels.get(symbol, 0.0) + random.gauss(0.0, GAP)
        found = []
        for row, time_ns in enumerate(sorted(times)):
            level = 0.97 * level + random.gauss(0.0, SIGMA)
            price = max(1.0, round(home * math.exp(level), 2))
            half = max(0.01, round(price * 0.0008, 2))
            found.append(
                MarketEvent(
                    time_ns=time_ns,
                    symbol=symbol,
                    row=row,
                    price=price,
                    size=random.choice(SIZES),
                    bid=round(price - half, 2),
                    ask=round(price + half, 2),
                    bid_size=random.choice(SIZES),
                    ask_size=random.choice(SIZES),
                )
            )
        self._levels[symbol] = level
        return found
