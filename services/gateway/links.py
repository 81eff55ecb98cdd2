"""The connection to the broker: connect, reconcile, errors, loss. Pure.

After every connect the gateway asks for everything again. Until the answer is processed, no order is placed.
"""

from __future__ import annotations

import msgspec

from messages.account import LinkChanged, ReconciliationDone
from messages.broker import (
    BrokerCommission,
    BrokerError,
    BrokerExecution,
    BrokerOrder,
    BrokerPosition,
    BrokerSnapshot,
    Connected,
    Qualify,
    StartStreams,
)
from services.configuration.settings import Settings
from services.gateway.book.blocks import block, unblock
from services.gateway.book.queries import links_of
from services.gateway.book.records import (
    AccountPosition,
    Audit,
    Block,
    Book,
    Change,
    Doubt,
    FlattenRecord,
    LastError,
    Missing,
    OrderRecord,
    Own,
    QuoteRecord,
    SessionRecord,
    Unprotected,
)
from services.gateway.ibkr.error_codes import (
    BROKER_DOWN,
    BROKER_UP,
    DATA_DOWN,
    DATA_UP,
    RESTART_BEGINS,
    is_information,
    meaning_of,
)
from services.gateway.interlock import account_trouble, check_owners, client_trouble, enforce_confirmation
from services.gateway.market_data import publish_tick
from services.gateway.operator.manual_sale import book_missing_shares
from services.gateway.orders.cancels import doubt_overdue_cancels, drop_cancels, resend_cancels, resume_cancels
from services.gateway.orders.folding import fold_absence, fold_commission, fold_execution, fold_order, fold_position
from services.gateway.orders.questions import ask, ask_later, ask_soon, doubt_unacknowledged
from services.gateway.orders.rebuilding import rebuild, settle
from services.gateway.orders.reconciliation import absent, facts
from services.gateway.protection.morning_audit import audit, cancel_refused_stop
from services.runtime.core import Draft

__all__ = ["on_connected", "on_disconnected", "on_elapsed", "on_error", "on_snapshot"]

MAX_ABSENCES = 3
"""An order is dead after so many complete answers without it."""


def on_connected(d: Draft, connected: Connected, settings: Settings) -> None:
    """Check account and client id, then reconcile. If one of them is wrong, nothing is sent."""
    links, book = links_of(d), d.get(Book, "book") or Book()
    wanted, trouble = account_trouble(settings, connected.accounts, book.account)
    for reason, wrong in (
        ("wrong_account", trouble),
        ("wrong_client_id", "" if trouble else client_trouble(d, connected.client_id, book.client_id)),
    ):
        if wrong:
            block(d, reason, f"{wrong}; nothing is sent")
            d.put(msgspec.structs.replace(links, phase="refused"))
            return
        unblock(d, reason)
    next_id = max(book.next_order_id, connected.next_order_id)
    born_ns = book.born_ns if book.account else d.now.market_ns  # (the first connection of this ledger)
    d.put(
        msgspec.structs.replace(
            book, account=wanted, next_order_id=next_id, client_id=connected.client_id, born_ns=born_ns
        )
    )
    d.put(msgspec.structs.replace(links, broker_up=True, data_up=True, client_id=connected.client_id))
    d.send("fleet", LinkChanged("broker", True, "connected"))  # until the broker reports something else
    d.send("fleet", LinkChanged("data", True, "connected"))
    d.send("broker", Qualify())
    d.send("broker", StartStreams(wanted))
    _start_reconciling(d)
    enforce_confirmation(d, settings)


def on_disconnected(d: Draft, reason: str) -> None:
    """The socket is closed: report it once."""
    links = links_of(d)
    if links.phase in ("down", "refused"):
        d.put(msgspec.structs.replace(links, phase="down"))
        return
    d.put(msgspec.structs.replace(links, phase="down", ask_at_ns=0, asking=False))
    d.send("fleet", LinkChanged("socket", False, reason))
    expected = reason == meaning_of(RESTART_BEGINS).text
    d.note("socket_lost", "", "INFO" if expected else "WARNING", reason=reason)


def _start_reconciling(d: Draft) -> None:
    """Every own order is in doubt: ask for everything. Until the answer is processed, no order is placed."""
    d.put(
        msgspec.structs.replace(
            links_of(d), phase="reconciling", up_since_ns=d.now.machine_ns, up_since_market_ns=d.now.market_ns
        )
    )
    for order in d.state.table(OrderRecord).values():
        if order.live and order.role != "foreign":
            d.put(Doubt(order.client_order_id))
    drop_cancels(d)
    ask(d)


def on_snapshot(d: Draft, snapshot: BrokerSnapshot, settings: Settings) -> list[str]:
    """Fold the broker's complete answer; the broker wins. Returns the symbols that it may have changed."""
    touched = [*d.state.table(Own), *d.state.table(FlattenRecord)]
    asked = {doubt.client_order_id for doubt in d.table(Doubt).values() if doubt.asked}
    account = (d.get(Book, "book") or Book()).account
    for fact in facts(snapshot, d.state.table(AccountPosition), account):
        match fact:
            case BrokerExecution():
                touched.append(fold_execution(d, fact))
            case BrokerCommission():
                fold_commission(d, fact)
            case BrokerOrder():
                touched.append(fold_order(d, fact))
            case BrokerPosition():
                touched.append(fold_position(d, fact))
    touched += rebuild(d, snapshot, asked)
    missing = {o.client_order_id: o for o in absent(snapshot, d.table(OrderRecord))}
    for key in d.table(Doubt):
        if key not in missing:
            d.drop(Doubt, key)
    for order in missing.values():
        fold_absence(d, order, MAX_ABSENCES)
        touched.append(order.symbol)
    for change in d.table(Change).values():
        if change.stage == "sent" and change.client_order_id in asked:
            d.put(msgspec.structs.replace(change, stage="refused"))  # the answer is newer, and does not show it
    check_owners(d, snapshot)
    resend_cancels(d)
    for symbol in d.table(Audit):
        audit(d, symbol, settings)
    touched += book_missing_shares(d)
    settle(d)
    links = msgspec.structs.replace(links_of(d), asking=False)
    first = links.phase == "reconciling"
    d.put(msgspec.structs.replace(links, phase="ready") if first else links)
    if d.table(Doubt):
        ask_later(d, asking=False)
    if first:
        _become_ready(d, snapshot, account)
    return touched


def _become_ready(d: Draft, snapshot: BrokerSnapshot, account: str) -> None:
    """The book agrees with the broker's: resume work and report it."""
    resume_cancels(d)
    for record in list(d.state.table(QuoteRecord).values()):
        if record.quote.refused:  # no other tick will report it
            d.put(msgspec.structs.replace(record, number=record.number + 1))
            publish_tick(d, record.quote, record.number + 1)
    counts = {
        "open_orders": len(snapshot.open_orders),
        "executions": len(snapshot.executions),
        "positions": len(snapshot.positions),
    }
    d.note("reconciled", "", **counts)
    d.send("fleet", LinkChanged("socket", True, "reconciled"))
    entries = tuple(o.client_order_id for o in d.table(OrderRecord).values() if o.live and o.role == "entry")
    d.send("fleet", ReconciliationDone(account, **counts, entries=entries, blocked=tuple(d.table(Block))))


def on_elapsed(d: Draft, settings: Settings) -> list[str]:
    """A deadline has passed: ask the broker what is overdue. Returns the symbols to look at again."""
    links = links_of(d)
    enforce_confirmation(d, settings)
    overdue = doubt_overdue_cancels(d)
    if links.ask_at_ns and not links.asking and links.ask_at_ns <= d.now.machine_ns:
        doubt_unacknowledged(d)
        d.put(msgspec.structs.replace(links, ask_at_ns=0))
        if bool(d.table(Doubt)) or bool(d.table(Missing)) or links.phase == "reconciling":
            ask(d)
    elif overdue:
        ask_soon(d)
    return list(d.state.table(Unprotected))


def on_error(d: Draft, error: BrokerError) -> None:
    """An error of an order, or news of the connections behind the socket."""
    links = links_of(d)
    if error.order_id > 0:
        _on_order_error(d, error)
    elif links.phase == "down":
        pass  # it is about a connection that is closed
    elif error.code in BROKER_DOWN and links.broker_up:
        d.put(msgspec.structs.replace(links, broker_up=False))
        d.send("fleet", LinkChanged("broker", False, error.text))
        level = "INFO" if error.code == RESTART_BEGINS else "WARNING"
        d.note("broker_link_lost", "", level, code=error.code, text=error.text)
    elif error.code in BROKER_UP:
        d.put(msgspec.structs.replace(links, broker_up=True))
        d.send("fleet", LinkChanged("broker", True, error.text))
        d.note("broker_link_restored", "", code=error.code, text=error.text)
        _start_reconciling(d)
    elif error.code in DATA_DOWN | DATA_UP:
        up = error.code in DATA_UP
        if links.data_up != up:
            d.put(msgspec.structs.replace(links, data_up=up))
            d.send("fleet", LinkChanged("data", up, error.text))
            d.note("data_farm_restored" if up else "data_farm_lost", "", "WARNING", code=error.code, text=error.text)


def _on_order_error(d: Draft, error: BrokerError) -> None:
    """An error may end the order or not: ask the broker, and let its answer decide."""
    found = [o for o in d.state.table(OrderRecord).values() if o.order_id == error.order_id and o.role != "foreign"]
    order = next((o for o in found if o.live), found[0] if found else None)
    if order is None:
        return
    if is_information(error.code):
        return
    d.put(LastError(order.client_order_id, error.code, error.text))
    d.note(
        "order_error",
        order.symbol,
        "WARNING",
        client_order_id=order.client_order_id,
        code=error.code,
        text=error.text,
        **({"remedy": remedy} if (remedy := meaning_of(error.code).remedy) else {}),
    )
    change = d.get(Change, order.client_order_id)
    if change is not None and change.stage == "sent":
        d.put(msgspec.structs.replace(change, stage="refused"))
        session = d.get(SessionRecord, "session") or SessionRecord()
        if session.phase == "closed":
            cancel_refused_stop(d, order)
    if order.live:
        d.put(Doubt(order.client_order_id))
        ask_later(d, asking=links_of(d).asking)
