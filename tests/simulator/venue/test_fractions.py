"""Fractions of a share at the exchange: counted to four digits, so that sums of them are exact."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.configuration.broker_policy import Policy
from services.simulator.venue.exchange import Exchange
from tests.simulator.scripted import MONDAY, SECOND, exchange, prints, reported, ticket

MINUTE = 60 * SECOND


def market(*prices: float) -> Exchange:
    begun = exchange(prints(*prices, through=True), policy=Policy(fractional_shares=True))
    begun.advance(MONDAY.open_ns)
    return begun


def test_a_child_follows_the_whole_shares_of_its_parent() -> None:
    """A trailing stop has no fractions: it waits until a whole share is filled, then it is for the whole ones."""
    market_with = market(*[10.0] * 8)
    market_with.place(ticket(1, "BUY", "LMT", limit_price=10.0, quantity=2.5, transmit=False))
    market_with.place(ticket(2, "SELL", "TRAIL", trailing_pct=10.0, quantity=2.0, parent_id=1))
    stop = market_with.orders()[1]
    quantities = []
    for part in (0.75, 0.75, 1.0):
        market_with.broker_actions.fill(market_with.orders()[0].perm_id, part)
        stop = market_with.orders()[1]
        quantities.append((stop.why_held, stop.ticket.quantity))
    assert quantities == [("child,trigger", 2.0), ("trigger", 1.0), ("trigger", 2.0)]
    assert market_with.orders()[0].status == "Filled"


@given(st.lists(st.integers(1, 30_000).map(lambda steps: steps / 10_000), min_size=1, max_size=12))
def test_shares_bought_in_parts_are_sold_completely(parts: list[float]) -> None:
    market_with = market(*[10.0] * 4)
    for number, part in enumerate(parts, start=1):
        market_with.place(ticket(number, "BUY", "MKT", quantity=part))
    market_with.advance(MONDAY.open_ns + MINUTE)
    whole = round(sum(parts), 4)
    assert market_with.positions()[0].quantity == whole
    market_with.place(ticket(99, "SELL", "MKT", quantity=whole))
    market_with.advance(MONDAY.open_ns + 2 * MINUTE)
    assert market_with.positions() == []
    assert market_with.orders()[-1].status == "Filled"


def test_a_change_to_a_fraction_is_refused_as_a_change() -> None:
    market_with = exchange(prints(10.0))
    market_with.place(ticket(1, "BUY", "LMT", limit_price=9.0))
    assert reported(market_with.place(ticket(1, "BUY", "LMT", limit_price=9.0, quantity=99.5))) == [("error", 1, 10242)]
    assert market_with.open_orders()[0].ticket.quantity == 100.0
