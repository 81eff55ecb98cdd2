"""What each message becomes, one after another."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import messages
from messages.account import AccountUpdated, LinkChanged, PerformanceSnapshot, ReconciliationDone
from messages.entries import CancelEntry, EntryApproved, EntryDenied, EntryDropped, EntryPlan, SubmitEntry
from messages.market import Session, SessionClosed, SessionClosing, SessionOpened, Tick
from messages.operator import Happened, Pause, Paused, Refused, Resume, Resumed, SymbolStatus
from messages.orders import (
    CommissionReported,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderPlaced,
    OrderRejected,
    OrderUpdated,
    PositionUpdated,
    execution_key,
)
from messages.timers import Elapsed, Started
from tests.recorder.scenario import CORE, EMPTY, SECOND, T0, fill, now, order

SESSION = Session("2022-03-22", T0, T0 + 3600 * SECOND, True)
NEXT = Session("2022-03-23", T0 + 86400 * SECOND, T0 + 90000 * SECOND)
PLAN = EntryPlan("TSLA-1", "TSLA", "2022-03-22", 1, "STP", 1.0, None, 1.0, "DAY", "S", "TRAIL", 10.0, None, "GTC", T0)


def rows(message: messages.Message, **at: Any) -> dict[str, dict[str, Any]]:
    """Kind and fields of the rows, but for the market's clock."""
    decided = CORE.handle(EMPTY, message, now(7, cause="symbol-TSLA:3", **at)).changes
    return {kind.__name__: msgspec.to_builtins(record) for kind, _, record in decided if kind.__name__ != "MarketNow"}


ORDER_EVENTS = [
    OrderPlaced(order(order_id=5)),
    OrderAccepted(order(order_id=5)),
    OrderUpdated(order(order_id=5)),
    OrderCancelled(order(order_id=5), True),
    OrderRejected(order(order_id=5), 201, "no"),
    OrderFilled(fill(), order(order_id=5), 10.0, 1000.0, 3.0),
]


@pytest.mark.parametrize("message", ORDER_EVENTS, ids=lambda message: type(message).__name__)
def test_every_event_of_an_order_is_the_order_as_it_is_now(message: messages.Message) -> None:
    found = rows(message)
    assert found["OrderRow"]["client_order_id"] == "TSLA-1"
    assert found["OrderRow"]["qty"] == 10.0
    assert found["OrderRow"]["cause"] == "symbol-TSLA:3"
    assert found["LastParent"] == {"symbol": "TSLA", "last_parent_id": 5}
    assert set(found) == {"OrderRow", "LastParent"} | ({"FillRow"} if isinstance(message, OrderFilled) else set())


def test_why_an_order_ended() -> None:
    assert rows(OrderRejected(order(), 201, "no"))["OrderRow"]["reason"] == "201: no"
    assert rows(OrderRejected(order(reason="held"), 201, "no"))["OrderRow"]["reason"] == "held"
    assert rows(OrderCancelled(order(cancel_reason="end_of_day"), True))["OrderRow"]["reason"] == "end_of_day"


@pytest.mark.parametrize(
    ("role", "order_id", "expected"),
    [("entry", 0, None), ("stop", 0, None), ("foreign", 5, None), ("entry", 5, "LastParent"), ("stop", 5, "LastTrail")],
)
def test_the_newest_ids_of_a_symbol_are_its_own_and_known(role: str, order_id: int, expected: str | None) -> None:
    found = set(rows(OrderPlaced(order(role=role, order_id=order_id))))
    assert found - {"OrderRow"} == ({expected} if expected else set())


def test_a_fill() -> None:
    found = rows(OrderFilled(fill("0001.02"), order(), 10.0, 1000.0, 3.5))["FillRow"]
    assert (found["exec_key"], found["revision"], found["exec_id"]) == ("0001", 2, "0001.02")
    assert (found["qty"], found["price"], found["realized_pnl"], found["ts"]) == (10.0, 100.0, 3.5, T0)
    assert (found["seq"], found["cause"]) == (7, "symbol-TSLA:3")


def test_a_commission_touches_nothing_else_of_the_fill() -> None:
    found = rows(CommissionReported("a.b.01", "TSLA-1", "TSLA", 1.25, "USD", -3.0))
    assert found == {
        "Commission": {
            "exec_key": "a.b",
            "revision": 0,
            "commission_revision": 1,
            "exec_id": "a.b.01",
            "commission": 1.25,
            "currency": "USD",
            "commission_usd": 1.25,
            "broker_realized_pnl": -3.0,
        }
    }


@pytest.mark.parametrize(("rate", "dollars"), [(1.25, 2.5), (None, None)])
def test_a_commission_in_another_currency_is_dollars_by_the_brokers_rate_or_not_at_all(
    rate: float | None, dollars: float | None
) -> None:
    found = rows(CommissionReported("a.01", "TSLA-1", "TSLA", 2.0, "EUR", None, rate_usd=rate))["Commission"]
    assert (found["commission"], found["currency"], found["commission_usd"]) == (2.0, "EUR", dollars)


@pytest.mark.parametrize(
    ("exec_id", "key"),
    [
        ("0000e0d5.635b1f0a.01.01", ("0000e0d5.635b1f0a.01", 1)),
        ("0000e0d5.635b1f0a.01.12", ("0000e0d5.635b1f0a.01", 12)),
        ("plain", ("plain", 0)),
        ("not.anumber", ("not.anumber", 0)),
    ],
)
def test_execution_ids(exec_id: str, key: tuple[str, int]) -> None:
    assert execution_key(exec_id) == key


def test_a_symbols_state() -> None:
    status = SymbolStatus("TSLA", "COOLDOWN", "stopped_out", {"price": 9.5}, T0, "2022-03-22", 2, "E", "S", 0, 0, T0)
    found = rows(status)["StateRow"]
    assert (found["state"], found["why"], found["figures_json"]) == ("COOLDOWN", "stopped_out", {"price": 9.5})
    assert found["cooldown_until_ts"] == T0
    assert rows(msgspec.structs.replace(status, cooldown_until_ns=0))["StateRow"]["cooldown_until_ts"] is None


def test_money() -> None:
    snapshot = PerformanceSnapshot("2022-03-22", 1, 2, 3, 4, 5, 6, 7, 8)
    assert rows(snapshot)["PerformanceRow"] == msgspec.structs.asdict(snapshot)
    assert rows(AccountUpdated("DU1", 1, 2, 3, 4, T0))["AccountRow"] == {
        "account": "DU1",
        "net_liquidation": 1,
        "total_cash": 2,
        "settled_cash": 3,
        "buying_power": 4,
        "ts": T0,
    }
    assert rows(PositionUpdated("TSLA", 12, 99.5, 10))["PositionRow"] == {
        "symbol": "TSLA",
        "account_qty": 12,
        "avg_cost": 99.5,
        "own": 10,
        "ts": T0,
    }


EVENTS: list[tuple[messages.Message, str, str | None, str, dict[str, Any]]] = [
    (Happened("order_filled", "TSLA", "INFO", {"qty": 4}, T0), "order_filled", "TSLA", "INFO", {"qty": 4}),
    (Happened("bot_started", "", "DEBUG", {}, T0), "bot_started", None, "DEBUG", {}),
    (
        Refused("gateway", 9, "TSLA", "boom"),
        "message_refused",
        "TSLA",
        "ERROR",
        {"producer": "gateway", "seq": 9, "error": "boom"},
    ),
    (Paused(None, "operator"), "paused", None, "INFO", {"by": "operator"}),
    (Paused("TSLA", "operator"), "paused", "TSLA", "INFO", {"by": "operator"}),
    (Resumed("TSLA", "operator"), "resumed", "TSLA", "INFO", {"by": "operator"}),
    (LinkChanged("data", True, "x"), "link_changed", None, "INFO", {"link": "data", "up": True, "detail": "x"}),
    (LinkChanged("data", False, "x"), "link_changed", None, "INFO", {"link": "data", "up": False, "detail": "x"}),
    (
        ReconciliationDone("DU1", 1, 2, 3),
        "reconciliation_done",
        None,
        "INFO",
        {"account": "DU1", "open_orders": 1, "executions": 2, "positions": 3},
    ),
    (
        EntryDenied("TSLA-1", "TSLA", "cash_reserve", {"reserve_usd": 5.0}),
        "entry_denied",
        "TSLA",
        "INFO",
        {"client_order_id": "TSLA-1", "reason": "cash_reserve", "reserve_usd": 5.0},
    ),
]


@pytest.mark.parametrize(("message", "event", "symbol", "level", "payload"), EVENTS)
def test_events(message: messages.Message, event: str, symbol: str | None, level: str, payload: dict[str, Any]) -> None:
    assert rows(message, sender="risk") == {
        "EventRow": {
            "event_id": "risk:7",
            "event_type": event,
            "symbol": symbol,
            "level": level,
            "payload_json": payload,
            "ts": T0,
            "sender": "risk",
            "run": 1,
            "seq": 7,
            "cause": "symbol-TSLA:3",
            "epoch": 0,
        }
    }


@pytest.mark.parametrize(
    ("message", "phase", "next_open"),
    [
        (SessionOpened(SESSION, T0), "open", None),
        (SessionClosing(SESSION), "closing", None),
        (SessionClosed(SESSION), "closed", None),
        (SessionClosed(SESSION, NEXT), "closed", NEXT.open_ns),
    ],
)
def test_a_session(message: messages.Message, phase: str, next_open: int | None) -> None:
    assert rows(message)["SessionRow"] == {
        "date": "2022-03-22",
        "open_ts": T0,
        "close_ts": T0 + 3600 * SECOND,
        "early": True,
        "phase": phase,
        "next_open_ts": next_open,
    }


NOTHING = [
    EntryDropped("TSLA-1", "TSLA", "price_through_trigger", {}),
    Tick("TSLA", 1, 1, T0, 100.0, T0),
    SubmitEntry(PLAN),
    EntryApproved(PLAN, 10.0),
    CancelEntry("TSLA-1", "TSLA", "paused"),
    Pause(None),
    Resume(None),
    Started(1),
    Elapsed(),
]


@pytest.mark.parametrize("message", NOTHING, ids=lambda message: type(message).__name__)
def test_what_concerns_only_sender_and_receiver_leaves_no_row(message: messages.Message) -> None:
    decision = CORE.handle(EMPTY, message, now())
    assert decision.changes == []
    assert decision.messages == []


def test_each_row_brings_the_markets_time() -> None:
    decided = CORE.handle(EMPTY, Paused(None, "operator"), now(time_ns=T0 + 5)).changes
    assert [record.market_ts for kind, _, record in decided if kind.__name__ == "MarketNow"] == [T0 + 5]
