"""How market time goes on where no clock process drives it. Pure: told how long the machine's clock ran, says where to.

Paces of the gateway that runs alone:

- `skip`: at `speed`, and nights, weekends, holidays and days without data are jumped over, to a minute before whatever
  comes next.
- `steady`: at `speed`, every hour of them.
- `manual`: only when somebody says so (`crazy simulator advance`, or the Python API).
"""

from __future__ import annotations

from typing import Literal, get_args

from services.simulator.venue.source import Hours

__all__ = ["LEAD_NS", "PACES", "PaceName", "next_time"]

SECOND = 1_000_000_000

PaceName = Literal["skip", "steady", "manual"]
PACES: tuple[PaceName, ...] = get_args(PaceName)

LEAD_NS = 60 * SECOND
"""Market time before an open at which a jump ends, so that clients can send what they want to be there."""

STALL_NS = SECOND // 2
"""A pause of the machine longer than this is not caught up: the market stood still meanwhile."""


def next_time(now_ns: int, elapsed_ns: int, *, speed: float, pace: PaceName, hours: Hours, next_ns: int | None) -> int:
    """Where market time goes from `now_ns` when `elapsed_ns` of the machine's passed.

    `next_ns` is when the exchange has something next, None if never again.
    """
    if pace == "manual":
        return now_ns
    target = now_ns + int(min(elapsed_ns, STALL_NS) * speed)
    if pace == "skip" and next_ns is not None and hours.at(target) is None:
        session = hours.coming(next_ns)
        coming = next_ns if session is None else min(next_ns, session.open_ns)
        target = max(target, coming - LEAD_NS)
    return target
