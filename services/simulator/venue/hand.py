"""What befalls orders out of turn: ended, filled in part, or doubled by the broker's own hand. Faults ask for it.

It works on the exchange's own books, so what comes of it is in the ledger, is told again to whoever asks, and moves
cash and shares as everything else does.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import msgspec

from services.simulator.venue import matching
from services.simulator.venue.model import Order, Report, Ticket

if TYPE_CHECKING:
    from services.simulator.venue.exchange import Exchange

__all__ = ["Hand"]


class Hand:
    """The hand of one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def find(self, client_id: int, order_id: int) -> Order | None:
        """A copy of the order that this client calls by this id."""
        return copy.copy(self._exchange._book.find(client_id, order_id))

    def end(self, perm_id: int, text: str) -> list[Report]:
        """An order is cancelled, with its children, for a reason of the broker's own."""
        order = self._working(perm_id)
        if order is not None:
            self._exchange._life.take_back(order, text)
        return self._exchange._drain()

    def fill(self, perm_id: int, quantity: float) -> list[Report]:
        """So many shares of an order fill at the last price; a stop is triggered by it."""
        exchange, order = self._exchange, self._working(perm_id)
        last = None if order is None else exchange._tapes[order.ticket.symbol].last
        if order is not None and last is not None and not order.waits_for_parent:
            if order.ticket.order_type in matching.STOPS and not order.triggered:
                exchange._life.trigger(order)
            now = exchange.now_ns
            path = matching.Path(last, last, 0.0, 0.0, now, now)
            exchange._fill(order, min(quantity, order.remaining), last, path)
        return exchange._drain()

    def double(self, ticket: Ticket) -> list[Report]:
        """A change that became a second order: the first one works on, under the same order id."""
        exchange = self._exchange
        known = exchange._book.find(ticket.client_id, ticket.order_id)
        assert known is not None, "what is doubled is there"
        account = ticket.account or known.ticket.account
        order = exchange._life.begin(msgspec.structs.replace(ticket, account=account), exchange._book.parent(known))
        exchange._life.transmit(order, exchange._hours, exchange._tapes[ticket.symbol])
        return exchange._drain()

    def _working(self, perm_id: int) -> Order | None:
        return next((order for order in self._exchange._book.working() if order.perm_id == perm_id), None)
