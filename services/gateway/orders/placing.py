"""Places and cancels entries: the last checks before sending, and the bracket. Pure.

Entry and stop are transmitted together, so the stop rests at the broker even if this machine dies.
"""

from __future__ import annotations

import math

import msgspec

from messages.broker import PlaceOrder
from messages.entries import CancelEntry, EntryDropped, EntryPlan
from messages.orders import OrderPlaced, OrderRecord
from services.configuration.settings import Settings
from services.gateway.book.instruments import con_id_of
from services.gateway.book.queries import first_block, next_order_ids
from services.gateway.book.records import (
    AccountPosition,
    Book,
    EntrySlot,
    Links,
    Own,
    QuoteRecord,
    SessionRecord,
    Tombstone,
)
from services.gateway.book.settling import settle_entry
from services.gateway.orders.cancels import send_cancel
from services.runtime.core import Draft
from services.trading.sessions import is_break

__all__ = ["cancel_entry", "place_entry"]


def place_entry(d: Draft, plan: EntryPlan, links: Links, settings: Settings) -> None:
    """Send the bracket, or report why not."""
    dropped = _reason_to_drop(d, plan, links, settings) or _note_observed(d, plan, settings)
    if dropped is not None:
        reason, figures = dropped
        d.send(plan.symbol, EntryDropped(plan.client_order_id, plan.symbol, reason, figures))
        d.note("entry_dropped", plan.symbol, "WARNING", client_order_id=plan.client_order_id, reason=reason, **figures)
        return
    settle_entry(d, plan.symbol)
    entry_id, stop_id = next_order_ids(d, 2)
    book, con_id = d.get(Book, "book") or Book(), con_id_of(d, plan.symbol)
    now_ns = d.now.market_ns
    entry = OrderRecord(
        client_order_id=plan.client_order_id,
        symbol=plan.symbol,
        role="entry",
        side="BUY",
        order_type=plan.order_type,
        quantity=plan.quantity,
        limit_price=plan.limit_price,
        stop_price=plan.stop_price,
        tif=plan.tif,
        outside_rth=plan.outside_rth,
        order_id=entry_id,
        account=book.account,
        con_id=con_id,
        created_ns=now_ns,
        updated_ns=now_ns,
    )
    stop = OrderRecord(
        client_order_id=plan.stop_client_order_id,
        symbol=plan.symbol,
        role="stop",
        side="SELL",
        order_type=plan.stop_order_type,
        quantity=float(math.floor(plan.quantity)),  # a fraction of a share can't be stopped
        stop_price=plan.stop_level,
        trailing_pct=plan.trailing_pct,
        limit_offset=plan.limit_offset,
        tif=plan.stop_tif,
        outside_rth=plan.outside_rth,
        order_id=stop_id,
        parent_id=entry_id,
        parent_client_order_id=plan.client_order_id,
        account=book.account,
        con_id=con_id,
        created_ns=now_ns,
        updated_ns=now_ns,
    )
    d.put(EntrySlot(plan.client_order_id, plan.symbol))
    for order, transmit in ((entry, False), (stop, True)):
        d.put(order)
        d.send(plan.symbol, OrderPlaced(order))
        d.send("broker", PlaceOrder(order, transmit))


def _note_observed(d: Draft, plan: EntryPlan, settings: Settings) -> tuple[str, dict[str, float]] | None:
    """In a fleet that only observes: note the entry that would be sent, and drop it."""
    if not settings.observe:
        return None
    d.note(
        "entry_observed",
        plan.symbol,
        client_order_id=plan.client_order_id,
        order_type=plan.order_type,
        qty=plan.quantity,
        stop_price=plan.stop_price,
        limit_price=plan.limit_price,
        reference=plan.reference,
        stop_order_type=plan.stop_order_type,
        trailing_pct=plan.trailing_pct,
    )
    return "observed", {"quantity": plan.quantity, "trigger": plan.stop_price}


def _reason_to_drop(d: Draft, plan: EntryPlan, links: Links, settings: Settings) -> tuple[str, dict[str, float]] | None:
    """Why the entry can't be sent now, although risk approved it: (reason, figures); None if it can."""
    session = d.get(SessionRecord, "session") or SessionRecord()
    position = d.get(AccountPosition, plan.symbol)
    own = d.get(Own, plan.symbol)
    quote = d.get(QuoteRecord, plan.symbol)
    tombstone = d.get(Tombstone, plan.client_order_id)
    if tombstone is not None:
        d.drop(Tombstone, tombstone.key)
        return tombstone.reason, {}
    block = first_block(d, plan.symbol)
    if block is not None:
        return block.reason, block.figures
    if links.phase != "ready" or not links.broker_up:
        return "links_down", {}
    if d.now.stale:
        return "clock_stale", {}
    if is_break(session.break_ns, d.now.market_ns):
        return "session_break", {}
    if session.phase != "open" or session.date != plan.session_date or d.now.market_ns >= session.entries_until_ns:
        return "session_not_open", {}
    if not con_id_of(d, plan.symbol):
        return "contract_unknown", {}
    if d.get(OrderRecord, plan.client_order_id) is not None:
        return "placed_before", {}
    orders = d.state.table(OrderRecord).values()
    live = any(o.live and o.role == "entry" and o.symbol == plan.symbol for o in orders)
    if live or any(slot.symbol == plan.symbol for slot in d.state.table(EntrySlot).values()):
        return "entry_live", {}
    if own is not None and own.quantity >= 1:
        return "position_open", {"own": own.quantity}
    if own is not None and own.quantity < 0:
        return "oversold", {"own": own.quantity}
    if any(o.live and o.side == "SELL" and o.symbol == plan.symbol and o.role != "foreign" for o in orders):
        return "sell_live", {}  # its shares are gone: it would sell the shares of this entry
    if position is not None and position.quantity < 0:
        return "account_short", {"position": position.quantity}
    if quote is not None and quote.quote.refused:
        return "no_market_data", {"code": float(quote.quote.refused)}
    if quote is None or quote.quote.last <= 0:
        return "no_quote", {}
    if quote.quote.halted:
        return "halted", {}
    if quote.quote.delayed and not settings.enters_on_delayed_data:
        return "delayed_data", {}
    last, ask = quote.quote.last, quote.quote.ask
    if max(last, ask) >= plan.stop_price:
        return "price_through_trigger", {"last": last, "ask": ask, "trigger": plan.stop_price}
    band = settings.guards.price_band_pct
    if band is not None and abs(plan.stop_price / last - 1) * 100 > band:
        return "price_band", {"last": last, "price": plan.stop_price, "band_pct": band}
    return None


def cancel_entry(d: Draft, command: CancelEntry, links: Links) -> None:
    """Cancel an entry.

    One that has not arrived here yet is dropped at once, and leaves a tombstone for its late approval.
    """
    order = d.get(OrderRecord, command.client_order_id)
    if order is None:
        d.put(Tombstone(command.client_order_id, command.reason))
        d.send(command.symbol, EntryDropped(command.client_order_id, command.symbol, command.reason, {}))
        return
    if not order.live or order.cancel_reason:
        return
    if links.phase == "ready":
        send_cancel(d, order, command.reason)
    else:
        d.put(msgspec.structs.replace(order, cancel_reason=command.reason))  # sent once the link is back
