"""The simulated exchange: a market source, an order book, accounts. Pure: no clock, no I/O, no randomness.

Inputs are the time (`advance`) and the requests of clients (`place`, `cancel`). The answers are reports in the order in
which a real gateway would send them. The same tickets at the same times over the same source give the same reports,
in the simulated gateway, in the backtest and in tests.

An order is live from the next market event of its symbol on, never within `place`. At the same time, orders expire
before the market moves. All parts work on the same state (`state.py`). `acceptance.py` refuses invalid orders,
`matching_engine.py` fills orders, `lifecycle.py` changes their status, `view.py` reads without changing anything.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from messages.market import Session
from services.configuration.broker_policy import Policy
from services.simulator.venue import acceptance, margin, triggers
from services.simulator.venue.adjustments import rescaled
from services.simulator.venue.broker_actions import BrokerActions
from services.simulator.venue.exchange_actions import ExchangeActions
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.instruments import InstrumentTerms, contract_id, name_of
from services.simulator.venue.lifecycle import Lifecycle
from services.simulator.venue.liquidity import Liquidity
from services.simulator.venue.matching_engine import MatchingEngine
from services.simulator.venue.orders import Order, Ticket
from services.simulator.venue.persistence import Changes, SavedExchange, restore_state, take_changes
from services.simulator.venue.reports import ErrorReport, OrderReport, Report
from services.simulator.venue.source import MarketSource, SessionCalendar
from services.simulator.venue.state import ExchangeState
from services.simulator.venue.tape import observe, quote_of
from services.simulator.venue.view import ExchangeView

__all__ = ["Exchange"]


class Exchange(ExchangeView):
    """One simulated broker with its accounts. `now_ns` is its time, and only `advance` moves it."""

    def __init__(
        self,
        source: MarketSource,
        sessions: Sequence[Session],
        *,
        accounts: Sequence[AccountTerms],
        start_ns: int,
        policy: Policy | None = None,
        saved: SavedExchange | None = None,
    ) -> None:
        """Start at `start_ns` with each account's first cash; or continue from the state that was `saved`."""
        state = ExchangeState(accounts, source.symbols, policy or Policy(), start_ns)
        super().__init__(state, source)
        self._lifecycle = Lifecycle(state)
        self._matching_engine = MatchingEngine(state, self._lifecycle)
        self._exchange_actions = ExchangeActions(state, self._lifecycle)
        self.broker_actions = BrokerActions(state, self._lifecycle, self._matching_engine)
        self._unlimited = Liquidity()
        if saved is not None:
            restore_state(state, saved)
        self.set_sessions(sessions)

    # Time

    @property
    def source_ended(self) -> bool:
        """No market event is left in the sessions known so far."""
        return self._coming is None

    def set_sessions(self, sessions: Sequence[Session]) -> None:
        """Set the calendar; it may reach further than before."""
        self._sessions = tuple(sessions)
        self._state.set_calendar(SessionCalendar(sessions))
        self._look_ahead()

    def list_symbols(self, source: MarketSource) -> None:
        """Add symbols: `source` is the same market with all of them."""
        self.source = source
        self._state.list_symbols(source.symbols)
        self._look_ahead()

    def _look_ahead(self) -> None:
        self._events = self.source.events(self.market_key, self._sessions)
        self._coming = next(self._events, None)

    def next_event_ns(self) -> int | None:
        """The time of the next market event or expiry of an order. None if there is none."""
        expiry = self._state.orders.next_expiry_ns()
        if self._coming is None:
            return expiry
        return self._coming.time_ns if expiry is None else min(expiry, self._coming.time_ns)

    def advance(self, to_ns: int, *, one: bool = False) -> list[Report]:
        """Process everything that is due by `to_ns`, in the total order.

        With `one`, at most one market event or one round of expiries. Afterwards `now_ns` is the time of that event,
        otherwise `to_ns`.
        """
        while (due := self.next_event_ns()) is not None and due <= to_ns:
            self._pass(due)
            if due == self._state.orders.next_expiry_ns():
                self._lifecycle.expire(due)
            else:
                self._take_event()
            if one:
                return self._state.take_reports()
        self._pass(to_ns)
        return self._state.take_reports()

    def _pass(self, to_ns: int) -> None:
        """Advance the time. On a new day old GTC orders expire and cash settles."""
        before = self.today
        self._state.now_ns = max(self.now_ns, to_ns)
        if (today := self.today) != before:
            self._lifecycle.expire_gtc(today)
            accounts = self._state.accounts.values()
            self._state.reports += [each.report(today) for each in accounts if each.funds.unsettled]  # settled now

    def _take_event(self) -> None:
        """Process the next market event."""
        event = self._coming
        assert event is not None, "advance asked for the next event's time"
        self._coming = next(self._events, None)
        state = self._state
        state.market_key = event.key
        tape = state.tapes[event.symbol]
        if event.action:
            self._exchange_actions.act(event)
            return
        if tape.factor != 1.0:
            event = rescaled(event, tape.factor)
        session = state.calendar.at(event.time_ns)
        if not self._exchange_actions.allows(event, session):
            return
        path = triggers.path_of(
            event,
            tape,
            filter_strays=self.policy.last_filtered_to_quote,
            block_shares=self.policy.block_print_shares,
        )
        observe(tape, event, session)
        state.touched_tapes.add(event.symbol)
        state.reports.append(quote_of(tape, event))
        orders = state.orders.of_symbol(event.symbol)
        if orders and path is not None:
            liquidity = Liquidity(event) if self.policy.partial_fills else self._unlimited
            self._matching_engine.move(orders, path, liquidity, regular=session is not None)

    # Requests of clients

    def place(self, ticket: Ticket) -> list[Report]:
        """Accept a new order, or change the one of the same client and id. Untransmitted orders give no report."""
        orders = self._state.orders
        orders.use_id(ticket.client_id, ticket.order_id)
        known = orders.find(ticket.client_id, ticket.order_id)
        parent = orders.find(ticket.client_id, ticket.parent_id) if ticket.parent_id else None
        error = acceptance.error_for(
            ticket,
            known,
            parent,
            accounts=self.accounts,
            symbols=self.instruments,
            policy=self.policy,
            highest_id=orders.highest_id(ticket.client_id),
            now_ns=self.now_ns,
        )
        if error is not None:
            return [ErrorReport(ticket.client_id, ticket.order_id, *error)]
        account = ticket.account or (self.accounts[0] if known is None else known.ticket.account)
        ticket = msgspec.structs.replace(ticket, account=account)
        if ticket.what_if:
            state = self._state
            asked = margin.preview(ticket, state.accounts[account], state.tapes[ticket.symbol], self.today)
            return [OrderReport(Order(ticket=ticket, perm_id=0, status="PreSubmitted", margin=asked))]
        if known is not None and not known.untransmitted and (objection := self._objection(ticket)):
            return [ErrorReport(ticket.client_id, ticket.order_id, 201, f"Order rejected - reason:{objection}")]
        if known is None:
            order = self._lifecycle.create(ticket, parent)
        else:
            order = known
            self._lifecycle.change(order, ticket)
        if ticket.transmit and order.untransmitted:
            self._transmit(order)
        return self._state.take_reports()

    def _transmit(self, order: Order) -> None:
        """Transmit an order; with a child, its whole family."""
        for member in self._state.orders.untransmitted_family(order):
            if member.done:
                continue  # rejected with its parent
            if self.broker_actions.refuses(member):
                continue
            if objection := self._objection(member.ticket):
                self._lifecycle.reject(member, objection)
            else:
                self._lifecycle.transmit(member)

    def _objection(self, ticket: Ticket) -> str | None:
        state = self._state
        if not self.policy.funds_checked:
            return None
        account, tape = state.accounts[ticket.account], state.tapes[ticket.symbol]
        return margin.objection(ticket, account, tape, state.orders, self.today)

    def cancel(self, client_id: int, order_id: int) -> list[Report]:
        """Cancel an order, the children of an unfilled parent and, by policy, its OCA group."""
        order = self._state.orders.find(client_id, order_id)
        if order is None:
            text = f"OrderId {order_id} that needs to be cancelled is not found."
            return [ErrorReport(client_id, order_id, 10147, text)]
        if order.done:
            text = f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {order.status}."
            return [ErrorReport(client_id, order_id, 10148, text)]
        if order.untransmitted:
            self._lifecycle.discard(order)
            error = acceptance.not_cancellable(order.perm_id)
            self._state.reports.append(ErrorReport(client_id, order_id, *error))
        else:
            self._lifecycle.cancel(order)
        return self._state.take_reports()

    def cancel_all(self) -> list[Report]:
        """Cancel every order of every client, as recorded from a real gateway.

        Working orders end as by `cancel`. Of an untransmitted family only the parent is told. What was cancelled
        before, since midnight, is not cancellable: error 161.
        """
        state = self._state
        before = [order for order in self.completed_orders_today() if order.status == "Cancelled"]
        for order in state.orders.all():
            if order.done:
                continue
            if not order.untransmitted:
                self._lifecycle.cancel(order)
            elif state.orders.parent(order) is None:
                self._lifecycle.discard_family(order)
        if self.policy.global_cancel_tells_done:
            for order in before:
                error = acceptance.not_cancellable(order.perm_id)
                state.reports.append(ErrorReport(order.ticket.client_id, order.ticket.order_id, *error))
        return state.take_reports()

    # Actions of the exchange (those of the broker are `broker_actions`)

    def halt(self, symbol: str) -> list[Report]:
        """Halt the stock until `resume`: its prices don't change, its orders wait."""
        self._exchange_actions.set_halted(symbol, halted=True)
        return self._state.take_reports()

    def resume(self, symbol: str) -> list[Report]:
        """End the halt; the next price is a jump."""
        self._exchange_actions.set_halted(symbol, halted=False)
        return self._state.take_reports()

    def split(self, symbol: str, ratio: float, *, rescale: bool = True) -> list[Report]:
        """One share becomes `ratio` shares (0.1: ten become one). ValueError unless it is positive.

        With `rescale` the source's prices are divided by it from now on; without, they include the split already.
        """
        self._exchange_actions.split(symbol, ratio, rescale=rescale)
        return self._state.take_reports()

    def dividend(self, symbol: str, usd: float) -> list[Report]:
        """Pay `usd` dollars a share for present positions. The source's prices don't change."""
        self._exchange_actions.dividend(symbol, usd)
        return self._state.take_reports()

    def transfer(self, name: str, quantity: float, *, account: str = "", price: float | None = None) -> list[Report]:
        """Shares come into an account, or leave it, without an order.

        `account`: default the first; an unknown one joins the login. `price` is their cost; default: that of the shares
        held, or the last price.
        """
        self._exchange_actions.transfer(name, quantity, account or self.accounts[0], price)
        return self._state.take_reports()

    def know(self, contract: InstrumentTerms) -> str:
        """The name of a contract; a new one gets a name of its own, and has no market."""
        name = name_of(contract)
        if name not in self.instruments:
            self._state.set_instrument(name, contract)
        return name

    def add_account(self, name: str) -> None:
        """The login has this account too from now on."""
        self._state.add_account(name)

    def rename(self, symbol: str, ticker: str) -> list[Report]:
        """A stock gets another ticker and keeps its contract id. The old ticker is unknown from now on."""
        self._exchange_actions.rename(symbol, ticker)
        return self._state.take_reports()

    def reassign(self, symbol: str) -> list[Report]:
        """A ticker passes to another contract, without a market. The old contract keeps its id, and is `….OLD` now."""
        ticker = self.instrument(symbol).ticker
        self._exchange_actions.rename(symbol, f"{ticker}.OLD")
        self.know(InstrumentTerms(con_id=contract_id(f"{symbol}/{ticker}/reassigned"), ticker=ticker))
        return self._state.take_reports()

    def correct_execution(self, exec_id: str, price: float) -> list[Report]:
        """Correct the price of an execution. KeyError unless `exec_id` is the latest version of one."""
        self._exchange_actions.correct(exec_id, price)
        return self._state.take_reports()

    def bust_execution(self, exec_id: str) -> list[Report]:
        """Bust an execution: a correction to zero shares. KeyError as above.

        An order that is over keeps its status; one that still works has the busted shares open again.
        """
        self._exchange_actions.bust(exec_id)
        return self._state.take_reports()

    def log_in(self, *, here: bool) -> None:
        """Whether any client is connected now. Without any call, no client counts as away."""
        self._state.logged_in, self._state.last_login_ns = here, self.now_ns

    # Persistence

    def changes(self) -> Changes:
        """The changes since the last call."""
        return take_changes(self._state)
