"""All orders that the exchange ever accepted, and the ways to find them. Pure; it makes no decisions.

Orders are kept by perm_id, which is their order of arrival. The working ones (transmitted and not done) are also kept
by symbol, so that a market event looks at these only.
"""

from __future__ import annotations

from datetime import date, datetime
from itertools import chain
from zoneinfo import ZoneInfo

from services.simulator.venue.orders import Order
from services.simulator.venue.source import AFTER_HOURS_NS, SessionCalendar

__all__ = ["OrderBook"]

FIRST_PERM_ID = 1_000_001
NEW_YORK = ZoneInfo("America/New_York")


class OrderBook:
    """The orders by perm_id, client and id, symbol, family and OCA group; those that changed; the next expiry."""

    def __init__(self, *, day_orders_linger_ns: int = 0) -> None:
        self._linger_ns = day_orders_linger_ns
        self.last_order_ids: dict[int, int] = {}
        self._highest_ids: dict[int, int] = {}
        self._orders: dict[int, Order] = {}
        self._by_id: dict[tuple[int, int], Order] = {}
        self._doubled: dict[tuple[int, int], list[Order]] = {}
        self._working: dict[str, dict[int, Order]] = {}
        self._children: dict[int, list[Order]] = {}
        self._changed: set[int] = set()
        self._calendar = SessionCalendar(())
        self._next_expiry: int | None = None
        self._stale = False

    @property
    def last_perm_id(self) -> int:
        """The highest perm_id given so far."""
        return next(reversed(self._orders), FIRST_PERM_ID - 1)

    def add(self, order: Order) -> None:
        """Keep a new order; its perm_id is above all others."""
        name = order.ticket.client_id, order.ticket.order_id
        self._orders[order.perm_id] = order
        if name in self._by_id:
            self._doubled.setdefault(name, [self._by_id[name]]).append(order)
        self._by_id[name] = order
        self._highest_ids[name[0]] = max(name[1], self.highest_id(name[0]))
        if order.parent_perm_id:
            self._children.setdefault(order.parent_perm_id, []).append(order)
        self.changed(order)

    def use_id(self, client_id: int, order_id: int) -> None:
        """Remember the highest id that each client used."""
        self.last_order_ids[client_id] = max(order_id, self.last_order_ids.get(client_id, 0))

    def highest_id(self, client_id: int) -> int:
        """The highest id of an order that was accepted from this client; 0 without any."""
        return self._highest_ids.get(client_id, 0)

    def changed(self, order: Order) -> None:
        """Note that an order changed: update the working orders, and save it next time."""
        self._changed.add(order.perm_id)
        working = self._working.setdefault(order.ticket.symbol, {})
        if order.done or order.untransmitted:
            working.pop(order.perm_id, None)
        else:
            working[order.perm_id] = order
        self._stale = True

    def take_changed(self) -> list[Order]:
        """The orders that changed since the last call, by perm_id."""
        orders = [self._orders[perm_id] for perm_id in sorted(self._changed)]
        self._changed.clear()
        return orders

    def find(self, client_id: int, order_id: int) -> Order | None:
        """The order of this client and id; if there are two, the newest that is not done."""
        newest = self._by_id.get((client_id, order_id))
        if newest is None or not newest.done:
            return newest
        live = (order for order in reversed(self._doubled.get((client_id, order_id), ())) if not order.done)
        return next(live, newest)

    def by_perm_id(self, perm_id: int) -> Order | None:
        """The order of this permanent id."""
        return self._orders.get(perm_id)

    def all(self) -> list[Order]:
        """Every order, by perm_id."""
        return list(self._orders.values())

    def working(self) -> list[Order]:
        """Transmitted and not done, by perm_id."""
        return sorted(chain.from_iterable(book.values() for book in self._working.values()), key=lambda o: o.perm_id)

    def of_symbol(self, symbol: str) -> list[Order]:
        """The symbol's working orders."""
        return list(self._working.get(symbol, {}).values())

    def parent(self, order: Order) -> Order | None:
        """The order to which this one is attached."""
        return self._orders.get(order.parent_perm_id)

    def children(self, order: Order) -> list[Order]:
        """The orders attached to this one that are not done."""
        return [child for child in self._children.get(order.perm_id, ()) if not child.done]

    def family(self, order: Order) -> list[Order]:
        """The orders attached to this one, done or not."""
        return self._children.get(order.perm_id, [])

    def peers(self, order: Order) -> list[Order]:
        """The other working orders of its OCA group."""
        if not order.oca_group:
            return []
        return [peer for peer in self.working() if peer.oca_group == order.oca_group and peer is not order]

    def untransmitted_family(self, order: Order) -> list[Order]:
        """The orders to transmit with this one, parents first: itself; for a child, its untransmitted family."""
        if not order.parent_perm_id:
            return [order]
        root = self._root(order)
        return [member for member in self._descent(root) if member.untransmitted]

    def set_calendar(self, calendar: SessionCalendar) -> None:
        """Set the calendar by which DAY orders expire."""
        self._calendar = calendar
        self._stale = True

    def next_expiry_ns(self) -> int | None:
        """When the next working order expires by itself."""
        if self._stale:
            times = [self.expiry_ns(order) for order in self.working()]
            self._next_expiry = min((time_ns for time_ns in times if time_ns is not None), default=None)
            self._stale = False
        return self._next_expiry

    def expiry_ns(self, order: Order) -> int | None:
        """When it expires: with the session for which it was transmitted, after-hours included if it may trade then.

        An immediate order lasts so long only while its stop waits. None for GTC orders.
        """
        if order.ticket.tif == "GTD":
            return order.ticket.good_till_ns
        session = self._calendar.coming(order.created_ns) if order.ticket.tif != "GTC" else None
        if session is None:
            return None
        return session.close_ns + (AFTER_HOURS_NS if order.ticket.outside_rth else self._linger_ns)

    def overdue_gtc(self, today: str) -> list[Order]:
        """Expired GTC orders: the quarter after that of their placing or last change is over."""
        return [order for order in self.working() if order.ticket.tif == "GTC" and today >= _last_quarter(order)]

    def _root(self, order: Order) -> Order:
        parent = self.parent(order)
        return order if parent is None else self._root(parent)

    def _descent(self, order: Order) -> list[Order]:
        return [order, *chain.from_iterable(self._descent(child) for child in self._children.get(order.perm_id, ()))]


def _last_quarter(order: Order) -> str:
    """The first date after the quarter that follows the one in which it was last placed or changed (New York)."""
    placed = datetime.fromtimestamp(order.live_from_ns // 10**9, NEW_YORK)
    quarter = placed.year * 4 + (placed.month - 1) // 3 + 2
    return date(quarter // 4, quarter % 4 * 3 + 1, 1).isoformat()
