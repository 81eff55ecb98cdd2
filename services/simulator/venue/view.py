"""The read-only view of an exchange: its market, orders, executions, accounts. Pure.

Handlers that change nothing (accounts, market data) get only this view.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

from messages.market import Session
from services.configuration.broker_policy import Policy
from services.simulator.venue.adjustments import Adjustments
from services.simulator.venue.events import EventKey
from services.simulator.venue.instruments import InstrumentTerms
from services.simulator.venue.memory import completed_orders_since_ns, executions_since_ns, midnight_ns
from services.simulator.venue.orders import Execution, Order
from services.simulator.venue.reports import AccountReport, CommissionReport, PnlReport, PositionReport, QuoteReport
from services.simulator.venue.source import MarketSource
from services.simulator.venue.state import ExchangeState
from services.simulator.venue.tape import quote_of

__all__ = ["ExchangeView"]


class ExchangeView:
    """A read-only exchange. `source` is the source of its market."""

    def __init__(self, state: ExchangeState, source: MarketSource) -> None:
        self.source = source
        self._state = state

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts of the login."""
        return tuple(self._state.accounts)

    # The market

    @property
    def policy(self) -> Policy:
        """The broker's switches."""
        return self._state.policy

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols that are traded."""
        return self.source.symbols

    @property
    def instruments(self) -> Mapping[str, InstrumentTerms]:
        """Every contract that the broker knows, by name; more may be added later."""
        return self._state.instruments

    def instrument(self, name: str) -> InstrumentTerms:
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

    def completed_orders_told(self) -> list[Order]:
        """The completed orders that the broker tells now, by perm_id."""
        since_ns = completed_orders_since_ns(self.policy.completed_orders_told, self.now_ns)
        return [] if since_ns is None else [each for each in self.completed_orders() if each.completed_ns >= since_ns]

    def completed_orders_today(self) -> list[Order]:
        """The orders that were done since midnight in New York, by perm_id."""
        since_ns = midnight_ns(self.now_ns)
        return [order for order in self.completed_orders() if order.completed_ns >= since_ns]

    def next_order_id(self, client_id: int) -> int:
        """One more than the highest id that this client ever used, also for refused orders and before a restart."""
        return self._state.orders.last_order_ids.get(client_id, 0) + 1

    def executions(self) -> list[Execution]:
        """Every execution in its last version, oldest first; a correction counts as new."""
        return self._state.executions.all()

    def executions_told(self) -> list[Execution]:
        """The executions that the broker tells now, oldest first."""
        since_ns = executions_since_ns(self.policy.executions_told, self.now_ns)
        return [each for each in self.executions() if each.time_ns >= since_ns]

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
