"""Placing, changing and cancelling stops: which stops belong to the shares, and every field of the commands."""

from __future__ import annotations

from typing import Any

import pytest

from messages.broker import CancelOrder, PlaceOrder
from messages.orders import OrderPlaced, OrderRecord
from services.gateway.book.queries import grid_of, stops_of
from services.gateway.book.records import Book, Change, FillRecord, Own, PriceGrid
from services.gateway.orders.cancels import Release
from services.gateway.protection.stops import cancel_stop, change_stop, place_stop
from services.trading.prices import US_STOCKS
from tests.gateway.one_decision import (
    ENTRY,
    MACHINE_NS,
    NOON_NS,
    STOP,
    draft,
    entry,
    fill,
    messages_of,
    note,
    rules,
    stop,
    written,
)
from tests.gateway.scenario import ACCOUNT, DAY, changed

SECOND_ENTRY = "CT-TSLA-20250106-2"
NICKELS = ((0.0, 0.05),)


def test_the_grid_is_that_of_us_stocks_by_default() -> None:
    d = draft(PriceGrid("TSLA", NICKELS))
    assert (grid_of(d, "TSLA"), grid_of(d, "NVDA")) == (NICKELS, US_STOCKS)


def bought(number: int, quantity: float, at_s: int, exec_id: str = "") -> FillRecord:
    key = f"CT-TSLA-20250106-{number}"
    return fill(key, quantity, time_ns=at_s, exec_id=exec_id or f"b{number}{at_s}.01")


def sold(quantity: float, at_s: int, exec_id: str = "") -> FillRecord:
    return fill(STOP, quantity, role="stop", side="SELL", time_ns=at_s, exec_id=exec_id or f"s{at_s}.01")


FIRST, SECOND, THIRD = (f"CT-TSLA-20250106-{n}" for n in (1, 2, 3))


@pytest.mark.parametrize(
    ("fills", "newest", "entries"),
    [
        ([], "", []),
        ([bought(1, 10, 1)], FIRST, [FIRST]),
        ([bought(1, 10, 1), bought(2, 5, 2)], SECOND, [FIRST, SECOND]),
        ([bought(2, 5, 2), bought(1, 10, 1)], SECOND, [FIRST, SECOND]),  # by their time, not by their arrival
        # Sold out in between: earlier entries do not belong to these shares.
        ([bought(1, 10, 1), sold(10, 2), bought(2, 5, 3)], SECOND, [SECOND]),
        ([bought(1, 10, 1), sold(4, 2), sold(6, 3), bought(2, 5, 4)], SECOND, [SECOND]),
        ([bought(1, 10, 1), sold(12, 2), bought(2, 10, 3), sold(10, 4), bought(3, 1, 5)], THIRD, [THIRD]),
        ([bought(1, 10, 1), sold(10, 2), bought(2, 10, 3), sold(9, 4), bought(3, 1, 5)], THIRD, [SECOND, THIRD]),
        ([bought(1, 10, 1), sold(10, 2), bought(2, 10, 3), sold(10, 4), bought(3, 1, 5)], THIRD, [THIRD]),
        # Not quite sold out.
        ([bought(1, 10, 1), sold(9, 2), bought(2, 5, 3)], SECOND, [FIRST, SECOND]),
        ([bought(1, 10, 1), bought(2, 5, 2), sold(5, 3)], SECOND, [FIRST, SECOND]),
        # The broker's times are whole seconds: within one, purchases come first, then by exec_id.
        ([sold(10, 1, "a.01"), bought(1, 10, 1, "b.01"), bought(2, 5, 2)], SECOND, [SECOND]),
        ([bought(2, 5, 1, "y.01"), bought(1, 5, 1, "x.01")], SECOND, [FIRST, SECOND]),
        # After a split, sales exceed the purchases in the fills: the last entry is the best guess.
        ([bought(1, 10, 1), bought(2, 5, 2), sold(20, 3)], SECOND, [SECOND]),
        ([fill("CT-NVDA-20250106-1", symbol="NVDA")], "", []),
    ],
)
def test_entries_of_the_shares_now_held(fills: list[FillRecord], newest: str, entries: list[str]) -> None:
    stops = [stop(f"{key}-S1", parent_client_order_id=key) for key in (FIRST, SECOND, THIRD)]
    found, mine = stops_of(draft(*fills, *stops), "TSLA")
    assert found == newest
    assert [o.client_order_id for o in mine] == [f"{key}-S1" for key in entries]


def test_a_stop_is_found_by_its_parent_or_its_reference() -> None:
    orders = [
        stop("CT-TSLA-20250106-1-S2", parent_client_order_id=""),
        stop("by its parent", parent_client_order_id=ENTRY),
        stop("CT-TSLA-20250106-11-S1", parent_client_order_id="CT-TSLA-20250106-11"),
        stop("another symbol", symbol="NVDA"),
        entry("no stop", parent_client_order_id=ENTRY),
    ]
    _, mine = stops_of(draft(fill(), *orders), "TSLA")
    assert [o.client_order_id for o in mine] == ["CT-TSLA-20250106-1-S2", "by its parent"]


class TestPlace:
    def placed(self, *records: Any, quantity: float = 10.0, **sections: Any) -> OrderRecord:
        d = draft(*records)
        place_stop(d, "TSLA", quantity, rules(**sections))
        (order,) = (m.order for to, m in messages_of(d) if to == "broker")
        return order  # type: ignore[no-any-return]

    def test_every_field_of_a_new_stop(self) -> None:
        before = [stop(status="Cancelled"), stop(f"{ENTRY}-S2", status="Inactive", trail_stop_price=95.5)]
        d = draft(Book(account=ACCOUNT, next_order_id=7), Own("TSLA", 12.0, 1260.0), fill(), *before)
        place_stop(d, "TSLA", 12.0, rules())
        order = OrderRecord(
            client_order_id=f"{ENTRY}-S3",
            symbol="TSLA",
            role="stop",
            side="SELL",
            order_type="TRAIL",
            quantity=12.0,
            trailing_pct=10.0,
            limit_offset=None,
            stop_price=95.5,
            trail_stop_price=95.5,
            tif="GTC",
            outside_rth=False,
            order_id=7,
            parent_client_order_id=ENTRY,
            account=ACCOUNT,
            created_ns=NOON_NS,
            updated_ns=NOON_NS,
        )
        assert written(d) == [Book(account=ACCOUNT, next_order_id=8), order]
        assert messages_of(d) == [
            ("TSLA", OrderPlaced(order)),
            note(
                "trailing_stop_recreated",
                level="WARNING",
                client_order_id=f"{ENTRY}-S3",
                qty=12.0,
                stop_price=95.5,
            ),
            ("broker", PlaceOrder(order, True)),
        ]

    def test_without_a_known_level_it_starts_below_the_average_cost(self) -> None:
        order = self.placed(Own("TSLA", 3.0, 315.09), fill())
        assert (order.client_order_id, order.stop_price, order.account) == (f"{ENTRY}-S1", 94.52, "")
        nickels = self.placed(Own("TSLA", 3.0, 315.09), fill(), PriceGrid("TSLA", NICKELS))
        assert (nickels.stop_price, nickels.trail_stop_price) == (94.5, 94.5)

    def test_a_new_stop_follows_the_settings(self) -> None:
        settings = {"trailing_stop_pct": 7.5, "use_trailing_limit": True, "trail_limit_offset_pct": 0.3, "tif": "DAY"}
        records = (Own("TSLA", 10.0, 1050.0), fill())
        order = self.placed(*records, stops=settings, hours={"allow_pre_market": True})
        assert (order.order_type, order.trailing_pct, order.tif, order.outside_rth) == ("TRAIL LIMIT", 7.5, "DAY", True)
        assert (order.stop_price, order.limit_offset) == (97.12, 0.3)  # whole cents, as the stop's price has
        wide = self.placed(*records, stops=settings | {"trail_limit_offset_pct": 2.0})
        assert wide.limit_offset == 1.95
        coarse = self.placed(*records, PriceGrid("TSLA", NICKELS), stops=settings | {"trail_limit_offset_pct": 2.0})
        assert (coarse.stop_price, coarse.limit_offset) == (97.1, 1.95)

    def test_after_a_refused_trailing_stop_the_fixed_one_is_placed_again(self) -> None:
        fixed = stop(order_type="STP", status="Cancelled", trail_stop_price=None, cancel_reason="exchanged")
        refused = stop(f"{ENTRY}-S2", status="Inactive", created_ns=DAY.open_ns + 1)
        d = draft(Own("TSLA", 10.0, 1050.0), fill(), fixed, refused)
        place_stop(d, "TSLA", 10.0, rules(stops={"use_trailing_limit": True}))
        (_, (_, noted), (_, sent)) = messages_of(d)
        assert (sent.order.order_type, sent.order.limit_offset, sent.order.stop_price) == ("STP", None, 94.5)
        assert noted.event == "fixed_stop_put_back"

    @pytest.mark.parametrize("records", [[], [Own("TSLA", 10.0, 1050.0)], [fill()]])
    def test_unknown_shares_get_no_stop(self, records: list[Any]) -> None:
        d = draft(*records)
        place_stop(d, "TSLA", 10.0, rules())
        assert (written(d), messages_of(d)) == ([], [])


class TestChange:
    RESTING = stop(parent_id=1, oca_group="9", oca_type=3, level_estimated=True)

    def test_a_change_of_the_quantity(self) -> None:
        """The level stays, sampled or reported; the parent is no longer named."""
        d = draft(self.RESTING)
        change_stop(d, self.RESTING, 4.0, release=Release(STOP, 4.0))
        kept = changed(self.RESTING, parent_id=0, renewed_ns=NOON_NS)
        assert written(d) == [kept, Change(STOP, "TSLA", 4.0, "sent", MACHINE_NS, NOON_NS, 1)]
        assert messages_of(d) == [
            note("stop_resized", client_order_id=STOP, qty=4.0, was=10.0),
            ("broker", PlaceOrder(changed(kept, quantity=4.0), True)),
        ]

    def test_a_change_of_quantity_and_level(self) -> None:
        d = draft(self.RESTING)
        change_stop(d, self.RESTING, 20.0, 47.25)
        kept = changed(
            self.RESTING,
            parent_id=0,
            renewed_ns=NOON_NS,
            stop_price=47.25,
            trail_stop_price=47.25,
            level_estimated=False,
        )
        assert written(d) == [kept, Change(STOP, "TSLA", 20.0, "sent", MACHINE_NS, NOON_NS, 1)]
        assert messages_of(d)[-1] == ("broker", PlaceOrder(changed(kept, quantity=20.0), True))


@pytest.mark.parametrize(
    ("reason", "event", "level"),
    [
        ("duplicate_stop", "duplicate_stop_cancelled", "WARNING"),
        ("orphan_stop", "orphan_stop_cancelled", "WARNING"),
        ("modify_refused", "stop_taken_back", "WARNING"),
        ("stuck_child", "stop_taken_back", "WARNING"),
        ("exchanged", "stop_taken_back", "INFO"),
    ],
)
def test_a_cancelled_stop_is_noted_with_its_reason(reason: str, event: str, level: str) -> None:
    d = draft(stop(), Change(STOP, "TSLA", 4.0, "refused"))
    cancel_stop(d, stop(), reason, Release(STOP, 0.0))
    assert written(d) == [changed(stop(), cancel_reason=reason), (Change, STOP)]
    assert messages_of(d) == [
        note(event, level=level, client_order_id=STOP, order_id=2, reason=reason),
        ("broker", CancelOrder(2, STOP)),
    ]
