"""docs/database.md and docs/analytics.md describe the database correctly, and their queries run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.recorder.store import DuckLedger

DOCS = Path(__file__).parents[2] / "docs"
TEXT = "".join((DOCS / page).read_text() for page in ("database.md", "analytics.md"))
QUERIES = re.findall(r'^    (?:\.venv/bin/crazy sql ")?(SELECT [^"\n]+)', TEXT, re.MULTILINE)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> DuckLedger:
    return DuckLedger(tmp_path_factory.mktemp("docs") / "bot.duckdb", fleet="sim", account="DU1")


def test_every_table_view_and_column_is_explained(ledger: DuckLedger) -> None:
    columns = ledger.reader().execute("SELECT table_name, column_name FROM information_schema.columns").fetchall()
    own = {"meta", "cursors", "starts"}
    briefly = {
        "account",
        "positions",
        "market_clock",
        "status",
        "market",
        "links",
        "pauses",
        "guards",
        "flattens",
        "blocks",
    }
    assert {table for table, _ in columns if f"**{table}**" not in TEXT} == own
    unexplained = [(t, c) for t, c in columns if t not in own | briefly and f"`{c}`" not in TEXT]
    assert unexplained == []


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_runs(ledger: DuckLedger, query: str) -> None:
    ledger.reader().execute(query)


def test_the_pages_have_queries() -> None:
    assert len(QUERIES) >= 5
