"""Which order of the book a report of the broker is about. The permId is an order's identity. Pure.

Our reference (orderRef) should name one order, but two orders can have it: a broken link can turn a change into a
second order, or somebody places a copy. The first known order keeps the reference as its key. Any other is a *double*
with its own key, so that reports about one are never applied to the other.

Order ids prove little: they are 0 in completed orders, 0 or negative for another client, go back when the broker's
gateway restarts, and a double may have the same id as the first order. They decide only while the permId is unknown,
which is until an order is acknowledged. But an order id is all that a change or a cancel names: if two live orders have
it, the broker may apply the command to either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from messages.orders import OrderRecord
from services.trading.ids import double_reference, referenced

__all__ = ["DOUBLE", "doubles_of", "find", "is_double", "named_by_id", "reference_of"]

DOUBLE = "double_order"
"""The cancel reason of an order whose reference belongs to another order."""

Lookup = Callable[[str], OrderRecord | None]


def reference_of(order: OrderRecord) -> str:
    """The orderRef that an order has at the broker: its key, except for a double."""
    return referenced(order.client_order_id)


def is_double(order: OrderRecord) -> bool:
    """Whether its reference belongs to another order."""
    return reference_of(order) != order.client_order_id


def doubles_of(lookup: Lookup, reference: str) -> tuple[list[OrderRecord], str]:
    """The doubles known under a reference, oldest first, and the key for one more."""
    found: list[OrderRecord] = []
    while (order := lookup(key := double_reference(reference, len(found) + 2))) is not None:
        found.append(order)
    return found, key


def find(lookup: Lookup, reference: str, order_id: int, perm_id: int) -> OrderRecord | None:
    """The order with this reference that matches these ids; None if there is none."""
    first = lookup(reference)
    if first is None or (perm_id and first.perm_id == perm_id):
        return first
    orders = [first, *doubles_of(lookup, reference)[0]]
    exact = next((o for o in orders if perm_id and o.perm_id == perm_id), None)
    return exact or next((o for o in orders if _may_match(o, order_id, perm_id)), None)


def _may_match(order: OrderRecord, order_id: int, perm_id: int) -> bool:
    """Whether they can be the same order although one side has no permId."""
    if order.perm_id and perm_id:
        return False
    return order.order_id <= 0 or order_id <= 0 or order.order_id == order_id


def named_by_id(order: OrderRecord, orders: Iterable[OrderRecord]) -> list[OrderRecord]:
    """The order, and the other live ones among `orders` that a command with its order id can reach."""
    others = [o for o in orders if o.live and o.key != order.key and o.order_id == order.order_id > 0]
    return [order, *(o for o in others if o.role != "foreign")]
