"""Whether a stop may be cancelled or made smaller: rule A, case by case and for any figures."""

from __future__ import annotations

import ast
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages.orders import OrderRecord
from services.gateway.book.records import AccountPosition, Change, Doubt, Evidence, FlattenRecord, Own
from services.gateway.orders.cancels import Release
from services.gateway.protection.permission import NoRelease, permit
from tests.architecture.layout import SOURCES, name_of
from tests.gateway.one_decision import DOWN, ENTRY, NOON_NS, OPEN, READY, STOP, draft, entry, fill, held, quoted, stop
from tests.gateway.scenario import DAY, SECOND, changed

OTHER = "CT-TSLA-20250105-1"
SECOND_STOP = f"{ENTRY}-S2"
DONE = entry(status="Filled", filled=10.0)


def decided(records: list[Any], reason: str = "orphan_stop", remaining: float = 0.0, **now: Any) -> str:
    """'' if it is permitted, else the reason of the refusal."""
    d = draft(OPEN, READY, *records, **now)
    order = d.get(OrderRecord, STOP) or stop()
    found = permit(d, order, reason, remaining)
    assert isinstance(found, NoRelease) or found == Release(STOP, remaining)
    return found.reason if isinstance(found, NoRelease) else ""


UNCONFIRMED = [Evidence(symbol="TSLA", quantity=0.0), Own("TSLA"), stop()]


class TestEvidence:
    @pytest.mark.parametrize("records", [[stop()], UNCONFIRMED, [Evidence(symbol="TSLA"), stop()]])
    def test_nothing_is_taken_away_before_two_answers_agree(self, records: list[Any]) -> None:
        assert decided(records) == "unconfirmed"
        assert decided(records, "too_large", 5.0) == "unconfirmed"

    def test_no_shares_need_no_stop(self) -> None:
        assert decided([*held(0.0), stop()]) == ""


class TestClaims:
    """The most that any witness says is ours."""

    @pytest.mark.parametrize(
        ("records", "answer"),
        [
            ([*held(0.0, 10.0), stop()], "shares_held"),  # own shares are lost from memory
            ([*held(0.0, 10.0), DONE, stop()], "shares_held"),
            ([*held(10.0), fill(), DONE, stop()], "shares_held"),
            ([*held(0.0, 25.0), entry(status="Cancelled"), stop()], ""),  # all foreign: the entry bought nothing
            ([*held(0.0, 25.0), entry(status="Cancelled", reason="Filled"), stop()], "shares_held"),  # completed
            ([*held(0.0, 25.0), entry(status="Cancelled", reason="never_arrived"), stop()], "shares_held"),
            ([*held(0.0, 25.0), entry(), Doubt(ENTRY), stop()], "shares_held"),
            ([*held(0.0, 25.0), entry(), stop()], ""),  # it waits for its trigger
            ([*held(10.0), fill(), DONE, stop(), stop(SECOND_STOP)], ""),  # a duplicate: the other one protects
            ([*held(10.0), fill(), DONE, stop(), stop(SECOND_STOP, status="InFlight")], "shares_held"),
            ([*held(10.0), fill(), DONE, stop(), stop(SECOND_STOP, cancel_reason="x")], "shares_held"),
            ([*held(10.0), fill(), DONE, stop(), stop(SECOND_STOP), Doubt(SECOND_STOP)], "shares_held"),
            (
                [*held(10.0), fill(), DONE, stop(), stop(SECOND_STOP), Change(SECOND_STOP, "TSLA", 4.0, "sent")],
                "shares_held",
            ),
            # Stops of different entries add up.
            ([*held(10.0, 20.0), stop(), stop(f"{OTHER}-S1", parent_client_order_id=OTHER)], "shares_held"),
            ([*held(10.0, 10.0), stop(), stop(f"{OTHER}-S1", parent_client_order_id=OTHER)], ""),
        ],
    )
    def test_what_may_be_cancelled(self, records: list[Any], answer: str) -> None:
        assert decided(records) == answer

    @pytest.mark.parametrize(
        ("own", "remaining", "answer"),
        [
            (4.0, 0.0, ""),  # whichever of the two is cancelled
            (5.0, 0.0, "shares_held"),  # it may be the larger one
            (10.0, 6.0, ""),  # the smaller one would grow
            (10.0, 5.0, "shares_held"),
            (9.0, 5.0, ""),
        ],
    )
    def test_of_two_orders_with_one_id_it_may_reach_either(self, own: float, remaining: float, answer: str) -> None:
        small = stop(f"{STOP}~2", quantity=4.0)
        assert decided([*held(own), fill(quantity=own), stop(), small], "too_large", remaining) == answer

    @pytest.mark.parametrize(("order_id", "answer"), [(2, "shares_held"), (5, "")])
    def test_the_smaller_one_is_cancelled_by_an_id_of_its_own(self, order_id: int, answer: str) -> None:
        large = stop(f"{STOP}~2", order_id=order_id)
        assert decided([*held(), fill(), stop(quantity=4.0), large]) == answer

    def test_a_change_names_what_the_order_has_sold(self) -> None:
        """Eleven in all are ten more of the first, but only five more of the other."""
        other = stop(f"{STOP}~2", quantity=16.0, filled=6.0)
        assert decided([*held(15.0), fill(quantity=15.0), stop(filled=1.0), other], "too_large", 10.0) == "shares_held"

    def test_the_orders_count_shares_that_no_execution_explains(self) -> None:
        forgotten = entry(OTHER, status="Filled", filled=7.0, order_id=5)
        assert (
            decided([*held(3.0, 10.0), fill(quantity=3.0), DONE, stop(), forgotten], "too_large", 3.0) == "shares_held"
        )

    @pytest.mark.parametrize(("remaining", "answer"), [(4.0, ""), (3.0, "shares_held"), (9.0, "")])
    def test_a_stop_shrinks_to_the_shares_that_are_left(self, remaining: float, answer: str) -> None:
        assert decided([*held(10.0, 4.0), fill(), DONE, stop()], "too_large", remaining) == answer

    def test_a_sale_at_the_market_protects_nothing(self) -> None:
        assert decided([stop(role="flatten", order_type="MKT")]) == ""


class TestOrderedSale:
    @pytest.mark.parametrize(("records", "answer"), [([], "not_now"), ([FlattenRecord(symbol="TSLA")], "")])
    def test_an_ordered_sale_may_take_the_stop(self, records: list[Any], answer: str) -> None:
        assert decided([*held(), stop(), *records], "flatten") == answer

    def test_but_not_while_the_sale_must_wait(self) -> None:
        late = {"market_ns": DAY.close_ns - 14 * SECOND}
        assert decided([*held(), stop(), FlattenRecord(symbol="TSLA")], "flatten", **late) == "not_now"


class TestExchange:
    HOLDS = (*held(), stop(), quoted(106.0))

    @pytest.mark.parametrize("reason", ["modify_refused", "exchanged", "stuck_child"])
    def test_another_stop_may_replace_it(self, reason: str) -> None:
        assert decided([*self.HOLDS], reason) == ""

    @pytest.mark.parametrize(
        "records",
        [
            [changed(OPEN, phase="closed")],
            [DOWN],
            [changed(READY, broker_up=False)],
            [changed(READY, data_up=False)],
            [changed(READY, up_since_ns=5000 * SECOND - 1, up_since_market_ns=NOON_NS)],
            [quoted(96.0)],  # less than 2 % above the stop
            [quoted(106.0, halted=True)],
            [changed(OPEN, close_ns=NOON_NS + 60 * SECOND)],
            [changed(OPEN, open_ns=NOON_NS + 1)],
            [changed(OPEN, break_ns=(NOON_NS - 1, NOON_NS + 1))],
            [Own("TSLA", 0.5)],
        ],
    )
    def test_not_now(self, records: list[Any]) -> None:
        assert decided([*self.HOLDS, *records], "modify_refused") == "not_now"

    def test_a_child_that_never_works_takes_nothing_away(self) -> None:
        child, proved = stop(why_held="child,trigger"), changed(READY, waiting=(STOP,))
        assert decided([*held(), child, proved, quoted(90.0)], "stuck_child") == ""
        late = {"market_ns": DAY.close_ns - SECOND}
        assert decided([*held(), child, proved], "stuck_child", **late) == "", "no price and no hour matters"

    @pytest.mark.parametrize(
        ("shares", "last", "answer"),
        [
            (10.0, 106.0, ""),
            (10.0, 95.0, "not_now"),  # the other one may go, which protects well
            (9.0, 95.0, ""),  # which would make the account short
            (11.0, 95.0, ""),  # which leaves a share bare
            (11.0, 94.0, "not_now"),
        ],
    )
    def test_of_two_orders_with_one_id_the_one_that_works_may_go(self, shares: float, last: float, answer: str) -> None:
        child, proved = stop(why_held="child,trigger"), changed(READY, waiting=(STOP,))
        at = [*held(shares), child, stop(f"{STOP}~2"), quoted(last)]
        assert decided([*at, proved], "stuck_child") == answer
        assert decided(at, "stuck_child") == "not_now"

    def test_a_child_that_no_answer_shows_beside_the_end_of_its_entry_may_work_by_now(self) -> None:
        assert decided([*held(), stop(why_held="child,trigger"), quoted()], "stuck_child") == "not_now"


@settings(max_examples=400, deadline=None)
@given(
    own=st.integers(0, 30),
    account=st.integers(-5, 40),
    stops=st.lists(
        st.tuples(st.integers(1, 30), st.sampled_from([ENTRY, OTHER]), st.booleans()), min_size=1, max_size=4
    ),
    remaining=st.integers(0, 29),
    confirmed=st.booleans(),
)
def test_never_leaves_shares_bare_that_a_witness_claims(
    own: int, account: int, stops: list[tuple[int, str, bool]], remaining: int, confirmed: bool
) -> None:
    orders = [
        stop(
            f"{parent}-S{number}",
            quantity=float(quantity),
            parent_client_order_id=parent,
            status="PreSubmitted" if works else "InFlight",
        )
        for number, (quantity, parent, works) in enumerate(stops)
    ]
    first = orders[0]
    proved = Evidence(symbol="TSLA", quantity=float(account), answers=2 if confirmed else 1)
    d = draft(OPEN, READY, Own("TSLA", float(own)), AccountPosition("TSLA", float(account), 1.0), *orders, proved)
    found = permit(d, first, "too_large", float(remaining))
    if not isinstance(found, Release):
        return
    assert confirmed
    left = remaining + sum(o.quantity for o in orders[1:] if o.status == "PreSubmitted")
    groups = [max([o.quantity for o in orders if o.parent_client_order_id == e], default=0.0) for e in (ENTRY, OTHER)]
    assert left >= math.floor(max(0, min(account, max(own, sum(groups)))))


def calls_of(name: str) -> set[str]:
    """The files that call this."""
    return {
        name_of(path)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and (getattr(node.func, "id", "") == name or getattr(node.func, "attr", "") == name)
    }


def test_only_this_file_makes_a_release() -> None:
    assert calls_of("Release") == {"services/gateway/protection/permission.py"}


def test_only_one_file_sends_cancels() -> None:
    """Of the fleet: `crazy rescue` works without it, by a person's command."""
    senders = {name for name in calls_of("CancelOrder") if name.startswith("services/gateway/")}
    assert senders == {"services/gateway/orders/cancels.py"}
