"""Row 57: a symbol's ledger is lost while its entry rests. It owns what the gateway reports. On the wire."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from messages import Message
from messages.entries import CancelEntry
from messages.market import SessionClosing, SessionOpened, Tick
from messages.operator import Paused
from services.configuration.settings import Settings
from services.gateway.book.records import FillRecord, Own
from services.runtime.core import Now, State
from services.symbol.core import SymbolCore
from services.symbol.states import SymbolState
from tests.field.test_48_56_60_whose_orders import a_gateway, enter, entry_of, references, running
from tests.gateway.on_the_wire import DAY, Fleet, run_scenario
from tests.gateway.one_decision import fill, stop
from tests.simulator.on_the_wire import SECOND

MINUTE = 60 * SECOND
OPENED = SessionOpened(DAY, DAY.close_ns - 900 * SECOND)


class Symbol:
    """A symbol process without a ledger, which has just connected to a gateway and a clock."""

    def __init__(self, told: list[tuple[str, Message]], now_ns: int):
        self.core = SymbolCore("TSLA", msgspec.convert({"watchlist": ["TSLA"]}, Settings))
        self.state = State(self.core.kinds)
        self.now_ns = now_ns
        self.cancels: list[CancelEntry] = []
        for topic, message in told:
            assert topic in ("TSLA", "symbol-TSLA", "fleet")
            self.handle(message)

    def handle(self, message: Message) -> None:
        decision = self.core.handle(self.state, message, Now(self.now_ns, self.now_ns))
        self.state.apply(decision.changes)
        self.cancels += [m for _, m in decision.messages if isinstance(m, CancelEntry)]


def snapshot(fleet: Fleet) -> list[tuple[str, Message]]:
    return fleet.core.snapshot(fleet.state, ("TSLA", "fleet"))


def halted(now_ns: int) -> Message:
    return Tick("TSLA", 1, 1_000, now_ns, 10.0, now_ns, 9.99, 10.01, halted=True)


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("paused", lambda now_ns: Paused(None, "operator")),
        ("paused", lambda now_ns: Paused("TSLA", "operator")),
        ("end_of_day", lambda now_ns: SessionClosing(DAY)),
        ("halted", halted),
    ],
)
@pytest.mark.parametrize("clock_first", [True, False])
def test_field_57_its_entry_is_cancelled_like_any_other(
    reason: str, message: Callable[[int], Message], clock_first: bool
) -> None:
    async def play() -> None:
        async with a_gateway() as simulator, running(simulator, "sim", 12) as fleet:
            plan = entry_of("sim", 3)
            await enter(fleet, plan)
            assert len(references(simulator)) == 2
            told = snapshot(fleet)
            told = [("fleet", OPENED), *told] if clock_first else [*told, ("fleet", OPENED)]
            symbol = Symbol(told, simulator.exchange.now_ns)
            record = symbol.core.record(symbol.state)
            assert (record.state, record.entry_live) == (SymbolState.ENTRY_PENDING, True)
            assert record.entry_number == 3, "the next one has a new reference"
            symbol.handle(message(symbol.now_ns))
            assert symbol.cancels == [CancelEntry(plan.client_order_id, "TSLA", reason)]
            fleet.receive(symbol.cancels[0])
            await fleet.settle()
            assert references(simulator) == []

    run_scenario(play)


def test_field_57_a_cooldown_goes_on() -> None:
    """Ten minutes ago the stop sold everything: ten minutes are left."""

    async def play() -> None:
        async with a_gateway() as simulator, running(simulator, "sim", 12) as fleet:
            await fleet.opened()
            now_ns = simulator.exchange.now_ns
            sold = stop(status="Filled", filled=10.0)
            sale = fill(sold.key, role="stop", side="SELL", price=9.0, time_ns=now_ns - 10 * MINUTE)
            bought = fill(time_ns=now_ns - 20 * MINUTE)
            fleet.state.apply([(type(sold), sold.key, sold), (Own, "TSLA", Own("TSLA"))])
            fleet.state.apply([(FillRecord, each.key, each) for each in (bought, sale)])
            symbol = Symbol([("fleet", OPENED), *snapshot(fleet)], now_ns)
            record = symbol.core.record(symbol.state)
            assert (record.state, record.cooldown_until_ns) == (SymbolState.COOLDOWN, now_ns + 10 * MINUTE)
            twice = Symbol([("fleet", OPENED), *snapshot(fleet), *snapshot(fleet)], now_ns)
            assert twice.core.record(twice.state) == record, "a snapshot may be handled twice"
            assert fleet.core.snapshot(fleet.state, ("*",)) == [
                each for each in snapshot(fleet) if type(each[1]).__name__ != "OrderFilled"
            ], "a process that counts fills is not told of it again"

    run_scenario(play)
