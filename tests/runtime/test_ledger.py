"""One contract for both ledgers, and what only a file can show: bindings, versions, a kill in the middle."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.runtime.ledger import (
    AtMost,
    Batch,
    Constraint,
    ConstraintBroken,
    JournalLine,
    Ledger,
    LedgerError,
    MemoryLedger,
    OutboxRow,
    RecordChange,
    SqliteLedger,
    Unique,
)

Open = Callable[..., Ledger]
ROOT = Path(__file__).parents[2]


def change(key: str, kind: str = "Slot", **fields: Any) -> RecordChange:
    return RecordChange(kind, key, json.dumps(fields).encode() if fields else None)


def row(seq: int, recipient: str = "TSLA") -> OutboxRow:
    return OutboxRow(seq, recipient, f"row {seq}".encode())


@pytest.fixture(params=["sqlite", "memory"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens the same ledger again, as a restarted process does."""
    memory = MemoryLedger("risk")

    def open_(*constraints: Constraint) -> Ledger:
        if request.param == "sqlite":
            return SqliteLedger(tmp_path / "risk.sqlite", "risk", constraints)
        memory._constraints = constraints
        return memory

    return open_


def test_starts_empty(reopen: Open) -> None:
    ledger = reopen()
    loaded = ledger.load()
    assert (loaded.records, loaded.head, loaded.cursors, loaded.acked, loaded.run) == ({}, 0, {}, {}, 1)
    assert ledger.oldest() == 1
    assert ledger.rows_after(0) == []


def test_a_commit_is_there_after_a_restart(reopen: Open) -> None:
    ledger = reopen()
    ledger.load()
    ledger.commit(
        Batch(
            changes=[change("b", x=1), change("a", x=2), change("gone", x=3)],
            rows=[row(1), row(2, "risk")],
            cursors={"gateway": 7},
            acked={"recorder": 1},
            journal=[JournalLine(1, 2, "gateway", b"input")],
        )
    )
    ledger.commit(Batch(changes=[change("gone"), change("b", x=9)], cursors={"gateway": 8}))
    loaded = reopen().load()
    assert {key: json.loads(body) for key, body in loaded.records["Slot"].items()} == {"a": {"x": 2}, "b": {"x": 9}}
    assert list(loaded.records["Slot"]) == ["a", "b"]
    assert (loaded.head, loaded.cursors, loaded.acked, loaded.run) == (2, {"gateway": 8}, {"recorder": 1}, 2)
    assert reopen().rows_after(1) == [row(2, "risk")]


def test_the_last_change_of_a_key_in_a_batch_counts(reopen: Open) -> None:
    ledger = reopen()
    ledger.commit(Batch(changes=[change("a", x=1), change("a"), change("a", x=3), change("b", x=1), change("b")]))
    assert {k: json.loads(v) for k, v in reopen().load().records["Slot"].items()} == {"a": {"x": 3}}


def test_acknowledgements_alone_are_worth_a_commit() -> None:
    assert Batch(acked={"risk": 3})
    assert not Batch()


def test_it_knows_in_which_ledgers_its_cursors_count(reopen: Open) -> None:
    ledger = reopen()
    epoch = ledger.load().epoch
    ledger.commit(Batch(cursors={"risk": 7, "clock": 1}, acked={"risk": 3}, epochs={"risk": 5}, consumers={"risk": 6}))
    ledger.commit(Batch(cursors={"risk": 8}, acked={"risk": 4}))
    loaded = reopen().load()
    assert (loaded.cursors, loaded.epochs) == ({"risk": 8, "clock": 1}, {"risk": 5, "clock": 0})
    assert (loaded.acked, loaded.consumers) == ({"risk": 4}, {"risk": 6})
    assert loaded.epoch == epoch


def test_set_aside_it_begins_anew_with_a_later_epoch(reopen: Open) -> None:
    ledger = reopen(Unique("Slot", "symbol"))
    before = ledger.load()
    ledger.commit(Batch(changes=[change("a", symbol="TSLA")], rows=[row(1)], cursors={"gateway": 7}, acked={"risk": 1}))
    ledger.set_aside("a null")
    loaded = ledger.load()
    assert (loaded.records, loaded.head, loaded.cursors, loaded.acked, loaded.run) == ({}, 0, {}, {}, 1)
    assert loaded.epoch > before.epoch
    aside = ledger.was_set_aside
    assert aside is not None
    assert (aside.error, bool(aside.file), aside.kept_as != aside.file) == ("a null", True, True)
    ledger.commit(Batch(changes=[change("a", symbol="TSLA")], rows=[row(1)]))
    with pytest.raises(ConstraintBroken):
        ledger.commit(Batch(changes=[change("b", symbol="TSLA")]))


def test_seq_outlives_pruning_and_restart(reopen: Open) -> None:
    ledger = reopen()
    ledger.commit(Batch(rows=[row(1), row(2), row(3)]))
    ledger.prune(2, 0)
    assert (ledger.oldest(), ledger.rows_after(0)) == (3, [row(3)])
    ledger.prune(3, 0)
    assert (ledger.oldest(), ledger.rows_after(0)) == (4, [])
    ledger = reopen()
    assert ledger.load().head == 3
    ledger.commit(Batch(rows=[row(4)]))
    assert reopen().load().head == 4
    assert reopen().oldest() == 4


def test_a_consumer_that_is_gone_is_forgotten(reopen: Open) -> None:
    ledger = reopen()
    ledger.commit(Batch(acked={"risk": 3, "symbol-GME": 2}))
    ledger.forget("symbol-GME")
    ledger.forget("symbol-AMC")
    assert reopen().load().acked == {"risk": 3}


def test_the_journal_is_kept_for_a_while(tmp_path: Path) -> None:
    lines = [JournalLine(market_ns, 0, "gateway", b"input") for market_ns in (10, 20, 20, 30)]
    memory, disk = MemoryLedger("risk"), SqliteLedger(tmp_path / "risk.sqlite", "risk")

    def journaled() -> list[list[int]]:
        with sqlite3.connect(tmp_path / "risk.sqlite") as db:
            rows = db.execute("SELECT market_ns FROM journal ORDER BY n").fetchall()
        return [[line.market_ns for line in memory.journal], [row[0] for row in rows]]

    for ledger in (memory, disk):
        ledger.commit(Batch(journal=lines))
        ledger.prune(0, 20)
    assert journaled() == [[20, 20, 30]] * 2
    for ledger in (memory, disk):
        ledger.prune(0, 40)  # nothing that late: the newest life is kept whole
    assert journaled() == [[20, 20, 30]] * 2


class TestUnique:
    ONE = Unique("Slot", "symbol")

    def test_stands_once(self, reopen: Open) -> None:
        ledger = reopen(self.ONE)
        ledger.commit(Batch(changes=[change("1", symbol="TSLA"), change("2", symbol="NVDA")]))
        with pytest.raises(ConstraintBroken):
            ledger.commit(Batch(changes=[change("3", symbol="TSLA")], rows=[row(1)], cursors={"risk": 1}))
        loaded = reopen(self.ONE).load()
        assert list(loaded.records["Slot"]) == ["1", "2"]
        assert (loaded.head, loaded.cursors) == (0, {})

    def test_other_kinds_are_free(self, reopen: Open) -> None:
        reopen(self.ONE).commit(Batch(changes=[change("1", "Own", symbol="TSLA"), change("2", "Own", symbol="TSLA")]))

    def test_what_goes_makes_room_in_the_same_batch(self, reopen: Open) -> None:
        ledger = reopen(self.ONE)
        ledger.commit(Batch(changes=[change("1", symbol="TSLA")]))
        ledger.commit(Batch(changes=[change("2", symbol="TSLA"), change("1")]))
        assert list(reopen(self.ONE).load().records["Slot"]) == ["2"]

    def test_only_where(self, reopen: Open) -> None:
        live = Unique("Slot", "symbol", {"live": True, "side": "BUY"})
        ledger = reopen(live)
        ledger.commit(
            Batch(
                changes=[
                    change("1", symbol="TSLA", live=True, side="BUY"),
                    change("2", symbol="TSLA", live=False, side="BUY"),
                    change("3", symbol="TSLA", live=True, side="SELL"),
                ]
            )
        )
        with pytest.raises(ConstraintBroken):
            ledger.commit(Batch(changes=[change("2", symbol="TSLA", live=True, side="BUY")]))


class TestAtMost:
    CAP = AtMost("Reservation", "usd", 100.0)

    def reserve(self, **usd: float | None) -> Batch:
        return Batch(
            changes=[
                RecordChange("Reservation", k, None if v is None else json.dumps({"usd": v}).encode())
                for k, v in usd.items()
            ]
        )

    def test_up_to_the_limit_and_not_beyond(self, reopen: Open) -> None:
        ledger = reopen(self.CAP)
        ledger.commit(self.reserve(a=60.0, b=40.0))
        with pytest.raises(ConstraintBroken, match="Reservation"):
            ledger.commit(self.reserve(c=0.01))
        with pytest.raises(ConstraintBroken):
            ledger.commit(self.reserve(a=60.01))
        assert len(reopen(self.CAP).load().records["Reservation"]) == 2

    def test_the_noise_of_adding_breaks_nothing(self, reopen: Open) -> None:
        ledger = reopen(AtMost("Reservation", "usd", 0.6))
        ledger.commit(self.reserve(a=0.1, b=0.2, c=0.3))  # 0.6000000000000001 in this order

    def test_the_sum_counts_not_the_way_to_it(self, reopen: Open) -> None:
        ledger = reopen(self.CAP)
        ledger.commit(self.reserve(a=90.0))
        ledger.commit(self.reserve(b=80.0, a=20.0))
        ledger.commit(self.reserve(b=None, c=80.0))

    def test_a_lowered_cap_stops_growth_only(self, reopen: Open) -> None:
        reopen(self.CAP).commit(self.reserve(a=60.0, b=40.0))
        lowered = AtMost("Reservation", "usd", 50.0)
        ledger = reopen(lowered)
        ledger.commit(self.reserve(a=55.0))
        with pytest.raises(ConstraintBroken):
            ledger.commit(self.reserve(a=56.0))
        with pytest.raises(ConstraintBroken):
            ledger.commit(self.reserve(c=1.0))
        ledger.commit(self.reserve(a=None))
        ledger.commit(self.reserve(c=10.0))


class TestFile:
    def test_belongs_to_its_owner(self, tmp_path: Path) -> None:
        SqliteLedger(tmp_path / "x.sqlite", "risk@DU1").close()
        with pytest.raises(LedgerError) as refused:
            SqliteLedger(tmp_path / "x.sqlite", "risk@U9")
        assert "risk@DU1" in str(refused.value)
        assert "\n" not in str(refused.value)

    def test_of_another_version_is_refused(self, tmp_path: Path) -> None:
        SqliteLedger(tmp_path / "x.sqlite", "risk").close()
        db = sqlite3.connect(tmp_path / "x.sqlite")
        db.execute("UPDATE meta SET value = '99' WHERE key = 'version'")
        db.commit()
        db.close()
        before = (tmp_path / "x.sqlite").read_bytes()
        with pytest.raises(LedgerError, match=r"x\.sqlite: schema version 99, .*; use the release") as refused:
            SqliteLedger(tmp_path / "x.sqlite", "risk")
        assert "\n" not in str(refused.value)
        assert (tmp_path / "x.sqlite").read_bytes() == before
        assert len(list(tmp_path.iterdir())) == 1

    def test_that_may_not_be_opened_is_refused_and_not_set_aside(self, tmp_path: Path) -> None:
        (tmp_path / "x.sqlite").mkdir()
        with pytest.raises(LedgerError, match=r"x\.sqlite") as refused:
            SqliteLedger(tmp_path / "x.sqlite", "risk")
        assert "\n" not in str(refused.value)
        assert [path.name for path in tmp_path.iterdir()] == ["x.sqlite"]

    def test_an_owner_with_a_quote(self, tmp_path: Path) -> None:
        SqliteLedger(tmp_path / "x.sqlite", "risk@o'clock").close()
        SqliteLedger(tmp_path / "x.sqlite", "risk@o'clock").close()

    def test_counts_starts_of_late(self, tmp_path: Path) -> None:
        ledger = SqliteLedger(tmp_path / "x.sqlite", "risk")
        assert [ledger.count_start(wall, 60) for wall in (0, 10, 20, 75)] == [1, 2, 3, 2]


KILLED = """
import sys
from services.runtime.ledger import Batch, RecordChange, OutboxRow, SqliteLedger
ledger = SqliteLedger(sys.argv[1], "risk", durable=False)
n = ledger.load().head
while True:
    n += 1
    changes = [RecordChange("Count", name, b'{"n": %d}' % n) for name in ("first", "last")]
    ledger.commit(Batch(changes, [OutboxRow(n, "TSLA", b"")], {"gateway": n}))
    print(n, flush=True)
"""


def test_a_kill_leaves_whole_batches(tmp_path: Path) -> None:
    """Killed while it commits: records, row and cursor are of one batch, and none that returned is missing."""
    path = tmp_path / "x.sqlite"
    heads = []
    for kill in range(4):
        child = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, cwd=ROOT)
        assert child.stdout is not None
        returned = [int(child.stdout.readline()) for _ in range(40 + 13 * kill)]
        os.kill(child.pid, signal.SIGKILL)
        returned += [int(line) for line in child.stdout.read().split()]
        child.wait()
        child.stdout.close()
        ledger = SqliteLedger(path, "risk")
        loaded = ledger.load()
        counts = {json.loads(body)["n"] for body in loaded.records["Count"].values()}
        assert counts == {loaded.head} == {loaded.cursors["gateway"]} == {ledger.rows_after(0)[-1].seq}
        assert loaded.head >= returned[-1]
        ledger.close()
        heads.append(loaded.head)
    assert heads == sorted(set(heads))
