"""Row 63: what a person does by hand at the broker is known within a minute."""

from __future__ import annotations

import msgspec

from tests.field.test_49_54_55_answers import MARKET
from tests.gateway.on_the_wire import connected, run_scenario
from tests.gateway.orders.test_doubles_wire import holding


def test_field_63_an_order_placed_by_hand_is_known_within_a_minute() -> None:
    async def play() -> None:
        async with connected(MARKET) as made:
            stop = await holding(made)
            await made.pass_time(15)
            ticket = msgspec.structs.replace(
                stop.ticket,
                client_id=99,
                order_id=1,
                side="BUY",
                order_type="LMT",
                limit_price=5.0,
                order_ref="",
                parent_id=0,
                trailing_pct=None,
                trail_stop_price=None,
            )
            made.simulator.exchange.place(ticket)
            await made.pass_time(60)
            foreign = [o for o in made.orders() if o.role == "foreign"]
            assert [(o.side, o.quantity, o.live) for o in foreign] == [("BUY", 10.0, True)]
            made.simulator.exchange.cancel(99, 1)
            await made.pass_time(60)
            assert [o.live for o in made.orders() if o.role == "foreign"] == [False]

    run_scenario(play)
