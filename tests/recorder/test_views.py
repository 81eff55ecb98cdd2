"""The views, checked with a few messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from messages import Message
from messages.account import LinkChanged
from messages.market import Session, SessionClosed, SessionClosing, SessionOpened
from messages.operator import Happened, Paused, Resumed, SymbolStatus
from messages.orders import CommissionReported, OrderFilled, OrderPlaced, ProtectionChanged
from services.recorder.store import DuckLedger
from services.runtime.ledger import Batch
from tests.recorder.scenario import SECOND, T0, changes, fill, now, order, record

View = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def view(tmp_path: Path) -> Iterator[View]:
    """Record these messages, a second apart, and read."""
    ledger = DuckLedger(tmp_path / "bot.duckdb", fleet="sim", account="DU1")

    def rows(sql: str, *sent: Message) -> list[tuple[Any, ...]]:
        for seq, message in enumerate(sent, 1):
            record(ledger, message, seq=seq, time_ns=T0 + seq * SECOND)
        return ledger.reader().execute(sql).fetchall()

    yield rows
    ledger.close()


def bought(exec_id: str, entry: str, quantity: float, price: float, second: int, **fields: Any) -> list[Message]:
    return traded(exec_id, entry, quantity, price, second, side="BUY", role="entry", **fields)


def sold(exec_id: str, stop: str, quantity: float, price: float, second: int, **fields: Any) -> list[Message]:
    return traded(exec_id, stop, quantity, price, second, side="SELL", role="stop", **fields)


def traded(
    exec_id: str, of: str, quantity: float, price: float, second: int, *, commission: float = 1.0, **fields: Any
) -> list[Message]:
    execution = fill(exec_id, of, quantity=quantity, price=price, time_ns=T0 + second * SECOND, **fields)
    given = order(of, **fields)
    cost = CommissionReported(exec_id, of, execution.symbol, commission, "USD", None)
    return [OrderFilled(execution, given, 0.0, 0.0, 0.0), cost]


def protection(second: float, shares: float, protected: float, symbol: str = "TSLA") -> ProtectionChanged:
    return ProtectionChanged(symbol, shares, protected, T0 + int(second * SECOND))


def test_seconds_without_a_stop_in_and_out_of_the_session(view: View) -> None:
    session = Session("2022-03-22", T0 + 10 * SECOND, T0 + 100 * SECOND)
    coming = Session("2022-03-23", T0 + 1_000 * SECOND, T0 + 2_000 * SECOND)
    sent = [
        SessionOpened(session, 0),
        SessionOpened(coming, 0),
        protection(10, 10, 0),
        protection(10.25, 10, 10),
        protection(20, 4, 0, "GME"),
        protection(90, 10, 4),
        protection(95, 10, 0),
        protection(1_005, 10, 10),
        protection(1_010, 0, 0),
    ]
    columns = "symbol, shares, seconds, session_seconds, until_ts IS NULL"
    assert view(f"SELECT {columns} FROM unprotected", *sent) == [
        ("TSLA", 10.0, 0.25, 0.25, False),
        ("GME", 4.0, 0.0, 0.0, True),  # it lasts until the market's now, which here is T0 + 9 s
        ("TSLA", 6.0, 5.0, 5.0, False),
        ("TSLA", 10.0, 910.0, 10.0, False),
    ]


def test_morning_audits(view: View) -> None:
    sent = [
        Happened(event, "TSLA", "INFO", {"own_was": 1, "own_is": 2}, T0)
        for event in ("audit_passed", "split_mended", "split_unconfirmed", "audit_failed", "audit_passed")
    ]
    found = [finding for _, _, finding in view("FROM audits ORDER BY ALL", *sent)]
    assert sorted(found) == ["failed", "mended", "passed", "passed"]


TRADES = (
    "SELECT client_order_id, qty, entry_price, exit_price, round(pnl_usd, 6), round(pnl_pct, 6), round(commission, 6),"
    " duration FROM trades"
)


def test_a_round_trip(view: View) -> None:
    sent = [*bought("1", "E1", 10, 100.0, 0), *sold("2", "S1", 10, 104.0, 90)]
    assert view(TRADES, *sent) == [("E1", 10, 100.0, 104.0, 38.0, 3.8, 2.0, timedelta(seconds=90))]


def test_fills_in_parts_meet_first_in_first_out(view: View) -> None:
    sent = [
        *bought("1", "E1", 6, 100.0, 0),
        *bought("2", "E1", 4, 101.0, 1),
        *sold("3", "S1", 8, 110.0, 50),
        *bought("4", "E2", 10, 105.0, 60),
        *sold("5", "S2", 7, 100.0, 70),
    ]
    # E1: 6 + 2 sold by S1, its last 2 by S2; of E2 5 are sold.
    first = 6 * 10 + 2 * 9 + 2 * (-1) - (1 + 1 + 1 + 2 / 7)
    second = 5 * (-5) - (0.5 + 5 / 7)
    e1 = (round(first, 6), round(100 * first / 1004, 6), round(3 + 2 / 7, 6), timedelta(seconds=70))
    e2 = (round(second, 6), round(100 * second / 525, 6), round(0.5 + 5 / 7, 6), timedelta(seconds=10))
    assert view(TRADES, *sent) == [("E1", 10, 100.4, 108.0, *e1), ("E2", 5, 105.0, 100.0, *e2)]


def test_symbols_do_not_meet_and_what_is_held_or_foreign_is_no_trade(view: View) -> None:
    sent = [
        *bought("1", "E1", 10, 100.0, 0),
        *traded("2", "N1", 10, 50.0, 1, side="SELL", role="stop", symbol="NVDA"),
        *traded("3", "F1", 10, 50.0, 1, side="SELL", role="foreign"),
    ]
    assert view(TRADES, *sent) == []


def test_a_trade_whose_commission_is_not_known_yet(view: View) -> None:
    sent = [bought("1", "E1", 10, 100.0, 0)[0], *sold("2", "S1", 10, 99.0, 9)]
    assert view("SELECT pnl_usd, commission FROM trades", *sent) == [(-11.0, 1.0)]


# Status.


def status(own: float = 0.0, symbol: str = "TSLA") -> SymbolStatus:
    return SymbolStatus(symbol, "S", "w", {"a": 1.5}, 0, "2022-03-22", 1, "E1", "S1", own, own * 100, T0)


def stop(client_order_id: str = "S1", **fields: Any) -> OrderPlaced:
    defaults = {"role": "stop", "side": "SELL", "order_type": "TRAIL", "status": "PreSubmitted", "stop_price": 90.0}
    return OrderPlaced(order(client_order_id, **(defaults | fields)))


PROTECTS = [
    ({"status": "Submitted"}, 10),
    ({"status": "PreSubmitted", "why_held": ""}, 10),
    ({"status": "PreSubmitted", "why_held": "trigger"}, 10),
    ({"status": "PreSubmitted", "why_held": "child"}, 0),
    ({"status": "PreSubmitted", "why_held": "child,trigger"}, 0),
    ({"status": "InFlight"}, 0),
    ({"status": "PendingSubmit"}, 0),
    ({"status": "PendingCancel"}, 0),
    ({"status": "Submitted", "filled": 4.0}, 6),
]


@pytest.mark.parametrize(("fields", "protecting"), PROTECTS)
def test_what_protects(view: View, fields: dict[str, Any], protecting: float) -> None:
    found = view("SELECT own, protecting_qty, stop_qty, stop_price FROM status", status(10), stop(**fields))
    assert found == [(10, protecting, 10 - fields.get("filled", 0.0), 90.0)]


@pytest.mark.parametrize("over", ["Cancelled", "Filled", "Inactive"])
def test_what_is_over_protects_nothing_and_is_not_shown(view: View, over: str) -> None:
    sent = [status(10), stop(status=over), OrderPlaced(order("E1", status=over))]
    assert view("SELECT protecting_qty, stop_type, entry_type FROM status", *sent) == [(0, None, None)]


def test_a_live_entry_and_two_stops(view: View) -> None:
    sent = [
        status(10),
        OrderPlaced(order("E1", status="PreSubmitted", stop_price=105.0, limit_price=110.0, filled=4.0)),
        stop(quantity=4.0, created_ns=T0),
        stop("S2", quantity=3.0, created_ns=T0 + SECOND, stop_price=91.0),
        OrderPlaced(order("F1", role="foreign", side="SELL", status="Submitted")),
    ]
    sql = "SELECT entry_client_order_id, entry_qty, entry_stop_price, protecting_qty, stop_price FROM status"
    assert view(sql, *sent) == [("E1", 6, 105.0, 7, 91.0)]


def test_today_starts_with_the_session(view: View) -> None:
    opened = SessionOpened(Session("2022-03-22", T0 + 10 * SECOND, T0 + 99 * SECOND), T0 + 80 * SECOND)
    sent = [
        status(),
        *bought("1", "E0", 1, 10.0, 2, commission=5.0),
        opened,
        *bought("2", "E1", 1, 10.0, 20, commission=1.5),
        *sold("3", "S1", 1, 11.0, 30),
    ]
    assert view("SELECT fills_today, commission_today FROM status", *sent) == [(2, 2.5)]


# The day, the links, the pauses.

DAY = Session("2022-03-22", T0, T0 + 3600 * SECOND)
NEXT = Session("2022-03-23", T0 + 86400 * SECOND, T0 + 90000 * SECOND)
PHASES = [
    ([SessionOpened(DAY, T0)], "open", None),
    ([SessionOpened(DAY, T0), SessionClosing(DAY)], "closing", None),
    ([SessionClosing(DAY), SessionClosed(DAY, NEXT)], "closed", datetime(2022, 3, 23, 14)),
    ([SessionClosing(DAY), SessionClosed(DAY)], "closed", None),
    ([SessionClosed(DAY, NEXT), SessionOpened(NEXT, T0)], "open", None),
]


@pytest.mark.parametrize(("sent", "phase", "next_open"), PHASES)
def test_the_market(view: View, sent: list[Message], phase: str, next_open: datetime | None) -> None:
    assert view("SELECT phase, next_open_ts FROM market", *sent) == [(phase, next_open)]


def test_the_newest_state_of_each_link(view: View) -> None:
    sent = [LinkChanged("socket", True, ""), LinkChanged("data", True, ""), LinkChanged("data", False, "2103")]
    assert view("SELECT link, up, detail FROM links ORDER BY link", *sent) == [
        ("data", False, "2103"),
        ("socket", True, ""),
    ]


def test_link_states_of_an_earlier_run_of_the_gateway_are_over(tmp_path: Path) -> None:
    ledger = DuckLedger(tmp_path / "bot.duckdb", fleet="sim", account="DU1")
    for seq, (run, message) in enumerate(
        [
            (1, LinkChanged("socket", True, "")),
            (1, LinkChanged("broker", False, "")),
            (2, LinkChanged("socket", True, "")),
        ]
    ):
        ledger.commit(Batch(changes=changes(message, now(seq + 1, run=run))))
    assert ledger.reader().execute("SELECT link, up FROM links").fetchall() == [("socket", True)]


def test_a_pause_ends_by_its_own_resume_only(view: View) -> None:
    sent = [
        Paused(None, "operator"),
        Paused("TSLA", "operator"),
        Paused("NVDA", "operator"),
        Resumed("NVDA", "operator"),
    ]
    assert view("SELECT symbol FROM pauses ORDER BY symbol", *sent) == [("TSLA",), (None,)]


def test_after_the_fleets_resume_a_symbol_stays_paused(view: View) -> None:
    sent = [Paused(None, "operator"), Paused("TSLA", "operator"), Resumed(None, "operator")]
    assert view("SELECT symbol FROM pauses", *sent) == [("TSLA",)]
