"""The read-only view of an exchange: its market, orders, executions, accounts. Pure.

Handlers that change nothing (accounts, market data) get only this view.
"""

from __future__ import annotations

import copy

from messages.market import Session
from services.configuration.broker_policy import Policy
from services.simulator.venue.adjustments import Adjustments
from services.simulator.venue.events import EventKey
from services.simulator.venue.instruments import Instrument
from services.simulator.venue.orders import Execution, Order
from services.simulator.venue.reports import AccountReport, CommissionReport, PnlReport, PositionReport, QuoteReport
from services.simulator.venue.source import MarketSource
from services.simulator.venue.state import ExchangeState
from services.simulator.venue.tape import quote_of

__all__ = ["ExchangeView"]


class ExchangeView:
    """A read-only exchange. `accounts` has the names of its accounts, `source` is the source of its market."""

    def __init__(self, state: ExchangeState, source: MarketSource) -> None:
        self.source = source
        self.accounts = tuple(state.accounts)
        self._state = state

    # The market

    @property
    def policy(self) -> Policy:
        """The broker's switches."""
        return self._state.policy

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols that are traded."""
        return self.source.symbols

    def instrument(self, name: str) -> Instrument:
        """The contract that this name of the exchange stands for now."""
        return self._state.instrument(name)

    @property
    def now_ns(self) -> int:
        """The market's time."""
        return self._state.now_ns

    @property
    def today(self) -> str:
        """The date of the session whose pre-market began last."""
        return self._state.today

    @property
    def market_key(self) -> EventKey:
        """The last market event that happened."""
        return self._state.market_key

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The calendar as known now, in order."""
        return self._state.calendar.sessions

    def quote(self, symbol: str) -> QuoteReport | None:
        """The symbol's market as of its last event, None for a symbol that the source does not have."""
        tape = self._state.tapes.get(symbol)
        return None if tape is None else quote_of(tape)

    def adjustments(self, symbol: str) -> Adjustments:
        """The halts, splits and dividends of a symbol."""
        tape = self._state.tapes.get(symbol)
        return Adjustments() if tape is None else tape.adjustments

    # Orders: copies, which don't change later

    def find(self, client_id: int, order_id: int) -> Order | None:
        """The order of this client and id."""
        return copy.copy(self._state.orders.find(client_id, order_id))

    def orders(self) -> list[Order]:
        """All orders, by perm_id."""
        return [copy.copy(order) for order in self._state.orders.all()]

    def open_orders(self) -> list[Order]:
        """Orders that are transmitted and not done, by perm_id."""
        return [copy.copy(order) for order in self._state.orders.working()]

    def completed_orders(self) -> list[Order]:
        """Orders that are done, by perm_id."""
        return [copy.copy(order) for order in self._state.orders.all() if order.done]

    def next_order_id(self, client_id: int) -> int:
        """One more than the highest id that this client ever used, also for refused orders and before a restart."""
        return self._state.orders.last_order_ids.get(client_id, 0) + 1

    def executions(self) -> list[Execution]:
        """Every execution in its last version, oldest first; a correction counts as new."""
        return self._state.executions.all()

    def commission_of(self, exec_id: str) -> CommissionReport | None:
        """The commission of an execution."""
        return self._state.executions.commission_of(exec_id)

    # Accounts

    def positions(self, account: str | None = None) -> list[PositionReport]:
        """The positions of one account, by symbol; without a name, those of all accounts."""
        names = self.accounts if account is None else (account,)
        return [held for name in names for held in self._state.accounts[name].positions(self.today)]

    def account_report(self, account: str) -> AccountReport:
        """An account's values at the last prices."""
        return self._state.accounts[account].report(self.today)

    def pnl(self, account: str) -> PnlReport:
        """An account's profit: daily, unrealized, realized."""
        return self._state.accounts[account].pnl(self.today)

    def pnl_single(self, account: str, symbol: str) -> PnlReport:
        """An account's profit with one symbol."""
        return self._state.accounts[account].pnl_single(symbol, self.today)
