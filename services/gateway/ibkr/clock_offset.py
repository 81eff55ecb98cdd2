"""How far this machine's clock differs from the broker's, although the broker reports only whole seconds. Pure.

Each answer bounds the difference: at some moment between question and answer, the broker's time was in the reported
second. Several questions at different moments of a second narrow the bounds to a fifth of a second.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["ASK_EVERY_S", "QUESTIONS", "bounds"]

QUESTIONS, ASK_EVERY_S = 6, 0.2
"""Questions per comparison, and the seconds between two questions: together they cover a second."""

SECOND = 1_000_000_000


def bounds(samples: Iterable[tuple[int, int, int]]) -> tuple[float, float] | None:
    """Seconds by which this machine is ahead of the broker: (at least, at most); None without a sample.

    Each sample: this machine's time at question and answer (ns), the broker's answer (whole seconds). If the samples
    contradict each other, a clock was set meanwhile: the result is None, and the next comparison decides.
    """
    least, most = float("-inf"), float("inf")
    for asked_ns, answered_ns, broker_s in samples:
        least = max(least, (asked_ns - (broker_s + 1) * SECOND) / SECOND)
        most = min(most, (answered_ns - broker_s * SECOND) / SECOND)
    if least > most or most == float("inf"):
        return None
    return least, most
