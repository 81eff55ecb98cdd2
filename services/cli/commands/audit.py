"""`crazy audit`."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from services.cli import records
from services.cli.compare import COMMISSIONS, EXECUTIONS, ORDERS, Comparison, Table, compare
from services.cli.options import Config, fleet
from services.cli.records import Records
from services.cli.render import console, table
from services.configuration.refusal import Refusal
from services.fleet.places import Fleet
from services.trading.ids import DOUBLE_MARK, OLD_PREFIX, fleet_prefix

__all__ = ["audit", "compare_ledgers"]

SHOWN = 20
POLL_S = 0.5

Row = dict[str, Any]

# The stop and limit of a trailing order follow from its level, which has a column of its own on each side.
OURS = {
    ORDERS: """
        SELECT client_order_id, order_id, perm_id, account, symbol, side, order_type, qty, tif, status, filled,
               avg_price, trailing_pct, trail_stop_price,
               CASE WHEN order_type NOT LIKE 'TRAIL%' THEN limit_price END AS limit_price,
               CASE WHEN order_type NOT LIKE 'TRAIL%' THEN stop_price END AS stop_price
        FROM orders WHERE role NOT IN ('foreign', 'adopted')""",
    EXECUTIONS: """
        SELECT exec_id, client_order_id, order_id, perm_id, account, symbol, side, qty, price, cum_qty, avg_price,
               epoch_ns(ts) // 1000000000 AS time_s
        FROM fills WHERE coalesce(role, '') NOT IN ('foreign', 'adopted') AND qty IS NOT NULL""",
    COMMISSIONS: """
        SELECT exec_id, commission, currency, broker_realized_pnl AS realized_pnl
        FROM fills WHERE role IS DISTINCT FROM 'foreign' AND commission_revision = revision""",
}


def theirs(fleet_name: str, client_id: int) -> dict[Table, str]:
    """The SQL for the broker's side: what this fleet placed.

    An order of anybody else has no reference of this fleet, so neither side counts it. References of earlier releases
    do not name the fleet: then the client id decides. A second order with the same reference gets a number, as in the
    gateway.
    """
    prefix = fleet_prefix(fleet_name)
    ours = f"""(substr(order_ref, 1, {len(prefix)}) = '{prefix}'
                OR substr(order_ref, 1, {len(OLD_PREFIX)}) = '{OLD_PREFIX}' AND client_id = {client_id:d})"""
    named = f"""
        WITH numbered AS (
            SELECT *, row_number() OVER (PARTITION BY order_ref ORDER BY perm_id) AS number FROM orders WHERE {ours}
        ), named AS (
            SELECT *, order_ref || CASE WHEN number > 1 THEN '{DOUBLE_MARK}' || number ELSE '' END AS client_order_id
            FROM numbered
        ), matched AS (
            SELECT * FROM executions WHERE {ours}
        )"""
    return {
        ORDERS: f"""{named}
            SELECT client_order_id, order_id, perm_id, account, symbol, side, order_type, quantity AS qty, tif,
                   status, filled, avg_price, trailing_pct, trail_stop_price,
                   CASE WHEN order_type NOT LIKE 'TRAIL%' THEN limit_price END AS limit_price,
                   CASE WHEN order_type NOT LIKE 'TRAIL%' THEN stop_price END AS stop_price
            FROM named ORDER BY perm_id""",
        EXECUTIONS: f"""{named}
            SELECT exec_id, coalesce(client_order_id, e.order_ref) AS client_order_id, e.order_id, perm_id, e.account,
                   e.symbol, e.side, e.quantity AS qty, price, cum_quantity AS cum_qty, e.avg_price,
                   time_ns / 1000000000 AS time_s
            FROM matched e LEFT JOIN named USING (perm_id) ORDER BY exec_id""",
        COMMISSIONS: f"""{named}
            SELECT exec_id, commission, currency, commissions.realized_pnl AS realized_pnl
            FROM commissions JOIN matched USING (exec_id) ORDER BY exec_id""",
    }


def audit(*, settle: float = 0.0, config: Config = None) -> int:
    """Compare every order, execution and commission in the database with the simulated broker's own ledger.

    Prints the counts and every difference. Exit code 1 on any difference, and where there was nothing to compare: an
    empty audit proves nothing.

    Parameters
    ----------
    settle:
        Look again for so many seconds while there are differences: in a running fleet some rows are on their way.
    """
    if settle < 0:
        raise Refusal(f"--settle {settle:g}: 0 or more seconds")
    chosen = fleet(config)
    deadline = time.monotonic() + settle
    while True:
        found = compare_ledgers(chosen)
        equal = all(comparison.equal for comparison in found)
        if equal or time.monotonic() >= deadline:
            break
        time.sleep(POLL_S)
    counts = [[c.table, c.ours, c.theirs, len(c.differences)] for c in found]
    console().print(table(["TABLE", "DATABASE", "BROKER", "DIFFERENCES"], counts))
    for comparison in found:
        if comparison.never_sent:
            print(f"besides: {comparison.never_sent} {comparison.table} ended before they reached the broker")
        for difference in comparison.differences[:SHOWN]:
            print(difference)
        if len(comparison.differences) > SHOWN:
            print(f"… and {len(comparison.differences) - SHOWN} more in {comparison.table}")
        if not comparison.ours or not comparison.theirs:
            print(f"{comparison.table}: nothing to compare, which proves nothing")
    print("audit: equal" if equal else "audit: NOT equal")
    return 0 if equal else 1


def compare_ledgers(chosen: Fleet) -> list[Comparison]:
    """Compare both ledgers as they are now. Refusal if there is no simulated broker's ledger."""
    if chosen.settings.mode != "sim":
        raise Refusal(f"mode {chosen.settings.mode}: there is no simulated broker whose ledger could be compared")
    if not chosen.simulator_ledger.exists():
        raise Refusal(f"{chosen.simulator_ledger}: no such ledger; start the fleet with `crazy up`")
    with records.opened(chosen) as database, closing(_read_only(chosen.simulator_ledger)) as broker:
        # The broker first: what it has by now, the database must have too once it has settled.
        queries = theirs(chosen.name, chosen.settings.ibkr.client_id)
        found = {each: list(_rows(broker, sql)) for each, sql in queries.items()}
        return [compare(each, _recorded(database, each), found[each]) for each in (ORDERS, EXECUTIONS, COMMISSIONS)]


def _read_only(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    db.row_factory = sqlite3.Row
    return db


def _rows(broker: sqlite3.Connection, sql: str) -> Iterator[Row]:
    try:
        yield from (dict(row) for row in broker.execute(sql))
    except sqlite3.Error as error:
        raise Refusal(f"the simulated broker's ledger can't be read: {error}") from error


def _recorded(database: Records, each: Table) -> Iterator[Row]:
    return database.all_rows(OURS[each], each.key)
