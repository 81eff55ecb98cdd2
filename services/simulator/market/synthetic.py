"""A made-up market: seeded, volatile, and the same to the byte for a given seed, symbol and session date.

The model, per symbol:

- *Home price*: given, or seeded between 5 and 150 dollars. The closing price of weekday n is home x exp(L(n)), where
  L(n) = 0.9 L(n-1) + shock(n) and shock(n) is normal with the `daily_volatility`, drawn from (seed, symbol, n) alone.
  So prices chain from day to day, swing around home instead of running away, and any day is known without generating
  those before it (older shocks than 60 days no longer count).
- *Overnight gap*: the session opens beside the last close: by a normal with 15 % of the daily volatility, and on one
  day in twenty with 75 % of it. A holiday's move shows as a gap as well.
- *Within the day*: a log-normal walk from the open to that close. Its variance is U-shaped over the session: seven
  times the midday's at the open, three times at the close, so that a tenth of the day's variance falls into the first
  ten minutes. On average three jumps a day, normal with 15 % of the daily volatility, come on top.
- *Ticks*: one trade with its quote in each stretch of `tick_s`, at a random millisecond of it. Every tick is a jump
  in the sense of `MarketEvent.through`.
- *Spread*: 2 basis points and a tenth of the tick's own standard deviation, at least two price steps; the trade lies
  in the middle. Prices lie on the grid: a cent, 0.0001 under a dollar.
- *Volume*: lots of 100, log-normal, more of them where the variance is.
"""

from __future__ import annotations

import copy
import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import accumulate
from random import Random

from messages.market import Session
from services.simulator.venue.events import EventKey, MarketEvent
from services.simulator.venue.grid import tick_size

__all__ = ["SyntheticSource"]

REVERSION = 0.9
MEMORY_DAYS = 60
GAP_PART = 0.15
WIDE_GAP_PART = 0.75
WIDE_GAP_CHANCE = 0.05
JUMPS_A_DAY = 3.0
JUMP_PART = 0.15
SPREAD_PART = 2e-4
SPREAD_PER_SIGMA = 0.1


class SyntheticSource:
    """The made-up market of some symbols. `tick_s` is the seconds between two trades, `prices` the home prices."""

    def __init__(
        self,
        seed: int,
        symbols: Sequence[str],
        *,
        tick_s: float = 5.0,
        daily_volatility: float = 0.20,
        prices: Mapping[str, float] | None = None,
    ) -> None:
        self.symbols = tuple(symbols)
        self._seed = seed
        self._tick_ns = int(tick_s * 10**9)
        self._volatility = daily_volatility
        self._homes = {symbol: Random(f"{seed}/{symbol}/home").uniform(5.0, 150.0) for symbol in symbols}
        self._homes |= {symbol: price for symbol, price in (prices or {}).items() if symbol in self._homes}

    def of(self, symbol: str) -> SyntheticSource:
        """The same market, of one symbol."""
        one = copy.copy(self)
        one.symbols = (symbol,)
        return one

    def events(self, after: EventKey | None, sessions: Sequence[Session]) -> Iterator[MarketEvent]:
        """All ticks of these sessions beyond `after`. Only sessions that end later are generated."""
        for session in sorted(sessions, key=lambda each: each.open_ns):
            if after is not None and session.close_ns <= after[0]:
                continue
            streams = [self._session(symbol, session) for symbol in self.symbols]
            for event in heapq.merge(*streams, key=lambda each: each.key):
                if after is None or event.key > after:
                    yield event

    def _session(self, symbol: str, session: Session) -> Iterator[MarketEvent]:
        count = (session.close_ns - session.open_ns) // self._tick_ns
        weights = _u_shape(count)
        levels = self._levels(symbol, session, weights)
        random = Random(f"{self._seed}/{symbol}/{session.date}/ticks")
        milliseconds = max(1, self._tick_ns // 10**6)
        for row, (level, weight) in enumerate(zip(levels, weights, strict=True)):
            price = max(self._homes[symbol] * math.exp(level), 0.0002)
            step = tick_size(price)
            spread = price * (SPREAD_PART + SPREAD_PER_SIGMA * self._volatility * math.sqrt(weight))
            half = max(1, round(spread / step / 2))
            middle = max(round(price / step), half + 1)
            yield MarketEvent(
                time_ns=session.open_ns + row * self._tick_ns + random.randrange(milliseconds) * 10**6,
                symbol=symbol,
                row=row,
                price=round(middle * step, 4),
                size=100 * max(1, round(weight * count * 2.0 * math.exp(random.gauss(0.0, 0.8)))),
                bid=round((middle - half) * step, 4),
                ask=round((middle + half) * step, 4),
                bid_size=100 * random.randrange(1, 20),
                ask_size=100 * random.randrange(1, 20),
            )

    def _levels(self, symbol: str, session: Session, weights: list[float]) -> list[float]:
        """The log of price over home at each tick: a walk with jumps, bent so that it ends at the closing level."""
        day = _weekday_number(session.date)
        before, closing = self._closing_level(symbol, day - 1), self._closing_level(symbol, day)
        random = Random(f"{self._seed}/{symbol}/{session.date}/path")
        wide = random.random() < WIDE_GAP_CHANCE
        opening = before + random.gauss(0.0, self._volatility * (WIDE_GAP_PART if wide else GAP_PART))
        jump_chance = JUMPS_A_DAY / max(1, len(weights))

        def move(weight: float) -> float:
            jump = random.gauss(0.0, self._volatility * JUMP_PART) if random.random() < jump_chance else 0.0
            return random.gauss(0.0, self._volatility * math.sqrt(weight)) + jump

        walk = list(accumulate((move(weight) for weight in weights[1:]), initial=0.0))
        bend = closing - opening - walk[-1]
        passed = accumulate(weights[1:], initial=0.0)
        whole = sum(weights[1:]) or 1.0
        return [opening + moved + bend * share / whole for moved, share in zip(walk, passed, strict=True)]

    def _closing_level(self, symbol: str, day: int) -> float:
        shocks = (
            Random(f"{self._seed}/{symbol}/day/{day - age}").gauss(0.0, self._volatility) for age in range(MEMORY_DAYS)
        )
        return sum(shock * REVERSION**age for age, shock in enumerate(shocks))


def _weekday_number(session_date: str) -> int:
    """Weekdays since the calendar's beginning, so that a weekend is one night."""
    ordinal = date.fromisoformat(session_date).toordinal() - 1
    return ordinal // 7 * 5 + min(ordinal % 7, 4)


def _u_shape(count: int) -> list[float]:
    """Each tick's part of the day's variance."""
    shape = [_activity((index + 0.5) / count) for index in range(count)]
    whole = sum(shape)
    return [each / whole for each in shape]


def _activity(elapsed: float) -> float:
    """How lively the market is, in midday's measure, when this part of the session is over."""
    return 1.0 + 6.0 * math.exp(-elapsed / 0.03) + 2.0 * math.exp(-(1.0 - elapsed) / 0.03)
