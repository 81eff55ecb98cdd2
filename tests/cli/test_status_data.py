"""What `crazy status` reads of the records, by its own SQL."""

from __future__ import annotations

import duckdb
import pytest

from services.cli.status_data import WARNINGS

OPEN = "2025-01-06 14:30:00"


@pytest.mark.parametrize(
    ("events", "newest"),
    [
        ([("WARNING", "entry_dropped", "NVDA", "15:00:00")], (1, "entry_dropped", "NVDA")),
        # A warning about the whole fleet is not about the symbol of an older one.
        (
            [("WARNING", "entry_dropped", "NVDA", "15:00:00"), ("ERROR", "socket_lost", None, "15:01:00")],
            (2, "socket_lost", None),
        ),
        ([("WARNING", "entry_dropped", "NVDA", "14:00:00"), ("INFO", "fill", "NVDA", "15:00:00")], (0, None, None)),
    ],
)
def test_the_newest_warning_and_its_symbol(
    events: list[tuple[str, str, str | None, str]], newest: tuple[int, str | None, str | None]
) -> None:
    db = duckdb.connect()
    db.execute("CREATE TABLE events (level VARCHAR, event_type VARCHAR, symbol VARCHAR, ts TIMESTAMP)")
    db.execute(f"CREATE TABLE market AS SELECT TIMESTAMP '{OPEN}' AS open_ts")
    for level, event, symbol, at in events:
        db.execute("INSERT INTO events VALUES (?, ?, ?, ?::TIMESTAMP)", [level, event, symbol, f"2025-01-06 {at}"])
    assert db.execute(WARNINGS).fetchone() == newest
