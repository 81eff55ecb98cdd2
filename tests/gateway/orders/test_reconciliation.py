"""The broker's complete answer as ordered facts, and the live orders that it does not list."""

from __future__ import annotations

from messages.broker import BrokerCommission, BrokerPosition, BrokerSnapshot
from services.gateway.book.records import AccountPosition
from services.gateway.orders.reconciliation import absent, facts
from tests.gateway.one_decision import ENTRY, STOP, entry, foreign, stop
from tests.gateway.scenario import ACCOUNT, broker_execution, broker_order

OTHER = "DU7654321"


def snapshot(**parts: object) -> BrokerSnapshot:
    fields: dict[str, object] = {
        "positions": (), "open_orders": (), "completed_orders": (), "executions": (), "commissions": ()
    }  # fmt: skip
    return BrokerSnapshot(account=ACCOUNT, **(fields | parts))  # type: ignore[arg-type]


def test_facts_come_as_executions_then_completed_then_open_orders() -> None:
    late = broker_execution(ENTRY, 5.0, 105.0, time_ns=2, exec_id="a.01")
    sold = broker_execution(STOP, 5.0, 94.0, time_ns=1, exec_id="b.01", side="SELL")
    second = broker_execution(ENTRY, 3.0, 105.0, time_ns=1, exec_id="d.01")
    first = broker_execution(ENTRY, 2.0, 105.0, time_ns=1, exec_id="c.01")
    cost = BrokerCommission("a.01", 1.0, "USD", None)
    done, there = broker_order(ENTRY, completed_status="Filled"), broker_order(STOP, perm_id=80)
    younger = broker_order(STOP, perm_id=81)
    position = BrokerPosition(ACCOUNT, "TSLA", 5.0, 105.0)
    answer = snapshot(
        executions=(late, sold, second, first),
        commissions=(cost,),
        completed_orders=(done,),
        open_orders=(younger, there),
        positions=(position,),
    )
    assert facts(answer, {}, ACCOUNT) == [first, second, sold, late, cost, done, there, younger, position]


def test_a_position_that_is_not_listed_is_flat() -> None:
    known = {
        "TSLA": AccountPosition("TSLA", 10.0, 105.0),
        "NVDA": AccountPosition("NVDA", -3.0, 90.0),
        "AMD": AccountPosition("AMD", 0.0, 0.0),
        "GME": AccountPosition("GME", 4.0, 20.0),
    }
    theirs, still = BrokerPosition(OTHER, "TSLA", 7.0, 1.0), BrokerPosition(ACCOUNT, "GME", 4.0, 20.0)
    assert facts(snapshot(positions=(theirs, still)), known, ACCOUNT) == [
        theirs,
        still,
        BrokerPosition(ACCOUNT, "TSLA", 0.0, 0.0),
        BrokerPosition(ACCOUNT, "NVDA", 0.0, 0.0),
    ]


def test_live_orders_that_are_not_listed_are_absent() -> None:
    """Own orders by their reference, foreign orders by the broker's permId."""
    orders = [
        entry(),
        stop(),
        entry("CT-TSLA-20250106-2"),
        entry("CT-TSLA-20250106-3", status="Cancelled"),
        foreign("foreign:77"),
        foreign("foreign:78"),
        foreign("foreign:79"),
    ]
    answer = snapshot(
        open_orders=(broker_order(ENTRY, perm_id=5), broker_order("", perm_id=77)),
        completed_orders=(
            broker_order(STOP, order_id=2, perm_id=6),
            broker_order("their own name", perm_id=0, order_id=79),
        ),
    )
    assert [o.key for o in absent(answer, {o.key: o for o in orders})] == ["CT-TSLA-20250106-2", "foreign:78"]
