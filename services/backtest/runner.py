"""Runs the fleet's cores on the exchange model in one process: a day of bars takes seconds.

The steps are those of lock-step (services/clock/steps.py), so the fleet in lock-step and this runner give equal
results. On a market file it is the backtest; with a seed, a simulated day.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

import messages
from messages.account import PerformanceSnapshot
from messages.broker import FromBroker, Quote
from messages.frames import Envelope
from messages.market import MarketTime, Session, Tick
from messages.operator import Answer, Command, Happened
from messages.orders import OrderRecord
from messages.timers import Elapsed
from services.backtest.broker import ExchangeBroker
from services.backtest.promises import Promises
from services.clock.core import ClockCore, MarketEnded, TimeReached
from services.clock.steps import MarketStep, next_step
from services.configuration.broker_policy import Policy
from services.configuration.broker_switches import policy_of
from services.configuration.settings import Settings
from services.gateway.book.records import CommissionSeen, FillRecord
from services.gateway.core import CONSTRAINTS, GatewayCore
from services.risk.core import RiskCore, constraints
from services.risk.operator import answer_to
from services.runtime.actor import Actor
from services.runtime.core import Core, Now
from services.runtime.ledger import MemoryLedger
from services.runtime.market_clock import MarketClock
from services.runtime.wiring import wiring_of
from services.simulator.venue.account import terms_of
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.reports import Report
from services.simulator.venue.source import MarketSource
from services.symbol.core import SymbolCore
from services.trading.ids import symbol_process

__all__ = ["ExchangeAction", "Result", "Runner", "run"]

QUIET_S = 600.0
"""How often the gateway asks its broker while all is quiet: nobody trades by hand here, and each answer costs time."""

ExchangeAction = Callable[[Exchange], list[Report]]
"""An action at the exchange that no client requested."""


class Result(msgspec.Struct):
    """The results of a run. `orders` by client_order_id, `fills` by base exec_id, `commissions` (USD) by exec_id."""

    orders: dict[str, OrderRecord]
    fills: dict[str, FillRecord]
    commissions: dict[str, float]
    snapshots: list[PerformanceSnapshot]
    events: list[Happened]
    steps: int


class Runner:
    """One fleet in one process. `run()` goes through the whole market source.

    `commands` are the operator's, in the order of their market time; `answers` has the answers to them.
    `exchange_actions` are actions at the exchange (a split, a halt), also by market time. Both run before the first
    step at or after their time.
    """

    def __init__(
        self,
        settings: Settings,
        source: MarketSource,
        sessions: Sequence[Session],
        *,
        policy: Policy | None = None,
        promises: Promises | None = None,
        commands: Sequence[tuple[int, Command]] = (),
        exchange_actions: Sequence[tuple[int, ExchangeAction]] = (),
    ):
        self._observe = settings.observe
        account = settings.ibkr.account or "DU1234567"
        policy = policy or policy_of(settings.simulation.policy)
        exchange = Exchange(
            source,
            sessions,
            accounts=[terms_of(account, settings.simulation.cash, policy)],
            start_ns=sessions[0].open_ns - 1,
            policy=policy,
        )
        self.exchange = exchange
        self.broker = ExchangeBroker(exchange, settings.ibkr.client_id)
        self.clock_core = ClockCore(
            sessions, settings.entries.cancel_before_close_minutes, settings.hours.protective_audit_minutes
        )
        self.symbol_of = {symbol_process(s): s for s in settings.watchlist}
        self.actors: dict[str, Actor] = {}
        self._add("clock", self.clock_core, MemoryLedger("clock"))
        self._add(
            "gateway", GatewayCore(settings, lockstep=True, quiet_s=QUIET_S), MemoryLedger("gateway", CONSTRAINTS)
        )
        self._add("risk", RiskCore(settings), MemoryLedger("risk", constraints(settings)))
        for process, symbol in self.symbol_of.items():
            self._add(process, SymbolCore(symbol, settings), MemoryLedger(process))
        self.steps = 0
        self.answers: list[Answer] = []
        self.events: list[Happened] = []
        self.snapshots: list[PerformanceSnapshot] = []
        self._process_of = {symbol: process for process, symbol in self.symbol_of.items()}
        self._queue: deque[tuple[str, str, bytes]] = deque()
        self._facts: deque[FromBroker] = deque()
        self._promises = promises
        self._commands = deque(commands)
        self._exchange_actions = deque(exchange_actions)
        self._machine_ns = 0

    def _add(self, name: str, core: Core, ledger: MemoryLedger) -> None:
        wiring = wiring_of(name, self.symbol_of.get(name, ""))
        dials = {peer: topics for peer, topics in wiring.dials.items() if peer != "recorder"}
        self.actors[name] = Actor(
            name,
            core,
            ledger,
            dials=dials,
            market=MarketClock(lockstep=True),
            default_interest=wiring.wants,
        )

    # Driving.

    def run(self) -> Result:
        """Run to the end of the market."""
        self._start()
        first = self.exchange.next_event_ns()
        if first is not None:
            session = self.clock_core.session_after(first)
            if session is not None:
                self._reach_boundary(session.open_ns - 1)
        while (step := self._next()) is not None:
            self._run_exchange_actions(step.time_ns)
            self._run_commands(step.time_ns)
            self._take(step)
        self._deliver("clock", MarketEnded())
        self._settle()
        return self._result()

    def _start(self) -> None:
        for name, actor in self.actors.items():
            actor.start(self._machine_ns)
            actor.elapse(self._machine_ns)
            self._flush(name)
        self._facts.extend(self.broker.connect())
        self._settle()
        waiting = [name for name, actor in self.actors.items() if not actor.ready]
        assert not waiting, f"not ready: {waiting}"

    def _next(self) -> MarketStep | None:
        clock = self.actors["clock"]
        record = self.clock_core.record(clock.state)
        deadlines = {name: actor.market_deadline() for name, actor in sorted(self.actors.items()) if name != "clock"}
        market_ns = self.exchange.next_event_ns()
        boundary = self.clock_core.next_boundary(record)
        if market_ns is None and record.phase == "waiting":
            return None
        return next_step(market_ns, boundary, deadlines, clock.market.now(0))

    def _take(self, step: MarketStep) -> None:
        self.steps += 1
        match step.kind:
            case "calendar":
                self._reach_boundary(step.time_ns)
            case "deadline":
                self._set_time(step.time_ns)
                self.actors[step.process].elapse_market(self._machine_ns)
                self._flush(step.process)
                self._settle()
            case "market":
                self._set_time(step.time_ns)
                self._deliver_broker(*self.broker.advance(step.time_ns))

    def _deliver_broker(self, facts: list[FromBroker], quotes: list[Quote]) -> None:
        self._facts.extend(facts)
        self._settle()
        self._facts.extend(quotes)
        self._settle()

    def _run_exchange_actions(self, until_ns: int) -> None:
        """Run the exchange actions that are due before the next step."""
        while self._exchange_actions and self._exchange_actions[0][0] <= until_ns:
            market_ns, act = self._exchange_actions.popleft()
            self._set_time(max(market_ns, self._machine_ns))
            self._deliver_broker(*self.broker.translate(act(self.exchange)))

    def _run_commands(self, until_ns: int) -> None:
        """Run the operator's commands that are due before the next step, as risk's control socket does."""
        while self._commands and self._commands[0][0] <= until_ns:
            market_ns, command = self._commands.popleft()
            self._set_time(max(market_ns, self._machine_ns))
            risk = self.actors["risk"]
            ready, observe = risk.core.ready(risk.state), self._observe
            answer = answer_to(risk.state, command, tuple(self.symbol_of.values()), ready=ready, observe=observe)
            self.answers.append(answer)
            if answer.ok:
                self._deliver("risk", command)
            self._settle()

    def _reach_boundary(self, market_ns: int) -> None:
        """A calendar step: all processes get the boundary."""
        self._set_time(market_ns)
        self._deliver("clock", TimeReached(market_ns))
        self._settle()

    def _set_time(self, market_ns: int) -> None:
        """Set the time. Machine time is virtual here and equals market time; timers on it run first."""
        self._machine_ns = market_ns
        for actor in self.actors.values():
            actor.market.reach(market_ns)
        for name, actor in self.actors.items():
            due = actor.core.deadlines(actor.state, Now(market_ns, market_ns)).machine_ns
            if due is not None and due <= market_ns:
                self._deliver(name, Elapsed())
        self._settle()

    def _deliver(self, name: str, message: Any) -> None:
        self.actors[name].deliver(message, self._machine_ns)
        self._flush(name)

    def _settle(self) -> None:
        """Deliver messages until none is left."""
        queue, facts = self._queue, self._facts
        while queue or facts:
            while queue:
                target, sender, frame = queue.popleft()
                actor = self.actors.get(target)
                if actor is not None:
                    actor.receive(sender, frame, self._machine_ns)
                    self._flush(target)
                    self._check_promises()
            if facts:
                fact = facts.popleft()
                self.actors["gateway"].deliver(fact, self._machine_ns, "broker")
                self._flush("gateway")
                self._check_promises()

    def _check_promises(self) -> None:
        if self._promises is not None:
            gateway, risk = self.actors["gateway"], self.actors["risk"]
            self._promises.check(gateway.state, risk.state, gateway.market.now(0))

    def _flush(self, name: str) -> None:
        outputs = self.actors[name].flush(self._machine_ns)
        for peer, frame in outputs.frames:
            self._queue.append((peer, name, frame))
        for _topic, message in outputs.published:
            if isinstance(message, Tick):
                self._deliver(self._process_of[message.symbol], message)
                self._deliver("risk", message)
            else:
                assert isinstance(message, MarketTime)
        for command in outputs.broker:
            self._facts.extend(self.broker.execute(command))
        self.events.extend(outputs.noted)

    def _result(self) -> Result:
        gateway = self.actors["gateway"].state
        risk_rows = self.actors["risk"].ledger.rows_after(0)
        return Result(
            orders=dict(gateway.table(OrderRecord)),
            fills=dict(gateway.table(FillRecord)),
            commissions={seen.exec_id: seen.commission for seen in gateway.table(CommissionSeen).values()},
            snapshots=[s for s in map(_message, risk_rows) if isinstance(s, PerformanceSnapshot)],
            events=self.events,
            steps=self.steps,
        )


def _message(row: Any) -> Any:
    return messages.decode(msgspec.msgpack.decode(row.envelope, type=Envelope).body)


def run(
    settings: Settings,
    source: MarketSource,
    sessions: Iterable[Session],
    *,
    policy: Policy | None = None,
    promises: Promises | None = None,
) -> Result:
    """The whole market source through the fleet's cores; with `promises` these are checked after every event."""
    return Runner(settings, source, tuple(sessions), policy=policy, promises=promises).run()
