"""Dispatches requests: from the clients to the exchange, and the exchange's reports back to the clients.

No sockets: answers go to the clients' outboxes. Every change of the exchange is saved before its reports reach an
outbox, so that no client knows more than the simulator after a crash.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, assert_never

import msgspec

from services.configuration.broker_policy import CompletedOrdersTold
from services.simulator.faults.active import Faults
from services.simulator.market.history import History
from services.simulator.requests import unsupported
from services.simulator.requests.accounts import AccountRequestHandler
from services.simulator.requests.client import Client
from services.simulator.requests.contracts import ContractRequestHandler
from services.simulator.requests.delivery import deliver, send_order
from services.simulator.requests.historical_data import HistoricalDataHandler
from services.simulator.requests.live_data import LiveDataHandler
from services.simulator.requests.ownership import MANUAL_CLIENT_ID, Ownership
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.instruments import InstrumentTerms
from services.simulator.venue.orders import Execution, Order, Ticket
from services.simulator.venue.persistence import Changes
from services.simulator.venue.reports import QuoteReport, Report, StatusReport
from services.simulator.venue.source import MarketSource
from services.simulator.wire import errors, order_replies, replies, requests
from services.simulator.wire.contracts import PRIMARY_EXCHANGE
from services.simulator.wire.decode import UnreadableRequest, decode
from services.simulator.wire.market_requests import HistoricalRequest, LiveDataRequest
from services.simulator.wire.unsupported_requests import UnsupportedRequest

__all__ = ["AdvanceResult", "ExchangeLedger", "LedgerFailed", "RequestDispatcher"]

log = logging.getLogger(__name__)

_FARMS = (
    (2104, "Market data farm connection is OK:usfarm"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefnj"),
)


class ExchangeLedger(Protocol):
    """Where the exchange's changes are saved."""

    def save(self, changes: Changes, /) -> None:
        """Save all of them in one transaction."""


class AdvanceResult(NamedTuple):
    """The result of moving the market.

    Whether orders, executions or the account changed, and which symbols had events.
    """

    orders: bool
    symbols: tuple[str, ...]


class LedgerFailed(Exception):
    """The ledger can't be written. The exchange in memory is ahead of it, so no client may see its state."""


class RequestDispatcher:
    """Serves clients on one exchange. `clients` are the connected ones, by client id.

    The exchange's policy limits what a client may request and sets how reports are sent.
    """

    def __init__(
        self,
        exchange: Exchange,
        ledger: ExchangeLedger,
        *,
        download_open_orders: bool = True,
    ) -> None:
        self.clients: dict[int, Client] = {}
        self.faults = Faults(now_ns=exchange.now_ns)
        self.faults.find = exchange.find
        self._exchange = exchange
        self._ledger = ledger
        self._download_open_orders = download_open_orders
        self.contracts = ContractRequestHandler(exchange)
        history = History(
            lambda: exchange.source, lambda: exchange.sessions, lambda: exchange.market_key, exchange.adjustments
        )
        self.live_data = LiveDataHandler(history, exchange, self.contracts.find_traded, self.faults)
        self.historical_data = HistoricalDataHandler(history, exchange, self.contracts.find_traded, self.live_data)
        self.ownership = Ownership()
        self.accounts = AccountRequestHandler(exchange)

    def list_symbols(self, source: MarketSource) -> None:
        """Add symbols: `source` is the market with all of them."""
        self._exchange.list_symbols(source)

    @property
    def now_ns(self) -> int:
        """The market's time."""
        return self._exchange.now_ns

    def add_client(self, client: Client) -> None:
        """Sends the first messages in the order of real gateways: open orders, accounts, next id, farms."""
        self.clients[client.client_id] = client
        self._exchange.log_in(here=True)
        self.accounts.add_client(client)
        if self._download_open_orders and self._has_open_orders(client):
            self._send_open_orders(client, own=True)
        client.send(replies.managed_accounts(self._exchange.accounts), self._next_id(client))
        for code, text in _FARMS:
            client.send_error(-1, code, text)

    def remove_client(self, client: Client) -> None:
        """The client disconnected. Its orders stay."""
        del self.clients[client.client_id]
        self._exchange.log_in(here=bool(self.clients))
        self.accounts.remove_client(client)
        self.live_data.remove_client(client)
        self.historical_data.remove_client(client)

    def receive(self, client: Client, payload: bytes) -> None:
        """Processes one request. Only LedgerFailed is raised; any other failure is an error message to this client."""
        request_id = -1
        try:
            request = self.contracts.named(decode(payload, client.version, client.client_id))
            request_id = getattr(request, "request_id", -1)
            if (passed := self.faults.request(client.client_id, request)) is not None:
                self.handle(client, passed)
        except UnreadableRequest as error:
            log.error("client %d: %s", client.client_id, error)
            client.send_error(error.request_id, *errors.UNREADABLE.about(error))
        except LedgerFailed:
            raise
        except Exception as error:
            log.exception("client %d: request failed", client.client_id)
            client.send_error(request_id, *errors.FAILED.about(error))

    def advance(self, to_ns: int, *, one: bool = False) -> AdvanceResult:
        """Moves the market and delivers its reports."""
        reports = self._publish(self._exchange.advance(to_ns, one=one))
        self.live_data.pass_time(self.now_ns)
        self.accounts.pass_time()
        quotes = [report.symbol for report in reports if isinstance(report, QuoteReport)]
        return AdvanceResult(orders=len(quotes) < len(reports), symbols=tuple(dict.fromkeys(quotes)))

    def handle(self, client: Client, request: requests.Request) -> None:
        """Answers one request."""
        match request:
            case requests.PlaceOrderRequest():
                self._place(client, request)
            case requests.CancelOrderRequest(order_id):
                self._cancel(client, order_id)
            case requests.GlobalCancelRequest():
                self._publish(self._exchange.cancel_all())
            case requests.OpenOrdersRequest():
                self._bind(client)
                self._send_open_orders(client, own=True)
            case requests.AllOpenOrdersRequest():
                self._send_open_orders(client, own=False)
            case requests.AutoOpenOrdersRequest(bind):
                if client.client_id != 0:
                    client.send_error(-1, *errors.NOT_CLIENT_0)
                else:
                    self.ownership.auto_bind = bind
            case requests.CompletedOrdersRequest():
                for order in self._exchange.completed_orders_told():
                    held = self._exchange.instrument(order.ticket.symbol)
                    client.send(order_replies.completed_order(order, held, client.version))
                if self._exchange.policy.completed_orders_told is not CompletedOrdersTold.NEVER_ENDED:
                    client.send(replies.completed_orders_end())
            case requests.ExecutionsRequest():
                self._send_executions(client, request)
            case requests.ContractDetailsRequest() | requests.MatchingSymbolsRequest() | requests.MarketRuleRequest():
                self.contracts.handle(client, request)
            case requests.NextIdRequest():
                client.send(self._next_id(client))
            case requests.ManagedAccountsRequest():
                client.send(replies.managed_accounts(self._exchange.accounts))
            case requests.CurrentTimeRequest():
                client.send(replies.current_time(self.now_ns))
            case requests.StartApiRequest():
                self._refuse(client, -1, "the API was started already")
            case _:
                self._hand_over(client, request)

    def _hand_over(
        self,
        client: Client,
        request: requests.AccountRequest | LiveDataRequest | HistoricalRequest | UnsupportedRequest,
    ) -> None:
        """Passes a request to the handler of its kind."""
        if isinstance(request, UnsupportedRequest):
            unsupported.answer(client, request, self._exchange.accounts)
        elif isinstance(request, LiveDataRequest):
            self.live_data.handle(client, request)
        elif isinstance(request, HistoricalRequest):
            self.historical_data.handle(client, request)
        elif isinstance(request, requests.AccountRequest):
            self.accounts.handle(client, request)
        else:
            assert_never(request)

    def run_exchange_action(self, action: Callable[[Exchange], Sequence[Report]]) -> None:
        """Runs an action at the exchange that no client requested."""
        self.save_and_deliver(action(self._exchange))

    def forget_streams(self) -> None:
        """Drops every market data subscription without a message."""
        for client in self.clients.values():
            self.live_data.remove_client(client)

    # Orders

    def _place(self, client: Client, request: requests.PlaceOrderRequest) -> None:
        ticket = request.ticket
        symbol = self.contracts.find(client, ticket.order_id, request.contract)
        if symbol is None:
            return
        missing = request.unsupported
        if missing:
            log.warning("client %d sends an order with %s", client.client_id, ", ".join(missing))
            self._refuse(client, ticket.order_id, f"{', '.join(missing)}: not simulated yet")
        elif not request.contract.exchange:
            self._refuse(client, ticket.order_id, "Missing order exchange")
        else:
            owner, number = self.ownership.resolve(ticket.client_id, ticket.order_id)
            is_new = self._exchange.find(owner, number) is None
            if request.preset and is_new and self._exchange.policy.preset_tif_told:
                client.send_error(ticket.order_id, *errors.TIF_PRESET)
            ticket = msgspec.structs.replace(ticket, symbol=symbol, client_id=owner, order_id=number)
            self._publish(self._exchange.place(ticket))

    def enter_manual_order(self, ticket: Ticket) -> int:
        """Places an order that a person entered at the broker. Returns its permanent id, 0 if it was refused."""
        order_id = self._exchange.next_order_id(MANUAL_CLIENT_ID)
        account = ticket.account or self._exchange.accounts[0]
        ticket = msgspec.structs.replace(ticket, client_id=MANUAL_CLIENT_ID, order_id=order_id, account=account)
        reports = self._exchange.place(ticket)
        owner = self.clients.get(0)
        if owner is not None and self.ownership.auto_bind:
            self._bind(owner)
        self._publish(reports)
        entered = (order for order in self._exchange.orders() if order.ticket.client_id == MANUAL_CLIENT_ID)
        return next((order.perm_id for order in entered if order.ticket.order_id == order_id), 0)

    def _bind(self, client: Client) -> None:
        """Binds manual orders to client 0."""
        if client.client_id == 0:
            for order in filter(None, map(self.ownership.bind, self._exchange.open_orders())):
                client.send(replies.order_bound(order.perm_id, 0, order.ticket.order_id))

    def _open_orders(self) -> list[Order]:
        return [self.ownership.order(order) for order in self._exchange.open_orders()]

    def _cancel(self, client: Client, order_id: int) -> None:
        owner, number = self.ownership.resolve(client.client_id, order_id)
        others = [order for order in self._open_orders() if order.ticket.order_id == order_id != 0]
        known = self._exchange.find(owner, number)
        if known is not None or not others or not self._exchange.policy.other_clients_may_cancel:
            self._publish(self._exchange.cancel(owner, number))
            return
        # Recorded from a paper account: the order of another client was cancelled, and its status came with the id of
        # the client that asked.
        reports = self._exchange.cancel(*self._owner_of(others[0]))
        self._publish(reports)
        for report in reports:
            if isinstance(report, StatusReport) and report.order.perm_id == others[0].perm_id:
                mine = msgspec.structs.replace(report.order.ticket, client_id=client.client_id, order_id=order_id)
                client.send(order_replies.order_status(msgspec.structs.replace(report.order, ticket=mine)))

    def _owner_of(self, shown: Order) -> tuple[int, int]:
        """The exchange's client id and order id of an order as clients see it."""
        return self.ownership.resolve(shown.ticket.client_id, shown.ticket.order_id)

    def _publish(self, reports: Sequence[Report]) -> Sequence[Report]:
        """Saves the changes and delivers the reports that faults let pass. Returns those."""
        passed = self.faults.reports(reports) if self.faults.active else reports
        self.save_and_deliver(passed)
        return passed

    def save_and_deliver(self, reports: Sequence[Report]) -> None:
        """Saves the changes, then delivers the reports."""
        try:
            self._ledger.save(self._exchange.changes())
        except Exception as error:
            raise LedgerFailed(f"the simulator's ledger can't be written: {error}") from error
        deliver(
            filter(None, map(self.ownership.report, reports)),
            self.clients,
            self._exchange,
            self.accounts,
            self.live_data,
        )

    def _send_open_orders(self, client: Client, *, own: bool) -> None:
        for order in self._open_orders():
            if not own or (order.ticket.client_id == client.client_id and order.ticket.order_id):
                send_order(client, order, self._exchange)
        client.send(replies.open_orders_end())

    def _has_open_orders(self, client: Client) -> bool:
        return any(order.ticket.client_id == client.client_id for order in self._open_orders())

    def _send_executions(self, client: Client, wanted: requests.ExecutionsRequest) -> None:
        for execution in map(self.ownership.execution, self._exchange.executions_told()):
            if _passes(execution, self._exchange.instrument(execution.symbol), wanted):
                held, form = self._exchange.instrument(execution.symbol), self._exchange.policy.execution_time
                client.send(
                    order_replies.execution_details(
                        execution, held, client.version, request_id=wanted.request_id, time_form=form
                    )
                )
                if commission := self._exchange.commission_of(execution.exec_id):
                    client.send(order_replies.commission_report(commission))
        client.send(replies.executions_end(wanted.request_id))

    def _next_id(self, client: Client) -> bytes:
        return replies.next_valid_id(self._exchange.next_order_id(client.client_id))

    @staticmethod
    def _refuse(client: Client, request_id: int, cause: str) -> None:
        client.send_error(request_id, *errors.INVALID.about(cause))


def _passes(execution: Execution, held: InstrumentTerms, wanted: requests.ExecutionsRequest) -> bool:
    return (
        wanted.client_id in (0, execution.client_id)
        and wanted.account in ("", execution.account)
        and (wanted.since_ns is None or execution.time_ns >= wanted.since_ns)
        and wanted.symbol in ("", held.ticker)
        and wanted.security_type in ("", held.sec_type)
        and wanted.exchange in ("", PRIMARY_EXCHANGE)
        and wanted.side in ("", execution.side, {"BUY": "BOT", "SELL": "SLD"}[execution.side])
    )
