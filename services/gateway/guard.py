"""Carries out what `protection.py` plans, and only when that is safe.

It acts with the session open, all links up for 10 s, the book reconciled, the entry over and no halt. Shares that stay
uncovered for 5 s under these conditions are alerted. While the account has fewer shares than the executions say,
nothing is added; a stop for more than it has is shrunk once that has lasted 5 s.
"""

from __future__ import annotations

import math

import msgspec

from messages.broker import CancelOrder, PlaceOrder
from messages.orders import OrderPlaced, OrderRecord
from services.core import Draft, State
from services.gateway.book import (
    AccountPosition,
    Book,
    Doubt,
    FillRecord,
    Links,
    Own,
    QuoteRecord,
    SessionRecord,
    Unprotected,
)
from services.gateway.placing import next_order_ids
from services.gateway.protection import CancelStop, PlaceStop, ResizeStop, covered, plan
from services.prices import round_down
from services.settings import Settings

__all__ = ["guard", "guard_deadline"]

SECOND = 1_000_000_000
STEADY_NS = 10 * SECOND
"""Machine time that all links must have stood before the guard acts."""
ALERT_NS = 5 * SECOND
LOOK_AGAIN_NS = SECOND


def guard_deadline(state: State) -> int | None:
    """When to look at unprotected shares again."""
    looked = [u.looked_ns for u in state.table(Unprotected).values()]
    return min(looked) + LOOK_AGAIN_NS if looked else None


def guard(d: Draft, symbol: str, links: Links, settings: Settings) -> None:
    """Look at one symbol; act if something is missing or too much, and it is safe to act."""
    own = d.get(Own, symbol) or Own(symbol)
    if settings.observe:
        return  # it sends nothing; what rests at the broker stays
    orders = [o for o in d.table(OrderRecord).values() if o.symbol == symbol and o.live]
    sells = [_as_far_as_known(d, o) for o in orders if o.role in ("stop", "flatten")]
    entries = [o for o in orders if o.role == "entry"]
    if own.quantity <= 0 and not sells:
        d.drop(Unprotected, symbol)
        return
    position = d.get(AccountPosition, symbol)
    actions = plan(own.quantity, position.quantity if position else None, sells, bool(entries))
    short = covered(sells) < math.floor(own.quantity) and not entries
    if not short and not actions:
        d.drop(Unprotected, symbol)
        return
    before = d.get(Unprotected, symbol)
    now_ns = d.now.machine_ns
    if not _safe(d, symbol, links):
        d.put(Unprotected(symbol, now_ns, now_ns))
        return
    since_ns = before.since_ns if before is not None else now_ns
    lasted = now_ns - since_ns >= ALERT_NS
    if lasted:
        since_ns = now_ns  # said again as long as it lasts
    d.put(Unprotected(symbol, since_ns, now_ns))
    if position is None or position.quantity < own.quantity:
        # Late executions look like this, and so does a sale by hand; if it lasts it is that, and the stop must not sell
        # what is gone.
        if not lasted:
            return
        account = position.quantity if position else None
        d.note("position_disputed", symbol, "ERROR", own=own.quantity, account=account)
    elif short and lasted:
        d.note("position_unprotected", symbol, "ERROR", own=own.quantity, covered=covered(sells))
    for action in actions:
        match action:
            case PlaceStop(quantity):
                _place(d, symbol, quantity, settings)
            case ResizeStop(order, quantity):
                # Its entry is over: the broker refuses a change that still names the parent (135).
                resized = d.put(msgspec.structs.replace(order, quantity=quantity, parent_id=0))
                d.note("stop_resized", symbol, client_order_id=order.client_order_id, qty=quantity, was=order.quantity)
                d.send("broker", PlaceOrder(resized, True))
            case CancelStop(order, reason):
                d.put(msgspec.structs.replace(order, cancel_reason=reason))
                event = "duplicate_stop_cancelled" if reason == "duplicate_stop" else "orphan_stop_cancelled"
                d.note(event, symbol, "WARNING", client_order_id=order.client_order_id, order_id=order.order_id)
                d.send("broker", CancelOrder(order.order_id, order.client_order_id))


def _as_far_as_known(d: Draft, stop: OrderRecord) -> OrderRecord:
    """A stop in doubt may sell and may not protect."""
    return stop if d.get(Doubt, stop.key) is None else msgspec.structs.replace(stop, status="InFlight")


def _safe(d: Draft, symbol: str, links: Links) -> bool:
    session = d.get(SessionRecord, "session") or SessionRecord()
    quote = d.get(QuoteRecord, symbol)
    return (
        session.phase != "closed"
        and links.phase == "ready"
        and links.broker_up
        and d.now.machine_ns - links.up_since_ns >= STEADY_NS
        and not (quote is not None and quote.quote.halted)
    )


def _place(d: Draft, symbol: str, quantity: float, settings: Settings) -> None:
    """A new stop for shares that lost theirs, at the level that was reached: the level only rises."""
    all_orders = d.table(OrderRecord).values()
    stops = [o for o in all_orders if o.symbol == symbol and o.role == "stop"]
    fills = [r.fill for r in d.table(FillRecord).values() if r.fill.symbol == symbol and r.fill.side == "BUY"]
    if not fills:
        return
    entry_id = max(fills, key=lambda f: f.time_ns).client_order_id
    mine = [o for o in stops if o.parent_client_order_id == entry_id or o.client_order_id.startswith(f"{entry_id}-S")]
    own = d.get(Own, symbol) or Own(symbol)
    average = own.cost_usd / own.quantity
    pct = settings.stops.trailing_stop_pct
    levels = [o.trail_stop_price for o in mine if o.trail_stop_price is not None]
    level = max([*levels, round_down(average * (1 - pct / 100))])
    (order_id,) = next_order_ids(d, 1)
    book = d.get(Book, "book") or Book()
    limited = settings.stops.use_trailing_limit
    stop = d.put(
        OrderRecord(
            client_order_id=f"{entry_id}-S{len(mine) + 1}",
            symbol=symbol,
            role="stop",
            side="SELL",
            order_type="TRAIL LIMIT" if limited else "TRAIL",
            quantity=quantity,
            trailing_pct=pct,
            limit_offset=round_down(level * settings.stops.trail_limit_offset_pct / 100) if limited else None,
            stop_price=level,
            trail_stop_price=level,
            tif=settings.stops.tif,
            outside_rth=settings.hours.extended,
            order_id=order_id,
            parent_client_order_id=entry_id,
            account=book.account,
            created_ns=d.now.market_ns,
            updated_ns=d.now.market_ns,
        )
    )
    d.send(symbol, OrderPlaced(stop))
    d.note(
        "trailing_stop_recreated",
        symbol,
        "WARNING",
        client_order_id=stop.client_order_id,
        qty=quantity,
        stop_price=level,
    )
    d.send("broker", PlaceOrder(stop, True))
