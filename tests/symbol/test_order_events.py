"""Reports about an entry and its stop, each with all its effects."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from messages import Message
from messages.entries import EntryDenied, EntryDropped
from messages.orders import OrderAccepted, OrderCancelled, OrderPlaced, OrderRecord, OrderRejected, OrderUpdated
from services.symbol.record import SymbolRecord
from tests.symbol.one_decision import (
    ENDED,
    ENTRIES_UNTIL,
    ENTRY,
    EXITING,
    FILLING,
    FORGOTTEN,
    FREE,
    HOLDS,
    NOON,
    NOTHING,
    SUBMITTED,
    WORKED,
    S,
    entry_order,
    step,
    stop_order,
    takes_back,
    with_,
)
from tests.symbol.scenario import MINUTE, SECOND


class TestTheAnswer:
    def test_of_risk_is_no(self) -> None:
        message = EntryDenied(ENTRY, "TSLA", "cash_reserve", {"cash_usd": 1.0})
        no = {"why": "cash_reserve", "figures": {"cash_usd": 1.0}, "wait_until_ns": NOON + MINUTE}
        assert step(SUBMITTED, message) == (FREE | ENDED | no, [])
        assert step(WORKED, message) == (FREE | FORGOTTEN | no, [])

    @pytest.mark.parametrize(
        ("reason", "until_ns"),
        [
            ("price_through_trigger", NOON),
            ("links_down", NOON + 5 * SECOND),
            ("observed", ENTRIES_UNTIL),
        ],
    )
    def test_of_the_gateway_is_no(self, reason: str, until_ns: int) -> None:
        message = EntryDropped(ENTRY, "TSLA", reason, {"last": 106.0})
        no = {"why": reason, "figures": {"last": 106.0}, "wait_until_ns": until_ns}
        assert step(SUBMITTED, message) == (FREE | ENDED | no, [])
        assert step(WORKED, message) == (FREE | FORGOTTEN | no, [])

    @pytest.mark.parametrize("answer", [EntryDenied, EntryDropped])
    def test_an_answer_about_an_older_entry_changes_nothing(self, answer: type) -> None:
        assert step(SUBMITTED, answer("CT.sim-TSLA-20250106-0", "TSLA", "links_down", {})) == NOTHING


HELD = {"status": "PreSubmitted", "why_held": "trigger"}
WORKING = {"status": "Submitted"}
TRIGGERED = {"triggered_ns": NOON, "why": "entry_triggered"}


@pytest.mark.parametrize("message", [OrderPlaced, OrderAccepted, OrderUpdated])
@pytest.mark.parametrize(
    ("given", "order", "then"),
    [
        (SUBMITTED, {"status": "InFlight"}, {}),
        (SUBMITTED, {"status": "PreSubmitted"}, {}),
        (SUBMITTED, HELD, {"entry_at": "held"}),
        (SUBMITTED, {"status": "PreSubmitted", "why_held": "child,trigger"}, {"entry_at": "held"}),
        (SUBMITTED, {"status": "PreSubmitted", "why_held": "locate"}, {}),
        (SUBMITTED, {"status": "Cancelled", "why_held": "trigger"}, {}),
        (SUBMITTED, {"status": "Submitted", "why_held": "locate"}, {}),
        (SUBMITTED, WORKING, {"entry_at": "working"}),  # an exchange that holds stops itself
        (with_(SUBMITTED, entry_at="held"), WORKING, {"entry_at": "working"} | TRIGGERED),
        (with_(SUBMITTED, entry_at="held"), {"status": "PreSubmitted"}, {}),
        (with_(SUBMITTED, entry_at="working"), WORKING, {}),
        (with_(SUBMITTED, entry_at="working"), HELD, {"entry_at": "held"}),
        # The time limit counts from the first report of the trigger.
        (with_(SUBMITTED, entry_at="held", triggered_ns=NOON - SECOND), WORKING, {"entry_at": "working"}),
        # Who holds a part of it already is not shown as waiting for the trigger.
        (with_(FILLING, entry_at="held"), WORKING, {"entry_at": "working", "triggered_ns": NOON}),
        # Filled whole before the fill is reported.
        (WORKED, {"status": "Filled", "filled": 9.0}, FORGOTTEN),
        (WORKED, {"status": "Filled", "filled": 10.0}, FORGOTTEN),
        (WORKED, {"status": "Cancelled", "filled": 8.5}, {}),
        (WORKED, {"status": "Submitted", "filled": 9.0}, {}),
        # A double, which the gateway cancels; no entry.
        (SUBMITTED, HELD | {"client_order_id": "CT.sim-TSLA-20250106-1~2"}, {}),
        (with_(SUBMITTED, entry_live=False), HELD | {"client_order_id": "CT.sim-TSLA-20250106-1~2"}, {}),
        (HOLDS, HELD | {"role": "foreign"}, {}),
        (with_(SUBMITTED, entry_at="held"), HELD | {"role": "flatten", "side": "SELL"}, {}),
    ],
)
def test_the_broker_has_the_entry(
    given: SymbolRecord, order: dict[str, Any], then: dict[str, Any], message: type
) -> None:
    assert step(given, message(entry_order(**order))) == (then, [])


STANDS = {"stop_held": True}
LOST = with_(HOLDS, why="stop_lost", figures={"x": 1.0}, stop_held=False)
FOUND = {"why": "protected_by_stop", "figures": {}}
SELLS = {"state": S.EXITING, "why": "stop_triggered", "figures": {}, "exiting_ns": NOON}
STALE = with_(HOLDS, figures={"x": 1.0})
"""Held, with a figure from before."""


@pytest.mark.parametrize("message", [OrderPlaced, OrderAccepted, OrderUpdated])
@pytest.mark.parametrize(
    ("given", "order", "then"),
    [
        (with_(HOLDS, stop_held=False), HELD, STANDS),
        (with_(HOLDS, stop_held=False), WORKING, {}),
        (HOLDS, {"status": "PreSubmitted"}, {}),
        (HOLDS, {"status": "Cancelled", "why_held": "trigger"}, {}),
        # A new one in its place.
        (HOLDS, {"client_order_id": f"{ENTRY}-S2"}, {"stop_id": f"{ENTRY}-S2", "stop_held": False}),
        (HOLDS, {"client_order_id": f"{ENTRY}-S2"} | HELD, {"stop_id": f"{ENTRY}-S2"}),
        (HOLDS, {"client_order_id": f"{ENTRY}-S2", "status": "Filled"}, {}),
        (HOLDS, {"client_order_id": f"{ENTRY}-X", "role": "foreign"}, {}),
        # Found again.
        (LOST, HELD, STANDS | FOUND),
        (LOST, WORKING, FOUND),
        (LOST, {"status": "PreSubmitted"}, {}),
        (LOST, {"status": "InFlight"}, {}),
        (with_(LOST, why="flatten_waits"), HELD, STANDS),
        # Triggered, which is reported only of a capped one.
        (STALE, WORKING | {"order_type": "TRAIL LIMIT"}, SELLS),
        (STALE, WORKING | {"order_type": "STP LMT"}, SELLS),
        (STALE, WORKING | {"order_type": "LMT"}, SELLS),
        (STALE, WORKING | {"order_type": "TRAIL"}, {}),
        (STALE, WORKING | {"order_type": "STP"}, {}),
        (with_(STALE, stop_held=False), WORKING | {"order_type": "TRAIL LIMIT"}, {}),
        (with_(STALE, own=0.5), WORKING | {"order_type": "TRAIL LIMIT"}, {}),
        (STALE, WORKING | {"order_type": "TRAIL LIMIT", "why_held": "locate"}, {}),
        (EXITING, WORKING | {"order_type": "TRAIL LIMIT"}, {}),
    ],
)
def test_the_broker_has_the_stop(
    given: SymbolRecord, order: dict[str, Any], then: dict[str, Any], message: type
) -> None:
    assert step(given, message(stop_order(**order))) == (then, [])


def test_what_is_left_of_the_entry_is_taken_back_when_the_stop_is_triggered() -> None:
    message = OrderUpdated(stop_order(order_type="TRAIL LIMIT", status="Submitted"))
    assert step(FILLING, message) == (
        {name: value for name, value in SELLS.items() if name != "figures"} | {"cancelling": "stop_triggered"},
        [takes_back("stop_triggered")],
    )


class TestTheEntryEnds:
    def cancelled(self, *, asked: bool = False, **order: Any) -> OrderCancelled:
        return OrderCancelled(entry_order(**({"status": "Cancelled"} | order)), asked)

    @pytest.mark.parametrize(
        ("given", "asked", "reason", "why"),
        [
            (SUBMITTED, True, "end_of_day", "end_of_day"),
            (SUBMITTED, True, "", "expired"),
            (SUBMITTED, False, "halted", "halted"),
            (with_(SUBMITTED, cancelling="paused"), False, "", "paused"),
            (with_(SUBMITTED, cancelling="paused"), True, "halted", "halted"),
            (with_(SUBMITTED, phase="closing"), False, "", "expired"),
            (with_(SUBMITTED, phase="closed"), False, "", "expired"),
        ],
    )
    def test_because_it_was_meant_to(self, given: SymbolRecord, asked: bool, reason: str, why: str) -> None:
        then, sent = step(given, self.cancelled(asked=asked, cancel_reason=reason))
        assert {name: value for name, value in then.items() if name != "cancelling"} == FREE | ENDED | {
            "why": why,
            "figures": {},
        }
        assert sent == []

    @pytest.mark.parametrize(
        ("reason", "rearms", "disarmed"),
        [
            ("end_of_day", False, True),
            ("expired", False, True),
            ("", False, True),
            ("paused", False, False),
            ("end_of_day", True, False),
        ],
    )
    def test_with_its_day_it_may_wait_for_the_operator(self, reason: str, rearms: bool, disarmed: bool) -> None:
        given = with_(SUBMITTED, phase="closing")
        message = self.cancelled(asked=True, cancel_reason=reason)
        then, _ = step(given, message, entries={"rearm_next_session": rearms})
        assert then.get("disarmed", False) is disarmed
        then, _ = step(with_(given, disarmed=True), message, entries={"rearm_next_session": rearms})
        assert "disarmed" not in then, "who waits for the operator goes on waiting"

    def test_by_the_broker_itself(self) -> None:
        then = FREE | {"why": "cancelled_by_broker", "figures": {}, "refusals": 1, "wait_until_ns": NOON + MINUTE}
        assert step(SUBMITTED, self.cancelled()) == (then | ENDED, [])
        partly = with_(WORKED, cancelling="")
        assert step(partly, self.cancelled()) == (
            then | {name: value for name, value in FORGOTTEN.items() if name != "cancelling"},
            [],
        )

    def test_by_a_refusal(self) -> None:
        message = OrderRejected(entry_order(status="Inactive"), 201, "no")
        then = {"why": "rejected_by_broker", "figures": {"code": 201.0}, "refusals": 1, "wait_until_ns": NOON + MINUTE}
        assert step(SUBMITTED, message) == (FREE | ENDED | then, [])
        assert step(WORKED, message) == (FREE | FORGOTTEN | then, [])

    @pytest.mark.parametrize(
        ("before", "then", "sent"),
        [
            (0, {"refusals": 1, "wait_until_ns": NOON + MINUTE, "state": S.NO_POSITION}, []),
            (1, {"refusals": 2, "wait_until_ns": NOON + 2 * MINUTE, "state": S.NO_POSITION}, []),
            (2, {"refusals": 3, "state": S.PAUSED}, [3]),
            (3, {"refusals": 4, "state": S.PAUSED}, [4]),
        ],
    )
    def test_so_often_that_the_operator_has_to_look(self, before: int, then: dict[str, Any], sent: list[int]) -> None:
        rejected = OrderRejected(entry_order(status="Inactive"), 201, "no")
        for message, why, figures in (
            (rejected, "rejected_by_broker", {"code": 201.0}),
            (self.cancelled(), "cancelled_by_broker", {}),
            (self.cancelled(asked=True, cancel_reason="without_stop"), "without_stop", {}),
        ):
            shows = "refused_too_often" if sent else why
            notes = [f"recorder: WARNING symbol_paused TSLA reason='{why}' refusals={count}" for count in sent]
            expected = then | ENDED | {"why": shows, "figures": figures}
            assert step(with_(SUBMITTED, refusals=before), message) == (expected, notes)

    @pytest.mark.parametrize("code", [10242, 10243])
    def test_because_a_fraction_cant_be_traded(self, code: int) -> None:
        message = OrderRejected(entry_order(status="Cancelled", quantity=9.5), code, "no")
        then = {"whole_only": True, "why": "fraction_refused", "figures": {}}
        note = f"recorder: WARNING fractional_refused TSLA code={code} qty=9.5"
        assert step(SUBMITTED, message) == (FREE | ENDED | then, [note])

    @pytest.mark.parametrize(("code", "quantity"), [(10242, 9.0), (201, 9.5), (10241, 9.5), (10244, 9.5)])
    def test_any_other_refusal_counts(self, code: int, quantity: float) -> None:
        then, sent = step(SUBMITTED, OrderRejected(entry_order(status="Inactive", quantity=quantity), code, "no"))
        assert (then["why"], then["figures"], then["refusals"]) == ("rejected_by_broker", {"code": float(code)}, 1)
        assert sent == []

    ENDS = (
        OrderCancelled(entry_order(status="Cancelled", filled=4.0), False),
        OrderRejected(entry_order(status="Inactive", filled=4.0), 201, "no"),
    )
    FORGETS: ClassVar[dict[str, Any]] = {"entry_live": False, "entry_at": "", "partial_ns": 0}

    @pytest.mark.parametrize("message", ENDS)
    def test_in_part_and_what_filled_is_held(self, message: Message) -> None:
        assert step(FILLING, message) == (self.FORGETS | {"why": "protected_by_stop"}, [])
        shows_figures = with_(FILLING, figures={"x": 1.0})
        assert step(shows_figures, message) == (self.FORGETS | {"why": "protected_by_stop", "figures": {}}, [])
        selling = with_(FILLING, state=S.EXITING, why="stop_triggered", figures={"x": 1.0})
        assert step(selling, message) == (self.FORGETS, [])
        rests = with_(FILLING, state=S.COOLDOWN, why="stopped_out", own=0.0)
        assert step(rests, message) == (self.FORGETS, [])

    @pytest.mark.parametrize("filled", [0.5, 1.0])
    def test_in_part_before_its_shares_are_reported(self, filled: float) -> None:
        """The fill is on its way: until then the entry ends as any other does, for there is nothing to hold."""
        given = with_(FILLING, state=S.ENTRY_PENDING, own=0.0)
        cancelled = self.cancelled(asked=True, filled=filled, cancel_reason="paused")
        assert step(given, cancelled) == (self.FORGETS | FREE | {"why": "paused"}, [])
        rejected = OrderRejected(entry_order(filled=filled), 201, "no")
        assert step(given, rejected)[0]["refusals"] == 1

    @pytest.mark.parametrize("state", [S.NO_POSITION, S.POSITION_OPEN, S.PAUSED])
    def test_when_the_symbol_no_longer_waits_for_it(self, state: S) -> None:
        """The operator's sale, or shares that he adopted, came first: it is no refusal and no reason to wait."""
        given = with_(SUBMITTED, state=state, why="x", refusals=2)
        assert step(given, self.cancelled()) == (ENDED, [])
        assert step(given, OrderRejected(entry_order(status="Inactive"), 201, "no")) == (ENDED, [])

    @pytest.mark.parametrize(
        "order",
        [{"client_order_id": "CT.sim-TSLA-20250106-0"}, {"role": "flatten"}, {"role": "foreign"}, {"role": "adopted"}],
    )
    def test_of_another_order_changes_nothing(self, order: dict[str, Any]) -> None:
        assert step(SUBMITTED, self.cancelled(**order)) == NOTHING
        assert step(SUBMITTED, OrderRejected(entry_order(**order), 201, "no")) == NOTHING


class TestTheStopEnds:
    def ends(self, **order: Any) -> list[Message]:
        stop = stop_order(**({"status": "Cancelled"} | order))
        return [OrderCancelled(stop, True), OrderRejected(stop, 201, "no")]

    def test_and_the_shares_are_held_all_the_same(self) -> None:
        given = with_(EXITING, figures={"x": 1.0}, exit_told=True)
        back = {"why": "stop_lost", "figures": {}, "stop_held": False, "exiting_ns": 0, "exit_told": False}
        for message in self.ends():
            assert step(HOLDS, message) == ({"why": "stop_lost", "stop_held": False}, [])
            assert step(given, message) == (back | {"state": S.POSITION_OPEN}, [])

    @pytest.mark.parametrize(
        ("fields", "order"),
        [
            ({"own": 0.5}, {}),
            ({}, {"client_order_id": f"{ENTRY}-S0"}),
            ({}, {"cancel_reason": "flatten"}),
        ],
    )
    def test_which_is_no_loss(self, fields: dict[str, Any], order: dict[str, Any]) -> None:
        for message in self.ends(**order):
            assert step(with_(HOLDS, **fields), message) == NOTHING


def test_a_stop_is_named_by_its_order() -> None:
    """So a report about the stop of an older entry does not concern the present one's shares."""
    order: OrderRecord = stop_order(client_order_id="CT.sim-TSLA-20250106-0-S1", status="Cancelled")
    assert step(HOLDS, OrderCancelled(order, True)) == NOTHING
