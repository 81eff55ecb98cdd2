"""What the measurements have in common: the symbols, percentiles, a free port."""

from __future__ import annotations

import socket
from collections.abc import Sequence

__all__ = ["TICKERS", "TICKS_PER_SECOND", "free_port", "in_words", "percentile"]

TICKERS = tuple(f"T{letter}" for letter in "ABCDEFGHIJKLMNOPQRST")
"""Twenty symbols that are nobody's."""

TICKS_PER_SECOND = 20
"""Of each symbol."""


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that this part of the values does not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))]


def in_words(values_us: Sequence[float]) -> str:
    """Median, p99 and number, in milliseconds."""
    if not values_us:
        return "none"
    p50, p99 = percentile(values_us, 50) / 1000, percentile(values_us, 99) / 1000
    return f"p50 {p50:6.3f} ms  p99 {p99:6.3f} ms  ({len(values_us)})"


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
