"""Who hears what: the exchange's reports, put into the outboxes of the clients that they concern.

An order's reports go to the client that owns it, positions and account values to those who subscribed, quotes to those
who stream the symbol. A report that concerns nobody who is connected is gone: its owner asks when it comes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from services.simulator import order_replies, replies
from services.simulator.client import Client
from services.simulator.fields import Field
from services.simulator.model import (
    AccountReport,
    CommissionReport,
    ErrorReport,
    ExecutionReport,
    Order,
    OrderReport,
    PositionReport,
    QuoteReport,
    Report,
    StatusReport,
)
from services.simulator.ticks import ticks

__all__ = ["deliver", "say_account", "say_multi", "say_order", "say_summary"]


def deliver(reports: Iterable[Report], clients: Mapping[int, Client], now_ns: int) -> None:
    """Puts each report where it belongs, in order."""
    for report in reports:
        match report:
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
            case PositionReport():
                for client in clients.values():
                    if client.positions:
                        client.say(replies.position(report))
                    if client.account_updates:
                        client.say(replies.portfolio_value(report))
            case AccountReport():
                for client in clients.values():
                    _account_changed(client, report, now_ns)
            case QuoteReport():
                for client in clients.values():
                    _quote_changed(client, report)


def say_order(client: Client, order: Order) -> None:
    """An order as a pair: openOrder, then orderStatus. What only might be has no status."""
    client.say(order_replies.open_order(order, client.version))
    if order.margin is None:
        client.say(order_replies.order_status(order))


def say_account(client: Client, report: AccountReport, now_ns: int) -> None:
    """Account values for a subscriber of account updates."""
    for key, value, currency in _account_values(report):
        client.say(replies.account_value(key, value, currency, report.account))
    client.say(replies.account_time(now_ns))


def say_multi(client: Client, request_id: int, report: AccountReport) -> None:
    """The same, under a request id."""
    for key, value, currency in _account_values(report):
        client.say(replies.account_update_multi(request_id, key, value, currency, report.account))


def say_summary(client: Client, request_id: int, report: AccountReport) -> None:
    """Those of the values that the client named."""
    tags = client.summaries[request_id]
    for key, value, currency in _account_values(report):
        if key in tags or "All" in tags:
            client.say(replies.account_summary(request_id, key, value, currency, report.account))


def _account_values(report: AccountReport) -> Iterator[tuple[str, Field, str]]:
    """Key, value, currency. Values keep all their digits: rounding them here would make two truths of one."""
    yield ("AccountType", "INDIVIDUAL", "")
    yield ("Currency", "BASE", "BASE")
    yield ("Currency", "USD", "USD")
    for key, value in report.values.items():
        yield (key, value, "USD")


def _account_changed(client: Client, report: AccountReport, now_ns: int) -> None:
    if client.account_updates:
        say_account(client, report, now_ns)
    for request_id in sorted(client.account_updates_multi):
        say_multi(client, request_id, report)
    for request_id in client.summaries:
        say_summary(client, request_id, report)


def _quote_changed(client: Client, quote: QuoteReport) -> None:
    for request_id, stream in client.streams.items():
        if stream.symbol == quote.symbol:
            client.say(*ticks(request_id, quote, stream.shown, client.version))
            stream.shown = quote
