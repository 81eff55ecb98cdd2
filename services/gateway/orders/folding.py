"""The broker's facts become the fleet's events: orders, executions, commissions, positions, each folded once.

The broker may tell the same thing many times, late, or in any order; every function here is safe to call again.
"""

from __future__ import annotations

from functools import partial

import msgspec

from messages.broker import BrokerCommission, BrokerExecution, BrokerOrder, BrokerPosition
from messages.orders import (
    CommissionReported,
    Fill,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRecord,
    OrderRejected,
    OrderUpdated,
    PositionUpdated,
    execution_key,
)
from services.gateway.book.identity import find
from services.gateway.book.own_shares import bought, sold, without
from services.gateway.book.records import (
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
from services.gateway.orders.cancels import send_cancel
from services.gateway.orders.doubles import cancel_namesakes, take_back_double
from services.gateway.orders.states import TABLE, BrokerReport, Effect, OrderState, effect_of, report_of
from services.runtime.core import Draft
from services.trading.ids import is_flatten_reference, is_own_reference
from services.trading.shares import exact

__all__ = ["fold_commission", "fold_execution", "fold_order", "fold_position", "settle_absent"]

PLACED = {"entry": "entry_order_placed", "flatten": "flatten_order_placed"}
"""What the broker's first word of an order is called."""

PENDING_COMMISSION = -1.0
"""What the broker says as long as it doesn't know a commission."""


def _ours(d: Draft, client_order_id: str, account: str) -> bool:
    """Only what bears our orderRef in our own account is ours."""
    book = d.get(Book, "book") or Book()
    return is_own_reference(client_order_id) and (not book.account or account in ("", book.account))


def fold_order(d: Draft, told: BrokerOrder) -> str:
    """What the broker says of an order. Returns its symbol."""
    if not _ours(d, told.client_order_id, told.account):
        return _fold_foreign(d, told)
    known = _known(d, told)
    if known is None:
        return told.symbol
    report = report_of(told.status)
    effect = effect_of(known, report)
    if (
        effect in (Effect.FILLED, Effect.CANCELLED)  # these wait for executions
        and not told.completed_status
        and told.filled > known.filled
    ):
        # Real world: the status overtakes the executions. Were it over now, another entry could be placed before they
        # count.
        d.put(HeldBack(known.key, told))
        d.put(Doubt(known.key))
        return known.symbol
    if d.get(Doubt, known.key) is not None and TABLE[report].settles:
        d.drop(Doubt, known.key)
    change = d.get(Change, known.key)
    if change is not None and change.stage == "sent" and told.quantity == change.quantity:
        d.drop(Change, known.key)
    order = known if effect is Effect.IGNORED else _merge(d, known, told)
    if order == known:
        return known.symbol
    if effect is Effect.LATE or (effect is Effect.REVIVED and known.role == "entry"):
        # Real world: it was given up, or Inactive, and works after all. Its place may be taken, so it goes.
        d.note("late_order_cancelled", order.symbol, "WARNING", client_order_id=order.key, order_id=order.order_id)
        order = send_cancel(d, order, "came_late")
    d.put(order)
    _tell(d, effect, known, order)
    if not order.live:
        cancel_namesakes(d, order)
    return order.symbol


def _known(d: Draft, told: BrokerOrder) -> OrderRecord | None:
    """The order that is spoken of. One that nobody knew is put down; None where it is over and was never of weight."""
    known = find(partial(d.get, OrderRecord), told.client_order_id, told.order_id, told.perm_id)
    if known is not None:
        return known
    first = d.get(OrderRecord, told.client_order_id)
    if first is None:
        return _unknown(d, told.client_order_id, told.symbol, told.side, told.order_type, told.quantity, told.order_id)
    if not TABLE[report_of(told.status)].to.live and not told.filled:
        return None
    return take_back_double(d, first, told.quantity, told)


def _merge(d: Draft, known: OrderRecord, told: BrokerOrder) -> OrderRecord:
    """The order as both sides know it together."""
    level = told.trail_stop_price if known.order_type.startswith("TRAIL") else None
    if level is not None and known.trail_stop_price is not None:
        level = max(level, known.trail_stop_price)
    estimated = known.level_estimated and (level is None or level != told.trail_stop_price)
    book = d.get(Book, "book") or Book()
    if told.order_id >= book.next_order_id:
        d.put(msgspec.structs.replace(book, next_order_id=told.order_id + 1))
    completed = told.completed_status != ""
    return msgspec.structs.replace(
        known,
        status=told.status,
        why_held=told.why_held,
        order_id=told.order_id or known.order_id,
        perm_id=told.perm_id or known.perm_id,
        parent_id=known.parent_id if completed else told.parent_id,
        # A completed order is reported with quantity 0, and without the details of a working one.
        quantity=known.quantity if completed else told.quantity,
        limit_price=known.limit_price if completed or told.limit_price is None else told.limit_price,
        stop_price=level if level is not None else known.stop_price,
        trail_stop_price=level if level is not None else known.trail_stop_price,
        level_estimated=estimated,
        trailing_pct=known.trailing_pct if told.trailing_pct is None else told.trailing_pct,
        limit_offset=known.limit_offset if told.limit_offset is None else told.limit_offset,
        oca_group=known.oca_group if completed else told.oca_group,
        oca_type=known.oca_type if completed else told.oca_type,
        account=told.account or known.account,
        reason=told.completed_status or ("" if known.reason == NEVER_ARRIVED else known.reason),
    )


def _tell(d: Draft, effect: Effect, known: OrderRecord, order: OrderRecord) -> None:
    """The event that this change is."""
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


def _fold_foreign(d: Draft, told: BrokerOrder) -> str:
    """An order that is not ours: seen, recorded, never touched."""
    key = foreign_key(told)
    known = d.get(OrderRecord, key)
    order = OrderRecord(
        client_order_id=key,
        symbol=told.symbol,
        role="foreign",
        side="BUY" if told.side == "BUY" else "SELL",
        order_type=told.order_type,
        quantity=told.quantity,
        limit_price=told.limit_price,
        stop_price=told.stop_price,
        trailing_pct=told.trailing_pct,
        tif=told.tif,
        status=told.status,
        filled=told.filled,
        avg_price=told.avg_price,
        order_id=told.order_id,
        perm_id=told.perm_id,
        parent_id=told.parent_id,
        account=told.account,
        created_ns=known.created_ns if known else d.now.market_ns,
        updated_ns=known.updated_ns if known else d.now.market_ns,
    )
    if order != known:
        order = d.put(msgspec.structs.replace(order, updated_ns=d.now.market_ns))
        d.send(told.symbol, OrderUpdated(order))
        if known is None:
            d.note(
                "foreign_order_seen",
                told.symbol,
                "WARNING",
                order_id=told.order_id,
                perm_id=told.perm_id,
                qty=told.quantity,
            )
    return told.symbol


def _unknown(
    d: Draft, client_order_id: str, symbol: str, side: str, order_type: str, quantity: float, order_id: int
) -> OrderRecord:
    """An order under our prefix that no ledger of ours knows: the ledger was lost. It is ours all the same."""
    d.note("unknown_own_order", symbol, "WARNING", client_order_id=client_order_id, order_id=order_id)
    return OrderRecord(
        client_order_id=client_order_id,
        symbol=symbol,
        role="entry" if side == "BUY" else "flatten" if is_flatten_reference(client_order_id) else "stop",
        side="BUY" if side == "BUY" else "SELL",
        order_type=order_type,
        quantity=quantity,
        order_id=order_id,
        created_ns=d.now.market_ns,
    )


def fold_execution(d: Draft, told: BrokerExecution) -> str:
    """An execution: own shares, the order's fill, one event. Keyed by base id; a higher suffix replaces."""
    if not _ours(d, told.client_order_id, told.account):
        d.drop(EarlyCommission, told.exec_id)
        return told.symbol  # foreign: its position is told by itself
    base = base_id(told.exec_id)
    before = d.get(FillRecord, base)
    if before is not None and _revision(before.fill.exec_id) >= _revision(told.exec_id):
        return told.symbol
    order = find(partial(d.get, OrderRecord), told.client_order_id, told.order_id, told.perm_id)
    if order is None:
        first = d.get(OrderRecord, told.client_order_id)
        if first is None:
            order = _unknown(d, told.client_order_id, told.symbol, told.side, "", told.cum_quantity, told.order_id)
        else:
            order = take_back_double(d, first, max(first.quantity, told.cum_quantity), told)
    own = d.get(Own, told.symbol) or Own(told.symbol)
    if before is not None:
        own = without(own, before)
        d.note("execution_corrected", told.symbol, "WARNING", exec_id=told.exec_id, price=told.price, qty=told.quantity)
    if told.side == "BUY":
        own, realized = bought(own, told.quantity, told.price), 0.0
    else:
        own, realized = sold(own, told.quantity, told.price)
    d.put(own)
    fill = Fill(
        exec_id=told.exec_id,
        client_order_id=order.client_order_id,
        symbol=told.symbol,
        role=order.role,
        side=order.side,
        quantity=told.quantity,
        price=told.price,
        cum_quantity=told.cum_quantity,
        avg_price=told.avg_price,
        order_id=told.order_id,
        perm_id=told.perm_id,
        account=told.account,
        time_ns=told.time_ns,
    )
    d.put(FillRecord(base, fill, realized))
    if d.get(Doubt, order.key) is not None:
        d.drop(Doubt, order.key)
    order = d.put(
        msgspec.structs.replace(
            order,
            filled=max(order.filled, told.cum_quantity),
            avg_price=told.avg_price,
            perm_id=told.perm_id or order.perm_id,
            updated_ns=d.now.market_ns,
        )
    )
    corrects, undone = (before.fill.exec_id, before.realized_usd) if before is not None else ("", 0.0)
    d.send(told.symbol, OrderFilled(fill, order, own.quantity, own.cost_usd, realized, corrects, undone))
    d.note(
        "fill_received", told.symbol, **_fields(order), price=told.price, fill_qty=told.quantity, exec_id=told.exec_id
    )
    if order.remaining <= 0:
        d.note("order_filled", told.symbol, **_fields(order), price=told.avg_price)
    early = d.get(EarlyCommission, told.exec_id)
    if early is not None:
        d.drop(EarlyCommission, told.exec_id)
        fold_commission(d, early.told)
    held = d.get(HeldBack, order.key)
    if held is not None and held.told.filled <= order.filled:
        d.drop(HeldBack, order.key)
        fold_order(d, held.told)
    return told.symbol


def fold_commission(d: Draft, told: BrokerCommission) -> None:
    """A commission, once per execution; one that is early waits for it.

    Of a corrected execution's commissions the newest replaces the others.
    """
    if told.commission == PENDING_COMMISSION:
        return
    base, revision = execution_key(told.exec_id)
    record, seen = d.get(FillRecord, base), d.get(CommissionSeen, base)
    if record is None:
        d.put(EarlyCommission(told.exec_id, told))
        return
    if seen is not None and _revision(seen.exec_id) >= revision:
        return
    d.put(CommissionSeen(told.exec_id, told.commission))
    rates = d.get(Rates, "rates") or Rates()
    fill, undone = record.fill, seen.commission if seen is not None else 0.0
    d.send(
        fill.symbol,
        CommissionReported(
            told.exec_id,
            fill.client_order_id,
            fill.symbol,
            told.commission,
            told.currency,
            told.realized_usd,
            undone,
            rates.usd.get(told.currency),
        ),
    )


def _revision(exec_id: str) -> int:
    return execution_key(exec_id)[1]


def fold_position(d: Draft, told: BrokerPosition) -> str:
    """The account's position in a symbol; a login may tell of other accounts as well."""
    book = d.get(Book, "book") or Book()
    if book.account and told.account != book.account:
        return told.symbol
    own = d.get(Own, told.symbol) or Own(told.symbol)
    position = AccountPosition(told.symbol, exact(told.quantity), told.avg_cost)
    if d.get(AccountPosition, told.symbol) != position:
        d.put(position)
        d.send(told.symbol, PositionUpdated(told.symbol, position.quantity, told.avg_cost, own.quantity))
    return told.symbol


def settle_absent(d: Draft, order: OrderRecord, questions: int) -> None:
    """A complete answer of the broker does not list this live order; after so many `questions` without it, it is dead.

    Its record stays as the tombstone. Executions that fill it whole say more than any list.
    """
    if order.role == "foreign":
        _end(d, order, OrderState.CANCELLED, "gone")
        return
    report = BrokerReport.ABSENT_FILLED if order.remaining <= 0 else BrokerReport.ABSENT
    match effect_of(order, report):
        case Effect.FILLED_AT_ONCE:
            _end(d, order, OrderState.FILLED, order.reason)
        case Effect.GIVEN_UP:
            _give_up(d, order, questions)


def _give_up(d: Draft, order: OrderRecord, questions: int) -> None:
    """Once it was absent from so many answers it is dead; until then the next answer is waited for."""
    doubt = d.get(Doubt, order.key) or Doubt(order.key)
    absences = doubt.absent + 1 if doubt.asked else doubt.absent
    if absences < questions:
        d.put(Doubt(order.key, False, absences))
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


def _end(d: Draft, order: OrderRecord, state: OrderState, reason: str) -> None:
    ended = d.put(msgspec.structs.replace(order, status=state.value, reason=reason, updated_ns=d.now.market_ns))
    d.drop(Doubt, order.key)
    d.send(order.symbol, OrderUpdated(ended))


def _fields(order: OrderRecord) -> dict[str, str | float | int | bool | None]:
    """What a log line says of an order."""
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
