"""Faults of orders: refused, unanswered, ended, filled or reported in ways that a healthy day does not show."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from services.simulator.faults.active import (
    Ask,
    Begin,
    Counted,
    Fault,
    Handle,
    HangUp,
    Lasting,
    Live,
    Notice,
    Seconds,
    Tell,
)
from services.simulator.faults.links import Refuse
from services.simulator.venue.model import (
    CommissionReport,
    ErrorReport,
    Execution,
    ExecutionReport,
    Order,
    OrderReport,
    QuoteReport,
    Report,
    Side,
    StatusReport,
    Ticket,
)

if TYPE_CHECKING:
    from services.simulator.venue.exchange import Exchange
    from services.simulator.wire.requests import Request

__all__ = [
    "CommissionLate",
    "CorrectExecution",
    "EarlyExpiry",
    "ErrorBeforeStatus",
    "FillUnseen",
    "ForeignOrder",
    "IgnoreCancel",
    "PartialFill",
    "RefuseCancel",
    "RefuseModify",
    "Reject",
    "ShortMemory",
    "StatusBeforeError",
    "StatusBeforeExecution",
    "Swallow",
    "TwoPermIds",
    "UnaskedCancel",
]

Outcome = Literal["error", "inactive", "alive", "locate"]

REJECTIONS: dict[int, tuple[Outcome, str]] = {
    103: ("error", "Duplicate order id"),
    104: ("error", "Cannot modify a filled order."),
    105: ("error", "Order being modified does not match original order."),
    110: ("error", "The price does not conform to the minimum price variation for this contract."),
    135: ("error", "Can't find order with ID ="),
    200: ("error", "No security definition has been found for the request"),
    201: ("inactive", "Order rejected - reason:The order was refused."),
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
    10349: ("alive", "Order TIF was set to DAY based on order preset."),
}
"""What comes of an order with this code: nothing but the error; an Inactive order; an order that lives, with a warning;
one that is held until shares are located."""


class _Matching(Counted, frozen=True, kw_only=True):
    """What these have in common: which orders they strike."""

    symbol: Annotated[str, Meta(description="a symbol, or nothing for all")] = ""
    """Symbol of the orders. Default: all."""
    side: Literal["BUY", "SELL", "any"] = "any"
    """Side of the orders."""
    order_type: Annotated[str, Meta(description="MKT, LMT, STP, STP LMT, TRAIL, TRAIL LIMIT, or nothing for all")] = ""
    """Type of the orders. Default: all."""
    attached: Literal["parent", "child", "any"] = "any"
    """`child`: attached orders only; `parent`: all others."""

    def fits(self, ticket: Ticket) -> bool:
        """Whether an order like this is meant."""
        return (
            self.symbol in ("", ticket.symbol)
            and self.side in ("any", ticket.side)
            and self.order_type in ("", ticket.order_type)
            and self.attached in ("any", "child" if ticket.parent_id else "parent")
        )


def _placed(request: Any) -> Ticket | None:
    """The ticket of a placeOrder, with the symbol that its contract names."""
    if type(request).__name__ != "PlaceOrder":
        return None
    ticket: Ticket = msgspec.structs.replace(request.ticket, symbol=request.contract.symbol)
    return ticket


class Reject(_Matching, frozen=True, kw_only=True):
    """New orders are answered with this code: refused, held, or (399, 10349) only warned about.

    A code that no order is known to get is an error and nothing else. An Inactive order is told of and not kept.
    """

    code: Annotated[int, Meta(ge=1)] = 201
    """Code of the error."""
    text: str = ""
    """Its text. Default: the broker's."""
    first: Literal["error", "status"] = "error"
    """Which comes first where there are both."""

    def request(self, live: Live, client_id: int, request: Request) -> Request | None:
        ticket = _placed(request)
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
        held = outcome == "locate"
        order = Order(
            ticket=ticket,
            perm_id=2_000_000_000 + live.number * 1000 + live.struck,
            status="PreSubmitted" if held else "Inactive",
            why_held="locate" if held else "",
        )
        status = OrderReport(order)
        live.do(Tell((error, status) if self.first == "error" else (status, error)))
        return None


class RefuseModify(_Matching, frozen=True, kw_only=True):
    """Changes of orders are refused with this code; the order stays as it was."""

    code: Annotated[int, Meta(ge=1)] = 10326
    """Code of the error."""

    def request(self, live: Live, client_id: int, request: Request) -> Request | None:
        ticket = _placed(request)
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
            161: f"Cancel attempted when order is not in a cancellable state.  Order permId ={perm_id}",
            10147: f"OrderId {order_id} that needs to be cancelled is not found.",
            10148: f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {state}.",
        }[self.code]
        live.do(Notice(self.code, text, client_id, order_id))
        return None


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


class TwoPermIds(_Matching, frozen=True, kw_only=True):
    """A change makes a second order: both are live, under one order id and two permIds."""

    def request(self, live: Live, client_id: int, request: Request) -> Request | None:
        ticket = _placed(request)
        if ticket is None or not self.fits(ticket) or live.find(client_id, ticket.order_id) is None:
            return request
        if not live.strikes():
            return request
        live.do(Ask(lambda exchange: exchange.hand.double(ticket)))
        return None


class _Working(_Matching, frozen=True, kw_only=True):
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
        ended: list[Report] = exchange.expire_early(order.ticket.client_id, order.ticket.order_id)
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


class StatusBeforeExecution(Counted, frozen=True, kw_only=True):
    """The status of a fill comes before its execution."""

    def reports(self, live: Live, reports: list[Report]) -> list[Report]:
        return _swapped(live, reports, ExecutionReport, (OrderReport, StatusReport))


class ErrorBeforeStatus(Counted, frozen=True, kw_only=True):
    """The error of a cancelled order (202) comes before its status; normally the status is first."""

    def reports(self, live: Live, reports: list[Report]) -> list[Report]:
        return _swapped(live, reports, StatusReport, (ErrorReport,))


class StatusBeforeError(Counted, frozen=True, kw_only=True):
    """The status of a rejected order comes before its error (201); normally the error is first."""

    def reports(self, live: Live, reports: list[Report]) -> list[Report]:
        return _swapped(live, reports, ErrorReport, (StatusReport, OrderReport))


def _swapped(live: Live, reports: list[Report], first: type, then: tuple[type, ...]) -> list[Report]:
    """The reports with these neighbours exchanged where it strikes."""
    passed = list(reports)
    for at in range(len(passed) - 1):
        if isinstance(passed[at], first) and isinstance(passed[at + 1], then) and live.strikes():
            passed[at], passed[at + 1] = passed[at + 1], passed[at]
    return passed


class CommissionLate(Counted, frozen=True, kw_only=True):
    """Commission reports come late; with `pending`, at first as -1."""

    seconds: Seconds = 30.0
    """How late, in market time."""
    pending: bool = False
    """Whether one of -1 comes in time."""

    def reports(self, live: Live, reports: list[Report]) -> list[Report]:
        passed: list[Report] = []
        for report in reports:
            if isinstance(report, CommissionReport) and live.strikes():
                live.later(self.seconds, Tell((report,)))
                if self.pending:
                    passed.append(msgspec.structs.replace(report, commission=-1.0, realized_pnl=None))
            else:
                passed.append(report)
        return passed


class CorrectExecution(Counted, frozen=True, kw_only=True):
    """The broker corrects an execution: the same id with a higher suffix (.02), at another price."""

    by: float = -0.01
    """Dollars that the price changes by."""
    seconds: Seconds = 1.0
    """How long after the execution."""

    def reports(self, live: Live, reports: list[Report]) -> list[Report]:
        for report in reports:
            if isinstance(report, ExecutionReport) and live.strikes():
                live.later(self.seconds, Ask(partial(_correct, wrong=report.execution, by=self.by)))
        return reports


def _correct(exchange: Exchange, *, wrong: Execution, by: float) -> list[Report]:
    return exchange.correct_execution(wrong.exec_id, round(wrong.price + by, 4))


class FillUnseen(Counted, frozen=True, kw_only=True):
    """An order fills, and its owner's socket closes before it hears of it."""

    seconds: Annotated[float, Meta(gt=0, le=1_000_000)] = 5.0
    """How long nobody can connect."""

    def reports(self, live: Live, reports: list[Report]) -> list[Report]:
        owners = [report.execution.client_id for report in reports if isinstance(report, ExecutionReport)]
        if not owners or not live.strikes():
            return reports
        for client_id in dict.fromkeys(owners):
            live.do(HangUp(client_id))
        live.do(Begin(Refuse(seconds=self.seconds)))
        return [report for report in reports if isinstance(report, QuoteReport)]


class ForeignOrder(Fault, frozen=True, kw_only=True):
    """Somebody trades by hand in the same account: an order of client 0, which only reqAllOpenOrders shows."""

    symbol: Annotated[str, Meta(min_length=1, description="a symbol")]
    """Symbol."""
    side: Side = "SELL"
    """Side."""
    quantity: Annotated[float, Meta(gt=0)] = 1.0
    """Shares."""
    order_type: Literal["MKT", "LMT", "STP"] = "MKT"
    """Type."""
    price: Annotated[float, Meta(gt=0)] | None = None
    """Limit of LMT, stop of STP."""
    tif: Literal["DAY", "GTC"] = "GTC"
    """Time in force."""

    def begin(self, live: Live) -> None:
        ticket = Ticket(
            client_id=0,
            order_id=0,
            account="",
            symbol=self.symbol,
            side=self.side,
            quantity=self.quantity,
            order_type=self.order_type,
            limit_price=self.price if self.order_type == "LMT" else None,
            stop_price=self.price if self.order_type == "STP" else None,
            tif=self.tif,
        )
        live.do(
            Ask(lambda exchange: exchange.place(msgspec.structs.replace(ticket, order_id=exchange.next_order_id(0))))
        )


class ShortMemory(Lasting, frozen=True, kw_only=True):
    """`reqExecutions` tells of nothing that is older than this fault, as a gateway does past midnight."""

    def request(self, live: Live, client_id: int, request: Request) -> Request | None:
        if type(request).__name__ != "Executions":
            return request
        since = request.since_ns  # type: ignore[union-attr]
        recent: Request = msgspec.structs.replace(request, since_ns=max(since or 0, live.since_ns))
        return recent
