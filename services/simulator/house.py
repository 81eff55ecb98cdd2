"""One simulated broker, whole: exchange, ledger and TWS server. Whoever owns the time opens it and moves it.

The fleet's process (`__main__.py`), the gateway that runs alone (`alone.py`) and the Python API (`testing.py`) stand on
it, so that what is tried with one holds for all.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.simulator.desk import Moved
from services.simulator.exchange import Exchange
from services.simulator.model import AccountTerms, Session
from services.simulator.policy import Policy
from services.simulator.server import TwsServer
from services.simulator.source import MarketSource
from services.simulator.store import Store

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

    async def open(self) -> None:
        """Begin to listen. OSError if the address can't be had."""
        await self.server.start()

    def advance(self, to_ns: int, *, one: bool = False) -> Moved:
        """Move the market to `to_ns` (`one`: by one event at most)."""
        return self.server.advance(to_ns, one=one)

    def next_ns(self) -> int | None:
        """When the next thing will happen by itself."""
        return self.exchange.next_event_ns()

    async def close(self) -> None:
        """End all connections; the ledger keeps what happened, and belongs to whoever opened it."""
        await self.server.stop()
