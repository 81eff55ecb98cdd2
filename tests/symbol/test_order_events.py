"""What becomes of an entry and of its stop, each word of it with all that follows."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from messages import Message
from messages.entries import EntryDenied, EntryDropped
from messages.orders import OrderAccepted, OrderCancelled, OrderPlaced, OrderRecord, OrderRejected, OrderUpdated
from services.symbol.record import SymbolRecord
from tests.symbol.one_decision import (
    ASKED,
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
        told = EntryDenied(ENTRY, "TSLA", "cash_reserve", {"cash_usd": 1.0})
        no = {"why": "cash_reserve", "figures": {"cash_usd": 1.0}, "wait_until_ns": NOON + MINUTE}
        assert step(ASKED, told) == (FREE | ENDED | no, [])
        assert step(WORKED, told) == (FREE | FORGOTTEN | no, [])

    @pytest.mark.parametrize(
        ("reason", "until_ns"),
        [
            ("price_through_trigger", NOON),
            ("links_down", NOON + 5 * SECOND),
            ("observed", ENTRIES_UNTIL),
        ],
    )
    def test_of_the_gateway_is_no(self, reason: str, until_ns: int) -> None:
        told = EntryDropped(ENTRY, "TSLA", reason, {"last": 106.0})
        no = {"why": reason, "figures": {"last": 106.0}, "wait_until_ns": until_ns}
        assert step(ASKED, told) == (FREE | ENDED | no, [])
        assert step(WORKED, told) == (FREE | FORGOTTEN | no, [])

    @pytest.mark.parametrize("answer", [EntryDenied, EntryDropped])
    def test_to_an_older_question_says_nothing(self, answer: type) -> None:
        assert step(ASKED, answer("CT-TSLA-20250106-0", "TSLA", "links_down", {})) == NOTHING


HELD = {"status": "PreSubmitted", "why_held": "trigger"}
WORKING = {"status": "Submitted"}
TRIGGERED = {"triggered_ns": NOON, "why": "entry_triggered"}


@pytest.mark.parametrize("told", [OrderPlaced, OrderAccepted, OrderUpdated])
@pytest.mark.parametrize(
    ("given", "order", "then"),
    [
        (ASKED, {"status": "InFlight"}, {}),
        (ASKED, {"status": "PreSubmitted"}, {}),
        (ASKED, HELD, {"entry_at": "held"}),
        (ASKED, {"status": "PreSubmitted", "why_held": "child,trigger"}, {"entry_at": "held"}),
        (ASKED, {"status": "PreSubmitted", "why_held": "locate"}, {}),
        (ASKED, {"status": "Cancelled", "why_held": "trigger"}, {}),
        (ASKED, {"status": "Submitted", "why_held": "locate"}, {}),
        (ASKED, WORKING, {"entry_at": "working"}),  # an exchange that holds stops itself
        (with_(ASKED, entry_at="held"), WORKING, {"entry_at": "working"} | TRIGGERED),
        (with_(ASKED, entry_at="held"), {"status": "PreSubmitted"}, {}),
        (with_(ASKED, entry_at="working"), WORKING, {}),
        (with_(ASKED, entry_at="working"), HELD, {"entry_at": "held"}),
        # Triggered is triggered: the time counts from the first word of it.
        (with_(ASKED, entry_at="held", triggered_ns=NOON - SECOND), WORKING, {"entry_at": "working"}),
        # Who holds a part of it already is not shown as waiting for the trigger.
        (with_(FILLING, entry_at="held"), WORKING, {"entry_at": "working", "triggered_ns": NOON}),
        # Filled whole before the fill is heard of.
        (WORKED, {"status": "Filled", "filled": 9.0}, FORGOTTEN),
        (WORKED, {"status": "Filled", "filled": 10.0}, FORGOTTEN),
        (WORKED, {"status": "Cancelled", "filled": 8.5}, {}),
        (WORKED, {"status": "Submitted", "filled": 9.0}, {}),
        # Another one, or none that lives.
        (ASKED, HELD | {"client_order_id": "CT-TSLA-20250106-0"}, {}),
        (with_(ASKED, entry_live=False), HELD, {}),
        (HOLDS, HELD | {"role": "foreign"}, {}),
        (with_(ASKED, entry_at="held"), HELD | {"role": "flatten", "side": "SELL"}, {}),
    ],
)
def test_the_broker_has_the_entry(given: SymbolRecord, order: dict[str, Any], then: dict[str, Any], told: type) -> None:
    assert step(given, told(entry_order(**order))) == (then, [])


STANDS = {"stop_held": True}
LOST = with_(HOLDS, why="stop_lost", figures={"x": 1.0}, stop_held=False)
FOUND = {"why": "protected_by_stop", "figures": {}}
SELLS = {"state": S.EXITING, "why": "stop_triggered", "figures": {}, "exiting_ns": NOON}
STALE = with_(HOLDS, figures={"x": 1.0})
"""Held, with a figure from before."""


@pytest.mark.parametrize("told", [OrderPlaced, OrderAccepted, OrderUpdated])
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
        # Triggered, which only a capped one says of itself.
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
def test_the_broker_has_the_stop(given: SymbolRecord, order: dict[str, Any], then: dict[str, Any], told: type) -> None:
    assert step(given, told(stop_order(**order))) == (then, [])


def test_what_is_left_of_the_entry_is_taken_back_when_the_stop_is_triggered() -> None:
    told = OrderUpdated(stop_order(order_type="TRAIL LIMIT", status="Submitted"))
    assert step(FILLING, told) == (
        {name: value for name, value in SELLS.items() if name != "figures"} | {"cancelling": "stop_triggered"},
        [takes_back("stop_triggered")],
    )


class TestTheEntryEnds:
    def cancelled(self, *, asked: bool = False, **order: Any) -> OrderCancelled:
        return OrderCancelled(entry_order(**({"status": "Cancelled"} | order)), asked)

    @pytest.mark.parametrize(
        ("given", "asked", "reason", "why"),
        [
            (ASKED, True, "end_of_day", "end_of_day"),
            (ASKED, True, "", "expired"),
            (ASKED, False, "halted", "halted"),
            (with_(ASKED, cancelling="paused"), False, "", "paused"),
            (with_(ASKED, cancelling="paused"), True, "halted", "halted"),
            (with_(ASKED, phase="closing"), False, "", "expired"),
            (with_(ASKED, phase="closed"), False, "", "expired"),
        ],
    )
    def test_because_it_was_meant_to(self, given: SymbolRecord, asked: bool, reason: str, why: str) -> None:
        then, said = step(given, self.cancelled(asked=asked, cancel_reason=reason))
        assert {name: value for name, value in then.items() if name != "cancelling"} == FREE | ENDED | {
            "why": why,
            "figures": {},
        }
        assert said == []

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
        given = with_(ASKED, phase="closing")
        told = self.cancelled(asked=True, cancel_reason=reason)
        then, _ = step(given, told, entries={"rearm_next_session": rearms})
        assert then.get("disarmed", False) is disarmed
        then, _ = step(with_(given, disarmed=True), told, entries={"rearm_next_session": rearms})
        assert "disarmed" not in then, "who waits for the operator goes on waiting"

    def test_by_the_brokers_own_word(self) -> None:
        then = FREE | {"why": "cancelled_by_broker", "figures": {}, "refusals": 1, "wait_until_ns": NOON + MINUTE}
        assert step(ASKED, self.cancelled()) == (then | ENDED, [])
        partly = with_(WORKED, cancelling="")
        assert step(partly, self.cancelled()) == (
            then | {name: value for name, value in FORGOTTEN.items() if name != "cancelling"},
            [],
        )

    def test_by_a_refusal(self) -> None:
        told = OrderRejected(entry_order(status="Inactive"), 201, "no")
        then = {"why": "rejected_by_broker", "figures": {"code": 201.0}, "refusals": 1, "wait_until_ns": NOON + MINUTE}
        assert step(ASKED, told) == (FREE | ENDED | then, [])
        assert step(WORKED, told) == (FREE | FORGOTTEN | then, [])

    @pytest.mark.parametrize(
        ("before", "then", "said"),
        [
            (0, {"refusals": 1, "wait_until_ns": NOON + MINUTE, "state": S.NO_POSITION}, []),
            (1, {"refusals": 2, "wait_until_ns": NOON + 2 * MINUTE, "state": S.NO_POSITION}, []),
            (2, {"refusals": 3, "state": S.PAUSED}, [3]),
            (3, {"refusals": 4, "state": S.PAUSED}, [4]),
        ],
    )
    def test_so_often_that_the_operator_has_to_look(self, before: int, then: dict[str, Any], said: list[int]) -> None:
        rejected = OrderRejected(entry_order(status="Inactive"), 201, "no")
        for told, why, figures in (
            (rejected, "rejected_by_broker", {"code": 201.0}),
            (self.cancelled(), "cancelled_by_broker", {}),
        ):
            shows = "refused_too_often" if said else why
            notes = [f"recorder: WARNING symbol_paused TSLA reason='{why}' refusals={count}" for count in said]
            expected = then | ENDED | {"why": shows, "figures": figures}
            assert step(with_(ASKED, refusals=before), told) == (expected, notes)

    @pytest.mark.parametrize("code", [10242, 10243])
    def test_because_a_fraction_cant_be_traded(self, code: int) -> None:
        told = OrderRejected(entry_order(status="Cancelled", quantity=9.5), code, "no")
        then = {"whole_only": True, "why": "fraction_refused", "figures": {}}
        note = f"recorder: WARNING fractional_refused TSLA code={code} qty=9.5"
        assert step(ASKED, told) == (FREE | ENDED | then, [note])

    @pytest.mark.parametrize(("code", "quantity"), [(10242, 9.0), (201, 9.5), (10241, 9.5), (10244, 9.5)])
    def test_any_other_refusal_counts(self, code: int, quantity: float) -> None:
        then, said = step(ASKED, OrderRejected(entry_order(status="Inactive", quantity=quantity), code, "no"))
        assert (then["why"], then["figures"], then["refusals"]) == ("rejected_by_broker", {"code": float(code)}, 1)
        assert said == []

    ENDS = (
        OrderCancelled(entry_order(status="Cancelled", filled=4.0), False),
        OrderRejected(entry_order(status="Inactive", filled=4.0), 201, "no"),
    )
    FORGETS: ClassVar[dict[str, Any]] = {"entry_live": False, "entry_at": "", "partial_ns": 0}

    @pytest.mark.parametrize("told", ENDS)
    def test_in_part_and_what_filled_is_held(self, told: Message) -> None:
        assert step(FILLING, told) == (self.FORGETS | {"why": "protected_by_stop"}, [])
        shows_figures = with_(FILLING, figures={"x": 1.0})
        assert step(shows_figures, told) == (self.FORGETS | {"why": "protected_by_stop", "figures": {}}, [])
        selling = with_(FILLING, state=S.EXITING, why="stop_triggered", figures={"x": 1.0})
        assert step(selling, told) == (self.FORGETS, [])
        rests = with_(FILLING, state=S.COOLDOWN, why="stopped_out", own=0.0)
        assert step(rests, told) == (self.FORGETS, [])

    @pytest.mark.parametrize("filled", [0.5, 1.0])
    def test_in_part_before_its_shares_are_heard_of(self, filled: float) -> None:
        """The fill is on its way: until then the entry ends as any other does, for there is nothing to hold."""
        given = with_(FILLING, state=S.ENTRY_PENDING, own=0.0)
        cancelled = self.cancelled(asked=True, filled=filled, cancel_reason="paused")
        assert step(given, cancelled) == (self.FORGETS | FREE | {"why": "paused"}, [])
        rejected = OrderRejected(entry_order(filled=filled), 201, "no")
        assert step(given, rejected)[0]["refusals"] == 1

    @pytest.mark.parametrize("state", [S.NO_POSITION, S.POSITION_OPEN, S.PAUSED])
    def test_when_nobody_waits_for_it_any_more(self, state: S) -> None:
        """The operator's sale, or shares that he adopted, came first: it is no refusal and no reason to wait."""
        given = with_(ASKED, state=state, why="x", refusals=2)
        assert step(given, self.cancelled()) == (ENDED, [])
        assert step(given, OrderRejected(entry_order(status="Inactive"), 201, "no")) == (ENDED, [])

    @pytest.mark.parametrize(
        "order",
        [{"client_order_id": "CT-TSLA-20250106-0"}, {"role": "flatten"}, {"role": "foreign"}, {"role": "adopted"}],
    )
    def test_of_another_order_says_nothing(self, order: dict[str, Any]) -> None:
        assert step(ASKED, self.cancelled(**order)) == NOTHING
        assert step(ASKED, OrderRejected(entry_order(**order), 201, "no")) == NOTHING


class TestTheStopEnds:
    def ends(self, **order: Any) -> list[Message]:
        stop = stop_order(**({"status": "Cancelled"} | order))
        return [OrderCancelled(stop, True), OrderRejected(stop, 201, "no")]

    def test_and_the_shares_are_held_all_the_same(self) -> None:
        given = with_(EXITING, figures={"x": 1.0}, exit_told=True)
        back = {"why": "stop_lost", "figures": {}, "stop_held": False, "exiting_ns": 0, "exit_told": False}
        for told in self.ends():
            assert step(HOLDS, told) == ({"why": "stop_lost", "stop_held": False}, [])
            assert step(given, told) == (back | {"state": S.POSITION_OPEN}, [])

    @pytest.mark.parametrize(
        ("fields", "order"),
        [
            ({"own": 0.5}, {}),
            ({}, {"client_order_id": f"{ENTRY}-S0"}),
            ({}, {"cancel_reason": "flatten"}),
        ],
    )
    def test_which_is_no_loss(self, fields: dict[str, Any], order: dict[str, Any]) -> None:
        for told in self.ends(**order):
            assert step(with_(HOLDS, **fields), told) == NOTHING


def test_a_stop_is_named_by_its_order() -> None:
    """So what is said of the stop of an older entry does not concern the present one's shares."""
    order: OrderRecord = stop_order(client_order_id="CT-TSLA-20250106-0-S1", status="Cancelled")
    assert step(HOLDS, OrderCancelled(order, True)) == NOTHING
