"""The judge: it looks at the exchange's own ledger (shares, orders, executions), never at the fleet's books.

*Own* shares are the net executions under the fleet's references, less what was sold by hand, times the splits. The
fleet is excused while it can't know or can't act: it is not running, a link is down, the market is closed or halted,
or something was done to a symbol (a fact lost, a sale by hand, a split) less than `MEND_NS` of such *steady* time ago.
Where nothing is left that could tell it of shares, it is excused as well (`unknowable`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from messages.broker import BrokerExecution, BrokerSnapshot, CancelOrder, PlaceOrder, ToBroker
from messages.market import Session
from services.configuration.settings import Settings
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.executions import Execution, base_id
from services.simulator.venue.orders import Order
from services.simulator.venue.reports import ErrorReport, ExecutionReport, Report
from services.trading.ids import is_reference_of
from tests.simulation.incidents import SECOND
from tests.simulation.wire import Wire

__all__ = ["Broken", "Judge"]

BARE_NS = 5 * SECOND
"""How long own shares may be without a stop while a stop is possible."""
STEADY_NS = 10 * SECOND
"""How long links and processes must be up before the fleet counts as able to act."""
MEND_NS = 90 * SECOND
"""Steady time that the fleet has to learn of what was done behind its back: it asks every 30 s, and once more."""
ENTRY_NS = 180 * SECOND
"""Steady time after which bare shares count even if their entry still lives: its cancel may be lost once or twice."""
EXCESS_NS = 60 * SECOND
"""Steady time for which the exchange may have more sells of ours than shares, if the exchange made them."""
UNRECONCILED_NS = 240 * SECOND
"""Time in a session, all processes and links up, in which a complete answer must have come."""


class Broken(Exception):
    """A promise is broken: `rule`, and what the exchange's ledger shows."""

    def __init__(self, rule: str, symbol: str, text: str) -> None:
        super().__init__(f"{rule}: {symbol}: {text}")
        self.rule = rule


class _Symbol:
    """What the exchange has of one symbol, and how long it has been wrong."""

    def __init__(self) -> None:
        self.own = 0.0
        self.account = 0.0
        self.sells: list[Order] = []
        self.entries: list[Order] = []
        self.protected = 0.0
        self.excess = 0.0
        self.mend_ns = 0
        self.bare_ns = self.bare_entry_ns = self.excess_ns = self.late_entry_ns = 0
        self.oversized = False
        """A stop that the broker works in full sells more than its entry, which still lives, has bought."""
        self.shrink_ns = 0
        """Steady time left in which the fleet may take back that entry and shrink the stop."""
        self.halted = False
        self.ordered = False
        """A sale of all was ordered by the operator."""
        self.doubled = False
        self.forgotten = False
        """Nothing tells that the shares are ours: no ledger, no stop at the broker, no execution that it knows."""
        self.annulled = False
        """A sale of these shares was annulled, and the broker tells that no more."""
        self.lost_changes: Counter[int] = Counter()
        """By order id: changes that never arrived. Twice is, to the fleet, a broker that refuses them."""
        self.why: list[str] = []

    @property
    def shares(self) -> int:
        """Own whole shares that the account has."""
        return max(0, math.floor(min(self.own, self.account) + 1e-9))

    @property
    def unknowable(self) -> bool:
        """Whether nothing is left that could tell the fleet of these shares."""
        return self.forgotten or self.annulled

    @property
    def bare(self) -> bool:
        return self.protected < self.shares


class Judge:
    """Looks after every event. Raises `Broken`."""

    def __init__(
        self,
        settings: Settings,
        sessions: Sequence[Session],
        exchange: Exchange,
        wire: Wire,
        started_ns: Callable[[str], int | None],
        counts: Counter[str],
    ) -> None:
        """`started_ns`: since when a process ('symbol-X', 'gateway', 'clock') is up; None while it is down."""
        self._settings, self._sessions, self._exchange, self._wire = settings, sessions, exchange, wire
        self._started_ns, self.counts = started_ns, counts
        self.symbols = {symbol: _Symbol() for symbol in settings.watchlist}
        self._executions: dict[str, float] = {}
        self._unheard: dict[str, tuple[str, float]] = {}
        """Corrections that the fleet has not heard of yet: by exec_id, the symbol and what they added to own shares."""
        self._bought_unheard: dict[str, Execution] = {}
        """Purchases of ours that it has not heard of yet."""
        self._lost_ns = 0
        """When the gateway's ledger was lost last."""
        self._refused: set[int] = set()
        self._now_ns = 0
        self._seen_disturbance_ns = 0
        self._unreconciled_ns = 0
        self._session_index = 0
        self._forgotten = False
        """The gateway's ledger is lost, and no answer came since."""
        self._first_answer_ns = 0

    # What was done from outside

    def disturb(self, symbol: str, why: str) -> None:
        """Something was done to this symbol: the fleet may take its time to learn of it."""
        found = self.symbols[symbol]
        found.mend_ns = MEND_NS
        found.why.append(why)

    def disturb_all(self, why: str) -> None:
        for symbol in self.symbols:
            self.disturb(symbol, why)

    def sold_by_hand(self, symbol: str) -> None:
        """Shares that the account no longer has are no longer own."""
        found = self.symbols[symbol]
        self.refresh()
        found.own = min(found.own, max(0.0, found.account))
        self.disturb(symbol, "sale by hand")
        self.refresh()

    def split(self, symbol: str, ratio: float) -> None:
        found = self.symbols[symbol]
        all_own = found.own == found.account
        self.disturb(symbol, "split")  # (it makes a short account shorter)
        self.refresh()
        found.own = found.account if all_own else math.floor(found.own * ratio + 1e-9)
        self.refresh()

    def ledger_lost(self) -> None:
        """The gateway's ledger is gone: what the shares are, only the broker can tell now."""
        self._forgotten, self._lost_ns = True, self._now_ns
        self.disturb_all("ledger lost")

    def on_answer(self, answer: BrokerSnapshot) -> None:
        """The first answer after the ledger was lost shows which shares have a witness left; a later one may tell more.

        Without a resting stop, and without an order or execution of ours that bought (the broker tells those since
        midnight), the fleet sees shares in the account that anybody can have bought: it must not sell them.
        """
        if self._forgotten:
            self._first_answer_ns = self._now_ns
        told = [(e.symbol, e.client_order_id, e.time_ns) for e in answer.executions if e.side == "BUY"]
        orders = (o for o in answer.completed_orders if o.side == "BUY" and o.filled > 0)
        told += [(o.symbol, o.client_order_id, o.completed_ns) for o in orders]
        before = [(symbol, key) for symbol, key, time_ns in told if time_ns <= self._first_answer_ns]
        bought = {symbol for symbol, key in before if is_reference_of(key, self._settings.name)}
        for symbol, found in self.symbols.items():
            if symbol in bought:
                found.forgotten = False
            elif self._forgotten and found.shares and not found.sells:
                found.forgotten = True
                self.counts["shares without a witness"] += 1
        self._forgotten = False
        self._hear_purchases(answer, {key for _, key, _ in told})
        self._hear_corrections(answer)

    def _hear_purchases(self, answer: BrokerSnapshot, told: set[str]) -> None:
        """Of a purchase that the first answer after it does not tell, only exactly the entry's shares are a sign.

        Its stop is over, too. Any other number of shares can be what a person bought, after our stop sold ours.
        """
        for execution in self._bought_unheard.values():
            found, order = self.symbols[execution.symbol], self._exchange.find(execution.client_id, execution.order_id)
            whole = order is not None and found.account == order.ticket.quantity
            if execution.order_ref not in told and found.shares and not found.sells and not whole:
                found.forgotten = True
                self.counts["purchases never heard"] += 1
        self._bought_unheard.clear()

    def _hear_corrections(self, answer: BrokerSnapshot) -> None:
        """A correction that the first answer after it does not tell is never heard: the broker has forgotten it."""
        told = {execution.exec_id for execution in answer.executions}
        for exec_id, (symbol, change) in self._unheard.items():
            if exec_id not in told:
                self.symbols[symbol].annulled |= change > 0
                self.counts["corrections never heard"] += 1
        self._unheard.clear()

    # Looking

    def on_execution(self, execution: BrokerExecution) -> None:
        """The gateway hears of this execution."""
        self._unheard.pop(execution.exec_id, None)
        self._bought_unheard.pop(execution.exec_id, None)

    def on_reports(self, reports: Sequence[Report], *, ours: bool = False) -> None:
        """The exchange reported something. `ours`: an order of the fleet was just placed or changed."""
        changed = False
        for report in reports:
            match report:
                case ExecutionReport(execution):
                    changed = True
                    if is_reference_of(execution.order_ref, self._settings.name):
                        signed = execution.quantity if execution.side == "BUY" else -execution.quantity
                        base = base_id(execution.exec_id)
                        found = self.symbols[execution.symbol]
                        found.own = round(found.own + signed - self._executions.get(base, 0.0), 6)
                        self.counts["shares bought" if execution.side == "BUY" else "shares sold"] += 1
                        if base in self._executions:
                            self.disturb(execution.symbol, "corrected")
                            change = round(signed - self._executions[base], 6)
                            self._unheard[execution.exec_id] = (execution.symbol, change)
                            sale_forgotten = execution.time_ns < self._lost_ns and not found.sells
                            found.annulled |= change > 0 and sale_forgotten
                        elif signed > 0:
                            self._bought_unheard[execution.exec_id] = execution
                        self._executions[base] = signed
                        if found.own <= 0:
                            found.ordered = found.forgotten = found.annulled = False
                case ErrorReport(_, order_id, code):
                    if code not in (202, 399, 2109):
                        self._refused.add(order_id)
                    changed = True
                case _:
                    changed = True
        if changed:
            self.refresh(ours=ours)

    def refresh(self, *, ours: bool = False) -> None:
        """Read the exchange's ledger. `ours`: an order of the fleet was just placed or changed."""
        before = {symbol: (found.excess, found.account) for symbol, found in self.symbols.items()}
        may_shrink = {symbol: found.shrink_ns > 0 for symbol, found in self.symbols.items()}
        for found in self.symbols.values():
            found.account, found.sells, found.entries = 0.0, [], []
        for position in self._exchange.positions():
            self.symbols[position.symbol].account = position.quantity
        orders = self._exchange.open_orders()
        by_perm = {order.perm_id: order for order in orders}
        for order in orders:
            if is_reference_of(order.ticket.order_ref, self._settings.name):
                found = self.symbols[order.ticket.symbol]
                (found.sells if order.ticket.side == "SELL" else found.entries).append(order)
        for symbol, found in self.symbols.items():
            found.protected = sum(order.remaining for order in found.sells if _protects(order))
            sells, oversized = 0.0, False
            for order in found.sells:
                parent = by_perm.get(order.parent_perm_id)
                if order.waits_for_parent:
                    continue
                sells += order.remaining if parent is None else min(order.remaining, parent.filled)
                oversized |= parent is not None and order.ticket.quantity > parent.filled
            # Nobody could act: the broker itself works the whole stop once a part of its entry has filled. While the
            # entry lives the stop can't be shrunk (the rest may fill), and no fleet can cancel the entry before it is
            # there to hear of the fill. From then on it has as long as for anything that was done behind its back.
            if oversized != found.oversized:
                found.oversized, found.shrink_ns = oversized, MEND_NS if oversized else 0
            found.excess = max(0.0, sells - max(0.0, min(found.own, found.account)))
            excess, account = before[symbol]
            # (The fleet never buys shares back: only what makes the account short, or shorter, counts.)
            if found.account < min(0.0, account):
                self.counts["short"] += 1
                if not found.mend_ns and not found.doubled and not may_shrink[symbol]:
                    raise Broken("short", symbol, self._shows(symbol))
            if found.excess > excess:
                self.counts["more sells than shares"] += 1
                if ours and not found.mend_ns and not found.doubled:
                    raise Broken("sells above shares", symbol, f"by an order of the fleet: {self._shows(symbol)}")
                if not ours:
                    self.disturb(symbol, "the exchange made sells above shares")
            if len(found.entries) > 1 and not found.doubled:
                raise Broken("two entries", symbol, self._shows(symbol))

    def on_command(self, command: ToBroker) -> None:
        """A command of the fleet reaches the broker."""
        match command:
            case CancelOrder(order_id):
                order = self._exchange.find(self._wire.broker.client_id, order_id)
                if order is not None and not order.done and order.ticket.side == "SELL":
                    self._rule_a(order, 0.0, "cancelled")
            case PlaceOrder(record):
                order = self._exchange.find(self._wire.broker.client_id, record.order_id)
                if order is None:
                    self.counts[f"{record.role} placed"] += 1
                    if record.side == "BUY":
                        self._hours(record.symbol)
                elif not order.done and order.ticket.side == "SELL":
                    self.counts["stops changed"] += 1
                    if record.quantity - order.filled < order.remaining:
                        self._rule_a(order, record.quantity - order.filled, "shrunk")
            case _:
                pass

    def on_lost(self, command: PlaceOrder | CancelOrder) -> None:
        """A command of the fleet never arrives."""
        if isinstance(command, PlaceOrder):
            self.symbols[command.order.symbol].lost_changes[command.order.order_id] += 1

    def _rule_a(self, order: Order, left: float, how: str) -> None:
        """No stop is taken away while the account holds the shares that it protects."""
        symbol = order.ticket.symbol
        found = self.symbols[symbol]
        self.counts[f"stops {how}"] += 1
        others = sum(o.remaining for o in found.sells if o.perm_id != order.perm_id and _protects(o))
        if others + left >= found.shares or not is_reference_of(order.ticket.order_ref, self._settings.name):
            return
        refused = order.ticket.order_id in self._refused or found.lost_changes[order.ticket.order_id] >= 2
        if found.ordered or refused or not _protects(order):
            self.counts[f"stops {how} by an exception"] += 1
            return
        raise Broken(
            "rule A", symbol, f"the stop {order.ticket.order_ref} is {how} by the fleet: {self._shows(symbol)}"
        )

    def _hours(self, symbol: str) -> None:
        session, entries = self._session(), self._settings.entries
        begin_ns = session.open_ns + int(entries.open_delay_s * SECOND)
        end_ns = session.close_ns - entries.cancel_before_close_minutes * 60 * SECOND
        if not begin_ns <= self._now_ns < end_ns:
            raise Broken("hours", symbol, f"an entry is placed at {self._now_ns}, allowed from {begin_ns} to {end_ns}")

    def _session(self) -> Session:
        while (
            self._session_index + 1 < len(self._sessions)
            and self._sessions[self._session_index].close_ns <= self._now_ns
        ):
            self._session_index += 1
        return self._sessions[self._session_index]

    # Time

    @property
    def in_trouble(self) -> bool:
        """Whether something is wrong that the fleet can mend now: time must pass in small steps."""
        return self._able() and any(found.bare or found.excess or found.mend_ns for found in self.symbols.values())

    def _able(self) -> bool:
        """Whether the fleet runs, is connected, and the session is open."""
        session, now_ns, wire = self._session(), self._now_ns, self._wire
        if not session.open_ns <= now_ns < session.close_ns or not wire.socket_up or not wire.broker_up:
            return False
        return self._started_ns("gateway") is not None and self._started_ns("clock") is not None

    def _steady(self) -> bool:
        if not self._able():
            return False
        gateway_ns, clock_ns = self._started_ns("gateway"), self._started_ns("clock")
        assert gateway_ns is not None
        assert clock_ns is not None
        since_ns = max(gateway_ns, clock_ns, self._wire.changed_ns, self._session().open_ns)
        return self._now_ns - since_ns >= STEADY_NS and self._wire.answered_ns >= self._wire.changed_ns

    def pass_time(self, now_ns: int) -> None:
        """Time passes until `now_ns`; nothing has happened in between."""
        passed_ns = now_ns - self._now_ns
        if passed_ns <= 0:
            return
        if self._wire.disturbed_ns > self._seen_disturbance_ns:
            self._seen_disturbance_ns = self._wire.disturbed_ns
            self.disturb_all("the wire lost something")
        able, steady = self._able(), self._steady()
        self._unreconciled_ns = self._unreconciled_ns + passed_ns if able and not steady else 0
        unanswered = self._wire.answered_ns < self._wire.changed_ns and self._unreconciled_ns > UNRECONCILED_NS
        if unanswered and self._wire.disturbed_ns < now_ns - UNRECONCILED_NS:
            raise Broken("not reconciled", "all", f"no complete answer for {self._unreconciled_ns / SECOND:.0f} s")
        for symbol, found in self.symbols.items():
            self._look(symbol, found, passed_ns, steady)
        self._now_ns = now_ns

    def _look(self, symbol: str, found: _Symbol, passed_ns: int, steady: bool) -> None:
        self.counts["shares to protect"] += found.shares > 0 and steady
        if not steady or found.halted or found.unknowable:
            if found.bare:
                self.counts["bare seconds without a remedy"] += passed_ns // SECOND
            found.bare_ns = found.excess_ns = 0
            return
        found.shrink_ns = max(0, found.shrink_ns - passed_ns)
        if found.mend_ns:
            found.mend_ns -= passed_ns
            if found.mend_ns > 0:
                return
            passed_ns, found.mend_ns = -found.mend_ns, 0
        else:
            found.why.clear()
        actor_ns = self._started_ns(f"symbol-{symbol}")
        follows = actor_ns is not None and self._now_ns - actor_ns >= STEADY_NS
        if found.bare and not found.entries:
            found.bare_ns += passed_ns
            if found.bare_ns > BARE_NS:
                raise Broken("bare", symbol, f"for {found.bare_ns / SECOND:.1f} s: {self._shows(symbol)}")
        else:
            found.bare_ns = 0
        found.bare_entry_ns = found.bare_entry_ns + passed_ns if found.bare and found.entries and follows else 0
        if found.bare_entry_ns > ENTRY_NS:
            raise Broken("bare beside an entry", symbol, f"{found.bare_entry_ns / SECOND:.0f} s: {self._shows(symbol)}")
        found.excess_ns = found.excess_ns + passed_ns if found.excess else 0
        if found.excess_ns > EXCESS_NS:
            raise Broken("sells above shares", symbol, f"{found.excess_ns / SECOND:.0f} s: {self._shows(symbol)}")
        found.doubled = found.doubled and (bool(found.excess) or len(found.entries) > 1)
        late = follows and self._now_ns >= self._session().close_ns - self._closing_ns
        found.late_entry_ns = found.late_entry_ns + passed_ns if found.entries and late else 0
        if found.late_entry_ns > ENTRY_NS:
            raise Broken("hours", symbol, f"an entry lives in the last minutes: {self._shows(symbol)}")

    @property
    def _closing_ns(self) -> int:
        return self._settings.entries.cancel_before_close_minutes * 60 * SECOND

    def _shows(self, symbol: str) -> str:
        """What the exchange's ledger shows."""
        found = self.symbols[symbol]
        orders = ", ".join(
            f"{o.ticket.order_ref} {o.ticket.side} {o.remaining:g} {o.status} {o.why_held or '-'}"
            for o in (*found.entries, *found.sells)
        )
        since = f"; before: {', '.join(found.why[-3:])}" if found.why else ""
        return f"own {found.own:g}, account {found.account:g}, protected {found.protected:g}, live [{orders}]{since}"


def _protects(order: Order) -> bool:
    """Whether the exchange works it: nothing but its trigger holds it."""
    return order.status == "Submitted" or (order.status == "PreSubmitted" and order.why_held in ("", "trigger"))
