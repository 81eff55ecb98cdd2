"""What the broker's answer says about own shares beside the executions. Pure.

Own shares have three witnesses: the executions; the broker's orders (how much of each is filled, completed ones, the
stop that rests under our reference); and our records of these orders. The broker reports executions since midnight
only. So after a complete answer each order's count is compared with the fills that are known, and what is missing is
rebuilt as a *synthetic* fill:

- at the order's average price if the broker reports it, otherwise at the level that triggers the order,
- at the time at which the broker says that the order was completed, otherwise when it was last known to be live.

The functions here only say how many shares, at which price. `orders/rebuilding.py` asks them and books the fills.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from messages.broker import BrokerOrder
from messages.orders import Fill, OrderRecord
from services.gateway.book.records import REVERSE_SPLIT_COST
from services.trading.shares import exact

__all__ = [
    "claimed",
    "counted",
    "entry_filled_unseen",
    "has_paid",
    "is_busted",
    "most_bought",
    "others_bought",
    "price_of_missing",
    "rests",
    "sold_unseen",
    "synthetic_exec_id",
    "unexplained",
]

SAME_COST = 1e-4
"""Average costs that differ by less than this part are the same: brokers round them."""
COMMISSION_USD = 1.0
"""IBKR's usual commission of an order. The average cost of a position contains it."""
_SIZE = re.compile(r"Filled Size:\s*([0-9.]+)")
"""How IBKR words the end of a filled order."""


def counted(reported: BrokerOrder, quantity: float) -> float:
    """How many shares of an order the broker's report says are filled.

    `quantity`: the order's whole quantity as we know it. A filled order without a figure is filled whole.
    """
    if reported.filled > 0 or reported.status != "Filled":
        return reported.filled
    size = _SIZE.search(reported.completed_status)
    return float(size[1]) if size is not None else reported.quantity or quantity


def is_busted(fills: Iterable[Fill]) -> bool:
    """Whether the exchange annulled an execution of an order: what the order counts as filled is not sure any more."""
    return any(f.witness == "execution" and not f.quantity for f in fills)


def unexplained(count: float, fills: Iterable[Fill]) -> float:
    """How many of the `count` filled shares of an order no known fill explains."""
    return max(0.0, exact(count - sum(f.quantity for f in fills)))


def most_bought(entry: OrderRecord | None) -> float:
    """The most that an entry can have bought: without limit, unless the broker reported its state for certain.

    A completed order, and one that several answers did not list, can have filled more than was reported.
    """
    if entry is None or entry.status == "Inactive" or entry.reason:
        return math.inf
    return entry.filled


def has_paid(entry: OrderRecord, shares: float, cost: float) -> bool:
    """Whether an entry that filled whole can have this average cost, commission included: from trigger to limit."""
    paid = cost - COMMISSION_USD / shares
    return entry.stop_price is not None and entry.stop_price <= paid <= (entry.limit_price or math.inf)


def price_of_missing(count: float, average: float, fills: Sequence[Fill], level: float) -> float:
    """The price of the shares that no fill explains.

    With the order's average price it makes the average of all its fills right. `level`: the price without one.
    """
    missing = unexplained(count, fills)
    if average > 0 and missing > 0:
        price = (average * count - sum(f.quantity * f.price for f in fills)) / missing
        if price > 0:
            return price
    return level


def rests(stop: OrderRecord) -> bool:
    """Whether the broker works this stop: it is not one that still waits for its entry to fill."""
    return stop.status in ("PreSubmitted", "Submitted", "PendingCancel") and "child" not in stop.why_held


def claimed(account: float, own: float, resting: float) -> float:
    """How many more shares than `own` the stops that rest under our references claim: min(stops, account) in all.

    Negative own shares are sales whose purchase is not known: the claim covers them, too.
    """
    return max(0.0, exact(min(resting, math.floor(account + 1e-9)) - own))


def entry_filled_unseen(remaining: float, account: float, own: float, stops: float, under: float) -> float:
    """How much of an entry that is in no list has filled, given that its stop rests and is active.

    `remaining`: what of the entry is not known to be filled. `stops`: what its resting stops sell. `under`: how many of
    its shares are known and not sold.
    """
    return max(0.0, exact(min(remaining, stops - under, math.floor(account + 1e-9) - own)))


def sold_unseen(account: float, own: float, foreign: float, missing: float) -> bool:
    """Whether the account lacks exactly the shares of the stops that are in no list: they have sold.

    `foreign`: what the account had beyond own shares when it was last settled. A sale by hand leaves the stop resting.
    """
    return missing > 0 and exact(own + foreign - account) == exact(missing)


def others_bought(cost_before: float, cost: float) -> bool:
    """Whether the average cost shows a purchase: a sale leaves it as it is, a reverse split raises it much more."""
    if cost_before <= 0 or cost <= 0:
        return False
    change = cost / cost_before
    return abs(change - 1) > SAME_COST and change < REVERSE_SPLIT_COST


def synthetic_exec_id(client_order_id: str, count: float) -> str:
    """The id of the synthetic fill that brings an order's filled shares to `count`. No broker has such an id."""
    return f"synthetic.{client_order_id}.{count:g}.01"
