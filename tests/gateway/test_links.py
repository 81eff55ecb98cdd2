"""Three links, one account: no order is placed before the book is reconciled."""

from __future__ import annotations

from messages.account import LinkChanged, ReconciliationDone
from messages.broker import BrokerError, BrokerPosition, Connected, PlaceOrder, Qualify, RequestSnapshot, StartStreams
from messages.entries import EntryApproved
from messages.market import SessionOpened, Tick
from messages.orders import PositionUpdated
from services.gateway.book.records import Doubt
from tests.gateway.scenario import ACCOUNT, DAY, UNTIL, Gateway, broker_order, plan


def links(gateway: Gateway) -> list[tuple[str, bool]]:
    return [(e.link, e.up) for e in gateway.events(LinkChanged)]


def error(gateway: Gateway, code: int) -> None:
    gateway.receive(BrokerError(-1, code, "as the broker words it"))


def test_the_links_at_a_start() -> None:
    gateway = Gateway(cold=True)
    assert links(gateway) == [("socket", False)]
    assert not gateway.core.ready(gateway.state)
    gateway.receive(Connected((ACCOUNT,), 7, 12))
    assert gateway.to_broker == [Qualify(), StartStreams(ACCOUNT), RequestSnapshot()], "on the wire in this order"
    assert not gateway.core.ready(gateway.state)
    gateway.answer()
    assert gateway.core.ready(gateway.state)
    assert links(gateway) == [("socket", False), ("broker", True), ("data", True), ("socket", True)]
    assert gateway.events(ReconciliationDone) == [ReconciliationDone(ACCOUNT, 0, 0, 0, (), ())]
    assert (gateway.book().account, gateway.book().next_order_id) == (ACCOUNT, 7)


def test_no_tick_before_the_book_is_reconciled_and_numbers_grow() -> None:
    gateway = Gateway(cold=True)
    assert gateway.quote().published == []
    gateway.connect()
    ticks = [gateway.quote(price).published[0][1] for price in (100.0, 101.0)]
    assert [(t.run, t.number, t.last) for t in ticks if isinstance(t, Tick)] == [(1, 1, 100.0), (1, 2, 101.0)]
    gateway.restart()
    gateway.connect()
    ((_, tick),) = gateway.quote().published
    assert isinstance(tick, Tick)
    assert (tick.run, tick.number) == (2, 1)


def test_a_socket_is_lost_and_restored() -> None:
    gateway = Gateway()
    entry = gateway.working()
    gateway.clear()
    gateway.disconnect()
    gateway.disconnect()
    assert links(gateway) == [("socket", False)]
    gateway.receive(Connected((ACCOUNT,), 1, 12))
    assert set(gateway.state.table(Doubt)) == {entry.client_order_id, entry.stop_client_order_id}
    assert gateway.orders_sent() == ["ask"]


def test_field_12_three_links_are_separate() -> None:
    gateway = Gateway()
    error(gateway, 2103)
    error(gateway, 2103)
    error(gateway, 1100)
    error(gateway, 1100)
    error(gateway, 2104)
    error(gateway, 2104)
    assert links(gateway) == [("data", False), ("broker", False), ("data", True)]


def test_a_new_socket_resets_the_other_links() -> None:
    """1100, then the socket closes: no 1102 will follow, and symbols must not wait for one."""
    gateway = Gateway()
    error(gateway, 1100)
    gateway.disconnect()
    gateway.clear()
    gateway.connect()
    assert ("broker", True) in links(gateway)
    assert ("data", True) in links(gateway)


def test_field_02_everything_is_asked_again_after_1101_and_1102() -> None:
    for code in (1101, 1102):
        gateway = Gateway()
        entry = gateway.working()
        error(gateway, 1100)
        gateway.clear()
        error(gateway, code)
        assert gateway.orders_sent() == ["ask"]
        assert not gateway.core.ready(gateway.state)
        missed = gateway.execution(entry.client_order_id, 10.0, 105.0)
        stop = gateway.status(entry.stop_client_order_id, "PreSubmitted", why_held="trigger")
        gateway.answer(missed, gateway.completed(entry.client_order_id, "Filled"), stop)
        assert gateway.core.ready(gateway.state)
        assert gateway.own() == 10.0


def test_an_order_sent_during_an_outage_is_in_doubt() -> None:
    gateway = Gateway()
    gateway.working()
    error(gateway, 1100)
    error(gateway, 1102)
    for _ in range(3):
        gateway.answer()
        gateway.wait(3)
    assert gateway.live_entries() == []


def test_no_order_is_placed_between_1100_and_1102() -> None:
    gateway = Gateway()
    error(gateway, 1100)
    gateway.enter()
    error(gateway, 1102)
    gateway.enter(2)
    assert not [c for c in gateway.to_broker if isinstance(c, PlaceOrder)]
    gateway.answer()
    gateway.enter(3)
    assert gateway.live_entries() == ["CT-TSLA-20250106-3"]


class TestWrongAccount:
    def speak(self, gateway: Gateway) -> None:
        """Every message that could make it send something."""
        gateway.receive(SessionOpened(DAY, UNTIL))
        gateway.quote()
        gateway.receive(EntryApproved(plan(), 1000.0))
        error(gateway, 1100)
        error(gateway, 1102)
        gateway.answer(BrokerPosition("U1", "TSLA", 5.0, 1.0), account="U1")
        gateway.receive(broker_order("CT-TSLA-20250106-9", account="U1"))
        gateway.account_values("U1", NetLiquidation=1.0)
        gateway.wait(60)

    def test_sends_nothing_at_all(self) -> None:
        gateway = Gateway(cold=True, ibkr={"account": ACCOUNT})
        gateway.receive(Connected(("U1",), 1, 12))
        self.speak(gateway)
        assert gateway.to_broker == []
        assert gateway.notes()[0] == "wrong_account"
        assert not gateway.core.ready(gateway.state)
        assert not gateway.events(PositionUpdated)

    def test_the_book_is_bound_to_its_account(self) -> None:
        gateway = Gateway(mode="paper")
        gateway.disconnect()
        gateway.clear()
        gateway.receive(Connected(("DU7654321",), 1, 12))
        self.speak(gateway)
        assert gateway.to_broker == []

    def test_several_accounts_without_a_setting_are_refused(self) -> None:
        gateway = Gateway(cold=True, mode="paper")
        gateway.receive(Connected((ACCOUNT, "DU7654321"), 1, 12))
        assert gateway.to_broker == []
        assert "wrong_account" in gateway.notes()

    def test_the_right_account_ends_the_block(self) -> None:
        gateway = Gateway(cold=True, ibkr={"account": ACCOUNT})
        gateway.receive(Connected(("U1",), 1, 12))
        gateway.disconnect()
        gateway.connect(accounts=("U1", ACCOUNT))
        assert gateway.core.ready(gateway.state)


def test_reports_of_a_closed_connection_are_ignored() -> None:
    gateway = Gateway()
    gateway.disconnect()
    gateway.clear()
    error(gateway, 1102)
    assert gateway.messages == []
