"""Where the market meets the orders: one movement of a symbol's price, and all that comes of it. Pure.

Which level of an order a movement reaches, and at what price it fills, is judged in `matching.py`; here the orders of a
symbol are gone through in the sequence in which the movement reaches them, and a fill is booked.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.simulator.venue import triggers
from services.simulator.venue.account import commission
from services.simulator.venue.lifecycle import Lifecycle, may_trade_outside, works_at_once
from services.simulator.venue.liquidity import Liquidity
from services.simulator.venue.orders import Execution, Order
from services.simulator.venue.reports import CommissionReport, ExecutionReport
from services.simulator.venue.state import Books
from services.trading.shares import exact

__all__ = ["Floor"]


class Floor:
    """The floor of one exchange, on its books."""

    def __init__(self, books: Books, life: Lifecycle) -> None:
        self._books = books
        self._life = life
        self._overfilled: list[tuple[Order, float, int]] = []

    def move(self, orders: list[Order], path: triggers.Path, there: Liquidity, *, regular: bool) -> None:
        """Let one movement meet a symbol's orders, in the sequence in which it reaches their levels."""
        policy = self._books.policy
        active = [order for order in orders if regular or may_trade_outside(order)]
        for order in active:
            if order.status == "PreSubmitted" and works_at_once(order):
                self._life.move(order, "Submitted")
        slippage = policy.slippage_bps / 10_000.0
        while (found := _first_step(active, path, there, slippage)) is not None:
            order, step = found
            path = path.beyond(step.at)
            if step.adjusts:
                self._life.adjust(order)
            elif step.fill is None:
                self._life.trigger(order)
            else:
                quantity = there.for_order(order)
                there.take(order.ticket.side, quantity)
                self.fill(order, quantity, step.fill, path)
        for peer, quantity, oca_type in self._overfilled:
            self._life.yield_to_fill(peer, quantity, oca_type)
        self._overfilled.clear()
        for order in active:
            if order.ticket.tif in ("IOC", "FOK") and not order.done and not order.why_held:
                (self._life.give_up if order.ticket.tif == "IOC" else self._life.kill)(order)
            elif order.ticket.trigger_method in triggers.TWICE:
                order.beyond = triggers.stands_beyond(order, path)
                self._books.orders.changed(order)
        for order in orders:
            if order.ticket.order_type not in triggers.TRAILING:
                continue
            price = triggers.watched(order, path)
            if price is not None and (order in active or policy.ratchet_outside_rth):
                self._life.ratchet(order, price)

    def fill(self, order: Order, quantity: float, price: float, path: triggers.Path) -> None:
        """One match at this price; the path begins where the market was then."""
        books, ticket = self._books, order.ticket
        account = books.accounts[ticket.account]
        if ticket.side == "SELL" and books.policy.funds_checked and not account.terms.shorts:
            quantity = min(quantity, account.quantity(ticket.symbol))
            if quantity <= 0:
                self._life.refuse_short(order)
                return
        execution, fee = self._execute(order, quantity, price)
        realized = account.trade(ticket.symbol, ticket.side, quantity, price, fee, books.today)
        charge = CommissionReport(execution.exec_id, ticket.client_id, *account.fee_told(fee), realized)
        books.executions.keep(execution, charge)
        books.touched_holdings.add((ticket.account, ticket.symbol))

        peers = books.orders.peers(order)
        if books.policy.filled_before_execution:
            self._life.filled(order)
            books.reports.append(ExecutionReport(execution))
        else:
            books.reports.append(ExecutionReport(execution))
            self._life.filled(order)
        books.reports += [charge, account.position(ticket.symbol, books.today), account.report(books.today)]
        for child in books.orders.children(order):
            self._life.follow(child, order, path.start)
        for peer in peers:
            if order.oca_type == 3 and books.policy.oca_overfills_without_block:
                self._overfilled.append((peer, quantity, order.oca_type))
            else:
                self._life.yield_to_fill(peer, quantity, order.oca_type)

    def _execute(self, order: Order, quantity: float, price: float) -> tuple[Execution, float]:
        """The order has these shares: its execution, and what this one adds to its commission."""
        ticket = order.ticket
        value = order.filled * order.avg_price + quantity * price
        order.filled = exact(order.filled + quantity)
        order.avg_price = round(value / order.filled, 8)
        order.last_fill_price = price
        fee = round(commission(order.filled, value) - order.commission, 6)
        order.commission = round(order.commission + fee, 6)
        second = self._books.now_ns // 10**9
        execution = Execution(
            exec_id=self._books.executions.new_id(second),
            perm_id=order.perm_id,
            client_id=ticket.client_id,
            order_id=ticket.order_id,
            order_ref=ticket.order_ref,
            account=ticket.account,
            symbol=ticket.symbol,
            side=ticket.side,
            quantity=quantity,
            price=price,
            cum_quantity=order.filled,
            avg_price=order.avg_price,
            time_ns=second * 10**9,
        )
        return execution, fee


def _first_step(
    orders: Iterable[Order], path: triggers.Path, there: Liquidity, slippage: float
) -> tuple[Order, triggers.Step] | None:
    """Whose level the movement reaches first; the older order where it reaches two at once."""
    best: tuple[float, int, Order, triggers.Step] | None = None
    for order in orders:
        if order.done or order.held_back:
            continue
        step = triggers.next_step(order, path.since(order.live_from_ns), slippage)
        if step is None or (step.fill is not None and not there.for_order(order)):
            continue
        rank = (abs(step.at - path.start), order.perm_id)
        if best is None or rank < best[:2]:
            best = (*rank, order, step)
    return None if best is None else best[2:]
