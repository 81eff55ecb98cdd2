"""Entries whose attached stop is over: they are cancelled. Pure.

If such an entry filled while the gateway is away, its shares would have no stop until the gateway is back.
"""

from __future__ import annotations

from messages.orders import OrderRecord
from services.gateway.book.records import Doubt, SessionRecord
from services.gateway.orders.cancels import request_cancel
from services.runtime.core import Draft
from services.trading.ids import stop_reference

__all__ = ["WITHOUT_STOP", "cancel_unstopped"]

WITHOUT_STOP = "without_stop"
"""The cancel reason of an entry whose stop ended before it."""


def cancel_unstopped(d: Draft, symbol: str) -> None:
    """Cancel the entry of a symbol if the stop attached to it ended unfilled: refused, or cancelled by somebody else.

    After the close both end by themselves, in any order.
    """
    if (d.get(SessionRecord, "session") or SessionRecord()).phase == "closed":
        return
    for entry in list(d.table(OrderRecord).values()):
        if entry.symbol != symbol or entry.role != "entry" or not entry.live or entry.remaining <= 0:
            continue
        stop = d.get(OrderRecord, stop_reference(entry.key, 1))
        if stop is None or stop.live or stop.filled or entry.cancel_reason or d.get(Doubt, entry.key) is not None:
            continue
        d.note("entry_without_stop", symbol, "WARNING", client_order_id=entry.key, stop=stop.status, why=stop.reason)
        request_cancel(d, entry, WITHOUT_STOP)
