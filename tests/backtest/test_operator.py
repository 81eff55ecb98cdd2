"""The operator in the middle of simulated days: what he orders happens, and the promises hold all the while."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest

from messages.market import Session
from messages.operator import Adopt, ClearCooldown, Command, Flatten, Pause, Resume
from services.backtest.promises import Promises
from services.backtest.runner import Result, Runner
from services.clock.calendar import sessions
from services.gateway.book import Own
from services.gateway.flatten import FlattenRecord
from services.risk.limits import Holding
from services.settings import Settings
from services.simulator.market.synthetic import SyntheticSource
from services.symbol.core import SymbolRecord

DAYS = sessions("XNYS", date(2025, 1, 6), date(2025, 1, 7), today=date(2025, 1, 7))
MONDAY: Session = DAYS[0]
TUESDAY: Session = DAYS[1]
SYMBOLS = ("TSLA", "NVDA", "AMD", "GME")
MINUTE = 60 * 10**9


def day(seed: int, *commands: tuple[int, Command], **sections: Any) -> tuple[Runner, Result]:
    settings = msgspec.convert({"watchlist": SYMBOLS, **sections}, Settings)
    source = SyntheticSource(seed, SYMBOLS, tick_s=60.0)
    runner = Runner(settings, source, DAYS, promises=Promises(settings, DAYS), commands=commands)
    return runner, runner.run()


def own(runner: Runner) -> dict[str, float]:
    return {o.symbol: o.quantity for o in runner.actors["gateway"].state.table(Own).values() if o.quantity}


@pytest.mark.parametrize("seed", [1, 4, 7])
def test_flatten_sells_everything_and_nothing_is_bought_again(seed: int) -> None:
    at = MONDAY.open_ns + 240 * MINUTE
    runner, result = day(seed, (at, Flatten(None)))
    assert runner.answers[0].ok, runner.answers
    assert own(runner) == {}
    sales = [o for o in result.orders.values() if o.role == "flatten"]
    assert sales, "nothing was held: nothing is proved"
    assert {o.status for o in sales} == {"Filled"}
    assert not [o for o in result.orders.values() if o.role == "entry" and o.created_ns > at]
    assert not [o for o in result.orders.values() if o.live]
    for sale in sales:
        record = runner.actors[f"symbol-{sale.symbol}"].state.get(SymbolRecord, sale.symbol)
        assert record is not None
        assert (record.state, record.why) == ("PAUSED", "flattened")
    assert not runner.actors["gateway"].state.table(FlattenRecord)


def test_resumed_by_name_it_trades_again() -> None:
    at = MONDAY.open_ns + 60 * MINUTE
    resumes = [(at + 10 * MINUTE, Resume(symbol)) for symbol in SYMBOLS]
    runner, result = day(4, (at, Flatten(None)), *resumes, (at + 11 * MINUTE, Resume(None)))
    assert all(answer.ok for answer in runner.answers), runner.answers
    later = [o for o in result.orders.values() if o.role == "entry" and o.created_ns > at]
    assert len({o.symbol for o in later}) >= 3


def test_ordered_in_the_night_it_is_sold_at_the_open_under_its_stop_until_then() -> None:
    at = MONDAY.close_ns + 60 * MINUTE
    runner, result = day(1, (at, Flatten(None)))
    sales = [o for o in result.orders.values() if o.role == "flatten"]
    assert sales, "nothing was held over night"
    assert all(o.created_ns == TUESDAY.open_ns for o in sales)
    waits = [e for e in result.events if e.event == "flatten_waiting"]
    assert {e.symbol for e in waits} == {o.symbol for o in sales}
    assert {e.fields["reason"] for e in waits} == {"session_closed"}
    assert own(runner) == {}


def test_pause_holds_and_keeps_the_stops() -> None:
    at = MONDAY.open_ns + 60 * MINUTE
    runner, result = day(4, (at, Pause(None)))
    assert not [o for o in result.orders.values() if o.role == "entry" and (o.created_ns > at or o.live)]
    held = own(runner)
    stops = {o.symbol: o.remaining for o in result.orders.values() if o.role == "stop" and o.live}
    assert stops == held


def test_a_cleared_cooldown_ends_at_once() -> None:
    plain, first = day(4)
    started = next(e for e in first.events if e.event == "stopout_cooldown_started")
    at = started.time_ns + MINUTE
    _, result = day(4, (at, ClearCooldown(started.symbol)))
    cleared = [e for e in result.events if e.event == "stopout_cooldown_cleared"]
    assert [(e.symbol, e.time_ns) for e in cleared] == [(started.symbol, at)]
    assert plain.answers == []


def test_what_can_not_be_done_is_said_and_changes_nothing() -> None:
    at = MONDAY.open_ns + MINUTE // 2
    runner, result = day(4, (at, Flatten("TSLA", withdraw=True)), (at, Adopt("TSLA", 5.0)), (at, Resume(None)))
    assert [answer.ok for answer in runner.answers] == [False, False, False]
    assert msgspec.json.encode(result) == msgspec.json.encode(day(4)[1])


def test_a_guard_stops_entries_for_the_day_and_protection_goes_on() -> None:
    runner, result = day(4, guards={"stopouts_per_day": 1})
    tripped = [e for e in result.events if e.event == "guard_tripped"]
    reset = [e for e in result.events if e.event == "guard_reset"]
    assert tripped
    assert [e.time_ns for e in reset] == [TUESDAY.open_ns]
    entries = [o for o in result.orders.values() if o.role == "entry"]
    assert not [o for o in entries if tripped[0].time_ns < o.created_ns < TUESDAY.open_ns]
    assert [o for o in entries if o.created_ns > TUESDAY.open_ns]
    holdings = {h.symbol: h.own for h in runner.actors["risk"].state.table(Holding).values() if h.own}
    assert holdings == own(runner)
