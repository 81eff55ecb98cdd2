"""Actions of the broker itself on orders: cancel, expire, fill, double, reject. Faults use them.

They change the exchange's own state. So their results are in the ledger, are reported on request, and change cash and
shares like any other.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from services.simulator.venue import triggers
from services.simulator.venue.lifecycle import BY_SYSTEM, Lifecycle
from services.simulator.venue.matching_engine import MatchingEngine
from services.simulator.venue.orders import Order, Ticket
from services.simulator.venue.reports import Report
from services.simulator.venue.state import ExchangeState

__all__ = ["BrokerActions", "Rejection"]


class Rejection(NamedTuple):
    """How the broker rejects an order: with this error, before or after the status.

    `held`: it accepts the order and holds it until shares are located.
    """

    code: int
    text: str
    held: bool = False
    status_first: bool = False


class BrokerActions:
    """The broker's actions on one exchange."""

    def __init__(self, state: ExchangeState, lifecycle: Lifecycle, matching_engine: MatchingEngine) -> None:
        self._state = state
        self._lifecycle = lifecycle
        self._matching_engine = matching_engine
        self._refused: dict[tuple[int, int], Rejection] = {}

    def refuse(self, client_id: int, order_id: int, how: Rejection) -> list[Report]:
        """Reject this order once it is transmitted. It may be placed already, or later."""
        self._refused[client_id, order_id] = how
        return []

    def refuses(self, order: Order) -> bool:
        """Whether an order that is being transmitted is rejected; if so, reject it."""
        how = self._refused.pop((order.ticket.client_id, order.ticket.order_id), None)
        if how is None:
            return False
        act = self._lifecycle.hold_until_located if how.held else self._lifecycle.reject
        act(order, how.text, how.code, status_first=how.status_first)
        return True

    def end(self, perm_id: int, text: str) -> list[Report]:
        """Cancel an order and its children, with the broker's reason."""
        order = self._working(perm_id)
        if order is not None:
            self._lifecycle.cancel_by_broker(order, text)
        return self._state.take_reports()

    def cancel(self, perm_id: int) -> list[Report]:
        """Somebody cancels an order by hand: as its client would."""
        order = self._working(perm_id)
        if order is not None:
            self._lifecycle.cancel(order)
        return self._state.take_reports()

    def change(self, perm_id: int, quantity: float | None, price: float | None) -> list[Report]:
        """Somebody changes an order by hand: its shares, its stop or, if it has none, its limit."""
        order = self._working(perm_id)
        if order is not None:
            new = {} if quantity is None else {"quantity": quantity}
            if price is not None:
                stop = "trail_stop_price" if order.ticket.order_type in triggers.TRAILING else "stop_price"
                new["limit_price" if order.ticket.order_type == "LMT" else stop] = price
            self._lifecycle.change(order, msgspec.structs.replace(order.ticket, **new))
        return self._state.take_reports()

    def expire(self, perm_id: int) -> list[Report]:
        """End an order as if it had expired."""
        order = self._working(perm_id)
        if order is not None:
            self._lifecycle.end(order, BY_SYSTEM)
        return self._state.take_reports()

    def fill(self, perm_id: int, quantity: float) -> list[Report]:
        """Fill `quantity` shares of an order at the last price. A stop is triggered first."""
        state, order = self._state, self._working(perm_id)
        last = None if order is None else state.tapes[order.ticket.symbol].last
        if order is not None and last is not None and not order.held_back:
            if order.ticket.order_type in triggers.STOPS and not order.triggered:
                self._lifecycle.trigger(order)
            path = triggers.Path(last, last, 0.0, 0.0, state.now_ns, state.now_ns)
            self._matching_engine.fill(order, min(quantity, order.remaining), last, path)
        return state.take_reports()

    def double(self, ticket: Ticket) -> list[Report]:
        """Make a second order of a change. The first one keeps working under the same order id."""
        state = self._state
        known = state.orders.find(ticket.client_id, ticket.order_id)
        assert known is not None, "what is doubled is there"
        account = ticket.account or known.ticket.account
        order = self._lifecycle.create(msgspec.structs.replace(ticket, account=account), state.orders.parent(known))
        self._lifecycle.transmit(order)
        return state.take_reports()

    def _working(self, perm_id: int) -> Order | None:
        return next((order for order in self._state.orders.working() if order.perm_id == perm_id), None)
