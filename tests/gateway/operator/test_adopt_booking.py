"""Adopting: its complete booking, and each reason to refuse it with its figure."""

from __future__ import annotations

from typing import Any

import pytest

from messages.operator import Adopt
from messages.orders import Fill, OrderFilled, OrderRecord, PositionUpdated
from services.gateway.book.records import AccountPosition, Book, FillRecord, FlattenRecord, Links, Own
from services.gateway.operator.adopt import adopt
from tests.gateway.one_decision import (
    ACCOUNT,
    DOWN,
    NOON_NS,
    OPEN,
    READY,
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


def test_adopting_is_booked_as_a_purchase_at_the_market_price() -> None:
    """Twelve of twenty-five shares, five of them own already; the second adoption of the day, a symbol with a blank."""
    before = entry("CT-BRK.B-20250106-A1", symbol="BRK B", role="adopted", status="Filled")
    d = draft(
        OPEN,
        Book(account=ACCOUNT),
        AccountPosition("BRK B", 25.0, 50.0),
        Own("BRK B", 5.0, 400.0),
        quoted(90.5, symbol="BRK B"),
        before,
        stop("CT-BRK.B-20250106-A1-S1", symbol="BRK B"),
        stop("CT-BRK.B-20250106-A1-S2", symbol="BRK B"),
        entry("CT-BRK.B-20250103-A1", symbol="BRK B", role="adopted", status="Filled"),
    )
    adopt(d, Adopt("BRK B", 12.0), READY)
    key = "CT-BRK.B-20250106-A2"
    order = OrderRecord(
        client_order_id=key,
        symbol="BRK B",
        role="adopted",
        side="BUY",
        order_type="ADOPT",
        quantity=12.0,
        status="Filled",
        filled=12.0,
        avg_price=90.5,
        account=ACCOUNT,
        created_ns=NOON_NS,
        updated_ns=NOON_NS,
    )
    fill = Fill(
        exec_id=f"adopted.{key}.01",
        client_order_id=key,
        symbol="BRK B",
        role="adopted",
        side="BUY",
        quantity=12.0,
        price=90.5,
        cum_quantity=12.0,
        avg_price=90.5,
        order_id=0,
        perm_id=0,
        account=ACCOUNT,
        time_ns=NOON_NS,
        witness="operator",
    )
    assert written(d) == [order, FillRecord(f"adopted.{key}", fill, 0.0), Own("BRK B", 17.0, 1486.0)]
    assert messages_of(d) == [
        ("BRK B", OrderFilled(fill, order, 17.0, 1486.0, 0.0)),
        ("BRK B", PositionUpdated("BRK B", 25.0, 50.0, 17.0, 1486.0)),
        note("shares_adopted", "BRK B", "WARNING", qty=12.0, price=90.5, own=17.0),
    ]


def test_the_first_adoption_of_a_day_without_own_shares() -> None:
    d = draft(OPEN, AccountPosition("TSLA", 1.0, 50.0), quoted(0.5))
    adopt(d, Adopt("TSLA", 1.0), READY)
    order, _, own = written(d)
    assert (order.key, order.account, own) == ("CT-TSLA-20250106-A1", "", Own("TSLA", 1.0, 0.5))


@pytest.mark.parametrize(
    ("adopted", "held_after", "cost"),
    [(1.0, -2.0, 0.0), (2.0, -1.0, 0.0), (3.0, 0.0, 0.0)],
)
def test_shares_that_cover_missing_ones_cost_nothing(adopted: float, held_after: float, cost: float) -> None:
    """Three too many were sold, and a person bought them back: the account is flat, so the broker lists no position."""
    d = draft(OPEN, Own("TSLA", -3.0), quoted(100.0))
    adopt(d, Adopt("TSLA", adopted), READY)
    assert written(d)[-1] == Own("TSLA", held_after, cost)
    assert messages_of(d)[1] == ("TSLA", PositionUpdated("TSLA", 0.0, 0.0, held_after, cost))


def test_shares_beyond_the_missing_ones_keep_their_cost() -> None:
    d = draft(OPEN, Own("TSLA", -3.0), AccountPosition("TSLA", 2.0, 100.0), quoted(100.0))
    adopt(d, Adopt("TSLA", 5.0), READY)
    assert written(d)[-1] == Own("TSLA", 2.0, 200.0)


TWENTY = AccountPosition("TSLA", 20.0, 50.0)
PRICED = quoted(100.0)
SALE = foreign(quantity=10.0, filled=3.0)


@pytest.mark.parametrize(
    ("records", "links", "quantity", "why"),
    [
        ([TWENTY, PRICED], READY, 20.0, None),
        ([TWENTY, PRICED], READY, 21.0, "20 whole shares can be adopted"),
        ([TWENTY, PRICED], READY, 1.0, None),
        ([TWENTY, PRICED], READY, 0.0, "20 whole shares can be adopted"),
        ([TWENTY, PRICED], READY, 1.5, "20 whole shares can be adopted"),
        ([PRICED], READY, 1.0, "0 whole shares can be adopted"),
        ([*held(8.0, 20.0), PRICED], READY, 12.0, None),
        ([*held(8.0, 20.0), PRICED], READY, 13.0, "12 whole shares can be adopted"),
        # Shares of a foreign sell order can't be adopted; seven of its ten are unfilled.
        ([TWENTY, PRICED, SALE], READY, 13.0, None),
        ([TWENTY, PRICED, SALE], READY, 14.0, "13 whole shares can be adopted"),
        ([TWENTY, PRICED, foreign(symbol="NVDA")], READY, 20.0, None),
        ([TWENTY, PRICED, foreign(side="BUY")], READY, 20.0, None),
        ([TWENTY, PRICED, foreign(status="Cancelled")], READY, 20.0, None),
        ([*held(8.0, 20.0), PRICED, stop()], READY, 12.0, None),  # our stop sells own shares only
        ([TWENTY, PRICED], DOWN, 1.0, "links_down"),
        ([TWENTY, PRICED], Links(phase="reconciling"), 1.0, "links_down"),
        ([TWENTY, PRICED, FlattenRecord(symbol="TSLA")], READY, 1.0, "flattening"),
        ([TWENTY, PRICED, FlattenRecord(symbol="NVDA")], READY, 1.0, None),
        ([TWENTY], READY, 1.0, "no_quote"),
        ([TWENTY, quoted(0.0)], READY, 1.0, "no_quote"),
    ],
)
def test_reasons_to_refuse(records: list[Any], links: Links, quantity: float, why: str | None) -> None:
    d = draft(OPEN, *records)
    adopt(d, Adopt("TSLA", quantity), links)
    if why is None:
        assert messages_of(d)[-1][1].event == "shares_adopted"
    else:
        assert written(d) == []
        assert messages_of(d) == [note("adopt_refused", level="ERROR", qty=quantity, why=why)]
