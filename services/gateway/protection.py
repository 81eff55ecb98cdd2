"""Which protective orders a symbol needs: pure. The only place that decides to place, resize or cancel a stop.

A sell *protects* when the broker works it; while any sell only *reserves* its shares (sent and unconfirmed, cancel
pending, held behind its parent), nothing is placed: so live sells never exceed the shares.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from messages.orders import OrderRecord

__all__ = ["Action", "CancelStop", "PlaceStop", "ResizeStop", "covered", "plan"]


class PlaceStop(msgspec.Struct, frozen=True):
    """One more stop for the shares that have none."""

    quantity: float


class ResizeStop(msgspec.Struct, frozen=True):
    """Change a stop's remaining quantity in place, by its order id."""

    order: OrderRecord
    quantity: float


class CancelStop(msgspec.Struct, frozen=True):
    """Take a stop back that sells too much."""

    order: OrderRecord
    reason: str


Action = PlaceStop | ResizeStop | CancelStop


def protects(order: OrderRecord) -> bool:
    """Whether the broker works this sell now, and nobody asked it to stop."""
    if order.cancel_reason:
        return False
    if order.status == "PreSubmitted":
        return order.why_held in ("", "trigger")
    return order.status == "Submitted"


def covered(sells: Sequence[OrderRecord]) -> float:
    """Shares that are protected."""
    return sum(o.remaining for o in sells if protects(o))


def plan(own: float, account: float | None, sells: Sequence[OrderRecord], entry_live: bool) -> list[Action]:
    """What to do for `own` shares with the live `sells`; nothing while something is under way or disputed.

    `account`: the account's whole position, None when unknown. `entry_live`: the entry that bought them may still fill.
    """
    shares = math.floor(min(own, max(0.0, account)) if account is not None else own)
    if entry_live or any(not protects(o) for o in sells):
        return []
    have = covered(sells)
    if have == shares:
        return []
    if have < shares:
        if account is None or account < own:
            return []  # the position is disputed: a stop for shares that may not be there could sell short
        return [PlaceStop(shares - have)]
    oldest_first = sorted(sells, key=lambda o: (o.created_ns, o.order_id))
    if shares == 0:
        return [CancelStop(o, "orphan_stop") for o in oldest_first]
    keep, *extra = oldest_first
    if extra:
        return [CancelStop(o, "duplicate_stop") for o in extra]
    return [ResizeStop(keep, shares + keep.filled)]
