"""The outcome of an entry and of its shares: pure functions from a record and an event to a record.

The state follows from the table (`states.py`). This file has the other fields of the record, and the messages.
"""

from __future__ import annotations

import math

from messages.entries import CancelEntry
from messages.operator import Flattening
from messages.orders import Fill, OrderCancelled, OrderFilled, OrderRecord, OrderRejected, PositionUpdated
from services.configuration.settings import Settings
from services.runtime.core import Draft
from services.symbol.record import SymbolRecord, changed, holds, moved
from services.symbol.states import Event, SymbolState
from services.trading.ids import referenced

__all__ = [
    "BACK_OFF_MINUTES",
    "ended",
    "on_cancelled",
    "on_fill",
    "on_flattening",
    "on_order",
    "on_position",
    "on_rejected",
    "take_back",
    "triggered",
]

MINUTE = 60_000_000_000
BACK_OFF_MINUTES = (1, 2, 4)
"""Waits after a rejection or a cancel that the bot did not request. The third one in a session pauses the symbol."""
ENDINGS_OF_A_DAY = ("", "end_of_day", "expired")
"""Reasons of an entry that ended with its session; '' is its expiry. After any other end the symbol arms again."""
CAPPED = ("TRAIL LIMIT", "STP LMT", "LMT")
"""Order types that can be triggered and stay unfilled. Any other sale with status Submitted may not be triggered."""


FRACTION_REFUSED = (10242, 10243)
"""IBKR's errors for a fraction that can't be traded. From then on the symbol buys whole shares."""


def take_back(d: Draft, r: SymbolRecord, reason: str) -> SymbolRecord:
    """Request the cancel of a live entry, once. Its end is reported later."""
    if not r.entry_live or r.cancelling:
        return r
    d.send("gateway", CancelEntry(r.entry_id, r.symbol, reason))
    return changed(r, cancelling=reason)


def ended(r: SymbolRecord) -> SymbolRecord:
    """The record without a live entry."""
    return changed(r, entry_live=False, entry_at="", cancelling="", triggered_ns=0, partial_ns=0)


def triggered(r: SymbolRecord, now_ns: int) -> SymbolRecord:
    """The entry was triggered: the time limit for its fill starts now."""
    if r.triggered_ns or not r.entry_live:
        return r
    r = changed(r, triggered_ns=now_ns)
    return changed(r, why="entry_triggered") if r.state is SymbolState.ENTRY_PENDING else r


def on_order(d: Draft, r: SymbolRecord, order: OrderRecord) -> SymbolRecord:
    """The broker reported the state of an order."""
    held = order.live and "trigger" in order.why_held
    working = order.status == "Submitted" and not order.why_held
    if order.role == "entry" and order.live:
        r = _own_entry(d, r, order)
    if order.role == "entry" and order.client_order_id == r.entry_id and r.entry_live:
        r = changed(r, unsure=False)
        if not order.live and order.remaining <= 0:
            return ended(r)
        if held:
            return changed(r, entry_at="held")
        if working and r.entry_at == "held":
            return triggered(changed(r, entry_at="working"), d.now.market_ns)
        return changed(r, entry_at="working") if working else r
    if order.role != "stop" or not order.live:
        return r
    if order.client_order_id != r.stop_id:
        if order.cancel_reason:
            return r  # a stop that is being cancelled protects nothing
        r = changed(r, stop_id=order.client_order_id, stop_held=False)
    if r.why == "stop_lost" and (held or working):
        r = changed(r, why="protected_by_stop", figures={})
    if held:
        return changed(r, stop_held=True)
    if working and r.stop_held and order.order_type in CAPPED and r.holds:
        return _exiting(d, changed(r, why="stop_triggered", figures={}), Event.STOP_TRIGGERED)
    return r


def _own_entry(d: Draft, r: SymbolRecord, order: OrderRecord) -> SymbolRecord:
    """A live entry of the symbol: follow it, whoever remembers it.

    The symbol does not know it if its own records are lost, or if it was given up and works after all. The gateway
    alone deals with doubles.
    """
    key = order.client_order_id
    if referenced(key) != key or (r.entry_live and key == r.entry_id):
        return r
    if r.entry_live:
        if not order.cancel_reason:
            d.send("gateway", CancelEntry(key, r.symbol, "entry_live"))  # one entry of a symbol at a time
        return r
    d.note("entry_found", r.symbol, "WARNING", client_order_id=key, status=order.status)
    r = changed(
        ended(r),
        entry_id=key,
        entry_live=True,
        entry_trigger=order.stop_price or 0.0,
        anchored_ns=d.now.market_ns,
        cancelling=order.cancel_reason,
    )
    if r.state in (SymbolState.NO_POSITION, SymbolState.ENTRY_PENDING):
        r = changed(r, why=order.cancel_reason or "waits_for_trigger", figures={"trigger": r.entry_trigger})
    return moved(r, Event.ENTRY_FOUND)


def on_cancelled(d: Draft, r: SymbolRecord, report: OrderCancelled, settings: Settings) -> SymbolRecord:
    """An order was cancelled or expired before it was filled completely."""
    order = report.order
    if order.role == "stop":
        return _stop_gone(r, order)
    if order.role != "entry" or order.client_order_id != r.entry_id:
        return r
    cancelling = r.cancelling
    r = ended(r)
    if r.state is not SymbolState.ENTRY_PENDING:
        return _remainder_ended(r)
    reason = order.cancel_reason or cancelling
    if not report.asked and not reason and r.phase == "open":
        return _refused(d, r, why="cancelled_by_broker", figures={})
    if reason == "without_stop" and r.phase == "open":
        return _refused(d, r, why=reason, figures={})  # (the broker may refuse the next stop as well)
    disarmed = reason in ENDINGS_OF_A_DAY and not settings.entries.rearm_next_session
    return moved(
        changed(r, why=reason or "expired", figures={}, disarmed=r.disarmed or disarmed), Event.ENTRY_CANCELLED
    )


def on_rejected(d: Draft, r: SymbolRecord, report: OrderRejected) -> SymbolRecord:
    """The broker rejected an order, or reported it as Inactive."""
    order = report.order
    if order.role == "stop":
        return _stop_gone(r, order)
    if order.role != "entry" or order.client_order_id != r.entry_id:
        return r
    r = ended(r)
    if r.state is not SymbolState.ENTRY_PENDING:
        return _remainder_ended(r)
    if report.code in FRACTION_REFUSED and order.quantity != math.floor(order.quantity):
        d.note("fractional_refused", r.symbol, "WARNING", code=report.code, qty=order.quantity)
        return moved(changed(r, whole_only=True, why="fraction_refused", figures={}), Event.ENTRY_DENIED)
    return _refused(d, r, why="rejected_by_broker", figures={"code": float(report.code)})


def _remainder_ended(r: SymbolRecord) -> SymbolRecord:
    """The rest of an entry ended in another state than ENTRY_PENDING. It is no refusal, so nothing is counted."""
    if r.why == "entry_filling":
        r = changed(r, why="protected_by_stop", figures={})
    return moved(r, Event.REMAINDER_ENDED)


def _stop_gone(r: SymbolRecord, order: OrderRecord) -> SymbolRecord:
    if not r.holds or order.client_order_id != r.stop_id or order.cancel_reason == "flatten":
        return r
    r = changed(r, why="stop_lost", figures={}, stop_held=False, exiting_ns=0, exit_told=False)
    return moved(r, Event.STOP_VANISHED)


def _refused(d: Draft, r: SymbolRecord, *, why: str, figures: dict[str, float]) -> SymbolRecord:
    """Back off 1, 2, 4 minutes; after the third refusal of a session wait for the operator."""
    refusals = r.refusals + 1
    if refusals >= len(BACK_OFF_MINUTES):
        d.note("symbol_paused", r.symbol, "WARNING", reason=why, refusals=refusals)
        return moved(changed(r, refusals=refusals, why="refused_too_often", figures=figures), Event.REFUSED_TOO_OFTEN)
    wait_ns = BACK_OFF_MINUTES[refusals - 1] * MINUTE
    r = changed(r, refusals=refusals, why=why, figures=figures, wait_until_ns=d.now.market_ns + wait_ns)
    return moved(r, Event.ENTRY_REFUSED)


def on_fill(d: Draft, r: SymbolRecord, filled: OrderFilled, settings: Settings) -> SymbolRecord:
    """Shares were bought or sold."""
    fill = filled.fill
    before, held_before = r, r.holds
    r = changed(r, own=filled.own, cost_usd=filled.cost_usd)
    if filled.corrects and filled.corrects == r.stopout_exec and not r.holds:
        # The true execution of a stop-out that was rebuilt, or a correction by the broker.
        until_ns = _cooldown_until(fill, settings)
        if r.state is not SymbolState.COOLDOWN and until_ns <= d.now.market_ns:
            return changed(r, stopout_exec=fill.exec_id)
        return _rest(d, r, fill, settings)
    if not fill.quantity and not filled.corrects:
        # An execution that was annulled before it was ever reported. If the gateway has lost its ledger, the position
        # that it reports next says what is left.
        return r if r.holds is held_before else before
    if fill.client_order_id == r.entry_id:
        r = changed(r, unsure=False)
    if filled.corrects and r.holds is held_before:
        return r  # a correction of figures changes no state
    if filled.corrects and fill.side == "BUY" and held_before:
        r = changed(r, why="purchase_busted", figures={}, stop_held=False, exiting_ns=0, exit_told=False)
        return moved(r, Event.SOLD_OTHERWISE)
    if fill.side == "BUY":
        return _bought(d, r, filled)
    if r.holds and fill.role == "adopted":
        return r  # a manual sale of a part: the rest stays under its stop
    if r.holds:
        why = "flattening" if fill.role == "flatten" else "stop_filling"
        return _exiting(d, changed(r, why=why), Event.STOP_FILLED_PARTLY)
    if r.own > 0:
        d.note("fraction_left", r.symbol, "WARNING", own=r.own)
    r = changed(r, stop_held=False, exiting_ns=0, exit_told=False)
    if fill.role != "stop":
        why = "flattened" if fill.role == "flatten" else "sold_otherwise"
        return moved(changed(r, why=why, figures={}), Event.SOLD_OTHERWISE)
    if fill.exec_id == r.stopout_exec and not held_before:
        return r  # reported before: its cooldown runs, or is over
    return _rest(d, r, fill, settings)


def _rest(d: Draft, r: SymbolRecord, fill: Fill, settings: Settings) -> SymbolRecord:
    """The cooldown after a stop-out. It counts from the broker's time of the fill, however late that is reported.

    A stop-out that the gateway has rebuilt counts like any other. If the true execution is reported later, time and
    price follow it. A cooldown that is over by then is over.
    """
    until = _cooldown_until(fill, settings)
    d.note(
        "stopout_cooldown_started",
        r.symbol,
        until_ns=until,
        price=fill.price,
        client_order_id=fill.client_order_id,
    )
    r = changed(r, cooldown_until_ns=until, why="stopped_out", figures={"price": fill.price}, stopout_exec=fill.exec_id)
    # The rest of a live entry would buy while the price falls.
    return moved(take_back(d, r, "stopped_out"), Event.STOPPED_OUT)


def _cooldown_until(fill: Fill, settings: Settings) -> int:
    return fill.time_ns + settings.cooldowns.after_stopout_minutes * MINUTE


def _bought(d: Draft, r: SymbolRecord, filled: OrderFilled) -> SymbolRecord:
    order = filled.order
    if order.client_order_id == r.entry_id:
        if order.remaining <= 0:
            r = ended(r)
        elif r.entry_live and not r.partial_ns:
            r = changed(r, partial_ns=d.now.market_ns)
    elif r.entry_live:
        # Real world: an entry that had ended fills after all. Two entries would be twice the size.
        r = take_back(d, r, "position_open")
    if not r.holds:
        return r  # less than a share so far, or reported after the stop that sold it
    if r.state is not SymbolState.EXITING:
        r = changed(r, why="entry_filling" if r.entry_live and r.partial_ns else "protected_by_stop", figures={})
    return moved(r, Event.ENTRY_FILLED)


def _exiting(d: Draft, r: SymbolRecord, event: Event) -> SymbolRecord:
    if not r.exiting_ns:
        r = changed(r, exiting_ns=d.now.market_ns)
    # The rest of the entry must not buy while the stop sells.
    return moved(take_back(d, r, "stop_triggered"), event)


def on_flattening(d: Draft, r: SymbolRecord, flattening: Flattening) -> SymbolRecord:
    """The phase of a flatten changed. While it waits, the shares stay under their stop."""
    match flattening.phase:
        case "waiting":
            return changed(
                r, why="flatten_observed" if flattening.reason == "observed" else "flatten_waits", figures={}
            )
        case "clearing" | "selling":
            if r.holds and r.state is not SymbolState.EXITING:
                r = changed(r, exiting_ns=d.now.market_ns, exit_told=False)
            return moved(changed(r, why="flattening", figures={}), Event.FLATTEN_ORDERED)
        case "done":
            if r.holds:
                return r
            return moved(changed(r, why="flattened", figures={}), Event.FLATTEN_ORDERED)
        case "withdrawn" if r.holds:
            return changed(r, why="protected_by_stop", figures={})
        case "failed" if r.holds:
            r = changed(r, why="stop_lost", figures={}, exiting_ns=0, exit_told=False)
            return moved(r, Event.STOP_VANISHED)
        case _:
            return r


def on_position(d: Draft, r: SymbolRecord, position: PositionUpdated) -> SymbolRecord:
    """The account's position was reported.

    Own shares and their cost are known from fills. The report has something new if rows were lost, if shares were
    adopted, or if a split changed their number.
    """
    own, before = position.own, r.own
    cost_usd = r.cost_usd if position.own_cost_usd is None else position.own_cost_usd
    r = changed(r, account=position.account_quantity, own=own, cost_usd=cost_usd)
    if position.account_quantity != own:
        r = moved(r, Event.POSITION_DIFFERS)
    if holds(own) is holds(before):
        return r
    if holds(own):
        r = take_back(d, changed(r, why="protected_by_stop", figures={}), "position_open")
        return moved(r, Event.OWN_APPEARED)
    r = changed(r, cost_usd=0.0, why="sold_unseen", figures={}, stop_held=False, exiting_ns=0, exit_told=False)
    return moved(r, Event.SOLD_OTHERWISE)
