"""Commands to risk, and the tickers that they may name."""

from __future__ import annotations

from messages.operator import Command
from services.cli import records
from services.configuration.refusal import Refusal
from services.fleet.places import Fleet

__all__ = ["command_risk", "watchlist_ticker"]


def command_risk(chosen: Fleet, command: Command) -> int:
    """Send the command to risk and print the answer. Refusal if risk refuses it."""
    answer = records.command(chosen, "risk", command)
    if not answer.ok:
        raise Refusal(f"{answer.text} (fleet {chosen.name})")
    print(answer.text)
    return 0


def watchlist_ticker(chosen: Fleet, symbol: str | None) -> str | None:
    """The ticker in upper case; None stands for all. Refusal if the watchlist does not have it."""
    if symbol is None or symbol.upper() in chosen.settings.watchlist:
        return symbol and symbol.upper()
    raise Refusal(f"{symbol}: not in the watchlist of fleet {chosen.name}: {', '.join(chosen.settings.watchlist)}")
