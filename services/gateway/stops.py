"""Making, changing and taking back protective orders, once it is decided: what is written down, and what goes out.

A change is made from the order as the broker told it last (its OCA group and type are echoed), and the book keeps the
broker's word until it confirms: a refused change leaves nothing to undo.
"""

from __future__ import annotations

import msgspec

from messages.broker import PlaceOrder
from messages.orders import OrderPlaced, OrderRecord
from services.core import Draft
from services.gateway.book import Book, Change, FillRecord, Own, PriceGrid
from services.gateway.cancels import send_cancel
from services.gateway.placing import next_order_ids
from services.gateway.protection import level_reached, replacement_type
from services.prices import US_STOCKS, Grid, limit_offset, round_down
from services.settings import Settings

__all__ = ["cancel_stop", "change_stop", "grid_of", "place_stop", "stops_of"]


def grid_of(d: Draft, symbol: str) -> Grid:
    """The price grid of a symbol."""
    found = d.get(PriceGrid, symbol)
    return found.steps if found is not None else US_STOCKS


def stops_of(d: Draft, symbol: str) -> tuple[str, list[OrderRecord]]:
    """The newest entry that the present shares come from ('' if none is known), and every stop that these ever had."""
    fills = [r.fill for r in d.table(FillRecord).values() if r.fill.symbol == symbol]
    held, entries, newest = 0.0, dict[str, None](), ""
    for fill in sorted(fills, key=lambda f: (f.time_ns, f.side == "SELL", f.exec_id)):
        if fill.side == "BUY":
            entries[fill.client_order_id] = None
            newest = fill.client_order_id
            held += fill.quantity
        else:
            held -= fill.quantity
            if held <= 0:
                held, entries = 0.0, {}
    entries = entries or {newest: None}  # (after a split more is sold than the fills say was bought)
    stops = [o for o in d.table(OrderRecord).values() if o.symbol == symbol and o.role == "stop"]
    mine = [
        o
        for o in stops
        if any(o.parent_client_order_id == e or o.client_order_id.startswith(f"{e}-S") for e in entries)
    ]
    return newest, mine


def place_stop(d: Draft, symbol: str, quantity: float, settings: Settings) -> None:
    """A new stop for shares that lost theirs, at the level that was reached: the level only rises."""
    own, (entry_id, mine) = d.get(Own, symbol), stops_of(d, symbol)
    if own is None or not entry_id:
        return
    grid, rules = grid_of(d, symbol), settings.stops
    pct = rules.trailing_stop_pct
    level = level_reached(mine, round_down(own.cost_usd / own.quantity * (1 - pct / 100), grid))
    order_type = replacement_type(mine, "TRAIL LIMIT" if rules.use_trailing_limit else "TRAIL")
    limited = order_type == "TRAIL LIMIT"
    number = 1 + sum(o.client_order_id.startswith(f"{entry_id}-S") for o in mine)
    (order_id,) = next_order_ids(d, 1)
    stop = d.put(
        OrderRecord(
            client_order_id=f"{entry_id}-S{number}",
            symbol=symbol,
            role="stop",
            side="SELL",
            order_type=order_type,
            quantity=quantity,
            trailing_pct=pct,
            limit_offset=limit_offset(level, rules.trail_limit_offset_pct, grid) if limited else None,
            stop_price=level,
            trail_stop_price=level,
            tif=rules.tif,
            outside_rth=settings.hours.extended,
            order_id=order_id,
            parent_client_order_id=entry_id,
            account=(d.get(Book, "book") or Book()).account,
            created_ns=d.now.market_ns,
            updated_ns=d.now.market_ns,
        )
    )
    d.send(symbol, OrderPlaced(stop))
    d.note(
        "trailing_stop_recreated" if order_type != "STP" else "fixed_stop_put_back",
        symbol,
        "WARNING",
        client_order_id=stop.client_order_id,
        qty=quantity,
        stop_price=level,
    )
    d.send("broker", PlaceOrder(stop, True))


def change_stop(d: Draft, order: OrderRecord, quantity: float, level: float | None = None) -> None:
    """Change a stop in place: its quantity, and after a split its level.

    Its entry is over, and the broker refuses a change that still names the parent (135).
    """
    kept = msgspec.structs.replace(order, parent_id=0, renewed_ns=d.now.market_ns)
    if level is not None:
        kept = msgspec.structs.replace(kept, stop_price=level, trail_stop_price=level, level_estimated=False)
    d.put(kept)
    d.put(Change(order.client_order_id, order.symbol, quantity, "sent"))
    d.note("stop_resized", order.symbol, client_order_id=order.client_order_id, qty=quantity, was=order.quantity)
    d.send("broker", PlaceOrder(msgspec.structs.replace(kept, quantity=quantity), True))


def cancel_stop(d: Draft, order: OrderRecord, reason: str) -> None:
    """Take a stop back. What it reserves is free once the broker says so."""
    events = {"duplicate_stop": "duplicate_stop_cancelled", "orphan_stop": "orphan_stop_cancelled"}
    d.note(
        events.get(reason, "stop_taken_back"),
        order.symbol,
        "INFO" if reason == "exchanged" else "WARNING",
        client_order_id=order.client_order_id,
        order_id=order.order_id,
        reason=reason,
    )
    send_cancel(d, order, reason)
    d.drop(Change, order.client_order_id)
