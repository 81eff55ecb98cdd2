"""How market time advances without a clock process. Pure: from the elapsed machine time it computes the market time.

Paces of the standalone gateway:

- `skip`: at `speed`; jumps over nights, weekends, holidays and days without data, to a minute before the next event.
- `steady`: at `speed`, through every hour.
- `manual`: only on command (`crazy simulator advance`, or the Python API).
"""

from __future__ import annotations

from typing import Literal, get_args

from services.simulator.venue.source import SessionCalendar

__all__ = ["LEAD_NS", "PACES", "PaceName", "next_time"]

SECOND = 1_000_000_000

PaceName = Literal["skip", "steady", "manual"]
PACES: tuple[PaceName, ...] = get_args(PaceName)

LEAD_NS = 60 * SECOND
"""A jump ends so much market time before an open, so that clients can place orders before it."""

STALL_NS = SECOND // 2
"""A longer pause of the machine is not made up for: the market stood still meanwhile."""


def next_time(
    now_ns: int, elapsed_ns: int, *, speed: float, pace: PaceName, calendar: SessionCalendar, next_ns: int | None
) -> int:
    """The market time after `now_ns` when `elapsed_ns` of machine time passed.

    `next_ns` is the time of the exchange's next event, None if there is none.
    """
    if pace == "manual":
        return now_ns
    target = now_ns + int(min(elapsed_ns, STALL_NS) * speed)
    if pace == "skip" and next_ns is not None and calendar.at(target) is None:
        session = calendar.coming(next_ns)
        coming = next_ns if session is None else min(next_ns, session.open_ns)
        target = max(target, coming - LEAD_NS)
    return target
