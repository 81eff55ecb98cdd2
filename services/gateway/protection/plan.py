"""Which stops a symbol needs. Pure. Only this file decides to place, resize or cancel a stop.

A sell *protects* if the broker works it. It only *reserves* its shares if it is sent and unconfirmed, its cancel is
pending, or it waits for its parent: then nothing is done, so that live sells never exceed the shares. A live stop is
resized in place; a second stop is never added.

If there are two all the same, a whole one is cancelled only if the others protect all shares, the youngest first; else
the largest is made smaller. If both have one order id, nobody knows which of them a command reaches. Cancelled is then
what is enough without either. And the quantity for the largest is safe for the other, too: more is left, not less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from messages.orders import OrderRecord
from services.gateway.book.identity import named_by_id
from services.gateway.book.records import NEVER_ARRIVED

__all__ = [
    "MIN_DISTANCE_PCT",
    "Action",
    "CancelStop",
    "PlaceStop",
    "ResizeStop",
    "covered",
    "due_for_renewal",
    "level_reached",
    "may_become_trailing",
    "plan",
    "protects",
    "refused_in_a_row",
    "replacement_type",
]

DAY_NS = 24 * 3600 * 1_000_000_000
RENEW_AFTER_NS = 60 * DAY_NS
"""IBKR ends a GTC order at the end of the quarter after the one in which it was placed or last changed: after at least
90 days."""
MIN_DISTANCE_PCT = 2.0
"""A trailing stop replaces a fixed one only if the market is so far above it: for a moment the shares have no stop."""


class PlaceStop(msgspec.Struct, frozen=True):
    """A stop for shares that have none."""

    quantity: float


class ResizeStop(msgspec.Struct, frozen=True):
    """Change a stop's whole quantity (filled shares included) in place, by its order id."""

    order: OrderRecord
    quantity: float


class CancelStop(msgspec.Struct, frozen=True):
    """Cancel a stop that sells too much, or that must be replaced."""

    order: OrderRecord
    reason: str


Action = PlaceStop | ResizeStop | CancelStop


def protects(order: OrderRecord) -> bool:
    """Whether the broker works this sell, and no cancel is requested."""
    if order.cancel_reason:
        return False
    if order.status == "PreSubmitted":
        return order.why_held in ("", "trigger")
    return order.status == "Submitted"


def covered(sells: Sequence[OrderRecord]) -> float:
    """Shares that are protected."""
    return sum(o.remaining for o in sells if protects(o))


def plan(
    own: float, account: float | None, sells: Sequence[OrderRecord], entry_live: bool, *, proved: bool = False
) -> list[Action]:
    """What to do for `own` shares with the live `sells`; nothing while one is unconfirmed or the position disputed.

    `account`: the account's whole position, None if unknown; `proved`: answers that agree show it. `entry_live`: the
    entry that bought them may still fill.
    """
    shares = max(0, math.floor(own if account is None else min(own, account)))  # (oversold: nothing is left to sell)
    if entry_live or any(not protects(o) for o in sells):
        return []
    protected = covered(sells)
    if protected == shares:
        return []
    oldest_first = sorted(sells, key=lambda o: (o.created_ns, o.order_id))
    if protected < shares:
        if account is None or (own - account >= 1 and not proved):
            return []  # the position is disputed: a stop for shares that may not be there could sell short
        if not sells:
            return [PlaceStop(shares)]
        grows = _largest(named_by_id(oldest_first[0], sells))
        return [ResizeStop(grows, grows.quantity + shares - protected)]
    if shares == 0:
        return [CancelStop(o, "orphan_stop") for o in oldest_first]
    return _reduced(oldest_first, protected - shares)


def _reduced(oldest_first: Sequence[OrderRecord], excess: float) -> list[Action]:
    """Cancel the stops that can be spared while `excess` shares too many are sold; if none can, shrink the largest."""
    spared: list[Action] = []
    left = excess
    for stop in reversed(oldest_first):
        most = max(o.remaining for o in named_by_id(stop, oldest_first))
        if most <= left:
            spared.append(CancelStop(stop, "duplicate_stop"))
            left -= most
    largest = _largest(oldest_first)
    return spared[::-1] or [ResizeStop(largest, largest.quantity - excess)]


def _largest(stops: Sequence[OrderRecord]) -> OrderRecord:
    return max(stops, key=lambda o: o.remaining)


def due_for_renewal(stop: OrderRecord, now_ns: int) -> bool:
    """Whether the broker would soon end this GTC stop. A change restarts its lifetime."""
    return stop.tif == "GTC" and now_ns - max(stop.created_ns, stop.renewed_ns) >= RENEW_AFTER_NS


def level_reached(stops: Sequence[OrderRecord], lowest: float) -> float:
    """The highest level that any stop of these shares ever had, `lowest` without one: a new stop starts there."""
    levels = [o.trail_stop_price for o in stops] + [o.stop_price for o in stops]
    return max([level for level in levels if level is not None], default=lowest)


def refused_in_a_row(stops: Sequence[OrderRecord]) -> int:
    """How many of the newest stops in a row the broker definitely refused."""
    count = 0
    for stop in sorted(stops, key=lambda o: (o.created_ns, o.order_id), reverse=True):
        if stop.status != "Inactive" and stop.reason != NEVER_ARRIVED:
            break
        count += 1
    return count


def replacement_type(stops: Sequence[OrderRecord], trailing: str) -> str:
    """The order type of a new stop for these shares.

    Trailing; but fixed if a trailing stop was to replace a fixed one and the broker refused it.
    """
    if not any(o.order_type == "STP" for o in stops):
        return trailing
    newest = max(stops, key=lambda o: (o.created_ns, o.order_id))
    back = newest.order_type == "STP" or refused_in_a_row(stops) > 0
    return "STP" if back and newest.cancel_reason != "exchanged" else trailing


def may_become_trailing(stop: OrderRecord, stops: Sequence[OrderRecord], last: float) -> bool:
    """Whether a trailing stop may replace this fixed stop now; never again once the broker has refused one."""
    refused = any(o.order_type.startswith("TRAIL") and not o.live and not o.filled for o in stops)
    far = stop.stop_price is not None and last > stop.stop_price * (1 + MIN_DISTANCE_PCT / 100)
    return stop.order_type == "STP" and protects(stop) and far and not refused
