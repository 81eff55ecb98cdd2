"""Reports how many shares there are to protect, and how many a stop at the broker protects, whenever it changes. Pure.

`carry_out.py` acts and alerts only if it can do something. This file reports always: the time without protection is
computed from it.
"""

from __future__ import annotations

import math

from messages.orders import OrderRecord, ProtectionChanged
from services.gateway.book.records import AccountPosition, Coverage, Own
from services.gateway.protection.plan import covered
from services.runtime.core import Draft

__all__ = ["report_coverage"]


def report_coverage(d: Draft) -> None:
    """Report the coverage of every symbol that this decision changed."""
    kinds = (Own, AccountPosition, OrderRecord)
    touched = (record.symbol for kind, _, record in d.decision.changes if kind in kinds and record is not None)
    for symbol in dict.fromkeys(touched):
        own, position = d.get(Own, symbol) or Own(symbol), d.get(AccountPosition, symbol)
        held = own.quantity if position is None else min(own.quantity, position.quantity)
        shares = float(math.floor(max(0.0, held)))
        if not shares and d.get(Coverage, symbol) is None:
            continue
        orders = d.table(OrderRecord).values()
        sells = [o for o in orders if o.symbol == symbol and o.live and o.role in ("stop", "flatten")]
        now = Coverage(symbol, shares, min(shares, covered(sells)))
        if now != (d.get(Coverage, symbol) or Coverage(symbol)):
            d.put(now)
            d.send("recorder", ProtectionChanged(symbol, now.shares, now.protected, d.now.market_ns))
