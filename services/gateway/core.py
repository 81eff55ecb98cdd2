"""The gateway's decisions: place what risk approved, tell what happened, keep own shares protected.

The broker is a peer: its facts come in as messages, commands to it go out as messages for 'broker', once, after the
commit, and are never sent again. After every connect everything is asked anew, and until that is through nothing is
placed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from messages import Message
from messages.account import LinkChanged, ReconciliationDone, RequestBook
from messages.broker import (
    BrokerAccount,
    BrokerClock,
    BrokerCommission,
    BrokerError,
    BrokerExecution,
    BrokerMarketRule,
    BrokerOrder,
    BrokerPosition,
    BrokerSnapshot,
    CancelOrder,
    Connected,
    Disconnected,
    DiskSpace,
    LiveConfirmation,
    PlaceOrder,
    Quote,
    SnapshotFailed,
    StartStreams,
    Subscribe,
)
from messages.entries import CancelEntry, EntryApproved
from messages.interlock import EntriesBlocked
from messages.market import MarketRule, SessionApproaching, SessionClosed, SessionClosing, SessionOpened, Tick
from messages.operator import Adopt, Flatten, Happened
from messages.orders import OrderUpdated
from messages.timers import Elapsed, Started
from messages.watchlist import WatchlistChanged
from services.configuration.settings import Settings
from services.gateway.account import account_update
from services.gateway.book import records
from services.gateway.book.queries import book_snapshot, grid_of, links_of, position_updates
from services.gateway.book.records import (
    AccountPosition,
    AccountSeen,
    Audit,
    Block,
    Book,
    Change,
    CommissionSeen,
    Confirmed,
    Doubt,
    EarlyCommission,
    EntrySlot,
    FillRecord,
    FlattenRecord,
    HeldBack,
    LastError,
    Links,
    OrderRecord,
    Own,
    PriceGrid,
    QuoteRecord,
    Rates,
    SessionRecord,
    Tombstone,
    Unprotected,
)
from services.gateway.ibkr.error_codes import BROKER_DOWN, BROKER_UP, DATA_DOWN, DATA_UP, is_information
from services.gateway.interlock import (
    account_trouble,
    block,
    block_deadline,
    check_clock,
    check_confirmation,
    check_disk_space,
    unblock,
)
from services.gateway.operator.adopt import adopt
from services.gateway.operator.flatten import flatten_step, handle_flatten
from services.gateway.operator.manual_sale import book_missing_shares
from services.gateway.orders.cancels import (
    cancel_deadline,
    doubt_overdue_cancels,
    drop_cancels,
    resend_cancels,
    resume_cancels,
)
from services.gateway.orders.folding import fold_absence, fold_commission, fold_execution, fold_order, fold_position
from services.gateway.orders.placing import cancel_entry, place_entry
from services.gateway.orders.questions import ask, ask_later, ask_soon, doubt_unacknowledged, watch_acks
from services.gateway.orders.reconciliation import absent, facts
from services.gateway.protection.carry_out import protect, protection_deadline, replace_fixed_stop
from services.gateway.protection.coverage import report_coverage
from services.gateway.protection.levels import sample_level
from services.gateway.protection.morning_audit import audit, cancel_refused_stop, request_audits, save_anchors
from services.runtime.core import Deadlines, Decision, Draft, Now, State, record_types
from services.runtime.ledger import Constraint, Unique

__all__ = ["CONSTRAINTS", "GatewayCore"]

_FACTS_OF_AN_ACCOUNT = (
    BrokerOrder
    | BrokerExecution
    | BrokerCommission
    | BrokerPosition
    | BrokerAccount
    | BrokerError
    | BrokerSnapshot
    | SnapshotFailed
)

SECOND = 1_000_000_000
MAX_ABSENCES = 3
"""How often an order must be absent from a complete answer before it is dead."""
KEEP_NS = 8 * 24 * 3600 * SECOND
"""Finished orders and their fills are kept so long; the broker replays at most a week of executions."""

CONSTRAINTS: tuple[Constraint, ...] = (Unique("EntrySlot", "symbol"),)
"""One live entry per symbol, whatever the core thinks."""


class GatewayCore:
    """See `services.runtime.core.Core`."""

    kinds = record_types(records)

    def __init__(self, settings: Settings):
        self.settings = settings

    def ready(self, state: State) -> bool:
        links = state.get(Links, "links")
        return links is not None and links.phase == "ready"

    def snapshot(self, state: State, interest: tuple[str, ...]) -> list[tuple[str, Message]]:
        return [
            *((o.symbol, OrderUpdated(o)) for o in state.table(OrderRecord).values() if o.live),
            *((update.symbol, update) for update in position_updates(state)),
            *(("fleet", EntriesBlocked(b.reason, b.text, b.figures)) for b in state.table(Block).values()),
        ]

    def note(self, state: State) -> str:
        """For the watchdog's roll call: why it does nothing at all."""
        wrong = state.get(Block, "wrong_account")
        return wrong.text if wrong is not None else ""

    def deadlines(self, state: State, now: Now) -> Deadlines:
        links = state.get(Links, "links")
        if links is None or links.phase in ("down", "refused"):
            return Deadlines()
        wanted = [links.ask_at_ns] if links.ask_at_ns and not links.asking else []
        wanted += [at for at in (protection_deadline(state), cancel_deadline(state)) if at is not None]
        return Deadlines(market_ns=block_deadline(state), machine_ns=min(wanted, default=None))

    def handle(self, state: State, message: Message | Any, now: Now) -> Decision:
        d = Draft(state, now)
        touched: Iterable[str] = ()
        if links_of(d).phase == "refused" and isinstance(message, _FACTS_OF_AN_ACCOUNT):
            return d.decision  # what a wrong account says concerns nobody
        match message:
            case Quote(symbol=symbol):
                self._on_quote(d, message)
                if d.get(FlattenRecord, symbol) is None:
                    return d.decision
                touched = [symbol]  # a halt may be over
            case BrokerOrder():
                touched = [fold_order(d, message)]
                if d.table(HeldBack):
                    watch_acks(d)
            case BrokerExecution():
                touched = [fold_execution(d, message)]
            case BrokerCommission():
                fold_commission(d, message)
            case BrokerPosition():
                touched = [fold_position(d, message)]
            case BrokerAccount():
                self._on_account(d, message)
            case BrokerError():
                self._on_error(d, message)
            case EntryApproved():
                self._place(d, message)
            case RequestBook():
                d.send("risk", book_snapshot(d.state))
            case Flatten():
                touched = handle_flatten(d, message)
            case Adopt(symbol):
                adopt(d, message, links_of(d))
                touched = [symbol]
            case CancelEntry():
                cancel_entry(d, message, links_of(d))
            case Connected():
                self._on_connected(d, message)
            case Disconnected(reason):
                self._on_disconnected(d, reason)
            case BrokerSnapshot():
                touched = self._reconcile(d, message)
            case SnapshotFailed(reason):
                d.note("snapshot_failed", "", "WARNING", reason=reason)
                ask_later(d, asking=False)
            case SessionOpened(session, entries_until_ns):
                d.put(
                    SessionRecord(
                        phase="open",
                        date=session.date,
                        entries_until_ns=entries_until_ns,
                        open_ns=session.regular_open_ns or session.open_ns,
                        close_ns=session.regular_close_ns or session.close_ns,
                        break_ns=(session.break_start_ns, session.break_end_ns),
                    )
                )
                self._drop_old_records(d)
                if links_of(d).phase == "ready":
                    drop_cancels(d, given_up=True)
                    resume_cancels(d)
                touched = [*d.state.table(Own), *d.state.table(FlattenRecord)]
            case SessionApproaching():
                if request_audits(d) and links_of(d).phase == "ready":
                    ask_soon(d)
            case SessionClosing(session):
                self._set_phase(d, "closing")
            case SessionClosed():
                self._set_phase(d, "closed")
                save_anchors(d)
            case BrokerMarketRule(symbol, steps):
                if grid_of(d, symbol) != steps:
                    d.put(PriceGrid(symbol, steps))
                    d.send(symbol, MarketRule(symbol, steps))
            case Started(run):
                d.put(Links(run=run))
                d.send("fleet", LinkChanged("socket", False, "starting"))
            case Elapsed():
                touched = self._on_elapsed(d)
            case LiveConfirmation(account, until_ns):
                d.put(Confirmed(account, until_ns))
                self._check_confirmation(d)
            case BrokerClock():
                check_clock(d, message)
            case DiskSpace():
                check_disk_space(d, message)
            case WatchlistChanged(watchlist, winding_down):
                d.send("broker", Subscribe((*watchlist, *winding_down)))
        for symbol in dict.fromkeys(touched):
            self._update_symbol(d, symbol)
        report_coverage(d)
        return self._withhold_orders(d.decision, now) if self.settings.observe else d.decision

    def _withhold_orders(self, decision: Decision, now: Now) -> Decision:
        """Decide and send nothing: what would have gone to the broker is told instead, and questions still go."""
        for index, (recipient, message) in enumerate(decision.messages):
            if recipient == "broker" and isinstance(message, PlaceOrder | CancelOrder):
                fields: dict[str, Any] = {"would": type(message).__name__, "client_order_id": _client_order_id(message)}
                decision.messages[index] = ("recorder", Happened("order_observed", "", "INFO", fields, now.market_ns))
        return decision

    def _check_confirmation(self, d: Draft) -> None:
        """Without the owner's word nothing is entered in live, and what has not filled is taken back."""
        links, book = links_of(d), d.get(Book, "book") or Book()
        if book.account and check_confirmation(d, self.settings, book.account):
            for order in d.table(OrderRecord).values():
                if order.live and order.role == "entry":
                    cancel_entry(d, CancelEntry(order.client_order_id, order.symbol, "live_unconfirmed"), links)

    def _set_phase(self, d: Draft, phase: str) -> None:
        session = d.get(SessionRecord, "session") or SessionRecord()
        d.put(msgspec.structs.replace(session, phase=phase))

    def _update_symbol(self, d: Draft, symbol: str) -> None:
        """After anything that touched a symbol: free the entry's place if it is over, then look at its protection."""
        for slot in list(d.state.table(EntrySlot).values()):
            order = d.get(OrderRecord, slot.client_order_id)
            if slot.symbol == symbol and (order is None or not order.live):
                d.drop(EntrySlot, slot.key)
        if self._flatten_step(d, symbol):
            d.drop(Unprotected, symbol)
            return
        if protect(d, symbol, links_of(d), self.settings):
            ask_soon(d)
        if d.state.get(FlattenRecord, symbol) is None and self._flatten_step(d, symbol):
            d.drop(Unprotected, symbol)  # the guard found that it can't be protected
        if any(change.symbol == symbol and change.stage == "sent" for change in d.table(Change).values()):
            watch_acks(d)

    def _flatten_step(self, d: Draft, symbol: str) -> bool:
        return flatten_step(d, symbol, links_of(d), observe=self.settings.observe)

    # Market data.

    def _on_quote(self, d: Draft, quote: Quote) -> None:
        links = links_of(d)
        before = d.get(QuoteRecord, quote.symbol)
        number = before.number + 1 if before else 1
        if quote.refused and (before is None or before.quote.refused != quote.refused):
            d.note("market_data_refused", quote.symbol, "WARNING", code=quote.refused)
        if links.phase != "ready":
            d.put(QuoteRecord(quote, number - 1))
            return  # nobody may act on prices before the book agrees with the broker's
        d.put(QuoteRecord(quote, number))
        due = d.state.get(Audit, quote.symbol)
        if due is not None and due.told:  # it waits for a price
            audit(d, quote.symbol, self.settings)
        sample_level(d, quote)
        if self.settings.entries.native_stp:
            replace_fixed_stop(d, quote.symbol, links, self.settings)
        self._publish_tick(d, quote, number)

    def _publish_tick(self, d: Draft, quote: Quote, number: int) -> None:
        d.publish(
            quote.symbol,
            Tick(
                symbol=quote.symbol,
                run=links_of(d).run,
                number=number,
                time_ns=d.now.market_ns,
                last=quote.last,
                last_ns=quote.last_ns,
                bid=quote.bid,
                ask=quote.ask,
                halted=quote.halted,
                delayed=quote.delayed,
                refused=quote.refused,
            ),
        )

    # Entries.

    def _place(self, d: Draft, approved: EntryApproved) -> None:
        place_entry(d, approved.plan, links_of(d), self.settings)
        if links_of(d).phase == "ready":
            watch_acks(d)

    # The connection.

    def _on_connected(self, d: Draft, connected: Connected) -> None:
        links, book = links_of(d), d.get(Book, "book") or Book()
        wanted, trouble = account_trouble(self.settings, connected.accounts, book.account)
        if trouble:
            block(d, "wrong_account", f"{trouble}; nothing is sent")
            d.put(msgspec.structs.replace(links, phase="refused"))
            return
        unblock(d, "wrong_account")
        next_id = max(book.next_order_id, connected.next_order_id)
        d.put(msgspec.structs.replace(book, account=wanted, next_order_id=next_id))
        d.put(msgspec.structs.replace(links, broker_up=True, data_up=True, client_id=connected.client_id))
        d.send("fleet", LinkChanged("broker", True, "connected"))  # until the broker says otherwise
        d.send("fleet", LinkChanged("data", True, "connected"))
        d.send("broker", StartStreams(wanted))
        self._start_reconciling(d)
        self._check_confirmation(d)

    def _start_reconciling(self, d: Draft) -> None:
        """Nothing is certain any more: until the answer is through nothing is placed."""
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

    def _on_disconnected(self, d: Draft, reason: str) -> None:
        links = links_of(d)
        if links.phase in ("down", "refused"):
            d.put(msgspec.structs.replace(links, phase="down"))
            return
        d.put(msgspec.structs.replace(links, phase="down", ask_at_ns=0, asking=False))
        d.send("fleet", LinkChanged("socket", False, reason))
        d.note("socket_lost", "", "WARNING", reason=reason)

    def _reconcile(self, d: Draft, snapshot: BrokerSnapshot) -> list[str]:
        """The broker wins."""
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
        missing = {o.client_order_id: o for o in absent(snapshot, d.table(OrderRecord))}
        for key in d.table(Doubt):
            if key not in missing:
                d.drop(Doubt, key)
        for order in missing.values():
            fold_absence(d, order, MAX_ABSENCES)
            touched.append(order.symbol)
        for change in d.table(Change).values():
            if change.stage == "sent" and change.client_order_id in asked:
                d.put(msgspec.structs.replace(change, stage="refused"))  # asked after it was sent, and not made
        resend_cancels(d)
        for symbol in d.table(Audit):
            audit(d, symbol, self.settings)
        touched += book_missing_shares(d)
        links = msgspec.structs.replace(links_of(d), asking=False)
        first = links.phase == "reconciling"
        d.put(msgspec.structs.replace(links, phase="ready") if first else links)
        if d.table(Doubt):
            ask_later(d, asking=False)
        if first:
            self._become_ready(d, snapshot, account)
        return touched

    def _become_ready(self, d: Draft, snapshot: BrokerSnapshot, account: str) -> None:
        resume_cancels(d)
        for record in list(d.state.table(QuoteRecord).values()):
            if record.quote.refused:  # no other tick will come and say so
                d.put(msgspec.structs.replace(record, number=record.number + 1))
                self._publish_tick(d, record.quote, record.number + 1)
        counts = {
            "open_orders": len(snapshot.open_orders),
            "executions": len(snapshot.executions),
            "positions": len(snapshot.positions),
        }
        d.note("reconciled", "", **counts)
        d.send("fleet", LinkChanged("socket", True, "reconciled"))
        d.send("fleet", ReconciliationDone(account, **counts))

    def _on_elapsed(self, d: Draft) -> list[str]:
        links = links_of(d)
        self._check_confirmation(d)
        overdue = doubt_overdue_cancels(d)
        if links.ask_at_ns and not links.asking and links.ask_at_ns <= d.now.machine_ns:
            doubt_unacknowledged(d)
            d.put(msgspec.structs.replace(links, ask_at_ns=0))
            if d.table(Doubt) or links.phase == "reconciling":
                ask(d)
        elif overdue:
            ask_soon(d)
        return list(d.state.table(Unprotected))

    # What the broker says besides.

    def _on_account(self, d: Draft, report: BrokerAccount) -> None:
        book = d.get(Book, "book") or Book()
        update = account_update(report, d.now.market_ns)
        if update is not None and (not book.account or report.account == book.account):
            d.put(AccountSeen(update))
            if update.rates and d.get(Rates, "rates") != Rates(update.rates):
                d.put(Rates(update.rates))
            d.send("fleet", update)

    def _on_error(self, d: Draft, error: BrokerError) -> None:
        links = links_of(d)
        if error.order_id > 0:
            self._on_order_error(d, error)
        elif links.phase == "down":
            pass  # a word of a connection that is gone
        elif error.code in BROKER_DOWN and links.broker_up:
            d.put(msgspec.structs.replace(links, broker_up=False))
            d.send("fleet", LinkChanged("broker", False, error.text))
            d.note("broker_link_lost", "", "WARNING", code=error.code, text=error.text)
        elif error.code in BROKER_UP:
            d.put(msgspec.structs.replace(links, broker_up=True))
            d.send("fleet", LinkChanged("broker", True, error.text))
            d.note("broker_link_restored", "", code=error.code, text=error.text)
            self._start_reconciling(d)
        elif error.code in DATA_DOWN | DATA_UP:
            up = error.code in DATA_UP
            if links.data_up != up:
                d.put(msgspec.structs.replace(links, data_up=up))
                d.send("fleet", LinkChanged("data", up, error.text))
                d.note(
                    "data_farm_restored" if up else "data_farm_lost", "", "WARNING", code=error.code, text=error.text
                )

    def _on_order_error(self, d: Draft, error: BrokerError) -> None:
        """It may mean the end of the order, or not: ask, and let the answer decide."""
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

    def _drop_old_records(self, d: Draft) -> None:
        """Finished orders of past weeks, and their fills, leave the ledger; the recorder has them for ever.

        Not those of a symbol that is held: a new stop for it is made of them.
        """
        horizon = d.now.market_ns - KEEP_NS
        held = {own.symbol for own in d.state.table(Own).values() if own.quantity > 0}
        for order in d.state.table(OrderRecord).values():
            if not order.live and order.updated_ns < horizon and order.symbol not in held:
                d.drop(OrderRecord, order.key)
        for record in d.state.table(FillRecord).values():
            if record.fill.time_ns < horizon and record.fill.symbol not in held:
                d.drop(FillRecord, record.key)
                d.drop(CommissionSeen, record.key)
        for kind in (Tombstone, EarlyCommission):
            for key in d.state.table(kind):
                d.drop(kind, key)


def _client_order_id(command: PlaceOrder | CancelOrder) -> str:
    return command.order.client_order_id if isinstance(command, PlaceOrder) else command.client_order_id
