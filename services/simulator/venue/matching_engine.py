"""The matching engine: applies one movement of a symbol's price to its orders, and books the fills. Pure.

`triggers.py` decides which level of an order a movement reaches and at what price it fills. The engine takes the orders
in the sequence in which the movement reaches them.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.configuration.broker_policy import FarLimits
from services.simulator.venue import triggers
from services.simulator.venue.account import commission
from services.simulator.venue.lifecycle import Lifecycle, may_trade_outside, works_at_once
from services.simulator.venue.liquidity import Liquidity
from services.simulator.venue.orders import Execution, Order
from services.simulator.venue.reports import CommissionReport, ExecutionReport
from services.simulator.venue.state import ExchangeState
from services.trading.shares import exact

__all__ = ["MatchingEngine"]


class MatchingEngine:
    """The matching engine of one exchange, on its state."""

    def __init__(self, state: ExchangeState, lifecycle: Lifecycle) -> None:
        self._state = state
        self._lifecycle = lifecycle
        self._overfilled: list[tuple[Order, float, int]] = []

    def move(self, orders: list[Order], path: triggers.Path, liquidity: Liquidity, *, regular: bool) -> None:
        """Apply one movement to a symbol's orders, in the sequence in which it reaches their levels."""
        policy = self._state.policy
        active = [order for order in orders if regular or may_trade_outside(order)]
        for order in active:
            if order.status == "PreSubmitted" and works_at_once(order):
                self._lifecycle.move(order, "Submitted")
        slippage = policy.slippage_bps / 10_000.0
        while (found := _first_step(active, path, liquidity, slippage)) is not None:
            order, step = found
            path = path.beyond(step.at)
            if step.adjusts:
                self._lifecycle.adjust(order)
            elif step.fill is None:
                self._lifecycle.trigger(order)
            elif self._too_far(order, step.fill):
                self._lifecycle.end_far(order)
            else:
                quantity = liquidity.for_order(order)
                liquidity.take(order.ticket.side, quantity)
                self.fill(order, quantity, step.fill, path)
        for peer, quantity, oca_type in self._overfilled:
            self._lifecycle.reduce_or_cancel(peer, quantity, oca_type)
        self._overfilled.clear()
        for order in active:
            if order.ticket.tif in ("IOC", "FOK") and not order.done and not order.why_held:
                (self._lifecycle.end_unfilled_ioc if order.ticket.tif == "IOC" else self._lifecycle.end_unfilled_fok)(
                    order
                )
            elif order.ticket.trigger_method in triggers.TWICE:
                order.beyond = triggers.stands_beyond(order, path)
                self._state.orders.changed(order)
        for order in orders:
            if order.ticket.order_type not in triggers.TRAILING:
                continue
            price = triggers.watched(order, path)
            if price is not None and (order in active or policy.ratchet_outside_rth):
                self._lifecycle.ratchet(order, price)

    def _too_far(self, order: Order, price: float) -> bool:
        """Whether the broker's price check ends this order: it could fill here, and its limit is far beyond it."""
        policy = self._state.policy
        if order.limit_price is None or policy.far_limits is FarLimits.FILL:
            return False
        if policy.far_limits is FarLimits.IMMEDIATE_END and order.ticket.tif not in ("IOC", "FOK"):
            return False
        beyond = (order.limit_price - price) * (1.0 if order.ticket.side == "BUY" else -1.0)
        return beyond >= price * policy.far_limit_pct / 100.0

    def fill(self, order: Order, quantity: float, price: float, path: triggers.Path) -> None:
        """Book one fill at this price; the path starts at the market's price of that moment."""
        state, ticket = self._state, order.ticket
        account = state.accounts[ticket.account]
        if ticket.side == "SELL" and state.policy.funds_checked and not account.terms.shorts:
            quantity = min(quantity, account.quantity(ticket.symbol))
            if quantity <= 0:
                self._lifecycle.refuse_short(order)
                return
        execution, fee = self._execute(order, quantity, price)
        realized = account.trade(ticket.symbol, ticket.side, quantity, price, fee, state.today)
        charge = CommissionReport(execution.exec_id, ticket.client_id, *account.fee_reported(fee), realized)
        state.executions.keep(execution, charge)
        state.touched_holdings.add((ticket.account, ticket.symbol))

        peers = state.orders.peers(order)
        if state.policy.filled_before_execution:
            self._lifecycle.filled(order)
            state.reports.append(ExecutionReport(execution))
        else:
            state.reports.append(ExecutionReport(execution))
            self._lifecycle.filled(order)
        self._lifecycle.filled_again(order)
        state.reports += [charge, account.position(ticket.symbol, state.today), account.report(state.today)]
        for child in state.orders.children(order):
            self._lifecycle.update_child(child, order, path.start)
        for peer in peers:
            if order.oca_type == 3 and state.policy.oca_overfills_without_block:
                self._overfilled.append((peer, quantity, order.oca_type))
            else:
                self._lifecycle.reduce_or_cancel(peer, quantity, order.oca_type)

    def _execute(self, order: Order, quantity: float, price: float) -> tuple[Execution, float]:
        """Add the shares to the order. Returns its execution, and the commission that this fill adds."""
        ticket = order.ticket
        value = order.filled * order.avg_price + quantity * price
        order.filled = exact(order.filled + quantity)
        order.avg_price = round(value / order.filled, 8)
        order.last_fill_price = price
        fee = round(commission(order.filled, value) - order.commission, 6)
        order.commission = round(order.commission + fee, 6)
        second = self._state.now_ns // 10**9
        execution = Execution(
            exec_id=self._state.executions.new_id(second),
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
    orders: Iterable[Order], path: triggers.Path, liquidity: Liquidity, slippage: float
) -> tuple[Order, triggers.OrderStep] | None:
    """The order whose level the movement reaches first, with its step; the older order if it reaches two at once."""
    best: tuple[float, int, Order, triggers.OrderStep] | None = None
    for order in orders:
        if order.done or order.held_back:
            continue
        step = triggers.next_step(order, path.since(order.live_from_ns), slippage)
        if step is None or (step.fill is not None and not liquidity.for_order(order)):
            continue
        rank = (abs(step.at - path.start), order.perm_id)
        if best is None or rank < best[:2]:
            best = (*rank, order, step)
    return None if best is None else best[2:]
