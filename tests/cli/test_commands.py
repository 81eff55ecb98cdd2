"""Commands on the records of a fleet: through a running recorder, and on the files at rest."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from messages.account import AccountUpdated, LinkChanged
from messages.market import Session, SessionOpened
from messages.operator import Answer, Command, Happened, Pause, ProcessState, Resume, RollCall, SymbolStatus
from messages.orders import CommissionReported, OrderFilled, OrderPlaced
from services.cli.commands.audit import audit
from services.cli.commands.events import events
from services.cli.commands.export import export
from services.cli.commands.logs import readable
from services.cli.commands.pause import pause
from services.cli.commands.performance import performance
from services.cli.commands.resume import resume
from services.cli.commands.sql import sql
from services.cli.commands.status import status
from services.cli.commands.wait import wait
from services.cli.readiness import wait_ready
from services.configuration.refusal import Refusal
from services.fleet.places import Fleet
from services.fleet.process_lock import Lock
from services.recorder.sql import ReadOnlySql
from services.recorder.store import DuckLedger
from services.simulator.venue.store import Store
from tests.cli.conftest import running
from tests.recorder.scenario import SECOND, T0, fill, first_release, order, record

ENTRY, STOP = "CT-TSLA-20220322-1", "CT-TSLA-20220322-1-S1"


@pytest.fixture
def ledger(fleet: Fleet) -> Iterator[DuckLedger]:
    """The records of a fleet that holds 10 TSLA under a live stop."""
    made = DuckLedger(fleet.database, fleet=fleet.name, account="DU1234567")
    entry = order(ENTRY, order_id=7, perm_id=70, account="DU1", stop_price=99.0, limit_price=101.0)
    filled = msgspec.structs.replace(entry, status="Filled", filled=10.0, avg_price=100.0)
    stop = order(
        STOP,
        role="stop",
        side="SELL",
        order_type="TRAIL",
        tif="GTC",
        status="PreSubmitted",
        why_held="trigger",
        stop_price=90.0,
        trail_stop_price=90.0,
        trailing_pct=10.0,
        order_id=8,
        perm_id=71,
        parent_id=7,
        account="DU1",
    )
    record(
        made,
        AccountUpdated("DU1234567", 20_000.0, 18_230.0, 18_230.0, 18_230.0, T0),
        SessionOpened(Session("2022-03-22", T0 - 60 * SECOND, T0 + 3600 * SECOND), T0 + 1800 * SECOND),
        *(LinkChanged(link, True, "") for link in ("socket", "broker", "data")),
        OrderPlaced(entry),
        OrderPlaced(stop),
        OrderFilled(fill("0001.01", ENTRY), filled, 10.0, 1000.0, 0.0),
        CommissionReported("0001.01", ENTRY, "TSLA", 1.0, "USD", None),
        SymbolStatus("TSLA", "POSITION_OPEN", "protected_by_stop", {}, 0, "2022-03-22", 1, ENTRY, STOP, 10, 1000, T0),
    )
    yield made
    made.close()


@pytest.fixture(params=["running", "at rest"])
def records(request: pytest.FixtureRequest, fleet: Fleet, ledger: DuckLedger) -> Iterator[str]:
    """The records of a fleet that runs, and of one that does not."""
    if request.param == "running":
        with running(fleet, "recorder", ReadOnlySql(ledger.reader()).answer):
            yield request.param
    else:
        ledger.close()
        yield request.param


Capture = pytest.CaptureFixture[str]


@pytest.mark.usefixtures("records")
def test_sql_in_three_formats(config: Path, capsys: Capture) -> None:
    query = "SELECT symbol, qty, ts FROM fills"
    assert sql(query, format="json", config=config) == 0
    assert json.loads(capsys.readouterr().out) == [{"symbol": "TSLA", "qty": 10.0, "ts": "2022-03-22T14:00:00"}]
    assert sql(query, format="csv", config=config) == 0
    assert capsys.readouterr().out == "symbol,qty,ts\nTSLA,10.0,2022-03-22T14:00:00\n"
    assert sql(query, config=config) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == ["symbol  qty  ts", "TSLA     10  2022-03-22T14:00:00", "1 row"]


@pytest.mark.usefixtures("records")
def test_sql_that_writes_is_refused(config: Path) -> None:
    with pytest.raises(Refusal, match="not DELETE"):
        sql("DELETE FROM fills", config=config)


@pytest.mark.usefixtures("config")
def test_no_records_yet(config: Path) -> None:
    with pytest.raises(Refusal, match="no records of fleet sim yet"):
        sql("SELECT 1", config=config)
    assert status(config=config) == 3


def test_a_recorder_that_does_not_answer(
    config: Path, fleet: Fleet, ledger: DuckLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.cli.records.SQL_ANSWER_S", 0.05)
    lock = Lock(fleet.lock("recorder"))
    assert lock.take()
    with pytest.raises(Refusal, match="recorder of fleet sim lives but has not answered"):
        sql("SELECT 1", config=config)
    lock.release()


def test_status_of_a_fleet_that_is_down_shows_its_last_record(
    config: Path, ledger: DuckLedger, capsys: Capture
) -> None:
    ledger.close()
    assert status(config=config) == 3
    shown = capsys.readouterr().out
    assert "orders at the broker stay live" in shown
    assert "POSITION OPEN" in shown
    assert "trail 90.00" in shown
    assert status(json=True, config=config) == 3
    parsed = json.loads(capsys.readouterr().out)
    assert (parsed["exit_code"], parsed["held"], parsed["protected"]) == (3, 1, 1)
    assert parsed["symbols"][0]["why"] == "stop live at the broker"
    assert parsed["money"]["cash"] == 18_230


def roll_call_of(fleet: Fleet, **notes: str) -> Callable[[Command], Answer]:
    """A watchdog that reports every process ready, but for the note 'unready'; 'killed' is a report of its last run."""
    rows = [
        [name, 1 if note == "killed" else os.getpid(), 1, note != "unready", note, 0.1, 1]
        for name, note in ((name, notes.get(name, "")) for name in fleet.processes)
    ]
    return lambda command: Answer(
        isinstance(command, RollCall), columns=list(ProcessState.__struct_fields__), rows=[list(row) for row in rows]
    )


def test_status_and_wait_of_a_running_fleet(config: Path, fleet: Fleet, ledger: DuckLedger, capsys: Capture) -> None:
    others = [Lock(fleet.lock(name)) for name in fleet.processes if name not in ("recorder", "watchdog")]
    assert all(lock.take() for lock in others)
    with running(fleet, "recorder", ReadOnlySql(ledger.reader()).answer):
        with running(fleet, "watchdog", roll_call_of(fleet)):
            assert status(config=config) == 0
            assert wait_ready(fleet, 0) == []
            assert wait(ready=True, timeout=1, config=config) == 0
            assert wait(end=True, timeout=0, config=config) == 1
            assert "waiting for the clock's word" in capsys.readouterr().out
        with running(fleet, "watchdog", roll_call_of(fleet, risk="unready")):
            assert status(config=config) == 1
            assert "risk is not ready" in capsys.readouterr().out
            assert wait_ready(fleet, 0) == ["risk"]
            assert wait(ready=True, timeout=0, config=config) == 1
        with running(fleet, "watchdog", roll_call_of(fleet, risk="killed")):
            assert wait_ready(fleet, 0) == ["risk"], "the watchdog has not heard yet"
        with running(fleet, "watchdog", roll_call_of(fleet, clock="ended")):
            assert wait(end=True, timeout=0, config=config) == 1
            assert "waiting for the recorder" in capsys.readouterr().out
            record(ledger, Happened("market_ended", "", "INFO", {}, T0), seq=50)
            assert wait(end=True, timeout=0, config=config) == 0
        assert wait_ready(fleet, 0) == list(fleet.processes), "no watchdog, no word"
    for lock in others:
        lock.release()


def test_wait_needs_ready_or_end(config: Path) -> None:
    for choice in (True, False):
        with pytest.raises(Refusal, match="either --ready or --end"):
            wait(ready=choice, end=choice, config=config)


def test_pause_and_resume_go_to_risk(config: Path, fleet: Fleet) -> None:
    commands: list[Command] = []

    def risk(command: Command) -> Answer:
        commands.append(command)
        return Answer(len(commands) < 4, "no")

    with running(fleet, "risk", risk):
        assert pause(config=config) == 0
        assert pause("tsla", config=config) == 0
        assert resume("TSLA", config=config) == 0
        with pytest.raises(Refusal, match="no"):
            resume(config=config)
    assert commands == [Pause(None), Pause("TSLA"), Resume("TSLA"), Resume(None)]
    with pytest.raises(Refusal, match="risk of fleet sim is not running"):
        pause(config=config)


@pytest.mark.usefixtures("records")
def test_events_are_listed(config: Path, capsys: Capture) -> None:
    assert events(config=config) == 0
    shown = capsys.readouterr().out
    assert "link_changed" in shown
    assert "link=broker up=True" in shown
    assert "2022-03-22 10:00:00" in shown
    assert events(warn=True, config=config) == 0
    assert "nothing of the kind" in capsys.readouterr().out
    assert events(lines=1, json=True, config=config) == 0
    (parsed,) = json.loads(capsys.readouterr().out)
    assert (parsed["event_type"], parsed["ts"], parsed["payload"]["up"]) == (
        "link_changed",
        "2022-03-22T14:00:00",
        True,
    )
    with pytest.raises(Refusal, match="--lines 0: 1 or more"):
        events(lines=0, config=config)


def test_times_are_market_time_for_people_and_nanoseconds_for_programs(
    fleet: Fleet, config: Path, capsys: Capture
) -> None:
    made = DuckLedger(fleet.database, fleet=fleet.name, account="DU1")
    fields = {"until_ns": T0 + 20 * 60 * SECOND, "wait_ns": SECOND, "price": 0.1 + 0.2, "reason": None}
    record(made, Happened("cooldown_started", "TSLA", "INFO", fields, T0))
    made.close()
    assert events(config=config) == 0
    assert "until=2022-03-22 10:20:00 wait_ns=1000000000 price=0.3" in capsys.readouterr().out
    assert events(json=True, config=config) == 0
    (parsed,) = json.loads(capsys.readouterr().out)
    assert parsed["payload"] == fields
    line = {"timestamp": "2022-03-22T10:00:00-04:00", "process": "symbol-TSLA", "event": "cooldown_started", **fields}
    assert "until=2022-03-22 10:20:00 " in readable(json.dumps(line))


# The audit.


@pytest.fixture
def broker(fleet: Fleet) -> Iterator[sqlite3.Connection]:
    """The simulated broker's ledger of the same trading, in the simulator's own schema."""
    Store(fleet.simulator_ledger, "DU1234567").close()
    with sqlite3.connect(fleet.simulator_ledger, isolation_level=None, check_same_thread=False) as db:
        for values in (
            (70, 7, ENTRY, "TSLA", "BUY", "STP LMT", 10.0, 101.0, 99.0, None, "DAY", "Filled", 10.0, 100.0, None),
            (71, 8, STOP, "TSLA", "SELL", "TRAIL", 10.0, None, None, 10.0, "GTC", "PreSubmitted", 0.0, 0.0, 90.0),
            (72, 9, "", "AAPL", "BUY", "MKT", 50.0, None, None, None, "DAY", "Filled", 50.0, 170.0, None),
        ):
            db.execute(
                "INSERT INTO orders (perm_id, order_id, order_ref, symbol, side, order_type, quantity, limit_price,"
                " stop_price, trailing_pct, tif, status, filled, avg_price, trail_stop_price, client_id, account,"
                " parent_id, why_held, created_ns, completed_ns, completed_status, body)"
                f" VALUES ({'?, ' * 15} 12, 'DU1', 0, '', 0, 0, '', '')",
                values,
            )
        for exec_id, perm_id, order_id, ref, symbol in (
            ("0001.01", 70, 7, ENTRY, "TSLA"),
            ("0009.01", 72, 9, "", "AAPL"),
        ):
            values = (exec_id, perm_id, 12, order_id, ref, "DU1", symbol, "BUY", 10.0, 100.0, 10.0, 100.0, T0)
            db.execute(f"INSERT INTO executions VALUES ({', '.join('?' * 13)})", values)
            db.execute("INSERT INTO commissions VALUES (?, 12, 1.0, 'USD', NULL)", (exec_id,))
        yield db


@pytest.mark.usefixtures("records", "broker")
def test_an_equal_audit_prints_the_counts(config: Path, capsys: Capture) -> None:
    assert audit(config=config) == 0, capsys.readouterr().out
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["TABLE", "DATABASE", "BROKER", "DIFFERENCES"],
        ["orders", "2", "2", "0"],
        ["executions", "1", "1", "0"],
        ["commissions", "1", "1", "0"],
        ["audit:", "equal"],
    ]


CHANGES = [
    ("UPDATE orders SET quantity = 11 WHERE perm_id = 71", f"orders {STOP}: qty is 10.0 in the database, 11.0"),
    ("UPDATE orders SET trail_stop_price = 91 WHERE perm_id = 71", f"orders {STOP}: trail_stop_price is 90.0"),
    ("UPDATE orders SET status = 'Filled' WHERE perm_id = 71", f"orders {STOP}: status is 'PreSubmitted'"),
    ("UPDATE orders SET stop_price = 98 WHERE perm_id = 70", f"orders {ENTRY}: stop_price is 99.0"),
    ("UPDATE executions SET time_ns = time_ns + 1000000000 WHERE perm_id = 70", "executions 0001.01: time_s is"),
    ("UPDATE executions SET price = 100.01 WHERE perm_id = 70", "executions 0001.01: price is"),
    ("UPDATE executions SET exec_id = '0002.01' WHERE perm_id = 70", "executions 0002.01: only at the broker"),
    ("UPDATE commissions SET commission = 1.01 WHERE exec_id = '0001.01'", "commissions 0001.01: commission is 1.0"),
    ("UPDATE commissions SET realized_pnl = 0 WHERE exec_id = '0001.01'", "commissions 0001.01: realized_pnl is None"),
    (f"UPDATE orders SET order_ref = '{STOP}' WHERE perm_id = 72", f"orders {STOP}~2: only at the broker"),
    (f"UPDATE executions SET order_ref = '{STOP}' WHERE perm_id = 72", "executions 0009.01: only at the broker"),
    ("DELETE FROM orders WHERE perm_id = 71", f"orders {STOP}: only in the database"),
    ("DELETE FROM commissions", "commissions: nothing to compare"),
    ("DELETE FROM executions", "executions: nothing to compare"),
]


@pytest.mark.parametrize(("change", "difference"), CHANGES)
def test_every_change_is_a_difference(
    config: Path, ledger: DuckLedger, broker: sqlite3.Connection, capsys: Capture, change: str, difference: str
) -> None:
    ledger.close()
    broker.execute(change)
    assert audit(config=config) == 1
    shown = capsys.readouterr().out
    assert difference in shown
    assert "audit: NOT equal" in shown


def test_an_audit_may_wait_for_rows_that_are_not_recorded_yet(
    config: Path, fleet: Fleet, ledger: DuckLedger, broker: sqlite3.Connection
) -> None:
    broker.execute("UPDATE orders SET trail_stop_price = 91 WHERE perm_id = 71")
    requests: list[Command] = []
    answers = ReadOnlySql(ledger.reader())

    def recorder(command: Command) -> Answer:
        requests.append(command)
        if len(requests) == 4:  # after the first look at three tables
            broker.execute("UPDATE orders SET trail_stop_price = 90 WHERE perm_id = 71")
        return answers.answer(command)

    with running(fleet, "recorder", recorder):
        assert audit(settle=30, config=config) == 0
    assert len(requests) > 3


def test_no_audit_without_a_simulated_broker(config: Path) -> None:
    with pytest.raises(Refusal, match=r"simulator.sqlite: no such ledger"):
        audit(config=config)
    config.write_text("mode: paper\nwatchlist: [TSLA]\n")
    with pytest.raises(Refusal, match="mode paper: there is no simulated broker"):
        audit(config=config)


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (lambda config: performance(config=config), "trades  1 closed, 1 won, 0 lost"),
        (lambda config: export(config=config), "TSLA,TSLA-1,2022-03-22T14:00:00+00:00"),
        (lambda config: events(config=config), "order_filled"),
        (lambda config: sql("SELECT total_usd FROM daily", config=config), "37.5"),
        (lambda config: status(config=config), "the fleet is down"),
    ],
)
def test_records_of_the_first_release_at_rest(
    fleet: Fleet, config: Path, capsys: pytest.CaptureFixture[str], command: Callable[[Path], int], shown: str
) -> None:
    first_release(fleet.database)
    command(config)
    assert shown in capsys.readouterr().out
