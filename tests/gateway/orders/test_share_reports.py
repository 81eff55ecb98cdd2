"""Reports of executions, commissions and positions, with all records and messages."""

from __future__ import annotations

from typing import Any

import pytest

from messages.broker import BrokerCommission, BrokerExecution, BrokerOrder, BrokerPosition
from messages.orders import CommissionReported, OrderCancelled, OrderFilled, OrderRecord, OrderUpdated, PositionUpdated
from services.gateway.book.records import (
    AccountPosition,
    Book,
    CommissionSeen,
    Doubt,
    EarlyCommission,
    FillRecord,
    HeldBack,
    Own,
)
from services.gateway.orders.folding import fold_commission, fold_execution, fold_position
from tests.gateway.broker_reports import (
    BOOK,
    EXEC,
    NOTHING,
    Outcome,
    all_changes,
    execution_of,
    fields_of,
    fill_of,
    reported,
)
from tests.gateway.one_decision import ACCOUNT, ENTRY, NOON_NS, READY, STOP, draft, entry, messages_of, note, stop
from tests.gateway.scenario import changed


def folded(execution: BrokerExecution, *records: Any) -> Outcome:
    d = draft(BOOK, *records)
    assert fold_execution(d, execution) == execution.symbol
    return all_changes(d), messages_of(d)


def received(order: OrderRecord, execution: BrokerExecution) -> tuple[str, Any]:
    more = {"price": execution.price, "fill_qty": execution.quantity, "exec_id": execution.exec_id}
    return note("fill_received", **fields_of(order), **more)


BOUGHT = entry(status="Submitted", perm_id=77)
SOLD = stop(status="Submitted", perm_id=78)


class TestExecution:
    def test_a_partial_fill(self) -> None:
        known = changed(BOUGHT, filled=2.0)
        execution = execution_of(known, 4.0, 105.5, avg_price=105.2)
        order = changed(known, filled=6.0, avg_price=105.2, updated_ns=NOON_NS)
        fill = fill_of(execution, order)
        assert folded(execution, known, Own("TSLA", 2.0, 210.0)) == (
            [Own("TSLA", 6.0, 632.0), FillRecord("0000e0d5.1", fill, 0.0), order],
            [("TSLA", OrderFilled(fill, order, 6.0, 632.0, 0.0)), received(order, execution)],
        )

    def test_its_order_id_is_used(self) -> None:
        """The ledger is lost, and the ids of the broker have rolled back."""
        known = changed(BOUGHT, order_id=40)
        (changes, _) = folded(execution_of(known, 4.0, 105.5), known)
        assert changed(BOOK, next_order_id=41) in changes

    @pytest.mark.parametrize("cum", [10.0, 11.0])
    def test_the_last_fill(self, cum: float) -> None:
        known = changed(BOUGHT, filled=6.0)
        execution = execution_of(known, 4.0, 105.5, cum_quantity=cum)
        order = changed(known, filled=cum, avg_price=105.5, updated_ns=NOON_NS)
        (_, messages) = folded(execution, known)
        assert messages[1:] == [received(order, execution), note("order_filled", **fields_of(order), price=105.5)]

    def test_a_fill_that_leaves_half_a_share(self) -> None:
        (_, messages) = folded(execution_of(BOUGHT, 9.5, 105.5), BOUGHT)
        assert [m.event for _, m in messages[1:]] == ["fill_received"]

    def test_a_late_execution_does_not_reduce_filled(self) -> None:
        known = changed(BOUGHT, filled=8.0)
        (writes, _) = folded(execution_of(known, 4.0, 105.5, cum_quantity=4.0), known)
        assert writes[-1].filled == 8.0

    @pytest.mark.parametrize(("perm_id", "reported_id", "then"), [(0, 77, 77), (77, 0, 77), (77, 77, 77)])
    def test_its_perm_id_is_recorded(self, perm_id: int, reported_id: int, then: int) -> None:
        known = changed(BOUGHT, perm_id=perm_id)
        (writes, _) = folded(execution_of(known, 4.0, 105.5, perm_id=reported_id), known, Doubt(ENTRY))
        assert [w.perm_id for w in writes if isinstance(w, OrderRecord)] == [then]
        assert (Doubt, ENTRY) in writes, "it is no longer in doubt"

    @pytest.mark.parametrize(("key", "account"), [("somebody", ACCOUNT), (ENTRY, "DU7654321")])
    def test_a_foreign_execution_is_ignored(self, key: str, account: str) -> None:
        execution = execution_of(BOUGHT, 4.0, 105.5, client_order_id=key, account=account)
        early = EarlyCommission(EXEC, BrokerCommission(EXEC, 1.0, "USD", None))
        assert folded(execution, BOUGHT, early) == ([(EarlyCommission, EXEC)], [])

    def test_of_an_unknown_own_order_is_recorded(self) -> None:
        execution = execution_of(SOLD, 4.0, 94.0)
        order = OrderRecord(
            client_order_id=STOP,
            symbol="TSLA",
            role="stop",
            side="SELL",
            order_type="",
            quantity=4.0,
            tif="",
            filled=4.0,
            avg_price=94.0,
            order_id=2,
            perm_id=78,
            parent_client_order_id=ENTRY,
            created_ns=NOON_NS,
            updated_ns=NOON_NS,
        )
        (writes, messages) = folded(execution, Own("TSLA", 10.0, 1050.0))
        assert writes[-1] == order
        assert messages[0] == note("unknown_own_order", level="WARNING", client_order_id=STOP, order_id=2)
        assert messages[-1] == note("order_filled", **fields_of(order), price=94.0)

    def test_of_an_unknown_own_entry_is_recorded(self) -> None:
        (writes, _) = folded(execution_of(BOUGHT, 4.0, 105.0))
        assert (writes[-1].role, writes[-1].side) == ("entry", "BUY")

    @pytest.mark.parametrize(("cum", "quantity"), [(4.0, 10.0), (12.0, 12.0)])
    def test_of_an_unknown_double_is_recorded(self, cum: float, quantity: float) -> None:
        execution = execution_of(SOLD, 4.0, 94.0, perm_id=99, cum_quantity=cum)
        (writes, messages) = folded(execution, SOLD, changed(READY, client_id=12), Own("TSLA", 10.0, 1050.0))
        (double,) = [w for w in writes if isinstance(w, OrderRecord)]
        assert (double.key, double.quantity, double.filled) == (f"{STOP}~2", quantity, cum)
        assert (double.perm_id, double.cancel_reason) == (99, "double_order")
        (told_,) = [m for _, m in messages if isinstance(m, OrderFilled)]
        assert (told_.fill.client_order_id, told_.own) == (f"{STOP}~2", 6.0)


class TestOwnShares:
    """(shares, cost) before, the execution, (shares, cost) after, the realized profit."""

    @pytest.mark.parametrize(
        ("before", "side", "quantity", "price", "after", "realized"),
        [
            ((0.0, 0.0), "BUY", 10.0, 105.0, (10.0, 1050.0), 0.0),
            ((10.0, 1000.0), "BUY", 5.0, 110.0, (15.0, 1550.0), 0.0),
            ((0.0, 0.0), "BUY", 0.5, 100.0, (0.5, 50.0), 0.0),
            # Sold before it was bought: only the shares beyond that have a cost.
            ((-10.0, 0.0), "BUY", 10.0, 105.0, (0.0, 0.0), 0.0),
            ((-10.0, 0.0), "BUY", 4.0, 105.0, (-6.0, 0.0), 0.0),
            ((-4.0, 0.0), "BUY", 10.0, 105.0, (6.0, 630.0), 0.0),
            ((10.0, 1000.0), "SELL", 4.0, 94.0, (6.0, 600.0), -24.0),
            ((10.0, 1000.0), "SELL", 10.0, 106.0, (0.0, 0.0), 60.0),
            ((10.0, 1000.0), "SELL", 9.5, 100.0, (0.5, 50.0), 0.0),
            ((0.5, 60.0), "SELL", 0.25, 100.0, (0.25, 30.0), -5.0),
            ((10.0, 1000.0), "SELL", 12.0, 101.0, (-2.0, 0.0), 12.0),
            ((0.0, 0.0), "SELL", 10.0, 94.0, (-10.0, 0.0), 0.0),
            ((-1.0, 0.0), "SELL", 10.0, 94.0, (-11.0, 0.0), 0.0),
            ((0.3, 30.0), "SELL", 0.1, 100.0, (0.2, 20.0), 0.0),  # not 0.19999999999999998
            ((0.1, 10.0), "BUY", 0.2, 100.0, (0.3, 30.0), 0.0),
        ],
    )
    def test_own_shares_are_counted(
        self,
        before: tuple[float, float],
        side: str,
        quantity: float,
        price: float,
        after: tuple[float, float],
        realized: float,
    ) -> None:
        order = changed(BOUGHT if side == "BUY" else SOLD, quantity=100.0)
        (writes, messages) = folded(execution_of(order, quantity, price), order, Own("TSLA", *before))
        own, fill, _ = writes
        assert own.quantity == after[0]
        assert own.cost_usd == pytest.approx(after[1])
        assert fill.realized_usd == pytest.approx(realized)
        told_ = messages[0][1]
        assert (told_.own, told_.cost_usd, told_.realized_usd) == (own.quantity, own.cost_usd, fill.realized_usd)
        assert (told_.corrects, told_.undone_usd) == ("", 0.0)

    def test_no_shares_have_no_cost(self) -> None:
        """Seven shares at a seventh of 450 dollars each leave no 6e-14 dollars behind."""
        (writes, _) = folded(execution_of(SOLD, 7.0, 94.0), SOLD, Own("TSLA", 7.0, 450.0))
        assert writes[0] == Own("TSLA", 0.0, 0.0)

    @pytest.mark.parametrize("symbol", ["TSLA", "NVDA"])
    def test_own_shares_are_kept_per_symbol(self, symbol: str) -> None:
        order = changed(BOUGHT, symbol=symbol)
        (writes, _) = folded(execution_of(order, 4.0, 100.0), order)
        assert writes[0] == Own(symbol, 4.0, 400.0)


class TestCorrection:
    """A higher suffix of the same execution replaces it."""

    def first(self, order: OrderRecord, quantity: float, price: float, realized: float = 0.0) -> FillRecord:
        execution = execution_of(order, quantity, price, exec_id="0000e0d5.1.02")
        return FillRecord("0000e0d5.1", fill_of(execution, order), realized)

    @pytest.mark.parametrize("revision", ["01", "02"])
    def test_an_older_revision_is_ignored(self, revision: str) -> None:
        before = self.first(BOUGHT, 10.0, 105.0)
        execution = execution_of(BOUGHT, 10.0, 104.0, exec_id=f"0000e0d5.1.{revision}")
        assert folded(execution, BOUGHT, before, Own("TSLA", 10.0, 1050.0)) == NOTHING

    def test_of_a_purchase(self) -> None:
        known = changed(BOUGHT, filled=10.0)
        before = self.first(BOUGHT, 10.0, 105.0)
        execution = execution_of(BOUGHT, 8.0, 104.0, exec_id="0000e0d5.1.03", cum_quantity=8.0)
        order = changed(known, filled=8.0, avg_price=104.0, updated_ns=NOON_NS)
        fill = fill_of(execution, order)
        corrected = note("execution_corrected", level="WARNING", exec_id=execution.exec_id, price=104.0, qty=8.0)
        assert folded(execution, known, before, Own("TSLA", 15.0, 1550.0)) == (
            [Own("TSLA", 13.0, 1332.0), FillRecord("0000e0d5.1", fill, 0.0), order],
            [
                corrected,
                ("TSLA", OrderFilled(fill, order, 13.0, 1332.0, 0.0, "0000e0d5.1.02", 0.0)),
                received(order, execution),
            ],
        )

    def test_what_is_annulled_is_not_filled(self) -> None:
        """A stop that counted an annulled sale as filled would be enlarged, and then sell more than there is."""
        known = changed(SOLD, filled=4.0)
        execution = execution_of(SOLD, 0.0, 0.0, exec_id="0000e0d5.1.03", cum_quantity=0.0)
        (writes, _) = folded(execution, known, self.first(SOLD, 4.0, 94.0), Own("TSLA", 6.0, 600.0))
        (order,) = [w for w in writes if isinstance(w, OrderRecord)]
        assert (order.filled, order.remaining) == (0.0, known.quantity)

    def test_of_a_price_leaves_what_is_filled(self) -> None:
        known = changed(SOLD, filled=6.0)
        execution = execution_of(SOLD, 4.0, 95.0, exec_id="0000e0d5.1.03", cum_quantity=4.0)
        (writes, _) = folded(execution, known, self.first(SOLD, 4.0, 94.0), Own("TSLA", 6.0, 600.0))
        (order,) = [w for w in writes if isinstance(w, OrderRecord)]
        assert order.filled == 6.0

    def test_of_a_sale(self) -> None:
        before = self.first(SOLD, 4.0, 94.0, -24.0)
        execution = execution_of(SOLD, 4.0, 95.0, exec_id="0000e0d5.1.03")
        (writes, messages) = folded(execution, SOLD, before, Own("TSLA", 6.0, 600.0))
        assert writes[0] == Own("TSLA", 6.0, 600.0)
        told_ = messages[1][1]
        assert (told_.realized_usd, told_.corrects, told_.undone_usd) == (-20.0, "0000e0d5.1.02", -24.0)

    @pytest.mark.parametrize(("side", "own", "then"), [("BUY", (0.3, 30.0), 0.2), ("SELL", (0.1, 10.0), 0.2)])
    def test_leaves_no_rounding_error(self, side: str, own: tuple[float, float], then: float) -> None:
        order = BOUGHT if side == "BUY" else SOLD
        before = self.first(order, 0.1 if side == "BUY" else 0.2, 100.0)
        execution = execution_of(order, 0.0 if side == "BUY" else 0.1, 100.0, exec_id="0000e0d5.1.03")
        (writes, _) = folded(execution, order, before, Own("TSLA", *own))
        assert writes[0].quantity == then


class TestWaitingForAnExecution:
    def test_its_commission_is_applied(self) -> None:
        early = EarlyCommission(EXEC, BrokerCommission(EXEC, 1.25, "USD", None))
        (writes, messages) = folded(execution_of(BOUGHT, 4.0, 105.0), BOUGHT, early)
        assert (EarlyCommission, EXEC) in writes
        assert CommissionSeen(EXEC, 1.25, "USD") in writes
        assert messages[-1] == ("TSLA", CommissionReported(EXEC, ENTRY, "TSLA", 1.25, "USD", None))

    @pytest.mark.parametrize(("counts", "over"), [(3.0, True), (4.0, True), (4.5, False), (5.0, False)])
    def test_the_end_of_its_order_is_applied(self, counts: float, over: bool) -> None:
        end: BrokerOrder = reported(BOUGHT, status="Cancelled", filled=counts)
        (writes, messages) = folded(execution_of(BOUGHT, 4.0, 105.0), BOUGHT, HeldBack(ENTRY, end))
        assert ((HeldBack, ENTRY) in writes) is over
        (order,) = [w for w in writes if isinstance(w, OrderRecord)]
        assert order.status == ("Cancelled" if over else "Submitted")
        assert [type(m) for _, m in messages if isinstance(m, OrderCancelled)] == ([OrderCancelled] if over else [])
        assert not [m for _, m in messages if isinstance(m, OrderUpdated)]

    def test_the_end_waits_for_an_execution_that_a_later_one_counts(self) -> None:
        """Of two sales the first is lost: the second counts both, but own shares still lack the first."""
        known = changed(SOLD, filled=3.0)
        end: BrokerOrder = reported(SOLD, status="Filled", filled=9.0)
        early = execution_of(known, 3.0, 94.0, exec_id="0000e0d5.1.01")
        first = FillRecord("0000e0d5.1", fill_of(early, known), 0.0)
        execution = execution_of(known, 2.0, 94.0, exec_id="0000e0d5.3.01", cum_quantity=9.0)
        records = (first, HeldBack(STOP, end), Doubt(STOP), Own("TSLA", 7.0, 700.0))
        (writes, _) = folded(execution, known, *records)
        assert (HeldBack, STOP) not in writes
        assert (Doubt, STOP) not in writes, "the broker is asked"


class TestCommission:
    EXECUTION = execution_of(BOUGHT, 10.0, 105.0, exec_id="0000e0d5.1.02")
    FILL = FillRecord("0000e0d5.1", fill_of(EXECUTION, BOUGHT), 0.0)

    def commission(self, revision: str = "02", amount: float = 1.25) -> BrokerCommission:
        return BrokerCommission(f"0000e0d5.1.{revision}", amount, "CAD", -3.5)

    def folded(self, commission: BrokerCommission, *records: Any) -> Outcome:
        d = draft(*records)
        fold_commission(d, commission)
        return all_changes(d), messages_of(d)

    def test_is_reported(self) -> None:
        commission = self.commission()
        assert self.folded(commission, self.FILL) == (
            [CommissionSeen(commission.exec_id, 1.25, "CAD", -3.5)],
            [("TSLA", CommissionReported(commission.exec_id, ENTRY, "TSLA", 1.25, "CAD", -3.5))],
        )

    def test_waits_for_its_execution(self) -> None:
        assert self.folded(self.commission()) == ([EarlyCommission("0000e0d5.1.02", self.commission())], [])

    def test_that_is_pending_is_ignored(self) -> None:
        assert self.folded(self.commission(amount=-1.0), self.FILL) == NOTHING
        assert self.folded(self.commission(amount=-1.0)) == NOTHING

    @pytest.mark.parametrize("amount", [1.0, 0.0, -0.5])
    def test_may_be_zero_or_negative(self, amount: float) -> None:
        (_, messages) = self.folded(self.commission(amount=amount), self.FILL)
        assert [m.commission for _, m in messages] == [amount]

    @pytest.mark.parametrize(("revision", "news"), [("01", False), ("02", False), ("03", True)])
    def test_replaces_an_older_revision(self, revision: str, news: bool) -> None:
        seen = CommissionSeen("0000e0d5.1.02", 1.0, "CAD")
        commission = self.commission(revision)
        reported = CommissionReported(commission.exec_id, ENTRY, "TSLA", 1.25, "CAD", -3.5, 1.0)
        assert self.folded(commission, self.FILL, seen) == (
            ([CommissionSeen(commission.exec_id, 1.25, "CAD", -3.5)], [("TSLA", reported)]) if news else NOTHING
        )


class TestPosition:
    def folded(self, execution: BrokerPosition, *records: Any) -> Outcome:
        d = draft(*records)
        assert fold_position(d, execution) == execution.symbol
        return all_changes(d), messages_of(d)

    def test_is_reported_with_the_own_shares(self) -> None:
        execution = BrokerPosition(ACCOUNT, "TSLA", 0.1 + 0.2, 105.0)
        position = AccountPosition("TSLA", 0.3, 105.0)
        for own, count in (([], 0.0), ([Own("TSLA", 0.25, 26.0)], 0.25)):
            assert self.folded(execution, BOOK, *own) == (
                [position],
                [("TSLA", PositionUpdated("TSLA", 0.3, 105.0, count))],
            )
        assert self.folded(execution, BOOK, position) == NOTHING

    @pytest.mark.parametrize(("fields", "news"), [({}, False), ({"quantity": 11.0}, True), ({"avg_cost": 104.0}, True)])
    def test_is_reported_when_it_changes(self, fields: dict[str, float], news: bool) -> None:
        before = AccountPosition("TSLA", 10.0, 105.0)
        execution = changed(BrokerPosition(ACCOUNT, "TSLA", 10.0, 105.0), **fields)
        assert bool(self.folded(execution, BOOK, before)[1]) is news

    @pytest.mark.parametrize(("account", "book", "ours"), [("DU7654321", BOOK, False), ("DU7654321", Book(), True)])
    def test_of_another_account_is_ignored(self, account: str, book: Book, ours: bool) -> None:
        (writes, _) = self.folded(BrokerPosition(account, "TSLA", 10.0, 105.0), book)
        assert bool(writes) is ours
        assert bool(self.folded(BrokerPosition(account, "TSLA", 10.0, 105.0))[0]) is True
