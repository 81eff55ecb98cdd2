"""What befalls orders out of turn: ended, expired, filled or doubled by the broker's own hand. Faults ask for it.

It works on the exchange's own books, so what comes of it is in the ledger, is told again to whoever asks, and moves
cash and shares as everything else does.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from services.simulator.venue import triggers
from services.simulator.venue.lifecycle import BY_SYSTEM, Lifecycle
from services.simulator.venue.matching_engine import Floor
from services.simulator.venue.orders import Order, Ticket
from services.simulator.venue.reports import Report
from services.simulator.venue.state import Books

__all__ = ["Hand", "Refused"]


class Refused(NamedTuple):
    """How the broker answers an order that it doesn't take: with this error, before or after the status.

    `held`: it takes it, and holds it until shares are located.
    """

    code: int
    text: str
    held: bool = False
    status_first: bool = False


class Hand:
    """The hand of one exchange."""

    def __init__(self, books: Books, life: Lifecycle, floor: Floor) -> None:
        self._books = books
        self._life = life
        self._floor = floor
        self._refused: dict[tuple[int, int], Refused] = {}

    def refuse(self, client_id: int, order_id: int, how: Refused) -> list[Report]:
        """This order will be refused once it is transmitted: its owner may have placed it already, or not yet."""
        self._refused[client_id, order_id] = how
        return []

    def refuses(self, order: Order) -> bool:
        """Whether an order that is being transmitted is refused; then that is done."""
        how = self._refused.pop((order.ticket.client_id, order.ticket.order_id), None)
        if how is None:
            return False
        act = self._life.hold_until_located if how.held else self._life.reject
        act(order, how.text, how.code, status_first=how.status_first)
        return True

    def end(self, perm_id: int, text: str) -> list[Report]:
        """An order is cancelled, with its children, for a reason of the broker's own."""
        order = self._working(perm_id)
        if order is not None:
            self._life.take_back(order, text)
        return self._books.take_reports()

    def expire(self, perm_id: int) -> list[Report]:
        """An order ends as if its time were over."""
        order = self._working(perm_id)
        if order is not None:
            self._life.end(order, BY_SYSTEM)
        return self._books.take_reports()

    def fill(self, perm_id: int, quantity: float) -> list[Report]:
        """So many shares of an order fill at the last price; a stop is triggered by it."""
        books, order = self._books, self._working(perm_id)
        last = None if order is None else books.tapes[order.ticket.symbol].last
        if order is not None and last is not None and not order.held_back:
            if order.ticket.order_type in triggers.STOPS and not order.triggered:
                self._life.trigger(order)
            path = triggers.Path(last, last, 0.0, 0.0, books.now_ns, books.now_ns)
            self._floor.fill(order, min(quantity, order.remaining), last, path)
        return books.take_reports()

    def double(self, ticket: Ticket) -> list[Report]:
        """A change that became a second order: the first one works on, under the same order id."""
        books = self._books
        known = books.orders.find(ticket.client_id, ticket.order_id)
        assert known is not None, "what is doubled is there"
        account = ticket.account or known.ticket.account
        order = self._life.begin(msgspec.structs.replace(ticket, account=account), books.orders.parent(known))
        self._life.transmit(order)
        return books.take_reports()

    def _working(self, perm_id: int) -> Order | None:
        return next((order for order in self._books.orders.working() if order.perm_id == perm_id), None)
