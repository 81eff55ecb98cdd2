"""Cancels a second order with the reference of one of ours. Pure. (`book/identity.py` distinguishes the two.)"""

from __future__ import annotations

from functools import partial

import msgspec

from messages.broker import BrokerExecution, BrokerOrder
from messages.orders import OrderRecord
from services.gateway.book.identity import DOUBLE, doubles_of, reference_of
from services.gateway.book.records import Change, Doubt, Links
from services.gateway.orders.cancels import request_cancel
from services.gateway.orders.questions import ask_soon
from services.runtime.core import Draft

__all__ = ["cancel_double", "cancel_doubles_again"]


def cancel_double(
    d: Draft, first: OrderRecord, quantity: float, reported: BrokerOrder | BrokerExecution
) -> OrderRecord:
    """Record a second order with the reference of `first`, and cancel it.

    A purchase is cancelled at once, a sell only once the first protects the shares for certain.
    Its executions still change own shares. Both orders can have the same order id, so the broker may cancel the first
    instead: all of them are in doubt until a complete answer. Only a person can cancel an order of another client: its
    order ids mean other orders of ours, so it is recorded without one.
    """
    ours = reported.client_id == (d.get(Links, "links") or Links()).client_id
    other_doubles, key = doubles_of(partial(d.get, OrderRecord), first.client_order_id)
    double = d.put(
        msgspec.structs.replace(
            first,
            client_order_id=key,
            symbol=reported.symbol,
            side="BUY" if reported.side == "BUY" else "SELL",
            quantity=quantity,
            status="PendingSubmit",
            why_held="",
            filled=0.0,
            avg_price=0.0,
            order_id=reported.order_id if ours else 0,
            perm_id=reported.perm_id,
            created_ns=d.now.market_ns,
            updated_ns=d.now.market_ns,
            cancel_reason="",
            reason="",
            renewed_ns=0,
        )
    )
    d.note(
        "double_order",
        reported.symbol,
        "ERROR",
        client_order_id=key,
        order_id=reported.order_id,
        perm_id=reported.perm_id,
        client_id=reported.client_id,
        qty=quantity,
        first_order_id=first.order_id,
        first_perm_id=first.perm_id,
        cancelled=ours,
    )
    change = d.get(Change, first.key)
    if change is not None and change.stage == "sent" and change.quantity == quantity:
        d.put(
            msgspec.structs.replace(change, stage="refused")
        )  # the change made this order, and left the first as it was
    for order in (first, *other_doubles, double):
        if order.live:
            d.put(Doubt(order.key))
    ask_soon(d)
    return request_cancel(d, double, DOUBLE) if ours else double


def cancel_doubles_again(d: Draft, ended: OrderRecord) -> None:
    """Cancel doubles with the order id of the order that ended: the earlier cancel may have ended that one instead."""
    for double in doubles_of(partial(d.get, OrderRecord), reference_of(ended))[0]:
        if double.live and double.cancel_reason == DOUBLE and double.order_id == ended.order_id:
            request_cancel(d, double, DOUBLE)
