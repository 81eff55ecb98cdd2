"""Any sequence of a broker's reports: one live entry, live sells never beyond own shares, a level that never falls.

A small broker takes the gateway's commands at any time, accepts or refuses them, fills, cancels and raises levels, and
its reports arrive at any time. The promises are checked against the orders at the *broker*, not in the gateway's book.
"""

from __future__ import annotations

from collections import Counter, deque
from itertools import count
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from messages.broker import (
    BrokerError,
    BrokerExecution,
    BrokerOrder,
    BrokerPosition,
    BrokerSnapshot,
    CancelOrder,
    PlaceOrder,
    RequestSnapshot,
)
from messages.entries import CancelEntry, EntryApproved
from messages.orders import OrderRecord
from services.gateway.book.records import Evidence
from services.gateway.protection.permission import EXCHANGES
from services.runtime.core import Decision
from services.trading.ids import referenced
from tests.gateway.scenario import ACCOUNT, SECOND, Gateway, broker_execution, broker_order, plan

SEEN: Counter[str] = Counter()
LIVE = ("PreSubmitted", "Submitted")


class Careful(Gateway):
    """Checks each command that takes protection away: two answers must agree, or a stop is exchanged."""

    def receive(self, message: Any) -> Decision:
        decision = super().receive(message)
        proofs = [record for kind, _, record in decision.changes if kind is Evidence and record is not None]
        proved = any(e.confirmed for e in (*proofs, *self.state.table(Evidence).values()))
        for _, command in decision.messages:
            match command:
                case CancelOrder(client_order_id=key) if self.order(key).role == "stop":
                    reason = self.order(key).cancel_reason
                    SEEN["stop cancelled"] += 1
                    assert proved or reason in EXCHANGES, f"{key} cancelled ({reason}) without two answers"
                case PlaceOrder(order) if order.role == "stop" and order.quantity < self.order(order.key).quantity:
                    SEEN["stop shrunk"] += 1
                    assert proved, f"{order.key} shrunk without two answers"
        return decision


class AnySequence(RuleBasedStateMachine):
    """One symbol, one gateway, and a broker that does anything."""

    @initialize(native=st.booleans())
    def begin(self, native: bool) -> None:
        self.native = native
        self.gateway = Careful(entries={"native_stp": native})
        self.gateway.wait(20)
        self.orders: dict[str, BrokerOrder] = {}
        self.executions: list[BrokerExecution] = []
        self.facts: deque[Any] = deque()
        self.commands: deque[Any] = deque()
        self.taken = 0
        self.number = 0
        self.position = 0.0
        self.doubles: dict[int, BrokerOrder] = {}
        self.doubled = False
        self.refuses_changes = False

    # The broker's side.

    def put(self, order: BrokerOrder, *, silent: bool = False) -> None:
        before = self.orders.get(order.client_order_id)
        if before is not None and before.status in LIVE and before.trail_stop_price and order.trail_stop_price:
            assert order.trail_stop_price >= before.trail_stop_price, "the level fell"
        self.orders[order.client_order_id] = order
        if not silent:
            self.facts.append(order)

    def change(self, key: str, **fields: Any) -> None:
        self.put(msgspec.structs.replace(self.orders[key], **fields))

    def live(self, side: str) -> list[BrokerOrder]:
        return [o for o in self.orders.values() if o.side == side and o.status in LIVE]

    def parent(self, order: BrokerOrder) -> BrokerOrder | None:
        key = order.client_order_id.rpartition("-S")[0]
        return self.orders.get(key) if order.client_order_id.endswith("-S1") else None

    def sends(self) -> None:
        self.commands.extend(self.gateway.to_broker)
        self.gateway.clear()

    @precondition(lambda self: self.commands)
    @rule(refuse=st.integers(0, 4))
    def takes_a_command(self, refuse: int) -> None:
        command = self.commands.popleft()
        match command:
            case PlaceOrder(order):
                self.takes(order, refused=refuse == 0)
            case CancelOrder(order_id):
                known = [o for o in (*self.orders.values(), *self.doubles.values()) if o.order_id == order_id]
                working = [o for o in known if o.status in LIVE]
                if not working:
                    self.facts.append(BrokerError(order_id, 10148 if known else 10147, "cannot be cancelled"))
                else:
                    self.ends(working[-1 if refuse else 0])  # of two with one id it may be either
            case RequestSnapshot(question):
                self.facts.append(self.snapshot(question))

    def takes(self, order: OrderRecord, *, refused: bool) -> None:
        double = next((o for o in self.live_doubles() if o.order_id == order.order_id), None)
        known = double or self.orders.get(referenced(order.client_order_id))
        if known is not None:
            if known.status not in LIVE:
                self.facts.append(BrokerError(order.order_id, 104, "cannot modify a filled order"))
            elif refused or self.refuses_changes:
                SEEN["change refused"] += 1
                self.facts.append(BrokerError(order.order_id, 10326, "OCA group revision is not allowed"))
            else:
                SEEN["changed"] += 1
                level = order.trail_stop_price if known.trail_stop_price is not None else None
                fields = {"quantity": order.quantity, "trail_stop_price": level or known.trail_stop_price}
                if double is not None:
                    SEEN["a double changed"] += 1
                    self.change_double(double, **fields)
                else:
                    self.change(known.client_order_id, **fields)
            return
        waits = order.parent_id and self.parent_of(order) in LIVE and not self.filled_of(order)
        record = broker_order(
            order.client_order_id,
            order_id=order.order_id,
            perm_id=10_000 + order.order_id,
            side=order.side,
            order_type=order.order_type,
            quantity=order.quantity,
            status="Inactive" if refused else "PreSubmitted",
            why_held="" if refused else "child,trigger" if waits else "trigger",
            parent_id=order.parent_id,
            stop_price=None if order.order_type.startswith("TRAIL") else order.stop_price,
            limit_price=order.limit_price,
            trailing_pct=order.trailing_pct,
            trail_stop_price=order.trail_stop_price if order.order_type.startswith("TRAIL") else None,
            tif=order.tif,
        )
        SEEN["stop refused" if refused and order.role == "stop" else "placed"] += 1
        self.put(record)

    def parent_of(self, order: OrderRecord) -> str:
        found = self.orders.get(order.parent_client_order_id)
        return found.status if found is not None else ""

    def filled_of(self, order: OrderRecord) -> float:
        found = self.orders.get(order.parent_client_order_id)
        return found.filled if found is not None else 0.0

    def ends(self, order: BrokerOrder) -> None:
        if order.perm_id in self.doubles:
            self.change_double(order, status="Cancelled", why_held="")
            return
        self.change(order.client_order_id, status="Cancelled", why_held="")
        if order.side == "BUY" and not order.filled:
            for child in self.live("SELL"):
                if self.parent(child) is self.orders[order.client_order_id]:
                    self.change(child.client_order_id, status="Cancelled", why_held="")

    def change_double(self, double: BrokerOrder, **fields: Any) -> None:
        self.doubles[double.perm_id] = msgspec.structs.replace(double, **fields)
        self.facts.append(self.doubles[double.perm_id])

    def live_doubles(self) -> list[BrokerOrder]:
        return [o for o in self.doubles.values() if o.status in LIVE]

    @precondition(lambda self: any("child" not in o.why_held for o in self.live("SELL")) and not self.live_doubles())
    @rule(same_id=st.booleans())
    def a_second_order_has_its_reference(self, same_id: bool) -> None:
        """A broken link made it of a change, or it is a copy: both are live now."""
        first = next(o for o in self.live("SELL") if "child" not in o.why_held)
        number = len(self.doubles) + 1
        SEEN["doubled under its id" if same_id else "doubled"] += 1
        self.doubled = True
        ids = {"order_id": first.order_id if same_id else 900 + number, "perm_id": 50_000 + number}
        self.change_double(msgspec.structs.replace(first, filled=0.0, **ids))  # (it has sold nothing)

    @precondition(lambda self: self.live_doubles() and self.position > 0)
    @rule(part=st.booleans())
    def it_sells_before_it_is_cancelled(self, part: bool) -> None:
        double = self.live_doubles()[0]
        left = min(double.quantity - double.filled, self.position)
        SEEN["a double sold"] += 1
        self.executes(double, 1.0 if part and left > 1 else left, 94.0)

    def snapshot(self, question: int = 0) -> BrokerSnapshot:
        orders = (*self.orders.values(), *self.doubles.values())
        done = [
            msgspec.structs.replace(o, quantity=0.0, order_id=0, completed_status=o.status)
            for o in orders
            if o.status in ("Filled", "Cancelled", "Inactive")
        ]
        held = (BrokerPosition(ACCOUNT, "TSLA", self.position, 105.0),) if self.position else ()
        working = tuple(o for o in orders if o.status in LIVE)
        return BrokerSnapshot(ACCOUNT, held, working, tuple(done), tuple(self.executions), (), question)

    def executes(self, order: BrokerOrder, quantity: float, price: float) -> None:
        filled = order.filled + quantity
        self.position += quantity if order.side == "BUY" else -quantity
        self.executions.append(
            broker_execution(
                order.client_order_id,
                quantity,
                price,
                exec_id=f"0000e0d5.{len(self.executions) + 1}.01",
                order_id=order.order_id,
                perm_id=order.perm_id,
                side=order.side,
                cum_quantity=filled,
                time_ns=self.gateway.market_ns,
            )
        )
        self.facts.append(self.executions[-1])
        status = "Filled" if filled >= order.quantity else "Submitted"
        fields = {"filled": filled, "status": status, "why_held": ""}
        if order.perm_id in self.doubles:
            self.change_double(order, **fields)
        else:
            self.change(order.client_order_id, **fields)
        self.facts.append(BrokerPosition(ACCOUNT, "TSLA", self.position, 105.0))

    @precondition(lambda self: self.live("BUY"))
    @rule(part=st.booleans())
    def an_entry_fills(self, part: bool) -> None:
        order = self.live("BUY")[0]
        left = order.quantity - order.filled
        SEEN["filled in part" if part else "filled"] += 1
        self.executes(order, 3.0 if part and left > 3 else left, 105.0)
        for child in self.live("SELL"):
            if self.parent(child) is self.orders[order.client_order_id] and "child" in child.why_held:
                level = 94.5 if child.order_type.startswith("TRAIL") else None
                self.change(child.client_order_id, why_held="trigger", trail_stop_price=level)

    @precondition(lambda self: any("child" not in o.why_held for o in self.live("SELL")) and self.position > 0)
    @rule(part=st.booleans())
    def a_stop_sells(self, part: bool) -> None:
        order = next(o for o in self.live("SELL") if "child" not in o.why_held)
        left = min(order.quantity - order.filled, self.position)
        SEEN["stopped"] += 1
        self.executes(order, 1.0 if part and left > 1 else left, 94.0)

    @precondition(lambda self: self.live("SELL") and not self.facts and not self.commands)
    @rule(is_reported=st.booleans())
    def the_level_rises(self, is_reported: bool) -> None:
        """Reported or not; not while a change is sent, because it may name the level that was read."""
        order = self.live("SELL")[0]
        if order.trail_stop_price is not None:
            SEEN["rose"] += 1
            risen = round(order.trail_stop_price + 1.0, 2)
            self.put(msgspec.structs.replace(order, trail_stop_price=risen), silent=not is_reported)

    @precondition(lambda self: self.live("SELL"))
    @rule()
    def a_stop_vanishes(self) -> None:
        SEEN["vanished"] += 1
        self.change(self.live("SELL")[0].client_order_id, status="Cancelled", why_held="")

    # Reports to the gateway.

    @precondition(lambda self: self.facts)
    @rule(limit=st.integers(1, 6))
    def gets_reports(self, limit: int) -> None:
        for _ in range(min(limit, len(self.facts))):
            self.gateway.receive(self.facts.popleft())
        self.sends()

    @rule(seconds=st.sampled_from([0, 6, 15]), refuse=st.integers(0, 3))
    def all_messages_are_exchanged(self, seconds: int, refuse: int) -> None:
        """Exchange messages until none are left. The first change or stop may be refused."""
        self.time_passes(seconds, 104.0, 1)
        for turn in count():
            if not self.commands and not self.facts:
                break
            assert turn < 300, "they will never be done"
            if self.commands:
                orders = isinstance(self.commands[0], PlaceOrder)
                self.takes_a_command(refuse)
                refuse = 1 if orders else refuse
            else:
                self.gets_reports(1)

    @precondition(lambda self: self.doubled)
    @rule(luck=st.integers(0, 2))
    def in_the_end_there_is_one_again(self, luck: int) -> None:
        """Whatever the second order did, and whichever of the two the cancel ended."""
        if luck:
            return
        self.all_messages_are_exchanged(1, 1)
        for order in self.live("BUY"):  # (beside an entry that can still fill nothing is done, so it is ended first)
            self.gateway.receive(CancelEntry(order.client_order_id, "TSLA", "partial_fill"))
            self.sends()
        for _ in range(6):
            self.all_messages_are_exchanged(15, 1)
        live = [*self.live("SELL"), *self.live_doubles()]
        assert len(live) <= 1, "promise 3: the second order lives on beside the first"
        if self.live_doubles():
            return  # it is the only one that protects
        self.doubled = False
        SEEN["one again"] += 1

    @precondition(lambda self: not self.position and not self.live("BUY"))
    @rule(part=st.booleans(), refuse=st.integers(0, 2))
    def an_entry_comes_to_its_end(self, part: bool, refuse: int) -> None:
        """The usual case: filled whole, or in part with the rest cancelled. What follows may be refused."""
        self.all_messages_are_exchanged(15, 1)
        self.enters()
        self.all_messages_are_exchanged(1, 1)
        if self.live("BUY"):
            self.an_entry_fills(part)
            self.all_messages_are_exchanged(1, 1)
            self.takes_back_the_entry()
            self.refuses_changes = refuse == 0
            for _ in range(3):  # until two answers agree on the shares
                self.all_messages_are_exchanged(6, 1)
            self.refuses_changes = False
            self.all_messages_are_exchanged(1, refuse)

    @rule()
    def enters(self) -> None:
        self.number += 1
        bare = {"order_type": "STP", "limit_price": None, "stop_order_type": "STP", "stop_level": 94.5}
        self.gateway.receive(EntryApproved(plan(self.number, **(bare if self.native else {})), 1100.0))
        self.sends()

    @precondition(lambda self: self.number)
    @rule()
    def takes_back_the_entry(self) -> None:
        self.gateway.receive(CancelEntry(f"CT-TSLA-20250106-{self.number}", "TSLA", "partial_fill"))
        self.sends()

    @rule(seconds=st.sampled_from([1, 6, 15]), last=st.sampled_from([100.0, 104.0, 112.0]), halted=st.integers(0, 9))
    def time_passes(self, seconds: int, last: float, halted: int) -> None:
        self.gateway.market_ns += seconds * SECOND
        self.gateway.quote(last, halted=halted == 0)
        self.gateway.wait(seconds)
        self.sends()

    @rule(restart=st.booleans(), luck=st.integers(0, 3))
    def the_connection_breaks(self, restart: bool, luck: int) -> None:
        """Sent commands still reach the broker, its unread reports are lost, and everything is asked again."""
        if luck:
            return
        while self.commands:
            self.takes_a_command(1)
        self.facts.clear()
        self.gateway.disconnect()
        if restart:
            self.gateway.restart()
        self.gateway.connect(
            *self.orders_told(), *self.executions, BrokerPosition(ACCOUNT, "TSLA", self.position, 105.0)
        )
        SEEN["reconnected"] += 1
        self.sends()
        self.commands = deque(c for c in self.commands if not isinstance(c, RequestSnapshot))

    def orders_told(self) -> list[BrokerOrder]:
        snapshot = self.snapshot()
        return [*snapshot.open_orders, *snapshot.completed_orders]

    # What always holds at the broker.

    @invariant()
    def promises(self) -> None:
        if not hasattr(self, "orders"):
            return
        assert len(self.live("BUY")) <= 1, "promise 1"
        assert self.position >= 0
        if self.doubled:
            return
        sells = 0.0
        for order in self.live("SELL"):
            parent, left = self.parent(order), order.quantity - order.filled
            sells += left if parent is None else min(left, max(0.0, parent.filled - order.filled))
        assert sells <= self.position, f"promise 3: {sells:g} for sale, {self.position:g} held"


def test_any_sequence_of_reports_keeps_the_promises() -> None:
    SEEN.clear()
    few = settings(
        max_examples=220,
        stateful_step_count=50,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(AnySequence, settings=few)  # type: ignore[no-untyped-call]
    for what in (
        "placed",
        "filled",
        "filled in part",
        "stopped",
        "rose",
        "vanished",
        "changed",
        "change refused",
        "stop refused",
        "reconnected",
        "doubled",
        "doubled under its id",
        "a double sold",
        "one again",
        "stop cancelled",
        "stop shrunk",
    ):
        assert SEEN[what] >= 5, f"{what} never had a chance: {SEEN}"
