"""A tick: whether it leads to an entry, and if not why; and what it means for an entry that is out there."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from messages.entries import EntryPlan, SubmitEntry
from services.runtime.core import Now, State
from services.symbol.core import SymbolCore, SymbolRecord
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
    step,
    takes_back,
    tick,
    with_,
)
from tests.symbol.scenario import MINUTE, MONDAY, SECOND, settings_of


def plan_of(given: SymbolRecord, **sections: Any) -> EntryPlan:
    """The plan that it submits on the tick of noon."""
    core = SymbolCore("TSLA", settings_of(**sections))
    state = State(core.kinds)
    state.apply([(SymbolRecord, "TSLA", given)])
    (quote,) = [(to, m) for to, m in core.handle(state, tick(), Now(NOON, 0)).messages if isinstance(m, SubmitEntry)]
    assert quote[0] == "risk"
    return quote[1].plan


class TestAnEntry:
    def test_is_submitted_and_remembered(self) -> None:
        then, sent = step(ARMED, tick())
        assert then == {
            "state": S.ENTRY_PENDING,
            "why": "waits_for_trigger",
            "figures": {"trigger": 105.0},
            "entry_number": 1,
            "entry_id": ENTRY,
            "stop_id": STOP,
            "entry_live": True,
            "entry_trigger": 105.0,
            "anchored_ns": NOON,
            "last_tick": (1, 2),
        }
        assert len(sent) == 1

    def test_is_decided_on_this_tick_at_this_time(self) -> None:
        assert plan_of(ARMED) == EntryPlan(
            client_order_id=ENTRY,
            symbol="TSLA",
            session_date=MONDAY.date,
            quantity=10.0,
            order_type="STP LMT",
            stop_price=105.0,
            limit_price=110.25,
            reference=100.0,
            tif="DAY",
            stop_client_order_id=STOP,
            stop_order_type="TRAIL",
            trailing_pct=10.0,
            limit_offset=None,
            stop_tif="GTC",
            decided_ns=NOON,
        )

    def test_counts_on_from_the_one_before(self) -> None:
        before = with_(ARMED, entry_number=1, entry_id=ENTRY, stop_id=STOP, stop_held=True, entry_trigger=99.0)
        then, _ = step(before, tick())
        assert (then["entry_number"], then["entry_id"], then["stop_id"], then["stop_held"], then["entry_trigger"]) == (
            2,
            "CT.sim-TSLA-20250106-2",
            "CT.sim-TSLA-20250106-2-S1",
            False,
            105.0,
        )

    def test_is_on_the_brokers_price_grid(self) -> None:
        assert plan_of(with_(ARMED, grid=((0.0, 0.5),))).limit_price == 110.5

    def test_is_of_whole_shares_once_a_fraction_was_refused(self) -> None:
        sections: dict[str, Any] = {"allocation": {"allow_fractional": True, "per_symbol_usd": 950.0}}
        assert plan_of(ARMED, **sections).quantity == 9.5
        assert plan_of(with_(ARMED, whole_only=True), **sections).quantity == 9.0


class TestOneTick:
    """The last one is sent again on every new subscription."""

    SEEN = with_(ARMED, last_tick=(1, 2))

    def test_is_no_news_the_second_time(self) -> None:
        assert step(self.SEEN, tick()) == NOTHING
        assert step(self.SEEN, tick(halted=True)) == NOTHING

    @pytest.mark.parametrize(("run", "number"), [(1, 3), (2, 2), (1, 1)])
    def test_of_another_number_or_run_is(self, run: int, number: int) -> None:
        then, _ = step(self.SEEN, tick(run=run, number=number))
        assert (then["state"], then["last_tick"]) == (S.ENTRY_PENDING, (run, number))


SPEAKS_AGAINST: list[tuple[str, dict[str, float], dict[str, Any]]] = [
    ("session_closed", {}, {"phase": "closed"}),
    ("closing", {}, {"entries_until_ns": NOON}),
    ("session_break", {}, {"break_ns": (NOON, NOON + 1)}),
    ("open_delay", {}, {"session_open_ns": NOON - 14 * SECOND}),
    ("paused", {}, {"paused": True}),
    ("links_down", {}, {"links_down": ("data",)}),
    ("clock_off", {"off_s": 1.5}, {"blocks": {"clock_off": {"off_s": 1.5}, "wrong_account": {"x": 1.0}}}),
    ("removal_pending", {}, {"winding_down": True, "retired": True}),
    ("not_rearmed", {}, {"disarmed": True}),
    ("entry_ending", {}, {"entry_live": True}),
    ("position_mismatch", {"own": 0.0, "account": 50.0}, {"account": 50.0}),
    ("stopped_out", {}, {"cooldown_until_ns": NOON + 1}),
]
"""What blocks an entry, in the order of the checks: reason, figures, fields of the record."""


class TestWhyNot:
    def test_the_broker_refuses_the_prices(self) -> None:
        """Whatever price was there before, and as long as none comes."""
        self.idle(ARMED, "no_market_data", {"code": 354.0}, refused=354)
        then, _ = step(with_(ARMED, why="no_market_data", figures={"code": 354.0}), tick())
        assert then["state"] is S.ENTRY_PENDING

    def idle(self, given: SymbolRecord, why: str, figures: dict[str, float], refused: int = 0, **how: Any) -> None:
        given = with_(given, why="x", figures={"y": 1.0})
        then, sent = step(given, tick(refused=refused), **how)
        assert then == {"why": why, "figures": figures}
        notes = [f"recorder: WARNING position_mismatch TSLA{''.join(f' {k}={v}' for k, v in figures.items())}"]
        assert sent == (notes if why == "position_mismatch" else [])

    @pytest.mark.parametrize("at", range(len(SPEAKS_AGAINST)))
    def test_the_first_obstacle_is_the_reason(self, at: int) -> None:
        why, figures, fields = SPEAKS_AGAINST[at]
        self.idle(with_(ARMED, **fields), why, figures)
        for _, _, later in reversed(SPEAKS_AGAINST[at + 1 :]):
            fields = later | fields
        self.idle(with_(ARMED, **fields), why, figures)
        self.idle(with_(ARMED, **fields), "clock_stale", {}, stale=True)

    def test_the_session_is_closing(self) -> None:
        self.idle(with_(ARMED, phase="closing"), "closing", {})
        self.idle(with_(ARMED, fleet_paused=True), "paused", {})

    @pytest.mark.parametrize(
        "fields",
        [
            {"entries_until_ns": NOON + 1},
            {"break_ns": (NOON - 1, NOON)},
            {"break_ns": (NOON + 1, NOON + 2)},
            {"session_open_ns": NOON - 15 * SECOND},
            {"account": 0.0},
            {"cooldown_until_ns": NOON},
            {"wait_until_ns": NOON},
        ],
    )
    def test_nothing_blocks_it_any_more(self, fields: dict[str, Any]) -> None:
        assert step(with_(ARMED, **fields), tick())[0]["state"] is S.ENTRY_PENDING

    def test_the_delay_after_the_open_is_configured_and_may_be_none(self) -> None:
        given = with_(ARMED, session_open_ns=NOON - SECOND)
        assert step(given, tick(), entries={"open_delay_s": 1})[0]["state"] is S.ENTRY_PENDING
        assert step(given, tick(), entries={"open_delay_s": 2})[0] == {"why": "open_delay"}
        assert step(with_(given, session_open_ns=NOON - SECOND + 1), tick(), entries={"open_delay_s": 1})[0] == {
            "why": "open_delay"
        }

    def test_what_it_waits_for_stands_as_it_was(self) -> None:
        waits = with_(ARMED, why="cash_reserve", figures={"cash_usd": 1.0}, wait_until_ns=NOON + 1)
        assert step(waits, tick()) == NOTHING
        assert step(waits, tick(halted=True, last_ns=0)) == NOTHING

    def test_only_a_new_reason_is_worth_a_row(self) -> None:
        """The figures of an old one change with every tick."""
        given = with_(ARMED, why="position_mismatch", figures={"own": 0.0, "account": 49.0}, account=50.0)
        assert step(given, tick()) == NOTHING
        given = with_(ARMED, why="price_above_allocation", figures={"x": 1.0})
        assert step(given, tick(2000.0)) == NOTHING

    @pytest.mark.parametrize(
        ("quote", "fields", "why", "figures"),
        [
            (tick(last_ns=MONDAY.open_ns - 1), {}, "no_trade_yet", {}),
            (tick(), {"halt_trade_ns": NOON - SECOND}, "no_trade_since_halt", {}),
            (tick(last_ns=NOON - 11 * SECOND, bid=0.0), {}, "price_stale", {"age_s": 11.0}),
            (tick(2000.0), {}, "price_above_allocation", {"last": 2000.0, "allocation_usd": 1000.0}),
            (tick(ask=105.0), {}, "price_through_trigger", {"last": 100.0, "ask": 105.0, "trigger": 105.0}),
        ],
    )
    def test_the_price_does_not_serve(self, quote: Any, fields: dict[str, Any], why: str, figures: Any) -> None:
        given = with_(ARMED, figures={"y": 1.0}, **fields)
        assert step(given, quote) == ({"why": why, "figures": figures}, [])

    @pytest.mark.parametrize("given", [HOLDS, FILLING, EXITING, RESTS, with_(ARMED, state=S.PAUSED)])
    def test_only_an_idle_symbol_submits_an_entry(self, given: SymbolRecord) -> None:
        assert step(given, tick()) == NOTHING
        assert step(given, tick(200.0)) == NOTHING


class TestAHalt:
    HALT = tick(halted=True, last_ns=NOON - MINUTE)
    SINCE: ClassVar[dict[str, Any]] = {"halt_trade_ns": NOON - MINUTE}

    def test_takes_what_is_live_of_the_entry_back(self) -> None:
        taken = self.SINCE | {"cancelling": "halted"}
        assert step(SUBMITTED, self.HALT) == (taken, [takes_back("halted")])
        assert step(FILLING, self.HALT) == (taken, [takes_back("halted")])
        assert step(HOLDS, self.HALT) == (self.SINCE, [])

    def test_or_lets_it_rest_where_configured(self) -> None:
        assert step(SUBMITTED, self.HALT, entries={"on_halt": "keep"}) == (self.SINCE, [])

    def test_is_why_nothing_is_armed(self) -> None:
        assert step(ARMED, self.HALT) == (self.SINCE | {"why": "halted"}, [])

    def test_is_over_with_the_first_trade_that_follows(self) -> None:
        given = with_(ARMED, **self.SINCE)
        assert step(given, tick(last_ns=NOON - MINUTE)) == ({"why": "no_trade_since_halt"}, [])
        assert step(given, tick(last_ns=NOON - MINUTE + 1))[0]["state"] is S.ENTRY_PENDING


class TestAnEntryThatWaits:
    WORKS = with_(SUBMITTED, entry_at="working")
    HELD = with_(SUBMITTED, entry_at="held", anchored_ns=NOON - 10 * MINUTE)
    TRIGGERED: ClassVar[dict[str, Any]] = {"triggered_ns": NOON, "why": "entry_triggered"}
    LOWER: ClassVar[dict[str, Any]] = {"entries": {"reanchor_minutes": 10}}
    MOVES = ({"cancelling": "reanchored"}, [takes_back("reanchored")])

    @pytest.mark.parametrize(
        ("last", "bid", "ask", "triggered"),
        [
            (104.99, 104.9, 104.99, False),
            (105.0, 104.9, 104.99, True),
            (104.0, 103.9, 105.0, True),
            (106.0, 105.9, 0.0, True),
        ],
    )
    def test_at_the_exchange_is_triggered_by_the_price(
        self, last: float, bid: float, ask: float, triggered: bool
    ) -> None:
        quote = tick(last, bid=bid, ask=ask)
        assert step(self.WORKS, quote) == ((self.TRIGGERED, []) if triggered else NOTHING)
        assert step(with_(self.WORKS, entry_at="held"), quote) == NOTHING, "the broker says so itself"
        assert step(with_(self.WORKS, entry_at=""), quote) == NOTHING
        assert step(with_(self.WORKS, triggered_ns=NOON - 1), quote) == NOTHING
        assert step(with_(self.WORKS, cancelling="paused"), quote) == NOTHING

    def test_is_moved_down_behind_a_falling_price(self) -> None:
        assert step(self.HELD, tick(99.0), **self.LOWER) == self.MOVES
        assert step(with_(self.HELD, entry_at="working"), tick(99.0), **self.LOWER) == self.MOVES

    @pytest.mark.parametrize(
        ("fields", "last", "minutes"),
        [
            ({}, 99.0, 0),
            ({}, 99.0, 11),
            ({"anchored_ns": NOON - 10 * MINUTE + 1}, 99.0, 10),
            ({}, 100.0, 10),  # the same trigger
            ({}, 101.0, 10),
            ({"entry_at": ""}, 99.0, 10),
            ({"cancelling": "paused"}, 99.0, 10),
            ({"triggered_ns": NOON - 1}, 99.0, 10),
            ({"links_down": ("data",)}, 99.0, 10),
            ({"halt_trade_ns": NOON}, 99.0, 10),
        ],
    )
    def test_stays_where_it_is(self, fields: dict[str, Any], last: float, minutes: int) -> None:
        given = with_(self.HELD, **fields)
        assert step(given, tick(last), entries={"reanchor_minutes": minutes}) == NOTHING

    def test_is_moved_by_no_more_than_what_stops_entries_as_such(self) -> None:
        """A wait, a rest or a position that differs concern the next entry, not this one."""
        given = with_(self.HELD, disarmed=True, account=50.0, cooldown_until_ns=NOON + 1, wait_until_ns=NOON + 1)
        assert step(given, tick(99.0), **self.LOWER) == self.MOVES

    def test_is_not_moved_once_it_is_too_late(self) -> None:
        given = with_(self.HELD, entries_until_ns=NOON)
        assert step(given, tick(99.0), **self.LOWER) == NOTHING
        assert step(given, tick(99.0), stale=True, **self.LOWER) == NOTHING
        assert ENTRIES_UNTIL > NOON
