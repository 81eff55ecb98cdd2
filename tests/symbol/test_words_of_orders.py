"""What becomes of an entry and of its stop, each word of it with all that follows."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from messages import Message
from messages.entries import EntryDenied, EntryDropped
from messages.operator import Flattening
from messages.orders import (
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderPlaced,
    OrderRecord,
    OrderRejected,
    OrderUpdated,
    PositionUpdated,
)
from services.symbol.record import SymbolRecord

from .actor_words import MINUTE, SECOND
from .steps import (
    ARMED,
    ASKED,
    ENDED,
    ENTRIES_UNTIL,
    ENTRY,
    EXITING,
    FILLED_NS,
    FILLING,
    HOLDS,
    NOON,
    RESTS,
    STOP,
    S,
    Step,
    entry_order,
    fill,
    step,
    stop_order,
    takes_back,
    with_,
)

NOTHING: Step = ({}, [])
WORKED = with_(
    ASKED, entry_at="working", triggered_ns=NOON - SECOND, partial_ns=NOON - SECOND, cancelling="paused", refusals=0
)
"""An entry with all that is remembered of one."""
FORGOTTEN = {"entry_live": False, "entry_at": "", "triggered_ns": 0, "partial_ns": 0, "cancelling": ""}
FREE = {"state": S.NO_POSITION}


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


class TestBought:
    """Shares of an entry."""

    @pytest.mark.parametrize(
        ("given", "told", "then"),
        [
            (
                WORKED,
                fill("BUY", own=9.0, cost_usd=945.0),
                FORGOTTEN | {"state": S.POSITION_OPEN, "why": "protected_by_stop", "figures": {}},
            ),
            (
                ASKED,
                fill("BUY", own=9.0, cost_usd=945.0, filled=10.0),  # more than was ordered
                ENDED | {"state": S.POSITION_OPEN, "why": "protected_by_stop", "figures": {}},
            ),
            (
                ASKED,
                fill("BUY", own=4.0, cost_usd=420.0, filled=4.0),
                {"state": S.POSITION_OPEN, "why": "entry_filling", "figures": {}, "partial_ns": NOON},
            ),
            (
                ASKED,
                fill("BUY", own=8.5, cost_usd=892.5, filled=8.5),
                {"state": S.POSITION_OPEN, "why": "entry_filling", "figures": {}, "partial_ns": NOON},
            ),
            (ASKED, fill("BUY", own=0.5, cost_usd=52.5, filled=0.5), {"partial_ns": NOON}),
            # The ten seconds count from the first part.
            (FILLING, fill("BUY", own=6.0, cost_usd=630.0, filled=6.0), {}),
            (
                FILLING,
                fill("BUY", own=9.0, cost_usd=945.0),
                {"entry_live": False, "entry_at": "", "partial_ns": 0, "why": "protected_by_stop"},
            ),
            # It had ended, by all that was heard.
            (
                with_(ARMED, entry_id=ENTRY),
                fill("BUY", own=4.0, cost_usd=420.0, filled=4.0),
                {"state": S.POSITION_OPEN, "why": "protected_by_stop"},
            ),
            # While the stop sells the reason stays what it is.
            (
                with_(EXITING, own=4.0, entry_live=True, partial_ns=NOON - SECOND, figures={"x": 1.0}),
                fill("BUY", own=6.0, cost_usd=630.0, filled=6.0),
                {},
            ),
            # Heard after the stop that sold it again.
            (with_(RESTS, own=-9.0), fill("BUY", own=0.0), {}),
        ],
    )
    def test_are_held(self, given: SymbolRecord, told: OrderFilled, then: dict[str, Any]) -> None:
        known = {"own": told.own} | ({"cost_usd": told.cost_usd} if told.cost_usd != given.cost_usd else {})
        assert step(given, told) == (known | then, [])

    def test_that_was_given_up_take_the_next_one_back(self) -> None:
        told = fill("BUY", own=9.0, cost_usd=945.0, of="CT-TSLA-20250106-0")
        then = {"own": 9.0, "cost_usd": 945.0, "state": S.POSITION_OPEN, "why": "protected_by_stop", "figures": {}}
        assert step(ASKED, told) == (then | {"cancelling": "position_open"}, [takes_back("position_open")])
        idle = with_(ARMED, entry_id=ENTRY, figures={"x": 1.0})
        assert step(idle, told) == (then, [])

    def test_in_part_while_the_next_one_fills_too(self) -> None:
        told = fill("BUY", own=8.0, cost_usd=840.0, of="CT-TSLA-20250106-0", filled=4.0)
        assert step(FILLING, told) == (
            {"own": 8.0, "cost_usd": 840.0, "cancelling": "position_open"},
            [takes_back("position_open")],
        )

    @pytest.mark.parametrize("role", ["entry", "adopted"])
    def test_or_adopted_by_the_operator(self, role: str) -> None:
        told = fill("BUY", own=5.0, cost_usd=500.0, of="CT-TSLA-A1", role=role)
        then = {"own": 5.0, "cost_usd": 500.0, "state": S.POSITION_OPEN, "why": "protected_by_stop"}
        assert step(ARMED, told) == (then, [])


class TestSold:
    UNTIL_NS = FILLED_NS + 20 * MINUTE
    SOLD: ClassVar[dict[str, Any]] = {"own": 0.0, "cost_usd": 0.0, "stop_held": False}

    def note(self, until_ns: int) -> str:
        return f"recorder: INFO stopout_cooldown_started TSLA until_ns={until_ns} price=94.0 client_order_id='{STOP}'"

    def test_by_the_stop_it_rests_from_the_brokers_time_of_the_fill(self) -> None:
        rests = self.SOLD | {
            "state": S.COOLDOWN,
            "why": "stopped_out",
            "figures": {"price": 94.0},
            "cooldown_until_ns": self.UNTIL_NS,
        }
        assert step(HOLDS, fill("SELL", own=0.0)) == (rests, [self.note(self.UNTIL_NS)])
        exiting = with_(EXITING, exit_told=True)
        assert step(exiting, fill("SELL", own=0.0)) == (
            rests | {"exiting_ns": 0, "exit_told": False},
            [self.note(self.UNTIL_NS)],
        )

    def test_by_the_stop_it_rests_as_long_as_configured(self) -> None:
        then, said = step(HOLDS, fill("SELL", own=0.0), cooldowns={"after_stopout_minutes": 5})
        assert then["cooldown_until_ns"] == FILLED_NS + 5 * MINUTE
        assert said == [self.note(FILLED_NS + 5 * MINUTE)]

    def test_by_the_stop_the_rest_of_the_entry_would_buy_into_the_fall(self) -> None:
        then, said = step(FILLING, fill("SELL", own=0.0, filled=4.0))
        assert (then["state"], then["cancelling"]) == (S.COOLDOWN, "stopped_out")
        assert said == [self.note(self.UNTIL_NS), takes_back("stopped_out")]

    @pytest.mark.parametrize("own", [0.5, 0.99])
    def test_but_for_a_fraction_which_is_said(self, own: float) -> None:
        then, said = step(HOLDS, fill("SELL", own=own, cost_usd=52.5))
        assert (then["state"], then["own"], then["cost_usd"]) == (S.COOLDOWN, own, 52.5)
        assert said == [f"recorder: WARNING fraction_left TSLA own={own}", self.note(self.UNTIL_NS)]

    def test_before_it_was_heard_that_they_were_bought(self) -> None:
        then, said = step(ASKED, fill("SELL", own=-9.0))
        assert (then["state"], then["own"], then["cancelling"]) == (S.COOLDOWN, -9.0, "stopped_out")
        assert said == [self.note(self.UNTIL_NS), takes_back("stopped_out")]

    @pytest.mark.parametrize(
        ("role", "why"), [("flatten", "flattened"), ("foreign", "sold_otherwise"), ("entry", "sold_otherwise")]
    )
    def test_by_something_else_it_waits_for_the_operator(self, role: str, why: str) -> None:
        given = with_(EXITING, figures={"x": 1.0}, exit_told=True)
        gone = self.SOLD | {"exiting_ns": 0, "exit_told": False}
        told = fill("SELL", own=0.0, role=role, of="CT-TSLA-F1")
        assert step(given, told) == (gone | {"state": S.PAUSED, "why": why, "figures": {}}, [])

    @pytest.mark.parametrize(("role", "why"), [("stop", "stop_filling"), ("flatten", "flattening")])
    def test_in_part(self, role: str, why: str) -> None:
        part = {"own": 5.0, "cost_usd": 525.0}
        told = fill("SELL", own=5.0, cost_usd=525.0, role=role, filled=4.0)
        assert step(HOLDS, told) == (part | {"state": S.EXITING, "why": why, "exiting_ns": NOON}, [])
        assert step(EXITING, told) == (part | {"why": why}, [])
        assert step(with_(FILLING, own=9.0), told) == (
            part | {"state": S.EXITING, "why": why, "exiting_ns": NOON, "cancelling": "stop_triggered"},
            [takes_back("stop_triggered")],
        )

    def test_exactly_one_share_is_left(self) -> None:
        assert step(HOLDS, fill("SELL", own=1.0, cost_usd=105.0, filled=8.0))[0]["state"] is S.EXITING


class TestCorrections:
    """Figures of what happened before, not something that happens; unless they change whether shares are held."""

    @pytest.mark.parametrize("side", ["BUY", "SELL"])
    def test_of_a_price(self, side: str) -> None:
        told = fill(side, own=9.0, cost_usd=940.0, corrects="0001.00")
        assert step(HOLDS, told) == ({"cost_usd": 940.0}, [])
        told = fill(side, own=0.0, corrects="0001.00")
        assert step(RESTS, told) == NOTHING

    def test_of_a_sale_that_was_larger_than_told(self) -> None:
        then, _ = step(HOLDS, fill("SELL", own=0.0, corrects="0001.00"))
        assert then["state"] is S.COOLDOWN

    def test_of_a_purchase_that_there_was(self) -> None:
        told = fill("BUY", own=9.0, cost_usd=945.0, corrects="0001.00")
        assert step(with_(RESTS, figures={}), told)[0]["state"] is S.POSITION_OPEN


class TestFlattening:
    STALE = with_(HOLDS, figures={"x": 1.0}, exiting_ns=NOON, exit_told=True)
    FLAT = with_(ARMED, figures={"x": 1.0})
    SALE: ClassVar[dict[str, Any]] = {"why": "flattening", "figures": {}}

    @pytest.mark.parametrize(
        ("given", "phase", "then"),
        [
            (STALE, "waiting", {"why": "flatten_waits", "figures": {}}),
            (FLAT, "waiting", {"why": "flatten_waits", "figures": {}}),
            (STALE, "clearing", SALE | {"state": S.EXITING}),
            (STALE, "selling", SALE | {"state": S.EXITING}),
            (FLAT, "clearing", SALE | {"state": S.PAUSED}),
            (FLAT, "selling", SALE | {"state": S.PAUSED}),
            (STALE, "done", {}),
            (FLAT, "done", {"why": "flattened", "figures": {}, "state": S.PAUSED}),
            (with_(STALE, why="flatten_waits"), "withdrawn", {"why": "protected_by_stop", "figures": {}}),
            (FLAT, "withdrawn", {}),
            (STALE, "failed", {"why": "stop_lost", "figures": {}, "exiting_ns": 0, "exit_told": False}),
            (
                with_(STALE, state=S.EXITING),
                "failed",
                {"why": "stop_lost", "figures": {}, "exiting_ns": 0, "exit_told": False, "state": S.POSITION_OPEN},
            ),
            (FLAT, "failed", {}),
        ],
    )
    def test_how_far_it_has_come(self, given: SymbolRecord, phase: Any, then: dict[str, Any]) -> None:
        assert step(given, Flattening("TSLA", phase, 9.0)) == (then, [])


class TestThePosition:
    """The account's, and what of it is own."""

    @pytest.mark.parametrize(
        ("given", "account", "own", "cost_usd", "then"),
        [
            (ARMED, 50.0, 0.0, None, {"account": 50.0}),
            (HOLDS, 9.0, 9.0, None, {"account": 9.0}),
            (HOLDS, 18.0, 18.0, None, {"account": 18.0, "own": 18.0}),  # a split
            (
                ARMED,
                9.0,
                9.0,
                945.0,
                {"account": 9.0, "own": 9.0, "cost_usd": 945.0, "state": S.POSITION_OPEN, "why": "protected_by_stop"},
            ),
            (
                ARMED,
                1.0,
                1.0,
                None,
                {"account": 1.0, "own": 1.0, "state": S.POSITION_OPEN, "why": "protected_by_stop"},
            ),
            (ARMED, 0.5, 0.5, None, {"account": 0.5, "own": 0.5}),
            (HOLDS, 9.0, 9.0, 950.0, {"account": 9.0, "cost_usd": 950.0}),
            (HOLDS, 0.0, 9.0, 945.0, {"account": 0.0}),
        ],
    )
    def test_is_told(
        self, given: SymbolRecord, account: float, own: float, cost_usd: float | None, then: dict[str, Any]
    ) -> None:
        assert step(given, PositionUpdated("TSLA", account, 105.0, own, cost_usd)) == (then, [])

    def test_is_there_after_all_and_no_second_one_is_bought(self) -> None:
        then = {"account": 5.0, "own": 5.0, "state": S.POSITION_OPEN, "why": "protected_by_stop", "figures": {}}
        assert step(ASKED, PositionUpdated("TSLA", 5.0, 105.0, 5.0)) == (
            then | {"cancelling": "position_open"},
            [takes_back("position_open")],
        )

    def test_is_gone_and_nobody_saw_it_sold(self) -> None:
        given = with_(EXITING, figures={"x": 1.0}, exit_told=True)
        gone = {"account": 0.0, "own": 0.0, "cost_usd": 0.0, "why": "sold_unseen", "figures": {}, "stop_held": False}
        told = PositionUpdated("TSLA", 0.0, 0.0, 0.0)
        assert step(given, told) == (gone | {"exiting_ns": 0, "exit_told": False, "state": S.PAUSED}, [])


def test_a_stop_is_named_by_its_order() -> None:
    """So what is said of the stop of an older entry does not concern the present one's shares."""
    order: OrderRecord = stop_order(client_order_id="CT-TSLA-20250106-0-S1", status="Cancelled")
    assert step(HOLDS, OrderCancelled(order, True)) == NOTHING
