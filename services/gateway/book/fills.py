"""Books fills: own shares, their cost and the realized profits follow from the list of fills. Pure.

A fill that is *synthetic* (its execution was forgotten by the broker: see `witnesses.py`) leaves when the true
execution comes. Then everything is computed again from the list, as if the true one had always been in it, and every
sale whose profit changes is reported again.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from messages.orders import Fill, OrderFilled, OrderRecord, execution_key
from services.gateway.book.own_shares import bought, chronological, replay, sold, without
from services.gateway.book.records import FillRecord, Own, base_id
from services.gateway.book.witnesses import unexplained
from services.runtime.core import Draft
from services.trading.shares import exact

__all__ = ["awaits_fills", "book_fill", "fills_of", "is_synthetic", "restate", "shrunk"]

CENT = 0.01
"""Own cost and the cost computed again from all fills are the same within this."""


def is_synthetic(fill: Fill) -> bool:
    """Whether the fill was rebuilt, because the broker no longer reports its execution."""
    return fill.witness in ("order", "stop")


def fills_of(d: Draft, client_order_id: str) -> list[FillRecord]:
    """The fills of an order, oldest first."""
    found = [r for r in d.table(FillRecord).values() if r.fill.client_order_id == client_order_id]
    return sorted(found, key=lambda record: chronological(record.fill))


def awaits_fills(d: Draft, order: OrderRecord, count: float) -> bool:
    """Whether some of the `count` shares that the broker counts as filled are not booked yet.

    The newest execution says how many are filled in all; one before it may be lost.
    """
    fills = [record.fill for record in fills_of(d, order.key)]
    return unexplained(count, fills) > 0 if fills else count > order.filled


def shrunk(records: Sequence[FillRecord], surplus: float) -> list[Fill]:
    """The synthetic fills among these, newest first, as they are after true executions explain `surplus` of them.

    A fill that is explained whole stays with a quantity of 0, until it is dropped.
    """
    changed: list[Fill] = []
    for record in reversed(records):
        taken = min(surplus, record.fill.quantity)
        if taken <= 0 or not is_synthetic(record.fill):
            continue
        surplus = exact(surplus - taken)
        changed.append(_revised(record.fill, exact(record.fill.quantity - taken)))
    return changed


def _revised(fill: Fill, quantity: float) -> Fill:
    base, revision = execution_key(fill.exec_id)
    return msgspec.structs.replace(fill, exec_id=f"{base}.{revision + 1:02d}", quantity=quantity)


def book_fill(d: Draft, order: OrderRecord, fill: Fill, replaced: FillRecord | None, explained: Sequence[Fill]) -> Own:
    """Book a fill of `order`, and send its event. Returns the own shares after it.

    `replaced`: the earlier version of this execution, which the broker corrects. `explained`: the synthetic fills that
    this execution explains, as they are after it.
    """
    symbol = fill.symbol
    before = {key: r for key, r in d.table(FillRecord).items() if r.fill.symbol == symbol}
    old = [*([replaced] if replaced is not None else []), *(before[base_id(f.exec_id)] for f in explained)]
    new = [fill, *(f for f in explained if f.quantity)]
    own, realized = _computed(d.get(Own, symbol) or Own(symbol), before, old, new)
    d.put(own)
    for record in old:
        d.drop(FillRecord, record.key)
    for one in new:
        d.put(FillRecord(base_id(one.exec_id), one, realized.get(one.exec_id, 0.0)))
    undone = {record.key: record for record in old}
    for changed in explained:
        was, profit = undone[base_id(changed.exec_id)], realized.get(changed.exec_id, 0.0)
        d.send(
            symbol,
            OrderFilled(changed, order, own.quantity, own.cost_usd, profit, was.fill.exec_id, was.realized_usd),
        )
    profit, corrects, undone_usd = realized.get(fill.exec_id, 0.0), "", 0.0
    if replaced is not None:
        corrects, undone_usd = replaced.fill.exec_id, replaced.realized_usd
    elif explained:
        corrects = undone[base_id(explained[-1].exec_id)].fill.exec_id
    d.send(symbol, OrderFilled(fill, order, own.quantity, own.cost_usd, profit, corrects, undone_usd))
    for key, record in before.items():
        if key not in undone and record.fill.exec_id in realized:
            restate(d, record, own, realized[record.fill.exec_id])
    return own


def restate(d: Draft, record: FillRecord, own: Own, realized_usd: float) -> None:
    """Report an earlier sale again if its profit is another one now."""
    fill, order = record.fill, d.get(OrderRecord, record.fill.client_order_id)
    if abs(realized_usd - record.realized_usd) < 1e-9 or order is None:
        return
    d.put(FillRecord(record.base, fill, realized_usd))
    d.send(
        fill.symbol,
        OrderFilled(fill, order, own.quantity, own.cost_usd, realized_usd, fill.exec_id, record.realized_usd),
    )


def _computed(
    own: Own, before: dict[str, FillRecord], old: Sequence[FillRecord], new: Sequence[Fill]
) -> tuple[Own, dict[str, float]]:
    """(own shares after the change, realized profits by exec_id: of new fills, or of all if all are computed again).

    The newest fill is added. Any other change computes everything again from the list, unless the list does not explain
    the shares there are: after a split it does not.
    """
    gone = {record.key for record in old}
    kept = [record.fill for key, record in before.items() if key not in gone]
    if old or any(chronological(f) > chronological(n) for f in kept for n in new):
        known, _ = replay(own.symbol, (record.fill for record in before.values()))
        if known.quantity == own.quantity and abs(known.cost_usd - own.cost_usd) < CENT:
            return replay(own.symbol, [*kept, *new])
    realized: dict[str, float] = {}
    for record in old:
        own = without(own, record)
    for fill in sorted(new, key=chronological):
        if fill.side == "BUY":
            own = bought(own, fill.quantity, fill.price)
        else:
            own, realized[fill.exec_id] = sold(own, fill.quantity, fill.price)
    return own, realized
