"""Operator commands during simulated days: they are carried out, and the promises hold."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest

from messages.market import Session
from messages.operator import Adopt, ClearCooldown, Command, Flatten, Pause, Resume
from services.backtest.promises import Promises
from services.backtest.runner import ExchangeAction, Result, Runner
from services.clock.calendar import sessions
from services.configuration.settings import SIMULATED_ACCOUNT, Settings
from services.gateway.book.records import FlattenRecord, Own
from services.risk.limits import Holding
from services.simulator.market.synthetic import SyntheticSource
from services.simulator.venue.orders import Side, Ticket
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


def test_a_flatten_in_the_night_sells_at_the_open() -> None:
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


def test_an_impossible_command_is_refused_and_changes_nothing() -> None:
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


HAND = 99
"""The client id of manual orders beside the fleet."""


def by_hand(side: Side, quantity: float, number: int, symbol: str = "TSLA") -> ExchangeAction:
    """A market order that is not the fleet's."""
    order = Ticket(
        client_id=HAND,
        order_id=number,
        account=SIMULATED_ACCOUNT,
        symbol=symbol,
        side=side,
        quantity=quantity,
        order_type="MKT",
    )
    return lambda exchange: exchange.place(order)


def test_manually_bought_shares_are_adopted() -> None:
    """A mismatch freezes entries. Adopted shares are own shares at the market price of that moment, under a trailing
    stop. Missing shares can't be adopted; the rest stays foreign."""
    at = MONDAY.open_ns + 60 * MINUTE
    settings = msgspec.convert({"watchlist": ("TSLA",), "stops": {"trailing_stop_pct": 40.0}}, Settings)
    promises = Promises(settings, DAYS)
    runner = Runner(
        settings,
        SyntheticSource(3, ("TSLA",), tick_s=60.0, daily_volatility=0.01),
        DAYS,
        promises=promises,
        exchange_actions=[(at, by_hand("BUY", 12.0, 1))],
        commands=[
            (at + 5 * MINUTE, Adopt("TSLA", 13.0)),
            (at + 6 * MINUTE, Adopt("TSLA", 10.0)),
            (at + 9 * MINUTE, Adopt("TSLA", 3.0)),
        ],
    )
    result = runner.run()
    assert [(answer.ok, answer.text) for answer in runner.answers] == [
        (False, "the account has 12 TSLA, 0 of them own: 13 can't be adopted"),
        (True, "adopting 10 TSLA: they become own shares and get a stop"),
        (False, "the account has 12 TSLA, 10 of them own: 3 can't be adopted"),
    ]
    adopted = result.orders["CT.sim-TSLA-20250106-A1"]
    assert (adopted.role, adopted.status, adopted.filled) == ("adopted", "Filled", 10.0)
    stop = result.orders["CT.sim-TSLA-20250106-A1-S1"]
    assert (stop.order_type, stop.quantity, stop.status, stop.why_held) == ("TRAIL", 10.0, "PreSubmitted", "trigger")
    assert stop.created_ns <= at + 7 * MINUTE
    assert stop.trail_stop_price is not None
    assert stop.trail_stop_price >= round(adopted.avg_price * 0.6, 2) - 0.01
    assert own(runner) == {"TSLA": 10.0}
    held = runner.actors["risk"].state.get(Holding, "TSLA")
    assert held is not None
    assert (held.own, held.foreign, held.cost_usd) == (10.0, 2.0, 10 * adopted.avg_price)
    record = runner.actors["symbol-TSLA"].state.get(SymbolRecord, "TSLA")
    assert record is not None
    assert (record.state, record.own, record.why) == ("POSITION_OPEN", 10.0, "protected_by_stop")
    entries = [o for o in result.orders.values() if o.role == "entry"]
    assert not [o for o in entries if o.live or o.created_ns > at]
    assert promises.counts["shares to protect"]
    # The cost of the manual purchase is no loss of the bot.
    assert result.snapshots[0].num_trades == 0
    assert result.snapshots[0].realized_pnl == 0.0


def test_adopted_shares_are_stopped_out_like_any_others() -> None:
    """A manual sale of foreign shares leaves the stop as it is; after the stop's own fill there is a cooldown."""
    at = MONDAY.open_ns + 60 * MINUTE
    settings = msgspec.convert({"watchlist": ("TSLA",), "stops": {"trailing_stop_pct": 1.0}}, Settings)
    runner = Runner(
        settings,
        SyntheticSource(3, ("TSLA",), tick_s=60.0, daily_volatility=0.1),
        DAYS,
        promises=Promises(settings, DAYS),
        exchange_actions=[(at, by_hand("BUY", 12.0, 1)), (at + 20 * MINUTE, by_hand("SELL", 2.0, 2))],
        commands=[(at + 5 * MINUTE, Adopt("TSLA", 10.0))],
    )
    result = runner.run()
    assert [answer.ok for answer in runner.answers] == [True]
    stop = result.orders["CT.sim-TSLA-20250106-A1-S1"]
    assert (stop.status, stop.filled) == ("Filled", 10.0)
    (sold,) = [r for r in result.fills.values() if r.fill.client_order_id == stop.client_order_id]
    adopted = result.orders["CT.sim-TSLA-20250106-A1"]
    assert sold.realized_usd == pytest.approx(10 * (sold.fill.price - adopted.avg_price))
    assert any(e.event == "stopout_cooldown_started" for e in result.events)
    later = [o for o in result.orders.values() if o.role == "entry" and o.created_ns > sold.fill.time_ns]
    assert later, "it did not arm again after its rest"


@pytest.mark.parametrize("left", [0.0, 2.0])
def test_manually_sold_shares_are_no_longer_own(left: float) -> None:
    """No share left: PAUSED until it is resumed. Some left: under their stop; after its fill there is a cooldown."""
    _, plain = day(4)
    bought = next(r.fill for r in plain.fills.values() if r.fill.side == "BUY")
    symbol, sold = bought.symbol, bought.quantity - left
    settings = msgspec.convert({"watchlist": SYMBOLS}, Settings)
    runner = Runner(
        settings,
        SyntheticSource(4, SYMBOLS, tick_s=60.0),
        DAYS,
        promises=Promises(settings, DAYS),
        exchange_actions=[(bought.time_ns + MINUTE // 2, by_hand("SELL", sold, 1, symbol))],
    )
    result = runner.run()
    gone = result.orders[f"CT.sim-{symbol}-20250106-M1"]
    assert (gone.role, gone.side, gone.filled) == ("adopted", "SELL", sold)
    assert gone.created_ns - bought.time_ns < 3 * MINUTE
    (fill,) = [r for r in result.fills.values() if r.fill.client_order_id == gone.client_order_id]
    assert fill.realized_usd == pytest.approx(sold * (gone.avg_price - bought.price))
    alarms = [e for e in result.events if e.symbol == symbol and e.level == "ERROR"]
    assert {e.event for e in alarms} == {"position_disputed"}
    assert len(alarms) <= 2
    stop = result.orders[f"{bought.client_order_id}-S1"]
    later = [o for o in result.orders.values() if o.symbol == symbol and o.created_ns > gone.created_ns]
    record = runner.actors[f"symbol-{symbol}"].state.get(SymbolRecord, symbol)
    assert record is not None
    if left:
        assert (stop.status, stop.filled) == ("Filled", left)
        assert any(o.role == "entry" for o in later)
    else:
        assert stop.status == "Cancelled"
        assert not later
        assert (record.state, record.why, record.own) == ("PAUSED", "sold_otherwise", 0.0)
    holdings = {h.symbol: h.own for h in runner.actors["risk"].state.table(Holding).values() if h.own}
    assert holdings == own(runner)
