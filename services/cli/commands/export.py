"""`crazy export`."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TextIO

from services.cli import records
from services.cli.options import Config, fleet
from services.configuration.refusal import Refusal

__all__ = ["COLUMNS", "export"]

COLUMNS = (
    "symbol",
    "client_order_id",
    "entry_time",
    "exit_time",
    "quantity",
    "entry_price",
    "exit_price",
    "pnl_usd",
    "pnl_pct",
    "commission_usd",
    "duration_s",
    "result",
)
"""The columns of the CSV, in this order. A new one goes to the end."""


def export(
    *, out: Path | None = None, since: date | None = None, symbol: str | None = None, config: Config = None
) -> int:
    """Write closed trades as CSV, the oldest exit first: a line per entry order as far as it was sold again.

    Columns: symbol, client_order_id, entry_time, exit_time (ISO 8601, UTC), quantity, entry_price, exit_price, pnl_usd,
    pnl_pct (both after commission), commission_usd, duration_s, result (win, loss, even). docs/analytics.md says how
    each is reckoned.

    Parameters
    ----------
    out:
        The file to write, whole or not at all; one that is there is replaced. Without it: standard output.
    since:
        Only trades that ended in the session of this date (YYYY-MM-DD) or later.
    symbol:
        Only trades of this ticker.
    """
    wanted = ["true"]
    if since is not None:
        # An exit before the open belongs to the session that follows, one after the close to the next session.
        wanted.append(
            f"exit_ts > coalesce((SELECT max(close_ts) FROM sessions WHERE date < '{since}'), '-infinity'::TIMESTAMP)"
        )
    if symbol is not None:
        ticker = symbol.upper().replace("'", "''")
        wanted.append(f"symbol = '{ticker}'")
    with records.opened(fleet(config)) as db, _target(out) as target:
        rows = db.all_rows(f"SELECT * FROM trades WHERE {' AND '.join(wanted)}", "exit_ts, symbol, client_order_id")
        count, unconverted = _write(target, rows)
    if not count:
        print("no closed trades" if len(wanted) == 1 else "no such closed trades", file=sys.stderr)
    elif out is not None:
        print(f"{count} trade{'' if count == 1 else 's'} in {out}")
    if unconverted:
        print(f"without a commission in another currency: {unconverted} of them (`crazy performance`)", file=sys.stderr)
    return 0


def _write(target: TextIO, rows: Iterable[dict[str, Any]]) -> tuple[int, int]:
    """The number of lines, and of those that lack a commission because it could not be converted."""
    writer, count, unconverted = csv.writer(target, lineterminator="\n"), 0, 0
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(_line(row))
        count += 1
        unconverted += row["commission_unconverted"]
    return count, unconverted


def _line(row: dict[str, Any]) -> list[str]:
    return [
        row["symbol"],
        row["client_order_id"],
        _iso_time(row["entry_ts"]),
        _iso_time(row["exit_ts"]),
        _number(row["qty"]),
        _number(row["entry_price"]),
        _number(row["exit_price"]),
        f"{row['pnl_usd']:.4f}",
        f"{row['pnl_pct']:.4f}",
        f"{row['commission']:.4f}",
        f"{row['duration']:g}",
        row["result"],
    ]


def _iso_time(text: str) -> str:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).isoformat()


def _number(value: float) -> str:
    """Shares and prices without the noise in the last bits of a binary fraction."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


@contextmanager
def _target(out: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that appears when it is complete."""
    if out is None:
        yield sys.stdout
        return
    unfinished = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with open(unfinished, "w", encoding="utf-8", newline="") as target:
            yield target
        unfinished.replace(out)
    except OSError as error:
        raise Refusal(f"--out {out}: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)
