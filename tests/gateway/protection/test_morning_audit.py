"""The morning audit: a split is adjusted, any other change is reported."""

from __future__ import annotations

from typing import Any

import pytest

from messages.broker import BrokerPosition, PlaceOrder
from messages.market import Session, SessionApproaching, SessionOpened
from messages.operator import Happened
from messages.orders import PositionUpdated
from services.gateway.book.records import AccountPosition, Anchor, Audit, QuoteRecord
from services.gateway.protection.morning_audit import AuditVerdict, compare_positions
from tests.gateway.scenario import ACCOUNT, DAY, SECOND, UNTIL, Gateway


@pytest.mark.parametrize(
    ("quantity", "cost", "prices", "finding"),  # prices: of a trade since the close, then hints
    [
        (10.0, 105.0, [0.0], "same"),
        (20.0, 52.5, [53.0], "split"),
        (20.0, 52.5, [0.0, 53.0], "split"),
        (20.0, 53.5, [53.0], "split"),  # cost preserved within 2 %
        (20.0, 53.6, [53.0], "strange"),
        (20.0, 52.5, [106.0], "strange"),  # the price did not change: ten were bought
        (20.0, 52.5, [0.0], "unconfirmed"),
        (20.0, 52.5, [0.0, 106.0], "unconfirmed"),  # the quote may be from the day before
        (1.0, 1050.0, [1060.0], "split"),  # a reverse split
        (11.0, 105.0 / 1.1, [106.0 / 1.1], "split"),  # ten per cent in shares
        (15.0, 105.0, [106.0], "strange"),
        (4.0, 105.0, [106.0], "strange"),  # sold manually
        (9.9, 105.0, [106.4], "strange"),  # too few to change the cost
        (10.1, 105.0, [105.6], "strange"),
        (0.0, 0.0, [106.0], "strange"),
        (-10.0, 105.0, [106.0], "strange"),
    ],
)
def test_findings_for_ten_shares(quantity: float, cost: float, prices: list[float], finding: str) -> None:
    before = Anchor("TSLA", 10.0, 105.0, 106.0, 0)
    verdict = compare_positions(before, AccountPosition("TSLA", quantity, cost), prices[0], prices[1:])
    assert verdict.finding == finding
    if finding == "split":
        assert verdict == AuditVerdict("split", quantity / 10.0)


REVERSE = [  # shares, shares after, cost, cost after, price, ratio, fraction paid out
    (143.0, 7.35, 35.0, 29.4, 29.6, 0.25, 0.75),  # the cost of the fraction went with it
    (143.0, 7.35, 35.0, 30.03, 29.6, 0.25, 0.75),  # the cost stayed whole
    (143.0, 7.35, 36.0, 29.4, 29.6, 0.25, 0.0),  # rounded up
    (7.0, 10.0, 2.0, 30.0, 31.0, 1 / 3, 1 / 3),  # a seventh of the cost
    (10.0, 10.0, 1.0, 60.0, 61.0, 1 / 6, 2 / 3),
    (19.0, 2.0, 1.0, 20.0, 20.5, 0.1, 0.9),
    (10.0, 10.0, 6.0, 15.0, 15.2, 2 / 3, 2 / 3),  # two of three
    (1000.0, 0.05, 10.0, 5.0, 5.1, 0.01, 0.0),
]


@pytest.mark.parametrize(("had", "cost", "has", "costs", "price", "ratio", "paid_out"), REVERSE)
def test_a_reverse_split_leaves_whole_shares(
    had: float, cost: float, has: float, costs: float, price: float, ratio: float, paid_out: float
) -> None:
    before, after = Anchor("TSLA", had, cost, cost, 0), AccountPosition("TSLA", has, costs)
    verdict = compare_positions(before, after, price)
    assert (verdict.finding, verdict.ratio) == ("split", pytest.approx(ratio))
    assert verdict.paid_out == pytest.approx(paid_out, abs=1e-5)
    assert compare_positions(before, after, 0.0).finding == "unconfirmed"
    assert compare_positions(before, after, cost).finding == "strange", "the price knows nothing of it"


@pytest.mark.parametrize(
    ("has", "costs"),
    [
        (34.0, 29.4),  # a share is missing besides
        (37.0, 29.4),  # one too many
        (35.0, 7.35),  # sold manually
        (33.5, 29.4),  # a fraction is left, and not the right one
        (35.0, 0.0),
    ],
)
def test_changes_that_only_look_like_a_split(has: float, costs: float) -> None:
    before = Anchor("TSLA", 143.0, 7.35, 7.4, 0)
    assert compare_positions(before, AccountPosition("TSLA", has, costs), 29.6).finding == "strange"


class TestMorning:
    def night(self) -> tuple[Gateway, str]:
        """Ten shares held over the close at 106, their stop at 95.4."""
        gateway = Gateway()
        entry = gateway.holding()
        stop = entry.stop_client_order_id
        gateway.receive(gateway.status(stop, "PreSubmitted", why_held="trigger", trail_stop_price=95.4))
        gateway.quote(106.0)
        gateway.closed()
        gateway.market_ns += 17 * 3600 * SECOND
        gateway.clear()
        return gateway, stop

    def morning(self, gateway: Gateway, stop: str, quantity: float, cost: float, **quote: Any) -> None:
        gateway.receive(SessionApproaching(DAY))
        assert gateway.orders_sent() == ["ask"]
        if quote:
            gateway.quote(**quote)
        gateway.answer(
            gateway.status(stop, "PreSubmitted", why_held="trigger"), BrokerPosition(ACCOUNT, "TSLA", quantity, cost)
        )
        self.second_answer(gateway)

    def second_answer(self, gateway: Gateway) -> None:
        """While the broker is asked again: the same answer. Fewer shares than ours need one more."""
        assert self.changed(gateway) == [], "one answer adjusts nothing"
        for _ in range(2):
            gateway.wait(2)
            if gateway.links().asking:
                gateway.answer_as_known()

    def changed(self, gateway: Gateway) -> list[tuple[str, float, float | None]]:
        orders = [c.order for c in gateway.to_broker if isinstance(c, PlaceOrder)]
        return [(o.client_order_id, o.quantity, o.trail_stop_price) for o in orders]

    def test_an_unchanged_position_passes(self) -> None:
        gateway, stop = self.night()
        self.morning(gateway, stop, 10.0, 105.0)
        assert (self.changed(gateway), dict(gateway.state.table(Audit))) == ([], {})
        assert gateway.notes() == ["audit_passed"]

    def test_field_42_a_split_adjusts_shares_level_and_quantity_before_the_open(self) -> None:
        gateway, stop = self.night()
        self.morning(gateway, stop, 20.0, 52.5, last=53.0)
        assert self.changed(gateway) == [(stop, 20.0, 47.7)]
        assert gateway.own() == 20.0
        assert gateway.events(PositionUpdated)[-1].own == 20.0
        (note,) = [happened for happened in gateway.events(Happened) if happened.event == "split_mended"]
        assert (note.fields["own_was"], note.fields["own_is"]) == (10.0, 20.0)
        gateway.receive(gateway.status(stop, "PreSubmitted", why_held="trigger", quantity=20.0, trail_stop_price=47.7))
        assert gateway.order(stop).trail_stop_price == 47.7

    def test_field_52_a_machine_that_went_off_soon_after_the_fill_and_a_split_over_night(self) -> None:
        """The close was never reported, so the session is still the day before's: its end counts."""
        gateway = Gateway()
        stop = gateway.holding().stop_client_order_id
        gateway.state.apply([(Anchor, "TSLA", None)])
        gateway.restart()
        gateway.market_ns += 17 * 3600 * SECOND
        gateway.connect(
            gateway.status(stop, "PreSubmitted", why_held="trigger"), BrokerPosition(ACCOUNT, "TSLA", 20.0, 52.5)
        )
        assert gateway.state.get(Anchor, "TSLA") != Anchor("TSLA", 20.0, 52.5, 0.0, gateway.market_ns), "not from today"
        gateway.clear()
        gateway.wait(15)
        gateway.receive(SessionApproaching(DAY))
        gateway.quote(53.0)
        gateway.confirm()
        assert self.changed(gateway)[0] == (stop, 20.0, 47.25), "half of 94.5"
        assert gateway.own() == 20.0

    def test_a_live_position_is_an_anchor_at_once(self) -> None:
        gateway = Gateway()
        gateway.holding()
        anchor = gateway.state.get(Anchor, "TSLA")
        assert anchor is not None
        assert (anchor.account, anchor.avg_cost) == (10.0, 105.0)

    def test_a_stop_adjusted_by_the_broker_is_not_adjusted_twice(self) -> None:
        """Two shares became one: the broker doubled the level over night, and four times the old one would trigger."""
        gateway, stop = self.night()
        gateway.receive(gateway.status(stop, "PreSubmitted", why_held="trigger", quantity=5.0, trail_stop_price=190.8))
        self.morning(gateway, stop, 5.0, 210.0, last=212.0)
        assert self.changed(gateway) == [(stop, 5.0, 190.8)]
        assert gateway.own() == 5.0

    @pytest.mark.parametrize(("account", "is_", "paid_out"), [(10.0, 3.0, 1 / 3), (14.0, 3.0, 2 / 3)])
    def test_fractions_are_paid_out(self, account: float, is_: float, paid_out: float) -> None:
        """Whole shares are left and are own; beside foreign shares no fraction is own."""
        gateway = Gateway()
        stop = gateway.holding().stop_client_order_id
        gateway.receive(BrokerPosition(ACCOUNT, "TSLA", account, 105.0))
        gateway.receive(gateway.status(stop, "PreSubmitted", why_held="trigger", trail_stop_price=95.4))
        gateway.quote(106.0)
        gateway.closed()
        gateway.market_ns += 17 * 3600 * SECOND
        gateway.clear()
        self.morning(gateway, stop, float(account // 3), 315.0, last=318.0)
        assert self.changed(gateway) == [(stop, is_, 286.2)]
        assert gateway.own() == is_
        assert gateway.events(PositionUpdated)[-1].own == is_
        (note,) = [happened for happened in gateway.events(Happened) if happened.event == "split_mended"]
        assert note.fields["paid_out"] == pytest.approx(paid_out, abs=1e-5)
        gateway.receive(gateway.status(stop, "PreSubmitted", why_held="trigger", quantity=is_, trail_stop_price=286.2))
        gateway.wait(600)
        assert "position_disputed" not in gateway.notes()

    def test_without_a_price_the_audit_waits(self) -> None:
        gateway, stop = self.night()
        old = {"last": 106.0, "last_ns": gateway.market_ns - 17 * 3600 * SECOND, "bid": 0.0, "ask": 0.0}
        self.morning(gateway, stop, 20.0, 52.5, **old)
        assert self.changed(gateway) == []
        assert gateway.notes().count("split_unconfirmed") == 1
        gateway.quote(**old)
        gateway.quote(106.0, last_ns=old["last_ns"], bid=52.0, ask=54.0)
        assert self.changed(gateway) == [(stop, 20.0, 47.7)]
        assert gateway.notes().count("split_unconfirmed") == 1

    def test_without_a_trade_since_the_restart_the_anchor_keeps_its_price(self) -> None:
        """Else nothing could confirm a split in the morning, and the stop would sell at the open."""
        gateway = Gateway()
        gateway.holding()
        gateway.restart()
        gateway.state.apply([(QuoteRecord, "TSLA", None)])
        gateway.closed()
        anchor = gateway.state.get(Anchor, "TSLA")
        assert anchor is not None
        assert anchor.price == 100.0

    def test_a_stop_placed_before_the_split_is_confirmed_does_not_sell_at_the_first_trade(self) -> None:
        """The broker cancelled the stop for the split, and the session opens before anybody trades."""
        gateway, stop = self.night()
        old = {"last": 106.0, "last_ns": gateway.market_ns - 17 * 3600 * SECOND, "bid": 0.0, "ask": 0.0}
        gateway.receive(gateway.status(stop, "Cancelled"))
        self.morning(gateway, stop, 20.0, 52.5, **old)
        gateway.receive(SessionOpened(DAY, UNTIL))
        gateway.wait(15)
        gateway.confirm()
        (new, *_) = self.changed(gateway)
        assert new == (f"{stop[:-1]}2", 10.0, 47.7), "half of 95.4"
        gateway.receive(gateway.status(new[0], "PreSubmitted", why_held="trigger", trail_stop_price=47.7))
        gateway.clear()
        gateway.quote(53.0)
        gateway.wait(2)
        gateway.confirm()
        assert gateway.own() == 20.0
        assert self.changed(gateway)[-1] == (new[0], 20.0, 47.7), "not a quarter"

    def test_the_brokers_close_confirms_a_split(self) -> None:
        gateway, stop = self.night()
        old = {"last": 106.0, "last_ns": gateway.market_ns - 17 * 3600 * SECOND, "bid": 0.0, "ask": 0.0}
        self.morning(gateway, stop, 20.0, 52.5, close=53.0, **old)
        assert self.changed(gateway) == [(stop, 20.0, 47.7)]

    def test_any_other_change_is_reported_and_nothing_is_changed(self) -> None:
        gateway, stop = self.night()
        self.morning(gateway, stop, 15.0, 105.0, last=106.0)
        assert self.changed(gateway) == []
        assert "audit_failed" in gateway.notes()
        assert gateway.events(PositionUpdated)[-1].account_quantity != gateway.own(), "which freezes its entries"

    def test_a_stop_whose_change_is_refused_before_the_open_is_cancelled(self) -> None:
        gateway, stop = self.night()
        self.morning(gateway, stop, 20.0, 52.5, last=53.0)
        gateway.clear()
        gateway.error(stop, 10326)
        assert gateway.orders_sent() == [f"cancel {stop}"]

    def test_after_a_morning_without_link_the_next_answer_is_audited(self) -> None:
        gateway, stop = self.night()
        gateway.disconnect()
        gateway.receive(SessionApproaching(DAY))
        assert gateway.to_broker == []
        gateway.connect(
            gateway.status(stop, "PreSubmitted", why_held="trigger"), BrokerPosition(ACCOUNT, "TSLA", 20.0, 52.5)
        )
        gateway.quote(53.0)
        gateway.wait(12)
        gateway.answer_as_known()
        assert self.changed(gateway) == [(stop, 20.0, 47.7)]

    def test_a_stop_from_before_a_split_that_sells_at_the_open(self) -> None:
        """It sells before a price confirms the split: the sale is no part of it, and the rest gets its stop."""
        gateway, stop = self.night()
        old = {"last": 106.0, "last_ns": gateway.market_ns - 17 * 3600 * SECOND, "bid": 0.0, "ask": 0.0}
        self.morning(gateway, stop, 30.0, 35.0, **old)
        day_ns = 24 * 3600 * SECOND
        today = Session("2025-01-07", DAY.open_ns + day_ns, DAY.close_ns + day_ns)
        gateway.market_ns = today.open_ns + SECOND
        gateway.receive(SessionOpened(today, UNTIL + day_ns))
        gateway.confirm()
        gateway.clear()
        gateway.receive(gateway.execution(stop, 10.0, 35.5))
        gateway.receive(gateway.status(stop, "Filled"))
        gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 20.0, 35.0))
        assert gateway.orders_sent() == ["ask"], "the position moved, so it is proved anew"
        gateway.quote(35.5)
        gateway.confirm()
        assert gateway.own() == 20.0
        gateway.confirm_until("SELL")
        assert gateway.orders_sent()[-1] == "SELL 20 TRAIL"
