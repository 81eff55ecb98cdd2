"""Cancels: sent once, asked about, and sent again while the broker goes on working the order. Pure.

A cancel can be lost without a word, and an order that is believed to be on its way out protects nothing and blocks what
should follow it. So what became of it is asked, as for an order in doubt, and only an answer that lists the order as
working sends it again: a few times, later and later. Then the operator is told. A new connection and the next session
begin anew: some brokers answer a cancel at the open.
"""

from __future__ import annotations

import msgspec

from messages.broker import CancelOrder
from messages.orders import OrderRecord
from services.gateway.book.records import CancelSent, Doubt, SessionRecord
from services.runtime.core import Draft, State

__all__ = [
    "cancel_deadline",
    "doubt_overdue_cancels",
    "drop_cancels",
    "resend_cancels",
    "resume_cancels",
    "send_cancel",
]

SECOND = 1_000_000_000
ANSWER_NS, ANSWER_MAX_NS = 10 * SECOND, 60 * SECOND
"""Machine time in which the broker has to end the order, doubled with each repetition."""
MAX_SENT = 5
"""How often one cancel is sent."""


def send_cancel(d: Draft, order: OrderRecord, reason: str) -> OrderRecord:
    """Take an order back; the first reason stays. What it reserves is free once the broker says so."""
    order = d.put(msgspec.structs.replace(order, cancel_reason=order.cancel_reason or reason))
    _send(d, order, 1)
    return order


def _send(d: Draft, order: OrderRecord, count: int) -> None:
    wait_ns = min(ANSWER_MAX_NS, ANSWER_NS << (count - 1))
    d.put(CancelSent(order.key, count, d.now.machine_ns + wait_ns))
    d.send("broker", CancelOrder(order.order_id, order.client_order_id))


def cancel_deadline(state: State) -> int | None:
    """When to ask what became of a cancel (machine time)."""
    return min((sent.ask_ns for sent in state.table(CancelSent).values() if sent.ask_ns), default=None)


def doubt_overdue_cancels(d: Draft) -> bool:
    """The orders whose end is overdue are in doubt. True if there is one, so the broker must be asked."""
    overdue = False
    for sent in d.table(CancelSent).values():
        order = d.get(OrderRecord, sent.client_order_id)
        if order is None or not order.live:
            d.drop(CancelSent, sent.key)
        elif sent.ask_ns and sent.ask_ns <= d.now.machine_ns:
            d.put(msgspec.structs.replace(sent, asked=True, ask_ns=d.now.machine_ns + ANSWER_NS))
            d.put(d.get(Doubt, order.key) or Doubt(order.key))
            overdue = True
    return overdue


def resend_cancels(d: Draft) -> None:
    """After a complete answer: what was asked about and still works is cancelled again, so often and no oftener."""
    for sent in d.table(CancelSent).values():
        order = d.get(OrderRecord, sent.client_order_id)
        if order is None or not order.live:
            d.drop(CancelSent, sent.key)
            continue
        if not sent.asked or not sent.ask_ns or d.get(Doubt, order.key) is not None:
            continue
        fields: dict[str, str | int] = {"client_order_id": order.key, "sent": sent.count, "status": order.status}
        if sent.count < MAX_SENT:
            d.note("cancel_repeated", order.symbol, "WARNING", **fields)
            _send(d, order, sent.count + 1)
            continue
        session = d.get(SessionRecord, "session") or SessionRecord()
        d.note("cancel_unanswered", order.symbol, "WARNING" if session.phase == "closed" else "ERROR", **fields)
        d.put(msgspec.structs.replace(sent, ask_ns=0))


def drop_cancels(d: Draft, *, given_up: bool = False) -> None:
    """None is under way any more: all of them were on a link that is gone, or those that were given up begin anew."""
    for sent in d.table(CancelSent).values():
        if not given_up or not sent.ask_ns:
            d.drop(CancelSent, sent.key)


def resume_cancels(d: Draft) -> None:
    """Every cancel that is wanted and not under way is sent: it was asked for, or lost, while the link was down."""
    for order in d.table(OrderRecord).values():
        wanted = order.live and order.cancel_reason and order.order_id and d.get(Doubt, order.key) is None
        if wanted and d.get(CancelSent, order.key) is None:
            _send(d, order, 1)
