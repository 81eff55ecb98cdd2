"""Stops: changed, refused, replaced, renewed, and their level."""

from __future__ import annotations

from typing import Any

import pytest

from messages.broker import BrokerError, BrokerMarketRule, BrokerPosition, PlaceOrder, SnapshotFailed
from messages.entries import EntryPlan
from messages.market import MarketRule
from messages.orders import OrderRecord, OrderUpdated
from services.gateway.book.queries import stops_of
from services.gateway.protection.plan import RENEW_AFTER_NS
from tests.gateway.scenario import ACCOUNT, SECOND, Gateway


def placed(gateway: Gateway) -> list[OrderRecord]:
    return [c.order for c in gateway.to_broker if isinstance(c, PlaceOrder)]


def part_filled(**settings: Any) -> tuple[Gateway, EntryPlan]:
    """Four of ten filled and the rest cancelled. The stop is live for all ten, and is read for its change.

    Two answers of the broker agree that the account has four shares.
    """
    gateway = Gateway(**settings)
    entry = gateway.working()
    stop = entry.stop_client_order_id
    gateway.wait(20)
    gateway.receive(gateway.execution(entry.client_order_id, 4.0, 105.0))
    gateway.receive(gateway.status(entry.client_order_id, "Submitted", filled=4.0))
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 4.0, 105.0))
    gateway.receive(
        gateway.status(stop, "PreSubmitted", why_held="trigger", trail_stop_price=94.5, oca_group="9", oca_type=3)
    )
    gateway.clear()
    gateway.cancel(entry, "partial_fill")
    assert gateway.orders_sent() == [f"cancel {entry.client_order_id}"], "no stop is changed while the entry is live"
    gateway.receive(gateway.status(entry.client_order_id, "Cancelled", filled=4.0))
    assert gateway.orders_sent()[1:] == ["ask"]
    gateway.answer_as_known(oca_group="9", oca_type=3)
    gateway.wait(2)
    assert gateway.orders_sent()[1:] == ["ask", "ask"], "the second one confirms the first"
    gateway.answer_as_known(oca_group="9", oca_type=3)
    assert gateway.orders_sent()[1:] == ["ask", "ask", "ask"], "it is read before it is changed"
    return gateway, entry


def held_child(*, filled: float) -> tuple[Gateway, EntryPlan]:
    """The entry is cancelled after `filled` shares, and its child still waits for it."""
    gateway = Gateway()
    entry = gateway.working()
    gateway.receive(gateway.status(entry.stop_client_order_id, "PreSubmitted", why_held="child,trigger"))
    gateway.wait(20)
    if filled:
        gateway.receive(gateway.execution(entry.client_order_id, filled, 105.0))
        gateway.receive(BrokerPosition(ACCOUNT, "TSLA", filled, 105.0))
    gateway.cancel(entry, "partial_fill")
    gateway.clear()
    gateway.market_ns += SECOND
    gateway.receive(gateway.status(entry.client_order_id, "Cancelled", filled=filled))
    return gateway, entry


class TestStopChange:
    def test_field_43_a_change_echoes_the_brokers_oca_group(self) -> None:
        gateway, entry = part_filled()
        gateway.answer_as_known(oca_group="9", oca_type=3)
        (changed,) = placed(gateway)
        assert (changed.quantity, changed.oca_group, changed.oca_type) == (4.0, "9", 3)
        assert changed.order_id == gateway.order(entry.stop_client_order_id).order_id
        assert (changed.parent_id, changed.trail_stop_price) == (0, 94.5)

    def test_a_level_that_rose_without_a_report_is_read_first(self) -> None:
        gateway, _ = part_filled()
        gateway.answer_as_known(trail_stop_price=97.0)
        assert [o.trail_stop_price for o in placed(gateway)] == [97.0]

    def test_nothing_else_is_sent_until_the_change_is_confirmed(self) -> None:
        gateway, entry = part_filled()
        gateway.answer_as_known()
        gateway.wait(8)
        assert len(placed(gateway)) == 1
        assert gateway.order(entry.stop_client_order_id).quantity == 10.0, "the book keeps the reported quantity"
        gateway.receive(gateway.status(entry.stop_client_order_id, "PreSubmitted", why_held="trigger", quantity=4.0))
        gateway.clear()
        gateway.wait(60)
        assert gateway.messages == []

    @pytest.mark.parametrize("code", [10326, 10327, 201, 105])
    def test_field_43_a_stop_with_a_refused_change_is_cancelled_and_replaced(self, code: int) -> None:
        gateway, entry = part_filled()
        stop = entry.stop_client_order_id
        gateway.answer_as_known()
        gateway.clear()
        gateway.error(stop, code, "OCA group revision is not allowed.")
        assert gateway.order(stop).live
        gateway.wait(2)
        assert gateway.orders_sent() == ["ask"]
        gateway.answer_as_known()
        assert gateway.orders_sent() == ["ask", f"cancel {stop}"], "cancel, and wait for its end"
        gateway.wait(60)
        assert placed(gateway) == []
        gateway.receive(gateway.status(stop, "Cancelled"))
        (fresh,) = placed(gateway)
        assert (fresh.quantity, fresh.trail_stop_price, fresh.client_order_id[-3:]) == (4.0, 94.5, "-S2")

    def test_an_unanswered_change_is_asked_about_and_counts_as_refused(self) -> None:
        gateway, entry = part_filled()
        gateway.answer_as_known()
        gateway.clear()
        gateway.wait(11)
        assert gateway.orders_sent() == ["ask"]
        gateway.answer_as_known()
        assert gateway.orders_sent() == ["ask", "SELL 4 TRAIL"], "nobody refused it: it is sent once more"
        gateway.clear()
        gateway.wait(11)
        gateway.answer_as_known()
        assert gateway.orders_sent() == ["ask", f"cancel {entry.stop_client_order_id}"]

    def test_a_change_that_answers_do_not_show_is_refused_although_the_order_is_listed_before_the_answer(self) -> None:
        gateway, entry = part_filled()
        stop = entry.stop_client_order_id
        gateway.answer_as_known()
        gateway.clear()
        gateway.wait(11)
        for sent in ("SELL 4 TRAIL", f"cancel {stop}"):
            gateway.receive(gateway.status(stop, "PreSubmitted", why_held="trigger"))  # (part of the same answer)
            gateway.answer_as_known()
            assert gateway.orders_sent() == ["ask", sent]
            gateway.clear()
            gateway.wait(11)

    def test_field_08_a_new_stop_without_an_acknowledgement_is_asked_about(self) -> None:
        gateway = Gateway()
        entry = gateway.holding()
        gateway.wait(20)
        gateway.clear()
        gateway.receive(gateway.status(entry.stop_client_order_id, "Cancelled"))
        (lost,) = placed(gateway)
        gateway.clear()
        gateway.wait(11)
        assert gateway.orders_sent() == ["ask"]
        for _ in range(4):
            gateway.answer(BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0))
            gateway.wait(3)
        assert gateway.order(lost.client_order_id).live is False
        assert [o.quantity for o in placed(gateway)] == [10.0], "the next one"

    def test_a_child_that_ended_with_its_entry_is_replaced(self) -> None:
        gateway, entry = part_filled()
        gateway.receive(gateway.status(entry.stop_client_order_id, "Cancelled"))
        gateway.answer(BrokerPosition(ACCOUNT, "TSLA", 4.0, 105.0))
        assert [(o.quantity, o.trail_stop_price) for o in placed(gateway)] == [(4.0, 94.5)]

    def test_field_21_a_child_that_the_broker_shrank_grows_in_place(self) -> None:
        gateway = Gateway()
        entry = gateway.holding()
        gateway.wait(20)
        gateway.clear()
        stop = entry.stop_client_order_id
        gateway.receive(gateway.status(stop, "PreSubmitted", why_held="trigger", quantity=4.0))
        gateway.answer_as_known()
        assert gateway.orders_sent() == ["ask", "SELL 10 TRAIL"]
        assert placed(gateway)[0].client_order_id == stop, "never a second stop"

    def test_a_child_of_an_entry_that_ended_is_replaced(self) -> None:
        gateway, entry = part_filled()
        stop = entry.stop_client_order_id
        gateway.receive(gateway.status(stop, "PreSubmitted", why_held="child,trigger"))
        gateway.clear()
        gateway.wait(7)
        assert gateway.orders_sent() == [], "the report may be old, and an answer is on its way"
        for _ in range(2):
            gateway.answer_as_known()
            gateway.wait(1)
        assert f"cancel {stop}" in gateway.orders_sent()

    def test_a_stop_whose_report_that_it_works_is_lost_stays(self) -> None:
        """The entry fills whole, and the last that is heard of its child is that it waits."""
        gateway = Gateway()
        entry = gateway.working()
        stop = entry.stop_client_order_id
        gateway.wait(20)
        gateway.clear()
        gateway.receive(gateway.execution(entry.client_order_id, 10.0, 105.0))
        position = BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0)
        gateway.receive(position)
        gateway.wait(7)
        assert set(gateway.orders_sent()) == {"ask"}
        gateway.answer(gateway.status(stop, "PreSubmitted", why_held="trigger", trail_stop_price=94.5), position)
        late = gateway.status(stop, "PreSubmitted", why_held="child,trigger")
        for report in (late, gateway.status(entry.client_order_id, "Filled", filled=10.0)):
            gateway.receive(report)
            gateway.wait(7)
        assert set(gateway.orders_sent()) == {"ask"}, "a report that came late proves nothing"

    def test_a_child_that_outlives_an_entry_that_ended_in_part_is_replaced_after_one_answer(self) -> None:
        """Held children never sell: the shares would be bare until the alert."""
        gateway, entry = held_child(filled=4.0)
        stop = entry.stop_client_order_id
        assert gateway.orders_sent() == ["ask"], "the broker may be about to let it work"
        position = BrokerPosition(ACCOUNT, "TSLA", 4.0, 105.0)
        for _ in range(2):
            gateway.market_ns += SECOND
            gateway.answer(gateway.status(stop, "PreSubmitted", why_held="child,trigger"), position)
            gateway.wait(1)
        assert f"cancel {stop}" in gateway.orders_sent()
        gateway.receive(gateway.status(stop, "Cancelled"))
        assert [o.quantity for o in placed(gateway)] == [4.0]
        assert "position_unprotected" not in gateway.notes()

    def test_field_51_shares_of_an_entry_without_its_last_status_get_a_stop(self) -> None:
        """The child ended before; executions fill the entry whole, and its last status never comes."""
        gateway = Gateway()
        entry = gateway.working()
        gateway.wait(20)
        gateway.receive(gateway.status(entry.stop_client_order_id, "Cancelled"))
        gateway.clear()
        gateway.receive(gateway.execution(entry.client_order_id, 10.0, 105.0))
        gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0))
        gateway.wait(2)
        assert [o.quantity for o in placed(gateway)] == [10.0]

    def test_a_child_that_outlives_an_entry_without_a_fill_is_cancelled(self) -> None:
        """It would hold up the symbol's next entry for ever."""
        gateway, entry = held_child(filled=0.0)
        stop = entry.stop_client_order_id
        for _ in range(4):
            gateway.market_ns += 3 * SECOND
            gateway.answer(gateway.status(stop, "PreSubmitted", why_held="child,trigger"))
            gateway.wait(3)
        assert gateway.orders_sent().count(f"cancel {stop}") == 1
        assert "orphan_stop_cancelled" in gateway.notes()


def test_a_broker_that_refuses_every_stop_gets_few_orders() -> None:
    gateway = Gateway()
    entry = gateway.holding()
    gateway.wait(20)
    gateway.clear()
    gateway.receive(gateway.status(entry.stop_client_order_id, "Cancelled"))
    for _ in range(60):
        newest = placed(gateway)[-1].client_order_id
        if gateway.order(newest).live:
            gateway.receive(gateway.status(newest, "Inactive"))
        gateway.wait(1)
    assert 4 <= len(placed(gateway)) <= 7
    assert "position_unprotected" in gateway.notes()


def test_unprotectable_shares_are_sold_with_the_setting() -> None:
    gateway = Gateway(risk={"flatten_if_unprotectable": True})
    entry = gateway.holding()
    gateway.wait(20)
    gateway.clear()
    gateway.receive(gateway.status(entry.stop_client_order_id, "Cancelled"))
    for _ in range(2):
        gateway.receive(gateway.status(placed(gateway)[-1].client_order_id, "Inactive"))
        gateway.wait(5)
    gateway.wait(5)
    assert [sent for sent in gateway.orders_sent() if sent != "ask"][-1] == "SELL 10 MKT"
    gateway.wait(30)
    assert sum(o.role == "flatten" for o in placed(gateway)) == 1, "once"


class TestBareStop:
    """`entries.native_stp`: a fixed stop first, later replaced by a trailing one."""

    def bare(self) -> tuple[Gateway, EntryPlan]:
        gateway = Gateway(entries={"native_stp": True})
        bracket = {"order_type": "STP", "limit_price": None, "stop_order_type": "STP", "stop_level": 94.5}
        entry = gateway.holding(**bracket)
        gateway.receive(
            gateway.status(entry.stop_client_order_id, "PreSubmitted", why_held="trigger", trail_stop_price=None)
        )
        gateway.wait(20)
        gateway.clear()
        return gateway, entry

    def test_a_native_stp_entry_has_a_fixed_stop(self) -> None:
        gateway, entry = self.bare()
        stop = gateway.order(entry.stop_client_order_id)
        assert (stop.order_type, stop.stop_price) == ("STP", 94.5)

    def test_it_is_replaced_only_well_above_its_level(self) -> None:
        gateway, _ = self.bare()
        gateway.quote(94.5 * 1.02)
        assert gateway.to_broker == []

    def test_the_fixed_stop_is_cancelled_before_the_trailing_one_is_placed(self) -> None:
        gateway, entry = self.bare()
        stop = entry.stop_client_order_id
        gateway.quote(106.0)
        gateway.quote(106.1)
        assert gateway.orders_sent() == [f"cancel {stop}"]
        gateway.receive(gateway.status(stop, "Cancelled"))
        (trailing,) = placed(gateway)
        assert (trailing.order_type, trailing.quantity, trailing.trail_stop_price) == ("TRAIL", 10.0, 94.5)

    def test_the_replacement_continues_after_a_crash(self) -> None:
        gateway, entry = self.bare()
        stop = entry.stop_client_order_id
        gateway.quote(106.0)
        gateway.restart()
        gateway.connect(gateway.completed(stop, "Cancelled"), BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0))
        gateway.clear()
        gateway.wait(20)
        assert [o.order_type for o in placed(gateway)] == ["TRAIL"]

    def test_after_a_refusal_the_fixed_stop_is_placed_again_and_stays(self) -> None:
        gateway, entry = self.bare()
        gateway.quote(106.0)
        gateway.receive(gateway.status(entry.stop_client_order_id, "Cancelled"))
        gateway.receive(gateway.status(placed(gateway)[-1].client_order_id, "Inactive"))
        gateway.wait(4)
        fixed = placed(gateway)[-1]
        assert (fixed.order_type, fixed.stop_price, fixed.quantity) == ("STP", 94.5, 10.0)
        gateway.receive(
            gateway.status(fixed.client_order_id, "PreSubmitted", why_held="trigger", trail_stop_price=None)
        )
        gateway.clear()
        gateway.quote(120.0)
        assert gateway.to_broker == []


class TestLevel:
    def held(self) -> tuple[Gateway, str]:
        gateway = Gateway()
        entry = gateway.holding()
        gateway.market_ns += 5 * SECOND
        gateway.clear()
        return gateway, entry.stop_client_order_id

    def test_a_level_sampled_from_ticks_is_estimated_and_persisted(self) -> None:
        gateway, stop = self.held()
        gateway.quote(110.0)
        assert (gateway.order(stop).trail_stop_price, gateway.order(stop).level_estimated) == (99.0, True)
        gateway.quote(108.0)
        assert [e.order.trail_stop_price for e in gateway.events(OrderUpdated)] == [99.0], "it never falls"
        gateway.receive(gateway.status(stop, "PreSubmitted", why_held="trigger", trail_stop_price=99.5))
        assert (gateway.order(stop).trail_stop_price, gateway.order(stop).level_estimated) == (99.5, False)

    def test_field_18_a_replacement_starts_at_the_sampled_level(self) -> None:
        gateway, stop = self.held()
        gateway.wait(20)
        gateway.quote(110.0)
        gateway.receive(gateway.status(stop, "Cancelled"))
        assert [o.trail_stop_price for o in placed(gateway)] == [99.0]

    @pytest.mark.parametrize(
        "quote",
        [
            {"bid": 104.0, "ask": 105.0},  # a block print far from the quote
            {"halted": True},
            {"last_ns": 0},
        ],
    )
    def test_quotes_that_do_not_move_the_level(self, quote: dict[str, Any]) -> None:
        gateway, stop = self.held()
        gateway.quote(110.0, **quote)
        assert gateway.order(stop).trail_stop_price == 94.5


class TestRenewal:
    def test_a_gtc_stop_is_changed_before_the_broker_ends_it(self) -> None:
        gateway = Gateway()
        entry = gateway.holding()
        gateway.wait(20)
        gateway.clear()
        gateway.market_ns += RENEW_AFTER_NS
        gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.01))
        gateway.answer_as_known()
        assert gateway.orders_sent() == ["ask", "SELL 10 TRAIL"]
        gateway.receive(gateway.status(entry.stop_client_order_id, "PreSubmitted", why_held="trigger"))
        gateway.clear()
        gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.02))
        assert gateway.to_broker == [], "its lifetime starts again"


def test_field_31_stops_are_rounded_by_the_brokers_grid() -> None:
    gateway = Gateway()
    gateway.receive(BrokerMarketRule("TSLA", ((0.0, 0.0001), (1.0, 0.01))))
    assert gateway.events(MarketRule) == [], "as expected"
    gateway.receive(BrokerMarketRule("TSLA", ((0.0, 0.05),)))
    assert gateway.events(MarketRule) == [MarketRule("TSLA", ((0.0, 0.05),))]
    entry = gateway.working()
    gateway.receive(gateway.execution(entry.client_order_id, 10.0, 105.03))
    gateway.receive(gateway.status(entry.client_order_id, "Filled", filled=10.0))
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.03))
    gateway.wait(20)
    gateway.clear()
    gateway.receive(gateway.status(entry.stop_client_order_id, "Cancelled"))
    assert [o.trail_stop_price for o in placed(gateway)] == [94.5]


def test_a_fraction_of_a_share_is_reported_once() -> None:
    gateway = Gateway()
    entry = gateway.working(quantity=10.5)
    gateway.receive(gateway.execution(entry.client_order_id, 10.5, 105.0))
    gateway.receive(gateway.status(entry.client_order_id, "Filled", filled=10.5))
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 10.5, 105.0))
    gateway.receive(gateway.status(entry.stop_client_order_id, "PreSubmitted", why_held="trigger", quantity=10.0))
    gateway.wait(60)
    assert gateway.notes().count("fraction_unprotected") == 1


def test_stops_of_all_entries_since_the_position_was_flat() -> None:
    gateway = Gateway()
    first = gateway.holding(1)
    gateway.receive(gateway.execution(first.stop_client_order_id, 10.0, 94.0))
    gateway.receive(gateway.status(first.stop_client_order_id, "Filled", filled=10.0))
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 0.0, 0.0))
    gateway.market_ns += 60 * SECOND
    second = gateway.holding(2)
    from services.runtime.core import Draft, Now

    entry_id, mine = stops_of(Draft(gateway.state, Now(0, 0)), "TSLA")
    assert (entry_id, [o.client_order_id for o in mine]) == (second.client_order_id, [second.stop_client_order_id])


def test_bare_shares_get_a_stop_although_no_answer_ever_is_complete() -> None:
    """The child ends while the link is down; after it is up again three questions in a row fail."""
    gateway = Gateway()
    entry = gateway.holding()
    gateway.wait(20)
    gateway.receive(BrokerError(-1, 1100, "Connectivity has been lost."))
    gateway.receive(BrokerError(-1, 1102, "Connectivity has been restored."))
    gateway.receive(gateway.status(entry.stop_client_order_id, "Cancelled"))
    gateway.clear()
    for failures in range(1, 6):
        gateway.receive(SnapshotFailed("no complete answer in time", gateway.links().question))
        gateway.wait(5)
        assert bool(placed(gateway)) is (failures >= 3), failures
    assert [o.quantity for o in placed(gateway)] == [10.0], "one, however often it fails"
