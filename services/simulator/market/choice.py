"""The market source of a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from messages.market import Session
from services.configuration.settings import Settings
from services.simulator.market.files import FileSource
from services.simulator.market.synthetic import SyntheticSource
from services.simulator.venue.source import MarketSource

__all__ = ["check_sessions", "market_source"]


def market_source(settings: Settings, symbols: Sequence[str] = ()) -> MarketSource:
    """The market of the configuration, for these symbols (default: the watchlist).

    Raises Refusal with one clear line.
    """
    simulation = settings.simulation
    symbols = tuple(symbols) or (*settings.watchlist, *settings.winding_down)
    if simulation.market == "files":
        return FileSource(
            [Path(path) for path in simulation.files],
            symbols,
            start=simulation.start.isoformat() if simulation.start else None,
            end=simulation.end.isoformat() if simulation.end else None,
            extended=simulation.extended_hours,
            zone=simulation.zone,
        )
    return SyntheticSource(
        simulation.seed,
        symbols,
        tick_s=simulation.tick_s,
        daily_volatility=simulation.daily_volatility,
        extended=simulation.extended_hours,
    )


def check_sessions(source: MarketSource, sessions: Sequence[Session]) -> str:
    """What a recorded market plays in these sessions, for a person; "" for a synthetic one.

    Raises Refusal with one clear line if a symbol has nothing in them.
    """
    return source.check_sessions(sessions) if isinstance(source, FileSource) else ""
