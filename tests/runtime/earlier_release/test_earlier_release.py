"""The files that the release before wrote are read by this one: every ledger, and the recorder's database.

The README of this folder says how the files came about. A record, a message or a table may gain a field with a default;
it may lose none, and its class keeps its name.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

import messages
from services.clock.core import ClockRecord, Watched
from services.gateway.book.records import AccountPosition, Book, Coverage, EntrySlot, OrderRecord, Own
from services.recorder.core import RecorderCore
from services.recorder.store import DuckLedger
from services.risk.core import Watchlist
from services.risk.exposure import Holding, Reservation
from services.risk.pauses import PauseRecord
from services.runtime.core import Now, State, is_volatile
from services.runtime.ledger import Batch, RecordChange, SqliteLedger
from services.simulator.venue import persistence
from services.simulator.venue.store import Store
from services.symbol.record import SymbolRecord
from services.watchdog.core import Counted
from tests.runtime.earlier_release import files

EXPECTED = json.loads((files.FOLDER / "expected.json").read_text())
SAMPLES = [line.split(" ", 2) for line in (files.FOLDER / "samples.txt").read_text().splitlines()]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "var"
    files.build(folder)
    return folder


@pytest.fixture
def var(built: Path, tmp_path: Path) -> Path:
    """The fleet's folder, for one test: whoever opens the files changes them."""
    return shutil.copytree(built, tmp_path / "var")


def says_all(now: Any, then: Any) -> bool:
    """Whether this has every field of that, with the same value.

    It may have more fields: by name anywhere, in an array at its end. A whole number may have become a float: some
    fields of type float were given a 0.
    """
    if isinstance(now, dict) and isinstance(then, dict):
        return all(name in now and says_all(now[name], value) for name, value in then.items())
    if isinstance(now, list) and isinstance(then, list):
        return len(now) >= len(then) and all(map(says_all, now, then))
    return now == then and (type(now) is type(then) or (type(now), type(then)) == (float, int))


def same(record: object, body: bytes) -> bool:
    """Whether a record is written again as it was, apart from fields that came since."""
    again = msgspec.json.encode(record)
    return again == body or says_all(msgspec.json.decode(again), msgspec.json.decode(body))


def same_message(message: object, body: bytes) -> bool:
    """Whether a message is written again as it was, apart from fields that came since."""
    again = msgspec.msgpack.encode(message)
    return again == body or says_all(msgspec.msgpack.decode(again), msgspec.msgpack.decode(body))


@pytest.mark.parametrize("process", files.PROCESSES)
def test_a_process_finds_what_it_kept(process: str, var: Path) -> None:
    assert files.ledger_figures(var, process) == EXPECTED["ledgers"][process]


@pytest.mark.parametrize("process", files.PROCESSES)
def test_every_record_is_written_again_as_it_was(process: str, var: Path) -> None:
    actor = files.opened(var, process)
    kinds = {kind.__name__: kind for kind in actor.core.kinds}
    with closing(actor.ledger) as ledger:
        stored = ledger.load().records
    assert stored
    for kind, bodies in stored.items():
        for key, body in bodies.items():
            record = actor.state.get(kinds[kind], key)
            assert record is not None
            assert record.key == key
            assert same(record, body), (record, body)


@pytest.mark.parametrize("process", files.PROCESSES)
def test_every_message_is_written_again_as_it_was(process: str, var: Path) -> None:
    actor = files.opened(var, process)
    with closing(actor.ledger) as ledger:
        rows = ledger.rows_after(0)
        for row, envelope in zip(rows, files.envelopes(actor), strict=True):
            assert (envelope.sender, envelope.seq, envelope.recipient) == (process, row.seq, row.recipient)
            assert same_message(envelope, row.envelope)
            assert same_message(messages.decode(envelope.body), bytes(envelope.body))
    inputs = files.journal(var, process)
    assert inputs
    for body in inputs:
        assert same_message(files.journaled(body), body)


@pytest.mark.parametrize("process", files.PROCESSES)
def test_a_process_starts_on_its_ledger(process: str, var: Path) -> None:
    """Its first input is handled and committed."""
    actor = files.opened(var, process)
    with closing(actor.ledger):
        actor.start(1)
        outputs = actor.flush(1)
        assert not [note for note in outputs.noted if note.event == "message_refused"], outputs.noted


@pytest.mark.parametrize(("process", "kind", "body"), SAMPLES, ids=[f"{p} {kind}" for p, kind, _ in SAMPLES])
def test_a_record_with_a_value_in_every_field(process: str, kind: str, body: str) -> None:
    """Records for which the recorded day gave no cause, and fields that it left empty."""
    if process == "simulator":
        found: type = files.OF_THE_SIMULATOR[kind]
    else:
        core, _ = files.core_of(process)
        (found,) = [each for each in core.kinds if each.__name__ == kind]
        assert not is_volatile(found), "no ledger keeps it any more"
    assert same(msgspec.json.decode(body, type=found), body.encode())


def test_the_shares_the_stop_and_the_pending_entries(var: Path) -> None:
    gateway, risk, clock = (files.opened(var, process).state for process in ("gateway", "risk", "clock"))
    assert gateway.table(Own) == {"AMC": Own("AMC", quantity=25.0, cost_usd=1025.25), "SMCI": Own("SMCI")}
    assert gateway.get(AccountPosition, "AMC") == AccountPosition("AMC", quantity=25.0, avg_cost=41.05)
    assert gateway.get(Coverage, "AMC") == Coverage("AMC", shares=25.0, protected=25.0)
    assert gateway.get(Book, "book") == Book(account=files.ACCOUNT, next_order_id=11)
    live = {o.client_order_id: (o.role, o.quantity, o.order_id) for o in gateway.table(OrderRecord).values() if o.live}
    assert live == {
        "CT-AMC-20250106-1-S1": ("stop", 25.0, 6),
        "CT-NVDA-20250106-1": ("entry", 8.0, 1),
        "CT-NVDA-20250106-1-S1": ("stop", 8.0, 2),
        "CT-SMCI-20250106-2": ("entry", 76.0, 9),
        "CT-SMCI-20250106-2-S1": ("stop", 76.0, 10),
    }
    stop = gateway.get(OrderRecord, "CT-AMC-20250106-1-S1")
    assert stop is not None
    assert (stop.order_type, stop.trailing_pct, stop.trail_stop_price, stop.parent_id) == ("TRAIL", 10.0, 39.096, 5)
    pending = {"CT-NVDA-20250106-1": "NVDA", "CT-SMCI-20250106-2": "SMCI"}
    assert {slot.client_order_id: slot.symbol for slot in gateway.table(EntrySlot).values()} == pending

    reserved = {r.client_order_id: (r.symbol, r.leaves, r.usd) for r in risk.table(Reservation).values()}
    assert reserved == {
        "CT-NVDA-20250106-1": ("NVDA", 8.0, 1055.4),
        "CT-SMCI-20250106-2": ("SMCI", 76.0, 1099.2),
    }
    assert risk.get(Holding, "AMC") == Holding("AMC", own=25.0, cost_usd=1025.25, account=25.0, avg_cost=41.05)
    assert [(pause.scope, pause.cause) for pause in risk.table(PauseRecord).values()] == [("TSLA", "operator")]
    watchlist = tuple(files.CONFIG["watchlist"])
    assert risk.get(Watchlist, "watchlist") == Watchlist(watchlist)
    assert clock.get(Watched, "watched") == Watched(watchlist=watchlist)
    record = clock.get(ClockRecord, "clock")
    assert record is not None
    assert (record.date, record.phase, record.step) == ("2025-01-06", "open", 276)
    assert {c.starts for c in files.opened(var, "watchdog").state.table(Counted).values()} == {1}


@pytest.mark.parametrize(
    ("symbol", "state", "own", "entry_live", "paused"),
    [
        ("AMC", "POSITION_OPEN", 25.0, False, False),
        ("SMCI", "ENTRY_PENDING", 0.0, True, False),
        ("NVDA", "ENTRY_PENDING", 0.0, True, False),
        ("TSLA", "NO_POSITION", 0.0, False, True),
    ],
)
def test_the_state_of_a_symbol(symbol: str, state: str, own: float, entry_live: bool, paused: bool, var: Path) -> None:
    record = files.opened(var, f"symbol-{symbol}").state.get(SymbolRecord, symbol)
    assert record is not None
    assert (record.state.value, record.own, record.entry_live, record.paused) == (state, own, entry_live, paused)


def tables_of(file: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The tables of an SQLite file, with their columns."""
    with closing(sqlite3.connect(file)) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: db.execute(f"PRAGMA table_info({name})").fetchall() for name in names}


@pytest.mark.parametrize("process", files.PROCESSES)
def test_a_ledger_has_the_tables_of_a_new_one(process: str, var: Path, tmp_path: Path) -> None:
    files.opened(var, process).ledger.close()
    SqliteLedger(tmp_path / "new.sqlite", "new").close()
    assert tables_of(var / "ledgers" / f"{process}.sqlite") == tables_of(tmp_path / "new.sqlite")


def test_the_simulator_finds_what_it_kept(var: Path) -> None:
    assert files.simulator_figures(var) == EXPECTED["simulator"]


def test_the_simulators_ledger_is_written_again_as_it_was(var: Path, tmp_path: Path) -> None:
    """Every column of every row, and of the JSON every field."""
    found = files.memory(var)
    with closing(Store(tmp_path / "new.sqlite", files.ACCOUNT)) as store:
        store.save(persistence.Changes(**{name: getattr(found, name) for name in found.__struct_fields__}))
    assert tables_of(tmp_path / "new.sqlite") == tables_of(var / "simulator.sqlite")
    with (
        closing(sqlite3.connect(var / "simulator.sqlite")) as then,
        closing(sqlite3.connect(tmp_path / "new.sqlite")) as now,
    ):
        for table in tables_of(tmp_path / "new.sqlite"):
            rows, again = (db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for db in (then, now))
            assert len(rows) == len(again) > 0, table
            for row, other in zip(rows, again, strict=True):
                for value, copy in zip(row, other, strict=True):
                    json_text = isinstance(value, str) and value.startswith("{")
                    assert copy == value or (json_text and says_all(json.loads(copy), json.loads(value))), (
                        table,
                        value,
                        copy,
                    )


def assert_figures(var: Path) -> None:
    """The database has the figures that it had. A view may have more columns."""
    found, expected = files.database_figures(var), EXPECTED["database"]
    assert {**found, "views": None} == {**expected, "views": None}
    assert found["views"].keys() >= expected["views"].keys()
    for name, rows in expected["views"].items():
        assert says_all(found["views"][name], rows), (name, found["views"][name], rows)


def test_the_recorder_finds_what_it_kept(var: Path) -> None:
    assert_figures(var)
    with closing(files.recorder(var)) as ledger:
        loaded = ledger.load()
        assert (loaded.run, loaded.cursors) == (2, EXPECTED["database"]["cursors"])


def test_the_recorder_makes_the_same_rows_of_the_same_messages(var: Path) -> None:
    """Every message of every outbox arrives a second time: no row is added, and no figure changes."""
    core, batch = RecorderCore(), Batch()
    for process in files.PROCESSES:
        actor = files.opened(var, process)
        with closing(actor.ledger):
            for envelope in files.envelopes(actor):
                now = Now(envelope.time_ns, 0, envelope)
                decision = core.handle(State(core.kinds), messages.decode(envelope.body), now)
                batch.changes += [
                    RecordChange(kind.__name__, key, msgspec.json.encode(row)) for kind, key, row in decision.changes
                ]
    assert len(batch.changes) > 100
    with closing(files.recorder(var)) as ledger:
        ledger.commit(batch)
    assert_figures(var)


COLUMNS = "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
CONSTRAINTS = "SELECT table_name, constraint_type, constraint_text FROM duckdb_constraints()"


def test_the_database_has_the_tables_and_views_of_a_new_one(var: Path, tmp_path: Path) -> None:
    files.recorder(var).close()
    DuckLedger(tmp_path / "new.duckdb", fleet="new", account=None).close()
    with (
        duckdb.connect(str(var / "bot.duckdb"), read_only=True) as then,
        duckdb.connect(str(tmp_path / "new.duckdb"), read_only=True) as now,
    ):
        for query in (COLUMNS, CONSTRAINTS):
            has, new = (db.execute(f"{query} ORDER BY ALL").fetchall() for db in (then, now))
            assert has == new != []
