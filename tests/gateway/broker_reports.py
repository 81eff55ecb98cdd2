"""Reports of a broker about the book's orders and shares, and the gateway's records and messages for each."""

from __future__ import annotations

from typing import Any

from messages.broker import BrokerExecution, BrokerOrder, Qualify, RequestSnapshot
from messages.orders import Fill, OrderRecord, OrderUpdated, ProtectionChanged
from services.gateway.book.records import Book, Coverage, Links
from services.gateway.core import GatewayCore
from services.gateway.orders.folding import fold_order
from services.runtime.core import Draft, Now, State
from tests.gateway.one_decision import (
    ACCOUNT,
    MACHINE_NS,
    NOON_NS,
    draft,
    messages_of,
    rules,
    unnumbered,
    without_numbers,
)

Outcome = tuple[list[Any], list[tuple[str, Any]]]
"""The records written, and the messages with their recipients."""
NOTHING: Outcome = ([], [])
BOOK = Book(account=ACCOUNT, next_order_id=9)
ASK = ("broker", RequestSnapshot())
QUALIFY = ("broker", Qualify())
REFUSED = Links(phase="refused")
RECONCILING = Links(phase="reconciling")
TIME_NS = NOON_NS - 7
EXEC = "0000e0d5.1.01"


def reported(order: OrderRecord, **more: Any) -> BrokerOrder:
    """The broker's report of an order exactly as in the book, except for `more`."""
    same = (
        *("client_order_id", "order_id", "perm_id", "symbol", "side", "order_type", "quantity", "status", "why_held"),
        *("filled", "avg_price", "parent_id", "limit_price", "stop_price", "trailing_pct", "trail_stop_price", "tif"),
        *("account", "oca_group", "oca_type", "limit_offset"),
    )
    return BrokerOrder(**({name: getattr(order, name) for name in same} | {"client_id": 12} | more))


def execution_of(order: OrderRecord, quantity: float, price: float, **more: Any) -> BrokerExecution:
    """An execution of so many shares of the order."""
    fields: dict[str, Any] = {
        "client_order_id": order.key,
        "exec_id": EXEC,
        "order_id": order.order_id,
        "perm_id": order.perm_id,
        "client_id": 12,
        "symbol": order.symbol,
        "side": order.side,
        "cum_quantity": order.filled + quantity,
        "avg_price": price,
        "account": ACCOUNT,
        "time_ns": TIME_NS,
    }
    return BrokerExecution(quantity=quantity, price=price, **(fields | more))


def fill_of(execution: BrokerExecution, order: OrderRecord) -> Fill:
    return Fill(
        exec_id=execution.exec_id,
        client_order_id=order.key,
        symbol=order.symbol,
        role=order.role,
        side=order.side,
        quantity=execution.quantity,
        price=execution.price,
        cum_quantity=execution.cum_quantity,
        avg_price=execution.avg_price,
        order_id=execution.order_id,
        perm_id=execution.perm_id,
        account=execution.account,
        time_ns=execution.time_ns,
    )


def fields_of(order: OrderRecord) -> dict[str, Any]:
    """An order's fields in a note."""
    return {
        "client_order_id": order.key,
        "order_id": order.order_id,
        "side": order.side,
        "order_type": order.order_type,
        "qty": order.quantity,
        "stop_price": order.stop_price,
        "limit_price": order.limit_price,
        "trailing_pct": order.trailing_pct,
        "status": order.status,
    }


def updated(order: OrderRecord) -> Outcome:
    """Only this record and its event."""
    return [order], [("TSLA", OrderUpdated(order))]


def all_changes(d: Draft) -> list[Any]:
    """The records written, also sent cancels; dropped ones as (type, key)."""
    return without_numbers(d.decision.changes)


def folded(message: BrokerOrder, *records: Any) -> Outcome:
    """The records and messages for this report."""
    d = draft(*records)
    assert fold_order(d, message) == message.symbol
    return all_changes(d), messages_of(d)


def fold_status(known: OrderRecord, status: str, *records: Any, **execution: Any) -> Outcome:
    return folded(reported(known, status=status, **execution), known, BOOK, *records)


def state_of(*records: Any) -> State:
    state = State(GatewayCore.kinds)
    state.apply([(type(record), record.key, record) for record in records])
    return state


def handle(message: Any, *records: Any, published: Any = (), stale: bool = False, **sections: Any) -> Outcome:
    """The records written (dropped ones as type and key, if they existed) and the messages, from these records at noon.

    The coverage by stops is left out.
    """
    core, state = GatewayCore(rules(**sections), quiet_s=0), state_of(*records)
    decision = core.handle(state, message, Now(NOON_NS, MACHINE_NS, None, stale))
    assert decision.published == list(published)
    changes = [(kind, key, r) for kind, key, r in decision.changes if r is not None or key in state.table(kind)]
    written = without_numbers([change for change in changes if change[0] is not Coverage])
    return written, [unnumbered(to, m) for to, m in decision.messages if not isinstance(m, ProtectionChanged)]
