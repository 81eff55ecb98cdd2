"""How answers fit a window: lines break between their parts, tables that are too wide are told in another shape.

A figure is never cut: half a number is a wrong number.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

__all__ = ["EventList", "Parts", "Rows", "TableInParts", "cell", "plain_table"]

GAP = 2
"""Blanks between the columns of a table."""

LEGIBLE = 60
"""Characters that a column of text needs."""

INDENT = 8
"""Of what goes on in the next line: below what follows the first word."""


class Parts:
    """A line of parts, which goes on in the next one where the window ends."""

    def __init__(self, *parts: str | Text, between: str = "    ") -> None:
        self._parts = [part if isinstance(part, Text) else Text(part) for part in parts if part]
        self._between = between

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = Text()
        for part in self._parts:
            if not line:
                line = part.copy()
            elif line.cell_len + len(self._between) + part.cell_len <= options.max_width:
                line = Text.assemble(line, self._between, part)
            else:
                yield line
                line = Text.assemble(" " * INDENT, part)
        yield line


class Rows:
    """Rows under their columns; in a window that is too narrow for that, each row by itself, a line per column."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        self._columns, self._rows = columns, rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if sum(widths(self._columns, [[cell(value) for value in row] for row in self._rows])) <= options.max_width:
            yield plain_table(self._columns, self._rows)
            return
        name_width = max(map(cell_len, self._columns))
        for number, row in enumerate(self._rows, 1):
            yield Text(f"── {number} ".ljust(min(options.max_width, 40), "─"), style="dim")
            made = Table.grid(padding=(0, GAP, 0, 0))
            made.add_column(width=name_width)
            made.add_column(overflow="fold")
            for column, value in zip(self._columns, row, strict=True):
                made.add_row(Text(column, style="bold"), Text(cell(value)))
            yield made


class TableInParts:
    """A table of figures, the first column to the left; its other columns go on below where the window ends."""

    def __init__(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self._headings, self._rows = headings, rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        first, *others = widths(self._headings, self._rows)
        taken: list[int] = []
        room = options.max_width - first
        for place, width in enumerate(others, 1):
            if taken and width > room:
                yield self._part(taken)
                yield Text()
                taken, room = [], options.max_width - first
            taken.append(place)
            room -= width
        yield self._part(taken)

    def _part(self, places: Sequence[int]) -> Table:
        made = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
        for place in (0, *places):
            made.add_column(self._headings[place], justify="right" if place else "left", no_wrap=True)
        for row in self._rows:
            made.add_row(*(row[place] for place in (0, *places)))
        return made


class EventList:
    """A table whose last column is long: in a narrow window that stands below the others, which need no heading."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self._columns, self._rows = columns, rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        before = sum(widths(self._columns, self._rows)[:-1])
        if options.max_width - before >= LEGIBLE:
            yield plain_table(self._columns, self._rows)
            return
        for *first, last in self._rows:
            yield Text("  ".join(word for word in first if word))
            if last:
                yield Padding(Text(last), (0, 0, 0, 4))


def widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """What each column takes, unbroken, with the gap behind it."""
    return [
        max([cell_len(column), *(cell_len(row[place]) for row in rows)]) + GAP for place, column in enumerate(columns)
    ]


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A plain table; numbers to the right."""
    made = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for place, column in enumerate(columns):
        found = [row[place] for row in rows if row[place] is not None]
        numbers = bool(found) and all(isinstance(value, int | float) for value in found)
        made.add_column(Text(column), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell(value)) for value in row))
    return made


def cell(value: object) -> str:
    """A value as a person reads it."""
    if value is None:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)
