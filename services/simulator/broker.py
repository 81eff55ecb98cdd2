"""One complete simulated broker: exchange, ledger and TWS server. Its owner has the clock, opens it and moves it.

The fleet's process (`__main__.py`), the standalone gateway (`standalone.py`) and the Python API (`testing.py`) all use
it, so they behave alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from messages.market import Session
from services.configuration.broker_policy import Policy
from services.configuration.refusal import Refusal
from services.simulator.faults import catalogue
from services.simulator.faults.active import ActiveFault, BeginFault
from services.simulator.faults.timetable import TimetableEntry
from services.simulator.requests.dispatch import AdvanceResult
from services.simulator.server import TwsServer
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.source import MarketSource
from services.simulator.venue.store import Store

__all__ = ["SimulatedBroker"]


class SimulatedBroker:
    """A broker with these accounts on this market. It continues from its ledger; a new one starts at `start_ns`."""

    def __init__(
        self,
        source: MarketSource,
        sessions: Sequence[Session],
        store: Store,
        *,
        accounts: Sequence[AccountTerms],
        start_ns: int,
        host: str,
        port: int,
        policy: Policy | None = None,
        seed: int = 0,
    ) -> None:
        self.exchange = Exchange(
            source,
            sessions,
            accounts=accounts,
            start_ns=start_ns,
            policy=policy,
            saved=store.load(),
        )
        self.server = TwsServer(self.exchange, store, host, port)
        self.server.dispatcher.faults.seed = seed

    async def open(self) -> None:
        """Start to listen. OSError if the address is not available."""
        await self.server.start()

    def advance(self, to_ns: int, *, one: bool = False) -> AdvanceResult:
        """Move the market to `to_ns` (`one`: by one event at most)."""
        return self.server.advance(to_ns, one=one)

    def next_ns(self) -> int | None:
        """The time of the next event of market, orders or faults; None if there is none."""
        times = [self.exchange.next_event_ns(), self.server.dispatcher.faults.next_ns()]
        return min((time_ns for time_ns in times if time_ns is not None), default=None)

    def plan(self, timetable: Sequence[TimetableEntry], start_ns: int | None = None) -> None:
        """Schedule these faults. Those that were due before now are left out.

        `after` counts from `start_ns` (default: now). A process that was restarted gives the start of the market, so
        that no fault starts twice. Refusal, and nothing is scheduled, if one has an unknown symbol.
        """
        faults, now_ns = self.server.dispatcher.faults, self.exchange.now_ns
        for entry in timetable:
            catalogue.check_symbol(entry.fault, self.exchange.symbols)
        for entry in timetable:
            if (due_ns := entry.due_ns(now_ns if start_ns is None else start_ns)) >= now_ns:
                faults.schedule(due_ns, (BeginFault(entry.fault),))

    def fault(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Start a fault. Refusal for an unknown fault or an invalid argument."""
        fault = catalogue.fault(name, arguments)
        catalogue.check_symbol(fault, self.exchange.symbols)
        self.server.dispatcher.faults.begin(catalogue.name_of(type(fault)), fault)
        self._perform()
        return f"{catalogue.name_of(type(fault))} begins"

    def clear(self, name: str = "") -> str:
        """End all active faults, or those of this name."""
        ended = self.server.dispatcher.faults.clear(name)
        self._perform()
        return f"ended: {', '.join(ended)}" if ended else f"no fault{f' {name}' if name else ''} is active"

    def active(self) -> list[str]:
        """The active faults, one line each."""
        return [_line(fault) for fault in self.server.dispatcher.faults.active]

    def command(self, command: dict[str, Any]) -> dict[str, Any]:
        """Answer a control socket's command about faults."""
        match command:
            case {"do": "fault", "name": str(name), **more}:
                return {"text": self.fault(name, more.get("arguments", {}))}
            case {"do": "faults"}:
                active = self.active()
                return {
                    "text": "\n".join([catalogue.listing(), "", "active:", *(active or ["none"])]),
                    "active": active,
                }
            case {"do": "clear", **more}:
                return {"text": self.clear(more.get("name", ""))}
            case _:
                raise Refusal(f"unknown command {command.get('do')!r}")

    def _perform(self) -> None:
        self.server.effects.perform()
        self.server.effects.settle()
        self.server.flush()

    async def close(self) -> None:
        """End all connections. The ledger stays open: who opened it closes it."""
        await self.server.stop()


def _line(active: ActiveFault) -> str:
    arguments = " ".join(f"{key}={value}" for key, value in msgspec.to_builtins(active.fault).items())
    return f"{active.name}  {arguments}" + (f"  ({active.left} to come)" if active.left else "")
