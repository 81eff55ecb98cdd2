"""The way of an entry: a symbol asks, risk approves or denies, the gateway places the order.

Approval is a type: the gateway accepts `EntryApproved` and no plain entry, so risk cannot be bypassed by mistake.
"""

from __future__ import annotations

import msgspec

__all__ = ["ROUTES", "CancelEntry", "EntryApproved", "EntryDenied", "EntryDropped", "EntryPlan", "SubmitEntry"]


class EntryPlan(msgspec.Struct, frozen=True, array_like=True):
    """An entry as the symbol decided it: a buy stop, and the protective stop that is attached to it.

    `client_order_id`: the entry's id, made of ticker, session date and number, so that the same entry always has the
    same id; it becomes IBKR's orderRef.
    `order_type`: 'STP LMT', or 'STP' without a limit.
    `stop_price` (USD per share): the price that triggers the buy.
    `limit_price` (USD per share): the highest price to pay; None for 'STP'.
    `reference` (USD per share): the last price, which the entry was decided on.
    `stop_client_order_id`: the id of the protective stop.
    `stop_order_type`: 'TRAIL', 'TRAIL LIMIT' (with `limit_offset`), or 'STP' (with `stop_level`).
    `trailing_pct`: how far the protective stop trails the price. With 'STP' a trailing stop of this distance replaces
    the fixed one later.
    `stop_tif`: the protective stop's time in force.
    `decided_ns`: when the entry was decided.
    `stop_level` (USD per share): the fixed price of a protective 'STP'; None for the trailing types.
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
    """A symbol asks risk to approve this entry."""

    plan: EntryPlan


class EntryApproved(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Risk approves this entry; the gateway places it.

    `reserved_usd`: the amount that risk has set aside for it.
    """

    plan: EntryPlan
    reserved_usd: float


class EntryDenied(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Risk denies this entry.

    Denied is not rejected: the broker never received the order.
    """

    client_order_id: str
    symbol: str
    reason: str
    figures: dict[str, float]


class EntryDropped(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The gateway did not send an approved entry, because a condition no longer held at that moment."""

    client_order_id: str
    symbol: str
    reason: str
    figures: dict[str, float]


class CancelEntry(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Cancel this entry. A cancel never passes through risk.

    `reason`: reason code of the cancel; the order keeps it.
    """

    client_order_id: str
    symbol: str
    reason: str


ROUTES: dict[type[msgspec.Struct], str] = {
    SubmitEntry: "symbol -> risk",
    EntryApproved: "risk -> gateway",
    EntryDenied: "risk -> recorder, symbol",
    EntryDropped: "gateway -> risk, symbol",
    CancelEntry: "symbol -> gateway",
}
