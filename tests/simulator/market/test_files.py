"""Recorded markets: the events, their order, and the refusals."""

from __future__ import annotations

from pathlib import Path

import duckdb
import msgspec
import pytest

from services.configuration.refusal import Refusal
from services.configuration.settings import Settings
from services.simulator.market.choice import market_source
from services.simulator.market.files import FileSource, RecordedBar, walk
from services.simulator.venue.events import MarketEvent
from tests.simulator.scripted import MONDAY, SECOND, TUESDAY

MINUTE = 60 * SECOND
BARS = "symbol,ts,open,high,low,close,volume\n"
TICKS = "symbol,ts,price,size,bid,ask,bid_size,ask_size\n"


def csv(folder: Path, text: str, name: str = "market.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def bars(folder: Path) -> Path:
    """Two symbols, two days, one bar before the open and one after the close."""
    rows = [
        "ABC,2024-03-04 14:29:00+00,9,9,9,9,4",
        "ABC,2024-03-04 14:30:00+00,10,12,9.5,11,103",
        "ABC,2024-03-04 14:31:00+00,11,11,11,11,4",
        "XYZ,2024-03-04 14:30:00+00,50,51,40,41,40",
        "ABC,2024-03-04 21:00:00+00,13,13,13,13,4",
        "ABC,2024-03-05 14:30:00+00,14,14,14,14,4",
        "XYZ,2024-03-05 14:30:00+00,60,60,60,60,4",
    ]
    return csv(folder, BARS + "\n".join(rows) + "\n")


def prices(events: list[MarketEvent], symbol: str) -> list[float | None]:
    return [event.price for event in events if event.symbol == symbol]


@pytest.mark.parametrize(
    ("bar", "expected"),
    [
        (RecordedBar(0, "ABC", 10.0, 12.0, 9.5, 11.0, 0), [10.0, 9.5, 12.0, 11.0]),  # the low is nearer
        (RecordedBar(0, "ABC", 10.0, 10.5, 8.0, 9.0, 0), [10.0, 10.5, 8.0, 9.0]),  # the high is nearer
        (RecordedBar(0, "ABC", 10.0, 11.0, 9.0, 9.0, 0), [10.0, 9.0, 11.0, 9.0]),  # a tie: the low first
        (RecordedBar(0, "ABC", 10.0, 10.0, 10.0, 10.0, 0), [10.0, 10.0, 10.0, 10.0]),
        (
            RecordedBar(0, "ABC", 10.0, 9.9, 10.1, 9.0, 0),
            [10.0, 10.1, 9.0, 9.0],
        ),  # a vendor's mistake: open and close set the extremes
        (RecordedBar(0, "ABC", 98.2300033, 98.2300033, 98.2299957, 98.23, 0), [98.23, 98.23, 98.23, 98.23]),
    ],
)
def test_a_bar_goes_to_its_nearer_extreme_first(bar: RecordedBar, expected: list[float]) -> None:
    assert [event.price for event in walk(bar, 4 * SECOND, 0)] == expected


def test_the_points_of_a_bar() -> None:
    events = walk(RecordedBar(1000, "ABC", 10.0, 12.0, 9.5, 11.0, 103), 400, 8)
    assert [event.time_ns for event in events] == [1000, 1100, 1200, 1300]
    assert [event.row for event in events] == [8, 9, 10, 11]
    assert [event.through for event in events] == [False, True, True, True]
    assert [event.size for event in events] == [28, 25, 25, 25]
    assert sum(event.size for event in events) == 103


@pytest.mark.parametrize(("price", "half"), [(10.0, 0.01), (100.0, 0.01), (101.0, 0.02), (930.0, 0.1), (0.5, 0.0001)])
def test_the_quote_beside_a_bar_is_two_basis_points_wide_in_whole_steps(price: float, half: float) -> None:
    event = walk(RecordedBar(0, "ABC", price, price, price, price, 4), 4, 0)[0]
    assert (event.bid, event.ask) == (round(price - half, 4), round(price + half, 4))


def test_bars_of_the_sessions_in_the_total_order(tmp_path: Path) -> None:
    source = FileSource([bars(tmp_path)], ["ABC", "XYZ"])
    events = list(source.events(None, [MONDAY, TUESDAY]))
    assert prices(events, "ABC") == [10.0, 9.5, 12.0, 11.0, *[11.0] * 4, *[14.0] * 4]
    assert prices(events, "XYZ") == [50.0, 51.0, 40.0, 41.0, *[60.0] * 4]
    assert [event.key for event in events] == sorted(event.key for event in events)
    assert {event.time_ns - MONDAY.open_ns for event in events[:8]} == {0, 15 * SECOND, 30 * SECOND, 45 * SECOND}
    for index in (0, 7, 15):
        assert list(source.events(events[index].key, [MONDAY, TUESDAY])) == events[index + 1 :]


def test_dates_symbols_and_hours_are_restricted(tmp_path: Path) -> None:
    path = bars(tmp_path)
    only_tuesday = FileSource([path], ["ABC"], start="2024-03-05")
    assert prices(list(only_tuesday.events(None, [MONDAY, TUESDAY])), "ABC") == [14.0] * 4
    only_monday = FileSource([path], ["XYZ"], end="2024-03-04")
    assert {event.symbol for event in only_monday.events(None, [MONDAY, TUESDAY])} == {"XYZ"}
    extended = FileSource([path], ["ABC"], end="2024-03-04", extended=True)
    assert prices(list(extended.events(None, [MONDAY])), "ABC")[::4] == [9.0, 10.0, 11.0, 13.0]


def test_several_files_are_one_market(tmp_path: Path) -> None:
    one = csv(tmp_path, BARS + "ABC,2024-03-04 14:30:00+00,10,10,10,10,4\n", "one.csv")
    two = csv(tmp_path, BARS + "XYZ,2024-03-04 14:30:00+00,20,20,20,20,4\n", "two.csv")
    events = list(FileSource([one, two], ["ABC", "XYZ"]).events(None, [MONDAY]))
    assert {event.symbol for event in events} == {"ABC", "XYZ"}


def test_ticks_are_taken_as_they_are_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = TICKS + (
        "ABC,2024-03-04 14:30:00.123456+00,10.005,7,10.00,10.01,3,4\n"
        "ABC,2024-03-04 14:30:00.123456+00,9.99,5,9.98,10.01,3,4\n"
        "ABC,2024-03-04 14:30:01+00,,0,9.97,0,3,0\n"
    )
    events = list(FileSource([csv(tmp_path, text)], ["ABC"]).events(None, [MONDAY]))
    assert events == [
        MarketEvent(MONDAY.open_ns + 123_456_000, "ABC", 0, 10.005, 7, 10.0, 10.01, 3, 4),
        MarketEvent(MONDAY.open_ns + 123_456_000, "ABC", 1, 9.99, 5, 9.98, 10.01, 3, 4),
        MarketEvent(MONDAY.open_ns + SECOND, "ABC", 2, None, 0, 9.97, None, 3, 0),
    ]


def test_parquet_and_ticks_without_quotes(tmp_path: Path) -> None:
    path = tmp_path / "ticks.parquet"
    row = "SELECT 'ABC' AS symbol, '2024-03-04 14:30:00+00'::TIMESTAMPTZ AS ts, 10.0 AS price, 7 AS size"
    duckdb.execute(f"COPY ({row}) TO '{path}'")
    (event,) = FileSource([path], ["ABC"]).events(None, [MONDAY])
    assert event == MarketEvent(MONDAY.open_ns, "ABC", 0, 10.0, 7)


def test_invalid_bars_are_left_out(tmp_path: Path) -> None:
    good = "ABC,2024-03-04 14:30:00+00,10,10,10,10,4\n"
    bad = "ABC,2024-03-04 14:31:00+00,0,10,10,10,4\nABC,2024-03-04 14:32:00+00,10,nan,10,10,4\n"
    assert len(list(FileSource([csv(tmp_path, BARS + good + bad)], ["ABC"]).events(None, [MONDAY]))) == 4


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        (None, "absent.parquet", "no such market file"),
        (BARS, "market.txt", "neither .parquet nor .csv"),
        ("PAR1 but not really", "broken.parquet", "can't be read"),
        ("symbol,ts,open,close,volume\nABC,2024-03-04,1,1,1\n", "market.csv", "column high, low is missing"),
        ("symbol,ts,size\nABC,2024-03-04,1\n", "market.csv", "column price is missing"),
        (BARS + "ABC,tomorrow,1,1,1,1,1\n", "market.csv", "ts is `tomorrow`"),
        (BARS + "XYZ,2024-03-04 15:00:00+00,1,1,1,1,1\n", "market.csv", "has no symbol ABC"),
        (
            BARS + "ABC,2019-03-04 15:00:00+00,1,1,1,1,1\n",
            "market.csv",
            "nothing of ABC between 2024-03-01 and 2024-03-08; it has",
        ),
    ],
)
def test_an_invalid_file_is_refused_in_one_line(tmp_path: Path, text: str | None, name: str, words: str) -> None:
    path = tmp_path / name if text is None else csv(tmp_path, text, name)
    with pytest.raises(Refusal) as refused:
        FileSource([path], ["ABC"], start="2024-03-01", end="2024-03-08")
    assert words in str(refused.value)
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)


def test_bars_and_ticks_are_not_mixed(tmp_path: Path) -> None:
    ticks = csv(tmp_path, "symbol,ts,price,size\nABC,2024-03-04 15:00:00+00,1,1\n", "ticks.csv")
    with pytest.raises(Refusal, match="can't be mixed"):
        FileSource([bars(tmp_path), ticks], ["ABC"])


def test_a_configuration_may_ask_for_all_hours(tmp_path: Path) -> None:
    simulation = {"market": "files", "files": [str(bars(tmp_path))], "start": "2024-03-04", "end": "2024-03-04"}
    for extended, expected in ((False, [10.0, 11.0]), (True, [9.0, 10.0, 11.0, 13.0])):
        document = {"watchlist": ["ABC"], "simulation": {**simulation, "extended_hours": extended}}
        source = market_source(msgspec.convert(document, Settings, strict=False))
        assert prices(list(source.events(None, [MONDAY])), "ABC")[::4] == expected


ACTIONS = [
    "halt,",
    "resume,",
    "split,2",
    "dividend,0.25",
]


@pytest.mark.parametrize("ticks", [False, True])
def test_rows_with_halts_splits_and_dividends(tmp_path: Path, ticks: bool) -> None:
    head = (TICKS if ticks else BARS).strip() + ",action,value\n"
    quiet = "," * (6 if ticks else 5)
    trade = "10,100,9.99,10.01,100,100" if ticks else "10,10,10,10,4"
    rows = [f"ABC,2024-03-04 14:30:00+00,{trade},,"]
    rows += [f"ABC,2024-03-04 14:3{n}:00+00{quiet},{action}" for n, action in enumerate(ACTIONS, 1)]
    rows += [f"ABC,2024-03-04 14:36:00+00,{trade},,"]
    path = csv(tmp_path, head + "\n".join(rows) + "\n")
    events = list(FileSource([path], ["ABC"]).events(None, [MONDAY]))
    reported = [(event.action, event.value) for event in events if event.action]
    assert reported == [("halt", 0.0), ("resume", 0.0), ("split", 2.0), ("dividend", 0.25)]
    assert all(event.price is None for event in events if event.action)
    assert {event.price for event in events if not event.action} == {10.0}
    assert len({event.key for event in events}) == len(events)


@pytest.mark.parametrize("action", ["stop,", "split,", "split,0", "split,two", "dividend,-1", "dividend,nan"])
def test_an_invalid_action_is_refused(tmp_path: Path, action: str) -> None:
    rows = ["ABC,2024-03-04 14:30:00+00,10,10,10,10,4,,", f"ABC,2024-03-04 14:31:00+00,,,,,,{action}"]
    path = csv(tmp_path, BARS.strip() + ",action,value\n" + "\n".join(rows) + "\n")
    with pytest.raises(Refusal, match=f"{path}:3: action {action.split(',')[0]} with value"):
        FileSource([path], ["ABC"])
