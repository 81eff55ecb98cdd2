"""Faults of market data and contracts: feeds that die unsaid, rights that are missing, symbols that are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from services.simulator.faults.active import Counted, Lasting, Live, Notice, ReviewStreams
from services.simulator.venue.reports import QuoteReport, Report
from services.simulator.wire import complaints

if TYPE_CHECKING:
    from services.simulator.wire.requests import Request

__all__ = ["CompetingSession", "DeadFeed", "NoMarketData", "UnknownContract"]

COMPETING = 10197

Symbol = Annotated[str, Meta(description="a symbol, or nothing for all")]


class DeadFeed(Lasting, frozen=True, kw_only=True):
    """Quotes cease, and nothing says so. The market goes on, and orders fill."""

    symbol: Symbol = ""
    """Symbol that falls silent. Default: all."""
    heals: bool = True
    """Whether a new subscription to a symbol brings its quotes back."""

    def request(self, live: Live, client_id: int, request: Request) -> Request | None:
        if self.heals and type(request).__name__ == "MarketData":
            symbol = request.contract.symbol  # type: ignore[union-attr]
            live.memory[symbol] = True
            if symbol == self.symbol:
                live.finish()
        return request

    def reports(self, live: Live, reports: list[Report]) -> list[Report]:
        return [report for report in reports if not (isinstance(report, QuoteReport) and self._dead(live, report))]

    def _dead(self, live: Live, quote: QuoteReport) -> bool:
        return self.symbol in ("", quote.symbol) and quote.symbol not in live.memory


class CompetingSession(Lasting, frozen=True, kw_only=True):
    """The same user is logged in elsewhere: 10197 for each subscription, and no quotes until that ends."""

    def begin(self, live: Live) -> None:
        live.do(ReviewStreams())

    def end(self, live: Live) -> None:
        live.do(ReviewStreams())

    def denies(self, live: Live, symbol: str, *, anew: bool) -> int | None:
        return COMPETING

    def reports(self, live: Live, reports: list[Report]) -> list[Report]:
        return [report for report in reports if not isinstance(report, QuoteReport)]


class NoMarketData(Counted, frozen=True, kw_only=True):
    """The login has no right to the live data that are asked for: an error, or (10167) delayed data instead.

    Who asks for delayed data gets them with 10167, unless the code is 10168 or 10186. What a subscription got when it
    began it keeps.
    """

    code: Literal[354, 10089, 10090, 10167, 10168, 10186] = 354
    """Which of the errors."""
    symbol: Symbol = ""
    """Symbol. Default: all."""

    def denies(self, live: Live, symbol: str, *, anew: bool) -> int | None:
        return self.code if anew and self.symbol in ("", symbol) and live.strikes() else None


class UnknownContract(Lasting, frozen=True, kw_only=True):
    """A symbol has no security definition any more (200), as after a corporate action: for data, details and orders."""

    symbol: Annotated[str, Meta(min_length=1, description="a symbol")]
    """Symbol that is gone."""

    def request(self, live: Live, client_id: int, request: Request) -> Request | None:
        contract = getattr(request, "contract", None)
        if contract is None or contract.symbol != self.symbol:
            return request
        ticket = getattr(request, "ticket", None)
        request_id = getattr(request, "request_id", -1) if ticket is None else ticket.order_id
        live.do(Notice(*complaints.NO_CONTRACT, client_id, request_id))
        return None
