"""What a client program and the scenario say to each other: JSON lines, commands in, what was seen out.

It knows none of the libraries: each program hands over the objects of its own one, whose names agree.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from typing import Any

__all__ = ["UNSET", "commands", "order_seen", "order_wanted", "saw"]

UNSET = 1.7976931348623157e308


def saw(what: str, **facts: Any) -> None:
    """One line about one callback. Numbers that are unset in any spelling are null."""
    cleaned = {key: _clean(value) for key, value in facts.items()}
    sys.stdout.write(json.dumps({"saw": what} | cleaned) + "\n")
    sys.stdout.flush()


def commands() -> Iterator[dict[str, Any]]:
    """What to do, until the scenario ends."""
    while line := sys.stdin.readline():
        yield json.loads(line)


def order_wanted(order: Any, wanted: dict[str, Any]) -> Any:
    """The fields of a command's order, put into the library's own order object."""
    for name, value in wanted.items():
        setattr(order, name, value)
    return order


def order_seen(contract: Any, order: Any, state: Any) -> dict[str, Any]:
    """What an openOrder or completedOrder tells, in the words that all the libraries share."""
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
    if isinstance(value, float) and (value == UNSET or math.isnan(value)):
        return None
    return list(value) if isinstance(value, tuple) else value
