"""`crazy sql`."""

from __future__ import annotations

import csv
import json
import sys
from typing import Literal

from messages.operator import Answer
from services.cli import records
from services.cli.layout import Rows
from services.cli.options import Config, fleet
from services.cli.render import console
from services.configuration.refusal import Refusal

__all__ = ["sql"]


def sql(statement: str, *, format: Literal["table", "json", "csv"] = "table", config: Config = None) -> int:  # noqa: A002
    """Ask the fleet's records, by read-only SQL (DuckDB's dialect), whether the fleet runs or not.

    Tables: state, orders, fills, events, performance_snapshots, protection, account, positions. Views: status, trades,
    daily, per_symbol, overall, splits, unprotected, audits, market, links, pauses, guards, flattens, blocks. All times
    are market time, in UTC.
    10 seconds and 10,000 rows at most.
    `crazy sql 'show tables'` is a beginning; docs/database.md explains every column.

    Parameters
    ----------
    statement:
        One statement that reads: SELECT, FROM, WITH, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN.
    format:
        table for people (a line per column where the window is too narrow for it); json (a list of objects) or csv for
        programs.
    """
    with records.opened(fleet(config)) as open_records:
        answer = open_records.run(statement)
    if not answer.ok:
        raise Refusal(answer.text)
    match format:
        case "json":
            print(json.dumps(as_objects(answer), ensure_ascii=False, indent=1))
        case "csv":
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(answer.columns)
            writer.writerows([["" if value is None else value for value in row] for row in answer.rows])
        case "table":
            console().print(Rows(answer.columns, answer.rows))
            print(f"{len(answer.rows)} row{'' if len(answer.rows) == 1 else 's'}")
    if answer.text:
        print(answer.text, file=sys.stderr)
    return 0


def as_objects(answer: Answer) -> list[dict[str, object]]:
    """The rows as objects by column name."""
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
