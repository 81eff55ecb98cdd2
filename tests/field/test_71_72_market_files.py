"""Rows 71 and 72: nothing about a market file is guessed; what it does not play is counted, by reason."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import pytest

from services.configuration.refusal import Refusal
from services.simulator.market.files import FileSource
from services.simulator.market.loading import contents
from tests.day.conftest import RunningFleet, until
from tests.simulator.scripted import MONDAY, TUESDAY

ROOT = Path(__file__).parents[2]
BARS = "symbol,ts,open,high,low,close,volume\n"
TICKS = "symbol,ts,price,size,bid,ask,bid_size,ask_size\n"
AT = "2024-03-04 14:30:00Z"
NS = 10**9


def csv(folder: Path, text: str, name: str = "market.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def bar(minute: int = 30, symbol: str = "ABC", prices: str = "10,10,10,10", volume: str = "4") -> str:
    return f"{symbol},2024-03-04 14:{minute}:00Z,{prices},{volume}\n"


def refusal(path: Path, symbol: str = "ABC", **options: str) -> str:
    with pytest.raises(Refusal) as refused:
        FileSource([path], [symbol], **options)  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("symbol", ["T", "F", "TRUE", "FALSE", "NO", "ON", "NAN", "INF", "NULL", "NA", "E", "5"])
def test_field_71_a_symbol_is_text_whatever_it_looks_like(tmp_path: Path, symbol: str) -> None:
    source = FileSource([csv(tmp_path, BARS + bar(symbol=symbol) + bar(31, symbol))], [symbol])
    events = list(source.events(None, [MONDAY]))
    assert {event.symbol for event in events} == {symbol}
    assert len(events) == 8
    assert contents([tmp_path / "market.csv"]).symbols == (symbol,)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("03/04/2025 09:30", "ts is `03/04/2025 09:30`; write it as 2025-01-06 14:30:00Z"),
        ("04.03.2025 09:30", "ts is `04.03.2025 09:30`; write it as"),
        ("1709562600", "ts is `1709562600`; write it as"),
        ("2024-03-04", "ts `2024-03-04` has no time of day: bars of whole days can't be played"),
        ("2024-02-30 14:30:00Z", "ts `2024-02-30 14:30:00Z` is no time that exists"),
        ("2024-03-04 25:30:00Z", "ts `2024-03-04 25:30:00Z` is no time that exists"),
        ("2024-03-04 09:30:00 EST", "ts is `2024-03-04 09:30:00 EST`; write it as"),
        ("2024-03-04 09:30:00", "ts `2024-03-04 09:30:00` has no zone; write it there"),
        ("null", "ts is `null`; write it as"),
        ("", "ts is ``; write it as"),
    ],
)
def test_field_71_a_time_in_another_form_is_refused_by_line(tmp_path: Path, given: str, why: str) -> None:
    path = csv(tmp_path, BARS + bar() + f"\nABC,{given},10,10,10,10,4\n")
    assert refusal(path).startswith(f"{path}:4: {why}")


@pytest.mark.parametrize(
    ("given", "zone", "at"),
    [
        ("2024-03-04T14:30:00Z", None, MONDAY.open_ns),
        ("2024-03-04 14:30:00.123456789+00:00", None, MONDAY.open_ns + 123_456_789),
        ("2024-03-04 09:30:00-05", None, MONDAY.open_ns),
        ("2024-03-04 20:00:00+0530", None, MONDAY.open_ns),
        ("2024-03-04 09:30", "America/New_York", MONDAY.open_ns),
        ("2024-03-04 14:30:00", "UTC", MONDAY.open_ns),
        ("2024-03-04 14:30:00+00", "America/New_York", MONDAY.open_ns),
    ],
)
def test_field_71_the_zone_is_in_the_file_or_in_the_configuration(
    tmp_path: Path, given: str, zone: str | None, at: int
) -> None:
    path = csv(tmp_path, TICKS + f"ABC,{given},10,7,,,,\n")
    (event,) = FileSource([path], ["ABC"], zone=zone).events(None, [MONDAY])
    assert event.time_ns == at


def test_field_71_times_without_a_zone_in_parquet(tmp_path: Path) -> None:
    path = tmp_path / "ticks.parquet"
    row = "SELECT 'ABC' AS symbol, '2024-03-04 09:30:00'::TIMESTAMP AS ts, 10.0 AS price, 7 AS size"
    duckdb.execute(f"COPY ({row}) TO '{path}'")
    assert refusal(path).startswith(f"{path}: column ts has no zone")
    (event,) = FileSource([path], ["ABC"], zone="America/New_York").events(None, [MONDAY])
    assert event.time_ns == MONDAY.open_ns


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles", "Pacific/Auckland"])
def test_field_71_the_zone_of_this_machine_has_no_meaning(tmp_path: Path, zone: str) -> None:
    text = BARS + bar() + bar(31) + "ABC,2024-03-05 14:30:00Z,14,14,14,14,4\nABC,2024-03-05 20:59:00Z,15,15,15,15,4\n"
    path = csv(tmp_path, text)
    program = (
        "import sys; from pathlib import Path; from services.simulator.market.files import FileSource;"
        "from services.simulator.market.loading import contents; from tests.simulator.scripted import MONDAY, TUESDAY;"
        "path = Path(sys.argv[1]); source = FileSource([path], ['ABC'], start='2024-03-05', end='2024-03-05');"
        "print(len(list(source.events(None, [MONDAY, TUESDAY]))), contents([path]).first, contents([path]).last)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        cwd=ROOT,
        env=os.environ | {"TZ": zone},
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stdout == "8 2024-03-04 2024-03-05\n"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (bar(31, prices='"1,020.00",1030,1010,1020'), "open is `1,020.00`; write a number with a point"),
        (bar(31, prices='10,"12,5",10,10'), "high is `12,5`; write a number with a point"),
        (bar(31, prices="10,12,5,10,10"), "has 8 values, the first line names 7 columns; write numbers without"),
        (bar(31, prices="10,ten,10,10"), "high is `ten`; write a number"),
        (bar(31, prices="10,inf,10,10"), "high is `inf`; write a number"),
        (bar(31, prices="$10,10,10,10"), "open is `$10`; write a number"),
        (bar(31, volume="-1"), "volume is `-1`; give the shares, 0 or empty if they are unknown"),
        (bar(31, volume="1e30"), "volume is `1e30`; give the shares"),
        (bar(31, volume="many"), "volume is `many`; write a number"),
    ],
)
def test_field_71_a_number_in_another_form_is_refused_by_line(tmp_path: Path, row: str, why: str) -> None:
    path = csv(tmp_path, BARS + bar() + row)
    assert refusal(path).startswith(f"{path}:3: {why}")


def test_field_71_a_wrong_row_of_a_symbol_that_nobody_trades_is_no_matter(tmp_path: Path) -> None:
    path = csv(tmp_path, BARS + bar() + bar(31, "XYZ", volume="-1"))
    assert len(list(FileSource([path], ["ABC"]).events(None, [MONDAY]))) == 4


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        (
            "true AS symbol, '2024-03-04 14:30:00Z'::TIMESTAMPTZ AS ts, 1.0 AS price, 1 AS size",
            ": column symbol is BOOL",
        ),
        (
            "'ABC' AS symbol, '2024-03-04'::DATE AS ts, 1.0 AS price, 1 AS size",
            ": column ts is DATE: bars of whole days",
        ),
        (
            "'ABC' AS symbol, 1709562600 AS ts, 1.0 AS price, 1 AS size",
            ": column ts is INTEGER; it must hold timestamps",
        ),
        (
            "'ABC' AS symbol, '2024-03-04 14:30:00Z'::TIMESTAMPTZ AS ts, '1' AS price, 1 AS size",
            ": column price is VARCHAR",
        ),
        (
            "'ABC' AS symbol, '2024-03-04 14:30:00Z'::TIMESTAMPTZ AS ts, 1.0 AS price, -1 AS size",
            ":row 1: size is `-1`",
        ),
    ],
)
def test_field_71_columns_of_parquet_have_declared_types(tmp_path: Path, sql: str, why: str) -> None:
    path = tmp_path / "market.parquet"
    duckdb.execute(f"COPY (SELECT {sql}) TO '{path}'")
    assert refusal(path).startswith(f"{path}{why}")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BARS.replace(",", ";") + bar().replace(",", ";"), ":1: the columns are separated by semicolons"),
        (BARS.replace("close", "open") + bar(), ":1: column open stands twice"),
        ("", ": holds nothing"),
        (BARS + "ABC,\xff", ": can't be read"),
    ],
)
def test_field_71_a_file_of_another_form_is_refused(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "market.csv"
    path.write_bytes(text.encode("latin-1"))
    assert refusal(path).startswith(f"{path}{why}")


def test_field_71_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    text = "\ufeff" + (BARS + bar() + bar(31)).replace("\n", "\r\n")
    assert len(list(FileSource([csv(tmp_path, text)], ["ABC"]).events(None, [MONDAY]))) == 8


def test_field_71_rows_that_stand_twice_are_played_once_and_counted(tmp_path: Path) -> None:
    one = csv(tmp_path, BARS + bar() + bar(31) + bar(31), "one.csv")
    two = csv(tmp_path, BARS + bar(31) + bar(32), "two.csv")
    source = FileSource([one, two], ["ABC"])
    assert len(list(source.events(None, [MONDAY]))) == 12
    assert source.check_sessions([MONDAY]) == f"{one}, {two}: 3 rows are played; left out: 2 that stand twice"
    three = csv(tmp_path, BARS + bar() + bar(prices="11,11,11,11"), "three.csv")
    assert "ABC has two different rows at 2024-03-04 14:30:00+00; keep one of them" in refusal(three)
    with pytest.raises(Refusal, match="is named twice"):
        FileSource([one, one], ["ABC"])


def test_field_71_a_split_that_stands_twice_happens_once(tmp_path: Path) -> None:
    split = "ABC,2024-03-04 14:31:00Z,,,,,,,split,2\n"
    tick = "ABC,2024-03-04 14:30:00Z,10,7,9.99,10.01,1,1,,\n"
    source = FileSource([csv(tmp_path, TICKS.strip() + ",action,value\n" + tick + tick + split + split)], ["ABC"])
    assert [event.action for event in source.events(None, [MONDAY])] == ["", "", "split"]
    assert source.check_sessions([MONDAY]).endswith(
        "3 rows are played; left out: 1 that stand twice; 1 ticks are equal to another one and are played as well"
    )


def test_field_72_rows_are_counted_with_the_reason_why_they_are_left_out(tmp_path: Path) -> None:
    text = BARS + bar() + bar(31, prices="null,null,null,null", volume="null") + bar(32, prices="0,1,1,1")
    text += bar(29) + bar(31, "XYZ") + "ABC,2019-03-04 14:30:00Z,1,1,1,1,1\n"
    source = FileSource([csv(tmp_path, text)], ["ABC"], start="2024-03-01", end="2024-03-08")
    assert source.check_sessions([MONDAY, TUESDAY]) == (
        f"{tmp_path}/market.csv: 1 rows are played; left out: 1 of other symbols,"
        " 1 not between 2024-03-01 and 2024-03-08, 2 without a price, 1 outside every session"
    )


def test_field_72_a_file_with_nothing_in_any_session_is_refused(tmp_path: Path) -> None:
    night = csv(tmp_path, BARS + "ABC,2024-03-04 09:30:00Z,1,1,1,1,1\nABC,2024-03-04 09:31:00Z,1,1,1,1,1\n")
    source = FileSource([night], ["ABC"])
    with pytest.raises(Refusal, match="none of the 2 rows of ABC lies in a session; they are of 2024-03-04 04:30 to"):
        source.check_sessions([MONDAY, TUESDAY])
    another_year = csv(tmp_path, BARS + bar(), "year.csv")
    assert "nothing of ABC between 2025-01-01 and 9999-12-31; it has 2024-03-04 to 2024-03-04" in refusal(
        another_year, start="2025-01-01"
    )
    days = "".join(f"ABC,2024-03-0{day} 14:30:00Z,1,1,1,1,1\n" for day in range(4, 9))
    assert "bars of whole days can't be played" in refusal(csv(tmp_path, BARS + days, "daily.csv"))
    empty = csv(tmp_path, BARS + bar(prices="null,null,null,null"), "empty.csv")
    assert "none of the 1 rows of ABC has a price" in refusal(empty)


def test_field_72_the_symbols_of_a_file_are_named_where_one_is_missing(tmp_path: Path) -> None:
    path = csv(tmp_path, BARS + bar(symbol="abc") + bar(symbol="XYZ"))
    assert refusal(path).endswith("take it off the watchlist or name a file that has it (here: XYZ, abc)")


@pytest.mark.timeout(120)
def test_field_72_a_fleet_on_such_a_file_says_so_instead_of_waiting_for_an_open(tmp_path: Path) -> None:
    """Midnight bars: times that are right, and in no session."""
    days = "".join(f"GME,2024-03-0{day} 00:00:00Z,10,11,9,10,1000\n" for day in (4, 5))
    path = csv(tmp_path, BARS + days)
    with tempfile.TemporaryDirectory(prefix="crazy-", dir="/tmp") as sockets:
        simulation = {"market": "files", "files": [str(path)], "speed": 20_000}
        fleet = RunningFleet("t", tmp_path, Path(sockets), {"watchlist": ["GME"], "simulation": simulation})
        try:
            started = time.monotonic()
            said = fleet.crazy("up", check=False)
            assert said.returncode == 4
            assert "none of the 2 rows of GME lies in a session" in said.stderr
            assert time.monotonic() - started < 45, "it waited for a market that can't open"
            assert any("none of the 2 rows of GME" in line for line in fleet.status()["problems"])
        finally:
            fleet.crazy("down", check=False)
        path.write_text(BARS + days + "GME,2024-03-04 14:30:00Z,10,11,9,10,1000\n")
        try:
            assert "1 rows are played; left out: 2 outside every session" in fleet.crazy("up").stderr
            until(lambda: "ended" in fleet.status()["phase"], "the end of the market is told", 60)
        finally:
            fleet.crazy("down", check=False)
