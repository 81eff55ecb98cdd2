"""A process has lost its ledger and begins anew: what was recorded stays true, and nothing is doubled."""

from __future__ import annotations

from pathlib import Path

import pytest

from messages import Message
from messages.interlock import EntriesBlocked, EntriesUnblocked
from messages.operator import Happened, Paused
from messages.orders import OrderCancelled, OrderFilled, OrderPlaced, OrderUpdated, ProtectionChanged
from messages.timers import LedgerLost
from services.recorder.store import DuckLedger
from services.runtime.core import Now
from services.runtime.ledger import Batch, RecordChange, encode_record
from tests.recorder.scenario import CORE, EMPTY, T0, fill, now, order


@pytest.fixture
def ledger(tmp_path: Path) -> DuckLedger:
    return DuckLedger(tmp_path / "bot.duckdb", fleet="sim", account="DU1")


def at(epoch: int, seq: int, sender: str = "gateway") -> Now:
    received = now(seq, sender=sender)
    assert received.source is not None
    return Now(received.market_ns, 0, type(received.source)(*list(_fields(received.source))[:-1], epoch))


def _fields(struct: object) -> list[object]:
    return [getattr(struct, name) for name in struct.__struct_fields__]  # type: ignore[attr-defined]


def receive(ledger: DuckLedger, *sent: Message, epoch: int, sender: str = "gateway", seq: int = 1) -> None:
    """Rows of a process from its ledger of this epoch, in one commit."""
    batch = Batch(epochs={sender: epoch})
    for message in sent:
        decision = CORE.handle(EMPTY, message, at(epoch, seq, sender))
        batch.changes += [RecordChange(kind.__name__, key, encode_record(row)) for kind, key, row in decision.changes]
        batch.cursors[sender] = seq
        seq += 1
    ledger.commit(batch)


def lose(ledger: DuckLedger, process: str, epoch: int) -> list[Message]:
    decision = CORE.handle(EMPTY, LedgerLost(process, epoch), Now(T0, 0))
    changes = [RecordChange(kind.__name__, key, encode_record(row)) for kind, key, row in decision.changes]
    ledger.commit(Batch(changes=changes, cursors={process: 0}, epochs={process: epoch}))
    return [message for _, message in decision.messages]


def read(ledger: DuckLedger, sql: str) -> list[tuple[object, ...]]:
    return ledger.reader().execute(sql).fetchall()


def test_it_is_reported_with_what_was_lost(ledger: DuckLedger) -> None:
    for process in ("gateway", "risk", "symbol-TSLA", "clock", "watchdog", "recorder"):
        (event,) = lose(ledger, process, 1)
        assert isinstance(event, Happened)
        assert (event.event, event.level, event.fields["process"]) == ("ledger_lost", "ERROR", process)
        assert event.fields["lost"]


def test_events_of_both_ledgers_stay_though_they_count_alike(ledger: DuckLedger) -> None:
    for epoch in (0, 5):
        receive(
            ledger,
            Happened("started", "", "INFO", {"epoch": epoch}, T0),
            ProtectionChanged("TSLA", 10, epoch, T0),
            epoch=epoch,
        )
    assert read(ledger, "SELECT payload_json->>'epoch', event_id FROM events ORDER BY epoch") == [
        ("0", "gateway:1"),
        ("5", "gateway@5:1"),
    ]
    assert read(ledger, "SELECT protected, epoch FROM protection ORDER BY epoch") == [(0.0, 0), (5.0, 5)]


def test_what_is_the_case_now_comes_from_the_present_ledger(ledger: DuckLedger) -> None:
    """The lost ledger had a pause and a block in a later run than the new one has reached."""
    blocked = EntriesBlocked("stale", "wait", {})
    receive(ledger, Paused("TSLA", "operator"), Paused(None, "operator"), epoch=0, sender="risk", seq=900)
    receive(ledger, blocked, epoch=0, seq=900)
    assert len(read(ledger, "FROM pauses")) == 2
    lose(ledger, "risk", 5)
    lose(ledger, "gateway", 5)
    assert read(ledger, "FROM pauses") == read(ledger, "FROM blocks") == []
    receive(ledger, Paused("NVDA", "operator"), epoch=5, sender="risk")
    receive(ledger, EntriesBlocked("other", "x", {}, "NVDA"), EntriesBlocked("other", "x", {}, "AMC"), epoch=5)
    receive(ledger, EntriesUnblocked("other", "AMC"), epoch=5, seq=3)
    assert read(ledger, "SELECT symbol FROM pauses") == [("NVDA",)]
    assert read(ledger, "SELECT reason, symbol FROM blocks") == [("other", "NVDA")]


FULL = {"order_type": "STP LMT", "stop_price": 101.0, "limit_price": 102.0, "tif": "GTC", "con_id": 7, "perm_id": 70}


def test_an_order_keeps_what_the_gateway_does_not_know_any_more(ledger: DuckLedger) -> None:
    receive(ledger, OrderPlaced(order(**FULL, account="DU1", order_id=3)), epoch=0)
    lose(ledger, "gateway", 5)
    poor = order(order_type="", quantity=0.0, tif="", filled=10.0, status="Filled", created_ns=T0 + 9, perm_id=70)
    receive(ledger, OrderUpdated(poor), epoch=5)
    columns = "order_type, qty, tif, stop_price, limit_price, con_id, account, order_id, filled, status"
    assert read(ledger, f"SELECT {columns} FROM orders") == [
        ("STP LMT", 10.0, "GTC", 101.0, 102.0, 7, "DU1", 3, 10.0, "Filled")
    ]
    assert read(ledger, f"SELECT count(*) FROM orders WHERE created_at = make_timestamp({T0 // 1000})") == [(1,)]


def test_a_change_of_an_order_is_recorded(ledger: DuckLedger) -> None:
    receive(ledger, OrderPlaced(order(**FULL)), epoch=0)
    receive(ledger, OrderUpdated(order(**{**FULL, "stop_price": 99.0, "quantity": 4.0})), epoch=0, seq=2)
    assert read(ledger, "SELECT stop_price, qty FROM orders") == [(99.0, 4.0)]


def test_a_live_order_is_unknown_until_it_is_reported_again(ledger: DuckLedger) -> None:
    live = [OrderPlaced(order(name, status="Submitted", **FULL)) for name in ("found", "gone")]
    receive(ledger, *live, OrderCancelled(order("ended", status="Cancelled"), True), epoch=0)
    lose(ledger, "gateway", 5)
    receive(ledger, OrderUpdated(order("found", status="Submitted", **FULL)), epoch=5)
    assert read(ledger, "SELECT client_order_id, status, reason FROM orders ORDER BY ALL") == [
        ("ended", "Cancelled", ""),
        ("found", "Submitted", ""),
        ("gone", "Unknown", "ledger_lost"),
    ]


def test_another_process_that_loses_its_ledger_leaves_the_orders_alone(ledger: DuckLedger) -> None:
    receive(ledger, OrderPlaced(order(status="Submitted")), epoch=0)
    lose(ledger, "risk", 5)
    assert read(ledger, "SELECT status FROM orders") == [("Submitted",)]


def bought(exec_id: str, own: float, quantity: float = 10.0, **fields: object) -> OrderFilled:
    return OrderFilled(fill(exec_id, quantity=quantity, cum_quantity=own, **fields), order(), own, 1000.0, 0.0)


def sold(exec_id: str, own: float, quantity: float = 10.0, **fields: object) -> OrderFilled:
    told = fill(exec_id, "TSLA-1-S1", side="SELL", role="stop", quantity=quantity, **fields)
    return OrderFilled(told, order("TSLA-1-S1", side="SELL", role="stop"), own, 0.0, 42.0)


FILLS = "SELECT exec_id, qty, witness FROM fills ORDER BY ts, exec_id"


@pytest.mark.parametrize("witness", ["order", "stop"])
def test_shares_that_are_recorded_are_not_recorded_again(ledger: DuckLedger, witness: str) -> None:
    receive(ledger, bought("0001.01", 10.0), epoch=0)
    lose(ledger, "gateway", 5)
    receive(ledger, bought("SYN-1", 10.0, witness=witness), epoch=5)
    assert read(ledger, FILLS) == [("0001.01", 10.0, "execution")]


def test_of_shares_that_are_recorded_in_part_only_the_rest_is_added(ledger: DuckLedger) -> None:
    receive(ledger, bought("0001.01", 4.0, 4.0), epoch=0)
    lose(ledger, "gateway", 5)
    receive(ledger, bought("SYN-1", 10.0, witness="order"), epoch=5)
    assert read(ledger, FILLS) == [("0001.01", 4.0, "execution"), ("SYN-1", 6.0, "order")]


def test_a_rebuilt_purchase_and_its_sale_in_one_commit(ledger: DuckLedger) -> None:
    """The purchase is recorded, the stop-out of today is not."""
    receive(ledger, bought("0001.01", 10.0), epoch=0)
    lose(ledger, "gateway", 5)
    receive(ledger, bought("SYN-1", 10.0, witness="stop"), sold("0009.01", 0.0), epoch=5)
    assert read(ledger, FILLS) == [("0001.01", 10.0, "execution"), ("0009.01", 10.0, "execution")]


def test_a_rebuilt_sale_that_is_recorded(ledger: DuckLedger) -> None:
    receive(ledger, bought("0001.01", 10.0), sold("0002.01", 0.0), epoch=0)
    lose(ledger, "gateway", 5)
    receive(ledger, bought("SYN-1", 10.0, witness="order"), sold("SYN-2", 0.0, witness="order"), epoch=5)
    assert sorted(read(ledger, "SELECT exec_id FROM fills")) >= [("0001.01",), ("0002.01",)]
    assert read(ledger, "SELECT sum(CASE side WHEN 'BUY' THEN qty ELSE -qty END) FROM fills") == [(0.0,)]


def test_without_a_record_a_synthetic_fill_is_recorded_whole_and_shown(ledger: DuckLedger) -> None:
    receive(ledger, bought("SYN-1", 10.0, witness="order"), sold("0009.01", 0.0), epoch=0)
    assert read(ledger, FILLS) == [("0009.01", 10.0, "execution"), ("SYN-1", 10.0, "order")]
    assert read(ledger, "SELECT symbol, qty, witness FROM synthetic") == [("TSLA", 10.0, "order")]
    assert read(ledger, "SELECT qty, synthetic FROM trades") == [(10.0, True)]


@pytest.mark.parametrize("apart", [True, False])
def test_the_true_execution_replaces_the_synthetic_one(ledger: DuckLedger, apart: bool) -> None:
    synthetic = bought("SYN-1", 10.0, witness="order", price=100.0)
    true = OrderFilled(fill("0001.01", price=99.0), order(), 10.0, 990.0, 0.0, corrects="SYN-1")
    if apart:
        receive(ledger, synthetic, epoch=0)
        receive(ledger, true, epoch=0, seq=2)
    else:
        receive(ledger, synthetic, true, epoch=0)
    assert read(ledger, "SELECT exec_id, price, witness FROM fills") == [("0001.01", 99.0, "execution")]


def test_a_fill_that_is_reported_again_keeps_its_profit(ledger: DuckLedger) -> None:
    """A gateway without its ledger does not know what the shares had cost."""
    receive(ledger, bought("0001.01", 10.0), sold("0002.01", 0.0), epoch=0)
    lose(ledger, "gateway", 5)
    again = fill("0002.01", "TSLA-1-S1", side="SELL", role="stop")
    receive(ledger, OrderFilled(again, order("TSLA-1-S1", side="SELL"), -10.0, 0.0, 0.0), epoch=5)
    assert read(ledger, "SELECT realized_pnl, own FROM fills WHERE exec_id = '0002.01'") == [(42.0, 0.0)]
