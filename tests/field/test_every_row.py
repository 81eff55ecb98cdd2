"""Every row of the list of real failures has a test of its number in this folder, or a reason why there is none."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROWS = tuple(range(1, 75))

NO_TEST: dict[int, str] = {}
"""Rows that no test can show, with the reason."""


@cache
def numbers() -> set[int]:
    """The numbers of the tests in this folder."""
    found = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                match = re.match(r"test_field_(\d+)_", node.name)
                found |= {int(match[1])} if match else set()
    return found


@pytest.mark.parametrize("row", ROWS)
def test_the_row_has_a_test_or_a_reason(row: int) -> None:
    assert (row in numbers()) is not (row in NO_TEST)


def test_no_test_has_a_number_without_a_row() -> None:
    assert numbers() <= set(ROWS)
