"""The hours in which this fleet may enter: the exchange's session, with the pre- and after-market where allowed. Pure.

What is allowed becomes part of the session: it opens and closes that much earlier and later, for everyone.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from messages.market import Session
from services.configuration.settings import Hours

__all__ = ["AFTER_MARKET_NS", "PRE_MARKET_NS", "allowed"]

PRE_MARKET_NS = 19_800 * 10**9
"""04:00 to 09:30 in New York."""
AFTER_MARKET_NS = 14_400 * 10**9
"""16:00 to 20:00 in New York, and four hours after an early close as well."""


def allowed(sessions: Iterable[Session], hours: Hours) -> tuple[Session, ...]:
    """The sessions as this fleet takes part in them; the regular hours stay in them beside."""
    pre = PRE_MARKET_NS if hours.allow_pre_market else 0
    after = AFTER_MARKET_NS if hours.allow_after_hours else 0
    if not pre and not after:
        return tuple(sessions)
    return tuple(
        msgspec.structs.replace(
            session,
            open_ns=session.open_ns - pre,
            close_ns=session.close_ns + after,
            regular_open_ns=session.open_ns,
            regular_close_ns=session.close_ns,
        )
        for session in sessions
    )
