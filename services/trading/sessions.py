"""The midday break of a session. Tokyo and Hong Kong have one, New York has none."""

from __future__ import annotations

__all__ = ["is_break"]


def is_break(break_ns: tuple[int, int], market_ns: int) -> bool:
    """Whether the exchange has its midday break at this market time. (0, 0): the session has no break."""
    start_ns, end_ns = break_ns
    return start_ns <= market_ns < end_ns
