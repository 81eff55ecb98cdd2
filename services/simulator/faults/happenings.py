"""Faults of the market itself: halts, splits, dividends, executions that the exchange takes back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from services.simulator.faults.active import Ask, Counted, Fault, Lasting, Live, Seconds
from services.simulator.venue.model import ExecutionReport, Report

if TYPE_CHECKING:
    from services.simulator.venue.exchange import Exchange

__all__ = ["BustExecution", "Dividend", "Halt", "LimitUpLimitDown", "Split"]

Symbol = Annotated[str, Meta(min_length=1, description="a symbol")]


class Halt(Lasting, frozen=True, kw_only=True):
    """The exchange halts a stock: prices stand, orders wait; afterwards it trades on at whatever price it has."""

    symbol: Symbol
    """Symbol."""

    def begin(self, live: Live) -> None:
        live.do(Ask(lambda exchange: exchange.halt(self.symbol)))

    def end(self, live: Live) -> None:
        live.do(Ask(lambda exchange: exchange.resume(self.symbol)))


class LimitUpLimitDown(Halt, frozen=True, kw_only=True):
    """A pause as for a price outside of its bands (LULD). The switch `luld_halts` makes them by themselves."""

    seconds: Seconds = 300.0
    """How long, in market time; the plan has five minutes."""


class Split(Fault, frozen=True, kw_only=True):
    """A split: shares, average cost and prices change; what becomes of GTC orders is a switch of the policy."""

    symbol: Symbol
    """Symbol."""
    ratio: Annotated[float, Meta(gt=0, le=1000)] = 2.0
    """New shares for one old; 0.1 makes one of ten."""

    def begin(self, live: Live) -> None:
        live.do(Ask(lambda exchange: exchange.split(self.symbol, self.ratio)))


class Dividend(Fault, frozen=True, kw_only=True):
    """A dividend is paid for what is held now; whether GTC stops are lowered by it is a switch of the policy."""

    symbol: Symbol
    """Symbol."""
    usd: Annotated[float, Meta(gt=0, le=10_000)] = 0.5
    """Dollars a share."""

    def begin(self, live: Live) -> None:
        live.do(Ask(lambda exchange: exchange.dividend(self.symbol, self.usd)))


class BustExecution(Counted, frozen=True, kw_only=True):
    """The exchange takes an execution back: corrected to no shares at all."""

    seconds: Seconds = 1.0
    """How long after the execution."""

    def reports(self, live: Live, reports: list[Report]) -> list[Report]:
        for report in reports:
            if isinstance(report, ExecutionReport) and report.execution.quantity and live.strikes():
                live.later(self.seconds, Ask(partial(_bust, exec_id=report.execution.exec_id)))
        return reports


def _bust(exchange: Exchange, *, exec_id: str) -> list[Report]:
    return exchange.bust_execution(exec_id)
