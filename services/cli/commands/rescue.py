"""`crazy rescue`."""

from __future__ import annotations

import asyncio
import sys

from services.cli.broker_session import NoBroker
from services.cli.gateway_lock import gateway_locked
from services.cli.options import Config, config_path, load
from services.cli.rescue_actions import Rescuer
from services.configuration import config_file
from services.configuration.refusal import Refusal
from services.configuration.settings import Settings
from services.trading.ids import fleet_prefix

__all__ = ["rescue"]

NO_BROKER = 3
"""Exit code, as that of `crazy status` for a fleet that is down."""


def rescue(
    *,
    cancel_entries: bool = False,
    place_stops: bool = False,
    flatten: bool = False,
    symbol: str | None = None,
    quantity: float | None = None,
    yes: bool = False,
    config: Config = None,
) -> int:
    """Look at the broker directly, and protect or sell by hand, when the fleet is dead or its records are lost.

    It needs the configuration and IB Gateway, and nothing else: no process of the fleet, and nothing of `var/`. It
    connects under the fleet's own client id, so it may cancel the fleet's orders. Without an option it shows what the
    account holds, which shares have no stop and which orders are the bot's, and asks what to do. Exit code 2: shares of
    the watchlist have no stop; 3: the broker can't be reached, and the steps by hand are printed.

    Parameters
    ----------
    cancel_entries:
        Cancel the bot's buy orders.
    place_stops:
        Place a trailing stop for the shares of the watchlist that no live sell covers.
    flatten:
        Cancel the bot's orders, then sell the bot's shares at the market.
    symbol:
        Only this ticker.
    quantity:
        How many shares, where the broker's orders and executions do not show which ones are the bot's. Needs --symbol.
    yes:
        Do not ask.
    """
    if quantity is not None and (quantity < 1 or quantity != int(quantity)):
        raise Refusal(f"--quantity {quantity:g}: whole shares, 1 or more")
    if quantity is not None and symbol is None:
        raise Refusal("--quantity is a number of shares of one ticker: say --symbol as well")
    settings = _settings(config)
    flags = {"entries": cancel_entries, "stops": place_stops, "flatten": flatten}
    wanted = [name for name, on in flags.items() if on]
    rescuer = Rescuer(settings, symbol and symbol.upper(), None if quantity is None else int(quantity), yes=yes)
    with gateway_locked(settings, config):
        try:
            return asyncio.run(rescuer.run(wanted))
        except NoBroker as trouble:
            print(f"no answer from IB Gateway: {trouble}", file=sys.stderr)
            for line in _by_hand(settings):
                print(line)
            return NO_BROKER


def _settings(config: Config) -> Settings:
    """The settings with the watchlist as commands changed it; without that where `var/` can't be read."""
    try:
        return load(config)
    except OSError:
        return config_file.load(config_path(config))


def _by_hand(settings: Settings) -> list[str]:
    """The same by hand."""
    account, pct = settings.ibkr.account or "the fleet's account", settings.stops.trailing_stop_pct
    return [
        f"By hand, in TWS, IBKR Mobile or the Client Portal, with {account}:",
        "  1. Portfolio: the shares. Orders: what rests for them. The field Order Ref of the bot's orders begins with "
        f"{fleet_prefix(settings.name)}",
        "  2. Cancel the bot's buy orders.",
        f"  3. Each position without a sell order: sell, order type TRAIL, {pct:g} %, GTC, for all its shares.",
        "  4. To sell instead: cancel the position's stop, wait until it is gone from the list, sell at the market.",
        "The stops that rest at the broker work without the fleet, and without this machine.",
        f"IB Gateway should listen on {settings.ibkr.host}:{settings.ibkr.port}: is it running and logged in, is its "
        "API enabled, is Read-Only API off?",
    ]
