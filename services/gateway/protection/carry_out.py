"""Carries out what `plan.py` plans, and only when that is safe. Pure.

It acts if the session is open, all links have been up for 10 s, the book is reconciled, the entry has ended and the
symbol is not halted. If shares stay unprotected for 5 s under these conditions, the operator is alerted. While the
account has fewer shares than the executions say, a stop is added only for shares that answers prove to be there; after
5 s a stop for too many shares is shrunk.

Before a stop is changed, the broker is asked for it: its level may have risen without a report, and a change with the
old level would lower it. A refused change is not repeated: the stop is cancelled, and replaced once that is confirmed.

What takes protection away needs the permission of `permission.py`. If that waits for answers of the broker, they are
asked for; if it is refused, entries of the symbol are blocked and the operator is alerted.
"""

from __future__ import annotations

import math

import msgspec

from messages.orders import OrderRecord
from services.configuration.settings import Settings
from services.gateway.book.blocks import block, unblock
from services.gateway.book.evidence import MIN_LINK_AGE_NS, confirmed_position
from services.gateway.book.identity import DOUBLE, is_double, named_by_id
from services.gateway.book.queries import stops_of
from services.gateway.book.records import (
    AccountPosition,
    Change,
    Disputed,
    Doubt,
    FlattenRecord,
    Fraction,
    Links,
    Own,
    Paced,
    QuoteRecord,
    Refusals,
    SessionRecord,
    Unprotected,
)
from services.gateway.book.waiting import never_sells, waits
from services.gateway.operator.manual_sale import request_check
from services.gateway.orders.cancels import Release
from services.gateway.orders.questions import FAILURES, ask_for_evidence, ask_to_confirm
from services.gateway.protection.permission import EXCHANGES, NoRelease, permit
from services.gateway.protection.plan import (
    Action,
    CancelStop,
    PlaceStop,
    ResizeStop,
    covered,
    due_for_renewal,
    may_become_trailing,
    plan,
    protects,
    refused_in_a_row,
)
from services.gateway.protection.stops import cancel_stop, change_stop, place_stop
from services.gateway.protection.unstopped import cancel_unstopped
from services.runtime.core import Draft, State
from services.trading.ids import entry_of_stop, stop_reference

__all__ = ["protect", "protection_deadline", "replace_fixed_stop"]

SECOND = 1_000_000_000
ALERT_NS = 5 * SECOND
RECHECK_NS = SECOND
PATIENCE_NS = 30 * SECOND
"""How long an entry that filled in part may stay live before its shares get a stop of their own, and how long answers
that agree may take before the operator is alerted."""
REFUSED = "protection_refused"
"""The reason that blocks the entries of a symbol whose stop may not be taken away."""
MAX_REFUSALS = 2
"""After so many definite refusals of a stop in a row its shares count as unprotectable."""
PACE_NS, PACE_MAX_NS = 2 * SECOND, 60 * SECOND
"""Wait between two new stops for one symbol, doubled each time: a broker that refuses does not get a hundred orders."""


def protection_deadline(state: State) -> int | None:
    """When to check unprotected shares again (machine time); None if there are none."""
    last_checks = [u.looked_ns for u in state.table(Unprotected).values()]
    return min(last_checks) + RECHECK_NS if last_checks else None


def protect(d: Draft, symbol: str, links: Links, settings: Settings, *, lockstep: bool = False) -> bool:
    """Check one symbol, and act if its stops sell too few or too many shares and it is safe to act.

    True if the broker must be asked first.
    """
    own = d.get(Own, symbol) or Own(symbol)
    if settings.observe:
        return False  # the fleet sends nothing; the stops at the broker stay
    cancel_unstopped(d, symbol)
    live = [o for o in d.table(OrderRecord).values() if o.symbol == symbol and o.live]
    stops = [o for o in live if o.role in ("stop", "flatten")]
    # (Filled is filled: the last status of an entry that executions fill whole may never come.)
    entry_live = any(o.role == "entry" and o.remaining > 0 for o in live)
    if own.quantity == 0 and not stops:
        return _end_alert(d, symbol)
    # Real world: the cancel of an entry that filled in part is never confirmed, and its stop is dead.
    keys = {o.key for o in stops}
    childless = all(stop_reference(o.key, 1) not in keys for o in live if o.role == "entry")
    bare_entry = entry_live and childless and own.quantity >= 1
    _report_fraction(d, own)
    sells = [_as_confirmed(d, o) for o in stops]
    position = d.get(AccountPosition, symbol)
    held = position.quantity if position is not None else None
    proved = held is not None and confirmed_position(d, symbol) == held
    buying = entry_live and not bare_entry
    actions = [] if _change_in_flight(d, stops) else plan(own.quantity, held, sells, buying, proved=proved)
    actions = _adjust(d, stops, actions)
    stuck = _stuck_children(d, stops)
    if stuck and not entry_live:
        actions = [CancelStop(o, "stuck_child" if own.quantity >= 1 else "orphan_stop") for o in stuck]
    # (Less than one share less than own is a fraction that is gone, no dispute.)
    to_protect = own.quantity if held is None or own.quantity - held >= 1 else min(own.quantity, held)
    short = covered(sells) < math.floor(to_protect) and (bare_entry or not entry_live)
    oversold = own.quantity < 0
    if not short and not actions and not oversold:
        return _end_alert(d, symbol)
    since_ns = _uncovered_since(d, symbol, links)
    if since_ns is None:
        return False
    overdue, missing = d.now.machine_ns - since_ns >= ALERT_NS, False
    if oversold or held is None or own.quantity - held >= 1:
        # Late executions look like this, and so does a manual sale. If it lasts, it is a manual sale, and the stop must
        # not sell shares that are gone.
        if overdue or d.get(Disputed, symbol) == Disputed(symbol, own.quantity, held):
            _report_dispute(d, own, held)
            # (A stop that would sell too many shares is shrunk first. The next question waits: an answer that is not
            # certain enough to book a sale must not bring it at once.)
            missing = overdue and not oversold and held is not None and not actions and request_check(d, symbol)
        elif not any(isinstance(a, ResizeStop) and d.get(Change, a.order.client_order_id) for a in actions):
            return False  # (a stop that was just read for its change is changed at once)
    else:
        _end_dispute(d, symbol)
        if short and overdue:
            d.note("position_unprotected", symbol, "ERROR", own=own.quantity, covered=covered(sells))
            actions = actions or _cancels_of_held_children(stops)
    if bare_entry:  # (only stops that sell more: the entry can still buy)
        patient = d.now.machine_ns - (d.get(Unprotected, symbol) or Unprotected(symbol, 0, 0)).first_ns >= PATIENCE_NS
        actions = [a for a in actions if patient and _adds_protection(a)]
    if stuck and not overdue and not all(never_sells(d, o) for o in stuck):
        ask_to_confirm(d, first=False, lockstep=lockstep)
        return missing  # (the broker may be about to let the stop work)
    questions = [_carry_out(d, symbol, action, settings, lockstep=lockstep) for action in actions]
    return missing or any(questions)


def _end_alert(d: Draft, symbol: str) -> bool:
    d.drop(Unprotected, symbol)
    _end_refusal(d, symbol)
    _end_dispute(d, symbol)
    return False


def _end_dispute(d: Draft, symbol: str) -> None:
    """Own shares and the account's agree. If they differ again, that is reported again."""
    if d.get(Disputed, symbol) is not None:
        d.drop(Disputed, symbol)


def _report_dispute(d: Draft, own: Own, held: float | None) -> None:
    """Report own shares that can't be right, once for each pair of figures.

    Negative shares: more was sold under our references than bought, for example if two orders fill instead of one. Only
    a person can buy them back (and `crazy adopt` them).
    """
    found = Disputed(own.symbol, own.quantity, held)
    if d.get(Disputed, own.symbol) != found:
        d.put(found)
        event = "position_oversold" if own.quantity < 0 else "position_disputed"
        d.note(event, own.symbol, "ERROR", own=own.quantity, account=held)


def _uncovered_since(d: Draft, symbol: str, links: Links) -> int | None:
    """Since when shares are unprotected although it is safe to act (machine time); None while it is not safe."""
    before, now_ns = d.get(Unprotected, symbol), d.now.machine_ns
    if not _is_safe(d, symbol, links):
        d.put(Unprotected(symbol, now_ns, now_ns, now_ns))
        return None
    since_ns, first_ns = (before.since_ns, before.first_ns) if before is not None else (now_ns, now_ns)
    # After each alert the time starts again, so the alert is repeated while it lasts.
    d.put(Unprotected(symbol, now_ns if now_ns - since_ns >= ALERT_NS else since_ns, now_ns, first_ns))
    return since_ns


def _change_in_flight(d: Draft, stops: list[OrderRecord]) -> bool:
    """Whether a change of one of them is sent and not confirmed: it reserves the larger of both quantities."""
    found = [d.get(Change, o.client_order_id) for o in stops]
    return any(change is not None and change.stage == "sent" for change in found)


def _adjust(d: Draft, stops: list[OrderRecord], actions: list[Action]) -> list[Action]:
    """Replace refused changes by cancels, renew old stops, and drop changes that are no longer wanted."""
    if not actions and len(stops) == 1 and protects(stops[0]) and due_for_renewal(stops[0], d.now.market_ns):
        actions = [ResizeStop(stops[0], stops[0].quantity)] if not _change_in_flight(d, stops) else []
    wanted = {a.order.client_order_id for a in actions if isinstance(a, ResizeStop)}
    for stop in stops:
        change = d.get(Change, stop.client_order_id)
        if change is None or d.get(Doubt, stop.client_order_id) is not None:
            continue
        if change.stage == "refused" and protects(stop):
            others = covered([_as_confirmed(d, o) for o in stops if o.key != stop.key])
            if others < change.quantity - stop.filled:
                return [CancelStop(stop, "modify_refused")]
            # The change made a second order for the same shares: none is left bare, so that is no exchange. If both
            # have one order id, the plan knows what to do with it.
            if len(named_by_id(stop, stops)) == 1:
                return [CancelStop(stop, "duplicate_stop")]
            d.drop(Change, stop.client_order_id)
            continue
        if change.stage == "reading" and stop.client_order_id not in wanted:
            d.drop(Change, stop.client_order_id)
    return actions


def _stuck_children(d: Draft, stops: list[OrderRecord]) -> list[OrderRecord]:
    """Stops that wait for an entry that is over."""
    found = []
    for stop in stops:
        entry = d.get(OrderRecord, stop.parent_client_order_id or entry_of_stop(stop.client_order_id))
        # (An entry that nobody knows is not at the broker: a complete answer lists all that are open.)
        ended = entry is None or (not entry.live and d.get(Doubt, entry.key) is None)
        if ended and waits(stop) and not stop.cancel_reason and d.get(Doubt, stop.key) is None:
            found.append(stop)
    return found


def _cancels_of_held_children(stops: list[OrderRecord]) -> list[Action]:
    """Cancels of stops that wait for an entry of which nothing is known, although shares need them."""
    return [CancelStop(o, "stuck_child") for o in stops if waits(o) and not o.cancel_reason]


def _adds_protection(action: Action) -> bool:
    return isinstance(action, PlaceStop) or (isinstance(action, ResizeStop) and action.quantity > action.order.quantity)


def _carry_out(d: Draft, symbol: str, action: Action, settings: Settings, *, lockstep: bool) -> bool:
    """True if the broker must be asked first."""
    match action:
        case PlaceStop(quantity):
            if not _may_place_now(d, symbol):
                pass  # (a broker that refuses stops and sales does not get a hundred of them)
            elif settings.risk.flatten_if_unprotectable and _is_unprotectable(d, symbol):
                d.put(FlattenRecord(symbol=symbol))
            else:
                place_stop(d, symbol, quantity, settings)
        case ResizeStop(order) | CancelStop(order) if order.order_id <= 0:
            _refuse(d, order, NoRelease("another_client"), lockstep=lockstep)  # its id means another order of ours
        case ResizeStop(order, quantity):
            release = None
            if any(quantity < o.quantity for o in named_by_id(order, d.table(OrderRecord).values())):
                found = permit(d, order, "too_large", quantity - order.filled)
                if isinstance(found, NoRelease):
                    return _refuse(d, order, found, lockstep=lockstep)
                release = found
            if d.get(Change, order.client_order_id) is None:
                d.put(Change(order.client_order_id, symbol, quantity, "reading"))
                d.put(Doubt(order.client_order_id))
                return True
            change_stop(d, order, quantity, release=release)
        case CancelStop(order, reason):
            reason = DOUBLE if is_double(order) and reason not in EXCHANGES else reason
            found = permit(d, order, reason)
            if isinstance(found, NoRelease):
                return _refuse(d, order, found, lockstep=lockstep)
            cancel_stop(d, order, reason, found)
    return False


def _refuse(d: Draft, stop: OrderRecord, refusal: NoRelease, *, lockstep: bool) -> bool:
    """Leave the stop as it is. Ask for the answers that are missing, and report what can't be decided. Always False."""
    symbol, session = stop.symbol, d.get(SessionRecord, "session") or SessionRecord()
    before = d.get(Refusals, symbol) or Refusals(symbol, d.now.machine_ns)
    reported = before.reported if before.date == session.date else ()
    d.put(Refusals(symbol, before.since_ns, session.date, reported))
    if refusal.reason in ("unconfirmed", "not_now"):
        ask_for_evidence(d, symbol, lockstep=lockstep)  # (the present answer may be stale, and lack the shares)
    if refusal.reason == "unconfirmed" and d.now.machine_ns - before.since_ns < PATIENCE_NS:
        return False
    if refusal.reason == "not_now" and waits(stop):
        ask_to_confirm(d, first=False, lockstep=lockstep)
    if refusal.reason in reported:
        return False
    d.put(Refusals(symbol, before.since_ns, session.date, (*reported, refusal.reason)))
    fields: dict[str, str | float | None] = {"client_order_id": stop.key, "why": refusal.reason, "qty": stop.remaining}
    if refusal.reason == "not_now":
        d.note("stop_exchange_waits", symbol, "WARNING", **fields)
        return False
    d.note("protection_cancel_refused", symbol, "ERROR", **fields, account=refusal.account, claim=refusal.claim)
    block(d, REFUSED, f"{symbol}: {TEXTS[refusal.reason]}", symbol)
    return False


TEXTS = {
    "unconfirmed": "its stop stays as it is, because no two answers of the broker agree on the position; look in TWS",
    "shares_held": "its stop stays as it is, because the account holds shares that may be the bot's; compare the "
    "position in TWS with `crazy status`, then `crazy adopt` them or cancel the stop in TWS",
    "another_client": "a stop of the bot belongs to another API client and can't be changed; cancel it in TWS",
}
"""What a person should know, by the reason of a refusal."""


def _end_refusal(d: Draft, symbol: str) -> None:
    """Nothing is refused any more."""
    if d.get(Refusals, symbol) is not None:
        d.drop(Refusals, symbol)
    unblock(d, REFUSED, symbol)


def _is_unprotectable(d: Draft, symbol: str) -> bool:
    """Whether the broker has definitely refused too many stops in a row. Then the shares are sold, as by a flatten."""
    _, own_stops = stops_of(d, symbol)
    if refused_in_a_row(own_stops) < MAX_REFUSALS:
        return False
    d.note("position_unprotectable", symbol, "ERROR", refusals=refused_in_a_row(own_stops))
    return True


def _may_place_now(d: Draft, symbol: str) -> bool:
    """Whether enough time has passed since the last new stop. If so, the next wait starts."""
    pace, now_ns = d.get(Paced, symbol), d.now.machine_ns
    if pace is not None and now_ns < pace.until_ns:
        return False
    count = pace.count + 1 if pace is not None and now_ns < pace.until_ns + PACE_MAX_NS else 0
    d.put(Paced(symbol, count, now_ns + min(PACE_MAX_NS, PACE_NS << count)))
    return True


def replace_fixed_stop(d: Draft, symbol: str, links: Links, settings: Settings) -> None:
    """Cancel the fixed stop of a native STP entry, so that a trailing stop replaces it.

    Once the broker has confirmed its end, the shares have no stop and get a trailing one at the level that was reached.
    The two never overlap.
    """
    quote, own = d.get(QuoteRecord, symbol), d.get(Own, symbol)
    if settings.observe or quote is None or own is None or own.quantity < 1 or not _is_safe(d, symbol, links):
        return
    live = [o for o in d.table(OrderRecord).values() if o.symbol == symbol and o.live]
    position = d.get(AccountPosition, symbol)
    if any(o.role == "entry" for o in live) or position is None or position.quantity < own.quantity:
        return
    sells = [_as_confirmed(d, o) for o in live if o.role == "stop"]
    if len(sells) != 1 or _change_in_flight(d, sells):
        return
    _, own_stops = stops_of(d, symbol)
    if may_become_trailing(sells[0], own_stops, quote.quote.last):
        found = permit(d, sells[0], "exchanged")
        if isinstance(found, Release):
            cancel_stop(d, sells[0], "exchanged", found)


def _report_fraction(d: Draft, own: Own) -> None:
    """Report a fraction of a share once: no stop can protect it."""
    fraction = round(own.quantity - math.floor(own.quantity), 6) if own.quantity > 0 else 0.0
    before = d.get(Fraction, own.symbol)
    if fraction and (before is None or before.quantity != fraction):
        d.put(Fraction(own.symbol, fraction))
        d.note("fraction_unprotected", own.symbol, "WARNING", qty=fraction)
    elif not fraction and before is not None:
        d.drop(Fraction, own.symbol)


def _as_confirmed(d: Draft, stop: OrderRecord) -> OrderRecord:
    """A stop in doubt counts as unconfirmed: it reserves its shares, but does not protect them."""
    return stop if d.get(Doubt, stop.key) is None else msgspec.structs.replace(stop, status="InFlight")


def _is_safe(d: Draft, symbol: str, links: Links) -> bool:
    """Whether it is safe to act on the symbol's stops now.

    The age of the links is measured by both clocks, and the longer one counts: protection must not depend on market
    time, and in lock-step machine time means nothing. In real time both are equal.
    """
    session = d.get(SessionRecord, "session") or SessionRecord()
    quote = d.get(QuoteRecord, symbol)
    link_age_ns = max(d.now.machine_ns - links.up_since_ns, d.now.market_ns - links.up_since_market_ns)
    failing = links.phase == "reconciling" and links.failures >= FAILURES  # protect on what is known
    return (
        session.phase != "closed"
        and (links.phase == "ready" or failing)
        and links.broker_up
        and link_age_ns >= MIN_LINK_AGE_NS
        and not (quote is not None and quote.quote.halted)
    )
