"""A symbol's core with short methods for the messages of the fleet."""

from __future__ import annotations

from typing import Any

import msgspec

from messages import Message
from messages.entries import CancelEntry, EntryDenied, EntryDropped, SubmitEntry
from messages.market import Session, SessionClosed, SessionClosing, SessionOpened, Tick
from messages.operator import Happened, SymbolStatus
from messages.orders import Fill, OrderAccepted, OrderCancelled, OrderFilled, OrderRecord, OrderRejected, OrderUpdated
from messages.timers import Elapsed
from services.configuration.settings import Settings
from services.runtime.core import Decision, Now, State
from services.symbol.core import SymbolCore, SymbolRecord
from services.symbol.states import SymbolState

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
MONDAY = Session("2025-01-06", 1_736_173_800 * SECOND, 1_736_197_200 * SECOND)
TUESDAY = Session("2025-01-07", MONDAY.open_ns + 86_400 * SECOND, MONDAY.close_ns + 86_400 * SECOND)


def settings_of(**sections: Any) -> Settings:
    return msgspec.convert({"watchlist": ["TSLA"]} | sections, Settings)


class Symbol:
    """TSLA's core with its state; the session of Monday is open for a minute, unless `cold`."""

    def __init__(self, *, cold: bool = False, **sections: Any):
        self.settings = settings_of(**sections)
        self.core = SymbolCore("TSLA", self.settings)
        self.state = State(self.core.kinds)
        self.now = MONDAY.open_ns - MINUTE
        self.stale = False
        self.number = 0
        self.sent: list[tuple[str, Message]] = []
        if not cold:
            self.open()
            self.now = MONDAY.open_ns + MINUTE
            self.sent.clear()

    def handle(self, message: Message) -> Decision:
        before = msgspec.json.encode(self.record)
        now = Now(self.now, 0, None, self.stale)
        decision = self.core.handle(self.state, message, now)
        assert msgspec.json.encode(self.record) == before, "handle() changed the state itself"
        assert self.core.handle(self.state, message, now) == decision, "the same input, another decision"
        shown_before = self.shown()
        self.state.apply(decision.changes)
        statuses = [m for _, m in decision.messages if isinstance(m, SymbolStatus)]
        assert len(statuses) == (self.shown() != shown_before), "one status row per change, none without"
        self.sent += decision.messages
        return decision

    def shown(self) -> tuple[object, ...] | None:
        r = self.state.get(SymbolRecord, "TSLA")
        return r and (r.state, r.why, r.own, r.entry_id, r.stop_id, r.cooldown_until_ns, r.session_date)

    # Messages of the fleet.

    def open(self, session: Session = MONDAY) -> None:
        self.now = max(self.now, session.open_ns)
        minutes = self.settings.entries.cancel_before_close_minutes
        self.handle(SessionOpened(session, session.close_ns - minutes * MINUTE))

    def closing(self, session: Session = MONDAY) -> None:
        self.now = max(self.now, session.close_ns - 15 * MINUTE)
        self.handle(SessionClosing(session))

    def closed(self, session: Session = MONDAY) -> None:
        self.now = max(self.now, session.close_ns)
        self.handle(SessionClosed(session))

    def tick(self, last: float = 100.0, **more: Any) -> Decision:
        self.number += 1
        fields: dict[str, Any] = {"last_ns": self.now, "bid": last - 0.01, "ask": last + 0.01}
        return self.handle(Tick("TSLA", 1, self.number, self.now, last, **(fields | more)))

    def enter(self) -> str:
        """A tick that leads to an entry; its client_order_id."""
        self.tick()
        assert self.record.state is SymbolState.ENTRY_PENDING, self.record.why
        return self.record.entry_id

    def hold(self) -> str:
        """An entry that is filled; its client_order_id."""
        entry = self.enter()
        self.fill(entry, "BUY", own=9.0)
        return entry

    def entry(self, **more: Any) -> OrderRecord:
        fields: dict[str, Any] = {
            "client_order_id": self.record.entry_id,
            "symbol": "TSLA",
            "role": "entry",
            "side": "BUY",
            "order_type": "STP LMT",
            "quantity": 9.0,
            "status": "Cancelled",
        }
        return OrderRecord(**(fields | more))

    def deny(self, reason: str = "exposure_limit_exceeded") -> None:
        self.handle(EntryDenied(self.record.entry_id, "TSLA", reason, {"limit_usd": 1.0}))

    def drop(self, reason: str) -> None:
        self.handle(EntryDropped(self.record.entry_id, "TSLA", reason, {}))

    def cancelled(self, *, asked: bool, **more: Any) -> None:
        reason = {"cancel_reason": "end_of_day" if asked else ""}
        self.handle(OrderCancelled(self.entry(**(reason | more)), asked))

    def resting(self) -> None:
        """The broker has the entry and holds it until its trigger."""
        self.handle(OrderAccepted(self.entry(status="PreSubmitted", why_held="trigger")))

    def working(self) -> None:
        """The exchange has the entry: triggered, if it was held before."""
        self.handle(OrderUpdated(self.entry(status="Submitted")))

    def rejected(self, **more: Any) -> None:
        self.handle(OrderRejected(self.entry(status="Inactive", **more), 201, "no"))

    def fill(
        self,
        client_order_id: str,
        side: str,
        *,
        own: float,
        role: str = "",
        quantity: float = 9.0,
        price: float = 105.0,
        cum: float = 0.0,
        of: float = 9.0,
        **more: Any,
    ) -> None:
        role = role or ("entry" if side == "BUY" else "stop")
        fill = Fill(
            exec_id=f"e.{self.number}.{own}",
            client_order_id=client_order_id,
            symbol="TSLA",
            role=role,  # type: ignore[arg-type]
            side=side,  # type: ignore[arg-type]
            quantity=quantity,
            price=price,
            cum_quantity=cum or quantity,
            avg_price=price,
            order_id=1,
            perm_id=1,
            account="DU1",
            time_ns=self.now // SECOND * SECOND,
        )
        filled = cum or quantity
        order = self.entry(
            client_order_id=client_order_id,
            role=role,
            side=side,
            quantity=of,
            status="Filled" if filled >= of else "Submitted",
            filled=filled,
        )
        self.handle(OrderFilled(fill, order, own, own * price, 0.0, **more))

    def elapse(self) -> None:
        """Deliver the timer if it is due."""
        due = self.core.deadlines(self.state, Now(self.now, 0)).market_ns
        if due is not None and due <= self.now:
            self.handle(Elapsed())

    # Looking.

    @property
    def record(self) -> SymbolRecord:
        return self.core.record(self.state)

    @property
    def why(self) -> str:
        return self.record.why

    @property
    def is_in(self) -> SymbolState:
        return self.record.state

    def submitted(self) -> list[SubmitEntry]:
        return [m for _, m in self.sent if isinstance(m, SubmitEntry)]

    def cancels(self) -> list[tuple[str, str]]:
        return [(m.client_order_id, m.reason) for _, m in self.sent if isinstance(m, CancelEntry)]

    def notes(self) -> list[str]:
        return [m.event for _, m in self.sent if isinstance(m, Happened)]
