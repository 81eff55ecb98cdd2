"""Placing and cancelling entries: the checks at the moment of sending."""

from __future__ import annotations

from typing import Any

import pytest

from messages.broker import BrokerError, BrokerPosition, PlaceOrder
from messages.entries import CancelEntry, EntryApproved, EntryDropped
from messages.market import Session, SessionClosed, SessionOpened
from messages.orders import OrderCancelled, OrderPlaced
from services.gateway.book.records import EntrySlot
from tests.gateway.scenario import ACCOUNT, DAY, UNTIL, Gateway, plan


def dropped(gateway: Gateway) -> list[tuple[str, str]]:
    return [(e.client_order_id, e.reason) for e in gateway.events(EntryDropped)]


def test_the_bracket_goes_in_one_transmit() -> None:
    gateway = Gateway()
    entry = gateway.enter()
    parent, child = gateway.to_broker
    assert isinstance(parent, PlaceOrder)
    assert isinstance(child, PlaceOrder)
    assert (parent.order.client_order_id, parent.transmit) == (entry.client_order_id, False)
    assert (child.order.client_order_id, child.transmit) == (entry.stop_client_order_id, True)
    assert child.order.parent_id == parent.order.order_id
    assert child.order.order_id == parent.order.order_id + 1
    assert (parent.order.order_type, parent.order.stop_price, parent.order.limit_price) == ("STP LMT", 105.0, 110.25)
    assert (child.order.order_type, child.order.trailing_pct, child.order.stop_price) == ("TRAIL", 10.0, None)
    assert (parent.order.account, child.order.account) == (ACCOUNT, ACCOUNT)
    assert (parent.order.tif, child.order.tif) == ("DAY", "GTC")
    assert [e.order.status for e in gateway.events(OrderPlaced)] == ["InFlight", "InFlight"]


def test_the_fleet_is_informed_before_the_broker() -> None:
    """It is one decision: committed together, sent afterwards."""
    gateway = Gateway()
    decision = gateway.receive(EntryApproved(plan(), 1000.0))
    assert {kind.__name__ for kind, _, _ in decision.changes} >= {"OrderRecord", "EntrySlot", "Book"}


def before_the_close(gateway: Gateway) -> None:
    gateway.market_ns = UNTIL


def another_day(gateway: Gateway) -> None:
    gateway.receive(SessionOpened(Session("2025-01-07", 0, 1), UNTIL))


def cancelled_before(gateway: Gateway) -> None:
    gateway.receive(CancelEntry(plan().client_order_id, "TSLA", "end_of_day"))
    assert dropped(gateway) == [(plan().client_order_id, "end_of_day")], "no other report will follow"
    gateway.clear()


def clock_silent(gateway: Gateway) -> None:
    gateway.stale = True


def a_stop_of_shares_that_are_gone(gateway: Gateway) -> None:
    """It is still live at the broker, and would sell the shares of the entry."""
    stop = gateway.holding(2).stop_client_order_id
    gateway.receive(gateway.execution(stop, 10.0, 94.0, perm_id=88_000, order_id=500))
    assert gateway.own() == 0
    assert gateway.order(stop).live


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (Gateway.disconnect, "links_down"),
        (lambda g: g.receive(BrokerError(-1, 1100, "")), "links_down"),
        (Gateway.closing, "session_not_open"),
        (lambda g: g.receive(SessionClosed(DAY)), "session_not_open"),
        (before_the_close, "session_not_open"),
        (another_day, "session_not_open"),
        (clock_silent, "clock_stale"),
        (lambda g: g.working(2), "entry_live"),
        (lambda g: g.enter(2), "entry_live"),
        (lambda g: g.enter(1), "placed_before"),
        (lambda g: g.holding(2), "position_open"),
        (lambda g: g.receive(BrokerPosition(ACCOUNT, "TSLA", -5.0, 100.0)), "account_short"),
        (a_stop_of_shares_that_are_gone, "sell_live"),
        (lambda g: g.quote(105.0), "price_through_trigger"),
        (lambda g: g.quote(104.99, ask=105.0), "price_through_trigger"),
        (lambda g: g.quote(60.0), "price_band"),
        (cancelled_before, "end_of_day"),
    ],
)
def test_reasons_to_drop_an_entry(before: Any, reason: str) -> None:
    gateway = Gateway()
    before(gateway)
    gateway.clear()
    gateway.receive(EntryApproved(plan(), 1000.0))
    assert dropped(gateway) == [(plan().client_order_id, reason)]
    assert not [c for c in gateway.to_broker if isinstance(c, PlaceOrder)]
    assert "entry_dropped" in gateway.notes()


def test_without_a_price_no_entry_is_sent() -> None:
    gateway = Gateway(watchlist=["TSLA", "NVDA", "AMD"])
    gateway.receive(EntryApproved(plan(symbol="AMD"), 1000.0))
    assert dropped(gateway) == [("CT-AMD-20250106-1", "no_quote")]


def test_an_entry_of_another_symbol_is_allowed() -> None:
    gateway = Gateway()
    gateway.working()
    gateway.enter(symbol="NVDA")
    assert gateway.live_entries("NVDA") == ["CT-NVDA-20250106-1"]


def test_the_slot_is_free_once_the_entry_has_ended() -> None:
    gateway = Gateway()
    entry = gateway.working()
    gateway.cancel(entry)
    gateway.enter(2)
    assert dropped(gateway) == [("CT-TSLA-20250106-2", "entry_live")], "cancel pending counts as live"
    for key in (entry.client_order_id, entry.stop_client_order_id):  # a child is cancelled with its parent
        gateway.receive(gateway.status(key, "Cancelled"))
    assert not gateway.state.table(EntrySlot)
    gateway.enter(3)
    assert gateway.live_entries() == ["CT-TSLA-20250106-3"]


class TestCancel:
    def test_a_cancel_is_sent_once(self) -> None:
        gateway = Gateway()
        entry = gateway.working()
        gateway.clear()
        gateway.cancel(entry)
        gateway.cancel(entry)
        assert gateway.orders_sent() == [f"cancel {entry.client_order_id}"]
        gateway.receive(gateway.status(entry.client_order_id, "PendingCancel"))
        assert gateway.order(entry.client_order_id).live
        gateway.receive(gateway.status(entry.client_order_id, "Cancelled"))
        (event,) = gateway.events(OrderCancelled)
        assert event.asked
        assert event.order.cancel_reason == "end_of_day"

    def test_a_cancel_waits_while_the_link_is_down(self) -> None:
        gateway = Gateway()
        entry = gateway.working()
        gateway.disconnect()
        gateway.clear()
        gateway.cancel(entry)
        assert gateway.orders_sent() == []
        open_orders = [
            gateway.status(key, "PreSubmitted") for key in (entry.client_order_id, entry.stop_client_order_id)
        ]
        gateway.connect(*open_orders)
        assert gateway.orders_sent() == ["ask", f"cancel {entry.client_order_id}"]

    def test_a_cancel_of_an_order_that_ended_is_ignored(self) -> None:
        gateway = Gateway()
        entry = gateway.holding()
        gateway.clear()
        gateway.cancel(entry)
        assert gateway.messages == []


def test_order_ids_only_grow() -> None:
    """Field 5: nextValidId goes back after a gateway restart."""
    gateway = Gateway(cold=True)
    gateway.connect(next_order_id=500)
    gateway.receive(SessionOpened(DAY, UNTIL))
    gateway.quote()
    gateway.quote(symbol="NVDA")
    gateway.enter()
    gateway.disconnect()
    gateway.connect(next_order_id=1)
    gateway.wait(0)
    gateway.clear()
    gateway.enter(symbol="NVDA")
    ids = [c.order.order_id for c in gateway.to_broker if isinstance(c, PlaceOrder)]
    assert ids == [502, 503]


def test_an_order_id_seen_at_the_broker_is_never_used() -> None:
    gateway = Gateway()
    entry = gateway.enter()
    gateway.receive(gateway.status(entry.client_order_id, "PreSubmitted", order_id=900))
    assert gateway.book().next_order_id == 901


def test_an_order_in_doubt_stays_live_and_is_not_sent_again() -> None:
    gateway = Gateway()
    entry = gateway.enter()
    gateway.restart()
    gateway.connect()
    assert gateway.state.get(EntrySlot, entry.client_order_id) is not None
    gateway.quote()
    gateway.clear()
    gateway.enter(2)
    gateway.receive(EntryApproved(entry, 1000.0))
    assert [reason for _, reason in dropped(gateway)] == ["entry_live", "placed_before"]
    assert gateway.to_broker == []


def test_a_quote_without_a_trade_has_no_price() -> None:
    gateway = Gateway()
    gateway.quote(0.0, bid=99.9, ask=100.1)
    gateway.enter()
    (dropped,) = gateway.events(EntryDropped)
    assert dropped.reason == "no_quote"


def test_the_stop_of_a_fractional_entry_covers_its_whole_shares() -> None:
    gateway = Gateway()
    gateway.receive(EntryApproved(plan(quantity=2.5), 300.0))
    assert gateway.orders_sent() == ["BUY 2.5 STP LMT held", "SELL 2 TRAIL"]
