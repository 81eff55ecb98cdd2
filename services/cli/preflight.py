"""What is looked at before a fleet starts, so that what cannot work is said in one line instead of in twenty logs."""

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

__all__ = ["check", "check_files", "check_live", "surroundings"]

CONNECT_S = 2.0
"""Longest wait for a broker's socket to answer."""


def check(chosen: Fleet, supervisor: Supervisor, down: str) -> None:
    """Refuse what cannot work, before anything starts."""
    left = supervisor.orphans()
    if left:
        raise Refusal(f"fleet {chosen.name}: {', '.join(left)} still there without a supervisor; end them: {down}")
    if chosen.settings.mode == "sim":
        check_files(chosen.settings)
        _check_port(chosen.settings.ibkr.host, chosen.settings.ibkr.port)


def check_files(settings: Settings) -> None:
    """Refuse files that a simulation names and that aren't what it needs."""
    simulation = settings.simulation
    for file in simulation.files if simulation.market == "files" else ():
        if not Path(file).is_file():
            raise Refusal(f"{file}: no such market file; mend simulation.files, or set simulation.market: synthetic")
    if simulation.faults is not None:
        timetable.load(Path(simulation.faults), (*settings.watchlist, *settings.winding_down))


def check_live(chosen: Fleet, golive: str) -> None:
    """The first start into live needs the owner's word.

    Later ones start in any case: what is held is to be protected, and without the word nothing is entered.
    """
    if chosen.settings.mode != "live" or chosen.ledger("gateway").exists():
        return
    word = live_confirmation.read(chosen.confirmation)
    if word is None or not word.valid(chosen.settings.ibkr.account, datetime.now(UTC)):
        raise Refusal(f"fleet {chosen.name}: real money is traded only after its owner's word: {golive}")


def _check_port(host: str, port: int) -> None:
    """The simulated gateway must be able to listen there; someone else's gateway must not be taken for it."""
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise Refusal(
            f"{host}:{port}: the simulated gateway cannot listen there ({why}); "
            "set ibkr.port to a free port, or give the fleet a name of its own (`fleet: mine`) for a port of its own"
        ) from error


def surroundings(chosen: Fleet) -> list[str]:
    """What hinders nothing and should be known: a broker that is not there yet is waited for."""
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
