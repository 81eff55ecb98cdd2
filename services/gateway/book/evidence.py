"""What complete answers of the broker prove about the account's positions. Pure.

One answer proves little: it can be stale, above all after a reconnect. So a position counts as proved when two answers
agree, asked for at least 2 s apart, and both after the last change of any link and after the last event that could
change the position: an execution, an entry or a sale that was sent, a live report of another position. An answer that
lacks shares of ours is such an event itself: two more must agree with it.
"""

from __future__ import annotations

import msgspec

from messages.broker import BrokerSnapshot
from services.gateway.book.queries import links_of
from services.gateway.book.records import AccountPosition, Evidence, Links, OrderRecord, Own
from services.runtime.core import Draft
from services.trading.shares import exact

__all__ = [
    "APART_NS",
    "MIN_LINK_AGE_NS",
    "confirmed_position",
    "disturb",
    "is_overtaken",
    "link_changed",
    "span_ns",
    "take_evidence",
]

SECOND = 1_000_000_000
APART_NS = 2 * SECOND
"""How long after the first answer was asked for the second one must be asked for."""
MIN_LINK_AGE_NS = 10 * SECOND
"""How long all links must have been up before a stop is touched, and before the second answer is asked for."""


def span_ns(from_ns: int, from_market_ns: int, to_ns: int, to_market_ns: int, *, lockstep: bool) -> int:
    """The time between two moments. In lock-step machine time means nothing, else market time may stand still."""
    return to_market_ns - from_market_ns if lockstep else to_ns - from_ns


def disturb(d: Draft, symbol: str) -> None:
    """The position may have changed: only answers to later questions count."""
    d.put(Evidence(symbol=symbol, after=links_of(d).question))


def is_overtaken(d: Draft, symbol: str) -> bool:
    """Whether the position may have changed since the question was asked that is under way: its answer can be older."""
    found, links = d.get(Evidence, symbol), links_of(d)
    return links.asking and found is not None and links.question <= found.after


def link_changed(d: Draft, links: Links) -> Links:
    """A link went down or came up: what was asked for before proves nothing. Returns the links."""
    for symbol in d.table(Evidence):
        d.drop(Evidence, symbol)
    return msgspec.structs.replace(links, stale_question=links.question)


def take_evidence(d: Draft, snapshot: BrokerSnapshot, *, lockstep: bool) -> None:
    """Compare the positions of a complete answer with those of the answers before it."""
    links = links_of(d)
    if links.question <= links.stale_question:
        return
    listed = {p.symbol: exact(p.quantity) for p in snapshot.positions}
    stops = (o.symbol for o in d.table(OrderRecord).values() if o.live and o.role == "stop")
    for symbol in dict.fromkeys((*d.table(Own), *d.table(AccountPosition), *listed, *stops)):
        quantity, before = listed.get(symbol, 0.0), d.get(Evidence, symbol) or Evidence(symbol=symbol)
        if links.question <= before.after:
            continue
        asked = {"asked_ns": links.asked_ns, "asked_market_ns": links.asked_market_ns}
        if before.quantity != quantity:
            own = d.get(Own, symbol)
            lacking = own is not None and own.quantity - max(0.0, quantity) >= 1
            d.put(Evidence(symbol=symbol, after=before.after, quantity=quantity, answers=0 if lacking else 1, **asked))
        elif not before.confirmed and _is_another(links, before, lockstep=lockstep):
            d.put(msgspec.structs.replace(before, answers=before.answers + 1, **asked))


def _is_another(links: Links, last: Evidence, *, lockstep: bool) -> bool:
    """Whether the answer that came now was asked for long enough after the last one, and after the links came up."""
    asked = (links.asked_ns, links.asked_market_ns)
    apart_ns = span_ns(last.asked_ns, last.asked_market_ns, *asked, lockstep=lockstep)
    link_age_ns = max(asked[0] - links.up_since_ns, asked[1] - links.up_since_market_ns)
    return apart_ns >= APART_NS and link_age_ns >= MIN_LINK_AGE_NS


def confirmed_position(d: Draft, symbol: str) -> float | None:
    """The account's position, if two answers agree on it; None otherwise."""
    found = d.get(Evidence, symbol)
    return found.quantity if found is not None and found.confirmed else None
