"""One simulated broker, whole: exchange, ledger and TWS server. Whoever owns the time opens it and moves it.

The fleet's process (`__main__.py`), the gateway that runs alone (`alone.py`) and the Python API (`testing.py`) stand on
it, so that what is tried with one holds for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from messages.market import Session
from services.configuration.broker_policy import Policy
from services.configuration.refusal import Refusal
from services.simulator.faults import catalogue
from services.simulator.faults.active import Begin
from services.simulator.faults.timetable import Entry
from services.simulator.requests.dispatch import Moved
from services.simulator.server import TwsServer
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.source import MarketSource
from services.simulator.venue.store import Store

__all__ = ["House"]


class House:
    """A broker of these accounts on this market. It goes on where the ledger ends, or begins at `start_ns`."""

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
            memory=store.load(),
        )
        self.server = TwsServer(self.exchange, store, host, port)
        self.server.desk.faults.seed = seed

    async def open(self) -> None:
        """Begin to listen. OSError if the address can't be had."""
        await self.server.start()

    def advance(self, to_ns: int, *, one: bool = False) -> Moved:
        """Move the market to `to_ns` (`one`: by one event at most)."""
        return self.server.advance(to_ns, one=one)

    def next_ns(self) -> int | None:
        """When the next thing will happen by itself."""
        times = [self.exchange.next_event_ns(), self.server.desk.faults.next_ns()]
        return min((time_ns for time_ns in times if time_ns is not None), default=None)

    def plan(self, timetable: Sequence[Entry], start_ns: int | None = None) -> None:
        """Let these faults begin when their time comes; what was due before now is left out.

        `start_ns` is what `after` counts from: the beginning of the market, for a process that goes on after it died
        and must not do everything twice. Default: now. Refusal, and no fault at all, where one has an unknown symbol.
        """
        faults, now_ns = self.server.desk.faults, self.exchange.now_ns
        for entry in timetable:
            catalogue.check_symbol(entry.fault, self.exchange.symbols)
        for entry in timetable:
            if (due_ns := entry.due_ns(now_ns if start_ns is None else start_ns)) >= now_ns:
                faults.schedule(due_ns, (Begin(entry.fault),))

    def fault(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Begin a fault. Refusal for one that does not exist, or an argument that does not fit."""
        asked = catalogue.fault(name, arguments)
        catalogue.check_symbol(asked, self.exchange.symbols)
        self.server.desk.faults.begin(catalogue.name_of(type(asked)), asked)
        self._perform()
        return f"{catalogue.name_of(type(asked))} begins"

    def clear(self, name: str = "") -> str:
        """End all active faults, or those of one name."""
        ended = self.server.desk.faults.clear(name)
        self._perform()
        return f"ended: {', '.join(ended)}" if ended else f"no fault{f' {name}' if name else ''} is active"

    def active(self) -> list[str]:
        """What is active, a line each."""
        return [
            f"{live.name}  {' '.join(f'{key}={value}' for key, value in msgspec.to_builtins(live.fault).items())}"
            + (f"  ({live.left} to come)" if live.left else "")
            for live in self.server.desk.faults.active
        ]

    def command(self, command: dict[str, Any]) -> dict[str, Any]:
        """What a control socket is asked about faults."""
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
        """End all connections; the ledger keeps what happened, and belongs to whoever opened it."""
        await self.server.stop()
