"""One run: the fleet's cores over the exchange model in virtual time, with the incidents of a list.

Time goes from event to event. While something is to be mended, the fleet's timers run to the nanosecond; while all is
quiet they run with the next event, so that two weeks take a fraction of a second.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import date
from functools import cache
from itertools import count
from random import Random
from typing import Any

import msgspec

from messages.broker import BrokerError, BrokerExecution
from messages.market import MarketTime, Session, Tick
from messages.operator import AdoptFound, Command, Flatten, Pause, Resume
from messages.timers import Elapsed
from services.clock.calendar import sessions as calendar
from services.clock.core import TimeReached
from services.configuration.settings import Settings
from services.gateway.book.records import Block, Own
from services.risk.operator import answer_to
from services.runtime.core import Now
from services.simulator.requests.ownership import MANUAL_CLIENT_ID
from services.simulator.venue.account import terms_of
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.orders import Order, Ticket
from services.simulator.venue.reports import ExecutionReport, Report
from services.symbol.core import SymbolRecord
from services.trading.ids import is_reference_of, symbol_process
from tests.simulation.incidents import SECOND, Incident, draw_incidents, draw_policy
from tests.simulation.judge import Broken, Judge
from tests.simulation.processes import QUIET_S, Process, processes_of
from tests.simulation.tape import CoarseTape
from tests.simulation.wire import Wire

__all__ = ["Plan", "Result", "Run", "plan_of", "run"]

SYMBOLS = ("AAA", "BBB")
QUIET_SESSIONS = 2
"""At the end of a run nothing goes wrong any more: every symbol must trade again."""
INCIDENTS = 24
FINE_NS = 20 * SECOND
FINER_NS = 150 * SECOND
"""After an event of an order, and FINER_NS after an incident, timers run on time."""
BY_HAND_NS = 60 * SECOND
"""What is traded, or got lost, is heard within a minute: so long the broker is asked as often as it really is."""
DAY_NS = 24 * 3600 * SECOND
TROUBLE_NS = 300 * SECOND
"""What is not mended after this time is not mended by small steps."""

SETTINGS = msgspec.convert(
    {
        "watchlist": list(SYMBOLS),
        "entries": {"buy_stop_pct_above_last": 0.8, "buy_stop_cap_pct": 2.0},
        "stops": {"trailing_stop_pct": 2.5},
        "cooldowns": {"after_stopout_minutes": 10},
        "guards": {"orders_per_minute": None},
    },
    Settings,
)

_encode = msgspec.msgpack.Encoder().encode


class Plan(msgspec.Struct, frozen=True):
    """All that a run depends on."""

    seed: int
    days: int
    incidents: tuple[Incident, ...]


class Result(msgspec.Struct):
    """How it ended: '' or what is broken, the counts, the trace's hash, the trace's last lines."""

    broken: str
    rule: str
    counts: Counter[str]
    trace_hash: str
    trace: list[str]


@cache
def sessions_of(days: int) -> tuple[Session, ...]:
    """So many sessions from a Thursday on; New York's clocks change in the first weekend."""
    found = calendar("XNYS", date(2025, 3, 6), date(2025, 12, 31), today=date(2025, 12, 31))
    return tuple(found[:days])


def plan_of(seed: int, days: int = 10) -> Plan:
    """The plan of a seed."""
    random = Random(f"incidents/{seed}")
    sessions = sessions_of(days)[: max(2, days - QUIET_SESSIONS)]
    return Plan(seed, days, tuple(draw_incidents(random, sessions, SYMBOLS, INCIDENTS * days // 10)))


def run(plan: Plan, *, keep_trace: bool = False) -> Result:
    """Run it to its end, or to the first broken promise."""
    return Run(plan, keep_trace).run()


class Run:
    def __init__(self, plan: Plan, keep_trace: bool) -> None:
        self.plan = plan
        self.counts: Counter[str] = Counter()
        self.sessions = sessions_of(plan.days)
        self.policy = draw_policy(Random(f"policy/{plan.seed}"))
        self.random = Random(f"run/{plan.seed}")
        self.now_ns = self.sessions[0].open_ns - 3600 * SECOND
        self.exchange = Exchange(
            CoarseTape(plan.seed, SYMBOLS),
            self.sessions,
            accounts=[terms_of(SETTINGS.ibkr.account or "", 100_000.0, self.policy)],
            start_ns=self.now_ns,
            policy=self.policy,
        )
        self._clock_down_ns: int | None = self.now_ns
        self.processes = processes_of(SETTINGS, self.sessions, lambda: self._clock_down_ns)
        self.wire = Wire(self.exchange, SETTINGS.ibkr.client_id, self._fact, self.at, self.counts)
        self.judge = Judge(SETTINGS, self.sessions, self.exchange, self.wire, self._started_ns, self.counts)
        self.wire.on_command = self._on_command
        self.wire.on_lost = self.judge.on_lost
        self.wire.on_reports = self._on_reports
        self.wire.on_fault = self._on_fault
        self.wire.on_answer = self.judge.on_answer
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._number = count()
        self._queue: deque[tuple[str, str, bytes]] = deque()
        self._facts: deque[Any] = deque()
        self._fine_until_ns = 0
        self._by_hand_until_ns = 0
        self._not_before_ns = 0
        self._trouble_ns = 0
        self._off_until_ns = 0
        self._hash = hashlib.blake2b(digest_size=8)
        self._keep = keep_trace
        self.trace: deque[str] = deque(maxlen=None if keep_trace else 40)
        self._manual_ids = count(1)
        self._doubles: set[str] = set()
        self._idle_since: dict[str, int] = {}
        self._active: set[str] = set()

    # Time

    def at(self, at_ns: int, act: Callable[[], None]) -> None:
        """Do something at this time."""
        heapq.heappush(self._heap, (max(at_ns, self.now_ns), next(self._number), act))

    def run(self) -> Result:
        broken = rule = ""
        try:
            self._run()
        except Broken as error:
            broken, rule = str(error), error.rule
        except Exception as error:  # a crash of a core is a finding as well
            broken, rule = f"crash: {type(error).__name__}: {error}", "crash"
            if self._keep:
                raise
        return Result(broken, rule, self.counts, self._hash.hexdigest(), list(self.trace))

    def _run(self) -> None:
        for process in self.processes.values():
            self._start(process)
        self._beats(12)
        self.at(self.now_ns + SECOND, self._connect)
        for incident in self.plan.incidents:
            self.at(incident.at_ns, lambda incident=incident: self._strike(incident))
        for index, session in enumerate(self.sessions):
            self.at(session.open_ns + 60 * SECOND, self._operate)
            if index >= len(self.sessions) - QUIET_SESSIONS:
                self.at(session.open_ns - 3600 * SECOND, self._calm_down)
            if index == len(self.sessions) - 1:
                self.at(session.open_ns, self._active.clear)
        end_ns = self.sessions[-1].close_ns - 1200 * SECOND
        while self._step(end_ns):
            pass
        self._check_end()

    def _step(self, end_ns: int) -> bool:
        """The next event. False at the end."""
        at_ns = self._next_ns(end_ns)
        if at_ns is None:
            return False
        self.counts["steps"] += 1
        self.judge.pass_time(at_ns)
        self.now_ns = self.wire.now_ns = max(self.now_ns, at_ns)
        ran = False
        while self._heap and self._heap[0][0] <= self.now_ns:
            heapq.heappop(self._heap)[2]()
            self._settle()
            ran = True
        ran |= self._cross_boundary()
        ran |= self._elapse()
        if not ran or self.exchange.now_ns < self.now_ns:
            self.wire.reported(self.exchange.advance(self.now_ns, one=True))
            self._settle()
        return True

    def _next_ns(self, end_ns: int) -> int | None:
        due = [self._heap[0][0]] if self._heap else []
        market_ns = self.exchange.next_event_ns()
        if market_ns is not None:
            due.append(market_ns)
        clock = self.processes["clock"]
        if clock.actor is not None:
            boundary = clock.actor.core.next_boundary(clock.actor.core.record(clock.actor.state))
            if boundary is not None:
                due.append(boundary)
        for process in self.processes.values():
            if process.actor is None or self._clock_down_ns is not None:
                continue
            if (deadline := process.actor.market_deadline()) is not None:
                due.append(deadline)
        gateway = self.processes["gateway"].actor
        if not self.judge.in_trouble:
            self._trouble_ns = self.now_ns
        troubled = self.judge.in_trouble and self.now_ns - max(self._trouble_ns, self._fine_until_ns) < TROUBLE_NS
        fine = self.now_ns < self._fine_until_ns or troubled
        if gateway is not None:  # (while all is quiet a real fleet asks every 30 s, too)
            by_hand = self.now_ns < max(self._by_hand_until_ns, self.wire.disturbed_ns + BY_HAND_NS)
            gateway.core.quiet_ns = 30 * SECOND if by_hand else int(QUIET_S * SECOND)
        if gateway is not None and fine:
            machine_ns = gateway.core.deadlines(gateway.state, Now(self.now_ns, self.now_ns)).machine_ns
            if machine_ns is not None:
                due.append(max(machine_ns, self._not_before_ns))
        at_ns = max(min(due), self.now_ns)
        return at_ns if at_ns < end_ns else None

    def _cross_boundary(self) -> bool:
        clock = self.processes["clock"]
        if clock.actor is None:
            return False
        boundary = clock.actor.core.next_boundary(clock.actor.core.record(clock.actor.state))
        if boundary is None or boundary > self.now_ns:
            return False
        self._deliver(clock, TimeReached(self.now_ns))
        self._settle()
        return True

    def _elapse(self) -> bool:
        """Timers that are due."""
        ran = False
        for process in list(self.processes.values()):
            actor = process.actor
            if actor is None:
                continue
            due = actor.core.deadlines(actor.state, Now(actor.market.now(self.now_ns), self.now_ns))
            machine = due.machine_ns is not None and due.machine_ns <= self.now_ns >= self._not_before_ns
            market = due.market_ns is not None and due.market_ns <= actor.market.now(self.now_ns)
            if not machine and not market:
                continue
            ran = True
            self._deliver(process, Elapsed())
            self._settle()
            if machine and process.name == "gateway":
                self._not_before_ns = self.now_ns + SECOND // 10
        return ran

    def _beats(self, seconds: int) -> None:
        """Beats for some seconds: links open and rows that were lost come again."""
        for second in (0.0, 0.3, 1.2, 2.4, 3.6, 5.0, 8.0, 12.0):
            if second <= seconds:
                self.at(self.now_ns + int(second * SECOND), self._beat)

    def _beat(self) -> None:
        for process in list(self.processes.values()):
            if process.actor is not None:
                process.actor._next_beat = process.actor._next_round = 0
                process.actor.elapse(self.now_ns)
                self._flush(process)
        self._settle()

    # Processes

    def _started_ns(self, name: str) -> int | None:
        process = self.processes[name]
        return process.started_ns if process.actor is not None else None

    def _start(self, process: Process) -> None:
        process.start(self.now_ns)
        self._note(f"{process.name} starts")
        if process.name == "clock":
            self._clock_down_ns = None
            self._deliver(process, TimeReached(self.now_ns))
        self._flush(process)
        self._fine(FINER_NS)

    def _stop(self, process: Process, seconds: float) -> None:
        """It is down, and comes back after so many seconds. Of two absences the longer one counts."""
        process.down_until_ns = max(process.down_until_ns, self._off_until_ns, self.now_ns + int(seconds * SECOND))
        self.at(process.down_until_ns, lambda: self._restart(process))
        if process.actor is None:
            return
        process.stop()
        self._note(f"{process.name} is down")
        if process.name == "clock":
            self._clock_down_ns = self.now_ns
        if process.name == "gateway":
            self._facts.clear()
            self.wire.drop(tell=False)

    def _restart(self, process: Process) -> None:
        if process.actor is not None or self.now_ns < process.down_until_ns:
            return
        self._start(process)
        self._beats(12)
        if process.name == "gateway":
            self.at(self.now_ns + SECOND // 2, self._connect)

    def _connect(self) -> None:
        if self.wire.socket_up or self.processes["gateway"].actor is None:
            return
        if self.now_ns < self.wire.refusing_until_ns:
            self.at(self.wire.refusing_until_ns + SECOND // 2, self._connect)
            return
        self._fine(FINER_NS)
        self.wire.connect()
        self._settle()

    def _deliver(self, process: Process, message: Any, sender: str = "") -> None:
        if process.actor is not None:
            process.actor.deliver(message, self.now_ns, sender)
            self._flush(process)

    def _flush(self, process: Process) -> None:
        if process.actor is None:
            return
        outputs, died = process.flush(self.now_ns)
        if died:
            self.counts[f"killed {process.name.partition('-')[0]}"] += 1
            self._stop(process, self._kill_seconds)
        for command in outputs.broker:
            self._note(f"-> {command}")
            self._fine(FINE_NS)
            self.wire.execute(command)
        for peer, frame in outputs.frames:
            self._queue.append((peer, process.name, frame))
        for _topic, message in outputs.published:
            if isinstance(message, Tick):
                self._deliver(self.processes[symbol_process(message.symbol)], message)
                self._deliver(self.processes["risk"], message)
            else:
                assert isinstance(message, MarketTime)
        for noted in outputs.noted:
            self.counts[f"event {noted.event}"] += 1
            self._note(f"{process.name}: {noted.level} {noted.event} {noted.symbol} {noted.fields}")

    _kill_seconds = 1.0

    def _settle(self) -> None:
        """Deliver messages until none is left."""
        queue, facts = self._queue, self._facts
        while queue or facts:
            while queue:
                target, sender, frame = queue.popleft()
                process = self.processes.get(target)
                if process is not None and process.actor is not None:
                    process.actor.receive(sender, frame, self.now_ns)
                    self._flush(process)
            if facts:
                self._deliver(self.processes["gateway"], facts.popleft(), "broker")

    # The broker

    def _fact(self, fact: Any) -> None:
        if self.processes["gateway"].actor is None:
            return
        if type(fact).__name__ != "Quote":
            self._note(f"<- {fact}")
            self._fine(FINE_NS)
        if isinstance(fact, BrokerExecution):
            self.judge.on_execution(fact)
        self._facts.append(fact)

    def _on_command(self, command: Any) -> None:
        self.judge.on_command(command)
        record = getattr(command, "order", None)
        if record is not None and record.side == "BUY":
            self._active.add(record.symbol)

    def _on_fault(self, symbol: str, why: str) -> None:
        self.judge.disturb(symbol, why)
        self.judge.symbols[symbol].doubled |= why == "doubled"

    def _on_reports(self, reports: Sequence[Report], ours: bool) -> None:
        for report in reports:
            if type(report).__name__ not in ("QuoteReport", "AccountReport", "PositionReport"):
                self._note(f"exchange: {report}")
        if any(isinstance(report, ExecutionReport) for report in reports):
            self._fine(BY_HAND_NS)
            self._by_hand_until_ns = self.now_ns + BY_HAND_NS
        if any(type(report).__name__ != "QuoteReport" for report in reports):
            self.judge.on_reports(reports, ours=ours)

    # Incidents

    def _fine(self, for_ns: int) -> None:
        self._fine_until_ns = max(self._fine_until_ns, self.now_ns + for_ns)

    def _own_order(self, symbol: str, side: str) -> Order | None:
        for order in self.exchange.open_orders():
            ticket = order.ticket
            if ticket.symbol == symbol and ticket.side == side and is_reference_of(ticket.order_ref, SETTINGS.name):
                return order
        return None

    def _act(self, incident: Incident, reports: Sequence[Report]) -> None:
        """Something was done at the exchange."""
        self.counts[incident.name] += 1
        self.wire.reported(reports)
        self._settle()

    def _strike(self, incident: Incident) -> None:
        self._note(f"== {incident}")
        self._fine(FINER_NS)
        symbol = incident.symbol
        match incident.kind:
            case "kill":
                self._kill(incident)
            case "process away":
                self.counts[f"process away {symbol.partition('-')[0]}"] += 1
                self._stop(self.processes[symbol], incident.seconds)
            case "machine off":
                self.counts[incident.name] += 1
                self._off(incident.seconds)
            case "ledger lost":
                self._lose_ledger(incident)
            case "command lost" | "fact lost" | "fact late" | "fact doubled" | "answer":
                self.wire.arm(incident)
            case "disconnect":
                self.counts[incident.name] += 1
                self.wire.refusing_until_ns = self.now_ns + int(incident.seconds * SECOND)
                self.wire.drop(tell=True)
                self.at(self.wire.refusing_until_ns + SECOND // 2, self._connect)
            case "1100":
                if self.wire.broker_up:
                    self.counts[incident.name] += 1
                    self.wire.lose_broker(late=bool(incident.number))
                    self.judge.disturb_all("1100")
                    self.at(self.now_ns + int(incident.seconds * SECOND), lambda: self._restore(incident))
            case "halt":
                self.judge.symbols[symbol].halted = True
                self._act(incident, self.exchange.halt(symbol))
                self.at(self.now_ns + int(incident.seconds * SECOND), lambda: self._resume(symbol))
            case "split":
                ratio = float(incident.number) if incident.number > 0 else 1.0 / -incident.number
                reports = self.exchange.split(symbol, ratio)
                self.judge.split(symbol, ratio)
                self._act(incident, reports)
            case "rejected":
                self.wire.refuse_next = incident.what
            case "doubled":
                self.wire.double_next = True
            case "order ids roll back":
                self.wire.ids_roll_back = True
            case "flatten" | "pause":
                self._command(incident)
            case _:
                self._at_the_exchange(incident)
        self._settle()

    def _restore(self, incident: Incident) -> None:
        self._fine(FINER_NS)
        self.wire.restore_broker(incident.what)
        self._settle()

    def _resume(self, symbol: str) -> None:
        self._fine(FINER_NS)
        self.judge.symbols[symbol].halted = False
        self.judge.disturb(symbol, "halt")
        self.wire.reported(self.exchange.resume(symbol))

    def _kill(self, incident: Incident) -> None:
        process = self.processes[incident.symbol]
        if process.actor is None:
            return
        self.counts[incident.name] += 1
        self._kill_seconds = incident.seconds
        process.arm(incident.what, incident.number)

    def _off(self, seconds: float) -> None:
        self._off_until_ns = max(self._off_until_ns, self.now_ns + int(seconds * SECOND))
        for process in self.processes.values():
            self._stop(process, seconds)

    def _lose_ledger(self, incident: Incident) -> None:
        what = incident.what
        self.counts[incident.name] += 1
        if what == "all":
            self._off(incident.seconds)
            lost = list(self.processes.values())
        else:
            lost = [self.processes[symbol_process(incident.symbol) if what == "symbol" else what]]
            self._stop(lost[0], incident.seconds)
        for process in lost:
            process.lose_ledger()
        if what in ("all", "gateway"):
            self.judge.ledger_lost()

    def _at_the_exchange(self, incident: Incident) -> None:
        exchange, symbol = self.exchange, incident.symbol
        account = exchange.accounts[0]
        match incident.kind:
            case "sale by hand":
                held = next((p.quantity for p in exchange.positions(account) if p.symbol == symbol), 0.0)
                if held < 1:
                    return
                quantity = max(1.0, float(int(held * (0.3, 0.6, 1.0, 1.0)[incident.number])))
                self._manual(incident, "SELL", quantity)
            case "purchase by hand":
                self._manual(incident, "BUY", float(3 + incident.number))
            case "stop cancelled by hand":
                order = self._own_order(symbol, "SELL")
                if order is not None:
                    self.judge.disturb(symbol, "stop cancelled by hand")
                    self._act(incident, exchange.cancel(order.ticket.client_id, order.ticket.order_id))
            case "cancelled by the broker":
                order = self._own_order(symbol, "SELL" if incident.number else "BUY")
                if order is not None:
                    self.judge.disturb(symbol, "cancelled by the broker")
                    self._act(incident, exchange.broker_actions.end(order.perm_id, "Order Canceled - reason:test"))
            case "filled in part":
                order = self._own_order(symbol, "BUY" if incident.number % 2 else "SELL")
                if order is not None and order.remaining > 1:
                    reports = exchange.broker_actions.fill(order.perm_id, float(int(order.remaining / 2)))
                    if reports:
                        self._act(incident, reports)
            case "corrected" | "busted":
                # (An exchange corrects what was traded on the same day.)
                young_ns = self.now_ns - DAY_NS
                own = [e for e in exchange.executions() if e.symbol == symbol and e.quantity and e.time_ns > young_ns]
                own = [e for e in own if is_reference_of(e.order_ref, SETTINGS.name)]
                if own:
                    last = own[-1]
                    reports = (
                        exchange.correct_execution(last.exec_id, round(last.price * 1.01, 2))
                        if incident.kind == "corrected"
                        else exchange.bust_execution(last.exec_id)
                    )
                    self.judge.disturb(symbol, incident.kind)
                    self._act(incident, reports)
            case "error":
                order = self._own_order(symbol, "SELL" if incident.number % 2 else "BUY")
                if order is not None and self.wire.socket_up:
                    code = (10349, 161, 10147, 104)[incident.number]
                    self.counts[incident.name] += 1
                    self._fact(BrokerError(order.ticket.order_id, code, "said of an order that lives"))

    def _manual(self, incident: Incident, side: str, quantity: float) -> None:
        number = next(self._manual_ids)
        ticket = Ticket(
            client_id=MANUAL_CLIENT_ID,
            order_id=number,
            account=self.exchange.accounts[0],
            symbol=incident.symbol,
            side="SELL" if side == "SELL" else "BUY",
            quantity=quantity,
            order_type="MKT",
        )
        self.judge.disturb(incident.symbol, incident.kind)
        self._fine(BY_HAND_NS)
        self._by_hand_until_ns = self.now_ns + BY_HAND_NS
        reports = self.exchange.place(ticket)
        order = self.exchange.find(MANUAL_CLIENT_ID, number)
        if order is not None and not order.done:
            # At the last price, at once: what is done by hand is over before anything else happens.
            reports = [*reports, *self.exchange.broker_actions.fill(order.perm_id, order.remaining)]
        if side == "SELL":
            self.judge.sold_by_hand(incident.symbol)
        self._act(incident, reports)

    # The operator

    def _send(self, command: Command) -> None:
        risk = self.processes["risk"]
        if risk.actor is None:
            return
        state = risk.actor.state
        answer = answer_to(state, command, SYMBOLS, ready=risk.actor.core.ready(state))
        self._note(f"operator: {command}: {answer.text}")
        if answer.ok:
            self._deliver(risk, command)
            self._settle()

    def _command(self, incident: Incident) -> None:
        found = self.judge.symbols[incident.symbol]
        if incident.kind == "flatten" and found.shares:
            self.counts[incident.name] += 1
            found.ordered = True
            self.judge.disturb(incident.symbol, "flatten")
            self._send(Flatten(incident.symbol))
        elif incident.kind == "pause":
            self.counts[incident.name] += 1
            self._send(Pause(incident.symbol))
            self.at(self.now_ns + int(incident.seconds * SECOND), lambda: self._send(Resume(incident.symbol)))

    def _operate(self) -> None:
        """Each morning the operator does what the status asks for: accepts what was found, resumes what waits."""
        gateway = self.processes["gateway"].actor
        if gateway is not None and any(b.reason == "shares_found" for b in gateway.state.table(Block).values()):
            self.counts["shares found accepted"] += 1
            self._send(AdoptFound())
        self._send(Resume())  # (if the fleet asks for it: risk's ledger was lost)
        for symbol in SYMBOLS:
            self._send(Resume(symbol))

    def _calm_down(self) -> None:
        self.wire.disarm()

    # The end

    def _check_end(self) -> None:
        gateway = self.processes["gateway"].actor
        for symbol, found in self.judge.symbols.items():
            actor = self.processes[symbol_process(symbol)].actor
            assert actor is not None
            assert gateway is not None
            record = actor.state.get(SymbolRecord, symbol) or SymbolRecord(symbol=symbol)
            own = gateway.state.get(Own, symbol) or Own(symbol)
            # If a stop of ours sold what a person had sold before, only the executions tell: 0 is as true as less.
            short = found.own < 0 and own.quantity <= 0
            if own.quantity != found.own and not short and not found.unknowable:
                raise Broken("book", symbol, f"the gateway says own {own.quantity:g}: {self.judge._shows(symbol)}")
            if symbol in self._active or found.shares:
                continue
            self.counts[f"idle {record.why}"] += 1
            # Beside foreign shares a stop whose entry ended unseen stays: whose shares are left, a person says. Shares
            # that a person sold, and whose purchase was annulled, are a short position beside ours: exposure.
            foreign = found.own != found.account and record.why in ("position_mismatch", "protection_refused")
            below = found.own < 0 and record.why in ("position_mismatch", "oversold", "symbol_exposure_exceeded")
            if not foreign and not below and record.why not in EXPLAINED:
                raise Broken("idle", symbol, f"state {record.state}, why {record.why!r}: {self.judge._shows(symbol)}")

    def _note(self, line: str) -> None:
        self._hash.update(f"{self.now_ns} {line}\n".encode())
        self.trace.append(f"{self.now_ns / SECOND:.3f} {line}")


EXPLAINED = frozenset({"paused", "price_above_allocation", "halted", "stopped_out", "no_trade_yet"})
"""Reasons of an idle symbol that tell a person what to do, or that end by themselves."""
