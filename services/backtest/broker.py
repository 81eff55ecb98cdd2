"""The exchange model as the gateway's broker, without a wire: commands go in, facts come out.

Its facts are the same that `services/gateway/ibkr/connection.py` reads from the socket; here they come from the
exchange's reports.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from messages.broker import (
    BrokerAccount,
    BrokerCommission,
    BrokerContract,
    BrokerError,
    BrokerExecution,
    BrokerOrder,
    BrokerPosition,
    BrokerSnapshot,
    CancelOrder,
    Connected,
    FromBroker,
    PlaceOrder,
    Qualify,
    Quote,
    RequestSnapshot,
    Resubscribe,
    StartStreams,
    Subscribe,
    ToBroker,
)
from messages.orders import OrderRecord
from services.configuration.broker_policy import CompletedOrdersTold
from services.simulator.requests.ownership import Ownership
from services.simulator.venue.account_updates import AccountUpdates
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.instruments import contract_id
from services.simulator.venue.orders import Execution, Order, Ticket
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
from services.simulator.venue.statement import rows
from services.trading.ids import referenced

__all__ = ["ExchangeBroker"]

SECOND = 1_000_000_000


class ExchangeBroker:
    """One client of the exchange, under one client id, with the exchange's first account."""

    def __init__(self, exchange: Exchange, client_id: int):
        self.exchange = exchange
        self.client_id = client_id
        self.account = exchange.accounts[0]
        self._streamed = ""
        self._updates = AccountUpdates(exchange.policy.account_told_every_s, exchange.now_ns)
        self._reported: set[int] = set()
        """Orders whose terms were reported on this connection: a status alone can't be read without them."""

    def connect(self) -> list[FromBroker]:
        """The facts of a new connection."""
        self._streamed = ""
        self._reported.clear()
        next_id = self.exchange.next_order_id(self.client_id)
        return [Connected(self.exchange.accounts, next_id, self.client_id)]

    def execute(self, command: ToBroker) -> list[FromBroker]:
        """Carry out one command. Returns the facts that answer it."""
        match command:
            case PlaceOrder(order, transmit):
                return list(self.facts(self.exchange.place(self._ticket(order, transmit))))
            case CancelOrder(order_id):
                return list(self.facts(self.exchange.cancel(self.client_id, order_id)))
            case RequestSnapshot(question):
                return [self._snapshot(question)]
            case StartStreams(account):
                self._streamed = account
                return [_account(self.exchange.account_report(account))]
            case Qualify():
                return [BrokerContract(s, contract_id(s), s) for s in self.exchange.symbols]
            case Subscribe() | Resubscribe():
                return []  # it gets the prices of every symbol anyway

    def advance(self, to_ns: int) -> tuple[list[FromBroker], list[Quote]]:
        """At most one event of the market: (facts about orders and the account, new prices)."""
        facts, quotes = self.translate(self.exchange.advance(to_ns, one=True))
        if quotes and self._updates.due(self.exchange.now_ns) and self._streamed:
            facts.append(_account(self.exchange.account_report(self._streamed)))
        return facts, quotes

    def translate(self, reports: Sequence[Report]) -> tuple[list[FromBroker], list[Quote]]:
        """The reports for this client: (facts about orders and the account, new prices)."""
        quotes = [_quote(report) for report in reports if isinstance(report, QuoteReport)]
        return list(self.facts(report for report in reports if not isinstance(report, QuoteReport))), quotes

    def facts(self, reports: Iterable[Report]) -> Iterator[FromBroker]:
        """The reports for this client, as broker messages."""
        for report in reports:
            match report:
                case OrderReport(order) | OpenOrderReport(order) if order.ticket.client_id == self.client_id:
                    self._reported.add(order.perm_id)
                    yield _order(order)
                case StatusReport(order) if order.ticket.client_id == self.client_id:
                    if order.perm_id in self._reported:
                        yield _order(order)
                case ExecutionReport(execution) if execution.client_id == self.client_id:
                    yield _execution(execution)
                case CommissionReport(client_id=client_id) if client_id == self.client_id:
                    yield _commission(report)
                case PositionReport():
                    yield _position(report)
                case AccountReport():
                    yield _account(report)
                case ErrorReport(client_id, order_id, code, text) if client_id == self.client_id:
                    yield BrokerError(order_id, code, text)
                case _:
                    pass  # another client's

    def _ticket(self, order: OrderRecord, transmit: bool) -> Ticket:
        trailing = order.order_type.startswith("TRAIL")
        return Ticket(
            client_id=self.client_id,
            order_id=order.order_id,
            account=order.account,
            symbol=order.symbol,
            side=order.side,
            quantity=order.quantity,
            order_type=order.order_type,
            limit_price=order.limit_price,
            stop_price=None if trailing else order.stop_price,
            trailing_pct=order.trailing_pct if trailing else None,
            trail_stop_price=order.trail_stop_price if trailing else None,
            limit_offset=order.limit_offset,
            tif=order.tif,
            outside_rth=order.outside_rth,
            parent_id=order.parent_id,
            transmit=transmit,
            oca_group=order.oca_group,
            oca_type=order.oca_type,
            order_ref=referenced(order.client_order_id),
        )

    def _snapshot(self, question: int) -> BrokerSnapshot:
        exchange = self.exchange
        self._reported |= {order.perm_id for order in exchange.open_orders()}
        seen = Ownership()  # manual orders and their executions, as clients see them
        executions = [seen.execution(e) for e in exchange.executions_told()]
        charges = [exchange.commission_of(e.exec_id) for e in executions]
        ends = exchange.policy.completed_orders_told is not CompletedOrdersTold.NEVER_ENDED
        return BrokerSnapshot(
            account=self.account,
            positions=tuple(_position(p) for p in exchange.positions(self.account) if p.quantity),
            open_orders=tuple(_order(seen.order(o)) for o in exchange.open_orders()),
            completed_orders=tuple(_completed(o) for o in exchange.completed_orders_told()) if ends else (),
            executions=tuple(_execution(e) for e in executions),
            commissions=tuple(_commission(c) for c in charges if c is not None),
            question=question,
            missing=() if ends else ("completed_orders",),
        )


def _order(order: Order) -> BrokerOrder:
    ticket = order.ticket
    trailing = ticket.order_type.startswith("TRAIL")
    return BrokerOrder(
        client_order_id=ticket.order_ref,
        order_id=ticket.order_id,
        perm_id=order.perm_id,
        client_id=ticket.client_id,
        symbol=ticket.symbol,
        side=ticket.side,
        order_type=ticket.order_type,
        quantity=ticket.quantity,
        status=order.status,
        why_held=order.why_held,
        filled=order.filled,
        avg_price=order.avg_price,
        parent_id=ticket.parent_id,
        limit_price=ticket.limit_price if ticket.order_type in ("LMT", "STP LMT") else None,
        stop_price=ticket.stop_price if ticket.order_type in ("STP", "STP LMT") else None,
        trailing_pct=ticket.trailing_pct,
        trail_stop_price=order.trail_stop_price if trailing else None,
        tif=ticket.tif,
        account=ticket.account,
        oca_group=order.oca_group,
        oca_type=order.oca_type,
        limit_offset=ticket.limit_offset,
        con_id=contract_id(ticket.symbol),
    )


def _completed(order: Order) -> BrokerOrder:
    """An order in the answer about completed orders: without an order id, and without a quantity if it is filled."""
    found = _order(order)
    return msgspec.structs.replace(
        found,
        order_id=0,
        client_id=0,
        quantity=0.0 if order.status == "Filled" else found.quantity,
        avg_price=0.0,
        parent_id=0,
        completed_status=order.completed_status,
        completed_ns=order.completed_ns // SECOND * SECOND,
    )


def _execution(execution: Execution) -> BrokerExecution:
    return BrokerExecution(
        exec_id=execution.exec_id,
        client_order_id=execution.order_ref,
        order_id=execution.order_id,
        perm_id=execution.perm_id,
        client_id=execution.client_id,
        symbol=execution.symbol,
        side=execution.side,
        quantity=execution.quantity,
        price=execution.price,
        cum_quantity=execution.cum_quantity,
        avg_price=execution.avg_price,
        account=execution.account,
        time_ns=execution.time_ns,
        con_id=contract_id(execution.symbol),
    )


def _commission(report: CommissionReport) -> BrokerCommission:
    return BrokerCommission(report.exec_id, report.commission, report.currency, report.realized_pnl)


def _position(report: PositionReport) -> BrokerPosition:
    return BrokerPosition(report.account, report.symbol, report.quantity, report.avg_cost, contract_id(report.symbol))


def _account(report: AccountReport) -> BrokerAccount:
    """Dollar values are numbers; all other values are texts."""
    values = list(rows(report))
    return BrokerAccount(
        report.account,
        {key: value for key, value, currency in values if currency == "USD" and isinstance(value, float)},
        {f"{key} {currency}".rstrip(): str(value) for key, value, currency in values if currency != "USD"},
    )


def _quote(report: QuoteReport) -> Quote:
    return Quote(
        symbol=report.symbol,
        last=report.last or 0.0,
        last_ns=report.last_time_s * SECOND,
        bid=report.bid or 0.0,
        ask=report.ask or 0.0,
        halted=report.halted,
        close=report.prev_close or 0.0,
    )
