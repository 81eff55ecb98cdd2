"""The runner's broker and the wire make the same facts of the same reports of the exchange, of every kind."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from messages.broker import (
    BrokerAccount,
    BrokerCommission,
    BrokerError,
    BrokerExecution,
    BrokerOrder,
    BrokerPosition,
    BrokerSnapshot,
    RequestSnapshot,
)
from services.backtest.broker import ExchangeBroker
from services.configuration.broker_policy import ChildOnPartialFill, Policy, RejectedAs
from services.simulator.requests import dispatch
from services.simulator.requests.ownership import MANUAL_CLIENT_ID
from services.simulator.venue.broker_actions import Rejection
from services.simulator.venue.orders import Ticket
from services.simulator.venue.reports import (
    AccountReport,
    CommissionReport,
    ErrorReport,
    ExecutionReport,
    OrderReport,
    PositionReport,
    Report,
    StatusReport,
)
from tests.gateway.on_the_wire import Fleet, connected, run_scenario
from tests.simulator.on_the_wire import ACCOUNT, trades

COMPARED = (BrokerOrder, BrokerExecution, BrokerCommission, BrokerPosition, BrokerError)
KINDS = (OrderReport, StatusReport, ExecutionReport, CommissionReport, PositionReport, AccountReport, ErrorReport)
"""All that the exchange reports, except prices."""

PRICES = [10.0, 10.0, 10.0, 10.0, 10.55, 10.55, 10.58, 10.57, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0]


class Heard:
    """The exchange's reports, and the facts that the wire made of them."""

    def __init__(self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fleet = fleet
        self.reports: list[Report] = []
        self.facts: list[Any] = []
        deliver, take = dispatch.deliver, fleet.take

        def delivered(reports: Any, *rest: Any) -> None:
            kept = list(reports)
            self.reports += kept
            deliver(kept, *rest)

        def taken() -> None:
            self.facts += fleet.broker.facts
            take()

        monkeypatch.setattr(dispatch, "deliver", delivered)
        monkeypatch.setattr(fleet, "take", taken)

    @property
    def runner(self) -> ExchangeBroker:
        return ExchangeBroker(self.fleet.simulator.exchange, self.fleet.client_id)

    def of_runner(self) -> list[Any]:
        return [fact for fact in self.runner.facts(self.reports) if isinstance(fact, COMPARED)]

    def of_wire(self) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, COMPARED)]

    def act(self, reports: list[Report]) -> None:
        """Something happens at the exchange: its reports go out on the wire."""
        self.fleet.simulator.server.dispatcher.save_and_deliver(reports)
        self.fleet.simulator.server.flush()


async def a_day(fleet: Fleet, heard: Heard) -> None:
    """An entry fills in parts; its rest is cancelled, its stop is changed and sells; by hand; refusals; corrections."""
    exchange, client = fleet.simulator.exchange, fleet.client_id
    await fleet.until(lambda: fleet.ready, "not reconciled")
    await fleet.settle()
    await fleet.opened()
    await fleet.settle()
    heard.reports.clear()
    heard.facts.clear()
    fleet.enter()
    fleet.receive = lambda message: None  # type: ignore[method-assign]  # from here on the core asks and does nothing
    await fleet.settle()
    (parent,) = [o for o in exchange.open_orders() if o.ticket.side == "BUY"]
    heard.act(exchange.broker_actions.fill(parent.perm_id, 4.0))
    await fleet.settle()
    heard.act(exchange.cancel(client, parent.ticket.order_id))
    await fleet.settle()
    (stop,) = [o for o in exchange.open_orders() if o.ticket.side == "SELL"]
    smaller = msgspec.structs.replace(stop.ticket, quantity=3.0, parent_id=0, oca_group=stop.oca_group)
    heard.act(exchange.place(smaller))
    by_hand = Ticket(
        client_id=MANUAL_CLIENT_ID,
        order_id=1,
        account=ACCOUNT,
        symbol="TSLA",
        side="SELL",
        quantity=1.0,
        order_type="MKT",
    )
    heard.act(exchange.place(by_hand))
    heard.act(exchange.broker_actions.refuse(client, 90, Rejection(201, "no margin")))
    limit = Ticket(
        client_id=client,
        order_id=90,
        account=ACCOUNT,
        symbol="TSLA",
        side="BUY",
        quantity=1.0,
        order_type="LMT",
        limit_price=5.0,
        order_ref="CT-TSLA-20220322-9",
    )
    heard.act(exchange.place(limit))
    heard.act(exchange.place(msgspec.structs.replace(limit, order_id=91, limit_price=5.003)))
    heard.act(exchange.cancel(client, 91))
    await fleet.step(8)
    first = next(e for e in exchange.executions() if e.client_id == client)
    heard.act(exchange.correct_execution(first.exec_id, 10.6))
    last = next(e for e in reversed(exchange.executions()) if e.client_id == client)
    heard.act(exchange.bust_execution(last.exec_id))
    await fleet.settle()


def differences(runner: list[Any], wire: list[Any]) -> list[str]:
    """What differs, field by field."""
    found = [] if len(runner) == len(wire) else [f"{len(runner)} facts of the runner, {len(wire)} of the wire"]
    for place, (one, other) in enumerate(zip(runner, wire, strict=False)):
        if type(one) is not type(other):
            return [*found, f"{place}: {one} is not {other}"]
        for name in type(one).__struct_fields__:
            if getattr(one, name) != getattr(other, name):
                found.append(
                    f"{place} {type(one).__name__}.{name}: {getattr(one, name)!r} is not {getattr(other, name)!r}"
                )
    return found


POLICIES = {
    "as by default": Policy(),
    "told in another way": Policy(
        pairs_told_twice=True,
        filled_before_execution=True,
        partial_fill_told_in_full=True,
        rejected_as=RejectedAs.CANCELLED,
        rejection_before_status=False,
        resting_told_before=True,
        child_on_partial_fill=ChildOnPartialFill.AT_ONCE,
        child_oca_overwritten=False,
        report_trail_ratchet=False,
    ),
}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_field_58_live_facts_are_the_same(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        async with connected(trades("TSLA", *PRICES), policy=policy) as fleet:
            heard = Heard(fleet, monkeypatch)
            await a_day(fleet, heard)
            missing = [kind.__name__ for kind in KINDS if not any(isinstance(r, kind) for r in heard.reports)]
            assert not missing, f"never reported: {missing}"
            assert not differences(heard.of_runner(), heard.of_wire())
            accounts = [f for f in heard.facts if isinstance(f, BrokerAccount)]
            runner = [f for f in heard.runner.facts(heard.reports) if isinstance(f, BrokerAccount)]
            assert accounts[-1].values["NetLiquidation"] == runner[-1].values["NetLiquidation"]

    run_scenario(play)


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_field_58_answers_are_the_same(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        async with connected(trades("TSLA", *PRICES), policy=policy) as fleet:
            heard = Heard(fleet, monkeypatch)
            await a_day(fleet, heard)
            heard.facts.clear()
            fleet.broker.execute(RequestSnapshot(77))
            await fleet.until(lambda: any(isinstance(f, BrokerSnapshot) for f in heard.facts), "no answer")
            wire = next(f for f in heard.facts if isinstance(f, BrokerSnapshot))
            (runner,) = heard.runner.execute(RequestSnapshot(77))
            assert isinstance(runner, BrokerSnapshot)
            assert len(runner.completed_orders) >= 2
            for part in ("positions", "open_orders", "completed_orders", "executions", "commissions"):
                ours, theirs = (sorted(getattr(answer, part), key=str) for answer in (runner, wire))
                assert not differences(ours, theirs), part
            assert (runner.question, runner.missing) == (wire.question, wire.missing)

    run_scenario(play)
