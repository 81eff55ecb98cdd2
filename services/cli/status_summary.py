"""What a look at a fleet amounts to: every figure of `crazy status`, and whether all is well. Pure."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

import msgspec

from services.cli.status_data import Gathered
from services.cli.wording import clock, price, reason, span
from services.configuration.calendars import zone_word
from services.trading.ids import symbol_process

__all__ = ["ESTIMATED", "Money", "Summary", "SymbolLine", "Verdict", "summarize"]

LINKS = {"socket": "socket to the gateway", "broker": "the gateway's link to the broker", "data": "market data"}
EPOCH = datetime(1970, 1, 1)
ESTIMATED = "~"
"""Before a level that was sampled from ticks."""


class Verdict(IntEnum):
    """The exit code of `crazy status`."""

    WELL = 0
    DEGRADED = 1
    UNPROTECTED = 2
    DOWN = 3


class SymbolLine(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol.

    `distance_pct` is from the last price to the order's level, `pnl_usd` open and realized today, after commission
    (None while something is held that has no price); `quantity` what is held, or else what the entry would buy;
    `unprotected` whole own shares without a live stop; `level_estimated`: the broker has not told where its stop has
    risen to, and `order` marks the level with a ~.
    """

    symbol: str
    state: str
    last: float | None
    order: str
    distance_pct: float | None
    quantity: float
    pnl_usd: float | None
    why: str
    own: float
    unprotected: float
    level_estimated: bool = False


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """The bot's own money, and the account's. USD. `today` and `at_risk` are None while something held has no price."""

    today: float | None
    commission_today: float
    at_risk: float | None
    exposure: float
    cap: float
    cash: float | None
    reserve: float | None
    foreign: dict[str, float]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All that `crazy status` shows. `problems` says in words why the verdict is not WELL."""

    verdict: str
    exit_code: int
    problems: list[str]
    mode: str
    observe: bool
    account: str
    fleet: str
    version: str
    market_time: str
    phase: str
    links: dict[str, str]
    entries: str
    held: int
    protected: int
    money: Money
    symbols: list[SymbolLine]
    processes: dict[str, str]
    warnings: int
    newest_warning: str


def summarize(seen: Gathered) -> Summary:
    """Judge one look at a fleet."""
    now = _market_now(seen)
    lines = [_line(seen, row, now) for row in _rows(seen)]
    held = [line for line in lines if line.own > 0]
    unprotected = [line for line in held if line.unprotected > 0]
    processes = _processes(seen)
    links = _links(seen)
    problems = [f"{line.symbol}: {line.why}" for line in unprotected]
    verdict = Verdict.UNPROTECTED if unprotected else Verdict.WELL
    if not seen.alive:
        verdict = Verdict.DOWN
        problems.append("the fleet is down; orders at the broker stay live")
    else:
        troubles = _troubles(seen, processes, links)
        problems += troubles
        verdict = max(verdict, Verdict.DEGRADED) if troubles else verdict
    return Summary(
        verdict=verdict.name.lower(),
        exit_code=verdict,
        problems=problems,
        mode=seen.settings.mode,
        observe=seen.settings.observe,
        account=seen.account.get("account") or seen.settings.ibkr.account or "",
        fleet=seen.settings.name,
        version=seen.version,
        market_time=_clock(seen, now, f"%a %Y-%m-%d %H:%M:%S {zone_word(seen.settings.hours.calendar)}") if now else "",
        phase=_phase(seen, now),
        links=links,
        entries=_entries(seen),
        held=len(held),
        protected=len(held) - len(unprotected),
        money=_money(seen),
        symbols=lines,
        processes=processes,
        warnings=seen.warnings.get("count") or 0,
        newest_warning=" ".join(filter(None, (seen.warnings.get("symbol"), seen.warnings.get("newest")))),
    )


def _rows(seen: Gathered) -> list[dict[str, Any]]:
    """A row per symbol of the watchlist, in its order, then what else is held."""
    known = {row["symbol"]: row for row in seen.symbols}
    wanted = (*seen.settings.watchlist, *seen.settings.winding_down)
    listed = [known.get(symbol, {"symbol": symbol}) for symbol in wanted]
    return listed + [row for symbol, row in known.items() if symbol not in wanted and row["own"] > 0]


def _line(seen: Gathered, row: dict[str, Any], now: datetime | None) -> SymbolLine:
    symbol = row["symbol"]
    last = _last(seen, symbol)
    own = row.get("own") or 0.0
    level, order, quantity = None, "", own
    estimated = bool(own and row.get("stop_type") and row["stop_level_estimated"])
    if own and row.get("stop_type"):
        level = row["stop_price"]
        order = "trail" if row["stop_type"].startswith("TRAIL") else "stop"
    elif row.get("entry_type"):
        level, quantity, order = row["entry_stop_price"], own or row["entry_qty"], "stop"
    # A fraction of a share can't be stopped.
    unprotected = max(0.0, math.floor(own + 1e-9) - (row.get("protecting_qty") or 0.0))
    return SymbolLine(
        symbol=symbol,
        state=(row.get("state") or "—").replace("_", " "),
        last=last,
        order=f"{order} {ESTIMATED if estimated else ''}{price(level)}" if level else order,
        distance_pct=(level / last - 1) * 100 if level and last else None,
        quantity=quantity,
        pnl_usd=_symbol_pnl(row, last),
        why=_pending(seen, symbol) + _why(seen, row, unprotected, now),
        own=own,
        unprotected=unprotected,
        level_estimated=estimated,
    )


def _pending(seen: Gathered, symbol: str) -> str:
    return "removal pending: " if symbol in seen.settings.winding_down else ""


def _clock(seen: Gathered, moment: datetime, form: str) -> str:
    return clock(moment, form, seen.settings.hours.calendar)


def _why(seen: Gathered, row: dict[str, Any], unprotected: float, now: datetime | None) -> str:
    if unprotected:
        return f"UNPROTECTED: {unprotected:g} of {row['own']:g} shares without a live stop"
    if not row.get("why"):
        return "not heard of yet"
    told = reason(row["why"], json.loads(row.get("figures_json") or "{}"))
    until = row.get("cooldown_until_ts")
    if until and (now is None or _time(until) > now):
        told += f", until {_clock(seen, _time(until), '%H:%M')}"
    return told


def _symbol_pnl(row: dict[str, Any], last: float | None) -> float | None:
    own = row.get("own") or 0.0
    if (own and not last) or (not own and not row.get("fills_today")):
        return None
    open_usd = own * last - row["cost_usd"] if own and last else 0.0
    return float(open_usd + row["realized_today"] - row["commission_today"])


def _money(seen: Gathered) -> Money:
    settings = seen.settings
    open_usd = at_risk = exposure = 0.0
    for row in seen.symbols:
        last = _last(seen, row["symbol"])
        own, cost = row["own"], row["cost_usd"]
        worth = own * last if last else cost
        open_usd += worth - cost if own else 0.0
        # As risk counts it: what is held at the larger of cost and market, and entries at their worst price.
        exposure += max(cost, worth) if own else 0.0
        exposure += (row["entry_qty"] or 0.0) * (row["entry_limit_price"] or row["entry_stop_price"] or 0.0)
        if last and row["stop_price"]:
            at_risk += min(own, row["protecting_qty"]) * max(0.0, last - row["stop_price"])
    recorded, account = seen.money, seen.account
    since_start = (recorded.get("realized") or 0.0) - (recorded.get("commission") or 0.0) + open_usd
    reserve_pct = settings.allocation.min_cash_reserve_percent
    priced = all(_last(seen, row["symbol"]) for row in seen.symbols if row["own"])
    return Money(
        today=since_start - (recorded.get("last_close") or 0.0) if priced else None,
        commission_today=recorded.get("commission_today") or 0.0,
        at_risk=at_risk if priced else None,
        exposure=exposure,
        cap=min(settings.allocation.total_usd_cap, settings.risk.max_total_exposure_usd),
        cash=account.get("total_cash"),
        reserve=account["net_liquidation"] * reserve_pct / 100 if account else None,
        foreign=seen.foreign,
    )


def _processes(seen: Gathered) -> dict[str, str]:
    states = {}
    leaving = {symbol_process(symbol) for symbol in seen.settings.winding_down}
    for name in seen.wanted:
        told = seen.processes.get(name)
        if name not in seen.alive:
            states[name] = "removed" if name in leaving else "down"
        elif told is None:
            states[name] = "unknown"
        else:
            states[name] = "ready" if told.ready else "not ready"
    return states


def _links(seen: Gathered) -> dict[str, str]:
    words = {True: "ok", False: "DOWN", None: "unknown"}
    socket = seen.links.get("socket") if "gateway" in seen.alive else None
    # Nothing is known of what lies behind a socket that is down; behind one that is up, no word is good word.
    links = {name: words[seen.links.get(name, True) if socket else None] for name in LINKS}
    links["socket"] = words[socket]
    if links["data"] == "ok":
        delayed = any(tick.delayed for tick in seen.ticks.values())
        links["data"] = "SIMULATED" if seen.settings.mode == "sim" else "DELAYED" if delayed else "REAL-TIME"
    return links


def _troubles(seen: Gathered, processes: dict[str, str], links: dict[str, str]) -> list[str]:
    troubles = [f"{name} is {state}" for name, state in processes.items() if state in ("down", "not ready")]
    if not seen.processes and "watchdog" in seen.alive:
        troubles.append("the watchdog does not answer")
    if seen.trouble:
        troubles.append(seen.trouble)
    if processes["gateway"] != "down":
        troubles += [f"{LINKS[name]}: {state}" for name, state in links.items() if state == "DOWN"]
        troubles += [f"{LINKS['socket']}: unknown"] if links["socket"] == "unknown" else []
    if links["data"] == "DELAYED":
        allowed = seen.settings.ibkr.allow_delayed and seen.settings.mode == "paper"
        what = "entries are made on prices that are minutes old" if allowed else "no entries"
        troubles.append(f"DELAYED DATA: {what} (ibkr.allow_delayed)")
    troubles += [f"entries are blocked: {row['text']}" for row in seen.blocks]
    troubles += [
        f"entries of {row['symbol'] or 'the fleet'} are paused by {row['paused_by']}"
        for row in seen.pauses
        if not row["paused_by"].startswith("guard ")
    ]
    troubles += [_guard(row) for row in seen.guards]
    troubles += [_flatten(row) for row in seen.flattens]
    return troubles


def _guard(row: dict[str, Any]) -> str:
    """A tripped guard with its figures, and what ends it."""
    figures = {k: v for k, v in json.loads(row["payload_json"]).items() if k not in ("guard", "resets")}
    whose = f" for {row['symbol']}" if row["symbol"] else ""
    until = "the next session" if row["resets"] == "next_session" else "`crazy resume`"
    return f"guard tripped{whose}: {reason(row['guard'], figures)}; no entries until {until}"


def _flatten(row: dict[str, Any]) -> str:
    if row["phase"] == "waiting":
        return f"the flatten of {row['symbol']} waits ({row['reason']}); its stop stays"
    return f"{row['symbol']} is being flattened"


def _entries(seen: Gathered) -> str:
    if seen.blocks:
        return "BLOCKED"
    if seen.settings.observe:
        return "OBSERVED, nothing is sent"
    if any(row["symbol"] is None for row in seen.pauses):
        return "PAUSED"
    paused = sorted(row["symbol"] for row in seen.pauses)
    return f"ON, except {', '.join(paused)}" if paused else "ON"


def _phase(seen: Gathered, now: datetime | None) -> str:
    market = seen.market
    if not market or now is None:
        return "no session yet"
    if market["phase"] == "awaited":
        return f"CLOSED, opens in {span(max(timedelta(), _time(market['open_ts']) - now))}"
    if market["phase"] == "closed":
        coming = market["next_open_ts"]
        return f"CLOSED, opens in {span(_time(coming) - now)}" if coming else "CLOSED, the market source has ended"
    left = span(max(timedelta(), _time(market["close_ts"]) - now))
    return f"OPEN, closes in {left}" if market["phase"] == "open" else f"CLOSING in {left}, no more entries"


def _market_now(seen: Gathered) -> datetime | None:
    """The market's time: by the clock's word, or, without one, as of the newest commit or tick."""
    if seen.market_ns:
        return EPOCH + timedelta(microseconds=seen.market_ns // 1000)
    times = [EPOCH + timedelta(microseconds=tick.time_ns // 1000) for tick in seen.ticks.values()]
    if seen.market.get("now_ts"):
        times.append(_time(seen.market["now_ts"]))
    return max(times, default=None)


def _last(seen: Gathered, symbol: str) -> float | None:
    tick = seen.ticks.get(symbol)
    return tick.last if tick is not None and tick.last > 0 else None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
