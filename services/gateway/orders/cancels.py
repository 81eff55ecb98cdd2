"""Cancels: sent once, asked about, and sent again while the broker still works the order. Pure.

A cancel can be lost silently, and an order that waits for its cancel protects nothing and blocks the next order. So the
gateway asks what became of it, as for an order in doubt. If the answer lists the order as working, the cancel is sent
again: a few times, with growing intervals. Then the operator is alerted. A new connection and the next session start
again: some brokers answer a cancel only at the open.

A cancel of a sell needs a `Release`, which only `protection/permission.py` makes. Each time it would be sent again that
is decided anew: a cancel that is no longer permitted is withdrawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from messages.broker import CancelOrder
from messages.orders import OrderRecord
from services.gateway.book.records import CancelSent, Doubt, SessionRecord
from services.runtime.core import Draft, State

__all__ = [
    "Permit",
    "Release",
    "cancel_deadline",
    "decide_cancels",
    "doubt_overdue_cancels",
    "drop_cancels",
    "request_cancel",
    "resend_cancels",
    "resume_cancels",
    "send_cancel",
]

SECOND = 1_000_000_000
ANSWER_NS, ANSWER_MAX_NS = 10 * SECOND, 60 * SECOND
"""Machine time in which the broker should end the order: the first wait, doubled with each repetition, and the most."""
MAX_SENT = 5
"""How often one cancel is sent in all, the first time included."""


class Release(msgspec.Struct, frozen=True):
    """The permission to cancel a sell of ours or to make it smaller. Only `protection/permission.py` makes one.

    `remaining` (shares): what must be left of the order; 0: it may be cancelled.
    """

    client_order_id: str
    remaining: float


Permit = Callable[[Draft, OrderRecord], Release | None]
"""Decides whether a sell may be cancelled for its `cancel_reason`."""


def request_cancel(d: Draft, order: OrderRecord, reason: str) -> OrderRecord:
    """Cancel an order; the first reason stays. A purchase is cancelled at once; for a sell `decide_cancels` follows."""
    if _is_protected(order):
        d.drop(CancelSent, order.key)
        return d.put(msgspec.structs.replace(order, cancel_reason=order.cancel_reason or reason))
    return send_cancel(d, order, reason)


def send_cancel(d: Draft, order: OrderRecord, reason: str, release: Release | None = None) -> OrderRecord:
    """Cancel an order; the first reason stays. Its shares are free once the broker has confirmed the end."""
    order = d.put(msgspec.structs.replace(order, cancel_reason=order.cancel_reason or reason))
    _send(d, order, 1, release)
    return order


def _is_protected(order: OrderRecord) -> bool:
    """Whether its cancel needs a `Release`."""
    return order.side == "SELL"


def _send(d: Draft, order: OrderRecord, count: int, release: Release | None) -> None:
    if _is_protected(order) and (release is None or release.client_order_id != order.key or release.remaining):
        raise ValueError(f"{order.key}: no cancel of a sell without a release")
    wait_ns = min(ANSWER_MAX_NS, ANSWER_NS << (count - 1))
    d.put(CancelSent(order.key, count, d.now.machine_ns + wait_ns))
    d.send("broker", CancelOrder(order.order_id, order.client_order_id))


def cancel_deadline(state: State) -> int | None:
    """When to ask about the next cancel (machine time); None if none is sent."""
    return min((sent.ask_ns for sent in state.table(CancelSent).values() if sent.ask_ns), default=None)


def doubt_overdue_cancels(d: Draft) -> bool:
    """Put orders whose cancel is overdue in doubt. True if there is one, so that the broker must be asked."""
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


def resend_cancels(d: Draft, permit: Permit) -> None:
    """After a complete answer: cancel again what was asked about and still works, `MAX_SENT` times in all."""
    for sent in d.table(CancelSent).values():
        order = d.get(OrderRecord, sent.client_order_id)
        if order is None or not order.live:
            d.drop(CancelSent, sent.key)
            continue
        if not sent.asked or not sent.ask_ns or d.get(Doubt, order.key) is not None:
            continue
        release = permit(d, order) if _is_protected(order) else None
        if _is_protected(order) and release is None:
            _withdraw(d, order)
            continue
        fields: dict[str, str | int] = {"client_order_id": order.key, "sent": sent.count, "status": order.status}
        if sent.count < MAX_SENT:
            d.note("cancel_repeated", order.symbol, "WARNING", **fields)
            _send(d, order, sent.count + 1, release)
            continue
        session = d.get(SessionRecord, "session") or SessionRecord()
        d.note("cancel_unanswered", order.symbol, "WARNING" if session.phase == "closed" else "ERROR", **fields)
        d.put(msgspec.structs.replace(sent, ask_ns=0))


def drop_cancels(d: Draft, *, given_up: bool = False) -> None:
    """Forget the cancels that were sent on a connection that is closed; with `given_up` only those given up."""
    for sent in d.table(CancelSent).values():
        if not given_up or not sent.ask_ns:
            d.drop(CancelSent, sent.key)


def resume_cancels(d: Draft, permit: Permit) -> None:
    """Send every cancel that is wanted and not sent: it was requested, or lost, while the link was down."""
    _decide(d, d.table(OrderRecord), permit)


def decide_cancels(d: Draft, permit: Permit) -> None:
    """Send the cancels that this decision requested, or withdraw them."""
    _decide(d, [key for kind, key, _ in d.decision.changes if kind in (OrderRecord, CancelSent)], permit)


def _decide(d: Draft, keys: Iterable[str], permit: Permit) -> None:
    """Send the cancels of these orders that are wanted and not sent; withdraw those that are not permitted."""
    for key in dict.fromkeys(keys):
        order = d.get(OrderRecord, key)
        if order is None or order.role == "foreign" or not order.live or not order.cancel_reason or not order.order_id:
            continue
        if d.get(Doubt, key) is not None or d.get(CancelSent, key) is not None:
            continue
        if not _is_protected(order):
            _send(d, order, 1, None)
        elif (release := permit(d, order)) is not None:
            _send(d, order, 1, release)
        else:
            _withdraw(d, order)


def _withdraw(d: Draft, order: OrderRecord) -> None:
    """The cancel is not wanted any more: the order counts again."""
    d.drop(CancelSent, order.key)
    d.put(msgspec.structs.replace(order, cancel_reason=""))
    d.note("cancel_withdrawn", order.symbol, "WARNING", client_order_id=order.key, reason=order.cancel_reason)
