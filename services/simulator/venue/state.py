"""The state of the simulated exchange: orders, tapes, accounts, executions, the calendar, the time.

All parts of the exchange work on it: `lifecycle.py` changes the status of orders, `matching_engine.py` fills them,
`exchange_actions.py` halts and splits, `broker_actions.py` acts for the broker, `view.py` reads. They append to
`reports` in the order in which a real gateway would send them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.configuration.broker_policy import Policy
from services.simulator.venue.account import Account
from services.simulator.venue.events import EventKey
from services.simulator.venue.executions import Executions
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.instruments import InstrumentTerms, stock
from services.simulator.venue.order_book import OrderBook
from services.simulator.venue.reports import Report
from services.simulator.venue.source import SessionCalendar
from services.simulator.venue.tape import Tape

__all__ = ["ExchangeState"]


class ExchangeState:
    """The state of one exchange. `market_key` is the last market event that happened."""

    def __init__(self, accounts: Sequence[AccountTerms], symbols: Iterable[str], policy: Policy, now_ns: int) -> None:
        self.policy = policy
        self.now_ns = now_ns
        self.logged_in = False
        self.last_login_ns = 0
        """When a client was connected last; 0: never, or unknown."""
        self.market_key: EventKey = (now_ns, "", -1)
        self.calendar = SessionCalendar(())
        self.orders = OrderBook(day_orders_linger_ns=round(policy.day_orders_linger_s * 1e9))
        self.instruments: dict[str, InstrumentTerms] = {}
        """Every contract that the broker knows, by name."""
        self.others: dict[str, InstrumentTerms] = {}
        """Those that aren't listed stocks under their own symbols."""
        self.tapes: dict[str, Tape] = {}
        daily = policy.realized_pnl_resets_daily
        self.accounts = {terms.account: Account(terms, self.tapes, daily_profit=daily) for terms in accounts}
        self.executions = Executions()
        self.reports: list[Report] = []
        self.touched_tapes: set[str] = set()
        self.touched_holdings: set[tuple[str, str]] = set()
        """Changes that are not saved yet: tapes by symbol, holdings by account and symbol."""
        self.list_symbols(symbols)

    @property
    def today(self) -> str:
        """The date of the session whose pre-market began last."""
        return self.calendar.date(self.now_ns)

    @property
    def away_ns(self) -> int:
        """How long no client has been connected; 0 if that is unknown."""
        return 0 if self.logged_in or not self.last_login_ns else self.now_ns - self.last_login_ns

    def instrument(self, name: str) -> InstrumentTerms:
        """The contract that a name stands for: that of the listed stock, unless it is another one."""
        return self.instruments.get(name) or stock(name)

    def list_symbols(self, symbols: Iterable[str]) -> None:
        """Give each new symbol a contract and a tape."""
        for symbol in symbols:
            self.instruments.setdefault(symbol, stock(symbol))
            self.tapes.setdefault(symbol, Tape(symbol=symbol))

    def set_instrument(self, name: str, contract: InstrumentTerms) -> None:
        """What a name stands for from now on. A new name has a tape on which nothing happens."""
        self.instruments[name] = self.others[name] = contract
        self.tapes.setdefault(name, Tape(symbol=name))

    def add_account(self, name: str) -> None:
        """The login has this account too from now on, without money."""
        if name not in self.accounts:
            terms = AccountTerms(account=name, cash=0.0)
            self.accounts[name] = Account(terms, self.tapes, daily_profit=self.policy.realized_pnl_resets_daily)

    def set_calendar(self, calendar: SessionCalendar) -> None:
        """Set the calendar."""
        self.calendar = calendar
        self.orders.set_calendar(calendar)

    def take_reports(self) -> list[Report]:
        """The reports since the last call."""
        reports = self.reports.copy()
        self.reports.clear()
        return reports
