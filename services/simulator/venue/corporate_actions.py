"""Splits and dividends: how they change orders and tapes. Pure.

`account.py` has how they change money and shares.
"""

from __future__ import annotations

import msgspec

from services.configuration.broker_policy import OnSplit, Policy
from services.simulator.venue.lifecycle import BY_SYSTEM, Lifecycle
from services.simulator.venue.order_book import OrderBook
from services.simulator.venue.orders import Order
from services.simulator.venue.price_grid import GRIDS, nearest
from services.simulator.venue.tape import Tape
from services.trading.prices import Grid, round_down

__all__ = ["reduce_by_dividend", "split_orders", "split_tape"]

_PRICES = (
    *("limit_price", "stop_price", "trailing_amount", "trail_stop_price", "limit_offset"),
    *("adjusts_at", "adjusted_stop_price", "adjusted_limit_price", "adjusted_trailing_amount"),
)


def split_tape(tape: Tape, ratio: float, *, rescale: bool) -> None:
    """One old share becomes `ratio` new ones. With `rescale` the source's old prices are converted."""
    for name in ("last", "bid", "ask", "open", "high", "low", "prev_close", "close"):
        price = getattr(tape, name)
        if price is not None:
            setattr(tape, name, nearest(price / ratio))
    tape.volume = round(tape.volume * ratio)
    tape.recent = [(time_ns, price / ratio) for time_ns, price in tape.recent]
    tape.gap = True
    if rescale:
        tape.factor /= ratio


def split_orders(symbol: str, ratio: float, book: OrderBook, lifecycle: Lifecycle, policy: Policy) -> None:
    """Apply a split to orders that outlast their session. DAY orders of the same day stay as they are."""
    for order in book.of_symbol(symbol):
        if order.ticket.tif not in ("GTC", "GTD") or order.done or policy.gtc_on_split is OnSplit.KEPT:
            continue
        if policy.gtc_on_split is OnSplit.CANCELLED:
            lifecycle.end(order, BY_SYSTEM)
        else:
            _split_order(order, ratio, GRIDS[policy.price_grid])
            lifecycle.move(order, order.status)


def _split_order(order: Order, ratio: float, grid: Grid) -> None:
    prices = {name: nearest(p / ratio, grid) for name in _PRICES if (p := getattr(order.ticket, name)) is not None}
    quantity = float(int(order.ticket.quantity * ratio + 1e-9))
    order.ticket = msgspec.structs.replace(order.ticket, quantity=quantity, **prices)
    order.filled, order.avg_price = order.filled * ratio, order.avg_price / ratio
    if order.wanted is not None:
        order.wanted *= ratio
    if order.trail_stop_price is not None:
        order.trail_stop_price = round(order.trail_stop_price / ratio, 6)
    if order.limit_price is not None:
        order.limit_price = nearest(order.limit_price / ratio, grid)


def reduce_by_dividend(symbol: str, usd: float, book: OrderBook, lifecycle: Lifecycle, policy: Policy) -> None:
    """GTC orders below the market (sell stops, buy limits) are lowered by the dividend, on the price grid."""
    for order in book.of_symbol(symbol):
        ticket = order.ticket
        below = (ticket.side, ticket.order_type) in (("SELL", "STP"), ("SELL", "STP LMT"), ("BUY", "LMT"))
        if ticket.tif != "GTC" or not below or order.triggered:
            continue
        lowered = {
            name: round_down(price - usd, GRIDS[policy.price_grid])
            for name in ("stop_price", "limit_price")
            if (price := getattr(ticket, name)) is not None and price > usd
        }
        order.ticket = msgspec.structs.replace(ticket, **lowered)
        order.limit_price = order.ticket.limit_price
        lifecycle.move(order, order.status)
