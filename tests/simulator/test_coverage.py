"""The coverage page is generated from the tests and is complete."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.simulator.coverage import FEATURES, ORDERS, REPLIES, REQUESTS, ROOT, UNSHOWN

EVERYTHING = {"request": set(REQUESTS), "reply": set(REPLIES), "order": set(ORDERS), "feature": set(FEATURES)}


@pytest.fixture(scope="module")
def collected() -> tuple[str, dict[str, set[object]]]:
    """The page, and the shown items by kind. In its own process, because tests can't be collected while tests run."""
    code = """
import json
from tests.simulator.coverage import collect, page
shown = collect()
print(json.dumps([page(shown), sorted(shown.tests, key=str)]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    text, keys = json.loads(done.stdout)
    shown: dict[str, set[object]] = {kind: {key for each, key in keys if each == kind} for kind in EVERYTHING}
    assert {kind for kind, _ in keys} <= EVERYTHING.keys()
    return text, shown


def test_the_page_is_up_to_date(collected: tuple[str, dict[str, set[object]]]) -> None:
    remedy = "renew it: .venv/bin/python -m tests.simulator.coverage > docs/simulator-coverage.md"
    assert (ROOT / "docs" / "simulator-coverage.md").read_text() == collected[0], remedy


@pytest.mark.parametrize("kind", EVERYTHING)
def test_every_message_and_every_order_has_its_test(kind: str, collected: tuple[str, dict[str, set[object]]]) -> None:
    shown = collected[1][kind]
    assert shown <= EVERYTHING[kind], "a marker names what isn't in the tables of tests/simulator/coverage.py"
    assert EVERYTHING[kind] - shown == UNSHOWN[kind]
