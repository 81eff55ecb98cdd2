"""Stops that wait for an entry that is over: they never sell, so to replace them takes nothing away. Pure.

A report that a stop waits can be old: the report that it works may be lost, or overtaken. So only a complete answer is
proof, if its open orders list the stop as waiting and its entry no more. What is reported of the stop later ends that.

Real world: a broker can keep a child whose parent was cancelled, unfilled or filled in part.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from messages.broker import BrokerSnapshot
from messages.orders import OrderRecord
from services.gateway.book.identity import find
from services.gateway.book.queries import links_of
from services.runtime.core import Draft
from services.trading.ids import entry_of_stop

__all__ = ["forget_waiting", "never_sells", "take_waiting", "waits", "waits_in_vain"]


def waits(stop: OrderRecord) -> bool:
    """Whether the newest report of a stop says that it waits for its entry."""
    return stop.status != "Submitted" and "child" in stop.why_held


def waits_in_vain(snapshot: BrokerSnapshot, orders: Mapping[str, OrderRecord]) -> tuple[str, ...]:
    """The stops of ours that wait in this answer, although their entries do not work in it."""
    working = {o.client_order_id for o in snapshot.open_orders if o.side == "BUY" and o.filled < o.quantity}
    found = []
    for reported in snapshot.open_orders:
        if "child" not in reported.why_held or entry_of_stop(reported.client_order_id) in working:
            continue
        stop = find(orders.get, reported.client_order_id, reported.order_id, reported.perm_id)
        if stop is not None and stop.role == "stop":
            found.append(stop.key)
    return tuple(found)


def take_waiting(d: Draft, snapshot: BrokerSnapshot) -> None:
    """Remember which stops wait in vain in this complete answer."""
    links, found = links_of(d), waits_in_vain(snapshot, d.table(OrderRecord))
    if links.waiting != found:
        d.put(msgspec.structs.replace(links, waiting=found))


def forget_waiting(d: Draft, stop: OrderRecord) -> None:
    """A newer report says that it works."""
    links = links_of(d)
    if stop.key in links.waiting:
        d.put(msgspec.structs.replace(links, waiting=tuple(key for key in links.waiting if key != stop.key)))


def never_sells(d: Draft, stop: OrderRecord) -> bool:
    """Whether the newest complete answer proves that a stop never sells, and nothing newer says that it works."""
    return waits(stop) and stop.key in links_of(d).waiting
