"""Questions to the broker: one at a time, each answered by a complete snapshot. Pure.

An answer settles only what was in doubt when the question was sent.
"""

from __future__ import annotations

import msgspec

from messages.broker import RequestSnapshot
from messages.orders import OrderRecord
from services.gateway.book.queries import links_of
from services.gateway.book.records import Change, Doubt, Missing
from services.runtime.core import Draft

__all__ = ["ask", "ask_later", "ask_soon", "doubt_unacknowledged", "mark_asked", "watch_acks"]

SECOND = 1_000_000_000
ASK_AGAIN_NS = 2 * SECOND
"""Machine time between two questions about an order in doubt, and after a failed snapshot."""
ACK_NS = 10 * SECOND
"""Machine time in which the broker should acknowledge an order."""


def ask(d: Draft) -> None:
    """Ask now. The question covers every order that is in doubt and all shares that are missing at this moment."""
    for doubt in d.table(Doubt).values():
        d.put(msgspec.structs.replace(doubt, asked=True))
    mark_asked(d)
    d.put(msgspec.structs.replace(links_of(d), asking=True, ask_at_ns=0))
    d.send("broker", RequestSnapshot())


def ask_soon(d: Draft) -> None:
    """Ask now, or after the answer that is awaited: that one may not cover what is asked."""
    if links_of(d).asking:
        ask_later(d, asking=True)
    else:
        ask(d)


def ask_later(d: Draft, *, asking: bool) -> None:
    """Ask after `ASK_AGAIN_NS`. `asking`: an answer is still awaited."""
    at = d.now.machine_ns + ASK_AGAIN_NS
    d.put(msgspec.structs.replace(links_of(d), ask_at_ns=at, asking=asking))


def watch_acks(d: Draft) -> None:
    """Set a deadline for acknowledgements, after which the broker is asked."""
    links = links_of(d)
    if not links.ask_at_ns:
        d.put(msgspec.structs.replace(links, ask_at_ns=d.now.machine_ns + ACK_NS))


def doubt_unacknowledged(d: Draft) -> None:
    """Put orders and changes that were sent and not acknowledged in doubt."""
    orders = d.state.table(OrderRecord).values()
    for order in [o for o in orders if o.live and (o.status == "InFlight" or d.get(Change, o.key) is not None)]:
        if d.get(Doubt, order.key) is None:
            d.put(Doubt(order.client_order_id))


def mark_asked(d: Draft) -> None:
    """Mark missing shares as covered by the question that goes out now."""
    for missing in d.table(Missing).values():
        d.put(Missing(missing.symbol, True, missing.account))
