"""Two hundred seeds: whatever is absent, forgotten or told wrongly, no share is bare and no stop is taken away."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.simulation.campaign import MUST_HAPPEN, one_run, replay_command

SEEDS, PART = 200, 20

COUNTS: Counter[str] = Counter()


@pytest.mark.parametrize("first", range(0, SEEDS, PART))
def test_two_weeks_of_absences(first: int) -> None:
    for seed in range(first, first + PART):
        outcome = one_run(seed)
        COUNTS.update(outcome.counts)
        assert not outcome.broken, f"{outcome.broken}\n{replay_command(outcome)}"


def test_everything_happened() -> None:
    """Runs after the others: it counts what they saw."""
    if len(COUNTS) == 0:
        pytest.skip("it counts what the runs before it saw")
    assert not [name for name in MUST_HAPPEN if not COUNTS[name]]
