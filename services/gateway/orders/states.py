"""The states of an own order: one table with a row for every report of the broker, and a cell for every state. Pure.

A cell names the effect of the report on a record in that state, and the row says why. Reality forces many of these
cells: reports come late, twice, or never. `diagram.py` prints docs/order-states.md from this table. Foreign orders are
not in it: their status is recorded as reported.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from messages.orders import LIVE_STATUSES, OrderRecord
from services.gateway.book.records import NEVER_ARRIVED

__all__ = [
    "MEANING",
    "TABLE",
    "BrokerReport",
    "Effect",
    "OrderState",
    "ReportRow",
    "after",
    "effect_of",
    "report_of",
    "state_of",
]


class OrderState(StrEnum):
    """The state of a record. All but two are its status."""

    IN_FLIGHT = "InFlight"
    """Sent, or about to be sent, and not confirmed by the broker."""
    PENDING_SUBMIT = "PendingSubmit"
    PRE_SUBMITTED = "PreSubmitted"
    SUBMITTED = "Submitted"
    PENDING_CANCEL = "PendingCancel"
    FILLED = "Filled"
    CANCELLED = "Cancelled"
    INACTIVE = "Inactive"
    GIVEN_UP = "given up"
    """Its status is Cancelled only because the broker did not list it (`NEVER_ARRIVED`)."""
    UNDOCUMENTED = "undocumented"
    """IBKR does not document its status."""

    @property
    def live(self) -> bool:
        """True while the order may still trade."""
        return self.value in LIVE_STATUSES


class BrokerReport(StrEnum):
    """What the broker can report: a status, or a complete answer that does not list the order."""

    PENDING_SUBMIT = "PendingSubmit"
    PRE_SUBMITTED = "PreSubmitted"
    SUBMITTED = "Submitted"
    PENDING_CANCEL = "PendingCancel"
    FILLED = "Filled"
    CANCELLED = "Cancelled"
    INACTIVE = "Inactive"
    UNDOCUMENTED = "any other status"
    ABSENT_FILLED = "not listed, and filled whole by executions"
    ABSENT = "not listed, and not filled whole"


class Effect(StrEnum):
    """What a report does; explained in `MEANING`."""

    IGNORED = "ignored"
    ACCEPTED = "accepted"
    UPDATED = "updated"
    FILLED = "filled"
    FILLED_AT_ONCE = "filled at once"
    CANCELLED = "cancelled"
    CANCELLED_AT_ONCE = "cancelled at once"
    REJECTED = "rejected"
    REVIVED = "revived"
    LATE = "late"
    GIVEN_UP = "given up"


MEANING: dict[Effect, str] = {
    Effect.IGNORED: "the record stays as it is; every other effect takes over all that the broker reported",
    Effect.ACCEPTED: "the first report of an order that was sent: `OrderAccepted`",
    Effect.UPDATED: "`OrderUpdated`, if anything changed",
    Effect.FILLED: "`OrderUpdated`; if the status counts more shares than the executions so far, it takes effect when "
    "they have arrived",
    Effect.FILLED_AT_ONCE: "`OrderUpdated`, without waiting for executions: the order was no longer live, or all its "
    "executions have arrived",
    Effect.CANCELLED: "`OrderCancelled`; if the status counts more shares than the executions so far, it takes effect "
    "when they have arrived",
    Effect.CANCELLED_AT_ONCE: "`OrderCancelled`, without waiting for executions: the order was no longer live",
    Effect.REJECTED: "`OrderRejected`, with the last error that had the order's id",
    Effect.REVIVED: "`OrderUpdated`: a rejected order works; an entry is cancelled, any other order stays",
    Effect.LATE: "`OrderUpdated`: an order that was given up works; an entry or a sale is cancelled, a stop stays",
    Effect.GIVEN_UP: "`OrderRejected` if an error had the order's id, else `OrderCancelled`",
}


class ReportRow(NamedTuple):
    """One report: the state that it leads to, and its effect in each state; IGNORED stays in the same state.

    `settles`: the report ends the doubt whether the broker has the order.
    """

    to: OrderState
    settles: bool
    in_flight: Effect
    pending_submit: Effect
    pre_submitted: Effect
    submitted: Effect
    pending_cancel: Effect
    filled: Effect
    cancelled: Effect
    inactive: Effect
    given_up: Effect
    undocumented: Effect
    because: str

    def cell(self, state: OrderState) -> Effect:
        """Its effect in `state`."""
        return self[list(OrderState).index(state) + 2]  # type: ignore[return-value]


S, R = OrderState, BrokerReport
IGNORED, ACCEPTED, UPDATED = Effect.IGNORED, Effect.ACCEPTED, Effect.UPDATED
REVIVED, LATE = Effect.REVIVED, Effect.LATE
FILLED, FILLED_NOW = Effect.FILLED, Effect.FILLED_AT_ONCE
CANCELLED, CANCELLED_NOW = Effect.CANCELLED, Effect.CANCELLED_AT_ONCE
REJECTED, GIVEN_UP = Effect.REJECTED, Effect.GIVEN_UP

# fmt: off
TABLE: dict[BrokerReport, ReportRow] = {
    # It leads to, settles a doubt:
    #   in InFlight, PendingSubmit, PreSubmitted, Submitted, PendingCancel,
    #   in Filled, Cancelled, Inactive, given up, undocumented,
    R.PENDING_SUBMIT: ReportRow(S.PENDING_SUBMIT, False,
        ACCEPTED, IGNORED, IGNORED, IGNORED, IGNORED,
        IGNORED, IGNORED, IGNORED, IGNORED, IGNORED,
        "Also ApiPending. The order was sent, but not accepted yet: this is new only for an order in flight, and a "
        "doubt stays."),
    R.PRE_SUBMITTED: ReportRow(S.PRE_SUBMITTED, True,
        ACCEPTED, UPDATED, UPDATED, UPDATED, UPDATED,
        IGNORED, IGNORED, REVIVED, LATE, IGNORED,
        "The broker holds it. It can come late, after Filled or Cancelled: then it is ignored. The status of a live "
        "order may also go back, so the newest counts."),
    R.SUBMITTED: ReportRow(S.SUBMITTED, True,
        ACCEPTED, UPDATED, UPDATED, UPDATED, UPDATED,
        IGNORED, IGNORED, REVIVED, LATE, IGNORED,
        "It works. After PendingCancel: the broker did not cancel it. After Inactive: an entry is cancelled, because "
        "its symbol may have a newer one by now, and only one may be live; a stop stays, because it protects. After it "
        "was given up: likewise, and a late sale at the market is cancelled, too: another one may have been sent."),
    R.PENDING_CANCEL: ReportRow(S.PENDING_CANCEL, True,
        ACCEPTED, UPDATED, UPDATED, UPDATED, UPDATED,
        IGNORED, IGNORED, REVIVED, LATE, IGNORED,
        "The cancel is on its way. Until it is confirmed the order can fill: it stays live."),
    R.FILLED: ReportRow(S.FILLED, True,
        FILLED, FILLED, FILLED, FILLED, FILLED,
        IGNORED, FILLED_NOW, FILLED_NOW, FILLED_NOW, FILLED_NOW,
        "A fill counts after every other end: the exchange filled it before the cancel arrived, or after an error. "
        "The status can arrive before the executions; until they arrive the order counts as live, so its symbol gets "
        "no other entry. A second Filled is ignored."),
    R.CANCELLED: ReportRow(S.CANCELLED, True,
        CANCELLED, CANCELLED, CANCELLED, CANCELLED, CANCELLED,
        IGNORED, IGNORED, CANCELLED_NOW, UPDATED, IGNORED,
        "Also ApiCancelled. It counts whether or not the fleet asked for it: the broker also cancels at expiry and "
        "for its own reasons. An error alone (202 `cancelled`, 201 `rejected`) ends no order: only a status or "
        "complete answers do. The end of an order that was given up has been reported already."),
    R.INACTIVE: ReportRow(S.INACTIVE, True,
        REJECTED, REJECTED, REJECTED, REJECTED, REJECTED,
        IGNORED, IGNORED, UPDATED, REJECTED, IGNORED,
        "The broker refused it, or holds it without working it, as with whyHeld `locate`. It counts as rejected, so "
        "that nothing relies on it. It is the only end that the broker can take back."),
    R.UNDOCUMENTED: ReportRow(S.UNDOCUMENTED, True,
        UPDATED, UPDATED, UPDATED, UPDATED, UPDATED,
        IGNORED, IGNORED, UPDATED, UPDATED, IGNORED,
        "Recorded as reported. Nothing can rely on an order with an unknown status, so it is no longer live; only a "
        "fill still counts."),
    R.ABSENT_FILLED: ReportRow(S.FILLED, True,
        FILLED_NOW, FILLED_NOW, FILLED_NOW, FILLED_NOW, FILLED_NOW,
        IGNORED, IGNORED, IGNORED, IGNORED, IGNORED,
        "The last orderStatus of a filled order sometimes never comes. Its executions have arrived, so nothing is "
        "missing. The gateway looks only for live orders in an answer, so other states ignore this."),
    R.ABSENT: ReportRow(S.GIVEN_UP, True,
        GIVEN_UP, GIVEN_UP, GIVEN_UP, GIVEN_UP, GIVEN_UP,
        IGNORED, IGNORED, IGNORED, IGNORED, IGNORED,
        "It never arrived, or was lost. One answer proves little, so the gateway asks several times before it gives "
        "the order up. The record stays, so that a late report still finds it. The gateway looks only for live orders "
        "in an answer, so other states ignore this."),
}
# fmt: on

_STATES = {state.value: state for state in OrderState if state not in (OrderState.GIVEN_UP, OrderState.UNDOCUMENTED)}
_REPORTS = {
    report.value: report
    for report in BrokerReport
    if report not in (BrokerReport.UNDOCUMENTED, BrokerReport.ABSENT_FILLED, BrokerReport.ABSENT)
}


def state_of(order: OrderRecord) -> OrderState:
    """The state of an own order's record."""
    state = _STATES.get(order.status, OrderState.UNDOCUMENTED)
    return OrderState.GIVEN_UP if state is OrderState.CANCELLED and order.reason == NEVER_ARRIVED else state


def report_of(status: str) -> BrokerReport:
    """The row of a status. The edge has already translated ApiPending and ApiCancelled."""
    return _REPORTS.get(status, BrokerReport.UNDOCUMENTED)


def effect_of(order: OrderRecord, report: BrokerReport) -> Effect:
    """What the report does to the record."""
    return TABLE[report].cell(state_of(order))


def after(state: OrderState, report: BrokerReport) -> OrderState:
    """The state after the effect. A status that waits for executions leaves `state` until they arrive."""
    row = TABLE[report]
    return state if row.cell(state) is Effect.IGNORED else row.to
