"""The synthetic market: seeded, volatile, and the same to the byte for a given seed, symbol and session date.

The model, per symbol:

- *Home price*: given, or seeded between 5 and 150 dollars. The closing price of weekday n is home x exp(L(n)), where
  L(n) = 0.9 L(n-1) + shock(n) and shock(n) is normal with the `daily_volatility`, drawn from (seed, symbol, n) alone.
  So each day continues the last one, prices stay around home, and any day can be generated without the days before it
  (shocks older than 60 days don't count).
- *Overnight gap*: the open differs from the last close by a normal with 15 % of the daily volatility, on one day in
  twenty with 75 % of it. A holiday's move is a gap too.
- *Within the day*: a log-normal walk from the open to that close. Its variance is U-shaped over the session: seven
  times midday's at the open, three times at the close; the first ten minutes have a tenth of the day's variance. There
  are also three jumps a day on average, normal with 15 % of the daily volatility.
- *Ticks*: one trade with its quote in each stretch of `tick_s`, at a random millisecond of it. Every tick is a jump
  in the sense of `MarketEvent.through`.
- *Spread*: 2 basis points and a tenth of the tick's own standard deviation, at least two price steps; the trade is
  in the middle. Prices are on the grid: a cent, 0.0001 under a dollar.
- *Volume*: lots of 100, log-normal, more of them where the variance is.
- *Pre- and post-market*, if enabled: a twelfth of the trades, each a fifth as large, with four times the spread. From
  04:00 a quiet walk leads from the last close to the open; after the close another one leads away from it until 20:00,
  without effect on the next day. Regular hours are the same with and without.
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
from services.simulator.venue.source import AFTER_HOURS_NS, PRE_MARKET_NS
from services.trading.prices import increment

__all__ = ["SyntheticSource"]

REVERSION = 0.9
SHOCK_DAYS = 60
GAP_PART = 0.15
WIDE_GAP_PART = 0.75
WIDE_GAP_CHANCE = 0.05
JUMPS_A_DAY = 3.0
JUMP_PART = 0.15
SPREAD_PART = 2e-4
SPREAD_PER_SIGMA = 0.1
OUTSIDE_PART = 0.1
"""Standard deviation of the log return of a whole pre- or post-market, in daily volatilities."""
OUTSIDE_TICKS, OUTSIDE_SPREAD, OUTSIDE_LOTS = 12, 4.0, 0.4
"""Outside regular hours: factor of the time between two trades, factor of the spread, lots of a trade."""
AFTER_REGULAR = 100_000_000
"""The first row of a post-market: no session has so many trades."""


class SyntheticSource:
    """The synthetic market of some symbols. `tick_s` is the seconds between two trades, `prices` the home prices.

    Trades of regular hours only, or, if `extended`, of 04:00 to 20:00 as well.
    """

    def __init__(
        self,
        seed: int,
        symbols: Sequence[str],
        *,
        tick_s: float = 5.0,
        daily_volatility: float = 0.20,
        prices: Mapping[str, float] | None = None,
        extended: bool = False,
    ) -> None:
        self.symbols = tuple(symbols)
        self._seed = seed
        self._tick_ns = int(tick_s * 10**9)
        self._volatility = daily_volatility
        self._extended = extended
        self._homes = {symbol: Random(f"{seed}/{symbol}/home").uniform(5.0, 150.0) for symbol in symbols}
        self._homes |= {symbol: price for symbol, price in (prices or {}).items() if symbol in self._homes}

    def of(self, symbol: str) -> SyntheticSource:
        """The same market, of one symbol."""
        one = copy.copy(self)
        one.symbols = (symbol,)
        return one

    def events(self, after: EventKey | None, sessions: Sequence[Session]) -> Iterator[MarketEvent]:
        """All ticks of these sessions after `after`. Only sessions that end later are generated."""
        for session in sorted(sessions, key=lambda each: each.open_ns):
            finish = session.close_ns + (AFTER_HOURS_NS if self._extended else 0)
            if after is not None and finish <= after[0]:
                continue
            streams = [self._session(symbol, session) for symbol in self.symbols]
            for event in heapq.merge(*streams, key=lambda each: each.key):
                if after is None or event.key > after:
                    yield event

    def _session(self, symbol: str, session: Session) -> Iterator[MarketEvent]:
        weights = _u_shape((session.close_ns - session.open_ns) // self._tick_ns)
        levels = self._levels(symbol, session, weights)
        if self._extended:
            before = self._closing_level(symbol, _weekday_number(session.date) - 1)
            begin_ns = session.open_ns - PRE_MARKET_NS
            yield from self._outside(symbol, session.date, "pre", begin_ns, session.open_ns, before, levels[:1])
        random = Random(f"{self._seed}/{symbol}/{session.date}/ticks")
        for row, (level, weight) in enumerate(zip(levels, weights, strict=True)):
            time_ns = session.open_ns + row * self._tick_ns
            spread = SPREAD_PART + SPREAD_PER_SIGMA * self._volatility * math.sqrt(weight)
            yield self._tick(symbol, time_ns, row, level, spread, weight * len(levels) * 2.0, random)
        if self._extended:
            finish_ns = session.close_ns + AFTER_HOURS_NS
            yield from self._outside(symbol, session.date, "post", session.close_ns, finish_ns, levels[-1], ())

    def _tick(
        self, symbol: str, time_ns: int, row: int, level: float, spread: float, lots: float, random: Random
    ) -> MarketEvent:
        """One trade with its quote, at a random millisecond of the stretch that begins at `time_ns`.

        `spread` is a part of the price, `lots` the average size of a trade.
        """
        price = max(self._homes[symbol] * math.exp(level), 0.0002)
        step = increment(price)
        half = max(1, round(price * spread / step / 2))
        middle = max(round(price / step), half + 1)
        return MarketEvent(
            time_ns=time_ns + random.randrange(max(1, self._tick_ns // 10**6)) * 10**6,
            symbol=symbol,
            row=row,
            price=round(middle * step, 4),
            size=100 * max(1, round(lots * math.exp(random.gauss(0.0, 0.8)))),
            bid=round((middle - half) * step, 4),
            ask=round((middle + half) * step, 4),
            bid_size=100 * random.randrange(1, 20),
            ask_size=100 * random.randrange(1, 20),
        )

    def _outside(
        self, symbol: str, day: str, part: str, begin_ns: int, finish_ns: int, first: float, last: Sequence[float]
    ) -> Iterator[MarketEvent]:
        """The pre- or post-market: a quiet walk from `first`, to `last` if it is given.

        Its rows are before or after those of regular hours, so that those are the same without it.
        """
        stretch_ns = self._tick_ns * OUTSIDE_TICKS
        count = (finish_ns - begin_ns) // stretch_ns
        random = Random(f"{self._seed}/{symbol}/{day}/{part}")
        liveliness = self._volatility * OUTSIDE_PART / math.sqrt(max(1, count))
        walk = list(accumulate(random.gauss(0.0, liveliness) for _ in range(count)))
        bend = last[0] - first - walk[-1] if last and walk else 0.0
        spread = OUTSIDE_SPREAD * (SPREAD_PART + SPREAD_PER_SIGMA * liveliness)
        first_row = -count if part == "pre" else AFTER_REGULAR
        for at, moved in enumerate(walk):
            level = first + moved + bend * (at + 1) / count
            yield self._tick(symbol, begin_ns + at * stretch_ns, first_row + at, level, spread, OUTSIDE_LOTS, random)

    def _levels(self, symbol: str, session: Session, weights: list[float]) -> list[float]:
        """The log of price over home at each tick: a walk with jumps that ends at the closing level."""
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
            Random(f"{self._seed}/{symbol}/day/{day - age}").gauss(0.0, self._volatility) for age in range(SHOCK_DAYS)
        )
        return sum(shock * REVERSION**age for age, shock in enumerate(shocks))


def _weekday_number(session_date: str) -> int:
    """The number of weekdays since the calendar's beginning: a weekend counts as one night."""
    ordinal = date.fromisoformat(session_date).toordinal() - 1
    return ordinal // 7 * 5 + min(ordinal % 7, 4)


def _u_shape(count: int) -> list[float]:
    """Each tick's part of the day's variance."""
    shape = [_activity((index + 0.5) / count) for index in range(count)]
    whole = sum(shape)
    return [each / whole for each in shape]


def _activity(elapsed: float) -> float:
    """The variance at this part of the session, relative to midday."""
    return 1.0 + 6.0 * math.exp(-elapsed / 0.03) + 2.0 * math.exp(-(1.0 - elapsed) / 0.03)
