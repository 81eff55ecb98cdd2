"""The symbol actor's decisions: it asks for an entry on a tick of its symbol, follows what becomes of it, and rests.

It places nothing: risk approves, the gateway places, and the stop that protects the shares travels inside the entry.
"""

from __future__ import annotations

import msgspec

from messages import Message
from messages.account import LinkChanged, ReconciliationDone
from messages.entries import CancelEntry, EntryDenied, EntryDropped, SubmitEntry
from messages.interlock import EntriesBlocked, EntriesUnblocked
from messages.market import SessionClosed, SessionClosing, SessionOpened, Tick
from messages.operator import Paused, Refused, Resumed, SymbolStatus
from messages.orders import (
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderPlaced,
    OrderRecord,
    OrderRejected,
    OrderUpdated,
    PositionUpdated,
)
from messages.timers import Elapsed, Started
from messages.watchlist import SymbolRetired, WatchlistChanged
from services.core import Deadlines, Decision, Draft, Now, State
from services.settings import Settings
from services.symbol.entry import Blocked, plan_entry, price_blocked
from services.symbol.states import Event, SymbolState, after

__all__ = ["SymbolCore", "SymbolRecord"]

MINUTE = 60_000_000_000
ASK_AGAIN_NS = MINUTE
"""After a denial: market time before the same question is asked again."""
RETRY_NS = 5_000_000_000
"""After an entry that the gateway dropped for a passing reason."""
BACK_OFF_MINUTES = (1, 2, 4)
"""After a rejection or an unasked cancel; the third in a session pauses the symbol."""


class SymbolRecord(msgspec.Struct, frozen=True, kw_only=True):
    """All that a symbol remembers. Times are market time in ns, 0 where there is none."""

    symbol: str
    state: SymbolState = SymbolState.NO_POSITION
    why: str = "session_closed"
    figures: dict[str, float] = {}
    session_date: str = ""
    session_open_ns: int = 0
    entries_until_ns: int = 0
    phase: str = "closed"
    entry_number: int = 0
    entry_id: str = ""
    stop_id: str = ""
    own: float = 0.0
    cost_usd: float = 0.0
    cooldown_until_ns: int = 0
    wait_until_ns: int = 0
    refusals: int = 0
    disarmed: bool = False
    paused: bool = False
    fleet_paused: bool = False
    links_down: tuple[str, ...] = ()
    last_tick: tuple[int, int] = (0, 0)
    blocks: dict[str, dict[str, float]] = {}
    winding_down: bool = False
    retired: bool = False

    @property
    def key(self) -> str:
        return self.symbol


class SymbolCore:
    """See `services.core.Core`. One symbol, one record."""

    kinds: tuple[type, ...] = (SymbolRecord,)
    volatile: tuple[type, ...] = ()

    def __init__(self, symbol: str, settings: Settings):
        self.symbol = symbol
        self.settings = settings

    def record(self, state: State) -> SymbolRecord:
        return state.get(SymbolRecord, self.symbol) or SymbolRecord(symbol=self.symbol)

    def ready(self, state: State) -> bool:
        return True

    def snapshot(self, state: State, interest: tuple[str, ...]) -> list[tuple[str, Message]]:
        return [(self.symbol, _status(self.record(state), 0))]

    def deadlines(self, state: State, now: Now) -> Deadlines:
        record = self.record(state)
        return Deadlines(market_ns=record.cooldown_until_ns if record.state is SymbolState.COOLDOWN else None)

    def handle(self, state: State, message: Message, now: Now) -> Decision:
        before = self.record(state)
        draft = Draft(state, now)
        after_ = self._retire(draft, self._fold(draft, before, message))
        born = state.get(SymbolRecord, self.symbol) is None
        if born or after_ is not before:
            draft.put(after_)
            if born or _shown(after_) != _shown(before):
                draft.send(self.symbol, _status(after_, now.market_ns))
        return draft.decision

    def _fold(self, d: Draft, r: SymbolRecord, message: Message) -> SymbolRecord:
        match message:
            case Tick():
                return self._on_tick(d, r, message)
            case SessionOpened(session, entries_until_ns):
                new_day = session.date != r.session_date
                if new_day and r.state is SymbolState.NO_POSITION:
                    r = _set(r, why="open_delay", figures={})
                return _set(
                    r,
                    phase="open",
                    session_date=session.date,
                    session_open_ns=session.open_ns,
                    entries_until_ns=entries_until_ns,
                    entry_number=0 if new_day else r.entry_number,
                    refusals=0 if new_day else r.refusals,
                    wait_until_ns=0 if new_day else r.wait_until_ns,
                )
            case SessionClosing():
                r = _set(r, phase="closing")
                if r.state is SymbolState.ENTRY_PENDING and self.settings.entries.cancel_at_close:
                    d.send("gateway", CancelEntry(r.entry_id, self.symbol, "end_of_day"))
                return r
            case SessionClosed():
                r = _set(r, phase="closed")
                return _set(r, why="session_closed", figures={}) if r.state is SymbolState.NO_POSITION else r
            case EntryDenied(client_order_id, _, reason, figures) if client_order_id == r.entry_id:
                r = _set(r, why=reason, figures=figures, wait_until_ns=d.now.market_ns + ASK_AGAIN_NS)
                return self._move(r, Event.ENTRY_DENIED)
            case EntryDropped(client_order_id, _, reason, figures) if client_order_id == r.entry_id:
                # The price ran through the trigger: the next tick is the new reference. Anything else has to pass
                # first.
                wait_ns = 0 if reason == "price_through_trigger" else RETRY_NS
                until_ns = r.entries_until_ns if reason == "observed" else d.now.market_ns + wait_ns
                r = _set(r, why=reason, figures=figures, wait_until_ns=until_ns)
                return self._move(r, Event.ENTRY_DENIED)
            case OrderPlaced(order) | OrderAccepted(order) | OrderUpdated(order):
                return self._on_order(r, order)
            case OrderCancelled(order, asked):
                return self._on_cancelled(d, r, order, asked)
            case OrderRejected(order, code, _):
                return self._on_rejected(d, r, order, code)
            case OrderFilled():
                return self._on_fill(d, r, message)
            case PositionUpdated(_, _, _, own):
                return self._on_position(r, own)
            case Paused(symbol, _) if symbol in (None, self.symbol):
                r = _set(r, paused=True) if symbol else _set(r, fleet_paused=True)
                if r.state is SymbolState.ENTRY_PENDING:
                    d.send("gateway", CancelEntry(r.entry_id, self.symbol, "paused"))
                return r
            case Resumed(symbol, _) if symbol in (None, self.symbol):
                r = _set(r, paused=False, disarmed=False, refusals=0) if symbol else _set(r, fleet_paused=False)
                return self._move(r, Event.RESUMED) if symbol else r
            case LinkChanged(link, up, _):
                down = tuple(name for name in r.links_down if name != link)
                return _set(r, links_down=down if up else (*down, link))
            case EntriesBlocked(reason, _, figures):
                return _set(r, blocks={**r.blocks, reason: figures})
            case EntriesUnblocked(reason):
                return _set(r, blocks={key: figures for key, figures in r.blocks.items() if key != reason})
            case WatchlistChanged(watchlist, winding_down):
                return self._watch(d, r, winding=self.symbol in winding_down or self.symbol not in watchlist)
            case Started():
                return self._watch(d, r, winding=self.symbol in self.settings.winding_down)
            case ReconciliationDone():
                return _set(r, links_down=tuple(name for name in r.links_down if name != "socket"))
            case Refused(_, _, symbol, error) if symbol == self.symbol:
                d.note("symbol_paused", self.symbol, "ERROR", reason="message_refused", error=error)
                if r.state is SymbolState.ENTRY_PENDING:
                    # It may have been the entry that was refused: then nobody else will ever speak of it.
                    d.send("gateway", CancelEntry(r.entry_id, self.symbol, "message_refused"))
                return _set(r, paused=True)
            case Elapsed():
                if r.state is SymbolState.COOLDOWN and d.now.market_ns >= r.cooldown_until_ns:
                    d.note("stopout_cooldown_ended", self.symbol)
                    return self._move(_set(r, cooldown_until_ns=0, why="armed", figures={}), Event.COOLDOWN_OVER)
                return r
            case _:
                return r

    def _move(self, r: SymbolRecord, event: Event) -> SymbolRecord:
        state = after(r.state, event)
        return r if state is r.state else _set(r, state=state)

    # Leaving.

    def _watch(self, d: Draft, r: SymbolRecord, *, winding: bool) -> SymbolRecord:
        """Removed from the watchlist: the entry is taken back, what is held stays under its stop. Or back again."""
        if winding and not r.winding_down and r.state is SymbolState.ENTRY_PENDING:
            d.send("gateway", CancelEntry(r.entry_id, self.symbol, "removal_pending"))
        return _set(r, winding_down=winding, retired=r.retired and winding)

    def _retire(self, d: Draft, r: SymbolRecord) -> SymbolRecord:
        """Nothing is held and nothing can fill any more: the others may go on without this process."""
        flat = r.own <= 0 and r.state in (SymbolState.NO_POSITION, SymbolState.COOLDOWN, SymbolState.PAUSED)
        if not r.winding_down or r.retired or not flat:
            return r
        d.send("clock", SymbolRetired(self.symbol))
        d.note("symbol_retired", self.symbol)
        return _set(r, retired=True)

    # Entry.

    def _on_tick(self, d: Draft, r: SymbolRecord, tick: Tick) -> SymbolRecord:
        seen = (tick.run, tick.number)
        if r.state is not SymbolState.NO_POSITION or seen == r.last_tick:
            return r
        now_ns = d.now.market_ns
        blocked = self._blocked(r, d.now) or price_blocked(tick, r.session_open_ns, now_ns, self.settings)
        if blocked is None:
            number = r.entry_number + 1
            plan = plan_entry(self.symbol, r.session_date, number, tick, now_ns, self.settings)
            if not isinstance(plan, Blocked):
                d.send("risk", SubmitEntry(plan))
                r = _set(
                    r,
                    why="waits_for_trigger",
                    figures={"trigger": plan.stop_price},
                    entry_number=number,
                    entry_id=plan.client_order_id,
                    stop_id=plan.stop_client_order_id,
                    last_tick=seen,
                )
                return self._move(r, Event.ENTRY_SUBMITTED)
            blocked = plan
        # Only a new reason is worth a record: the figures of an old one change with every tick.
        return r if blocked.why == r.why else _set(r, why=blocked.why, figures=blocked.figures)

    def _blocked(self, r: SymbolRecord, now: Now) -> Blocked | None:
        """What speaks against an entry whatever the price is."""
        now_ns = now.market_ns
        if now.stale:
            return Blocked("clock_stale")
        if r.phase == "closed":
            return Blocked("session_closed")
        if r.phase == "closing" or now_ns >= r.entries_until_ns:
            return Blocked("closing")
        if now_ns < r.session_open_ns + int(self.settings.entries.open_delay_s * 1e9):
            return Blocked("open_delay")
        if r.paused or r.fleet_paused:
            return Blocked("paused")
        if r.links_down:
            return Blocked("links_down")
        for reason, figures in r.blocks.items():
            return Blocked(reason, figures)
        if r.winding_down:
            return Blocked("removal_pending")
        if r.disarmed:
            return Blocked("not_rearmed")
        if now_ns < r.wait_until_ns:
            return Blocked(r.why, r.figures)  # the reason it waits for stands as it was
        return None

    # What became of it.

    def _on_order(self, r: SymbolRecord, order: OrderRecord) -> SymbolRecord:
        if order.role == "stop" and order.live and order.client_order_id != r.stop_id:
            return _set(r, stop_id=order.client_order_id)
        return r

    def _on_cancelled(self, d: Draft, r: SymbolRecord, order: OrderRecord, asked: bool) -> SymbolRecord:
        if order.role != "entry" or order.client_order_id != r.entry_id or order.filled > 0:
            return r
        if r.state is not SymbolState.ENTRY_PENDING:
            return r
        if not asked and r.phase == "open":
            return self._refused(d, r, "cancelled_by_broker", {})
        disarmed = not self.settings.entries.rearm_next_session
        why = order.cancel_reason or "expired"
        return self._move(_set(r, why=why, figures={}, disarmed=disarmed), Event.ENTRY_CANCELLED)

    def _on_rejected(self, d: Draft, r: SymbolRecord, order: OrderRecord, code: int) -> SymbolRecord:
        if order.role != "entry" or order.client_order_id != r.entry_id or order.filled > 0:
            return r
        return self._refused(d, r, "rejected_by_broker", {"code": float(code)})

    def _refused(self, d: Draft, r: SymbolRecord, why: str, figures: dict[str, float]) -> SymbolRecord:
        """Back off 1, 2, 4 minutes; after the third refusal of a session wait for the operator."""
        refusals = r.refusals + 1
        if refusals >= len(BACK_OFF_MINUTES):
            d.note("symbol_paused", self.symbol, "WARNING", reason=why, refusals=refusals)
            return self._move(
                _set(r, refusals=refusals, why="refused_too_often", figures=figures), Event.REFUSED_TOO_OFTEN
            )
        wait_ns = BACK_OFF_MINUTES[refusals - 1] * MINUTE
        r = _set(r, refusals=refusals, why=why, figures=figures, wait_until_ns=d.now.market_ns + wait_ns)
        return self._move(r, Event.ENTRY_REFUSED)

    def _on_fill(self, d: Draft, r: SymbolRecord, filled: OrderFilled) -> SymbolRecord:
        fill = filled.fill
        held_before = r.own > 0
        r = _set(r, own=filled.own, cost_usd=filled.cost_usd)
        if filled.corrects and (r.own > 0) is held_before:
            return r  # figures of what happened before, not something that happens
        if fill.side == "BUY":
            if r.own <= 0:
                return r  # heard after the stop that sold it again
            return self._move(_set(r, why="protected_by_stop", figures={}), Event.ENTRY_FILLED)
        if r.own > 0:
            return self._move(_set(r, why="stop_filling"), Event.STOP_FILLED_PARTLY)
        if fill.role != "stop":
            return self._move(_set(r, why="sold_otherwise", figures={}), Event.SOLD_OTHERWISE)
        until = fill.time_ns + self.settings.cooldowns.after_stopout_minutes * MINUTE
        d.note(
            "stopout_cooldown_started",
            self.symbol,
            until_ns=until,
            price=fill.price,
            client_order_id=fill.client_order_id,
        )
        r = _set(r, cooldown_until_ns=until, why="stopped_out", figures={"price": fill.price})
        return self._move(r, Event.STOPPED_OUT)

    def _on_position(self, r: SymbolRecord, own: float) -> SymbolRecord:
        """What it holds it knows from fills; only where rows were lost (with a ledger) does this tell anything new."""
        if (own > 0) is (r.own > 0):
            return r
        if own > 0:
            return self._move(_set(r, own=own, why="protected_by_stop", figures={}), Event.ENTRY_FILLED)
        return self._move(_set(r, own=0.0, cost_usd=0.0, why="sold_unseen", figures={}), Event.SOLD_OTHERWISE)


def _set(r: SymbolRecord, **changes: object) -> SymbolRecord:
    """The record with these fields; the same object when nothing differs."""
    if all(getattr(r, name) == value for name, value in changes.items()):
        return r
    return msgspec.structs.replace(r, **changes)


def _shown(r: SymbolRecord) -> tuple[object, ...]:
    """What a status row is worth sending for."""
    return (r.state, r.why, r.own, r.entry_id, r.stop_id, r.cooldown_until_ns, r.session_date)


def _status(r: SymbolRecord, now_ns: int) -> SymbolStatus:
    return SymbolStatus(
        symbol=r.symbol,
        state=r.state.value,
        why=r.why,
        figures=r.figures,
        cooldown_until_ns=r.cooldown_until_ns,
        session_date=r.session_date,
        entry_number=r.entry_number,
        entry_client_order_id=r.entry_id,
        stop_client_order_id=r.stop_id,
        own=r.own,
        cost_usd=r.cost_usd,
        time_ns=now_ns,
    )
