"""Time that passes evenly on this machine, also while it is suspended: the edge that reads it.

The machine's wall clock can be set, and a bad one can jump by a day after a suspension. The monotonic clock that timers
use stands still while the machine is suspended (on Linux). This one does neither.
"""

from __future__ import annotations

import time

__all__ = ["steady_ns"]

_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def steady_ns() -> int:
    """Nanoseconds since the machine started. The same for all processes of the machine."""
    return time.clock_gettime_ns(_BOOT)
