from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from datetime import date, datetime
from pathlib import Path

import duckdb
import msgspec
import pytest

import messages
from messages.account import AccountUpdated, PerformanceSnapshot
from messages.frames import Envelope
from messages.operator import Happened, Refused, SymbolStatus
from messages.orders import CommissionReported, OrderAccepted, OrderFilled, OrderPlaced
from services.recorder.schema import VERSION
from services.recorder.store import DuckLedger, open_at_rest
from services.runtime.ledger import Batch, ConstraintBroken, LedgerError, OutboxRow, RecordChange
from tests.recorder.scenario import SECOND, T0, changes, fill, first_release, now, order, record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bot.duckdb"


def opened(path: Path, fleet: str = "sim", account: str | None = "DU1") -> DuckLedger:
    return DuckLedger(path, fleet=fleet, account=account)


def read(ledger: DuckLedger, sql: str) -> list[tuple[object, ...]]:
    return ledger.reader().execute(sql).fetchall()


def test_a_new_file_has_run_one_and_no_cursors(path: Path) -> None:
    loaded = opened(path).load()
    assert (loaded.run, loaded.cursors, loaded.records, loaded.head) == (1, {}, {}, 0)


def test_each_load_is_a_new_run_and_cursors_survive(path: Path) -> None:
    ledger = opened(path)
    ledger.load()
    record(ledger, OrderPlaced(order()))
    ledger.commit(Batch(cursors={"risk": 3}))
    ledger.close()
    loaded = opened(path).load()
    assert (loaded.run, loaded.cursors) == (2, {"gateway": 1, "risk": 3})


def test_the_last_report_of_an_order_stands_within_a_batch_and_across(path: Path) -> None:
    ledger = opened(path)
    record(ledger, OrderPlaced(order()), OrderAccepted(order(status="PreSubmitted", order_id=7, perm_id=70)))
    assert read(ledger, "SELECT status, order_id, perm_id FROM orders") == [("PreSubmitted", 7, 70)]
    record(ledger, OrderAccepted(order(status="Submitted", order_id=7, perm_id=70)), seq=3)
    assert read(ledger, "SELECT status, count(*) FROM orders GROUP BY ALL") == [("Submitted", 1)]


def test_every_column_of_an_order_comes_back_as_it_was(path: Path) -> None:
    ledger = opened(path)
    given = order(
        limit_price=131.123456789,
        stop_price=0.1 + 0.2,
        trailing_pct=10.0,
        order_id=2**31,
        perm_id=1_987_654_321,
        parent_id=5,
        account="DU1",
        reason='said "no"; x\n',
        created_ns=T0 + 123_456_789,
    )
    record(ledger, OrderPlaced(given))
    columns = "limit_price, stop_price, trailing_pct, order_id, perm_id, parent_id, account, reason, created_at"
    when = datetime(2022, 3, 22, 14, 0, 0, 123456)
    assert read(ledger, f"SELECT {columns}, stop_price IS NULL, trail_stop_price FROM orders") == [
        (131.123456789, 0.1 + 0.2, 10.0, 2**31, 1_987_654_321, 5, "DU1", 'said "no"; x\n', when, False, None)
    ]


@pytest.mark.parametrize("first", ["fill", "commission"])
@pytest.mark.parametrize("apart", [True, False])
def test_a_commission_meets_its_fill_whichever_comes_first(path: Path, first: str, apart: bool) -> None:
    sent = [
        OrderFilled(fill(), order(), 10.0, 1000.0, 0.0),
        CommissionReported("0001.01", "TSLA-1", "TSLA", 1.25, "USD", None),
    ]
    if first == "commission":
        sent.reverse()
    ledger = opened(path)
    if apart:
        record(ledger, sent[0])
        record(ledger, sent[1], seq=2)
    else:
        record(ledger, *sent)
    assert read(ledger, "SELECT exec_id, symbol, qty, commission, currency FROM fills") == [
        ("0001.01", "TSLA", 10.0, 1.25, "USD")
    ]


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("order_of_arrival", [("0001.01", "0001.02"), ("0001.02", "0001.01")])
def test_a_correction_replaces_and_is_not_replaced(path: Path, order_of_arrival: tuple[str, str], apart: bool) -> None:
    price = {"0001.01": 100.0, "0001.02": 99.0}
    sent = [OrderFilled(fill(e, price=price[e]), order(), 10.0, 1000.0, 0.0) for e in order_of_arrival]
    ledger = opened(path)
    if apart:
        record(ledger, sent[0])
        record(ledger, sent[1], seq=2)
    else:
        record(ledger, *sent)
    assert read(ledger, "SELECT exec_id, price FROM fills") == [("0001.02", 99.0)]


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("arrival", list(itertools.permutations(range(4)))[::3])
def test_of_a_corrected_executions_commissions_the_newest_stands(
    path: Path, arrival: tuple[int, ...], apart: bool
) -> None:
    sent = [
        OrderFilled(fill("0001.01"), order(), 10.0, 1000.0, 0.0),
        CommissionReported("0001.01", "TSLA-1", "TSLA", 1.0, "USD", None),
        OrderFilled(fill("0001.02", price=99.0), order(), 10.0, 990.0, 0.0),
        CommissionReported("0001.02", "TSLA-1", "TSLA", 1.5, "USD", None),
    ]
    ledger = opened(path)
    if apart:
        for place in arrival:
            record(ledger, sent[place], seq=place + 1)
    else:
        record(ledger, *(sent[place] for place in arrival))
    assert read(ledger, "SELECT exec_id, price, commission FROM fills") == [("0001.02", 99.0, 1.5)]


def test_until_a_corrections_commission_is_reported_the_one_before_stands(path: Path) -> None:
    sent = [
        OrderFilled(fill("0001.02", price=99.0), order(), 10.0, 990.0, 0.0),
        CommissionReported("0001.01", "TSLA-1", "TSLA", 1.0, "USD", None),
    ]
    ledger = opened(path)
    record(ledger, *sent)
    columns = "exec_id, revision, price, commission, commission_revision"
    assert read(ledger, f"SELECT {columns} FROM fills") == [("0001.02", 2, 99.0, 1.0, 1)]


def test_executions_of_different_base_ids_are_different(path: Path) -> None:
    ledger = opened(path)
    record(ledger, *(OrderFilled(fill(e), order(), 10.0, 1000.0, 0.0) for e in ("0001.01", "0002.01", "plain")))
    assert read(ledger, "SELECT exec_id FROM fills ORDER BY ALL") == [("0001.01",), ("0002.01",), ("plain",)]


def test_an_event_received_twice_stands_once(path: Path) -> None:
    ledger = opened(path)
    for _ in range(2):
        record(ledger, Happened("order_filled", "TSLA", "INFO", {"qty": 4, "price": 1.5, "last": True}, T0))
    assert read(ledger, "SELECT event_type, symbol, payload_json->>'qty', ts FROM events") == [
        ("order_filled", "TSLA", "4", datetime(2022, 3, 22, 14))
    ]


def test_its_own_messages_are_events_and_count_its_head(path: Path) -> None:
    ledger = opened(path)
    body = msgspec.Raw(messages.encode(Refused("gateway", 9, "TSLA", "ValueError: x")))
    envelope = msgspec.msgpack.encode(Envelope("recorder", 1, 4, "gateway:9", T0, "fleet", body))
    ledger.commit(Batch(rows=[OutboxRow(4, "fleet", envelope)], cursors={"gateway": 9}))
    assert read(ledger, "SELECT event_type, level, payload_json->>'error' FROM events") == [
        ("message_refused", "ERROR", "ValueError: x")
    ]
    assert ledger.load().head == 4
    assert ledger.rows_after(0) == []
    assert ledger.oldest() == 5


def test_what_duckdb_cannot_take_is_a_broken_constraint_and_nothing_of_it_stays(path: Path) -> None:
    ledger = opened(path)
    bad = RecordChange("OrderRow", "TSLA-2", b'{"client_order_id": "TSLA-2", "order_id": "seven"}')
    with pytest.raises(ConstraintBroken):
        ledger.commit(Batch(changes=[*changes(OrderPlaced(order())), bad], cursors={"gateway": 1}))
    assert read(ledger, "SELECT * FROM orders") == []
    assert ledger.load().cursors == {}
    record(ledger, OrderPlaced(order()))
    assert read(ledger, "SELECT count(*) FROM orders") == [(1,)]


def test_a_thousand_messages_are_one_commit(path: Path) -> None:
    ledger = opened(path)
    record(ledger, *(OrderFilled(fill(f"{n:04}.01", f"TSLA-{n}"), order(f"TSLA-{n}"), 1, 1, 0) for n in range(1000)))
    assert read(ledger, "SELECT (SELECT count(*) FROM orders), count(*) FROM fills") == [(1000, 1000)]


# Whose file it is.


def test_another_account_is_refused_in_one_line(path: Path) -> None:
    opened(path).close()
    with pytest.raises(LedgerError, match=r"^\S+bot.duckdb: holds the records of account DU1, not U2; .*$"):
        opened(path, account="U2")


def test_an_unknown_account_is_bound_by_the_first_report(path: Path) -> None:
    ledger = opened(path, account=None)
    record(ledger, AccountUpdated("DU1", 1.0, 1.0, 1.0, 1.0, T0))
    with pytest.raises(LedgerError, match="DU1, not DU2"):
        record(ledger, AccountUpdated("DU2", 1.0, 1.0, 1.0, 1.0, T0), seq=2)
    assert ledger.load().cursors == {"gateway": 1}
    ledger.close()
    with pytest.raises(LedgerError, match="DU1, not DU2"):
        opened(path, account="DU2")
    opened(path, account=None)


def test_another_fleet_is_refused(path: Path) -> None:
    opened(path).close()
    with pytest.raises(LedgerError, match="belongs to fleet sim, not paper"):
        opened(path, fleet="paper")


def test_a_newer_version_is_refused(path: Path) -> None:
    opened(path).close()
    with duckdb.connect(str(path)) as db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'version'")
    with pytest.raises(LedgerError, match=f"schema version 99, this release reads {VERSION}"):
        opened(path)


@pytest.mark.parametrize("by", ["the recorder", "a reader"])
def test_an_older_version_is_brought_up_to_date(path: Path, by: str) -> None:
    """A file of the first release, with fills and a close: all are as they were, and new ones stand beside them."""
    first_release(path)
    if by == "a reader":
        with open_at_rest(path) as db:
            assert db.execute("SELECT qty, pnl_usd FROM trades").fetchall() == [(10.0, 37.5)]
    ledger = opened(path)
    assert read(ledger, "SELECT value FROM meta WHERE key = 'version'") == [(str(VERSION),)]
    assert read(ledger, "SELECT commission, commission_revision, commission_usd FROM fills ORDER BY ts") == [
        (1.25, 1, 1.25),
        (1.25, 2, 1.25),
        (0.5, 1, None),
    ]
    assert read(ledger, "SELECT status, stop_price, level_estimated FROM orders") == [("Filled", 105.0, None)]
    assert read(ledger, "SELECT date, daily_pnl, base_usd FROM performance_snapshots") == [
        (date(2022, 3, 22), 37.5, None)
    ]
    loaded = ledger.load()
    assert (loaded.run, loaded.cursors) == (8, {"gateway": 41})
    record(ledger, CommissionReported("0001.02", "", "", 1.5, "USD", None), seq=42)
    ledger.commit(Batch(changes=changes(PerformanceSnapshot("2022-03-23", 1, 2, 3, 4, 5, 6, 7, 8, 9))))
    assert read(ledger, "SELECT commission_usd FROM fills WHERE exec_key = '0001'") == [(1.5,)]
    assert read(ledger, "SELECT base_usd FROM daily ORDER BY date") == [(None,), (9,)]


def test_views_of_another_release_are_replaced(path: Path) -> None:
    opened(path).close()
    with duckdb.connect(str(path)) as db:
        db.execute("CREATE OR REPLACE VIEW per_symbol AS SELECT 'of old' AS symbol")
        db.execute("UPDATE meta SET value = 'another' WHERE key = 'views'")
    with open_at_rest(path) as db:
        assert db.execute("FROM per_symbol").fetchall() == []
    before = path.stat().st_mtime_ns
    open_at_rest(path).close()
    assert path.stat().st_mtime_ns == before, "a file that is up to date is only read"


def test_at_rest_too_a_newer_version_and_what_is_no_database_of_a_fleet_are_refused(path: Path) -> None:
    with duckdb.connect(str(path)) as db:
        db.execute("CREATE TABLE mine (x INTEGER)")
    with pytest.raises(LedgerError, match=r"bot\.duckdb: is no database of a fleet$"):
        open_at_rest(path)
    path.unlink()
    opened(path).close()
    with duckdb.connect(str(path)) as db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'version'")
    with pytest.raises(LedgerError, match=f"schema version 99, this release reads {VERSION}"):
        open_at_rest(path)


def test_an_older_file_that_cannot_be_brought_up_to_date_is_one_line_and_stays_as_it_was(path: Path) -> None:
    first_release(path)
    with duckdb.connect(str(path)) as db:
        db.execute("ALTER TABLE performance_snapshots ADD COLUMN base_usd DOUBLE")  # a user tried it manually
    with pytest.raises(LedgerError, match=r"^\S+bot\.duckdb: an earlier release wrote it, .*base_usd.*$"):
        open_at_rest(path)
    with duckdb.connect(str(path), read_only=True) as db:
        assert db.execute("SELECT value FROM meta WHERE key = 'version'").fetchall() == [("1",)]
        assert db.execute("SELECT count(*) FROM fills").fetchall() == [(3,)]


def test_no_database_and_a_file_in_use_are_one_line(path: Path) -> None:
    path.write_bytes(b"no database " * 1000)
    with pytest.raises(LedgerError, match=r"^\S+bot.duckdb: .*not a valid DuckDB database.*; .* start the fleet.*$"):
        open_at_rest(path)
    path.unlink()
    code = f"from services.recorder.store import *; l = DuckLedger({str(path)!r}, fleet='sim', account=None); input()"
    with subprocess.Popen(
        [sys.executable, "-c", f"{code.replace('input()', 'print(1, flush=True); input()')}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(LedgerError, match="in use by another process"):
            open_at_rest(path)
        with pytest.raises(LedgerError, match="in use by another process"):
            opened(path)
        threading.Timer(0.3, holder.kill).start()
        DuckLedger(path, fleet="sim", account="DU1", patience_s=60.0).close()


# The queries that users know.


def status(symbol: str, cooldown_until_ns: int) -> SymbolStatus:
    return SymbolStatus(symbol, "COOLDOWN", "stopped_out", {}, cooldown_until_ns, "2022-03-22", 1, "", "", 0, 0, T0)


def test_cooldowns_by_the_markets_now(path: Path) -> None:
    ledger = opened(path)
    record(ledger, status("TSLA", T0 + 60 * SECOND), status("NVDA", T0 - SECOND), status("GME", 0))
    query = "SELECT symbol, cooldown_until_ts FROM state WHERE cooldown_until_ts > datetime('now')"
    assert read(ledger, query) == [("TSLA", datetime(2022, 3, 22, 14, 1))]
    record(ledger, OrderPlaced(order()), seq=4, time_ns=T0 + 61 * SECOND)
    assert read(ledger, query) == []
    assert read(ledger, "SELECT datetime('now', '-1 minute') = datetime('2022-03-22 14:00:01')") == [(True,)]


def test_the_markets_now_never_goes_back(path: Path) -> None:
    ledger = opened(path)
    record(ledger, OrderPlaced(order()), time_ns=T0 + 60 * SECOND)
    record(ledger, OrderPlaced(order()), seq=2, time_ns=T0)
    assert read(ledger, "SELECT datetime('now')") == [(datetime(2022, 3, 22, 14, 1),)]


def test_state_knows_the_brokers_ids_of_its_newest_orders(path: Path) -> None:
    ledger = opened(path)
    record(
        ledger,
        status("TSLA", 0),
        OrderPlaced(order("TSLA-1", order_id=7)),
        OrderPlaced(order("TSLA-1-S", role="stop", side="SELL", order_type="TRAIL", order_id=8, parent_id=7)),
        OrderPlaced(order("manual", role="foreign", order_id=99)),
    )
    known = read(ledger, "SELECT symbol, state, last_parent_id, last_trail_id FROM state")
    assert known == [("TSLA", "COOLDOWN", 7, 8)]
    joined = "SELECT o.client_order_id FROM state s JOIN orders o ON o.order_id = s.last_trail_id"
    assert read(ledger, joined) == [("TSLA-1-S",)]


def test_a_snapshots_events_stand_once_per_run(path: Path) -> None:
    ledger = opened(path)
    happened = Happened("bot_started", "", "INFO", {"a": 1}, T0)
    for at in (now(0), now(0), now(0, run=2)):
        ledger.commit(Batch(changes=changes(happened, at)))
    assert read(ledger, "SELECT run FROM events ORDER BY run") == [(1,), (2,)]


# kill -9.

WRITER = """
import sys
import threading
from services.runtime.ledger import Batch
from services.recorder.store import DuckLedger
from messages.orders import OrderFilled, CommissionReported
from messages.operator import Happened
from scenario import record, fill, order
ledger = DuckLedger(sys.argv[1], fleet="sim", account="DU1")
seq = ledger.load().cursors.get("gateway", 0) + 1
print(seq, flush=True)
while True:
    said = []
    for n in range(seq, seq + 30, 3):
        said += [OrderFilled(fill(f"{n:08}.01", f"TSLA-{n}"), order(f"TSLA-{n}"), 1, 1, 0)]
        said += [CommissionReported(f"{n:08}.01", "", "", n / 100, "USD", None)]
        said += [Happened("tick", "TSLA", "INFO", {"n": n}, 1)]
    seq = record(ledger, *said, seq=seq)
    print(seq, flush=True)
"""


HERE = Path(__file__).parent
ENV = {**os.environ, "PYTHONPATH": f"{HERE}:{HERE.parents[1]}"}


def test_after_kill_9_rows_and_cursor_agree(path: Path) -> None:
    """The writer is killed at once after a commit was reported, and so in the midst of the next one or between two."""
    counts = []
    for rounds in (1, 3, 8, 2, 5):
        command = [sys.executable, "-c", WRITER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENV) as writer:
            assert writer.stdout is not None
            committed = [int(writer.stdout.readline()) for _ in range(rounds)][-1] - 1
            writer.kill()
        db = open_at_rest(path)
        (cursor,) = db.execute("SELECT coalesce(max(seq), 0) FROM cursors").fetchone() or (0,)
        assert cursor >= committed, "a commit that was reported is gone"
        expected = cursor // 3
        for sql in (
            "SELECT count(*) FROM orders",
            "SELECT count(*) FROM fills WHERE qty = 10",
            "SELECT count(*) FROM fills WHERE commission = exec_key::INT / 100",
            "SELECT count(*) FROM events",
        ):
            assert db.execute(sql).fetchone() == (expected,), sql
        db.close()
        counts.append(expected)
    assert counts[-1] > 0
    assert counts == sorted(set(counts)), "every life wrote something"
