"""What may be known of an exchange: its market, orders, executions, accounts. Nothing here changes anything. Pure.

Whoever only looks on (the account desk, the data farms) asks for no more than this.
"""

from __future__ import annotations

import copy

from messages.market import Session
from services.configuration.broker_policy import Policy
from services.simulator.venue.adjustments import Past
from services.simulator.venue.events import EventKey
from services.simulator.venue.orders import Execution, Order
from services.simulator.venue.reports import AccountReport, CommissionReport, PnlReport, PositionReport, QuoteReport
from services.simulator.venue.source import MarketSource
from services.simulator.venue.state import Books
from services.simulator.venue.tape import quote_of

__all__ = ["View"]


class View:
    """An exchange as it is seen. `accounts` are the names of its accounts, `source` is where its market comes from."""

    def __init__(self, books: Books, source: MarketSource) -> None:
        self.source = source
        self.accounts = tuple(books.accounts)
        self._books = books

    # The market

    @property
    def policy(self) -> Policy:
        """The broker's switches."""
        return self._books.policy

    @property
    def symbols(self) -> tuple[str, ...]:
        """What is traded."""
        return self.source.symbols

    @property
    def now_ns(self) -> int:
        """The market's time."""
        return self._books.now_ns

    @property
    def today(self) -> str:
        """The date of the session whose pre-market began last."""
        return self._books.today

    @property
    def market_key(self) -> EventKey:
        """The last market event that happened: what is beyond is the future."""
        return self._books.market_key

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The calendar as known now, in order."""
        return self._books.hours.sessions

    def quote(self, symbol: str) -> QuoteReport | None:
        """The symbol's market as of its last event, None for a symbol that the source does not have."""
        tape = self._books.tapes.get(symbol)
        return None if tape is None else quote_of(tape)

    def past(self, symbol: str) -> Past:
        """What happened to a symbol besides trading."""
        tape = self._books.tapes.get(symbol)
        return Past() if tape is None else tape.past

    # Orders: copies, which no later change reaches

    def find(self, client_id: int, order_id: int) -> Order | None:
        """The order that this client calls by this id."""
        return copy.copy(self._books.orders.find(client_id, order_id))

    def orders(self) -> list[Order]:
        """Every order that was ever taken, by perm_id."""
        return [copy.copy(order) for order in self._books.orders.all()]

    def open_orders(self) -> list[Order]:
        """Orders that are transmitted and not done, by perm_id."""
        return [copy.copy(order) for order in self._books.orders.working()]

    def completed_orders(self) -> list[Order]:
        """Orders that are done, by perm_id."""
        return [copy.copy(order) for order in self._books.orders.all() if order.done]

    def next_order_id(self, client_id: int) -> int:
        """One more than the highest id that this client ever used, refused or not; a restart does not change it."""
        return self._books.orders.last_order_ids.get(client_id, 0) + 1

    def executions(self) -> list[Execution]:
        """Every execution in its last version, oldest first; a correction is as young as itself."""
        return self._books.executions.all()

    def commission_of(self, exec_id: str) -> CommissionReport | None:
        """What an execution cost."""
        return self._books.executions.commission_of(exec_id)

    # Accounts

    def positions(self, account: str | None = None) -> list[PositionReport]:
        """What one account holds, by symbol; without a name, what all of them hold, by account."""
        names = self.accounts if account is None else (account,)
        return [held for name in names for held in self._books.accounts[name].positions(self.today)]

    def account_report(self, account: str) -> AccountReport:
        """An account's values at the last prices."""
        return self._books.accounts[account].report(self.today)

    def pnl(self, account: str) -> PnlReport:
        """An account's profit: today's, unrealized, realized."""
        return self._books.accounts[account].pnl(self.today)

    def pnl_single(self, account: str, symbol: str) -> PnlReport:
        """An account's profit with one symbol."""
        return self._books.accounts[account].pnl_single(symbol, self.today)
