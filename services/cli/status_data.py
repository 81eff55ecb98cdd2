"""The data of `crazy status`: the records, the watchdog's roll call, the newest prices."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import Any

import msgspec

from messages.market import MarketTime, Tick
from messages.operator import ProcessState
from services.cli import records
from services.cli.readiness import roll_call
from services.cli.records import Records
from services.configuration.refusal import Refusal
from services.configuration.settings import Settings
from services.fleet import process_lock
from services.fleet.places import Fleet
from services.runtime.bus import latest
from services.runtime.market_clock import MarketClock

__all__ = ["StatusData", "gather"]

NEWEST_S = 0.2
"""Longest wait for the newest prices and the time; a running process sends them at once."""

Row = dict[str, Any]


class StatusData(msgspec.Struct, frozen=True, kw_only=True):
    """A fleet at one moment.

    `wanted`: the processes that it should have. `alive`: those that hold their lock. `processes`: the watchdog's
    report.
    `records_error`: why there are no records, or "". `swept`: the folder of the sockets, if they vanished from it.
    """

    version: str
    settings: Settings
    wanted: tuple[str, ...]
    alive: frozenset[str]
    processes: dict[str, ProcessState]
    ticks: dict[str, Tick]
    market_ns: int = 0
    records_error: str = ""
    swept: str = ""
    symbols: list[Row] = []
    witnesses: dict[str, str] = {}
    market: Row = {}
    links: dict[str, bool] = {}
    link_details: dict[str, str] = {}
    pauses: list[Row] = []
    guards: list[Row] = []
    flattens: list[Row] = []
    blocks: list[Row] = []
    account: Row = {}
    foreign: dict[str, float] = {}
    money: Row = {}
    warnings: Row = {}


def gather(chosen: Fleet) -> StatusData:
    """Collect the data of a fleet from those of its parts that are there."""
    alive = frozenset(name for name in chosen.processes if process_lock.holder(chosen.lock(name)) is not None)
    data = StatusData(
        version=version("crazy-trade"),
        settings=chosen.settings,
        wanted=chosen.processes,
        alive=alive,
        processes=roll_call(chosen),
        ticks=_ticks(chosen) if "gateway" in alive else {},
        market_ns=_market_ns(chosen) if "clock" in alive else 0,
    )
    if alive and not (chosen.run / "watchdog.control").exists() and "watchdog" in alive:
        data = msgspec.structs.replace(data, swept=str(chosen.run))
    try:
        with records.opened(chosen) as open_records:
            return msgspec.structs.replace(data, **_recorded(open_records))
    except Refusal as refusal:
        return msgspec.structs.replace(data, records_error=str(refusal))


def _ticks(chosen: Fleet) -> dict[str, Tick]:
    published = latest(chosen.run, "gateway", NEWEST_S)
    return {topic: tick for topic, tick in published.items() if isinstance(tick, Tick)}


def _market_ns(chosen: Fleet) -> int:
    """Market time by the clock process, in ns since the epoch; 0 if it does not answer."""
    market, published = MarketClock(), latest(chosen.run, "clock", NEWEST_S).get("time")
    if isinstance(published, MarketTime):
        market.update(published)
    return market.now(time.monotonic_ns())


def _recorded(db: Records) -> dict[str, Any]:
    symbols = db.rows("SELECT * FROM status")
    synthetic = any(row.get("synthetic_qty") for row in symbols)
    return {
        "symbols": symbols,
        "witnesses": {row["symbol"]: row["witness"] for row in db.rows(WITNESSES)} if synthetic else {},
        "market": _first(db.rows("SELECT * FROM market")),
        "links": {row["link"]: row["up"] for row in db.rows("SELECT link, up FROM links")},
        "link_details": {
            row["link"]: row["detail"] or "" for row in db.rows("SELECT link, detail FROM links WHERE NOT up")
        },
        "pauses": db.rows("SELECT * FROM pauses"),
        "guards": db.rows("SELECT * FROM guards"),
        "flattens": db.rows("SELECT * FROM flattens"),
        "blocks": db.rows("SELECT * FROM blocks"),
        "account": _first(db.rows("SELECT * FROM account ORDER BY ts DESC LIMIT 1")),
        "foreign": {row["symbol"]: row["qty"] for row in db.rows(FOREIGN)},
        "money": _first(db.rows(MONEY)),
        "warnings": _first(db.rows(WARNINGS)),
    }


FOREIGN = "SELECT symbol, account_qty - own AS qty FROM positions WHERE abs(account_qty - own) > 1e-6"
"""Shares in the account that are not the bot's."""

WITNESSES = """
SELECT symbol, arg_max(witness, ts) AS witness FROM fills
WHERE side = 'BUY' AND qty > 0 AND witness IN ('order', 'stop') GROUP BY symbol
"""
"""What the newest purchase without an execution is known from."""

MONEY = """
SELECT coalesce(sum(realized_pnl), 0) AS realized, coalesce(sum(commission_usd), 0) AS commission,
       coalesce(sum(commission_usd) FILTER (ts >= (SELECT open_ts FROM market)), 0)
         AS commission_today,
       (SELECT realized_pnl + unrealized_pnl FROM performance_snapshots
         WHERE date < (SELECT session_date FROM market) ORDER BY date DESC LIMIT 1) AS last_close
FROM fills WHERE role <> 'foreign'
"""
"""The bot's own money since its records began, and its P&L at the close before this session."""

WARNINGS = """
SELECT count(*) AS count, arg_max(event_type, ts) AS newest, arg_max_null(symbol, ts) AS symbol
FROM events WHERE level NOT IN ('DEBUG', 'INFO') AND ts >= (SELECT open_ts FROM market)
"""


def _first(rows: list[Row]) -> Row:
    return rows[0] if rows else {}
