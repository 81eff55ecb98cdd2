"""What the gateway does with each request: the exchange and its ledger on one side, the clients on the other.

No sockets: requests come in decoded, answers go to the clients' outboxes. Whatever the exchange changed is saved before
anything that follows from it reaches an outbox, so that no client ever knows more than the simulator after a crash.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, assert_never

import msgspec

from services.simulator.faults.active import Faults
from services.simulator.market.history import History
from services.simulator.requests import unsupported as other_desk
from services.simulator.requests.accounts import AccountDesk
from services.simulator.requests.client import Client
from services.simulator.requests.contracts import ContractDesk
from services.simulator.requests.delivery import deliver, say_order
from services.simulator.requests.historical_data import Farm
from services.simulator.requests.live_data import Feeds
from services.simulator.requests.ownership import BY_HAND, Ownership
from services.simulator.venue.acceptance import not_cancellable
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.orders import Execution, Order, Ticket
from services.simulator.venue.persistence import Changes
from services.simulator.venue.reports import ErrorReport, QuoteReport, Report, StatusReport
from services.simulator.venue.source import MarketSource
from services.simulator.wire import complaints, order_replies, replies, requests
from services.simulator.wire.contracts import PRIMARY_EXCHANGE
from services.simulator.wire.decode import UnreadableRequest, decode
from services.simulator.wire.market_requests import FeedRequest, PastRequest
from services.simulator.wire.other_requests import Other

__all__ = ["Desk", "Ledger", "LedgerLost", "Moved"]

log = logging.getLogger(__name__)

_FARMS = (
    (2104, "Market data farm connection is OK:usfarm"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefnj"),
)

MEMORY_NS = 7 * 24 * 3600 * 10**9
"""How far back a gateway tells of executions: since midnight, or up to seven days where TWS's trade log is set so."""


class Ledger(Protocol):
    """Where the exchange's changes are kept."""

    def save(self, changes: Changes, /) -> None:
        """All of them in one transaction."""


class Moved(NamedTuple):
    """What came of moving the market.

    Whether orders, executions or the account changed, and which symbols had events.
    """

    orders: bool
    symbols: tuple[str, ...]


class LedgerLost(Exception):
    """The ledger can't be written: the exchange in memory is ahead of it, and nobody may learn of that."""


class Desk:
    """Serves clients on one exchange. `clients` are those that are connected, by client id.

    `feeds` is the live market (and who may see it), `past` the historical one. How much a client may ask, and how it is
    told, are switches of the exchange's policy.
    """

    def __init__(
        self,
        exchange: Exchange,
        ledger: Ledger,
        *,
        download_open_orders: bool = True,
    ) -> None:
        self.clients: dict[int, Client] = {}
        self.faults = Faults(now_ns=exchange.now_ns)
        self.faults.find = exchange.find
        self._exchange = exchange
        self._ledger = ledger
        self._download_open_orders = download_open_orders
        self.contracts = ContractDesk(exchange)
        history = History(
            lambda: exchange.source, lambda: exchange.sessions, lambda: exchange.market_key, exchange.past
        )
        self.feeds = Feeds(history, exchange, self.contracts.find, self.faults)
        self.past = Farm(history, exchange, self.contracts.find, self.feeds)
        self.ownership = Ownership()
        self.accounts = AccountDesk(exchange)

    def list_symbols(self, source: MarketSource) -> None:
        """The market trades more symbols from now on."""
        self._exchange.list_symbols(source)
        self.contracts.list_symbols()

    @property
    def now_ns(self) -> int:
        """The market's time."""
        return self._exchange.now_ns

    @property
    def _remembers_from(self) -> int:
        """Executions and completed orders before this are not told any more."""
        return self.now_ns - MEMORY_NS

    def welcome(self, client: Client) -> None:
        """The first messages, in the order of real gateways: open orders, accounts, next id, farms."""
        self.clients[client.client_id] = client
        self._exchange.log_in(here=True)
        self.accounts.welcome(client)
        if self._download_open_orders and self._own_open_orders(client):
            self._say_open_orders(client, own=True)
        client.say(replies.managed_accounts(self._exchange.accounts), self._next_id(client))
        for code, text in _FARMS:
            client.complain(-1, code, text)

    def leave(self, client: Client) -> None:
        """The client is gone. Its orders stay."""
        del self.clients[client.client_id]
        self._exchange.log_in(here=bool(self.clients))
        self.accounts.leave(client)
        self.feeds.leave(client)
        self.past.leave(client)

    def receive(self, client: Client, payload: bytes) -> None:
        """One request. Only a lost ledger gets past here: whatever else goes wrong concerns this client alone."""
        request_id = -1
        try:
            request = decode(payload, client.version, client.client_id)
            request_id = getattr(request, "request_id", -1)
            if (passed := self.faults.request(client.client_id, request)) is not None:
                self.handle(client, passed)
        except UnreadableRequest as error:
            log.error("client %d: %s", client.client_id, error)
            client.complain(error.request_id, *complaints.UNREADABLE.about(error))
        except LedgerLost:
            raise
        except Exception as error:
            log.exception("client %d: request failed", client.client_id)
            client.complain(request_id, *complaints.FAILED.about(error))

    def advance(self, to_ns: int, *, one: bool = False) -> Moved:
        """Moves the market, and tells whom it concerns."""
        reports = self._publish(self._exchange.advance(to_ns, one=one))
        self.feeds.pass_time(self.now_ns)
        self.accounts.pass_time()
        quotes = [report.symbol for report in reports if isinstance(report, QuoteReport)]
        return Moved(orders=len(quotes) < len(reports), symbols=tuple(dict.fromkeys(quotes)))

    def handle(self, client: Client, request: requests.Request) -> None:
        """Answers one request."""
        match request:
            case requests.PlaceOrder():
                self._place(client, request)
            case requests.CancelOrder(order_id):
                self._cancel(client, order_id)
            case requests.GlobalCancel():
                self._cancel_everything()
            case requests.OpenOrders():
                self._bind(client)
                self._say_open_orders(client, own=True)
            case requests.AllOpenOrders():
                self._say_open_orders(client, own=False)
            case requests.AutoOpenOrders(bind):
                if client.client_id != 0:
                    client.complain(-1, *complaints.NOT_CLIENT_0)
                else:
                    self.ownership.auto = bind
            case requests.CompletedOrders():
                for order in self._exchange.completed_orders():
                    if order.completed_ns >= self._remembers_from:
                        client.say(order_replies.completed_order(order, client.version))
                client.say(replies.completed_orders_end())
            case requests.Executions():
                self._say_executions(client, request)
            case requests.ContractDetails() | requests.MatchingSymbols() | requests.MarketRule():
                self.contracts.handle(client, request)
            case requests.NextId():
                client.say(self._next_id(client))
            case requests.ManagedAccounts():
                client.say(replies.managed_accounts(self._exchange.accounts))
            case requests.CurrentTime():
                client.say(replies.current_time(self.now_ns))
            case requests.StartApi():
                self._refuse(client, -1, "the API was started already")
            case _:
                self._pass_on(client, request)

    def _pass_on(self, client: Client, request: requests.AccountRequest | FeedRequest | PastRequest | Other) -> None:
        """What others answer."""
        if isinstance(request, Other):
            other_desk.answer(client, request, self._exchange.accounts)
        elif isinstance(request, FeedRequest):
            self.feeds.handle(client, request)
        elif isinstance(request, PastRequest):
            self.past.handle(client, request)
        elif isinstance(request, requests.AccountRequest):
            self.accounts.handle(client, request)
        else:
            assert_never(request)

    def ask(self, what: Callable[[Exchange], Sequence[Report]]) -> None:
        """Something happens at the exchange that no client asked for."""
        self.tell(what(self._exchange))

    def forget_streams(self) -> None:
        """Every market data subscription is gone, and nobody is told."""
        for client in self.clients.values():
            self.feeds.leave(client)

    # Orders

    def _place(self, client: Client, request: requests.PlaceOrder) -> None:
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
            owner, number = self.ownership.meant(ticket.client_id, ticket.order_id)
            is_new = self._exchange.find(owner, number) is None
            if request.preset and is_new and self._exchange.policy.preset_tif_told:
                client.complain(ticket.order_id, *complaints.TIF_PRESET)
            ticket = msgspec.structs.replace(ticket, symbol=symbol, client_id=owner, order_id=number)
            self._publish(self._exchange.place(ticket))

    def enter_by_hand(self, ticket: Ticket) -> int:
        """A person enters an order at the broker, which no client placed. Its permanent id, 0 if it was refused."""
        order_id = self._exchange.next_order_id(BY_HAND)
        ticket = msgspec.structs.replace(ticket, client_id=BY_HAND, order_id=order_id)
        reports = self._exchange.place(ticket)
        owner = self.clients.get(0)
        if owner is not None and self.ownership.auto:
            self._bind(owner)
        self._publish(reports)
        entered = (order for order in self._exchange.orders() if order.ticket.client_id == BY_HAND)
        return next((order.perm_id for order in entered if order.ticket.order_id == order_id), 0)

    def _bind(self, client: Client) -> None:
        """What a person entered becomes client 0's."""
        if client.client_id == 0:
            for order in filter(None, map(self.ownership.bind, self._exchange.open_orders())):
                client.say(replies.order_bound(order.perm_id, 0, order.ticket.order_id))

    def _open_orders(self) -> list[Order]:
        return [self.ownership.order(order) for order in self._exchange.open_orders()]

    def _cancel(self, client: Client, order_id: int) -> None:
        owner, number = self.ownership.meant(client.client_id, order_id)
        others = [order for order in self._exchange.open_orders() if order.ticket.order_id == number]
        allowed = self._exchange.policy.other_clients_may_cancel
        if allowed and others and owner not in {order.ticket.client_id for order in others}:
            # Seen once on a paper account (server version 200): what another client placed was cancelled, and the
            # status came to who asked for it, with its own client id.
            theirs = others[0].ticket.client_id
            reports = self._exchange.cancel(theirs, number)
            self._publish(reports)
            for report in reports:
                if isinstance(report, StatusReport) and report.order.perm_id == others[0].perm_id:
                    mine = msgspec.structs.replace(report.order.ticket, client_id=client.client_id)
                    client.say(order_replies.order_status(msgspec.structs.replace(report.order, ticket=mine)))
        else:
            self._publish(self._exchange.cancel(owner, number))

    def _cancel_everything(self) -> None:
        reports: list[Report] = []
        # One at a time, since a cancel can take others with it: children, the rest of an OCA group.
        for order in self._exchange.open_orders():
            owner, number = order.ticket.client_id, order.ticket.order_id
            if any(order.perm_id == each.perm_id for each in self._exchange.open_orders()):
                reports += self._exchange.cancel(owner, number)
            elif self._exchange.policy.global_cancel_tells_done:
                reports.append(ErrorReport(owner, number, *not_cancellable(order.perm_id)))
        self._publish(reports)

    def _publish(self, reports: Sequence[Report]) -> Sequence[Report]:
        """Saves what changed, then tells the clients what faults let pass; that."""
        passed = self.faults.reports(reports) if self.faults.active else reports
        self.tell(passed)
        return passed

    def tell(self, reports: Sequence[Report]) -> None:
        """Saves what changed, then tells the clients."""
        try:
            self._ledger.save(self._exchange.changes())
        except Exception as error:
            raise LedgerLost(f"the simulator's ledger can't be written: {error}") from error
        deliver(filter(None, map(self.ownership.report, reports)), self.clients, self.accounts, self.feeds)

    def _say_open_orders(self, client: Client, *, own: bool) -> None:
        for order in self._open_orders():
            if not own or (order.ticket.client_id == client.client_id and order.ticket.order_id):
                say_order(client, order)
        client.say(replies.open_orders_end())

    def _own_open_orders(self, client: Client) -> bool:
        return any(order.ticket.client_id == client.client_id for order in self._open_orders())

    def _say_executions(self, client: Client, wanted: requests.Executions) -> None:
        for execution in map(self.ownership.execution, self._exchange.executions()):
            if execution.time_ns >= self._remembers_from and _passes(execution, wanted):
                client.say(order_replies.execution_details(execution, client.version, request_id=wanted.request_id))
                if commission := self._exchange.commission_of(execution.exec_id):
                    client.say(order_replies.commission_report(commission))
        client.say(replies.executions_end(wanted.request_id))

    def _next_id(self, client: Client) -> bytes:
        return replies.next_valid_id(self._exchange.next_order_id(client.client_id))

    @staticmethod
    def _refuse(client: Client, request_id: int, cause: str) -> None:
        client.complain(request_id, *complaints.INVALID.about(cause))


def _passes(execution: Execution, wanted: requests.Executions) -> bool:
    return (
        wanted.client_id in (0, execution.client_id)
        and wanted.account in ("", execution.account)
        and (wanted.since_ns is None or execution.time_ns >= wanted.since_ns)
        and wanted.symbol in ("", execution.symbol)
        and wanted.security_type in ("", "STK")
        and wanted.exchange in ("", PRIMARY_EXCHANGE)
        and wanted.side in ("", execution.side, {"BUY": "BOT", "SELL": "SLD"}[execution.side])
    )
