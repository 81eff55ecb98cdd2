"""Faults of working orders: cancelled, expired or filled in part by the broker"s own hand."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from services.simulator.faults.active import Ask, Live
from services.simulator.faults.order_filter import Matching
from services.simulator.venue.orders import Order, Ticket
from services.simulator.venue.reports import OrderReport, Report

__all__ = ["EarlyExpiry", "PartialFill", "UnaskedCancel"]


class _Working(Matching, frozen=True, kw_only=True):
    """What these have in common: they strike orders that work, those that are there first, then those that come."""

    def begin(self, live: Live) -> None:
        live.do(Ask(lambda exchange: self._strike(live, exchange.open_orders(), exchange)))

    def reports(self, live: Live, reports: list[Report]) -> list[Report]:
        told = [each.order for each in reports if isinstance(each, OrderReport)]
        if any(self.fits(order.ticket) for order in told):
            live.do(Ask(lambda exchange: self._strike(live, exchange.open_orders(), exchange)))
        return reports

    def _strike(self, live: Live, orders: list[Order], exchange: Any) -> list[Report]:
        reports: list[Report] = []
        for order in orders:
            if not live.over and order.perm_id not in live.memory and self.fits(order.ticket):
                live.memory[order.perm_id] = True
                if live.strikes():
                    reports += self.strike(exchange, order)
        return reports

    def strike(self, exchange: Any, order: Order) -> list[Report]:
        """What happens to one of them."""
        raise NotImplementedError


class UnaskedCancel(_Working, frozen=True, kw_only=True):
    """The broker cancels orders that nobody asked it to (202), as its own price checks do."""

    text: str = "Order Canceled - reason:Limit price too far outside of NBBO"
    """Text of the 202."""

    def strike(self, exchange: Any, order: Order) -> list[Report]:
        ended: list[Report] = exchange.hand.end(order.perm_id, self.text)
        return ended


class EarlyExpiry(_Working, frozen=True, kw_only=True):
    """Orders end before their time, as if they had expired: a GTC stop too."""

    count: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """How many; 0: all that are there and come, until it is cleared."""
    tif: Literal["GTC", "DAY", "GTD", "any"] = "GTC"
    """Time in force of the orders."""

    def strike(self, exchange: Any, order: Order) -> list[Report]:
        ended: list[Report] = exchange.hand.expire(order.perm_id)
        return ended

    def fits(self, ticket: Ticket) -> bool:
        return self.tif in ("any", ticket.tif) and _Working.fits(self, ticket)


class PartialFill(_Working, frozen=True, kw_only=True):
    """A part of an order fills now, whatever its price is, and the rest of it stays."""

    part: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    """How much of it, rounded to whole shares, at least one."""
    attached: Literal["parent", "child", "any"] = "parent"
    """`child`: attached orders only; `parent`: all others."""

    def strike(self, exchange: Any, order: Order) -> list[Report]:
        filled: list[Report] = exchange.hand.fill(order.perm_id, max(1, int(order.remaining * self.part)))
        return filled
