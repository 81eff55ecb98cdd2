"""Risk's decisions. Entries are decided one after another, so many entries at once exceed no limit.

Risk denies all entries until the gateway has reconciled and the account is known (fail closed). After a start and after
each reconciliation it requests the gateway's book. Entries that arrive meanwhile are decided when the book is there.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from messages import Message
from messages.account import (
    AccountUpdated,
    BookTold,
    LinkChanged,
    PerformanceSnapshot,
    ReconciliationDone,
    RequestBook,
)
from messages.entries import EntryApproved, EntryDenied, EntryDropped, EntryPlan, SubmitEntry
from messages.interlock import EntriesBlocked, EntriesUnblocked
from messages.market import Session, SessionClosed, SessionOpened, Tick
from messages.operator import Adopt, AdoptFound, ClearCooldown, Flatten, Flattening, Pause, Paused, Refused, Resume
from messages.orders import (
    CommissionReported,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderUpdated,
    PositionUpdated,
)
from messages.timers import LedgerLost, Started
from messages.watchlist import WatchlistChanged
from services.configuration.settings import Settings
from services.risk.arming_order import PRIORITY_NS, needed_usd, priority_denial
from services.risk.exposure import (
    fold_account,
    fold_fill,
    fold_foreign,
    fold_position,
    rebuild,
    release,
    reserved,
)
from services.risk.guards import (
    MINUTE_NS,
    Pace,
    Rebase,
    Tally,
    Track,
    denial,
    guards_on,
    realized_pnl_usd,
    value_usd,
)
from services.risk.limits import (
    AccountRecord,
    Denied,
    ForeignOrder,
    FoundEntry,
    Holding,
    LastMark,
    Mark,
    Reservation,
    cap_usd,
    exposures,
    first_limit,
    worst_cost,
)
from services.risk.operator import FlattenRecord, carry_out, fold_flattening, forget_flattens
from services.risk.pauses import FLEET, NEXT_SESSION, PauseRecord, SymbolBlock, guard_tripped, lift, pause, paused_by
from services.risk.track_record import (
    Unpriced,
    begin_rebase,
    count_commission,
    count_fill,
    keep_mark,
    mark_fill,
    price_commissions,
    rebase,
    record_of,
    restore_marks,
    trip_guards,
)
from services.runtime.core import Deadlines, Decision, Draft, Now, State
from services.runtime.ledger import AtMost, Constraint, Unique
from services.trading.ids import symbol_process

__all__ = ["Asked", "Door", "RiskCore", "SessionRecord", "constraints"]

SECOND = 1_000_000_000


class Door(msgspec.Struct, frozen=True):
    """Whether entries may pass. In memory only: a run starts closed. `state`: closed, asking (for the book), open."""

    volatile: ClassVar[bool] = True

    state: str

    @property
    def key(self) -> str:
        return "door"


class Asked(msgspec.Struct, frozen=True):
    """An entry that arrived while risk waited for the book."""

    plan: EntryPlan

    @property
    def key(self) -> str:
        return self.plan.client_order_id


class Watchlist(msgspec.Struct, frozen=True):
    """The symbols that are traded now. The watchlist may change while the fleet runs."""

    symbols: tuple[str, ...]

    @property
    def key(self) -> str:
        return "watchlist"


class SessionRecord(msgspec.Struct, frozen=True):
    """The session, and the symbols that have asked for an entry in it."""

    session: Session
    asked: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return "session"


def constraints(settings: Settings) -> tuple[Constraint, ...]:
    """What the ledger enforces even if the core is wrong: one reservation per symbol, their sum within the cap."""
    return (Unique("Reservation", "symbol"), AtMost("Reservation", "usd", cap_usd(settings)))


class RiskCore:
    """See `services.runtime.core.Core`."""

    kinds: tuple[type, ...] = (
        AccountRecord,
        Holding,
        ForeignOrder,
        Reservation,
        FoundEntry,
        LastMark,
        Rebase,
        PauseRecord,
        SymbolBlock,
        Tally,
        Track,
        Pace,
        SessionRecord,
        Asked,
        FlattenRecord,
        Watchlist,
        Unpriced,
        Mark,
        Door,
    )

    def __init__(self, settings: Settings):
        self.settings = settings

    def ready(self, state: State) -> bool:
        door = state.get(Door, "door")
        return door is not None and door.state == "open" and state.get(AccountRecord, "account") is not None

    def deadlines(self, state: State, now: Now) -> Deadlines:
        return Deadlines()

    def snapshot(self, state: State, interest: tuple[str, ...]) -> list[tuple[str, Message]]:
        pauses = state.table(PauseRecord).values()
        paused: list[tuple[str, Message]] = [(p.scope, Paused(p.symbol, p.by)) for p in pauses]
        return paused + [("recorder", guard_tripped(p)) for p in pauses if p.is_guard]

    def handle(self, state: State, message: Message, now: Now) -> Decision:
        if type(message) is Tick:
            return self._on_tick(state, message, now)
        d = Draft(state, now)
        match message:
            case SubmitEntry(plan):
                if self._door(d) == "asking":
                    d.put(Asked(plan))
                else:
                    self._decide(d, plan)
            case EntryDropped(client_order_id):
                release(d, client_order_id)
                d.drop(Asked, client_order_id)
            case OrderCancelled(order) | OrderRejected(order):
                if order.role == "entry":
                    release(d, order.client_order_id)
            case OrderUpdated(order):
                if order.role == "foreign":
                    fold_foreign(d, order)
            case OrderFilled():
                fold_fill(d, message)
                mark_fill(d, message.fill)
                count_fill(d, message)
                trip_guards(d, self.settings)
            case CommissionReported():
                count_commission(d, message)
                trip_guards(d, self.settings)
            case PositionUpdated():
                fold_position(d, message)
            case AccountUpdated():
                fold_account(d, message)
                self._price_commissions(d)
            case BookTold():
                self._take_book(d, message)
            case Started():
                d.put(Watchlist(self.settings.watchlist))
                restore_marks(d)
                self._lift_guards_that_are_off(d)
                self._request_book(d)
            case ReconciliationDone(blocked=blocked):
                for key in d.table(SymbolBlock):
                    if blocked is not None and key not in blocked:
                        d.drop(SymbolBlock, key)  # the gateway's own records were lost
                self._request_book(d)
            case EntriesBlocked(reason, _, figures, symbol) if symbol:
                d.put(SymbolBlock(symbol, reason, figures))
            case EntriesUnblocked(reason, symbol) if symbol:
                d.drop(SymbolBlock, SymbolBlock(symbol, reason).key)
            case LedgerLost("gateway"):
                forget_flattens(d)  # the gateway's snapshot follows, with those that it still knows
                self._request_book(d)
            case LedgerLost("risk"):
                # The operator's pauses and the guards' counts are gone: a person decides whether entries may go on.
                pause(d, PauseRecord(scope=FLEET, cause="ledger_lost", by="risk's ledger was lost"))
            case LinkChanged("socket", up, _):
                if not up and self._door(d) == "open":
                    d.put(Door("closed"))
                elif up and self._door(d) == "asking":
                    # A snapshot of the gateway ends so. It replaces rows, and the answer may have been one of them.
                    self._request_book(d)
            case SessionOpened(session):
                self._session_opened(d, session)
            case SessionClosed(session, following):
                self._snapshot(d, session.date, following.date if following is not None else "")
            case Pause() | Resume() | Flatten() | Adopt() | AdoptFound() | ClearCooldown():
                carry_out(d, message, self.settings)
            case WatchlistChanged(watchlist):
                d.put(Watchlist(watchlist))
            case Flattening():
                fold_flattening(d, message)
            case Refused(_, _, symbol, error):
                pause(d, PauseRecord(scope=symbol or FLEET, cause="refused", by=f"refused message: {error}"))
        return d.decision

    def _on_tick(self, state: State, tick: Tick, now: Now) -> Decision:
        """Take the newest price, and check the guards if the bot holds the symbol.

        Risk gets every tick of every symbol. Most are of symbols without shares: they need no draft.
        """
        if tick.last <= 0:
            return Decision()
        holding = state.get(Holding, tick.symbol)
        if holding is None or not holding.own:
            known = state.get(Mark, tick.symbol)
            if known is not None and known.price == tick.last:
                return Decision()
            return Decision(changes=[(Mark, tick.symbol, Mark(tick.symbol, tick.last))])
        d = Draft(state, now)
        d.put(Mark(tick.symbol, tick.last))
        keep_mark(d, tick.symbol, tick.last)
        rebase(d, tick.symbol, tick.last, tick.last_ns)
        trip_guards(d, self.settings)
        return d.decision

    def _tally(self, d: Draft) -> Tally:
        return d.get(Tally, "tally") or Tally()

    def _watchlist(self, d: Draft) -> tuple[str, ...]:
        known = d.get(Watchlist, "watchlist")
        return known.symbols if known is not None else self.settings.watchlist

    # Readiness: closed, asking for the book, open.

    def _door(self, d: Draft) -> str:
        door = d.get(Door, "door")
        return door.state if door is not None else "closed"

    def _request_book(self, d: Draft) -> None:
        d.put(Door("asking"))
        d.send("gateway", RequestBook())

    def _take_book(self, d: Draft, book: BookTold) -> None:
        if self._door(d) == "open":
            return  # it answers an earlier question, and lacks what was approved since
        rebuild(d, book, self.settings)
        self._price_commissions(d)
        d.put(Door("open" if book.reconciled else "closed"))
        for asked in d.table(Asked).values():
            d.drop(Asked, asked.key)
            self._decide(d, asked.plan)

    def _price_commissions(self, d: Draft) -> None:
        if d.table(Unpriced):
            price_commissions(d)
            trip_guards(d, self.settings)

    def _lift_guards_that_are_off(self, d: Draft) -> None:
        """Lift the guards that the configuration no longer has."""
        on = guards_on(self.settings)
        for scope in dict.fromkeys(p.scope for p in d.table(PauseRecord).values()):
            lift(d, scope, lambda p: p.is_guard and p.cause not in on, "configuration")

    # Entries.

    def _decide(self, d: Draft, plan: EntryPlan) -> None:
        per_share, usd = worst_cost(plan, self.settings)
        d.put(
            Mark(plan.symbol, plan.reference)
        )  # this tick may not have arrived here yet: the decision must not depend on it
        denied = self._closed(d, plan) or denial(plan, usd, record_of(d), self.settings) or self._limit(d, plan, usd)
        if denied is None or denied.reason != "waits_for_turn":
            self._remember_asked(d, plan.symbol)
        if denied is not None:
            d.send(
                symbol_process(plan.symbol),
                EntryDenied(plan.client_order_id, plan.symbol, denied.reason, denied.figures),
            )
            d.note(denied.reason, plan.symbol, "WARNING", client_order_id=plan.client_order_id, **denied.figures)
            return
        d.put(Reservation(plan.client_order_id, plan.symbol, plan.quantity, plan.quantity, per_share, usd))
        if self.settings.guards.orders_per_minute is not None:
            pace, now_ns = d.get(Pace, "pace") or Pace(), d.now.market_ns
            d.put(Pace((*(at for at in pace.approved_ns if at > now_ns - MINUTE_NS), now_ns)))
        d.send("gateway", EntryApproved(plan, usd))

    def _closed(self, d: Draft, plan: EntryPlan) -> Denied | None:
        """What denies an entry whatever it costs."""
        if self._door(d) != "open" or d.get(AccountRecord, "account") is None:
            return Denied("risk_not_ready")
        paused = paused_by(d, plan.symbol)
        if paused is not None:
            return Denied(paused.reason, paused.figures)
        blocked = next((b for b in d.table(SymbolBlock).values() if b.symbol == plan.symbol), None)
        if blocked is not None:
            return Denied(blocked.reason, blocked.figures)
        if any(r.symbol == plan.symbol for r in reserved(d).values()):
            return Denied("entry_live")
        if d.table(Unpriced):
            return Denied("commission_unpriced", {"commissions": float(len(d.table(Unpriced)))})
        return None

    def _limit(self, d: Draft, plan: EntryPlan, usd: float) -> Denied | None:
        """Caps and cash, then the arming order."""
        holdings, reservations = d.table(Holding), reserved(d)
        exposed = exposures(holdings, d.table(ForeignOrder), d.table(Mark))
        account = d.table(AccountRecord)["account"]  # without an account risk is not ready
        denied = first_limit(plan, usd, exposed, reservations, account, self.settings)
        this_session = d.get(SessionRecord, "session")
        if denied is not None or this_session is None:
            return denied
        armed_from_ns = this_session.session.open_ns + int(self.settings.entries.open_delay_s * SECOND)
        if d.now.market_ns >= armed_from_ns + PRIORITY_NS:
            return None
        finished = {
            *this_session.asked,
            *(h.symbol for h in holdings.values() if h.own >= 1),
            *self.settings.guards.restricted,
        }
        finished.update(s for s in self._watchlist(d) if paused_by(d, s) is not None)
        used = sum(exposed.values()) + sum(r.usd for r in reservations.values())
        return priority_denial(plan.symbol, usd, used, finished, self._watchlist(d), self.settings)

    def _remember_asked(self, d: Draft, symbol: str) -> None:
        this_session = d.get(SessionRecord, "session")
        if this_session is not None and symbol not in this_session.asked:
            d.put(msgspec.structs.replace(this_session, asked=(*this_session.asked, symbol)))

    # The session.

    def _session_opened(self, d: Draft, session: Session) -> None:
        tally = self._tally(d)
        if tally.session_date == session.date:
            return
        sessions = (*tally.sessions, session.date)[-self.settings.guards.day_trade_sessions :]
        d.put(msgspec.structs.replace(tally, session_date=session.date, sessions=sessions, trades=0, stopouts=0))
        for track in d.table(Track).values():
            kept = tuple(day for day in track.day_trades if day in sessions)
            if track.stopouts or kept != track.day_trades:
                d.put(msgspec.structs.replace(track, stopouts=0, day_trades=kept))
        if (tally.next_date and tally.next_date != session.date) or tally.session_date not in ("", tally.closed_date):
            begin_rebase(d, session.open_ns)
        d.put(SessionRecord(session))
        for scope in dict.fromkeys(p.scope for p in d.table(PauseRecord).values()):
            lift(d, scope, lambda p: p.resets == NEXT_SESSION, "next session")
        trip_guards(d, self.settings)
        self._note_if_caps_are_short(d)

    def _note_if_caps_are_short(self, d: Draft) -> None:
        holdings = d.table(Holding)
        used = sum(exposures(holdings, d.table(ForeignOrder), d.table(Mark)).values())
        held = {h.symbol for h in holdings.values() if h.own >= 1}
        wanted = [symbol for symbol in self._watchlist(d) if symbol not in held]
        needed = sum(needed_usd(symbol, self.settings) for symbol in wanted)
        if used + needed > cap_usd(self.settings):
            d.note(
                "caps_short",
                exposure_usd=round(used, 2),
                needed_usd=round(needed, 2),
                limit_usd=cap_usd(self.settings),
                order="watchlist",
            )

    def _snapshot(self, d: Draft, date: str, following: str) -> None:
        """Send the figures of the close. The day's P&L is the change of the bot's whole P&L since the last close."""
        record, account = record_of(d), d.get(AccountRecord, "account")
        realized = realized_pnl_usd(record.tally)
        d.send(
            FLEET,
            PerformanceSnapshot(
                date=date,
                account_value=account.net_liquidation if account else 0.0,
                cash_value=account.total_cash if account else 0.0,
                position_value=round(value_usd(record.holdings, record.marks), 4),
                unrealized_pnl=round(record.pnl_usd - realized, 4),
                realized_pnl=round(realized, 4),
                daily_pnl=round(record.pnl_usd - record.tally.last_close_pnl_usd, 4),
                num_positions=sum(1 for h in record.holdings.values() if h.own),
                num_trades=record.tally.trades,
                base_usd=self.settings.allocation.total_usd_cap,
            ),
        )
        for holding in record.holdings.values():
            if holding.own and holding.symbol in record.marks:
                keep_mark(d, holding.symbol, record.marks[holding.symbol].price, step=0.0)
        for waiting in d.table(Rebase):
            d.drop(Rebase, waiting)
        d.put(
            msgspec.structs.replace(
                record.tally, last_close_pnl_usd=record.pnl_usd, next_date=following, closed_date=date
            )
        )
