"""Margin requirements, and whether an account can pay for an order. Pure.

IBKR's rules-based margin for US stocks (Reg T accounts): a long position needs 25 % of its value, a short one 30 %, or
more for a cheap share; initial and maintenance margin are equal during the day. Below $2,000 of equity nothing may be
borrowed. The 50 % of Regulation T at the day's end is reported and not enforced; nothing is ever liquidated.

A cash account pays in full with settled money, and its working buys reserve theirs.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.simulator.venue.account import Account, commission
from services.simulator.venue.order_book import OrderBook
from services.simulator.venue.orders import Margin, Order, Ticket
from services.simulator.venue.tape import Tape
from services.simulator.venue.triggers import LIMITED

__all__ = ["objection", "preview"]


def price_for(ticket: Ticket, tape: Tape) -> float | None:
    """The price for the margin of an order: its limit or stop, otherwise the market's price. None without either."""
    if ticket.order_type in LIMITED and ticket.limit_price is not None:
        return ticket.limit_price
    if ticket.stop_price is not None:
        return ticket.stop_price
    market = tape.ask if ticket.side == "BUY" else tape.bid
    return tape.last if market is None else market


def preview(ticket: Ticket, account: Account, tape: Tape, today: str) -> Margin:
    """The answer to a what-if order: margins and equity before and after, and the commission."""
    price = price_for(ticket, tape) or 0.0
    signed = ticket.quantity if ticket.side == "BUY" else -ticket.quantity
    fee = commission(ticket.quantity, ticket.quantity * price)
    before = account.requirement()
    after = account.requirement(ticket.symbol, signed)
    equity = account.equity_with_loan(today)
    paid = fee if account.terms.kind == "margin" else fee + max(0.0, signed * price)
    return Margin(
        initial_before=round(before, 2),
        maintenance_before=round(before, 2),
        equity_before=round(equity, 2),
        initial_after=round(after, 2),
        maintenance_after=round(after, 2),
        equity_after=round(equity - paid, 2),
        commission=fee,
    )


def objection(ticket: Ticket, account: Account, tape: Tape, book: OrderBook, today: str) -> str | None:
    """Why the account can't have this order, as IBKR words it; None if it can.

    An order that closes a position is always allowed. A child counts as covered by its parent's shares.
    """
    held = account.quantity(ticket.symbol)
    others = [order for order in book.of_symbol(ticket.symbol) if _is_other_order(order, ticket)]
    if ticket.side == "SELL" and not account.terms.shorts and not ticket.parent_id:
        if ticket.quantity > held - _committed_shares(others, ticket.oca_group):
            return "The account may not hold a short position in this contract."
        return None
    price = price_for(ticket, tape)
    signed = ticket.quantity if ticket.side == "BUY" else -ticket.quantity
    if price is None or ticket.parent_id or (held * signed < 0 and abs(held) >= ticket.quantity):
        return None
    fee = commission(ticket.quantity, ticket.quantity * price)
    if account.terms.kind == "cash":
        working = (order for order in book.working() if _is_other_order(order, ticket))
        needed = ticket.quantity * price + fee + sum(map(_reserved_cash, working))
    else:
        needed = account.requirement(ticket.symbol, signed) + fee
    equity = account.equity_with_loan(today)
    if needed <= equity:
        return None
    return (
        "YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY WITH LOAN VALUE "
        f"[{equity:.2f} USD] MUST EXCEED THE INITIAL MARGIN [{needed:.2f} USD]"
    )


def _is_other_order(order: Order, ticket: Ticket) -> bool:
    """Whether it is another order of the same account, not the one that this ticket changes."""
    same = (order.ticket.client_id, order.ticket.order_id) == (ticket.client_id, ticket.order_id)
    return order.ticket.account == ticket.account and not same


def _committed_shares(orders: Iterable[Order], oca_group: str) -> float:
    """Shares of working sells. An OCA group counts its largest member; the ticket's own group doesn't count."""
    groups: dict[str, float] = {}
    single = 0.0
    for order in orders:
        if order.ticket.side != "SELL" or order.waits_for_parent:
            continue
        if not order.oca_group:
            single += order.remaining
        elif order.oca_group != oca_group:
            groups[order.oca_group] = max(order.remaining, groups.get(order.oca_group, 0.0))
    return single + sum(groups.values())


def _reserved_cash(order: Order) -> float:
    """The cash that a working buy reserves."""
    if order.ticket.side != "BUY":
        return 0.0
    price = order.limit_price or order.trail_stop_price or order.ticket.stop_price or 0.0
    return order.remaining * price
