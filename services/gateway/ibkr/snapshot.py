"""One question about everything: positions, open orders, completed orders, executions. Part of the edge.

Each part has its own deadline. Completed orders are optional: without them the answer says that they are missing. If
any other part is missing there is no answer at all, because a missing part is not an empty one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from messages.broker import (
    BrokerCommission,
    BrokerExecution,
    BrokerOrder,
    BrokerPosition,
    BrokerSnapshot,
    SnapshotFailed,
)
from services.gateway.ibkr.answers import Answers

__all__ = ["COMPLETED", "EXECUTIONS", "OPEN_ORDERS", "POSITIONS", "SnapshotParts"]

POSITIONS, OPEN_ORDERS, COMPLETED, EXECUTIONS = "positions", "open_orders", "completed_orders", "executions"

ANSWER_S = {POSITIONS: 30.0, OPEN_ORDERS: 30.0, COMPLETED: 10.0, EXECUTIONS: 30.0}
"""How long each part may take."""
LATE_S = 5.0
"""How long a second answer is awaited if the first one may be that to an earlier question."""


class Requests(Protocol):
    """The questions on the socket."""

    def request_positions(self) -> None: ...
    def request_open_orders(self) -> None: ...
    def request_completed_orders(self) -> None: ...
    def request_executions(self) -> int: ...


class SnapshotParts:
    """The parts of the answers on one connection."""

    def __init__(self, requests: Requests):
        self._requests = requests
        self.positions: Answers[tuple[str, int, str], BrokerPosition] = Answers()
        self.open_orders: Answers[int, BrokerOrder] = Answers()
        self.completed: Answers[int, BrokerOrder] = Answers()
        self.executions: Answers[int, BrokerExecution] = Answers()
        self.commissions: list[BrokerCommission] = []
        self._execution_request = 0
        self._changed = asyncio.Event()
        self._open: object | None = None

    @property
    def asking(self) -> bool:
        """Whether a question is open."""
        return self._open is not None

    # What comes in.

    def add_execution(self, request_id: int, execution: BrokerExecution) -> bool:
        """Whether it belongs to the open question. Those of earlier questions belong to none."""
        if not self.asking or request_id != self._execution_request:
            return False
        self.executions.item(len(self.executions.items), execution)
        return True

    def end(self, answers: Answers[tuple[str, int, str], BrokerPosition] | Answers[int, BrokerOrder]) -> None:
        """The broker says that one of its answers is complete."""
        answers.end()
        self._changed.set()

    def end_executions(self, request_id: int) -> None:
        if request_id == self._execution_request:
            self.executions.end()
            self._changed.set()

    def fail_executions(self, request_id: int, trouble: str) -> None:
        """The broker refuses to tell the executions."""
        if request_id == self._execution_request:
            self.executions.spoil(trouble)
            self.end_executions(request_id)

    def spoil(self, message: int, trouble: str) -> None:
        """A message could not be read: what it would have added to the open answer is missing."""
        answers: dict[int, Answers[tuple[str, int, str], BrokerPosition] | Answers[int, BrokerOrder]] = {
            61: self.positions,
            5: self.open_orders,
            101: self.completed,
        }
        if message == 11:
            self.executions.spoil(trouble)
        elif message in answers:
            answers[message].spoil(trouble)

    # The question.

    async def ask(
        self, question: int, account: str, before: asyncio.Task[None] | None
    ) -> BrokerSnapshot | SnapshotFailed:
        """Ask for everything. `before`: what has to end first; it has a deadline of its own."""
        self._open = here = object()
        self.commissions = []
        try:
            return await self._ask(question, account, before)
        finally:
            if self._open is here:
                self._open = None

    async def _ask(
        self, question: int, account: str, before: asyncio.Task[None] | None
    ) -> BrokerSnapshot | SnapshotFailed:
        if before is not None:
            await asyncio.wait((before,))
        self.positions.ask()
        self._requests.request_positions()
        self.open_orders.ask()
        self._requests.request_open_orders()
        self.completed.ask()
        self._requests.request_completed_orders()
        troubles = [
            *await asyncio.gather(self._part(POSITIONS, self.positions), self._part(OPEN_ORDERS, self.open_orders))
        ]
        missing = (COMPLETED,) if await self._part(COMPLETED, self.completed) else ()
        if not any(troubles):
            self.executions = Answers()
            self.executions.ask()
            self._execution_request = self._requests.request_executions()
            troubles.append(await self._part(EXECUTIONS, self.executions))
        if any(troubles):
            return SnapshotFailed("; ".join(filter(None, troubles)), question)
        return BrokerSnapshot(
            account=account,
            positions=tuple(self.positions.items.values()),
            open_orders=tuple(self.open_orders.items.values()),
            completed_orders=tuple(self.completed.items.values()),
            executions=tuple(self.executions.items.values()),
            commissions=tuple(self.commissions),
            question=question,
            missing=missing,
        )

    async def _part(
        self,
        name: str,
        answers: Answers[tuple[str, int, str], BrokerPosition]
        | Answers[int, BrokerOrder]
        | Answers[int, BrokerExecution],
    ) -> str:
        """Wait for one part. Returns what is wrong with it."""
        if not await self._within(ANSWER_S[name], lambda: answers.complete or answers.has_candidate):
            answers.expire()
            return f"{name}: no complete answer within {ANSWER_S[name]:.0f} s"
        if not answers.complete and not await self._within(LATE_S, lambda: answers.complete):
            answers.expire()
        return f"{name}: {answers.trouble}" if answers.trouble else ""

    async def _within(self, seconds: float, condition: Callable[[], bool]) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return condition()
        return True
