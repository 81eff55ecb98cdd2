"""What the broker has forgotten is rebuilt: from its orders, from the stop that rests, from our records."""

from __future__ import annotations

from typing import Any

import pytest

from messages.broker import BrokerPosition, Connected
from messages.interlock import EntriesBlocked, EntriesUnblocked
from messages.market import SessionOpened
from messages.operator import AdoptFound, Happened
from messages.orders import Fill, OrderFilled, PositionUpdated
from services.gateway.book.own_shares import chronological
from services.gateway.book.records import AccountPosition, Block, FillRecord, HeldBack, OrderRecord, Own, Settled
from tests.gateway.scenario import ACCOUNT, DAY, SECOND, UNTIL, Gateway, broker_execution, broker_order, changed

KEY = "CT-TSLA-20250106-1"
STOP = f"{KEY}-S1"
NAMED = "CT.sim-TSLA-20250106-1"
"""A reference that names its fleet."""
HOUR = 3600 * SECOND


def held_by_account(quantity: float, cost: float = 105.0) -> BrokerPosition:
    return BrokerPosition(ACCOUNT, "TSLA", quantity, cost)


def active_stop(**more: Any) -> Any:
    fields: dict[str, Any] = {
        "order_id": 2,
        "perm_id": 10_002,
        "side": "SELL",
        "order_type": "TRAIL",
        "status": "PreSubmitted",
        "why_held": "trigger",
        "trailing_pct": 10.0,
        "trail_stop_price": 95.0,
        "tif": "GTC",
    }
    return broker_order(STOP, **(fields | more))


def away(gateway: Gateway, hours: int = 20) -> None:
    """The fleet is down; market time passes."""
    gateway.disconnect()
    gateway.market_ns += hours * HOUR
    gateway.clear()


def resting() -> Gateway:
    """An entry rests at the broker with its stop, as a complete answer confirmed."""
    gateway = Gateway()
    gateway.working()
    gateway.disconnect()
    gateway.connect(gateway.status(KEY, "PreSubmitted", why_held="trigger"), active_stop(why_held="child,trigger"))
    assert gateway.state.get(Settled, "TSLA") == Settled("TSLA", 0.0, 0.0, gateway.market_ns)
    return gateway


def holding() -> Gateway:
    """Ten shares under their stop, as a complete answer confirmed."""
    gateway = Gateway()
    gateway.holding()
    gateway.wait(12)
    gateway.disconnect()
    gateway.connect(held_by_account(10.0), gateway.status(STOP, "PreSubmitted", why_held="trigger"))
    gateway.clear()
    return gateway


def fills(gateway: Gateway) -> list[Fill]:
    return sorted((record.fill for record in gateway.state.table(FillRecord).values()), key=chronological)


def answers_again(gateway: Gateway, *facts: Any, times: int = 1) -> None:
    for _ in range(times):
        gateway.wait(3)
        gateway.answer(*facts)


class TestEntryFilledAway:
    def test_the_completed_order_counts_its_shares(self) -> None:
        gateway = resting()
        away(gateway)
        ended_ns = gateway.market_ns - 15 * HOUR
        done = gateway.completed(KEY, "Filled Size: 10")
        done = broker_order(**{**_fields(done), "filled": 10.0, "completed_ns": ended_ns})
        gateway.connect(done, active_stop(), held_by_account(10.0))
        (fill,) = fills(gateway)
        assert (fill.quantity, fill.price, fill.time_ns, fill.witness) == (10.0, 105.0, ended_ns, "order")
        assert fill.exec_id == f"synthetic.{KEY}.10.01"
        assert gateway.state.get(Own, "TSLA") == Own("TSLA", 10.0, 1050.0)
        assert (gateway.order(KEY).status, gateway.order(KEY).filled) == ("Filled", 10.0)
        assert gateway.orders_sent() == ["ask"], "its stop stays"
        assert gateway.state.table(Block) == {}
        gateway.wait(60)
        assert [o for o in gateway.orders_sent() if o != "ask"] == []

    def test_the_average_price_counts_if_the_broker_reports_it(self) -> None:
        gateway = resting()
        gateway.receive(gateway.execution(KEY, 4.0, 105.5))
        away(gateway)
        part = gateway.status(KEY, "Submitted", filled=7.0, avg_price=106.0)
        gateway.connect(part, active_stop(quantity=7.0), held_by_account(7.0))
        own = gateway.state.get(Own, "TSLA")
        assert own is not None
        assert (own.quantity, own.cost_usd) == (7.0, pytest.approx(7 * 106.0))
        assert [f.quantity for f in fills(gateway)] == [4.0, 3.0]

    @pytest.mark.parametrize("left", [10.0, 4.0])
    def test_in_no_list_but_its_stop_rests_active_and_the_account_has_shares(self, left: float) -> None:
        gateway = resting()
        live_ns = gateway.market_ns
        away(gateway)
        facts = (active_stop(quantity=left), held_by_account(left))
        gateway.connect(*facts)
        (fill,) = fills(gateway)
        assert (fill.quantity, fill.price, fill.time_ns, fill.witness) == (left, 105.0, live_ns, "order")
        assert gateway.own() == left
        assert gateway.state.table(Block) == {}
        answers_again(gateway, *facts, times=4)
        assert gateway.own() == left
        assert not gateway.order(KEY).live
        assert [o for o in gateway.orders_sent() if o != "ask"] == [], "its stop stays"

    def test_an_entry_that_was_given_up_before_is_found_too(self) -> None:
        gateway = resting()
        away(gateway)
        gateway.connect(active_stop())
        answers_again(gateway, active_stop(), times=3)
        assert gateway.order(KEY).reason == "never_arrived"
        gateway.answer(active_stop(), held_by_account(10.0))
        assert gateway.own() == 10.0

    def test_shares_that_the_account_had_before_are_not_its_own(self) -> None:
        """The entry ended unfilled, its stop outlived it, and the account has shares of somebody else."""
        gateway = Gateway()
        gateway.working()
        gateway.disconnect()
        gateway.connect(
            gateway.status(KEY, "PreSubmitted", why_held="trigger"),
            active_stop(why_held="child,trigger"),
            held_by_account(50.0),
        )
        away(gateway)
        gateway.connect(active_stop(), held_by_account(50.0))
        assert [b.reason for b in gateway.state.table(Block).values()] == ["shares_found"]
        assert gateway.own() == 10.0, "a claim: nobody knows, and the stop stays"

    def test_its_stop_is_gone_but_the_account_has_exactly_its_shares(self) -> None:
        gateway = resting()
        away(gateway)
        gateway.connect(held_by_account(10.0))
        assert gateway.own() == 0.0, "one answer is not enough"
        answers_again(gateway, held_by_account(10.0))
        assert gateway.own() == 10.0
        answers_again(gateway, held_by_account(10.0), times=3)
        gateway.wait(15)
        assert "SELL 10 TRAIL" in gateway.orders_sent()

    def test_no_answer_came_between_the_order_and_the_absence(self) -> None:
        gateway = Gateway()
        gateway.working()
        away(gateway)
        gateway.connect(held_by_account(10.0))
        answers_again(gateway, held_by_account(10.0))
        assert gateway.own() == 10.0

    @pytest.mark.parametrize(("account", "cost"), [(4.0, 107.0), (16.0, 106.0), (4.0, 110.6)])
    def test_any_other_number_of_shares_can_be_somebody_elses(self, account: float, cost: float) -> None:
        """Its stop is gone, too. Even the entry's price proves nothing: a person may have bought at it later."""
        gateway = resting()
        away(gateway)
        gateway.connect(held_by_account(account, cost))
        answers_again(gateway, held_by_account(account, cost))
        assert gateway.own() == 0.0
        (said,) = [m for m in gateway.events(Happened) if m.event == "shares_unexplained"]
        assert (said.level, said.fields) == ("ERROR", {"client_order_id": KEY, "shares": account, "cost": cost})
        gateway.wait(60)
        assert [o for o in gateway.orders_sent() if o != "ask"] == []

    def test_what_others_bought_as_the_broker_tells_is_not_its_own(self) -> None:
        gateway = resting()
        away(gateway)
        theirs = broker_execution("", 6.0, 106.0, client_id=0, order_id=0, time_ns=gateway.market_ns)
        gateway.connect(held_by_account(16.0), theirs)
        answers_again(gateway, held_by_account(16.0), theirs)
        assert gateway.own() == 10.0
        assert gateway.state.table(Block) == {}, "ten are exactly its shares"
        assert gateway.state.table(FillRecord)[f"synthetic.{KEY}.10"].fill.witness == "order"

    @pytest.mark.parametrize(("account", "cost"), [(30.0, 35.5), (2.0, 532.5), (3.0, 319.5)])
    def test_a_split_followed(self, account: float, cost: float) -> None:
        gateway = resting()
        away(gateway)
        gateway.connect(held_by_account(account, cost))
        answers_again(gateway, held_by_account(account, cost))
        (bought,) = fills(gateway)
        assert (bought.quantity, bought.price) == (10.0, pytest.approx(106.5)), "the audit does the rest"

    def test_nothing_is_found_if_the_account_has_nothing(self) -> None:
        gateway = resting()
        away(gateway)
        gateway.connect()
        answers_again(gateway, times=3)
        assert (gateway.own(), fills(gateway)) == (0.0, [])
        assert gateway.order(KEY).reason == "never_arrived"


class TestStopOutAway:
    def test_the_completed_order_counts(self) -> None:
        gateway = holding()
        away(gateway)
        ended_ns = gateway.market_ns - 3 * HOUR
        done = broker_order(**{**_fields(gateway.completed(STOP, "Filled Size: 10")), "filled": 10.0})
        gateway.connect(broker_order(**{**_fields(done), "completed_ns": ended_ns}))
        sale = fills(gateway)[-1]
        assert (sale.role, sale.side, sale.quantity, sale.price) == ("stop", "SELL", 10.0, 94.5)
        assert (sale.time_ns, sale.witness) == (ended_ns, "order")
        assert gateway.own() == 0.0
        (filled,) = gateway.events(OrderFilled)
        assert filled.realized_usd == pytest.approx(-105.0)

    def test_in_no_list_and_two_answers_lack_exactly_its_shares(self) -> None:
        gateway = holding()
        live_ns = gateway.market_ns
        away(gateway)
        gateway.connect()
        assert gateway.own() == 10.0, "one answer is not enough"
        answers_again(gateway)
        assert gateway.own() == 0.0
        sale = fills(gateway)[-1]
        assert (sale.role, sale.price, sale.time_ns, sale.witness) == ("stop", 94.5, live_ns, "order")
        assert gateway.order(STOP).status == "Filled"
        assert gateway.orders_sent() == ["ask", "ask"]

    def test_what_others_bought_as_the_broker_tells_hides_no_sale(self) -> None:
        gateway = holding()
        away(gateway)
        theirs = broker_execution("", 10.0, 94.0, client_id=0, order_id=0, time_ns=gateway.market_ns)
        gateway.connect(held_by_account(10.0, 94.0), theirs)
        answers_again(gateway, held_by_account(10.0, 94.0), theirs)
        assert gateway.own() == 0.0
        assert fills(gateway)[-1].role == "stop"

    @pytest.mark.parametrize(("theirs", "own"), [(5.0, 0.0), (2.0, 3.0)])
    def test_nor_are_they_claimed_after_a_lost_ledger(self, theirs: float, own: float) -> None:
        """A completed order says that fifteen were bought, an execution that ten were sold."""
        gateway = Gateway(cold=True)
        done = broker_order(KEY, status="Filled", quantity=0.0, order_id=0, filled=15.0, completed_status="Filled")
        sale = broker_execution(
            STOP, 10.0, 95.0, side="SELL", order_id=2, perm_id=10_002, exec_id="0000e0d5.9.01", cum_quantity=10.0
        )
        others = broker_execution("", theirs, 94.0, client_id=0, order_id=0, exec_id="0000e0d5.8.01")
        gateway.connect(sale, others, done, held_by_account(5.0))
        assert gateway.own() == own

    def test_it_sold_in_part_before_a_split_that_ended_it(self) -> None:
        gateway = holding()
        away(gateway)
        facts = (held_by_account(8.0, 52.5),)
        gateway.connect(*facts)
        answers_again(gateway, *facts)
        sale = fills(gateway)[-1]
        assert (sale.role, sale.side, sale.quantity) == ("stop", "SELL", 6.0)
        assert gateway.own() == 4.0, "the audit does the rest"

    def test_foreign_shares_do_not_hide_it(self) -> None:
        gateway = holding()
        gateway.answer(held_by_account(35.0), gateway.status(STOP, "PreSubmitted", why_held="trigger"))
        away(gateway)
        gateway.connect(held_by_account(25.0))
        answers_again(gateway, held_by_account(25.0))
        assert gateway.own() == 0.0

    def test_shares_that_a_person_bought_since_the_last_answer_do_not_hide_it(self) -> None:
        gateway = holding()
        gateway.receive(held_by_account(16.0))
        away(gateway)
        gateway.connect(held_by_account(6.0))
        answers_again(gateway, held_by_account(6.0))
        assert gateway.own() == 0.0

    @pytest.mark.parametrize(
        ("left", "cost", "own"),
        [
            (4.0, 103.0, 0.0),  # the stop sold ten, and a person bought four
            (4.0, 107.0, 0.0),
            (4.0, 105.0, 10.0),  # a sale leaves the cost: the stop was cancelled, and a person sold six
            (4.0, 105.01, 10.0),  # (as the broker rounds it)
            (4.0, 132.0, 10.0),  # as after a reverse split
            (4.0, 0.0, 10.0),  # the cost is not known
            (12.0, 103.0, 10.0),  # nothing is lacking: a person may have cancelled the stop
        ],
    )
    def test_a_purchase_by_hand_meanwhile_does_not_hide_it(self, left: float, cost: float, own: float) -> None:
        gateway = holding()
        away(gateway)
        gateway.connect(held_by_account(left, cost))
        assert gateway.own() == 10.0, "one answer is not enough"
        answers_again(gateway, held_by_account(left, cost))
        assert gateway.own() == own

    @pytest.mark.parametrize("record", [Settled("TSLA", 10.0, 9.0, 1, 105.0), Settled("TSLA", 10.0, 10.0, 1)])
    def test_the_cost_says_nothing_if_it_is_of_other_shares(self, record: Settled) -> None:
        gateway = holding()
        away(gateway)
        gateway.state.apply([(Settled, "TSLA", record)])
        gateway.connect(held_by_account(4.0, 103.0))
        answers_again(gateway, held_by_account(4.0, 103.0))
        assert gateway.own() == 10.0

    @pytest.mark.parametrize("second", [4.0, 10.0])
    def test_two_answers_that_differ_prove_nothing(self, second: float) -> None:
        gateway = holding()
        away(gateway)
        gateway.connect()
        answers_again(gateway, held_by_account(second))
        assert gateway.own() == 10.0

    def test_a_sale_by_hand_leaves_the_stop_resting(self) -> None:
        gateway = holding()
        away(gateway, 1)
        facts = (gateway.status(STOP, "PreSubmitted", why_held="trigger"),)
        gateway.connect(*facts)
        answers_again(gateway, *facts, times=2)
        assert [f.side for f in fills(gateway)] == ["BUY"], "not a stop-out"

    def test_a_stop_that_we_cancelled_has_not_sold(self) -> None:
        gateway = holding()
        order = gateway.order(STOP)
        cancelled = OrderRecord(**{**_fields(order), "cancel_reason": "flatten"})
        gateway.state.apply([(OrderRecord, STOP, cancelled)])
        away(gateway)
        gateway.connect()
        answers_again(gateway)
        assert [f.side for f in fills(gateway)] == ["BUY"]


class TestTrueExecutions:
    def synthetic(self) -> Gateway:
        gateway = resting()
        away(gateway)
        gateway.connect(active_stop(), held_by_account(10.0))
        gateway.clear()
        return gateway

    def true(self, number: int, quantity: float, cum: float, price: float = 104.0) -> Any:
        return broker_execution(KEY, quantity, price, exec_id=f"0000e0d5.{number}.01", cum_quantity=cum, perm_id=10_001)

    def test_one_replaces_the_synthetic_fill(self) -> None:
        gateway = self.synthetic()
        gateway.receive(self.true(1, 10.0, 10.0))
        assert [(f.witness, f.price) for f in fills(gateway)] == [("execution", 104.0)]
        assert gateway.state.get(Own, "TSLA") == Own("TSLA", 10.0, 1040.0)
        gone, true = gateway.events(OrderFilled)
        assert (gone.fill.quantity, gone.fill.exec_id) == (0.0, f"synthetic.{KEY}.10.02")
        assert (true.corrects, true.own, true.cost_usd) == (f"synthetic.{KEY}.10.01", 10.0, 1040.0)
        gateway.clear()
        gateway.receive(self.true(1, 10.0, 10.0))
        assert gateway.messages == [], "it comes again in every answer"

    def test_several_replace_it_bit_by_bit(self) -> None:
        gateway = self.synthetic()
        gateway.receive(self.true(1, 4.0, 4.0))
        assert gateway.own() == 10.0
        assert [(f.quantity, f.witness) for f in fills(gateway)] == [(4.0, "execution"), (6.0, "order")]
        gateway.receive(self.true(2, 6.0, 10.0, 106.0))
        assert [(f.quantity, f.witness) for f in fills(gateway)] == [(4.0, "execution"), (6.0, "execution")]
        assert gateway.state.get(Own, "TSLA") == Own("TSLA", 10.0, 1052.0)

    def test_a_sale_in_between_gets_its_true_profit(self) -> None:
        gateway = self.synthetic()
        gateway.receive(gateway.execution(STOP, 10.0, 95.0))
        assert gateway.events(OrderFilled)[0].realized_usd == pytest.approx(-100.0)
        gateway.clear()
        gateway.receive(self.true(1, 10.0, 10.0))
        changes = gateway.events(OrderFilled)
        assert sum(m.realized_usd - m.undone_usd for m in changes) == pytest.approx(10.0)
        assert all(m.corrects for m in changes)
        assert gateway.own() == 0.0

    def test_an_answer_that_repeats_it_changes_nothing(self) -> None:
        gateway = self.synthetic()
        before = fills(gateway)
        answers_again(gateway, active_stop(), held_by_account(10.0), times=3)
        assert fills(gateway) == before


class TestRace:
    def test_a_status_that_overtakes_its_executions_is_not_rebuilt_at_once(self) -> None:
        gateway = resting()
        gateway.receive(gateway.status(KEY, "Filled", filled=10.0, avg_price=105.2))
        assert gateway.state.get(HeldBack, KEY) is not None
        gateway.answer(active_stop(), held_by_account(10.0))  # asked before
        assert gateway.own() == 0.0

    def test_but_by_an_answer_to_a_later_question(self) -> None:
        gateway = resting()
        gateway.receive(gateway.status(KEY, "Filled", filled=10.0, avg_price=105.2))
        gateway.wait(12)
        gateway.answer(active_stop(), held_by_account(10.0))
        (fill,) = fills(gateway)
        assert (fill.quantity, fill.price, fill.witness) == (10.0, pytest.approx(105.2), "order")
        assert gateway.order(KEY).status == "Filled"
        assert gateway.state.get(HeldBack, KEY) is None

    def test_nor_if_that_answer_has_the_executions(self) -> None:
        gateway = resting()
        gateway.receive(gateway.status(KEY, "Filled", filled=10.0, avg_price=105.2))
        gateway.wait(12)
        gateway.answer(gateway.execution(KEY, 10.0, 105.2), active_stop(), held_by_account(10.0))
        assert [f.witness for f in fills(gateway)] == ["execution"]


class TestMemoryLost:
    def test_a_resting_stop_is_a_claim(self) -> None:
        gateway = Gateway(cold=True)
        gateway.connect(active_stop(), held_by_account(10.0, 104.0))
        (fill,) = fills(gateway)
        assert (fill.client_order_id, fill.quantity, fill.price, fill.witness) == (KEY, 10.0, 104.0, "stop")
        (block,) = gateway.state.table(Block).values()
        assert (block.reason, block.symbol) == ("shares_found", "TSLA")
        assert block.figures == {"shares": 10.0, "price": 104.0, "stop_level": 95.0}
        assert STOP in block.text
        assert [m.symbol for m in gateway.events(EntriesBlocked)] == ["TSLA"]
        answers_again(gateway, active_stop(), held_by_account(10.0, 104.0), times=3)
        assert len(gateway.state.table(Block)) == 1
        assert [o for o in gateway.orders_sent() if o != "ask"] == [], "the stop stays"

    @pytest.mark.parametrize(
        ("stop", "account", "own"), [(10.0, 4.0, 4.0), (10.0, 60.0, 10.0), (10.0, 0.0, 0.0), (10.0, 4.7, 4.0)]
    )
    def test_the_claim_is_the_smaller_of_stop_and_account(self, stop: float, account: float, own: float) -> None:
        gateway = Gateway(cold=True)
        gateway.connect(active_stop(quantity=stop), held_by_account(account))
        assert gateway.own() == own

    def test_without_a_cost_the_price_follows_from_the_level(self) -> None:
        gateway = Gateway(cold=True)
        gateway.connect(active_stop(), held_by_account(10.0, 0.0))
        assert fills(gateway)[0].price == pytest.approx(95.0 / 0.9)

    def test_what_the_stop_sold_today_belongs_to_the_claim(self) -> None:
        gateway = Gateway(cold=True)
        sold = broker_execution(
            STOP, 4.0, 95.0, side="SELL", order_id=2, perm_id=10_002, exec_id="0000e0d5.9.01", cum_quantity=4.0
        )
        gateway.connect(sold, active_stop(filled=4.0), held_by_account(6.0, 104.0))
        assert gateway.state.get(Own, "TSLA") == Own("TSLA", 6.0, pytest.approx(624.0))

    def test_a_round_trip_of_today_leaves_nothing_and_blocks_nothing(self) -> None:
        gateway = Gateway(cold=True)
        sold = broker_execution(
            STOP, 10.0, 95.0, side="SELL", order_id=2, perm_id=10_002, exec_id="0000e0d5.9.01", cum_quantity=10.0
        )
        gateway.connect(sold)
        assert (gateway.own(), gateway.state.table(Block)) == (0.0, {})

    @pytest.mark.parametrize(("hours", "own"), [(1, 7.0), (30, 2.0)])
    def test_shares_that_are_there_days_later_are_no_old_purchase(self, hours: int, own: float) -> None:
        """Five were sold whose purchase nobody tells, and two are held: five more can be anybody's after a day."""
        gateway = Gateway(cold=True)
        old = "CT-TSLA-20250103-1"
        before_ns = gateway.market_ns - 48 * HOUR
        sale = broker_execution(f"{old}-S1", 5.0, 95.0, side="SELL", exec_id="0000e0d5.9.01", time_ns=before_ns)
        bought = broker_execution(KEY, 7.0, 105.0, time_ns=before_ns + HOUR)
        gateway.connect(sale, bought, held_by_account(2.0))
        assert gateway.own() == 2.0
        away(gateway, hours)
        gateway.connect(sale, bought, held_by_account(7.0))
        answers_again(gateway, sale, bought, held_by_account(7.0), times=2)
        assert gateway.own() == own

    def test_shares_bought_today_are_found_by_their_executions(self) -> None:
        gateway = Gateway(cold=True)
        done = broker_order(KEY, status="Filled", quantity=0.0, order_id=0, filled=10.0, completed_status="Filled")
        gateway.connect(broker_execution(KEY, 10.0, 105.0), done, active_stop(), held_by_account(10.0))
        assert [f.witness for f in fills(gateway)] == ["execution"]
        assert [b.reason for b in gateway.state.table(Block).values()] == ["shares_found"], "nobody remembers why"

    def test_a_position_that_was_reported_before_is_reported_again_as_own(self) -> None:
        gateway = Gateway(cold=True)
        gateway.receive(Connected((ACCOUNT,), 1, 12))
        gateway.receive(held_by_account(10.0, 104.0))
        gateway.clear()
        gateway.answer(active_stop(), held_by_account(10.0, 104.0))
        assert gateway.events(PositionUpdated) == [PositionUpdated("TSLA", 10.0, 104.0, 10.0, 1040.0)]

    def test_the_operator_accepts(self) -> None:
        gateway = Gateway(cold=True)
        gateway.connect(active_stop(), held_by_account(10.0, 104.0))
        gateway.clear()
        gateway.receive(AdoptFound("TSLA"))
        assert gateway.state.table(Block) == {}
        assert [m.reason for m in gateway.events(EntriesUnblocked)] == ["shares_found"]
        assert fills(gateway)[0].witness == "stop", "it stays visible that the purchase is not known"
        answers_again(gateway, active_stop(), held_by_account(10.0, 104.0), times=2)
        assert gateway.state.table(Block) == {}
        gateway.receive(broker_execution(KEY, 10.0, 103.0))
        assert gateway.state.get(Own, "TSLA") == Own("TSLA", 10.0, 1030.0), "the true execution still replaces it"

    def test_shares_without_a_stop_are_known_from_a_completed_order(self) -> None:
        gateway = Gateway()
        gateway.disconnect()
        done = broker_order(
            NAMED, status="Filled", quantity=0.0, order_id=0, filled=10.0, stop_price=105.0, completed_status="Filled"
        )
        gateway.connect(done, held_by_account(10.0))
        assert [(f.quantity, f.price, f.witness) for f in fills(gateway)] == [(10.0, 105.0, "order")]
        assert [b.reason for b in gateway.state.table(Block).values()] == ["shares_found"]
        gateway.wait(12)
        assert "SELL 10 TRAIL" in gateway.orders_sent()

    def test_completed_orders_that_add_up_to_nothing_are_over(self) -> None:
        gateway = Gateway(cold=True)
        done = {"status": "Filled", "quantity": 0.0, "order_id": 0, "filled": 10.0, "completed_status": "Filled"}
        gateway.connect(
            broker_order(NAMED, **done),
            broker_order(f"{NAMED}-S1", **(done | {"side": "SELL", "perm_id": 78})),
            held_by_account(10.0),
        )
        assert (gateway.own(), list(gateway.state.table(OrderRecord))) == (0.0, [])

    def test_a_completed_order_that_the_ledger_has_dropped_is_no_discovery(self) -> None:
        gateway = Gateway()
        gateway.market_ns += 20 * 24 * HOUR
        gateway.disconnect()
        done = broker_order(
            NAMED,
            status="Filled",
            quantity=0.0,
            order_id=0,
            filled=10.0,
            completed_status="Filled",
            completed_ns=gateway.market_ns - 10 * 24 * HOUR,
        )
        gateway.connect(done, held_by_account(10.0))
        assert gateway.own() == 0.0

    def test_an_entry_that_nobody_remembers_is_taken_back(self) -> None:
        gateway = Gateway(cold=True)
        gateway.connect(
            broker_order(KEY, status="PreSubmitted", why_held="trigger", stop_price=105.0),
            active_stop(why_held="child,trigger"),
            held_by_account(50.0),
        )
        assert gateway.own() == 0.0, "the stop waits for its entry: it claims nothing"
        assert f"cancel {KEY}" in gateway.orders_sent()
        assert gateway.order(KEY).cancel_reason == "found_at_broker"
        assert "found_entry_taken_back" in gateway.notes()

    def test_an_entry_of_another_client_is_left_alone_and_reported(self) -> None:
        gateway = Gateway(cold=True)
        gateway.connect(broker_order(NAMED, status="PreSubmitted", client_id=99))
        assert gateway.orders_sent() == ["ask"]
        assert "other_client_id" in gateway.notes()

    def test_the_client_id_of_orders_that_were_found_can_be_set_afterwards(self) -> None:
        """The records are lost and the configuration has another client id: the remedy that is given works."""
        gateway = Gateway(cold=True)
        found = changed(active_stop(client_id=99), client_order_id=f"{NAMED}-S1")
        gateway.connect(found, held_by_account(10.0))
        assert gateway.order(f"{NAMED}-S1").order_id == 0
        gateway.disconnect()
        gateway.clear()
        gateway.receive(Connected((ACCOUNT,), 1, 99))
        gateway.answer(found, held_by_account(10.0))
        assert gateway.links().phase == "ready"
        assert gateway.order(f"{NAMED}-S1").order_id == found.order_id

    def test_a_sale_whose_purchase_nobody_tells_is_no_claim_of_another_entry(self) -> None:
        """Yesterday's shares were sold today, others were bought: the broker tells the sale and the new purchase."""
        gateway, new = Gateway(cold=True), "CT-TSLA-20250106-2"
        gateway.connect(
            broker_execution(
                STOP, 10.0, 94.0, side="SELL", exec_id="0001.01.01.01", order_id=2, time_ns=DAY.open_ns - SECOND
            ),
            broker_execution(new, 10.0, 105.0, exec_id="0002.01.01.01", order_id=7, perm_id=10_007),
            changed(active_stop(order_id=8, perm_id=10_008), client_order_id=f"{new}-S1"),
            held_by_account(10.0),
        )
        assert gateway.own() == 10.0
        assert gateway.order(new).filled == 10.0
        assert gateway.order(KEY).filled == 10.0
        assert gateway.state.get(Own, "TSLA") == Own("TSLA", 10.0, 1050.0)

    @pytest.mark.parametrize(
        ("sold", "account", "own"),
        [
            (10.0, 0.0, 0.0),
            (10.0, -10.0, -10.0),  # the account is short: there was no purchase
            (10.0, -4.0, -4.0),
        ],
    )
    def test_a_flatten_whose_purchase_nobody_tells(self, sold: float, account: float, own: float) -> None:
        """Shares of an earlier day were sold by the operator's order today, before the ledger was lost."""
        gateway, sale = Gateway(cold=True), "CT-TSLA-20250106-F1"
        time_ns = DAY.open_ns - SECOND
        gateway.connect(
            broker_execution(sale, sold, 94.0, side="SELL", exec_id="0001.01.01.01", order_id=2, time_ns=time_ns),
            *([held_by_account(account)] if account else []),
        )
        assert gateway.own() == own
        assert sum(record.realized_usd for record in gateway.state.table(FillRecord).values()) == 0.0

    def test_that_there_is_nothing_is_told_too(self) -> None:
        gateway = Gateway(cold=True)
        gateway.connect()
        told = gateway.events(PositionUpdated)
        assert PositionUpdated("TSLA", 0.0, 0.0, 0.0) in told
        assert any(isinstance(m, PositionUpdated) for _, m in gateway.core.snapshot(gateway.state, ("TSLA",)))

    def test_shares_of_an_incomplete_history_that_the_account_lacks_are_given_up(self) -> None:
        """The ledger is lost, and the broker tells a purchase whose sale it no longer knows."""
        gateway = Gateway(cold=True)
        purchase = broker_execution(KEY, 10.0, 105.0)
        gateway.connect(purchase)
        gateway.receive(SessionOpened(DAY, UNTIL))
        gateway.quote(100.0)
        assert gateway.own() == 10.0
        for _ in range(30):
            gateway.wait(1)
            if gateway.links().asking:
                gateway.answer(purchase)
        assert gateway.own() == 0.0

    def test_the_symbol_sells_out_under_the_claim(self) -> None:
        gateway = Gateway(cold=True)
        gateway.connect(active_stop(), held_by_account(10.0, 104.0))
        gateway.receive(gateway.execution(STOP, 10.0, 95.0))
        assert gateway.own() == 0.0
        assert gateway.state.get(AccountPosition, "TSLA") is not None


class TestBrokerContradicts:
    """What the broker reported for certain is not guessed away by what an order counts."""

    def test_a_busted_sale_is_no_forgotten_sale(self) -> None:
        gateway = Gateway()
        gateway.holding()
        gateway.receive(gateway.execution(STOP, 10.0, 94.0, exec_id="0002.01.01.01"))
        gateway.receive(gateway.execution(STOP, 0.0, 0.0, exec_id="0002.01.01.02", cum_quantity=0.0))
        assert gateway.own() == 10.0
        gateway.receive(gateway.status(STOP, "Filled", filled=0.0))
        gateway.answer(gateway.completed(STOP, "Filled Size: 10"), held_by_account(10.0))
        assert gateway.own() == 10.0
        assert "fill_rebuilt" not in gateway.notes()

    def test_what_else_a_busted_order_sold_counts_if_the_account_lacks_it(self) -> None:
        """Six of ten were sold on the day before, the rest today; today's sale was annulled."""
        gateway = holding()
        away(gateway)
        ids = {"exec_id": "0002.01.01.02", "order_id": 2, "perm_id": 10_002, "time_ns": gateway.market_ns}
        bust = broker_execution(STOP, 0.0, 0.0, side="SELL", cum_quantity=6.0, **ids)
        done = broker_order(**{**_fields(gateway.completed(STOP, "Filled Size: 10")), "filled": 6.0})
        facts = (bust, done, held_by_account(4.0))
        gateway.connect(*facts)
        assert gateway.own() == 10.0, "one answer is not enough"
        for _ in range(4):
            gateway.wait(12)
            gateway.answer(*facts)
        assert gateway.own() == 4.0
        assert [f.quantity for f in fills(gateway)] == [10.0, 0.0, 6.0]

    def test_the_annulled_sale_may_be_one_that_was_rebuilt(self) -> None:
        gateway = holding()
        away(gateway)
        gateway.connect()
        answers_again(gateway)
        assert gateway.own() == 0.0
        gateway.receive(gateway.execution(STOP, 0.0, 0.0, exec_id="0002.01.01.02", cum_quantity=6.0))
        assert gateway.own() == 4.0
        assert [f.quantity for f in fills(gateway) if f.side == "SELL"] == [6.0, 0.0]

    def test_a_stop_that_sells_more_than_its_entry_bought_is_no_forgotten_purchase(self) -> None:
        """The child has the entry's whole size; the broker ended the entry with 1 share."""
        gateway = Gateway()
        gateway.working()
        gateway.receive(gateway.execution(KEY, 1.0, 105.0))
        gateway.receive(gateway.status(KEY, "Cancelled", filled=1.0))
        gateway.receive(gateway.execution(STOP, 2.0, 94.0))
        assert gateway.own() == -1.0
        gateway.answer(held_by_account(-1.0))
        assert gateway.own() == -1.0


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}
