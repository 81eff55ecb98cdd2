"""Files that can't be read, and upgrades: a real file, spoilt or stopped in the middle."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from messages.orders import OrderFilled
from services.recorder.schema import VERSION
from services.recorder.store import DuckLedger, open_at_rest
from services.runtime.ledger import LedgerError
from services.runtime.safekeeping import COPIES_KEPT, back_up
from tests.recorder.scenario import fill, first_release, order, record

ROOT = Path(__file__).parents[2]

WRITER = """
import os, sys
from messages.orders import OrderFilled
from services.recorder.store import DuckLedger
from tests.recorder.scenario import fill, order, record
ledger = DuckLedger(sys.argv[1], fleet="sim", account="DU1")
for k in range(4):
    fills = [OrderFilled(fill(f"{k}{n:03}.01", f"T-{k}-{n}"), order(f"T-{k}-{n}"), 1, 1, 0) for n in range(50)]
    record(ledger, *fills, seq=50 * k + 1)
    if k == 1:
        ledger.reader().execute("CHECKPOINT")
os._exit(9)
"""
"""Of 200 fills the first 100 are in the file, the others in its write-ahead log, as after a kill -9."""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("killed") / "bot.duckdb"
    done = subprocess.run([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, check=False)
    assert done.returncode == 9
    assert path.with_name("bot.duckdb.wal").stat().st_size > 1000
    return path


@pytest.fixture
def path(killed: Path, tmp_path: Path) -> Path:
    for name in ("bot.duckdb", "bot.duckdb.wal"):
        (tmp_path / name).write_bytes(killed.with_name(name).read_bytes())
    return tmp_path / "bot.duckdb"


def opened(path: Path) -> DuckLedger:
    return DuckLedger(path, fleet="sim", account="DU1")


def count(ledger: DuckLedger) -> int:
    row = ledger.reader().execute("SELECT count(*) FROM fills").fetchone()
    return int(row[0]) if row else -1


def garbage(data: bytes) -> bytes:
    return random.Random(1).randbytes(len(data))


def test_undamaged_it_has_all(path: Path) -> None:
    ledger = opened(path)
    assert (count(ledger), ledger.was_set_aside) == (200, None)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda data: b"", id="zero bytes"),
        pytest.param(garbage, id="garbage"),
        pytest.param(lambda data: data[:100], id="torn"),
        pytest.param(lambda data: data[: len(data) // 2], id="half"),
    ],
)
def test_a_file_that_cannot_be_read_is_set_aside_whole(path: Path, spoil: Callable[[bytes], bytes]) -> None:
    spoilt = spoil(path.read_bytes())
    path.write_bytes(spoilt)
    ledger = opened(path)
    aside = ledger.was_set_aside
    assert aside is not None
    assert aside.file == "bot.duckdb"
    assert path.with_name(aside.kept_as).read_bytes() == spoilt
    assert path.with_name(f"{aside.kept_as}.wal").stat().st_size > 1000
    assert count(ledger) == 0
    loaded = ledger.load()
    assert (loaded.cursors, loaded.run) == ({}, 1)
    record(ledger, OrderFilled(fill(), order(), 10.0, 1000.0, 0.0))
    ledger.close()
    assert opened(path).was_set_aside is None


def test_of_a_damaged_log_only_the_log_is_set_aside(path: Path) -> None:
    wal = path.with_name("bot.duckdb.wal")
    data = bytearray(wal.read_bytes())
    data[5000:5200] = garbage(bytes(200))  # inside an entry: where one begins, the log seems to end, as after a kill
    wal.write_bytes(data)
    ledger = opened(path)
    aside = ledger.was_set_aside
    assert aside is not None
    assert aside.file == "bot.duckdb.wal"
    assert path.with_name(aside.kept_as).read_bytes() == data
    assert count(ledger) == 100
    assert ledger.load().cursors == {"gateway": 100}, "the gateway sends the rest again, or its state"


def test_damage_that_shows_while_it_runs_is_set_aside_at_the_next_start(path: Path) -> None:
    ledger = opened(path)
    epoch = ledger.load().epoch
    ledger.close()
    path.with_name("bot.duckdb.damage").write_text("FATAL Error: Corrupt database file")
    ledger = opened(path)
    assert ledger.was_set_aside is not None
    assert "Corrupt" in ledger.was_set_aside.error
    assert ledger.load().epoch > epoch
    ledger.close()
    assert opened(path).was_set_aside is None


def test_a_file_that_may_not_be_opened_is_not_damaged(path: Path) -> None:
    path.with_name("bot.duckdb.wal").unlink()
    path.unlink()
    path.mkdir()
    with pytest.raises(LedgerError):
        opened(path)
    assert path.is_dir()


def test_a_newer_file_stays_as_it_is(path: Path) -> None:
    opened(path).close()
    with duckdb.connect(str(path)) as db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'version'")
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=r"^\S+bot\.duckdb: schema version 99, .*; use the release that wrote it$"):
        opened(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["bot.duckdb"]


@pytest.mark.parametrize("by", ["the recorder", "a reader"])
def test_a_file_is_copied_before_it_is_upgraded(tmp_path: Path, by: str) -> None:
    path = tmp_path / "bot.duckdb"
    first_release(path)
    if by == "the recorder":
        opened(path).close()
    else:
        open_at_rest(path).close()
    (copy,) = tmp_path.glob("bot.duckdb.v1-*.backup")
    with duckdb.connect(str(copy), read_only=True) as db:
        assert db.execute("SELECT value FROM meta WHERE key = 'version'").fetchall() == [("1",)]
        assert db.execute("SELECT count(*) FROM fills").fetchall() == [(3,)]
    opened(path).close()
    assert len(list(tmp_path.glob("*.backup"))) == 1, "once"


def test_old_copies_go(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    path.write_text("data")
    for version in range(1, 7):
        old = back_up(path, str(version))
        os.utime(old, (version, version))
    assert sorted(file.name[:11] for file in tmp_path.glob("*.backup")) == ["x.sqlite.v4", "x.sqlite.v5", "x.sqlite.v6"]
    assert COPIES_KEPT == 3


KILLED = """
import os, sys
import services.recorder.schema as schema, services.recorder.store as store
steps = list(schema.STEPS)
stop = int(sys.argv[2])
def last():
    os._exit(9)
store.STEPS = (*steps[:stop], last)
store.DuckLedger(sys.argv[1], fleet="sim", account="DU1")
"""


@pytest.mark.parametrize("steps", range(VERSION - 1))
def test_killed_in_the_middle_of_an_upgrade_it_is_still_the_old_one(tmp_path: Path, steps: int) -> None:
    path = tmp_path / "bot.duckdb"
    first_release(path)
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), str(steps)], cwd=ROOT, check=False)
    assert done.returncode == 9
    with duckdb.connect(str(path)) as db:
        assert db.execute("SELECT value FROM meta WHERE key = 'version'").fetchall() == [("1",)]
    ledger = opened(path)
    assert count(ledger) == 3
    assert ledger.was_set_aside is None
    (version,) = ledger.reader().execute("SELECT value FROM meta WHERE key = 'version'").fetchall()
    assert version == (str(VERSION),)
