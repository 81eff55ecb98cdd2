"""Places, changes and cancels stops: the records and the commands. Pure. `plan.py` decides.

A change starts from the order as last reported (with its OCA group and type). The record keeps the reported values
until the broker confirms the change, so a refused change leaves nothing to undo.
"""

from __future__ import annotations

import msgspec

from messages.broker import PlaceOrder
from messages.orders import OrderPlaced, OrderRecord
from services.configuration.settings import Settings
from services.gateway.book.instruments import con_id_of
from services.gateway.book.queries import grid_of, next_order_ids, stops_of
from services.gateway.book.records import Anchor, Audit, Book, Change, Own
from services.gateway.orders.cancels import Release, send_cancel
from services.gateway.protection.plan import level_reached, replacement_type
from services.runtime.core import Draft
from services.trading.ids import is_stop_reference, stop_reference
from services.trading.prices import Grid, limit_offset, round_down

__all__ = ["cancel_stop", "change_stop", "place_stop"]


def place_stop(d: Draft, symbol: str, quantity: float, settings: Settings) -> None:
    """Place a new stop for shares without one, at the highest level so far: the level only rises."""
    own, (entry_id, own_stops) = d.get(Own, symbol), stops_of(d, symbol)
    if own is None or not entry_id:
        return
    grid, rules = grid_of(d, symbol), settings.stops
    pct = rules.trailing_stop_pct
    level = level_reached(own_stops, round_down(own.cost_usd / own.quantity * (1 - pct / 100), grid))
    order_type = replacement_type(own_stops, "TRAIL LIMIT" if rules.use_trailing_limit else "TRAIL")
    limited = order_type == "TRAIL LIMIT"
    number = 1 + sum(is_stop_reference(o.client_order_id, entry_id) for o in own_stops)
    reference = stop_reference(entry_id, number)
    level = _level_while_audited(d, symbol, reference, level, grid)
    (order_id,) = next_order_ids(d, 1)
    stop = d.put(
        OrderRecord(
            client_order_id=reference,
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
            con_id=con_id_of(d, symbol),
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


def _level_while_audited(d: Draft, symbol: str, reference: str, level: float, grid: Grid) -> float:
    """The level of a new stop while the audit waits for a price that confirms a split into more shares.

    At the level from before the split, the stop would sell at the first trade. The anchor keeps that level: the audit
    starts from it. If it was no split, the stop trails up from the market.
    """
    due, before = d.get(Audit, symbol), d.get(Anchor, symbol)
    if due is None or before is None or due.ratio <= 1:
        return level
    d.put(msgspec.structs.replace(before, levels=before.levels | {reference: level}))
    return round_down(level / due.ratio, grid)


def change_stop(
    d: Draft, order: OrderRecord, quantity: float, level: float | None = None, *, release: Release | None = None
) -> None:
    """Change a stop in place: its quantity, and after a split its level. To make it smaller needs a release.

    Its entry is over, and the broker refuses a change that still names the parent (135).
    """
    if quantity < order.quantity and (release is None or not _permits(release, order, quantity)):
        raise ValueError(f"{order.key}: a stop is not made smaller without a release")
    kept = msgspec.structs.replace(order, parent_id=0, renewed_ns=d.now.market_ns)
    if level is not None:
        kept = msgspec.structs.replace(kept, stop_price=level, trail_stop_price=level, level_estimated=False)
    d.put(kept)
    before = d.get(Change, order.client_order_id)
    times = 1 + (before.times if before is not None else 0)
    d.put(Change(order.client_order_id, order.symbol, quantity, "sent", d.now.machine_ns, d.now.market_ns, times))
    d.note("stop_resized", order.symbol, client_order_id=order.client_order_id, qty=quantity, was=order.quantity)
    d.send("broker", PlaceOrder(msgspec.structs.replace(kept, quantity=quantity), True))


def _permits(release: Release, order: OrderRecord, quantity: float) -> bool:
    return release.client_order_id == order.key and quantity - order.filled >= release.remaining


def cancel_stop(d: Draft, order: OrderRecord, reason: str, release: Release) -> None:
    """Cancel a stop. Its shares are free once the broker has confirmed the end."""
    events = {"duplicate_stop": "duplicate_stop_cancelled", "orphan_stop": "orphan_stop_cancelled"}
    d.note(
        events.get(reason, "stop_taken_back"),
        order.symbol,
        "INFO" if reason == "exchanged" else "WARNING",
        client_order_id=order.client_order_id,
        order_id=order.order_id,
        reason=reason,
    )
    send_cancel(d, order, reason, release)
    d.drop(Change, order.client_order_id)
