"""Faults of orders: refused, or accepted with a word that sounds like it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from services.simulator.faults.active import Ask, Counted, Handle, Live, Notice, Tell
from services.simulator.faults.order_filter import Matching, placed
from services.simulator.venue.acceptance import not_cancellable
from services.simulator.venue.broker_actions import Refused
from services.simulator.venue.reports import ErrorReport
from services.simulator.wire import complaints

if TYPE_CHECKING:
    from services.simulator.wire.requests import Request

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
    10349: ("alive", complaints.TIF_PRESET.text),
}
"""What comes of an order with this code: nothing but the error; an Inactive order; an order that lives, with a warning;
one that is held until shares are located."""


class Reject(Matching, frozen=True, kw_only=True):
    """New orders are answered with this code: refused, held, or (399, 10349) only warned about.

    A code that no order is known to get is an error and nothing else. What is refused with a status (201) or held (404)
    the broker keeps: that happens when it is transmitted, to its children too if it is refused, and afterwards it is
    among the completed orders, or the open ones.
    """

    code: Annotated[int, Meta(ge=1)] = 201
    """Code of the error."""
    text: str = ""
    """Its text. Default: the broker's. 201 begins with `Order rejected - reason:` by itself."""
    first: Literal["error", "status"] = "error"
    """Which comes first where there are both."""

    def request(self, live: Live, client_id: int, request: Request) -> Request | None:
        ticket = placed(request)
        if ticket is None or not self.fits(ticket) or live.find(client_id, ticket.order_id) is not None:
            return request
        if not live.strikes():
            return request
        outcome, text = REJECTIONS.get(self.code, ("error", f"Order refused ({self.code})."))
        error = ErrorReport(client_id, ticket.order_id, self.code, self.text or text)
        if outcome == "error":
            live.do(Tell((error,)))
            return None
        if outcome == "alive":
            live.do(Tell((error,)))
            return request
        how = Refused(self.code, error.text, held=outcome == "locate", status_first=self.first == "status")
        live.do(
            Ask(lambda exchange: exchange.hand.refuse(client_id, ticket.order_id, how)),
            Handle(client_id, request),
        )
        return None


class RefuseModify(Matching, frozen=True, kw_only=True):
    """Changes of orders are refused with this code; the order stays as it was."""

    code: Annotated[int, Meta(ge=1)] = 10326
    """Code of the error."""

    def request(self, live: Live, client_id: int, request: Request) -> Request | None:
        ticket = placed(request)
        if ticket is None or not self.fits(ticket) or live.find(client_id, ticket.order_id) is None:
            return request
        if not live.strikes():
            return request
        _, text = REJECTIONS.get(self.code, ("", f"Order modify failed ({self.code})."))
        live.do(Notice(self.code, text, client_id, ticket.order_id))
        return None


class RefuseCancel(Counted, frozen=True, kw_only=True):
    """Cancels are answered with this code, and the order goes on."""

    code: Literal[161, 10147, 10148] = 10147
    """161 not cancellable, 10147 not found, 10148 its state does not allow it."""

    def request(self, live: Live, client_id: int, request: Request) -> Request | None:
        if type(request).__name__ != "CancelOrder" or not live.strikes():
            return request
        order_id = request.order_id  # type: ignore[union-attr]
        order = live.find(client_id, order_id)
        perm_id, state = (0, "Filled") if order is None else (order.perm_id, order.status)
        text = {
            161: not_cancellable(perm_id)[1],
            10147: f"OrderId {order_id} that needs to be cancelled is not found.",
            10148: f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {state}.",
        }[self.code]
        live.do(Notice(self.code, text, client_id, order_id))
        return None
