"""`crazy wait`, for scripts."""

from __future__ import annotations

from services.cli.options import Config, fleet
from services.cli.readiness import wait_end, wait_ready
from services.configuration.refusal import Refusal

__all__ = ["wait"]

TIMED_OUT = 1


def wait(*, ready: bool = False, end: bool = False, timeout: float = 60.0, config: Config = None) -> int:
    """Wait until the fleet is ready, or until its simulated market has ended; exit 1 when the time is up.

    Parameters
    ----------
    ready:
        Until every process is ready.
    end:
        Until the market source has ended and all that happened is recorded.
    timeout:
        Longest wait, in seconds.
    """
    if ready == end:
        raise Refusal("wait for what? say either --ready or --end")
    chosen = fleet(config)
    missing = wait_ready(chosen, timeout) if ready else wait_end(chosen, timeout)
    if missing:
        print(f"fleet {chosen.name}: after {timeout:g} s still waiting for {', '.join(missing)}")
        return TIMED_OUT
    print(f"fleet {chosen.name} is ready" if ready else f"fleet {chosen.name}: the market has ended")
    return 0
