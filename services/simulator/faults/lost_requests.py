"""Faults of orders: requests that get lost, are processed late, or processed as something else."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from services.simulator.faults.active import (
    ActiveFault,
    CountedFault,
    DeliverReports,
    HandleRequest,
    RunExchangeAction,
    Seconds,
    TimedFault,
)
from services.simulator.faults.order_filter import OrderFault, placed
from services.simulator.venue.reports import StatusReport
from services.simulator.wire.requests import CancelOrderRequest, ExecutionsRequest, Request, name_of

__all__ = ["IgnoreCancel", "ShortMemory", "Swallow", "TwoPermIds"]


class IgnoreCancel(CountedFault, frozen=True, kw_only=True):
    """Cancels get PendingCancel at most, and no end: acknowledged late, or never."""

    seconds: Seconds = 0.0
    """Seconds after which the cancel is processed; 0: never."""
    pending: bool = True
    """Whether PendingCancel is sent."""

    def request(self, active: ActiveFault, client_id: int, request: Request) -> Request | None:
        if not isinstance(request, CancelOrderRequest) or not active.strikes():
            return request
        order = active.find(client_id, request.order_id)
        if self.pending and order is not None and not order.done:
            order.status = "PendingCancel"
            active.do(DeliverReports((StatusReport(order),)))
        if self.seconds:
            active.later(self.seconds, HandleRequest(client_id, request))
        return None


class Swallow(CountedFault, frozen=True, kw_only=True):
    """A request gets lost: nothing is answered, nothing happens."""

    request_kind: Annotated[str, Meta(description="`PlaceOrder`, `CancelOrder`, or the name of any other request")] = (
        "PlaceOrder"
    )
    """Request that gets lost."""

    def request(self, active: ActiveFault, client_id: int, request: Request) -> Request | None:
        return None if name_of(request) == self.request_kind and active.strikes() else request


class TwoPermIds(OrderFault, frozen=True, kw_only=True):
    """A change makes a second order: both are live, under one order id and two permIds."""

    def request(self, active: ActiveFault, client_id: int, request: Request) -> Request | None:
        ticket = placed(request)
        if ticket is None or not self.fits(ticket) or active.find(client_id, ticket.order_id) is None:
            return request
        if not active.strikes():
            return request
        active.do(RunExchangeAction(lambda exchange: exchange.broker_actions.double(ticket)))
        return None


class ShortMemory(TimedFault, frozen=True, kw_only=True):
    """`reqExecutions` tells of nothing that is older than this fault, as a gateway does past midnight."""

    def request(self, active: ActiveFault, client_id: int, request: Request) -> Request | None:
        if not isinstance(request, ExecutionsRequest):
            return request
        return msgspec.structs.replace(request, since_ns=max(request.since_ns or 0, active.since_ns))
