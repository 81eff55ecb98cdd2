"""A manual sale: own shares that the account no longer has are not the bot's any more. Pure; the opposite of adopting.

If the account has fewer shares than the bot owns, an execution may be late. If that lasts, the broker is asked for
everything. If its answers prove the position (`book/evidence.py`), and no own order can explain it, the missing shares
were sold outside the bot: the broker wins. They are booked as a sale at the present market price,
because the true price is unknown. A stop that would sell more than is left is shrunk first (`protection/carry_out.py`).

A sale by hand leaves the stop resting. If the stop is gone and the account lacks exactly its shares, the stop has sold
(`orders/rebuilding.py`).
"""

from __future__ import annotations

from messages.orders import OrderRecord
from services.gateway.book.evidence import confirmed_position
from services.gateway.book.own_shares import sold
from services.gateway.book.records import (
    REVERSE_SPLIT_COST,
    AccountPosition,
    Anchor,
    Audit,
    Doubt,
    FillRecord,
    HeldBack,
    Missing,
    Own,
    QuoteRecord,
)
from services.gateway.operator.manual_trade import book_manual_trade
from services.gateway.orders.questions import ask_later
from services.runtime.core import Draft
from services.trading.shares import exact

__all__ = ["book_missing_shares", "request_check"]


def request_check(d: Draft, symbol: str) -> bool:
    """Note the missing shares. True if the broker must be asked; False while an answer is awaited."""
    if d.get(Missing, symbol) is not None:
        return False
    d.put(Missing(symbol))
    return True


def book_missing_shares(d: Draft) -> list[str]:
    """After a complete answer: book missing shares that the answers prove to be sold. Returns the symbols."""
    booked = []
    for missing in d.table(Missing).values():
        if not missing.asked:
            continue
        symbol, position = missing.symbol, d.get(AccountPosition, missing.symbol)
        d.drop(Missing, missing.key)
        if position is None or not _is_certain(d, symbol):
            continue
        if confirmed_position(d, symbol) == position.quantity:
            _book_sale(d, symbol)
            booked.append(symbol)
        else:
            d.put(Missing(symbol))
            ask_later(d, asking=False)
    return booked


def _is_certain(d: Draft, symbol: str) -> bool:
    """Whether nothing of ours explains it: no order in doubt, no order that waits for executions, no split."""
    own, position = d.get(Own, symbol), d.get(AccountPosition, symbol)
    orders = [o for o in d.table(OrderRecord).values() if o.symbol == symbol and o.role != "foreign"]
    open_question = any(d.get(Doubt, o.key) is not None or d.get(HeldBack, o.key) is not None for o in orders)
    if own is None or position is None or open_question or d.get(Audit, symbol) is not None:
        return False
    if _fits_reverse_split(d, position):
        return False
    left = max(0.0, position.quantity)
    return sum(o.remaining for o in orders if o.live and o.side == "SELL") <= left < own.quantity


def _fits_reverse_split(d: Draft, position: AccountPosition) -> bool:
    """Whether the average cost rose like in a reverse split, although we bought no shares since the last close.

    A sale does not change the average cost. Fewer shares with a much higher one are a reverse split that the audit did
    not recognize. Booked as a sale at the new price they would give a false profit.
    """
    before = d.get(Anchor, position.symbol)
    if before is None or before.avg_cost <= 0 or position.quantity <= 0:
        return False
    fills = (record.fill for record in d.table(FillRecord).values())
    if any(f.symbol == position.symbol and f.side == "BUY" and f.time_ns > before.time_ns for f in fills):
        return False
    return position.avg_cost / before.avg_cost >= REVERSE_SPLIT_COST


def _book_sale(d: Draft, symbol: str) -> None:
    own, position, quote = d.get(Own, symbol), d.get(AccountPosition, symbol), d.get(QuoteRecord, symbol)
    assert own is not None
    assert position is not None
    quantity, average = exact(own.quantity - max(0.0, position.quantity)), own.cost_usd / own.quantity
    price = quote.quote.last if quote is not None and quote.quote.last > 0 else average
    own, realized = sold(own, quantity, price)
    book_manual_trade(d, own, "SELL", quantity, price, realized)
    d.note("sold_by_hand", symbol, "WARNING", qty=quantity, price=price, own=own.quantity)
