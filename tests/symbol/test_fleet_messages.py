"""Messages of clock, operator, gateway and watchlist to a symbol, each with all its effects."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from messages import Message
from messages.account import LinkChanged, ReconciliationDone
from messages.interlock import EntriesBlocked, EntriesUnblocked
from messages.market import MarketRule, MarketTime, Session, SessionClosed, SessionClosing, SessionOpened
from messages.operator import ClearCooldown, Paused, Refused, Resumed
from messages.timers import Elapsed, Started
from messages.watchlist import WatchlistChanged
from services.runtime.core import Deadlines, Decision, Now, State
from services.symbol.core import SymbolCore, SymbolRecord
from services.symbol.record import status_of
from tests.symbol.one_decision import (
    ARMED,
    ENTRIES_UNTIL,
    ENTRY,
    EXITING,
    FILLING,
    HOLDS,
    NOON,
    NOTHING,
    RESTS,
    STOP,
    SUBMITTED,
    S,
    Step,
    step,
    takes_back,
    with_,
)
from tests.symbol.scenario import MINUTE, MONDAY, SECOND, TUESDAY, settings_of

RETIRES = ["clock: SymbolRetired TSLA", "recorder: INFO symbol_retired TSLA"]


class TestTheFirstMessage:
    def test_of_its_life_makes_its_record_and_shows_it(self) -> None:
        core = SymbolCore("TSLA", settings_of())
        born = SymbolRecord(symbol="TSLA")
        decision = core.handle(State(core.kinds), MarketTime(NOON, 0, 1.0, NOON), Now(NOON, 0))
        assert decision == Decision([(SymbolRecord, "TSLA", born)], [("TSLA", status_of(born, NOON))])

    def test_of_no_concern_changes_nothing_later(self) -> None:
        assert step(ARMED, MarketTime(NOON, 0, 1.0, NOON)) == NOTHING

    def test_ready_from_the_start(self) -> None:
        core = SymbolCore("TSLA", settings_of())
        state = State(core.kinds)
        assert core.ready(state) is True
        assert core.snapshot(state, ()) == [("TSLA", status_of(SymbolRecord(symbol="TSLA"), 0))]
        state.apply([(SymbolRecord, "TSLA", HOLDS)])
        assert core.snapshot(state, ()) == [("TSLA", status_of(HOLDS, 0))]


class TestTheSession:
    YESTERDAY = with_(
        ARMED,
        session_date="2025-01-03",
        session_open_ns=7,
        entries_until_ns=8,
        phase="closed",
        why="expired",
        figures={"x": 1.0},
        entry_number=4,
        refusals=2,
        wait_until_ns=NOON,
    )
    OPENS = SessionOpened(
        Session(MONDAY.date, MONDAY.open_ns, MONDAY.close_ns, break_start_ns=5, break_end_ns=6), ENTRIES_UNTIL
    )
    OPEN: ClassVar[dict[str, Any]] = {
        "session_date": MONDAY.date,
        "session_open_ns": MONDAY.open_ns,
        "entries_until_ns": ENTRIES_UNTIL,
        "break_ns": (5, 6),
        "phase": "open",
    }
    COUNTS: ClassVar[dict[str, Any]] = {"entry_number": 0, "refusals": 0, "wait_until_ns": 0}

    def test_a_new_session_resets_all_counts(self) -> None:
        given, opens = self.YESTERDAY, self.OPENS
        assert step(given, opens) == (self.OPEN | self.COUNTS | {"why": "open_delay", "figures": {}}, [])

    def test_a_symbol_that_is_not_idle_keeps_its_reason(self) -> None:
        given = with_(self.YESTERDAY, state=S.COOLDOWN)
        assert step(given, self.OPENS) == (self.OPEN | self.COUNTS, [])

    def test_the_same_session_again_resets_nothing(self) -> None:
        given = with_(self.YESTERDAY, session_date=MONDAY.date)
        message = {name: value for name, value in self.OPEN.items() if name != "session_date"}
        assert step(given, self.OPENS) == (message, [])

    @pytest.mark.parametrize(
        ("sections", "taken"),
        [
            ({}, True),
            ({"entries": {"cancel_at_close": False}}, False),
            ({"entries": {"cancel_at_close": False}, "hours": {"allow_pre_market": True}}, True),
            ({"entries": {"cancel_at_close": False}, "hours": {"allow_after_hours": True}}, False),
            ({"hours": {"allow_after_hours": True}}, True),
        ],
    )
    def test_its_close_is_near(self, sections: dict[str, Any], taken: bool) -> None:
        then = {"phase": "closing"} | ({"cancelling": "end_of_day"} if taken else {})
        assert step(SUBMITTED, SessionClosing(MONDAY), **sections) == (
            then,
            [takes_back("end_of_day")] if taken else [],
        )
        assert step(ARMED, SessionClosing(MONDAY), **sections) == ({"phase": "closing"}, [])

    def test_it_is_over(self) -> None:
        given = with_(ARMED, phase="closing", why="closing", figures={"x": 1.0})
        assert step(given, SessionClosed(MONDAY)) == ({"phase": "closed", "why": "session_closed", "figures": {}}, [])
        assert step(HOLDS, SessionClosed(MONDAY)) == ({"phase": "closed"}, [])

    def test_a_new_day_starts_from_nothing(self) -> None:
        given = SymbolRecord(symbol="TSLA")
        then, sent = step(given, SessionOpened(TUESDAY, TUESDAY.close_ns), now=TUESDAY.open_ns)
        assert (then["session_date"], then["why"], sent) == (TUESDAY.date, "open_delay", [])


class TestTheOperator:
    @pytest.mark.parametrize(("scope", "mark"), [(None, "fleet_paused"), ("TSLA", "paused")])
    def test_pauses(self, scope: str | None, mark: str) -> None:
        message = Paused(scope, "operator")
        assert step(ARMED, message) == ({mark: True}, [])
        assert step(SUBMITTED, message) == ({mark: True, "cancelling": "paused"}, [takes_back("paused")])
        assert step(HOLDS, message) == ({mark: True}, [])

    @pytest.mark.parametrize(
        "message", [Paused("NVDA", "operator"), Resumed("NVDA", "operator"), ClearCooldown("NVDA")]
    )
    def test_about_another_symbol(self, message: Message) -> None:
        waits = with_(SUBMITTED, paused=True, disarmed=True, refusals=3)
        assert step(waits, message) == NOTHING
        assert step(RESTS, message) == NOTHING

    @pytest.mark.parametrize(
        ("message", "then"),
        [
            (Resumed(None, "operator"), {"fleet_paused": False}),
            (Resumed("TSLA", "daily_loss"), {"paused": False}),
            (
                Resumed("TSLA", "operator"),
                {"paused": False, "disarmed": False, "refusals": 0, "state": S.NO_POSITION},
            ),
        ],
    )
    def test_a_resume_ends_what_it_names_and_only_the_operators_rearms(
        self, message: Resumed, then: dict[str, Any]
    ) -> None:
        waits = with_(ARMED, state=S.PAUSED, paused=True, fleet_paused=True, disarmed=True, refusals=3)
        assert step(waits, message) == (then, [])

    @pytest.mark.parametrize("scope", [None, "TSLA"])
    def test_clears_the_rest_after_a_stop_out(self, scope: str | None) -> None:
        assert step(RESTS, ClearCooldown(scope)) == (
            {"state": S.NO_POSITION, "cooldown_until_ns": 0, "why": "armed", "figures": {}},
            ["recorder: INFO stopout_cooldown_cleared TSLA"],
        )
        assert step(with_(RESTS, state=S.PAUSED), ClearCooldown(scope)) == NOTHING

    def test_a_refused_message_pauses_the_symbol(self) -> None:
        note = "recorder: ERROR symbol_paused TSLA reason='message_refused' error='boom'"
        message = Refused("gateway", 7, "TSLA", "boom")
        assert step(ARMED, message) == ({"paused": True}, [note])
        assert step(SUBMITTED, message) == (
            {"paused": True, "cancelling": "message_refused"},
            [note, takes_back("message_refused")],
        )
        assert step(SUBMITTED, Refused("gateway", 7, "NVDA", "boom")) == NOTHING


class TestTheGateway:
    @pytest.mark.parametrize(
        ("down", "message", "then"),
        [
            ((), LinkChanged("data", False, ""), ("data",)),
            (("socket", "broker"), LinkChanged("data", False, ""), ("socket", "broker", "data")),
            (("socket", "broker"), LinkChanged("socket", False, ""), ("broker", "socket")),
            (("socket", "broker"), LinkChanged("socket", True, ""), ("broker",)),
            (("broker", "socket"), ReconciliationDone("DU1", 0, 0, 0), ("broker",)),
        ],
    )
    def test_which_links_are_down(self, down: tuple[str, ...], message: Message, then: tuple[str, ...]) -> None:
        assert step(with_(ARMED, links_down=down), message) == ({"links_down": then}, [])

    @pytest.mark.parametrize("message", [LinkChanged("data", True, ""), ReconciliationDone("DU1", 0, 0, 0)])
    def test_a_link_that_was_up_already(self, message: Message) -> None:
        assert step(ARMED, message) == NOTHING

    def test_blocks_entries_for_a_reason_or_two(self) -> None:
        off, wrong = {"clock_off": {"off_s": 1.5}}, {"wrong_account": {}}
        blocked = with_(ARMED, blocks=off)
        assert step(ARMED, EntriesBlocked("clock_off", "set it", {"off_s": 1.5})) == ({"blocks": off}, [])
        assert step(blocked, EntriesBlocked("wrong_account", "log in", {})) == ({"blocks": off | wrong}, [])
        later = EntriesBlocked("clock_off", "set it", {"off_s": 2.5})
        assert step(blocked, later) == ({"blocks": {"clock_off": {"off_s": 2.5}}}, [])

    def test_ends_one_of_them(self) -> None:
        blocks: dict[str, dict[str, float]] = {"clock_off": {"off_s": 1.5}, "wrong_account": {}}
        blocked = with_(ARMED, blocks=blocks)
        assert step(blocked, EntriesUnblocked("wrong_account")) == ({"blocks": {"clock_off": {"off_s": 1.5}}}, [])
        assert step(blocked, EntriesUnblocked("live_unconfirmed")) == NOTHING

    def test_the_price_grid(self) -> None:
        assert step(ARMED, MarketRule("TSLA", ((0.0, 0.05),))) == ({"grid": ((0.0, 0.05),)}, [])


class TestTheWatchlist:
    GONE = WatchlistChanged(("NVDA",), ("TSLA",))
    LEAVING = with_(ARMED, winding_down=True)

    @pytest.mark.parametrize(
        ("message", "winding"),
        [
            (WatchlistChanged(("NVDA",), ("TSLA",)), True),
            (WatchlistChanged(("NVDA",), ()), True),
            (WatchlistChanged(("NVDA", "TSLA"), ("TSLA",)), True),
            (WatchlistChanged(("NVDA", "TSLA"), ("AMC",)), False),
        ],
    )
    def test_has_it_or_not(self, message: WatchlistChanged, winding: bool) -> None:
        assert step(HOLDS, message) == ({"winding_down": True} if winding else {}, [])
        here = with_(HOLDS, winding_down=True)
        assert step(here, message) == ({} if winding else {"winding_down": False}, [])

    @pytest.mark.parametrize("winding", [True, False])
    def test_after_a_restart_is_that_of_the_settings(self, winding: bool) -> None:
        sections: dict[str, Any] = {"watchlist": ["NVDA"], "winding_down": ["TSLA"]} if winding else {}
        before = with_(HOLDS, winding_down=not winding)
        assert step(before, Started(2), **sections) == ({"winding_down": winding}, [])

    def test_without_it_takes_its_entry_back_once(self) -> None:
        then = {"winding_down": True, "cancelling": "removal_pending"}
        assert step(SUBMITTED, self.GONE) == (then, [takes_back("removal_pending")])
        assert step(with_(SUBMITTED, winding_down=True), self.GONE) == NOTHING
        restarted = step(SUBMITTED, Started(2), watchlist=["NVDA"], winding_down=["TSLA"])
        assert restarted == (then, [takes_back("removal_pending")])

    def test_with_it_again_lets_it_trade_again(self) -> None:
        back = WatchlistChanged(("TSLA",), ())
        assert step(with_(self.LEAVING, retired=True), back) == ({"winding_down": False, "retired": False}, [])

    def test_without_it_lets_it_go_once(self) -> None:
        assert step(ARMED, self.GONE) == ({"winding_down": True, "retired": True}, RETIRES)
        assert step(with_(self.LEAVING, retired=True), self.GONE) == NOTHING

    @pytest.mark.parametrize(
        ("fields", "goes"),
        [
            ({}, True),
            ({"state": S.COOLDOWN, "cooldown_until_ns": NOON + 1}, True),
            ({"state": S.PAUSED}, True),
            ({"own": 0.99}, True),  # less than a share is no position
            ({"own": 1.0}, False),
            ({"entry_live": True}, False),
            ({"state": S.ENTRY_PENDING}, False),
            ({"state": S.POSITION_OPEN}, False),
            ({"state": S.EXITING, "exit_told": True}, False),
        ],
    )
    def test_a_symbol_that_holds_or_may_buy_does_not_retire(self, fields: dict[str, Any], goes: bool) -> None:
        assert step(with_(self.LEAVING, **fields), Elapsed()) == (({"retired": True}, RETIRES) if goes else NOTHING)
        stays = with_(ARMED, **fields)
        assert step(stays, Elapsed()) == NOTHING


class TestTime:
    """What happens by itself: when it is due, and that it happens then and not a moment before."""

    TRIGGERED = with_(SUBMITTED, entry_at="working", triggered_ns=NOON - 3 * SECOND)

    @pytest.mark.parametrize(
        ("given", "sections", "due"),
        [
            (ARMED, {}, None),
            (HOLDS, {}, None),
            (SUBMITTED, {}, None),
            (RESTS, {}, NOON + MINUTE),
            (FILLING, {}, NOON + 9 * SECOND),
            (FILLING, {"entries": {"partial_fill_s": 1.5}}, NOON + SECOND // 2),
            (with_(FILLING, triggered_ns=NOON - 20 * SECOND), {}, NOON + 9 * SECOND),
            (with_(FILLING, cancelling="paused"), {}, None),
            (with_(FILLING, entry_live=False), {}, None),
            (TRIGGERED, {}, NOON + 27 * SECOND),
            (TRIGGERED, {"entries": {"unfilled_after_trigger_s": 3.5}}, NOON + SECOND // 2),
            (with_(TRIGGERED, cancelling="paused"), {}, None),
            (with_(TRIGGERED, entry_live=False), {}, None),
            (EXITING, {}, NOON + 27 * SECOND),
            (with_(EXITING, exit_told=True), {}, None),
            (with_(HOLDS, exiting_ns=NOON), {}, None),
            (with_(RESTS, state=S.PAUSED), {}, None),
            (with_(RESTS, entry_live=True, partial_ns=NOON), {}, NOON + 10 * SECOND),  # the earlier of the two
        ],
    )
    def test_when_it_is_due(self, given: SymbolRecord, sections: dict[str, Any], due: int | None) -> None:
        core = SymbolCore("TSLA", settings_of(**sections))
        state = State(core.kinds)
        state.apply([(SymbolRecord, "TSLA", given)])
        assert core.deadlines(state, Now(NOON, 0)) == Deadlines(market_ns=due, machine_ns=None)

    @pytest.mark.parametrize(
        ("given", "at_ns", "then"),
        [
            (
                RESTS,
                NOON + MINUTE,
                (
                    {"state": S.NO_POSITION, "cooldown_until_ns": 0, "why": "armed", "figures": {}},
                    ["recorder: INFO stopout_cooldown_ended TSLA"],
                ),
            ),
            (FILLING, NOON + 9 * SECOND, ({"cancelling": "partial_fill"}, [takes_back("partial_fill")])),
            (
                TRIGGERED,
                NOON + 27 * SECOND,
                ({"cancelling": "triggered_unfilled"}, [takes_back("triggered_unfilled")]),
            ),
            (
                EXITING,
                NOON + 27 * SECOND,
                ({"exit_told": True}, [f"recorder: ERROR exit_unfilled TSLA own=9.0 stop='{STOP}'"]),
            ),
        ],
    )
    def test_then_and_not_before(self, given: SymbolRecord, at_ns: int, then: Step) -> None:
        assert step(given, Elapsed(), now=at_ns - 1) == NOTHING
        assert step(given, Elapsed(), now=at_ns) == then
        assert step(given, Elapsed(), now=at_ns + 1) == then

    def test_what_is_not_due_yet_keeps_nothing_else_from_happening(self) -> None:
        given = with_(RESTS, entry_live=True, partial_ns=NOON - MINUTE)
        assert step(given, Elapsed()) == ({"cancelling": "partial_fill"}, [takes_back("partial_fill")])

    def test_two_things_at_once(self) -> None:
        given = with_(RESTS, cooldown_until_ns=NOON, entry_live=True, entry_id=ENTRY, partial_ns=NOON - MINUTE)
        then, sent = step(given, Elapsed())
        assert (then["state"], then["cancelling"]) == (S.NO_POSITION, "partial_fill")
        assert sent == ["recorder: INFO stopout_cooldown_ended TSLA", takes_back("partial_fill")]
