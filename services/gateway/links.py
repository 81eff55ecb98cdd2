"""The connection to the broker: connect, reconcile, errors, loss. Pure.

After every connect the gateway asks for everything again. Until the answer is processed, no entry is placed. An answer
counts only if it answers the newest question and no link has changed since that was asked. Of any other answer only the
executions are taken: they are facts for ever.
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
    SnapshotFailed,
    StartStreams,
)
from services.configuration.settings import Settings
from services.gateway.book.blocks import block, unblock
from services.gateway.book.evidence import confirmed_position, is_overtaken, link_changed, take_evidence
from services.gateway.book.identity import named_by_id
from services.gateway.book.queries import links_of
from services.gateway.book.records import (
    AccountPosition,
    Audit,
    Block,
    Book,
    Change,
    Doubt,
    FlattenRecord,
    Instrument,
    LastError,
    Links,
    Missing,
    OrderRecord,
    Own,
    QuoteRecord,
    SessionRecord,
    Unprotected,
)
from services.gateway.book.settling import settle
from services.gateway.book.waiting import take_waiting
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
from services.gateway.orders.questions import (
    FAILURES,
    ask,
    ask_later,
    ask_soon,
    ask_to_confirm,
    doubt_unacknowledged,
    is_overdue,
    is_unacknowledged,
)
from services.gateway.orders.rebuilding import rebuild
from services.gateway.orders.reconciliation import absent, execution_order, facts
from services.gateway.protection.morning_audit import (
    audit,
    cancel_refused_stop,
    renew_anchors,
    request_missed_audits,
)
from services.gateway.protection.permission import permit_cancel
from services.runtime.core import Draft

__all__ = ["on_connected", "on_disconnected", "on_elapsed", "on_error", "on_failure", "on_snapshot"]

MAX_CHANGES = 2
"""How often a change of a stop is sent that no answer shows."""

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
    d.put(
        msgspec.structs.replace(
            links, broker_up=True, data_up=True, client_id=connected.client_id, failures=0, without_completed=False
        )
    )
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
    links = link_changed(d, links)
    d.put(msgspec.structs.replace(links, phase="down", ask_at_ns=0, confirm_at_ns=0, asking=False))
    d.send("fleet", LinkChanged("socket", False, reason))
    expected = reason == meaning_of(RESTART_BEGINS).text
    d.note("socket_lost", "", "INFO" if expected else "WARNING", reason=reason)


def _start_reconciling(d: Draft) -> None:
    """Every own order is in doubt: ask for everything. Until the answer is processed, no order is placed."""
    links = link_changed(d, links_of(d))
    d.put(
        msgspec.structs.replace(
            links, phase="reconciling", up_since_ns=d.now.machine_ns, up_since_market_ns=d.now.market_ns
        )
    )
    for order in d.state.table(OrderRecord).values():
        if order.live and order.role != "foreign":
            d.put(Doubt(order.client_order_id))
    drop_cancels(d)
    ask(d)


def on_snapshot(d: Draft, snapshot: BrokerSnapshot, settings: Settings, *, lockstep: bool = False) -> list[str]:
    """Fold the broker's complete answer; the broker wins. Returns the symbols that it may have changed."""
    links = links_of(d)
    if not _counts(links, snapshot):
        touched = _fold_executions(d, snapshot)
        if snapshot.question == links.question and links.asking:
            d.put(msgspec.structs.replace(links, asking=False))  # (the broker is asked again once its link is back)
        return touched
    asked = {doubt.client_order_id for doubt in d.table(Doubt).values() if doubt.asked}
    account = (d.get(Book, "book") or Book()).account
    folded, overtaken = _fold_facts(d, snapshot, account)
    take_waiting(d, snapshot)
    touched = [*d.state.table(Own), *d.state.table(FlattenRecord), *folded]
    touched += rebuild(d, snapshot, asked)
    _fold_nothing(d, account)
    touched += _settle_doubts(d, snapshot)
    _settle_changes(d, asked, lockstep=lockstep)
    check_owners(d, snapshot)
    take_evidence(d, snapshot, lockstep=lockstep)
    resend_cancels(d, permit_cancel)
    request_missed_audits(d)
    for symbol in d.table(Audit):
        audit(d, symbol, settings)
    renew_anchors(d)
    touched += book_missing_shares(d)
    _report_missing_parts(d, snapshot)
    settle(d)
    links = msgspec.structs.replace(links_of(d), asking=False, failures=0)
    first = links.phase == "reconciling"
    d.put(msgspec.structs.replace(links, phase="ready") if first else links)
    if d.table(Doubt):
        ask_later(d, asking=False)
    if any(confirmed_position(d, symbol) is None for symbol in d.table(Audit)):
        ask_to_confirm(d, first=False, lockstep=lockstep)
    if overtaken:
        ask_to_confirm(d, first=True, lockstep=lockstep)
    if first:
        _become_ready(d, snapshot, account)
    resume_cancels(d, permit_cancel)
    return touched


def _fold_facts(d: Draft, snapshot: BrokerSnapshot, account: str) -> tuple[list[str], bool]:
    """Fold every fact of the answer: (its symbols, whether newer reports stood against a position of it)."""
    touched, overtaken = [], False
    for fact in facts(snapshot, d.state.table(AccountPosition), account):
        match fact:
            case BrokerExecution():
                touched.append(fold_execution(d, fact))
            case BrokerCommission():
                fold_commission(d, fact)
            case BrokerOrder():
                touched.append(fold_order(d, fact))
            case BrokerPosition(symbol=symbol) if is_overtaken(d, symbol):
                overtaken = True  # (what was reported since the question is newer)
            case BrokerPosition():
                touched.append(fold_position(d, fact))
    return touched, overtaken


def _fold_nothing(d: Draft, account: str) -> None:
    """That the account has nothing of a symbol is told, too: the ledger may be new, and others remember shares."""
    for symbol in (*d.table(Own), *d.table(Instrument)):
        if d.get(AccountPosition, symbol) is None and not is_overtaken(d, symbol):
            fold_position(d, BrokerPosition(account, symbol, 0.0, 0.0))


def _settle_doubts(d: Draft, snapshot: BrokerSnapshot) -> list[str]:
    """End the doubts about orders that are listed, and count those that are not. Returns the symbols of these."""
    missing = {o.client_order_id: o for o in absent(snapshot, d.table(OrderRecord))}
    for key in d.table(Doubt):
        if key not in missing:
            d.drop(Doubt, key)
    for order in missing.values():
        fold_absence(d, order, MAX_ABSENCES)
    return [order.symbol for order in missing.values()]


def _settle_changes(d: Draft, asked: set[str], *, lockstep: bool) -> None:
    """The answer is newer than these changes and does not show them.

    Nobody refused them: one may be lost on its way, so it is sent once more before its stop is replaced. (Real world:
    an open order that is listed by the answer also comes on its own just before, and settles the doubt. A change that
    made a second order stays unconfirmed.)
    """
    for change in d.table(Change).values():
        asked_about = change.stage == "sent" and change.client_order_id in asked
        if asked_about or is_unacknowledged(change, links_of(d), lockstep=lockstep):
            stage = "reading" if change.times < MAX_CHANGES else "refused"
            d.put(msgspec.structs.replace(change, stage=stage))


def _counts(links: Links, snapshot: BrokerSnapshot) -> bool:
    """Whether this is the answer to the newest question, and the broker was reachable when it came."""
    return snapshot.question == links.question and links.phase in ("reconciling", "ready") and links.broker_up


def _fold_executions(d: Draft, snapshot: BrokerSnapshot) -> list[str]:
    """Take the executions of an answer that does not count."""
    for execution in sorted(snapshot.executions, key=execution_order):
        fold_execution(d, execution)
    for commission in snapshot.commissions:
        fold_commission(d, commission)
    return list(dict.fromkeys(e.symbol for e in snapshot.executions))


def _report_missing_parts(d: Draft, snapshot: BrokerSnapshot) -> None:
    """Completed orders are optional: report once per connection that they never came, and do without them."""
    links = links_of(d)
    if snapshot.missing and not links.without_completed:
        d.put(msgspec.structs.replace(links, without_completed=True))
        d.note("snapshot_incomplete", "", "ERROR", missing=", ".join(snapshot.missing))


def on_failure(d: Draft, failed: SnapshotFailed) -> list[str]:
    """No complete answer: ask again. Returns the symbols to look at again: shares without a stop don't wait for it."""
    links = links_of(d)
    if failed.question != links.question or links.phase == "down":
        return []  # another question was asked since
    failures = links.failures + 1
    d.put(msgspec.structs.replace(links, failures=failures))
    d.note("snapshot_failed", "", "WARNING", reason=failed.reason)
    if failures == FAILURES:
        d.note("reconciliation_failing", "", "ERROR", failures=failures, reason=failed.reason)
    ask_later(d, asking=False)
    return list(d.state.table(Own)) if failures >= FAILURES else []


def _become_ready(d: Draft, snapshot: BrokerSnapshot, account: str) -> None:
    """The book agrees with the broker's: resume work and report it."""
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


def on_elapsed(d: Draft, settings: Settings, *, quiet_ns: int = 0, lockstep: bool = False) -> list[str]:
    """A deadline has passed: ask the broker what is overdue. Returns the symbols to look at again."""
    links = links_of(d)
    enforce_confirmation(d, settings)
    overdue = doubt_overdue_cancels(d)
    if links.ask_at_ns and not links.asking and links.ask_at_ns <= d.now.machine_ns:
        doubt_unacknowledged(d)
        d.put(msgspec.structs.replace(links, ask_at_ns=0))
        unasked = any(not missing.asked for missing in d.table(Missing).values())
        if d.table(Doubt) or unasked or links.phase == "reconciling" or links.failures:
            ask(d)
    elif overdue:
        ask_soon(d)
    if is_overdue(links_of(d), d.now.market_ns, d.now.machine_ns, quiet_ns, lockstep=lockstep):
        ask(d)
    return list(d.state.table(Unprotected))


def on_error(d: Draft, error: BrokerError) -> None:
    """An error of an order, or news of the connections behind the socket."""
    links = links_of(d)
    if error.order_id > 0:
        _on_order_error(d, error)
    elif links.phase == "down":
        pass  # it is about a connection that is closed
    elif error.code in BROKER_DOWN and links.broker_up:
        d.put(msgspec.structs.replace(link_changed(d, links), broker_up=False))
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
            d.put(msgspec.structs.replace(link_changed(d, links), data_up=up))
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
    for named in named_by_id(order, found):
        change = d.get(Change, named.client_order_id)
        if change is not None and change.stage == "sent":
            d.put(msgspec.structs.replace(change, stage="refused"))
            session = d.get(SessionRecord, "session") or SessionRecord()
            if session.phase == "closed":
                cancel_refused_stop(d, named)
        if named.live:
            d.put(Doubt(named.client_order_id))
            ask_later(d, asking=links_of(d).asking)
