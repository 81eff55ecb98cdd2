"""Carries out what `protection.py` plans, and only when that is safe.

It acts with the session open, all links up for 10 s, the book reconciled, the entry over and no halt. Shares that stay
uncovered for 5 s under these conditions are alerted. While the account has fewer shares than the executions say,
nothing is added; a stop for more than it has is shrunk once that has lasted 5 s.

A stop is read anew before it is changed: the broker's level may have risen unheard, and a change that names an old one
would lower it. A change that is refused is never repeated: cancel, confirm, replace.
"""

from __future__ import annotations

import math

import msgspec

from messages.orders import OrderRecord
from services.configuration.settings import Settings
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
    SessionRecord,
    Unprotected,
)
from services.gateway.operator.manual_sale import request_check
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
from services.runtime.core import Draft, State

__all__ = ["protect", "protection_deadline", "replace_fixed_stop"]

SECOND = 1_000_000_000
MIN_LINK_AGE_NS = 10 * SECOND
"""How long all links must have stood before the guard acts."""
ALERT_NS = 5 * SECOND
RECHECK_NS = SECOND
MAX_REFUSALS = 2
"""Definite refusals of a stop after which its shares count as unprotectable."""
PACE_NS, PACE_MAX_NS = 2 * SECOND, 60 * SECOND
"""Between two new stops for one symbol, doubled each time: a broker that refuses is not asked a hundred times."""


def protection_deadline(state: State) -> int | None:
    """When to look at unprotected shares again."""
    last_checks = [u.looked_ns for u in state.table(Unprotected).values()]
    return min(last_checks) + RECHECK_NS if last_checks else None


def protect(d: Draft, symbol: str, links: Links, settings: Settings) -> bool:
    """Look at one symbol; act if something is missing or too much, and it is safe to act.

    True if the broker must be asked first.
    """
    own = d.get(Own, symbol) or Own(symbol)
    if settings.observe:
        return False  # it sends nothing; what rests at the broker stays
    live = [o for o in d.table(OrderRecord).values() if o.symbol == symbol and o.live]
    stops = [o for o in live if o.role in ("stop", "flatten")]
    entry_live = any(o.role == "entry" for o in live)
    if own.quantity == 0 and not stops:
        return _end_alert(d, symbol)
    _report_fraction(d, own)
    sells = [_as_confirmed(d, o) for o in stops]
    position = d.get(AccountPosition, symbol)
    held = position.quantity if position is not None else None
    actions = [] if _change_in_flight(d, stops) else plan(own.quantity, held, sells, entry_live)
    actions = _adjust(d, stops, actions)
    short, oversold = covered(sells) < math.floor(own.quantity) and not entry_live, own.quantity < 0
    if not short and not actions and not oversold:
        return _end_alert(d, symbol)
    since_ns = _uncovered_since(d, symbol, links)
    if since_ns is None:
        return False
    overdue, missing = d.now.machine_ns - since_ns >= ALERT_NS, False
    if oversold or held is None or held < own.quantity:
        # Late executions look like this, and so does a sale by hand; if it lasts it is that, and the stop must not sell
        # what is gone.
        if overdue:
            _report_dispute(d, own, held)
            # (What would sell too much is shrunk first.)
            missing = not oversold and held is not None and not actions and request_check(d, symbol)
        elif not any(isinstance(a, ResizeStop) and d.get(Change, a.order.client_order_id) for a in actions):
            return False  # (a stop that was just read anew for this is changed at once)
    else:
        _end_dispute(d, symbol)
        if short and overdue:
            d.note("position_unprotected", symbol, "ERROR", own=own.quantity, covered=covered(sells))
            actions = actions or _cancels_of_stuck_children(stops)
    questions = [_carry_out(d, symbol, action, settings) for action in actions]
    return missing or any(questions)


def _end_alert(d: Draft, symbol: str) -> bool:
    d.drop(Unprotected, symbol)
    _end_dispute(d, symbol)
    return False


def _end_dispute(d: Draft, symbol: str) -> None:
    """Own shares and the account's agree: should they differ again, that is something new."""
    if d.get(Disputed, symbol) is not None:
        d.drop(Disputed, symbol)


def _report_dispute(d: Draft, own: Own, held: float | None) -> None:
    """Own shares that can't be right, said once for each pair of figures.

    Less than none: more was sold under our references than bought, as when two orders fill where one was meant. Only a
    person can buy that back (and `crazy adopt` it).
    """
    found = Disputed(own.symbol, own.quantity, held)
    if d.get(Disputed, own.symbol) != found:
        d.put(found)
        event = "position_oversold" if own.quantity < 0 else "position_disputed"
        d.note(event, own.symbol, "ERROR", own=own.quantity, account=held)


def _uncovered_since(d: Draft, symbol: str, links: Links) -> int | None:
    """Since when something is amiss that could be mended (machine time); None while it is not safe to act."""
    before, now_ns = d.get(Unprotected, symbol), d.now.machine_ns
    if not _is_safe(d, symbol, links):
        d.put(Unprotected(symbol, now_ns, now_ns))
        return None
    since_ns = before.since_ns if before is not None else now_ns
    # Said again as long as it lasts.
    d.put(Unprotected(symbol, now_ns if now_ns - since_ns >= ALERT_NS else since_ns, now_ns))
    return since_ns


def _change_in_flight(d: Draft, stops: list[OrderRecord]) -> bool:
    """Whether a change of one of them is on its way: it reserves the larger of both quantities."""
    found = [d.get(Change, o.client_order_id) for o in stops]
    return any(change is not None and change.stage == "sent" for change in found)


def _adjust(d: Draft, stops: list[OrderRecord], actions: list[Action]) -> list[Action]:
    """Refused changes become cancels, stops that grow old are renewed, and what is no longer wanted is forgotten."""
    if not actions and len(stops) == 1 and protects(stops[0]) and due_for_renewal(stops[0], d.now.market_ns):
        actions = [ResizeStop(stops[0], stops[0].quantity)] if not _change_in_flight(d, stops) else []
    wanted = {a.order.client_order_id for a in actions if isinstance(a, ResizeStop)}
    for stop in stops:
        change = d.get(Change, stop.client_order_id)
        if change is None or d.get(Doubt, stop.client_order_id) is not None:
            continue
        if change.stage == "refused" and protects(stop):
            return [CancelStop(stop, "modify_refused")]
        if change.stage == "reading" and stop.client_order_id not in wanted:
            d.drop(Change, stop.client_order_id)
    return actions


def _cancels_of_stuck_children(stops: list[OrderRecord]) -> list[Action]:
    """A child that waits for an entry, though that is over, will never sell."""
    return [CancelStop(o, "stuck_child") for o in stops if "child" in o.why_held and not o.cancel_reason]


def _carry_out(d: Draft, symbol: str, action: Action, settings: Settings) -> bool:
    """True if the broker must be asked first."""
    match action:
        case PlaceStop() if settings.risk.flatten_if_unprotectable and _is_unprotectable(d, symbol):
            d.put(FlattenRecord(symbol=symbol))
        case PlaceStop(quantity):
            if _may_place_now(d, symbol):
                place_stop(d, symbol, quantity, settings)
        case ResizeStop(order, quantity):
            if d.get(Change, order.client_order_id) is None:
                d.put(Change(order.client_order_id, symbol, quantity, "reading"))
                d.put(Doubt(order.client_order_id))
                return True
            change_stop(d, order, quantity)
        case CancelStop(order, reason):
            cancel_stop(d, order, reason)
    return False


def _is_unprotectable(d: Draft, symbol: str) -> bool:
    """The broker has definitely refused two stops in a row: the shares are sold, as a flatten would sell them."""
    _, own_stops = stops_of(d, symbol)
    if refused_in_a_row(own_stops) < MAX_REFUSALS:
        return False
    d.note("position_unprotectable", symbol, "ERROR", refusals=refused_in_a_row(own_stops))
    return True


def _may_place_now(d: Draft, symbol: str) -> bool:
    """Whether enough time has passed since the last new stop."""
    pace, now_ns = d.get(Paced, symbol), d.now.machine_ns
    if pace is not None and now_ns < pace.until_ns:
        return False
    count = pace.count + 1 if pace is not None and now_ns < pace.until_ns + PACE_MAX_NS else 0
    d.put(Paced(symbol, count, now_ns + min(PACE_MAX_NS, PACE_NS << count)))
    return True


def replace_fixed_stop(d: Draft, symbol: str, links: Links, settings: Settings) -> None:
    """A bare STP's fixed stop gives way to a trailing one: the intent is committed and the stop cancelled.

    Once its end is confirmed the shares have no stop, and get a trailing one at the level that was reached. The two
    never overlap.
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
        cancel_stop(d, sells[0], "exchanged")


def _report_fraction(d: Draft, own: Own) -> None:
    """Under one share no stop is possible: said once."""
    fraction = round(own.quantity - math.floor(own.quantity), 6) if own.quantity > 0 else 0.0
    before = d.get(Fraction, own.symbol)
    if fraction and (before is None or before.quantity != fraction):
        d.put(Fraction(own.symbol, fraction))
        d.note("fraction_unprotected", own.symbol, "WARNING", qty=fraction)
    elif not fraction and before is not None:
        d.drop(Fraction, own.symbol)


def _as_confirmed(d: Draft, stop: OrderRecord) -> OrderRecord:
    """A stop in doubt may sell and may not protect."""
    return stop if d.get(Doubt, stop.key) is None else msgspec.structs.replace(stop, status="InFlight")


def _is_safe(d: Draft, symbol: str, links: Links) -> bool:
    """Steady by either clock: the market's must not be needed to protect, and in lock-step the machine's says nothing.

    In real time both pass alike.
    """
    session = d.get(SessionRecord, "session") or SessionRecord()
    quote = d.get(QuoteRecord, symbol)
    link_age_ns = max(d.now.machine_ns - links.up_since_ns, d.now.market_ns - links.up_since_market_ns)
    return (
        session.phase != "closed"
        and links.phase == "ready"
        and links.broker_up
        and link_age_ns >= MIN_LINK_AGE_NS
        and not (quote is not None and quote.quote.halted)
    )
