"""The accounts of the login, as clients see them: values, summaries, positions, profit.

A subscription gets everything at first, then every change. A login may have several accounts: a client that names none
means the first account, or all of them, as at IBKR.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

import msgspec

from services.simulator.requests.client import Client
from services.simulator.venue.account_updates import AccountUpdates
from services.simulator.venue.reports import AccountReport, PnlReport, PositionReport, QuoteReport
from services.simulator.venue.statement import BASE, LEDGER, rows
from services.simulator.venue.view import ExchangeView
from services.simulator.wire import errors, replies
from services.simulator.wire.requests import (
    AccountRequest,
    AccountSummaryRequest,
    AccountUpdatesMultiRequest,
    AccountUpdatesRequest,
    PositionsMultiRequest,
    PositionsRequest,
    ProfitRequest,
    ProfitSingleRequest,
    StopAccountSummaryRequest,
    StopAccountUpdatesMultiRequest,
    StopPositionsMultiRequest,
    StopPositionsRequest,
    StopProfitRequest,
    StopProfitSingleRequest,
)

__all__ = ["AccountRequestHandler"]

MAX_SUMMARIES = 2
"""Summaries that one client may have at once: IBKR's figure."""

_NS = 1_000_000_000


class AccountSubscriptions(msgspec.Struct):
    """One client's subscriptions to the accounts, by request id where there is one."""

    updates: str | None = None
    """The account of `reqAccountUpdates`: one at a time."""
    multi: dict[int, tuple[str, ...]] = msgspec.field(default_factory=dict)
    summaries: dict[int, tuple[_SummaryTags, tuple[str, ...]]] = msgspec.field(default_factory=dict)
    positions: bool = False
    positions_multi: dict[int, tuple[str, ...]] = msgspec.field(default_factory=dict)
    profits: dict[int, _ProfitSubscription] = msgspec.field(default_factory=dict)


class _SummaryTags(msgspec.Struct, frozen=True):
    """The tags of a summary: those of the whole account ('All': every one), and the currencies of its ledgers.

    `$LEDGER` means the base currency, `$LEDGER:EUR` one currency, `$LEDGER:ALL` each (IBKR's documentation).
    """

    tags: frozenset[str]
    ledgers: frozenset[str]

    @classmethod
    def of(cls, tags: Iterable[str]) -> _SummaryTags:
        named = set(tags)
        ledgers = {tag for tag in named if tag.startswith("$LEDGER")}
        wanted = (tag.partition(":")[2] or BASE for tag in ledgers)
        return cls(frozenset(named - ledgers), frozenset(wanted))

    def wants(self, key: str, currency: str) -> bool:
        """Whether the summary includes this value."""
        if key in LEDGER or key == "Currency":
            return bool(self.ledgers & {currency, "ALL"}) or key in self.tags
        return key in self.tags or "All" in self.tags


class _ProfitSubscription(msgspec.Struct):
    """A subscription to the profit of an account, or of one of its symbols; and the last one sent."""

    account: str
    symbol: str | None
    profit: PnlReport | None = None


class AccountRequestHandler:
    """Answers requests about accounts.

    The policy's `account_told_every_s` says how often values are sent that only prices changed.
    """

    def __init__(self, exchange: ExchangeView) -> None:
        self._exchange = exchange
        self._updates = AccountUpdates(exchange.policy.account_told_every_s, exchange.now_ns)
        self._priced = False
        self._subscriptions: dict[int, tuple[Client, AccountSubscriptions]] = {}
        self._moved: set[str] = set()
        self._looked_ns = 0

    # Events

    def add_client(self, client: Client) -> None:
        """A client connected."""
        self._subscriptions[client.client_id] = (client, AccountSubscriptions())

    def remove_client(self, client: Client) -> None:
        """The client disconnected."""
        self._subscriptions.pop(client.client_id, None)

    def on_report(self, report: PositionReport | AccountReport | QuoteReport) -> None:
        """A position, an account value or a price changed."""
        match report:
            case QuoteReport():
                self._moved.add(report.symbol)
                self._priced = True
            case PositionReport():
                self._moved.add(report.symbol)
                for client, wanted in self._subscriptions.values():
                    self._position_changed(client, wanted, report)
            case AccountReport():
                for client, wanted in self._subscriptions.values():
                    self._values_changed(client, wanted, report)

    def pass_time(self) -> None:
        """Call after all reports up to now. Sends profits once a second and account values at the policy's interval."""
        now_ns = self._exchange.now_ns
        if self._moved and now_ns - self._looked_ns >= _NS:
            for client, wanted in self._subscriptions.values():
                for request_id, watched in wanted.profits.items():
                    if watched.symbol is None or watched.symbol in self._moved:
                        self._send_profit(client, request_id, watched)
            self._moved.clear()
            self._looked_ns = now_ns
        priced, self._priced = self._priced, False
        if priced and self._updates.due(now_ns):
            for client, wanted in self._subscriptions.values():
                if wanted.updates is not None:
                    self._send_account(client, wanted.updates)
                for request_id, (named, accounts) in wanted.summaries.items():
                    self._send_summary(client, request_id, named, accounts)

    def _position_changed(self, client: Client, wanted: AccountSubscriptions, held: PositionReport) -> None:
        if wanted.positions:
            client.send(self._position(held))
        if wanted.updates == held.account:
            client.send(self._portfolio_value(held))
        for request_id, accounts in wanted.positions_multi.items():
            if held.account in accounts:
                client.send(self._position_multi(request_id, held))

    def _values_changed(self, client: Client, wanted: AccountSubscriptions, report: AccountReport) -> None:
        if wanted.updates == report.account:
            self._send_values(client, report)
        for request_id, accounts in wanted.multi.items():
            if report.account in accounts:
                self._send_multi(client, request_id, report)
        for request_id, (named, accounts) in wanted.summaries.items():
            if report.account in accounts:
                self._send_summary(client, request_id, named, (report.account,))

    def _position(self, held: PositionReport) -> bytes:
        return replies.position(held, self._exchange.instrument(held.symbol))

    def _position_multi(self, request_id: int, held: PositionReport) -> bytes:
        return replies.position_multi(request_id, held, self._exchange.instrument(held.symbol))

    def _portfolio_value(self, held: PositionReport) -> bytes:
        return replies.portfolio_value(held, self._exchange.instrument(held.symbol))

    # Requests

    def handle(self, client: Client, request: AccountRequest) -> None:
        """Answers one request."""
        _, wanted = self._subscriptions[client.client_id]
        match request:
            case PositionsRequest():
                wanted.positions = True
                client.send(*(self._position(held) for held in self._exchange.positions()), replies.positions_end())
            case StopPositionsRequest():
                wanted.positions = False
            case PositionsMultiRequest(request_id, account, model):
                if accounts := self._accounts_for(client, request_id, account, model):
                    wanted.positions_multi[request_id] = accounts
                    for name in accounts:
                        held = self._exchange.positions(name)
                        client.send(*(self._position_multi(request_id, each) for each in held))
                    client.send(replies.position_multi_end(request_id))
            case StopPositionsMultiRequest(request_id):
                wanted.positions_multi.pop(request_id, None)
            case AccountUpdatesRequest(subscribe, account):
                self._subscribe(client, wanted, subscribe, account)
            case AccountUpdatesMultiRequest(request_id, account, model):
                if accounts := self._accounts_for(client, request_id, account, model):
                    wanted.multi[request_id] = accounts
                    for name in accounts:
                        self._send_multi(client, request_id, self._exchange.account_report(name))
                    client.send(replies.account_update_multi_end(request_id))
            case StopAccountUpdatesMultiRequest(request_id):
                wanted.multi.pop(request_id, None)
            case AccountSummaryRequest():
                self._summarize(client, wanted, request)
            case StopAccountSummaryRequest(request_id):
                wanted.summaries.pop(request_id, None)
            case ProfitRequest(request_id, account, model):
                if self._accounts_for(client, request_id, account, model):
                    self._watch(client, wanted, request_id, _ProfitSubscription(account or self._first, None))
            case ProfitSingleRequest(request_id, account, model, contract):
                if self._accounts_for(client, request_id, account, model):
                    symbol = next(
                        (name for name, each in self._exchange.instruments.items() if each.con_id == contract), None
                    )
                    if symbol is None:
                        client.send_error(request_id, *errors.NO_CONTRACT)
                    else:
                        self._watch(client, wanted, request_id, _ProfitSubscription(account or self._first, symbol))
            case StopProfitRequest(request_id) | StopProfitSingleRequest(request_id):
                wanted.profits.pop(request_id, None)
            case _:
                assert_never(request)

    @property
    def _first(self) -> str:
        return self._exchange.accounts[0]

    def _accounts_for(self, client: Client, request_id: int, account: str, model: str) -> tuple[str, ...]:
        """The accounts of that name; all of them if it is empty. Empty, with an error to the client, if unknown."""
        if model:
            client.send_error(request_id, *errors.INVALID.about(f"Invalid model code '{model}'."))
            return ()
        if account in ("", "All"):
            return self._exchange.accounts
        if account in self._exchange.accounts:
            return (account,)
        client.send_error(request_id, *errors.INVALID.about(f"Invalid account code '{account}'."))
        return ()

    # Values

    def _subscribe(self, client: Client, wanted: AccountSubscriptions, subscribe: bool, account: str) -> None:
        if not self._accounts_for(client, -1, account, ""):
            return
        name = account if account in self._exchange.accounts else self._first
        wanted.updates = name if subscribe else None
        if subscribe:
            self._send_account(client, name)
            client.send(replies.account_download_end(name))

    def _summarize(self, client: Client, wanted: AccountSubscriptions, request: AccountSummaryRequest) -> None:
        request_id = request.request_id
        if request_id not in wanted.summaries and len(wanted.summaries) >= MAX_SUMMARIES:
            client.send_error(request_id, *errors.TOO_MANY_SUMMARIES)
        elif accounts := self._accounts_for(client, request_id, request.group, ""):
            named = _SummaryTags.of(request.tags)
            wanted.summaries[request_id] = (named, accounts)
            self._send_summary(client, request_id, named, accounts)
            client.send(replies.account_summary_end(request_id))

    def _send_account(self, client: Client, account: str) -> None:
        """Portfolio and values of one account."""
        client.send(*(self._portfolio_value(held) for held in self._exchange.positions(account)))
        self._send_values(client, self._exchange.account_report(account))

    def _send_values(self, client: Client, report: AccountReport) -> None:
        for key, value, currency in rows(report):
            client.send(replies.account_value(key, value, currency, report.account))
        client.send(replies.account_time(self._exchange.now_ns))

    def _send_multi(self, client: Client, request_id: int, report: AccountReport) -> None:
        for key, value, currency in rows(report):
            client.send(replies.account_update_multi(request_id, key, value, currency, report.account))

    def _send_summary(self, client: Client, request_id: int, named: _SummaryTags, accounts: Iterable[str]) -> None:
        for account in accounts:
            # In the order of the alphabet, in cents, as recorded.
            for key, value, currency in sorted(rows(self._exchange.account_report(account)), key=lambda row: row[0]):
                if named.wants(key, currency):
                    shown = f"{value:.2f}" if isinstance(value, float) and key != "ExchangeRate" else value
                    client.send(replies.account_summary(request_id, key, shown, currency, account))

    # Profit

    def _watch(
        self, client: Client, wanted: AccountSubscriptions, request_id: int, watched: _ProfitSubscription
    ) -> None:
        if request_id in wanted.profits:
            client.send_error(request_id, *errors.DUPLICATE_TICKER)
            return
        wanted.profits[request_id] = watched
        self._send_profit(client, request_id, watched)

    def _send_profit(self, client: Client, request_id: int, watched: _ProfitSubscription) -> None:
        """Send the profit, unless it equals the last one sent."""
        account, symbol = watched.account, watched.symbol
        profit = self._exchange.pnl(account) if symbol is None else self._exchange.pnl_single(account, symbol)
        if profit == watched.profit:
            return
        watched.profit = profit
        profits = (profit.daily, profit.unrealized, profit.realized)
        if symbol is None:
            client.send(replies.profit(request_id, *profits))
        else:
            client.send(replies.profit_single(request_id, profit.quantity, *profits, profit.value))
