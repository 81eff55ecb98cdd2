"""A manual sale: its complete booking, and each other explanation."""

from __future__ import annotations

from typing import Any

import pytest

from messages.orders import Fill, OrderFilled, OrderRecord, PositionUpdated
from services.gateway.book.records import (
    AccountPosition,
    Audit,
    Book,
    Doubt,
    Evidence,
    FillRecord,
    HeldBack,
    Links,
    Missing,
    Own,
)
from services.gateway.operator.manual_sale import book_missing_shares, request_check
from services.gateway.orders.questions import mark_asked
from tests.gateway.one_decision import (
    ACCOUNT,
    MACHINE_NS,
    NOON_NS,
    OPEN,
    STOP,
    draft,
    entry,
    foreign,
    held,
    messages_of,
    note,
    quoted,
    stop,
    written,
)
from tests.gateway.scenario import SECOND, broker_order

ASKED = Missing("TSLA", asked=True)


def proved(quantity: float, symbol: str = "TSLA", answers: int = 2) -> Evidence:
    """So many complete answers agree on the account's shares."""
    return Evidence(symbol=symbol, quantity=quantity, answers=answers)


def test_a_manual_sale_is_booked_as_a_sale_at_the_market_price() -> None:
    """Six of ten shares, for the second time this day, in a symbol with a blank."""
    d = draft(
        OPEN,
        Book(account=ACCOUNT),
        Missing("BRK B", True),
        proved(4.0, "BRK B"),
        Own("BRK B", 10.0, 1050.0),
        AccountPosition("BRK B", 4.0, 104.0),
        quoted(120.0, symbol="BRK B"),
        entry("CT-BRK.B-20250106-M1", symbol="BRK B", role="adopted", side="SELL", status="Filled"),
        entry("CT-BRK.B-20250103-M1", symbol="BRK B", role="adopted", side="SELL", status="Filled"),
        *(foreign(f"CT-BRK.B-20250106-M{n}", symbol="BRK B", side="BUY") for n in (8, 9)),
    )
    assert book_missing_shares(d) == ["BRK B"]
    key = "CT-BRK.B-20250106-M2"
    order = OrderRecord(
        client_order_id=key,
        symbol="BRK B",
        role="adopted",
        side="SELL",
        order_type="BY HAND",
        quantity=6.0,
        status="Filled",
        filled=6.0,
        avg_price=120.0,
        account=ACCOUNT,
        created_ns=NOON_NS,
        updated_ns=NOON_NS,
    )
    fill = Fill(
        exec_id=f"by-hand.{key}.01",
        client_order_id=key,
        symbol="BRK B",
        role="adopted",
        side="SELL",
        quantity=6.0,
        price=120.0,
        cum_quantity=6.0,
        avg_price=120.0,
        order_id=0,
        perm_id=0,
        account=ACCOUNT,
        time_ns=NOON_NS,
        witness="operator",
    )
    assert written(d) == [
        (Missing, "BRK B"),
        order,
        FillRecord(f"by-hand.{key}", fill, 90.0),
        Own("BRK B", 4.0, 420.0),
    ]
    assert messages_of(d) == [
        ("BRK B", OrderFilled(fill, order, 4.0, 420.0, 90.0)),
        ("BRK B", PositionUpdated("BRK B", 4.0, 104.0, 4.0, 420.0)),
        note("sold_by_hand", "BRK B", "WARNING", qty=6.0, price=120.0, own=4.0),
    ]


@pytest.mark.parametrize(("quote", "price"), [([], 105.0), ([quoted(0.0)], 105.0), ([quoted(0.5)], 0.5)])
def test_without_a_price_the_sale_is_booked_at_cost(quote: list[Any], price: float) -> None:
    d = draft(ASKED, proved(0.0), *held(10.0, 0.0), *quote)
    assert book_missing_shares(d) == ["TSLA"]
    order = written(d)[1]
    assert (order.key, order.avg_price, order.quantity, order.account) == ("CT-TSLA--M1", price, 10.0, "")


HELD_BACK = HeldBack(STOP, broker_order(STOP))


@pytest.mark.parametrize(
    ("records", "sold"),
    [
        ([*held(10.0, 4.0)], 6.0),
        ([*held(10.0, -5.0)], 10.0),  # short: no shares are left
        ([*held(10.0, 0.0)], 10.0),
        ([*held(10.0, 10.0)], None),
        ([*held(10.0, 12.0)], None),
        ([Own("TSLA", 10.0, 1050.0)], None),
        ([AccountPosition("TSLA", 4.0, 105.0)], None),
        ([*held(10.0, 4.0), stop(quantity=4.0)], 6.0),
        ([*held(10.0, 4.0), stop(quantity=5.0)], None),  # it would sell more than is left: it may have sold
        ([*held(10.0, 4.0), stop(quantity=9.0, filled=5.0)], 6.0),
        ([*held(10.0, 0.0), stop(quantity=1.0)], None),
        ([*held(10.0, 4.0), stop(status="Filled")], 6.0),
        ([*held(10.0, 4.0), entry()], 6.0),
        ([*held(10.0, 4.0), foreign()], 6.0),
        ([*held(10.0, 4.0), stop("CT-NVDA-20250106-1-S1", symbol="NVDA")], 6.0),
        ([*held(10.0, 4.0), stop(status="Filled"), Doubt(STOP)], None),
        ([*held(10.0, 4.0), stop(status="Filled"), HELD_BACK], None),
        ([*held(10.0, 4.0), entry("CT-NVDA-20250106-1", symbol="NVDA"), Doubt("CT-NVDA-20250106-1")], 6.0),
        ([*held(10.0, 4.0), foreign(), Doubt("foreign:9")], 6.0),
        ([*held(10.0, 4.0), Audit("TSLA")], None),  # it may be a split
        ([*held(10.0, 4.0), Audit("NVDA")], 6.0),
    ],
)
def test_a_sale_is_booked_only_if_nothing_of_ours_explains_it(records: list[Any], sold: float | None) -> None:
    position = next((r.quantity for r in records if isinstance(r, AccountPosition)), 0.0)
    d = draft(OPEN, ASKED, proved(position), *records)
    assert book_missing_shares(d) == ([] if sold is None else ["TSLA"])
    assert written(d)[0] == (Missing, "TSLA")
    assert [m.fill.quantity for _, m in messages_of(d) if isinstance(m, OrderFilled)] == (
        [] if sold is None else [sold]
    )


def test_an_answer_does_not_settle_what_it_was_not_asked_about() -> None:
    other = (Missing("NVDA"), Own("NVDA", 5.0, 50.0), AccountPosition("NVDA", 0.0, 0.0))
    d = draft(*other, ASKED, proved(4.0), *held(10.0, 4.0))
    assert book_missing_shares(d) == ["TSLA"]
    assert not [r for r in written(d) if getattr(r, "symbol", "") == "NVDA"]


@pytest.mark.parametrize("evidence", [[], [proved(4.0, answers=1)], [proved(5.0)]])
def test_shares_that_no_two_answers_prove_are_asked_about_again(evidence: list[Evidence]) -> None:
    d = draft(ASKED, Own("TSLA", 10.0, 1050.0), AccountPosition("TSLA", 4.0, 105.0), *evidence)
    assert book_missing_shares(d) == []
    assert written(d)[0] == Missing("TSLA")
    assert next(r for r in written(d) if isinstance(r, Links)).ask_at_ns == MACHINE_NS + 2 * SECOND


def test_the_broker_is_asked_once() -> None:
    d = draft()
    assert request_check(d, "TSLA") is True
    assert request_check(d, "TSLA") is False
    assert written(d) == [Missing("TSLA")]
    mark_asked(d)
    assert written(d) == [ASKED]
