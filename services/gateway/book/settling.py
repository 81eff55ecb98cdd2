"""What the account had of a symbol when no question about it was open. Pure.

What it has beyond own shares then is not the bot's now, and own orders that are live then were live at that time:
`orders/rebuilding.py` compares a later answer with it.
"""

from __future__ import annotations

from messages.orders import OrderRecord
from services.gateway.book.queries import account_shares
from services.gateway.book.records import AccountPosition, Audit, Doubt, HeldBack, Own, Settled
from services.runtime.core import Draft

__all__ = ["settle", "settle_entry", "settle_purchase"]


def settle(d: Draft) -> None:
    """After the answer is folded: remember, for each symbol without an open question, what the account has."""
    orders = [o for o in d.table(OrderRecord).values() if o.role != "foreign"]
    live = {o.symbol for o in orders if o.live}
    for symbol in dict.fromkeys((*d.table(Own), *d.table(AccountPosition), *(o.symbol for o in orders if o.live))):
        _settle(d, symbol, [o for o in orders if o.symbol == symbol], live=symbol in live)


def settle_entry(d: Draft, symbol: str) -> None:
    """An entry is about to be sent: remember what the account has without it. No answer may come before it fills."""
    orders = [o for o in d.table(OrderRecord).values() if o.symbol == symbol and o.role != "foreign"]
    _settle(d, symbol, orders, live=True)


def settle_purchase(d: Draft, symbol: str) -> None:
    """The account reports more shares than before while no entry of ours lives: a person bought them."""
    orders = [o for o in d.table(OrderRecord).values() if o.symbol == symbol and o.role != "foreign"]
    before = d.state.get(AccountPosition, symbol)
    risen = account_shares(d, symbol) > (before.quantity if before is not None else 0.0)
    if risen and not any(o.live and o.side == "BUY" for o in orders):
        _settle(d, symbol, orders, live=any(o.live for o in orders))


def _settle(d: Draft, symbol: str, orders: list[OrderRecord], *, live: bool) -> None:
    own, account = d.get(Own, symbol) or Own(symbol), account_shares(d, symbol)
    doubtful = any(d.get(Doubt, o.key) is not None or d.get(HeldBack, o.key) is not None for o in orders)
    if doubtful or own.quantity < 0 or account < own.quantity or d.get(Audit, symbol) is not None:
        return
    if live or own.quantity > 0:
        position = d.get(AccountPosition, symbol)
        cost = position.avg_cost if position is not None else 0.0
        d.put(Settled(symbol, account, own.quantity, d.now.market_ns, cost))
    elif d.get(Settled, symbol) is not None:
        d.drop(Settled, symbol)
