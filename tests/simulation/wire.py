"""The broker's connection with its faults: lost commands; facts lost, doubled or late; answers lost or stale.

Facts come in the order of the exchange's reports, unless a fault says otherwise. With the socket they are gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from messages.broker import (
    BrokerError,
    BrokerSnapshot,
    CancelOrder,
    Connected,
    Disconnected,
    PlaceOrder,
    Quote,
    RequestSnapshot,
    Resubscribe,
    SnapshotFailed,
    StartStreams,
    ToBroker,
)
from services.backtest.broker import ExchangeBroker
from services.simulator.venue.broker_actions import Rejection
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.reports import Report
from tests.simulation.incidents import Incident

__all__ = ["Wire"]

SECOND = 1_000_000_000
ANSWER_NS = 50_000_000
ANSWER_TIMEOUT_NS = 30 * SECOND

Later = Callable[[int, Callable[[], None]], None]


class Wire:
    """One connection of the gateway to the exchange. `deliver` takes a fact, `later` runs something at a time."""

    def __init__(
        self,
        exchange: Exchange,
        client_id: int,
        deliver: Callable[[Any], None],
        later: Later,
        counts: Counter[str],
    ) -> None:
        self.exchange = exchange
        self.broker = ExchangeBroker(exchange, client_id)
        self._deliver, self._later, self.counts = deliver, later, counts
        self.now_ns = 0
        self.socket_up = False
        self.broker_up = True
        self.changed_ns = 0
        """When a link changed last, or a fault lost something: until the fleet could hear of it, it is excused."""
        self.disturbed_ns = 0
        self.answered_ns = 0
        """When the last answer arrived to a question that was asked after the last change of a link."""
        self.on_answer: Callable[[BrokerSnapshot], None] = lambda answer: None
        self.refusing_until_ns = 0
        self.ids_roll_back = False
        self.refuse_next = ""
        """The role of the next order that the broker rejects."""
        self.double_next = False
        """The next change of an order makes a second one."""
        self._epoch = 0
        self._question_epoch = 0
        self._was_stale = False
        self._armed: list[Incident] = []
        self._held: list[Any] = []
        self._holds = False
        self.on_lost: Callable[[PlaceOrder | CancelOrder], None] = lambda command: None
        self.on_command: Callable[[ToBroker], None] = lambda command: None
        self.on_fault: Callable[[str, str], None] = lambda symbol, why: None
        self.on_reports: Callable[[Sequence[Report], bool], None] = lambda reports, ours: None

    # Faults

    def arm(self, incident: Incident) -> None:
        """This fault strikes at the next opportunity."""
        self._armed.append(incident)

    def disarm(self) -> None:
        """All faults that have not struck are over."""
        self._armed.clear()
        self.refuse_next, self.double_next, self.ids_roll_back = "", False, False

    def _struck(self, kind: str, what: str) -> Incident | None:
        for index, armed in enumerate(self._armed):
            if armed.kind == kind and armed.what == what:
                if armed.number > 0:
                    self._armed[index] = msgspec.structs.replace(armed, number=armed.number - 1)
                    return None
                del self._armed[index]
                self.counts[armed.name] += 1
                self.disturbed_ns = self.now_ns
                return armed
        return None

    # Links

    def connect(self) -> None:
        """The client's socket opens."""
        self._epoch += 1
        self.socket_up = True
        self.changed_ns = self.now_ns
        (connected,) = self.broker.connect()
        assert isinstance(connected, Connected)
        if self.ids_roll_back:
            self.ids_roll_back = False
            self.counts["order ids roll back"] += 1
            connected = msgspec.structs.replace(connected, next_order_id=1)
        self._deliver(connected)
        if not self.broker_up:
            self._deliver(BrokerError(-1, 1100, "Connectivity between IB and TWS has been lost."))

    def drop(self, *, tell: bool) -> None:
        """The socket closes; `tell`: the client is there to see it."""
        if not self.socket_up:
            return
        self._epoch += 1
        self.socket_up = False
        self.changed_ns = self.now_ns
        if tell:
            self._deliver(Disconnected("socket closed"))

    def lose_broker(self, *, late: bool) -> None:
        """1100. What happens meanwhile is told late, or never."""
        self.broker_up, self._holds = False, late
        self.changed_ns = self.now_ns
        if self.socket_up:
            self._deliver(BrokerError(-1, 1100, "Connectivity between IB and TWS has been lost."))

    def restore_broker(self, code: str) -> None:
        """1101 or 1102."""
        if self.broker_up:
            return
        self.broker_up = True
        self.changed_ns = self.now_ns
        held, self._held = self._held, []
        if self.socket_up:
            self._deliver(BrokerError(-1, int(code), "Connectivity between IB and TWS has been restored."))
            for fact in held:
                self._deliver(fact)

    # Commands

    def execute(self, command: ToBroker) -> None:
        """A command on its way to the broker."""
        if not self.socket_up:
            self.counts["command without a socket"] += 1
            self.disturbed_ns = self.now_ns
            return
        if isinstance(command, RequestSnapshot):
            self._ask(command)
            return
        if isinstance(command, PlaceOrder | CancelOrder):
            if not self.broker_up:
                self.counts["command while the broker is away"] += 1
                self.disturbed_ns = self.now_ns
                return
            if self._struck("command lost", type(command).__name__):
                self.on_lost(command)
                return
        self.on_command(command)
        self.reported(self._carry_out(command), ours=isinstance(command, PlaceOrder))

    def _carry_out(self, command: ToBroker) -> Sequence[Report | Any]:
        match command:
            case PlaceOrder(order, transmit):
                ticket = self.broker._ticket(order, transmit)
                known = self.exchange.find(ticket.client_id, ticket.order_id)
                if known is None and self.refuse_next == order.role:
                    self.refuse_next = ""
                    self.counts[f"rejected {order.role}"] += 1
                    self.on_fault(order.symbol, "rejected")
                    how = Rejection(201, "for a test")
                    self.exchange.broker_actions.refuse(ticket.client_id, ticket.order_id, how)
                if known is not None and not known.done and self.double_next:
                    self.double_next = False
                    self.counts["doubled"] += 1
                    self.on_fault(order.symbol, "doubled")
                    return self.exchange.broker_actions.double(ticket)
                return self.exchange.place(ticket)
            case CancelOrder(order_id):
                return self.exchange.cancel(self.broker.client_id, order_id)
            case _:
                for fact in self.broker.execute(command):
                    self._pass(fact)
                if isinstance(command, StartStreams | Resubscribe):
                    self._deliver_present_prices()
                return ()

    def _deliver_present_prices(self) -> None:
        """A stream begins with the present prices. The last close is among them, adjusted after a split."""
        present = [quote for symbol in self.exchange.symbols if (quote := self.exchange.quote(symbol)) is not None]
        _, quotes = self.broker.translate(present)
        for quote in quotes:
            if quote.last or quote.bid or quote.close:
                self._deliver(quote)

    def _ask(self, command: RequestSnapshot) -> None:
        question, asked_ns, epoch = command.question, self.now_ns, self._epoch
        self._question_epoch += 1
        mine = self._question_epoch
        self.counts["questions"] += 1

        def current() -> bool:
            return self.socket_up and self._epoch == epoch and self._question_epoch == mine

        def fail() -> None:
            if current():
                self._deliver(SnapshotFailed("no complete answer in time", question))

        if not self.broker_up or self._struck("answer", "lost"):
            self._later(self.now_ns + ANSWER_TIMEOUT_NS, fail)
            return
        if self._struck("answer", "failed"):
            self._later(self.now_ns + ANSWER_NS, fail)
            return
        (answer,) = self.broker.execute(command)
        assert isinstance(answer, BrokerSnapshot)
        if self._struck("answer", "without completed orders"):
            answer = msgspec.structs.replace(answer, completed_orders=(), missing=("completed_orders",))
        # One stale answer, never two in a row: two answers that agree are the proof that the fleet goes by.
        may_be_stale, self._was_stale = bool(answer.positions) and not self._was_stale, False
        if may_be_stale and self._struck("answer", "without positions"):
            answer, self._was_stale = msgspec.structs.replace(answer, positions=()), True
        elif may_be_stale and self._struck("answer", "without one position"):
            answer, self._was_stale = msgspec.structs.replace(answer, positions=answer.positions[1:]), True
        late = self._struck("answer", "late")

        def arrive() -> None:
            if current():
                if asked_ns >= self.changed_ns:
                    self.answered_ns = self.now_ns
                self.on_answer(answer)
                self._deliver(answer)

        self._later(self.now_ns + (int(late.seconds * SECOND) if late else ANSWER_NS), arrive)

    # Facts

    def reported(self, reports: Sequence[Report], *, ours: bool = False) -> None:
        """The exchange has reported something. `ours`: in answer to an order of the fleet."""
        if not reports:
            return
        self.on_reports(reports, ours)
        if not self.socket_up:
            return
        facts, quotes = self.broker.translate(reports)
        for fact in facts:
            self._pass(fact)
        if self.broker_up:
            for quote in quotes:
                self._deliver(quote)

    def _pass(self, fact: Any) -> None:
        if not self.broker_up:
            self.counts["fact while the broker is away"] += 1
            if self._holds:
                self._held.append(fact)
            return
        name = type(fact).__name__
        if self._armed and not isinstance(fact, Quote):
            if self._struck("fact lost", name):
                return
            late = self._struck("fact late", name)
            if late is not None:
                epoch = self._epoch
                self._later(
                    self.now_ns + int(late.seconds * SECOND),
                    lambda: self._deliver(fact) if self._epoch == epoch else None,
                )
                return
            if self._struck("fact doubled", name):
                self._deliver(fact)
        self._deliver(fact)
