"""The simulated exchange: a market source, an order book, accounts. Pure: no clock, no I/O, no randomness.

It is told what time it is (`advance`), what clients want (`place`, `cancel`), and answers with reports in the order in
which a real gateway would send them. The same tickets at the same times over the same source give the same reports,
whoever drives it: the simulated gateway's server, the backtest, a test.

An order is live from the next market event of its symbol on, never within `place`. At one time, orders expire before
the market moves. What all parts work on are the books (`books.py`). What a client may ask for is judged in
`acceptance.py`, what a movement does to orders in `floor.py`, how an order's status goes on in `lifecycle.py`, and what
may be known of it all stands in `view.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from messages.market import Session
from services.configuration.broker_policy import Policy
from services.simulator.venue import acceptance, margin, triggers
from services.simulator.venue.adjustments import rescaled
from services.simulator.venue.broker_actions import Hand
from services.simulator.venue.exchange_actions import World
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.lifecycle import Lifecycle
from services.simulator.venue.liquidity import Liquidity
from services.simulator.venue.matching_engine import Floor
from services.simulator.venue.orders import Order, Ticket
from services.simulator.venue.persistence import Changes, Memory, recall, take_changes
from services.simulator.venue.reports import ErrorReport, OrderReport, Report
from services.simulator.venue.source import Hours, MarketSource
from services.simulator.venue.state import Books
from services.simulator.venue.tape import observe, quote_of
from services.simulator.venue.view import View

__all__ = ["Exchange"]


class Exchange(View):
    """One simulated broker with its accounts. `now_ns` is its time, and only `advance` moves it."""

    def __init__(
        self,
        source: MarketSource,
        sessions: Sequence[Session],
        *,
        accounts: Sequence[AccountTerms],
        start_ns: int,
        policy: Policy | None = None,
        memory: Memory | None = None,
    ) -> None:
        """Begin at `start_ns` with each account's first cash, or, given a memory, go on where it ends."""
        books = Books(accounts, source.symbols, policy or Policy(), start_ns)
        super().__init__(books, source)
        self._life = Lifecycle(books)
        self._floor = Floor(books, self._life)
        self._world = World(books, self._life)
        self.hand = Hand(books, self._life, self._floor)
        self._enough = Liquidity()
        if memory is not None:
            recall(books, memory)
        self.set_sessions(sessions)

    # Time

    @property
    def source_ended(self) -> bool:
        """No market event is left in the sessions known so far."""
        return self._coming is None

    def set_sessions(self, sessions: Sequence[Session]) -> None:
        """The calendar as known now; it may reach further than before."""
        self._sessions = tuple(sessions)
        self._books.set_hours(Hours(sessions))
        self._look_ahead()

    def list_symbols(self, source: MarketSource) -> None:
        """The market trades more symbols from now on: the same source, over all of them."""
        self.source = source
        self._books.list_symbols(source.symbols)
        self._look_ahead()

    def _look_ahead(self) -> None:
        self._events = self.source.events(self.market_key, self._sessions)
        self._coming = next(self._events, None)

    def next_event_ns(self) -> int | None:
        """When the next thing will happen by itself: a market event or an order's expiry. None when nothing will."""
        expiry = self._books.orders.next_expiry_ns()
        if self._coming is None:
            return expiry
        return self._coming.time_ns if expiry is None else min(expiry, self._coming.time_ns)

    def advance(self, to_ns: int, *, one: bool = False) -> list[Report]:
        """Let happen what is due by `to_ns`, in the total order.

        With `one`, at most one symbol's market event or one sweep of expiries. Afterwards `now_ns` is the time of that
        one event, else `to_ns`.
        """
        while (due := self.next_event_ns()) is not None and due <= to_ns:
            self._pass(due)
            if due == self._books.orders.next_expiry_ns():
                self._life.expire(due)
            else:
                self._take_event()
            if one:
                return self._books.take_reports()
        self._pass(to_ns)
        return self._books.take_reports()

    def _pass(self, to_ns: int) -> None:
        """Time goes on; with a new day, some orders have lasted long enough."""
        before = self.today
        self._books.now_ns = max(self.now_ns, to_ns)
        if (today := self.today) != before:
            self._life.outlive(today)
            accounts = self._books.accounts.values()
            self._books.reports += [each.report(today) for each in accounts if each.funds.unsettled]  # it is, now

    def _take_event(self) -> None:
        """The market does what it does next."""
        event = self._coming
        assert event is not None, "advance asked for the next event's time"
        self._coming = next(self._events, None)
        books = self._books
        books.market_key = event.key
        tape = books.tapes[event.symbol]
        if event.action:
            self._world.act(event)
            return
        if tape.factor != 1.0:
            event = rescaled(event, tape.factor)
        session = books.hours.at(event.time_ns)
        if not self._world.lets_through(event, session):
            return
        path = triggers.path_of(
            event,
            tape,
            filter_strays=self.policy.last_filtered_to_quote,
            block_shares=self.policy.block_print_shares,
        )
        observe(tape, event, session)
        books.touched_tapes.add(event.symbol)
        books.reports.append(quote_of(tape, event))
        orders = books.orders.of_symbol(event.symbol)
        if orders and path is not None:
            there = Liquidity(event) if self.policy.partial_fills else self._enough
            self._floor.move(orders, path, there, regular=session is not None)

    # What clients ask for

    def place(self, ticket: Ticket) -> list[Report]:
        """Take a new order, or change the one of the same client and id. Untransmitted orders are kept in silence."""
        orders = self._books.orders
        orders.use_id(ticket.client_id, ticket.order_id)
        known = orders.find(ticket.client_id, ticket.order_id)
        parent = orders.find(ticket.client_id, ticket.parent_id) if ticket.parent_id else None
        error = acceptance.error_for(
            ticket,
            known,
            parent,
            accounts=self.accounts,
            symbols=self.symbols,
            policy=self.policy,
            now_ns=self.now_ns,
        )
        if error is not None:
            return [ErrorReport(ticket.client_id, ticket.order_id, *error)]
        account = ticket.account or (self.accounts[0] if known is None else known.ticket.account)
        ticket = msgspec.structs.replace(ticket, account=account)
        if ticket.what_if:
            books = self._books
            asked = margin.preview(ticket, books.accounts[account], books.tapes[ticket.symbol], self.today)
            return [OrderReport(Order(ticket=ticket, perm_id=0, status="PreSubmitted", margin=asked))]
        if known is not None and not known.untransmitted and (objection := self._objection(ticket)):
            return [ErrorReport(ticket.client_id, ticket.order_id, 201, f"Order rejected - reason:{objection}")]
        if known is None:
            order = self._life.begin(ticket, parent)
        else:
            order = known
            self._life.change(order, ticket)
        if ticket.transmit and order.untransmitted:
            self._transmit(order)
        return self._books.take_reports()

    def _transmit(self, order: Order) -> None:
        """It leaves the client's hands, and with a child its whole family."""
        for member in self._books.orders.untransmitted_family(order):
            if member.done:
                continue  # rejected with its parent
            if self.hand.refuses(member):
                continue
            if objection := self._objection(member.ticket):
                self._life.reject(member, objection)
            else:
                self._life.transmit(member)

    def _objection(self, ticket: Ticket) -> str | None:
        books = self._books
        if not self.policy.funds_checked:
            return None
        account, tape = books.accounts[ticket.account], books.tapes[ticket.symbol]
        return margin.objection(ticket, account, tape, books.orders, self.today)

    def cancel(self, client_id: int, order_id: int) -> list[Report]:
        """End an order, and with it the children of an unfilled parent and, by policy, its OCA group."""
        order = self._books.orders.find(client_id, order_id)
        if order is None and self.policy.other_clients_may_cancel:
            order = self._books.orders.anybodys(order_id)
        if order is None:
            text = f"OrderId {order_id} that needs to be cancelled is not found."
            return [ErrorReport(client_id, order_id, 10147, text)]
        if order.done:
            text = f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {order.status}."
            return [ErrorReport(client_id, order_id, 10148, text)]
        if order.untransmitted:
            self._life.discard(order)
            error = acceptance.not_cancellable(order.perm_id)
            self._books.reports.append(ErrorReport(client_id, order_id, *error))
        else:
            self._life.cancel(order)
        return self._books.take_reports()

    # What the world does, unasked (the broker's own doings are the `hand`'s)

    def halt(self, symbol: str) -> list[Report]:
        """The stock stops trading until `resume`: its prices stand, its orders wait."""
        self._world.set_halted(symbol, halted=True)
        return self._books.take_reports()

    def resume(self, symbol: str) -> list[Report]:
        """It trades again; the next price is a jump."""
        self._world.set_halted(symbol, halted=False)
        return self._books.take_reports()

    def split(self, symbol: str, ratio: float, *, rescale: bool = True) -> list[Report]:
        """One share becomes `ratio` shares (0.1: ten become one). ValueError unless it is positive.

        With `rescale` the source's prices are divided by it from now on; without, the source has it in its prices.
        """
        self._world.split(symbol, ratio, rescale=rescale)
        return self._books.take_reports()

    def dividend(self, symbol: str, usd: float) -> list[Report]:
        """So many dollars a share, for what is held now. The source's prices know of it or don't."""
        self._world.dividend(symbol, usd)
        return self._books.take_reports()

    def correct_execution(self, exec_id: str, price: float) -> list[Report]:
        """The exchange says that this execution was at another price. KeyError if it isn't the last word on one."""
        self._world.correct(exec_id, price)
        return self._books.take_reports()

    def bust_execution(self, exec_id: str) -> list[Report]:
        """The exchange takes an execution back: a correction to no shares at all. KeyError as above.

        The order keeps its status; what it no longer has is not filled again.
        """
        self._world.bust(exec_id)
        return self._books.take_reports()

    def log_in(self, *, here: bool) -> None:
        """Somebody is logged in now, or nobody is any more. Where it is never said, nobody counts as away."""
        self._books.logged_in, self._books.last_login_ns = here, self.now_ns

    # What is kept

    def changes(self) -> Changes:
        """What became different since the last call."""
        return take_changes(self._books)
