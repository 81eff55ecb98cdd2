"""Market rules and exchange actions: displayed sizes, halts, price bands, splits, dividends, corrections."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.configuration.broker_policy import ChildOnPartialFill, OnSplit, Policy
from services.simulator.venue.broker_actions import Rejection
from services.simulator.venue.events import MarketEvent
from services.simulator.venue.exchange import Exchange
from services.simulator.venue.holdings import AccountHolding, AccountTerms
from services.simulator.venue.reports import CommissionReport, ExecutionReport, QuoteReport
from tests.simulator.scripted import MONDAY, SECOND, exchange, prints, reported, ticket

MINUTE = 60 * SECOND
PARTIAL = Policy(partial_fills=True)


def shown(*sizes: tuple[float, int, int], traded: int = 0) -> list[MarketEvent]:
    """Quotes around a price, a minute apart: (price, size at the bid, size at the ask)."""
    return [
        MarketEvent(
            MONDAY.open_ns + row * MINUTE,
            "ABC",
            row,
            price=price,
            size=traded,
            bid=round(price - 0.01, 2),
            ask=round(price + 0.01, 2),
            bid_size=bids,
            ask_size=asks,
        )
        for row, (price, bids, asks) in enumerate(sizes)
    ]


def begun(events: list[MarketEvent], **more: Any) -> Exchange:
    market = exchange(events, **more)
    market.advance(MONDAY.open_ns)
    return market


def fills(market: Exchange) -> list[tuple[int, float, float]]:
    return [(each.order_id, each.quantity, each.price) for each in market.executions()]


def bought(*prices: float, quantity: float = 100.0, **more: Any) -> Exchange:
    """A market in which these shares were bought at 100.01 a minute ago."""
    market = begun(prints(100.0, 100.0, *prices), **more)
    market.place(ticket(9, "BUY", "MKT", client_id=2, quantity=quantity))
    market.advance(MONDAY.open_ns + MINUTE)
    return market


# Displayed size


def test_a_market_order_takes_what_is_displayed_and_waits_for_more() -> None:
    market = begun(shown((100.0, 50, 50), (100.0, 50, 30), (101.0, 50, 40), (102.0, 50, 50)), policy=PARTIAL)
    market.place(ticket(1, "BUY", "MKT"))
    reports = reported(market.advance(MONDAY.open_ns + MINUTE))
    assert reports[0] == ("execution", 1, 30.0, 100.01)
    assert reports[1] == ("status", 1, "Submitted")
    market.advance(MONDAY.close_ns)
    assert fills(market) == [(1, 30.0, 100.01), (1, 40.0, 101.01), (1, 30.0, 102.01)]
    assert sum(charge.commission for charge in map(market.commission_of, exec_ids(market)) if charge) == 1.0


def exec_ids(market: Exchange) -> list[str]:
    return [execution.exec_id for execution in market.executions()]


def test_orders_of_one_side_share_the_size() -> None:
    market = begun(shown((100.0, 50, 50), (100.0, 60, 30)), policy=PARTIAL)
    for order_id, side in ((1, "BUY"), (2, "BUY"), (3, "SELL")):
        market.place(ticket(order_id, side, "MKT", quantity=20.0))
    market.advance(MONDAY.open_ns + MINUTE)
    assert fills(market) == [(1, 20.0, 100.01), (2, 10.0, 100.01), (3, 20.0, 99.99)]


def test_the_traded_size_counts_too_and_no_size_is_no_limit() -> None:
    for events, quantity in (
        (shown((100.0, 5, 5), (100.0, 5, 5), traded=70), 70.0),
        (shown(*[(100.0, 0, 0)] * 2), 100.0),
    ):
        market = begun(events, policy=PARTIAL)
        market.place(ticket(1, "BUY", "MKT"))
        market.advance(MONDAY.open_ns + MINUTE)
        assert fills(market) == [(1, quantity, 100.01)]


@pytest.mark.parametrize(("tif", "expected", "status"), [("IOC", 30.0, "Cancelled"), ("FOK", 0.0, "Inactive")])
def test_immediate_orders_and_displayed_size(tif: str, expected: float, status: str) -> None:
    market = begun(shown((100.0, 50, 50), (100.0, 50, 30), (100.0, 500, 500)), policy=PARTIAL)
    market.place(ticket(1, "BUY", "LMT", limit_price=101.0, tif=tif))
    market.advance(MONDAY.close_ns)
    (order,) = market.orders()
    assert (order.filled, order.status) == (expected, status)


def bracket(policy: ChildOnPartialFill, *events: tuple[float, int, int]) -> Exchange:
    market = begun(shown((100.0, 50, 50), *events), policy=Policy(partial_fills=True, child_on_partial_fill=policy))
    market.place(ticket(1, "BUY", "LMT", limit_price=100.5, transmit=False))
    market.place(ticket(2, "SELL", "STP", stop_price=95.0, parent_id=1, tif="GTC"))
    market.advance(MONDAY.open_ns + MINUTE)
    return market


@pytest.mark.parametrize(
    ("policy", "quantity", "held"),
    [
        (ChildOnPartialFill.FOLLOWS, 40.0, "trigger"),
        (ChildOnPartialFill.AT_ONCE, 100.0, "trigger"),
        (ChildOnPartialFill.AT_FULL_FILL, 100.0, "child,trigger"),
    ],
)
def test_field_21_what_a_child_does_while_its_parent_is_partly_filled(
    policy: ChildOnPartialFill, quantity: float, held: str
) -> None:
    market = bracket(policy, (100.0, 50, 40), (100.0, 50, 60))
    parent, child = market.orders()
    assert (parent.filled, child.ticket.quantity, child.why_held) == (40.0, quantity, held)
    market.advance(MONDAY.open_ns + 2 * MINUTE)
    parent, child = market.orders()
    assert (parent.status, child.ticket.quantity, child.why_held) == ("Filled", 100.0, "trigger")


@pytest.mark.parametrize("policy", list(ChildOnPartialFill))
def test_field_21_cancelling_a_part_filled_parent(policy: ChildOnPartialFill) -> None:
    market = bracket(policy, (100.0, 50, 40))
    market.cancel(1, 1)
    open_orders = [(order.ticket.order_id, order.ticket.quantity) for order in market.open_orders()]
    kept = {ChildOnPartialFill.FOLLOWS: [(2, 40.0)], ChildOnPartialFill.AT_ONCE: [(2, 100.0)]}
    assert open_orders == kept.get(policy, [])


# Slippage, ignored prints


def test_slippage_is_for_orders_without_a_limit() -> None:
    market = begun(prints(100.0, 100.0), policy=Policy(slippage_bps=20.0))
    market.place(ticket(1, "BUY", "MKT"))
    market.place(ticket(2, "SELL", "MKT"))
    market.place(ticket(3, "BUY", "LMT", limit_price=100.5))
    market.advance(MONDAY.close_ns)
    assert {order_id: price for order_id, _, price in fills(market)} == {1: 100.22, 2: 99.79, 3: 100.01}


def test_block_prints_trigger_nothing_by_switch() -> None:
    block = MarketEvent(MONDAY.open_ns + MINUTE, "ABC", 1, price=80.0, size=20_000, bid=99.9, ask=100.1)
    for least, triggered in ((0.0, True), (10_000.0, False), (50_000.0, True)):
        market = begun([*prints(100.0), block], policy=Policy(block_print_shares=least))
        market.place(ticket(1, "SELL", "STP", stop_price=90.0))
        market.advance(MONDAY.open_ns + MINUTE)
        assert market.orders()[0].triggered is triggered


# Halts and bands


def test_a_halted_stock_doesnt_trade_and_its_orders_wait() -> None:
    market = bought(99.0, 80.0, 79.0)
    market.place(ticket(1, "SELL", "STP", stop_price=95.0, tif="GTC"))
    (halt,) = market.halt("ABC")
    assert isinstance(halt, QuoteReport)
    assert halt.halted
    assert market.advance(MONDAY.open_ns + 3 * MINUTE) == []
    quote = market.quote("ABC")
    assert quote is not None
    assert (quote.last, quote.halted) == (100.0, True)
    (back,) = market.resume("ABC")
    assert isinstance(back, QuoteReport)
    assert not back.halted
    market.advance(MONDAY.close_ns)
    assert fills(market)[-1] == (1, 100.0, 78.99)  # nothing traded on the way down


def test_after_a_halt_the_price_jumps() -> None:
    market = begun(prints(100.0, 90.0, 80.0, through=True))
    market.place(ticket(1, "SELL", "STP", stop_price=95.0))
    market.halt("ABC")
    market.advance(MONDAY.open_ns + MINUTE)
    market.resume("ABC")
    market.advance(MONDAY.close_ns)
    assert fills(market) == [(1, 100.0, 79.99)]


def action(what: Any, minute: int, value: float = 0.0) -> MarketEvent:
    return MarketEvent(MONDAY.open_ns + minute * MINUTE - 1, "ABC", 100 + minute, action=what, value=value)


def test_halts_and_corporate_actions_come_from_the_market_as_well() -> None:
    events = prints(100.0, 100.0, 100.0, 100.0, 50.0)
    market = begun(
        [*events, action("halt", 1), action("resume", 3), action("split", 4, 2.0), action("dividend", 5, 0.5)]
    )
    market.place(ticket(1, "BUY", "MKT"))
    reports = reported(market.advance(MONDAY.open_ns + 5 * MINUTE), quotes=True)
    assert [each for each in reports if each[0] == "quote"] == [("quote", "ABC", 100.0)] * 3 + [
        ("quote", "ABC", 50.0)
    ] * 2
    assert [held.quantity for held in market.positions()] == [200.0]
    assert market.account_report("DU1").values["TotalCashValue"] == 100_000.0 - 10_001.0 - 1.0 + 100.0


@pytest.mark.parametrize(("on", "last"), [(False, 70.0), (True, 100.0)])
def test_limit_up_limit_down_pauses_for_five_minutes(on: bool, last: float) -> None:
    calm = prints(100.0, 100.0, 70.0, 71.0, start_ns=MONDAY.open_ns + 3600 * SECOND)
    later = prints(72.0, start_ns=MONDAY.open_ns + 3600 * SECOND + 7 * MINUTE)
    market = exchange([*calm, *later], policy=Policy(limit_up_limit_down=on))
    market.advance(MONDAY.open_ns + 3600 * SECOND + 2 * MINUTE)
    quote = market.quote("ABC")
    assert quote is not None
    assert (quote.last, quote.halted) == (last, on)
    market.advance(MONDAY.open_ns + 3600 * SECOND + 7 * MINUTE)
    quote = market.quote("ABC")
    assert quote is not None
    assert (quote.last, quote.halted) == (72.0, False)


def test_bands_are_wide_at_the_open_and_above_only_so_far() -> None:
    for price, paused in ((109.0, False), (111.0, True), (91.0, False), (89.0, True)):
        market = begun(prints(100.0, price), policy=Policy(limit_up_limit_down=True))
        market.advance(MONDAY.open_ns + MINUTE)
        quote = market.quote("ABC")
        assert quote is not None
        assert quote.halted is paused


# Splits and dividends


@pytest.mark.parametrize(
    ("switch", "expected"),
    [(OnSplit.CANCELLED, []), (OnSplit.KEPT, [(100.0, 90.0)]), (OnSplit.ADJUSTED, [(200.0, 45.0)])],
)
def test_field_42_a_split_and_the_stops(switch: OnSplit, expected: list[tuple[float, float]]) -> None:
    market = bought(100.0, 99.0, policy=Policy(gtc_on_split=switch))
    market.place(ticket(1, "SELL", "STP", stop_price=90.0, tif="GTC"))
    market.split("ABC", 2.0)
    assert [(order.ticket.quantity, order.ticket.stop_price) for order in market.open_orders()] == expected
    (held,) = market.positions()
    assert (held.quantity, held.market_price) == (200.0, 50.0)
    assert held.avg_cost == pytest.approx(50.01)
    assert market.pnl_single("DU1", "ABC").daily == pytest.approx(-2.0)
    market.advance(MONDAY.close_ns)
    quote = market.quote("ABC")
    assert quote is not None
    assert (quote.last, quote.ask) == (49.5, 49.51)  # the source continues in old prices
    # A kept stop is above the market now: it sells half of the shares at half its price.
    assert fills(market)[1:] == ([(1, 100.0, 49.99)] if switch is OnSplit.KEPT else [])


def test_a_reverse_split_pays_for_fractions() -> None:
    market = bought(100.0, quantity=105.0)
    cash = market.account_report("DU1").values["TotalCashValue"]
    market.split("ABC", 0.1)
    (held,) = market.positions()
    assert (held.quantity, held.market_price) == (10.0, 1000.0)
    assert market.account_report("DU1").values["TotalCashValue"] == cash + 500.0
    assert held.realized_pnl == pytest.approx(0.5 * (1000.0 - held.avg_cost))
    with pytest.raises(ValueError, match="positive"):
        market.split("ABC", 0.0)


@pytest.mark.parametrize("reduced", [False, True])
def test_a_dividend_is_paid_and_may_lower_the_stops(reduced: bool) -> None:
    market = bought(policy=Policy(gtc_stop_reduced_by_dividend=reduced))
    market.place(ticket(1, "SELL", "STP", stop_price=90.0, tif="GTC"))
    market.place(ticket(2, "BUY", "LMT", limit_price=80.0, tif="GTC"))
    market.place(ticket(3, "BUY", "LMT", limit_price=80.0))
    before = market.account_report("DU1").values["TotalCashValue"]
    market.dividend("ABC", 0.75)
    assert market.account_report("DU1").values["TotalCashValue"] == before + 75.0
    stop, good, today = market.open_orders()
    assert (stop.ticket.stop_price, good.limit_price) == ((89.25, 79.25) if reduced else (90.0, 80.0))
    assert today.limit_price == 80.0


def test_a_short_position_pays_the_dividend() -> None:
    market = begun(prints(100.0, 100.0))
    market.place(ticket(1, "SELL", "MKT"))
    market.advance(MONDAY.open_ns + MINUTE)
    before = market.account_report("DU1").values["TotalCashValue"]
    market.dividend("ABC", 1.0)
    assert market.account_report("DU1").values["TotalCashValue"] == before - 100.0


# Corrections


def test_field_35_a_correction_raises_the_last_number_and_replaces() -> None:
    market = bought(100.0)
    (old,) = market.executions()
    reports = market.correct_execution(old.exec_id, 99.0)
    new = reports[0]
    assert isinstance(new, ExecutionReport)
    assert new.execution.exec_id == old.exec_id[:-2] + "02"
    assert market.executions() == [new.execution]
    assert isinstance(reports[2], CommissionReport)
    assert market.commission_of(old.exec_id) is None
    assert market.orders()[0].avg_price == 99.0
    (held,) = market.positions()
    assert held.avg_cost == pytest.approx(99.01)
    assert market.account_report("DU1").values["TotalCashValue"] == 100_000.0 - 9_901.0
    with pytest.raises(KeyError):
        market.correct_execution(old.exec_id, 98.0)
    market.place(ticket(10, "SELL", "MKT"))
    market.advance(MONDAY.close_ns)
    again = market.correct_execution(market.executions()[1].exec_id, 101.0)
    charge = again[2]
    assert isinstance(charge, CommissionReport)
    assert charge.realized_pnl == pytest.approx((101.0 - 99.01) * 100 - 1.0)


def test_a_busted_execution_is_undone() -> None:
    market = bought(100.0)
    market.bust_execution(market.executions()[0].exec_id)
    assert [(each.quantity, each.exec_id[-2:]) for each in market.executions()] == [(0.0, "02")]
    assert market.positions() == []
    assert market.account_report("DU1").values["TotalCashValue"] == 100_000.0
    with pytest.raises(KeyError):
        market.bust_execution(market.executions()[0].exec_id)


# Broker actions


def test_an_order_may_end_early() -> None:
    market = begun(prints(100.0))
    market.place(ticket(1, "SELL", "STP", stop_price=90.0, tif="GTC"))
    (stop,) = market.open_orders()
    assert reported(market.broker_actions.expire(stop.perm_id)) == [("status", 1, "Cancelled"), ("error", 1, 202)]
    assert market.broker_actions.expire(stop.perm_id) == []


@pytest.mark.parametrize(
    ("how", "expected", "left"),
    [
        (Rejection(201, "because"), [("error", 2, 201), ("status", 2, "Inactive")], "completed"),
        (Rejection(201, "because", status_first=True), [("status", 2, "Inactive"), ("error", 2, 201)], "completed"),
        (Rejection(404, "looking", held=True), [("error", 2, 404), ("order", 2, "PreSubmitted", "locate")], "open"),
        (
            Rejection(404, "looking", held=True, status_first=True),
            [("order", 2, "PreSubmitted", "locate"), ("error", 2, 404)],
            "open",
        ),
    ],
)
def test_a_rejected_order_is_kept(how: Rejection, expected: list[tuple[object, ...]], left: str) -> None:
    market = begun(prints(100.0, 49.0))
    market.broker_actions.refuse(1, 2, how)
    assert reported(market.place(ticket(2, "BUY", "LMT", limit_price=50.0))) == expected
    assert reported(market.place(ticket(3, "BUY", "LMT", limit_price=50.0))) == [("order", 3, "Submitted", "")]
    kept = market.completed_orders() if left == "completed" else market.open_orders()
    assert kept[0].ticket.order_id == 2
    market.advance(MONDAY.open_ns + MINUTE)
    assert [each.order_id for each in market.executions()] == [3]


def test_an_order_held_until_located_can_be_changed_and_cancelled() -> None:
    market = begun(prints(100.0, 49.0))
    market.broker_actions.refuse(1, 2, Rejection(404, "looking", held=True))
    market.place(ticket(2, "SELL", "TRAIL", trailing_amount=1.0))
    assert reported(market.place(ticket(2, "SELL", "TRAIL", trailing_amount=2.0))) == [
        ("order", 2, "PreSubmitted", "locate")
    ]
    market.advance(MONDAY.open_ns + MINUTE)
    assert market.executions() == []
    assert reported(market.cancel(1, 2)) == [("status", 2, "Cancelled"), ("error", 2, 202)]


def test_a_rejected_parent_rejects_its_children_when_transmitted() -> None:
    market = begun(prints(100.0, 49.0))
    market.broker_actions.refuse(1, 1, Rejection(201, "because"))
    assert market.place(ticket(1, "BUY", "LMT", limit_price=50.0, transmit=False)) == []
    child = ticket(2, "SELL", "STP", stop_price=40.0, parent_id=1)
    assert reported(market.place(child)) == [
        ("error", 1, 201),
        ("status", 1, "Inactive"),
        ("error", 2, 201),
        ("status", 2, "Inactive"),
    ]


# Properties

sides = st.sampled_from(["BUY", "SELL"])
steps = st.one_of(
    st.tuples(st.just("order"), sides, st.sampled_from(["MKT", "LMT"]), st.integers(1, 300)),
    st.tuples(st.just("split"), st.sampled_from([2.0, 0.5, 3.0])),
    st.tuples(st.just("dividend"), st.sampled_from([0.1, 1.25])),
    st.tuples(st.just("correct"), st.integers(-200, 200)),
    st.tuples(st.just("bust")),
    st.tuples(st.just("halt")),
    st.tuples(st.just("resume")),
)


@given(st.lists(steps, min_size=1, max_size=20), st.lists(st.integers(1, 400), min_size=21, max_size=21))
def test_money_is_conserved(actions: list[tuple[Any, ...]], sizes: list[int]) -> None:
    """Cash and cost change by realized profit and dividends alone, whatever happens."""
    events = shown(*((100.0 + row, size, size) for row, size in enumerate(sizes)))
    market = begun(events, policy=Policy(partial_fills=True), accounts=[AccountTerms(account="DU1", cash=1e7)])
    holdings: dict[str, AccountHolding] = {}
    for number, (what, *more) in enumerate(actions, start=1):
        executions = [each for each in market.executions() if each.quantity]
        match what:
            case "order":
                side, kind, quantity = more
                limit = {"limit_price": 100.0} if kind == "LMT" else {}
                market.place(ticket(number, side, kind, quantity=float(quantity), **limit))
            case "split":
                market.split("ABC", more[0])
            case "dividend":
                market.dividend("ABC", more[0])
            case "correct" if executions:
                market.correct_execution(executions[-1].exec_id, round(executions[-1].price + more[0] / 100, 2))
            case "bust" if executions and market.orders()[-1].done:
                market.bust_execution(executions[-1].exec_id)
            case "halt":
                market.halt("ABC")
            case "resume":
                market.resume("ABC")
        market.advance(MONDAY.open_ns + number * MINUTE)
        changes = market.changes()
        funds = changes.checkpoint.funds[0]
        holdings |= {each.symbol: each for each in changes.holdings}
        cost = sum(held.quantity * held.avg_cost for held in holdings.values())
        realized = sum(held.realized_pnl for held in holdings.values())
        assert funds.cash + cost == pytest.approx(1e7 + realized + funds.dividends, abs=0.05)
        assert all(order.filled <= order.ticket.quantity + 1e-9 for order in market.orders())


@given(st.lists(st.integers(1, 400), min_size=5, max_size=20), st.lists(st.integers(1, 500), min_size=1, max_size=5))
def test_no_event_fills_more_than_its_size(sizes: list[int], wanted: list[int]) -> None:
    market = begun(shown(*((100.0, size, size) for size in sizes)), policy=PARTIAL)
    for number, quantity in enumerate(wanted, start=1):
        market.place(ticket(number, "BUY", "MKT", quantity=float(quantity)))
    seen = [0]
    for row, size in enumerate(sizes[1:], start=1):
        market.advance(MONDAY.open_ns + row * MINUTE)
        seen.append(int(sum(each.quantity for each in market.executions())))
        assert seen[-1] - seen[-2] <= size
    assert all(before <= after for before, after in pairwise(seen))
    assert seen[-1] == min(sum(wanted), sum(sizes[1:]))
