"""A scripted market, and short tuples for the exchange's reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from messages.market import Session
from services.simulator.venue.events import EventKey, MarketEvent
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.holdings import AccountTerms
from services.simulator.venue.orders import Ticket
from services.simulator.venue.reports import (
    AccountReport,
    CommissionReport,
    ErrorReport,
    ExecutionReport,
    OpenOrderReport,
    OrderReport,
    PositionReport,
    QuoteReport,
    Report,
    StatusReport,
)

SECOND = 10**9


def session(date: str, *, early: bool = False) -> Session:
    def at(hour: int, minute: int) -> int:
        moment = datetime.fromisoformat(date).replace(hour=hour, minute=minute, tzinfo=ZoneInfo("America/New_York"))
        return int(moment.timestamp()) * SECOND

    return Session(date, at(9, 30), at(13 if early else 16, 0), early)


MONDAY = session("2024-03-04")
TUESDAY = session("2024-03-05")
DU1 = AccountTerms(account="DU1")


class ScriptedMarket:
    """A source of the given events."""

    def __init__(self, events: Sequence[MarketEvent], symbols: Sequence[str] = ("ABC",)) -> None:
        self.symbols = tuple(symbols)
        self._events = sorted(events, key=lambda event: event.key)

    def events(self, after: EventKey | None, sessions: Sequence[Session]) -> Iterator[MarketEvent]:
        return (event for event in self._events if after is None or event.key > after)


def prints(
    *prices: float,
    symbol: str = "ABC",
    start_ns: int = MONDAY.open_ns,
    step_s: int = 60,
    half_spread: float = 0.01,
    through: bool = False,
) -> list[MarketEvent]:
    """Trades at equal intervals, each with its quote; the first is always a jump."""
    return [
        MarketEvent(
            time_ns=start_ns + row * step_s * SECOND,
            symbol=symbol,
            row=row,
            price=price,
            size=100,
            bid=round(price - half_spread, 4),
            ask=round(price + half_spread, 4),
            bid_size=300,
            ask_size=300,
            through=through and row > 0,
        )
        for row, price in enumerate(prices)
    ]


def exchange(events: Sequence[MarketEvent], *, symbols: Sequence[str] = ("ABC",), **more: Any) -> Exchange:
    settings: dict[str, Any] = {"sessions": [MONDAY, TUESDAY], "accounts": [DU1], "start_ns": MONDAY.open_ns}
    return Exchange(ScriptedMarket(events, symbols), **settings | more)


def ticket(order_id: int, side: str, order_type: str, **more: Any) -> Ticket:
    settings: dict[str, Any] = {"client_id": 1, "account": "DU1", "symbol": "ABC", "quantity": 100.0}
    return Ticket(order_id=order_id, side=side, order_type=order_type, **settings | more)  # type: ignore[arg-type]


def reported(reports: Sequence[Report], *, quotes: bool = False) -> list[tuple[Any, ...]]:
    """The reports, a short tuple each."""
    return [each for each in map(_short, reports) if quotes or each[0] != "quote"]


def _short(report: Report) -> tuple[Any, ...]:
    match report:
        case OrderReport(order):
            return ("order", order.ticket.order_id, order.status, order.why_held)
        case OpenOrderReport(order):
            return ("open order", order.ticket.order_id, order.status)
        case StatusReport(order):
            return ("status", order.ticket.order_id, order.status)
        case ExecutionReport(execution):
            return ("execution", execution.order_id, execution.quantity, execution.price)
        case CommissionReport():
            return ("commission", report.commission)
        case PositionReport():
            return ("position", report.quantity)
        case AccountReport():
            return ("account",)
        case ErrorReport():
            return ("error", report.order_id, report.code)
        case QuoteReport():
            return ("quote", report.symbol, report.last)
