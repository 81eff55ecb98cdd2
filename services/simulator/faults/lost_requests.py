"""Faults of orders: requests that get lost, are done late, or done as something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from services.simulator.faults.active import Ask, Counted, Handle, Lasting, Live, Seconds, Tell
from services.simulator.faults.order_filter import Matching, placed
from services.simulator.venue.reports import StatusReport

if TYPE_CHECKING:
    from services.simulator.wire.requests import Request

__all__ = ["IgnoreCancel", "ShortMemory", "Swallow", "TwoPermIds"]


class IgnoreCancel(Counted, frozen=True, kw_only=True):
    """Cancels get PendingCancel at most, and no end: acknowledged late, or never."""

    seconds: Seconds = 0.0
    """When the cancel is done after all; 0: never."""
    pending: bool = True
    """Whether PendingCancel is told."""

    def request(self, live: Live, client_id: int, request: Request) -> Request | None:
        if type(request).__name__ != "CancelOrder" or not live.strikes():
            return request
        order = live.find(client_id, request.order_id)  # type: ignore[union-attr]
        if self.pending and order is not None and not order.done:
            order.status = "PendingCancel"
            live.do(Tell((StatusReport(order),)))
        if self.seconds:
            live.later(self.seconds, Handle(client_id, request))
        return None


class Swallow(Counted, frozen=True, kw_only=True):
    """A request gets lost: nothing is answered, nothing happens."""

    request_kind: Annotated[str, Meta(description="`PlaceOrder`, `CancelOrder`, or the name of any other request")] = (
        "PlaceOrder"
    )
    """Request that gets lost."""

    def request(self, live: Live, client_id: int, request: Request) -> Request | None:
        return None if type(request).__name__ == self.request_kind and live.strikes() else request


class TwoPermIds(Matching, frozen=True, kw_only=True):
    """A change makes a second order: both are live, under one order id and two permIds."""

    def request(self, live: Live, client_id: int, request: Request) -> Request | None:
        ticket = placed(request)
        if ticket is None or not self.fits(ticket) or live.find(client_id, ticket.order_id) is None:
            return request
        if not live.strikes():
            return request
        live.do(Ask(lambda exchange: exchange.hand.double(ticket)))
        return None


class ShortMemory(Lasting, frozen=True, kw_only=True):
    """`reqExecutions` tells of nothing that is older than this fault, as a gateway does past midnight."""

    def request(self, live: Live, client_id: int, request: Request) -> Request | None:
        if type(request).__name__ != "Executions":
            return request
        since = request.since_ns  # type: ignore[union-attr]
        recent: Request = msgspec.structs.replace(request, since_ns=max(since or 0, live.since_ns))
        return recent
