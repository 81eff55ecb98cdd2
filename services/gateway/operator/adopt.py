"""Adopting: shares of the account become the bot's own by the operator's word, and by nothing else. Pure.

They are booked like a purchase at the market's price of this moment, so what they gained or lost before is not the
bot's. The guard then finds own shares without a stop, and places one under them, from the market now.
"""

from __future__ import annotations

import math

from messages.operator import Adopt
from messages.orders import OrderRecord
from services.gateway.book.own_shares import bought
from services.gateway.book.records import AccountPosition, FlattenRecord, Links, Own, QuoteRecord
from services.gateway.operator.manual_trade import book_manual_trade
from services.runtime.core import Draft

__all__ = ["adopt"]


def adopt(d: Draft, command: Adopt, links: Links) -> None:
    """Book the shares, or say why not: what risk knew when it passed this on may have changed."""
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


def _reason_to_refuse(d: Draft, command: Adopt, links: Links) -> str | None:
    """What must hold: whole shares that are there, are nobody's sale, and have a price to place a stop by."""
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
