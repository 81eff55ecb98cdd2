"""Which shares have no stop, and whose they are, from one answer of the broker."""

from __future__ import annotations

from typing import Any

import pytest

from messages.broker import BrokerOrder, BrokerPosition, BrokerSnapshot
from services.cli.rescue_survey import TradedContract, survey
from services.trading.ids import is_old_reference
from tests.gateway.scenario import ACCOUNT, broker_execution, broker_order

STOP = "CT-TSLA-20250106-1-S1"


def sell(quantity: float, reference: str = STOP, **more: Any) -> BrokerOrder:
    return broker_order(
        reference, **({"side": "SELL", "order_type": "TRAIL", "quantity": quantity, "con_id": 1} | more)
    )


def held(quantity: float, **more: Any) -> BrokerPosition:
    return BrokerPosition(
        **({"account": ACCOUNT, "symbol": "TSLA", "quantity": quantity, "avg_cost": 100.0, "con_id": 1} | more)
    )


def of(*facts: Any, executions: tuple[Any, ...] = ()) -> list[TradedContract]:
    positions = tuple(f for f in facts if isinstance(f, BrokerPosition))
    orders = tuple(f for f in facts if isinstance(f, BrokerOrder))
    return survey(
        BrokerSnapshot(ACCOUNT, positions, orders, (), executions, ()),
        ACCOUNT,
        lambda each: is_old_reference(each.client_order_id),
    )


@pytest.mark.parametrize(
    ("facts", "executions", "stopped", "bare", "ours"),
    [
        ((held(10.0),), (), 0, 10, 0),
        ((held(10.0), sell(10.0)), (), 10, 0, 10),
        ((held(10.0), sell(4.0)), (), 4, 6, 4),
        ((held(10.0), sell(10.0, filled=4.0)), (), 6, 4, 6),
        ((held(10.0), sell(20.0)), (), 10, 0, 10),
        ((held(10.0), sell(10.0, why_held="child,trigger")), (), 0, 10, 0),
        ((held(10.0), sell(10.0, status="Cancelled")), (), 0, 10, 0),
        ((held(10.0), sell(6.0, reference="mine")), (), 6, 4, 0),
        ((held(10.5), sell(10.0)), (), 10, 0, 10),
        ((held(-3.0),), (), 0, 0, 0),
        ((held(10.0),), ((8.0, "BUY"),), 0, 10, 8),
        ((held(10.0),), ((8.0, "BUY"), (3.0, "SELL")), 0, 10, 5),
        ((held(10.0),), ((3.0, "SELL"),), 0, 10, 0),
    ],
)
def test_what_is_stopped_bare_and_ours(
    facts: tuple[Any, ...], executions: tuple[tuple[float, str], ...], stopped: int, bare: int, ours: int
) -> None:
    made = tuple(broker_execution("CT-TSLA-20250106-1", q, 100.0, side=side, con_id=1) for q, side in executions)
    (found,) = of(*facts, executions=made)
    assert (found.protected, found.uncovered, found.claimed) == (stopped, bare, ours)


def test_another_contract_of_the_ticker_is_another_line() -> None:
    option = held(-1.0, con_id=2, sec_type="OPT")
    names = [(c.symbol, c.sec_type, c.shares, c.is_stock) for c in of(held(10.0), option, sell(10.0))]
    assert names == [("TSLA", "OPT", -1.0, False), ("TSLA", "STK", 10.0, True)]


def test_another_account_is_not_shown() -> None:
    assert of(held(10.0, account="DU7654321"), sell(10.0, account="DU7654321")) == []


def test_orders_are_the_bots_by_their_reference() -> None:
    entry = broker_order("CT-TSLA-20250106-2", con_id=1)
    (found,) = of(sell(10.0), entry, sell(3.0, reference="mine"))
    assert [[o.client_order_id for o in orders] for orders in (found.stops, found.entries, found.others)] == [
        [STOP],
        ["CT-TSLA-20250106-2"],
        ["mine"],
    ]
