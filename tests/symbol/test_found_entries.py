"""A symbol whose records are lost follows what the gateway reports; what the gateway has lost, it drops."""

from __future__ import annotations

from typing import Any

import pytest

from messages.account import ReconciliationDone
from messages.interlock import EntriesBlocked, EntriesUnblocked
from messages.market import SessionClosing, SessionOpened
from messages.operator import Paused
from messages.orders import OrderUpdated
from services.symbol.record import SymbolRecord
from services.symbol.states import SymbolState
from tests.symbol.one_decision import (
    ARMED,
    ENTRIES_UNTIL,
    ENTRY,
    HOLDS,
    NOON,
    RESTS,
    SUBMITTED,
    entry_order,
    fill,
    step,
    takes_back,
    tick,
    with_,
)
from tests.symbol.scenario import MINUTE, MONDAY, SECOND

S = SymbolState
BORN = SymbolRecord(symbol="TSLA")
HELD: dict[str, Any] = {"why_held": "trigger", "stop_price": 105.0}
FOUND = OrderUpdated(entry_order(client_order_id="CT.sim-TSLA-20250106-3", **HELD))
FOLLOWED: dict[str, Any] = {
    "state": S.ENTRY_PENDING,
    "why": "waits_for_trigger",
    "figures": {"trigger": 105.0},
    "entry_id": "CT.sim-TSLA-20250106-3",
    "entry_live": True,
    "entry_at": "held",
    "entry_trigger": 105.0,
    "anchored_ns": NOON,
    "entry_number": 3,
}
OF_MONDAY = FOLLOWED | {"session_date": "2025-01-06"}
"""By a symbol that does not know the session yet."""
NOTED = "recorder: WARNING entry_found TSLA client_order_id='CT.sim-TSLA-20250106-3' status='PreSubmitted'"
RESTING = with_(SUBMITTED, entry_at="held", entry_number=3, entry_id="CT.sim-TSLA-20250106-3")


def test_a_live_entry_of_lost_records_is_followed() -> None:
    assert step(BORN, FOUND) == (OF_MONDAY, [NOTED])
    assert step(ARMED, FOUND) == (FOLLOWED, [NOTED])


def test_the_next_entry_of_the_session_has_the_next_number() -> None:
    followed = with_(BORN, **OF_MONDAY)
    then, _ = step(followed, SessionOpened(MONDAY, ENTRIES_UNTIL))
    assert then.keys().isdisjoint({"entry_number", "entry_live"}), "they stay"
    older = with_(followed, session_date="2025-01-03")
    assert step(older, SessionOpened(MONDAY, ENTRIES_UNTIL))[0]["entry_number"] == 0


def test_the_number_of_an_entry_that_ended_is_not_used_again() -> None:
    ended = entry_order(client_order_id="CT.sim-TSLA-20250106-3", status="Cancelled")
    assert step(ARMED, OrderUpdated(ended)) == ({"entry_number": 3}, [])
    assert step(BORN, OrderUpdated(ended)) == ({"entry_number": 3, "session_date": "2025-01-06"}, [])
    older = entry_order(client_order_id="CT.sim-TSLA-20250103-9", status="Cancelled")
    assert step(ARMED, OrderUpdated(older)) == ({}, [])


def test_it_is_taken_back_before_the_close_by_a_pause_and_by_a_halt() -> None:
    followed = with_(ARMED, **FOLLOWED)
    for message, reason in (
        (SessionClosing(MONDAY), "end_of_day"),
        (Paused(None, "operator"), "paused"),
        (tick(halted=True), "halted"),
    ):
        assert takes_back(reason, "CT.sim-TSLA-20250106-3") in step(followed, message)[1]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (with_(BORN, paused=True), "paused"),
        (with_(BORN, fleet_paused=True), "paused"),
        (with_(BORN, winding_down=True), "removal_pending"),
        (with_(ARMED, phase="closing"), "end_of_day"),
        (with_(HOLDS, entry_id="", entry_live=False), "position_open"),
        (RESTS, "stopped_out"),
        (with_(ARMED, state=S.PAUSED), "paused"),
        (with_(ARMED, blocks={"shares_found": {}}, own_blocks=("shares_found",)), "shares_found"),
    ],
)
def test_where_no_entry_may_rest_it_is_taken_back_at_once(given: SymbolRecord, reason: str) -> None:
    then, sent = step(given, FOUND)
    assert (then["entry_live"], then["cancelling"]) == (True, reason)
    assert sent == [NOTED, takes_back(reason, "CT.sim-TSLA-20250106-3")]
    assert then.get("state", given.state) is (S.ENTRY_PENDING if given.state is S.NO_POSITION else given.state)


def test_one_that_is_being_cancelled_is_not_cancelled_again() -> None:
    late = OrderUpdated(entry_order(cancel_reason="came_late", **HELD))
    then, sent = step(with_(SUBMITTED, state=S.NO_POSITION, entry_live=False, paused=True), late)
    assert (then["state"], then["entry_live"], then["cancelling"]) == (S.ENTRY_PENDING, True, "came_late")
    assert len(sent) == 1


def test_a_second_live_entry_is_cancelled() -> None:
    assert step(SUBMITTED, FOUND) == ({"entry_number": 3}, [takes_back("entry_live", "CT.sim-TSLA-20250106-3")])
    asked = OrderUpdated(entry_order(client_order_id="CT.sim-TSLA-20250106-3", cancel_reason="entry_live", **HELD))
    assert step(SUBMITTED, asked) == ({"entry_number": 3}, [])


class TestReconciliation:
    def test_drops_an_entry_that_the_gateway_and_the_broker_no_longer_have(self) -> None:
        then, sent = step(RESTING, ReconciliationDone("DU1", 0, 0, 0, (), ()))
        assert (then["state"], then["why"], then["entry_live"], sent) == (S.NO_POSITION, "entry_lost", False, [])

    @pytest.mark.parametrize(
        ("given", "entries"),
        [
            (RESTING, (RESTING.entry_id,)),
            (with_(RESTING, entry_at=""), ()),  # it may be on its way to the gateway
            (RESTING, None),  # an earlier release does not say
        ],
    )
    def test_keeps_any_other(self, given: SymbolRecord, entries: tuple[str, ...] | None) -> None:
        assert step(given, ReconciliationDone("DU1", 0, 0, 0, entries, ())) == ({}, [])

    def test_drops_blocks_that_the_gateway_no_longer_has(self) -> None:
        blocks: dict[str, dict[str, float]] = {"disk_full": {}, "shares_found": {}, "contract_quarantined": {}}
        given = with_(ARMED, blocks=blocks, own_blocks=("shares_found", "contract_quarantined"))
        done = ReconciliationDone("DU1", 0, 0, 0, (), ("disk_full", "shares_found NVDA", "contract_quarantined TSLA"))
        assert step(given, done)[0] == {
            "blocks": {"disk_full": {}, "contract_quarantined": {}},
            "own_blocks": ("contract_quarantined",),
        }


def test_a_block_of_this_symbol_takes_its_entry_back() -> None:
    then, sent = step(SUBMITTED, EntriesBlocked("shares_found", "x", {"shares": 4.0}, "TSLA"))
    assert (then["blocks"], then["own_blocks"]) == ({"shares_found": {"shares": 4.0}}, ("shares_found",))
    assert sent == [takes_back("shares_found", ENTRY)]
    assert step(SUBMITTED, EntriesBlocked("disk_full", "x", {}))[1] == []


def test_and_keeps_it_from_the_next_until_it_is_over() -> None:
    blocked = with_(ARMED, blocks={"shares_found": {"shares": 4.0}}, own_blocks=("shares_found",))
    assert step(blocked, tick()) == ({"why": "shares_found", "figures": {"shares": 4.0}}, [])
    over = {"blocks": {}, "own_blocks": ()}
    assert step(blocked, EntriesUnblocked("shares_found", "TSLA")) == (over, [])


class TestRebuiltStopOut:
    """`FILLED_NS` of `fill` is seven seconds before noon."""

    LAST = NOON - 7 * SECOND

    def test_a_cooldown_that_is_over_by_now_is_over(self) -> None:
        sold = fill("SELL", own=0.0)
        then, _ = step(HOLDS, sold, now=NOON + 60 * MINUTE)
        assert (then["state"], then["cooldown_until_ns"]) == (S.COOLDOWN, self.LAST + 20 * MINUTE)

    def test_the_true_execution_moves_the_cooldown(self) -> None:
        rests = with_(RESTS, stopout_exec="synthetic", cooldown_until_ns=NOON + 30 * MINUTE)
        then, _ = step(rests, fill("SELL", own=0.0, corrects="synthetic"))
        assert then == {"cooldown_until_ns": self.LAST + 20 * MINUTE, "stopout_exec": "0001.01"}

    def test_it_starts_one_that_was_thought_over(self) -> None:
        armed = with_(ARMED, stopout_exec="synthetic")
        then, _ = step(armed, fill("SELL", own=0.0, corrects="synthetic"))
        assert (then["state"], then["cooldown_until_ns"]) == (S.COOLDOWN, self.LAST + 20 * MINUTE)
        later, sent = step(armed, fill("SELL", own=0.0, corrects="synthetic"), now=NOON + 60 * MINUTE)
        assert (later, sent) == ({"stopout_exec": "0001.01"}, [])

    def test_a_repeated_report_starts_no_second_cooldown(self) -> None:
        armed = with_(ARMED, stopout_exec="0001.01")
        assert step(armed, fill("SELL", own=0.0)) == ({}, [])
