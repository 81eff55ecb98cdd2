"""Row 65: a NaN or an infinity reaches no ledger, and a ledger that can't be read holds no start."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from messages.broker import BrokerPosition
from messages.operator import Refused
from services.configuration.settings import Settings
from services.gateway.book.records import AccountPosition
from services.gateway.core import CONSTRAINTS, GatewayCore
from services.runtime.actor import Actor
from services.runtime.ledger import SqliteLedger
from services.runtime.market_clock import MarketClock
from tests.day.conftest import RunningFleet
from tests.field.test_57_lost_ledgers import at_the_exchange, before, file_of, fleet

__all__ = ["before", "fleet"]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_field_65_it_is_refused_and_the_ledger_stays_readable(tmp_path: Path, number: float) -> None:
    path = tmp_path / "gateway.sqlite"
    core = GatewayCore(msgspec.convert({"watchlist": ["TSLA"]}, Settings))

    def started() -> Actor:
        ledger = SqliteLedger(path, "gateway", CONSTRAINTS)
        return Actor("gateway", core, ledger, dials={}, market=MarketClock(lockstep=True))

    actor = started()
    actor.start(0)
    actor.flush(0)
    actor.deliver(BrokerPosition("DU1", "TSLA", 5.0, 10.0), 0, "broker")
    actor.deliver(BrokerPosition("DU1", "TSLA", 5.0, number), 0, "broker")
    noted = actor.flush(0).noted
    assert [note.event for note in noted if note.level == "ERROR"] == ["message_refused"]
    actor.ledger.close()
    again = started()
    assert again.ledger.was_set_aside is None
    assert again.state.get(AccountPosition, "TSLA") == AccountPosition("TSLA", 5.0, 10.0)
    assert Refused.__name__ in repr(again.ledger.rows_after(0))


@pytest.mark.parametrize("spoilt", ["null", "pages", "garbage", "database"])
def test_field_65_a_fleet_starts_on_a_ledger_that_cannot_be_read(fleet: RunningFleet, spoilt: str) -> None:
    process = "recorder" if spoilt == "database" else "gateway"
    path = file_of(fleet, process)
    if spoilt == "null":
        with closing(sqlite3.connect(path)) as db:
            db.execute("UPDATE records SET body = json_set(body, '$.quantity', NULL) WHERE kind = 'Own'")
            db.commit()
    elif spoilt == "pages":
        data = path.read_bytes()
        path.write_bytes(data[:8192] + bytes(len(data) - 8192))
    else:
        path.write_bytes(b"garbage" * 5000)
    fleet.crazy("up")
    (told,) = fleet.until("FROM events WHERE event_type = 'ledger_set_aside' AND level = 'ERROR'")
    assert told["sender"] == process
    assert list(path.parent.glob(f"{path.name}.unreadable-*"))
    fleet.until("FROM events WHERE event_type = 'ledger_lost' AND level = 'ERROR'")
    fleet.until("FROM status WHERE symbol = 'AMC' AND protecting_qty = 25 AND own = 25")
    fleet.crazy("down")
    live, shares = at_the_exchange(fleet)
    assert "CT-AMC-20250106-1-S1" in live
    assert shares["AMC"] == 25.0
    fleet.crazy("audit")
