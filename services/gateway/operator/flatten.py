"""Flattening: the operator's sale of a symbol's own shares. Pure. Only this file sells at the market.

Always in this order, and continued from the ledger after a restart:
1. Live entries are cancelled.
2. Once a sale can be executed, own stops are cancelled, too.
3. When the broker has confirmed the end of every own order, the own shares that are in the account are sold, once.
So live sells never exceed the shares. While a sale can't be executed (market closed or about to close, halted, links
down) the stops stay and the flatten waits.
"""

from __future__ import annotations

import math

import msgspec

from messages.broker import PlaceOrder
from messages.entries import CancelEntry
from messages.operator import Flatten, Flattening
from messages.orders import OrderPlaced, OrderRecord
from services.gateway.book.evidence import confirmed_position
from services.gateway.book.instruments import con_id_of
from services.gateway.book.queries import next_order_ids, whole_shares
from services.gateway.book.records import (
    AccountPosition,
    Book,
    Doubt,
    Evidence,
    FlattenRecord,
    HeldBack,
    Links,
    Own,
    QuoteRecord,
    SessionRecord,
)
from services.gateway.orders.cancels import request_cancel
from services.gateway.orders.placing import cancel_entry
from services.gateway.orders.questions import ask_for_evidence, ask_to_confirm
from services.runtime.core import Draft
from services.trading.ids import order_reference, reference_series

__all__ = ["flatten_step", "handle_flatten", "reason_to_wait"]

SECOND = 1_000_000_000
BEFORE_CLOSE_NS = 15 * SECOND
"""In this time before the close no stop is cancelled: the sale might not be executed any more."""
MAX_REFUSALS = 2
"""After so many definite refusals of the sale the flatten fails: the stop is placed again and the operator alerted."""


def handle_flatten(d: Draft, command: Flatten) -> list[str]:
    """Start or withdraw a flatten. Returns the symbols concerned."""
    live = [o.symbol for o in d.table(OrderRecord).values() if o.live and o.role == "entry"]
    found = dict.fromkeys((*(s for s in d.table(Own) if whole_shares(d, s)), *live, *d.table(FlattenRecord)))
    symbols = [symbol for symbol in found if command.symbol in (None, symbol)]
    for symbol in symbols:
        record = d.get(FlattenRecord, symbol)
        if command.withdraw:
            if record is not None and record.phase == "waiting":
                _end(d, record, "withdrawn")
        elif record is None:
            d.put(FlattenRecord(symbol=symbol))
    return symbols


def flatten_step(d: Draft, symbol: str, links: Links, *, observe: bool = False) -> bool:
    """Do the next step of a symbol's flatten. True if the flatten controls the symbol's sells now.

    A fleet that only observes keeps the flatten waiting: it continues once the fleet sends orders again.
    """
    record = d.get(FlattenRecord, symbol)
    if record is None:
        return False
    live = [o for o in d.table(OrderRecord).values() if o.symbol == symbol and o.live and o.role != "foreign"]
    if observe and (live or whole_shares(d, symbol)):
        _report(d, record, "waiting", whole_shares(d, symbol), "observed")
        return False
    for entry in live:
        if entry.role == "entry":
            cancel_entry(d, CancelEntry(entry.client_order_id, symbol, "flatten"), links)
    sale = next((o for o in live if o.role == "flatten"), None)
    if sale is not None:
        _take_sale_back(d, sale)
        return True
    shares, position = whole_shares(d, symbol), d.get(AccountPosition, symbol)
    if not shares and not live:
        _end(d, record, "done")
        return False
    sellable = min(shares, math.floor(max(0.0, position.quantity if position is not None else 0.0)))
    reason = reason_to_wait(d, symbol, links)
    if reason is None and shares and not sellable:
        reason = "position_mismatch"
    if reason is not None:
        _report(d, record, "waiting", shares, reason)
        return False
    if any(d.get(Doubt, o.key) is not None or d.get(HeldBack, o.key) is not None for o in live):
        return record.phase == "clearing"
    if live:
        _report(d, record, "clearing", shares)
        for stop in live:
            if stop.role == "stop" and not stop.cancel_reason:
                request_cancel(d, stop, "flatten")
        return True
    if not _position_counts_last_sale(d, record):
        return True
    record = _count_refusal(d, record)
    if record.refusals >= MAX_REFUSALS:
        _end(d, record, "failed", "ERROR", refusals=record.refusals)
        return False
    _sell(d, record, sellable)
    return True


def reason_to_wait(d: Draft, symbol: str, links: Links) -> str | None:
    """Why a sale can't be executed now; None if it can."""
    session, quote = d.get(SessionRecord, "session") or SessionRecord(), d.get(QuoteRecord, symbol)
    if links.phase != "ready" or not links.broker_up:
        return "links_down"
    if d.now.stale:
        return "clock_stale"
    # A market order works in regular hours only. Before and after them the stops stay.
    early = d.now.market_ns < session.open_ns
    ending = session.close_ns and d.now.market_ns >= session.close_ns - BEFORE_CLOSE_NS
    if session.phase not in ("open", "closing") or early or ending:
        return "session_closed"
    if quote is not None and quote.quote.halted:
        return "halted"
    return None


def _take_sale_back(d: Draft, sale: OrderRecord) -> None:
    """Cancel a sale that still rests if the account lacks its shares: a person sold them, and it would sell short.

    A position can be reported before the execution of the sale itself, so two answers must agree.
    """
    position = d.get(AccountPosition, sale.symbol)
    if sale.cancel_reason or d.get(Doubt, sale.key) is not None or d.get(HeldBack, sale.key) is not None:
        return
    if position is None or position.quantity >= sale.remaining:
        return
    confirmed = confirmed_position(d, sale.symbol)
    if confirmed is None:
        ask_for_evidence(d, sale.symbol, lockstep=False)
    elif confirmed < sale.remaining:
        request_cancel(d, sale, "position_mismatch")


def _position_counts_last_sale(d: Draft, record: FlattenRecord) -> bool:
    """Whether the position that is known is newer than our last sale: if not, another could sell what is gone."""
    sale, found = d.get(OrderRecord, record.sale_id), d.get(Evidence, record.symbol)
    if sale is None or not sale.filled or (found is not None and found.quantity is not None):
        return True
    ask_to_confirm(d, first=True, lockstep=False)
    return False


def _count_refusal(d: Draft, record: FlattenRecord) -> FlattenRecord:
    """A sale that ended with shares left counts as refused, unless we took it back."""
    sale = d.get(OrderRecord, record.sale_id)
    if sale is None or sale.live or sale.remaining <= 0 or sale.cancel_reason:
        return record
    return d.put(msgspec.structs.replace(record, refusals=record.refusals + 1))


def _sell(d: Draft, record: FlattenRecord, quantity: int) -> None:
    symbol, session, book = (
        record.symbol,
        d.get(SessionRecord, "session") or SessionRecord(),
        d.get(Book, "book") or Book(),
    )
    series = reference_series(book.fleet, symbol, session.date, "F")
    number = 1 + sum(key.startswith(series) for key in d.table(OrderRecord))
    (order_id,) = next_order_ids(d, 1)
    sale = d.put(
        OrderRecord(
            client_order_id=order_reference(book.fleet, symbol, session.date, number, "F"),
            symbol=symbol,
            role="flatten",
            side="SELL",
            order_type="MKT",
            quantity=float(quantity),
            tif="DAY",
            order_id=order_id,
            account=book.account,
            con_id=con_id_of(d, symbol),
            created_ns=d.now.market_ns,
            updated_ns=d.now.market_ns,
        )
    )
    record = d.put(msgspec.structs.replace(record, sale_id=sale.client_order_id))
    d.send(symbol, OrderPlaced(sale))
    d.send("broker", PlaceOrder(sale, True))
    _report(d, record, "selling", quantity)


def _report(d: Draft, record: FlattenRecord, phase: str, quantity: int, reason: str = "") -> None:
    """Report the phase and its reason, if either is new."""
    if (record.phase, record.reason) == (phase, reason):
        return
    d.put(msgspec.structs.replace(record, phase=phase, reason=reason))
    d.send(record.symbol, Flattening(record.symbol, phase, float(quantity), reason))  # type: ignore[arg-type]
    d.note(f"flatten_{phase}", record.symbol, "WARNING", qty=quantity, reason=reason)


def _end(d: Draft, record: FlattenRecord, phase: str, level: str = "WARNING", **figures: int) -> None:
    d.drop(FlattenRecord, record.key)
    quantity = whole_shares(d, record.symbol)
    d.send(record.symbol, Flattening(record.symbol, phase, float(quantity)))  # type: ignore[arg-type]
    d.note(f"flatten_{phase}", record.symbol, level, qty=quantity, **figures)
