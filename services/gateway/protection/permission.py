"""Whether a stop of ours may be cancelled or made smaller: rule A in one place. Pure. Only this file makes a `Release`.

A stop is never cancelled or made smaller while the account holds the shares, whatever the book says. Two complete
answers that agree must show the account's position (`book/evidence.py`). After the change, what still protects must be
at least the smaller of that position and the *claim*: the most that any witness says is ours.

- Own shares: executions, and what was adopted or booked.
- The broker's orders: shares that they count as filled and that no execution explains.
- The resting stops: a stop is a claim to the shares that it would sell. Stops of one entry claim the same shares, stops
  of different entries add up. If the broker has reported how the entry ended, it claims no more than that bought.

A cancel or a change names an order id. If two live orders have it, what is left is counted as if it reached the one
whose loss is worse. If that forbids it, the two can only be exchanged.

Foreign shares can make it undecidable whose shares are left: then the stop stays, and a person is asked.

Two exceptions: a sale that was ordered, and the exchange of one stop for another while the market is open, the price is
well above the stop (just above it, if the stop would sell more than the account has) and the close is far enough. A
stop that was not adjusted for a split may go before the open. A stop that waits for an entry that is over never sells
(`waiting.py` says what proves that): to replace it needs no price and no hour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from messages.orders import OrderRecord
from services.gateway.book.evidence import MIN_LINK_AGE_NS, confirmed_position
from services.gateway.book.identity import named_by_id, reference_of
from services.gateway.book.queries import links_of
from services.gateway.book.records import (
    AccountPosition,
    Change,
    Doubt,
    FillRecord,
    FlattenRecord,
    Own,
    QuoteRecord,
    SessionRecord,
)
from services.gateway.book.waiting import never_sells, waits
from services.gateway.book.witnesses import most_bought
from services.gateway.operator.flatten import reason_to_wait
from services.gateway.orders.cancels import Release
from services.gateway.protection.plan import MIN_DISTANCE_PCT, protects
from services.runtime.core import Draft
from services.trading.ids import entry_of_stop
from services.trading.sessions import is_break

__all__ = ["EXCHANGES", "NoRelease", "claimed", "claimed_by_stops", "decide", "permit", "permit_cancel"]

SECOND = 1_000_000_000
BEFORE_CLOSE_NS = 60 * SECOND
"""In this time before the close no stop is exchanged: the new one might not be confirmed any more."""
EXCHANGES = frozenset({"modify_refused", "exchanged", "stuck_child", "split_refused"})
"""Cancel reasons of a stop that another one replaces."""
WITH_ITS_DOUBLE = frozenset({"modify_refused", "stuck_child"})
"""Those of a stop that has its order id in common with another order: no change of it is certain to reach it."""


class NoRelease(msgspec.Struct, frozen=True):
    """Why a stop may not be cancelled or made smaller.

    `unconfirmed`: no two answers agree on the account's position yet. `shares_held`: the account holds shares that a
    witness says are ours. `not_now`: a sale or an exchange that must wait.
    """

    reason: str
    account: float | None = None
    claim: float = 0.0


def permit(
    d: Draft, stop: OrderRecord, reason: str, remaining: float = 0.0, *, split: float = 1.0
) -> Release | NoRelease:
    """Decide whether a sell may be cancelled, or made smaller so that `remaining` shares are left of it.

    `split`: new shares for each old one, while a split is applied: the stops still have the old figures.
    """
    if stop.role != "stop":
        return Release(stop.key, remaining)  # a sale at the market protects nothing
    if reason == "flatten":
        ordered = d.get(FlattenRecord, stop.symbol) is not None
        may = ordered and reason_to_wait(d, stop.symbol, links_of(d)) is None
        return Release(stop.key, remaining) if may else NoRelease("not_now")
    live = [o for o in d.table(OrderRecord).values() if o.symbol == stop.symbol and o.live]
    named = named_by_id(stop, live)
    if reason in EXCHANGES and (len(named) == 1 or reason in WITH_ITS_DOUBLE):
        return Release(stop.key, remaining) if _may_exchange(d, named, reason) else NoRelease("not_now")
    account = confirmed_position(d, stop.symbol)
    if account is None:
        return NoRelease("unconfirmed")
    left = min(_left(d, stop, reached, live, remaining) for reached in named)
    claim = claimed(d, stop.symbol, split=split)
    if decide(left, account, claim):
        return Release(stop.key, remaining)
    return NoRelease("shares_held", account, claim)


def permit_cancel(d: Draft, order: OrderRecord) -> Release | None:
    """Whether a sell may be cancelled for its `cancel_reason`: the permission, or None."""
    found = permit(d, order, order.cancel_reason)
    return found if isinstance(found, Release) else None


def decide(left: float, account: float, claim: float) -> bool:
    """Whether the sells that are `left` protect enough: all whole shares that are in the account and may be ours."""
    return left + 1e-9 >= math.floor(max(0.0, min(account, claim)) + 1e-9)


def _left(d: Draft, stop: OrderRecord, reached: OrderRecord, live: Sequence[OrderRecord], remaining: float) -> float:
    """The shares that the stops protect for certain, if what is sent for `stop` reaches the order `reached`.

    A change names the whole quantity of an order, with what it has sold.
    """
    others = sum(_certain(d, o) for o in live if o.role == "stop" and o.key != reached.key)
    if reached.key == stop.key or not remaining:
        return others + remaining
    return others + min(_certain(d, reached), max(0.0, remaining + stop.filled - reached.filled))


def _certain(d: Draft, stop: OrderRecord) -> float:
    """The shares that a stop protects for certain: none in doubt, and the smaller figure while it is changed."""
    if not protects(stop) or d.get(Doubt, stop.key) is not None:
        return 0.0
    change = d.get(Change, stop.key)
    sent = change is not None and change.stage == "sent"
    return max(0.0, min(stop.remaining, change.quantity - stop.filled) if sent and change else stop.remaining)


def claimed(d: Draft, symbol: str, *, split: float = 1.0) -> float:
    """The most shares that any witness says are ours."""
    own = d.get(Own, symbol)
    book = own.quantity if own is not None else 0.0
    orders = [o for o in d.table(OrderRecord).values() if o.symbol == symbol and o.role != "foreign"]
    sure = [o for o in orders if d.get(Doubt, o.key) is None]
    return max(book, book + _unexplained(d, orders), split * claimed_by_stops(orders, sure))


def _unexplained(d: Draft, orders: Sequence[OrderRecord]) -> float:
    """Shares that the broker's orders count as filled, and no execution explains; those sold are subtracted."""
    explained: dict[str, float] = {}
    for record in d.table(FillRecord).values():
        key = record.fill.client_order_id
        explained[key] = explained.get(key, 0.0) + record.fill.quantity
    beyond = [(o.side, max(0.0, o.filled - explained.get(o.key, 0.0))) for o in orders]
    return sum(shares if side == "BUY" else -shares for side, shares in beyond)


def claimed_by_stops(orders: Sequence[OrderRecord], sure: Sequence[OrderRecord]) -> float:
    """The shares that the live stops among these orders claim. `sure`: those of the orders that are not in doubt."""
    by_entry: dict[str, float] = {}
    known = {o.key: o for o in sure}
    for stop in orders:
        if stop.role == "stop" and stop.live:
            entry = stop.parent_client_order_id or entry_of_stop(stop.client_order_id) or reference_of(stop)
            most = most_bought(known.get(entry))
            by_entry[entry] = max(by_entry.get(entry, 0.0), min(stop.remaining, most))
    return sum(by_entry.values())


def _may_exchange(d: Draft, named: Sequence[OrderRecord], reason: str) -> bool:
    """Whether this stop may be cancelled so that another one replaces it. For a moment its shares have none.

    `named`: the stop, and whatever else has its order id and may go in its place.
    """
    stop = named[0]
    session, quote = d.get(SessionRecord, "session") or SessionRecord(), d.get(QuoteRecord, stop.symbol)
    own, position = d.get(Own, stop.symbol), d.get(AccountPosition, stop.symbol)
    links, now_ns = links_of(d), d.now.market_ns
    link_age_ns = max(d.now.machine_ns - links.up_since_ns, now_ns - links.up_since_market_ns)
    if links.phase != "ready" or not links.broker_up or link_age_ns < MIN_LINK_AGE_NS or own is None:
        return False
    confirmed = confirmed_position(d, stop.symbol)
    if own.quantity < 1 or position is None or (position.quantity < own.quantity and confirmed is None):
        return False  # the new stop could not be placed
    if any(waits(o) and not never_sells(d, o) for o in named):
        return False
    working = [o for o in named if not waits(o)]
    if not working:
        return True  # nothing is taken away: no price and no hour matters
    if reason == "split_refused" and session.phase == "closed":
        return confirmed is not None  # it would trigger at the open at its old level; nothing trades before
    if session.phase == "closed" or d.now.stale or not links.data_up or is_break(session.break_ns, now_ns):
        return False
    if now_ns < session.open_ns or (session.close_ns and now_ns >= session.close_ns - BEFORE_CLOSE_NS):
        return False
    if quote is None or quote.quote.halted or quote.quote.last <= 0:
        return False
    levels = [level for o in working for level in (o.trail_stop_price, o.stop_price) if level is not None]
    # It can't be made smaller, and more would be sold than the account has: once it triggers, the account is
    # short. Or a double with its id never sells, and the shares are bare. That is worse than a moment without a stop.
    works = sum(o.remaining for o in working)
    unchangeable = reason == "modify_refused" or len(named) > 1
    sells_short = unchangeable and works > max(0.0, position.quantity)
    leaves_bare = len(named) > len(working) and works < math.floor(min(own.quantity, position.quantity))
    distance_pct = 0.0 if sells_short or leaves_bare else MIN_DISTANCE_PCT
    return bool(levels) and quote.quote.last > max(levels) * (1 + distance_pct / 100)
