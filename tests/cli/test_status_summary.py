from __future__ import annotations

import io
from typing import Any

import msgspec
import pytest
from rich.console import Console

from messages.market import Tick
from messages.operator import ProcessState
from services.cli.render import status_page
from services.cli.status_data import StatusData
from services.cli.status_summary import Summary, summarize
from services.configuration.settings import Ibkr, Settings

T0 = 1_647_957_600 * 1_000_000_000  # 2022-03-22 14:00:00 UTC, 10:00 ET
SETTINGS = Settings(watchlist=("SMCI", "NVDA", "META", "GME"))
PROCESSES = ("simulator", "gateway", "risk", "clock", "recorder", "watchdog", "symbol-SMCI")


def row(symbol: str, **fields: Any) -> dict[str, Any]:
    told = {
        "symbol": symbol,
        "state": "NO_POSITION",
        "why": "session_closed",
        "figures_json": "{}",
        "cooldown_until_ts": None,
        "own": 0.0,
        "cost_usd": 0.0,
        "entry_client_order_id": None,
        "entry_type": None,
        "entry_status": None,
        "entry_qty": None,
        "entry_stop_price": None,
        "entry_limit_price": None,
        "stop_type": None,
        "stop_status": None,
        "stop_price": None,
        "stop_level_estimated": False,
        "stop_qty": 0.0,
        "protecting_qty": 0.0,
        "realized_today": 0.0,
        "commission_today": 0.0,
        "fills_today": 0,
        "updated_at": None,
    }
    return told | fields


HELD = row(
    "SMCI",
    state="POSITION_OPEN",
    why="protected_by_stop",
    own=24.0,
    cost_usd=1027.2,
    stop_type="TRAIL",
    stop_status="PreSubmitted",
    stop_price=40.95,
    stop_qty=24.0,
    protecting_qty=24.0,
    commission_today=1.0,
    fills_today=1,
)
PENDING = row(
    "NVDA",
    state="ENTRY_PENDING",
    why="waits_for_trigger",
    figures_json='{"trigger": 137.55}',
    entry_type="STP LMT",
    entry_status="PreSubmitted",
    entry_qty=7.0,
    entry_stop_price=137.55,
    entry_limit_price=144.43,
    stop_type="TRAIL",
    stop_price=123.8,
    stop_qty=7.0,
)
DEAR = row("META", why="price_above_allocation", figures_json='{"last": 1612.4, "allocation_usd": 1000}')
IN_COOLDOWN = row("GME", state="COOLDOWN", why="stopped_out", cooldown_until_ts="2022-03-22T14:20:00", fills_today=2)


def seen(**fields: Any) -> StatusData:
    told: dict[str, Any] = {
        "version": "1.2.3",
        "settings": SETTINGS,
        "wanted": PROCESSES,
        "alive": frozenset(PROCESSES),
        "processes": {name: ProcessState(name, 1, 1, True, "", 0.1, 1) for name in PROCESSES},
        "ticks": {s: Tick(s, 1, 1, T0, last, T0) for s, last in (("SMCI", 44.1), ("NVDA", 131.0), ("META", 1612.4))},
        "symbols": [HELD, PENDING, DEAR, IN_COOLDOWN],
        "market": {
            "now_ts": "2022-03-22T13:59:58",
            "phase": "open",
            "session_date": "2022-03-22",
            "open_ts": "2022-03-22T13:30:00",
            "close_ts": "2022-03-22T20:12:00",
            "next_open_ts": None,
        },
        "links": {"socket": True, "broker": True, "data": True},
        "account": {"account": "DU1", "net_liquidation": 20_000.0, "total_cash": 18_230.0},
        "money": {"realized": 30.0, "commission": 5.0, "commission_today": 1.0, "last_close": 10.0},
        "warnings": {"count": 0, "newest": None, "symbol": None},
    }
    return StatusData(**(told | fields))


def printed(told: Summary, width: int = 400) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(status_page(told, "crazy events --warn"))
    return out.getvalue()


def test_all_well() -> None:
    told = summarize(seen())
    assert (told.exit_code, told.verdict, told.problems) == (0, "well", [])
    assert (told.held, told.protected, told.entries) == (1, 1, "ON")
    assert told.market_time == "Tue 2022-03-22 10:00:00 ET"
    assert told.phase == "OPEN, closes in 6 h 12 m"


def test_the_money() -> None:
    money = summarize(seen()).money
    open_usd = 24 * 44.1 - 1027.2
    assert money.today == pytest.approx(30 - 5 + open_usd - 10)
    assert money.at_risk == pytest.approx(24 * (44.1 - 40.95))
    assert money.exposure == pytest.approx(24 * 44.1 + 7 * 144.43)
    assert (money.cap, money.cash, money.reserve) == (20_000, 18_230, 2_000)


def test_cost_counts_as_exposure_when_the_market_is_lower_or_unknown() -> None:
    assert summarize(seen(ticks={}, symbols=[HELD])).money.exposure == pytest.approx(1027.2)


def test_what_is_held_has_no_value_without_a_price() -> None:
    money = summarize(seen(ticks={}, symbols=[HELD])).money
    assert money.today is None
    assert summarize(seen(ticks={}, symbols=[HELD])).symbols[0].pnl_usd is None
    assert money.at_risk is None


def test_the_lines() -> None:
    held, pending, dear, resting = summarize(seen()).symbols
    assert (held.state, held.order, held.quantity, held.why) == (
        "POSITION OPEN",
        "trail 40.95",
        24,
        "stop live at the broker",
    )
    assert held.distance_pct == pytest.approx(-7.14, abs=0.01)
    assert held.pnl_usd == pytest.approx(24 * 44.1 - 1027.2 - 1)
    assert (pending.order, pending.quantity, pending.pnl_usd) == ("stop 137.55", 7, None)
    assert pending.why == "waits for 137.55"
    assert pending.distance_pct == pytest.approx(5.0)
    assert dear.why == "price_above_allocation: $1,612 > $1,000"
    assert resting.why == "stopped_out, until 10:20"
    assert resting.pnl_usd == 0


def test_a_level_that_was_sampled_from_ticks_is_marked_and_explained() -> None:
    told = summarize(seen(symbols=[HELD | {"stop_level_estimated": True}, PENDING]))
    assert [(line.order, line.level_estimated) for line in told.symbols[:2]] == [
        ("trail ~40.95", True),
        ("stop 137.55", False),
    ]
    explained = "~ a level estimated from ticks: the broker has not told the newest rise"
    assert explained in printed(told)
    assert explained not in printed(summarize(seen()))


def test_a_symbol_that_was_never_heard_of_and_one_that_left_the_watchlist() -> None:
    lines = summarize(seen(symbols=[HELD | {"symbol": "OLD"}, row("GONE")])).symbols
    assert [(line.symbol, line.why) for line in lines] == [
        ("SMCI", "not heard of yet"),
        ("NVDA", "not heard of yet"),
        ("META", "not heard of yet"),
        ("GME", "not heard of yet"),
        ("OLD", "stop live at the broker"),
    ]


NOT_READY = {"gateway": ProcessState("gateway", 1, 1, False, "", 0.1, 1)}
TROUBLES = [
    (1, "gateway is not ready", {"processes": seen().processes | NOT_READY}),
    (1, "risk is down", {"alive": frozenset(PROCESSES) - {"risk"}}),
    (1, "the watchdog does not answer", {"processes": {}}),
    (1, "link to the broker: DOWN", {"links": {"socket": True, "broker": False, "data": True}}),
    (1, "market data: DOWN", {"links": {"socket": True, "data": False}}),
    (1, "socket to the gateway: DOWN", {"links": {"socket": False, "broker": True, "data": True}}),
    (1, "socket to the gateway: unknown", {"links": {}}),
    (1, "entries of the fleet are paused by operator", {"pauses": [{"symbol": None, "paused_by": "operator"}]}),
    (1, "entries of NVDA are paused by operator", {"pauses": [{"symbol": "NVDA", "paused_by": "operator"}]}),
    (1, "entries are blocked: synchronize it", {"blocks": [{"reason": "clock_off", "text": "synchronize it"}]}),
    (1, "recorder lives but", {"records_error": "recorder lives but", "symbols": []}),
    (2, "SMCI: UNPROTECTED: 24 of 24 shares", {"symbols": [HELD | {"protecting_qty": 0.0}]}),
    (2, "SMCI: UNPROTECTED: 4 of 24 shares", {"symbols": [HELD | {"protecting_qty": 20.0}]}),
    (3, "orders at the broker stay live", {"alive": frozenset(), "processes": {}, "ticks": {}}),
]


@pytest.mark.parametrize(("code", "problem", "change"), TROUBLES)
def test_trouble_has_a_code_and_words(code: int, problem: str, change: dict[str, Any]) -> None:
    told = summarize(seen(**change))
    assert told.exit_code == code
    assert any(problem in text for text in told.problems), told.problems
    assert problem in printed(told)


def test_what_lies_behind_a_socket() -> None:
    assert summarize(seen(links={"socket": True})).links == {"socket": "ok", "broker": "ok", "data": "SIMULATED"}
    behind = summarize(seen(links={"socket": False, "broker": True, "data": True})).links
    assert behind == {"socket": "DOWN", "broker": "unknown", "data": "unknown"}


def test_a_fraction_of_a_share_is_not_unprotected() -> None:
    assert summarize(seen(symbols=[HELD | {"own": 24.4}])).exit_code == 0
    assert summarize(seen(symbols=[HELD | {"own": 25.0}])).exit_code == 2


def delayed(mode: str, *, allowed: bool) -> StatusData:
    ibkr = Ibkr(account="U1234567" if mode == "live" else None, allow_delayed=allowed)
    settings = msgspec.structs.replace(seen().settings, mode=mode, ibkr=ibkr)
    ticks = {symbol: msgspec.structs.replace(tick, delayed=True) for symbol, tick in seen().ticks.items()}
    return seen(settings=settings, ticks=ticks)


def test_delayed_data_have_a_banner_as_long_as_they_last() -> None:
    for mode, allowed, words in (
        ("paper", True, "DELAYED DATA: entries are made on prices that are minutes old"),
        ("paper", False, "DELAYED DATA: no entries"),
        ("live", True, "DELAYED DATA: no entries"),
    ):
        told = summarize(delayed(mode, allowed=allowed))
        assert (told.exit_code, told.links["data"]) == (1, "DELAYED")
        assert words in printed(told)


def test_what_blocks_entries_and_a_fleet_that_only_observes_are_seen_at_once() -> None:
    assert summarize(seen(blocks=[{"reason": "clock_off", "text": "x"}])).entries == "BLOCKED"
    told = summarize(seen(settings=msgspec.structs.replace(seen().settings, observe=True)))
    assert told.entries == "OBSERVED, nothing is sent"
    assert "SIM OBSERVE" in printed(told)


def test_a_removal_that_is_pending_is_seen_and_one_that_is_done_is_no_trouble() -> None:
    settings = seen().settings
    kept = tuple(symbol for symbol in settings.watchlist if symbol != "SMCI")
    leaving = msgspec.structs.replace(settings, watchlist=kept, winding_down=("SMCI",))
    told = summarize(seen(settings=leaving))
    (line,) = [line for line in told.symbols if line.symbol == "SMCI"]
    assert line.why == "removal pending: stop live at the broker"
    gone = summarize(seen(settings=leaving, alive=frozenset(PROCESSES) - {"symbol-SMCI"}))
    assert gone.processes["symbol-SMCI"] == "removed"
    assert gone.exit_code == 0


def test_worse_wins() -> None:
    both = {"symbols": [HELD | {"protecting_qty": 0.0}], "pauses": [{"symbol": None, "paused_by": "operator"}]}
    told = summarize(seen(**both))
    assert (told.exit_code, told.entries, len(told.problems)) == (2, "PAUSED", 2)


PHASES = [
    ({"phase": "closing", "close_ts": "2022-03-22T14:09:00"}, "CLOSING in 9 m, no more entries"),
    ({"phase": "closed", "next_open_ts": "2022-03-23T13:30:00"}, "CLOSED, opens in 23 h 30 m"),
    ({"phase": "closed", "next_open_ts": "2022-03-25T14:00:00"}, "CLOSED, opens in 3 d 0 h"),
    ({"phase": "closed"}, "CLOSED, the market source has ended"),
    ({"close_ts": "2022-03-22T13:00:00"}, "OPEN, closes in 0 s"),
]


@pytest.mark.parametrize(("change", "words"), PHASES)
def test_phases(change: dict[str, Any], words: str) -> None:
    assert summarize(seen(market=seen().market | change)).phase == words


def test_without_any_record() -> None:
    empty = seen(symbols=[], market={}, links={}, account={}, money={}, warnings={}, ticks={}, alive=frozenset())
    told = summarize(empty)
    assert (told.exit_code, told.phase, told.market_time) == (3, "no session yet", "")
    assert "not heard of yet" in printed(told)


def test_the_page() -> None:
    told = summarize(seen(foreign={"AAPL": 50.0}, warnings={"count": 2, "newest": "entry_dropped", "symbol": "NVDA"}))
    assert [line.rstrip() for line in printed(told).splitlines()] == [
        "SIM  DU1  fleet sim  v1.2.3    Tue 2022-03-22 10:00:00 ET  OPEN, closes in 6 h 12 m",
        "links   socket ok · broker ok · data SIMULATED    entries ON    protected 1 of 1",
        "bot     today +$46.20 (commission $1.00)    at risk to stops $76    exposure $2,069 of $20,000",
        "account USD cash $18,230   reserve $2,000    not ours: AAPL 50 (counted, untouched)",
        "",
        "SYMBOL  STATE              LAST  ORDER         DIST  QTY     P&L  WHY",
        "SMCI    POSITION OPEN     44.10  trail 40.95  −7.1%   24  +30.20  stop live at the broker",
        "NVDA    ENTRY PENDING    131.00  stop 137.55  +5.0%    7          waits for 137.55",
        "META    NO POSITION    1,612.40                                   price_above_allocation: $1,612 > $1,000",
        "GME     COOLDOWN                                           +0.00  stopped_out, until 10:20",
        "",
        "! 2 warnings in this session, the newest: NVDA entry_dropped      crazy events --warn",
    ]


def test_it_is_json() -> None:
    told = summarize(seen())
    assert msgspec.json.decode(msgspec.json.encode(told))["symbols"][0]["symbol"] == "SMCI"
