"""Compares the broker's complete answer with the book. Pure. The broker wins; no entry is placed until it is done.

Executions come first, by time, then completed orders, then open orders: so a fill is applied before the status that it
explains.
"""

from __future__ import annotations

from collections.abc import Mapping

from messages.broker import BrokerExecution, BrokerPosition, BrokerSnapshot, FromBroker
from services.gateway.book.identity import find
from services.gateway.book.records import AccountPosition, OrderRecord, foreign_key

__all__ = ["absent", "execution_order", "facts"]


def execution_order(execution: BrokerExecution) -> tuple[int, bool, str]:
    """Sorts executions. Their times are whole seconds: within a second, purchases come before sales."""
    return execution.time_ns, execution.side == "SELL", execution.exec_id


def facts(snapshot: BrokerSnapshot, positions: Mapping[str, AccountPosition], account: str) -> list[FromBroker]:
    """The snapshot as single facts, in the order in which to fold them.

    A position of `account` that the broker does not list is flat: the answer is complete. Of two unknown open orders
    with one reference the older one keeps it.
    """
    listed = {p.symbol for p in snapshot.positions if p.account == account}
    gone = [p for p in positions.values() if p.symbol not in listed and p.quantity != 0]
    return [
        *sorted(snapshot.executions, key=execution_order),
        *snapshot.commissions,
        *snapshot.completed_orders,
        *sorted(snapshot.open_orders, key=lambda o: o.perm_id),
        *snapshot.positions,
        *(BrokerPosition(account, p.symbol, 0.0, 0.0) for p in gone),
    ]


def absent(snapshot: BrokerSnapshot, orders: Mapping[str, OrderRecord]) -> list[OrderRecord]:
    """Live orders that the snapshot does not list: own orders are in doubt, not dead; foreign orders are gone."""
    seen: set[str] = set()
    for reported in (*snapshot.open_orders, *snapshot.completed_orders):
        known = find(orders.get, reported.client_order_id, reported.order_id, reported.perm_id)
        seen |= {foreign_key(reported)} if known is None else {foreign_key(reported), known.client_order_id}
    return [o for o in orders.values() if o.live and o.client_order_id not in seen]
