"""The hours in which this fleet may enter: the exchange's session, with pre-market and after-market if allowed. Pure.

Allowed extended hours become part of the session: for the whole fleet it opens earlier and closes later.
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
"""16:00 to 20:00 in New York. After an early close it is four hours as well."""


def allowed(sessions: Iterable[Session], hours: Hours) -> tuple[Session, ...]:
    """The sessions with the allowed extended hours. Their regular hours are kept in extra fields."""
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
