"""Translates the values of IBKR's callbacks to messages: orders, statuses, executions, commissions. Pure."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from messages.broker import BrokerCommission, BrokerExecution, BrokerOrder, BrokerPosition

__all__ = [
    "STATUSES",
    "UNSET",
    "commission_of",
    "completed_of",
    "execution_of",
    "order_key",
    "position_of",
    "terms_of",
    "with_status",
]

SECOND = 1_000_000_000
UNSET = 1.7976931348623157e308

STATUSES = {"ApiPending": "PendingSubmit", "ApiCancelled": "Cancelled"}
"""Statuses that only a client's library has: an order that is not sent yet, and one cancelled before it was sent."""


def order_key(order_id: int, perm_id: int) -> int:
    """The key under which the edge keeps an order: its permId, or while it has none, its negative order id."""
    return perm_id or -order_id


def terms_of(order_id: int, contract: Any, order: Any, status: str) -> BrokerOrder:
    """The terms of an order. 0.0 and the library's UNSET both mean: no value."""
    trailing = order.orderType.startswith("TRAIL")
    return BrokerOrder(
        client_order_id=order.orderRef,
        order_id=order_id,
        perm_id=order.permId,
        client_id=order.clientId,
        symbol=contract.symbol,
        side=order.action,
        order_type=order.orderType,
        quantity=float(order.totalQuantity),
        status=STATUSES.get(status, status),
        why_held="",
        filled=0.0,
        avg_price=0.0,
        parent_id=order.parentId,
        limit_price=_price(order.lmtPrice) if order.orderType in ("LMT", "STP LMT") else None,
        stop_price=_price(order.auxPrice) if order.orderType in ("STP", "STP LMT") else None,
        trailing_pct=_price(order.trailingPercent),
        trail_stop_price=_price(order.trailStopPrice) if trailing else None,
        tif=order.tif,
        account=order.account,
        oca_group=order.ocaGroup,
        oca_type=order.ocaType,
        limit_offset=_price(order.lmtPriceOffset) if trailing else None,
        con_id=contract.conId,
        sec_type=contract.secType,
        currency=contract.currency,
    )


def with_status(
    terms: BrokerOrder, status: str, filled: float, avg_price: float, perm_id: int, parent_id: int, why_held: str
) -> BrokerOrder:
    """An order's terms with the values of its orderStatus."""
    return replace(
        terms,
        perm_id=perm_id or terms.perm_id,
        status=STATUSES.get(status, status),
        filled=float(filled),
        avg_price=avg_price,
        why_held=why_held or "",
        parent_id=parent_id,
    )


def completed_of(contract: Any, order: Any, state: Any) -> BrokerOrder:
    """A completed order. It has no order id."""
    filled = float(getattr(order, "filledQuantity", 0.0) or 0.0)
    return replace(
        terms_of(0, contract, order, state.status),
        completed_status=state.completedStatus or state.status,
        filled=0.0 if filled >= UNSET else filled,
    )


def execution_of(contract: Any, execution: Any) -> BrokerExecution:
    """An execution. Its time has whole seconds."""
    return BrokerExecution(
        exec_id=execution.execId,
        client_order_id=execution.orderRef,
        order_id=execution.orderId,
        perm_id=execution.permId,
        client_id=execution.clientId,
        symbol=contract.symbol,
        side="BUY" if execution.side == "BOT" else "SELL",
        quantity=float(execution.shares),
        price=execution.price,
        cum_quantity=float(execution.cumQty),
        avg_price=execution.avgPrice,
        account=execution.acctNumber,
        time_ns=int(execution.time.timestamp()) * SECOND,
        con_id=contract.conId,
        sec_type=contract.secType,
        currency=contract.currency,
    )


def position_of(account: str, contract: Any, quantity: float, avg_cost: float) -> BrokerPosition:
    """A position of one account."""
    return BrokerPosition(
        account, contract.symbol, float(quantity), avg_cost, contract.conId, contract.secType, contract.currency
    )


def commission_of(report: Any) -> BrokerCommission:
    """A commission. Its realized profit is None if the library's value is UNSET."""
    realized = None if report.realizedPNL is None or abs(report.realizedPNL) >= UNSET else report.realizedPNL
    return BrokerCommission(report.execId, report.commission, report.currency, realized)


def _price(value: float) -> float | None:
    return None if value in (0.0, "") or value >= UNSET else value
