"""The lifecycle of orders on the simulated exchange, by the reports to a client."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from messages.market import Session
from services.configuration.broker_policy import ChildChange, Policy
from services.simulator.venue.events import MarketEvent
from services.simulator.venue.orders import Ticket
from services.simulator.venue.reports import ErrorReport, ExecutionReport
from tests.simulator.scripted import MONDAY, SECOND, TUESDAY, exchange, prints, reported, session, ticket

MINUTE = 60 * SECOND
TRAIL_BRACKET = [
    ticket(1, "BUY", "STP LMT", stop_price=105.0, limit_price=106.0, transmit=False),
    ticket(2, "SELL", "TRAIL", trailing_pct=10.0, parent_id=1, tif="GTC"),
]


def life(tickets: list[Ticket], events: list[MarketEvent], **more: Any) -> list[tuple[Any, ...]]:
    """Place all after the first event, then run the session to its close."""
    market = exchange(events, **more)
    market.advance(MONDAY.open_ns)
    reports = [report for each in tickets for report in market.place(each)]
    return reported(reports + market.advance(MONDAY.close_ns - 1))


def filled(
    order_id: int, price: float, position: int, *, quantity: float = 100.0, fee: float = 1.0
) -> list[tuple[Any, ...]]:
    return [
        ("execution", order_id, quantity, price),
        ("order", order_id, "Filled", ""),
        ("order", order_id, "Filled", ""),  # again, with the commission in it
        ("commission", fee),
        ("position", position),
        ("account",),
    ]


LIVES = {
    "a market order fills at the next event, at the ask": (
        [ticket(1, "BUY", "MKT")],
        prints(100.0, 101.0),
        [("order", 1, "PreSubmitted", ""), *filled(1, 101.01, 100)],
    ),
    "a limit rests until it is met": (
        [ticket(1, "BUY", "LMT", limit_price=98.0)],
        prints(100.0, 98.0, 97.5, through=True),
        [("order", 1, "Submitted", ""), *filled(1, 98.0, 100)],
    ),
    "a stop waits for its trigger and fills at its level, half the spread on top": (
        [ticket(1, "BUY", "STP", stop_price=105.0)],
        prints(100.0, 101.0, 110.0, through=True),
        [("order", 1, "PreSubmitted", "trigger"), ("order", 1, "Submitted", ""), *filled(1, 105.01, 100)],
    ),
    "a stop that is leapt over slips to where the market lands": (
        [ticket(1, "BUY", "STP", stop_price=105.0)],
        prints(100.0, 101.0, 110.0),
        [("order", 1, "PreSubmitted", "trigger"), ("order", 1, "Submitted", ""), *filled(1, 110.01, 100)],
    ),
    "a stop limit that is leapt over rests at its limit": (
        [ticket(1, "BUY", "STP LMT", stop_price=105.0, limit_price=106.0)],
        prints(100.0, 101.0, 110.0, 107.0, 105.5),
        [("order", 1, "PreSubmitted", "trigger"), ("order", 1, "Submitted", ""), *filled(1, 105.51, 100)],
    ),
    "a standalone trail starts at the market, climbs and sells": (
        [ticket(1, "SELL", "TRAIL", trailing_amount=5.0)],
        prints(100.0, 103.0, 101.0, 97.0, through=True),
        [
            ("order", 1, "PreSubmitted", "trigger"),
            ("order", 1, "PreSubmitted", "trigger"),
            ("order", 1, "Submitted", ""),
            *filled(1, 97.99, -100),
        ],
    ),
    "a trail above the market sells at once": (
        [ticket(1, "SELL", "TRAIL", trailing_pct=10.0, trail_stop_price=120.0)],
        prints(100.0, 99.0),
        [("order", 1, "PreSubmitted", "trigger"), ("order", 1, "Submitted", ""), *filled(1, 98.99, -100)],
    ),
    "a trailing limit sells no lower than its limit": (
        [ticket(1, "SELL", "TRAIL LIMIT", trailing_amount=2.0, limit_offset=0.5)],
        prints(100.0, 97.0, 97.51, 97.7),
        [("order", 1, "PreSubmitted", "trigger"), ("order", 1, "Submitted", ""), *filled(1, 97.5, -100)],
    ),
    "a bracket: nothing before it is transmitted, the parent first, the child awakes with the fill": (
        TRAIL_BRACKET,
        prints(100.0, 106.0, 110.0, 98.0, through=True),
        [
            ("order", 1, "PreSubmitted", "trigger"),
            ("order", 2, "PreSubmitted", "child,trigger"),
            *[("order", 1, "Submitted", ""), *filled(1, 105.01, 100)],
            ("order", 2, "PreSubmitted", "trigger"),  # 94.5, behind the fill
            ("order", 2, "PreSubmitted", "trigger"),  # 95.4, behind 106
            ("order", 2, "PreSubmitted", "trigger"),  # 99, behind 110
            *[("order", 2, "Submitted", ""), *filled(2, 98.99, 0)],
        ],
    ),
    "of two children in the parent's group one fills and the other is cancelled": (
        [
            ticket(1, "BUY", "MKT", transmit=False),
            ticket(2, "SELL", "LMT", limit_price=110.0, parent_id=1, transmit=False),
            ticket(3, "SELL", "STP", stop_price=90.0, parent_id=1),
        ],
        prints(100.0, 100.0, 111.0, 80.0, through=True),
        [
            ("order", 1, "PreSubmitted", ""),
            ("order", 2, "PreSubmitted", "child"),
            ("order", 3, "PreSubmitted", "child,trigger"),
            *filled(1, 100.01, 100),
            ("order", 2, "Submitted", ""),
            ("order", 3, "PreSubmitted", "trigger"),
            *filled(2, 110.0, 0),
            ("status", 3, "Cancelled"),
            ("error", 3, 202),
        ],
    ),
    "immediate or cancel": (
        [ticket(1, "BUY", "LMT", limit_price=99.0, tif="IOC")],
        prints(100.0, 100.0, 98.0),
        [
            ("order", 1, "Submitted", ""),
            ("order", 1, "PendingCancel", ""),
            ("status", 1, "Cancelled"),
            ("error", 1, 202),
        ],
    ),
    "good till date": (
        [ticket(1, "BUY", "LMT", limit_price=99.0, tif="GTD", good_till_ns=MONDAY.open_ns + MINUTE)],
        prints(100.0, 98.0),  # at the same time the expiry comes first
        [("order", 1, "Submitted", ""), ("status", 1, "Cancelled"), ("error", 1, 202)],
    ),
    "1 % of a penny stock's value is the most that an order costs": (
        [ticket(1, "BUY", "MKT", quantity=10.0)],
        prints(0.5, 0.5, half_spread=0.0001),
        [("order", 1, "PreSubmitted", ""), *filled(1, 0.5001, 10, quantity=10.0, fee=0.05001)],
    ),
}


@pytest.mark.parametrize("name", LIVES)
def test_the_life_of_an_order(name: str) -> None:
    tickets, events, expected = LIVES[name]
    assert life(tickets, events) == expected


def test_a_child_gets_the_rest_of_the_movement_that_filled_its_parent() -> None:
    buy = ticket(1, "BUY", "LMT", limit_price=99.0, transmit=False)
    stop = ticket(2, "SELL", "STP", stop_price=95.0, parent_id=1)
    told_all = life([buy, stop], prints(100.0, 100.0, 90.0, through=True))
    assert [each for each in told_all if each[0] == "execution"] == [
        ("execution", 1, 100.0, 99.0),
        ("execution", 2, 100.0, 94.99),
    ]


def test_levels_are_met_in_the_order_of_the_movement() -> None:
    stops = [ticket(1, "BUY", "STP", stop_price=108.0), ticket(2, "BUY", "STP", stop_price=104.0)]
    told_all = life(stops, prints(100.0, 100.0, 110.0, through=True))
    assert [each[1] for each in told_all if each[0] == "execution"] == [2, 1]


# Error 328


def test_a_trail_is_refused_on_a_stop_parent_and_leaves_it_untransmitted() -> None:
    market = exchange(prints(100.0, 106.0))
    market.advance(MONDAY.open_ns)
    assert market.place(ticket(1, "BUY", "STP", stop_price=105.0, transmit=False)) == []
    assert reported(market.place(ticket(2, "SELL", "TRAIL", trailing_pct=10.0, parent_id=1))) == [("error", 2, 328)]
    assert [(order.ticket.order_id, order.status) for order in market.orders()] == [(1, "PendingSubmit")]
    assert market.open_orders() == []
    assert reported(market.advance(MONDAY.open_ns + MINUTE)) == []
    reports = market.cancel(1, 1)
    assert reported(reports) == [("status", 1, "Cancelled"), ("error", 1, 202), ("error", 1, 161)]
    assert isinstance(reports[1], ErrorReport)
    assert reports[1].text == "Order Canceled - reason:Order was discarded."


def test_an_untransmitted_order_may_be_changed_discarded_or_transmitted() -> None:
    market = exchange(prints(100.0, 101.0))
    market.advance(MONDAY.open_ns)
    assert market.place(ticket(1, "BUY", "LMT", limit_price=9.0, transmit=False)) == []
    assert market.place(ticket(1, "BUY", "LMT", limit_price=8.0, transmit=False)) == []
    assert reported(market.place(ticket(1, "BUY", "LMT", limit_price=7.0))) == [("order", 1, "Submitted", "")]
    assert [order.limit_price for order in market.open_orders()] == [7.0]
    market.place(ticket(2, "BUY", "LMT", limit_price=9.0, transmit=False))
    market.place(ticket(3, "SELL", "LMT", limit_price=19.0, parent_id=2, transmit=False))
    cancelled = [("status", 2, "Cancelled"), ("error", 2, 202), ("status", 3, "Cancelled"), ("error", 3, 202)]
    assert reported(market.cancel(1, 2)) == [*cancelled, ("error", 2, 161)]


def test_a_child_that_is_transmitted_after_its_parent_filled_is_live() -> None:
    market = exchange(prints(100.0, 101.0, 102.0))
    market.advance(MONDAY.open_ns)
    market.place(ticket(1, "BUY", "MKT"))
    stop = {"stop_price": 90.0, "parent_id": 1}
    market.place(ticket(2, "SELL", "STP", transmit=False, **stop))
    market.advance(MONDAY.open_ns + MINUTE)
    assert reported(market.place(ticket(2, "SELL", "STP", **stop))) == [("order", 2, "PreSubmitted", "trigger")]


@pytest.mark.parametrize("parent_type", ["LMT", "STP LMT"])
def test_a_trail_is_accepted_on_limit_parents(parent_type: str) -> None:
    market = exchange(prints(100.0))
    stop = {"stop_price": 105.0} if parent_type == "STP LMT" else {}
    market.place(ticket(1, "BUY", parent_type, limit_price=106.0, transmit=False, **stop))
    assert len(reported(market.place(ticket(2, "SELL", "TRAIL", trailing_pct=10.0, parent_id=1)))) == 2


def test_the_switch_accepts_a_trail_on_any_parent() -> None:
    market = exchange(prints(100.0), policy=Policy(trail_child_needs_limit_parent=False))
    market.place(ticket(1, "BUY", "MKT", transmit=False))
    assert reported(market.place(ticket(2, "SELL", "TRAIL", trailing_pct=10.0, parent_id=1))) == [
        ("order", 1, "PreSubmitted", ""),
        ("order", 2, "PreSubmitted", "child,trigger"),
    ]


# Orders refused on entry


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (ticket(1, "BUY", "MKT", symbol="NONE"), 200),
        (ticket(1, "BUY", "MKT", account="DU2"), 321),
        (ticket(1, "BUY", "REL"), 321),
        (ticket(1, "BUY", "MKT", quantity=0.0), 434),
        (ticket(1, "BUY", "MKT", quantity=1.5), 10243),
        (ticket(1, "BUY", "MKT", tif="OPG"), 10052),
        (ticket(1, "BUY", "MKT", tif="GTD"), 321),
        (ticket(1, "BUY", "STP", stop_price=10.0, trigger_method=5), 321),
        (ticket(1, "BUY", "LMT"), 321),
        (ticket(1, "BUY", "STP LMT", limit_price=10.0), 321),
        (ticket(1, "BUY", "STP"), 321),
        (ticket(1, "SELL", "TRAIL"), 321),
        (ticket(1, "SELL", "TRAIL", trailing_pct=1.0, trailing_amount=1.0), 321),
        (ticket(1, "SELL", "TRAIL LIMIT", trailing_pct=1.0, limit_price=9.0), 321),
        (ticket(1, "BUY", "LMT", limit_price=-1.0), 321),
        (ticket(1, "BUY", "LMT", limit_price=10.001), 110),
        (ticket(1, "BUY", "STP", stop_price=0.00005), 110),
        (ticket(1, "SELL", "LMT", limit_price=10.0, parent_id=9), 135),
    ],
)
def test_a_refused_ticket_uses_up_its_id(asked: Ticket, code: int) -> None:
    market = exchange(prints(100.0))
    assert reported(market.place(asked)) == [("error", 1, code)]
    assert market.orders() == []
    assert market.next_order_id(1) == 2


def test_prices_on_the_grid_are_accepted() -> None:
    market = exchange(prints(100.0))
    for order_id, price in enumerate([19.99, 1.1, 4999.57, 0.0123, 0.29], start=1):
        assert reported(market.place(ticket(order_id, "BUY", "LMT", limit_price=price, quantity=1.0))) == [
            ("order", order_id, "Submitted", "")
        ]


def test_a_what_if_is_answered_and_changes_nothing() -> None:
    market = exchange(prints(100.0))
    assert reported(market.place(ticket(1, "BUY", "MKT", what_if=True))) == [("order", 1, "PreSubmitted", "")]
    assert market.orders() == []


# Modify


def test_a_modification_keeps_the_order_and_is_live_from_then_on() -> None:
    market = exchange(prints(100.0, 103.0, 105.0, through=True))
    market.advance(MONDAY.open_ns)
    market.place(ticket(1, "BUY", "STP", stop_price=106.0))
    market.advance(MONDAY.open_ns + MINUTE + MINUTE // 2)  # halfway from 103 to 105
    assert reported(market.place(ticket(1, "BUY", "STP", stop_price=102.0))) == [
        ("order", 1, "PreSubmitted", "trigger")
    ]
    assert reported(market.advance(MONDAY.close_ns - 1)) == [("order", 1, "Submitted", ""), *filled(1, 104.01, 100)]
    assert len(market.orders()) == 1


def test_an_order_may_become_a_market_order() -> None:
    market = exchange(prints(100.0, 101.0))
    market.advance(MONDAY.open_ns)
    market.place(ticket(1, "BUY", "STP", stop_price=105.0))
    assert reported(market.place(ticket(1, "BUY", "MKT"))) == [("order", 1, "PreSubmitted", "")]
    assert reported(market.advance(MONDAY.close_ns - 1)) == filled(1, 101.01, 100)


def test_a_trail_keeps_its_level_unless_the_client_names_one() -> None:
    market = exchange(prints(100.0, 110.0, 110.0))
    market.advance(MONDAY.open_ns)
    market.place(ticket(1, "SELL", "TRAIL", trailing_pct=10.0))
    market.advance(MONDAY.open_ns + MINUTE)
    market.place(ticket(1, "SELL", "TRAIL", trailing_pct=10.0, quantity=50.0))
    assert [(o.trail_stop_price, o.remaining) for o in market.orders()] == [(99.0, 50.0)]
    market.place(ticket(1, "SELL", "TRAIL", trailing_pct=10.0, quantity=50.0, trail_stop_price=104.5))
    assert market.orders()[0].trail_stop_price == 104.5


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"parent_id": 1, "oca_group": "1000001", "oca_type": 3}, None),
        ({"oca_group": "1000001", "oca_type": 3}, 105),
        ({"side": "BUY", "parent_id": 1, "oca_group": "1000001", "oca_type": 3}, 105),
        ({"order_type": "LMT", "limit_price": 9.0, "parent_id": 1, "oca_group": "1000001", "oca_type": 3}, 329),
        ({"parent_id": 1, "oca_group": "1000001", "oca_type": 3, "tif": "DAY"}, 462),
        ({"parent_id": 1}, None),
        ({"parent_id": 1, "oca_group": "another", "oca_type": 3}, 10326),
        ({"parent_id": 1, "oca_group": "1000001", "oca_type": 1}, 10327),
    ],
)
def test_a_change_of_an_attached_child(change: dict[str, Any], code: int | None) -> None:
    market = exchange(prints(100.0))
    market.advance(MONDAY.open_ns)
    for each in TRAIL_BRACKET:
        market.place(each)
    settings: dict[str, Any] = {"side": "SELL", "order_type": "TRAIL", "trailing_pct": 5.0, "tif": "GTC"}
    expected = ("order", 2, "PreSubmitted", "child,trigger") if code is None else ("error", 2, code)
    assert reported(market.place(ticket(2, **settings | change))) == [expected]
    assert market.orders()[1].oca_group == "1000001"


def test_what_a_change_of_an_attached_child_must_name_is_a_switch() -> None:
    for allowed, codes in (
        (ChildChange.LEFT_OUT, [None, None]),
        (ChildChange.NAMED, [10326, None]),
        (ChildChange.NONE, [10326, 10326]),
    ):
        market = exchange(prints(100.0), policy=Policy(child_change=allowed))
        for each in TRAIL_BRACKET:
            market.place(each)
        for group, code in zip(({}, {"oca_group": "1000001", "oca_type": 3}), codes, strict=True):
            (report,) = reported(
                market.place(ticket(2, "SELL", "TRAIL", trailing_pct=5.0, parent_id=1, tif="GTC", **group))
            )
            assert report[0] == ("order" if code is None else "error")
            assert code is None or report[2] == code


def test_a_child_whose_parent_filled_may_be_modified_without_it() -> None:
    market = exchange(prints(100.0, 105.0))
    market.advance(MONDAY.open_ns)
    for each in TRAIL_BRACKET:
        market.place(each)
    market.advance(MONDAY.open_ns + MINUTE)
    change = ticket(2, "SELL", "TRAIL", trailing_pct=5.0, oca_group="1000001", oca_type=3, tif="GTC")
    assert reported(market.place(change)) == [("order", 2, "PreSubmitted", "trigger")]


def test_done_orders_are_not_modified() -> None:
    market = exchange(prints(100.0, 101.0))
    market.advance(MONDAY.open_ns)
    market.place(ticket(1, "BUY", "MKT"))
    market.place(ticket(2, "BUY", "LMT", limit_price=9.0))
    market.cancel(1, 2)
    market.advance(MONDAY.close_ns - 1)
    assert reported(market.place(ticket(1, "BUY", "MKT"))) == [("error", 1, 104)]
    assert reported(market.place(ticket(2, "BUY", "LMT", limit_price=8.0))) == [("error", 2, 104)]


# Cancel


def test_cancelling() -> None:
    market = exchange(prints(100.0, 101.0))
    market.advance(MONDAY.open_ns)
    market.place(ticket(1, "BUY", "MKT"))
    market.place(ticket(2, "BUY", "LMT", limit_price=9.0))
    assert reported(market.cancel(1, 2)) == [("status", 2, "Cancelled"), ("error", 2, 202)]
    market.advance(MONDAY.close_ns - 1)
    assert reported(market.cancel(1, 1)) == [("error", 1, 10148)]
    assert reported(market.cancel(1, 2)) == [("error", 2, 10148)]
    assert reported(market.cancel(1, 3)) == [("error", 3, 10147)]
    assert reported(market.cancel(2, 1)) == [("error", 1, 10147)]  # another client's
    assert [order.completed_status for order in market.completed_orders()] == [
        "Filled Size: 100",
        "Cancelled by Trader",
    ]


@pytest.mark.parametrize("survives", [False, True])
def test_children_are_cancelled_with_their_unfilled_parent(survives: bool) -> None:
    market = exchange(
        prints(100.0), policy=Policy(child_survives_parent_cancel=survives, oca_client_cancel_cascades=False)
    )
    for each in TRAIL_BRACKET:
        market.place(each)
    cancelled = [("status", 1, "Cancelled"), ("error", 1, 202), ("status", 2, "Cancelled"), ("error", 2, 202)]
    assert reported(market.cancel(1, 1)) == (cancelled[:2] if survives else cancelled)


@pytest.mark.parametrize("cascades", [False, True])
def test_a_client_that_cancels_one_of_a_group_may_lose_the_others(cascades: bool) -> None:
    market = exchange(prints(100.0), policy=Policy(oca_client_cancel_cascades=cascades))
    for order_id in (1, 2):
        market.place(ticket(order_id, "BUY", "LMT", limit_price=9.0, oca_group="either", oca_type=1))
    assert len(reported(market.cancel(1, 1))) == (4 if cascades else 2)


@pytest.mark.parametrize(("oca_type", "left"), [(1, []), (2, [(2, 200.0)]), (3, [(2, 200.0)])])
def test_the_oca_group_after_a_fill(oca_type: int, left: list[tuple[int, float]]) -> None:
    market = exchange(prints(100.0, 100.0))
    market.advance(MONDAY.open_ns)
    for order_id, quantity, limit in ((1, 100.0, 101.0), (2, 300.0, 50.0), (3, 100.0, 50.0)):
        each = ticket(order_id, "BUY", "LMT", limit_price=limit, oca_group="one", oca_type=oca_type, quantity=quantity)
        market.place(each)
    market.advance(MONDAY.close_ns - 1)
    assert [(order.ticket.order_id, order.remaining) for order in market.open_orders()] == left


def test_the_broker_overwrites_the_group_of_children() -> None:
    for overwritten, expected in ((True, "1000001"), (False, "mine")):
        market = exchange(prints(100.0), policy=Policy(child_oca_overwritten=overwritten))
        market.place(ticket(1, "BUY", "MKT", transmit=False))
        market.place(ticket(2, "SELL", "LMT", limit_price=110.0, parent_id=1, oca_group="mine", oca_type=1))
        assert market.orders()[1].oca_group == expected


# Hours


def test_an_order_in_a_closed_market_gets_a_warning_and_waits_for_the_open() -> None:
    evening = MONDAY.close_ns + MINUTE
    late = prints(100.0, start_ns=evening)
    events = prints(100.0) + late + prints(98.0, start_ns=TUESDAY.open_ns)
    market = exchange(events)
    market.advance(evening - 1)
    reports = market.place(ticket(1, "BUY", "LMT", limit_price=99.0))
    assert reported(reports) == [("error", 1, 399), ("order", 1, "PreSubmitted", "")]
    assert isinstance(reports[0], ErrorReport)
    assert reports[0].text == (
        "Order Message:\nBUY 100 ABC NASDAQ.NMS\n"
        "Warning: Your order will not be placed at the exchange until 2024-03-05 09:30:00 US/Eastern."
    )
    assert reported(market.advance(TUESDAY.open_ns - 1)) == []
    assert reported(market.advance(TUESDAY.open_ns)) == [("order", 1, "Submitted", ""), *filled(1, 98.01, 100)]


def test_orders_for_all_hours_work_outside_of_the_session() -> None:
    evening = MONDAY.close_ns + MINUTE
    market = exchange(prints(100.0) + prints(95.0, start_ns=evening))
    market.advance(MONDAY.open_ns)
    stop = {"stop_price": 96.0, "tif": "GTC"}
    market.place(ticket(1, "SELL", "STP", **stop))
    market.place(ticket(2, "SELL", "STP", outside_rth=True, **stop))
    assert (
        reported(market.place(ticket(3, "SELL", "STP LMT", limit_price=90.0, outside_rth=True, **stop)))[0][2]
        == "PreSubmitted"
    )
    assert [each[1] for each in reported(market.advance(evening)) if each[0] == "execution"] == [3]


def test_a_stop_without_a_limit_loses_its_flag_for_all_hours_with_a_warning_or_keeps_it_by_switch() -> None:
    evening = MONDAY.close_ns + MINUTE
    for kept in (False, True):
        market = exchange(prints(100.0) + prints(95.0, start_ns=evening), policy=Policy(stops_trade_outside_rth=kept))
        market.advance(MONDAY.open_ns)
        stop = ticket(1, "SELL", "STP", outside_rth=True, stop_price=96.0, tif="GTC")
        warned = [] if kept else [("error", 1, 2109)]
        for _ in range(2):  # placed, and changed
            assert reported(market.place(stop)) == [*warned, ("order", 1, "PreSubmitted", "trigger")]
        assert market.orders()[0].ticket.outside_rth is kept
        assert bool([each for each in reported(market.advance(evening)) if each[0] == "execution"]) is kept


def test_a_market_order_ignores_all_hours_with_a_warning() -> None:
    market = exchange(prints(100.0))
    assert reported(market.place(ticket(1, "BUY", "MKT", outside_rth=True))) == [
        ("error", 1, 2109),
        ("order", 1, "PreSubmitted", ""),
    ]


@pytest.mark.parametrize("early", [False, True])
def test_day_orders_end_at_the_close_and_others_stay(early: bool) -> None:
    friday = session("2024-11-29", early=early)
    market = exchange(prints(100.0, start_ns=friday.open_ns), sessions=[friday], start_ns=friday.open_ns)
    market.advance(friday.open_ns)
    low = {"limit_price": 9.0}
    market.place(ticket(1, "BUY", "LMT", **low))
    market.place(ticket(2, "BUY", "LMT", tif="GTC", **low))
    market.place(ticket(3, "BUY", "LMT", outside_rth=True, **low))
    assert market.source_ended
    assert market.next_event_ns() == friday.close_ns
    assert reported(market.advance(friday.close_ns - 1)) == []
    assert reported(market.advance(friday.close_ns)) == [("status", 1, "Cancelled"), ("error", 1, 202)]
    assert market.completed_orders()[0].completed_status == "Cancelled by System:"
    assert market.next_event_ns() == friday.close_ns + 4 * 3600 * SECOND
    assert [each[1] for each in reported(market.advance(TUESDAY.close_ns + 10**18))] == [3, 3]
    assert [order.ticket.order_id for order in market.open_orders()] == [2]
    assert market.next_event_ns() is None


def test_an_order_placed_after_the_close_is_of_the_next_day() -> None:
    market = exchange(prints(100.0), sessions=[MONDAY])
    market.advance(MONDAY.close_ns)
    market.place(ticket(1, "BUY", "LMT", limit_price=9.0))
    assert market.next_event_ns() is None  # no further session is known
    market.set_sessions([MONDAY, TUESDAY])
    assert market.next_event_ns() == TUESDAY.close_ns


def test_trails_ratchet_outside_of_the_session_only_by_policy() -> None:
    events = prints(100.0) + prints(110.0, start_ns=MONDAY.close_ns + MINUTE)
    for policy, level in ((Policy(), 90.0), (Policy(ratchet_outside_rth=True), 99.0)):
        market = exchange(events, policy=policy)
        market.advance(MONDAY.open_ns)
        market.place(ticket(1, "SELL", "TRAIL", trailing_pct=10.0, tif="GTC"))
        market.advance(TUESDAY.open_ns)
        assert market.orders()[0].trail_stop_price == level


def test_a_trail_does_not_start_at_yesterdays_price() -> None:
    market = exchange(prints(100.0) + prints(80.0, 79.0, start_ns=TUESDAY.open_ns + MINUTE))
    market.advance(TUESDAY.open_ns)
    market.place(ticket(1, "SELL", "TRAIL", trailing_pct=10.0))
    assert market.orders()[0].trail_stop_price is None
    assert reported(market.advance(TUESDAY.close_ns - 1)) == [("order", 1, "PreSubmitted", "trigger")]
    assert market.orders()[0].trail_stop_price == 72.0


def test_ratchets_are_reported_or_not_by_policy() -> None:
    for policy, count in ((Policy(), 3), (Policy(report_trail_ratchet=False), 1)):
        output = life(
            [ticket(1, "SELL", "TRAIL", trailing_pct=10.0)], prints(100.0, 110.0, 105.0, 120.0), policy=policy
        )
        assert len(output) == count


def test_a_stray_print_triggers_only_without_the_filter() -> None:
    stray = [MarketEvent(MONDAY.open_ns + MINUTE, "ABC", 1, price=80.0, size=100, bid=99.9, ask=100.1)]
    stop = ticket(1, "SELL", "STP", stop_price=90.0)
    assert life([stop], prints(100.0) + stray, policy=Policy(last_filtered_to_quote=True))[1:] == []
    assert life([stop], prints(100.0) + stray)[2] == ("execution", 1, 100.0, 99.9)


# Time and the tape


def test_events_come_in_the_total_order_one_at_a_time() -> None:
    events = prints(10.0, 11.0, symbol="B") + prints(20.0, 21.0, symbol="A")
    market = exchange(events, symbols=("A", "B"))
    seen = []
    while (due := market.next_event_ns()) is not None:
        reports = market.advance(due, one=True)
        assert market.now_ns == due
        seen += reported(reports, quotes=True)
    assert seen == [("quote", "A", 20.0), ("quote", "B", 10.0), ("quote", "A", 21.0), ("quote", "B", 11.0)]
    assert market.source_ended
    assert market.advance(MONDAY.close_ns, one=True) == []
    assert market.now_ns == MONDAY.close_ns


def test_one_event_at_a_time_and_all_at_once_are_the_same() -> None:
    events = prints(100.0, 106.0, 110.0, 98.0, 97.0, through=True)
    whole, stepped = exchange(events), exchange(events)
    for each in TRAIL_BRACKET:
        whole.place(each)
        stepped.place(each)
    by_steps = []
    while (due := stepped.next_event_ns()) is not None:
        by_steps += stepped.advance(due, one=True)
    assert by_steps == whole.advance(MONDAY.close_ns)


def test_the_tape_shows_the_day() -> None:
    market = exchange(prints(100.0, 104.0, 98.0) + prints(101.0, start_ns=TUESDAY.open_ns))
    market.advance(MONDAY.close_ns)
    quote = market.quote("ABC")
    assert quote is not None
    assert (quote.open, quote.high, quote.low, quote.last, quote.volume) == (100.0, 104.0, 98.0, 98.0, 300)
    assert (quote.bid, quote.ask, quote.prev_close) == (97.99, 98.01, None)
    assert quote.last_time_s == (MONDAY.open_ns + 2 * MINUTE) // SECOND
    market.advance(TUESDAY.open_ns)
    quote = market.quote("ABC")
    assert quote is not None
    assert (quote.open, quote.high, quote.low, quote.volume, quote.prev_close) == (101.0, 101.0, 101.0, 100, 98.0)
    assert market.quote("NONE") is None


def test_a_quote_alone_fills_limits_and_leaves_the_last_price() -> None:
    quote_only = MarketEvent(MONDAY.open_ns + MINUTE, "ABC", 1, bid=97.0, ask=98.0)
    market = exchange([*prints(100.0), quote_only])
    market.advance(MONDAY.open_ns)
    market.place(ticket(1, "SELL", "STP", stop_price=99.0))
    market.place(ticket(2, "BUY", "LMT", limit_price=99.0))
    assert [each for each in reported(market.advance(MONDAY.close_ns - 1)) if each[0] == "execution"] == [
        ("execution", 2, 100.0, 98.0)
    ]
    quote = market.quote("ABC")
    assert quote is not None
    assert (quote.last, quote.bid, quote.ask) == (100.0, 97.0, 98.0)


def test_executions_carry_whole_seconds_and_their_commission() -> None:
    events = [MarketEvent(MONDAY.open_ns + 1_234_567_890, "ABC", 0, price=100.0, size=1)]
    market = exchange(events)
    market.place(ticket(7, "BUY", "MKT", order_ref="ABC-2024-03-04-1"))
    reports = market.advance(MONDAY.close_ns - 1)
    (execution,) = [report.execution for report in reports if isinstance(report, ExecutionReport)]
    assert execution.time_ns == MONDAY.open_ns + SECOND
    assert execution.order_ref == "ABC-2024-03-04-1"
    assert [part and len(part) for part in execution.exec_id.split(".")] == [8, 8, 2, 2]
    charge = market.commission_of(execution.exec_id)
    assert charge is not None
    assert (charge.commission, charge.realized_pnl) == (1.0, None)
    assert market.next_order_id(1) == 8
    assert market.next_order_id(2) == 1


def test_a_market_that_starts_late_has_no_past() -> None:
    market = exchange(prints(100.0, 101.0, 102.0), start_ns=MONDAY.open_ns + MINUTE)
    assert reported(market.advance(MONDAY.close_ns), quotes=True) == [("quote", "ABC", 101.0), ("quote", "ABC", 102.0)]


@pytest.mark.parametrize(
    ("days", "here", "policy", "left"),
    [
        (89, False, Policy(), 1),
        (90, False, Policy(), 0),
        (91, True, Policy(), 1),
        (91, None, Policy(), 1),
        (91, False, Policy(gtc_ends_after_days_away=0), 1),
        (7, False, Policy(gtc_ends_after_days_away=7), 0),
    ],
)
def test_gtc_orders_end_after_a_long_time_without_a_login(
    days: int, here: bool | None, policy: Policy, left: int
) -> None:
    """`here`: the client stayed, or left; None: connections are not counted, as in a backtest."""
    gone = MONDAY.open_ns
    after = Session(
        str(date(2024, 3, 4) + timedelta(days)), gone + days * 86_400 * SECOND, gone + (days + 1) * 86_400 * SECOND
    )
    market = exchange(prints(100.0), sessions=[MONDAY, after], policy=policy)
    if here is not None:
        market.log_in(here=True)
    market.advance(gone)
    market.place(ticket(1, "SELL", "STP", stop_price=90.0, tif="GTC"))
    market.place(ticket(2, "SELL", "STP", stop_price=90.0, tif="GTD", good_till_ns=after.close_ns))
    if here is False:
        market.log_in(here=False)
    market.advance(after.open_ns)
    assert [order.ticket.tif for order in market.open_orders()] == ["GTC"] * left + ["GTD"]
