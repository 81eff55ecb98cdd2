"""Rebuilds what the broker has forgotten: fills without executions. Pure.

It runs after the broker's complete answer is folded. `book/witnesses.py` says how many shares are missing.

1. An order of ours for which the broker counts more shares than our fills: the difference is a fill (witness `order`).
2. A stop in no list whose shares the account lacks exactly, in two answers that agree: it has sold. So it has if the
   account lacks fewer and its average cost shows that a person bought meanwhile. If a split followed, which can end a
   stop, it may have sold a part.
3. An entry in no list whose stop rests and is active, or whose shares the account has in two answers that agree: it has
   bought (witness `order`). After a split the cost of all shares shows that it has filled whole: the audit mends the
   quantity, and a person is asked. Of any other number nobody knows whose they are: that is said, and no stop is
   placed, because it could sell what a person bought.
4. What a lost ledger knew: `lost_ledger.py`.
"""

from __future__ import annotations

import math
from functools import partial

import msgspec

from messages.broker import BrokerOrder, BrokerSnapshot
from messages.orders import OrderRecord, PositionUpdated
from services.gateway.book.evidence import confirmed_position
from services.gateway.book.fills import fills_of
from services.gateway.book.identity import find
from services.gateway.book.ownership import is_ours
from services.gateway.book.queries import account_shares
from services.gateway.book.records import (
    COST_TOLERANCE_PCT,
    FOUND_AT_BROKER,
    NEVER_ARRIVED,
    AccountPosition,
    Anchor,
    Audit,
    Doubt,
    FillRecord,
    HeldBack,
    Own,
    Settled,
)
from services.gateway.book.witnesses import (
    counted,
    entry_filled_unseen,
    has_paid,
    is_busted,
    most_bought,
    others_bought,
    price_of_missing,
    sold_unseen,
    unexplained,
)
from services.gateway.orders.folding import release_held_back
from services.gateway.orders.lost_ledger import claim_shares, report_found, take_entries_back
from services.gateway.orders.reconciliation import absent
from services.gateway.orders.synthetic import (
    book_synthetic,
    bought_by_others,
    is_of,
    is_sale_of,
    last_live_ns,
    level_of,
    resting_stops,
    shares_under,
)
from services.runtime.core import Draft
from services.trading.shares import exact

__all__ = ["rebuild"]


def rebuild(d: Draft, snapshot: BrokerSnapshot, asked: set[str]) -> list[str]:
    """Rebuild what this answer shows. `asked`: the orders in doubt that its question covered. Returns the symbols."""
    touched = _count_orders(d, snapshot, asked)
    release_held_back(d, asked)
    missing = absent(snapshot, d.table(OrderRecord))
    touched += _sales_unseen(d, snapshot, missing, asked)
    touched += _entries_unseen(d, snapshot, missing, asked)
    touched += claim_shares(d, snapshot)
    touched += take_entries_back(d, snapshot)
    report_found(d, snapshot)
    _report_own(d)
    return touched


# 1. Orders for which the broker counts more shares than we know.


def _count_orders(d: Draft, snapshot: BrokerSnapshot, asked: set[str]) -> list[str]:
    told: dict[str, BrokerOrder] = {}
    for reported in (*snapshot.open_orders, *snapshot.completed_orders):
        known = find(partial(d.get, OrderRecord), reported.client_order_id, reported.order_id, reported.perm_id)
        if known is not None and known.role != "foreign" and is_ours(d, reported):
            told[known.key] = reported
    # A status that overtook its executions counts once a question that was asked after it is answered without them.
    held = {h.key: h.told for h in d.table(HeldBack).values() if h.key in asked}
    touched = []
    for key, reported in (told | held).items():
        order, fills = d.get(OrderRecord, key), [record.fill for record in fills_of(d, key)]
        assert order is not None
        count = counted(reported, order.quantity)
        quantity = unexplained(count, fills)
        if is_busted(fills):  # (a broker may go on counting what was annulled)
            quantity = min(quantity, _moved(d, order))
        if quantity > 0:
            price = price_of_missing(count, reported.avg_price, fills, level_of(d, order))
            book_synthetic(d, order, quantity, price, reported.completed_ns or last_live_ns(d, order), "order")
            touched.append(order.symbol)
    return touched


def _moved(d: Draft, order: OrderRecord) -> float:
    """How many shares an order traded that are not counted, as two answers that agree on the account prove."""
    own, settled = d.get(Own, order.symbol) or Own(order.symbol), d.get(Settled, order.symbol)
    account = confirmed_position(d, order.symbol)
    if settled is None or account is None or account != account_shares(d, order.symbol):
        return 0.0
    risen = exact(account - own.quantity - settled.foreign)
    return risen if order.side == "BUY" else -risen


# 2. and 3. Orders in no list.


def _sales_unseen(d: Draft, snapshot: BrokerSnapshot, missing: list[OrderRecord], asked: set[str]) -> list[str]:
    sales = [o for o in missing if o.role in ("stop", "flatten") and o.side == "SELL" and o.remaining > 0]
    touched = []
    for symbol in dict.fromkeys(o.symbol for o in sales):
        orders = [o for o in sales if o.symbol == symbol]
        own, settled = d.get(Own, symbol) or Own(symbol), d.get(Settled, symbol)
        sold = sum(o.remaining for o in orders)
        certain = all(not o.cancel_reason and _agrees(d, o, asked) for o in orders)
        foreign = settled.foreign if settled is not None else 0.0
        if not certain or sold > own.quantity:
            continue
        account = exact(account_shares(d, symbol) - bought_by_others(d, snapshot, symbol))
        before_split = _account_before_split(d, symbol)
        if before_split is not None and len(orders) == 1:  # (a split also ends a stop that has sold in part)
            account, sold = before_split, min(sold, exact(own.quantity + foreign - before_split))
        exactly = sold_unseen(account, own.quantity, foreign, sold)
        if not exactly and not _sold_and_bought_by_hand(d, own, settled, sold):
            continue
        for order in orders:
            book_synthetic(d, order, min(order.remaining, sold), level_of(d, order), last_live_ns(d, order), "order")
        touched.append(symbol)
    return touched


def _sold_and_bought_by_hand(d: Draft, own: Own, settled: Settled | None, sold: float) -> bool:
    """Whether the account lacks a part of the shares of stops in no list, and others bought shares since.

    A stop that was cancelled instead would need a sale by hand, and that leaves the average cost.
    """
    position = d.get(AccountPosition, own.symbol)
    if settled is None or position is None or settled.own != own.quantity or d.get(Audit, own.symbol) is not None:
        return False
    lacking = exact(settled.account - position.quantity)
    return 0 < lacking < sold and others_bought(settled.avg_cost, position.avg_cost)


def _account_before_split(d: Draft, symbol: str) -> float | None:
    """The account's shares as they were before a split into more; None if its average cost shows none.

    A sale does not change the average cost, so that it shows a split although shares are missing.
    """
    anchor, position = d.get(Anchor, symbol), d.get(AccountPosition, symbol)
    if anchor is None or position is None or position.quantity <= 0 or position.avg_cost <= 0:
        return None
    moved = anchor.avg_cost / position.avg_cost
    ratio = round(moved)
    if ratio < 2 or abs(moved / ratio - 1) > COST_TOLERANCE_PCT / 100 or position.quantity % ratio:
        return None
    return exact(position.quantity / ratio)


def _entries_unseen(d: Draft, snapshot: BrokerSnapshot, missing: list[OrderRecord], asked: set[str]) -> list[str]:
    absent_keys = {o.key for o in missing}
    touched = _purchases_sold_again(d, absent_keys)
    given_up = [o for o in d.table(OrderRecord).values() if o.reason == NEVER_ARRIVED and not o.live]
    for entry in (*(o for o in missing if o.key in asked), *given_up):
        if entry.role != "entry" or entry.side != "BUY" or entry.remaining <= 0:
            continue
        symbol, account = entry.symbol, account_shares(d, entry.symbol)
        own, settled = d.get(Own, symbol) or Own(symbol), d.get(Settled, symbol)
        stops, price = [o for o in resting_stops(d, symbol, absent_keys) if is_of(o, entry.key)], level_of(d, entry)
        if stops:
            under = shares_under(d, entry.key)
            resting = sum(o.remaining for o in stops)
            quantity = entry_filled_unseen(entry.remaining, account, own.quantity, resting, under)
            # Shares that the account had before beyond our own are not this entry's.
            certain = settled is None or account - own.quantity - quantity >= settled.foreign - 1e-9
        elif settled is not None and entry.live and _agrees(d, entry, asked):
            risen = exact(account - own.quantity - settled.foreign - bought_by_others(d, snapshot, symbol))
            quantity, price, certain = _bought_unseen(d, entry, risen)
        else:
            continue
        if quantity <= 0:
            continue
        if not certain:
            entry = msgspec.structs.replace(entry, reason=FOUND_AT_BROKER)
        book_synthetic(d, entry, quantity, price, last_live_ns(d, entry), "order" if certain else "stop")
        touched.append(symbol)
    return touched


def _bought_unseen(d: Draft, entry: OrderRecord, risen: float) -> tuple[float, float, bool]:
    """What an entry without a stop has bought: (shares, price, is that certain). `risen`: shares nobody explains."""
    position, settled = d.get(AccountPosition, entry.symbol), d.get(Settled, entry.symbol)
    if position is None or risen <= 0:
        return 0.0, 0.0, False
    if risen == entry.remaining:
        return risen, level_of(d, entry), True
    if settled is None or settled.foreign:
        return 0.0, 0.0, False  # (the average cost is that of other shares, too)
    before_split = _cost_before_split(entry.remaining, risen, position.avg_cost, level_of(d, entry))
    if has_paid(entry, entry.remaining, before_split):
        return entry.remaining, before_split, False
    d.note("shares_unexplained", entry.symbol, "ERROR", client_order_id=entry.key, shares=risen, cost=position.avg_cost)
    return 0.0, 0.0, False


def _cost_before_split(bought: float, now: float, cost: float, level: float) -> float:
    """The average cost of shares before a split left so many `now`. A reverse split pays a fraction of a share out."""
    one_of = round(cost / level) if level > 0 else 0
    return cost / one_of if one_of >= 2 and now == math.floor(bought / one_of) else cost * now / bought


def _purchases_sold_again(d: Draft, absent_keys: set[str]) -> list[str]:
    """An entry whose stops have sold more than it is known to have bought: it has bought at least as much."""
    touched = []
    for symbol in [own.symbol for own in d.table(Own).values() if own.quantity < 0]:
        for entry in [o for o in d.table(OrderRecord).values() if o.symbol == symbol and o.role == "entry"]:
            quantity = min(entry.remaining, most_bought(entry) - entry.filled, -shares_under(d, entry.key))
            if quantity <= 0 or (entry.live and entry.key not in absent_keys):
                continue
            sales = [r.fill for r in d.table(FillRecord).values() if is_sale_of(d, r.fill, entry.key)]
            time_ns = min([last_live_ns(d, entry), *(f.time_ns for f in sales)])
            book_synthetic(d, entry, quantity, level_of(d, entry), time_ns, "order")
            touched.append(symbol)
    return touched


def _agrees(d: Draft, order: OrderRecord, asked: set[str]) -> bool:
    """Whether an earlier answer did not list the order either, with the same shares in the account."""
    doubt = d.get(Doubt, order.key)
    if doubt is None or order.key not in asked:
        return False
    return doubt.absent >= 1 and (doubt.account or 0.0) == account_shares(d, order.symbol)


def _report_own(d: Draft) -> None:
    """A position that was reported before its shares were known to be own is reported again."""
    for symbol, own in d.table(Own).items():
        position = d.get(AccountPosition, symbol)
        known = position == d.state.get(AccountPosition, symbol) and own != d.state.get(Own, symbol)
        if known and position is not None:
            d.send(symbol, PositionUpdated(symbol, position.quantity, position.avg_cost, own.quantity, own.cost_usd))
