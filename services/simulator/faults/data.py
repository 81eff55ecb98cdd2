"""Faults of market data and contracts: silent feeds, missing entitlements, unknown symbols."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from services.simulator.faults.active import ActiveFault, CountedFault, Notice, ReviewStreams, TimedFault
from services.simulator.venue.reports import QuoteReport, Report
from services.simulator.wire import errors
from services.simulator.wire.market_requests import MarketDataRequest
from services.simulator.wire.requests import Request

__all__ = ["CompetingSession", "DeadFeed", "NoMarketData", "UnknownContract"]

COMPETING = 10197

Symbol = Annotated[str, Meta(description="a symbol, or nothing for all")]


class DeadFeed(TimedFault, frozen=True, kw_only=True):
    """Quotes cease, and nothing says so. The market goes on, and orders fill."""

    symbol: Symbol = ""
    """Symbol without quotes. Default: all."""
    heals: bool = True
    """Whether a new subscription to a symbol brings its quotes back."""

    def request(self, active: ActiveFault, client_id: int, request: Request) -> Request | None:
        if self.heals and isinstance(request, MarketDataRequest):
            symbol = request.contract.symbol
            active.data[symbol] = True
            if symbol == self.symbol:
                active.finish()
        return request

    def reports(self, active: ActiveFault, reports: list[Report]) -> list[Report]:
        return [report for report in reports if not (isinstance(report, QuoteReport) and self._dead(active, report))]

    def _dead(self, active: ActiveFault, quote: QuoteReport) -> bool:
        return self.symbol in ("", quote.symbol) and quote.symbol not in active.data


class CompetingSession(TimedFault, frozen=True, kw_only=True):
    """The same user is logged in elsewhere: 10197 for each subscription, and no quotes until that ends."""

    def begin(self, active: ActiveFault) -> None:
        active.do(ReviewStreams())

    def end(self, active: ActiveFault) -> None:
        active.do(ReviewStreams())

    def denies(self, active: ActiveFault, symbol: str, *, anew: bool) -> int | None:
        return COMPETING

    def reports(self, active: ActiveFault, reports: list[Report]) -> list[Report]:
        return [report for report in reports if not isinstance(report, QuoteReport)]


class NoMarketData(CountedFault, frozen=True, kw_only=True):
    """The login has no right to the live data that are asked for: an error, or (10167) delayed data instead.

    Who asks for delayed data gets them with 10167, unless the code is 10168 or 10186. What a subscription got when it
    began it keeps.
    """

    code: Literal[354, 10089, 10090, 10167, 10168, 10186] = 354
    """Which of the errors."""
    symbol: Symbol = ""
    """Symbol. Default: all."""

    def denies(self, active: ActiveFault, symbol: str, *, anew: bool) -> int | None:
        return self.code if anew and self.symbol in ("", symbol) and active.strikes() else None


class UnknownContract(TimedFault, frozen=True, kw_only=True):
    """A symbol has no security definition any more (200), as after a corporate action: for data, details and orders."""

    symbol: Annotated[str, Meta(min_length=1, description="a symbol")]
    """Symbol that is gone."""

    def request(self, active: ActiveFault, client_id: int, request: Request) -> Request | None:
        contract = getattr(request, "contract", None)
        if contract is None or contract.symbol != self.symbol:
            return request
        ticket = getattr(request, "ticket", None)
        request_id = getattr(request, "request_id", -1) if ticket is None else ticket.order_id
        active.do(Notice(*errors.NO_CONTRACT, client_id, request_id))
        return None
