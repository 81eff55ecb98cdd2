"""What waits to be sent, and when it may go: IBKR cuts off a client that sends more than 50 messages a second. Pure.

Cancels and protective orders go first, then entries, then questions and market data. The orders of a bracket stay
together, the parent first. A message about an order that still waits goes behind that order, never before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from enum import IntEnum

import msgspec

__all__ = ["Outbox", "Urgency"]


class Urgency(IntEnum):
    """The queues, the most urgent first."""

    PROTECT = 0
    ENTER = 1
    ASK = 2


class _Unit(msgspec.Struct):
    """Messages that go out together. `orders`: the ids of the orders that they are about."""

    urgency: Urgency
    messages: list[str]
    orders: set[int]


class Outbox:
    """`per_second`: at most so many messages leave in any second; 0: all leave at once.

    A third of them may leave together, the rest is spread: a burst that the network delays and presses together must
    not reach the broker as more than its limit.
    """

    def __init__(self, per_second: int):
        self._burst = max(1.0, per_second / 3) if per_second else 0.0
        self._rate = per_second - self._burst if per_second > 1 else float(per_second)
        self._tokens, self._filled_s = self._burst, 0.0
        self._queues: dict[Urgency, deque[_Unit]] = {urgency: deque() for urgency in Urgency}
        self._bracket: _Unit | None = None

    def __len__(self) -> int:
        """How many messages wait."""
        return sum(len(unit.messages) for queue in self._queues.values() for unit in queue)

    def clear(self) -> None:
        """The connection is gone, and what waited with it."""
        for queue in self._queues.values():
            queue.clear()
        self._bracket = None

    def put(self, message: str, urgency: Urgency) -> None:
        """A message that is about no order."""
        self._queues[urgency].append(_Unit(urgency, [message], set()))

    def put_cancel(self, message: str, order_id: int) -> None:
        waiting = self._waiting(order_id)
        if waiting is not None:
            waiting.messages.append(message)
        else:
            self._queues[Urgency.PROTECT].append(_Unit(Urgency.PROTECT, [message], {order_id}))

    def put_order(self, message: str, order_id: int, parent_id: int, *, sells: bool, transmit: bool) -> None:
        """An order or its change. One that the gateway holds back (`transmit` False) waits for its child."""
        bracket, self._bracket = self._bracket, None
        if bracket is not None and parent_id in bracket.orders:
            bracket.messages.append(message)
            bracket.orders.add(order_id)
            if transmit:
                self._queues[bracket.urgency].append(bracket)
            else:
                self._bracket = bracket
            return
        if bracket is not None:
            self._queues[bracket.urgency].append(bracket)  # its child does not follow
        waiting = self._waiting(order_id) or (self._waiting(parent_id) if parent_id else None)
        if waiting is not None:
            waiting.messages.append(message)
            waiting.orders.add(order_id)
            return
        unit = _Unit(Urgency.PROTECT if sells else Urgency.ENTER, [message], {order_id})
        if transmit:
            self._queues[unit.urgency].append(unit)
        else:
            self._bracket = unit

    def release(self, now_s: float) -> Iterator[str]:
        """The messages that may leave now, in their order."""
        self._refill(now_s)
        while (unit := self._next()) is not None and self._allows(len(unit.messages)):
            self._queues[unit.urgency].popleft()
            self._tokens -= len(unit.messages)
            yield from unit.messages

    def wait_s(self, now_s: float) -> float | None:
        """Seconds until more may leave; None if nothing waits."""
        unit = self._next()
        if unit is None:
            return None
        self._refill(now_s)
        wanted = min(float(len(unit.messages)), self._burst)
        return max(0.0, (wanted - self._tokens) / self._rate) if self._rate else 0.0

    def _refill(self, now_s: float) -> None:
        self._tokens = min(self._burst, self._tokens + (now_s - self._filled_s) * self._rate)
        self._filled_s = now_s

    def _allows(self, count: int) -> bool:
        """A unit that is longer than a burst leaves when the burst is full."""
        return not self._rate or self._tokens >= min(float(count), self._burst) - 1e-9

    def _next(self) -> _Unit | None:
        return next((queue[0] for queue in self._queues.values() if queue), None)

    def _waiting(self, order_id: int) -> _Unit | None:
        """The unit with this order, if it has not left."""
        if self._bracket is not None and order_id in self._bracket.orders:
            return self._bracket
        return next((u for queue in self._queues.values() for u in queue if order_id in u.orders), None)
