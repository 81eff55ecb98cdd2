"""The broker's reports become the fleet's events: orders, executions, commissions, positions. Pure.

The broker may report the same thing several times, late, or in any order. Every function here is safe to call again.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

import msgspec

from messages.broker import BrokerCommission, BrokerExecution, BrokerOrder, BrokerPosition
from messages.orders import (
    CommissionReported,
    Fill,
    OrderAccepted,
    OrderCancelled,
    OrderRecord,
    OrderRejected,
    OrderUpdated,
    PositionUpdated,
    execution_key,
)
from services.gateway.book.fills import awaits_fills, book_fill, fills_of, is_synthetic, shrunk
from services.gateway.book.identity import find
from services.gateway.book.ownership import is_ours
from services.gateway.book.queries import links_of
from services.gateway.book.records import (
    FOUND_AT_BROKER,
    NEVER_ARRIVED,
    AccountPosition,
    Book,
    Change,
    CommissionSeen,
    Doubt,
    EarlyCommission,
    FillRecord,
    HeldBack,
    LastError,
    Own,
    Rates,
    base_id,
    foreign_key,
)
from services.gateway.book.waiting import forget_waiting, waits
from services.gateway.book.witnesses import counted, is_busted, unexplained
from services.gateway.orders.cancels import request_cancel
from services.gateway.orders.doubles import cancel_double, cancel_doubles_again
from services.gateway.orders.states import TABLE, BrokerReport, Effect, OrderState, effect_of, report_of
from services.runtime.core import Draft
from services.trading.ids import entry_of_stop, is_flatten_reference
from services.trading.shares import exact

__all__ = [
    "fold_absence",
    "fold_commission",
    "fold_execution",
    "fold_order",
    "fold_position",
    "is_forgotten",
    "release_held_back",
]

PLACED = {"entry": "entry_order_placed", "flatten": "flatten_order_placed"}
"""The event of the broker's first report of an order, by its role."""

PENDING_COMMISSION = -1.0
"""The broker reports it while it doesn't know the commission."""


def fold_order(d: Draft, reported: BrokerOrder, *, final: bool = False) -> str:
    """Apply the broker's report of an order. Returns its symbol. `final`: no execution of it is awaited any more."""
    if not is_ours(d, reported):
        return _fold_foreign(d, reported)
    _end_foreign(d, reported)
    if is_forgotten(d, reported):
        return reported.symbol
    known = _order_of(d, reported)
    if known is None:
        return reported.symbol
    report = report_of(reported.status)
    effect = effect_of(known, report)
    if (
        effect in (Effect.FILLED, Effect.CANCELLED)  # these wait for executions
        and not reported.completed_status
        and not final
        and awaits_fills(d, known, counted(reported, known.quantity))
    ):
        # Real world: the status overtakes the executions. If the order ended now, another entry could be placed before
        # they count.
        d.put(HeldBack(known.key, reported))
        d.put(Doubt(known.key))
        return known.symbol
    if d.get(Doubt, known.key) is not None and TABLE[report].settles:
        d.drop(Doubt, known.key)
    change = d.get(Change, known.key)
    if change is not None and change.stage == "sent" and reported.quantity == change.quantity:
        d.drop(Change, known.key)
    order = known if effect is Effect.IGNORED else _merge(d, known, reported)
    if order == known:
        return known.symbol
    if not waits(order):
        forget_waiting(d, order)
    if (effect is Effect.REVIVED and known.role == "entry") or (effect is Effect.LATE and known.role != "stop"):
        # Real world: it was given up, or Inactive, and works after all. The symbol may have a newer entry: cancel it.
        d.note("late_order_cancelled", order.symbol, "WARNING", client_order_id=order.key, order_id=order.order_id)
        order = request_cancel(d, order, "came_late")
    elif effect is Effect.LATE:
        d.note("late_stop_kept", order.symbol, "WARNING", client_order_id=order.key, order_id=order.order_id)
        order = msgspec.structs.replace(order, cancel_reason="")  # it may protect shares: the guard decides anew
    d.put(order)
    _send_event(d, effect, known, order)
    if not order.live:
        cancel_doubles_again(d, order)
    return order.symbol


def is_forgotten(d: Draft, reported: BrokerOrder) -> bool:
    """Whether this completed order is of a time that the ledger does not know. Only `rebuilding.py` counts it."""
    if not reported.completed_status or d.get(OrderRecord, reported.client_order_id) is not None:
        return False
    return d.get(OrderRecord, entry_of_stop(reported.client_order_id)) is None


def release_held_back(d: Draft, answered: Collection[str] = ()) -> None:
    """Apply the final reports whose shares are all explained now.

    `answered`: orders whose executions the broker has told. A broker may go on counting what was annulled.
    """
    for held in d.table(HeldBack).values():
        order, fills = d.get(OrderRecord, held.key), [record.fill for record in fills_of(d, held.key)]
        final = held.key in answered and is_busted(fills)
        if order is not None and (final or not awaits_fills(d, order, counted(held.told, order.quantity))):
            d.drop(HeldBack, held.key)
            fold_order(d, held.told, final=final)


def _order_of(d: Draft, reported: BrokerOrder) -> OrderRecord | None:
    """The order that the report is about, new if the book does not have it; None for a double that ended unfilled."""
    known = find(partial(d.get, OrderRecord), reported.client_order_id, reported.order_id, reported.perm_id)
    if known is not None:
        return known
    first = d.get(OrderRecord, reported.client_order_id)
    if first is None:
        return _described(_unknown_order(d, reported, reported.quantity or reported.filled), reported)
    if not TABLE[report_of(reported.status)].to.live and not reported.filled:
        return None
    return cancel_double(d, first, reported.quantity, reported)


def _merge(d: Draft, known: OrderRecord, reported: BrokerOrder) -> OrderRecord:
    """The record, updated with the report."""
    if not known.order_type:
        known = _described(known, reported)
    level = reported.trail_stop_price if known.order_type.startswith("TRAIL") else None
    if level is not None and known.trail_stop_price is not None:
        level = max(level, known.trail_stop_price)
    estimated = known.level_estimated and (level is None or level != reported.trail_stop_price)
    _skip_order_id(d, reported.order_id)
    completed = reported.completed_status != ""
    return msgspec.structs.replace(
        known,
        status=reported.status,
        why_held=reported.why_held,
        order_id=_order_id(d, reported) or known.order_id,
        perm_id=reported.perm_id or known.perm_id,
        parent_id=known.parent_id if completed else reported.parent_id,
        # A completed order is reported with quantity 0, and without the details of a working one.
        quantity=known.quantity if completed else reported.quantity,
        filled=known.filled if completed else _filled(d, known, reported),
        limit_price=known.limit_price if completed or reported.limit_price is None else reported.limit_price,
        stop_price=level if level is not None else known.stop_price,
        trail_stop_price=level if level is not None else known.trail_stop_price,
        level_estimated=estimated,
        trailing_pct=known.trailing_pct if reported.trailing_pct is None else reported.trailing_pct,
        limit_offset=known.limit_offset if reported.limit_offset is None else reported.limit_offset,
        oca_group=known.oca_group if completed else reported.oca_group,
        oca_type=known.oca_type if completed else reported.oca_type,
        account=reported.account or known.account,
        con_id=reported.con_id or known.con_id,
        reason=_reason(known, reported),
    )


def _filled(d: Draft, known: OrderRecord, reported: BrokerOrder) -> float:
    """How much of a working order is filled. The executions say it, unless one was annulled.

    Then only the broker can say whether the order fills these shares again.
    """
    fills = [record.fill for record in fills_of(d, known.key)]
    return max(reported.filled, exact(sum(f.quantity for f in fills))) if is_busted(fills) else known.filled


def _described(order: OrderRecord, reported: BrokerOrder) -> OrderRecord:
    """The order of a lost ledger with what the report says of it."""
    return msgspec.structs.replace(
        order,
        order_type=reported.order_type,
        quantity=reported.quantity or order.quantity,
        limit_price=reported.limit_price,
        stop_price=None if reported.order_type.startswith("TRAIL") else reported.stop_price,
        trailing_pct=reported.trailing_pct,
        tif=reported.tif,
    )


def _reason(known: OrderRecord, reported: BrokerOrder) -> str:
    """Why the order ended; that it was found at the broker stays."""
    if known.reason == FOUND_AT_BROKER:
        return known.reason
    return reported.completed_status or ("" if known.reason == NEVER_ARRIVED else known.reason)


def _send_event(d: Draft, effect: Effect, known: OrderRecord, order: OrderRecord) -> None:
    """Send the event and the note for this change."""
    if known.status != order.status:
        order = d.put(msgspec.structs.replace(order, updated_ns=d.now.market_ns))
    symbol = order.symbol
    match effect:
        case Effect.CANCELLED | Effect.CANCELLED_AT_ONCE:
            asked = bool(order.cancel_reason)
            d.send(symbol, OrderCancelled(order, asked))
            d.note("order_cancelled", symbol, **_fields(order), asked=asked, reason=order.cancel_reason or order.reason)
        case Effect.REJECTED:
            error = d.get(LastError, order.key)
            code, text = (error.code, error.text) if error else (0, order.reason)
            d.send(symbol, OrderRejected(order, code, text))
            d.note("order_rejected", symbol, "WARNING", **_fields(order), code=code, text=text)
        case Effect.ACCEPTED:
            d.send(symbol, OrderAccepted(order))
            d.note(PLACED.get(order.role, "trailing_stop_placed"), symbol, **_fields(order))
        case _:
            d.send(symbol, OrderUpdated(order))


def _fold_foreign(d: Draft, reported: BrokerOrder) -> str:
    """Record an order that is not ours. The gateway never changes it."""
    key = foreign_key(reported)
    known = d.get(OrderRecord, key)
    order = OrderRecord(
        client_order_id=key,
        symbol=reported.symbol,
        role="foreign",
        side="BUY" if reported.side == "BUY" else "SELL",
        order_type=reported.order_type,
        quantity=reported.quantity,
        limit_price=reported.limit_price,
        stop_price=reported.stop_price,
        trailing_pct=reported.trailing_pct,
        tif=reported.tif,
        status=reported.status,
        filled=reported.filled,
        avg_price=reported.avg_price,
        order_id=reported.order_id,
        perm_id=reported.perm_id,
        parent_id=reported.parent_id,
        account=reported.account,
        con_id=reported.con_id,
        created_ns=known.created_ns if known else d.now.market_ns,
        updated_ns=known.updated_ns if known else d.now.market_ns,
    )
    if order != known:
        order = d.put(msgspec.structs.replace(order, updated_ns=d.now.market_ns))
        d.send(reported.symbol, OrderUpdated(order))
        if known is None:
            d.note(
                "foreign_order_seen",
                reported.symbol,
                "WARNING",
                order_id=reported.order_id,
                perm_id=reported.perm_id,
                qty=reported.quantity,
            )
    return reported.symbol


def _end_foreign(d: Draft, reported: BrokerOrder) -> None:
    """An order that counted as foreign is ours after all: it must not be exposure twice.

    Real world: after a connect the broker may report orders before it is known which client this is.
    """
    known = d.get(OrderRecord, foreign_key(reported)) if reported.perm_id else None
    if known is not None and known.role == "foreign":
        d.drop(OrderRecord, known.key)
        d.send(known.symbol, OrderUpdated(msgspec.structs.replace(known, status="Cancelled")))


def _skip_order_id(d: Draft, order_id: int) -> None:
    """This id is used: the broker takes a new order with it for a change of the old one.

    Its own next id can lag behind, and a lost ledger knows none.
    """
    book = d.get(Book, "book") or Book()
    if order_id >= book.next_order_id:
        d.put(msgspec.structs.replace(book, next_order_id=order_id + 1))


def _order_id(d: Draft, reported: BrokerOrder | BrokerExecution) -> int:
    """The order id by which we can change or cancel the order; 0: only the client that placed it can.

    The same number under our client id is another order of ours.
    """
    client_id = links_of(d).client_id or (d.get(Book, "book") or Book()).client_id
    return reported.order_id if client_id in (0, reported.client_id) else 0


def _unknown_order(d: Draft, reported: BrokerOrder | BrokerExecution, quantity: float) -> OrderRecord:
    """An order with our prefix that the ledger does not have, because the ledger was lost. It is still ours.

    It has what the report says, and no more: an execution does not tell the type, prices and time in force.
    """
    key, side = reported.client_order_id, reported.side
    d.note("unknown_own_order", reported.symbol, "WARNING", client_order_id=key, order_id=reported.order_id)
    return OrderRecord(
        client_order_id=key,
        symbol=reported.symbol,
        role="entry" if side == "BUY" else "flatten" if is_flatten_reference(key) else "stop",
        side="BUY" if side == "BUY" else "SELL",
        order_type="",
        quantity=quantity,
        tif="",
        order_id=_order_id(d, reported),
        created_ns=d.now.market_ns,
        con_id=reported.con_id,
        parent_client_order_id=entry_of_stop(key) if side == "SELL" else "",
        reason=FOUND_AT_BROKER if side == "BUY" else "",
    )


def fold_execution(d: Draft, execution: BrokerExecution) -> str:
    """Apply an execution to own shares and its order, and send one event. Returns its symbol.

    The key is the base id. A correction (a higher suffix) replaces the earlier execution.
    """
    if not is_ours(d, execution):
        d.drop(EarlyCommission, execution.exec_id)
        return execution.symbol  # foreign: the broker reports its position separately
    base = base_id(execution.exec_id)
    before = d.get(FillRecord, base)
    if before is not None and _revision(before.fill.exec_id) >= _revision(execution.exec_id):
        return execution.symbol
    _skip_order_id(d, execution.order_id)
    order = find(partial(d.get, OrderRecord), execution.client_order_id, execution.order_id, execution.perm_id)
    if order is None:
        first = d.get(OrderRecord, execution.client_order_id)
        if first is None:
            order = _unknown_order(d, execution, execution.cum_quantity)
        else:
            order = cancel_double(d, first, max(first.quantity, execution.cum_quantity), execution)
    if before is not None:
        d.note(
            "execution_corrected",
            execution.symbol,
            "WARNING",
            exec_id=execution.exec_id,
            price=execution.price,
            qty=execution.quantity,
        )
    fill = Fill(
        exec_id=execution.exec_id,
        client_order_id=order.client_order_id,
        symbol=execution.symbol,
        role=order.role,
        side=order.side,
        quantity=execution.quantity,
        price=execution.price,
        cum_quantity=execution.cum_quantity,
        avg_price=execution.avg_price,
        order_id=execution.order_id,
        perm_id=execution.perm_id,
        account=execution.account,
        time_ns=execution.time_ns,
        con_id=execution.con_id or order.con_id,
    )
    # (A correction can take shares away: what the exchange annuls is not filled.)
    revised = 0.0 if before is None else exact(fill.quantity - before.fill.quantity)
    order = msgspec.structs.replace(
        order,
        filled=max(0.0, exact(order.filled + revised)) if revised else max(order.filled, execution.cum_quantity),
        avg_price=execution.avg_price,
        perm_id=execution.perm_id or order.perm_id,
        updated_ns=d.now.market_ns,
    )
    explained = _explained(d, order, fill, before)
    book_fill(d, order, fill, before, explained)
    if d.get(Doubt, order.key) is not None and d.get(HeldBack, order.key) is None:
        d.drop(Doubt, order.key)
    d.put(order)
    if explained:
        d.note("synthetic_fill_replaced", order.symbol, **_fields(order), exec_id=fill.exec_id)
    d.note(
        "fill_received",
        execution.symbol,
        **_fields(order),
        price=execution.price,
        fill_qty=execution.quantity,
        exec_id=execution.exec_id,
    )
    if order.remaining <= 0:
        d.note("order_filled", execution.symbol, **_fields(order), price=execution.avg_price)
    early = d.get(EarlyCommission, execution.exec_id)
    if early is not None:
        d.drop(EarlyCommission, execution.exec_id)
        fold_commission(d, early.told)
    if d.get(HeldBack, order.key) is not None:
        release_held_back(d)
    return execution.symbol


def _explained(d: Draft, order: OrderRecord, fill: Fill, before: FillRecord | None) -> list[Fill]:
    """The synthetic fills of the order that this execution stands for, as they are after it."""
    known = [record for record in fills_of(d, order.key) if before is None or record.key != before.key]
    synthetic = sum(record.fill.quantity for record in known if is_synthetic(record.fill))
    if not synthetic:
        return []
    # (What an annulled execution was, nobody knows if it never came: its order counts without it.)
    count = order.filled if fill.quantity or before is not None else fill.cum_quantity
    left = unexplained(count, [r.fill for r in known if not is_synthetic(r.fill)] + [fill])
    return shrunk(known, exact(synthetic - min(synthetic, left)))


def fold_commission(d: Draft, commission: BrokerCommission) -> None:
    """Report a commission once per execution. One that comes before its execution waits for it.

    The commission of a correction replaces the earlier one.
    """
    if commission.commission == PENDING_COMMISSION:
        return
    base, revision = execution_key(commission.exec_id)
    record, seen = d.get(FillRecord, base), d.get(CommissionSeen, base)
    if record is None:
        d.put(EarlyCommission(commission.exec_id, commission))
        return
    if seen is not None and (_revision(seen.exec_id), bool(seen.currency)) >= (revision, True):
        return  # (an earlier release recorded no currency: then it is reported once more)
    rate_usd = (d.get(Rates, "rates") or Rates()).usd.get(commission.currency)
    d.put(
        CommissionSeen(
            commission.exec_id, commission.commission, commission.currency, commission.realized_usd, rate_usd
        )
    )
    fill, replaced = record.fill, seen.commission if seen is not None else 0.0
    d.send(
        fill.symbol,
        CommissionReported(
            commission.exec_id,
            fill.client_order_id,
            fill.symbol,
            commission.commission,
            commission.currency,
            commission.realized_usd,
            replaced,
            rate_usd,
        ),
    )


def _revision(exec_id: str) -> int:
    return execution_key(exec_id)[1]


def fold_position(d: Draft, reported: BrokerPosition) -> str:
    """Apply the account's position in a symbol; positions of other accounts of the login are ignored."""
    book = d.get(Book, "book") or Book()
    if book.account and reported.account != book.account:
        return reported.symbol
    own = d.get(Own, reported.symbol) or Own(reported.symbol)
    position = AccountPosition(reported.symbol, exact(reported.quantity), reported.avg_cost)
    if d.get(AccountPosition, reported.symbol) != position:
        d.put(position)
        d.send(reported.symbol, PositionUpdated(reported.symbol, position.quantity, reported.avg_cost, own.quantity))
    return reported.symbol


def fold_absence(d: Draft, order: OrderRecord, max_absences: int) -> None:
    """A complete answer of the broker does not list this live order. After `max_absences` of them it is dead.

    Its record stays, so that a late report still finds it. If executions fill it whole, it is filled instead.
    """
    if order.role == "foreign":
        _end_order(d, order, OrderState.CANCELLED, "gone")
        return
    report = BrokerReport.ABSENT_FILLED if order.remaining <= 0 else BrokerReport.ABSENT
    match effect_of(order, report):
        case Effect.FILLED_AT_ONCE:
            _end_order(d, order, OrderState.FILLED, order.reason)
        case Effect.GIVEN_UP:
            _count_absence(d, order, max_absences)


def _count_absence(d: Draft, order: OrderRecord, max_absences: int) -> None:
    """Count one more absence, and end the order at the last one."""
    doubt = d.get(Doubt, order.key) or Doubt(order.key)
    absences = doubt.absent + 1 if doubt.asked else doubt.absent
    if absences < max_absences:
        position = d.get(AccountPosition, order.symbol)
        account = position.quantity if position is not None and doubt.asked else doubt.account
        d.put(Doubt(order.key, False, absences, account))
        return
    dead = d.put(
        msgspec.structs.replace(
            order, status=OrderState.CANCELLED.value, reason=NEVER_ARRIVED, updated_ns=d.now.market_ns
        )
    )
    d.drop(Doubt, order.key)
    error = d.get(LastError, order.key)
    if error is not None:
        d.send(order.symbol, OrderRejected(dead, error.code, error.text))
        d.note("order_rejected", order.symbol, "WARNING", **_fields(dead), code=error.code, text=error.text)
    else:
        d.send(order.symbol, OrderCancelled(dead, bool(dead.cancel_reason)))
        d.note("order_never_arrived", order.symbol, "WARNING", **_fields(dead))


def _end_order(d: Draft, order: OrderRecord, state: OrderState, reason: str) -> None:
    ended = d.put(msgspec.structs.replace(order, status=state.value, reason=reason, updated_ns=d.now.market_ns))
    d.drop(Doubt, order.key)
    d.send(order.symbol, OrderUpdated(ended))


def _fields(order: OrderRecord) -> dict[str, str | float | int | bool | None]:
    """An order's fields in a note."""
    return {
        "client_order_id": order.client_order_id,
        "order_id": order.order_id,
        "side": order.side,
        "order_type": order.order_type,
        "qty": order.quantity,
        "stop_price": order.stop_price,
        "limit_price": order.limit_price,
        "trailing_pct": order.trailing_pct,
        "status": order.status,
    }
