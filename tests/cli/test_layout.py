"""Output in a narrow window: it breaks between parts, never within a figure."""

from __future__ import annotations

import io

import pytest
from rich.console import Console, RenderableType

from services.cli.layout import EventList, Parts, Rows, TableInParts


def printed(what: RenderableType, width: int) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width).print(what)
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (80, ["bot     today +$1.00    at risk $2    exposure $3"]),
        (40, ["bot     today +$1.00    at risk $2", "        exposure $3"]),
        (22, ["bot     today +$1.00", "        at risk $2", "        exposure $3"]),
    ],
)
def test_a_line_breaks_between_its_parts(width: int, lines: list[str]) -> None:
    assert printed(Parts("bot     today +$1.00", "at risk $2", "", "exposure $3"), width) == lines


FIGURES = TableInParts(
    ["SYMBOL", "P&L", "EXPECTANCY", "BEST"],
    [["GME", "−92.18", "−92.18", "−1.00"], ["SMCI", "+5.00", "–", "+10,000.00"]],
)


def test_a_table_that_is_too_wide_continues_below() -> None:
    assert printed(FIGURES, 80) == [
        "SYMBOL     P&L  EXPECTANCY        BEST",
        "GME     −92.18      −92.18       −1.00",
        "SMCI     +5.00           –  +10,000.00",
    ]
    assert printed(FIGURES, 30) == [
        "SYMBOL     P&L  EXPECTANCY",
        "GME     −92.18      −92.18",
        "SMCI     +5.00           –",
        "",
        "SYMBOL        BEST",
        "GME          −1.00",
        "SMCI    +10,000.00",
    ]


@pytest.mark.parametrize("width", range(20, 100))
def test_no_figure_is_ever_cut(width: int) -> None:
    text = " ".join(printed(FIGURES, width)).split()
    assert {"−92.18", "−1.00", "+5.00", "+10,000.00", "EXPECTANCY"} <= set(text)


def test_rows_that_do_not_fit_become_a_line_per_column() -> None:
    rows = Rows(["symbol", "client_order_id", "qty"], [["GME", "CT-GME-20250106-1", 18.0], ["AMC", None, 0.1 + 0.2]])
    assert printed(rows, 40) == [
        "symbol  client_order_id    qty",
        "GME     CT-GME-20250106-1   18",
        "AMC                        0.3",
    ]
    assert printed(rows, 30) == [
        "── 1 ─────────────────────────",
        "symbol           GME",
        "client_order_id  CT-GME-202501",
        "                 06-1",
        "qty              18",
        "── 2 ─────────────────────────",
        "symbol           AMC",
        "client_order_id",
        "qty              0.3",
    ]


def test_events_have_their_details_below_in_a_narrow_window() -> None:
    events = EventList(("ET", "EVENT", "DETAILS"), [["10:00:00", "paused", "by=operator"], ["", "resumed", ""]])
    assert printed(events, 100) == [
        "ET        EVENT    DETAILS",
        "10:00:00  paused   by=operator",
        "          resumed",
    ]
    assert printed(events, 60) == ["10:00:00  paused", "    by=operator", "resumed"]
