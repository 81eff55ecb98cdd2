"""The symbols that rest after a stop-out, from the records."""

from __future__ import annotations

from services.cli import records
from services.cli.options import Config, fleet

__all__ = ["RESTING", "resting"]


RESTING = "SELECT symbol, cooldown_until_ts FROM status WHERE state = 'COOLDOWN' ORDER BY cooldown_until_ts"


def resting(config: Config) -> dict[str, str]:
    """The symbols in cooldown, each with its end."""
    with records.opened(fleet(config)) as db:
        return {row["symbol"]: row["cooldown_until_ts"] for row in db.rows(RESTING)}
