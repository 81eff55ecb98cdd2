"""Fills, corrections, flattens and position reports, each with all their effects."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from messages.operator import Flattening
from messages.orders import OrderFilled, PositionUpdated
from services.symbol.record import SymbolRecord
from tests.symbol.one_decision import (
    ARMED,
    ENDED,
    ENTRY,
    EXITING,
    FILLED_NS,
    FILLING,
    FORGOTTEN,
    HOLDS,
    NOON,
    NOTHING,
    RESTS,
    STOP,
    SUBMITTED,
    WORKED,
    S,
    fill,
    step,
    takes_back,
    with_,
)
from tests.symbol.scenario import MINUTE, SECOND


class TestBought:
    """Shares of an entry."""

    @pytest.mark.parametrize(
        ("given", "message", "then"),
        [
            (
                WORKED,
                fill("BUY", own=9.0, cost_usd=945.0),
                FORGOTTEN | {"state": S.POSITION_OPEN, "why": "protected_by_stop", "figures": {}},
            ),
            (
                SUBMITTED,
                fill("BUY", own=9.0, cost_usd=945.0, filled=10.0),  # more than was ordered
                ENDED | {"state": S.POSITION_OPEN, "why": "protected_by_stop", "figures": {}},
            ),
            (
                SUBMITTED,
                fill("BUY", own=4.0, cost_usd=420.0, filled=4.0),
                {"state": S.POSITION_OPEN, "why": "entry_filling", "figures": {}, "partial_ns": NOON},
            ),
            (
                SUBMITTED,
                fill("BUY", own=8.5, cost_usd=892.5, filled=8.5),
                {"state": S.POSITION_OPEN, "why": "entry_filling", "figures": {}, "partial_ns": NOON},
            ),
            (SUBMITTED, fill("BUY", own=0.5, cost_usd=52.5, filled=0.5), {"partial_ns": NOON}),
            # The ten seconds count from the first part.
            (FILLING, fill("BUY", own=6.0, cost_usd=630.0, filled=6.0), {}),
            (
                FILLING,
                fill("BUY", own=9.0, cost_usd=945.0),
                {"entry_live": False, "entry_at": "", "partial_ns": 0, "why": "protected_by_stop"},
            ),
            # It had ended, by all reports so far.
            (
                with_(ARMED, entry_id=ENTRY),
                fill("BUY", own=4.0, cost_usd=420.0, filled=4.0),
                {"state": S.POSITION_OPEN, "why": "protected_by_stop", "entry_number": 1},
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
    def test_are_held(self, given: SymbolRecord, message: OrderFilled, then: dict[str, Any]) -> None:
        known = {"own": message.own} | ({"cost_usd": message.cost_usd} if message.cost_usd != given.cost_usd else {})
        assert step(given, message) == (known | then, [])

    def test_that_was_given_up_take_the_next_one_back(self) -> None:
        message = fill("BUY", own=9.0, cost_usd=945.0, of="CT.sim-TSLA-20250106-0")
        then = {"own": 9.0, "cost_usd": 945.0, "state": S.POSITION_OPEN, "why": "protected_by_stop", "figures": {}}
        assert step(SUBMITTED, message) == (then | {"cancelling": "position_open"}, [takes_back("position_open")])
        idle = with_(ARMED, entry_id=ENTRY, figures={"x": 1.0})
        assert step(idle, message) == (then, [])

    def test_in_part_while_the_next_one_fills_too(self) -> None:
        message = fill("BUY", own=8.0, cost_usd=840.0, of="CT.sim-TSLA-20250106-0", filled=4.0)
        assert step(FILLING, message) == (
            {"own": 8.0, "cost_usd": 840.0, "cancelling": "position_open"},
            [takes_back("position_open")],
        )

    @pytest.mark.parametrize("role", ["entry", "adopted"])
    def test_or_adopted_by_the_operator(self, role: str) -> None:
        message = fill("BUY", own=5.0, cost_usd=500.0, of="CT.sim-TSLA-A1", role=role)
        then = {"own": 5.0, "cost_usd": 500.0, "state": S.POSITION_OPEN, "why": "protected_by_stop"}
        assert step(ARMED, message) == (then, [])


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
            "stopout_exec": "0001.01",
        }
        assert step(HOLDS, fill("SELL", own=0.0)) == (rests, [self.note(self.UNTIL_NS)])
        exiting = with_(EXITING, exit_told=True)
        assert step(exiting, fill("SELL", own=0.0)) == (
            rests | {"exiting_ns": 0, "exit_told": False},
            [self.note(self.UNTIL_NS)],
        )

    def test_by_the_stop_it_rests_as_long_as_configured(self) -> None:
        then, sent = step(HOLDS, fill("SELL", own=0.0), cooldowns={"after_stopout_minutes": 5})
        assert then["cooldown_until_ns"] == FILLED_NS + 5 * MINUTE
        assert sent == [self.note(FILLED_NS + 5 * MINUTE)]

    def test_by_the_stop_the_rest_of_the_entry_would_buy_into_the_fall(self) -> None:
        then, sent = step(FILLING, fill("SELL", own=0.0, filled=4.0))
        assert (then["state"], then["cancelling"]) == (S.COOLDOWN, "stopped_out")
        assert sent == [self.note(self.UNTIL_NS), takes_back("stopped_out")]

    @pytest.mark.parametrize("own", [0.5, 0.99])
    def test_except_a_fraction_which_is_noted(self, own: float) -> None:
        then, sent = step(HOLDS, fill("SELL", own=own, cost_usd=52.5))
        assert (then["state"], then["own"], then["cost_usd"]) == (S.COOLDOWN, own, 52.5)
        assert sent == [f"recorder: WARNING fraction_left TSLA own={own}", self.note(self.UNTIL_NS)]

    def test_before_their_purchase_is_reported(self) -> None:
        then, sent = step(SUBMITTED, fill("SELL", own=-9.0))
        assert (then["state"], then["own"], then["cancelling"]) == (S.COOLDOWN, -9.0, "stopped_out")
        assert sent == [self.note(self.UNTIL_NS), takes_back("stopped_out")]

    @pytest.mark.parametrize(
        ("role", "why"), [("flatten", "flattened"), ("foreign", "sold_otherwise"), ("entry", "sold_otherwise")]
    )
    def test_by_something_else_it_waits_for_the_operator(self, role: str, why: str) -> None:
        given = with_(EXITING, figures={"x": 1.0}, exit_told=True)
        gone = self.SOLD | {"exiting_ns": 0, "exit_told": False}
        message = fill("SELL", own=0.0, role=role, of="CT.sim-TSLA-F1")
        assert step(given, message) == (gone | {"state": S.PAUSED, "why": why, "figures": {}}, [])

    @pytest.mark.parametrize(("role", "why"), [("stop", "stop_filling"), ("flatten", "flattening")])
    def test_in_part(self, role: str, why: str) -> None:
        part = {"own": 5.0, "cost_usd": 525.0}
        message = fill("SELL", own=5.0, cost_usd=525.0, role=role, filled=4.0)
        assert step(HOLDS, message) == (part | {"state": S.EXITING, "why": why, "exiting_ns": NOON}, [])
        assert step(EXITING, message) == (part | {"why": why}, [])
        assert step(with_(FILLING, own=9.0), message) == (
            part | {"state": S.EXITING, "why": why, "exiting_ns": NOON, "cancelling": "stop_triggered"},
            [takes_back("stop_triggered")],
        )

    def test_a_manual_sale_of_a_part_leaves_the_rest_unchanged(self) -> None:
        message = fill("SELL", own=5.0, cost_usd=525.0, of="CT.sim-TSLA-20250106-M1", role="adopted", filled=4.0)
        assert step(HOLDS, message) == ({"own": 5.0, "cost_usd": 525.0}, [])

    def test_exactly_one_share_is_left(self) -> None:
        assert step(HOLDS, fill("SELL", own=1.0, cost_usd=105.0, filled=8.0))[0]["state"] is S.EXITING


class TestCorrections:
    """Figures of what happened before, not something that happens; unless they change whether shares are held."""

    @pytest.mark.parametrize("side", ["BUY", "SELL"])
    def test_of_a_price(self, side: str) -> None:
        message = fill(side, own=9.0, cost_usd=940.0, corrects="0001.00")
        assert step(HOLDS, message) == ({"cost_usd": 940.0}, [])
        message = fill(side, own=0.0, corrects="0001.00")
        assert step(RESTS, message) == NOTHING

    def test_of_a_sale_that_was_larger_than_reported(self) -> None:
        then, _ = step(HOLDS, fill("SELL", own=0.0, corrects="0001.00"))
        assert then["state"] is S.COOLDOWN

    def test_of_a_purchase_that_happened_after_all(self) -> None:
        message = fill("BUY", own=9.0, cost_usd=945.0, corrects="0001.00")
        assert step(with_(RESTS, figures={}), message)[0]["state"] is S.POSITION_OPEN


class TestFlattening:
    STALE = with_(HOLDS, figures={"x": 1.0}, exiting_ns=NOON, exit_told=True)
    FLAT = with_(ARMED, figures={"x": 1.0})
    SALE: ClassVar[dict[str, Any]] = {"why": "flattening", "figures": {}}

    @pytest.mark.parametrize(
        ("given", "phase", "then"),
        [
            (STALE, "waiting", {"why": "flatten_waits", "figures": {}}),
            (FLAT, "waiting", {"why": "flatten_waits", "figures": {}}),
            (STALE, "clearing", SALE | {"state": S.EXITING, "exit_told": False}),
            (STALE, "selling", SALE | {"state": S.EXITING, "exit_told": False}),
            (HOLDS, "clearing", {"why": "flattening", "state": S.EXITING, "exiting_ns": NOON}),
            (EXITING, "selling", {"why": "flattening"}),  # since its stop was triggered
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

    def test_why_it_waits_in_a_fleet_that_only_observes(self) -> None:
        then = {"why": "flatten_observed", "figures": {}}
        assert step(self.STALE, Flattening("TSLA", "waiting", 9.0, "observed")) == (then, [])


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
    def test_is_remembered(
        self, given: SymbolRecord, account: float, own: float, cost_usd: float | None, then: dict[str, Any]
    ) -> None:
        assert step(given, PositionUpdated("TSLA", account, 105.0, own, cost_usd)) == (then, [])

    def test_appears_and_the_entry_is_cancelled(self) -> None:
        then = {"account": 5.0, "own": 5.0, "state": S.POSITION_OPEN, "why": "protected_by_stop", "figures": {}}
        assert step(SUBMITTED, PositionUpdated("TSLA", 5.0, 105.0, 5.0)) == (
            then | {"cancelling": "position_open"},
            [takes_back("position_open")],
        )

    def test_is_gone_without_a_reported_sale(self) -> None:
        given = with_(EXITING, figures={"x": 1.0}, exit_told=True)
        gone = {"account": 0.0, "own": 0.0, "cost_usd": 0.0, "why": "sold_unseen", "figures": {}, "stop_held": False}
        message = PositionUpdated("TSLA", 0.0, 0.0, 0.0)
        assert step(given, message) == (gone | {"exiting_ns": 0, "exit_told": False, "state": S.PAUSED}, [])
