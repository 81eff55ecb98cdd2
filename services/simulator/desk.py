"""What the gateway does with each request: the exchange and its ledger on one side, the clients on the other.

No sockets: requests come in decoded, answers go to the clients' outboxes. Whatever the exchange changed is saved before
anything that follows from it reaches an outbox, so that no client ever knows more than the simulator after a crash.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple, Protocol, assert_never

import msgspec

from services.simulator import order_replies, replies, requests
from services.simulator.client import Client, Stream
from services.simulator.contracts import PRIMARY_EXCHANGE, Contract, Listing
from services.simulator.decode import UnreadableRequest, decode
from services.simulator.delivery import deliver, say_account, say_multi, say_order, say_summary
from services.simulator.exchange import Exchange
from services.simulator.model import Changes, Execution, QuoteReport, Report
from services.simulator.source import MarketSource
from services.simulator.ticks import stream_parameters, ticks

__all__ = ["Desk", "Ledger", "LedgerLost", "Moved"]

log = logging.getLogger(__name__)

# Error codes and texts of the real gateway.
_DUPLICATE_TICKER = (102, "Duplicate ticker ID.")
_NO_CONTRACT = (200, "No security definition has been found for the request")
_NO_TICKER = (300, "Can't find EId with tickerId:{}")
_UNREADABLE = (320, "Error reading request. {}")
_INVALID = (321, "Error validating request.-'bU' : cause - {}")
_FAILED = (322, "Error processing request. {}")
_NOT_CLIENT_0 = (327, "Only the default client (i.e 0) can auto bind orders.")
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
    """Serves clients on one exchange. `clients` are those that are connected, by client id."""

    def __init__(self, exchange: Exchange, ledger: Ledger, account: str, *, download_open_orders: bool = True) -> None:
        self.clients: dict[int, Client] = {}
        self._exchange = exchange
        self._ledger = ledger
        self._account = account
        self._download_open_orders = download_open_orders
        self._listing = Listing(exchange.symbols)

    def list_symbols(self, source: MarketSource) -> None:
        """The market trades more symbols from now on."""
        self._exchange.list_symbols(source)
        self._listing = Listing(source.symbols)

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
        if self._download_open_orders and self._own_open_orders(client):
            self._say_open_orders(client, own=True)
        client.say(replies.managed_accounts(self._account), self._next_id(client))
        for code, text in _FARMS:
            client.complain(-1, code, text)

    def leave(self, client: Client) -> None:
        """The client is gone. Its orders stay."""
        del self.clients[client.client_id]

    def receive(self, client: Client, payload: bytes) -> None:
        """One request. Only a lost ledger gets past here: whatever else goes wrong concerns this client alone."""
        request_id = -1
        try:
            request = decode(payload, client.version, client.client_id)
            request_id = getattr(request, "request_id", -1)
            self.handle(client, request)
        except UnreadableRequest as error:
            log.error("client %d: %s", client.client_id, error)
            code, text = _UNREADABLE
            client.complain(error.request_id, code, text.format(error))
        except LedgerLost:
            raise
        except Exception as error:
            log.exception("client %d: request failed", client.client_id)
            code, text = _FAILED
            client.complain(request_id, code, text.format(error))

    def advance(self, to_ns: int, *, one: bool = False) -> Moved:
        """Moves the market, and tells whom it concerns."""
        reports = self._exchange.advance(to_ns, one=one)
        self._publish(reports)
        quotes = [report.symbol for report in reports if isinstance(report, QuoteReport)]
        return Moved(orders=len(quotes) < len(reports), symbols=tuple(dict.fromkeys(quotes)))

    def handle(self, client: Client, request: requests.Request) -> None:
        """Answers one request."""
        match request:
            case requests.PlaceOrder():
                self._place(client, request)
            case requests.CancelOrder(order_id):
                self._publish(self._exchange.cancel(client.client_id, order_id))
            case requests.GlobalCancel():
                self._cancel_everything()
            case requests.OpenOrders():
                self._say_open_orders(client, own=True)
            case requests.AllOpenOrders():
                self._say_open_orders(client, own=False)
            case requests.AutoOpenOrders():
                if client.client_id != 0:
                    client.complain(-1, *_NOT_CLIENT_0)
            case requests.CompletedOrders():
                for order in self._exchange.completed_orders():
                    if order.completed_ns >= self._remembers_from:
                        client.say(order_replies.completed_order(order, client.version))
                client.say(replies.completed_orders_end())
            case requests.Executions():
                self._say_executions(client, request)
            case requests.MarketData():
                self._stream(client, request)
            case requests.StopMarketData(request_id):
                if client.streams.pop(request_id, None) is None:
                    code, text = _NO_TICKER
                    client.complain(request_id, code, text.format(request_id))
            case requests.MarketDataType(kind):
                log.debug("client %d asks for market data of type %d; all data are live", client.client_id, kind)
            case requests.ContractDetails(request_id, contract):
                if symbol := self._find(client, request_id, contract):
                    client.say(replies.contract_details(request_id, symbol, client.version))
                    client.say(replies.contract_details_end(request_id))
            case requests.MatchingSymbols(request_id, pattern):
                client.say(replies.symbol_samples(request_id, self._listing.matching(pattern), client.version))
            case requests.MarketRule(rule_id):
                if rule_id == replies.MARKET_RULE:
                    client.say(replies.market_rule(rule_id))
                else:
                    self._refuse(client, -1, f"market rule {rule_id} doesn't exist")
            case requests.Positions():
                client.positions = True
                client.say(*(replies.position(held) for held in self._exchange.positions()))
                client.say(replies.positions_end())
            case requests.StopPositions():
                client.positions = False
            case requests.AccountUpdates(subscribe, account):
                self._subscribe_account(client, subscribe, account)
            case requests.AccountUpdatesMulti(request_id, account):
                if self._is_ours(client, request_id, account):
                    client.account_updates_multi.add(request_id)
                    say_multi(client, request_id, self._exchange.account_report(self._account))
                    client.say(replies.account_update_multi_end(request_id))
            case requests.StopAccountUpdatesMulti(request_id):
                client.account_updates_multi.discard(request_id)
            case requests.AccountSummary(request_id, tags):
                client.summaries[request_id] = tags
                say_summary(client, request_id, self._exchange.account_report(self._account))
                client.say(replies.account_summary_end(request_id))
            case requests.StopAccountSummary(request_id):
                client.summaries.pop(request_id, None)
            case requests.NextId():
                client.say(self._next_id(client))
            case requests.ManagedAccounts():
                client.say(replies.managed_accounts(self._account))
            case requests.CurrentTime():
                client.say(replies.current_time(self.now_ns))
            case requests.StartApi():
                self._refuse(client, -1, "the API was started already")
            case requests.NotSimulated(what, request_id):
                log.warning("client %d asks for %s", client.client_id, what)
                self._refuse(client, request_id, f"{what}: not simulated yet")
            case _:
                assert_never(request)

    # Orders

    def _place(self, client: Client, request: requests.PlaceOrder) -> None:
        ticket = request.ticket
        symbol = self._find(client, ticket.order_id, request.contract)
        if symbol is None:
            return
        missing = request.unsupported
        if missing:
            log.warning("client %d sends an order with %s", client.client_id, ", ".join(missing))
            self._refuse(client, ticket.order_id, f"{', '.join(missing)}: not simulated yet")
        elif not request.contract.exchange:
            self._refuse(client, ticket.order_id, "Missing order exchange")
        else:
            account = ticket.account or self._account
            self._publish(self._exchange.place(msgspec.structs.replace(ticket, symbol=symbol, account=account)))

    def _cancel_everything(self) -> None:
        reports: list[Report] = []
        # One at a time, since a cancel can take others with it: children, the rest of an OCA group.
        for perm_id in [order.perm_id for order in self._exchange.open_orders()]:
            for order in self._exchange.open_orders():
                if order.perm_id == perm_id:
                    reports += self._exchange.cancel(order.ticket.client_id, order.ticket.order_id)
        self._publish(reports)

    def _publish(self, reports: Sequence[Report]) -> None:
        """Saves what changed, then tells the clients."""
        try:
            self._ledger.save(self._exchange.changes())
        except Exception as error:
            raise LedgerLost(f"the simulator's ledger can't be written: {error}") from error
        deliver(reports, self.clients, self.now_ns)

    def _say_open_orders(self, client: Client, *, own: bool) -> None:
        for order in self._exchange.open_orders():
            if not own or order.ticket.client_id == client.client_id:
                say_order(client, order)
        client.say(replies.open_orders_end())

    def _own_open_orders(self, client: Client) -> bool:
        return any(order.ticket.client_id == client.client_id for order in self._exchange.open_orders())

    def _say_executions(self, client: Client, wanted: requests.Executions) -> None:
        for execution in self._exchange.executions():
            if execution.time_ns >= self._remembers_from and _passes(execution, wanted):
                client.say(order_replies.execution_details(execution, client.version, request_id=wanted.request_id))
                if commission := self._exchange.commission_of(execution.exec_id):
                    client.say(order_replies.commission_report(commission))
        client.say(replies.executions_end(wanted.request_id))

    def _next_id(self, client: Client) -> bytes:
        return replies.next_valid_id(self._exchange.next_order_id(client.client_id))

    # Market and account

    def _stream(self, client: Client, request: requests.MarketData) -> None:
        request_id = request.request_id
        symbol = self._find(client, request_id, request.contract)
        if symbol is None:
            return
        if request_id in client.streams:
            client.complain(request_id, *_DUPLICATE_TICKER)
            return
        quote = self._exchange.quote(symbol)
        client.say(stream_parameters(request_id), replies.market_data_type(request_id, 1))
        if quote is not None:
            client.say(*ticks(request_id, quote, None, client.version))
        if request.snapshot:
            client.say(replies.snapshot_end(request_id))
        else:
            client.streams[request_id] = Stream(symbol, quote)

    def _subscribe_account(self, client: Client, subscribe: bool, account: str) -> None:
        if not self._is_ours(client, -1, account):
            return
        client.account_updates = subscribe
        if subscribe:
            client.say(*(replies.portfolio_value(held) for held in self._exchange.positions()))
            say_account(client, self._exchange.account_report(self._account), self.now_ns)
            client.say(replies.account_download_end(self._account))

    # What is refused before the exchange sees it

    def _find(self, client: Client, request_id: int, contract: Contract) -> str | None:
        symbol = self._listing.find(contract)
        if symbol is None:
            client.complain(request_id, *_NO_CONTRACT)
        return symbol

    def _is_ours(self, client: Client, request_id: int, account: str) -> bool:
        if account in ("", self._account):
            return True
        self._refuse(client, request_id, f"Invalid account code '{account}'.")
        return False

    @staticmethod
    def _refuse(client: Client, request_id: int, cause: str) -> None:
        code, text = _INVALID
        client.complain(request_id, code, text.format(cause))


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
