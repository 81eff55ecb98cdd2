"""Faults of working orders: the broker cancels, expires or partly fills them, or somebody changes them by hand."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from services.simulator.faults.active import ActiveFault, RunExchangeAction
from services.simulator.faults.order_filter import OrderFault
from services.simulator.venue.orders import Order, Ticket
from services.simulator.venue.reports import OrderReport, Report

__all__ = ["CancelByHand", "ChangeByHand", "EarlyExpiry", "PartialFill", "UnaskedCancel"]


class _WorkingOrderFault(OrderFault, frozen=True, kw_only=True):
    """A fault that strikes working orders: first the present ones, then new ones."""

    def begin(self, active: ActiveFault) -> None:
        active.do(RunExchangeAction(lambda exchange: self._strike(active, exchange.open_orders(), exchange)))

    def reports(self, active: ActiveFault, reports: list[Report]) -> list[Report]:
        reported = [each.order for each in reports if isinstance(each, OrderReport)]
        if any(self.fits(order.ticket) for order in reported):
            active.do(RunExchangeAction(lambda exchange: self._strike(active, exchange.open_orders(), exchange)))
        return reports

    def _strike(self, active: ActiveFault, orders: list[Order], exchange: Any) -> list[Report]:
        reports: list[Report] = []
        for order in orders:
            if not active.over and order.perm_id not in active.data and self.fits(order.ticket):
                active.data[order.perm_id] = True
                if active.strikes():
                    reports += self.strike(exchange, order)
        return reports

    def strike(self, exchange: Any, order: Order) -> list[Report]:
        """Strike one order."""
        raise NotImplementedError


class UnaskedCancel(_WorkingOrderFault, frozen=True, kw_only=True):
    """The broker cancels orders that nobody asked it to (202), as its own price checks do."""

    text: str = "Order Canceled - reason:Limit price too far outside of NBBO"
    """Text of the 202."""

    def strike(self, exchange: Any, order: Order) -> list[Report]:
        ended: list[Report] = exchange.broker_actions.end(order.perm_id, self.text)
        return ended


class CancelByHand(_WorkingOrderFault, frozen=True, kw_only=True):
    """Somebody cancels orders in TWS, or through another client: anybody's."""

    told: bool = True
    """Whether the owner is told."""

    def strike(self, exchange: Any, order: Order) -> list[Report]:
        ended: list[Report] = exchange.broker_actions.cancel(order.perm_id)
        return ended if self.told else []


class ChangeByHand(_WorkingOrderFault, frozen=True, kw_only=True):
    """Somebody changes orders in TWS, or through another client: anybody's."""

    quantity: Annotated[float, Meta(gt=0)] | None = None
    """Shares that they have then. Default: as before."""
    price: Annotated[float, Meta(gt=0)] | None = None
    """Their stop then or, without one, their limit. Default: as before."""
    told: bool = True
    """Whether the owner is told."""

    def strike(self, exchange: Any, order: Order) -> list[Report]:
        changed: list[Report] = exchange.broker_actions.change(order.perm_id, self.quantity, self.price)
        return changed if self.told else []


class EarlyExpiry(_WorkingOrderFault, frozen=True, kw_only=True):
    """Orders end before their time, as if they had expired: a GTC stop too."""

    count: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """How many; 0: all present and new ones, until it is cleared."""
    tif: Literal["GTC", "DAY", "GTD", "any"] = "GTC"
    """Time in force of the orders."""

    def strike(self, exchange: Any, order: Order) -> list[Report]:
        ended: list[Report] = exchange.broker_actions.expire(order.perm_id)
        return ended

    def fits(self, ticket: Ticket) -> bool:
        return self.tif in ("any", ticket.tif) and _WorkingOrderFault.fits(self, ticket)


class PartialFill(_WorkingOrderFault, frozen=True, kw_only=True):
    """A part of an order fills now, whatever its price is, and the rest of it stays."""

    part: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    """How much of it, rounded to whole shares, at least one."""
    attached: Literal["parent", "child", "any"] = "parent"
    """`child`: attached orders only; `parent`: all others."""

    def strike(self, exchange: Any, order: Order) -> list[Report]:
        filled: list[Report] = exchange.broker_actions.fill(order.perm_id, max(1, int(order.remaining * self.part)))
        return filled
