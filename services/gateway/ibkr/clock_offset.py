"""How far this machine's clock is from the broker's, though the broker tells whole seconds only. Pure.

Each answer bounds the difference: the broker's time was within one second from what it said, at some moment between
question and answer. Several answers, asked at different moments of a second, narrow it to a fifth of one.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["ASK_EVERY_S", "QUESTIONS", "bounds"]

QUESTIONS, ASK_EVERY_S = 6, 0.2
"""Questions of one comparison, and the seconds between two of them: together they cover a second."""

SECOND = 1_000_000_000


def bounds(samples: Iterable[tuple[int, int, int]]) -> tuple[float, float] | None:
    """Seconds by which this machine is ahead of the broker: (at least, at most); None without a sample.

    Each sample: this machine's time when asked and when answered (ns), the broker's answer (whole seconds). Where the
    samples contradict each other the clock was set meanwhile: None as well, and the next comparison tells.
    """
    least, most = float("-inf"), float("inf")
    for asked_ns, answered_ns, broker_s in samples:
        least = max(least, (asked_ns - (broker_s + 1) * SECOND) / SECOND)
        most = min(most, (answered_ns - broker_s * SECOND) / SECOND)
    if least > most or most == float("inf"):
        return None
    return least, most
