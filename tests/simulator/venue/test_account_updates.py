"""When account values are told again."""

from __future__ import annotations

import pytest

from services.simulator.venue.account_updates import AccountUpdates

SECOND = 10**9
MINUTE = 60 * SECOND


@pytest.mark.parametrize(
    ("every_s", "expected"),
    [(0.0, []), (180.0, [180, 400, 541]), (60.0, [61, 180, 240, 400, 541]), (3600.0, [])],
)
def test_they_are_due_once_in_each_interval_of_the_markets_time(every_s: float, expected: list[int]) -> None:
    updates = AccountUpdates(every_s, 0)
    prices = (0, 30, 61, 90, 180, 180, 239, 240, 400, 410, 541)
    assert [second for second in prices if updates.due(second * SECOND)] == expected


def test_the_intervals_do_not_depend_on_the_start() -> None:
    early, late = AccountUpdates(180.0, 200 * SECOND), AccountUpdates(180.0, 350 * SECOND)
    for second in (355, 359, 360, 361, 539, 541):
        assert early.due(second * SECOND) == late.due(second * SECOND)
