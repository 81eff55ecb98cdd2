"""Row 45 on the real processes: `var/` is removed while the fleet holds shares, and `make up` makes it whole again.

The judge is the exchange's own ledger, `simulator.sqlite`, which stays: it is the broker.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from tests.day.conftest import RunningFleet, start_fleet, until

__all__ = ["start_fleet"]

LIVE = "('PendingSubmit', 'PreSubmitted', 'Submitted', 'PendingCancel')"


def at_the_broker(fleet: RunningFleet, statement: str) -> dict[str, float]:
    """A figure for each symbol, from the exchange's ledger."""
    with sqlite3.connect(f"file:{fleet.var / 'simulator.sqlite'}?mode=ro", uri=True) as db:
        return {symbol: value for symbol, value in db.execute(statement) if value}


def shares(fleet: RunningFleet) -> dict[str, float]:
    bought = "SUM(CASE side WHEN 'BUY' THEN quantity ELSE -quantity END)"
    return at_the_broker(fleet, f"SELECT symbol, {bought} FROM executions GROUP BY symbol")


def live_sells(fleet: RunningFleet) -> dict[str, float]:
    """What live sells would sell, without those that wait for an entry."""
    return at_the_broker(
        fleet,
        "SELECT symbol, SUM(quantity - filled) FROM orders WHERE side = 'SELL' AND why_held NOT LIKE '%child%'"
        f" AND status IN {LIVE} GROUP BY symbol",
    )


def forget_everything(fleet: RunningFleet) -> None:
    """Remove all that the fleet remembers; the broker stays."""
    for path in fleet.var.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif not path.name.startswith("simulator.sqlite"):
            path.unlink()


@pytest.mark.timeout(180)
def test_field_45_var_is_removed_while_shares_are_held(start_fleet: Callable[..., RunningFleet]) -> None:
    symbols = ["GME", "AMC", "TSLA", "NVDA"]
    simulation = {"seed": 7, "daily_volatility": 0.3, "speed": 60}
    config: dict[str, Any] = {"mode": "sim", "watchlist": symbols, "simulation": simulation}
    config |= {"entries": {"buy_stop_pct_above_last": 0.7}, "stops": {"trailing_stop_pct": 30.0}}
    fleet = start_fleet(**config)
    until(lambda: len(shares(fleet)) >= 2, "nothing was bought", 90)
    fleet.crazy("down")
    held = shares(fleet)
    forget_everything(fleet)

    fleet.crazy("up")
    blocked = "SELECT symbol FROM blocks WHERE reason = 'shares_found' ORDER BY symbol"
    until(lambda: len(fleet.sql(blocked)) >= len(held), f"not everything was found: {fleet.sql(blocked)} of {held}")
    assert [row["symbol"] for row in fleet.sql(blocked)] == sorted(held)
    until(lambda: all(live_sells(fleet).get(s) == n for s, n in shares(fleet).items()), "shares without a stop")
    assert {symbol: shares(fleet).get(symbol) for symbol in held} == held
    cancelled = at_the_broker(
        fleet,
        "SELECT symbol, COUNT(*) FROM orders WHERE side = 'SELL' AND status = 'Cancelled' AND symbol IN "
        f"({', '.join(repr(s) for s in held)}) AND order_ref IN (SELECT order_ref || '-S1' FROM orders "
        "WHERE side = 'BUY' AND filled > 0) GROUP BY symbol",
    )
    assert cancelled == {}, "a stop was cancelled"
    status = fleet.status()
    assert status["exit_code"] == 1
    for symbol in held:
        assert any(symbol in problem and "adopt --found" in problem for problem in status["problems"]), status[
            "problems"
        ]

    # What was found is accepted: entries may go on.
    fleet.crazy("adopt", "--found", "--yes")
    until(lambda: not fleet.sql(blocked), "still blocked")
