"""The simulated exchange: a market source, an order book, an account. Pure: no clock, no I/O, no randomness.

It is told what time it is (`advance`), what clients want (`place`, `cancel`), and answers with reports in the order in
which a real gateway would send them. The same tickets at the same times over the same source give the same reports,
whoever drives it: the simulated gateway's server, the backtest, a test.

An order is live from the next market event of its symbol on, never within `place`. At one time, orders expire before
the market moves. What a movement does to an order is judged in `matching.py`, what a client may ask for in
`acceptance.py`; how an order's status goes on stands in `lifecycle.py`.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from services.simulator.venue import acceptance, corporate, margin, matching
from services.simulator.venue.account import Account, commission
from services.simulator.venue.executions import Executions
from services.simulator.venue.hand import Hand
from services.simulator.venue.lifecycle import BY_SYSTEM, Lifecycle, may_trade_outside, works_at_once
from services.simulator.venue.liquidity import Liquidity
from services.simulator.venue.model import (
    AccountReport,
    AccountTerms,
    Changes,
    CommissionReport,
    ErrorReport,
    EventKey,
    Execution,
    ExecutionReport,
    Funds,
    Memory,
    Order,
    OrderReport,
    PnlReport,
    PositionReport,
    QuoteReport,
    Report,
    Session,
    Standing,
    Tape,
    Ticket,
)
from services.simulator.venue.orderbook import OrderBook
from services.simulator.venue.policy import Policy
from services.simulator.venue.source import Hours, MarketSource
from services.simulator.venue.tape import observe, quote_of
from services.simulator.venue.world import Touched, World

__all__ = ["Exchange"]

S = TypeVar("S", Funds, Tape)


class Exchange:
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
        self.accounts = tuple(terms.account for terms in accounts)
        self.symbols = source.symbols
        self.source = source
        self.policy = policy or Policy()
        self._book = OrderBook(day_orders_linger_ns=round(self.policy.day_orders_linger_s * 1e9))
        self._reports: list[Report] = []
        self._life = Lifecycle(self._book, self.policy, self._reports, start_ns)
        self._tapes = {symbol: Tape(symbol=symbol) for symbol in source.symbols}
        daily = self.policy.realized_pnl_resets_daily
        self._money = {terms.account: Account(terms, self._tapes, daily_profit=daily) for terms in accounts}
        self._executions = Executions()
        self._touched = Touched()
        self._world = World(
            self._book,
            self._life,
            self.policy,
            self._tapes,
            self._money,
            self._executions,
            self._touched,
            self._reports,
        )
        self._market_key: EventKey = (start_ns, "", -1)
        self._rejections: deque[tuple[int, str, bool]] = deque()
        self._enough = Liquidity()
        self.hand = Hand(self)
        self._overfilled: list[tuple[Order, float, int]] = []
        if memory is not None:
            self._restore(memory)
        self.set_sessions(sessions)

    # Time

    @property
    def now_ns(self) -> int:
        """The market's time."""
        return self._life.now_ns

    @property
    def today(self) -> str:
        """The date of the session whose pre-market began last."""
        return self._hours.date(self.now_ns)

    @property
    def market_key(self) -> EventKey:
        """The last market event that happened: what is beyond is the future."""
        return self._market_key

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The calendar as known now, in order."""
        return self._hours.sessions

    @property
    def source_ended(self) -> bool:
        """No market event is left in the sessions known so far."""
        return self._coming is None

    def set_sessions(self, sessions: Sequence[Session]) -> None:
        """The calendar as known now; it may reach further than before."""
        self._sessions = tuple(sessions)
        self._hours = Hours(sessions)
        self._book.set_hours(self._hours)
        self._events = self.source.events(self._market_key, sessions)
        self._coming = next(self._events, None)

    def list_symbols(self, source: MarketSource) -> None:
        """The market trades more symbols from now on: the same source, over all of them."""
        self.symbols = source.symbols
        self.source = source
        for symbol in source.symbols:
            self._tapes.setdefault(symbol, Tape(symbol=symbol))
        self._events = source.events(self._market_key, self._sessions)
        self._coming = next(self._events, None)

    def next_event_ns(self) -> int | None:
        """When the next thing will happen by itself: a market event or an order's expiry. None when nothing will."""
        expiry = self._book.next_expiry_ns()
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
            if due == self._book.next_expiry_ns():
                self._life.expire(due)
            else:
                self._take_event()
            if one:
                return self._drain()
        self._pass(to_ns)
        return self._drain()

    def _pass(self, to_ns: int) -> None:
        """Time goes on; with a new day, some orders have lasted long enough."""
        before = self.today
        self._life.now_ns = max(self.now_ns, to_ns)
        if (today := self.today) != before:
            self._life.outlive(today)

    # What clients ask for

    def place(self, ticket: Ticket) -> list[Report]:
        """Take a new order, or change the one of the same client and id. Untransmitted orders are kept in silence."""
        self._book.use_id(ticket.client_id, ticket.order_id)
        known = self._book.find(ticket.client_id, ticket.order_id)
        parent = self._book.find(ticket.client_id, ticket.parent_id) if ticket.parent_id else None
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
        if known is None and self._rejections and self._rejections[0][2]:
            code, text, _ = self._rejections.popleft()
            return [ErrorReport(ticket.client_id, ticket.order_id, code, text)]
        account = ticket.account or (self.accounts[0] if known is None else known.ticket.account)
        ticket = msgspec.structs.replace(ticket, account=account)
        if ticket.what_if:
            asked = margin.preview(ticket, self._money[account], self._tapes[ticket.symbol], self.today)
            return [OrderReport(Order(ticket=ticket, perm_id=0, status="PreSubmitted", margin=asked))]
        if known is not None and not known.untransmitted and (objection := self._objection(ticket)):
            return [ErrorReport(ticket.client_id, ticket.order_id, 201, f"Order rejected - reason:{objection}")]
        if known is None:
            order = self._life.begin(ticket, parent)
        else:
            order = known
            self._life.change(order, ticket)
        if ticket.transmit and order.untransmitted:
            for member in self._book.untransmitted_family(order):
                if member.done:
                    continue  # rejected with its parent
                if self._rejections and not self._rejections[0][2]:
                    code, text, _ = self._rejections.popleft()
                    self._life.reject(member, text, code)
                elif objection := self._objection(member.ticket):
                    self._life.reject(member, objection)
                else:
                    self._life.transmit(member, self._hours, self._tapes[member.ticket.symbol])
        return self._drain()

    def cancel(self, client_id: int, order_id: int) -> list[Report]:
        """End an order, and with it the children of an unfilled parent and, by policy, its OCA group."""
        order = self._book.find(client_id, order_id)
        if order is None and self.policy.other_clients_may_cancel:
            order = self._book.anybodys(order_id)
        if order is None:
            text = f"OrderId {order_id} that needs to be cancelled is not found."
            return [ErrorReport(client_id, order_id, 10147, text)]
        if order.done:
            text = f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {order.status}."
            return [ErrorReport(client_id, order_id, 10148, text)]
        if order.untransmitted:
            self._life.discard(order)
            text = f"Cancel attempted when order is not in a cancellable state.  Order permId ={order.perm_id}"
            self._reports.append(ErrorReport(client_id, order_id, 161, text))
        else:
            self._life.cancel(order)
        return self._drain()

    # What the world does, unasked

    def halt(self, symbol: str) -> list[Report]:
        """The stock stops trading until `resume`: its prices stand, its orders wait."""
        self._world.set_halted(symbol, halted=True)
        return self._drain()

    def resume(self, symbol: str) -> list[Report]:
        """It trades again; the next price is a jump."""
        self._world.set_halted(symbol, halted=False)
        return self._drain()

    def split(self, symbol: str, ratio: float, *, rescale: bool = True) -> list[Report]:
        """One share becomes `ratio` shares (0.1: ten become one). ValueError unless it is positive.

        With `rescale` the source's prices are divided by it from now on; without, the source has it in its prices.
        """
        self._world.split(symbol, ratio, rescale=rescale, today=self.today)
        return self._drain()

    def dividend(self, symbol: str, usd: float) -> list[Report]:
        """So many dollars a share, for what is held now. The source's prices know of it or don't."""
        self._world.dividend(symbol, usd, self.today)
        return self._drain()

    def correct_execution(self, exec_id: str, price: float) -> list[Report]:
        """The exchange says that this execution was at another price. KeyError if it isn't the last word on one."""
        self._world.correct(exec_id, price, self.today)
        return self._drain()

    def bust_execution(self, exec_id: str) -> list[Report]:
        """The exchange takes an execution back: a correction to no shares at all. KeyError as above.

        The order keeps its status; what it no longer has is not filled again.
        """
        self._world.bust(exec_id, self.today)
        return self._drain()

    def expire_early(self, client_id: int, order_id: int) -> list[Report]:
        """The broker ends a working order before its time. KeyError if there is none of this id."""
        order = self._book.find(client_id, order_id)
        if order is None or order.done:
            raise KeyError(order_id)
        self._life.end(order, BY_SYSTEM)
        return self._drain()

    def reject_next(self, code: int, text: str, *, silently: bool = False) -> None:
        """The next new order that is transmitted is rejected with this error.

        `silently`: the error is all that is said, and the order never was (as real gateways do for 110).
        """
        self._rejections.append((code, text, silently))

    # What is known

    def quote(self, symbol: str) -> QuoteReport | None:
        """The symbol's market as of its last event, None for a symbol that the source does not have."""
        tape = self._tapes.get(symbol)
        return None if tape is None else quote_of(tape)

    def orders(self) -> list[Order]:
        """Every order that was ever taken, by perm_id."""
        return [copy.copy(order) for order in self._book.all()]

    def open_orders(self) -> list[Order]:
        """Orders that are transmitted and not done, by perm_id."""
        return [copy.copy(order) for order in self._book.working()]

    def completed_orders(self) -> list[Order]:
        """Orders that are done, by perm_id."""
        return [copy.copy(order) for order in self._book.all() if order.done]

    def executions(self) -> list[Execution]:
        """Every execution in its last version, oldest first; a correction is as young as itself."""
        return self._executions.all()

    def commission_of(self, exec_id: str) -> CommissionReport | None:
        """What an execution cost."""
        return self._executions.commission_of(exec_id)

    def positions(self, account: str | None = None) -> list[PositionReport]:
        """What one account holds, by symbol; without a name, what all of them hold, by account."""
        names = self.accounts if account is None else (account,)
        return [held for name in names for held in self._money[name].positions(self.today)]

    def account_report(self, account: str) -> AccountReport:
        """An account's values at the last prices."""
        return self._money[account].report(self.today)

    def pnl(self, account: str) -> PnlReport:
        """An account's profit: today's, unrealized, realized."""
        return self._money[account].pnl(self.today)

    def pnl_single(self, account: str, symbol: str) -> PnlReport:
        """An account's profit with one symbol."""
        return self._money[account].pnl_single(symbol, self.today)

    def next_order_id(self, client_id: int) -> int:
        """One more than the highest id that this client ever used, refused or not; a restart does not change it."""
        return self._book.last_order_ids.get(client_id, 0) + 1

    def changes(self) -> Changes:
        """What became different since the last call."""
        executions, commissions = self._executions.take_untold()
        changes = Changes(
            standing=Standing(
                now_ns=self.now_ns,
                market_key=self._market_key,
                funds=[_apart(account.funds, unsettled=account.funds.unsettled) for account in self._money.values()],
                last_order_ids=dict(self._book.last_order_ids),
            ),
            orders=[copy.copy(order) for order in self._book.take_changed()],
            executions=executions,
            commissions=commissions,
            holdings=[copy.copy(self._money[name].holdings[symbol]) for name, symbol in sorted(self._touched.holdings)],
            tapes=[_apart(tape, recent=tape.recent) for tape in self._touched_tapes()],
        )
        self._touched.holdings.clear()
        self._touched.tapes.clear()
        return changes

    def _touched_tapes(self) -> list[Tape]:
        return [self._tapes[symbol] for symbol in sorted(self._touched.tapes)]

    # The market moves

    def _take_event(self) -> None:
        event = self._coming
        assert event is not None, "advance asked for the next event's time"
        self._coming = next(self._events, None)
        self._market_key = event.key
        tape = self._tapes[event.symbol]
        if event.action:
            self._world.act(event, self.today)
            return
        if tape.factor != 1.0:
            event = corporate.rescaled(event, tape.factor)
        session = self._hours.at(event.time_ns)
        if not self._world.lets_through(event, session):
            return
        path = matching.path_of(
            event,
            tape,
            filter_strays=self.policy.last_filtered_to_quote,
            block_shares=self.policy.block_print_shares,
        )
        observe(tape, event, session)
        self._touched.tapes.add(event.symbol)
        self._reports.append(quote_of(tape, event))
        orders = self._book.of_symbol(event.symbol)
        if orders and path is not None:
            there = Liquidity(event) if self.policy.partial_fills else self._enough
            self._match(orders, path, there, regular=session is not None)

    def _match(self, orders: list[Order], path: matching.Path, there: Liquidity, *, regular: bool) -> None:
        """Let one movement meet a symbol's orders, in the sequence in which it reaches their levels."""
        active = [order for order in orders if regular or may_trade_outside(order)]
        for order in active:
            if order.status == "PreSubmitted" and works_at_once(order):
                self._life.move(order, "Submitted")
        slippage = self.policy.slippage_bps / 10_000.0
        while (found := _first_step(active, path, there, slippage)) is not None:
            order, step = found
            path = path.beyond(step.at)
            if step.adjusts:
                self._life.adjust(order)
            elif step.fill is None:
                self._life.trigger(order)
            else:
                quantity = there.for_order(order)
                there.take(order.ticket.side, quantity)
                self._fill(order, quantity, step.fill, path)
        for peer, quantity, oca_type in self._overfilled:
            self._life.yield_to_fill(peer, quantity, oca_type)
        self._overfilled.clear()
        for order in active:
            if order.ticket.tif in ("IOC", "FOK") and not order.done and not order.why_held:
                (self._life.give_up if order.ticket.tif == "IOC" else self._life.kill)(order)
            elif order.ticket.trigger_method in matching.TWICE:
                order.beyond = matching.stands_beyond(order, path)
                self._book.changed(order)
        for order in orders:
            if order.ticket.order_type not in matching.TRAILING:
                continue
            price = matching.watched(order, path)
            if price is not None and (order in active or self.policy.ratchet_outside_rth):
                self._life.ratchet(order, price)

    def _fill(self, order: Order, quantity: float, price: float, path: matching.Path) -> None:
        """One match at this price; the path begins where the market was then."""
        ticket = order.ticket
        account = self._money[ticket.account]
        if ticket.side == "SELL" and self.policy.funds_checked and not account.terms.shorts:
            quantity = min(quantity, account.quantity(ticket.symbol))
            if quantity <= 0:
                self._life.refuse_short(order)
                return
        value = order.filled * order.avg_price + quantity * price
        order.filled += quantity
        order.avg_price = round(value / order.filled, 8)
        order.last_fill_price = price
        second = self.now_ns // 10**9
        execution = Execution(
            exec_id=self._executions.new_id(second),
            perm_id=order.perm_id,
            client_id=ticket.client_id,
            order_id=ticket.order_id,
            order_ref=ticket.order_ref,
            account=ticket.account,
            symbol=ticket.symbol,
            side=ticket.side,
            quantity=quantity,
            price=price,
            cum_quantity=order.filled,
            avg_price=order.avg_price,
            time_ns=second * 10**9,
        )
        fee = round(commission(order.filled, value) - order.commission, 6)
        order.commission = round(order.commission + fee, 6)
        realized = account.trade(ticket.symbol, ticket.side, quantity, price, fee, self.today)
        charge = CommissionReport(execution.exec_id, ticket.client_id, fee, realized_pnl=realized)
        self._executions.keep(execution, charge)
        self._touched.holdings.add((ticket.account, ticket.symbol))

        peers = self._book.peers(order)
        if self.policy.filled_before_execution:
            self._life.filled(order)
            self._reports.append(ExecutionReport(execution))
        else:
            self._reports.append(ExecutionReport(execution))
            self._life.filled(order)
        self._reports += [
            charge,
            account.position(ticket.symbol, self.today),
            account.report(self.today),
        ]
        for child in self._book.children(order):
            self._life.follow(child, order, path.start)
        for peer in peers:
            if order.oca_type == 3 and self.policy.oca_overfills_without_block:
                self._overfilled.append((peer, quantity, order.oca_type))
            else:
                self._life.yield_to_fill(peer, quantity, order.oca_type)

    def _objection(self, ticket: Ticket) -> str | None:
        if not self.policy.funds_checked:
            return None
        return margin.objection(ticket, self._money[ticket.account], self._tapes[ticket.symbol], self._book, self.today)

    def _drain(self) -> list[Report]:
        reports = self._reports.copy()
        self._reports.clear()
        return reports

    def _restore(self, memory: Memory) -> None:
        self._life.now_ns = memory.standing.now_ns
        self._market_key = memory.standing.market_key
        for funds in memory.standing.funds:
            self._money[funds.account].funds = funds
        for holding in memory.holdings:
            self._money[holding.account].holdings[holding.symbol] = holding
        self._tapes |= {tape.symbol: tape for tape in memory.tapes}
        for order in memory.orders:
            self._book.add(order)
        self._book.last_order_ids |= memory.standing.last_order_ids
        self._book.take_changed()
        self._executions.restore(memory.executions, memory.commissions)


def _apart(struct: S, **lists: list[Any]) -> S:
    """A copy that later changes don't reach: of the struct, and of the lists in it (their members never change)."""
    return msgspec.structs.replace(struct, **{name: members.copy() for name, members in lists.items()})


def _first_step(
    orders: Iterable[Order], path: matching.Path, there: Liquidity, slippage: float
) -> tuple[Order, matching.Step] | None:
    """Whose level the movement reaches first; the older order where it reaches two at once."""
    best: tuple[float, int, Order, matching.Step] | None = None
    for order in orders:
        if order.done or order.waits_for_parent:
            continue
        step = matching.next_step(order, path.since(order.live_from_ns), slippage)
        if step is None or (step.fill is not None and not there.for_order(order)):
            continue
        rank = (abs(step.at - path.start), order.perm_id)
        if best is None or rank < best[:2]:
            best = (*rank, order, step)
    return None if best is None else best[2:]
