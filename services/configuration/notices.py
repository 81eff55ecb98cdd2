"""What a configuration allows and an operator may not expect. Pure."""

from __future__ import annotations

from services.configuration.settings import Settings

__all__ = ["notices"]


def notices(settings: Settings) -> list[str]:
    """One line for each thing that may surprise; `crazy up` prints them at every start."""
    found = []
    if settings.hours.extended:
        found.append(
            "hours: entries are made outside regular hours too; entries and stops carry outsideRth, so a thin market "
            "before the open or after the close can trigger a stop far from any fair price"
        )
    if settings.allocation.allow_fractional:
        found.append(
            "allocation.allow_fractional: what is below one share has no stop, and stays when the rest is sold"
        )
    idle = sorted(set(settings.allocation.per_symbol_override) - set(settings.watchlist))
    if idle:
        found.append(f"allocation.per_symbol_override: {', '.join(idle)} not in the watchlist, so not traded")
    cap = min(settings.allocation.total_usd_cap, settings.risk.max_total_exposure_usd)
    wanted = sum(settings.entry_usd(symbol) for symbol in settings.watchlist) * (1 + settings.price_cap_pct / 100)
    if wanted > cap:
        found.append(f"watchlist: all entries at once need ${wanted:,.0f}, the cap is ${cap:,.0f}; the first arm first")
    return found
