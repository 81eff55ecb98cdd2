"""`crazy simulator`."""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import date
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from services.cli.simulator_control import named_values
from services.configuration.settings import SIMULATED_ACCOUNT
from services.simulator.standalone_pace import PaceName

__all__ = ["simulator"]

Repeated = Parameter(negative="")


def simulator(
    *,
    port: int = 4002,
    host: str = "127.0.0.1",
    market: Annotated[tuple[str, ...], Repeated] = ("synthetic",),
    symbols: Annotated[tuple[str, ...], Repeated] = (),
    account: Annotated[tuple[str, ...], Repeated] = (SIMULATED_ACCOUNT,),
    cash: float = 100_000.0,
    start: date | None = None,
    end: date | None = None,
    speed: float = 60.0,
    pace: PaceName = "skip",
    seed: int = 7,
    tick_s: float = 5.0,
    daily_volatility: float = 0.2,
    extended_hours: Annotated[bool, Parameter(negative="")] = False,
    calendar: str = "XNYS",
    zone: str | None = None,
    ledger: Path | None = None,
    control: Path | None = None,
    policy: Annotated[tuple[str, ...], Repeated] = (),
    faults: Path | None = None,
    verbose: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Run a simulated IB Gateway by itself, until Ctrl-C or SIGTERM.

    Any TWS client connects to it as to the real one. No fleet, account or configuration is needed. One line says where
    it listens.

    Parameters
    ----------
    port:
        Port of the API socket; 0 takes a free one.
    host:
        Address to listen on. Anything but this machine's own is open to whoever reaches it.
    market:
        `synthetic`, or a Parquet or CSV file of bars or ticks; give it again for more files.
    symbols:
        Symbols, with commas or given again. Default: all of the files; SPY, AAPL, TSLA, NVDA, AMD.
    account:
        Account of the login; give it again for several.
    cash:
        Cash at the start, in dollars.
    start:
        First session. Default: the first day of the files; 2025-01-06.
    end:
        Last session. Default: the last day of the files; the synthetic market never ends.
    speed:
        Market seconds per second.
    pace:
        `skip` jumps over closed hours, `steady` lets each of them pass, `manual` moves only by `crazy simulator
        advance`.
    seed:
        Seed of the synthetic market and of faults: the same seed gives the same days.
    tick_s:
        Synthetic: seconds between two trades of one symbol.
    daily_volatility:
        Synthetic: standard deviation of one day's log return.
    extended_hours:
        Trade from 04:00 to 20:00: the synthetic market is thin before the open and after the close, files have what
        they have.
    calendar:
        Exchange calendar, by the name that exchange_calendars gives it.
    zone:
        Zone of the times in the files that name none, as America/New_York.
    ledger:
        File that remembers orders, executions, ids and cash across restarts. Default: nothing is remembered.
    control:
        Unix socket for commands. Default: one in a private folder, named for the port.
    policy:
        A switch of the broker's behaviour, as NAME=VALUE; give it again for more.
    faults:
        Timetable of faults, a YAML file: when which fault begins (docs/simulator.md).
    verbose:
        Say who connects and what is refused, too.
    """
    from services.simulator.standalone import StandaloneSimulator, Wanted

    logging.basicConfig(
        stream=sys.stderr, format="%(asctime)s %(message)s", level=logging.INFO if verbose else logging.ERROR
    )
    wanted = Wanted(
        host=host,
        port=port,
        market=market,
        symbols=tuple(each for group in symbols for each in group.split(",") if each),
        accounts=account,
        cash=cash,
        start=start,
        end=end,
        speed=speed,
        pace=pace,
        seed=seed,
        tick_s=tick_s,
        daily_volatility=daily_volatility,
        extended_hours=extended_hours,
        calendar=calendar,
        zone=zone,
        ledger=ledger,
        control=control,
        policy=named_values(policy, "--policy"),
        faults=faults,
    )

    async def serve() -> None:
        simulator = StandaloneSimulator(wanted, lambda line: print(line, flush=True))
        await simulator.open()
        await simulator.run()

    asyncio.run(serve())
    return 0
