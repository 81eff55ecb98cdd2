"""Adopting: shares of the account become the bot's own, only on the operator's command. Pure.

They are booked as a purchase at the present market price: earlier gains and losses are not the bot's. Then
`protection/` finds own shares without a stop and places one, from the present price.
"""

from __future__ import annotations

import math

import msgspec

from messages.operator import Adopt
from messages.orders import OrderRecord
from services.gateway.book.blocks import unblock
from services.gateway.book.own_shares import bought
from services.gateway.book.records import (
    FOUND_AT_BROKER,
    AccountPosition,
    Block,
    FlattenRecord,
    Links,
    Own,
    QuoteRecord,
)
from services.gateway.operator.manual_trade import book_manual_trade
from services.gateway.orders.lost_ledger import FOUND
from services.runtime.core import Draft

__all__ = ["accept_found", "adopt"]

FOUND_ACCEPTED = "found_accepted"
"""The reason of an entry that was found at the broker, once the operator has accepted its shares."""


def adopt(d: Draft, command: Adopt, links: Links) -> None:
    """Book the shares, or report why not: things may have changed since risk checked the command."""
    symbol, quantity = command.symbol, command.quantity
    refused = _reason_to_refuse(d, command, links)
    if refused is not None:
        d.note("adopt_refused", symbol, "ERROR", qty=quantity, why=refused)
        return
    quote, own = d.get(QuoteRecord, symbol), d.get(Own, symbol) or Own(symbol)
    assert quote is not None
    price = quote.quote.last
    own = bought(own, quantity, price)
    book_manual_trade(d, own, "BUY", quantity, price)
    d.note("shares_adopted", symbol, "WARNING", qty=quantity, price=price, own=own.quantity)


def accept_found(d: Draft, symbol: str | None) -> list[str]:
    """The operator accepts the shares that were found: their symbols may enter again. Returns these symbols.

    Their fills stay synthetic: if the broker reports the true executions later, these still replace them.
    """
    found = [b for b in d.table(Block).values() if b.reason == FOUND and symbol in (None, b.symbol)]
    for accepted in found:
        name = accepted.symbol
        unblock(d, FOUND, name)
        for order in d.table(OrderRecord).values():
            if order.symbol == name and order.reason == FOUND_AT_BROKER and not order.live:
                d.put(msgspec.structs.replace(order, reason=FOUND_ACCEPTED))
        d.note("shares_found_accepted", name, "WARNING", **accepted.figures)
    return [accepted.symbol for accepted in found]


def _reason_to_refuse(d: Draft, command: Adopt, links: Links) -> str | None:
    """Why the shares can't be adopted; None if they can.

    They must be whole shares of the account that no order sells, and have a price to derive a stop from.
    """
    symbol, quantity = command.symbol, command.quantity
    position, quote, own = d.get(AccountPosition, symbol), d.get(QuoteRecord, symbol), d.get(Own, symbol)
    foreign = (position.quantity if position is not None else 0.0) - (own.quantity if own is not None else 0.0)
    foreign -= sum(
        o.remaining
        for o in d.table(OrderRecord).values()
        if o.symbol == symbol and o.role == "foreign" and o.side == "SELL" and o.live
    )
    if links.phase != "ready":
        return "links_down"
    if d.get(FlattenRecord, symbol) is not None:
        return "flattening"
    if quantity < 1 or quantity != math.floor(quantity) or quantity > foreign:
        return f"{foreign:g} whole shares can be adopted"
    if quote is None or quote.quote.last <= 0:
        return "no_quote"
    return None
