"""IBKR's words in ours: what its callbacks say of an order, and the states that only a client's library knows. Pure."""

from __future__ import annotations

from typing import Any

from messages.broker import BrokerOrder

__all__ = ["STATUSES", "UNSET", "order_key", "terms_of"]

UNSET = 1.7976931348623157e308

STATUSES = {"ApiPending": "PendingSubmit", "ApiCancelled": "Cancelled"}
"""Not sent on as yet, and cancelled before that: an order that may still trade, and one that never will."""


def order_key(order_id: int, perm_id: int) -> int:
    """What an order is kept by until the next word about it: its permId, or, as long as it has none, its order id."""
    return perm_id or -order_id


def terms_of(order_id: int, contract: Any, order: Any, status: str) -> BrokerOrder:
    """IBKR's words in ours. 0.0 and the library's UNSET both mean: not there."""
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
    )


def _price(value: float) -> float | None:
    return None if value in (0.0, "") or value >= UNSET else value
