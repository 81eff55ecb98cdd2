"""Compare the broker's complete answer with the book: pure. The broker wins; nothing trades until it is through.

Executions come first, in time order, then what became of orders, then what is open: so that a fill is heard before the status
that it explains.
"""

from __future__ import annotations

from collections.abc import Mapping

from messages.broker import BrokerPosition, BrokerSnapshot, FromBroker
from services.gateway.book import PREFIX, AccountPosition, OrderRecord

__all__ = ["absent", "facts"]


def facts(snapshot: BrokerSnapshot, positions: Mapping[str, AccountPosition]) -> list[FromBroker]:
    """Everything the snapshot says, as single facts in the order in which to fold them.

    A position that the broker no longer lists is flat: a complete answer without it says so.
    """
    listed = {p.symbol for p in snapshot.positions}
    gone = [p for p in positions.values() if p.symbol not in listed and p.quantity != 0]
    return [
        *sorted(snapshot.executions, key=lambda e: (e.time_ns, e.exec_id)),
        *snapshot.commissions,
        *snapshot.completed_orders,
        *snapshot.open_orders,
        *snapshot.positions,
        *(BrokerPosition(snapshot.account, p.symbol, 0.0, 0.0) for p in gone),
    ]


def absent(snapshot: BrokerSnapshot, orders: Mapping[str, OrderRecord]) -> list[OrderRecord]:
    """Live orders of ours that appear nowhere in the answer: in doubt, not dead."""
    seen = {o.client_order_id for o in (*snapshot.open_orders, *snapshot.completed_orders)}
    seen |= {e.client_order_id for e in snapshot.executions}
    return [o for o in orders.values() if o.live and o.client_order_id.startswith(PREFIX) and o.client_order_id not in seen]
