"""The decisions of a symbol: it submits an entry on a tick, follows that entry and its shares, and has a cooldown.

It places no orders: risk approves, the gateway places. The stop that protects the shares is attached to the entry.
"""

from __future__ import annotations

from messages import Message
from messages.account import LinkChanged, ReconciliationDone, SymbolBook
from messages.entries import EntryDenied, EntryDropped, EntryPlan, SubmitEntry
from messages.interlock import EntriesBlocked, EntriesUnblocked
from messages.market import MarketRule, SessionClosed, SessionClosing, SessionOpened, Tick
from messages.operator import ClearCooldown, Flattening, Paused, Refused, Resumed
from messages.orders import (
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderPlaced,
    OrderRejected,
    OrderUpdated,
    PositionUpdated,
)
from messages.timers import Elapsed, LedgerLost, Started
from messages.watchlist import SymbolRetired, WatchlistChanged
from services.configuration.settings import Settings
from services.runtime.core import Deadlines, Decision, Draft, Now, State
from services.symbol.entry import Blocked, plan_entry, price_blocked
from services.symbol.outcome import (
    ended,
    on_cancelled,
    on_fill,
    on_flattening,
    on_order,
    on_position,
    on_rejected,
    take_back,
    triggered,
)
from services.symbol.record import SymbolRecord, changed, moved, shown, status_of
from services.symbol.recovery import confirm_entry, count_entry, on_ledger_lost, take_book
from services.symbol.states import Event, SymbolState
from services.trading.sessions import is_break

__all__ = ["SymbolCore", "SymbolRecord"]

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
ASK_AGAIN_NS = MINUTE
"""Market time after a denial before the symbol submits an entry again."""
RETRY_NS = 5 * SECOND
"""Market time before the next entry after one that the gateway dropped."""
EXIT_ALERT_NS = 30 * SECOND
"""Market time after which a triggered sale that is not filled raises an alert."""


FLAT = (SymbolState.NO_POSITION, SymbolState.COOLDOWN, SymbolState.PAUSED)


class SymbolCore:
    """See `services.runtime.core.Core`. One symbol, one record."""

    kinds: tuple[type, ...] = (SymbolRecord,)

    def __init__(self, symbol: str, settings: Settings):
        self.symbol = symbol
        self.settings = settings

    def record(self, state: State) -> SymbolRecord:
        return state.get(SymbolRecord, self.symbol) or SymbolRecord(symbol=self.symbol)

    def ready(self, state: State) -> bool:
        return True

    def snapshot(self, state: State, interest: tuple[str, ...]) -> list[tuple[str, Message]]:
        return [(self.symbol, status_of(self.record(state), 0))]

    def deadlines(self, state: State, now: Now) -> Deadlines:
        return Deadlines(market_ns=min(self._due(self.record(state)).values(), default=None))

    def _due(self, r: SymbolRecord) -> dict[str, int]:
        """The timers that are set now: name, and market time at which it is due."""
        entries, due = self.settings.entries, {}
        if r.state is SymbolState.COOLDOWN:
            due["cooldown"] = r.cooldown_until_ns
        if r.entry_live and not r.cancelling:
            if r.partial_ns:
                due["partial_fill"] = r.partial_ns + int(entries.partial_fill_s * SECOND)
            elif r.triggered_ns:
                due["triggered_unfilled"] = r.triggered_ns + int(entries.unfilled_after_trigger_s * SECOND)
        if r.state is SymbolState.EXITING and not r.exit_told:
            due["exit"] = r.exiting_ns + EXIT_ALERT_NS
        return due

    def handle(self, state: State, message: Message, now: Now) -> Decision:
        before = self.record(state)
        draft = Draft(state, now)
        after_ = self._retire(draft, self._fold(draft, before, message))
        born = state.get(SymbolRecord, self.symbol) is None
        if born or after_ is not before:
            draft.put(after_)
            if born or shown(after_) != shown(before):
                draft.send(self.symbol, status_of(after_, now.market_ns))
        return draft.decision

    def _fold(self, d: Draft, r: SymbolRecord, message: Message) -> SymbolRecord:
        if isinstance(message, OrderAccepted | OrderUpdated | OrderCancelled | OrderRejected | OrderFilled):
            r = count_entry(r, message.order)
        match message:
            case Tick():
                return self._on_tick(d, r, message)
            case SessionOpened(session, entries_until_ns):
                new_day = session.date != r.session_date
                if new_day and r.state is SymbolState.NO_POSITION:
                    r = changed(r, why="open_delay", figures={})
                return changed(
                    r,
                    phase="open",
                    break_ns=(session.break_start_ns, session.break_end_ns),
                    session_date=session.date,
                    session_open_ns=session.open_ns,
                    entries_until_ns=entries_until_ns,
                    entry_number=0 if new_day else r.entry_number,
                    refusals=0 if new_day else r.refusals,
                    wait_until_ns=0 if new_day else r.wait_until_ns,
                )
            case SessionClosing():
                r = changed(r, phase="closing")
                return take_back(d, r, "end_of_day") if self._cancels_at_close else r
            case SessionClosed():
                r = changed(r, phase="closed")
                return changed(r, why="session_closed", figures={}) if r.state is SymbolState.NO_POSITION else r
            case EntryDenied(client_order_id, _, reason, figures) if client_order_id == r.entry_id:
                r = changed(ended(r), why=reason, figures=figures, wait_until_ns=d.now.market_ns + ASK_AGAIN_NS)
                return moved(r, Event.ENTRY_DENIED)
            case EntryDropped(client_order_id, _, reason, figures) if client_order_id == r.entry_id:
                # If the price ran through the trigger, the next tick is the new reference. Other reasons need time.
                wait_ns = 0 if reason == "price_through_trigger" else RETRY_NS
                until_ns = r.entries_until_ns if reason == "observed" else d.now.market_ns + wait_ns
                r = changed(ended(r), why=reason, figures=figures, wait_until_ns=until_ns)
                return moved(r, Event.ENTRY_DENIED)
            case OrderPlaced(order) | OrderAccepted(order) | OrderUpdated(order):
                before, r = r, on_order(d, r, order)
                found = r.entry_live and (not before.entry_live or r.entry_id != before.entry_id)
                reason = self._may_not_rest(r) if found else ""
                return take_back(d, r, reason) if reason else r
            case OrderCancelled():
                return on_cancelled(d, r, message, self.settings)
            case OrderRejected():
                return on_rejected(d, r, message)
            case OrderFilled():
                return on_fill(d, r, message, self.settings)
            case PositionUpdated():
                return on_position(d, r, message)
            case Paused(symbol, _) if symbol in (None, self.symbol):
                r = changed(r, paused=True) if symbol else changed(r, fleet_paused=True)
                return moved(take_back(d, r, "paused"), Event.ENTRIES_PAUSED)
            case Resumed(symbol, by) if symbol in (None, self.symbol):
                if symbol is None:
                    return changed(r, fleet_paused=False)
                if by != "operator":
                    return changed(r, paused=False)  # a guard is over; a symbol that waits for the operator still waits
                fresh = changed(r, paused=False, disarmed=False, refusals=0, whole_only=False)
                return moved(fresh, Event.RESUMED)
            case Flattening():
                return on_flattening(d, r, message)
            case ClearCooldown(symbol) if symbol in (None, self.symbol):
                if r.state is not SymbolState.COOLDOWN:
                    return r
                d.note("stopout_cooldown_cleared", self.symbol)
                r = changed(r, cooldown_until_ns=0, stopout_exec="", why="armed", figures={})
                return moved(r, Event.COOLDOWN_OVER)
            case LinkChanged(link, up, _):
                down = tuple(name for name in r.links_down if name != link)
                r = changed(r, links_down=down if up else (*down, link))
                return confirm_entry(d, r) if link == "socket" and up else r
            case EntriesBlocked(reason, _, figures, symbol):
                if symbol == self.symbol:
                    r = take_back(d, r, reason)  # what is wrong with this symbol is wrong with its entry, too
                return changed(r, blocks={**r.blocks, reason: figures}, own_blocks=_with(r, reason, symbol))
            case EntriesUnblocked(reason):
                blocks = {key: figures for key, figures in r.blocks.items() if key != reason}
                return changed(r, blocks=blocks, own_blocks=tuple(key for key in r.own_blocks if key != reason))
            case WatchlistChanged(watchlist, winding_down):
                return self._watch(d, r, winding=self.symbol in winding_down or self.symbol not in watchlist)
            case Started():
                return self._watch(d, r, winding=self.symbol in self.settings.winding_down)
            case ReconciliationDone():
                return self._reconciled(r, message)
            case LedgerLost(process):
                return on_ledger_lost(d, r, process)
            case SymbolBook():
                return take_book(d, r, message, self.settings)
            case MarketRule(_, steps):
                return changed(r, grid=steps)
            case Refused(_, _, symbol, error) if symbol == self.symbol:
                d.note("symbol_paused", self.symbol, "ERROR", reason="message_refused", error=error)
                # The refused message may be the entry itself. Then no other report about it comes.
                return changed(take_back(d, r, "message_refused"), paused=True)
            case Elapsed():
                return self._elapsed(d, r)
            case _:
                return r

    def _reconciled(self, r: SymbolRecord, done: ReconciliationDone) -> SymbolRecord:
        """The gateway's book is complete: drop what it does not have, because its own records were lost."""
        r = changed(r, links_down=tuple(name for name in r.links_down if name != "socket"))
        if done.blocked is not None:
            kept = [key for key in r.blocks if key in done.blocked or f"{key} {self.symbol}" in done.blocked]
            r = changed(
                r,
                blocks={key: r.blocks[key] for key in kept},
                own_blocks=tuple(key for key in r.own_blocks if key in kept),
            )
        # An entry that the broker never had may still be on its way to the gateway.
        if done.entries is not None and r.entry_live and r.entry_at and r.entry_id not in done.entries:
            r = changed(ended(r), why="entry_lost" if r.state is SymbolState.ENTRY_PENDING else r.why, figures={})
            r = moved(r, Event.ENTRY_CANCELLED)
        return r

    def _may_not_rest(self, r: SymbolRecord) -> str:
        """Why an entry that was found at the broker is taken back; '' if it may stay."""
        if r.holds or r.state in (SymbolState.COOLDOWN, SymbolState.PAUSED):
            return "position_open" if r.holds else "stopped_out" if r.state is SymbolState.COOLDOWN else "paused"
        if r.paused or r.fleet_paused:
            return "paused"
        if r.winding_down:
            return "removal_pending"
        if r.phase == "closing" and self._cancels_at_close:
            return "end_of_day"
        return next(iter(r.own_blocks), "")

    def _elapsed(self, d: Draft, r: SymbolRecord) -> SymbolRecord:
        for what, at_ns in self._due(r).items():
            if at_ns > d.now.market_ns:
                continue
            match what:
                case "cooldown":
                    d.note("stopout_cooldown_ended", self.symbol)
                    r = moved(changed(r, cooldown_until_ns=0, why="armed", figures={}), Event.COOLDOWN_OVER)
                case "exit":
                    d.note("exit_unfilled", self.symbol, "ERROR", own=r.own, stop=r.stop_id)
                    r = changed(r, exit_told=True)
                case _:
                    r = take_back(d, r, what)
        return r

    @property
    def _cancels_at_close(self) -> bool:
        """Whether entries are cancelled near the close: configured, or needed because they could trade after it."""
        hours = self.settings.hours
        return self.settings.entries.cancel_at_close or (hours.extended and not hours.allow_after_hours)

    # Leaving.

    def _watch(self, d: Draft, r: SymbolRecord, *, winding: bool) -> SymbolRecord:
        """Follow the watchlist. A removed symbol cancels its entry and keeps its shares under their stop."""
        if winding and not r.winding_down:
            r = take_back(d, r, "removal_pending")
        return changed(r, winding_down=winding, retired=r.retired and winding)

    def _retire(self, d: Draft, r: SymbolRecord) -> SymbolRecord:
        """Retire a removed symbol once it holds nothing and no entry can fill any more."""
        if not r.winding_down or r.retired or r.holds or r.entry_live or r.state not in FLAT:
            return r
        d.send("clock", SymbolRetired(self.symbol))
        d.note("symbol_retired", self.symbol)
        return changed(r, retired=True)

    # The market.

    def _on_tick(self, d: Draft, r: SymbolRecord, tick: Tick) -> SymbolRecord:
        seen = (tick.run, tick.number)
        if seen == r.last_tick:
            return r
        if tick.halted:
            r = moved(changed(r, halt_trade_ns=tick.last_ns), Event.HALTED)
            if self.settings.entries.on_halt == "cancel":
                r = take_back(d, r, "halted")
        match r.state:
            case SymbolState.NO_POSITION:
                return self._consider(d, r, tick)
            case SymbolState.ENTRY_PENDING if not r.cancelling:
                return self._follow(d, r, tick)
            case _:
                return r

    def _consider(self, d: Draft, r: SymbolRecord, tick: Tick) -> SymbolRecord:
        """Submit an entry, or remember why not."""
        found = self._entry_blocked(r, d.now) or self._planned(r, tick, d.now.market_ns)
        if isinstance(found, Blocked):
            if found.why == r.why:
                return r  # only a new reason is recorded: the figures of the same reason change with every tick
            if found.why == "position_mismatch":
                d.note("position_mismatch", self.symbol, "WARNING", **found.figures)
            return changed(r, why=found.why, figures=found.figures)
        d.send("risk", SubmitEntry(found))
        r = changed(
            ended(r),
            why="waits_for_trigger",
            figures={"trigger": found.stop_price},
            entry_number=r.entry_number + 1,
            entry_id=found.client_order_id,
            stop_id=found.stop_client_order_id,
            stop_held=False,
            entry_live=True,
            entry_trigger=found.stop_price,
            anchored_ns=d.now.market_ns,
            last_tick=(tick.run, tick.number),
        )
        return moved(r, Event.ENTRY_SUBMITTED)

    def _planned(self, r: SymbolRecord, tick: Tick, now_ns: int) -> EntryPlan | Blocked:
        """The entry at this tick's price, or why this price can't be used."""
        blocked = price_blocked(tick, r.session_open_ns, now_ns, self.settings, r.halt_trade_ns)
        number = r.entry_number + 1
        return blocked or plan_entry(
            self.symbol, r.session_date, number, tick, now_ns, self.settings, r.grid, whole_only=r.whole_only
        )

    def _follow(self, d: Draft, r: SymbolRecord, tick: Tick) -> SymbolRecord:
        """Check a live entry: whether it is triggered, and whether a lower trigger should replace it."""
        if r.triggered_ns:
            return r
        if r.entry_at == "working" and max(tick.last, tick.ask) >= r.entry_trigger:
            return triggered(r, d.now.market_ns)  # an exchange that holds stops itself reports a resting one as working
        minutes = self.settings.entries.reanchor_minutes
        if not minutes or not r.entry_at or d.now.market_ns < r.anchored_ns + minutes * MINUTE:
            return r
        if self._blocked(r, d.now) is None:
            lower = self._planned(r, tick, d.now.market_ns)
            if not isinstance(lower, Blocked) and lower.stop_price < r.entry_trigger:
                return take_back(d, r, "reanchored")
        return r

    def _entry_blocked(self, r: SymbolRecord, now: Now) -> Blocked | None:
        """What blocks a new entry at any price."""
        blocked = self._blocked(r, now)
        if blocked is not None:
            return blocked
        if r.disarmed:
            return Blocked("not_rearmed")
        if r.entry_live:
            return Blocked("entry_ending")
        if r.account is not None and r.account != r.own:
            return Blocked("position_mismatch", {"own": r.own, "account": r.account})
        if now.market_ns < r.cooldown_until_ns:
            return Blocked("stopped_out")
        if now.market_ns < r.wait_until_ns:
            return Blocked(r.why)  # the reason of the wait stays, with its figures
        return None

    def _blocked(self, r: SymbolRecord, now: Now) -> Blocked | None:
        """What blocks entries in general."""
        now_ns = now.market_ns
        if now.stale:
            return Blocked("clock_stale")
        if r.phase == "closed":
            return Blocked("session_closed")
        if r.phase == "closing" or now_ns >= r.entries_until_ns:
            return Blocked("closing")
        if is_break(r.break_ns, now_ns):
            return Blocked("session_break")
        if now_ns < r.session_open_ns + int(self.settings.entries.open_delay_s * SECOND):
            return Blocked("open_delay")
        if r.paused or r.fleet_paused:
            return Blocked("paused")
        if r.links_down:
            return Blocked("links_down")
        for reason, figures in r.blocks.items():
            return Blocked(reason, figures)
        if r.winding_down:
            return Blocked("removal_pending")
        return None


def _with(r: SymbolRecord, reason: str, symbol: str) -> tuple[str, ...]:
    """The reasons that block this symbol alone, with one more."""
    return (*r.own_blocks, reason) if symbol and reason not in r.own_blocks else r.own_blocks
