"""What the broker has, as `crazy rescue` needs it: which shares have no stop, and which orders are the bot's. Pure.

It knows only the broker's answer, because the fleet's records may be lost. Which shares are the bot's follows from the
orders and executions under its references.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from messages.broker import BrokerExecution, BrokerOrder, BrokerPosition, BrokerSnapshot
from messages.orders import LIVE_STATUSES

__all__ = ["TradedContract", "survey"]

Fact = TypeVar("Fact", BrokerOrder, BrokerPosition, BrokerExecution)


class TradedContract(msgspec.Struct, frozen=True):
    """One contract of the account, and the live orders in it."""

    symbol: str
    con_id: int
    sec_type: str
    currency: str
    shares: float = 0.0
    avg_cost: float = 0.0
    stops: tuple[BrokerOrder, ...] = ()
    """The bot's live sells."""
    entries: tuple[BrokerOrder, ...] = ()
    """The bot's live buys."""
    others: tuple[BrokerOrder, ...] = ()
    """Live orders that are not the bot's."""
    bought: float = 0.0
    """Bought minus sold under the bot's references, as far as the broker still reports executions."""

    @property
    def is_stock(self) -> bool:
        """Whether the bot could have traded it."""
        return self.sec_type == "STK" and self.currency == "USD"

    @property
    def whole(self) -> int:
        """Whole shares: a fraction can't have a stop."""
        return max(0, math.floor(self.shares))

    @property
    def protected(self) -> int:
        """Whole shares that some live sell would sell, whoever's it is."""
        sells = [*self.stops, *(o for o in self.others if o.side == "SELL")]
        return min(self.whole, math.floor(sum(_left(o) for o in sells if not self._waits(o))))

    @property
    def uncovered(self) -> int:
        """Whole shares without a live sell."""
        return self.whole - self.protected

    @property
    def claimed(self) -> int:
        """Whole shares that the bot's orders or executions show to be its own."""
        resting = sum(_left(o) for o in self.stops if not self._waits(o))
        return min(self.whole, max(0, math.floor(max(resting, self.bought))))

    def _waits(self, order: BrokerOrder) -> bool:
        """Whether a sell waits for an entry that has not filled: it sells nothing yet."""
        return "child" in order.why_held


def survey(
    snapshot: BrokerSnapshot, account: str, is_ours: Callable[[BrokerOrder | BrokerExecution], bool]
) -> list[TradedContract]:
    """Every contract that the account holds, or in which it has a live order; by ticker.

    `is_ours`: whether an order or execution is this fleet's.
    """
    found: dict[int | str, TradedContract] = {}

    def of(fact: BrokerOrder | BrokerPosition) -> TradedContract:
        key = fact.con_id or fact.symbol
        return found.setdefault(key, TradedContract(fact.symbol, fact.con_id, fact.sec_type, fact.currency))

    def put(contract: TradedContract) -> None:
        found[contract.con_id or contract.symbol] = contract

    for position in _of_account(snapshot.positions, account):
        if position.quantity:
            put(msgspec.structs.replace(of(position), shares=position.quantity, avg_cost=position.avg_cost))
    for order in _of_account(snapshot.open_orders, account):
        if order.status in LIVE_STATUSES:
            contract = of(order)
            kind = "others" if not is_ours(order) else "stops" if order.side == "SELL" else "entries"
            put(msgspec.structs.replace(contract, **{kind: (*getattr(contract, kind), order)}))
    for execution in _of_account(snapshot.executions, account):
        key = execution.con_id or execution.symbol
        if is_ours(execution) and key in found:
            signed = execution.quantity if execution.side == "BUY" else -execution.quantity
            put(msgspec.structs.replace(found[key], bought=found[key].bought + signed))
    return sorted(found.values(), key=lambda c: (c.symbol, c.sec_type, c.con_id))


def _of_account(facts: Iterable[Fact], account: str) -> Iterable[Fact]:
    return (fact for fact in facts if fact.account in ("", account))


def _left(order: BrokerOrder) -> float:
    return max(0.0, order.quantity - order.filled)
