"""Rebuilds what the broker has forgotten: fills without executions, and shares found under our stops. Pure.

It runs after the broker's complete answer is folded. `book/witnesses.py` says how many shares are missing.

1. An order of ours for which the broker counts more shares than our fills: the difference is a fill (witness `order`).
2. A stop in no list whose shares the account lacks exactly, in two answers that agree: it has sold. So it has if the
   account lacks fewer and its average cost shows that a person bought meanwhile. If a split followed, which can end a
   stop, it may have sold a part.
3. An entry in no list whose stop rests and is active, or whose shares the account has in two answers that agree: it has
   bought (witness `order`). If these are not exactly its shares, but cost what only the entry can have paid, they are a
   claim, as in 4. After a split the cost of all shares shows that it has filled whole: the audit mends the quantity.
4. A stop that rests under our reference and whose entry the ledger has never known: the ledger was lost. The shares are
   a *claim* (witness `stop`): min(stop, account). They are own and stay under their stop, and entries of the symbol are
   blocked (`shares_found`) until the operator accepts them. An entry that the ledger has never known is cancelled.
"""

from __future__ import annotations

import math
from functools import partial

import msgspec

from messages.broker import BrokerOrder, BrokerSnapshot
from messages.orders import Fill, OrderRecord, PositionUpdated, Witness
from services.gateway.book.blocks import block, unblock
from services.gateway.book.evidence import confirmed_position
from services.gateway.book.fills import book_fill, fills_of
from services.gateway.book.identity import find, reference_of
from services.gateway.book.own_shares import chronological
from services.gateway.book.ownership import is_ours
from services.gateway.book.queries import whole_shares
from services.gateway.book.records import (
    COST_TOLERANCE_PCT,
    FOUND_AT_BROKER,
    NEVER_ARRIVED,
    AccountPosition,
    Anchor,
    Audit,
    Block,
    Book,
    Doubt,
    FillRecord,
    HeldBack,
    Own,
    QuoteRecord,
    SessionRecord,
    Settled,
    block_key,
)
from services.gateway.book.witnesses import (
    claimed,
    counted,
    entry_filled_unseen,
    is_busted,
    most_bought,
    must_have_bought,
    others_bought,
    price_of_missing,
    rests,
    sold_unseen,
    synthetic_exec_id,
    unexplained,
)
from services.gateway.orders.cancels import send_cancel
from services.gateway.orders.folding import is_forgotten, release_held_back
from services.gateway.orders.reconciliation import absent
from services.runtime.core import Draft
from services.trading.ids import entry_of_stop, is_stop_reference, order_reference, reference_series
from services.trading.shares import exact

__all__ = ["FOUND", "end_found", "rebuild"]

FOUND = "shares_found"
"""The reason that blocks the entries of a symbol whose shares were found under a stop of ours."""
DAY_NS = 24 * 3600 * 1_000_000_000


def rebuild(d: Draft, snapshot: BrokerSnapshot, asked: set[str]) -> list[str]:
    """Rebuild what this answer shows. `asked`: the orders in doubt that its question covered. Returns the symbols."""
    touched = _count_orders(d, snapshot, asked)
    release_held_back(d)
    missing = absent(snapshot, d.table(OrderRecord))
    touched += _sales_unseen(d, missing, asked)
    touched += _entries_unseen(d, snapshot, missing, asked)
    touched += _claims(d, snapshot)
    touched += _take_entries_back(d, snapshot)
    _report_found(d, snapshot)
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
            price = price_of_missing(count, reported.avg_price, fills, _level(d, order))
            _book(d, order, quantity, price, reported.completed_ns or _last_live_ns(d, order), "order")
            touched.append(order.symbol)
    return touched


def _moved(d: Draft, order: OrderRecord) -> float:
    """How many shares an order traded that are not counted, as two answers that agree on the account prove."""
    own, settled = d.get(Own, order.symbol) or Own(order.symbol), d.get(Settled, order.symbol)
    account = confirmed_position(d, order.symbol)
    if settled is None or account is None or account != _account(d, order.symbol):
        return 0.0
    risen = exact(account - own.quantity - settled.foreign)
    return risen if order.side == "BUY" else -risen


# 2. and 3. Orders in no list.


def _sales_unseen(d: Draft, missing: list[OrderRecord], asked: set[str]) -> list[str]:
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
        account, before_split = _account(d, symbol), _account_before_split(d, symbol)
        if before_split is not None and len(orders) == 1:  # (a split also ends a stop that has sold in part)
            account, sold = before_split, min(sold, exact(own.quantity + foreign - before_split))
        exactly = sold_unseen(account, own.quantity, foreign, sold)
        if not exactly and not _sold_and_bought_by_hand(d, own, settled, sold):
            continue
        for order in orders:
            _book(d, order, min(order.remaining, sold), _level(d, order), _last_live_ns(d, order), "order")
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
        symbol, account = entry.symbol, _account(d, entry.symbol)
        own, settled = d.get(Own, symbol) or Own(symbol), d.get(Settled, symbol)
        stops, price = [o for o in _resting(d, symbol, absent_keys) if _is_of(o, entry.key)], _level(d, entry)
        if stops:
            under = _shares_under(d, entry.key)
            resting = sum(o.remaining for o in stops)
            quantity = entry_filled_unseen(entry.remaining, account, own.quantity, resting, under)
            # Shares that the account had before beyond our own are not this entry's.
            certain = settled is None or account - own.quantity - quantity >= settled.foreign - 1e-9
        elif settled is not None and entry.live and _agrees(d, entry, asked):
            risen = exact(account - own.quantity - settled.foreign - _bought_by_others(d, snapshot, symbol))
            quantity, price, certain = _bought_unseen(d, entry, risen)
        else:
            continue
        if quantity <= 0:
            continue
        if not certain:
            entry = msgspec.structs.replace(entry, reason=FOUND_AT_BROKER)
        _book(d, entry, quantity, price, _last_live_ns(d, entry), "order" if certain else "stop")
        touched.append(symbol)
    return touched


def _bought_unseen(d: Draft, entry: OrderRecord, risen: float) -> tuple[float, float, bool]:
    """What an entry without a stop has bought: (shares, price, is that certain). `risen`: shares nobody explains."""
    position, settled = d.get(AccountPosition, entry.symbol), d.get(Settled, entry.symbol)
    if position is None or risen <= 0:
        return 0.0, 0.0, False
    if risen == entry.remaining:
        return risen, _level(d, entry), True
    if settled is None or settled.foreign:
        return 0.0, 0.0, False  # (the average cost is that of other shares, too)
    if must_have_bought(entry, risen, position.avg_cost):
        return min(risen, entry.remaining), _level(d, entry), False
    before_split = _cost_before_split(entry.remaining, risen, position.avg_cost, _level(d, entry))
    if must_have_bought(entry, entry.remaining, before_split):
        return entry.remaining, before_split, False
    return 0.0, 0.0, False


def _cost_before_split(bought: float, now: float, cost: float, level: float) -> float:
    """The average cost of shares before a split left so many `now`. A reverse split pays a fraction of a share out."""
    one_of = round(cost / level) if level > 0 else 0
    return cost / one_of if one_of >= 2 and now == math.floor(bought / one_of) else cost * now / bought


def _bought_by_others(d: Draft, snapshot: BrokerSnapshot, symbol: str) -> float:
    """The shares that others bought since the account was last settled, less those they sold, if that is told."""
    settled = d.get(Settled, symbol)
    since_ns = settled.time_ns if settled is not None else 0
    theirs = [e for e in snapshot.executions if e.symbol == symbol and e.time_ns > since_ns and not is_ours(d, e)]
    return exact(sum(e.quantity if e.side == "BUY" else -e.quantity for e in theirs))


def _purchases_sold_again(d: Draft, absent_keys: set[str]) -> list[str]:
    """An entry whose stops have sold more than it is known to have bought: it has bought at least as much."""
    touched = []
    for symbol in [own.symbol for own in d.table(Own).values() if own.quantity < 0]:
        for entry in [o for o in d.table(OrderRecord).values() if o.symbol == symbol and o.role == "entry"]:
            quantity = min(entry.remaining, most_bought(entry) - entry.filled, -_shares_under(d, entry.key))
            if quantity <= 0 or (entry.live and entry.key not in absent_keys):
                continue
            sales = [r.fill for r in d.table(FillRecord).values() if _is_sale_of(d, r.fill, entry.key)]
            time_ns = min([_last_live_ns(d, entry), *(f.time_ns for f in sales)])
            _book(d, entry, quantity, _level(d, entry), time_ns, "order")
            touched.append(symbol)
    return touched


def _agrees(d: Draft, order: OrderRecord, asked: set[str]) -> bool:
    """Whether an earlier answer did not list the order either, with the same shares in the account."""
    doubt = d.get(Doubt, order.key)
    if doubt is None or order.key not in asked:
        return False
    return doubt.absent >= 1 and (doubt.account or 0.0) == _account(d, order.symbol)


# 4. The ledger was lost.


def _claims(d: Draft, snapshot: BrokerSnapshot) -> list[str]:
    orders = d.table(OrderRecord)
    absent_keys = {o.key for o in absent(snapshot, orders)}
    forgotten = [r for r in snapshot.completed_orders if is_ours(d, r) and _is_older(d, r)]
    symbols = [o.symbol for o in orders.values() if o.live and o.role == "stop"]
    symbols += [r.symbol for r in forgotten]
    symbols += [o.symbol for o in d.table(Own).values() if o.quantity < 0]
    touched = _bought_before(d, absent_keys, {r.client_order_id for r in forgotten})
    return touched + [symbol for symbol in dict.fromkeys(symbols) if _claim(d, symbol, absent_keys, forgotten)]


def _unexplained_sales(d: Draft, symbol: str) -> list[Fill]:
    """The sales of shares whose entry the ledger has never known."""
    sales = [r.fill for r in d.table(FillRecord).values() if r.fill.symbol == symbol and r.fill.side == "SELL"]
    return [f for f in sales if _is_unrecorded(d, symbol, entry_of_stop(f.client_order_id))]


def _bought_before(d: Draft, absent_keys: set[str], told: set[str]) -> list[str]:
    """A sale under our reference whose purchase nobody tells: it was bought before the ledger began.

    It made no profit that can be known. `told`: completed orders that say more of an entry; a stop that still rests
    does so, too.
    """
    touched, born_ns = [], (d.get(Book, "book") or Book()).born_ns
    for symbol in dict.fromkeys(r.fill.symbol for r in d.table(FillRecord).values()):
        sales = _unexplained_sales(d, symbol) if d.get(Audit, symbol) is None else []
        more = told | {_entry_of(o) for o in _resting(d, symbol, absent_keys)}
        for entry_id in dict.fromkeys(entry_of_stop(f.client_order_id) for f in sales):
            own, account = d.get(Own, symbol) or Own(symbol), _account(d, symbol)
            quantity = min(-_shares_under(d, entry_id), exact(math.floor(account + 1e-9) - own.quantity))
            if not entry_id or entry_id in more or quantity <= 0:
                continue
            sold = [f for f in sales if entry_of_stop(f.client_order_id) == entry_id]
            if own.quantity >= 0 and any(f.time_ns >= born_ns for f in sold):
                continue  # (after a split more is sold than was bought, and the entry's record may have expired)
            price = sum(f.price * f.quantity for f in sold) / sum(f.quantity for f in sold)
            entry = _found_entry(d, symbol, entry_id, quantity, [], None)
            _book(d, entry, quantity, price, min(f.time_ns for f in sold), "order")
            touched.append(symbol)
        touched += _flattened_before(d, symbol, [f for f in sales if f.role == "flatten" and f.time_ns < born_ns])
    return touched


def _flattened_before(d: Draft, symbol: str, sales: list[Fill]) -> list[str]:
    """A sale that the operator ordered before the ledger began: its reference names no entry.

    It counts only for shares that nothing else explains.
    """
    own, count = d.get(Own, symbol) or Own(symbol), sum(f.quantity for f in sales)
    quantity = min(count, -own.quantity, exact(math.floor(_account(d, symbol) + 1e-9) - own.quantity))
    if quantity <= 0:
        return []
    price = sum(f.price * f.quantity for f in sales) / count
    entry = _found_entry(d, symbol, "", quantity, [], None)
    _book(d, entry, quantity, price, min(f.time_ns for f in sales), "order")
    return [symbol]


def _claim(d: Draft, symbol: str, absent_keys: set[str], forgotten: list[BrokerOrder]) -> bool:
    """Book what the stops, and the completed orders of an unknown time, say that we hold. True if there is something.

    Orders that bought and sold as much are over: they are left out.
    """
    if d.get(Audit, symbol) is not None:
        return False
    own, account = (d.get(Own, symbol) or Own(symbol)).quantity, _account(d, symbol)
    resting = _resting(d, symbol, absent_keys)
    unknown = [o for o in resting if _is_unrecorded(d, symbol, _entry_of(o))]
    ended = [r for r in forgotten if r.symbol == symbol]
    net = sum(counted(r, r.quantity) * (1 if r.side == "BUY" else -1) for r in ended)
    quantity, witness, entry_id = 0.0, "stop", ""
    if unknown:
        quantity = claimed(account, own, sum(o.remaining for o in resting))
        entry_id = _entry_of(max(unknown, key=lambda o: o.remaining))
    if net > 0:
        quantity = max(quantity, min(net, exact(math.floor(account + 1e-9) - own)))
    bought = [r for r in ended if r.side == "BUY" and counted(r, r.quantity)]
    newest = max(bought, key=lambda r: (r.completed_ns, r.perm_id), default=None)
    if newest is not None and not unknown:
        entry_id = newest.client_order_id
    completed = next((r for r in bought if r.client_order_id == entry_id), None)
    unexplained_sales = _unexplained_sales(d, symbol)
    if quantity <= 0:
        return False
    price, time_ns = _terms_of_claim(d, symbol, resting, unexplained_sales, completed, account, own)
    if completed is not None:
        witness = "order"
    entry = _found_entry(d, symbol, entry_id, quantity, resting, completed)
    _book(d, entry, quantity, price, time_ns, witness)  # type: ignore[arg-type]
    return True


def _terms_of_claim(
    d: Draft,
    symbol: str,
    resting: list[OrderRecord],
    sales: list[Fill],
    completed: BrokerOrder | None,
    account: float,
    own: float,
) -> tuple[float, int]:
    """(price, time) of the purchase that a claim stands for; before the sales of these shares."""
    time_ns = min([f.time_ns for f in sales] + [d.now.market_ns])
    position, quote = d.get(AccountPosition, symbol), d.get(QuoteRecord, symbol)
    if completed is not None:
        told = completed.avg_price or completed.stop_price or 0.0
        if told > 0:
            return told, min(completed.completed_ns or time_ns, time_ns)
    if account <= 0 and sales:
        return sum(f.price * f.quantity for f in sales) / sum(f.quantity for f in sales), time_ns
    if position is not None and position.avg_cost > 0:
        return position.avg_cost, time_ns
    for stop in resting:
        level = stop.trail_stop_price if stop.trail_stop_price is not None else stop.stop_price
        if level:
            return level / (1 - (stop.trailing_pct or 0.0) / 100), time_ns
    return quote.quote.last if quote is not None and quote.quote.last > 0 else 0.0, time_ns


def _found_entry(
    d: Draft, symbol: str, entry_id: str, quantity: float, resting: list[OrderRecord], completed: BrokerOrder | None
) -> OrderRecord:
    """The record of the entry that must have bought the shares; made if there is none."""
    book = d.get(Book, "book") or Book()
    if not entry_id:
        date = (d.get(SessionRecord, "session") or SessionRecord()).date
        series = reference_series(book.fleet, symbol, date, "A")
        entry_id = order_reference(
            book.fleet, symbol, date, 1 + sum(key.startswith(series) for key in d.table(OrderRecord)), "A"
        )
        for stop in resting:
            if not _entry_of(stop):
                d.put(msgspec.structs.replace(stop, parent_client_order_id=entry_id))
    known = d.get(OrderRecord, entry_id)
    if known is not None:
        return msgspec.structs.replace(known, quantity=max(known.quantity, known.filled + quantity))
    return OrderRecord(
        client_order_id=entry_id,
        symbol=symbol,
        role="entry",
        side="BUY",
        order_type=completed.order_type if completed is not None else "",
        quantity=quantity,
        status="Filled",
        perm_id=completed.perm_id if completed is not None else 0,
        account=book.account,
        con_id=next((o.con_id for o in resting if o.con_id), completed.con_id if completed is not None else 0),
        created_ns=d.now.market_ns,
        updated_ns=d.now.market_ns,
        reason=FOUND_AT_BROKER,
    )


def _take_entries_back(d: Draft, snapshot: BrokerSnapshot) -> list[str]:
    """Cancel the entries that were found: nobody knows why they should still buy. Returns their symbols.

    Only a person can cancel an order of another client, whose id is 0 here: `other_client_id` reports it.
    """
    touched = []
    for reported in snapshot.open_orders:
        entry = find(partial(d.get, OrderRecord), reported.client_order_id, reported.order_id, reported.perm_id)
        if entry is None or entry.reason != FOUND_AT_BROKER or not entry.live or entry.cancel_reason:
            continue
        if not entry.order_id:
            continue
        d.note(
            "found_entry_taken_back",
            entry.symbol,
            "ERROR",
            client_order_id=entry.key,
            order_id=reported.order_id,
            client_id=reported.client_id,
            qty=reported.quantity,
        )
        send_cancel(d, entry, FOUND_AT_BROKER)
        touched.append(entry.symbol)
    return touched


def _is_older(d: Draft, reported: BrokerOrder) -> bool:
    """Whether this completed order ended before the ledger began, so that it is not one that the ledger has dropped."""
    born_ns = (d.get(Book, "book") or Book()).born_ns
    if not born_ns or not is_forgotten(d, reported):
        return False
    if reported.completed_ns:
        return reported.completed_ns < born_ns
    return d.now.market_ns - born_ns < DAY_NS


def _is_unrecorded(d: Draft, symbol: str, entry_id: str) -> bool:
    """Whether the ledger had no record of this entry; one that was found counts for the rest of its session."""
    entry = d.get(OrderRecord, entry_id)
    return entry is None or (entry.reason == FOUND_AT_BROKER and d.get(Anchor, symbol) is None)


def _report_found(d: Draft, snapshot: BrokerSnapshot) -> None:
    """Block the entries of each symbol with shares that were found, and say what there is."""
    absent_keys = {o.key for o in absent(snapshot, d.table(OrderRecord))}
    for own in d.table(Own).values():
        if own.quantity < 1 or not _is_found(d, own.symbol):
            continue
        stops = _resting(d, own.symbol, absent_keys)
        levels = [level for o in stops if (level := o.trail_stop_price or o.stop_price)]
        figures = {"shares": own.quantity, "price": round(own.cost_usd / own.quantity, 4)}
        figures |= {"stop_level": max(levels)} if levels else {}
        known = d.get(Block, block_key(FOUND, own.symbol))
        if known is not None and known.figures["shares"] == own.quantity:
            continue
        if known is not None:
            unblock(d, FOUND, own.symbol)
        under = f"under {', '.join(reference_of(o) for o in stops)}" if stops else "without a stop, which is placed"
        text = f"{own.quantity:g} {own.symbol} were found {under}, without a record of their purchase; they are kept"
        block(d, FOUND, f"{text} protected; `crazy adopt --found` accepts them", own.symbol, **figures)


def end_found(d: Draft, symbol: str) -> None:
    """Shares that were found are sold: there is nothing left to accept."""
    if whole_shares(d, symbol) == 0:
        unblock(d, FOUND, symbol)


def _is_found(d: Draft, symbol: str) -> bool:
    """Whether shares that are held now have an entry that was found, and that nobody has accepted."""
    keys = dict.fromkeys(f.client_order_id for f in _held_purchases(d, symbol))
    orders = [o for key in keys if (o := d.get(OrderRecord, key)) is not None]
    return any(o.reason == FOUND_AT_BROKER for o in orders)


def _held_purchases(d: Draft, symbol: str) -> list[Fill]:
    """The purchases since the symbol was last flat."""
    fills = [r.fill for r in d.table(FillRecord).values() if r.fill.symbol == symbol]
    held, found = 0.0, list[Fill]()
    for fill in sorted(fills, key=chronological):
        held = exact(held + (fill.quantity if fill.side == "BUY" else -fill.quantity))
        found = [] if held <= 0 else [*found, fill] if fill.side == "BUY" else found
    return found


# What all of them use.


def _book(d: Draft, order: OrderRecord, quantity: float, price: float, time_ns: int, witness: Witness) -> None:
    """Book a synthetic fill, and let its order go on."""
    fills = [record.fill for record in fills_of(d, order.key)]
    count = exact(sum(f.quantity for f in fills) + quantity)
    spent = sum(f.quantity * f.price for f in fills) + quantity * price
    order = d.put(
        msgspec.structs.replace(
            order, filled=max(order.filled, count), avg_price=spent / count, updated_ns=d.now.market_ns
        )
    )
    fill = Fill(
        exec_id=synthetic_exec_id(order.key, count),
        client_order_id=order.key,
        symbol=order.symbol,
        role=order.role,
        side=order.side,
        quantity=quantity,
        price=price,
        cum_quantity=count,
        avg_price=order.avg_price,
        order_id=order.order_id,
        perm_id=order.perm_id,
        account=order.account,
        time_ns=time_ns,
        con_id=order.con_id,
        witness=witness,
    )
    own = book_fill(d, order, fill, None, ())
    d.note(
        "fill_rebuilt",
        order.symbol,
        "WARNING",
        client_order_id=order.key,
        side=order.side,
        fill_qty=quantity,
        price=price,
        witness=witness,
        exec_id=fill.exec_id,
        own=own.quantity,
    )


def _report_own(d: Draft) -> None:
    """A position that was reported before its shares were known to be own is reported again."""
    for symbol, own in d.table(Own).items():
        position = d.get(AccountPosition, symbol)
        known = position == d.state.get(AccountPosition, symbol) and own != d.state.get(Own, symbol)
        if known and position is not None:
            d.send(symbol, PositionUpdated(symbol, position.quantity, position.avg_cost, own.quantity, own.cost_usd))


def _account(d: Draft, symbol: str) -> float:
    position = d.get(AccountPosition, symbol)
    return position.quantity if position is not None else 0.0


def _level(d: Draft, order: OrderRecord) -> float:
    """The price at which an order without a known average price is taken to have traded."""
    quote, own = d.get(QuoteRecord, order.symbol), d.get(Own, order.symbol)
    for price in (order.trail_stop_price, order.stop_price, order.limit_price):
        if price:
            return price
    if quote is not None and quote.quote.last > 0:
        return quote.quote.last
    return own.cost_usd / own.quantity if own is not None and own.quantity > 0 else 0.0


def _last_live_ns(d: Draft, order: OrderRecord) -> int:
    """When the order was last known to be live. A sale comes after the purchase of its shares."""
    settled = d.get(Settled, order.symbol)
    times = [order.updated_ns, settled.time_ns if settled is not None and order.live else 0]
    if order.side == "SELL":
        times += [f.time_ns for r in d.table(FillRecord).values() if (f := r.fill).symbol == order.symbol]
    return max(times)


def _entry_of(stop: OrderRecord) -> str:
    return stop.parent_client_order_id or entry_of_stop(stop.client_order_id)


def _is_of(stop: OrderRecord, entry_id: str) -> bool:
    return stop.parent_client_order_id == entry_id or is_stop_reference(stop.client_order_id, entry_id)


def _resting(d: Draft, symbol: str, absent_keys: set[str]) -> list[OrderRecord]:
    """The stops of ours that rest at the broker and are active."""
    orders = d.table(OrderRecord).values()
    mine = [o for o in orders if o.symbol == symbol and o.role == "stop" and o.key not in absent_keys]
    return [o for o in mine if rests(o) and d.get(Doubt, o.key) is None]


def _shares_under(d: Draft, entry_id: str) -> float:
    """How many shares of an entry are known and not sold by its stops."""
    held = 0.0
    for record in d.table(FillRecord).values():
        if record.fill.client_order_id == entry_id:
            held += record.fill.quantity
        elif _is_sale_of(d, record.fill, entry_id):
            held -= record.fill.quantity
    return exact(held)


def _is_sale_of(d: Draft, fill: Fill, entry_id: str) -> bool:
    """Whether a stop of this entry sold these shares."""
    order = d.get(OrderRecord, fill.client_order_id)
    return order is not None and order.role == "stop" and _is_of(order, entry_id)
