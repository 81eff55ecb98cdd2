"""What the backtest's broker still reports of the past: the same that a client on the wire gets."""

from __future__ import annotations

import pytest

from messages.broker import BrokerSnapshot, RequestSnapshot
from services.backtest.broker import ExchangeBroker
from services.configuration.broker_policy import CompletedOrdersTold, ExecutionsTold, Policy
from tests.simulator.scripted import MONDAY, SECOND, exchange, prints, ticket

MIDNIGHT_NS = MONDAY.open_ns + (14 * 3600 + 1800) * SECOND


def snapshot(policy: Policy, at_ns: int) -> BrokerSnapshot:
    """The broker's answer at this time; a market order was filled after the open of Monday."""
    market = exchange(prints(100.0, 100.0), policy=policy)
    market.advance(MONDAY.open_ns)
    market.place(ticket(1, "BUY", "MKT"))
    market.advance(at_ns)
    (answer,) = ExchangeBroker(market, 1).execute(RequestSnapshot())
    assert isinstance(answer, BrokerSnapshot)
    return answer


@pytest.mark.parametrize(
    ("policy", "before", "after"),
    [
        (Policy(), (1, 1), (0, 0)),
        (Policy(executions_told=ExecutionsTold.SEVEN_DAYS), (1, 1), (1, 0)),
        (Policy(completed_orders_told=CompletedOrdersTold.SEVEN_DAYS), (1, 1), (0, 1)),
        (Policy(completed_orders_told=CompletedOrdersTold.NEVER), (1, 0), (0, 0)),
    ],
)
def test_executions_and_completed_orders_are_told_since_midnight_unless_a_switch_says_more(
    policy: Policy, before: tuple[int, int], after: tuple[int, int]
) -> None:
    for at_ns, told in ((MIDNIGHT_NS - SECOND, before), (MIDNIGHT_NS, after)):
        answer = snapshot(policy, at_ns)
        assert (len(answer.executions), len(answer.completed_orders)) == told
        assert len(answer.commissions) == len(answer.executions)
        assert [position.quantity for position in answer.positions] == [100.0]
        assert answer.missing == ()


def test_completed_orders_that_never_end_are_missing_and_not_none() -> None:
    answer = snapshot(Policy(completed_orders_told=CompletedOrdersTold.NEVER_ENDED), MONDAY.close_ns)
    assert (answer.completed_orders, answer.missing) == ((), ("completed_orders",))
    assert len(answer.executions) == 1
