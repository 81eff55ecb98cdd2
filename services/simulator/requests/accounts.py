"""The accounts of the login, as clients see them: values, summaries, positions, profit.

Every subscription is told everything at once, and again what changes. A login may have several accounts: a client that
names none means the first, or all of them where the broker says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

import msgspec

from services.simulator.requests.client import Client
from services.simulator.venue.reports import AccountReport, PnlReport, PositionReport, QuoteReport
from services.simulator.venue.statement import BASE, LEDGER, rows
from services.simulator.venue.view import View
from services.simulator.wire import complaints, replies
from services.simulator.wire.contracts import contract_id
from services.simulator.wire.requests import (
    AccountRequest,
    AccountSummary,
    AccountUpdates,
    AccountUpdatesMulti,
    Positions,
    PositionsMulti,
    Profit,
    ProfitSingle,
    StopAccountSummary,
    StopAccountUpdatesMulti,
    StopPositions,
    StopPositionsMulti,
    StopProfit,
    StopProfitSingle,
)

__all__ = ["AccountDesk"]

MAX_SUMMARIES = 2
"""Summaries that one client may have at once: IBKR's figure."""

_NS = 1_000_000_000


class Subscriptions(msgspec.Struct):
    """What one client hears of the accounts, by request id where it has one."""

    updates: str | None = None
    """The account of `reqAccountUpdates`: one at a time."""
    multi: dict[int, tuple[str, ...]] = msgspec.field(default_factory=dict)
    summaries: dict[int, tuple[_Named, tuple[str, ...]]] = msgspec.field(default_factory=dict)
    positions: bool = False
    positions_multi: dict[int, tuple[str, ...]] = msgspec.field(default_factory=dict)
    profits: dict[int, _Watched] = msgspec.field(default_factory=dict)


class _Named(msgspec.Struct, frozen=True):
    """What a summary names: tags of the whole account ('All': every one), and the currencies whose ledger it wants.

    `$LEDGER` is that of the base currency, `$LEDGER:EUR` of one, `$LEDGER:ALL` of each (IBKR's documentation).
    """

    tags: frozenset[str]
    ledgers: frozenset[str]

    @classmethod
    def of(cls, tags: Iterable[str]) -> _Named:
        named = set(tags)
        ledgers = {tag for tag in named if tag.startswith("$LEDGER")}
        wanted = (tag.partition(":")[2] or BASE for tag in ledgers)
        return cls(frozenset(named - ledgers), frozenset(wanted))

    def wants(self, key: str, currency: str) -> bool:
        """Whether this value is one of them."""
        if key in LEDGER or key == "Currency":
            return bool(self.ledgers & {currency, "ALL"}) or key in self.tags
        return key in self.tags or "All" in self.tags


class _Watched(msgspec.Struct):
    """Whose profit is watched: an account's, or that of one of its symbols; and what was told last."""

    account: str
    symbol: str | None
    told: PnlReport | None = None


class AccountDesk:
    """Answers requests about accounts.

    How often values are told that nothing but prices changed is the policy's `account_told_every_s`.
    """

    def __init__(self, exchange: View) -> None:
        self._exchange = exchange
        self._refresh_ns = round(exchange.policy.account_told_every_s * _NS)
        self._refreshed_ns = exchange.now_ns
        self._subscriptions: dict[int, tuple[Client, Subscriptions]] = {}
        self._moved: set[str] = set()
        self._looked_ns = 0

    # What happens

    def welcome(self, client: Client) -> None:
        """A client came."""
        self._subscriptions[client.client_id] = (client, Subscriptions())

    def leave(self, client: Client) -> None:
        """The client is gone."""
        self._subscriptions.pop(client.client_id, None)

    def hear(self, report: PositionReport | AccountReport | QuoteReport) -> None:
        """Something about the accounts, or a price, changed."""
        match report:
            case QuoteReport():
                self._moved.add(report.symbol)
            case PositionReport():
                self._moved.add(report.symbol)
                for client, wanted in self._subscriptions.values():
                    self._position_changed(client, wanted, report)
            case AccountReport():
                for client, wanted in self._subscriptions.values():
                    self._values_changed(client, wanted, report)

    def pass_time(self) -> None:
        """Everything until now was heard: profits are told once a second, account values now and then."""
        now_ns = self._exchange.now_ns
        if self._moved and now_ns - self._looked_ns >= _NS:
            for client, wanted in self._subscriptions.values():
                for request_id, watched in wanted.profits.items():
                    if watched.symbol is None or watched.symbol in self._moved:
                        self._say_profit(client, request_id, watched)
            self._moved.clear()
            self._looked_ns = now_ns
        if self._refresh_ns and now_ns - self._refreshed_ns >= self._refresh_ns:
            self._refreshed_ns = now_ns
            for client, wanted in self._subscriptions.values():
                if wanted.updates is not None:
                    self._say_account(client, wanted.updates)
                for request_id, (named, accounts) in wanted.summaries.items():
                    self._say_summary(client, request_id, named, accounts)

    def _position_changed(self, client: Client, wanted: Subscriptions, held: PositionReport) -> None:
        if wanted.positions:
            client.say(replies.position(held))
        if wanted.updates == held.account:
            client.say(replies.portfolio_value(held))
        for request_id, accounts in wanted.positions_multi.items():
            if held.account in accounts:
                client.say(replies.position_multi(request_id, held))

    def _values_changed(self, client: Client, wanted: Subscriptions, report: AccountReport) -> None:
        if wanted.updates == report.account:
            self._say_values(client, report)
        for request_id, accounts in wanted.multi.items():
            if report.account in accounts:
                self._say_multi(client, request_id, report)
        for request_id, (named, accounts) in wanted.summaries.items():
            if report.account in accounts:
                self._say_summary(client, request_id, named, (report.account,))

    # What is asked for

    def handle(self, client: Client, request: AccountRequest) -> None:
        """Answers one request."""
        _, wanted = self._subscriptions[client.client_id]
        match request:
            case Positions():
                wanted.positions = True
                client.say(*(replies.position(held) for held in self._exchange.positions()), replies.positions_end())
            case StopPositions():
                wanted.positions = False
            case PositionsMulti(request_id, account, model):
                if accounts := self._meant(client, request_id, account, model):
                    wanted.positions_multi[request_id] = accounts
                    for name in accounts:
                        held = self._exchange.positions(name)
                        client.say(*(replies.position_multi(request_id, each) for each in held))
                    client.say(replies.position_multi_end(request_id))
            case StopPositionsMulti(request_id):
                wanted.positions_multi.pop(request_id, None)
            case AccountUpdates(subscribe, account):
                self._subscribe(client, wanted, subscribe, account)
            case AccountUpdatesMulti(request_id, account, model):
                if accounts := self._meant(client, request_id, account, model):
                    wanted.multi[request_id] = accounts
                    for name in accounts:
                        self._say_multi(client, request_id, self._exchange.account_report(name))
                    client.say(replies.account_update_multi_end(request_id))
            case StopAccountUpdatesMulti(request_id):
                wanted.multi.pop(request_id, None)
            case AccountSummary():
                self._summarize(client, wanted, request)
            case StopAccountSummary(request_id):
                wanted.summaries.pop(request_id, None)
            case Profit(request_id, account, model):
                if self._meant(client, request_id, account, model):
                    self._watch(client, wanted, request_id, _Watched(account or self._first, None))
            case ProfitSingle(request_id, account, model, contract):
                if self._meant(client, request_id, account, model):
                    symbol = next((each for each in self._exchange.symbols if contract_id(each) == contract), None)
                    if symbol is None:
                        client.complain(request_id, *complaints.NO_CONTRACT)
                    else:
                        self._watch(client, wanted, request_id, _Watched(account or self._first, symbol))
            case StopProfit(request_id) | StopProfitSingle(request_id):
                wanted.profits.pop(request_id, None)
            case _:
                assert_never(request)

    @property
    def _first(self) -> str:
        return self._exchange.accounts[0]

    def _meant(self, client: Client, request_id: int, account: str, model: str) -> tuple[str, ...]:
        """The accounts of that name; all of them without one. None, which is told, if there is none."""
        if model:
            client.complain(request_id, *complaints.INVALID.about(f"Invalid model code '{model}'."))
            return ()
        if account in ("", "All"):
            return self._exchange.accounts
        if account in self._exchange.accounts:
            return (account,)
        client.complain(request_id, *complaints.INVALID.about(f"Invalid account code '{account}'."))
        return ()

    # Values

    def _subscribe(self, client: Client, wanted: Subscriptions, subscribe: bool, account: str) -> None:
        if not self._meant(client, -1, account, ""):
            return
        name = account if account in self._exchange.accounts else self._first
        wanted.updates = name if subscribe else None
        if subscribe:
            self._say_account(client, name)
            client.say(replies.account_download_end(name))

    def _summarize(self, client: Client, wanted: Subscriptions, request: AccountSummary) -> None:
        request_id = request.request_id
        if request_id not in wanted.summaries and len(wanted.summaries) >= MAX_SUMMARIES:
            client.complain(request_id, *complaints.TOO_MANY_SUMMARIES)
        elif accounts := self._meant(client, request_id, request.group, ""):
            named = _Named.of(request.tags)
            wanted.summaries[request_id] = (named, accounts)
            self._say_summary(client, request_id, named, accounts)
            client.say(replies.account_summary_end(request_id))

    def _say_account(self, client: Client, account: str) -> None:
        """Portfolio and values of one account."""
        client.say(*(replies.portfolio_value(held) for held in self._exchange.positions(account)))
        self._say_values(client, self._exchange.account_report(account))

    def _say_values(self, client: Client, report: AccountReport) -> None:
        for key, value, currency in rows(report):
            client.say(replies.account_value(key, value, currency, report.account))
        client.say(replies.account_time(self._exchange.now_ns))

    def _say_multi(self, client: Client, request_id: int, report: AccountReport) -> None:
        for key, value, currency in rows(report):
            client.say(replies.account_update_multi(request_id, key, value, currency, report.account))

    def _say_summary(self, client: Client, request_id: int, named: _Named, accounts: Iterable[str]) -> None:
        for account in accounts:
            for key, value, currency in rows(self._exchange.account_report(account)):
                if named.wants(key, currency):
                    client.say(replies.account_summary(request_id, key, value, currency, account))

    # Profit

    def _watch(self, client: Client, wanted: Subscriptions, request_id: int, watched: _Watched) -> None:
        if request_id in wanted.profits:
            client.complain(request_id, *complaints.DUPLICATE_TICKER)
            return
        wanted.profits[request_id] = watched
        self._say_profit(client, request_id, watched)

    def _say_profit(self, client: Client, request_id: int, watched: _Watched) -> None:
        """The profit, unless it is the one that was told last."""
        account, symbol = watched.account, watched.symbol
        told = self._exchange.pnl(account) if symbol is None else self._exchange.pnl_single(account, symbol)
        if told == watched.told:
            return
        watched.told = told
        profits = (told.daily, told.unrealized, told.realized)
        if symbol is None:
            client.say(replies.profit(request_id, *profits))
        else:
            client.say(replies.profit_single(request_id, told.quantity, *profits, told.value))
