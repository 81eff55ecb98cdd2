"""Ledger files that are damaged, of an earlier version, or stopped in the middle of an upgrade; and numbers that no
ledger takes."""

from __future__ import annotations

import math
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

import messages
from messages.broker import BrokerPosition
from messages.frames import Envelope
from messages.operator import Happened, Refused
from messages.timers import LedgerLost, Started
from services.configuration.settings import Settings
from services.gateway.book.records import AccountPosition, Own
from services.gateway.core import CONSTRAINTS, GatewayCore
from services.runtime.actor import Actor
from services.runtime.core import Deadlines, Decision, Draft, Now, State
from services.runtime.ledger import (
    Batch,
    JournalLine,
    MemoryLedger,
    NotFinite,
    OutboxRow,
    RecordChange,
    SqliteLedger,
    check_finite,
    encode_record,
)
from services.runtime.market_clock import MarketClock
from services.runtime.migrations import STEPS, VERSION

ROOT = Path(__file__).parents[2]
LEGACY = Path(__file__).parent / "earlier_release" / "ledgers" / "gateway.sql"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with records, rows, cursors and a long journal."""
    path = tmp_path / "gateway.sqlite"
    ledger = SqliteLedger(path, "gateway")
    ledger.load()
    for n in range(1, 300):
        ledger.commit(
            Batch(
                changes=[RecordChange("Own", f"S{n}", encode_record(Own(f"S{n}", n, n)))],
                rows=[OutboxRow(n, "fleet", b"x" * 200)],
                cursors={"risk": n},
                acked={"recorder": n},
                journal=[JournalLine(n, n, "risk", b"y" * 400)],
            )
        )
    ledger.close()
    return path


def legacy(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript(LEGACY.read_text())


def owner(path: Path) -> str:
    with closing(sqlite3.connect(path)) as db:
        return str(db.execute("SELECT value FROM meta WHERE key = 'owner'").fetchone()[0])


def pages(data: bytes) -> bytes:
    """Every third page spoilt, except the first one."""
    spoilt = bytearray(data)
    for at in range(4096 * 2, len(spoilt), 4096 * 3):
        spoilt[at : at + 4096] = random.Random(at).randbytes(4096)
    return bytes(spoilt)


SPOILT = [
    pytest.param(lambda data: b"", id="zero bytes"),
    pytest.param(lambda data: random.Random(1).randbytes(len(data)), id="garbage"),
    pytest.param(lambda data: b"no database " * 50, id="text"),
    pytest.param(lambda data: data[: len(data) // 2], id="torn"),
    pytest.param(lambda data: data[:1000], id="less than a page"),
    pytest.param(pages, id="corrupt pages"),
]


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(path: Path, spoil: Callable[[bytes], bytes]) -> None:
    spoilt = spoil(path.read_bytes())
    path.write_bytes(spoilt)
    ledger = SqliteLedger(path, "gateway")
    aside = ledger.was_set_aside
    assert aside is not None
    assert aside.file == "gateway.sqlite"
    assert path.with_name(aside.kept_as).read_bytes() == spoilt
    loaded = ledger.load()
    assert (loaded.records, loaded.head, loaded.cursors, loaded.run) == ({}, 0, {}, 1)
    ledger.commit(Batch(rows=[OutboxRow(1, "fleet", b"")]))
    ledger.close()
    again = SqliteLedger(path, "gateway")
    assert again.was_set_aside is None
    assert again.load().epoch == loaded.epoch


def test_two_damaged_files_of_one_second_are_both_kept(path: Path) -> None:
    for _ in range(3):
        path.write_bytes(b"no database " * 50)
        SqliteLedger(path, "gateway").close()
    assert len(list(path.parent.glob("gateway.sqlite.unreadable-*"))) == 3


def test_a_database_that_is_no_ledger_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE mine (x)")
    assert SqliteLedger(path, "risk").was_set_aside is not None


class Keeper:
    """Has one kind of record, and remembers which of its messages came."""

    kinds: tuple[type, ...] = (Own,)

    def __init__(self) -> None:
        self.came: list[object] = []

    def ready(self, state: State) -> bool:
        return True

    def deadlines(self, state: State, now: Now) -> Deadlines:
        return Deadlines()

    def snapshot(self, state: State, interest: tuple[str, ...]) -> list[tuple[str, messages.Message]]:
        return []

    def handle(self, state: State, message: object, now: Now) -> Decision:
        self.came.append(message)
        d = Draft(state, now)
        match message:
            case BrokerPosition(symbol=symbol, quantity=quantity):
                d.put(Own(symbol, quantity))
            case Happened(event=event, fields=fields):
                d.send("fleet", Happened(event, "", "INFO", fields, 0))
            case float():
                d.send("TSLA", messages.orders.PositionUpdated("TSLA", 1.0, message, 0.0))
        return d.decision


def actor_on(ledger: SqliteLedger | MemoryLedger) -> tuple[Actor, Keeper]:
    core = Keeper()
    return Actor("gateway", core, ledger, dials={"recorder": ()}, market=MarketClock(lockstep=True)), core


def sent(ledger: SqliteLedger | MemoryLedger) -> list[messages.Message]:
    return [messages.decode(msgspec.msgpack.decode(r.envelope, type=Envelope).body) for r in ledger.rows_after(0)]


@pytest.mark.parametrize("body", [b'{"symbol":"TSLA","quantity":null}', b'{"symbol":7}', b"{", b"[]"])
@pytest.mark.parametrize("kind", ["sqlite", "memory"])
def test_a_record_that_cannot_be_read_sets_the_ledger_aside(tmp_path: Path, body: bytes, kind: str) -> None:
    """An earlier release wrote a NaN as null. The process starts, and reports it once."""
    path = tmp_path / "gateway.sqlite"
    ledger = SqliteLedger(path, "gateway") if kind == "sqlite" else MemoryLedger("gateway")
    ledger.commit(Batch(changes=[RecordChange("Own", "TSLA", body)]))
    actor, core = actor_on(ledger)
    actor.start(0)
    noted = [note for note in actor.flush(0).noted if note.level == "ERROR"]
    assert [note.event for note in noted] == ["ledger_set_aside"]
    assert noted[0].fields["process"] == "gateway"
    assert noted[0].fields["kept_as"]
    assert core.came == [Started(actor.epoch + 1), LedgerLost("gateway", actor.epoch)]
    assert isinstance(sent(ledger)[0], Happened)
    if kind == "sqlite":
        (kept,) = tmp_path.glob("gateway.sqlite.unreadable-*")
        with closing(sqlite3.connect(kept)) as db:
            assert db.execute("SELECT body FROM records").fetchone()[0].encode() == body


def test_the_gateway_starts_on_a_ledger_with_a_null(tmp_path: Path) -> None:
    """It was dead for good, and with it all protection."""
    ledger = SqliteLedger(tmp_path / "gateway.sqlite", "gateway", CONSTRAINTS)
    null = encode_record(AccountPosition("TSLA", 5.0, 1.0)).replace(b"1.0", b"null")
    ledger.commit(Batch(changes=[RecordChange("AccountPosition", "TSLA", null)]))
    actor = Actor(
        "gateway",
        GatewayCore(msgspec.convert({"watchlist": ["TSLA"]}, Settings)),
        ledger,
        dials={},
        market=MarketClock(lockstep=True),
    )
    actor.start(0)
    assert [note.event for note in actor.flush(0).noted] == ["ledger_set_aside"]


def test_a_record_with_fields_of_another_release_is_read() -> None:
    ledger = MemoryLedger("gateway")
    ledger.commit(Batch(changes=[RecordChange("Own", "TSLA", b'{"symbol":"TSLA","quantity":3,"invented":null}')]))
    actor, _ = actor_on(ledger)
    assert actor.state.get(Own, "TSLA") == Own("TSLA", 3.0, 0.0)
    assert ledger.was_set_aside is None


NUMBERS = [math.nan, -math.nan, math.inf, -math.inf]


class TestNotFinite:
    @pytest.mark.parametrize("number", NUMBERS)
    def test_no_record_has_one(self, number: float) -> None:
        with pytest.raises(NotFinite, match="quantity"):
            encode_record(Own("TSLA", number))

    def test_a_null_that_means_nothing_is_fine(self) -> None:
        position = messages.orders.PositionUpdated("TSLA", 1.0, 2.0, 3.0, None)
        assert msgspec.json.decode(encode_record(position))[-1] is None

    @pytest.mark.parametrize("number", NUMBERS)
    def test_wherever_it_is(self, number: float) -> None:
        for value in ({"a": [1.0, (2, number)]}, [Own("TSLA", 1.0, number)], number):
            for encoded in (None, msgspec.msgpack.encode(value)):
                with pytest.raises(NotFinite):
                    check_finite(value, encoded)

    def test_bytes_that_look_like_it_are_none(self) -> None:
        for value in ({"a": b"\xcb\x7f\xf8"}, [1.7976931348623157e308, -1.7e308, 0.0], "\u7ff8"):
            check_finite(value, msgspec.msgpack.encode(value))

    @pytest.mark.parametrize("kind", ["sqlite", "memory"])
    @pytest.mark.parametrize("number", NUMBERS)
    def test_its_message_is_refused_and_the_next_one_handled(self, tmp_path: Path, kind: str, number: float) -> None:
        ledger = SqliteLedger(tmp_path / "x.sqlite", "x") if kind == "sqlite" else MemoryLedger("x")
        actor, _ = actor_on(ledger)
        actor.deliver(BrokerPosition("DU1", "TSLA", number, 1.0), 0, "broker")
        actor.deliver(BrokerPosition("DU1", "NVDA", 5.0, 1.0), 0, "broker")
        assert [note.event for note in actor.flush(0).noted] == ["message_refused"]
        assert actor.state.get(Own, "TSLA") is None
        assert actor.state.get(Own, "NVDA") == Own("NVDA", 5.0)
        (refused,) = sent(ledger)
        assert isinstance(refused, Refused)
        assert (refused.symbol, "quantity is" in refused.error) == ("TSLA", True)
        again, _ = actor_on(ledger)
        assert again.state.get(Own, "NVDA") == Own("NVDA", 5.0)
        assert ledger.was_set_aside is None

    def test_no_row_has_one_except_a_note(self) -> None:
        ledger = MemoryLedger("x")
        actor, _ = actor_on(ledger)
        actor.deliver(math.nan, 0)
        actor.deliver(Happened("noted", "", "INFO", {"figure": math.nan}, 0), 0)
        actor.flush(0)
        assert [type(message) for message in sent(ledger)] == [Refused, Happened]


class TestUpgrade:
    def test_the_file_of_the_release_before_goes_on(self, tmp_path: Path) -> None:
        path = tmp_path / "gateway.sqlite"
        legacy(path)
        with closing(sqlite3.connect(path)) as db:
            before = {
                table: db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
                for table in ("records", "outbox", "journal", "cursors", "acked")
            }
        ledger = SqliteLedger(path, owner(path))
        loaded = ledger.load()
        assert loaded.epoch == 0
        assert loaded.cursors == dict(before["cursors"])
        assert set(loaded.epochs.values()) == {0}
        assert loaded.acked == dict(before["acked"])
        ledger.close()
        (copy,) = tmp_path.glob("gateway.sqlite.v1-*.backup")
        for file in (path, copy):
            with closing(sqlite3.connect(file)) as db:
                for table in ("records", "outbox", "journal"):
                    assert db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() == before[table]
        with closing(sqlite3.connect(copy)) as db:
            assert db.execute("SELECT value FROM meta WHERE key = 'version'").fetchone() == ("1",)
            assert db.execute("SELECT * FROM cursors ORDER BY 1").fetchall() == before["cursors"]

    def test_there_is_one_step_for_each_version(self) -> None:
        assert len(STEPS) + 1 == VERSION

    KILLED = """
import os, sys
from services.runtime import migrations, ledger
def last():
    os._exit(9)
stop = int(sys.argv[3])
ledger.steps_from = lambda version: (*migrations.STEPS[:stop], last)
ledger.SqliteLedger(sys.argv[1], sys.argv[2])
"""

    @pytest.mark.parametrize("stop", range(VERSION))
    def test_killed_in_the_middle_it_is_still_the_old_one(self, tmp_path: Path, stop: int) -> None:
        path = tmp_path / "gateway.sqlite"
        legacy(path)
        command = [sys.executable, "-c", self.KILLED, str(path), owner(path), str(stop)]
        assert subprocess.run(command, cwd=ROOT, check=False).returncode == 9
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("SELECT value FROM meta WHERE key = 'version'").fetchone() == ("1",)
            assert len(db.execute("SELECT * FROM cursors").fetchone()) == 2
        ledger = SqliteLedger(path, owner(path))
        assert ledger.was_set_aside is None
        assert ledger.load().records["Own"]
