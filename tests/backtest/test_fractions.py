"""Fractions of a share on simulated days: refused or traded by the broker. Promises are checked."""

from __future__ import annotations

import math
from datetime import date

import msgspec

from services.backtest.promises import Promises
from services.backtest.runner import Result, Runner
from services.clock.calendar import sessions
from services.configuration.broker_policy import Policy
from services.configuration.settings import Settings
from services.gateway.book.records import AccountPosition, Own
from services.risk.limits import Holding
from services.simulator.market.synthetic import SyntheticSource
from services.symbol.core import SymbolRecord

DAYS = sessions("XNYS", date(2025, 1, 6), date(2025, 1, 7), today=date(2025, 1, 7))
SYMBOLS = ("TSLA", "NVDA", "AMD", "GME")


def days(policy: Policy) -> tuple[Runner, Result, Promises]:
    raw = {"watchlist": SYMBOLS, "allocation": {"allow_fractional": True}}
    settings = msgspec.convert(raw, Settings)
    promises = Promises(settings, DAYS)
    runner = Runner(settings, SyntheticSource(4, SYMBOLS, tick_s=60.0), DAYS, policy=policy, promises=promises)
    return runner, runner.run(), promises


def whole(quantity: float) -> bool:
    return quantity == math.floor(quantity)


def test_refused_once_for_each_symbol_then_whole_shares() -> None:
    """10243 ends one order; the next tick orders whole shares, and no other fraction is sent."""
    runner, result, promises = days(Policy())
    entries = [o for o in result.orders.values() if o.role == "entry"]
    for symbol in SYMBOLS:
        first, *later = sorted((o for o in entries if o.symbol == symbol), key=lambda o: o.created_ns)
        assert not whole(first.quantity)
        assert (first.status, first.filled) == ("Cancelled", 0.0)
        assert later
        assert all(whole(o.quantity) for o in later)
        assert later[0].created_ns - first.created_ns <= 120 * 10**9, "nothing else was wrong, so nothing is waited for"
        record = runner.actors[f"symbol-{symbol}"].state.get(SymbolRecord, symbol)
        assert record is not None
        assert record.whole_only
    refused = [e for e in result.events if e.event == "fractional_refused"]
    assert [(e.level, e.fields["code"]) for e in refused] == [("WARNING", 10243)] * len(SYMBOLS)
    assert promises.counts["stops filled"]
    assert not [e for e in result.events if e.event == "symbol_paused"]


def test_whole_shares_get_a_stop_and_the_rest_is_reported() -> None:
    """After a stop-out less than one share is left: no position, blocks nothing, and flatten sells nothing."""
    runner, result, promises = days(Policy(fractional_shares=True))
    fills = [r.fill for r in result.fills.values()]
    assert any(f.side == "BUY" and not whole(f.quantity) for f in fills)
    assert all(whole(o.quantity) for o in result.orders.values() if o.role == "stop")
    assert promises.counts["stops filled"]
    assert promises.counts["sells covered by shares"]
    happened = {e.event for e in result.events}
    assert {"fraction_unprotected", "fraction_left", "stopout_cooldown_started"} <= happened
    assert not happened & {"position_mismatch", "position_disputed", "position_unprotected", "fractional_refused"}
    gateway, risk = runner.actors["gateway"].state, runner.actors["risk"].state
    held = {symbol: own.quantity for symbol, own in gateway.table(Own).items()}
    assert held == {symbol: position.quantity for symbol, position in gateway.table(AccountPosition).items()}
    assert held == {symbol: holding.own for symbol, holding in risk.table(Holding).items()}
    assert any(not whole(quantity) for quantity in held.values())
    again = [o for o in result.orders.values() if o.role == "entry" and o.created_ns > min(f.time_ns for f in fills)]
    assert {o.symbol for o in again} & {f.symbol for f in fills if f.side == "SELL"}, "a fraction must not stop entries"
