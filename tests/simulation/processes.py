"""The fleet's processes in one: each is an actor over its ledger, and can be killed at a durable write or a send.

A killed process loses what it did not commit or send. Its restart is a new actor over the same ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from services.clock.core import ClockCore
from services.configuration.settings import Settings
from services.gateway.core import CONSTRAINTS, GatewayCore
from services.risk.core import RiskCore, constraints
from services.runtime.actor import Actor, Outputs
from services.runtime.ledger import Batch, Constraint, MemoryLedger
from services.runtime.market_clock import MarketClock
from services.runtime.wiring import wiring_of
from services.symbol.core import SymbolCore
from services.trading.ids import symbol_process

__all__ = ["Killed", "Process", "processes_of"]

QUIET_S = 1800.0
"""Seconds between two questions while all is quiet. A real fleet asks every 30 s, which would take most of the time."""

SECOND = 1_000_000_000


class Killed(Exception):
    """The process died in the middle of something."""


class SharedClock(MarketClock):
    """Market time is virtual time, while the clock process lives; without it, it stands still after five seconds."""

    def __init__(self, clock_down_ns: Callable[[], int | None]):
        super().__init__()
        self._down_ns = clock_down_ns

    def now(self, machine_ns: int) -> int:
        down_ns = self._down_ns()
        self.reach(machine_ns if down_ns is None else min(machine_ns, down_ns + 5 * SECOND))
        return self._reached

    def stale(self, machine_ns: int) -> bool:
        down_ns = self._down_ns()
        return down_ns is not None and machine_ns - down_ns > 5 * SECOND

    def machine_at(self, market_ns: int, machine_ns: int) -> int | None:
        return market_ns if self._down_ns() is None else None


EPOCHS = 1000
"""What lies between the identities of two ledgers. Real ones are times, so run numbers added to them never meet."""


class _Ledger(MemoryLedger):
    """Counts its commits, and dies before one if it is armed to."""

    dies = False
    commits = 0

    def commit(self, batch: Batch) -> None:
        if self.dies:
            raise Killed
        self.commits += 1
        super().commit(batch)


class Process:
    """One process. `actor` is None while it is down."""

    def __init__(
        self, name: str, core: Callable[[], Any], rules: Sequence[Constraint], symbol: str, clock: MarketClock
    ):
        self.name = name
        self.symbol = symbol
        self.actor: Actor | None = None
        self.started_ns = 0
        self.down_until_ns = 0
        self.wiring = wiring_of(name, symbol)
        self._dials = {peer: topics for peer, topics in self.wiring.dials.items() if peer != "recorder"}
        self._core, self._rules, self._clock = core, rules, clock
        self.ledger = _Ledger(name, rules, epoch=EPOCHS)
        self._kill: tuple[str, int] | None = None

    def start(self, now_ns: int) -> None:
        """A new run over the same ledger."""
        self.ledger.dies = False
        self._kill = None
        self.started_ns = now_ns
        self.actor = Actor(
            self.name,
            self._core(),
            self.ledger,
            dials=self._dials,
            market=self._clock,
            default_interest=self.wiring.wants,
        )
        self.actor.start(now_ns)

    def stop(self) -> None:
        """Killed: what is not committed is gone."""
        self.actor = None

    def lose_ledger(self) -> None:
        """The file is gone: the next run begins with an empty one, which has another identity."""
        self.ledger = _Ledger(self.name, self._rules, epoch=self.ledger.epoch + EPOCHS)

    def arm(self, point: str, number: int) -> None:
        """Kill it at its next durable write: before the commit, after it, or when `number` outputs are sent."""
        self._kill = (point, number)

    def flush(self, now_ns: int) -> tuple[Outputs, bool]:
        """Commit. Returns what is sent, and whether the process died on the way."""
        assert self.actor is not None
        writes = bool(self.actor._batch)
        if self._kill is None or not writes:
            return self.actor.flush(now_ns), False
        point, number = self._kill
        self._kill = None
        if point == "before the commit":
            self.ledger.dies = True
        try:
            outputs = self.actor.flush(now_ns)
        except Killed:
            return Outputs(), True
        left = 0 if point == "after the commit" else number + 1
        sent = Outputs(noted=outputs.noted)
        sent.broker, left = outputs.broker[:left], max(0, left - len(outputs.broker))
        sent.frames, left = outputs.frames[:left], max(0, left - len(outputs.frames))
        sent.published = outputs.published[:left]
        return sent, True


def processes_of(
    settings: Settings, sessions: Sequence[Any], clock_down_ns: Callable[[], int | None]
) -> dict[str, Process]:
    """The fleet: clock, gateway, risk, and one process for each symbol."""

    def clock_core() -> ClockCore:
        return ClockCore(
            sessions, settings.entries.cancel_before_close_minutes, settings.hours.protective_audit_minutes
        )

    found = {
        "clock": Process("clock", clock_core, (), "", SharedClock(lambda: None)),
        "gateway": Process(
            "gateway", lambda: GatewayCore(settings, quiet_s=QUIET_S), CONSTRAINTS, "", SharedClock(clock_down_ns)
        ),
        "risk": Process("risk", lambda: RiskCore(settings), constraints(settings), "", SharedClock(clock_down_ns)),
    }
    for symbol in settings.watchlist:
        name = symbol_process(symbol)
        found[name] = Process(
            name, lambda symbol=symbol: SymbolCore(symbol, settings), (), symbol, SharedClock(clock_down_ns)
        )
    return found
