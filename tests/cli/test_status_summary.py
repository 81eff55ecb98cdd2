from __future__ import annotations

import io
import json
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
    defaults = {
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
    return defaults | fields


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
TOO_EXPENSIVE = row("META", why="price_above_allocation", figures_json='{"last": 1612.4, "allocation_usd": 1000}')
IN_COOLDOWN = row("GME", state="COOLDOWN", why="stopped_out", cooldown_until_ts="2022-03-22T14:20:00", fills_today=2)


def status_data(**fields: Any) -> StatusData:
    defaults: dict[str, Any] = {
        "version": "1.2.3",
        "settings": SETTINGS,
        "wanted": PROCESSES,
        "alive": frozenset(PROCESSES),
        "processes": {name: ProcessState(name, 1, 1, True, "", 0.1, 1) for name in PROCESSES},
        "ticks": {s: Tick(s, 1, 1, T0, last, T0) for s, last in (("SMCI", 44.1), ("NVDA", 131.0), ("META", 1612.4))},
        "symbols": [HELD, PENDING, TOO_EXPENSIVE, IN_COOLDOWN],
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
    return StatusData(**(defaults | fields))


def printed(summary: Summary, width: int = 400) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(status_page(summary, "crazy events --warn"))
    return out.getvalue()


def test_all_well() -> None:
    summary = summarize(status_data())
    assert (summary.exit_code, summary.verdict, summary.problems) == (0, "well", [])
    assert (summary.held, summary.protected, summary.entries) == (1, 1, "ON")
    assert summary.market_time == "Tue 2022-03-22 10:00:00 ET"
    assert summary.phase == "OPEN, closes in 6 h 12 m"


def test_the_money() -> None:
    money = summarize(status_data()).money
    open_usd = 24 * 44.1 - 1027.2
    assert money.today == pytest.approx(30 - 5 + open_usd - 10)
    assert money.at_risk == pytest.approx(24 * (44.1 - 40.95))
    assert money.exposure == pytest.approx(24 * 44.1 + 7 * 144.43)
    assert (money.cap, money.cash, money.reserve) == (20_000, 18_230, 2_000)


def test_cost_counts_as_exposure_when_the_market_is_lower_or_unknown() -> None:
    assert summarize(status_data(ticks={}, symbols=[HELD])).money.exposure == pytest.approx(1027.2)


def test_a_position_has_no_value_without_a_price() -> None:
    money = summarize(status_data(ticks={}, symbols=[HELD])).money
    assert money.today is None
    assert summarize(status_data(ticks={}, symbols=[HELD])).symbols[0].pnl_usd is None
    assert money.at_risk is None


def test_the_lines() -> None:
    held, pending, too_expensive, in_cooldown = summarize(status_data()).symbols
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
    assert too_expensive.why == "price_above_allocation: $1,612 > $1,000"
    assert in_cooldown.why == "stopped_out, until 10:20"
    assert in_cooldown.pnl_usd == 0


def test_a_level_that_was_sampled_from_ticks_is_marked_and_explained() -> None:
    summary = summarize(status_data(symbols=[HELD | {"stop_level_estimated": True}, PENDING]))
    assert [(line.order, line.level_estimated) for line in summary.symbols[:2]] == [
        ("trail ~40.95", True),
        ("stop 137.55", False),
    ]
    explained = "~ a level estimated from ticks: the broker has not told the newest rise"
    assert explained in printed(summary)
    assert explained not in printed(summarize(status_data()))


def test_a_symbol_without_a_record_and_one_that_left_the_watchlist() -> None:
    lines = summarize(status_data(symbols=[HELD | {"symbol": "OLD"}, row("GONE")])).symbols
    assert [(line.symbol, line.why) for line in lines] == [
        ("SMCI", "not heard of yet"),
        ("NVDA", "not heard of yet"),
        ("META", "not heard of yet"),
        ("GME", "not heard of yet"),
        ("OLD", "stop live at the broker"),
    ]


NOT_READY = {"gateway": ProcessState("gateway", 1, 1, False, "", 0.1, 1)}
PROBLEMS = [
    (1, "gateway is not ready", {"processes": status_data().processes | NOT_READY}),
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


@pytest.mark.parametrize(("code", "problem", "change"), PROBLEMS)
def test_each_problem_has_an_exit_code_and_a_text(code: int, problem: str, change: dict[str, Any]) -> None:
    summary = summarize(status_data(**change))
    assert summary.exit_code == code
    assert any(problem in text for text in summary.problems), summary.problems
    assert problem in printed(summary)


def test_links_behind_a_socket() -> None:
    assert summarize(status_data(links={"socket": True})).links == {"socket": "ok", "broker": "ok", "data": "SIMULATED"}
    behind = summarize(status_data(links={"socket": False, "broker": True, "data": True})).links
    assert behind == {"socket": "DOWN", "broker": "unknown", "data": "unknown"}


def test_a_fraction_of_a_share_is_not_unprotected() -> None:
    assert summarize(status_data(symbols=[HELD | {"own": 24.4}])).exit_code == 0
    assert summarize(status_data(symbols=[HELD | {"own": 25.0}])).exit_code == 2


def delayed(mode: str, *, allowed: bool) -> StatusData:
    ibkr = Ibkr(account="U1234567" if mode == "live" else None, allow_delayed=allowed)
    settings = msgspec.structs.replace(status_data().settings, mode=mode, ibkr=ibkr)
    ticks = {symbol: msgspec.structs.replace(tick, delayed=True) for symbol, tick in status_data().ticks.items()}
    return status_data(settings=settings, ticks=ticks)


def test_delayed_data_is_a_problem_while_it_lasts() -> None:
    for mode, allowed, text in (
        ("paper", True, "DELAYED DATA: entries are made on prices that are minutes old"),
        ("paper", False, "DELAYED DATA: no entries"),
        ("live", True, "DELAYED DATA: no entries"),
    ):
        summary = summarize(delayed(mode, allowed=allowed))
        assert (summary.exit_code, summary.links["data"]) == (1, "DELAYED")
        assert text in printed(summary)


def test_blocked_entries_and_an_observing_fleet_are_shown() -> None:
    assert summarize(status_data(blocks=[{"reason": "clock_off", "text": "x"}])).entries == "BLOCKED"
    summary = summarize(status_data(settings=msgspec.structs.replace(status_data().settings, observe=True)))
    assert summary.entries == "OBSERVED, nothing is sent"
    assert "SIM OBSERVE" in printed(summary)


def test_a_pending_removal_is_shown_and_a_finished_one_is_no_problem() -> None:
    settings = status_data().settings
    kept = tuple(symbol for symbol in settings.watchlist if symbol != "SMCI")
    leaving = msgspec.structs.replace(settings, watchlist=kept, winding_down=("SMCI",))
    summary = summarize(status_data(settings=leaving))
    (line,) = [line for line in summary.symbols if line.symbol == "SMCI"]
    assert line.why == "removal pending: stop live at the broker"
    gone = summarize(status_data(settings=leaving, alive=frozenset(PROCESSES) - {"symbol-SMCI"}))
    assert gone.processes["symbol-SMCI"] == "removed"
    assert gone.exit_code == 0


def test_the_worst_verdict_counts() -> None:
    both = {"symbols": [HELD | {"protecting_qty": 0.0}], "pauses": [{"symbol": None, "paused_by": "operator"}]}
    summary = summarize(status_data(**both))
    assert (summary.exit_code, summary.entries, len(summary.problems)) == (2, "PAUSED", 2)


PHASES = [
    ({"phase": "closing", "close_ts": "2022-03-22T14:09:00"}, "CLOSING in 9 m, no more entries"),
    ({"phase": "closed", "next_open_ts": "2022-03-23T13:30:00"}, "CLOSED, opens in 23 h 30 m"),
    ({"phase": "closed", "next_open_ts": "2022-03-25T14:00:00"}, "CLOSED, opens in 3 d 0 h"),
    ({"phase": "closed"}, "CLOSED, the market source has ended"),
    ({"close_ts": "2022-03-22T13:00:00"}, "OPEN, closes in 0 s"),
]


@pytest.mark.parametrize(("change", "text"), PHASES)
def test_phases(change: dict[str, Any], text: str) -> None:
    assert summarize(status_data(market=status_data().market | change)).phase == text


def test_without_any_record() -> None:
    empty = status_data(symbols=[], market={}, links={}, account={}, money={}, warnings={}, ticks={}, alive=frozenset())
    summary = summarize(empty)
    assert (summary.exit_code, summary.phase, summary.market_time) == (3, "no session yet", "")
    assert "not heard of yet" in printed(summary)


def test_the_page() -> None:
    summary = summarize(
        status_data(foreign={"AAPL": 50.0}, warnings={"count": 2, "newest": "entry_dropped", "symbol": "NVDA"})
    )
    assert [line.rstrip() for line in printed(summary).splitlines()] == [
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


def test_a_summary_can_be_encoded_as_json() -> None:
    summary = summarize(status_data())
    assert msgspec.json.decode(msgspec.json.encode(summary))["symbols"][0]["symbol"] == "SMCI"


def test_a_market_that_ended_before_its_first_session_is_not_about_to_open() -> None:
    states = status_data().processes | {"clock": ProcessState("clock", 1, 1, True, "ended", 0.1, 1)}
    awaited = status_data().market | {"phase": "awaited"}
    assert summarize(status_data(market=awaited, processes=states)).phase == "CLOSED, the market source has ended"


def test_a_process_that_is_not_ready_shows_its_reason() -> None:
    states = status_data().processes | {"simulator": ProcessState("simulator", 1, 1, False, "no row of GME", 0.1, 1)}
    summary = summarize(status_data(processes=states))
    assert (summary.exit_code, summary.problems) == (1, ["simulator is not ready: no row of GME"])


@pytest.mark.parametrize(
    ("synthetic", "shown"),
    [(0.0, " 24 "), (24.0, "24 own (synthetic: order)"), (4.0, "24 own (4 synthetic: order)")],
)
def test_shares_without_an_execution_say_what_they_are_known_from(synthetic: float, shown: str) -> None:
    data = status_data(symbols=[HELD | {"synthetic_qty": synthetic}], witnesses={"SMCI": "order"})
    summary = summarize(data)
    assert shown in printed(summary)
    line = json.loads(msgspec.json.encode(summary))["symbols"][0]
    assert (line["synthetic"], line["witness"]) == (synthetic, "order" if synthetic else "")


def test_a_block_of_one_symbol_names_it_and_leaves_the_others() -> None:
    blocks = [{"reason": "shares_found", "text": "24 SMCI were found", "symbol": "SMCI"}]
    summary = summarize(status_data(symbols=[HELD], blocks=blocks))
    assert (summary.entries, summary.exit_code) == ("ON, except SMCI", 1)
    assert "entries of SMCI are blocked: 24 SMCI were found" in summary.problems
