"""Whatever the broker forgets and whenever the fleet is away: own shares are those of the exchange.

A small exchange fills entries and stops while the fleet is there or away. Executions are forgotten at midnight,
completed orders are told or not, and the gateway's ledger can be lost. The judge is the exchange's own count.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messages.broker import BrokerExecution, BrokerPosition, CancelOrder
from messages.entries import EntryApproved
from messages.market import SessionOpened
from messages.orders import OrderFilled
from services.gateway.book.own_shares import replay
from services.gateway.book.records import FillRecord, Own
from tests.gateway.scenario import ACCOUNT, DAY, SECOND, UNTIL, Gateway, broker_execution, broker_order, plan

SEEN: Counter[str] = Counter()
HOUR = 3600 * SECOND


class Exchange:
    """One symbol: entries of ten shares with a stop that follows their fill, and shares that are not the bot's."""

    def __init__(self, foreign: int) -> None:
        self.foreign = foreign
        self.orders: dict[str, dict[str, Any]] = {}
        self.executions: list[BrokerExecution] = []
        self.forgotten_before = 0
        self.gateway = Gateway()
        self.number = 0
        self.there = True
        self.lost = False
        self.realized = 0.0
        self.gateway.receive(self.position())

    @property
    def held(self) -> float:
        return sum(o["filled"] if o["side"] == "BUY" else -o["filled"] for o in self.orders.values())

    def position(self) -> BrokerPosition:
        return BrokerPosition(ACCOUNT, "TSLA", self.held + self.foreign, 105.0)

    def live(self, side: str) -> str | None:
        found = (
            key for key, o in self.orders.items() if o["side"] == side and o["status"] not in ("Filled", "Cancelled")
        )
        return next(found, None)

    def report(self, key: str, **more: Any) -> Any:
        return broker_order(key, **(self.orders[key] | more))

    def tell(self, *facts: Any) -> None:
        if self.there:
            for fact in facts:
                self.gateway.receive(fact)
            self.count()

    def count(self) -> None:
        """Take the gateway's messages: profits, and cancels of entries."""
        events = self.gateway.events(OrderFilled)
        self.realized += sum(m.realized_usd - m.undone_usd for m in events)
        cancels = [c.client_order_id for c in self.gateway.to_broker if isinstance(c, CancelOrder)]
        self.gateway.clear()
        for key in cancels:
            assert self.orders[key]["side"] == "BUY" or not self.held, "a stop was cancelled while its shares are held"
            self.end_entry(key)

    def end_entry(self, key: str) -> None:
        if self.orders[key]["status"] == "Filled":
            return
        self.orders[key]["status"] = "Cancelled"
        stop = self.orders[f"{key}-S1"]
        if not self.orders[key]["filled"]:
            stop["status"] = "Cancelled"
        self.tell(self.report(key), self.report(f"{key}-S1"))

    # What happens.

    def enter(self) -> None:
        if self.held or self.live("BUY") or self.live("SELL") or not self.there or self.gateway.own() or self.lost:
            return
        self.number += 1
        approved = plan(self.number)
        key = approved.client_order_id
        self.gateway.receive(EntryApproved(approved, 1100.0))
        if self.gateway.state.get(FillRecord, key) is None and key not in self.gateway.live_entries():
            return
        for n, (name, side) in enumerate(((key, "BUY"), (f"{key}-S1", "SELL"))):
            order = self.gateway.order(name)
            self.orders[name] = {
                "side": side,
                "order_id": order.order_id,
                "perm_id": 1000 + 2 * self.number + n,
                "order_type": order.order_type,
                "quantity": 10.0,
                "filled": 0.0,
                "status": "PreSubmitted",
                "why_held": "trigger" if n == 0 else "child,trigger",
                "trail_stop_price": 94.5 if n else None,
                "stop_price": None if n else 105.0,
            }
            self.tell(self.report(name))
        SEEN["entered"] += 1

    def fill(self, side: str, part: bool, price: float) -> None:
        key = self.live(side)
        if key is None or (side == "SELL" and "child" in self.orders[key]["why_held"]):
            return
        order = self.orders[key]
        left = order["quantity"] - order["filled"]
        if side == "SELL":
            left = min(left, self.held)
        quantity = 3.0 if part and left > 3 else left
        if quantity <= 0:
            return
        SEEN[f"{side} while {'there' if self.there else 'away'}"] += 1
        order["filled"] += quantity
        done = order["filled"] >= order["quantity"]
        order |= {"status": "Filled" if done else "Submitted", "why_held": "" if done or side == "BUY" else "trigger"}
        if side == "SELL" and not done:
            order["status"] = "PreSubmitted"
        execution = broker_execution(
            key,
            quantity,
            price,
            exec_id=f"0000e0d5.{len(self.executions) + 1}.01",
            side=side,
            order_id=order["order_id"],
            perm_id=order["perm_id"],
            cum_quantity=order["filled"],
            time_ns=self.gateway.market_ns,
        )
        self.executions.append(execution)
        if side == "BUY":
            stop = self.orders[f"{key}-S1"]
            stop |= {"why_held": "trigger", "quantity": order["filled"]}
            self.tell(self.report(f"{key}-S1"))
        self.tell(execution, self.report(key), self.position())
        entry = key.removesuffix("-S1")
        if side == "SELL" and done and self.live("BUY") == entry:
            self.end_entry(entry)  # (the rest of the entry must not buy: its stop is gone)
        self.gateway.market_ns += 60 * SECOND

    def leave(self, lose: bool, forget: bool, hours: int) -> None:
        if not self.there:
            return
        if self.foreign:
            self.gateway.answer(*self.answer(completed=True))  # the periodic question: what is not ours is known
            self.count()
        self.gateway.disconnect()
        self.gateway.clear()
        self.there = False
        self.gateway.market_ns += hours * HOUR
        if lose:
            SEEN["ledger lost"] += 1
            now_ns, machine_ns = self.gateway.market_ns, self.gateway.machine_ns
            self.gateway = Gateway(cold=True)
            self.gateway.market_ns, self.gateway.machine_ns = now_ns, machine_ns
            self.lost = True
        if forget:
            self.midnight()

    def midnight(self) -> None:
        SEEN["midnight"] += 1
        self.forgotten_before = len(self.executions)

    def come_back(self, completed: bool) -> None:
        if self.there:
            return
        self.there = True
        facts = self.answer(completed)
        self.gateway.connect(*facts)
        self.count()
        for _ in range(3):
            self.gateway.wait(2.5)
            self.count()
            self.gateway.answer(*self.answer(completed))
            self.count()
        self.gateway.receive(SessionOpened(DAY, UNTIL))
        self.gateway.quote()
        self.count()

    def answer(self, completed: bool) -> list[Any]:
        facts: list[Any] = [*self.executions[self.forgotten_before :]]
        for key, order in self.orders.items():
            if order["status"] not in ("Filled", "Cancelled"):
                facts.append(self.report(key))
            elif completed:
                how = {"quantity": 0.0 if order["status"] == "Filled" else order["quantity"], "order_id": 0}
                facts.append(self.report(key, completed_status=order["status"], **how))
        return [*facts, self.position()] if self.held + self.foreign else facts


prices = st.sampled_from([104.0, 106.0])
buys = st.tuples(st.just("fill"), st.just("BUY"), st.booleans(), prices)
sells = st.tuples(st.just("fill"), st.just("SELL"), st.booleans(), prices)
leaves = st.tuples(st.just("leave"), st.sampled_from([False] * 5 + [True]), st.booleans(), st.integers(1, 60))
midnights = st.just(("midnight",))
returns = st.tuples(st.just("come_back"), st.booleans())
trips = st.tuples(
    st.just([("enter",)]),
    st.lists(st.one_of(buys, leaves, buys, midnights, returns), min_size=1, max_size=5),
    st.lists(st.one_of(sells, leaves, sells, midnights, returns), min_size=1, max_size=6),
    st.lists(returns, max_size=1),
).map(lambda parts: [step for part in parts for step in part])
"""An entry, what its purchases meet, what its sales meet."""


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(story=st.lists(trips, min_size=1, max_size=4), foreign=st.sampled_from([0, 0, 7]), completed=st.booleans())
def own_is_the_exchanges(story: list[list[tuple[Any, ...]]], foreign: int, *, completed: bool) -> None:
    exchange = Exchange(foreign)
    for what, *arguments in (step for trip in story for step in trip):
        getattr(exchange, what)(*arguments)
        if exchange.there:
            assert exchange.gateway.own() == exchange.held
    exchange.come_back(completed)
    assert exchange.gateway.own() == exchange.held
    if exchange.lost:
        return
    # The true executions come after all: from then on everything is as if they had never been forgotten.
    for execution in exchange.executions:
        exchange.gateway.receive(execution)
    exchange.count()
    fills = [record.fill for record in exchange.gateway.state.table(FillRecord).values()]
    assert {f.witness for f in fills} <= {"execution"}
    own, realized = replay("TSLA", fills)
    assert len(fills) == len(exchange.executions)
    assert exchange.gateway.own() == exchange.held
    book = exchange.gateway.state.get(Own, "TSLA") or Own("TSLA")
    assert (book.quantity, book.cost_usd) == (own.quantity, pytest.approx(own.cost_usd))
    assert exchange.realized == pytest.approx(sum(realized.values()))


def test_own_shares_are_those_of_the_exchange_whatever_is_forgotten() -> None:
    SEEN.clear()
    own_is_the_exchanges()
    for what in ("entered", "BUY while there", "BUY while away", "SELL while there", "SELL while away"):
        assert SEEN[what] >= 20, f"{what} never had a chance: {SEEN}"
    assert SEEN["ledger lost"] >= 20, SEEN
    assert SEEN["midnight"] >= 20, SEEN
