"""All that the simulated broker has on paper: orders, tapes, accounts, executions, the calendar, and what time it is.

The parts of the exchange work on the same books, each in its own way: `lifecycle.py` moves orders on, `floor.py` lets
the market meet them, `world.py` brings halts and splits, `hand.py` what the broker does out of turn, `view.py` reads.
What they have to tell they append to `reports`, in the order in which a real gateway would tell it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.configuration.broker_policy import Policy
from services.simulator.venue.account import Account
from services.simulator.venue.events import EventKey
from services.simulator.venue.executions import Executions
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.order_book import OrderBook
from services.simulator.venue.reports import Report
from services.simulator.venue.source import Hours
from services.simulator.venue.tape import Tape

__all__ = ["Books"]


class Books:
    """The books of one broker. `market_key` is the last market event that happened: what is beyond is the future."""

    def __init__(self, accounts: Sequence[AccountTerms], symbols: Iterable[str], policy: Policy, now_ns: int) -> None:
        self.policy = policy
        self.now_ns = now_ns
        self.logged_in = False
        self.last_login_ns = 0
        """When somebody was logged in last, as far as that is told; 0: never."""
        self.market_key: EventKey = (now_ns, "", -1)
        self.hours = Hours(())
        self.orders = OrderBook(day_orders_linger_ns=round(policy.day_orders_linger_s * 1e9))
        self.tapes: dict[str, Tape] = {}
        daily = policy.realized_pnl_resets_daily
        self.accounts = {terms.account: Account(terms, self.tapes, daily_profit=daily) for terms in accounts}
        self.executions = Executions()
        self.reports: list[Report] = []
        self.touched_tapes: set[str] = set()
        self.touched_holdings: set[tuple[str, str]] = set()
        """What changed since it was last kept: tapes by symbol, holdings by account and symbol."""
        self.list_symbols(symbols)

    @property
    def today(self) -> str:
        """The date of the session whose pre-market began last."""
        return self.hours.date(self.now_ns)

    @property
    def away_ns(self) -> int:
        """How long nobody has been logged in; 0 where nobody ever says whether anybody is."""
        return 0 if self.logged_in or not self.last_login_ns else self.now_ns - self.last_login_ns

    def list_symbols(self, symbols: Iterable[str]) -> None:
        """Each symbol has a tape; those that are there go on."""
        for symbol in symbols:
            self.tapes.setdefault(symbol, Tape(symbol=symbol))

    def set_hours(self, hours: Hours) -> None:
        """The calendar as known now."""
        self.hours = hours
        self.orders.set_hours(hours)

    def take_reports(self) -> list[Report]:
        """What is to be told, once."""
        reports = self.reports.copy()
        self.reports.clear()
        return reports
