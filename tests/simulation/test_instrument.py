"""The instrument itself: runs repeat, failures shrink, and every rule of the judge can be broken."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from messages.broker import CancelOrder, PlaceOrder, RequestSnapshot
from messages.orders import OrderRecord
from services.simulator.venue.orders import Ticket
from tests.simulation import run as module
from tests.simulation.campaign import MUST_HAPPEN, never_happened
from tests.simulation.incidents import SECOND
from tests.simulation.run import Plan, Run, plan_of, run
from tests.simulation.shrink import shrink

QUIET = Plan(8, 3, ())
"""A run of three sessions in which nothing goes wrong."""


def test_the_same_plan_gives_the_same_trace() -> None:
    for seed in range(3):
        plan = plan_of(seed)
        assert run(plan).trace_hash == run(plan).trace_hash
    assert run(plan_of(1)).trace_hash != run(plan_of(2)).trace_hash


def test_a_quiet_run_breaks_nothing_and_trades() -> None:
    result = run(QUIET)
    assert not result.broken
    assert result.counts["shares bought"] > 3
    assert result.counts["shares sold"] > 3


def test_a_failure_shrinks_to_what_it_needs() -> None:
    tried: list[int] = []

    def fails(places: list[int]) -> bool:
        tried.append(len(places))
        return {3, 11} <= set(places)

    assert shrink(20, fails) == [3, 11]  # type: ignore[arg-type]
    assert len(tried) < 60
    assert shrink(5, lambda places: True) == []


def test_what_never_happened_is_named() -> None:
    counts = run(QUIET).counts
    missing = never_happened(counts)
    assert "ledger lost all" in missing
    assert "entry placed" not in missing
    assert len(set(MUST_HAPPEN)) == len(MUST_HAPPEN)


def holding(act: Callable[[Run, OrderRecord], None]) -> str:
    """The rule that breaks if `act` is done while shares are held under this stop."""
    trial = Run(QUIET, keep_trace=False)
    done = []

    def look() -> None:
        for symbol, found in trial.judge.symbols.items():
            if found.shares and not found.entries and len(found.sells) == 1 and not found.mend_ns and not done:
                actor = trial.processes["gateway"].actor
                assert actor is not None
                done.append(symbol)
                act(trial, actor.state.table(OrderRecord)[found.sells[0].ticket.order_ref])
        if not done:
            trial.at(trial.now_ns + 300 * SECOND, look)

    trial.at(trial.sessions[0].open_ns + 600 * SECOND, look)
    result = trial.run()
    assert done, "no shares were ever held"
    return result.rule


def rogue(stop: OrderRecord, **changes: object) -> PlaceOrder:
    """A new order that the fleet should not have sent."""
    changed = {"order_id": 900, "client_order_id": f"{stop.parent_client_order_id}-S9", "parent_id": 0} | changes
    return PlaceOrder(msgspec.structs.replace(stop, **changed), True)


def entry(stop: OrderRecord, order_id: int) -> PlaceOrder:
    return rogue(
        stop,
        order_id=order_id,
        client_order_id=f"{stop.parent_client_order_id.rpartition('-')[0]}-{order_id}",
        role="entry",
        side="BUY",
        order_type="STP LMT",
        stop_price=500.0,
        limit_price=501.0,
        tif="DAY",
        trailing_pct=None,
        trail_stop_price=None,
    )


def two_entries(trial: Run, stop: OrderRecord) -> None:
    trial.wire.execute(entry(stop, 900))
    trial.wire.execute(entry(stop, 901))


def lose_stops(trial: Run, stop: OrderRecord) -> None:
    """The stop is cancelled by hand, and no new one ever arrives."""
    execute = trial.wire.execute

    def lossy(command: object) -> None:
        if not isinstance(command, PlaceOrder) or command.order.side == "BUY":
            execute(command)  # type: ignore[arg-type]

    trial.wire.execute = lossy  # type: ignore[method-assign,assignment]
    trial.wire.reported(trial.exchange.cancel(trial.wire.broker.client_id, stop.order_id))


def lose_answers(trial: Run, stop: OrderRecord) -> None:
    """After a disconnect no answer comes."""
    execute = trial.wire.execute

    def deaf(command: object) -> None:
        if not isinstance(command, RequestSnapshot):
            execute(command)  # type: ignore[arg-type]

    trial.wire.execute = deaf  # type: ignore[method-assign,assignment]
    trial.wire.drop(tell=True)
    trial.at(trial.now_ns + SECOND, trial._connect)


def sell_short(trial: Run, stop: OrderRecord) -> None:
    """The exchange sells more than there is, under a reference of ours."""
    ticket = Ticket(
        client_id=trial.wire.broker.client_id,
        order_id=902,
        account=trial.exchange.accounts[0],
        symbol=stop.symbol,
        side="SELL",
        quantity=stop.quantity + 5,
        order_type="MKT",
        order_ref=f"{stop.client_order_id}-X",
    )
    reports = list(trial.exchange.place(ticket))
    order = trial.exchange.find(ticket.client_id, ticket.order_id)
    assert order is not None
    reports += trial.exchange.broker_actions.fill(order.perm_id, order.remaining)
    trial.judge.symbols[stop.symbol].mend_ns = 0
    trial.wire.reported(reports)


@pytest.mark.parametrize(
    ("rule", "act"),
    [
        ("rule A", lambda trial, stop: trial.wire.execute(CancelOrder(stop.order_id, stop.client_order_id))),
        (
            "rule A",
            lambda trial, stop: trial.wire.execute(
                PlaceOrder(msgspec.structs.replace(stop, quantity=stop.quantity - 1, parent_id=0), True)
            ),
        ),
        ("sells above shares", lambda trial, stop: trial.wire.execute(rogue(stop))),
        ("two entries", two_entries),
        ("bare", lose_stops),
        ("not reconciled", lose_answers),
        ("short", sell_short),
    ],
    ids=["cancelled", "shrunk", "a second stop", "two entries", "bare", "not reconciled", "short"],
)
def test_each_rule_can_be_broken(rule: str, act: Callable[[Run, OrderRecord], None]) -> None:
    assert holding(act) == rule


def test_an_entry_out_of_hours_is_found() -> None:
    trial = Run(QUIET, keep_trace=False)
    stop = OrderRecord(
        client_order_id="CT-AAA-20250306-9-S1",
        parent_client_order_id="CT-AAA-20250306-9",
        symbol="AAA",
        role="stop",
        side="SELL",
        order_type="TRAIL",
        quantity=5.0,
    )
    trial.at(trial.sessions[1].open_ns - 60 * SECOND, lambda: trial.wire.execute(entry(stop, 900)))
    assert trial.run().rule == "hours"


def test_an_idle_symbol_without_an_explanation_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXPLAINED", frozenset())
    trial = Run(QUIET, keep_trace=False)
    trial._operate = lambda: trial._send(module.Pause("AAA"))  # type: ignore[method-assign]
    assert trial.run().rule == "idle"
