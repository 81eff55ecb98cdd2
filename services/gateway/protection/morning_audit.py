"""The morning audit: compares positions with the last close and finds splits. Pure.

A stop from before a split could trigger at once. A position is split if its quantity changed by a ratio while quantity
times average cost stayed the same within 2 %, and a price confirms it. A reverse split pays fractions of a share in
cash, so that product may shrink more. After a split the audit adjusts the shares, and the levels and quantities of
stops. It reports any other change to the operator: the position no longer matches, which stops the symbol's entries.

The position is compared with the *anchor*: how it was in the last session in which the fleet saw it. Anchors are saved
all through a session, because the machine can be off at the close, and a split can follow. What the fleet's orders
traded since then is no split: before the night it changes the anchor, after it the position. Nothing is adjusted before
two answers of the broker agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from messages.orders import Fill, OrderRecord, PositionUpdated
from services.configuration.settings import Settings
from services.gateway.book.evidence import confirmed_position
from services.gateway.book.fills import restate
from services.gateway.book.own_shares import replay
from services.gateway.book.queries import grid_of
from services.gateway.book.records import (
    COST_TOLERANCE_PCT,
    AccountPosition,
    Anchor,
    Audit,
    FillRecord,
    Own,
    QuoteRecord,
    SessionRecord,
    Settled,
)
from services.gateway.orders.cancels import Release
from services.gateway.protection.permission import NoRelease, permit
from services.gateway.protection.plan import protects
from services.gateway.protection.stops import cancel_stop, change_stop
from services.runtime.core import Draft
from services.trading.prices import round_down
from services.trading.shares import exact

__all__ = [
    "AuditVerdict",
    "audit",
    "cancel_refused_stop",
    "compare_positions",
    "renew_anchors",
    "request_audits",
    "request_missed_audits",
    "save_anchors",
]

SECOND = 1_000_000_000
ANCHOR_AGE_NS = 600 * SECOND
"""How old an anchor may become while the session is open. A new quantity or cost is saved at once."""
LATE_NS = 600 * SECOND
"""A close that is reported so late was not seen: the machine was off."""
EARLY_NS = 2 * 3600 * SECOND
"""An audit in this time before the open counts for the session."""
NIGHT_NS = 12 * 3600 * SECOND
"""So long before the open (and its pre-market) lies the night in which a split happens."""
PRICE_TOLERANCE = 1.25
"""A price confirms a split if it fits the split within this factor, and better than no split."""


class AuditVerdict(msgspec.Struct, frozen=True):
    """`finding`: same, split (by `ratio`: new shares for each old one), unconfirmed (no price yet), strange.

    `paid_out`: the fraction of a share that a reverse split left; brokers pay it in cash.
    """

    finding: str
    ratio: float = 1.0
    paid_out: float = 0.0


def compare_positions(
    before: Anchor, after: AccountPosition, traded: float, hints: Sequence[float] = ()
) -> AuditVerdict:
    """What happened to a position since the anchor was saved.

    `traded`: the price of a trade since then, 0 without one. `hints` (middle of the quote, the broker's close) may be
    from the day before: they can confirm a split, but never disprove one.
    """
    if after.quantity == before.account:
        return AuditVerdict("same")
    if after.quantity <= 0 or before.account <= 0 or before.avg_cost <= 0 or after.avg_cost <= 0:
        return AuditVerdict("strange")
    ratio = _ratio(before, after)
    if ratio is None:
        return AuditVerdict("strange")
    paid_out = max(0.0, round(before.account * ratio - after.quantity, 6))
    if before.price > 0 and any(_fits_split(price / before.price, ratio) for price in (traded, *hints) if price > 0):
        return AuditVerdict("split", ratio, paid_out)
    return AuditVerdict("strange") if traded > 0 else AuditVerdict("unconfirmed", ratio, paid_out)


def _ratio(before: Anchor, after: AccountPosition) -> float | None:
    """New shares for each old one, if the cost fits a split; None if it does not.

    A split does not change quantity times average cost. A reverse split leaves only whole shares and pays out the rest,
    so the product shrinks by up to one share's cost; then the average cost alone gives the ratio. A ratio of one share
    for n is returned exactly, because the levels are adjusted by it.
    """
    by_quantity, by_cost = after.quantity / before.account, before.avg_cost / after.avg_cost
    if abs(by_quantity - 1) <= COST_TOLERANCE_PCT / 100:
        return None  # it could be a small manual trade, which hardly changes the cost
    if abs(by_quantity / by_cost - 1) <= COST_TOLERANCE_PCT / 100:
        ratio = by_quantity
    elif by_cost < 1 and after.quantity == math.floor(before.account * by_cost):
        ratio = by_cost
    else:
        return None
    one_of = round(1 / ratio)
    return 1 / one_of if one_of >= 2 and abs(before.account / one_of - after.quantity) < 1 else ratio


def _fits_split(moved: float, ratio: float) -> bool:
    """Whether a price that moved by this factor fits a split better than no split."""
    as_split, as_none = abs(math.log(moved * ratio)), abs(math.log(moved))
    return as_split <= math.log(PRICE_TOLERANCE) and as_split < as_none


def save_anchors(d: Draft) -> None:
    """At the close: save the positions for the next morning's audit. Not if the fleet did not see the close."""
    if _is_over(d.get(SessionRecord, "session") or SessionRecord(), d.now.market_ns):
        return
    for own in d.table(Own).values():
        d.drop(Audit, own.symbol)
        _save_anchor(d, own)


def renew_anchors(d: Draft) -> None:
    """While the session is open: save positions that changed, and all of them now and then.

    A session can count as open for ever: nobody reports its close to a machine that is off. So its time counts, too.
    """
    session = d.get(SessionRecord, "session") or SessionRecord()
    if session.phase == "closed" or d.now.market_ns < session.open_ns or _is_over(session, d.now.market_ns):
        return
    for own in d.table(Own).values():
        before, position = d.get(Anchor, own.symbol), d.get(AccountPosition, own.symbol)
        if d.get(Audit, own.symbol) is not None or position is None:
            continue
        if own.quantity - position.quantity >= 1:
            continue  # shares are missing: the anchor shows whether they were sold or a reverse split took them
        if own.quantity <= 0:
            if before is not None and before.own != 0:
                d.put(msgspec.structs.replace(before, own=0.0, time_ns=d.now.market_ns))  # no second audit today
            continue
        now = (position.quantity, position.avg_cost, own.quantity)
        same = before is not None and (before.account, before.avg_cost, before.own) == now
        if not same or (before is not None and d.now.market_ns - before.time_ns >= ANCHOR_AGE_NS):
            _save_anchor(d, own)


def _is_over(session: SessionRecord, now_ns: int) -> bool:
    """Whether the session ended so long ago that a split may have followed."""
    end_ns = session.end_ns or session.close_ns
    return bool(end_ns) and now_ns > end_ns + LATE_NS


def _save_anchor(d: Draft, own: Own) -> None:
    position = d.get(AccountPosition, own.symbol)
    if own.quantity <= 0 or position is None:
        d.drop(Anchor, own.symbol)
        return
    before = d.get(Anchor, own.symbol)
    d.put(_anchor(d, own, position, before.price if before is not None else 0.0))


def _anchor(d: Draft, own: Own, position: AccountPosition, older: float) -> Anchor:
    """How the position is now. Soon after a start there is no quote: an `older` price confirms a split as well."""
    quote = d.get(QuoteRecord, own.symbol)
    price = quote.quote.last if quote is not None and quote.quote.last > 0 else older or own.cost_usd / own.quantity
    levels, now_ns = _levels(d, own.symbol), d.now.market_ns
    return Anchor(own.symbol, position.quantity, position.avg_cost, price, now_ns, levels, own=own.quantity)


def _anchor_by_fills(d: Draft) -> None:
    """Where no anchor was saved, because the fleet was away soon after the fill: the fills are the anchor.

    The first answer makes it, before it counts what the account has beyond own shares: after a split that is wrong. A
    stop from before the split may have sold at the open, even all that was known: the anchor is of the shares before.
    """
    for own in d.table(Own).values():
        fills = [r.fill for r in d.table(FillRecord).values() if r.fill.symbol == own.symbol]
        if _traded_today(d, own.symbol):
            today = [record.fill for record in _fills_today(d, own.symbol)]
            fills = [f for f in fills if f not in today]
            own, _ = replay(own.symbol, fills)
        if own.quantity < 1 or not fills or _is_anchored(d, own.symbol):
            continue
        settled, average = d.get(Settled, own.symbol), own.cost_usd / own.quantity
        account = own.quantity + (settled.foreign if settled is not None else 0.0)
        levels, time_ns = _levels(d, own.symbol), max(f.time_ns for f in fills)
        d.put(Anchor(own.symbol, account, average, average, time_ns, levels, own=own.quantity))


def _is_anchored(d: Draft, symbol: str) -> bool:
    """Whether there is an anchor of shares that we held; one of shares that were all sold counts for its session."""
    found, session = d.get(Anchor, symbol), d.get(SessionRecord, "session") or SessionRecord()
    return found is not None and (found.own != 0 or found.time_ns >= session.open_ns - EARLY_NS)


def _levels(d: Draft, symbol: str) -> dict[str, float]:
    """The levels of the live stops of a symbol, by client_order_id."""
    stops = [o for o in d.table(OrderRecord).values() if o.symbol == symbol and o.role == "stop" and o.live]
    return {o.client_order_id: level for o in stops if (level := _level(o)) is not None}


def _level(stop: OrderRecord) -> float | None:
    return stop.trail_stop_price if stop.trail_stop_price is not None else stop.stop_price


def request_audits(d: Draft) -> bool:
    """Shortly before the open: audit every position. True if there is one, so that the broker must be asked."""
    for found in d.table(Anchor).values():
        if found.own != 0:
            d.put(Audit(found.symbol))
    return bool(d.table(Audit))


def request_missed_audits(d: Draft) -> None:
    """In a session: audit every position whose anchor is of an earlier one and was not audited since."""
    _anchor_by_fills(d)
    session = d.get(SessionRecord, "session") or SessionRecord()
    if session.phase == "closed" or not session.open_ns or _is_over(session, d.now.market_ns):
        return
    for found in d.table(Anchor).values():
        seen_ns = max(found.time_ns, found.audited_ns)
        if found.own != 0 and seen_ns < session.open_ns - EARLY_NS and d.get(Audit, found.symbol) is None:
            d.put(Audit(found.symbol))


def audit(d: Draft, symbol: str, settings: Settings) -> None:
    """Audit one position: adjust it for a split, or report what is wrong.

    It stays due until a price confirms the split, and until two answers of the broker agree on the position.
    """
    due, anchor, own = d.get(Audit, symbol), d.get(Anchor, symbol), d.get(Own, symbol)
    if due is None:
        return
    if anchor is None or own is None:
        d.drop(Audit, symbol)
        return
    position, today = d.get(AccountPosition, symbol) or AccountPosition(symbol, 0.0, 0.0), _traded_today(d, symbol)
    before = _at_the_close(d, anchor, own, today)
    after = msgspec.structs.replace(position, quantity=exact(position.quantity - today))
    verdict = compare_positions(before, after, *_prices_since(d, before))
    figures = {
        "was": before.account,
        "is": position.quantity,
        "cost_was": before.avg_cost,
        "cost_is": position.avg_cost,
    }
    match verdict.finding:
        case "unconfirmed":
            if not due.told:
                d.put(Audit(symbol, True, verdict.ratio))
                d.note("split_unconfirmed", symbol, "ERROR", ratio=round(verdict.ratio, 6), **figures)
            return
        case "split" if confirmed_position(d, symbol) is None:
            return
        case "split":
            own_after = round(_own_after_split(exact(own.quantity - today), before, after, verdict) + today, 6)
            figures |= {"own_was": own.quantity, "own_is": own_after}
            figures |= {"paid_out": verdict.paid_out} if verdict.paid_out else {}
            d.note("split_mended", symbol, "WARNING", ratio=round(verdict.ratio, 6), **figures)
            own = _own_of_split(d, own, before, own_after, verdict.ratio)
            _apply_split(d, own, before, verdict.ratio, settings)
            anchor = _anchor(d, own, position, before.price / verdict.ratio)
        case "strange":
            d.note("audit_failed", symbol, "ERROR", **figures)
        case "same":
            d.note("audit_passed", symbol, shares=position.quantity)
    d.drop(Audit, symbol)
    d.put(msgspec.structs.replace(anchor, audited_ns=d.now.market_ns))


def _own_of_split(d: Draft, own: Own, before: Anchor, quantity: float, ratio: float) -> Own:
    """The own shares after a split. What a stop sold since the night were new shares, booked at the cost of old ones.

    So their cost and profit are corrected: else they are a false loss, and a stop for the rest starts too low.
    """
    sales = [r for r in _fills_today(d, own.symbol) if r.fill.side == "SELL" and r.fill.quantity]
    if not sales:
        return msgspec.structs.replace(own, quantity=quantity)
    cost = (own.cost_usd / own.quantity if own.quantity > 0 else before.avg_cost) / ratio
    own = Own(own.symbol, quantity, quantity * cost)
    for record in sales:
        restate(d, record, own, (record.fill.price - cost) * record.fill.quantity)
    return own


def _fills_today(d: Draft, symbol: str) -> list[FillRecord]:
    """The fills since the night."""
    session = d.get(SessionRecord, "session") or SessionRecord()
    if session.phase == "closed" or _is_over(session, d.now.market_ns):
        return []
    since_ns = session.open_ns - NIGHT_NS
    return [r for r in d.table(FillRecord).values() if r.fill.symbol == symbol and r.fill.time_ns > since_ns]


def _traded_today(d: Draft, symbol: str) -> float:
    """The shares that the fleet's orders bought since the night, less those that they sold.

    A stop from before a split can sell at the open, before any price confirms the split.
    """
    return _net(f.fill for f in _fills_today(d, symbol) if f.fill.role != "adopted")


def _adopted_since(d: Draft, anchor: Anchor) -> float:
    fills = (r.fill for r in d.table(FillRecord).values())
    return _net(f for f in fills if (f.symbol, f.role) == (anchor.symbol, "adopted") and f.time_ns > anchor.time_ns)


def _net(fills: Iterable[Fill]) -> float:
    return exact(sum(f.quantity if f.side == "BUY" else -f.quantity for f in fills))


def _at_the_close(d: Draft, anchor: Anchor, own: Own, today: float) -> Anchor:
    """The anchor with what the fleet's orders traded after it and before the night.

    It follows from the own shares, because a fill that was rebuilt has no certain time. Shares that the operator
    adopted, or that were sold by hand, were not traded by our orders.
    """
    if anchor.own is None:
        return anchor
    since = exact(own.quantity - today - anchor.own - _adopted_since(d, anchor))
    account, foreign = exact(anchor.account + since), anchor.account - anchor.own
    if since <= 0 or account <= 0:
        return msgspec.structs.replace(anchor, account=account)  # (a sale leaves the average cost)
    cost_usd = foreign * anchor.avg_cost + own.cost_usd
    return msgspec.structs.replace(anchor, account=account, avg_cost=cost_usd / account)


def _own_after_split(own: float, before: Anchor, after: AccountPosition, verdict: AuditVerdict) -> float:
    """The own shares after a split: all of the account's if they were all own; else no fraction that was paid out."""
    if own == before.account:
        return after.quantity
    shares = round(own * verdict.ratio, 6)
    return float(math.floor(shares)) if verdict.paid_out else shares


def _prices_since(d: Draft, before: Anchor) -> tuple[float, tuple[float, ...]]:
    """Prices since the anchor: (that of a newer trade or 0, hints)."""
    found = d.get(QuoteRecord, before.symbol)
    if found is None:
        return 0.0, ()
    quote = found.quote
    middle = (quote.bid + quote.ask) / 2 if quote.bid > 0 and quote.ask > 0 else 0.0
    return quote.last if quote.last_ns > before.time_ns else 0.0, (middle, quote.close)


def _apply_split(d: Draft, own: Own, before: Anchor, ratio: float, settings: Settings) -> None:
    """Record the shares after the split (`own`) and divide the stop levels by the ratio. Only here a level may fall.

    It starts from the levels at the close, because the broker may have adjusted its stops and reported other levels.
    """
    d.put(own)
    position = d.get(AccountPosition, own.symbol)
    if position is not None:
        d.send(own.symbol, PositionUpdated(own.symbol, position.quantity, position.avg_cost, own.quantity))
    grid = grid_of(d, own.symbol)
    for stop in list(d.table(OrderRecord).values()):
        if stop.symbol != own.symbol or stop.role != "stop":
            continue
        reached = before.levels.get(stop.client_order_id, _level(stop))
        level = None if reached is None else round_down(reached / ratio, grid)
        if not stop.live or stop.cancel_reason or settings.observe or stop.order_id <= 0:
            d.put(msgspec.structs.replace(stop, stop_price=level, trail_stop_price=level))
            continue
        wanted, release = float(math.floor(own.quantity) + stop.filled), None
        if wanted < stop.quantity:
            found = permit(d, stop, "split", wanted - stop.filled, split=ratio)
            if isinstance(found, NoRelease):
                d.note(
                    "protection_cancel_refused",
                    own.symbol,
                    "ERROR",
                    client_order_id=stop.key,
                    why=found.reason,
                    qty=stop.remaining,
                )
                wanted = stop.quantity
            else:
                release = found
        change_stop(d, stop, wanted, level, release=release)


def cancel_refused_stop(d: Draft, stop: OrderRecord) -> None:
    """Cancel a stop that the broker refused to adjust before the open: it could trigger. The open replaces it.

    If that is not permitted now, the stop stays, and the guard decides in the session.
    """
    found = permit(d, stop, "split_refused")
    if protects(stop) and isinstance(found, Release):
        cancel_stop(d, stop, "split_refused", found)
