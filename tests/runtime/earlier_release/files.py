"""The files of the release before, made of their text, and opened by this release's classes."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import msgspec

import messages
from messages.frames import Envelope
from messages.heartbeat import Heartbeat
from messages.market import Session, SessionOpened
from services.clock.core import ClockCore, StepBegun, TimeReached
from services.configuration.settings import Settings
from services.gateway.core import CONSTRAINTS, GatewayCore
from services.recorder.store import DuckLedger, open_at_rest
from services.risk.core import RiskCore, constraints
from services.runtime.actor import Actor
from services.runtime.core import Core
from services.runtime.ledger import Constraint, SqliteLedger
from services.runtime.market_clock import MarketClock
from services.runtime.wiring import wiring_of
from services.simulator.venue.holdings import AccountHolding
from services.simulator.venue.orders import Order
from services.simulator.venue.persistence import Checkpoint, SavedExchange
from services.simulator.venue.store import Store
from services.simulator.venue.tape import Tape
from services.symbol.core import SymbolCore
from services.watchdog.core import WatchdogCore
from tests.messages.test_wire import CLASSES

FOLDER = Path(__file__).parent
FLEET, ACCOUNT = "fixture", "DU1234567"
DAYS = {"start": "2025-01-06", "end": "2025-01-07"}
SIMULATION: dict[str, Any] = {"market": "synthetic", "pace": "lockstep", "speed": 600, "tick_s": 90, **DAYS}
CONFIG: dict[str, Any] = {"mode": "sim", "watchlist": ["AMC", "SMCI", "NVDA", "TSLA"], "simulation": SIMULATION}
"""The fleet's configuration. With another fleet name the orders would belong to another client id."""

PROCESSES = sorted(path.stem for path in FOLDER.glob("ledgers/*.sql"))
JOURNALED = {kind.__name__: kind for kind in (*CLASSES.values(), StepBegun, TimeReached)}
"""What an input in a journal may be, by its tag."""

OF_THE_SIMULATOR = {"Holding": AccountHolding, "Order": Order, "Standing": Checkpoint, "Tape": Tape}
"""What the simulator's ledger keeps as JSON, by the names in `samples.txt`."""


def build(var: Path) -> None:
    """Make the files of the fleet in its folder `var`."""
    (var / "ledgers").mkdir(parents=True)
    for text in (*FOLDER.glob("ledgers/*.sql"), FOLDER / "simulator.sql"):
        file = (var / text.relative_to(FOLDER)).with_suffix(".sqlite")
        with closing(sqlite3.connect(file)) as db:
            db.executescript(text.read_text())
    with duckdb.connect(str(var / "bot.duckdb")) as database:
        database.execute((FOLDER / "bot.sql").read_text())
    (var / "sessions.json").write_bytes((FOLDER / "sessions.json").read_bytes())


@cache
def settings() -> Settings:
    return msgspec.convert(CONFIG, Settings, strict=False)


def core_of(process: str) -> tuple[Core, tuple[Constraint, ...]]:
    """The core of a process, and what its ledger enforces."""
    kind, _, ticker = process.partition("-")
    match kind:
        case "gateway":
            return GatewayCore(settings()), CONSTRAINTS
        case "risk":
            return RiskCore(settings()), constraints(settings())
        case "clock":
            return ClockCore([monday()], settings().entries.cancel_before_close_minutes), ()
        case "watchdog":
            return WatchdogCore(), ()
        case _:
            return SymbolCore(ticker, settings()), ()


def opened(var: Path, process: str) -> Actor:
    """The process as it stands after its start, without sockets."""
    core, enforced = core_of(process)
    ledger = SqliteLedger(var / "ledgers" / f"{process}.sqlite", f"{process}@{ACCOUNT}", enforced)
    wiring = wiring_of(process, process.partition("-")[2])
    market = MarketClock(lockstep=True)
    return Actor(process, core, ledger, dials=wiring.dials, market=market, default_interest=wiring.wants)


def envelopes(actor: Actor) -> list[Envelope]:
    """The rows of its outbox."""
    return [msgspec.msgpack.decode(row.envelope, type=Envelope) for row in actor.ledger.rows_after(0)]


def journal(var: Path, process: str) -> list[bytes]:
    """The inputs in its journal."""
    with closing(sqlite3.connect(var / "ledgers" / f"{process}.sqlite")) as db:
        return [body for (body,) in db.execute("SELECT body FROM journal ORDER BY n")]


def journaled(body: bytes) -> Any:
    """An input of a journal. Heartbeats alone have no tag."""
    return msgspec.msgpack.decode(body, type=JOURNALED.get(msgspec.msgpack.decode(body)[0], Heartbeat))


def monday() -> Session:
    """The session in which the fleet was stopped, by the gateway's journal."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript((FOLDER / "ledgers" / "gateway.sql").read_text())
        inputs = [journaled(body) for (body,) in db.execute("SELECT body FROM journal")]
    return next(message.session for message in inputs if isinstance(message, SessionOpened))


def recorder(var: Path) -> DuckLedger:
    return DuckLedger(var / "bot.duckdb", fleet=FLEET, account=ACCOUNT)


def memory(var: Path) -> SavedExchange:
    """What the simulator remembers."""
    with closing(Store(var / "simulator.sqlite", ACCOUNT)) as store:
        loaded = store.load()
    assert loaded is not None
    return loaded


def counted(names: list[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def ledger_figures(var: Path, process: str) -> dict[str, Any]:
    """What this release finds in the ledger of a process."""
    actor = opened(var, process)
    with closing(actor.ledger) as ledger:
        loaded = ledger.load()
        held = {kind.__name__: len(actor.state.table(kind)) for kind in actor.core.kinds if actor.state.table(kind)}
        return {
            "run": actor.run,
            "head": loaded.head,
            "cursors": loaded.cursors,
            "acked": loaded.acked,
            "records": held,
            "outbox": counted([type(messages.decode(envelope.body)).__name__ for envelope in envelopes(actor)]),
            "journal": counted([type(journaled(body)).__name__ for body in journal(var, process)]),
        }


def simulator_figures(var: Path) -> dict[str, Any]:
    """What this release finds in the simulator's ledger."""
    found = memory(var)
    names = ("orders", "executions", "commissions", "holdings", "tapes")
    statuses = sorted(f"{order.ticket.order_ref} {order.status}" for order in found.orders)
    return {name: len(getattr(found, name)) for name in names} | {"orders_by_status": statuses}


def database_figures(var: Path) -> dict[str, Any]:
    """What this release finds in the recorder's file."""
    with open_at_rest(var / "bot.duckdb") as db:

        def rows(query: str) -> list[tuple[Any, ...]]:
            return db.execute(query).fetchall()

        def view(name: str) -> list[dict[str, Any]]:
            found = db.execute(f"SELECT * FROM {name} ORDER BY ALL")
            columns = [column[0] for column in found.description]
            return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]

        tables = [name for (name,) in rows("SELECT table_name FROM duckdb_tables()")]
        views = [name for (name,) in rows("SELECT view_name FROM duckdb_views() WHERE NOT internal")]
        orders = rows("SELECT client_order_id, status, filled, qty, avg_price FROM orders")
        figures = {
            "rows": {name: rows(f"SELECT count(*) FROM {name}")[0][0] for name in tables},
            "orders": {order: f"{status} {filled}/{qty} @{price}" for order, status, filled, qty, price in orders},
            "states": {symbol: figures for symbol, *figures in rows("SELECT symbol, state, why, own FROM state")},
            "events": counted([name for (name,) in rows("SELECT event_type FROM events")]),
            "views": {name: view(name) for name in views},
            "cursors": dict(rows("SELECT producer, seq FROM cursors")),
        }
    return msgspec.json.decode(msgspec.json.encode(figures, enc_hook=str))


def figures(var: Path) -> dict[str, Any]:
    """All of it, as in `expected.json`."""
    return {
        "ledgers": {process: ledger_figures(var, process) for process in PROCESSES},
        "simulator": simulator_figures(var),
        "database": database_figures(var),
    }
