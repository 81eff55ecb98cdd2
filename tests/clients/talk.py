"""The protocol between a client program and the scenario: JSON lines, commands in, callbacks out.

It imports no library: each program passes its library's objects, whose names agree.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from typing import Any

__all__ = ["commands", "order_wanted", "saw", "saw_completed", "saw_execution", "saw_order", "saw_status"]

_UNSET = 1.7976931348623157e308


def saw(what: str, **facts: Any) -> None:
    """One line about one callback. Unset numbers are null."""
    cleaned = {key: _clean(value) for key, value in facts.items()}
    sys.stdout.write(json.dumps({"saw": what} | cleaned) + "\n")
    sys.stdout.flush()


def commands() -> Iterator[dict[str, Any]]:
    """The commands, until the scenario ends."""
    while line := sys.stdin.readline():
        yield json.loads(line)


def order_wanted(order: Any, wanted: dict[str, Any]) -> Any:
    """The fields of a command's order, put into the library's own order object."""
    for name, value in wanted.items():
        setattr(order, name, value)
    return order


def saw_order(order_id: int, contract: Any, order: Any, state: Any) -> None:
    """An openOrder, by the names that all libraries share; for a what-if order also its margin."""
    saw("order", id=order_id, **_order(contract, order, state))
    if order.whatIf:
        saw("margin", change=float(state.initMarginChange), commission=state.commission)


def saw_completed(contract: Any, order: Any, state: Any) -> None:
    """A completedOrder."""
    done = {"done": state.completedStatus, "at": state.completedTime, "filled": order.filledQuantity}
    saw("completed", **done, **_order(contract, order, state))


def saw_status(order_id: int, status: str, filled: float, remaining: float, *rest: Any) -> None:
    """An orderStatus: `rest` as the callback has it."""
    names = ("average", "perm", "parent", "last", "client", "why")
    saw(
        "status", id=order_id, status=status, filled=filled, remaining=remaining, **dict(zip(names, rest, strict=False))
    )


def saw_execution(request_id: int, contract: Any, execution: Any, time: str) -> None:
    """An execDetails; the time as `20220322 13:30:02`."""
    saw(
        "execution",
        request=request_id,
        id=execution.orderId,
        symbol=contract.symbol,
        side=execution.side,
        shares=execution.shares,
        price=execution.price,
        exec_id=execution.execId,
        time=time,
        perm=execution.permId,
        total=execution.cumQty,
        ref=execution.orderRef,
    )


def _order(contract: Any, order: Any, state: Any) -> dict[str, Any]:
    return {
        "symbol": contract.symbol,
        "action": order.action,
        "quantity": order.totalQuantity,
        "type": order.orderType,
        "limit": order.lmtPrice,
        "aux": order.auxPrice,
        "trail_stop": order.trailStopPrice,
        "trail_pct": order.trailingPercent,
        "tif": order.tif,
        "parent": order.parentId,
        "oca": order.ocaGroup,
        "ref": order.orderRef,
        "account": order.account,
        "perm": order.permId,
        "what_if": order.whatIf,
        "status": state.status,
    }


def _clean(value: Any) -> Any:
    if isinstance(value, float) and (value == _UNSET or math.isnan(value)):
        return None
    return list(value) if isinstance(value, tuple) else value
