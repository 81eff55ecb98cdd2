"""Whose orders are whose: those that a person entered, and who may cancel what another client placed. Pure.

An order entered by hand belongs to no client. Everybody sees it as one of client 0 with the order id 0, until client 0
binds it: then it has a negative id, under which that client alone hears of it, and can change and cancel it. Client 0
binds what is there by asking for its open orders, and what comes with `reqAutoOpenOrders` (IBKR's documents). What is
bound is forgotten when the gateway ends, and bound again when client 0 asks again.
"""

from __future__ import annotations

import msgspec

from services.simulator.venue.orders import Execution, Order
from services.simulator.venue.reports import (
    CommissionReport,
    ErrorReport,
    ExecutionReport,
    OrderReport,
    QuoteReport,
    Report,
    StatusReport,
)

__all__ = ["BY_HAND", "Ownership"]

BY_HAND = -1
"""The client id of a person, within the exchange; the wire never shows it."""


class Ownership:
    """What client 0 has bound. `auto` says whether it binds what comes."""

    def __init__(self) -> None:
        self.auto = False
        self._bound: set[int] = set()
        self._ids: set[int] = set()
        self._told: set[str] = set()

    def bind(self, order: Order) -> Order | None:
        """Gives an order by hand to client 0: as that client sees it, None if it has it or may not have it."""
        if order.ticket.client_id != BY_HAND or order.perm_id in self._bound:
            return None
        self._bound.add(order.perm_id)
        self._ids.add(order.ticket.order_id)
        return self.order(order)

    def order(self, order: Order) -> Order:
        """An order as clients see it."""
        ticket = order.ticket
        if ticket.client_id != BY_HAND:
            return order
        order_id = -ticket.order_id if order.perm_id in self._bound else 0
        shown = msgspec.structs.replace(ticket, client_id=0, order_id=order_id)
        return msgspec.structs.replace(order, ticket=shown)

    def execution(self, execution: Execution) -> Execution:
        """An execution as clients see it."""
        if execution.client_id != BY_HAND:
            return execution
        order_id = -execution.order_id if execution.perm_id in self._bound else 0
        return msgspec.structs.replace(execution, client_id=0, order_id=order_id)

    def meant(self, client_id: int, order_id: int) -> tuple[int, int]:
        """Which client and order id of the exchange a client's order id means."""
        return (BY_HAND, -order_id) if client_id == 0 and -order_id in self._ids else (client_id, order_id)

    def report(self, report: Report) -> Report | None:
        """A report as the client that it concerns sees it; None if nobody may see it."""
        match report:
            case QuoteReport():
                return report  # the most frequent one
            case OrderReport(order) | StatusReport(order) if order.ticket.client_id == BY_HAND:
                return type(report)(self.order(order)) if order.perm_id in self._bound else None
            case ExecutionReport(execution) if execution.client_id == BY_HAND:
                if execution.perm_id not in self._bound:
                    return None
                self._told.add(execution.exec_id)
                return ExecutionReport(self.execution(execution))
            case CommissionReport(exec_id) if report.client_id == BY_HAND:
                return msgspec.structs.replace(report, client_id=0) if exec_id in self._told else None
            case ErrorReport(client_id, order_id) if client_id == BY_HAND:
                return (
                    msgspec.structs.replace(report, client_id=0, order_id=-order_id) if order_id in self._ids else None
                )
            case _:
                return report
