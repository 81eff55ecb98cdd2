"""`crazy performance` and `crazy export`, with the fleet up and down."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from messages.account import AccountUpdated, PerformanceSnapshot
from messages.market import Session, SessionClosed
from messages.operator import SymbolStatus
from messages.orders import CommissionReported, OrderFilled
from services.cli.commands.export import COLUMNS, export
from services.cli.commands.performance import performance
from services.configuration.refusal import Refusal
from services.fleet.places import Fleet
from services.recorder.sql import ReadOnlySql
from services.recorder.store import DuckLedger
from tests.cli.conftest import running
from tests.recorder.scenario import SECOND, T0, fill, order, record

Capture = pytest.CaptureFixture[str]

# (exec id, order, symbol, side, shares, price, seconds after 10:00 ET of 2022-03-22, commission)
EXECUTIONS = [
    ("1.01", "CT-TSLA-20220322-1", "TSLA", "BUY", 10, 100.0, 0, 1.0),
    ("2.01", "CT-TSLA-20220322-1-S1", "TSLA", "SELL", 10, 104.0, 90, 1.0),
    ("3.01", "CT-GME-20220322-1", "GME", "BUY", 20, 30.125, 60, 1.0),
    ("4.01", "CT-GME-20220322-1-S1", "GME", "SELL", 20, 28.0, 87_000, None),
    ("5.01", "CT-TSLA-20220323-1", "TSLA", "BUY", 8, 110.0, 86_500, 1.0),
]


@pytest.fixture(params=["running", "at rest"])
def traded(request: pytest.FixtureRequest, fleet: Fleet) -> Iterator[None]:
    """A fleet with a win, a loss over night and an open position: running, and at rest."""
    ledger = DuckLedger(fleet.database, fleet=fleet.name, account="DU1234567")
    seq = 1
    for exec_id, of, symbol, side, shares, price, second, commission in EXECUTIONS:
        role = "entry" if side == "BUY" else "stop"
        made = fill(exec_id, of, symbol=symbol, side=side, role=role, quantity=float(shares), price=price)
        timed = fill(**{**{f: getattr(made, f) for f in made.__struct_fields__}, "time_ns": T0 + second * SECOND})
        given = order(of, symbol=symbol, side=side, role=role)
        seq = record(ledger, OrderFilled(timed, given, 0.0, 0.0, 0.0), seq=seq)
        if commission is not None:
            seq = record(ledger, CommissionReported(exec_id, of, symbol, commission, "USD", None), seq=seq)
    days = [Session(f"2022-03-2{day}", T0, T0 + ((day - 2) * 86_400 + 21_600) * SECOND) for day in (2, 3)]
    record(
        ledger,
        AccountUpdated("DU1234567", 101_204.0, 98_859.5, 98_859.5, 98_859.5, T0),
        *(SessionClosed(day) for day in days),
        PerformanceSnapshot("2022-03-22", 1e5, 1e5, 0.0, 0.0, 37.0, 37.0, 1, 3, 20_000.0),
        PerformanceSnapshot("2022-03-23", 1e5, 1e5, 880.0, 0.0, -9.5, -46.5, 1, 2, 20_000.0),
        SymbolStatus("TSLA", "POSITION_OPEN", "protected_by_stop", {}, 0, "2022-03-23", 1, "E", "S", 8, 880, T0),
        seq=seq,
    )
    if request.param == "at rest":
        ledger.close()
        yield
    else:
        with running(fleet, "recorder", ReadOnlySql(ledger.reader()).answer):
            yield
        ledger.close()


@pytest.mark.usefixtures("traded")
def test_the_page(config: Path, capsys: Capture) -> None:
    assert performance(config=config) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "SIM  fleet sim",
        "account DU1234567  value $101,204.00   cash $98,859.50",
        "open    TSLA 8 at 110.00",
        "trades  2 closed, 1 won, 1 lost   win rate 50.00 %   P&L −$5.50 (after $3.00 commission)   "
        "profit factor 0.87   expectancy −$2.75   average time 12 h 5 m",
        "        1 of them waits for the broker's word on commission",
        "closes  2 from 2022-03-22 to 2022-03-23   P&L −$9.50   maximum drawdown −$46.50 (−0.23 % of $20,000)",
        "closes  Sharpe −1.28   Sortino −2.29   Calmar −25.21   volatility 4.69 % a year",
        "",
        "SYMBOL  TRADES  WON  WIN RATE     P&L  COMMISSION  PROFIT FACTOR  EXPECTANCY    BEST   WORST  AVERAGE TIME",
        "GME          1    0    0.00 %  −43.50        1.00              –      −43.50  −43.50  −43.50       1 d 0 h",
        "TSLA         1    1  100.00 %  +38.00        2.00              –      +38.00  +38.00  +38.00           1 m",
        "",
        "DATE           P&L   RETURN   TOTAL  DRAWDOWN  TRADES  WON",
        "2022-03-22  +37.00   0.18 %  +37.00      0.00       1    1",
        "2022-03-23  −46.50  −0.23 %   −9.50    −46.50       1    0",
    ]


@pytest.mark.usefixtures("traded")
def test_the_report_as_json(config: Path, capsys: Capture) -> None:
    assert performance(days=1, json=True, config=config) == 0
    parsed = json.loads(capsys.readouterr().out)
    assert parsed["account"]["net_liquidation"] == 101_204.0
    assert (
        parsed["overall"]["trades"],
        parsed["overall"]["pnl_usd"],
        parsed["overall"]["win_rate_pct"],
    ) == (2, -5.5, 50.0)
    assert [(row["symbol"], row["profit_factor"]) for row in parsed["per_symbol"]] == [
        ("GME", None),
        ("TSLA", None),
    ]
    assert [row["date"] for row in parsed["daily"]] == ["2022-03-23"]
    assert parsed["open"] == [{"symbol": "TSLA", "qty": 8.0, "cost_usd": 880.0, "avg_price": 110.0}]
    assert parsed["last_close"] == {"date": "2022-03-23", "unrealized_pnl": 0.0, "realized_pnl": -9.5}


def test_a_negative_number_of_days_is_refused(config: Path) -> None:
    with pytest.raises(Refusal, match="--days -1: 0 or more"):
        performance(days=-1, config=config)


def test_nothing_traded_yet(config: Path, fleet: Fleet, capsys: Capture) -> None:
    DuckLedger(fleet.database, fleet=fleet.name, account="DU1").close()
    assert performance(config=config) == 0
    assert capsys.readouterr().out == "nothing traded yet in fleet sim\n"
    assert performance(json=True, config=config) == 0
    parsed = json.loads(capsys.readouterr().out)
    assert (
        parsed["fills"],
        parsed["account"],
        parsed["overall"]["trades"],
        parsed["overall"]["sharpe"],
    ) == (0, {}, 0, None)
    assert export(config=config) == 0
    written = capsys.readouterr()
    assert written.out == ",".join(COLUMNS) + "\n"
    assert written.err == "no closed trades\n"


def test_a_commission_in_an_unknown_currency_is_shown_and_left_out(config: Path, fleet: Fleet, capsys: Capture) -> None:
    ledger = DuckLedger(fleet.database, fleet=fleet.name, account="DU1")
    for exec_id, side, rate in (("1.01", "BUY", 1.25), ("2.01", "SELL", None)):
        role = "entry" if side == "BUY" else "stop"
        record(ledger, OrderFilled(fill(exec_id, side=side, role=role), order(side=side, role=role), 0.0, 0.0, 0.0))
        record(ledger, CommissionReported(exec_id, "TSLA-1", "TSLA", 2.0, "EUR", None, rate_usd=rate))
    ledger.close()
    assert performance(config=config) == 0
    shown = capsys.readouterr().out
    assert "P&L −$2.50 (after $2.50 commission)" in shown
    assert "        without the commission of 1 execution, 2.00 EUR: the broker told no rate to dollars\n" in shown
    assert performance(json=True, config=config) == 0
    parsed = json.loads(capsys.readouterr().out)
    assert parsed["unconverted"] == [{"currency": "EUR", "count": 1, "commission": 2.0}]
    assert export(config=config) == 0
    assert capsys.readouterr().err == "without a commission in another currency: 1 of them (`crazy performance`)\n"


def test_a_first_position_that_is_still_held(config: Path, fleet: Fleet, capsys: Capture) -> None:
    ledger = DuckLedger(fleet.database, fleet=fleet.name, account="DU1")
    record(ledger, OrderFilled(fill(), order(), 0.0, 0.0, 0.0))
    ledger.close()
    assert performance(config=config) == 0
    shown = capsys.readouterr().out
    assert "trades  none closed yet" in shown
    assert "closes  none yet" in shown


LINES = [
    ",".join(COLUMNS),
    "TSLA,CT-TSLA-20220322-1,2022-03-22T14:00:00+00:00,2022-03-22T14:01:30+00:00,10,100,104,38.0000,3.8000,2.0000,90,win",
    "GME,CT-GME-20220322-1,2022-03-22T14:01:00+00:00,2022-03-23T14:10:00+00:00,20,30.125,28,-43.5000,-7.2199,1.0000,"
    "86940,loss",
]


@pytest.mark.usefixtures("traded")
def test_the_csv(config: Path, capsys: Capture, tmp_path: Path) -> None:
    assert export(config=config) == 0
    assert capsys.readouterr().out.splitlines() == LINES
    target = tmp_path / "trades.csv"
    target.write_text("of yesterday")
    assert export(out=target, config=config) == 0
    assert capsys.readouterr().out == f"2 trades in {target}\n"
    assert target.read_text().splitlines() == LINES
    found = list(csv.DictReader(io.StringIO(target.read_text())))
    assert sum(float(row["pnl_usd"]) for row in found) == -5.5


@pytest.mark.usefixtures("traded")
@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"symbol": "gme"}, LINES[2:]),
        ({"symbol": "O'X"}, []),
        ({"since": date(2022, 3, 22)}, LINES[1:]),
        ({"since": date(2022, 3, 23)}, LINES[2:]),
        ({"since": date(2022, 3, 23), "symbol": "TSLA"}, []),
        ({"since": date(2022, 3, 24)}, []),
    ],
)
def test_some_of_the_trades(config: Path, capsys: Capture, options: dict[str, object], kept: list[str]) -> None:
    assert export(**options, config=config) == 0  # type: ignore[arg-type]
    written = capsys.readouterr()
    assert written.out.splitlines() == LINES[:1] + kept
    assert written.err == ("" if kept else "no such closed trades\n")


@pytest.mark.usefixtures("traded")
def test_a_file_that_cannot_be_written_is_one_line(config: Path, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"^--out \S+nowhere/trades.csv: No such file or directory$"):
        export(out=tmp_path / "nowhere" / "trades.csv", config=config)
