"""Manual orders, and how clients see them. Pure.

A manual order belongs to no client. Every client sees it as an order of client 0 with the order id 0, until client 0
binds it. Then it has a negative id; only client 0 gets its reports and can change and cancel it. Client 0 binds present
orders by requesting its open orders, and future orders by `reqAutoOpenOrders` (IBKR's documents). Bindings end with the
gateway; client 0 can bind the orders again.
"""

from __future__ import annotations

import msgspec

from services.simulator.venue.orders import Execution, Order
from services.simulator.venue.reports import (
    CommissionReport,
    ErrorReport,
    ExecutionReport,
    OpenOrderReport,
    OrderReport,
    QuoteReport,
    Report,
    StatusReport,
)

__all__ = ["MANUAL_CLIENT_ID", "Ownership"]

MANUAL_CLIENT_ID = -1
"""The client id of manual orders within the exchange; the wire never shows it."""


class Ownership:
    """The manual orders that client 0 has bound. `auto_bind`: it binds new ones too."""

    def __init__(self) -> None:
        self.auto_bind = False
        self._bound: set[int] = set()
        self._ids: set[int] = set()
        self._reported_exec_ids: set[str] = set()

    def bind(self, order: Order) -> Order | None:
        """Binds a manual order to client 0: the order as that client sees it. None if bound already or not manual."""
        if order.ticket.client_id != MANUAL_CLIENT_ID or order.perm_id in self._bound:
            return None
        self._bound.add(order.perm_id)
        self._ids.add(order.ticket.order_id)
        return self.order(order)

    def order(self, order: Order) -> Order:
        """An order as clients see it."""
        ticket = order.ticket
        if ticket.client_id != MANUAL_CLIENT_ID:
            return order
        order_id = -ticket.order_id if order.perm_id in self._bound else 0
        shown = msgspec.structs.replace(ticket, client_id=0, order_id=order_id)
        return msgspec.structs.replace(order, ticket=shown)

    def execution(self, execution: Execution) -> Execution:
        """An execution as clients see it."""
        if execution.client_id != MANUAL_CLIENT_ID:
            return execution
        order_id = -execution.order_id if execution.perm_id in self._bound else 0
        return msgspec.structs.replace(execution, client_id=0, order_id=order_id)

    def resolve(self, client_id: int, order_id: int) -> tuple[int, int]:
        """The exchange's client id and order id for a client's order id."""
        return (MANUAL_CLIENT_ID, -order_id) if client_id == 0 and -order_id in self._ids else (client_id, order_id)

    def report(self, report: Report) -> Report | None:
        """A report as its client sees it; None if no client may see it."""
        match report:
            case QuoteReport():
                return report  # the most frequent one
            case OrderReport(order) | OpenOrderReport(order) | StatusReport(order) if (
                order.ticket.client_id == MANUAL_CLIENT_ID
            ):
                return type(report)(self.order(order)) if order.perm_id in self._bound else None
            case ExecutionReport(execution) if execution.client_id == MANUAL_CLIENT_ID:
                if execution.perm_id not in self._bound:
                    return None
                self._reported_exec_ids.add(execution.exec_id)
                return ExecutionReport(self.execution(execution))
            case CommissionReport(exec_id) if report.client_id == MANUAL_CLIENT_ID:
                return msgspec.structs.replace(report, client_id=0) if exec_id in self._reported_exec_ids else None
            case ErrorReport(client_id, order_id) if client_id == MANUAL_CLIENT_ID:
                return (
                    msgspec.structs.replace(report, client_id=0, order_id=-order_id) if order_id in self._ids else None
                )
            case _:
                return report
