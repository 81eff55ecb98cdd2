"""Which records leave the ledger, and when. Pure."""

from __future__ import annotations

from services.gateway.book.own_shares import chronological
from services.gateway.book.records import CommissionSeen, EarlyCommission, FillRecord, OrderRecord, Own, Tombstone
from services.runtime.core import Draft
from services.trading.shares import exact

__all__ = ["drop_old_records"]

SECOND = 1_000_000_000
KEEP_NS = 8 * 24 * 3600 * SECOND
"""How long orders that ended, and their fills, stay. The broker repeats executions of at most one week."""


def drop_old_records(d: Draft) -> None:
    """Drop orders that ended weeks ago, and their fills: the recorder keeps them for ever.

    Everything about shares that are held stays, however old: the purchases, all stops that the shares ever had, and
    their levels. The same holds for a symbol with a live order of ours. Own shares follow from the fills, so the fills
    of shares that were bought and sold again leave together, and no order leaves before its fills.
    """
    horizon = d.now.market_ns - KEEP_NS
    orders = d.state.table(OrderRecord).values()
    held = {own.symbol for own in d.state.table(Own).values() if own.quantity != 0}
    held |= {o.symbol for o in orders if o.live and o.role != "foreign"}
    old = _old_fills(d, horizon, held)
    kept = {r.fill.client_order_id for r in d.state.table(FillRecord).values() if r.key not in old}
    leaving = {o.key for o in orders if not o.live and o.updated_ns < horizon and o.symbol not in held} - kept
    for key in sorted(leaving):
        d.drop(OrderRecord, key)
    for record in d.state.table(FillRecord).values():
        order = d.state.get(OrderRecord, record.fill.client_order_id)
        if record.key in old and (order is None or order.key in leaving):
            d.drop(FillRecord, record.key)
            d.drop(CommissionSeen, record.key)
    for kind in (Tombstone, EarlyCommission):
        for key in d.state.table(kind):
            d.drop(kind, key)


def _old_fills(d: Draft, horizon: int, held: set[str]) -> set[str]:
    """The fills of symbols without shares up to the last moment before the horizon at which they had none.

    After a split sales and purchases do not add up: then all fills before the horizon.
    """
    old: set[str] = set()
    by_symbol: dict[str, list[FillRecord]] = {}
    for record in d.state.table(FillRecord).values():
        if record.fill.symbol not in held:
            by_symbol.setdefault(record.fill.symbol, []).append(record)
    for records in by_symbol.values():
        records.sort(key=lambda r: chronological(r.fill))
        balance, before, flat = 0.0, list[str](), list[str]()
        for record in records:
            balance = exact(balance + (record.fill.quantity if record.fill.side == "BUY" else -record.fill.quantity))
            if record.fill.time_ns < horizon:
                before.append(record.key)
                flat = list(before) if balance == 0 else flat
        old |= set(before if balance else flat)
    return old
