"""Checks before a fleet starts: a problem is one line here instead of an error in twenty logs."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from services.configuration.refusal import Refusal
from services.configuration.settings import Settings
from services.fleet import live_confirmation
from services.fleet.places import RUNTIME_VARIABLE, Fleet, short_lived
from services.fleet.supervision import Supervisor
from services.simulator.faults import timetable
from services.simulator.market.choice import market_source

__all__ = ["broker_notes", "check", "check_files", "check_live", "place_notes"]

CONNECT_S = 2.0
"""Longest wait for a broker's socket to answer."""


def check(chosen: Fleet, supervisor: Supervisor, down: str) -> None:
    """Refusal if the fleet cannot work: old processes are alive, files are missing, or the port is taken."""
    orphans = supervisor.orphans()
    if orphans:
        raise Refusal(f"fleet {chosen.name}: {', '.join(orphans)} still there without a supervisor; end them: {down}")
    library = chosen.settings.ibkr.library
    if find_spec(library) is None:
        raise Refusal(f"ibkr.library is {library}, which is not installed; `make ibasync` installs it")
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
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.create_server(address, family=family):
            pass
    except (socket.gaierror, UnicodeError) as error:
        raise Refusal(f"ibkr.host: {host}: {_unknown_host(error)}") from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise Refusal(
            f"{_shown(host, port)}: the simulated gateway cannot listen there ({reason}); "
            "set ibkr.port to a free port, or give the fleet a name of its own (`fleet: mine`) for a port of its own"
        ) from error


def broker_notes(chosen: Fleet) -> list[str]:
    """A note if no broker answers yet. The fleet starts all the same and waits for it."""
    ibkr = chosen.settings.ibkr
    if chosen.settings.mode == "sim":
        return []
    where = _shown(ibkr.host, ibkr.port)
    try:
        socket.create_connection((ibkr.host, ibkr.port), CONNECT_S).close()
    except (socket.gaierror, UnicodeError) as error:
        return [f"ibkr.host: {ibkr.host}: {_unknown_host(error)}; it is waited for"]
    except OSError:
        return [f"nothing answers at {where}; log IB Gateway in and enable its API socket, it is waited for"]
    return []


def _unknown_host(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return f"no such host ({reason}); give a name or an address that this machine knows, as 127.0.0.1 or ::1"


def _shown(host: str, port: int) -> str:
    """Host and port as one writes them; an IPv6 address stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def place_notes(chosen: Fleet) -> list[str]:
    """A note for each folder of the fleet that may vanish while the fleet runs."""
    notes = []
    if why := short_lived(chosen.run):
        notes.append(
            f"the sockets of the fleet lie in {chosen.run}: {why}; set {RUNTIME_VARIABLE} to a short folder of your own"
        )
    if chosen.settings.mode != "sim" and (why := short_lived(chosen.var)):
        notes.append(f"the records of the fleet lie in {chosen.var}: {why}; set CRAZY_HOME to a folder that lasts")
    return notes
