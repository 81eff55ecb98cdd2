"""The programs of supervisord: those that are generated, and those that stand in supervisord.conf."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.configuration.settings import Settings
from services.fleet import programs
from services.fleet.places import CORE_PROCESSES, Fleet

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("process", CORE_PROCESSES)
def test_a_program_in_supervisord_conf_is_the_template(process: str) -> None:
    """Equal to the letter, but for its priority. To change one, change `PROGRAM` and all of them."""
    blocks = re.split(r"\n\n(?=\[)", (ROOT / "supervisord.conf").read_text())
    (block,) = (f"{block}\n" for block in blocks if block.startswith(f"[program:{process}]"))
    (priority,) = re.findall(r"^priority = (\d+)$", block, re.MULTILINE)
    assert block == programs.program(process, int(priority))


def test_processes_start_in_an_order() -> None:
    """The simulator first and the symbols last: see the comment in supervisord.conf."""
    fixed = [int(number) for number in re.findall(r"^priority = (\d+)$", (ROOT / "supervisord.conf").read_text(), re.M)]
    assert fixed == sorted(set(fixed))
    assert len(fixed) == len(CORE_PROCESSES)
    made = programs.programs(Fleet(Settings(watchlist=("TSLA",)), ROOT))
    assert fixed[0] > 10
    assert "priority = 10\n" in made["simulator.conf"]
    assert fixed[-1] < 100
    assert "priority = 100\n" in made["symbol-TSLA.conf"]


def test_a_symbol_is_an_argument_of_its_process() -> None:
    text = programs.program("symbol-BRK.B", 100, "BRK B")
    assert """-m services.symbol "$CRAZY_SETTINGS" "BRK B"'\n""" in text
    assert "stdout_logfile = logs/symbol-BRK.B.out\n" in text
