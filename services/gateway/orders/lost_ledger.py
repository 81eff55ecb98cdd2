"""What a lost ledger knew, as the broker's answer shows it: shares of ours, and entries that rest. Pure.

A stop that rests under our reference and whose entry the ledger has never known shows that the ledger was lost. The
shares are a *claim* (witness `stop`): min(stop, account). They are own and stay under their stop, and entries of the
symbol are blocked (`shares_found`) until the operator accepts them. So are the shares of completed orders and sales of
ours that the ledger has never known. An entry that it has never known is cancelled.
"""

from __future__ import annotations

import math
from functools import partial

import msgspec

from messages.broker import BrokerOrder, BrokerSnapshot
from messages.orders import Fill, OrderRecord
from services.gateway.book.blocks import block, unblock
from services.gateway.book.identity import find, reference_of
from services.gateway.book.own_shares import chronological
from services.gateway.book.ownership import is_ours
from services.gateway.book.queries import account_shares, whole_shares
from services.gateway.book.records import (
    FOUND_AT_BROKER,
    AccountPosition,
    Anchor,
    Audit,
    Block,
    Book,
    FillRecord,
    Own,
    QuoteRecord,
    SessionRecord,
    block_key,
)
from services.gateway.book.witnesses import (
    claimed,
    counted,
)
from services.gateway.orders.cancels import send_cancel
from services.gateway.orders.folding import is_forgotten
from services.gateway.orders.reconciliation import absent
from services.gateway.orders.synthetic import book_synthetic, bought_by_others, entry_of, resting_stops, shares_under
from services.runtime.core import Draft
from services.trading.ids import entry_of_stop, order_reference, reference_series
from services.trading.shares import exact

__all__ = ["FOUND", "claim_shares", "end_found", "report_found", "take_entries_back"]

FOUND = "shares_found"
"""The reason that blocks the entries of a symbol whose shares were found under a stop of ours."""
DAY_NS = 24 * 3600 * 1_000_000_000


def claim_shares(d: Draft, snapshot: BrokerSnapshot) -> list[str]:
    """Book the shares of ours that the ledger has never known. Returns their symbols."""
    orders = d.table(OrderRecord)
    absent_keys = {o.key for o in absent(snapshot, orders)}
    forgotten = [r for r in snapshot.completed_orders if is_ours(d, r) and _is_older(d, r)]
    symbols = [o.symbol for o in orders.values() if o.live and o.role == "stop"]
    symbols += [r.symbol for r in forgotten]
    symbols += [o.symbol for o in d.table(Own).values() if o.quantity < 0]
    touched = _bought_before(d, snapshot, absent_keys, {r.client_order_id for r in forgotten})
    claimed_now = [
        s for s in dict.fromkeys(symbols) if _claim(d, s, _not_others(d, snapshot, s), absent_keys, forgotten)
    ]
    return touched + claimed_now


def _not_others(d: Draft, snapshot: BrokerSnapshot, symbol: str) -> float:
    """The account's shares without those that others bought, as far as the broker tells of them."""
    return exact(account_shares(d, symbol) - max(0.0, bought_by_others(d, snapshot, symbol)))


def _unexplained_sales(d: Draft, symbol: str) -> list[Fill]:
    """The sales of shares whose entry the ledger has never known."""
    sales = [r.fill for r in d.table(FillRecord).values() if r.fill.symbol == symbol and r.fill.side == "SELL"]
    return [f for f in sales if _is_unrecorded(d, symbol, entry_of_stop(f.client_order_id))]


def _bought_before(d: Draft, snapshot: BrokerSnapshot, absent_keys: set[str], told: set[str]) -> list[str]:
    """A sale under our reference whose purchase nobody tells: it was bought before the ledger began.

    It made no profit that can be known. `told`: completed orders that say more of an entry; a stop that still rests
    does so, too.
    """
    touched, born_ns = [], (d.get(Book, "book") or Book()).born_ns
    for symbol in dict.fromkeys(r.fill.symbol for r in d.table(FillRecord).values()):
        sales = _unexplained_sales(d, symbol) if d.get(Audit, symbol) is None else []
        more = told | {entry_of(o) for o in resting_stops(d, symbol, absent_keys)}
        for entry_id in dict.fromkeys(entry_of_stop(f.client_order_id) for f in sales):
            own, account = d.get(Own, symbol) or Own(symbol), _not_others(d, snapshot, symbol)
            quantity = min(-shares_under(d, entry_id), exact(math.floor(account + 1e-9) - own.quantity))
            if not entry_id or entry_id in more or quantity <= 0:
                continue
            sold = [f for f in sales if entry_of_stop(f.client_order_id) == entry_id]
            older = all(f.time_ns < born_ns for f in sold) and d.now.market_ns - born_ns < DAY_NS
            if own.quantity >= 0 and not older:
                continue  # (after a split more is sold than was bought; and days later others may have bought shares)
            price = sum(f.price * f.quantity for f in sold) / sum(f.quantity for f in sold)
            entry = _found_entry(d, symbol, entry_id, quantity, [], None)
            book_synthetic(d, entry, quantity, price, min(f.time_ns for f in sold), "order")
            touched.append(symbol)
        touched += _flattened_before(d, symbol, [f for f in sales if f.role == "flatten" and f.time_ns < born_ns])
    return touched


def _flattened_before(d: Draft, symbol: str, sales: list[Fill]) -> list[str]:
    """A sale that the operator ordered before the ledger began: its reference names no entry.

    It counts only for shares that nothing else explains.
    """
    own, count = d.get(Own, symbol) or Own(symbol), sum(f.quantity for f in sales)
    quantity = min(count, -own.quantity, exact(math.floor(account_shares(d, symbol) + 1e-9) - own.quantity))
    if quantity <= 0:
        return []
    price = sum(f.price * f.quantity for f in sales) / count
    entry = _found_entry(d, symbol, "", quantity, [], None)
    book_synthetic(d, entry, quantity, price, min(f.time_ns for f in sales), "order")
    return [symbol]


def _claim(d: Draft, symbol: str, account: float, absent_keys: set[str], forgotten: list[BrokerOrder]) -> bool:
    """Book what the stops, and the completed orders of an unknown time, say that we hold. True if there is something.

    Orders that bought and sold as much are over: they are left out.
    """
    if d.get(Audit, symbol) is not None:
        return False
    own = (d.get(Own, symbol) or Own(symbol)).quantity
    resting = resting_stops(d, symbol, absent_keys)
    unknown = [o for o in resting if _is_unrecorded(d, symbol, entry_of(o))]
    ended = [r for r in forgotten if r.symbol == symbol]
    net = sum(counted(r, r.quantity) * (1 if r.side == "BUY" else -1) for r in ended)
    quantity, witness, entry_id = 0.0, "stop", ""
    if unknown:
        quantity = claimed(account, own, sum(o.remaining for o in resting))
        entry_id = entry_of(max(unknown, key=lambda o: o.remaining))
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
    book_synthetic(d, entry, quantity, price, time_ns, witness)  # type: ignore[arg-type]
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
            if not entry_of(stop):
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


def take_entries_back(d: Draft, snapshot: BrokerSnapshot) -> list[str]:
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


def report_found(d: Draft, snapshot: BrokerSnapshot) -> None:
    """Block the entries of each symbol with shares that were found, and say what there is."""
    absent_keys = {o.key for o in absent(snapshot, d.table(OrderRecord))}
    for own in d.table(Own).values():
        if own.quantity < 1 or not _is_found(d, own.symbol):
            continue
        stops = resting_stops(d, own.symbol, absent_keys)
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
