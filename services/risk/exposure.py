"""Shares, reservations and foreign orders: kept from the gateway's events, and rebuilt from its book.

The events arrive in order, so the sums are exact. After a start or a reconciliation the whole book is requested all the
same, and replaces what was there. The request follows every approval on the same link, so a reservation that is not in
the book is over.
"""

from __future__ import annotations

import msgspec

from messages.account import AccountUpdated, BookTold
from messages.orders import OrderFilled, OrderRecord, PositionUpdated
from services.configuration.settings import Settings
from services.risk.limits import (
    AccountRecord,
    ForeignOrder,
    FoundEntry,
    Holding,
    Mark,
    Reservation,
    Reserved,
    commission,
    worst_price,
)
from services.runtime.core import Draft, State

__all__ = ["fold_account", "fold_fill", "fold_foreign", "fold_position", "rebuild", "release", "reserved"]


def rebuild(d: Draft, book: BookTold, settings: Settings) -> None:
    """Replace what is known by the gateway's book."""
    for symbol in d.table(Holding):
        d.drop(Holding, symbol)
    for position in book.positions:
        fold_position(d, position)
    for key in d.table(ForeignOrder):
        d.drop(ForeignOrder, key)
    live = {order.client_order_id: order for order in book.orders if order.role == "entry"}
    for key in d.table(Reservation):
        if key not in live:
            d.drop(Reservation, key)
    for key in d.table(FoundEntry):
        d.drop(FoundEntry, key)
    for order in live.values():
        _reserve(d, order, settings)
    for order in book.orders:
        if order.role == "foreign":
            fold_foreign(d, order)
    if book.account is not None and d.get(AccountRecord, "account") is None:
        # Only if no account is known. Otherwise risk has had this report, and has subtracted later fills from the cash.
        fold_account(d, book.account)


def _reserve(d: Draft, order: OrderRecord, settings: Settings) -> None:
    """Count what a live entry may still cost: at the price that was reserved, or, if nothing was, at the worst.

    A reservation only shrinks here: the ledger bounds what risk approves, and no report may break that bound.
    """
    key, leaves, known = order.client_order_id, max(0.0, order.remaining), d.get(Reservation, order.client_order_id)
    if known is not None:
        leaves = min(leaves, known.quantity)
        usd = leaves * known.usd_per_share
        if usd <= known.usd + 1e-6:
            d.put(Reservation(key, order.symbol, order.quantity, leaves, known.usd_per_share, usd))
            return
        d.drop(Reservation, key)
        per_share = known.usd_per_share
    else:
        mark = d.get(Mark, order.symbol)
        price = worst_price(order.limit_price, order.stop_price, settings) or (mark.price if mark is not None else 0.0)
        per_share = price + commission(order.quantity) / max(1.0, order.quantity)
    d.put(FoundEntry(key, order.symbol, order.quantity, leaves, per_share, leaves * per_share))


def reserved(d: State | Draft) -> dict[str, Reserved]:
    """What all live entries may still cost, reserved or found."""
    return {**d.table(Reservation), **d.table(FoundEntry)}


def release(d: Draft, client_order_id: str) -> None:
    """This entry is over."""
    for kind in (Reservation, FoundEntry):
        if d.get(kind, client_order_id) is not None:
            d.drop(kind, client_order_id)


def fold_fill(d: Draft, filled: OrderFilled) -> None:
    """Count a fill: shares, the rest of the reservation, and the money that an entry spent."""
    fill, order = filled.fill, filled.order
    holding = d.get(Holding, fill.symbol) or Holding(fill.symbol)
    d.put(msgspec.structs.replace(holding, own=filled.own, cost_usd=filled.cost_usd))
    reservation = reserved(d).get(fill.client_order_id)
    if reservation is not None:
        leaves = min(order.quantity - fill.cum_quantity, reservation.leaves)
        if leaves <= 0 or not order.live:
            release(d, reservation.key)
        else:
            d.put(msgspec.structs.replace(reservation, leaves=leaves, usd=leaves * reservation.usd_per_share))
    account = d.get(AccountRecord, "account")
    if fill.side == "BUY" and fill.role != "adopted" and account is not None and not filled.corrects:
        # The broker's next account report will have the lower cash. Subtract the cost now: another entry that is
        # approved before that report must not spend the same money.
        spent = fill.quantity * fill.price
        settled = None if account.settled_cash is None else account.settled_cash - spent
        d.put(msgspec.structs.replace(account, total_cash=account.total_cash - spent, settled_cash=settled))


def fold_position(d: Draft, position: PositionUpdated) -> None:
    """Take the account's position. The cost of own shares is known from fills, unless the report has it."""
    known, cost = d.get(Holding, position.symbol), position.own_cost_usd
    if cost is None:
        cost = known.cost_usd if known is not None else 0.0
    d.put(
        Holding(
            position.symbol,
            own=position.own,
            cost_usd=cost,
            account=position.account_quantity,
            avg_cost=position.avg_cost,
        )
    )


def fold_foreign(d: Draft, order: OrderRecord) -> None:
    """Count an order that is not ours while it is live."""
    if order.live:
        d.put(ForeignOrder.of(order))
    else:
        d.drop(ForeignOrder, order.client_order_id)


def fold_account(d: Draft, account: AccountUpdated) -> None:
    """Take the broker's report of the account."""
    d.put(
        AccountRecord(
            account.account,
            account.net_liquidation,
            account.total_cash,
            account.settled_cash,
            account.account_type,
            account.base_currency,
            account.usd_rate,
            account.rates,
        )
    )
