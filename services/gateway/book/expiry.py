"""Which records leave the ledger, and when. Pure."""

from __future__ import annotations

from services.gateway.book.records import CommissionSeen, EarlyCommission, FillRecord, OrderRecord, Own, Tombstone
from services.runtime.core import Draft

__all__ = ["drop_old_records"]

SECOND = 1_000_000_000
KEEP_NS = 8 * 24 * 3600 * SECOND
"""How long orders that ended, and their fills, stay. The broker repeats executions of at most one week."""


def drop_old_records(d: Draft) -> None:
    """Drop orders that ended weeks ago, and their fills: the recorder keeps them for ever.

    Those of a symbol that is held stay: a new stop for it is made from them.
    """
    horizon = d.now.market_ns - KEEP_NS
    held = {own.symbol for own in d.state.table(Own).values() if own.quantity > 0}
    for order in d.state.table(OrderRecord).values():
        if not order.live and order.updated_ns < horizon and order.symbol not in held:
            d.drop(OrderRecord, order.key)
    for record in d.state.table(FillRecord).values():
        if record.fill.time_ns < horizon and record.fill.symbol not in held:
            d.drop(FillRecord, record.key)
            d.drop(CommissionSeen, record.key)
    for kind in (Tombstone, EarlyCommission):
        for key in d.state.table(kind):
            d.drop(kind, key)
