"""Checks before a fleet starts: a problem is one line here instead of an error in twenty logs."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from pathlib import Path

from services.configuration.refusal import Refusal
from services.configuration.settings import Settings
from services.fleet import live_confirmation
from services.fleet.places import Fleet
from services.fleet.supervision import Supervisor
from services.simulator.faults import timetable
from services.simulator.market.choice import market_source

__all__ = ["broker_notes", "check", "check_files", "check_live"]

CONNECT_S = 2.0
"""Longest wait for a broker's socket to answer."""


def check(chosen: Fleet, supervisor: Supervisor, down: str) -> None:
    """Refusal if the fleet cannot work: old processes are alive, files are missing, or the port is taken."""
    orphans = supervisor.orphans()
    if orphans:
        raise Refusal(f"fleet {chosen.name}: {', '.join(orphans)} still there without a supervisor; end them: {down}")
    if chosen.settings.mode == "sim":
        check_files(chosen.settings)
        _check_port(chosen.settings.ibkr.host, chosen.settings.ibkr.port)


def check_files(settings: Settings) -> None:
    """Refusal if a file that the simulation names is missing or has mistakes. Recorded markets are read whole."""
    simulation = settings.simulation
    for file in simulation.files if simulation.market == "files" else ():
        if not Path(file).is_file():
            raise Refusal(f"{file}: no such market file; mend simulation.files, or set simulation.market: synthetic")
    if simulation.market == "files":
        market_source(settings)
    if simulation.faults is not None:
        timetable.load(Path(simulation.faults), (*settings.watchlist, *settings.winding_down))


def check_live(chosen: Fleet, golive: str) -> None:
    """Refusal if this is the first live start and the owner has not confirmed the account.

    Later starts are never refused: positions need protection. Without the confirmation entries are blocked.
    """
    if chosen.settings.mode != "live" or chosen.ledger("gateway").exists():
        return
    confirmation = live_confirmation.read(chosen.confirmation)
    if confirmation is None or not confirmation.valid(chosen.settings.ibkr.account, datetime.now(UTC)):
        raise Refusal(f"fleet {chosen.name}: real money is traded only after its owner's word: {golive}")


def _check_port(host: str, port: int) -> None:
    """Refusal if another program listens there: the fleet would take it for its simulated gateway."""
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise Refusal(
            f"{host}:{port}: the simulated gateway cannot listen there ({reason}); "
            "set ibkr.port to a free port, or give the fleet a name of its own (`fleet: mine`) for a port of its own"
        ) from error


def broker_notes(chosen: Fleet) -> list[str]:
    """A note if no broker answers yet. The fleet starts all the same and waits for it."""
    ibkr = chosen.settings.ibkr
    if chosen.settings.mode == "sim":
        return []
    try:
        socket.create_connection((ibkr.host, ibkr.port), CONNECT_S).close()
    except OSError:
        return [
            f"nothing answers at {ibkr.host}:{ibkr.port}; log IB Gateway in and enable its API socket, it is waited for"
        ]
    return []
