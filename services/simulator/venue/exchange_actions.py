"""What happens to a market without anybody's order: halts, splits, dividends, executions corrected or taken back. Pure.

What a split does to tapes and orders stands in `corporate.py`, what any of it does to money and shares in `account.py`;
here it is brought about and told, into the exchange's list of reports.
"""

from __future__ import annotations

import copy
import math

import msgspec

from messages.market import Session
from services.simulator.venue import corporate_actions, price_bands
from services.simulator.venue.account import Account
from services.simulator.venue.events import EventKey, MarketEvent
from services.simulator.venue.executions import corrected_id
from services.simulator.venue.lifecycle import Lifecycle
from services.simulator.venue.orders import Execution, Order, Side
from services.simulator.venue.reports import CommissionReport, ExecutionReport, StatusReport
from services.simulator.venue.state import Books
from services.simulator.venue.tape import quote_of
from services.trading.shares import exact

__all__ = ["World"]


class World:
    """The world around one exchange, on its books."""

    def __init__(self, books: Books, life: Lifecycle) -> None:
        self._books = books
        self._life = life

    def act(self, event: MarketEvent) -> None:
        """A market event that is no trade."""
        match event.action:
            case "halt" | "resume":
                self.set_halted(event.symbol, halted=event.action == "halt")
            case "split":
                self.split(event.symbol, event.value, rescale=False)
            case _:
                self.dividend(event.symbol, event.value)

    def lets_through(self, event: MarketEvent, session: Session | None) -> bool:
        """Whether this trade or quote happens. A halted stock's don't; one beyond the price band halts its stock."""
        tape = self._books.tapes[event.symbol]
        if tape.halted:
            if not tape.halted_until_ns or event.time_ns < tape.halted_until_ns:
                return False
            self.set_halted(event.symbol, halted=False, at=_just_before(event))
        if self._books.policy.limit_up_limit_down and session is not None:
            if price_bands.breaks_band(event, tape, session):
                self.set_halted(
                    event.symbol, halted=True, until_ns=event.time_ns + price_bands.PAUSE_NS, at=_just_before(event)
                )
                return False
            price_bands.remember_trade(tape, event)
        return True

    def set_halted(self, symbol: str, *, halted: bool, until_ns: int = 0, at: EventKey | None = None) -> None:
        """The stock stops trading, until this time or until further notice; or it trades again.

        `at` is the last market event before that; default: the last one that there was.
        """
        tape = self._books.tapes[symbol]
        at = self._books.market_key if at is None else at
        tape.past = tape.past.halted(at) if halted else tape.past.resumed(at)
        tape.halted, tape.halted_until_ns, tape.gap = halted, until_ns, True
        tape.recent = []
        self._books.touched_tapes.add(symbol)
        self._books.reports.append(quote_of(tape))

    def split(self, symbol: str, ratio: float, *, rescale: bool) -> None:
        """See `Exchange.split`."""
        if not 0 < ratio < math.inf:
            raise ValueError(f"a split of {ratio} new shares for one; give a positive number")
        tape = self._books.tapes[symbol]
        corporate_actions.split_tape(tape, ratio, rescale=rescale)
        tape.past = tape.past.split(self._books.market_key, ratio, rescale=rescale)
        self._books.touched_tapes.add(symbol)
        for account in self._holders(symbol):
            account.split(symbol, ratio, tape.last, self._books.today)
        corporate_actions.split_orders(symbol, ratio, self._books.orders, self._life, self._books.policy)
        self._books.reports.append(quote_of(tape))
        self._tell_holders(symbol)

    def dividend(self, symbol: str, usd: float) -> None:
        """So many dollars a share, for what is held now."""
        tape = self._books.tapes[symbol]
        tape.past = tape.past.dividend(self._books.market_key, usd, tape.last)
        self._books.touched_tapes.add(symbol)
        for account in self._holders(symbol):
            account.dividend(symbol, usd, self._books.today)
        if self._books.policy.gtc_stop_reduced_by_dividend:
            corporate_actions.reduce_by_dividend(symbol, usd, self._books.orders, self._life, self._books.policy)
        self._tell_holders(symbol)

    def correct(self, exec_id: str, price: float) -> None:
        """This execution was at another price. KeyError if it isn't the last word on one."""
        old, charge = self._books.executions.last_word(exec_id)
        order = self._order_of(old)
        account, closed = self._books.accounts[old.account], charge.realized_pnl is not None
        change = account.correct(old, price, closed=closed, today=self._books.today)
        order.avg_price = round(order.avg_price + old.quantity * (price - old.price) / order.filled, 8)
        order.last_fill_price = price
        realized = None if charge.realized_pnl is None else charge.realized_pnl + change
        new = msgspec.structs.replace(old, exec_id=corrected_id(exec_id), price=price, avg_price=order.avg_price)
        self._tell_corrected(order, new, msgspec.structs.replace(charge, realized_pnl=realized))

    def bust(self, exec_id: str) -> None:
        """This execution never was: a correction to no shares at all. KeyError as above.

        The order keeps its status; what it no longer has is not filled again.
        """
        old, charge = self._books.executions.last_word(exec_id)
        order = self._order_of(old)
        back: Side = "SELL" if old.side == "BUY" else "BUY"
        account = self._books.accounts[old.account]
        fee = account.fee_in_dollars(charge.commission, charge.currency)
        account.trade(old.symbol, back, old.quantity, old.price, -fee, self._books.today)
        order.filled = exact(order.filled - old.quantity)
        order.commission = round(order.commission - fee, 6)
        new = msgspec.structs.replace(
            old, exec_id=corrected_id(exec_id), quantity=0.0, price=0.0, cum_quantity=order.filled
        )
        self._tell_corrected(order, new, msgspec.structs.replace(charge, commission=0.0, realized_pnl=None))

    def _order_of(self, execution: Execution) -> Order:
        order = self._books.orders.by_perm_id(execution.perm_id)
        assert order is not None, "an execution has its order"
        return order

    def _tell_corrected(self, order: Order, execution: Execution, charge: CommissionReport) -> None:
        """The execution and its commission under the new id, the order's new average, the account."""
        charge = msgspec.structs.replace(charge, exec_id=execution.exec_id)
        self._books.executions.keep(execution, charge)
        self._books.orders.changed(order)
        account = self._books.accounts[execution.account]
        self._books.touched_holdings.add((execution.account, execution.symbol))
        self._books.reports += [
            ExecutionReport(execution),
            StatusReport(copy.copy(order)),
            charge,
            account.position(execution.symbol, self._books.today),
            account.report(self._books.today),
        ]

    def _tell_holders(self, symbol: str) -> None:
        """Positions and accounts of all who hold, or held, a symbol."""
        for account in self._holders(symbol):
            self._books.touched_holdings.add((account.name, symbol))
            self._books.reports += [account.position(symbol, self._books.today), account.report(self._books.today)]

    def _holders(self, symbol: str) -> list[Account]:
        return [account for account in self._books.accounts.values() if symbol in account.holdings]


def _just_before(event: MarketEvent) -> EventKey:
    """The place before an event: nothing of its symbol lies between."""
    return (event.time_ns, event.symbol, event.row - 1)
