"""`crazy adopt`."""

from __future__ import annotations

import sys
from typing import Any

from messages.operator import Adopt, AdoptFound
from services.cli import records
from services.cli.ask import command_risk
from services.cli.options import Config, fleet
from services.cli.render import console, table
from services.cli.wording import price
from services.configuration.refusal import Refusal
from services.fleet.places import Fleet

__all__ = ["adopt"]

Row = dict[str, Any]

FOUND = """
    SELECT e.symbol, CAST(e.payload_json->>'shares' AS DOUBLE) AS shares,
           CAST(e.payload_json->>'stop_level' AS DOUBLE) AS level, CAST(e.payload_json->>'price' AS DOUBLE) AS price,
           s.stop_client_order_id AS stop, strftime(e.ts, '%Y-%m-%d %H:%M:%S') || ' UTC' AS since
    FROM (
        SELECT * FROM events WHERE event_type IN ('entries_blocked', 'entries_unblocked')
        AND payload_json->>'reason' = 'shares_found'
        QUALIFY row_number() OVER (PARTITION BY symbol ORDER BY run DESC, seq DESC) = 1
    ) e LEFT JOIN state s USING (symbol)
    WHERE e.event_type = 'entries_blocked' ORDER BY e.symbol"""


def adopt(
    symbol: str | None = None,
    quantity: int | None = None,
    *,
    found: bool = False,
    yes: bool = False,
    config: Config = None,
) -> int:
    """Make shares that the account holds already the bot's own; they get a stop from the market's price now.

    Up to what the account has of the symbol beyond the bot's own shares, and only of a symbol on the watchlist. They
    are booked at the market's price of this moment: what they gained or lost before is not the bot's.

    With `--found`: accept the shares that the fleet found under its own stops after its records were lost. It shows
    them first. They have been protected since they were found; until they are accepted, the symbol makes no entry.

    Parameters
    ----------
    symbol:
        One ticker of the watchlist. With `--found` the default is all of them.
    quantity:
        How many whole shares.
    found:
        Accept what was found, instead.
    yes:
        Do not ask whether this is meant (only with `--found`).
    """
    chosen = fleet(config)
    if found:
        if quantity is not None:
            raise Refusal("adopt --found: it accepts all shares that were found; leave the quantity out")
        return _accept_found(chosen, symbol and symbol.upper(), yes=yes)
    if symbol is None or quantity is None:
        raise Refusal("adopt: give a ticker and a number of shares, or --found")
    return command_risk(chosen, Adopt(symbol.upper(), float(quantity)))


def _accept_found(chosen: Fleet, symbol: str | None, *, yes: bool) -> int:
    """Show what was found, and accept it once the operator wants it."""
    with records.opened(chosen) as db:
        rows = [row for row in db.rows(FOUND) if symbol in (None, row["symbol"])]
        witnesses = _witnesses(db.rows("SELECT * FROM fills ORDER BY ts"), {row["symbol"] for row in rows})
    if not rows:
        raise Refusal(f"nothing to accept: no shares of {symbol or 'any symbol'} were found (fleet {chosen.name})")
    columns = ["SYMBOL", "SHARES", "PRICE", "STOP", "LEVEL", "KNOWN FROM", "SINCE"]
    console().print(table(columns, [_line(row, witnesses) for row in rows]))
    if not yes:
        if not sys.stdin.isatty():
            raise Refusal("this makes the shares above the bot's own: say --yes to mean it")
        print("Accept them as the bot's own? Type yes: ", end="", flush=True)
        if sys.stdin.readline().strip().lower() != "yes":
            raise Refusal("nothing is done")
    return command_risk(chosen, AdoptFound(symbol))


def _line(row: Row, witnesses: dict[str, str]) -> list[object]:
    shares, paid, level = row["shares"], row["price"], row["level"]
    return [
        row["symbol"],
        "" if shares is None else f"{shares:g}",
        "" if paid is None else price(paid),
        row["stop"] or "none yet",
        "" if level is None else price(level),
        witnesses.get(row["symbol"], "stop"),
        row["since"],
    ]


def _witnesses(fills: list[Row], symbols: set[str]) -> dict[str, str]:
    """What the newest purchase of each symbol is known from."""
    return {
        fill["symbol"]: str(fill.get("witness") or "stop")
        for fill in fills
        if fill["symbol"] in symbols and fill.get("side") == "BUY"
    }
