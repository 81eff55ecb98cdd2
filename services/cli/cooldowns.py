"""The symbols in cooldown after a stop-out, from the records."""

from __future__ import annotations

from services.cli import records
from services.cli.options import Config, fleet

__all__ = ["IN_COOLDOWN", "in_cooldown"]


IN_COOLDOWN = "SELECT symbol, cooldown_until_ts FROM status WHERE state = 'COOLDOWN' ORDER BY cooldown_until_ts"


def in_cooldown(config: Config) -> dict[str, str]:
    """The symbols in cooldown, each with its end."""
    with records.opened(fleet(config)) as db:
        return {row["symbol"]: row["cooldown_until_ts"] for row in db.rows(IN_COOLDOWN)}
