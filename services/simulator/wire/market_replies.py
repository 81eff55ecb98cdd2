"""Replies with historical data, tick-by-tick data and bars. Each function returns one frame.

Layouts as ib_insync's decoder reads them; sizes are whole numbers, which versions below 163 require.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from services.simulator.market.bars import Bar, BarSize
from services.simulator.wire.contracts import PRIMARY_EXCHANGE
from services.simulator.wire.fields import Field, local_time, market_size, message

__all__ = [
    "QuoteTick",
    "TradeTick",
    "bar_update",
    "head_timestamp",
    "histogram",
    "historical_bars",
    "historical_midpoints",
    "historical_quotes",
    "historical_schedule",
    "historical_trades",
    "middle",
    "real_time_bar",
    "tick_by_tick_midpoint",
    "tick_by_tick_quote",
    "tick_by_tick_trade",
]

_NS = 1_000_000_000


class TradeTick(NamedTuple):
    """One trade."""

    time_s: int
    price: float
    size: int


class QuoteTick(NamedTuple):
    """One quote; a missing side is 0."""

    time_s: int
    bid: float
    ask: float
    bid_size: int
    ask_size: int


def historical_bars(
    request_id: int,
    begin_ns: int,
    end_ns: int,
    bars: Sequence[Bar],
    size: BarSize,
    *,
    trades: bool,
    date_format: int,
    version: int,
    lots: bool = False,
) -> bytes:
    """All bars of a request, and the time that it covers."""
    fields: list[Field] = [17, request_id, local_time(begin_ns, version), local_time(end_ns, version)]
    fields.append(len(bars))
    for bar in bars:
        fields += [_label(bar, size, date_format, version), bar.open, bar.high, bar.low, bar.close]
        fields += _volume(bar, trades=trades, lots=lots)
    return message(*fields)


def bar_update(
    request_id: int, bar: Bar, size: BarSize, *, trades: bool, date_format: int, version: int, lots: bool = False
) -> bytes:
    """The current bar. Its fields are in another order than those of a finished one."""
    volume, average, count = _volume(bar, trades=trades, lots=lots)
    label = _label(bar, size, date_format, version)
    return message(90, request_id, count, label, bar.open, bar.close, bar.high, bar.low, average, volume)


def real_time_bar(request_id: int, start_ns: int, bar: Bar, *, trades: bool, lots: bool = False) -> bytes:
    """A bar of five seconds."""
    volume, average, count = _volume(bar, trades=trades, lots=lots)
    ohlc = (bar.open, bar.high, bar.low, bar.close)
    return message(50, 3, request_id, start_ns // _NS, *ohlc, volume, average, count)


def _label(bar: Bar, size: BarSize, date_format: int, version: int) -> Field:
    """The label of a bar: the date of a day or longer bar; else its start, as text (1) or in seconds (2)."""
    if size.unit != "second":
        return bar.day.replace("-", "")
    return bar.start_ns // _NS if date_format == 2 else local_time(bar.start_ns, version)


def _volume(bar: Bar, *, trades: bool, lots: bool) -> list[Field]:
    """Volume, average price, count: -1 for bars of quotes."""
    return [market_size(bar.volume, lots=lots), bar.average, bar.count] if trades else [-1, -1, -1]


def head_timestamp(request_id: int, time_ns: int, date_format: int) -> bytes:
    """How far back the data reach: `20040123-14:30:00`, or seconds."""
    text = local_time(time_ns, 0).replace("  ", "-")
    return message(88, request_id, time_ns // _NS if date_format == 2 else text)


def historical_schedule(request_id: int, zone: str, sessions: Sequence[tuple[str, str, str]]) -> bytes:
    """The sessions: start, end, and date of each."""
    fields: list[Field] = [106, request_id, sessions[0][0], sessions[-1][1], zone, len(sessions)]
    for session in sessions:
        fields += session
    return message(*fields)


def historical_trades(request_id: int, ticks: Sequence[TradeTick], *, lots: bool = False, done: bool = True) -> bytes:
    """Single trades of the past."""
    fields: list[Field] = [98, request_id, len(ticks)]
    for tick in ticks:
        fields += [tick.time_s, 0, tick.price, market_size(tick.size, lots=lots), PRIMARY_EXCHANGE, ""]
    return message(*fields, done)


def historical_quotes(request_id: int, ticks: Sequence[QuoteTick], *, lots: bool = False, done: bool = True) -> bytes:
    """Single quotes of the past."""
    fields: list[Field] = [97, request_id, len(ticks)]
    for tick in ticks:
        sizes = (market_size(tick.bid_size, lots=lots), market_size(tick.ask_size, lots=lots))
        fields += [tick.time_s, 0, tick.bid, tick.ask, *sizes]
    return message(*fields, done)


def historical_midpoints(request_id: int, ticks: Sequence[QuoteTick], *, done: bool = True) -> bytes:
    """Midpoints of single quotes of the past."""
    fields: list[Field] = [96, request_id, len(ticks)]
    for tick in ticks:
        fields += [tick.time_s, "", middle(tick.bid, tick.ask), 0]
    return message(*fields, done)


def histogram(request_id: int, shares: Sequence[tuple[float, int]]) -> bytes:
    """Prices, and how many shares were traded at each."""
    fields: list[Field] = [89, request_id, len(shares)]
    for price, size in shares:
        fields += [price, size]
    return message(*fields)


_LAST, _ALL_LAST, _BID_ASK, _MIDPOINT = 1, 2, 3, 4


def tick_by_tick_trade(request_id: int, tick: TradeTick, *, every: bool, lots: bool = False) -> bytes:
    """One trade; `every`: for AllLast."""
    kind = _ALL_LAST if every else _LAST
    size = market_size(tick.size, lots=lots)
    return message(99, request_id, kind, tick.time_s, tick.price, size, 0, PRIMARY_EXCHANGE, "")


def tick_by_tick_quote(request_id: int, tick: QuoteTick, *, lots: bool = False) -> bytes:
    """One quote."""
    sizes = (market_size(tick.bid_size, lots=lots), market_size(tick.ask_size, lots=lots))
    return message(99, request_id, _BID_ASK, tick.time_s, tick.bid, tick.ask, *sizes, 0)


def tick_by_tick_midpoint(request_id: int, tick: QuoteTick) -> bytes:
    """The midpoint of one quote."""
    return message(99, request_id, _MIDPOINT, tick.time_s, middle(tick.bid, tick.ask))


def middle(bid: float, ask: float) -> float:
    """The midpoint of bid and ask."""
    return round((bid + ask) / 2.0, 6)
