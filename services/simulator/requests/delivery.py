"""Who hears what: the exchange's reports, put into the outboxes of the clients that they concern.

An order's reports go to the client that owns it, positions and account values to the accounts' desk, quotes to the live
data farm. A report that concerns nobody who is connected is gone: its owner asks when it comes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.simulator.requests.accounts import AccountDesk
from services.simulator.requests.client import Client
from services.simulator.requests.live_data import Feeds
from services.simulator.venue.orders import Order
from services.simulator.venue.reports import (
    AccountReport,
    CommissionReport,
    ErrorReport,
    ExecutionReport,
    OrderReport,
    PositionReport,
    QuoteReport,
    Report,
    StatusReport,
)
from services.simulator.wire import order_replies

__all__ = ["deliver", "say_order"]


def deliver(reports: Iterable[Report], clients: Mapping[int, Client], accounts: AccountDesk, feeds: Feeds) -> None:
    """Puts each report where it belongs, in order."""
    for report in reports:
        match report:
            case QuoteReport():  # first, since it is by far the most frequent one
                feeds.hear(report)
                accounts.hear(report)
            case OrderReport(order):
                if owner := clients.get(order.ticket.client_id):
                    say_order(owner, order)
            case StatusReport(order):
                if owner := clients.get(order.ticket.client_id):
                    owner.say(order_replies.order_status(order))
            case ExecutionReport(execution):
                if owner := clients.get(execution.client_id):
                    owner.say(order_replies.execution_details(execution, owner.version))
            case CommissionReport():
                if owner := clients.get(report.client_id):
                    owner.say(order_replies.commission_report(report))
            case ErrorReport():
                if owner := clients.get(report.client_id):
                    owner.complain(report.order_id, report.code, report.text)
            case PositionReport() | AccountReport():
                accounts.hear(report)


def say_order(client: Client, order: Order) -> None:
    """An order as a pair: openOrder, then orderStatus. What only might be has no status."""
    client.say(order_replies.open_order(order, client.version))
    if order.margin is None:
        client.say(order_replies.order_status(order))
