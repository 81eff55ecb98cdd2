"""Synthetic fills, which stand for executions that the broker has forgotten, and where their figures are from. Pure."""

from __future__ import annotations

import msgspec

from messages.broker import BrokerSnapshot
from messages.orders import Fill, OrderRecord, Witness
from services.gateway.book.fills import book_fill, fills_of
from services.gateway.book.ownership import is_ours
from services.gateway.book.records import (
    Doubt,
    FillRecord,
    Own,
    QuoteRecord,
    Settled,
)
from services.gateway.book.witnesses import (
    rests,
    synthetic_exec_id,
)
from services.runtime.core import Draft
from services.trading.ids import entry_of_stop, is_stop_reference
from services.trading.shares import exact

__all__ = [
    "book_synthetic",
    "bought_by_others",
    "entry_of",
    "is_of",
    "is_sale_of",
    "last_live_ns",
    "level_of",
    "resting_stops",
    "shares_under",
]


def book_synthetic(d: Draft, order: OrderRecord, quantity: float, price: float, time_ns: int, witness: Witness) -> None:
    """Book a synthetic fill, and let its order go on."""
    fills = [record.fill for record in fills_of(d, order.key)]
    count = exact(sum(f.quantity for f in fills) + quantity)
    spent = sum(f.quantity * f.price for f in fills) + quantity * price
    order = d.put(
        msgspec.structs.replace(
            order, filled=max(order.filled, count), avg_price=spent / count, updated_ns=d.now.market_ns
        )
    )
    fill = Fill(
        exec_id=synthetic_exec_id(order.key, count),
        client_order_id=order.key,
        symbol=order.symbol,
        role=order.role,
        side=order.side,
        quantity=quantity,
        price=price,
        cum_quantity=count,
        avg_price=order.avg_price,
        order_id=order.order_id,
        perm_id=order.perm_id,
        account=order.account,
        time_ns=time_ns,
        con_id=order.con_id,
        witness=witness,
    )
    own = book_fill(d, order, fill, None, ())
    d.note(
        "fill_rebuilt",
        order.symbol,
        "WARNING",
        client_order_id=order.key,
        side=order.side,
        fill_qty=quantity,
        price=price,
        witness=witness,
        exec_id=fill.exec_id,
        own=own.quantity,
    )


def level_of(d: Draft, order: OrderRecord) -> float:
    """The price at which an order without a known average price is taken to have traded."""
    quote, own = d.get(QuoteRecord, order.symbol), d.get(Own, order.symbol)
    for price in (order.trail_stop_price, order.stop_price, order.limit_price):
        if price:
            return price
    if quote is not None and quote.quote.last > 0:
        return quote.quote.last
    return own.cost_usd / own.quantity if own is not None and own.quantity > 0 else 0.0


def last_live_ns(d: Draft, order: OrderRecord) -> int:
    """When the order was last known to be live. A sale comes after the purchase of its shares."""
    settled = d.get(Settled, order.symbol)
    times = [order.updated_ns, settled.time_ns if settled is not None and order.live else 0]
    if order.side == "SELL":
        times += [f.time_ns for r in d.table(FillRecord).values() if (f := r.fill).symbol == order.symbol]
    return max(times)


def entry_of(stop: OrderRecord) -> str:
    """The client_order_id of the entry whose shares a stop sells; '' if nothing tells."""
    return stop.parent_client_order_id or entry_of_stop(stop.client_order_id)


def is_of(stop: OrderRecord, entry_id: str) -> bool:
    """Whether a stop sells the shares of this entry."""
    return stop.parent_client_order_id == entry_id or is_stop_reference(stop.client_order_id, entry_id)


def resting_stops(d: Draft, symbol: str, absent_keys: set[str]) -> list[OrderRecord]:
    """The stops of ours that rest at the broker and are active."""
    orders = d.table(OrderRecord).values()
    mine = [o for o in orders if o.symbol == symbol and o.role == "stop" and o.key not in absent_keys]
    return [o for o in mine if rests(o) and d.get(Doubt, o.key) is None]


def shares_under(d: Draft, entry_id: str) -> float:
    """How many shares of an entry are known and not sold by its stops."""
    held = 0.0
    for record in d.table(FillRecord).values():
        if record.fill.client_order_id == entry_id:
            held += record.fill.quantity
        elif is_sale_of(d, record.fill, entry_id):
            held -= record.fill.quantity
    return exact(held)


def is_sale_of(d: Draft, fill: Fill, entry_id: str) -> bool:
    """Whether a stop of this entry sold these shares."""
    order = d.get(OrderRecord, fill.client_order_id)
    return order is not None and order.role == "stop" and is_of(order, entry_id)


def bought_by_others(d: Draft, snapshot: BrokerSnapshot, symbol: str) -> float:
    """The shares that others bought since the account was last settled, less those they sold, if that is told."""
    settled = d.get(Settled, symbol)
    since_ns = settled.time_ns if settled is not None else 0
    theirs = [e for e in snapshot.executions if e.symbol == symbol and e.time_ns > since_ns and not is_ours(d, e)]
    return exact(sum(e.quantity if e.side == "BUY" else -e.quantity for e in theirs))
