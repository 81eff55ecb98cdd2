"""Delivers the exchange's reports to the outboxes of the clients that they concern.

An order's reports go to the client that owns it, positions and account values to the account subscriptions, quotes to
the live data subscriptions. A report for a client that is not connected is dropped: the client asks when it reconnects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.simulator.requests.accounts import AccountRequestHandler
from services.simulator.requests.client import Client
from services.simulator.requests.live_data import LiveDataHandler
from services.simulator.venue.orders import Order
from services.simulator.venue.reports import (
    AccountReport,
    CommissionReport,
    ErrorReport,
    ExecutionReport,
    OpenOrderReport,
    OrderReport,
    PositionReport,
    QuoteReport,
    Report,
    StatusReport,
)
from services.simulator.venue.view import ExchangeView
from services.simulator.wire import order_replies

__all__ = ["deliver", "send_order"]


def deliver(
    reports: Iterable[Report],
    clients: Mapping[int, Client],
    exchange: ExchangeView,
    accounts: AccountRequestHandler,
    live_data: LiveDataHandler,
) -> None:
    """Delivers the reports in order."""
    for report in reports:
        match report:
            case QuoteReport():  # first: by far the most frequent one
                live_data.on_quote(report)
                accounts.on_report(report)
            case OrderReport(order):
                if owner := clients.get(order.ticket.client_id):
                    send_order(owner, order, exchange)
            case OpenOrderReport(order):
                if owner := clients.get(order.ticket.client_id):
                    owner.send(order_replies.open_order(order, exchange.instrument(order.ticket.symbol), owner.version))
            case StatusReport(order):
                if owner := clients.get(order.ticket.client_id):
                    owner.send(order_replies.order_status(order))
            case ExecutionReport(execution):
                if owner := clients.get(execution.client_id):
                    held, form = exchange.instrument(execution.symbol), exchange.policy.execution_time
                    owner.send(order_replies.execution_details(execution, held, owner.version, time_form=form))
            case CommissionReport():
                if owner := clients.get(report.client_id):
                    owner.send(order_replies.commission_report(report))
            case ErrorReport():
                if owner := clients.get(report.client_id):
                    owner.send_error(report.order_id, report.code, report.text)
            case PositionReport() | AccountReport():
                accounts.on_report(report)


def send_order(client: Client, order: Order, exchange: ExchangeView) -> None:
    """Sends an order as openOrder, then orderStatus. A what-if order has no status."""
    client.send(order_replies.open_order(order, exchange.instrument(order.ticket.symbol), client.version))
    if order.margin is None:
        client.send(order_replies.order_status(order))
