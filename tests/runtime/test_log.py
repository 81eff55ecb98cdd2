"""The shape of a log line."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from messages.operator import Happened
from services.runtime import log
from services.runtime.actor import Outputs
from services.runtime.poll_loop import emit

ROOT = Path(__file__).parents[2]
OPEN_NS = 1_736_173_865_250_000_000  # 2025-01-06 09:31:05.25 in New York


@pytest.fixture
def written(tmp_path: Path) -> Any:
    path = tmp_path / "gateway.jsonl"
    journal = log.open("gateway", path)
    return journal, lambda: [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_is_one_flat_object(written: Any) -> None:
    journal, lines = written
    journal.event("order_filled", market_ns=OPEN_NS, symbol="TSLA", client_order_id="T-1", qty=4, stop_price=12.5)
    (line,) = lines()
    assert list(line)[:5] == ["timestamp", "wall", "level", "process", "event"]
    assert line["timestamp"] == "2025-01-06T09:31:05.250-05:00"
    assert line["wall"].endswith("+00:00")
    del line["wall"], line["timestamp"]
    assert line == {
        "level": "INFO", "process": "gateway", "event": "order_filled",
        "symbol": "TSLA", "client_order_id": "T-1", "qty": 4, "stop_price": 12.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ["level", "event", "process", "wall", "timestamp", "market_ns", "name", "self", "symbol"]
)
def test_a_fact_may_have_fields_of_any_name(written: Any, name: str) -> None:
    """A process may not end because a field of an event is called like one of the line."""
    journal, lines = written
    happened = Happened("shares_found", "TSLA", "ERROR", {name: 95.0, "qty": 4}, OPEN_NS)
    emit(Outputs(noted=[happened]), None, journal, lambda topic, message: None)  # type: ignore[arg-type]
    (line,) = lines()
    assert (line["level"], line["event"], line["process"], line["qty"]) == ("ERROR", "shares_found", "gateway", 4)
    assert line.get(name) is not None


def test_an_event_outside_market_time_has_no_timestamp(written: Any) -> None:
    journal, lines = written
    journal.event("bot_started", level="WARNING")
    (line,) = lines()
    assert "timestamp" not in line
    assert line["level"] == "WARNING"


def test_levels_below_the_chosen_one_are_dropped(written: Any) -> None:
    journal, lines = written
    journal.event("noise", level="DEBUG")
    logging.getLogger("ib_insync").debug("noise")
    journal.event("heard")
    assert [line["event"] for line in lines()] == ["heard"]


def test_text_with_braces_tags_and_line_breaks_stays_one_line(written: Any) -> None:
    journal, lines = written
    journal.event("told", text="{x} {0} <red>\nnext", given={"a": [1]}, path=Path("/x"))
    (line,) = lines()
    assert line["text"] == "{x} {0} <red>\nnext"
    assert (line["given"], line["path"]) == ({"a": [1]}, "/x")


def test_libraries_log_into_the_same_file(written: Any) -> None:
    _, lines = written
    logging.getLogger("library.client").warning("Peer closed connection {%s}", 5)
    try:
        raise ValueError("bad {tick}")
    except ValueError:
        logging.getLogger("services.simulator").exception("failed")
    first, second = lines()
    assert (first["event"], first["logger"], first["level"]) == ("log", "library.client", "WARNING")
    assert first["message"] == "Peer closed connection {5}"
    assert second["exception"].rstrip().endswith("ValueError: bad {tick}")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("account DU1234567 logged in", "account DU***567 logged in"),
        ('"U7654321"', '"U***321"'),
        ("DF123456789", "DF***789"),
        ("risk@DU12345", "risk@DU***345"),
        ("TSLA-20250106-1", "TSLA-20250106-1"),
        ("order 1234567", "order 1234567"),
        ("CUSIP12345678", "CUSIP12345678"),
    ],
)
def test_account_ids_are_masked(written: Any, text: str, seen: str) -> None:
    journal, lines = written
    journal.event("told", text=text)
    logging.getLogger("x").warning(text)
    first, second = lines()
    assert (first["text"], second["message"]) == (seen, seen)


def test_market_time_is_the_exchanges(tmp_path: Path) -> None:
    path = tmp_path / "clock.jsonl"
    log.open("clock", path, zone=ZoneInfo("Asia/Tokyo")).event("told", market_ns=OPEN_NS)
    assert json.loads(path.read_text())["timestamp"] == "2025-01-06T23:31:05.250+09:00"


def test_output_beside_the_log_is_masked_too() -> None:
    code = (
        "from services.runtime import log; log.mask_output(); print('of DU1234567')\n"
        "class DU1234567(Exception): pass\n"
        "raise ValueError('this ledger belongs to risk@DU1234567')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "of DU***567\n"
    assert "risk@DU***567" in done.stderr
    last = subprocess.run(
        [sys.executable, "-c", "from services.runtime import log; log.mask_output(); raise SystemExit('not U1234567')"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (last.returncode, last.stderr) == (1, "not U***567\n")


def test_a_restarted_process_goes_on_in_its_file(tmp_path: Path) -> None:
    path = tmp_path / "risk.jsonl"
    for run in (1, 2):
        log.open("risk", path).event("bot_started", run=run)
    assert [json.loads(line)["run"] for line in path.read_text().splitlines()] == [1, 2]


def test_an_unknown_market_time_is_left_out(tmp_path: Path) -> None:
    """The watchdog has no market time, and no process has one at its start. 1969 would be wrong."""
    path = tmp_path / "log.jsonl"
    log.open("watchdog", path).event("process_restarted", market_ns=0)
    assert "timestamp" not in json.loads(path.read_text())
