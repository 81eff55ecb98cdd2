from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from messages.operator import Answer, RollCall, Sql
from messages.orders import OrderFilled, OrderPlaced
from services.recorder.sql import ReadOnlySql
from services.recorder.store import DuckLedger, open_at_rest
from tests.recorder.scenario import fill, order, record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bot.duckdb"


@pytest.fixture(params=["running", "at rest"])
def sql(request: pytest.FixtureRequest, path: Path) -> Iterator[ReadOnlySql]:
    ledger = DuckLedger(path, fleet="sim", account="DU1")
    record(ledger, OrderPlaced(order("TSLA-1")), OrderPlaced(order("TSLA-2")))
    if request.param == "running":
        yield ReadOnlySql(ledger.reader())
    ledger.close()
    if request.param == "at rest":
        with open_at_rest(path) as connection:
            yield ReadOnlySql(connection)


READS = [
    "SELECT count(*) FROM orders",
    "SELECT count(*) FROM orders;",
    "-- how many\nSELECT count(*) FROM orders",
    "FROM orders",
    "WITH o AS (SELECT * FROM orders) SELECT * FROM o",
    "VALUES (1)",
    "DESCRIBE orders",
    "SHOW TABLES",
    "SUMMARIZE orders",
    "EXPLAIN SELECT * FROM orders",
    "EXPLAIN ANALYZE SELECT * FROM orders",
    "SELECT * FROM status",
    "SELECT * FROM trades",
    "SELECT datetime('now')",
]


@pytest.mark.parametrize("statement", READS)
def test_reading_is_answered(sql: ReadOnlySql, statement: str) -> None:
    answer = sql.answer(Sql(statement))
    assert answer.ok, answer.text
    assert answer.columns


REFUSED = [
    ("DELETE FROM orders", "not DELETE"),
    ("UPDATE orders SET qty = 0", "not UPDATE"),
    ("INSERT INTO meta VALUES ('a', 'b')", "not INSERT"),
    ("DROP TABLE orders", "not DROP"),
    ("CREATE TABLE t (a INT)", "not CREATE"),
    ("CREATE TEMP TABLE t AS SELECT 1", "not CREATE"),
    ("ALTER TABLE orders ADD COLUMN x INT", "not ALTER"),
    ("COPY orders TO '/tmp/orders.csv'", "not COPY"),
    ("COPY orders FROM '/etc/passwd'", "not COPY"),
    ("EXPORT DATABASE '/tmp/x'", "not EXPORT"),
    ("ATTACH '/tmp/other.duckdb'", "not ATTACH"),
    ("DETACH bot", "not DETACH"),
    ("USE memory", "not SET"),
    ("SET threads = 8", "not SET"),
    ("PRAGMA threads = 8", "not"),
    ("PRAGMA database_list", "not PRAGMA"),
    ("CALL pragma_version()", "not CALL"),
    ("CHECKPOINT", "not CALL"),
    ("VACUUM", "not VACUUM"),
    ("INSTALL httpfs", "not LOAD"),
    ("LOAD httpfs", "not LOAD"),
    ("BEGIN", "not TRANSACTION"),
    ("COMMIT", "not TRANSACTION"),
    ("PREPARE p AS DELETE FROM orders", "not PREPARE"),
    ("EXECUTE p", "not EXECUTE"),
    ("SELECT 1; DELETE FROM orders", "one statement at a time"),
    ("SELECT 1; COMMIT; DELETE FROM orders", "one statement at a time"),
    ("", "one statement at a time"),
    ("-- nothing", "one statement at a time"),
    # Hidden in something that reads.
    ("EXPLAIN ANALYZE DELETE FROM orders", "read-only"),
    ("WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone", ""),
    ("SELECT * FROM read_csv('/etc/passwd')", "disabled by configuration"),
    ("SELECT * FROM read_text('/etc/passwd')", "disabled by configuration"),
    ("SELECT * FROM '/etc/passwd'", ""),
    ("SELECT * FROM glob('/etc/*')", "disabled by configuration"),
    ("SELECT * FROM sniff_csv('/etc/passwd')", "disabled by configuration"),
    ("SELECT * FROM enable_logging()", "locked"),
    ("SELECT * FROM enable_profiling()", "locked"),
    ("SELECT * FROM query('DELETE FROM orders')", ""),
    ("SELECT * FROM REFUSED", "does not exist"),  # a variable of this module
    # Wrong.
    ("SELEC 1", "yntax error"),
    ("SELECT nothing FROM orders", "nothing"),
]


@pytest.mark.parametrize(("statement", "why"), REFUSED)
def test_all_else_is_refused_in_one_line_and_changes_nothing(sql: ReadOnlySql, statement: str, why: str) -> None:
    answer = sql.run(statement)
    assert not answer.ok, answer.rows
    assert why in answer.text
    assert answer.text.count("\n") == 0
    assert sql.run("SELECT count(*) FROM orders").rows == [[2]], "still there, and still answering"


def test_other_commands_are_not_for_the_recorder(sql: ReadOnlySql) -> None:
    assert sql.answer(RollCall()) == Answer(False, "the recorder answers SQL, not RollCall")


def test_a_long_statement_is_stopped_and_the_next_one_runs(path: Path) -> None:
    ledger = DuckLedger(path, fleet="sim", account="DU1")
    sql = ReadOnlySql(ledger.reader(), timeout_s=0.05)
    answer = sql.run("SELECT count(*) FROM range(1000000000) a, range(1000) b WHERE a.range % 7 = b.range")
    assert (answer.ok, answer.text) == (False, "stopped after 0.05 s; narrow it down")
    assert sql.run("SELECT 1").rows == [[1]]


def test_a_long_answer_is_cut_with_a_notice(path: Path) -> None:
    sql = ReadOnlySql(DuckLedger(path, fleet="sim", account="DU1").reader(), max_rows=3)
    answer = sql.run("SELECT * FROM range(10)")
    assert answer.rows == [[0], [1], [2]]
    assert "only the first 3 rows" in answer.text
    assert sql.run("SELECT * FROM range(3)").text == ""


def test_a_reader_sees_what_is_committed_and_not_the_midst(path: Path) -> None:
    ledger = DuckLedger(path, fleet="sim", account="DU1")
    sql = ReadOnlySql(ledger.reader())
    assert sql.run("SELECT count(*) FROM fills").rows == [[0]]
    record(ledger, OrderFilled(fill(), order(), 10, 1000, 0))
    assert sql.run("SELECT count(*) FROM fills").rows == [[1]]


VALUES = [
    ("TIMESTAMP '2022-03-22 14:00:00.123456'", "2022-03-22T14:00:00.123456"),
    ("DATE '2022-03-22'", "2022-03-22"),
    ("TIME '14:00:00'", "14:00:00"),
    ("INTERVAL 90 SECOND", 90.0),
    ("1.25::DECIMAL(9,2)", 1.25),
    ("NULL", None),
    ("true", True),
    ("170141183460469231731687303715884105727::HUGEINT", "170141183460469231731687303715884105727"),
    ("'\\x00'::BLOB", "00"),
    ("[1, 2]", [1, 2]),
    ("{'a': DATE '2022-03-22'}", {"a": "2022-03-22"}),
    ("uuid '00000000-0000-0000-0000-000000000001'", "00000000-0000-0000-0000-000000000001"),
]


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_values_are_such_that_json_and_msgpack_carry_them(path: Path, expression: str, value: object) -> None:
    sql = ReadOnlySql(DuckLedger(path, fleet="sim", account="DU1").reader())
    assert sql.run(f"SELECT {expression}").rows == [[value]]
