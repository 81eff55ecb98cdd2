"""Queries of the gateway's records: links, price grids, stops, shares and blocks. Pure."""

from __future__ import annotations

import math

import msgspec

from messages.account import BookTold
from messages.orders import OrderRecord, PositionUpdated
from services.gateway.book.records import (
    AccountPosition,
    AccountSeen,
    Block,
    Book,
    FillRecord,
    Links,
    Own,
    PriceGrid,
)
from services.runtime.core import Draft, State
from services.trading.ids import is_stop_reference
from services.trading.prices import US_STOCKS, Grid

__all__ = [
    "account_shares",
    "book_snapshot",
    "first_block",
    "grid_of",
    "links_of",
    "next_order_ids",
    "position_updates",
    "stops_of",
    "whole_shares",
]


def first_block(d: Draft, symbol: str) -> Block | None:
    """The first reason that blocks entries of a symbol; None if there is none."""
    return next((block for block in d.table(Block).values() if block.symbol in ("", symbol)), None)


def links_of(d: Draft) -> Links:
    """The state of the connection."""
    return d.get(Links, "links") or Links()


def next_order_ids(d: Draft, count: int) -> tuple[int, ...]:
    """New order ids, greater than any seen before."""
    book = d.get(Book, "book") or Book()
    d.put(msgspec.structs.replace(book, next_order_id=book.next_order_id + count))
    return tuple(range(book.next_order_id, book.next_order_id + count))


def grid_of(d: Draft, symbol: str) -> Grid:
    """The price grid of a symbol."""
    found = d.get(PriceGrid, symbol)
    return found.steps if found is not None else US_STOCKS


def stops_of(d: Draft, symbol: str) -> tuple[str, list[OrderRecord]]:
    """The newest entry of the shares now held ('' if none is known), and all stops that these shares ever had."""
    fills = [r.fill for r in d.table(FillRecord).values() if r.fill.symbol == symbol]
    held, entries, newest = 0.0, dict[str, None](), ""
    for fill in sorted(fills, key=lambda f: (f.time_ns, f.side == "SELL", f.exec_id)):
        if fill.side == "BUY":
            entries[fill.client_order_id] = None
            newest = fill.client_order_id
            held += fill.quantity
        else:
            held -= fill.quantity
            if held <= 0:
                held, entries = 0.0, {}
    entries = entries or {newest: None}  # (after a split, sales can exceed the purchases in the fills)
    stops = [o for o in d.table(OrderRecord).values() if o.symbol == symbol and o.role == "stop"]
    own_stops = [
        o
        for o in stops
        if any(o.parent_client_order_id == e or is_stop_reference(o.client_order_id, e) for e in entries)
    ]
    return newest, own_stops


def account_shares(d: Draft, symbol: str) -> float:
    """The account's shares, as last reported; 0 if no position was."""
    position = d.get(AccountPosition, symbol)
    return position.quantity if position is not None else 0.0


def whole_shares(d: Draft, symbol: str) -> int:
    """Own shares without the fraction of a share, which can't be sold."""
    own = d.get(Own, symbol)
    return max(0, math.floor(own.quantity + 1e-9)) if own is not None else 0


def position_updates(state: State) -> list[PositionUpdated]:
    """Every position as an event, also own shares for which the broker has no position."""
    positions, owned = state.table(AccountPosition), state.table(Own)
    updates = []
    for symbol in dict.fromkeys((*positions, *owned)):
        position = positions.get(symbol) or AccountPosition(symbol, 0.0, 0.0)
        own = owned.get(symbol) or Own(symbol)
        updates.append(PositionUpdated(symbol, position.quantity, position.avg_cost, own.quantity, own.cost_usd))
    return updates


def book_snapshot(state: State) -> BookTold:
    """All that counts as exposure: positions, live orders and the account's values."""
    links, account = state.get(Links, "links"), state.get(AccountSeen, "account")
    return BookTold(
        reconciled=links is not None and links.phase == "ready",
        positions=tuple(position_updates(state)),
        orders=tuple(o for o in state.table(OrderRecord).values() if o.live),
        account=account.told if account else None,
    )
