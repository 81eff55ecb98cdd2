"""Actions of the exchange: halts, splits, dividends, executions corrected or busted. Pure.

This file carries them out and reports them. `corporate_actions.py` has how a split changes tapes and orders,
`account.py` how an action changes money and shares.
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
from services.simulator.venue.state import ExchangeState
from services.simulator.venue.tape import quote_of
from services.trading.shares import exact

__all__ = ["ExchangeActions"]


class ExchangeActions:
    """The actions of one exchange, on its state."""

    def __init__(self, state: ExchangeState, lifecycle: Lifecycle) -> None:
        self._state = state
        self._lifecycle = lifecycle

    def act(self, event: MarketEvent) -> None:
        """Carry out a market event that is no trade."""
        match event.action:
            case "halt" | "resume":
                self.set_halted(event.symbol, halted=event.action == "halt")
            case "split":
                self.split(event.symbol, event.value, rescale=False)
            case _:
                self.dividend(event.symbol, event.value)

    def allows(self, event: MarketEvent, session: Session | None) -> bool:
        """Whether this trade or quote happens: not during a halt. A trade outside the price band halts its stock."""
        tape = self._state.tapes[event.symbol]
        if tape.halted:
            if not tape.halted_until_ns or event.time_ns < tape.halted_until_ns:
                return False
            self.set_halted(event.symbol, halted=False, at=_just_before(event))
        if self._state.policy.limit_up_limit_down and session is not None:
            if price_bands.breaks_band(event, tape, session):
                self.set_halted(
                    event.symbol, halted=True, until_ns=event.time_ns + price_bands.PAUSE_NS, at=_just_before(event)
                )
                return False
            price_bands.remember_trade(tape, event)
        return True

    def set_halted(self, symbol: str, *, halted: bool, until_ns: int = 0, at: EventKey | None = None) -> None:
        """Halt the stock, until `until_ns` or (0) until it is resumed; or resume it.

        `at` is the last market event before that; default: the last event so far.
        """
        tape = self._state.tapes[symbol]
        at = self._state.market_key if at is None else at
        tape.adjustments = tape.adjustments.halted(at) if halted else tape.adjustments.resumed(at)
        tape.halted, tape.halted_until_ns, tape.gap = halted, until_ns, True
        tape.recent = []
        self._state.touched_tapes.add(symbol)
        self._state.reports.append(quote_of(tape))

    def split(self, symbol: str, ratio: float, *, rescale: bool) -> None:
        """See `Exchange.split`."""
        if not 0 < ratio < math.inf:
            raise ValueError(f"a split of {ratio} new shares for one; give a positive number")
        tape = self._state.tapes[symbol]
        corporate_actions.split_tape(tape, ratio, rescale=rescale)
        tape.adjustments = tape.adjustments.split(self._state.market_key, ratio, rescale=rescale)
        self._state.touched_tapes.add(symbol)
        for account in self._holders(symbol):
            account.split(symbol, ratio, tape.last, self._state.today)
        corporate_actions.split_orders(symbol, ratio, self._state.orders, self._lifecycle, self._state.policy)
        self._state.reports.append(quote_of(tape))
        self._report_holders(symbol)

    def dividend(self, symbol: str, usd: float) -> None:
        """Pay `usd` dollars a share for present positions."""
        tape = self._state.tapes[symbol]
        tape.adjustments = tape.adjustments.dividend(self._state.market_key, usd, tape.last)
        self._state.touched_tapes.add(symbol)
        for account in self._holders(symbol):
            account.dividend(symbol, usd, self._state.today)
        if self._state.policy.gtc_stop_reduced_by_dividend:
            corporate_actions.reduce_by_dividend(symbol, usd, self._state.orders, self._lifecycle, self._state.policy)
        self._report_holders(symbol)

    def transfer(self, name: str, quantity: float, account: str, price: float | None) -> None:
        """Shares come into an account, or leave it, without an order."""
        self._state.add_account(account)
        holder = self._state.accounts[account]
        holder.transfer(name, quantity, price, self._state.today)
        self._state.touched_holdings.add((account, name))
        self._state.reports += [holder.position(name, self._state.today), holder.report(self._state.today)]

    def rename(self, symbol: str, ticker: str) -> None:
        """A stock gets another ticker. Positions are reported under it, from now on also on request."""
        self._state.set_instrument(symbol, msgspec.structs.replace(self._state.instrument(symbol), ticker=ticker))
        self._report_holders(symbol)

    def correct(self, exec_id: str, price: float) -> None:
        """Correct the price of an execution. KeyError unless `exec_id` is the latest version of one."""
        old, charge = self._state.executions.latest(exec_id)
        order = self._order_of(old)
        account, closed = self._state.accounts[old.account], charge.realized_pnl is not None
        change = account.correct(old, price, closed=closed, today=self._state.today)
        order.avg_price = round(order.avg_price + old.quantity * (price - old.price) / order.filled, 8)
        order.last_fill_price = price
        realized = None if charge.realized_pnl is None else charge.realized_pnl + change
        new = msgspec.structs.replace(old, exec_id=corrected_id(exec_id), price=price, avg_price=order.avg_price)
        self._report_correction(order, new, msgspec.structs.replace(charge, realized_pnl=realized))

    def bust(self, exec_id: str) -> None:
        """Bust an execution: a correction to zero shares. KeyError as above.

        An order that is over keeps its status; one that still works has the busted shares open again.
        """
        old, charge = self._state.executions.latest(exec_id)
        order = self._order_of(old)
        back: Side = "SELL" if old.side == "BUY" else "BUY"
        account = self._state.accounts[old.account]
        fee = account.fee_in_dollars(charge.commission, charge.currency)
        account.trade(old.symbol, back, old.quantity, old.price, -fee, self._state.today)
        order.filled = exact(order.filled - old.quantity)
        order.commission = round(order.commission - fee, 6)
        new = msgspec.structs.replace(
            old, exec_id=corrected_id(exec_id), quantity=0.0, price=0.0, cum_quantity=order.filled
        )
        self._report_correction(order, new, msgspec.structs.replace(charge, commission=0.0, realized_pnl=None))

    def _order_of(self, execution: Execution) -> Order:
        order = self._state.orders.by_perm_id(execution.perm_id)
        assert order is not None, "an execution has its order"
        return order

    def _report_correction(self, order: Order, execution: Execution, charge: CommissionReport) -> None:
        """Report the execution and its commission under the new id, the order's new average, the account."""
        charge = msgspec.structs.replace(charge, exec_id=execution.exec_id)
        self._state.executions.keep(execution, charge)
        self._state.orders.changed(order)
        account = self._state.accounts[execution.account]
        self._state.touched_holdings.add((execution.account, execution.symbol))
        self._state.reports += [
            ExecutionReport(execution),
            StatusReport(copy.copy(order)),
            charge,
            account.position(execution.symbol, self._state.today),
            account.report(self._state.today),
        ]

    def _report_holders(self, symbol: str) -> None:
        """Report positions and values of the accounts that hold, or held, a symbol."""
        for account in self._holders(symbol):
            self._state.touched_holdings.add((account.name, symbol))
            self._state.reports += [account.position(symbol, self._state.today), account.report(self._state.today)]

    def _holders(self, symbol: str) -> list[Account]:
        return [account for account in self._state.accounts.values() if symbol in account.holdings]


def _just_before(event: MarketEvent) -> EventKey:
    """The place directly before an event of this symbol."""
    return (event.time_ns, event.symbol, event.row - 1)
