"""Flattening: what is sold, when, and never twice; and the reports while it waits."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages.broker import BrokerPosition, CancelOrder, PlaceOrder
from messages.market import SessionOpened
from messages.operator import Flatten, Flattening
from messages.orders import OrderRecord
from services.gateway.book.records import FlattenRecord
from services.gateway.core import GatewayCore
from tests.gateway.scenario import ACCOUNT, DAY, UNTIL, Gateway

STOP = "CT-TSLA-20250106-1-S1"
SALE = "CT.sim-TSLA-20250106-F1"


def steady(**more: Any) -> Gateway:
    gateway = Gateway(**more)
    gateway.wait(15)
    return gateway


def phases(gateway: Gateway) -> list[tuple[str, str]]:
    return [(m.phase, m.reason) for m in gateway.events(Flattening)]


def sold(gateway: Gateway, quantity: float, price: float = 99.0, *, whole: bool = True) -> None:
    gateway.receive(gateway.execution(SALE, quantity, price))
    left = gateway.own()
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", left, 105.0 if left else 0.0))
    if whole:
        gateway.receive(gateway.status(SALE, "Filled", filled=gateway.order(SALE).filled))


def test_the_sale_is_sent_after_the_end_of_the_stops_is_confirmed() -> None:
    gateway = steady()
    gateway.holding()
    gateway.clear()
    gateway.receive(Flatten("TSLA"))
    assert gateway.orders_sent() == [f"cancel {STOP}"]
    gateway.receive(gateway.status(STOP, "PendingCancel"))
    assert gateway.orders_sent() == [f"cancel {STOP}"]
    gateway.receive(gateway.status(STOP, "Cancelled"))
    assert gateway.orders_sent() == [f"cancel {STOP}", "SELL 10 MKT"]
    sold(gateway, 10.0)
    assert gateway.own() == 0
    assert phases(gateway) == [("clearing", ""), ("selling", ""), ("done", "")]
    assert gateway.orders_sent() == [f"cancel {STOP}", "SELL 10 MKT"], "nothing follows"
    gateway.wait(60)
    assert len(gateway.to_broker) == 2


def test_a_stop_that_fills_during_the_flatten_leaves_less_to_sell() -> None:
    gateway = steady()
    gateway.holding()
    gateway.receive(Flatten("TSLA"))
    gateway.clear()
    gateway.receive(gateway.execution(STOP, 4.0, 94.0))
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 6.0, 105.0))
    gateway.receive(gateway.status(STOP, "Cancelled", filled=4.0))
    assert gateway.orders_sent() == ["SELL 6 MKT"]


def test_a_stop_that_fills_whole_leaves_nothing_to_sell() -> None:
    gateway = steady()
    gateway.holding()
    gateway.receive(Flatten("TSLA"))
    gateway.clear()
    gateway.receive(gateway.execution(STOP, 10.0, 94.0))
    gateway.receive(gateway.status(STOP, "Filled", filled=10.0))
    assert gateway.orders_sent() == []
    assert phases(gateway) == [("done", "")]


def test_an_unfilled_entry_is_cancelled_with_its_child() -> None:
    gateway = steady()
    entry = gateway.working()
    gateway.clear()
    gateway.receive(Flatten(None))
    assert set(gateway.orders_sent()) == {f"cancel {entry.client_order_id}", f"cancel {STOP}"}
    gateway.receive(gateway.status(entry.client_order_id, "Cancelled"))
    gateway.receive(gateway.status(STOP, "Cancelled"))
    assert phases(gateway)[-1] == ("done", "")
    assert not gateway.state.table(FlattenRecord)


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (Gateway.closed, "session_closed"),
        (Gateway.disconnect, "links_down"),
        (lambda g: g.quote(halted=True), "halted"),
        (lambda g: setattr(g, "market_ns", DAY.close_ns - 1), "session_closed"),
        (lambda g: setattr(g, "stale", True), "clock_stale"),
    ],
)
def test_the_stop_stays_while_a_sale_can_not_be_executed(before: Any, reason: str) -> None:
    gateway = steady()
    gateway.holding()
    before(gateway)
    gateway.clear()
    gateway.receive(Flatten("TSLA"))
    assert gateway.orders_sent() == []
    assert phases(gateway) == [("waiting", reason)]
    gateway.receive(Flatten("TSLA"))
    assert phases(gateway) == [("waiting", reason)], "reported once"
    assert "flatten_waiting" in gateway.notes()


def test_the_sale_goes_out_at_the_open_even_after_a_restart() -> None:
    gateway = steady()
    gateway.holding()
    gateway.closed()
    gateway.receive(Flatten("TSLA"))
    gateway.restart()
    gateway.connect(
        BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0),
        gateway.status(STOP, "PreSubmitted", why_held="trigger"),
        next_order_id=1,
    )
    assert "cancel" not in " ".join(gateway.orders_sent())
    gateway.clear()
    gateway.receive(SessionOpened(DAY, UNTIL))
    assert gateway.orders_sent() == [f"cancel {STOP}"]


def test_the_first_quote_after_a_halt_continues_the_flatten() -> None:
    gateway = steady()
    gateway.holding()
    gateway.quote(halted=True)
    gateway.receive(Flatten("TSLA"))
    gateway.clear()
    gateway.quote(halted=False)
    assert gateway.orders_sent() == [f"cancel {STOP}"]


def test_it_never_sells_more_than_the_account_has() -> None:
    gateway = steady()
    gateway.holding()
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 7.0, 105.0))
    gateway.receive(Flatten("TSLA"))
    gateway.clear()
    gateway.receive(gateway.status(STOP, "Cancelled"))
    assert gateway.orders_sent() == ["SELL 7 MKT"]


def test_it_does_not_touch_foreign_shares_and_orders() -> None:
    gateway = steady()
    gateway.holding()
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 60.0, 105.0))
    gateway.receive(Flatten(None))
    gateway.clear()
    gateway.receive(gateway.status(STOP, "Cancelled"))
    assert gateway.orders_sent() == ["SELL 10 MKT"]


def test_a_waiting_flatten_can_be_withdrawn() -> None:
    gateway = steady()
    gateway.holding()
    gateway.closed()
    gateway.receive(Flatten("TSLA"))
    gateway.clear()
    gateway.receive(Flatten("TSLA", withdraw=True))
    assert phases(gateway) == [("withdrawn", "")]
    gateway.receive(SessionOpened(DAY, UNTIL))
    assert gateway.orders_sent() == []


def test_a_sale_in_doubt_is_not_sent_again() -> None:
    gateway = steady()
    gateway.holding()
    gateway.receive(Flatten("TSLA"))
    gateway.receive(gateway.status(STOP, "Cancelled"))
    gateway.clear()
    gateway.receive(Flatten("TSLA"))
    gateway.wait(9)
    gateway.quote(98.0)
    assert [w for w in gateway.orders_sent() if w != "ask"] == []


def test_after_two_refusals_the_stop_is_placed_again_and_the_operator_alerted() -> None:
    gateway = steady()
    gateway.holding()
    gateway.receive(Flatten("TSLA"))
    gateway.receive(gateway.status(STOP, "Cancelled"))
    gateway.receive(gateway.status(SALE, "Inactive"))
    gateway.clear()
    gateway.receive(gateway.status("CT.sim-TSLA-20250106-F2", "Inactive"))
    assert phases(gateway) == [("failed", "")]
    assert "flatten_failed" in gateway.notes()
    assert gateway.orders_sent() == ["SELL 10 TRAIL"]


def selling() -> Gateway:
    """The sale of a flatten rests at the broker."""
    gateway = steady()
    gateway.holding()
    gateway.receive(Flatten("TSLA"))
    gateway.receive(gateway.status(STOP, "Cancelled"))
    gateway.receive(gateway.status(SALE, "PreSubmitted"))
    gateway.clear()
    return gateway


def test_a_resting_sale_of_shares_that_were_sold_by_hand_is_taken_back() -> None:
    gateway = selling()
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 0.0, 0.0))
    assert f"cancel {SALE}" not in gateway.orders_sent(), "it may be newer than the execution of the sale"
    gateway.confirm_until(f"cancel {SALE}")
    gateway.receive(gateway.status(SALE, "Cancelled"))
    gateway.clear()
    for _ in range(10):
        gateway.confirm()
    assert gateway.own() == 0.0
    assert gateway.state.get(FlattenRecord, "TSLA") is None
    assert set(gateway.orders_sent()) <= {"ask"}


def test_the_rest_of_a_sale_that_was_taken_back_is_sold() -> None:
    """Three of ten shares are sold by hand. That the sale was taken back is no refusal."""
    gateway = selling()
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 7.0, 105.0))
    gateway.confirm_until(f"cancel {SALE}")
    gateway.receive(gateway.status(SALE, "Cancelled"))
    assert gateway.orders_sent()[-1] == "SELL 7 MKT"
    record = gateway.state.get(FlattenRecord, "TSLA")
    assert record is not None
    assert record.refusals == 0


def test_a_position_that_is_reported_before_its_execution_takes_no_sale_back() -> None:
    gateway = selling()
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 0.0, 0.0))
    gateway.receive(gateway.execution(SALE, 10.0, 99.0))
    gateway.receive(gateway.status(SALE, "Filled", filled=10.0))
    gateway.confirm()
    assert not [sent for sent in gateway.orders_sent() if sent.startswith("cancel")]


def test_a_sale_by_hand_meanwhile_is_not_sold_a_second_time() -> None:
    """Three of ten shares are sold by hand, then the flatten sells seven: the account has none for three more."""
    gateway = steady()
    gateway.holding()
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 7.0, 105.0))
    gateway.receive(Flatten("TSLA"))
    gateway.receive(gateway.status(STOP, "Cancelled"))
    assert gateway.order(SALE).quantity == 7.0
    gateway.clear()
    gateway.receive(gateway.execution(SALE, 7.0, 99.0))
    gateway.receive(gateway.status(SALE, "Filled", filled=7.0))
    assert gateway.own() == 3.0
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 0.0, 0.0))
    gateway.confirm()
    assert not [sent for sent in gateway.orders_sent() if sent.startswith("SELL")]


@pytest.mark.parametrize(("market_ns", "sells"), [(-1, False), (0, True)])
def test_before_the_regular_open_the_stop_stays(market_ns: int, sells: bool) -> None:
    """With the pre-market allowed: a market order would wait for the open, and the shares would have no stop."""
    gateway = steady()
    gateway.holding()
    hour = 3600 * 10**9
    extended = msgspec.structs.replace(
        DAY,
        open_ns=DAY.open_ns - 5 * hour,
        close_ns=DAY.close_ns + 4 * hour,
        regular_open_ns=DAY.open_ns,
        regular_close_ns=DAY.close_ns,
    )
    gateway.receive(SessionOpened(extended, UNTIL))
    gateway.market_ns = DAY.open_ns + market_ns
    gateway.clear()
    gateway.receive(Flatten("TSLA"))
    assert any(isinstance(c, CancelOrder) for c in gateway.to_broker) is sells
    assert phases(gateway) == ([("clearing", "")] if sells else [("waiting", "session_closed")])


WORDS = st.lists(
    st.sampled_from(["flatten", "quote", "halt", "close", "open", "drop", "connect", "stop ends", "stop fills",
                     "sale fills", "sale part", "sale ends", "wait"]),
    max_size=25,
)  # fmt: skip


@given(WORDS)
@settings(max_examples=120, deadline=None)
def test_promise_3_own_live_sells_never_exceed_own_shares(events: list[str]) -> None:
    """Any reports of the broker in any order, between the command and its end."""
    gateway = steady()
    gateway.holding()
    for event in ("flatten", *events):
        _receive(gateway, event)
        sells = [o for o in gateway.state.table(OrderRecord).values() if o.live and o.side == "SELL"]
        assert sum(o.remaining for o in sells) <= gateway.own(), event
        assert gateway.own() >= 0
    assert all(isinstance(c, CancelOrder | PlaceOrder) or c for c in gateway.to_broker)


def _receive(gateway: Gateway, event: str) -> None:
    live = [o for o in gateway.state.table(OrderRecord).values() if o.live and o.side == "SELL"]
    stop = next((o for o in live if o.role == "stop"), None)
    sale = next((o for o in live if o.role == "flatten"), None)

    def fills(order: OrderRecord, quantity: float) -> None:
        gateway.receive(gateway.execution(order.client_order_id, quantity, 95.0))
        gateway.receive(BrokerPosition(ACCOUNT, "TSLA", gateway.own(), 105.0))
        if gateway.order(order.client_order_id).remaining <= 0:
            gateway.receive(gateway.status(order.client_order_id, "Filled"))

    match event:
        case "flatten":
            gateway.receive(Flatten("TSLA"))
        case "quote":
            gateway.quote(97.0)
        case "halt":
            gateway.quote(97.0, halted=True)
        case "close":
            gateway.closed()
        case "open":
            gateway.receive(SessionOpened(DAY, UNTIL))
        case "drop":
            gateway.disconnect()
        case "connect":
            held = [BrokerPosition(ACCOUNT, "TSLA", gateway.own(), 105.0)] if gateway.own() else []
            gateway.connect(*held, *(gateway.status(o.client_order_id, "Submitted") for o in live))
        case "stop ends" if stop is not None:
            gateway.receive(gateway.status(stop.client_order_id, "Cancelled"))
        case "stop fills" if stop is not None:
            fills(stop, stop.remaining)
        case "sale fills" if sale is not None:
            fills(sale, sale.remaining)
        case "sale part" if sale is not None and sale.remaining > 1:
            fills(sale, 1.0)
        case "sale ends" if sale is not None:
            gateway.receive(gateway.status(sale.client_order_id, "Cancelled"))
        case "wait":
            gateway.wait(12)


class TestObservingFleet:
    """A flatten from before the restart is reported and kept. It continues once orders are sent again."""

    def started(self, gateway: Gateway, *, observe: bool) -> None:
        """The fleet restarts; orders at the broker stay."""
        live = [gateway.status(o.key, o.status, why_held=o.why_held) for o in self.live(gateway)]
        gateway.core = GatewayCore(msgspec.structs.replace(gateway.core.settings, observe=observe))
        gateway.restart()
        gateway.connect(*live, BrokerPosition(ACCOUNT, "TSLA", gateway.own(), 105.0))
        gateway.receive(SessionOpened(DAY, UNTIL))
        gateway.wait(60)

    def live(self, gateway: Gateway) -> list[OrderRecord]:
        return [o for o in gateway.state.table(OrderRecord).values() if o.live]

    def orders(self, gateway: Gateway) -> list[str]:
        return [command for command in gateway.orders_sent() if command != "ask"]

    def check_kept(self, gateway: Gateway) -> None:
        assert self.orders(gateway) == []
        assert phases(gateway) == [("waiting", "observed")], "reported once, with its reason"
        assert gateway.notes().count("flatten_waiting") == 1
        assert not any(o.cancel_reason for o in self.live(gateway)), "the book has no cancel that was not sent"
        assert gateway.state.get(FlattenRecord, "TSLA") is not None

    def test_a_flatten_that_waited_for_the_open_is_kept(self) -> None:
        gateway = steady()
        gateway.holding()
        gateway.closed()
        gateway.receive(Flatten("TSLA"))
        self.started(gateway, observe=True)
        self.check_kept(gateway)
        self.started(gateway, observe=False)
        assert self.orders(gateway) == [f"cancel {STOP}"]

    def test_a_command_after_the_start_waits(self) -> None:
        """Risk had sent it while this process was down."""
        gateway = steady()
        gateway.holding()
        self.started(gateway, observe=True)
        gateway.receive(Flatten("TSLA"))
        self.check_kept(gateway)

    def test_a_flatten_of_a_resting_entry_waits(self) -> None:
        gateway = steady()
        gateway.working()
        self.started(gateway, observe=True)
        gateway.receive(Flatten(None))
        self.check_kept(gateway)

    def test_an_earlier_sale_at_the_broker_can_fill(self) -> None:
        gateway = steady()
        gateway.holding()
        gateway.receive(Flatten("TSLA"))
        gateway.receive(gateway.status(STOP, "Cancelled"))
        gateway.receive(gateway.status(SALE, "Submitted"))
        self.started(gateway, observe=True)
        sold(gateway, 10.0)
        assert phases(gateway) == [("waiting", "observed"), ("done", "")]
        assert not gateway.state.table(FlattenRecord)

    def test_the_flatten_can_be_withdrawn(self) -> None:
        gateway = steady()
        gateway.holding()
        gateway.closed()
        gateway.receive(Flatten("TSLA"))
        self.started(gateway, observe=True)
        gateway.receive(Flatten("TSLA", withdraw=True))
        assert phases(gateway)[-1] == ("withdrawn", "")
        assert not gateway.state.table(FlattenRecord)
