"""The exception that is one clear line for the operator instead of a traceback."""

from __future__ import annotations

__all__ = ["Refusal"]


class Refusal(Exception):
    """A problem that the operator can fix. Its text is one line: what is wrong, where, and the remedy."""

    # Not a code of `crazy status` (0 well, 1 degraded, 2 unprotected, 3 down), so that scripts can tell them apart.
    exit_code = 4
