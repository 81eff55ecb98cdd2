"""The benchmarks run, and print the line that counts. What the figures are is not judged."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.figures import percentile
from benchmarks.footprint import table

CODE = Path(__file__).resolve().parents[2]


def test_tick_to_order_runs_and_prints_the_ratios(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.tick_to_order", "--quick"],
        cwd=CODE,
        env=os.environ | {"CRAZY_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.match(
        r"p50 \d+\.\d\dx p99 \d+\.\d\dx of the bare chain .* through the wire p50 ", ran.stdout.splitlines()[-1]
    )
    answered, asked = re.search(r"(\d+) of (\d+) ticks led to an order", ran.stdout).groups()
    assert int(asked) == 3 * 30
    assert int(answered) > 0
    assert list((tmp_path / "var").iterdir()) == [], "it leaves nothing behind"


def test_tick_push_runs_and_prints_the_ratios():
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.tick_push", "--quick"],
        cwd=CODE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.match(
        r"one client \d+\.\d\dx, ten \d+\.\d\dx of what ib_insync decodes; 200,000 a second to one ",
        ran.stdout.splitlines()[-1],
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
