"""The real processes with a stopwatch in the gateway: python -m benchmarks.actors KIND SETTINGS LEDGER [TICKER]

KIND is gateway, risk, symbol or clock, LEDGER is durable (SQLite, as in the fleet) or memory (nothing reaches the
disk). Cores, actors, links, bus and loops are those of the fleet. Two things stand in for the world outside: the
gateway's broker is a source of ticks, and the clock's calendar is one session around now. There is no recorder
here: the bare chain has none.

When an approval reaches the gateway the ask has run through the trigger, so its core drops the entry
(`price_through_trigger`), risk releases the reservation, and the next tick leads to the next entry.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.children import Measured, answer, orders
from benchmarks.figures import TICKS_PER_SECOND
from messages import Message
from messages.broker import (
    BrokerAccount,
    BrokerContract,
    BrokerSnapshot,
    Connected,
    FromBroker,
    Qualify,
    Quote,
    RequestSnapshot,
    ToBroker,
)
from messages.entries import EntryApproved
from messages.market import MarketTime, Session
from services.clock.core import ClockCore
from services.clock.pace import RealPace
from services.configuration.settings import Settings
from services.gateway.book.records import QuoteRecord
from services.gateway.core import CONSTRAINTS, GatewayCore
from services.risk.core import RiskCore, constraints
from services.runtime import event_loop, poll_loop
from services.runtime.actor import Actor
from services.runtime.bus import Bus
from services.runtime.core import Decision, Now, State
from services.runtime.ledger import Constraint, Ledger, MemoryLedger
from services.runtime.market_clock import MarketClock
from services.runtime.process import RunningProcess
from services.symbol.core import SymbolCore
from services.trading.ids import symbol_process

SECOND = 1_000_000_000
STRAGGLERS_S = 0.2
LAST, ASK, ASK_LATER = 100.0, 100.02, 200.0


class Stopwatch(GatewayCore):
    """The gateway's core, noting when an approved entry reaches it, and when the tick behind it was published."""

    published: dict[str, int]
    answered: set[str]
    latencies_us: list[float]

    def watch(self, bus: Bus) -> None:
        """Note from now on."""
        self.published, self.answered, self.latencies_us = {}, set(), []
        publish = bus.publish

        def noted(topic: str, message: Message) -> None:
            self.published[topic] = time.monotonic_ns()
            publish(topic, message)

        bus.publish = noted  # type: ignore[method-assign]

    def handle(self, state: State, message: Message | Any, now: Now) -> Decision:
        if type(message) is EntryApproved:
            symbol = message.plan.symbol
            self.latencies_us.append((time.monotonic_ns() - self.published[symbol]) / 1000)
            self.answered.add(symbol)
            known = state.table(QuoteRecord)[symbol]
            later = QuoteRecord(msgspec.structs.replace(known.quote, ask=ASK_LATER), known.number)
            state.apply([(QuoteRecord, symbol, later)])
        return super().handle(state, message, now)


class Newest:
    """The prices that wait to be taken."""

    def __init__(self) -> None:
        self.waiting: list[Quote] = []

    def take(self, symbol: str = "") -> list[Quote]:
        taken, self.waiting = self.waiting, []
        return taken


class TickSource:
    """In the place of the broker's edge: connects at once, reconciles to nothing, sends ticks when asked to."""

    wire = (0, 0)

    def __init__(self, settings: Settings, actor: Actor, watch: Stopwatch, loop: event_loop.EventLoop):
        self.facts: list[FromBroker] = []
        self._actor = actor
        assert settings.ibkr.account is not None
        self._account, self._tickers = settings.ibkr.account, settings.watchlist
        self._watch, self._heard = watch, loop.turn_soon
        self.quotes = Newest()

    async def run(self) -> None:
        """Rounds, until nobody asks for one."""
        self.facts.append(Connected((self._account,), 1, 1))
        self._heard()
        while not self._all_ready():
            await asyncio.sleep(0.05)
        asked = iter(orders())
        while (seconds := await asyncio.to_thread(next, asked, None)) is not None:
            self._watch.answered.clear()
            self._watch.latencies_us.clear()
            ticks = await self._round(seconds)
            answer(Measured(ticks, len(self._watch.answered), self._watch.latencies_us))

    def _all_ready(self) -> bool:
        """An entry that is asked for too early is denied, and asked for again after a minute only."""
        links = self._actor.links
        names = ("risk", *(symbol_process(ticker) for ticker in self._tickers))
        return all(name in links and links[name].peer_ready for name in names)

    async def _round(self, seconds: float) -> int:
        gap_s = 1 / (len(self._tickers) * TICKS_PER_SECOND)
        begun, count = time.monotonic(), int(seconds / gap_s)
        for number in range(count):
            await asyncio.sleep(begun + number * gap_s - time.monotonic())
            self.quotes.waiting.append(
                Quote(self._tickers[number % len(self._tickers)], LAST, time.time_ns(), LAST, ASK)
            )
            self._heard()
        await asyncio.sleep(STRAGGLERS_S)
        return count

    def execute(self, command: ToBroker) -> None:
        match command:
            case Qualify():
                self.facts += [BrokerContract(t, number, t) for number, t in enumerate(self._tickers, 1)]
            case RequestSnapshot(question):
                self.facts.append(BrokerSnapshot(self._account, (), (), (), (), (), question))
                self.facts.append(BrokerAccount(self._account, {"NetLiquidation": 1e6, "TotalCashValue": 1e6}))
            case _:
                return
        self._heard()

    def close(self) -> None:
        """Nothing to close."""


class Clock(poll_loop.Hooks):
    """The loop's side of a clock in real time."""

    def __init__(self, pace: RealPace):
        self._pace = pace

    def work(self, machine_ns: int) -> None:
        self._pace.work(machine_ns)

    def wake(self, machine_ns: int) -> int:
        return self._pace.wake(machine_ns)


def _ledger(p: RunningProcess, kind: str, constraints: Sequence[Constraint] = ()) -> Ledger:
    return p.ledger(constraints) if kind == "durable" else MemoryLedger(p.name, constraints)


async def gateway(p: RunningProcess, ledger: str) -> None:
    core = Stopwatch(p.settings)
    actor = p.actor(core, _ledger(p, ledger, CONSTRAINTS))
    bus = p.bus()
    core.watch(bus)
    loop = event_loop.EventLoop(actor, bus, p.log)
    await loop.run(TickSource(p.settings, actor, core, loop), lockstep=False)


def session() -> Session:
    """One that is open."""
    now_ns = time.time_ns()
    return Session("2025-01-06", now_ns - 3600 * SECOND, now_ns + 6 * 3600 * SECOND)


def clock(p: RunningProcess) -> None:
    core = ClockCore([session()], 15)
    actor = p.actor(core, MemoryLedger(p.name))
    actor.market = MarketClock(lockstep=True)
    bus = p.bus()

    def publish(word: MarketTime) -> None:
        bus.publish("time", word)

    poll_loop.run(actor, bus, p.log, Clock(RealPace(actor, core, publish)))


def main(kind: str, settings: str, ledger: str, *ticker: str) -> None:
    with RunningProcess(Path(settings), kind, *ticker) as p:
        dials = {peer: topics for peer, topics in p.wiring.dials.items() if peer != "recorder"}
        p.wiring = msgspec.structs.replace(p.wiring, dials=dials)
        match kind:
            case "gateway":
                asyncio.run(gateway(p, ledger))
            case "clock":
                clock(p)
            case "risk":
                poll_loop.run(
                    p.actor(RiskCore(p.settings), _ledger(p, ledger, constraints(p.settings))), p.bus(), p.log
                )
            case _:
                poll_loop.run(p.actor(SymbolCore(p.ticker, p.settings), _ledger(p, ledger)), p.bus(), p.log)


if __name__ == "__main__":
    main(*sys.argv[1:])
