"""Messages of the broker that a person should know, and messages that could not be read. Pure.

Each is an event with the broker's code and text, what it means, and what to do about it. What could not be read puts
its order in doubt: the broker is asked.
"""

from __future__ import annotations

from messages.account import LinkChanged
from messages.broker import BrokerError, BrokerUndecoded, UnknownOrderStatus
from messages.orders import OrderRecord
from services.gateway.book.queries import links_of
from services.gateway.book.records import Doubt, MessageSeen
from services.gateway.ibkr.error_codes import LINKS, UNREACHABLE, meaning_of, with_remedy
from services.gateway.orders.questions import ask_soon
from services.runtime.core import Draft

__all__ = ["on_undecoded", "on_unknown_status", "report_message"]

ASKED = frozenset({3, 5, 11, 61})
"""Orders, executions and positions: the broker's answer about everything has them again."""
REPEAT_NS = 300 * 1_000_000_000
"""Machine time in which the same message is not recorded again."""


def report_message(d: Draft, error: BrokerError) -> None:
    """Record a message that a person should know. Those about orders and links have events of their own."""
    meaning = meaning_of(error.code)
    if error.order_id > 0 or error.code in LINKS or not meaning.level or _seen(d, f"code {error.code}"):
        return
    d.note(
        "broker_message", "", meaning.level, code=error.code, text=error.text, means=meaning.text, remedy=meaning.remedy
    )
    if error.code in UNREACHABLE and links_of(d).phase == "down":
        d.send("fleet", LinkChanged("socket", False, with_remedy(error.code, error.text)))


def on_undecoded(d: Draft, report: BrokerUndecoded) -> str:
    """Put the order of an unreadable message in doubt, and ask. Returns its symbol, '' if it is about no own order."""
    order = next((o for o in _own_orders(d) if _is_about(o, report.client_order_id, report.order_id)), None)
    symbol = order.symbol if order is not None else ""
    if not _seen(d, f"message {report.message} {report.order_id} {report.client_order_id}"):
        d.note(
            "broker_message_unreadable",
            symbol,
            "ERROR",
            message=report.message,
            order_id=report.order_id,
            client_order_id=report.client_order_id,
            text=report.text,
        )
    links = links_of(d)
    if order is not None and order.live:
        d.put(Doubt(order.client_order_id))
    if (
        report.message in ASKED and links.phase == "ready" and not links.asking
    ):  # if it is a part of an answer, another one would be the same
        ask_soon(d)
    return symbol


def on_unknown_status(d: Draft, report: UnknownOrderStatus) -> None:
    """Ask for the open orders: one of them is not known."""
    d.note(
        "unknown_order_status", "", "WARNING", order_id=report.order_id, perm_id=report.perm_id, status=report.status
    )
    if links_of(d).phase == "ready":
        ask_soon(d)


def _own_orders(d: Draft) -> list[OrderRecord]:
    return [order for order in d.state.table(OrderRecord).values() if order.role != "foreign"]


def _is_about(order: OrderRecord, client_order_id: str, order_id: int) -> bool:
    return order.client_order_id == client_order_id or (order_id > 0 and order.order_id == order_id and order.live)


def _seen(d: Draft, key: str) -> bool:
    """Whether the same was recorded a short while ago."""
    last = d.get(MessageSeen, key)
    if last is not None and d.now.machine_ns - last.at_ns < REPEAT_NS:
        return True
    d.put(MessageSeen(key, d.now.machine_ns))
    return False
