"""Faults of order reports: in another sequence, late, or lost."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from services.simulator.faults.active import ActiveFault, BeginFault, CountedFault, DeliverReports, Disconnect, Seconds
from services.simulator.faults.links import Refuse
from services.simulator.venue.orders import Order
from services.simulator.venue.reports import (
    CommissionReport,
    ErrorReport,
    ExecutionReport,
    OpenOrderReport,
    OrderReport,
    QuoteReport,
    Report,
    StatusReport,
)

__all__ = [
    "CommissionLate",
    "ErrorBeforeStatus",
    "FillUnseen",
    "LastStatusLost",
    "StatusBeforeError",
    "StatusBeforeExecution",
]


class StatusBeforeExecution(CountedFault, frozen=True, kw_only=True):
    """The status of a fill comes before its execution."""

    def reports(self, active: ActiveFault, reports: list[Report]) -> list[Report]:
        return _swapped(active, reports, ExecutionReport, (OrderReport, OpenOrderReport, StatusReport))


class ErrorBeforeStatus(CountedFault, frozen=True, kw_only=True):
    """The error of a cancelled order (202) comes before its status; normally the status is first."""

    def reports(self, active: ActiveFault, reports: list[Report]) -> list[Report]:
        return _swapped(active, reports, StatusReport, (ErrorReport,))


class StatusBeforeError(CountedFault, frozen=True, kw_only=True):
    """The status of a rejected order comes before its error (201); normally the error is first."""

    def reports(self, active: ActiveFault, reports: list[Report]) -> list[Report]:
        return _swapped(active, reports, ErrorReport, (StatusReport, OrderReport))


def _swapped(active: ActiveFault, reports: list[Report], first: type, then: tuple[type, ...]) -> list[Report]:
    """The reports, with these neighbours swapped if the fault strikes."""
    passed = list(reports)
    for at in range(len(passed) - 1):
        if isinstance(passed[at], first) and isinstance(passed[at + 1], then) and active.strikes():
            passed[at], passed[at + 1] = passed[at + 1], passed[at]
    return passed


class CommissionLate(CountedFault, frozen=True, kw_only=True):
    """Commission reports come late; with `pending`, at first as -1."""

    seconds: Seconds = 30.0
    """How late, in market time."""
    pending: bool = False
    """Whether a report of -1 is sent at once."""

    def reports(self, active: ActiveFault, reports: list[Report]) -> list[Report]:
        passed: list[Report] = []
        for report in reports:
            if isinstance(report, CommissionReport) and active.strikes():
                active.later(self.seconds, DeliverReports((report,)))
                if self.pending:
                    passed.append(msgspec.structs.replace(report, commission=-1.0, realized_pnl=None))
            else:
                passed.append(report)
        return passed


class LastStatusLost(CountedFault, frozen=True, kw_only=True):
    """The last orderStatus of an order never comes, which IBKR does not promise; executions do."""

    status: Literal["Filled", "Cancelled", "Inactive", "any"] = "Filled"
    """Which last status."""
    open_order: bool = False
    """Whether no openOrder says it either."""

    def reports(self, active: ActiveFault, reports: list[Report]) -> list[Report]:
        passed: list[Report] = []
        for report in reports:
            if not isinstance(report, OrderReport | OpenOrderReport | StatusReport) or not self._hits(
                active, report.order
            ):
                passed.append(report)
            elif not self.open_order and not isinstance(report, StatusReport):
                passed.append(OpenOrderReport(report.order))
        return passed

    def _hits(self, active: ActiveFault, order: Order) -> bool:
        """Whether it strikes this order; once it has, it strikes every report of its end."""
        if not order.done or self.status not in ("any", order.status):
            return False
        if order.perm_id not in active.data:
            active.data[order.perm_id] = active.strikes()
        return bool(active.data[order.perm_id])


class FillUnseen(CountedFault, frozen=True, kw_only=True):
    """An order fills, and its owner's socket closes before it hears of it."""

    seconds: Annotated[float, Meta(gt=0, le=1_000_000)] = 5.0
    """How long nobody can connect."""

    def reports(self, active: ActiveFault, reports: list[Report]) -> list[Report]:
        owners = [report.execution.client_id for report in reports if isinstance(report, ExecutionReport)]
        if not owners or not active.strikes():
            return reports
        for client_id in dict.fromkeys(owners):
            active.do(Disconnect(client_id))
        active.do(BeginFault(Refuse(seconds=self.seconds)))
        return [report for report in reports if isinstance(report, QuoteReport)]
