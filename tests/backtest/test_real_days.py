"""Recorded days whose outcome is known to the cent: early closes, gaps, a bad open, prints off the market."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from services.backtest.promises import Promises
from services.backtest.runner import Result, Runner
from services.clock.calendar import sessions
from services.configuration.broker_policy import Policy
from services.configuration.settings import Settings
from services.simulator.market.files import FileSource
from tests.day.conftest import market_file

GME = "iex_bars_5m_gme_2022_2025.parquet"


def run_days(
    path: Path, symbols: list[str], start: str, end: str, policy: Policy | None = None, **sections: Any
) -> tuple[Result, Promises]:
    """Runs these sessions with all promises checked."""
    settings = msgspec.convert({"watchlist": symbols, **sections}, Settings)
    first, last = date.fromisoformat(start), date.fromisoformat(end)
    days = sessions("XNYS", first, last, today=last)
    promises = Promises(settings, days)
    source = FileSource([path], symbols, start=start, end=end)
    result = Runner(settings, source, days, policy=policy, promises=promises).run()
    assert not [event for event in result.events if event.level == "ERROR"]
    assert promises.counts["unprotected ms"] == 0
    return result, promises


def utc(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).strftime("%m-%d %H:%M:%S")


def entries(result: Result) -> list[tuple[Any, ...]]:
    """(id, placed, quantity, trigger, limit, how it ended, why, when) by time."""
    found = sorted((o for o in result.orders.values() if o.role == "entry"), key=lambda o: (o.created_ns, o.key))
    return [
        (
            o.client_order_id,
            utc(o.created_ns),
            o.quantity,
            o.stop_price,
            o.limit_price,
            o.status,
            o.cancel_reason,
            utc(o.updated_ns),
        )
        for o in found
    ]


def fills(result: Result) -> list[tuple[str, str, float, float]]:
    """(when, side, quantity, price) by time."""
    found = sorted((record.fill for record in result.fills.values()), key=lambda f: (f.time_ns, f.exec_id))
    return [(utc(f.time_ns), f.side, f.quantity, f.price) for f in found]


@pytest.mark.parametrize(
    ("early", "next_day", "ends"),
    [
        (
            "2022-11-25",
            "2022-11-28",
            [
                (
                    "CT.sim-GME-20221125-1",
                    "11-25 14:31:15",
                    37.0,
                    27.86,
                    29.26,
                    "Cancelled",
                    "end_of_day",
                    "11-25 17:45:00",
                ),
                (
                    "CT.sim-GME-20221128-1",
                    "11-28 14:31:15",
                    39.0,
                    26.84,
                    28.19,
                    "Cancelled",
                    "end_of_day",
                    "11-28 20:45:00",
                ),
            ],
        ),
        (
            "2024-11-29",
            "2024-12-02",
            [
                (
                    "CT.sim-GME-20241129-1",
                    "11-29 14:31:15",
                    32.0,
                    32.64,
                    34.28,
                    "Cancelled",
                    "end_of_day",
                    "11-29 17:45:00",
                ),
                (
                    "CT.sim-GME-20241202-1",
                    "12-02 14:31:15",
                    34.0,
                    30.39,
                    31.91,
                    "Cancelled",
                    "end_of_day",
                    "12-02 20:45:00",
                ),
            ],
        ),
    ],
)
def test_an_early_close_cancels_entries_at_12_45(early: str, next_day: str, ends: list[tuple[Any, ...]]) -> None:
    """The day after Thanksgiving closes at 13:00 (18:00 UTC); the next session lasts until 16:00 again."""
    result, promises = run_days(market_file(GME), ["GME"], early, next_day)
    assert entries(result) == ends
    closes = [utc(e.time_ns)[-8:] for e in result.events if e.event == "session_closed"]
    assert closes == ["18:00:00", "21:00:00"]
    assert fills(result) == []
    assert not [o for o in result.orders.values() if o.live], "the attached stops went with their entries"
    assert promises.counts["entries cancelled"] == 2


def test_an_early_close_with_stops_and_a_stock_that_trades_after_it() -> None:
    """2025-11-28. WBUY traded on IEX only after the close at 13:00: it is never entered.

    CMCT is partly bought at 09:37 (the size that IEX displayed), the rest is cancelled after 10 s; its stop rises.
    """
    result, promises = run_days(
        market_file("iex_bars_1m_2025.parquet"), ["CMCT", "DJT", "WBUY", "FULC"], "2025-11-28", "2025-11-28"
    )
    assert entries(result) == [
        (
            "CT.sim-CMCT-20251128-1",
            "11-28 14:30:15",
            292.0,
            3.6,
            3.78,
            "Cancelled",
            "partial_fill",
            "11-28 14:37:10",
        ),
        ("CT.sim-DJT-20251128-1", "11-28 14:30:15", 89.0, 11.79, 12.38, "Cancelled", "end_of_day", "11-28 17:45:00"),
        ("CT.sim-FULC-20251128-1", "11-28 14:32:00", 90.0, 11.6, 12.18, "Cancelled", "end_of_day", "11-28 17:45:00"),
        (
            "CT.sim-CMCT-20251128-2",
            "11-28 16:03:00",
            254.0,
            4.13,
            4.34,
            "Cancelled",
            "end_of_day",
            "11-28 17:45:00",
        ),
    ]
    assert fills(result) == [("11-28 14:37:00", "BUY", 100.0, 3.71), ("11-28 15:33:30", "SELL", 100.0, 4.04)]
    cooldown = [(utc(e.time_ns), e.event) for e in result.events if "cooldown" in e.event]
    assert cooldown == [
        ("11-28 15:33:30", "stopout_cooldown_started"),
        ("11-28 15:53:30", "stopout_cooldown_ended"),
    ]
    assert promises.counts["shares to protect"] > 100


def test_gme_13_and_14_may_2024() -> None:
    """+51 % at the open, then +113 %. A gap is not chased: the trigger is 5 % above the first trade of the session.

    The stop trails to 34.20 (10 % under 38.00), and the market jumps over it: a gap causes a larger loss.
    """
    result, promises = run_days(market_file(GME), ["GME"], "2024-05-13", "2024-05-14")
    assert entries(result) == [
        ("CT.sim-GME-20240513-1", "05-13 13:31:15", 37.0, 27.98, 29.38, "Filled", "", "05-13 13:42:30"),
        ("CT.sim-GME-20240513-2", "05-13 14:30:00", 30.0, 34.56, 36.29, "Cancelled", "end_of_day", "05-13 19:45:00"),
        ("CT.sim-GME-20240514-1", "05-14 13:31:15", 15.0, 68.08, 71.49, "Cancelled", "end_of_day", "05-14 19:45:00"),
    ]
    assert fills(result) == [("05-13 13:42:30", "BUY", 37.0, 27.99), ("05-13 14:10:00", "SELL", 37.0, 32.51)]
    assert result.orders["CT.sim-GME-20240513-1-S1"].trail_stop_price == 34.2
    assert promises.counts["shares to protect"] > 50


def test_pltr_bad_open_of_24_january_2023() -> None:
    """The NYSE's erroneous opening prints (5.82 against a close of 7.39) sell the overnight position at 5.81.

    These prints can't be recognized at the time. Afterwards: a cooldown, and a new entry from a valid reference.
    """
    path = market_file("alpaca_bars_5m_2022_2024.parquet")
    result, _ = run_days(path, ["PLTR"], "2023-01-23", "2023-01-24")
    assert entries(result) == [
        ("CT.sim-PLTR-20230123-1", "01-23 14:31:15", 143.0, 7.34, 7.71, "Filled", "", "01-23 18:52:30"),
        ("CT.sim-PLTR-20230124-1", "01-24 14:50:00", 135.0, 7.74, 8.13, "Cancelled", "end_of_day", "01-24 20:45:00"),
    ]
    assert fills(result) == [("01-23 18:52:30", "BUY", 143.0, 7.35), ("01-24 14:30:00", "SELL", 143.0, 5.81)]


def test_pltr_entered_on_its_bad_open() -> None:
    """Without shares the bad prints are a reference like any other: bought on the way back, stopped out in between."""
    path = market_file("alpaca_bars_5m_2022_2024.parquet")
    result, _ = run_days(path, ["PLTR"], "2023-01-24", "2023-01-24")
    assert [each[:6] for each in entries(result)] == [
        ("CT.sim-PLTR-20230124-1", "01-24 14:31:15", 171.0, 6.12, 6.43, "Filled"),
        ("CT.sim-PLTR-20230124-2", "01-24 14:53:45", 136.0, 7.67, 8.06, "Cancelled"),
    ]
    assert fills(result) == [("01-24 14:32:30", "BUY", 171.0, 6.13), ("01-24 14:33:45", "SELL", 171.0, 6.88)]


# Prints off the market: BAC, October 2013, all trades with the newest bid and ask before them.


def ticks(tmp_path: Path, begin: str, end: str) -> Path:
    """BAC's trades of some minutes (UTC), each with the newest bid and the newest ask that were quoted before it."""
    trades, quotes = (market_file(f"lean_{kind}_tick_2013.parquet") for kind in ("trades", "quotes"))
    span = f"symbol = 'BAC' AND ts BETWEEN TIMESTAMPTZ '{begin}+00' AND TIMESTAMPTZ '{end}+00'"

    def side(name: str) -> str:
        return f"(SELECT ts, {name}, {name}_size FROM '{quotes}' WHERE {span} AND {name} > 0)"

    path = tmp_path / "bac.parquet"
    with duckdb.connect() as db:
        db.execute(
            f"COPY (SELECT t.symbol, t.ts, price, size, b.bid, a.ask, b.bid_size, a.ask_size"
            f" FROM (SELECT symbol, ts, price, size, row_number() OVER () AS n FROM '{trades}' WHERE {span}) t"
            f" ASOF JOIN {side('bid')} b ON t.ts >= b.ts ASOF JOIN {side('ask')} a ON t.ts >= a.ts"
            f" ORDER BY t.ts, n) TO '{path}'"
        )
    return path


PRINTS = {
    "all trades trigger": (Policy(), True),
    "prints off the quote do not": (Policy(last_filtered_to_quote=True), False),
    "blocks do not": (Policy(block_print_shares=30_000), False),
}


@pytest.mark.parametrize("case", PRINTS)
def test_a_print_above_the_market_drags_the_trailing_stop_up(case: str, tmp_path: Path) -> None:
    """2013-10-08 10:28:41: 30,000 at 14.10 while the market is 13.87; a stop 1 % behind it is above the market."""
    policy, sold = PRINTS[case]
    path = ticks(tmp_path, "2013-10-08 14:10:00", "2013-10-08 14:33:00")
    sections: dict[str, Any] = {"entries": {"buy_stop_pct_above_last": 0.05}, "stops": {"trailing_stop_pct": 1.0}}
    result, _ = run_days(path, ["BAC"], "2013-10-08", "2013-10-08", policy, **sections)
    exits = [("10-08 14:28:41", "SELL", 72.0, 13.87)] if sold else []
    assert fills(result) == [("10-08 14:11:43", "BUY", 72.0, 13.87), *exits]
    stop = result.orders["CT.sim-BAC-20131008-1-S1"]
    assert (stop.status, stop.trail_stop_price) == (("Filled", 13.959) if sold else ("PreSubmitted", 13.7511))


@pytest.mark.parametrize("case", PRINTS)
def test_a_print_below_the_market_fires_the_stop(case: str, tmp_path: Path) -> None:
    """2013-10-09 15:43:34: 1,550,700 at 13.56 while the market is 13.86; the stop at 13.68 sells at the market."""
    policy, sold = PRINTS[case]
    path = ticks(tmp_path, "2013-10-09 19:25:00", "2013-10-09 19:44:30")
    sections: dict[str, Any] = {"entries": {"buy_stop_pct_above_last": 0.01}, "stops": {"trailing_stop_pct": 1.5}}
    result, _ = run_days(path, ["BAC"], "2013-10-09", "2013-10-09", policy, **sections)
    exits = [("10-09 19:43:34", "SELL", 72.0, 13.86)] if sold else []
    assert fills(result) == [("10-09 19:26:18", "BUY", 72.0, 13.89), *exits]
    stop = result.orders["CT.sim-BAC-20131009-1-S1"]
    assert (stop.status, stop.trail_stop_price) == ("Filled" if sold else "PreSubmitted", 13.68165)


@pytest.mark.parametrize("case", PRINTS)
def test_a_print_above_the_market_buys(case: str, tmp_path: Path) -> None:
    """The same print reaches a trigger at 14.06 that the market never came near; the price paid is the market's."""
    policy, bought = PRINTS[case]
    path = ticks(tmp_path, "2013-10-08 14:25:00", "2013-10-08 14:33:00")
    sections: dict[str, Any] = {"entries": {"buy_stop_pct_above_last": 1.2}, "stops": {"trailing_stop_pct": 5.0}}
    result, _ = run_days(path, ["BAC"], "2013-10-08", "2013-10-08", policy, **sections)
    assert result.orders["CT.sim-BAC-20131008-1"].stop_price == 14.06
    assert fills(result) == ([("10-08 14:28:41", "BUY", 71.0, 13.88)] if bought else [])
