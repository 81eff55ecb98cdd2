"""The benchmarks run, and print the line that counts. What the figures are is not judged.

`--quick` is the full run with fewer and shorter rounds: the same symbols, processes and settings, so whatever stops the
full run stops this one.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import tick_to_order
from benchmarks.figures import TICKERS, TICKS_PER_SECOND, percentile
from benchmarks.footprint import table

CODE = Path(__file__).resolve().parents[2]


def run_quick(benchmark: str, home: Path) -> str:
    """What it prints. One that takes too long is interrupted, so that it ends its processes."""
    with subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{benchmark}", "--quick"],
        cwd=CODE,
        env=os.environ | {"CRAZY_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        try:
            said, _ = running.communicate(timeout=100)
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGINT)
            said, _ = running.communicate()
        assert running.returncode == 0, said
        return said


def test_tick_to_order_runs_and_prints_the_ratios(tmp_path):
    said = run_quick("tick_to_order", tmp_path)
    assert re.match(r"p50 \d+\.\d\dx p99 \d+\.\d\dx of the bare chain .* through the wire p50 ", said.splitlines()[-1])
    found = re.findall(r"(.+): (\d+) of (\d+) ticks led to an order", said)
    assert [(name, int(asked)) for name, _, asked in found] == [
        *((name, len(TICKERS) * TICKS_PER_SECOND // 2) for name in ("bare chain", "in memory", "durable")),
        ("wire", len(TICKERS)),
    ]
    assert all(int(answered) > 0 for _, answered, _ in found)
    assert list((tmp_path / "var").iterdir()) == [], "it leaves nothing behind"


def test_no_limit_of_the_settings_denies_an_entry_of_the_full_run():
    """The quick run is too short for a limit that counts per minute to be reached on the wire."""
    settings = tick_to_order.settings("bench", TICKERS)
    entries_per_minute = len(TICKERS) * TICKS_PER_SECOND * 60
    assert (settings.guards.orders_per_minute or entries_per_minute) >= entries_per_minute


def test_footprint_runs_and_prints_the_table(tmp_path):
    said = run_quick("footprint", tmp_path)
    assert f"starting {len(TICKERS)} symbols under supervisord" in said
    for row in ("start, until all are ready", "memory of a symbol process", "market closed", "in session without"):
        assert re.search(rf"{row}.* \d+\.\d\d .* target .*: (met|MISSED)", said), row
    assert list((tmp_path / "var").iterdir()) == [], "it leaves nothing behind"


def test_tick_push_runs_and_prints_the_ratios(tmp_path):
    said = run_quick("tick_push", tmp_path)
    assert re.match(
        r"one client \d+\.\d\dx, ten \d+\.\d\dx of what ib_insync decodes; 200,000 a second to one ",
        said.splitlines()[-1],
    )


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (50, 51), (99, 100), (100, 100)])
def test_a_percentile_is_one_of_the_values(percent, value):
    assert percentile(list(range(100, 0, -1)), percent) == value


def test_the_table_says_what_misses_its_target():
    text = table([("start", 2.4, "s", 2.5), ("memory", 18.1, "MiB", 18.0), ("fleet", 600.0, "MiB", None)])
    met, missed, without = text.splitlines()
    assert met.endswith("target 2.5 s: met")
    assert missed.endswith("target 18 MiB: MISSED")
    assert without.endswith("MiB")
