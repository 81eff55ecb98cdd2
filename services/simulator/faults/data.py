"""Faults of market data and contracts: feeds that die unsaid, rights that are missing, symbols that are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from services.simulator.faults.active import Counted, Lasting, Live, Notice, fields_of, with_field
from services.simulator.venue.reports import QuoteReport, Report

if TYPE_CHECKING:
    from services.simulator.wire.requests import Request

__all__ = ["CompetingSession", "DeadFeed", "NoMarketData", "UnknownContract"]

COMPETING = (10197, "No market data during competing live session")
NO_CONTRACT = (200, "No security definition has been found for the request")
NO_RIGHT = {
    354: "Requested market data is not subscribed.Delayed market data is available.",
    10089: "Requested market data requires additional subscription for API.See link in 'Market Data Connections' dialog"
    " for more details.Delayed market data is available.",
    10090: "Part of requested market data is not subscribed. Subscription-independent ticks are still active."
    "Delayed market data is available.",
    10167: "Requested market data is not subscribed. Displaying delayed market data.",
    10168: "Requested market data is not subscribed. Delayed market data is not enabled.",
}
DELAYED = {"1": 66, "2": 67, "4": 68, "0": 69, "3": 70, "5": 71, "6": 72, "7": 73, "8": 74, "9": 75, "14": 76, "45": 88}
"""Tick types of live data and what they are as delayed ones."""

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
        for client_id, request_id in live.streams:
            live.do(Notice(*COMPETING, client_id, request_id))

    def request(self, live: Live, client_id: int, request: Request) -> Request | None:
        if type(request).__name__ == "MarketData":
            live.do(Notice(*COMPETING, client_id, request.request_id))  # type: ignore[union-attr]
        return request

    def reports(self, live: Live, reports: list[Report]) -> list[Report]:
        return [report for report in reports if not isinstance(report, QuoteReport)]


class NoMarketData(Counted, frozen=True, kw_only=True):
    """The login has no right to the data that is asked for: an error, or (10167) delayed data instead."""

    code: Literal[354, 10089, 10090, 10167, 10168] = 354
    """Which of the errors."""
    symbol: Symbol = ""
    """Symbol. Default: all."""

    def request(self, live: Live, client_id: int, request: Request) -> Request | None:
        if type(request).__name__ != "MarketData" or self.symbol not in ("", request.contract.symbol):  # type: ignore[union-attr]
            return request
        request_id = request.request_id  # type: ignore[union-attr]
        if self.code == 10167:
            if not live.memory and not live.strikes():
                return request
            live.memory[client_id, str(request_id)] = True
        elif not live.strikes():
            return request
        live.do(Notice(self.code, NO_RIGHT[self.code], client_id, request_id))
        return request if self.code == 10167 else None

    def frames(self, live: Live, client_id: int, frames: list[bytes]) -> list[bytes]:
        return [self._delayed(frame) if self._concerns(live, client_id, frame) else frame for frame in frames]

    @staticmethod
    def _concerns(live: Live, client_id: int, frame: bytes) -> bool:
        fields = fields_of(frame)
        return fields[0] in ("1", "2", "45", "46", "58") and (client_id, fields[2]) in live.memory

    @staticmethod
    def _delayed(frame: bytes) -> bytes:
        fields = fields_of(frame)
        if fields[0] == "58":
            return with_field(frame, [(3, 3)])
        return with_field(frame, [(3, DELAYED.get(fields[3], fields[3]))])


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
        live.do(Notice(*NO_CONTRACT, client_id, request_id))
        return None
