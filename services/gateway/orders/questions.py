"""Questions to the broker: one at a time, each with a number. Pure.

An answer settles only what was in doubt when its question was sent, and it counts only if no link has changed since
then. A question without an answer is asked again after a while, whatever became of it. While all is quiet the broker is
asked now and then: what a person does by hand is not always reported.
"""

from __future__ import annotations

import msgspec

from messages.broker import RequestSnapshot
from messages.orders import OrderRecord
from services.gateway.book.evidence import APART_NS, MIN_LINK_AGE_NS, span_ns
from services.gateway.book.queries import links_of
from services.gateway.book.records import Change, Doubt, Evidence, Links, Missing
from services.runtime.core import Draft

__all__ = [
    "FAILURES",
    "ask",
    "ask_for_evidence",
    "ask_later",
    "ask_soon",
    "ask_to_confirm",
    "doubt_unacknowledged",
    "is_filled_live",
    "is_overdue",
    "is_unacknowledged",
    "mark_asked",
    "question_deadline",
    "watch_acks",
]

SECOND = 1_000_000_000
ASK_AGAIN_NS = 2 * SECOND
"""Machine time between two questions about an order in doubt, and after a failed snapshot."""
ACK_NS = 10 * SECOND
"""Machine time in which the broker should acknowledge an order."""
GIVE_UP_NS = 180 * SECOND
"""Machine time after which a question without any answer is asked again. The edge reports a failure long before."""
FAILURES = 3
"""After so many questions in a row without a complete answer an ERROR is reported, and bare shares are protected on
what is known."""


def ask(d: Draft) -> None:
    """Ask now. The question covers every order that is in doubt and all shares that are missing at this moment."""
    for doubt in d.table(Doubt).values():
        d.put(msgspec.structs.replace(doubt, asked=True))
    mark_asked(d)
    links = links_of(d)
    d.put(
        msgspec.structs.replace(
            links,
            asking=True,
            ask_at_ns=0,
            confirm_at_ns=0,
            question=links.question + 1,
            asked_ns=d.now.machine_ns,
            asked_market_ns=d.now.market_ns,
        )
    )
    d.send("broker", RequestSnapshot(links.question + 1))


def ask_soon(d: Draft) -> None:
    """Ask now, or after the answer that is awaited: that one may not cover what is asked."""
    if links_of(d).asking:
        ask_later(d, asking=True)
    else:
        ask(d)


def ask_later(d: Draft, *, asking: bool) -> None:
    """Ask after `ASK_AGAIN_NS`. `asking`: an answer is still awaited."""
    at = d.now.machine_ns + ASK_AGAIN_NS
    d.put(msgspec.structs.replace(links_of(d), ask_at_ns=at, asking=asking))


def ask_to_confirm(d: Draft, *, first: bool, lockstep: bool) -> None:
    """Ask so that two answers can confirm a position: at once if there is none yet (`first`), else `APART_NS` later."""
    links = links_of(d)
    if links.asking or links.failures:
        return  # its answer comes first, and may be all that is needed; after a failure the broker is asked anyway
    if first:
        ask(d)
        return
    link_age_ns = max(d.now.machine_ns - links.up_since_ns, d.now.market_ns - links.up_since_market_ns)
    now_ns, asked_ns = (d.now.market_ns, links.asked_market_ns) if lockstep else (d.now.machine_ns, links.asked_ns)
    at_ns = max(asked_ns + APART_NS, now_ns + MIN_LINK_AGE_NS - link_age_ns)
    if at_ns <= now_ns:
        ask(d)
    elif not links.confirm_at_ns or at_ns < links.confirm_at_ns:
        d.put(msgspec.structs.replace(links, confirm_at_ns=at_ns))


def ask_for_evidence(d: Draft, symbol: str, *, lockstep: bool) -> None:
    """Ask for the answers that prove the account's position in a symbol, unless it is proved."""
    found = d.get(Evidence, symbol)
    if found is None or not found.confirmed:
        ask_to_confirm(d, first=found is None or found.quantity is None, lockstep=lockstep)


def question_deadline(links: Links, quiet_ns: int, *, lockstep: bool) -> tuple[int | None, int | None]:
    """When to ask the broker next: (in market time, in machine time); None: never."""
    if links.asking:
        return None, links.asked_ns + GIVE_UP_NS
    at_ns = [links.ask_at_ns] if links.ask_at_ns else []
    if links.confirm_at_ns and not lockstep:
        at_ns.append(links.confirm_at_ns)
    if links.phase == "ready" and links.broker_up and quiet_ns:
        at_ns.append(links.asked_ns + quiet_ns)
    return links.confirm_at_ns if lockstep and links.confirm_at_ns else None, min(at_ns, default=None)


def is_overdue(links: Links, market_ns: int, machine_ns: int, quiet_ns: int, *, lockstep: bool) -> bool:
    """Whether a question is to be asked now, apart from orders in doubt: see `question_deadline`."""
    if links.asking:
        return machine_ns >= links.asked_ns + GIVE_UP_NS
    if links.confirm_at_ns and links.confirm_at_ns <= (market_ns if lockstep else machine_ns):
        return True
    return links.phase == "ready" and links.broker_up and quiet_ns > 0 and machine_ns >= links.asked_ns + quiet_ns


def watch_acks(d: Draft) -> None:
    """Set a deadline for acknowledgements, after which the broker is asked."""
    links = links_of(d)
    if not links.ask_at_ns:
        d.put(msgspec.structs.replace(links, ask_at_ns=d.now.machine_ns + ACK_NS))


def doubt_unacknowledged(d: Draft) -> None:
    """Put orders and changes that were sent and not acknowledged in doubt, and orders that filled without an end."""
    for order in d.state.table(OrderRecord).values():
        open_question = order.status == "InFlight" or is_filled_live(order) or d.get(Change, order.key) is not None
        if order.live and open_question and d.get(Doubt, order.key) is None:
            d.put(Doubt(order.client_order_id))


def is_filled_live(order: OrderRecord) -> bool:
    """Whether executions fill an order of ours whole, and the broker has not reported its end: it may never do so."""
    return order.live and order.role != "foreign" and order.remaining <= 0


def is_unacknowledged(change: Change, links: Links, *, lockstep: bool) -> bool:
    """Whether a change was sent so long before the newest question that the answer must show it."""
    if change.stage != "sent":
        return False
    asked = (links.asked_ns, links.asked_market_ns)
    return span_ns(change.sent_ns, change.sent_market_ns, *asked, lockstep=lockstep) >= ACK_NS


def mark_asked(d: Draft) -> None:
    """Mark missing shares as covered by the question that goes out now."""
    for missing in d.table(Missing).values():
        d.put(Missing(missing.symbol, True))
