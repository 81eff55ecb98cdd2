"""Every figure of `crazy status`, and whether all is well. Pure."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

import msgspec

from services.cli.status_data import StatusData
from services.cli.wording import clock, price, reason, span
from services.configuration.calendars import zone_word
from services.trading.ids import symbol_process

__all__ = ["ESTIMATED", "Money", "Summary", "SymbolLine", "Verdict", "summarize"]

LINKS = {"socket": "socket to the gateway", "broker": "the gateway's link to the broker", "data": "market data"}
EPOCH = datetime(1970, 1, 1)
PROTECTION_REFUSED = "protection_refused"
"""A block with this reason is about a stop: it needs a person, like shares without a stop."""
ESTIMATED = "~"
"""Stands before a level that was estimated from ticks."""


class Verdict(IntEnum):
    """The exit code of `crazy status`."""

    WELL = 0
    DEGRADED = 1
    UNPROTECTED = 2
    DOWN = 3


class SymbolLine(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol.

    `distance_pct`: from the last price to the order's level. `pnl_usd`: open and realized today, after commission; None
    if shares are held and have no price. `quantity`: the shares held, or else those that the entry would buy.
    `synthetic`: how many own shares have no execution, and `witness` what they are known from (docs/recovery.md).
    `unprotected`: whole own shares without a live stop. `level_estimated`: the broker has not reported the newest level
    of its stop, and `order` marks the level with a ~.
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
    synthetic: float = 0.0
    witness: str = ""


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
    """All that `crazy status` shows. `problems`: in words, why the verdict is not WELL."""

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


def summarize(data: StatusData) -> Summary:
    """The summary of this data, with its verdict."""
    now = _market_now(data)
    lines = [_line(data, row, now) for row in _rows(data)]
    held = [line for line in lines if line.own > 0]
    unprotected = [line for line in held if line.unprotected > 0]
    processes = _processes(data)
    links = _links(data)
    problems = [f"{line.symbol}: {line.why}" for line in unprotected]
    refused = any(row["reason"] == PROTECTION_REFUSED for row in data.blocks)
    verdict = Verdict.UNPROTECTED if unprotected or refused else Verdict.WELL
    if not data.alive:
        verdict = Verdict.DOWN
        problems.append("the fleet is down; orders at the broker stay live")
    else:
        found = _find_problems(data, processes, links)
        problems += found
        verdict = max(verdict, Verdict.DEGRADED) if found else verdict
    return Summary(
        verdict=verdict.name.lower(),
        exit_code=verdict,
        problems=problems,
        mode=data.settings.mode,
        observe=data.settings.observe,
        account=data.account.get("account") or data.settings.ibkr.account or "",
        fleet=data.settings.name,
        version=data.version,
        market_time=_clock(data, now, f"%a %Y-%m-%d %H:%M:%S {zone_word(data.settings.hours.calendar)}") if now else "",
        phase=_phase(data, now),
        links=links,
        entries=_entries(data),
        held=len(held),
        protected=len(held) - len(unprotected),
        money=_money(data),
        symbols=lines,
        processes=processes,
        warnings=data.warnings.get("count") or 0,
        newest_warning=" ".join(filter(None, (data.warnings.get("symbol"), data.warnings.get("newest")))),
    )


def _rows(data: StatusData) -> list[dict[str, Any]]:
    """A row per symbol of the watchlist, in its order, then those of other symbols with own shares."""
    known = {row["symbol"]: row for row in data.symbols}
    wanted = (*data.settings.watchlist, *data.settings.winding_down)
    listed = [known.get(symbol, {"symbol": symbol}) for symbol in wanted]
    return listed + [row for symbol, row in known.items() if symbol not in wanted and row["own"] > 0]


def _line(data: StatusData, row: dict[str, Any], now: datetime | None) -> SymbolLine:
    symbol = row["symbol"]
    last = _last(data, symbol)
    own = row.get("own") or 0.0
    level, order, quantity = None, "", own
    estimated = bool(own and row.get("stop_type") and row["stop_level_estimated"])
    if own and row.get("stop_type"):
        level = row["stop_price"]
        order = "trail" if row["stop_type"].startswith("TRAIL") else "stop"
    elif row.get("entry_type"):
        level, quantity, order = row["entry_stop_price"], own or row["entry_qty"], "stop"
    # A stop can't protect a fraction of a share.
    unprotected = max(0.0, math.floor(own + 1e-9) - (row.get("protecting_qty") or 0.0))
    return SymbolLine(
        symbol=symbol,
        state=(row.get("state") or "—").replace("_", " "),
        last=last,
        order=f"{order} {ESTIMATED if estimated else ''}{price(level)}" if level else order,
        distance_pct=(level / last - 1) * 100 if level and last else None,
        quantity=quantity,
        pnl_usd=_symbol_pnl(row, last),
        why=_pending(data, symbol) + _why(data, row, unprotected, now),
        own=own,
        unprotected=unprotected,
        level_estimated=estimated,
        synthetic=min(own, row.get("synthetic_qty") or 0.0),
        witness=data.witnesses.get(symbol, "") if own and row.get("synthetic_qty") else "",
    )


def _pending(data: StatusData, symbol: str) -> str:
    return "removal pending: " if symbol in data.settings.winding_down else ""


def _clock(data: StatusData, moment: datetime, form: str) -> str:
    return clock(moment, form, data.settings.hours.calendar)


def _why(data: StatusData, row: dict[str, Any], unprotected: float, now: datetime | None) -> str:
    if unprotected:
        return f"UNPROTECTED: {unprotected:g} of {row['own']:g} shares without a live stop"
    if not row.get("why"):
        return "not heard of yet"
    state = reason(row["why"], json.loads(row.get("figures_json") or "{}"))
    until = row.get("cooldown_until_ts")
    if until and (now is None or _time(until) > now):
        state += f", until {_clock(data, _time(until), '%H:%M')}"
    return state


def _symbol_pnl(row: dict[str, Any], last: float | None) -> float | None:
    own = row.get("own") or 0.0
    if (own and not last) or (not own and not row.get("fills_today")):
        return None
    open_usd = own * last - row["cost_usd"] if own and last else 0.0
    return float(open_usd + row["realized_today"] - row["commission_today"])


def _money(data: StatusData) -> Money:
    settings = data.settings
    open_usd = at_risk = exposure = 0.0
    for row in data.symbols:
        last = _last(data, row["symbol"])
        own, cost = row["own"], row["cost_usd"]
        worth = own * last if last else cost
        open_usd += worth - cost if own else 0.0
        # As risk counts it: shares at the larger of cost and market value, entries at their worst price.
        exposure += max(cost, worth) if own else 0.0
        exposure += (row["entry_qty"] or 0.0) * (row["entry_limit_price"] or row["entry_stop_price"] or 0.0)
        if last and row["stop_price"]:
            at_risk += min(own, row["protecting_qty"]) * max(0.0, last - row["stop_price"])
    recorded, account = data.money, data.account
    since_start = (recorded.get("realized") or 0.0) - (recorded.get("commission") or 0.0) + open_usd
    reserve_pct = settings.allocation.min_cash_reserve_percent
    priced = all(_last(data, row["symbol"]) for row in data.symbols if row["own"])
    return Money(
        today=since_start - (recorded.get("last_close") or 0.0) if priced else None,
        commission_today=recorded.get("commission_today") or 0.0,
        at_risk=at_risk if priced else None,
        exposure=exposure,
        cap=min(settings.allocation.total_usd_cap, settings.risk.max_total_exposure_usd),
        cash=account.get("total_cash"),
        reserve=account["net_liquidation"] * reserve_pct / 100 if account else None,
        foreign=data.foreign,
    )


def _processes(data: StatusData) -> dict[str, str]:
    states = {}
    leaving = {symbol_process(symbol) for symbol in data.settings.winding_down}
    for name in data.wanted:
        state = data.processes.get(name)
        if name not in data.alive:
            states[name] = "removed" if name in leaving else "down"
        elif state is None:
            states[name] = "unknown"
        else:
            states[name] = "ready" if state.ready else "not ready"
    return states


def _links(data: StatusData) -> dict[str, str]:
    labels = {True: "ok", False: "DOWN", None: "unknown"}
    socket = data.links.get("socket") if "gateway" in data.alive else None
    # If the socket is down, the links behind it are unknown. If it is up, a link without a report is up.
    links = {name: labels[data.links.get(name, True) if socket else None] for name in LINKS}
    links["socket"] = labels[socket]
    if links["data"] == "ok":
        delayed = any(tick.delayed for tick in data.ticks.values())
        links["data"] = "SIMULATED" if data.settings.mode == "sim" else "DELAYED" if delayed else "REAL-TIME"
    return links


def _why_down(data: StatusData, link: str) -> str:
    """What the broker or the gateway says about a link that is down, with the remedy."""
    detail = data.link_details.get(link, "")
    return f" ({detail})" if detail and detail != "starting" else ""


def _find_problems(data: StatusData, processes: dict[str, str], links: dict[str, str]) -> list[str]:
    found = [
        f"{name} is {state}{_reported(data, name)}"
        for name, state in processes.items()
        if state in ("down", "not ready")
    ]
    if data.swept:
        found.append(
            f"the sockets have vanished from {data.swept}: the fleet goes on and makes them again within 10 s;"
            " if not, `crazy down` and `crazy up` do"
        )
    elif not data.processes and "watchdog" in data.alive:
        found.append("the watchdog does not answer")
    if data.records_error:
        found.append(data.records_error)
    if processes["gateway"] != "down":
        found += [f"{LINKS[name]}: {state}{_why_down(data, name)}" for name, state in links.items() if state == "DOWN"]
        found += [f"{LINKS['socket']}: unknown"] if links["socket"] == "unknown" else []
    if links["data"] == "DELAYED":
        entries = data.settings.enters_on_delayed_data
        what = "entries are made on prices that are minutes old" if entries else "no entries"
        found.append(f"DELAYED DATA: {what} (ibkr.allow_delayed)")
    found += [_block(row) for row in data.blocks]
    found += [
        f"entries of {row['symbol'] or 'the fleet'} are paused by {row['paused_by']}"
        for row in data.pauses
        if not row["paused_by"].startswith("guard ")
    ]
    found += [_guard(row) for row in data.guards]
    found += [_flatten(row) for row in data.flattens]
    return found


def _reported(data: StatusData, process: str) -> str:
    """Why a process is not ready, as far as it has reported it."""
    state = data.processes.get(process)
    return f": {state.note}" if state is not None and process in data.alive and state.note else ""


def _block(row: dict[str, Any]) -> str:
    whose = f" of {row['symbol']}" if row.get("symbol") else ""
    return f"entries{whose} are blocked: {row['text']}"


def _guard(row: dict[str, Any]) -> str:
    """A tripped guard with its figures, and when entries resume."""
    figures = {k: v for k, v in json.loads(row["payload_json"]).items() if k not in ("guard", "resets")}
    whose = f" for {row['symbol']}" if row["symbol"] else ""
    until = "the next session" if row["resets"] == "next_session" else "`crazy resume`"
    return f"guard tripped{whose}: {reason(row['guard'], figures)}; no entries until {until}"


def _flatten(row: dict[str, Any]) -> str:
    if row["phase"] == "waiting":
        return f"the flatten of {row['symbol']} waits ({row['reason']}); its stop stays"
    return f"{row['symbol']} is being flattened"


def _entries(data: StatusData) -> str:
    if any(not row.get("symbol") for row in data.blocks):
        return "BLOCKED"
    if data.settings.observe:
        return "OBSERVED, nothing is sent"
    if any(row["symbol"] is None for row in data.pauses):
        return "PAUSED"
    stopped = sorted({row["symbol"] for row in (*data.pauses, *data.blocks)})
    return f"ON, except {', '.join(stopped)}" if stopped else "ON"


def _phase(data: StatusData, now: datetime | None) -> str:
    market = data.market
    clock = data.processes.get("clock")
    if clock is not None and clock.note == "ended" and "clock" in data.alive:
        return "CLOSED, the market source has ended"
    if not market or now is None:
        return "no session yet"
    if market["phase"] == "awaited":
        return f"CLOSED, opens in {span(max(timedelta(), _time(market['open_ts']) - now))}"
    if market["phase"] == "closed":
        coming = market["next_open_ts"]
        return f"CLOSED, opens in {span(_time(coming) - now)}" if coming else "CLOSED, the market source has ended"
    left = span(max(timedelta(), _time(market["close_ts"]) - now))
    return f"OPEN, closes in {left}" if market["phase"] == "open" else f"CLOSING in {left}, no more entries"


def _market_now(data: StatusData) -> datetime | None:
    """Market time by the clock process, or else the time of the newest commit or tick."""
    if data.market_ns:
        return EPOCH + timedelta(microseconds=data.market_ns // 1000)
    times = [EPOCH + timedelta(microseconds=tick.time_ns // 1000) for tick in data.ticks.values()]
    if data.market.get("now_ts"):
        times.append(_time(data.market["now_ts"]))
    return max(times, default=None)


def _last(data: StatusData, symbol: str) -> float | None:
    tick = data.ticks.get(symbol)
    return tick.last if tick is not None and tick.last > 0 else None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
