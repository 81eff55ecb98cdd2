"""Faults of exchange and broker: halts, splits, dividends, new tickers, corrected or busted executions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from services.simulator.faults.active import (
    ActiveFault,
    CountedFault,
    Fault,
    RunExchangeAction,
    Seconds,
    TimedFault,
)
from services.simulator.venue.orders import Execution
from services.simulator.venue.reports import ExecutionReport, Report

if TYPE_CHECKING:
    from services.simulator.venue.exchange import Exchange

__all__ = ["BustExecution", "CorrectExecution", "Dividend", "Halt", "LimitUpLimitDown", "Reassign", "Rename", "Split"]

Symbol = Annotated[str, Meta(min_length=1, description="a symbol")]


class Halt(TimedFault, frozen=True, kw_only=True):
    """The exchange halts a stock: prices stand, orders wait; afterwards it trades on at whatever price it has."""

    symbol: Symbol
    """Symbol."""

    def begin(self, active: ActiveFault) -> None:
        active.do(RunExchangeAction(lambda exchange: exchange.halt(self.symbol)))

    def end(self, active: ActiveFault) -> None:
        active.do(RunExchangeAction(lambda exchange: exchange.resume(self.symbol)))


class LimitUpLimitDown(Halt, frozen=True, kw_only=True):
    """A pause as for a price outside of its bands (LULD). The switch `limit_up_limit_down` makes them by themselves."""

    seconds: Seconds = 300.0
    """How long, in market time; the plan has five minutes."""


class Split(Fault, frozen=True, kw_only=True):
    """A split: shares, average cost and prices change; what becomes of GTC orders is a switch of the policy."""

    symbol: Symbol
    """Symbol."""
    ratio: Annotated[float, Meta(gt=0, le=1000)] = 2.0
    """New shares for one old; 0.1 makes one of ten."""

    def begin(self, active: ActiveFault) -> None:
        active.do(RunExchangeAction(lambda exchange: exchange.split(self.symbol, self.ratio)))


class Dividend(Fault, frozen=True, kw_only=True):
    """A dividend is paid for what is held now; whether GTC stops are lowered by it is a switch of the policy."""

    symbol: Symbol
    """Symbol."""
    usd: Annotated[float, Meta(gt=0, le=10_000)] = 0.5
    """Dollars a share."""

    def begin(self, active: ActiveFault) -> None:
        active.do(RunExchangeAction(lambda exchange: exchange.dividend(self.symbol, self.usd)))


class Rename(Fault, frozen=True, kw_only=True):
    """A stock gets another ticker and keeps its contract id: what was asked by the old ticker is unknown (200)."""

    symbol: Symbol
    """Symbol."""
    to: Annotated[str, Meta(min_length=1, description="a ticker")]
    """Its ticker from now on."""

    def begin(self, active: ActiveFault) -> None:
        active.do(RunExchangeAction(lambda exchange: exchange.rename(self.symbol, self.to)))


class Reassign(Fault, frozen=True, kw_only=True):
    """A ticker passes to another contract, which has no market; the old one keeps its id, and is now `….OLD`."""

    symbol: Symbol
    """Symbol."""

    def begin(self, active: ActiveFault) -> None:
        active.do(RunExchangeAction(lambda exchange: exchange.reassign(self.symbol)))


class BustExecution(CountedFault, frozen=True, kw_only=True):
    """The exchange takes an execution back: corrected to no shares at all."""

    seconds: Seconds = 1.0
    """How long after the execution."""

    def reports(self, active: ActiveFault, reports: list[Report]) -> list[Report]:
        for report in reports:
            if isinstance(report, ExecutionReport) and report.execution.quantity and active.strikes():
                active.later(self.seconds, RunExchangeAction(partial(_bust, exec_id=report.execution.exec_id)))
        return reports


def _bust(exchange: Exchange, *, exec_id: str) -> list[Report]:
    return exchange.bust_execution(exec_id)


class CorrectExecution(CountedFault, frozen=True, kw_only=True):
    """The broker corrects an execution: the same id with a higher suffix (.02), at another price."""

    by: float = -0.01
    """Dollars that the price changes by."""
    seconds: Seconds = 1.0
    """How long after the execution."""

    def reports(self, active: ActiveFault, reports: list[Report]) -> list[Report]:
        for report in reports:
            if isinstance(report, ExecutionReport) and active.strikes():
                active.later(self.seconds, RunExchangeAction(partial(_correct, wrong=report.execution, by=self.by)))
        return reports


def _correct(exchange: Exchange, *, wrong: Execution, by: float) -> list[Report]:
    return exchange.correct_execution(wrong.exec_id, round(wrong.price + by, 4))
