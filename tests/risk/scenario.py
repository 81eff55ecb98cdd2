"""Risk's core with short methods for the messages of the fleet."""

from __future__ import annotations

from typing import Any

import msgspec

from messages import Message
from messages.account import (
    AccountUpdated,
    BookTold,
    ReconciliationDone,
    RequestBook,
)
from messages.entries import EntryApproved, EntryDenied, EntryPlan, SubmitEntry
from messages.market import Session
from messages.operator import Happened
from messages.orders import (
    Fill,
    OrderFilled,
    OrderRecord,
    PositionUpdated,
)
from messages.timers import Started
from services.configuration.settings import Settings
from services.risk.core import RiskCore, constraints
from services.risk.exposure import reserved
from services.risk.limits import Holding, Mark, Reservation, exposure_of
from services.runtime.core import Now, State, is_volatile
from services.runtime.ledger import Batch, MemoryLedger, RecordChange

MONDAY = Session("2025-01-06", 0, 1)


def plan(
    number: int = 1, *, symbol: str = "TSLA", quantity: float = 10.0, limit: float | None = 100.0, **more: Any
) -> EntryPlan:
    key = f"CT-{symbol}-20250106-{number}"
    fields: dict[str, Any] = {
        "client_order_id": key,
        "symbol": symbol,
        "session_date": MONDAY.date,
        "quantity": quantity,
        "order_type": "STP LMT",
        "stop_price": 95.0,
        "limit_price": limit,
        "reference": 90.0,
        "tif": "DAY",
        "stop_client_order_id": f"{key}-S1",
        "stop_order_type": "TRAIL",
        "trailing_pct": 10.0,
        "limit_offset": None,
        "stop_tif": "GTC",
        "decided_ns": 0,
    }
    return EntryPlan(**(fields | more))


def order(key: str, symbol: str, *, role: str = "entry", **more: Any) -> OrderRecord:
    fields: dict[str, Any] = {"side": "BUY" if role == "entry" else "SELL", "order_type": "STP LMT", "quantity": 10.0}
    return OrderRecord(client_order_id=key, symbol=symbol, role=role, **(fields | more))  # type: ignore[arg-type]


def execution(key: str, symbol: str, *, price: float = 95.0, **more: Any) -> Fill:
    """Ten shares bought by an entry, unless `more` says otherwise."""
    fields: dict[str, Any] = {
        "exec_id": "e",
        "role": "entry",
        "side": "BUY",
        "quantity": 10.0,
        "cum_quantity": 10.0,
        "order_id": 1,
        "perm_id": 1,
        "account": "DU1",
        "time_ns": 0,
    }
    return Fill(client_order_id=key, symbol=symbol, price=price, avg_price=price, **(fields | more))


def configured(**sections: Any) -> Settings:
    """Three symbols and these sections of the configuration."""
    return msgspec.convert({"watchlist": ["TSLA", "NVDA", "AMD"]} | sections, Settings)


class Risk:
    """The core over a ledger with its constraints; open, with money, unless `cold`."""

    def __init__(self, *, cold: bool = False, cash: float = 100_000.0, **sections: Any):
        self.settings = configured(**sections)
        self.core = RiskCore(self.settings)
        self.state = State(self.core.kinds)
        self.ledger = MemoryLedger("risk", constraints(self.settings))
        self.sent: list[tuple[str, Message]] = []
        self.gateway_answers = True
        self.now = 0
        if not cold:
            self.handle(ReconciliationDone("DU1", 0, 0, 0))
            self.account(cash)
            self.sent.clear()

    def handle(self, message: Message) -> None:
        decision = self.core.handle(self.state, message, Now(self.now, 0))
        kept = [change for change in decision.changes if not is_volatile(change[0])]
        self.ledger.commit(
            Batch([RecordChange(k.__name__, key, None if r is None else msgspec.json.encode(r)) for k, key, r in kept])
        )
        self.state.apply(decision.changes)
        self.sent += decision.messages
        if any(isinstance(m, RequestBook) for _, m in decision.messages) and self.gateway_answers:
            self.handle(self.book())

    def book(self, *, reconciled: bool = True, orders: tuple[OrderRecord, ...] = ()) -> BookTold:
        """A gateway's book with the positions that risk knows, and live entries for its reservations."""
        positions = tuple(
            PositionUpdated(h.symbol, h.account, h.avg_cost, h.own, h.cost_usd)
            for h in self.state.table(Holding).values()
        )
        live = tuple(
            order(r.client_order_id, r.symbol, quantity=r.quantity, filled=r.quantity - r.leaves)
            for r in self.state.table(Reservation).values()
        )
        return BookTold(reconciled, positions, (*live, *orders), None)

    def restart(self) -> None:
        """Another run of the process: what lives in memory only is gone, and the gateway has not answered yet."""
        self.gateway_answers = False
        self.state = State(self.core.kinds)
        for kind in self.core.kinds:
            for body in self.ledger.load().records.get(kind.__name__, {}).values():
                record = msgspec.json.decode(body, type=kind)
                self.state.apply([(kind, record.key, record)])
        self.handle(Started(2))
        self.gateway_answers = True

    def sent_on(self, message: Message) -> list[tuple[str, Message]]:
        """All that this message makes risk send: (recipient, message)."""
        self.sent.clear()
        self.handle(message)
        return list(self.sent)

    def note(
        self, event: str, symbol: str = "", level: str = "INFO", /, **fields: str | float | int | bool | None
    ) -> tuple[str, Message]:
        """The event that the recorder gets now."""
        return ("recorder", Happened(event, symbol, level, fields, self.now))

    def notes(self) -> list[str]:
        return [m.event for _, m in self.sent if isinstance(m, Happened)]

    def account(self, cash: float, worth: float = 100_000.0) -> None:
        self.handle(AccountUpdated("DU1", worth, cash, cash, 0.0, 0))

    def submit(self, entry: EntryPlan) -> EntryApproved | EntryDenied:
        self.sent.clear()
        self.handle(SubmitEntry(entry))
        ((recipient, answer),) = [(r, m) for r, m in self.sent if isinstance(m, EntryApproved | EntryDenied)]
        assert recipient == ("gateway" if isinstance(answer, EntryApproved) else f"symbol-{entry.symbol}")
        return answer

    def fill(self, key: str, symbol: str, *, own: float, cost: float, quantity: float = 10.0, **more: Any) -> None:
        fields: dict[str, Any] = {
            "side": "BUY",
            "price": 95.0,
            "cum": quantity,
            "of": 10.0,
            "realized": 0.0,
            "live": True,
        } | more
        status = "Submitted" if fields["live"] else "Cancelled"
        role: Any = fields.get("role", "entry" if fields["side"] == "BUY" else "stop")
        fill = execution(
            key,
            symbol,
            role=role,
            side=fields["side"],
            quantity=quantity,
            price=fields["price"],
            cum_quantity=fields["cum"],
        )
        filled = order(key, symbol, role=role, quantity=fields["of"], status=status)
        extra = {name: fields[name] for name in ("corrects", "undone_usd") if name in fields}
        self.handle(OrderFilled(fill, filled, own, cost, fields["realized"], **extra))

    def reserved(self) -> float:
        return sum(r.usd for r in reserved(self.state).values())

    def exposure(self) -> float:
        """What is held at max(cost, market), calculated from the records again."""
        marks = self.state.table(Mark)
        return sum(exposure_of(h, marks[s].price if s in marks else None) for s, h in self.state.table(Holding).items())


def denied(answer: EntryApproved | EntryDenied) -> tuple[str, dict[str, float]]:
    assert isinstance(answer, EntryDenied)
    return answer.reason, answer.figures
