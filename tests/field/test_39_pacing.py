"""Row 39: a burst of 100 brackets loses none, because the edge sends at the broker's pace, what protects first."""

from __future__ import annotations

import pytest

from messages.broker import CancelOrder, PlaceOrder, RequestSnapshot
from messages.orders import OrderRecord
from services.configuration.broker_policy import Policy
from services.gateway.broker_messages import REPEAT_NS
from tests.gateway.on_the_wire import Fleet, connected, run_scenario
from tests.simulator.on_the_wire import CALM

BRACKETS = 100


def order(order_id: int, *, parent_id: int = 0) -> OrderRecord:
    child = parent_id > 0
    return OrderRecord(
        client_order_id=f"CT-{order_id}",
        symbol="TSLA",
        role="stop" if child else "entry",
        side="SELL" if child else "BUY",
        order_type="STP" if child else "LMT",
        quantity=1.0,
        limit_price=None if child else 1.0,
        stop_price=0.9 if child else None,
        tif="GTC",
        order_id=order_id,
        parent_id=parent_id,
        account="DU1234567",
    )


def place_brackets(made: Fleet, first: int) -> None:
    for order_id in range(first, first + 2 * BRACKETS, 2):
        made.broker.execute(PlaceOrder(order(order_id), transmit=False))
        made.broker.execute(PlaceOrder(order(order_id + 1, parent_id=order_id), transmit=True))


@pytest.mark.parametrize("limit", [45, 1000])
def test_field_39_a_burst_of_brackets(limit: int) -> None:
    """At 45 a second all arrive; at 1000, which is no limit, the broker drops what exceeds its own."""

    async def play() -> None:
        async with connected(CALM, policy=Policy(messages_per_s=50), ibkr={"max_messages_per_s": limit}) as made:
            await made.until(lambda: made.ready, "not ready")
            await made.opened()
            place_brackets(made, 1000)
            made.broker.execute(RequestSnapshot(99))
            assert made.broker.asking
            made.broker.execute(PlaceOrder(order(5000), transmit=True))
            made.broker.execute(CancelOrder(4999, "CT-4999"))
            if limit == 45:
                await made.until(lambda: len(made.at_the_broker()) == 2 * BRACKETS + 1, "an order is lost")
                arrived = [o.ticket.order_id for o in made.simulator.exchange.open_orders()]
                assert sorted(arrived) == arrived, "in the order in which they were sent"
                assert made.ready
                assert not made.notes("broker_message")
            else:
                await made.until(lambda: made.notes("broker_message"), "the broker takes any number")
                assert made.notes("broker_message")[0].fields["code"] == 100
                assert len(made.at_the_broker()) < 2 * BRACKETS

    run_scenario(play)


def test_the_alert_is_not_repeated_for_minutes() -> None:
    assert REPEAT_NS == 300 * 10**9
