"""Reports of the broker are folded into the book once, in any order and however often they come."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from messages.account import AccountUpdated
from messages.broker import BrokerAccount, BrokerCommission, BrokerPosition, PlaceOrder
from messages.orders import (
    CommissionReported,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderUpdated,
    PositionUpdated,
)
from services.gateway.book.records import EntrySlot, FillRecord, OrderRecord, Own, base_id
from tests.gateway.scenario import ACCOUNT, SECOND, Gateway, broker_execution, broker_order, changed


def commission(gateway: Gateway, exec_id: str, amount: float = 1.0) -> BrokerCommission:
    return BrokerCommission(exec_id, amount, "USD", None)


class TestEntryFills:
    """Two executions, their commissions and the statuses, in every order and each of them twice."""

    def facts(self, gateway: Gateway, key: str) -> list[Any]:
        first = gateway.execution(key, 4.0, 105.0)
        second = changed(
            first, exec_id="0000e0d5.other.01", quantity=6.0, price=106.0, cum_quantity=10.0, avg_price=105.6
        )
        return [
            first,
            second,
            commission(gateway, first.exec_id),
            gateway.status(key, "Filled", filled=10.0),
            gateway.status(key, "Submitted", filled=4.0),
        ]

    @pytest.mark.parametrize("order", list(permutations(range(5))))
    def test_reports_in_any_order_give_the_same_book(self, order: tuple[int, ...]) -> None:
        gateway = Gateway()
        entry = gateway.working()
        key = entry.client_order_id
        facts = self.facts(gateway, key)
        gateway.clear()
        for index in order:
            gateway.receive(facts[index])
            gateway.receive(facts[index])
        assert gateway.own() == 10.0
        own = gateway.state.get(Own, "TSLA")
        assert own is not None
        assert own.cost_usd == pytest.approx(4 * 105.0 + 6 * 106.0)
        record = gateway.order(key)
        assert (record.status, record.filled, record.live) == ("Filled", 10.0, False)
        assert sorted(e.fill.quantity for e in gateway.events(OrderFilled)) == [4.0, 6.0]
        assert [e.commission for e in gateway.events(CommissionReported)] == [1.0]
        assert gateway.notes().count("fill_received") == 2
        assert gateway.state.get(EntrySlot, key) is None
        assert not gateway.events(OrderCancelled)


class TestStatuses:
    def test_accepted_once(self) -> None:
        gateway = Gateway()
        entry = gateway.enter()
        for _ in range(2):
            gateway.receive(gateway.status(entry.client_order_id, "PreSubmitted", why_held="trigger"))
        assert len(gateway.events(OrderAccepted)) == 1
        assert gateway.notes().count("entry_order_placed") == 1
        assert not gateway.events(OrderUpdated)

    def test_an_expiry_is_an_unrequested_cancel(self) -> None:
        gateway = Gateway()
        entry = gateway.working()
        gateway.receive(gateway.status(entry.client_order_id, "Cancelled"))
        (message,) = gateway.events(OrderCancelled)
        assert not message.asked

    def test_a_late_status_does_not_revive_a_cancelled_order(self) -> None:
        gateway = Gateway()
        entry = gateway.working()
        gateway.receive(gateway.status(entry.client_order_id, "Cancelled"))
        gateway.clear()
        gateway.receive(gateway.status(entry.client_order_id, "Submitted"))
        assert not gateway.order(entry.client_order_id).live
        assert gateway.messages == []

    def test_a_fill_after_a_cancel(self) -> None:
        """Real world: executions override earlier statuses."""
        gateway = Gateway()
        entry = gateway.working()
        key = entry.client_order_id
        gateway.cancel(entry)
        gateway.receive(gateway.status(key, "Cancelled"))
        gateway.receive(gateway.execution(key, 10.0, 105.0))
        gateway.receive(gateway.status(key, "Filled", filled=10.0))
        assert gateway.own() == 10.0
        assert gateway.order(key).status == "Filled"
        assert len(gateway.events(OrderFilled)) == 1

    def test_a_cancel_that_counts_shares_waits_for_their_executions(self) -> None:
        """If it ended at once, another entry could be placed before the shares of this one are known."""
        gateway = Gateway()
        entry = gateway.working()
        key = entry.client_order_id
        gateway.receive(gateway.status(key, "Cancelled", filled=4.0))
        assert gateway.order(key).live
        gateway.enter(2)
        assert gateway.live_entries() == [key]
        gateway.receive(gateway.execution(key, 4.0, 105.0))
        assert gateway.order(key).status == "Cancelled"
        (message,) = gateway.events(OrderCancelled)
        assert message.order.filled == 4.0
        assert gateway.own() == 4.0

    def test_missing_executions_are_asked_for(self) -> None:
        gateway = Gateway()
        entry = gateway.working()
        key = entry.client_order_id
        gateway.clear()
        missed = gateway.execution(key, 4.0, 105.0)
        gateway.receive(gateway.status(key, "Cancelled", filled=4.0))
        gateway.wait(15)
        assert gateway.orders_sent() == ["ask"]
        stop = gateway.status(entry.stop_client_order_id, "PreSubmitted")
        gateway.answer(missed, changed(gateway.completed(key, "Cancelled"), filled=4.0), stop)
        assert (gateway.order(key).status, gateway.own()) == ("Cancelled", 4.0)

    def test_field_20_inactive_is_rejected(self) -> None:
        gateway = Gateway()
        entry = gateway.working()
        gateway.error(entry.client_order_id, 201, "Order rejected - reason: margin")
        gateway.receive(gateway.status(entry.client_order_id, "Inactive"))
        (message,) = gateway.events(OrderRejected)
        assert (message.code, message.text) == (201, "Order rejected - reason: margin")
        assert not gateway.order(entry.client_order_id).live
        assert gateway.state.get(EntrySlot, entry.client_order_id) is None

    def test_an_inactive_entry_that_works_is_cancelled(self) -> None:
        gateway = Gateway()
        entry = gateway.working()
        key = entry.client_order_id
        gateway.receive(gateway.status(key, "Inactive"))
        gateway.clear()
        gateway.receive(gateway.status(key, "Submitted"))
        assert gateway.orders_sent() == [f"cancel {key}"]
        gateway.enter(2)
        assert gateway.live_entries() == [key], "it is live, so no other is"

    def test_field_18_the_level_is_read_from_the_broker_and_only_rises(self) -> None:
        gateway = Gateway()
        entry = gateway.holding()
        stop = entry.stop_client_order_id
        for message, level in [(95.0, 95.0), (97.0, 97.0), (96.0, 97.0), (None, 97.0)]:
            gateway.receive(gateway.status(stop, "PreSubmitted", why_held="trigger", trail_stop_price=message))
            assert gateway.order(stop).trail_stop_price == level

    def test_field_23_a_completed_order_with_quantity_0_keeps_the_known_values(self) -> None:
        gateway = Gateway()
        entry = gateway.working()
        key = entry.client_order_id
        done = gateway.completed(key, "Cancelled by Trader")
        gateway.disconnect()
        gateway.connect(done, gateway.completed(entry.stop_client_order_id, "Cancelled by Trader"))
        order = gateway.order(key)
        assert (order.status, order.quantity, order.reason) == ("Cancelled", 10.0, "Cancelled by Trader")
        assert order.order_id > 0
        assert gateway.live_entries() == []


class TestExecutions:
    def test_the_base_id_is_the_part_before_the_last_period(self) -> None:
        assert base_id("0000e0d5.64c7b0c2.01.02") == "0000e0d5.64c7b0c2.01"
        assert base_id("plain") == "plain"

    def test_field_35_an_execution_with_a_higher_suffix_is_a_correction(self) -> None:
        gateway = Gateway()
        entry = gateway.working()
        first = gateway.execution(entry.client_order_id, 10.0, 105.0, exec_id="e.1.01")
        gateway.receive(first)
        gateway.clear()
        corrected = changed(first, exec_id="e.1.02", price=104.0, avg_price=104.0)
        for message in (corrected, corrected, first):
            gateway.receive(message)
        own = gateway.state.get(Own, "TSLA")
        assert own == Own("TSLA", 10.0, 1040.0)
        (event,) = gateway.events(OrderFilled)
        assert (event.corrects, event.fill.exec_id, event.cost_usd) == ("e.1.01", "e.1.02", 1040.0)
        assert [r.fill.exec_id for r in gateway.state.table(FillRecord).values()] == ["e.1.02"]

    @pytest.mark.parametrize("told", [0.0, 4.0])
    def test_only_the_broker_says_whether_an_order_fills_busted_shares_again(self, told: float) -> None:
        """The stop is changed to a total: with shares counted as filled that are not, it would sell too many."""
        gateway = Gateway()
        stop = gateway.holding().stop_client_order_id
        gateway.receive(gateway.execution(stop, 4.0, 94.0, exec_id="s.1.01"))
        gateway.receive(gateway.execution(stop, 0.0, 0.0, exec_id="s.1.02", cum_quantity=0.0))
        gateway.receive(gateway.status(stop, "Submitted", filled=told))
        gateway.confirm(filled=told)
        assert gateway.own() == 10.0
        order = gateway.state.get(OrderRecord, stop)
        assert order is not None
        assert order.filled == told
        totals = [m.order.quantity for m in gateway.to_broker if isinstance(m, PlaceOrder) and m.order.key == stop]
        assert (totals or [10.0])[-1] == 10.0 + told, "so that it sells 10"

    def test_after_a_bust_the_end_still_waits_for_executions(self) -> None:
        """Else a second stop is placed for shares that are sold, and sells short."""
        gateway = Gateway()
        stop = gateway.holding().stop_client_order_id
        gateway.receive(gateway.execution(stop, 4.0, 94.0, exec_id="s.1.01"))
        gateway.receive(gateway.execution(stop, 0.0, 0.0, exec_id="s.1.02", cum_quantity=0.0))
        gateway.wait(15)
        gateway.clear()
        gateway.receive(gateway.status(stop, "Filled", filled=10.0))
        gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 0.0, 0.0))
        gateway.wait(8)
        assert [c for c in gateway.orders_sent() if c != "ask"] == []
        gateway.receive(gateway.execution(stop, 10.0, 94.0, exec_id="s.2.01"))
        assert (gateway.own(), gateway.order(stop).status) == (0.0, "Filled")

    def test_a_corrected_sale_reports_the_profit_it_replaces(self) -> None:
        gateway = Gateway()
        stop = gateway.holding(price=100.0).stop_client_order_id
        sold = gateway.execution(stop, 10.0, 90.0, exec_id="s.1.01")
        gateway.receive(sold)
        gateway.receive(changed(sold, exec_id="s.1.02", price=91.0))
        one, two = gateway.events(OrderFilled)[-2:]
        assert (one.realized_usd, one.undone_usd) == (-100.0, 0.0)
        assert (two.realized_usd, two.undone_usd) == (-90.0, -100.0)
        assert gateway.state.get(Own, "TSLA") == Own("TSLA", 0.0, 0.0)

    def test_a_corrected_commission_and_a_pending_one(self) -> None:
        """Field 35: -1.0 means pending."""
        gateway = Gateway()
        gateway.holding()
        exec_id = next(iter(gateway.state.table(FillRecord).values())).fill.exec_id
        gateway.clear()
        for amount in (-1.0, 1.25, 1.25):
            gateway.receive(commission(gateway, exec_id, amount))
        assert [e.commission for e in gateway.events(CommissionReported)] == [1.25]

    def test_a_commission_in_another_currency_has_the_brokers_rate_or_none(self) -> None:
        gateway = Gateway()
        entry = gateway.working()
        first = gateway.execution(entry.client_order_id, 10.0, 105.0, exec_id="e.1.01")
        gateway.receive(first)
        gateway.receive(
            BrokerAccount(ACCOUNT, {"NetLiquidation": 1e5, "ExchangeRate": 1.0}, {"ExchangeRate EUR": "1.25"})
        )
        gateway.clear()
        gateway.receive(changed(commission(gateway, "e.1.01", 2.0), currency="EUR"))
        (event,) = gateway.events(CommissionReported)
        assert (event.commission, event.currency, event.rate_usd, event.commission_usd) == (
            2.0,
            "EUR",
            1.25,
            2.5,
        )
        assert gateway.notes() == []
        gateway.receive(changed(first, exec_id="e.1.02", price=104.0))
        gateway.receive(changed(commission(gateway, "e.1.02", 3.0), currency="GBP"))
        event = gateway.events(CommissionReported)[-1]
        assert (event.rate_usd, event.commission_usd, event.undone_usd) == (None, None, 2.0)

    def test_exchange_rates_are_kept_over_a_restart(self) -> None:
        gateway = Gateway()
        entry = gateway.working()
        gateway.receive(gateway.execution(entry.client_order_id, 10.0, 105.0, exec_id="e.1.01"))
        gateway.receive(
            BrokerAccount(ACCOUNT, {"NetLiquidation": 1e5, "ExchangeRate": 1.0}, {"ExchangeRate EUR": "1.25"})
        )
        gateway.restart()
        gateway.connect(changed(commission(gateway, "e.1.01", 2.0), currency="EUR"))
        assert gateway.events(CommissionReported)[-1].commission_usd == 2.5

    @pytest.mark.parametrize("again", [False, True])
    def test_field_35_a_corrected_execution_costs_its_own_commission_only(self, again: bool) -> None:
        gateway = Gateway()
        entry = gateway.working()
        first = gateway.execution(entry.client_order_id, 10.0, 105.0, exec_id="e.1.01")
        corrected = changed(first, exec_id="e.1.02", price=104.0, avg_price=104.0)
        gateway.receive(first)
        gateway.receive(commission(gateway, "e.1.01", 1.25))
        gateway.receive(corrected)
        gateway.receive(commission(gateway, "e.1.02", 1.5))
        if again:  # as after a reconnect
            for exec_id, amount in (("e.1.01", 1.25), ("e.1.02", 1.5)):
                gateway.receive(commission(gateway, exec_id, amount))
        events = gateway.events(CommissionReported)
        assert [(e.exec_id, e.commission, e.undone_usd) for e in events] == [
            ("e.1.01", 1.25, 0.0),
            ("e.1.02", 1.5, 1.25),
        ]

    @pytest.mark.parametrize("late", ["e.1.01", "e.1.02"])
    def test_field_35_a_late_commission_of_a_corrected_execution(self, late: str) -> None:
        """Whichever comes last, the correction's commission counts."""
        gateway = Gateway()
        entry = gateway.working()
        first = gateway.execution(entry.client_order_id, 10.0, 105.0, exec_id="e.1.01")
        gateway.receive(first)
        gateway.receive(changed(first, exec_id="e.1.02", price=104.0, avg_price=104.0))
        amounts = {"e.1.01": 1.25, "e.1.02": 1.5}
        for exec_id in sorted(amounts, key=lambda e: e == late):
            gateway.receive(commission(gateway, exec_id, amounts[exec_id]))
        message = gateway.events(CommissionReported)
        assert sum(e.commission - e.undone_usd for e in message) == 1.5

    def test_the_tenth_correction_is_newer_than_the_ninth(self) -> None:
        gateway = Gateway()
        entry = gateway.working()
        message = gateway.execution(entry.client_order_id, 10.0, 105.0, exec_id="e.1.9")
        gateway.receive(message)
        gateway.receive(changed(message, exec_id="e.1.10", price=104.0))
        gateway.receive(message)
        assert [r.fill.exec_id for r in gateway.state.table(FillRecord).values()] == ["e.1.10"]

    def test_a_purchase_after_its_sale_has_no_cost(self) -> None:
        """Two executions of one second that arrive in reverse order."""
        gateway = Gateway()
        entry = gateway.working()
        gateway.receive(gateway.execution(entry.stop_client_order_id, 10.0, 94.0))
        gateway.receive(gateway.execution(entry.client_order_id, 10.0, 105.0))
        assert gateway.state.get(Own, "TSLA") == Own("TSLA", 0.0, 0.0)

    def test_purchases_come_first_in_a_snapshot(self) -> None:
        gateway = Gateway()
        entry = gateway.working()
        bought = gateway.execution(entry.client_order_id, 10.0, 105.0, exec_id="z.01")
        sold = gateway.execution(entry.stop_client_order_id, 10.0, 94.0, exec_id="a.01")
        gateway.disconnect()
        gateway.connect(
            sold,
            bought,
            gateway.completed(entry.client_order_id, "Filled"),
            gateway.completed(entry.stop_client_order_id, "Filled"),
        )
        assert [e.fill.side for e in gateway.events(OrderFilled)] == ["BUY", "SELL"]
        assert gateway.events(OrderFilled)[1].realized_usd == pytest.approx(-110.0)

    def test_field_03_recovered_fills_are_events_once(self) -> None:
        gateway = Gateway()
        entry = gateway.working()
        missed = gateway.execution(entry.client_order_id, 10.0, 105.0)
        facts = [missed, commission(gateway, missed.exec_id), gateway.completed(entry.client_order_id, "Filled")]
        stop = gateway.status(entry.stop_client_order_id, "PreSubmitted", why_held="trigger")
        for _ in range(2):
            gateway.disconnect()
            gateway.connect(*facts, stop, BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0))
        assert len(gateway.events(OrderFilled)) == 1
        assert len(gateway.events(CommissionReported)) == 1
        assert gateway.own() == 10.0


class TestForeign:
    def test_field_33_foreign_orders_are_seen_and_not_touched(self) -> None:
        gateway = Gateway()
        gateway.receive(broker_order("", perm_id=5, order_id=0, side="SELL", status="Submitted"))
        (seen,) = [o for o in gateway.state.table(OrderRecord).values() if o.role == "foreign"]
        assert seen.client_order_id == "foreign:5"
        assert gateway.notes() == ["foreign_order_seen"]
        assert gateway.to_broker == []

    def test_a_foreign_order_that_is_not_listed_has_ended(self) -> None:
        gateway = Gateway()
        gateway.receive(broker_order("", perm_id=5, status="Submitted"))
        gateway.disconnect()
        gateway.connect()
        assert not gateway.order("foreign:5").live

    def test_field_45_an_order_that_turns_out_to_be_ours_is_exposure_only_once(self) -> None:
        """After a connect the broker may report orders before it is known which client this is."""
        gateway = Gateway()
        client_id = gateway.links().client_id
        gateway.receive(broker_order("CT-TSLA-20250106-9", perm_id=6, client_id=client_id + 1, status="Submitted"))
        assert gateway.order("foreign:6").live
        gateway.clear()
        gateway.receive(broker_order("CT-TSLA-20250106-9", perm_id=6, client_id=client_id, status="Submitted"))
        assert {o.client_order_id for o in gateway.state.table(OrderRecord).values()} == {"CT-TSLA-20250106-9"}
        told = [m.order for m in gateway.events(OrderUpdated) if m.order.role == "foreign"]
        assert [(o.client_order_id, o.live) for o in told] == [("foreign:6", False)]

    def test_field_24_our_prefix_in_another_account_is_ignored(self) -> None:
        gateway = Gateway()
        gateway.receive(broker_order("CT-TSLA-20250106-9", perm_id=6, account="DU7654321"))
        gateway.receive(broker_execution("CT-TSLA-20250106-9", 10.0, 100.0, account="DU7654321"))
        assert gateway.own() == 0
        assert not gateway.state.table(OrderRecord), "neither ours nor our exposure"

    def test_foreign_executions_do_not_change_own_shares(self) -> None:
        gateway = Gateway()
        gateway.receive(broker_execution("somebody", 10.0, 100.0))
        gateway.receive(commission(gateway, "0000e0d5.1.01"))
        assert not gateway.events(OrderFilled)
        assert not gateway.events(CommissionReported)

    def test_an_own_order_that_the_book_lost_is_recorded(self) -> None:
        gateway = Gateway()
        gateway.receive(broker_order("CT-TSLA-20250103-1-S1", side="SELL", order_type="TRAIL", trail_stop_price=90.0))
        assert gateway.order("CT-TSLA-20250103-1-S1").role == "stop"
        assert "unknown_own_order" in gateway.notes()


class TestPositionsAndAccount:
    def test_positions_are_reported_when_they_change(self) -> None:
        gateway = Gateway()
        for quantity in (10.0, 10.0, 12.0):
            gateway.receive(BrokerPosition(ACCOUNT, "TSLA", quantity, 100.0))
        assert [e.account_quantity for e in gateway.events(PositionUpdated)] == [10.0, 12.0]

    def test_positions_of_another_account_are_ignored(self) -> None:
        gateway = Gateway()
        gateway.receive(BrokerPosition("DU7654321", "TSLA", 99.0, 100.0))
        gateway.account_values("DU7654321", NetLiquidation=1.0)
        assert not gateway.events(PositionUpdated)
        assert not gateway.events(AccountUpdated)

    def test_a_position_that_is_no_longer_listed_is_flat(self) -> None:
        gateway = Gateway()
        gateway.receive(BrokerPosition(ACCOUNT, "NVDA", 7.0, 100.0))
        gateway.disconnect()
        gateway.clear()
        gateway.connect(BrokerPosition("DU7654321", "NVDA", 3.0, 100.0))
        assert [e.account_quantity for e in gateway.events(PositionUpdated)] == [0.0]

    def test_the_account_in_dollars(self) -> None:
        gateway = Gateway()
        gateway.account_values(NetLiquidation=100.0, TotalCashValue=60.0, BuyingPower=400.0)
        (message,) = gateway.events(AccountUpdated)
        assert (message.net_liquidation, message.total_cash, message.settled_cash) == (100.0, 60.0, 60.0)


def test_old_records_are_dropped_unless_their_symbol_is_held() -> None:
    from messages.market import Session, SessionOpened
    from services.gateway.book.expiry import KEEP_NS

    gateway = Gateway()
    held = gateway.holding()
    gone = gateway.holding(symbol="NVDA")
    gateway.receive(gateway.execution(gone.stop_client_order_id, 10.0, 95.0))
    gateway.receive(gateway.status(gone.stop_client_order_id, "Filled", filled=10.0))
    gateway.market_ns += KEEP_NS + SECOND
    gateway.receive(SessionOpened(Session("2025-01-20", gateway.market_ns, gateway.market_ns + 1), gateway.market_ns))
    assert set(gateway.state.table(OrderRecord)) == {held.client_order_id, held.stop_client_order_id}
    assert {f.fill.client_order_id for f in gateway.state.table(FillRecord).values()} == {held.client_order_id}
