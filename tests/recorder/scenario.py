"""Helpers: messages with the fields that matter, and the rows that the recorder makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import msgspec

import messages
from messages.frames import Envelope
from messages.orders import Fill, OrderRecord
from services.recorder.core import RecorderCore
from services.recorder.store import DuckLedger
from services.runtime.core import Now, State
from services.runtime.ledger import Batch, RecordChange

SECOND = 1_000_000_000
T0 = 1_647_957_600 * SECOND  # 2022-03-22 14:00:00 UTC

VERSION_1 = Path(__file__).with_name("version1.sql")

CORE = RecorderCore()
EMPTY = State(CORE.kinds)


def now(seq: int = 1, *, sender: str = "gateway", time_ns: int = T0, cause: str = "", run: int = 1) -> Now:
    return Now(time_ns, 0, Envelope(sender, run, seq, cause, time_ns, "TSLA", msgspec.Raw()))


def order(client_order_id: str = "TSLA-1", **fields: Any) -> OrderRecord:
    defaults: dict[str, Any] = {
        "symbol": "TSLA",
        "role": "entry",
        "side": "BUY",
        "order_type": "STP LMT",
        "quantity": 10.0,
        "created_ns": T0,
    }
    return OrderRecord(client_order_id=client_order_id, **(defaults | fields))


def fill(exec_id: str = "0001.01", client_order_id: str = "TSLA-1", **fields: Any) -> Fill:
    defaults: dict[str, Any] = {
        "symbol": "TSLA",
        "role": "entry",
        "side": "BUY",
        "quantity": 10.0,
        "price": 100.0,
        "cum_quantity": 10.0,
        "avg_price": 100.0,
        "order_id": 7,
        "perm_id": 70,
        "account": "DU1",
        "time_ns": T0,
    }
    return Fill(exec_id=exec_id, client_order_id=client_order_id, **(defaults | fields))


def changes(message: messages.Message, at: Now | None = None) -> list[RecordChange]:
    decided = CORE.handle(EMPTY, message, at or now()).changes
    return [RecordChange(kind.__name__, key, msgspec.json.encode(record)) for kind, key, record in decided]


def record(ledger: DuckLedger, *sent: messages.Message, seq: int = 1, time_ns: int = T0) -> int:
    """Commit these messages as rows of the gateway from `seq` on; the next free seq."""
    batch = Batch()
    for message in sent:
        batch.changes += changes(message, now(seq, time_ns=time_ns))
        batch.cursors["gateway"] = seq
        seq += 1
    ledger.commit(batch)
    return seq


def first_release(path: Path) -> None:
    """A database as the first release left it: a round trip of which one execution was corrected, and a close."""
    with duckdb.connect(str(path)) as db:
        db.execute(VERSION_1.read_text())
        db.execute("INSERT INTO meta VALUES ('version', '1'), ('fleet', 'sim'), ('run', '7'), ('account', 'DU1')")
        db.execute("INSERT INTO cursors VALUES ('gateway', 41)")
        db.execute("INSERT INTO market_clock VALUES ('market', '2022-03-22 20:00:00')")
        db.execute(
            "INSERT INTO orders (client_order_id, symbol, role, side, order_type, status, qty, filled, avg_price,"
            " stop_price) VALUES ('TSLA-1', 'TSLA', 'entry', 'BUY', 'STP LMT', 'Filled', 10, 10, 100, 105)"
        )
        for exec_key, revision, of, role, side, price, ts, commission, currency in (
            ("0001", 1, "TSLA-1", "entry", "BUY", 100.0, "2022-03-22 14:00:00", 1.25, "USD"),
            ("0002", 2, "TSLA-1-S1", "stop", "SELL", 104.0, "2022-03-22 15:00:00", 1.25, "USD"),
            ("0003", 1, "TSLA-2", "entry", "BUY", 103.0, "2022-03-22 16:00:00", 0.5, "EUR"),
        ):
            db.execute(
                "INSERT INTO fills (exec_key, revision, exec_id, client_order_id, symbol, role, side, qty, price, ts,"
                " realized_pnl, commission, currency, seq) VALUES (?, ?, ?, ?, 'TSLA', ?, ?, 10, ?, ?, 0, ?, ?, 1)",
                [exec_key, revision, f"{exec_key}.0{revision}", of, role, side, price, ts, commission, currency],
            )
        db.execute(
            "INSERT INTO events VALUES ('gateway:1', 'order_filled', 'TSLA', 'INFO', '{\"qty\":10}',"
            " '2022-03-22 14:00:00', 'gateway', 1, 1, '')"
        )
        db.execute(
            "INSERT INTO sessions VALUES ('2022-03-22', '2022-03-22 13:30', '2022-03-22 20:00', false, 'closed', NULL)"
        )
        db.execute("INSERT INTO performance_snapshots VALUES ('2022-03-22', 1e5, 1e5, 0, 0, 37.5, 37.5, 1, 3)")
