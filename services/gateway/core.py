"""The gateway's decisions: place what risk approved, report what happened, protect own shares.

The broker is a peer: its reports come in as messages, and commands to it go out as messages for 'broker'. A command is
sent once, after the commit. `handle` calls one function for each message: those about the connection are in
`links.py`, those about prices in `market_data.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from messages import Message
from messages.account import LinkChanged, RequestBook
from messages.broker import (
    BrokerAccount,
    BrokerClock,
    BrokerCommission,
    BrokerContract,
    BrokerError,
    BrokerExecution,
    BrokerMarketRule,
    BrokerOrder,
    BrokerPosition,
    BrokerSnapshot,
    BrokerUndecoded,
    CancelOrder,
    Connected,
    Disconnected,
    DiskSpace,
    LiveConfirmation,
    PlaceOrder,
    Qualify,
    Quote,
    SnapshotFailed,
    Subscribe,
    UnknownOrderStatus,
)
from messages.entries import CancelEntry, EntryApproved
from messages.market import MarketRule, SessionApproaching, SessionClosed, SessionClosing, SessionOpened
from messages.operator import Adopt, AdoptFound, Flatten, Happened
from messages.timers import Elapsed, Started
from messages.watchlist import WatchlistChanged
from services.configuration.settings import Settings
from services.gateway.account import on_account
from services.gateway.book import records
from services.gateway.book.evidence import disturb
from services.gateway.book.expiry import drop_old_records
from services.gateway.book.instruments import bind, in_our_terms, snapshot_in_our_terms
from services.gateway.book.queries import book_snapshot, grid_of, links_of
from services.gateway.book.records import (
    AccountPosition,
    Audit,
    Block,
    Book,
    Change,
    Confirmed,
    EntrySlot,
    Evidence,
    FillRecord,
    FlattenRecord,
    HeldBack,
    Links,
    OrderRecord,
    Own,
    PriceGrid,
    SessionRecord,
    Unprotected,
)
from services.gateway.book.settling import settle_purchase
from services.gateway.book.snapshot import snapshot_of
from services.gateway.broker_messages import on_undecoded, on_unknown_status, report_message
from services.gateway.feeds import check_feeds, feed_deadline, watch_feeds
from services.gateway.interlock import (
    block_deadline,
    check_clock,
    check_disk_space,
    enforce_confirmation,
)
from services.gateway.links import on_connected, on_disconnected, on_elapsed, on_error, on_failure, on_snapshot
from services.gateway.market_data import on_quote
from services.gateway.operator.adopt import accept_found, adopt
from services.gateway.operator.flatten import flatten_step, handle_flatten
from services.gateway.orders.cancels import (
    cancel_deadline,
    decide_cancels,
    drop_cancels,
    resume_cancels,
)
from services.gateway.orders.folding import fold_commission, fold_execution, fold_order, fold_position
from services.gateway.orders.lost_ledger import end_found
from services.gateway.orders.placing import cancel_entry, place_entry
from services.gateway.orders.questions import ask_for_evidence, ask_soon, is_filled_live, question_deadline, watch_acks
from services.gateway.protection.carry_out import protect, protection_deadline
from services.gateway.protection.coverage import report_coverage
from services.gateway.protection.morning_audit import renew_anchors, request_audits, save_anchors
from services.gateway.protection.permission import permit_cancel
from services.runtime.core import Deadlines, Decision, Draft, Now, State, record_types
from services.runtime.ledger import Constraint, Unique
from services.trading.shares import exact

__all__ = ["CONSTRAINTS", "GatewayCore"]

_FACTS_OF_AN_ACCOUNT = (
    BrokerOrder
    | BrokerExecution
    | BrokerCommission
    | BrokerPosition
    | BrokerAccount
    | BrokerContract
    | BrokerError
    | BrokerSnapshot
    | BrokerUndecoded
    | SnapshotFailed
    | UnknownOrderStatus
)


CONSTRAINTS: tuple[Constraint, ...] = (Unique("EntrySlot", "symbol"),)
"""The ledger refuses a second live entry of a symbol, even if the core has a bug."""


QUIET_S = 30.0
"""While all is quiet the broker is asked so often: what is done by hand is known within a minute."""


class GatewayCore:
    """See `services.runtime.core.Core`."""

    kinds = record_types(records)

    def __init__(self, settings: Settings, *, lockstep: bool = False, quiet_s: float = QUIET_S):
        """`lockstep`: machine time means nothing. `quiet_s`: how often to ask the broker while all is quiet."""
        self.settings = settings
        self.lockstep = lockstep
        self.quiet_ns = int(quiet_s * 1e9)

    def ready(self, state: State) -> bool:
        links = state.get(Links, "links")
        return links is not None and links.phase == "ready"

    def snapshot(self, state: State, interest: tuple[str, ...]) -> list[tuple[str, Message]]:
        return snapshot_of(state, interest)

    def note(self, state: State) -> str:
        """For the watchdog: why the gateway does nothing at all ('' if it works)."""
        wrong = state.get(Block, "wrong_account") or state.get(Block, "wrong_client_id")
        return wrong.text if wrong is not None else ""

    def deadlines(self, state: State, now: Now) -> Deadlines:
        links = state.get(Links, "links")
        if links is None or links.phase in ("down", "refused"):
            return Deadlines()
        market_ns, machine_ns = question_deadline(links, self.quiet_ns, lockstep=self.lockstep)
        market = [market_ns, block_deadline(state), feed_deadline(state, self.settings)]
        machine = [machine_ns, protection_deadline(state), cancel_deadline(state)]
        return Deadlines(
            market_ns=min((at for at in market if at is not None), default=None),
            machine_ns=min((at for at in machine if at is not None), default=None),
        )

    def handle(self, state: State, message: Message | Any, now: Now) -> Decision:
        d = Draft(state, now)
        touched: Iterable[str] = ()
        if links_of(d).phase == "refused" and isinstance(message, _FACTS_OF_AN_ACCOUNT):
            return d.decision  # the reports are about a wrong account
        match message:
            case Quote(symbol=symbol):
                on_quote(d, message, self.settings)
                if d.get(FlattenRecord, symbol) is None:
                    return d.decision
                touched = [symbol]  # the halt that the flatten waits for may be over
            case BrokerOrder() if (order := in_our_terms(d, message)) is not None:
                touched = [fold_order(d, order)]
                if d.table(HeldBack):
                    watch_acks(d)
            case BrokerExecution() if (execution := in_our_terms(d, message)) is not None:
                touched = [fold_execution(d, execution)]
                if any(kind is FillRecord for kind, _, _ in d.decision.changes):
                    disturb(d, execution.symbol)  # (an answer repeats the executions that are known)
                if any(kind is OrderRecord and is_filled_live(order) for kind, _, order in d.decision.changes):
                    watch_acks(d)
            case BrokerCommission():
                fold_commission(d, message)
            case BrokerPosition() if (position := in_our_terms(d, message)) is not None:
                seen = d.get(Evidence, position.symbol) or d.get(AccountPosition, position.symbol)
                if isinstance(seen, Evidence) and seen.quantity is None:
                    seen = d.get(AccountPosition, position.symbol)  # (an answer repeats positions that are known)
                if seen is None or seen.quantity != exact(position.quantity):
                    disturb(d, position.symbol)
                touched = [fold_position(d, position)]
                renew_anchors(d)
                settle_purchase(d, position.symbol)
            case BrokerAccount():
                on_account(d, message)
            case BrokerError():
                report_message(d, message)
                on_error(d, message)
            case BrokerUndecoded():
                touched = [symbol] if (symbol := on_undecoded(d, message)) else []
            case UnknownOrderStatus():
                on_unknown_status(d, message)
            case EntryApproved():
                self._place(d, message)
            case RequestBook():
                d.send("risk", book_snapshot(d.state))
            case Flatten():
                touched = handle_flatten(d, message)
            case Adopt(symbol):
                adopt(d, message, links_of(d))
                touched = [symbol]
            case AdoptFound(symbol):
                touched = accept_found(d, symbol)
            case CancelEntry():
                cancel_entry(d, message, links_of(d))
            case Connected():
                on_connected(d, message, self.settings)
            case Disconnected(reason):
                on_disconnected(d, reason)
            case BrokerContract():
                bind(d, message)
            case BrokerSnapshot():
                touched = on_snapshot(d, snapshot_in_our_terms(d, message), self.settings, lockstep=self.lockstep)
            case SnapshotFailed():
                touched = on_failure(d, message)
            case SessionOpened(session, entries_until_ns):
                d.put(
                    SessionRecord(
                        phase="open",
                        date=session.date,
                        entries_until_ns=entries_until_ns,
                        open_ns=session.regular_open_ns or session.open_ns,
                        close_ns=session.regular_close_ns or session.close_ns,
                        break_ns=(session.break_start_ns, session.break_end_ns),
                        end_ns=session.close_ns,
                    )
                )
                drop_old_records(d)
                if links_of(d).phase == "ready":
                    drop_cancels(d, given_up=True)
                    resume_cancels(d, permit_cancel)
                touched = [*d.state.table(Own), *d.state.table(FlattenRecord)]
            case SessionApproaching():
                self._qualify(d)
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
                d.put(msgspec.structs.replace(d.get(Book, "book") or Book(), fleet=self.settings.name))
                watch_feeds(d, (*self.settings.watchlist, *self.settings.winding_down), self.settings)
                d.send("fleet", LinkChanged("socket", False, "starting"))
            case Elapsed():
                check_feeds(d, self.settings)
                touched = on_elapsed(d, self.settings, quiet_ns=self.quiet_ns, lockstep=self.lockstep)
            case LiveConfirmation(account, until_ns):
                d.put(Confirmed(account, until_ns))
                enforce_confirmation(d, self.settings)
            case BrokerClock():
                check_clock(d, message)
            case DiskSpace():
                check_disk_space(d, message)
            case WatchlistChanged(watchlist, winding_down):
                d.send("broker", Subscribe((*watchlist, *winding_down)))
                watch_feeds(d, (*watchlist, *winding_down), self.settings)
                self._qualify(d)
        for symbol in dict.fromkeys(touched):
            self._update_symbol(d, symbol)
        if links_of(d).phase == "ready":
            decide_cancels(d, permit_cancel)
        for recipient, sent in d.decision.messages:
            if recipient != "broker" or not isinstance(sent, PlaceOrder):
                continue
            if sent.order.role != "stop":
                disturb(d, sent.order.symbol)  # it changes the position when it fills
            watch_acks(d)
        report_coverage(d)
        return self._withhold_orders(d.decision, now) if self.settings.observe else d.decision

    def _qualify(self, d: Draft) -> None:
        """Ask which contract each symbol is. After a connect it is asked anyway."""
        if links_of(d).phase in ("ready", "reconciling"):
            d.send("broker", Qualify())

    def _withhold_orders(self, decision: Decision, now: Now) -> Decision:
        """Replace each order and cancel by a note for the recorder. Questions to the broker still go out."""
        for index, (recipient, message) in enumerate(decision.messages):
            if recipient == "broker" and isinstance(message, PlaceOrder | CancelOrder):
                fields: dict[str, Any] = {"would": type(message).__name__, "client_order_id": _client_order_id(message)}
                decision.messages[index] = ("recorder", Happened("order_observed", "", "INFO", fields, now.market_ns))
        return decision

    def _set_phase(self, d: Draft, phase: str) -> None:
        session = d.get(SessionRecord, "session") or SessionRecord()
        d.put(msgspec.structs.replace(session, phase=phase))

    def _update_symbol(self, d: Draft, symbol: str) -> None:
        """After every message that concerns a symbol: free the slot of an entry that ended, then check its stop."""
        for slot in list(d.state.table(EntrySlot).values()):
            order = d.get(OrderRecord, slot.client_order_id)
            if slot.symbol == symbol and (order is None or not order.live):
                d.drop(EntrySlot, slot.key)
        end_found(d, symbol)
        if self._flatten_step(d, symbol):
            d.drop(Unprotected, symbol)
            return
        if protect(d, symbol, links_of(d), self.settings, lockstep=self.lockstep):
            ask_soon(d)
        if d.get(Audit, symbol) is not None and links_of(d).phase == "ready":
            ask_for_evidence(d, symbol, lockstep=self.lockstep)  # (what moves the position undoes its proof)
        if d.state.get(FlattenRecord, symbol) is None and self._flatten_step(d, symbol):
            d.drop(Unprotected, symbol)  # `protect` has started a flatten: the shares can't be protected
        # (Questions for other reasons end the watch, so it is set again with each message of the symbol.)
        if any(change.symbol == symbol and change.stage == "sent" for change in d.table(Change).values()):
            watch_acks(d)

    def _flatten_step(self, d: Draft, symbol: str) -> bool:
        return flatten_step(d, symbol, links_of(d), observe=self.settings.observe)

    def _place(self, d: Draft, approved: EntryApproved) -> None:
        place_entry(d, approved.plan, links_of(d), self.settings)


def _client_order_id(command: PlaceOrder | CancelOrder) -> str:
    return command.order.client_order_id if isinstance(command, PlaceOrder) else command.client_order_id
