"""Every execution with its commission: the last version of each, and which of them are not saved yet. Pure.

An id has a fixed part (`00000001.65e5d4a8.01`) and a revision (`.01`). A correction replaces the execution under the
next revision, and counts as new in the order of executions.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.simulator.venue.orders import Execution
from services.simulator.venue.reports import CommissionReport

__all__ = ["Executions", "base_id", "corrected_id"]


def base_id(exec_id: str) -> str:
    """The common part of the ids of an execution and its corrections: all before the last period."""
    return exec_id.rpartition(".")[0]


def corrected_id(exec_id: str) -> str:
    """The id of the next correction: the same, its revision raised."""
    base, _, revision = exec_id.rpartition(".")
    return f"{base}.{int(revision) + 1:02d}"


class Executions:
    """The executions, oldest first."""

    def __init__(self) -> None:
        self._executions: dict[str, Execution] = {}
        self._commissions: dict[str, CommissionReport] = {}
        self._unsaved: list[Execution] = []
        self._last_number = 0

    def restore(self, executions: Iterable[Execution], commissions: Iterable[CommissionReport]) -> None:
        """Load the saved ones, in their order."""
        self._executions = {base_id(each.exec_id): each for each in executions}
        self._commissions = {charge.exec_id: charge for charge in commissions}
        self._last_number = max(map(_number, self._executions), default=0)

    def new_id(self, second: int) -> str:
        """The id of the next execution, at this second of the epoch."""
        return f"{self._last_number + 1:08x}.{second:08x}.01.01"

    def keep(self, execution: Execution, charge: CommissionReport) -> None:
        """Add a new one, or a correction."""
        base = base_id(execution.exec_id)
        before = self._executions.pop(base, None)
        if before is not None:
            del self._commissions[before.exec_id]
            self._unsaved = [each for each in self._unsaved if each is not before]
        self._executions[base] = execution
        self._commissions[execution.exec_id] = charge
        self._unsaved.append(execution)
        self._last_number = max(self._last_number, _number(base))

    def latest(self, exec_id: str) -> tuple[Execution, CommissionReport]:
        """The execution of this id. KeyError if there is none, or if it was corrected or busted."""
        execution = self._executions[base_id(exec_id)]
        if execution.exec_id != exec_id or not execution.quantity:
            raise KeyError(exec_id)
        return execution, self._commissions[exec_id]

    def all(self) -> list[Execution]:
        """All, in their last versions."""
        return list(self._executions.values())

    def commission_of(self, exec_id: str) -> CommissionReport | None:
        """The commission of an execution."""
        return self._commissions.get(exec_id)

    def take_unsaved(self) -> tuple[list[Execution], list[CommissionReport]]:
        """Those added since the last call, and their commissions."""
        executions, self._unsaved = self._unsaved, []
        return executions, [self._commissions[each.exec_id] for each in executions]


def _number(base: str) -> int:
    return int(base.partition(".")[0], 16)
