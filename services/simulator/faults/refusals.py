"""Faults of orders: refused, or accepted with an error message that looks like a refusal."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from services.simulator.faults.active import (
    ActiveFault,
    CountedFault,
    DeliverReports,
    HandleRequest,
    Notice,
    RunExchangeAction,
)
from services.simulator.faults.order_filter import OrderFault, placed
from services.simulator.venue.acceptance import not_cancellable
from services.simulator.venue.broker_actions import Rejection
from services.simulator.venue.reports import ErrorReport
from services.simulator.wire import errors
from services.simulator.wire.requests import CancelOrderRequest, Request

__all__ = ["RefuseCancel", "RefuseModify", "Reject"]


Outcome = Literal["error", "inactive", "alive", "locate"]

REJECTIONS: dict[int, tuple[Outcome, str]] = {
    103: ("error", "Duplicate order id"),
    104: ("error", "Cannot modify a filled order."),
    105: ("error", "Order being modified does not match original order."),
    110: ("error", "The price does not conform to the minimum price variation for this contract."),
    135: ("error", "Can't find order with ID ="),
    200: ("error", "No security definition has been found for the request"),
    201: ("inactive", "The order was refused."),
    321: ("error", "Error validating request.-'bU' : cause - The account code is required for this operation."),
    328: ("error", "Trailing stop orders can be attached to limit or stop-limit orders only."),
    399: ("alive", "Order Message:\nWarning: Your order will not be placed at the exchange until the market opens."),
    404: ("locate", "Order held while securities are located."),
    435: ("error", "You must specify an account."),
    2109: ("alive", "Order Event Warning: Attribute 'Outside Regular Trading Hours' is ignored."),
    10052: ("error", "Invalid time in force:"),
    10242: ("error", "Fractional-sized order cannot be modified via API."),
    10243: ("error", "Fractional-sized order cannot be placed via API."),
    10326: ("error", "OCA group revision is not allowed."),
    10327: ("error", "OCA group type revision is not allowed."),
    10349: ("alive", errors.TIF_PRESET.text),
}
"""The outcome of an order with this code: only an error; an Inactive order; a working order, with a warning; an order
that is held until shares are located."""


class Reject(OrderFault, frozen=True, kw_only=True):
    """New orders are answered with this code: refused, held, or (399, 10349) only warned about.

    A code that no order is known to get is an error and nothing else. What is refused with a status (201) or held (404)
    the broker keeps: that happens when it is transmitted, to its children too if it is refused, and afterwards it is
    among the completed orders, or the open ones.
    """

    code: Annotated[int, Meta(ge=1)] = 201
    """Code of the error."""
    text: str = ""
    """Its text. Default: IBKR's. 201 starts with `Order rejected - reason:` by itself."""
    first: Literal["error", "status"] = "error"
    """Which comes first if there are both."""

    def request(self, active: ActiveFault, client_id: int, request: Request) -> Request | None:
        ticket = placed(request)
        if ticket is None or not self.fits(ticket) or active.find(client_id, ticket.order_id) is not None:
            return request
        if not active.strikes():
            return request
        outcome, text = REJECTIONS.get(self.code, ("error", f"Order refused ({self.code})."))
        error = ErrorReport(client_id, ticket.order_id, self.code, self.text or text)
        if outcome == "error":
            active.do(DeliverReports((error,)))
            return None
        if outcome == "alive":
            active.do(DeliverReports((error,)))
            return request
        how = Rejection(self.code, error.text, held=outcome == "locate", status_first=self.first == "status")
        active.do(
            RunExchangeAction(lambda exchange: exchange.broker_actions.refuse(client_id, ticket.order_id, how)),
            HandleRequest(client_id, request),
        )
        return None


class RefuseModify(OrderFault, frozen=True, kw_only=True):
    """Changes of orders are refused with this code; the order stays as it was."""

    code: Annotated[int, Meta(ge=1)] = 10326
    """Code of the error."""

    def request(self, active: ActiveFault, client_id: int, request: Request) -> Request | None:
        ticket = placed(request)
        if ticket is None or not self.fits(ticket) or active.find(client_id, ticket.order_id) is None:
            return request
        if not active.strikes():
            return request
        _, text = REJECTIONS.get(self.code, ("", f"Order modify failed ({self.code})."))
        active.do(Notice(self.code, text, client_id, ticket.order_id))
        return None


class RefuseCancel(CountedFault, frozen=True, kw_only=True):
    """Cancels are answered with this code, and the order goes on."""

    code: Literal[161, 10147, 10148] = 10147
    """161 not cancellable, 10147 not found, 10148 its state does not allow it."""

    def request(self, active: ActiveFault, client_id: int, request: Request) -> Request | None:
        if not isinstance(request, CancelOrderRequest) or not active.strikes():
            return request
        order_id = request.order_id
        order = active.find(client_id, order_id)
        perm_id, state = (0, "Filled") if order is None else (order.perm_id, order.status)
        text = {
            161: not_cancellable(perm_id)[1],
            10147: f"OrderId {order_id} that needs to be cancelled is not found.",
            10148: f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {state}.",
        }[self.code]
        active.do(Notice(self.code, text, client_id, order_id))
        return None
