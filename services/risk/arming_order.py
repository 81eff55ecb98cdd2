"""Which symbols arm first when the caps are too small for all: the order of the watchlist. Pure.

For one minute after the symbols may arm, an entry leaves room for the symbols that stand before it in the watchlist
and have not asked yet. After that minute no room is kept.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from services.configuration.settings import Settings
from services.risk.limits import Denied, cap_usd, commission

__all__ = ["PRIORITY_NS", "needed_usd", "priority_denial"]

PRIORITY_NS = 60_000_000_000


def needed_usd(symbol: str, settings: Settings) -> float:
    """The most that one entry in this symbol can reserve, in dollars."""
    dearest = (1 + settings.entries.buy_stop_pct_above_last / 100) * (1 + settings.price_cap_pct / 100)
    return settings.entry_usd(symbol) * dearest + commission(1)


def priority_denial(
    symbol: str,
    usd: float,
    used_usd: float,
    finished: Container[str],
    watchlist: Sequence[str],
    settings: Settings,
) -> Denied | None:
    """Denied if this entry would take money that an earlier symbol may need.

    `used_usd` is what is held and reserved now. `finished` are symbols that need no room any more: they have asked, or
    they make no entry.
    """
    if symbol not in watchlist:
        return None
    before = watchlist[: watchlist.index(symbol)]
    kept = sum(needed_usd(each, settings) for each in before if each not in finished)
    limit = cap_usd(settings)
    if kept <= 0 or used_usd + usd + kept <= limit:
        return None
    return Denied(
        "waits_for_turn",
        {
            "exposure_usd": round(used_usd, 2),
            "kept_for_earlier_usd": round(kept, 2),
            "entry_usd": round(usd, 2),
            "limit_usd": limit,
        },
    )
