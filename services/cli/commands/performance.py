"""`crazy performance`."""

from __future__ import annotations

from typing import Any

import msgspec

from services.cli import records
from services.cli.options import Config, fleet
from services.cli.performance_report import Report, report_page
from services.cli.records import Records
from services.cli.render import console
from services.configuration.refusal import Refusal
from services.fleet.places import Fleet

__all__ = ["performance", "report_of"]

DAYS = 10

OPEN = """
SELECT symbol, own AS qty, cost_usd, cost_usd / own AS avg_price FROM state WHERE own > 1e-9 ORDER BY symbol
"""

ACCOUNT = """
SELECT account, net_liquidation, total_cash, settled_cash, buying_power, ts FROM account ORDER BY ts DESC LIMIT 1
"""

UNCONVERTED = """
SELECT currency, count(*) AS count, sum(commission) AS commission FROM fills
WHERE role <> 'foreign' AND commission IS NOT NULL AND commission_usd IS NULL GROUP BY currency ORDER BY currency
"""

CLOSE = "SELECT date, unrealized_pnl, realized_pnl FROM performance_snapshots ORDER BY date DESC LIMIT 1"


def performance(*, days: int = DAYS, json: bool = False, config: Config = None) -> int:
    """Show how well the bot trades: the account, all closed trades, each symbol, the newest days.

    Every figure is the bot's own, after commission: deposits and shares that are not the bot's move none of them.
    Returns are parts of `allocation.total_usd_cap`. What was not lost or never happened has no figure (–, in JSON
    null). docs/analytics.md has each formula; the same figures are the views overall, per_symbol, daily and trades.

    Parameters
    ----------
    days:
        How many of the newest sessions to list.
    json:
        All of it as one JSON object.
    """
    if days < 0:
        raise Refusal(f"--days {days}: 0 or more")
    report = report_of(fleet(config), days)
    if json:
        print(msgspec.json.format(msgspec.json.encode(report), indent=1).decode())
    elif report.fills:
        console().print(report_page(report))
    else:
        print(f"nothing traded yet in fleet {report.fleet}")
    return 0


def report_of(chosen: Fleet, days: int) -> Report:
    """The figures of a fleet, whether it runs or not."""
    with records.opened(chosen) as db:
        return Report(
            fleet=chosen.settings.name,
            mode=chosen.settings.mode,
            fills=_first(db, "SELECT count(*) AS n FROM fills WHERE role <> 'foreign' AND qty > 0")["n"],
            account=_first(db, ACCOUNT),
            last_close=_first(db, CLOSE),
            open=db.rows(OPEN),
            unconverted=db.rows(UNCONVERTED),
            overall=_first(db, "FROM overall"),
            per_symbol=db.rows("FROM per_symbol"),
            daily=db.rows(f"FROM (FROM daily ORDER BY date DESC LIMIT {days}) ORDER BY date"),
        )


def _first(db: Records, statement: str) -> dict[str, Any]:
    rows = db.rows(statement)
    return rows[0] if rows else {}
