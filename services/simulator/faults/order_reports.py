"""Faults of what is told of orders: in another sequence, late, or to nobody."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from services.simulator.faults.active import Begin, Counted, HangUp, Live, Seconds, Tell
from services.simulator.faults.links import Refuse
from services.simulator.venue.reports import (
    CommissionReport,
    ErrorReport,
    ExecutionReport,
    OrderReport,
    QuoteReport,
    Report,
    StatusReport,
)

__all__ = ["CommissionLate", "ErrorBeforeStatus", "FillUnseen", "StatusBeforeError", "StatusBeforeExecution"]


class StatusBeforeExecution(Counted, frozen=True, kw_only=True):
    """The status of a fill comes before its execution."""

    def reports(self, live: Live, reports: list[Report]) -> list[Report]:
        return _swapped(live, reports, ExecutionReport, (OrderReport, StatusReport))


class ErrorBeforeStatus(Counted, frozen=True, kw_only=True):
    """The error of a cancelled order (202) comes before its status; normally the status is first."""

    def reports(self, live: Live, reports: list[Report]) -> list[Report]:
        return _swapped(live, reports, StatusReport, (ErrorReport,))


class StatusBeforeError(Counted, frozen=True, kw_only=True):
    """The status of a rejected order comes before its error (201); normally the error is first."""

    def reports(self, live: Live, reports: list[Report]) -> list[Report]:
        return _swapped(live, reports, ErrorReport, (StatusReport, OrderReport))


def _swapped(live: Live, reports: list[Report], first: type, then: tuple[type, ...]) -> list[Report]:
    """The reports with these neighbours exchanged where it strikes."""
    passed = list(reports)
    for at in range(len(passed) - 1):
        if isinstance(passed[at], first) and isinstance(passed[at + 1], then) and live.strikes():
            passed[at], passed[at + 1] = passed[at + 1], passed[at]
    return passed


class CommissionLate(Counted, frozen=True, kw_only=True):
    """Commission reports come late; with `pending`, at first as -1."""

    seconds: Seconds = 30.0
    """How late, in market time."""
    pending: bool = False
    """Whether one of -1 comes in time."""

    def reports(self, live: Live, reports: list[Report]) -> list[Report]:
        passed: list[Report] = []
        for report in reports:
            if isinstance(report, CommissionReport) and live.strikes():
                live.later(self.seconds, Tell((report,)))
                if self.pending:
                    passed.append(msgspec.structs.replace(report, commission=-1.0, realized_pnl=None))
            else:
                passed.append(report)
        return passed


class FillUnseen(Counted, frozen=True, kw_only=True):
    """An order fills, and its owner's socket closes before it hears of it."""

    seconds: Annotated[float, Meta(gt=0, le=1_000_000)] = 5.0
    """How long nobody can connect."""

    def reports(self, live: Live, reports: list[Report]) -> list[Report]:
        owners = [report.execution.client_id for report in reports if isinstance(report, ExecutionReport)]
        if not owners or not live.strikes():
            return reports
        for client_id in dict.fromkeys(owners):
            live.do(HangUp(client_id))
        live.do(Begin(Refuse(seconds=self.seconds)))
        return [report for report in reports if isinstance(report, QuoteReport)]
