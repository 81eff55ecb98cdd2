"""The table of order states covers every pair of state and report, and the gateway follows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.broker import BrokerOrder, CancelOrder
from messages.orders import LIVE_STATUSES, OrderAccepted, OrderCancelled, OrderFilled, OrderRejected, OrderUpdated
from services.gateway.book.records import NEVER_ARRIVED, Doubt, HeldBack, Links, OrderRecord
from services.gateway.core import GatewayCore
from services.gateway.ibkr.decoding import STATUSES
from services.gateway.orders.diagram import markdown
from services.gateway.orders.folding import fold_absence, fold_order
from services.gateway.orders.states import (
    MEANING,
    TABLE,
    BrokerReport,
    Effect,
    OrderState,
    ReportRow,
    after,
    effect_of,
    report_of,
    state_of,
)
from services.runtime.core import Draft, Now, State
from tests.gateway.scenario import ACCOUNT, Gateway, broker_order

S, R = OrderState, BrokerReport
DOCUMENTED = (
    *("ApiPending", "PendingSubmit", "PendingCancel", "PreSubmitted", "Submitted"),
    *("ApiCancelled", "Cancelled", "Filled", "Inactive"),
)
"""The statuses in IBKR's documentation of `orderStatus`."""
ABSENCES = (R.ABSENT_FILLED, R.ABSENT)
REPORTED = [report for report in R if report not in ABSENCES]
STRANGE = "Suspended"
"""A status that IBKR does not document."""
KEY = "CT-TSLA-20250106-1"
PAIRS = [(state, report) for state in S for report in R]


def status_of(report: BrokerReport) -> str:
    return STRANGE if report is R.UNDOCUMENTED else report.value


def record(state: OrderState, **more: Any) -> OrderRecord:
    """A record in this state."""
    status = {S.GIVEN_UP: "Cancelled", S.UNDOCUMENTED: STRANGE}.get(state, state.value)
    fields: dict[str, Any] = {
        "symbol": "TSLA",
        "role": "entry",
        "side": "BUY",
        "order_type": "STP LMT",
        "quantity": 10.0,
        "status": status,
        "reason": NEVER_ARRIVED if state is S.GIVEN_UP else "",
        "order_id": 1,
        "perm_id": 77,
        "account": ACCOUNT,
    }
    return OrderRecord(client_order_id=KEY, **(fields | more))


class Folded:
    """What one report does to a record, through the code that the gateway's core calls."""

    def __init__(self, known: OrderRecord, event: BrokerOrder | None):
        state = State(GatewayCore.kinds)
        state.apply(
            [
                (OrderRecord, KEY, known),
                (Links, "links", Links(phase="ready", client_id=12)),
                (Doubt, KEY, Doubt(KEY, asked=True, absent=2)),
            ]
        )
        draft = Draft(state, Now(5, 5))
        if event is None:
            fold_absence(draft, known, 3)
        else:
            fold_order(draft, event)
        after_it = draft.get(OrderRecord, KEY)
        assert after_it is not None
        self.order = after_it
        self.waits = draft.get(HeldBack, KEY) is not None
        self.in_doubt = draft.get(Doubt, KEY) is not None
        sent = [message for _, message in draft.decision.messages]
        self.events = [type(m) for m in sent if type(m).__name__.startswith("Order")]
        self.cancelled = any(isinstance(m, CancelOrder) for m in sent)


# The expectation without the table: the rules, status by status.

EVENT_OF_AN_END = {"Filled": OrderUpdated, "Cancelled": OrderCancelled, "Inactive": OrderRejected}


def is_news(state: OrderState, status: str) -> bool:
    """Whether a record in this state takes over the status."""
    if state == "Filled":
        return False  # no report changes a filled order
    if status == "PendingSubmit":
        return state == "InFlight"  # it means only that the order was sent
    if state.value in LIVE_STATUSES or state in ("Inactive", "given up"):
        return True  # neither of these two is an end that the broker confirmed for good
    return status == "Filled"  # a fill counts after every end


def event_of(state: OrderState, status: str) -> type:
    """The event of a status that is news."""
    before = "Cancelled" if state == "given up" else state.value
    if status in ("Cancelled", "Inactive"):
        return OrderUpdated if before == status else EVENT_OF_AN_END[status]
    return OrderAccepted if state == "InFlight" and status in LIVE_STATUSES else OrderUpdated


@pytest.mark.parametrize(("state", "report"), [(s, r) for s in S for r in REPORTED])
@pytest.mark.parametrize("role", ["entry", "stop", "flatten"])
@pytest.mark.parametrize("more_shares", [False, True])
@pytest.mark.parametrize("completed", [False, True])
def test_every_status_in_every_state(
    state: OrderState, report: BrokerReport, role: str, *, more_shares: bool, completed: bool
) -> None:
    status = status_of(report)
    known = record(state, role=role, filled=2.0)
    event = broker_order(
        KEY,
        status=status,
        filled=4.0 if more_shares else 2.0,
        why_held="locate",  # so that even a repeated status has something new
        completed_status=f"{status} by the broker" if completed else "",
    )
    folded = Folded(known, event)
    waits = state.value in LIVE_STATUSES and status in ("Filled", "Cancelled") and more_shares and not completed
    assert folded.waits is waits
    if waits:
        assert (folded.order, folded.events, folded.in_doubt) == (known, [], True)
        return
    assert folded.in_doubt is (status == "PendingSubmit")
    if not is_news(state, status):
        assert (folded.order, folded.events, folded.cancelled) == (known, [], False)
        return
    assert folded.order.status == status
    assert folded.order.live is (status in LIVE_STATUSES)
    assert folded.events == [event_of(state, status)]
    comes_back = status in LIVE_STATUSES and (state == "given up" or (state == "Inactive" and role == "entry"))
    cancelled = comes_back and role != "stop"  # a late stop may protect shares
    assert folded.cancelled is (cancelled and known.side == "BUY")  # (for a sell it is requested, and decided later)
    assert folded.order.cancel_reason == ("came_late" if cancelled else "")
    assert state_of(folded.order) is after(state, report)


@pytest.mark.parametrize("state", list(S))
@pytest.mark.parametrize(("filled", "report"), [(10.0, R.ABSENT_FILLED), (4.0, R.ABSENT)])
def test_an_answer_without_the_order_in_every_state(state: OrderState, filled: float, report: BrokerReport) -> None:
    known = record(state, filled=filled)
    folded = Folded(known, None)
    if state.value not in LIVE_STATUSES:
        assert (folded.order, folded.events) == (known, [])
    else:
        whole = report is R.ABSENT_FILLED
        assert folded.order.status == ("Filled" if whole else "Cancelled")
        assert folded.order.reason == ("" if whole else NEVER_ARRIVED)
        assert folded.events == [OrderUpdated if whole else OrderCancelled]
        assert not folded.in_doubt
    assert state_of(folded.order) is after(state, report)


prices = st.none() | st.floats(1.0, 200.0)
ids = st.integers(0, 3)
terms = st.fixed_dictionaries(
    {
        "quantity": st.sampled_from([7.0, 10.0]),
        "parent_id": ids,
        "limit_price": prices,
        "trailing_pct": prices,
        "trail_stop_price": prices,
        "limit_offset": prices,
        "account": st.sampled_from(["", ACCOUNT]),
        "oca_group": st.sampled_from(["", "a", "b"]),
        "oca_type": ids,
        "why_held": st.sampled_from(["", "trigger", "locate"]),
    }
)


@given(
    state=st.sampled_from(list(S)),
    status=st.sampled_from([status_of(report) for report in REPORTED]),
    order_type=st.sampled_from(["STP LMT", "TRAIL"]),
    before=terms,
    now=terms,
    numbers=st.sampled_from([(0, 77), (1, 0), (1, 77), (5, 77)]),
    completed=st.booleans(),
    estimated=st.booleans(),
)
def test_what_the_record_takes_over(
    state: OrderState,
    status: str,
    order_type: str,
    before: dict[str, Any],
    now: dict[str, Any],
    numbers: tuple[int, int],
    *,
    completed: bool,
    estimated: bool,
) -> None:
    known = record(state, order_type=order_type, level_estimated=estimated, stop_price=50.0, filled=10.0, **before)
    text = "so the broker says" if completed else ""
    order_id, perm_id = numbers
    event = broker_order(KEY, status=status, order_id=order_id, perm_id=perm_id, completed_status=text, **now)
    order = Folded(known, event).order
    if not is_news(state, status):
        assert order == known
        return
    assert (order.status, order.why_held) == (status, now["why_held"])
    assert (order.order_id, order.perm_id) == (order_id or 1, 77), "a number is never lost"
    assert order.account == (now["account"] or before["account"])
    for name in ("parent_id", "quantity", "oca_group", "oca_type"):
        assert getattr(order, name) == (before if completed else now)[name], "a completed order has none of these"
    assert order.limit_price == (before if completed or now["limit_price"] is None else now)["limit_price"]
    for name in ("trailing_pct", "limit_offset"):
        assert getattr(order, name) == (before if now[name] is None else now)[name]
    assert order.reason == text
    if order_type == "TRAIL" and now["trail_stop_price"] is not None:
        level = max(now["trail_stop_price"], before["trail_stop_price"] or 0.0)
        assert (order.trail_stop_price, order.stop_price) == (level, level), "a level only rises"
        assert order.level_estimated is (estimated and level != now["trail_stop_price"])
    else:
        assert (order.trail_stop_price, order.stop_price) == (before["trail_stop_price"], 50.0)
        assert order.level_estimated is estimated
    kept = {"client_order_id", "symbol", "role", "side", "order_type", "tif", "filled", "avg_price", "created_ns"}
    assert all(getattr(order, name) == getattr(known, name) for name in kept)


# Through the gateway's core: every state is reached, and every report applied.


class Reached:
    """A gateway with one order in this state."""

    def __init__(self, state: OrderState):
        self.gateway = Gateway()
        self.key = self.gateway.enter().client_order_id
        if state is S.GIVEN_UP:
            self.report(R.ABSENT)
        elif state is S.UNDOCUMENTED:
            self.report(R.UNDOCUMENTED)
        elif state is not S.IN_FLIGHT:
            self.report(R(state.value))
        assert self.state is state
        self.gateway.clear()

    @property
    def state(self) -> OrderState:
        return state_of(self.gateway.order(self.key))

    def report(self, report: BrokerReport) -> None:
        if report in (R.ABSENT_FILLED, R.FILLED) and not self.gateway.order(self.key).filled:
            self.gateway.receive(self.gateway.execution(self.key, 10.0, 105.0))
        if report in ABSENCES:
            self.gateway.disconnect()
            self.gateway.connect()
            for _ in range(3):
                self.gateway.wait(3)
                self.gateway.answer()
        else:
            self.gateway.receive(self.gateway.status(self.key, status_of(report)))


@pytest.mark.parametrize(("state", "report"), PAIRS)
def test_the_gateway_follows_the_table(state: OrderState, report: BrokerReport) -> None:
    reached = Reached(state)
    reached.report(report)
    assert reached.state is after(state, report)


@pytest.mark.parametrize("report", [r for r in REPORTED if r is not R.PENDING_SUBMIT])
def test_a_repeated_report_changes_nothing(report: BrokerReport) -> None:
    reached = Reached(S.SUBMITTED)
    for _ in range(2):
        reached.report(report)
    events = [m for _, m in reached.gateway.messages if isinstance(m, OrderUpdated | OrderCancelled | OrderRejected)]
    mine = [m for m in events if m.order.key == reached.key]
    assert len(mine) == (report is not R.SUBMITTED)


# Special cases.


def test_a_fill_after_a_cancel() -> None:
    reached = Reached(S.CANCELLED)
    gateway = reached.gateway
    gateway.receive(gateway.execution(reached.key, 10.0, 105.0))
    assert reached.state is S.CANCELLED
    assert gateway.own() == 10.0, "the shares count at once"
    gateway.receive(gateway.status(reached.key, "Filled", filled=10.0))
    assert reached.state is S.FILLED


@pytest.mark.parametrize(("code", "in_doubt"), [(201, True), (202, False)])
def test_an_error_alone_ends_no_order(code: int, *, in_doubt: bool) -> None:
    """201 is `rejected`, 202 `cancelled`: only a status or a complete answer ends an order."""
    reached = Reached(S.SUBMITTED)
    reached.gateway.error(reached.key, code)
    assert reached.state is S.SUBMITTED
    assert (reached.gateway.state.get(Doubt, reached.key) is not None) is in_doubt


def test_the_final_status_of_a_filled_order_never_comes() -> None:
    reached = Reached(S.SUBMITTED)
    reached.gateway.receive(reached.gateway.execution(reached.key, 10.0, 105.0))
    assert reached.state is S.SUBMITTED, "the executions alone do not end it"
    reached.gateway.answer()
    assert reached.state is S.FILLED
    assert len(reached.gateway.events(OrderFilled)) == 1


def test_inactive_with_a_locate_counts_as_rejected() -> None:
    reached = Reached(S.SUBMITTED)
    reached.gateway.receive(reached.gateway.status(reached.key, "Inactive", why_held="locate"))
    (event,) = reached.gateway.events(OrderRejected)
    assert event.order.why_held == "locate"


# The table itself.


def test_every_report_has_a_row_and_every_state_a_cell() -> None:
    assert list(TABLE) == list(R)
    for row in TABLE.values():
        assert all(isinstance(row.cell(state), Effect) for state in S)
        assert len(row) == len(S) + 3
        assert len(row.because) > 20, "gives a reason"


def test_the_columns_are_the_states() -> None:
    assert [field.upper() for field in ReportRow._fields[2:-1]] == [state.name for state in S]


def test_every_effect_is_explained_and_used() -> None:
    used = {TABLE[report].cell(state) for state, report in PAIRS}
    assert set(MEANING) == set(Effect) == used


def test_every_status_that_ibkr_documents_has_a_row_of_its_own() -> None:
    passed_on = {STATUSES.get(status, status) for status in DOCUMENTED}
    assert {report_of(status) for status in passed_on} == set(REPORTED) - {R.UNDOCUMENTED}
    assert report_of(STRANGE) is R.UNDOCUMENTED


def test_live_states_equal_the_live_statuses() -> None:
    assert {state.value for state in S if state.live} == LIVE_STATUSES


@pytest.mark.parametrize("state", list(S))
def test_a_record_is_in_one_state(state: OrderState) -> None:
    assert state_of(record(state)) is state
    for report in R:
        assert effect_of(record(state), report) is TABLE[report].cell(state)


def test_only_an_unconfirmed_cancel_is_given_up() -> None:
    assert state_of(msgspec.structs.replace(record(S.CANCELLED), reason="expired")) is S.CANCELLED


def test_no_report_changes_a_filled_order() -> None:
    assert {after(S.FILLED, report) for report in R} == {S.FILLED}


def test_the_page_with_the_diagram_is_up_to_date() -> None:
    page = Path(__file__).parents[3] / "docs" / "order-states.md"
    renew = "renew it: python -m services.gateway.orders.diagram > docs/order-states.md"
    assert page.read_text() == markdown() + "\n", renew
