"""Stops: which are needed, as a table and as a property; and when the gateway may act."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages.broker import BrokerPosition, PlaceOrder
from messages.orders import OrderRecord
from services.gateway.protection.plan import Action, CancelStop, PlaceStop, ResizeStop, covered, plan, protects
from tests.gateway.scenario import ACCOUNT, Gateway


def stop(quantity: float, status: str = "PreSubmitted", *, key: str = "S1", **more: Any) -> OrderRecord:
    fields: dict[str, Any] = {
        "symbol": "TSLA",
        "role": "stop",
        "side": "SELL",
        "order_type": "TRAIL",
        "why_held": "trigger",
    }
    return OrderRecord(client_order_id=key, quantity=quantity, status=status, **(fields | more))


def short(actions: list[Action]) -> list[str]:
    commands = []
    for action in actions:
        match action:
            case PlaceStop(quantity):
                commands.append(f"place {quantity:g}")
            case ResizeStop(order, quantity):
                commands.append(f"resize {order.key} to {quantity:g}")
            case CancelStop(order, reason):
                commands.append(f"cancel {order.key}: {reason}")
    return commands


@pytest.mark.parametrize(
    ("status", "why_held", "yes"),
    [
        ("PreSubmitted", "", True),
        ("PreSubmitted", "trigger", True),
        ("Submitted", "", True),
        ("PreSubmitted", "child", False),
        ("PreSubmitted", "child,trigger", False),
        ("PreSubmitted", "locate", False),
        ("InFlight", "", False),
        ("PendingSubmit", "", False),
        ("PendingCancel", "", False),
    ],
)
def test_statuses_that_protect(status: str, why_held: str, yes: bool) -> None:
    assert protects(stop(10, status, why_held=why_held)) is yes
    assert not protects(stop(10, status, why_held=why_held, cancel_reason="duplicate_stop")), "asked to stop"


@pytest.mark.parametrize(
    ("own", "account", "sells", "entry_live", "wanted"),
    [
        (10, 10, [], False, ["place 10"]),
        (10, 10, [stop(10)], False, []),
        (10, 10, [stop(4)], False, ["resize S1 to 10"]),  # never a second stop while one is not terminal
        (10, 10, [stop(4, filled=1)], False, ["resize S1 to 11"]),
        (10, 10, [stop(14)], False, ["resize S1 to 10"]),
        (10, 10, [stop(14, filled=4)], False, []),
        (6, 6, [stop(14, filled=4)], False, ["resize S1 to 10"]),
        (10, 10, [stop(10, created_ns=1), stop(10, key="S2", created_ns=2)], False, ["cancel S2: duplicate_stop"]),
        (10, 10, [stop(10, created_ns=2), stop(10, key="S2", created_ns=1)], False, ["cancel S1: duplicate_stop"]),
        # The oldest goes if the other one alone protects; neither, if each of them is needed.
        (10, 10, [stop(4, created_ns=1), stop(10, key="S2", created_ns=2)], False, ["cancel S1: duplicate_stop"]),
        (10, 10, [stop(6, created_ns=1), stop(8, key="S2", created_ns=2)], False, ["resize S2 to 4"]),
        # A cancel by a common id may end either.
        (10, 10, [stop(4, order_id=7), stop(10, key="S1~2", order_id=7)], False, ["resize S1~2 to 6"]),
        (4, 4, [stop(4, order_id=7), stop(10, key="S1~2", order_id=7)], False, ["cancel S1~2: duplicate_stop"]),
        (20, 20, [stop(4, order_id=7), stop(10, key="S1~2", order_id=7)], False, ["resize S1~2 to 16"]),
        (0, 0, [stop(10)], False, ["cancel S1: orphan_stop"]),
        (10, 4, [stop(10)], False, ["resize S1 to 4"]),  # a manual sale shrinks the stop at once
        (10, 0, [stop(10)], False, ["cancel S1: orphan_stop"]),
        (10, -5, [stop(10)], False, ["cancel S1: orphan_stop"]),
        (10, 25, [stop(10)], False, []),  # foreign shares are never stopped
        (10, 4, [], False, []),  # disputed: a stop for missing shares could sell short
        (10, None, [], False, []),
        (10, 10, [], True, []),
        (4, 4, [stop(10)], True, []),
        (10, 10, [stop(4), stop(6, "InFlight", key="S2")], False, []),
        (10, 10, [stop(10, "PendingCancel")], False, []),
        (10, 10, [stop(20), stop(5, "InFlight", key="S2")], False, []),
        (0.5, 0.5, [], False, []),  # a fraction can't be stopped
        (10.5, 10.5, [], False, ["place 10"]),
    ],
)
def test_planned_actions(
    own: float, account: float | None, sells: list[OrderRecord], entry_live: bool, wanted: list[str]
) -> None:
    assert short(plan(own, account, sells, entry_live)) == wanted


@pytest.mark.parametrize(
    ("account", "sells", "wanted"),
    [(4, [], ["place 4"]), (4, [stop(3)], ["resize S1 to 4"]), (4, [stop(4)], []), (0, [], []), (None, [], [])],
)
def test_of_a_disputed_position_only_what_is_proved_gets_a_stop(
    account: float | None, sells: list[OrderRecord], wanted: list[str]
) -> None:
    assert short(plan(10, account, sells, False, proved=True)) == wanted


shares = st.integers(0, 40).map(float)
stops = st.lists(
    st.builds(
        lambda quantity, filled, status, why, n: stop(
            float(quantity), status, why_held=why, filled=float(min(filled, quantity - 1)), key=f"S{n}", created_ns=n
        ),
        st.integers(1, 30),
        st.integers(0, 30),
        st.sampled_from(["PreSubmitted", "Submitted", "InFlight", "PendingCancel"]),
        st.sampled_from(["", "trigger", "child"]),
        st.integers(1, 9),
    ),
    max_size=3,
    unique_by=lambda o: o.key,
)


@given(own=shares, account=st.none() | st.integers(-10, 60).map(float), sells=stops, entry_live=st.booleans())
@settings(max_examples=400, deadline=None)
def test_promise_3_live_sells_never_exceed_own_shares(
    own: float, account: float | None, sells: list[OrderRecord], entry_live: bool
) -> None:
    """No new sell for more than the shares, none while another is unconfirmed, none that makes the account short."""
    may_sell = sum(o.remaining for o in sells)
    actions = plan(own, account, sells, entry_live)
    for action in actions:
        match action:
            case PlaceStop(quantity):
                assert quantity > 0
                assert may_sell + quantity <= math.floor(own)
                assert account is not None
                assert may_sell + quantity <= account
                assert all(protects(o) for o in sells)
                assert not entry_live
                assert not sells, "no second stop while one is not terminal"
            case ResizeStop(order, quantity):
                assert may_sell + quantity - order.quantity <= math.floor(own)
                assert quantity < order.quantity or (account is not None and account >= own), "more needs certainty"
            case CancelStop(order):
                assert order in sells
    if not actions and not entry_live and all(protects(o) for o in sells) and account is not None and account >= own:
        assert covered(sells) == math.floor(own)


class TestProtect:
    """It acts only if that is safe, and then at once."""

    def unprotected(self) -> Gateway:
        """Ten own shares; the stop ended without a request."""
        gateway = Gateway()
        entry = gateway.holding()
        gateway.clear()
        gateway.receive(gateway.status(entry.stop_client_order_id, "Cancelled"))
        return gateway

    def stops_placed(self, gateway: Gateway) -> list[OrderRecord]:
        return [c.order for c in gateway.to_broker if isinstance(c, PlaceOrder)]

    def test_a_dead_stop_is_replaced_at_the_level_it_reached(self) -> None:
        gateway = self.unprotected()
        gateway.wait(20)
        (placed,) = self.stops_placed(gateway)
        assert (placed.side, placed.order_type, placed.quantity, placed.trailing_pct) == ("SELL", "TRAIL", 10.0, 10.0)
        assert (placed.trail_stop_price, placed.tif, placed.parent_id) == (94.5, "GTC", 0)
        assert placed.client_order_id == "CT-TSLA-20250106-1-S2"
        assert "trailing_stop_recreated" in gateway.notes()
        gateway.wait(60)
        assert len(self.stops_placed(gateway)) == 1, "it is on its way, so nothing else is"

    def test_the_level_never_starts_below_the_entrys_percentage(self) -> None:
        """No level was ever reported: 10 % below the average price."""
        gateway = Gateway()
        entry = gateway.working()
        gateway.receive(gateway.execution(entry.client_order_id, 10.0, 105.0))
        gateway.receive(gateway.status(entry.client_order_id, "Filled", filled=10.0))
        gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0))
        gateway.receive(gateway.status(entry.stop_client_order_id, "Cancelled"))
        gateway.clear()
        gateway.wait(20)
        assert [o.trail_stop_price for o in self.stops_placed(gateway)] == [94.5]

    def test_each_new_stop_has_a_new_reference(self) -> None:
        gateway = self.unprotected()
        gateway.wait(20)
        gateway.receive(gateway.status("CT-TSLA-20250106-1-S2", "Cancelled"))
        gateway.wait(20)
        assert [o.client_order_id[-2:] for o in self.stops_placed(gateway)] == ["S2", "S3"]

    @pytest.mark.parametrize(
        "unsafe",
        [
            Gateway.closed,
            Gateway.disconnect,
            lambda g: g.quote(halted=True),
        ],
    )
    def test_no_stop_is_placed_while_it_is_unsafe(self, unsafe: Any) -> None:
        gateway = Gateway()
        entry = gateway.holding()
        unsafe(gateway)
        gateway.receive(gateway.status(entry.stop_client_order_id, "Cancelled"))
        gateway.clear()
        gateway.wait(60)
        assert self.stops_placed(gateway) == []
        assert "position_unprotected" not in gateway.notes(), "it could not be protected, so there is no alert"

    def test_links_must_have_been_up_for_ten_seconds(self) -> None:
        gateway = Gateway()
        entry = gateway.holding()
        gateway.disconnect()
        gateway.machine_ns += 100_000_000_000
        gateway.connect(
            gateway.completed(entry.stop_client_order_id, "Cancelled"), BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0)
        )
        gateway.clear()
        gateway.wait(9)
        assert self.stops_placed(gateway) == []
        gateway.wait(2)
        assert len(self.stops_placed(gateway)) == 1

    def test_shares_uncovered_for_five_seconds_are_reported(self) -> None:
        """The new stop is sent and not confirmed."""
        gateway = self.unprotected()
        gateway.wait(10)
        gateway.clear()
        gateway.wait(6)
        assert "position_unprotected" in gateway.notes()

    def test_a_stop_in_doubt_reserves_and_does_not_protect(self) -> None:
        gateway = Gateway()
        entry = gateway.holding()
        gateway.wait(20)
        gateway.clear()
        gateway.error(entry.stop_client_order_id, 201, "who knows")
        gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.5))
        gateway.wait(20)
        assert self.stops_placed(gateway) == []
        assert "position_unprotected" in gateway.notes()
        stop_there = gateway.status(entry.stop_client_order_id, "PreSubmitted", why_held="trigger")
        gateway.answer(stop_there, BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.5))
        gateway.clear()
        gateway.wait(60)
        assert gateway.to_broker == []
        assert gateway.notes() == []

    def test_field_21_an_oversized_child_is_shrunk_in_place(self) -> None:
        """The entry was cancelled partly filled; the stop is still for all shares."""
        gateway = Gateway()
        entry = gateway.working()
        gateway.receive(gateway.execution(entry.client_order_id, 4.0, 105.0))
        gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 4.0, 105.0))
        gateway.receive(gateway.status(entry.client_order_id, "Cancelled", filled=4.0))
        gateway.receive(
            gateway.status(entry.stop_client_order_id, "PreSubmitted", why_held="trigger", trail_stop_price=94.5)
        )
        gateway.clear()
        gateway.wait(12)
        assert gateway.orders_sent() == ["ask"]
        gateway.answer_as_known()
        gateway.wait(2)
        gateway.answer_as_known()
        assert gateway.orders_sent() == ["ask", "ask", "ask"], "two answers agree, and it is read before it is changed"
        gateway.answer_as_known()
        (resized,) = self.stops_placed(gateway)
        assert (resized.client_order_id, resized.quantity) == (entry.stop_client_order_id, 4.0)
        assert resized.order_id == gateway.order(entry.stop_client_order_id).order_id
        assert resized.parent_id == 0, "field 32: a child whose parent is gone names none"

    def test_no_stop_is_added_while_the_account_has_fewer_shares(self) -> None:
        gateway = Gateway()
        entry = gateway.holding()
        gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 9.0, 105.0))
        gateway.receive(gateway.status(entry.stop_client_order_id, "Cancelled"))
        gateway.clear()
        gateway.wait(60)
        assert self.stops_placed(gateway) == []
        assert "position_unprotected" not in gateway.notes()
        assert "position_disputed" in gateway.notes()

    @pytest.mark.parametrize(("left", "sent"), [(4.0, "SELL 4 TRAIL"), (0.0, "cancel CT-TSLA-20250106-1-S1")])
    def test_field_23_a_manual_sale_shrinks_the_stop(self, left: float, sent: str) -> None:
        gateway = Gateway()
        entry = gateway.holding()
        gateway.wait(20)
        gateway.receive(BrokerPosition(ACCOUNT, "TSLA", left, 105.0))
        gateway.clear()
        gateway.wait(4)
        assert gateway.orders_sent() == [], "its own executions may be on their way"
        gateway.wait(4)
        assert gateway.orders_sent() == ["ask"]
        gateway.answer_as_known()
        assert [c for c in gateway.orders_sent() if c != "ask"] == [], "one answer proves little"
        gateway.confirm_until(sent)
        if left:
            gateway.receive(
                gateway.status(entry.stop_client_order_id, "PreSubmitted", why_held="trigger", quantity=left)
            )
        gateway.wait(60)
        assert [c for c in gateway.orders_sent() if c != "ask"] == [sent]

    def test_a_position_reported_before_its_executions_changes_nothing(self) -> None:
        gateway = Gateway()
        entry = gateway.holding()
        stop = entry.stop_client_order_id
        gateway.wait(20)
        gateway.receive(BrokerPosition(ACCOUNT, "TSLA", 0.0, 0.0))
        gateway.wait(2)
        gateway.receive(gateway.execution(stop, 10.0, 94.0))
        gateway.receive(gateway.status(stop, "Filled", filled=10.0))
        gateway.clear()
        gateway.wait(60)
        assert gateway.messages == []

    def test_the_older_of_two_stops_stays(self) -> None:
        gateway = Gateway()
        entry = gateway.holding()
        second = gateway.status(entry.stop_client_order_id, "PreSubmitted", why_held="trigger", order_id=99, perm_id=99)
        gateway.receive(
            type(second)(
                **{f: getattr(second, f) for f in second.__struct_fields__}
                | {"client_order_id": "CT-TSLA-20250106-1-S2"}
            )
        )
        gateway.clear()
        gateway.wait(10)
        gateway.confirm()
        cancels = [c for c in gateway.orders_sent() if c.startswith("cancel")]
        assert len(cancels) == 1
        gateway.wait(60)
        assert [c for c in gateway.orders_sent() if c.startswith("cancel")] == cancels, "the cancel is on its way"
        assert self.stops_placed(gateway) == []

    def test_held_symbols_are_checked_after_a_restart(self) -> None:
        gateway = Gateway()
        entry = gateway.holding()
        gateway.restart()
        gateway.connect(
            gateway.completed(entry.stop_client_order_id, "Cancelled"), BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0)
        )
        gateway.clear()
        gateway.wait(20)
        assert len(self.stops_placed(gateway)) == 1

    def test_a_lost_stop_is_replaced_even_weeks_later(self) -> None:
        from messages.market import Session, SessionOpened
        from services.gateway.book.expiry import KEEP_NS

        gateway = Gateway()
        entry = gateway.holding()
        gateway.market_ns += 3 * KEEP_NS
        gateway.receive(SessionOpened(Session("2025-02-20", gateway.market_ns, 1 << 62), 1 << 62))
        gateway.clear()
        gateway.receive(gateway.status(entry.stop_client_order_id, "Cancelled"))
        gateway.wait(20)
        assert [o.trail_stop_price for o in self.stops_placed(gateway)] == [94.5]
