"""A gateway's core, and short methods for the reports of a broker."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import msgspec

from messages import Message
from messages.broker import (
    BrokerAccount,
    BrokerCommission,
    BrokerContract,
    BrokerError,
    BrokerExecution,
    BrokerOrder,
    BrokerPosition,
    BrokerSnapshot,
    CancelOrder,
    Connected,
    Disconnected,
    PlaceOrder,
    Qualify,
    Quote,
    RequestSnapshot,
    StartStreams,
    Subscribe,
    ToBroker,
)
from messages.entries import CancelEntry, EntryApproved, EntryPlan
from messages.market import Session, SessionClosed, SessionClosing, SessionOpened
from messages.operator import Happened
from messages.timers import Elapsed, Started
from services.configuration.settings import Settings
from services.gateway.book.identity import reference_of
from services.gateway.book.records import AccountPosition, Book, Links, OrderRecord, Own
from services.gateway.core import GatewayCore
from services.runtime.core import Decision, Now, State, is_volatile

SECOND = 1_000_000_000
ACCOUNT = "DU1234567"
DAY = Session("2025-01-06", 1_736_173_800 * SECOND, 1_736_197_200 * SECOND)
UNTIL = DAY.close_ns - 900 * SECOND


def plan(
    number: int = 1, *, symbol: str = "TSLA", quantity: float = 10.0, trigger: float = 105.0, **more: Any
) -> EntryPlan:
    key = f"CT-{symbol}-20250106-{number}"
    fields: dict[str, Any] = {
        "client_order_id": key,
        "symbol": symbol,
        "session_date": DAY.date,
        "quantity": quantity,
        "order_type": "STP LMT",
        "stop_price": trigger,
        "limit_price": round(trigger * 1.05, 2),
        "reference": 100.0,
        "tif": "DAY",
        "stop_client_order_id": f"{key}-S1",
        "stop_order_type": "TRAIL",
        "trailing_pct": 10.0,
        "limit_offset": None,
        "stop_tif": "GTC",
        "decided_ns": DAY.open_ns,
    }
    return EntryPlan(**(fields | more))


def con_id(symbol: str) -> int:
    """The contract id of a symbol."""
    return crc32(symbol.encode())


class Gateway:
    """The core with its state, both clocks, and all messages that it sent.

    The session is open and the link is up, unless `cold`.
    """

    def __init__(self, *, cold: bool = False, quiet_s: float = 0, **settings: Any):
        fields = {"watchlist": ["TSLA", "NVDA"]} | settings
        self.core = GatewayCore(msgspec.convert(fields, Settings), quiet_s=quiet_s)
        self.state = State(self.core.kinds)
        self.market_ns = DAY.open_ns + 60 * SECOND
        self.machine_ns = 1000 * SECOND
        self.stale = False
        self.messages: list[tuple[str, Message | ToBroker]] = []
        self.to_broker: list[ToBroker] = []
        self.receive(Started(1))
        if not cold:
            self.connect()
            self.receive(SessionOpened(DAY, UNTIL))
            for symbol in ("TSLA", "NVDA"):
                self.quote(symbol=symbol)
            self.clear()

    def receive(self, message: Any) -> Decision:
        before = {kind: dict(self.state.table(kind)) for kind in self.core.kinds}
        decision = self.core.handle(self.state, message, Now(self.market_ns, self.machine_ns, None, self.stale))
        assert before == {kind: dict(self.state.table(kind)) for kind in self.core.kinds}, (
            "handle() changed the state itself"
        )
        self.state.apply(decision.changes)
        self.messages += decision.messages
        self.to_broker += [m for recipient, m in decision.messages if recipient == "broker"]  # type: ignore[misc]
        return decision

    def clear(self) -> None:
        self.messages, self.to_broker = [], []

    def restart(self) -> None:
        """Drop what is kept in memory only, and start again."""
        for kind in filter(is_volatile, self.core.kinds):
            self.state.apply([(kind, key, None) for key in list(self.state.table(kind))])
        self.clear()
        self.receive(Started(2))

    def connect(self, *snapshot: Any, accounts: tuple[str, ...] = (ACCOUNT,), next_order_id: int = 1) -> None:
        """Connect, and answer the question about everything."""
        self.receive(Connected(accounts, next_order_id, 12))
        self.qualify()
        self.answer(*snapshot)

    def qualify(self) -> None:
        """Send the broker's answer which contract each symbol is."""
        for symbol in self.core.settings.watchlist:
            self.receive(BrokerContract(symbol, con_id(symbol), symbol))

    def answer(self, *facts: Any, account: str = ACCOUNT) -> Decision:
        """Send one complete answer of the broker with these facts."""

        def of(kind: type) -> tuple[Any, ...]:
            return tuple(f for f in facts if isinstance(f, kind))

        orders = of(BrokerOrder)
        return self.receive(
            BrokerSnapshot(
                account,
                of(BrokerPosition),
                tuple(o for o in orders if not o.completed_status),
                tuple(o for o in orders if o.completed_status),
                of(BrokerExecution),
                of(BrokerCommission),
                question=self.links().question,
            )
        )

    def answer_as_known(self, **changes: Any) -> None:
        """Send a complete answer that agrees with the book, except for `changes` of every stop."""
        orders = [o for o in self.state.table(OrderRecord).values() if o.live]
        fields = [
            self.status(o.client_order_id, o.status, why_held=o.why_held, **(changes if o.role == "stop" else {}))
            for o in orders
        ]
        positions = self.state.table(AccountPosition).values()
        self.answer(*fields, *(BrokerPosition(ACCOUNT, p.symbol, p.quantity, p.avg_cost) for p in positions))

    def confirm(self, **changes: Any) -> None:
        """Answer every question so that the answers agree with the book, until two of them agree on the positions."""
        for _ in range(5):
            if self.links().asking:
                self.answer_as_known(**changes)
            self.wait(2)
        if self.links().asking:
            self.answer_as_known(**changes)

    def confirm_until(self, command: str) -> None:
        """Answer every question so that it agrees with the book, until a command that begins so is sent."""
        for _ in range(20):
            if self.links().asking:
                self.answer_as_known()
            if any(sent.startswith(command) for sent in self.orders_sent()):
                return
            self.wait(1)
        raise AssertionError(f"{command} was never sent: {self.orders_sent()}")

    def disconnect(self) -> None:
        self.receive(Disconnected("socket closed"))

    def wait(self, seconds: float) -> None:
        """Let machine time pass; due timers fire."""
        end = self.machine_ns + int(seconds * SECOND)
        while True:
            due = self.core.deadlines(self.state, Now(self.market_ns, self.machine_ns)).machine_ns
            if due is None or due > end:
                break
            self.machine_ns = max(self.machine_ns, due)
            self.receive(Elapsed())
            again = self.core.deadlines(self.state, Now(self.market_ns, self.machine_ns)).machine_ns
            assert again is None or again > self.machine_ns, "a timer that has fired is due again at once"
        self.machine_ns = end

    def quote(self, last: float = 100.0, *, symbol: str = "TSLA", **more: Any) -> Decision:
        fields: dict[str, Any] = {"last_ns": self.market_ns, "bid": last - 0.01, "ask": last + 0.01}
        return self.receive(Quote(symbol, last, **(fields | more)))

    def enter(self, number: int = 1, **more: Any) -> EntryPlan:
        """An entry that is approved, sent and not confirmed."""
        entry = plan(number, **more)
        self.receive(EntryApproved(entry, 1100.0))
        return entry

    def working(self, number: int = 1, **more: Any) -> EntryPlan:
        """An entry that rests at the broker, with its stop."""
        entry = self.enter(number, **more)
        self.receive(self.status(entry.client_order_id, "PreSubmitted", why_held="trigger"))
        self.receive(
            self.status(entry.stop_client_order_id, "PreSubmitted", why_held="child,trigger", trail_stop_price=None)
        )
        return entry

    def holding(self, number: int = 1, *, quantity: float = 10.0, price: float = 105.0, **more: Any) -> EntryPlan:
        """A filled entry, its stop live at the broker."""
        entry = self.working(number, quantity=quantity, **more)
        key = entry.client_order_id
        self.receive(self.execution(key, quantity, price))
        self.receive(self.status(key, "Filled", filled=quantity))
        self.receive(BrokerPosition(ACCOUNT, entry.symbol, quantity, price))
        self.receive(self.status(entry.stop_client_order_id, "PreSubmitted", why_held="trigger", trail_stop_price=94.5))
        return entry

    # Reports of the broker.

    def status(self, client_order_id: str, status: str, **more: Any) -> BrokerOrder:
        """openOrder and orderStatus for an order in the book, as the broker echoes it."""
        order = self.order(client_order_id)
        fields: dict[str, Any] = {
            "order_id": order.order_id,
            "perm_id": order.perm_id or 10_000 + order.order_id,
            "symbol": order.symbol,
            "side": order.side,
            "order_type": order.order_type,
            "quantity": order.quantity,
            "filled": order.filled,
            "parent_id": order.parent_id,
            "limit_price": order.limit_price,
            "stop_price": None if order.order_type.startswith("TRAIL") else order.stop_price,
            "trailing_pct": order.trailing_pct,
            "trail_stop_price": order.trail_stop_price,
            "tif": order.tif,
        }
        return broker_order(reference_of(order), status=status, **(fields | more))

    def completed(self, client_order_id: str, text: str) -> BrokerOrder:
        """As reqCompletedOrders lists it: no quantity, no order id."""
        status = text.split()[0]
        filled = self.order(client_order_id).filled
        return self.status(client_order_id, status, quantity=0.0, order_id=0, filled=filled, completed_status=text)

    def execution(self, client_order_id: str, quantity: float, price: float, **more: Any) -> BrokerExecution:
        order = self.order(client_order_id)
        fields: dict[str, Any] = {
            "exec_id": f"0000e0d5.{client_order_id}.{order.filled + quantity:g}.01",
            "order_id": order.order_id,
            "perm_id": order.perm_id or 10_000 + order.order_id,
            "symbol": order.symbol,
            "side": order.side,
            "cum_quantity": order.filled + quantity,
            "time_ns": self.market_ns,
        }
        return broker_execution(reference_of(order), quantity, price, **(fields | more))

    def error(self, client_order_id: str, code: int, text: str = "as the broker words it") -> None:
        self.receive(BrokerError(self.order(client_order_id).order_id, code, text))

    def cancel(self, entry: EntryPlan, reason: str = "end_of_day") -> None:
        self.receive(CancelEntry(entry.client_order_id, entry.symbol, reason))

    def closing(self) -> None:
        self.receive(SessionClosing(DAY))

    def closed(self) -> None:
        self.receive(SessionClosed(DAY))

    def account_values(self, account: str = ACCOUNT, **values: float) -> None:
        self.receive(BrokerAccount(account, values))

    # Queries.

    def order(self, client_order_id: str) -> OrderRecord:
        found = self.state.get(OrderRecord, client_order_id)
        assert found is not None, f"no order {client_order_id}"
        return found

    def own(self, symbol: str = "TSLA") -> float:
        own = self.state.get(Own, symbol)
        return own.quantity if own else 0.0

    def links(self) -> Links:
        links = self.state.get(Links, "links")
        assert links is not None
        return links

    def book(self) -> Book:
        return self.state.get(Book, "book") or Book()

    def events(self, kind: type) -> list[Any]:
        """The messages of one kind to the fleet."""
        return [m for recipient, m in self.messages if isinstance(m, kind) and recipient != "broker"]

    def notes(self) -> list[str]:
        return [m.event for _, m in self.messages if isinstance(m, Happened)]

    def orders_sent(self) -> list[str]:
        """Commands to the broker in short form, without `StartStreams` and `Qualify`."""
        return [_short(command) for command in self.to_broker if not isinstance(command, StartStreams | Qualify)]

    def live_entries(self, symbol: str = "TSLA") -> list[str]:
        orders = self.state.table(OrderRecord).values()
        return [o.client_order_id for o in orders if o.symbol == symbol and o.role == "entry" and o.live]


def _short(command: ToBroker) -> str:
    match command:
        case PlaceOrder(order, transmit):
            return f"{order.side} {order.quantity:g} {order.order_type}{'' if transmit else ' held'}"
        case CancelOrder(client_order_id=key):
            return f"cancel {key}"
        case RequestSnapshot():
            return "ask"
        case Qualify():
            return "qualify"
        case StartStreams(account):
            return f"stream account {account}"
        case Subscribe(symbols):
            return f"stream {' '.join(symbols)}"


def broker_order(client_order_id: str, **more: Any) -> BrokerOrder:
    fields: dict[str, Any] = {
        "order_id": 1,
        "perm_id": 77,
        "client_id": 12,
        "symbol": "TSLA",
        "side": "BUY",
        "order_type": "STP LMT",
        "quantity": 10.0,
        "status": "Submitted",
        "why_held": "",
        "filled": 0.0,
        "avg_price": 0.0,
        "parent_id": 0,
        "limit_price": None,
        "stop_price": None,
        "trailing_pct": None,
        "trail_stop_price": None,
        "tif": "DAY",
        "account": ACCOUNT,
        "oca_group": "",
        "oca_type": 0,
    }
    return BrokerOrder(client_order_id=client_order_id, **(fields | more))


def broker_execution(client_order_id: str, quantity: float, price: float, **more: Any) -> BrokerExecution:
    fields: dict[str, Any] = {
        "exec_id": "0000e0d5.1.01",
        "order_id": 1,
        "perm_id": 77,
        "client_id": 12,
        "symbol": "TSLA",
        "side": "BUY",
        "cum_quantity": quantity,
        "avg_price": price,
        "account": ACCOUNT,
        "time_ns": DAY.open_ns,
    }
    return BrokerExecution(client_order_id=client_order_id, quantity=quantity, price=price, **(fields | more))


def changed(fact: Any, **fields: Any) -> Any:
    return msgspec.structs.replace(fact, **fields)
