"""Two orders with one reference: the second is cancelled at once, and never mistaken for the first.

The tests count the live orders at the broker. A table lists reports that must not be mistaken for a second order.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from messages.broker import BrokerError, BrokerOrder, BrokerPosition, CancelOrder, Connected
from messages.orders import OrderCancelled, OrderFilled
from services.gateway.book.identity import find, is_double, reference_of
from services.gateway.book.records import Book, Change, Doubt, FillRecord, OrderRecord, Own
from tests.gateway.scenario import ACCOUNT, Gateway, broker_execution, changed, plan

PERM = 88_000
"""Of a second order."""


def held() -> tuple[Gateway, str]:
    """Ten shares with their stop, all links up for long."""
    gateway = Gateway()
    entry = gateway.holding()
    gateway.wait(20)
    gateway.clear()
    return gateway, entry.stop_client_order_id


def doubled(gateway: Gateway, key: str, status: str = "PreSubmitted", **more: Any) -> BrokerOrder:
    """The broker's report of a second order with this reference and an id of its own."""
    fields: dict[str, Any] = {
        "perm_id": PERM,
        "order_id": 500,
        "why_held": "trigger" if status == "PreSubmitted" else "",
    }
    return gateway.status(key, status, **(fields | more))


def doubles(gateway: Gateway) -> list[OrderRecord]:
    return [o for o in gateway.state.table(OrderRecord).values() if is_double(o)]


def cancelled(gateway: Gateway) -> list[int]:
    """The order ids that were cancelled."""
    return [c.order_id for c in gateway.to_broker if isinstance(c, CancelOrder)]


@pytest.mark.parametrize("order_id", [500, None])
def test_field_06_a_double_is_cancelled_and_the_first_order_stays(order_id: int | None) -> None:
    """With an id of its own, or with the id of the first."""
    gateway, stop = held()
    first = gateway.order(stop)
    order_id = order_id or first.order_id
    gateway.receive(doubled(gateway, stop, order_id=order_id))
    assert gateway.order(stop) == first, "a report about the second does not change the first"
    (double,) = doubles(gateway)
    assert (double.order_id, double.perm_id) == (order_id, PERM)
    assert reference_of(double) == stop
    assert "double_order" in gateway.notes()
    assert gateway.orders_sent() == ["ask"], "which of them lives is asked at once"
    gateway.answer_as_known()
    assert cancelled(gateway) == [], "one answer proves little"
    gateway.confirm_until("cancel")
    assert cancelled(gateway) == [order_id]
    gateway.receive(doubled(gateway, stop, "Cancelled", order_id=order_id))
    gateway.answer_as_known()
    gateway.wait(60)
    assert cancelled(gateway) == [order_id]
    assert not [c for c in gateway.orders_sent() if c.startswith("SELL")]
    assert gateway.order(stop).live


def test_a_change_becomes_a_second_order() -> None:
    """Real world: the change becomes a second order, and the first works on with its old quantity."""
    gateway = Gateway()
    entry = gateway.working()
    key, stop = entry.client_order_id, entry.stop_client_order_id
    gateway.receive(gateway.execution(key, 4.0, 105.0))
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 4.0, 105.0))
    gateway.receive(gateway.status(key, "Cancelled", filled=4.0))
    gateway.receive(gateway.status(stop, "PreSubmitted", why_held="trigger", trail_stop_price=94.5))
    gateway.wait(12)
    for _ in range(2):
        gateway.answer_as_known()
        gateway.wait(2)
    gateway.answer_as_known()
    assert gateway.orders_sent()[-1] == "SELL 4 TRAIL"
    gateway.clear()
    first = gateway.status(stop, "PreSubmitted", why_held="trigger")
    second = changed(first, quantity=4.0, perm_id=PERM)
    gateway.receive(second)
    gateway.receive(changed(second, status="Cancelled", why_held=""))
    held_now = BrokerPosition(ACCOUNT, "TSLA", 4.0, 105.0)
    gateway.answer(first, held_now)
    assert cancelled(gateway) == [first.order_id], "the change was not made: cancel, confirm, replace"
    gateway.receive(changed(first, status="Cancelled", why_held=""))
    gateway.wait(12)
    assert [c for c in gateway.orders_sent() if c.startswith("SELL")] == ["SELL 4 TRAIL"]


@pytest.mark.parametrize("reaches_first", [False, True])
def test_a_change_that_makes_a_stop_larger_becomes_a_second_order(reaches_first: bool) -> None:
    """Both have one id, and only the larger protects all shares. Nothing is cancelled, whichever a command reaches."""
    gateway = Gateway()
    entry = gateway.working()
    key, stop = entry.client_order_id, entry.stop_client_order_id
    gateway.receive(gateway.execution(key, 10.0, 105.0))
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0))
    gateway.receive(gateway.status(key, "Filled", filled=10.0))
    small = {"why_held": "trigger", "trail_stop_price": 94.5, "quantity": 4.0}
    gateway.receive(gateway.status(stop, "PreSubmitted", **small))
    gateway.wait(12)
    gateway.confirm_until("SELL 10")
    second = gateway.status(stop, "PreSubmitted", why_held="trigger", quantity=10.0, perm_id=PERM)
    gateway.receive(second)
    gateway.clear()
    gateway.confirm_until("SELL 6")
    reached = gateway.status(stop, "PreSubmitted", why_held="trigger") if reaches_first else second
    gateway.receive(changed(reached, quantity=6.0))
    gateway.confirm()
    gateway.wait(60)
    gateway.confirm()
    assert cancelled(gateway) == []
    live = [o.remaining for o in (gateway.order(stop), *doubles(gateway))]
    assert live == ([6.0, 10.0] if reaches_first else [4.0, 6.0])


def test_an_error_of_two_orders_with_one_id_refuses_the_change_of_either() -> None:
    gateway, stop = held()
    gateway.receive(doubled(gateway, stop, order_id=gateway.order(stop).order_id))
    (double,) = doubles(gateway)
    gateway.state.apply([(Change, double.key, Change(double.key, "TSLA", 6.0, "sent"))])
    gateway.error(stop, 10326)
    change = gateway.state.get(Change, double.key)
    assert change is not None
    assert change.stage == "refused"
    assert gateway.state.get(Doubt, double.key) is not None


def test_the_cancel_of_a_double_may_end_the_first_order() -> None:
    """Both have one order id. The other is the last one that protects: it stays, and a new one follows it."""
    gateway, stop = held()
    shared = gateway.order(stop).order_id
    second = doubled(gateway, stop, order_id=shared)
    gateway.receive(second)
    gateway.confirm()
    assert cancelled(gateway) == [shared]
    gateway.receive(gateway.status(stop, "Cancelled"))
    gateway.confirm()
    assert cancelled(gateway) == [shared], "it protects the shares"
    assert not [c for c in gateway.orders_sent() if c.startswith("SELL")], "while it lives nothing is added"
    gateway.receive(changed(second, status="Cancelled", why_held=""))
    assert [c for c in gateway.orders_sent() if c.startswith("SELL")] == ["SELL 10 TRAIL"]


def test_sales_of_a_double_change_own_shares_and_the_first_stop_is_cancelled() -> None:
    gateway, stop = held()
    gateway.receive(doubled(gateway, stop))
    gateway.receive(gateway.execution(stop, 10.0, 94.0, perm_id=PERM, order_id=500))
    gateway.receive(doubled(gateway, stop, "Filled", filled=10.0))
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 0.0, 0.0))
    assert gateway.own() == 0
    (event,) = gateway.events(OrderFilled)
    assert (event.fill.client_order_id, event.order.filled, event.realized_usd) == (f"{stop}~2", 10.0, -110.0)
    gateway.confirm()
    assert cancelled(gateway) == [gateway.order(stop).order_id], "its shares are gone"


@pytest.mark.parametrize("heard_of", [True, False])
def test_an_execution_may_be_the_first_report_of_a_double(heard_of: bool) -> None:
    """Part of it sold before any report: it is one order in the book."""
    gateway, stop = held()
    gateway.receive(gateway.execution(stop, 4.0, 94.0, perm_id=PERM, order_id=500))
    if heard_of:
        gateway.receive(doubled(gateway, stop, "Submitted", filled=4.0))
    assert gateway.own() == 6.0
    (double,) = doubles(gateway)
    assert (double.live, double.filled, double.remaining) == (True, 4.0, 6.0)
    assert cancelled(gateway) == []
    assert gateway.order(stop).filled == 0


def test_both_orders_fill_and_the_account_is_short() -> None:
    """It is reported once, nothing more is sold or entered, and a person has to buy the shares back."""
    gateway, stop = held()
    gateway.receive(doubled(gateway, stop))
    gateway.receive(gateway.execution(stop, 10.0, 94.0, perm_id=PERM, order_id=500))
    gateway.receive(gateway.execution(stop, 10.0, 93.9, exec_id="0000e0d5.first.01"))
    gateway.receive(doubled(gateway, stop, "Filled", filled=10.0))
    gateway.receive(gateway.status(stop, "Filled", filled=10.0))
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", -10.0, 93.95))
    for _ in range(2):  # (the first one answers a question from before the executions)
        gateway.answer(BrokerPosition(ACCOUNT, "TSLA", -10.0, 93.95))
    gateway.clear()
    gateway.wait(600)
    assert gateway.own() == -10.0
    assert gateway.notes() == ["position_oversold"]
    assert gateway.to_broker == []
    gateway.quote()
    gateway.enter(2)
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 0.0, 0.0))  # bought back manually
    gateway.enter(3)
    assert gateway.to_broker == []
    from messages.operator import Adopt

    gateway.receive(Adopt("TSLA", 10.0))
    assert gateway.state.get(Own, "TSLA") == Own("TSLA", 0.0, 0.0)
    gateway.enter(4)
    assert gateway.live_entries() == ["CT-TSLA-20250106-4"]


def test_a_sale_reported_before_its_purchase_is_not_oversold() -> None:
    """Executions of one second arrive in reverse order: for a moment own shares are negative."""
    gateway = Gateway()
    entry = gateway.working()
    gateway.wait(20)
    gateway.receive(gateway.execution(entry.stop_client_order_id, 4.0, 94.0))
    gateway.receive(gateway.status(entry.stop_client_order_id, "Submitted", filled=4.0))
    gateway.wait(2)
    gateway.receive(gateway.execution(entry.client_order_id, 10.0, 105.0))
    assert "position_oversold" not in gateway.notes()
    assert gateway.to_broker == [] or not cancelled(gateway)


def test_a_double_of_an_order_that_ended() -> None:
    gateway, stop = held()
    gateway.receive(gateway.status(stop, "Cancelled"))
    gateway.clear()
    gateway.receive(doubled(gateway, stop))
    gateway.confirm()
    assert cancelled(gateway) == [], "it is the only one that protects the shares"
    assert gateway.order(stop).status == "Cancelled"


def test_a_double_of_an_entry() -> None:
    """If it fills before its cancel, all shares are own and the stop grows."""
    gateway = Gateway()
    entry = gateway.working()
    gateway.wait(20)
    key = entry.client_order_id
    gateway.receive(gateway.status(key, "PreSubmitted", perm_id=PERM, order_id=500, why_held="trigger"))
    assert cancelled(gateway) == [500]
    for perm_id, order_id in ((PERM, 500), (10_000 + gateway.order(key).order_id, gateway.order(key).order_id)):
        gateway.receive(
            gateway.execution(key, 10.0, 105.0, exec_id=f"e.{order_id}.01", perm_id=perm_id, order_id=order_id)
        )
        gateway.receive(gateway.status(key, "Filled", perm_id=perm_id, order_id=order_id, filled=10.0))
    gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 20.0, 105.0))
    stop = entry.stop_client_order_id
    gateway.receive(gateway.status(stop, "PreSubmitted", why_held="trigger", trail_stop_price=94.5))
    assert gateway.own() == 20.0
    gateway.answer_as_known()
    assert gateway.orders_sent()[-1] == "SELL 20 TRAIL"


def test_another_clients_double_is_reported_and_not_cancelled() -> None:
    """Order ids are per client: to cancel its number would cancel an order of our own."""
    gateway, stop = held()
    book = gateway.state.get(Book, "book")
    assert book is not None
    gateway.state.apply([(Book, "book", msgspec.structs.replace(book, fleet=""))])  # its references name this fleet
    gateway.receive(doubled(gateway, stop, client_id=13, order_id=gateway.order(stop).order_id))
    assert cancelled(gateway) == []
    (note,) = [m for _, m in gateway.messages if getattr(m, "event", "") == "double_order"]
    assert note.fields["cancelled"] is False  # type: ignore[union-attr]
    assert note.fields["client_id"] == 13  # type: ignore[union-attr]
    gateway.wait(60)
    assert not [c for c in gateway.orders_sent() if c.startswith("SELL")]


def test_a_double_is_known_after_a_restart() -> None:
    gateway, stop = held()
    second = doubled(gateway, stop)
    gateway.receive(second)
    first = gateway.status(stop, "PreSubmitted", why_held="trigger")
    gateway.restart()
    gateway.connect(first, second, BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0))
    assert len(doubles(gateway)) == 1
    assert cancelled(gateway) == [], "it is decided anew on the new link"
    gateway.confirm_until("cancel")
    assert cancelled(gateway) == [500]
    assert "double_order" not in gateway.notes()


def test_a_double_that_the_broker_no_longer_lists_has_ended() -> None:
    gateway, stop = held()
    gateway.receive(doubled(gateway, stop))
    first = gateway.status(stop, "PreSubmitted", why_held="trigger")
    for _ in range(4):
        gateway.answer(first, BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0))
        gateway.wait(3)
    (double,) = doubles(gateway)
    assert not double.live
    assert [e.order.client_order_id for e in gateway.events(OrderCancelled)] == [double.client_order_id]
    assert gateway.order(stop).live


def test_two_unknown_orders_with_one_reference() -> None:
    """The ledger is lost. The older one keeps the reference."""
    gateway, stop = held()
    first = gateway.status(stop, "PreSubmitted", why_held="trigger")
    second = doubled(gateway, stop)
    fresh = Gateway(cold=True)
    fresh.connect(second, first, BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0))
    assert fresh.order(stop).perm_id == first.perm_id
    assert [o.client_order_id for o in doubles(fresh)] == [f"{stop}~2"]
    assert cancelled(fresh) == []


def test_a_second_double_gets_its_own_key() -> None:
    gateway, stop = held()
    gateway.receive(doubled(gateway, stop))
    gateway.receive(doubled(gateway, stop, perm_id=PERM + 1, order_id=501))
    assert [o.client_order_id for o in doubles(gateway)] == [f"{stop}~2", f"{stop}~3"]
    gateway.confirm()
    assert cancelled(gateway) == [500, 501]


@pytest.mark.parametrize("status", ["Cancelled", "Inactive"])
def test_a_double_that_ended_unfilled_is_ignored(status: str) -> None:
    gateway, stop = held()
    gateway.receive(doubled(gateway, stop, status))
    assert (doubles(gateway), gateway.messages) == ([], [])


class TestSameOrder:
    """Whatever its ids are."""

    def check(self, gateway: Gateway, key: str) -> None:
        assert doubles(gateway) == []
        assert cancelled(gateway) == []
        assert gateway.order(key).live
        assert "double_order" not in gateway.notes()

    @pytest.mark.parametrize(
        "ids",
        [
            {"order_id": 500},  # bound again under another id
            {"order_id": 0},  # as another client sees it
            {"order_id": -4},  # as client 0 has bound it
            {"perm_id": 0},  # not acknowledged yet
            {"perm_id": 0, "order_id": 0},
            {"client_id": 13, "order_id": 500},  # placed before our client id was changed
        ],
    )
    def test_the_same_ids(self, ids: dict[str, int]) -> None:
        gateway, stop = held()
        perm_id = gateway.order(stop).perm_id
        gateway.receive(gateway.status(stop, "PreSubmitted", **({"why_held": "trigger"} | ids)))
        self.check(gateway, stop)
        assert gateway.order(stop).perm_id == perm_id
        assert gateway.order(stop).order_id != 0

    @pytest.mark.parametrize("ids", [{}, {"perm_id": 0}, {"order_id": 0}, {"order_id": 0, "perm_id": 0}])
    def test_an_order_without_acknowledgement(self, ids: dict[str, int]) -> None:
        gateway = Gateway()
        key = gateway.enter().client_order_id
        gateway.clear()
        gateway.receive(gateway.status(key, "PreSubmitted", **ids))
        gateway.receive(gateway.status(key, "PreSubmitted"))
        self.check(gateway, key)
        assert gateway.order(key).perm_id == 10_000 + gateway.order(key).order_id

    def test_field_05_order_ids_go_back(self) -> None:
        """The broker's gateway counts from the start again: the ids of resting orders stay."""
        gateway, stop = held()
        event = gateway.status(stop, "PreSubmitted", why_held="trigger")
        gateway.disconnect()
        gateway.receive(Connected((ACCOUNT,), 1, 12))
        gateway.answer(event, BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0))
        self.check(gateway, stop)
        gateway.receive(BrokerError(event.order_id, 399, "of another order that bore this id"))
        self.check(gateway, stop)

    def test_completed_orders_have_no_order_id(self) -> None:
        gateway, stop = held()
        order_id = gateway.order(stop).order_id
        gateway.disconnect()
        gateway.connect(gateway.completed(stop, "Cancelled by Trader"), BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0))
        assert (gateway.order(stop).status, gateway.order(stop).order_id) == ("Cancelled", order_id)
        assert doubles(gateway) == []

    def test_executions_of_the_same_order(self) -> None:
        gateway, stop = held()
        for number, perm_id in enumerate((10_000 + gateway.order(stop).order_id, 0), 1):
            event = broker_execution(
                stop, 1.0, 94.0, side="SELL", exec_id=f"e.{number}.01", perm_id=perm_id, cum_quantity=float(number)
            )
            gateway.receive(changed(event, order_id=gateway.order(stop).order_id))
        self.check(gateway, stop)
        assert gateway.order(stop).filled == 2.0
        assert len(gateway.state.table(FillRecord)) == 3

    def test_an_order_that_was_given_up_appears(self) -> None:
        """It never had a permId, so this one is its own."""
        gateway = Gateway()
        key = gateway.enter().client_order_id
        gateway.restart()
        gateway.connect()
        for _ in range(3):
            gateway.wait(3)
            gateway.answer()
        assert not gateway.order(key).live
        gateway.receive(gateway.status(key, "PreSubmitted"))
        assert doubles(gateway) == []
        assert "late_order_cancelled" in gateway.notes()


def test_an_unacknowledged_order_and_another_with_its_reference() -> None:
    """A ledger was lost, and the reference used a second time: the order that was sent last is kept."""
    gateway = Gateway()
    gateway.receive(gateway.status(gateway.enter().client_order_id, "PreSubmitted", order_id=500, perm_id=PERM))
    (double,) = doubles(gateway)
    assert (double.order_id, cancelled(gateway)) == (500, [500])
    key = plan().client_order_id
    gateway.receive(gateway.status(key, "PreSubmitted"))
    assert gateway.order(key).perm_id != PERM


def test_reports_go_to_the_order_with_their_perm_id() -> None:
    orders = {
        "CT-1": OrderRecord(
            client_order_id="CT-1", symbol="A", role="stop", side="SELL", order_type="TRAIL", quantity=1
        ),
        "CT-2": OrderRecord(
            client_order_id="CT-2", symbol="A", role="stop", side="SELL", order_type="TRAIL", quantity=1
        ),
    }
    orders["CT-1"] = changed(orders["CT-1"], order_id=1, perm_id=10)
    orders["CT-1~2"] = changed(orders["CT-1"], client_order_id="CT-1~2", order_id=1, perm_id=11)
    orders["CT-1~3"] = changed(orders["CT-1"], client_order_id="CT-1~3", order_id=7, perm_id=0)
    for reference, order_id, perm_id, wanted in (
        ("CT-1", 1, 10, "CT-1"),
        ("CT-1", 1, 11, "CT-1~2"),
        ("CT-1", 1, 0, "CT-1"),
        ("CT-1", 7, 12, "CT-1~3"),
        ("CT-1", 0, 12, "CT-1~3"),
        ("CT-1", 8, 12, None),
        ("CT-2", 99, 99, "CT-2"),
        ("CT-3", 1, 10, None),
    ):
        found = find(orders.get, reference, order_id, perm_id)
        assert (found.client_order_id if found else None) == wanted, (reference, order_id, perm_id)
