"""The next step in lock-step, for the fleet and for the in-process runner alike. Pure.

A step is one time and at most one symbol's market event. At the same time the calendar comes first, then deadlines by
process name, then market events in the exchange's order (time, symbol, row).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

__all__ = ["MarketStep", "next_step"]


class MarketStep(msgspec.Struct, frozen=True):
    """One step. `process`: the process of a deadline, '' otherwise."""

    kind: Literal["calendar", "deadline", "market"]
    time_ns: int
    process: str = ""


KINDS: tuple[Literal["calendar", "deadline", "market"], ...] = ("calendar", "deadline", "market")
"""The kinds of steps, in their order at the same time."""


def next_step(
    market_ns: int | None, calendar_ns: int | None, deadlines: Mapping[str, int | None], now_ns: int
) -> MarketStep | None:
    """The next step; None if nothing is left. A time before `now_ns` counts as now: time never runs backwards."""
    steps: list[tuple[int, int, str]] = []
    if calendar_ns is not None:
        steps.append((max(calendar_ns, now_ns), 0, ""))
    for process, deadline_ns in deadlines.items():
        if deadline_ns is not None:
            steps.append((max(deadline_ns, now_ns), 1, process))
    if market_ns is not None:
        steps.append((max(market_ns, now_ns), 2, ""))
    if not steps:
        return None
    time_ns, rank, process = min(steps)
    return MarketStep(KINDS[rank], time_ns, process)
