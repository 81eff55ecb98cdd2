"""When a resting order triggers, where it fills, how a trailing stop moves. Pure: one order, one movement of the price.

The movement between two market events is a `Path`. A jump (a tick, the open of a bar) is a path of one point:
orders that it passes fill there, so gaps cause slippage. A continuous path reaches every level: a stop that it crosses
fills at its level. A fill pays the spread: buys at the ask, sells at the bid, at their distance from the last price.

Sells are computed as buys of the mirrored price (`sign`), so that each rule is written once. The trigger method decides
what triggers a stop (IBKR's "Modify the Stop Trigger Method"): sells trigger at or below their level, buys at or
above, by the last price (0 and 2), the bid for buys and the ask for sells (4), either of the two (7), or the midpoint
(8); 3 and 1 need two in a row, of the last price or of bid and ask. A continuous movement is many prices in a row.
"""

from __future__ import annotations

from typing import NamedTuple

from services.simulator.venue.events import MarketEvent
from services.simulator.venue.orders import Order, Ticket
from services.simulator.venue.tape import Tape
from services.trading.prices import US_STOCKS, Grid, round_down, round_up

__all__ = [
    "LIMITED",
    "STOPS",
    "TRAILING",
    "OrderStep",
    "Path",
    "next_step",
    "path_of",
    "ratcheted",
    "stands_beyond",
    "trail_level",
    "trail_limit",
    "watched",
]

STOPS = frozenset({"STP", "STP LMT", "TRAIL", "TRAIL LIMIT"})
TRAILING = frozenset({"TRAIL", "TRAIL LIMIT"})
LIMITED = frozenset({"LMT", "STP LMT", "TRAIL LIMIT"})

TWICE = frozenset({1, 3})
LAST = frozenset({0, 2, 3, 7})
QUOTED = frozenset({1, 4, 7})
MIDPOINT = 8
"""Trigger methods: those that need two prices in a row, that use trades, the quote, its midpoint."""

OFF_QUOTE = 0.005
"""A trade further off the quote than this part of its price is a stray print (`Policy.last_filtered_to_quote`)."""


class Path(NamedTuple):
    """A movement of one symbol's price from `start` to `end`, and the distances of ask and bid from it.

    A distance is None if that side is empty. `traded` is false when only the quote moved: stops trigger on
    trades.
    """

    start: float
    end: float
    ask_distance: float | None
    bid_distance: float | None
    start_ns: int
    end_ns: int
    traded: bool = True

    def beyond(self, point: float) -> Path:
        """The rest of the movement from this price on."""
        if point == self.start:
            return self
        passed = (point - self.start) / (self.end - self.start)
        return self._replace(start=point, start_ns=self.start_ns + round(passed * (self.end_ns - self.start_ns)))

    def since(self, time_ns: int) -> Path:
        """The rest of it for an order that arrived at this time; prices move evenly between two events."""
        if time_ns <= self.start_ns or self.start == self.end:
            return self
        passed = (time_ns - self.start_ns) / (self.end_ns - self.start_ns)
        return self._replace(start=self.start + passed * (self.end - self.start), start_ns=time_ns)


class OrderStep(NamedTuple):
    """The next step of an order, at the price `at`.

    It fills at `fill`. If that is None, its stop triggers; or, with `adjusts`, it becomes its adjusted order.
    """

    at: float
    fill: float | None
    adjusts: bool = False


def path_of(event: MarketEvent, tape: Tape, *, filter_strays: bool = False, block_shares: float = 0.0) -> Path | None:
    """The movement of an event, given the tape before it. None if it has neither trade nor quote.

    Trades far off the quote (`filter_strays`) and those of `block_shares` or more (0: none) move no price.
    """
    price, bid, ask = event.price, event.bid, event.ask
    ignored = (filter_strays and _stray(price, bid, ask)) or (block_shares and event.size >= block_shares)
    if price is None or ignored:
        anchor = bid if bid is not None else ask
        if anchor is None:
            return None
        to_ask, to_bid = None if ask is None else ask - anchor, None if bid is None else 0.0
        return Path(anchor, anchor, to_ask, to_bid, event.time_ns, event.time_ns, traded=False)
    start, start_ns = price, event.time_ns
    if event.through and tape.last is not None and not tape.gap:
        start, start_ns = tape.last, tape.last_ns
    if bid is None and ask is None:
        return Path(start, price, 0.0, 0.0, start_ns, event.time_ns)
    to_ask, to_bid = None if ask is None else ask - price, None if bid is None else price - bid
    return Path(start, price, to_ask, to_bid, start_ns, event.time_ns)


def next_step(order: Order, path: Path, slippage: float = 0.0) -> OrderStep | None:
    """The first step of this working order on this path, None if there is none.

    `slippage` is the part of the price by which an order without a limit fills worse than the market shows.
    """
    sign = _sign(order.ticket)
    start, end = sign * path.start, sign * path.end
    if order.ticket.order_type in STOPS and not order.triggered:
        step = _trigger(order, path, sign)
        return _adjustment(order.ticket, path, sign, step) if order.ticket.adjusted_order_type else step

    distance = path.ask_distance if sign > 0 else path.bid_distance
    if distance is None:
        return None
    at_start, at_end = round(start + distance, 6), round(end + distance, 6)
    if order.ticket.order_type not in LIMITED:
        return OrderStep(path.start, _payable(sign, at_start + slippage * abs(at_start)))
    assert order.limit_price is not None, "a limit order without its limit is refused on entry"
    limit = sign * order.limit_price
    if at_start <= limit:
        return OrderStep(path.start, _payable(sign, at_start))
    return OrderStep(sign * (limit - distance), order.limit_price) if at_end <= limit else None


def _trigger(order: Order, path: Path, sign: float) -> OrderStep | None:
    """Where its stop triggers."""
    level = _level(order)
    if level is None:
        return None
    method = order.ticket.trigger_method
    if method in TWICE and path.start == path.end and not order.beyond:
        return None
    if method in (0, 2):  # the most frequent case
        if not path.traded:
            return None
        if sign * path.start >= sign * level:
            return OrderStep(path.start, None)
        return OrderStep(level, None) if sign * path.end >= sign * level else None
    reached = []
    for offset in _offsets(method, path, sign):
        if sign * (path.start + offset) >= sign * level:
            return OrderStep(path.start, None)
        if sign * (path.end + offset) >= sign * level:
            reached.append(sign * (level - offset))
    return OrderStep(sign * min(reached), None) if reached else None


def _adjustment(ticket: Ticket, path: Path, sign: float, step: OrderStep | None) -> OrderStep | None:
    """The first of two steps: its trigger, or its adjustment."""
    assert ticket.adjusts_at is not None, "an adjustable stop without its price is refused on entry"
    if not path.traded or sign * path.end > sign * ticket.adjusts_at < sign * path.start:
        return step
    at = path.start if sign * path.start <= sign * ticket.adjusts_at else ticket.adjusts_at
    if step is not None and abs(step.at - path.start) <= abs(at - path.start):
        return step
    return OrderStep(at, None, adjusts=True)


def _level(order: Order) -> float | None:
    return order.trail_stop_price if order.ticket.order_type in TRAILING else order.ticket.stop_price


def _offsets(method: int, path: Path, sign: float) -> list[float]:
    """The offsets from the moving price to the prices that a trigger method uses; missing prices are left out."""
    found: list[float] = [0.0] if path.traded and method in LAST else []
    if method in QUOTED:
        distance = path.bid_distance if sign > 0 else path.ask_distance
        if distance is not None:
            found.append(-sign * distance)
    if method == MIDPOINT and path.ask_distance is not None and path.bid_distance is not None:
        found.append((path.ask_distance - path.bid_distance) / 2.0)
    return found


def watched(order: Order, path: Path) -> float | None:
    """The price at the movement's end by the order's trigger method; None without such a price."""
    offsets = _offsets(order.ticket.trigger_method, path, _sign(order.ticket))
    return path.end + offsets[0] if offsets else None


def stands_beyond(order: Order, path: Path) -> bool:
    """Whether the movement ends beyond the order's stop. Without a price, the earlier answer holds."""
    level, price, sign = _level(order), watched(order, path), _sign(order.ticket)
    if price is None or level is None:
        return order.beyond
    return sign * price >= sign * level


def trail_level(ticket: Ticket, price: float) -> float:
    """The stop that a trailing order keeps behind this price."""
    if ticket.trailing_amount is not None:
        away = ticket.trailing_amount
    else:
        assert ticket.trailing_pct is not None, "a trailing order without its distance is refused on entry"
        away = price * ticket.trailing_pct / 100.0
    return round(price + _sign(ticket) * away, 6)


def ratcheted(order: Order, price: float) -> float:
    """The trailing stop after the market reached this price: it moves in the order's favour or not at all."""
    level = trail_level(order.ticket, price)
    if order.trail_stop_price is None:
        return level
    return min(order.trail_stop_price, level) if order.ticket.side == "BUY" else max(order.trail_stop_price, level)


def trail_limit(ticket: Ticket, level: float, grid: Grid = US_STOCKS) -> float:
    """The limit of a TRAIL LIMIT at this stop level: below it for a sell, above it for a buy, on the price grid."""
    offset = ticket.limit_offset
    if offset is None:
        assert ticket.limit_price is not None, "refused on entry"
        assert ticket.trail_stop_price is not None, "refused on entry"
        offset = abs(ticket.limit_price - ticket.trail_stop_price)
    return round_up(level + offset, grid) if ticket.side == "BUY" else round_down(level - offset, grid)


def _sign(ticket: Ticket) -> float:
    return 1.0 if ticket.side == "BUY" else -1.0


def _payable(sign: float, mirrored: float) -> float:
    """The price of a fill on the grid, rounded against the trader."""
    return round_up(mirrored) if sign > 0 else round_down(-mirrored)


def _stray(price: float | None, bid: float | None, ask: float | None) -> bool:
    if price is None or bid is None or ask is None:
        return False
    return price < bid * (1.0 - OFF_QUOTE) or price > ask * (1.0 + OFF_QUOTE)
