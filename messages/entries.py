"""The way of an entry: a symbol asks, risk approves or denies, the gateway places.

Approval is a type: the gateway's inbox knows `EntryApproved` and no raw entry, so risk can't be bypassed by mistake.
"""

from __future__ import annotations

import msgspec

__all__ = ["CancelEntry", "EntryApproved", "EntryDenied", "EntryDropped", "EntryPlan", "SubmitEntry"]


class EntryPlan(msgspec.Struct, frozen=True, array_like=True):
    """A buy stop and the protective stop that travels with it, as the symbol decided them.

    `client_order_id` is deterministic (ticker, session date, number) and becomes the broker's orderRef.
    `order_type` is 'STP LMT' (or 'STP', then `limit_price` is None); `stop_order_type` is 'TRAIL', 'TRAIL LIMIT'
    (then `limit_offset` is set) or 'STP' (then `stop_level` is its fixed price, and `trailing_pct` is that of the
    trailing stop that follows). `reference` is the last price it was decided on. `outside_rth`: both orders may
    trigger and fill in the pre- and after-market as well.
    """

    client_order_id: str
    symbol: str
    session_date: str
    quantity: float
    order_type: str
    stop_price: float
    limit_price: float | None
    reference: float
    tif: str
    stop_client_order_id: str
    stop_order_type: str
    trailing_pct: float
    limit_offset: float | None
    stop_tif: str
    decided_ns: int
    stop_level: float | None = None
    outside_rth: bool = False


class SubmitEntry(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Command, symbol to risk: may I?"""

    plan: EntryPlan


class EntryApproved(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Command, risk to gateway: place it. `reserved_usd` is what risk set aside for it."""

    plan: EntryPlan
    reserved_usd: float


class EntryDenied(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Answer, risk to symbol: no, for this reason (with its figures).

    Denied is not rejected: the broker never saw it.
    """

    client_order_id: str
    symbol: str
    reason: str
    figures: dict[str, float]


class EntryDropped(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Event of the gateway: an approved entry was not sent, because what must hold at that moment did not."""

    client_order_id: str
    symbol: str
    reason: str
    figures: dict[str, float]


class CancelEntry(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Command, symbol to gateway: take the entry back. Cancels never pass through risk."""

    client_order_id: str
    symbol: str
    reason: str
