"""The records of a manual trade: shares that became own, or no longer are, without an order of ours. Pure.

It is an order and an execution of the role `adopted` that the broker does not have. So the other processes receive it
like any other trade.
"""

from __future__ import annotations

from typing import Literal

from messages.orders import Fill, OrderFilled, OrderRecord, PositionUpdated
from services.gateway.book.instruments import con_id_of
from services.gateway.book.records import AccountPosition, Book, FillRecord, Own, SessionRecord, base_id
from services.runtime.core import Draft
from services.trading.ids import Kind, order_reference, reference_series

__all__ = ["book_manual_trade"]

TERMS: dict[str, tuple[Kind, str, str]] = {"BUY": ("A", "ADOPT", "adopted"), "SELL": ("M", "BY HAND", "by-hand")}
"""Kind of the reference, type of the order, beginning of the exec_id."""


def book_manual_trade(
    d: Draft, own: Own, side: Literal["BUY", "SELL"], quantity: float, price: float, realized_usd: float = 0.0
) -> None:
    """Record a trade of so many shares at this price. `own`: the own shares after it."""
    symbol, now_ns = own.symbol, d.now.market_ns
    kind, order_type, beginning = TERMS[side]
    date = (d.get(SessionRecord, "session") or SessionRecord()).date
    book = d.get(Book, "book") or Book()
    series = reference_series(book.fleet, symbol, date, kind)
    before = [o for o in d.table(OrderRecord).values() if o.role == "adopted" and o.key.startswith(series)]
    key = order_reference(book.fleet, symbol, date, 1 + len(before), kind)
    order = d.put(
        OrderRecord(
            client_order_id=key,
            symbol=symbol,
            role="adopted",
            side=side,
            order_type=order_type,
            quantity=quantity,
            status="Filled",
            filled=quantity,
            avg_price=price,
            account=book.account,
            con_id=con_id_of(d, symbol),
            created_ns=now_ns,
            updated_ns=now_ns,
        )
    )
    fill = Fill(
        exec_id=f"{beginning}.{key}.01",
        client_order_id=key,
        symbol=symbol,
        role="adopted",
        side=side,
        quantity=quantity,
        price=price,
        cum_quantity=quantity,
        avg_price=price,
        order_id=0,
        perm_id=0,
        account=book.account,
        time_ns=now_ns,
        con_id=order.con_id,
        witness="operator",
    )
    d.put(FillRecord(base_id(fill.exec_id), fill, realized_usd))
    d.put(own)
    d.send(symbol, OrderFilled(fill, order, own.quantity, own.cost_usd, realized_usd))
    position = d.get(AccountPosition, symbol) or AccountPosition(symbol, 0.0, 0.0)
    d.send(symbol, PositionUpdated(symbol, position.quantity, position.avg_cost, own.quantity, own.cost_usd))
