"""Short words for tests: messages with the fields that matter, and what the recorder makes of them."""

from __future__ import annotations

from typing import Any

import msgspec

import messages
from messages.frames import Envelope
from messages.orders import Fill, OrderRecord
from services.core import Now, State
from services.ledger import Batch, Change
from services.recorder.core import RecorderCore
from services.recorder.store import DuckLedger

SECOND = 1_000_000_000
T0 = 1_647_957_600 * SECOND  # 2022-03-22 14:00:00 UTC

CORE = RecorderCore()
EMPTY = State(CORE.kinds)


def now(seq: int = 1, *, sender: str = "gateway", time_ns: int = T0, cause: str = "", run: int = 1) -> Now:
    return Now(time_ns, 0, Envelope(sender, run, seq, cause, time_ns, "TSLA", msgspec.Raw()))


def order(client_order_id: str = "TSLA-1", **fields: Any) -> OrderRecord:
    told: dict[str, Any] = {
        "symbol": "TSLA",
        "role": "entry",
        "side": "BUY",
        "order_type": "STP LMT",
        "quantity": 10.0,
        "created_ns": T0,
    }
    return OrderRecord(client_order_id=client_order_id, **(told | fields))


def fill(exec_id: str = "0001.01", client_order_id: str = "TSLA-1", **fields: Any) -> Fill:
    told: dict[str, Any] = {
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
    return Fill(exec_id=exec_id, client_order_id=client_order_id, **(told | fields))


def changes(message: messages.Message, at: Now | None = None) -> list[Change]:
    decided = CORE.handle(EMPTY, message, at or now()).changes
    return [Change(kind.__name__, key, msgspec.json.encode(record)) for kind, key, record in decided]


def record(ledger: DuckLedger, *said: messages.Message, seq: int = 1, time_ns: int = T0) -> int:
    """Commit these messages as rows of the gateway from `seq` on; the next free seq."""
    batch = Batch()
    for message in said:
        batch.changes += changes(message, now(seq, time_ns=time_ns))
        batch.cursors["gateway"] = seq
        seq += 1
    ledger.commit(batch)
    return seq
