"""Output that fits a window: lines break between their parts, and tables that are too wide take another shape.

A figure is never cut: half a number is a wrong number.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

__all__ = ["HELP_WIDTH", "EventList", "Parts", "Rows", "TableInParts", "cell", "console", "plain_table"]

PIPE_WIDTH = 4_000
"""Columns if the output is no terminal; rich would take 80 and break every line."""

HELP_WIDTH = 100
"""Columns of a manual in a pipe: it is text to read, with frames."""

GAP = 2
"""Blanks between the columns of a table."""

LEGIBLE = 60
"""Characters that a column of text needs."""

INDENT = 8
"""Blanks before a line that continues the one above: it stands below what follows the first word."""


class _Console(Console):
    """rich would end the program with exit code 1 when the reader of the output is gone; that is one of `status`."""

    def on_broken_pipe(self) -> None:
        """Let the entry point choose the exit code."""
        raise BrokenPipeError


def console(pipe_width: int = PIPE_WIDTH) -> Console:
    """The console to print to. `pipe_width`: its columns if the output is no terminal."""
    return _Console(width=None if sys.stdout.isatty() else pipe_width, highlight=False, soft_wrap=False)


class Parts:
    """A line of parts. What does not fit into the window continues in the next line."""

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
    """A table of rows; in a window that is too narrow for it, one block per row with a line per column."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        self._columns, self._rows = columns, rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if sum(widths(self._columns, [[cell(value) for value in row] for row in self._rows])) <= options.max_width:
            yield plain_table(self._columns, self._rows)
            return
        name_width = max(map(cell_len, self._columns))
        for number, row in enumerate(self._rows, 1):
            yield Text(f"── {number} ".ljust(min(options.max_width, 40), "─"), style="dim")
            table = Table.grid(padding=(0, GAP, 0, 0))
            table.add_column(width=name_width)
            table.add_column(overflow="fold")
            for column, value in zip(self._columns, row, strict=True):
                table.add_row(Text(column, style="bold"), Text(cell(value)))
            yield table


class TableInParts:
    """A table of figures. Columns that do not fit continue in a table below, with the first column repeated."""

    def __init__(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self._headings, self._rows = headings, rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        first, *others = widths(self._headings, self._rows)
        columns_here: list[int] = []
        space = options.max_width - first
        for index, width in enumerate(others, 1):
            if columns_here and width > space:
                yield self._part(columns_here)
                yield Text()
                columns_here, space = [], options.max_width - first
            columns_here.append(index)
            space -= width
        yield self._part(columns_here)

    def _part(self, indexes: Sequence[int]) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
        for index in (0, *indexes):
            table.add_column(self._headings[index], justify="right" if index else "left", no_wrap=True)
        for row in self._rows:
            table.add_row(*(row[index] for index in (0, *indexes)))
        return table


class EventList:
    """A table whose last column is long. In a narrow window that column stands below the others, without headings."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self._columns, self._rows = columns, rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        before = sum(widths(self._columns, self._rows)[:-1])
        if options.max_width - before >= LEGIBLE:
            yield plain_table(self._columns, self._rows)
            return
        for *first, last in self._rows:
            yield Text("  ".join(text for text in first if text))
            if last:
                yield Padding(Text(last), (0, 0, 0, 4))


def widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Characters that each column needs without a line break, with the gap after it."""
    return [
        max([cell_len(column), *(cell_len(row[index]) for row in rows)]) + GAP for index, column in enumerate(columns)
    ]


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A plain table; numbers to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for index, column in enumerate(columns):
        found = [row[index] for row in rows if row[index] is not None]
        numbers = bool(found) and all(isinstance(value, int | float) for value in found)
        table.add_column(Text(column), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell(value)) for value in row))
    return table


def cell(value: object) -> str:
    """A value as a person reads it."""
    if value is None:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)
