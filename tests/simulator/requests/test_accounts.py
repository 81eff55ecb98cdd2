"""Several accounts under one login: each order, share and dollar belongs to one of them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest

from services.configuration.refusal import Refusal
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.store import Store
from tests.simulator.scripted import DU1, MONDAY, SECOND, ScriptedMarket, exchange, prints, reported, ticket

DU2 = AccountTerms(account="DU2", cash=50_000.0)
MINUTE = 60 * SECOND


def two(*prices: float) -> Exchange:
    return exchange(prints(*prices), accounts=[DU1, DU2])


def test_field_40_an_order_without_an_account_is_refused_where_there_are_several() -> None:
    market = two(100.0)
    assert reported(market.place(ticket(1, "BUY", "MKT", account=""))) == [("error", 1, 435)]
    assert reported(market.place(ticket(2, "BUY", "MKT", account="DU3"))) == [("error", 2, 321)]
    assert market.orders() == []
    alone = exchange(prints(100.0))
    alone.place(ticket(1, "BUY", "MKT", account=""))
    assert [order.ticket.account for order in alone.orders()] == ["DU1"]


@pytest.mark.shows(feature="several accounts")
def test_each_account_has_its_own_cash_and_shares() -> None:
    market = two(100.0, 101.0, 102.0)
    market.advance(MONDAY.open_ns)
    market.place(ticket(1, "BUY", "MKT"))
    market.place(ticket(2, "BUY", "MKT", account="DU2", quantity=10.0))
    market.advance(MONDAY.open_ns + MINUTE)
    market.place(ticket(3, "SELL", "MKT", account="DU2", quantity=10.0))
    market.advance(MONDAY.close_ns)
    assert [(held.account, held.quantity) for held in market.positions()] == [("DU1", 100.0)]
    assert market.positions("DU2") == []
    assert market.account_report("DU1").values["TotalCashValue"] == 100_000.0 - 10_101.0 - 1.0
    assert market.account_report("DU2").values["TotalCashValue"] == 50_000.0 + 10 * (101.99 - 101.01) - 2.0
    assert [execution.account for execution in market.executions()] == ["DU1", "DU2", "DU2"]


def test_an_order_stays_in_its_account() -> None:
    market = two(100.0)
    market.place(ticket(1, "BUY", "LMT", limit_price=90.0, account="DU2"))
    assert reported(market.place(ticket(1, "BUY", "LMT", limit_price=91.0))) == [("error", 1, 105)]
    child = ticket(2, "SELL", "LMT", limit_price=99.0, parent_id=1)
    assert reported(market.place(child)) == [("error", 2, 321)]
    assert len(reported(market.place(msgspec.structs.replace(child, account="DU2")))) == 1


def test_a_restart_keeps_the_accounts_apart(tmp_path: Path) -> None:
    market = two(100.0, 101.0)
    for order_id, account in ((1, "DU1"), (2, "DU2")):
        market.place(ticket(order_id, "BUY", "MKT", account=account, quantity=10.0 * order_id))
    market.advance(MONDAY.open_ns)
    store = Store(tmp_path / "simulator.sqlite", "DU2", "DU1")
    store.save(market.changes())
    saved = store.load()
    later = Exchange(ScriptedMarket([]), [MONDAY], accounts=[DU1, DU2], start_ns=0, saved=saved)
    for account in ("DU1", "DU2"):
        assert later.positions(account) == market.positions(account)
        assert later.account_report(account) == market.account_report(account)


def test_a_ledger_keeps_to_its_accounts(tmp_path: Path) -> None:
    path = tmp_path / "simulator.sqlite"
    Store(path, "DU1", "DU2").close()
    Store(path, "DU2", "DU1").close()
    with pytest.raises(Refusal, match="belongs to account DU1, DU2, not DU1;"):
        Store(path, "DU1")


def test_a_ledger_of_the_first_schema_is_read(tmp_path: Path) -> None:
    """A ledger of the first release: one account in `meta`, money in `standing`, holdings by symbol."""
    path = tmp_path / "simulator.sqlite"
    market = exchange(prints(100.0, 101.0))
    market.place(ticket(1, "BUY", "MKT"))
    market.advance(MONDAY.open_ns)
    store = Store(path, "DU1")
    store.save(market.changes())
    store.close()
    db = sqlite3.connect(path, isolation_level=None)
    meta = dict(db.execute("SELECT key, value FROM meta"))
    checkpoint = msgspec.json.decode(meta["standing"])
    del checkpoint["funds"]
    old = {"schema": "1", "account": "DU1"}
    old["standing"] = msgspec.json.encode({**checkpoint, "account": "DU1", "cash": 89_998.0}).decode()
    old["holding:ABC"] = '{"symbol":"ABC","quantity":100.0,"avg_cost":100.02,"realized_pnl":0.0}'
    old["tape:ABC"] = meta["tape:ABC"]
    db.execute("DELETE FROM meta")
    db.executemany("INSERT INTO meta VALUES (?, ?)", old.items())
    db.close()

    for _ in range(2):  # it is upgraded once
        store = Store(path, "DU1")
        saved = store.load()
        store.close()
        later = Exchange(ScriptedMarket([]), [MONDAY], accounts=[DU1], start_ns=0, saved=saved)
        assert later.positions("DU1") == market.positions("DU1")
        assert later.account_report("DU1") == market.account_report("DU1")
    with pytest.raises(Refusal, match="belongs to account DU1, not DU2;"):
        Store(path, "DU2")
