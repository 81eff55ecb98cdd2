"""When a price may lead to an entry, and the plan of that entry: from a tick and the settings. Pure.

Each obstacle is a reason code with its figures, which `crazy status` shows.
"""

from __future__ import annotations

import math

import msgspec

from messages.entries import EntryPlan
from messages.market import Tick
from services.configuration.settings import Settings
from services.trading.ids import order_reference, stop_reference
from services.trading.prices import US_STOCKS, Grid, limit_offset, round_down, round_up
from services.trading.shares import fraction_for

__all__ = ["Blocked", "plan_entry", "price_blocked"]

SECOND = 1_000_000_000
QUOTE_TOLERANCE_PCT = 1.0
"""An old last trade is still used if it is within bid and ask plus or minus this: a thin stock trades seldom."""


class Blocked(msgspec.Struct, frozen=True):
    """Why there is no entry now."""

    why: str
    figures: dict[str, float] = {}


def price_blocked(
    tick: Tick, session_open_ns: int, now_ns: int, settings: Settings, halt_trade_ns: int
) -> Blocked | None:
    """Why this tick's last price can't be the reference of an entry; None if it can.

    `halt_trade_ns`: the time of the last trade before a halt, 0 without a halt.
    """
    if tick.refused:
        return Blocked("no_market_data", {"code": float(tick.refused)})
    if tick.halted:
        return Blocked("halted")
    if tick.last <= 0 or tick.last_ns < session_open_ns:
        return Blocked("no_trade_yet")
    if tick.last_ns <= halt_trade_ns:
        return Blocked("no_trade_since_halt")
    if tick.delayed and not settings.enters_on_delayed_data:
        return Blocked("delayed_data")
    age_s = (now_ns - tick.last_ns) / SECOND
    if age_s > settings.entries.max_price_age_s:
        slack = QUOTE_TOLERANCE_PCT / 100
        if not 0 < tick.bid * (1 - slack) <= tick.last <= tick.ask * (1 + slack):  # a missing side is 0
            return Blocked("price_stale", {"age_s": round(age_s, 1)})
    return None


def plan_entry(
    symbol: str,
    session_date: str,
    number: int,
    tick: Tick,
    now_ns: int,
    settings: Settings,
    grid: Grid = US_STOCKS,
    *,
    whole_only: bool = False,
) -> EntryPlan | Blocked:
    """The bracket for this tick's price: a buy stop above it, with a protective stop attached.

    `whole_only`: the broker has refused a fraction of this symbol. The plan never buys less than one share, because no
    stop could protect it.
    """
    entries, stops = settings.entries, settings.stops
    usd = settings.entry_usd(symbol)
    quantity = float(math.floor(usd / tick.last))
    if quantity < 1:
        return Blocked("price_above_allocation", {"last": tick.last, "allocation_usd": usd})
    if settings.allocation.allow_fractional and not whole_only:
        quantity = fraction_for(usd, tick.last)
    trigger = round_up(tick.last * (1 + entries.buy_stop_pct_above_last / 100), grid)
    if tick.ask >= trigger:
        return Blocked("price_through_trigger", {"last": tick.last, "ask": tick.ask, "trigger": trigger})
    limit = round_up(trigger * (1 + entries.limit_pct / 100), grid)
    client_order_id = order_reference(settings.name, symbol, session_date, number)
    offset = limit_offset(trigger, stops.trail_limit_offset_pct, grid) if stops.use_trailing_limit else None
    # IBKR attaches trailing stops to LMT and STP LMT parents only (328): a bare STP gets a fixed one.
    bare = entries.native_stp
    trailing = "TRAIL" if offset is None else "TRAIL LIMIT"
    return EntryPlan(
        client_order_id=client_order_id,
        symbol=symbol,
        session_date=session_date,
        quantity=float(quantity),
        order_type="STP" if bare else "STP LMT",
        stop_price=trigger,
        limit_price=None if bare else limit,
        reference=tick.last,
        tif=entries.tif,
        stop_client_order_id=stop_reference(client_order_id, 1),
        stop_order_type="STP" if bare else trailing,
        trailing_pct=stops.trailing_stop_pct,
        limit_offset=None if bare else offset,
        stop_tif=stops.tif,
        decided_ns=now_ns,
        outside_rth=settings.hours.extended,
        stop_level=round_down(trigger * (1 - stops.trailing_stop_pct / 100), grid) if bare else None,
    )
