"""The standalone simulated gateway: no fleet, no clock process, no configuration file. Its own timer moves the market.

`crazy simulator` runs it, and the Python API runs it in a thread. Every option is a field of `Wanted`; its values are
checked by the rules of the configuration's keys.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from messages.market import Session
from services.clock.calendar import sessions
from services.configuration import checks
from services.configuration.broker_switches import policy_of
from services.configuration.refusal import Refusal
from services.configuration.settings import SIMULATED_ACCOUNT, Settings
from services.simulator import control
from services.simulator.broker import SimulatedBroker
from services.simulator.faults import timetable
from services.simulator.market.choice import check_sessions, market_source
from services.simulator.market.loading import contents
from services.simulator.standalone_pace import LEAD_NS, PaceName, next_time
from services.simulator.venue.account import terms_of
from services.simulator.venue.source import PRE_MARKET_NS, SessionCalendar
from services.simulator.venue.store import Store

__all__ = ["SYMBOLS", "StandaloneSimulator", "Wanted"]

SECOND = 1_000_000_000
STEP_S = 0.02
"""How often the market moves (machine time). Clients get ticks in these steps."""

SYMBOLS = ("SPY", "AAPL", "TSLA", "NVDA", "AMD")
"""The default symbols of a synthetic market."""

NEW_YORK = ZoneInfo("America/New_York")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What to simulate, and where to listen. See `crazy simulator --help`."""

    host: str = "127.0.0.1"
    port: int = 4002
    market: tuple[str, ...] = ("synthetic",)
    symbols: tuple[str, ...] = ()
    accounts: tuple[str, ...] = (SIMULATED_ACCOUNT,)
    cash: float = 100_000.0
    start: date | None = None
    end: date | None = None
    speed: float = 60.0
    pace: PaceName = "skip"
    seed: int = 7
    tick_s: float = 5.0
    daily_volatility: float = 0.2
    extended_hours: bool = False
    calendar: str = "XNYS"
    zone: str | None = None
    ledger: Path | None = None
    control: Path | None = None
    policy: dict[str, str] = {}
    faults: Path | None = None


class StandaloneSimulator:
    """One gateway, which runs in the caller's event loop. A Refusal of one line for every invalid option."""

    def __init__(self, wanted: Wanted, report: Callable[[str], None] = lambda line: None) -> None:
        self.wanted = wanted
        self._report = report
        self._closing = contextlib.ExitStack()
        settings = settings_from(wanted)
        self._timetable = [] if wanted.faults is None else timetable.load(wanted.faults, settings.watchlist)
        days = _sessions(settings)
        self._calendar = SessionCalendar(days)
        with _naming_flags():
            source = market_source(settings)
            self._played = check_sessions(source, days)
            self._store = Store(self._ledger(), *wanted.accounts)
        self._closing.callback(self._store.close)
        policy = policy_of(settings.simulation.policy)
        self.broker = SimulatedBroker(
            source,
            days,
            self._store,
            accounts=[terms_of(name, wanted.cash, policy) for name in wanted.accounts],
            start_ns=days[0].open_ns - (PRE_MARKET_NS if wanted.extended_hours else 0) - LEAD_NS,
            host=wanted.host,
            port=wanted.port,
            policy=policy,
            seed=wanted.seed,
        )
        self.control: control.Control | None = None
        self._over = False

    async def open(self) -> None:
        """Move to the start of the market, then listen for clients and for commands."""
        self._move(0)
        self.broker.plan(self._timetable)
        try:
            await self.broker.open()
        except OSError as error:
            unknown = isinstance(error, socket.gaierror) or not error.errno
            why = error.strerror or str(error) if unknown else os.strerror(error.errno or 0)
            raise Refusal(
                f"{self.wanted.host}:{self.wanted.port}: can't listen there ({why}); "
                "give --port a free port, or 0 for any"
            ) from error
        path = self.wanted.control or control.default_path(self.broker.server.port)
        self.control = control.Control(path, self.command)
        try:
            await self.control.open()
        except Refusal:
            await self.close()
            raise
        self._report(self.describe())
        if self._played:
            self._report(self._played)

    async def run(self) -> None:
        """Move the market until SIGTERM or SIGINT, then close."""
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        await self.tick(stopped)
        await self.close()
        self._report("stopped; clients are disconnected" + (f", {self.wanted.ledger} remembers" if self._kept else ""))

    async def tick(self, stopped: asyncio.Event) -> None:
        """Move the market by the machine's clock until it is stopped."""
        before = time.monotonic_ns()
        while not stopped.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), STEP_S)
            now = time.monotonic_ns()
            self._move(now - before)
            before = now

    async def close(self) -> None:
        """End all connections; release port, socket and temporary files."""
        if self.control is not None:
            await self.control.close()
        await self.broker.close()
        self._closing.close()

    def command(self, command: dict[str, Any]) -> dict[str, Any]:
        """Answer a command of the control socket."""
        match command:
            case {"do": "status"}:
                return {"text": self.describe()}
            case {"do": "advance", **how}:
                return {"text": f"it is {_clock(self.advance(**how))}", "now_ns": self.broker.exchange.now_ns}
            case _:
                return self.broker.command(command)

    def advance(self, seconds: float = 0.0, events: int = 0) -> int:
        """Move by `seconds` of market time, or by `events` market events. Returns the market's time afterwards."""
        exchange = self.broker.exchange
        if seconds:
            self.broker.advance(exchange.now_ns + int(seconds * SECOND))
        for _ in range(events):
            due = self.broker.next_ns()
            if due is None:
                raise Refusal("the market has ended: no event is left")
            self.broker.advance(due, one=True)
        return exchange.now_ns

    def describe(self) -> str:
        """One line: address, accounts, market, market time, command socket."""
        wanted, exchange = self.wanted, self.broker.exchange
        market = f"synthetic, seed {wanted.seed}" if wanted.market == ("synthetic",) else ", ".join(wanted.market)
        pace = "moved by hand" if wanted.pace == "manual" else f"{wanted.speed:g}x"
        return (
            f"listening on {wanted.host}:{self.broker.server.port}  account {', '.join(wanted.accounts)}  "
            f"market {market}: {_symbols_text(exchange.symbols)}  {_clock(exchange.now_ns)}, {pace}  "
            f"commands {self.control.path if self.control else 'none'}"
        )

    def _move(self, elapsed_ns: int) -> None:
        exchange, wanted = self.broker.exchange, self.wanted
        target = next_time(
            exchange.now_ns,
            elapsed_ns,
            speed=wanted.speed,
            pace=wanted.pace if elapsed_ns else "skip",  # a manual market starts at the start of the market too
            calendar=self._calendar,
            next_ns=self.broker.next_ns(),
        )
        if target > exchange.now_ns:
            self.broker.advance(target)
        if exchange.source_ended and not self._over:
            self._over = True
            self._report(f"the market has ended ({_clock(exchange.now_ns)}); the gateway goes on answering")

    @property
    def _kept(self) -> bool:
        return self.wanted.ledger is not None

    def _ledger(self) -> Path:
        if self.wanted.ledger is not None:
            return self.wanted.ledger
        return Path(self._closing.enter_context(tempfile.TemporaryDirectory(prefix="crazy-simulator-"))) / "ledger"


_FLAGS = {
    "ibkr.host": "--host",
    "ibkr.port": "--port",
    "ibkr.account": "--account",
    "watchlist": "--symbols",
    "simulation.files": "--market",
    "simulation.market": "--market",
    "simulation.seed": "--seed",
    "simulation.start": "--start",
    "simulation.end": "--end",
    "simulation.speed": "--speed",
    "simulation.tick_s": "--tick-s",
    "simulation.daily_volatility": "--daily-volatility",
    "simulation.cash": "--cash",
    "hours.calendar": "--calendar",
    "simulation.zone": "--zone",
    "simulation.policy.": "--policy ",
}
"""The flag that stands for a configuration key in a refusal: a user of flags has no configuration."""


def settings_from(wanted: Wanted) -> Settings:
    """The settings for these options. A Refusal names the flag of each mistake."""
    synthetic = wanted.market == ("synthetic",)
    files = () if synthetic else wanted.market
    for file in files:
        if not Path(file).is_file():
            raise Refusal(f"--market: {file}: no such file; name a Parquet or CSV file, or `synthetic`")
    symbols, start, end = wanted.symbols or SYMBOLS, wanted.start, wanted.end
    if not synthetic:
        with _naming_flags():
            held = contents([Path(file) for file in files], wanted.zone)
        symbols, start, end = wanted.symbols or held.symbols, start or held.first, end or held.last
    mistakes: list[str] = []
    settings = None
    for account in reversed(wanted.accounts):
        document = {
            "watchlist": list(symbols),
            "ibkr": {"host": wanted.host, "port": wanted.port or 1, "account": account},
            "hours": {"calendar": wanted.calendar},
            "simulation": {
                "market": "synthetic" if synthetic else "files",
                "files": list(files),
                "zone": wanted.zone,
                "seed": wanted.seed,
                "start": start,
                "end": end,
                "speed": wanted.speed,
                "tick_s": wanted.tick_s,
                "daily_volatility": wanted.daily_volatility,
                "extended_hours": wanted.extended_hours,
                "cash": wanted.cash,
                "policy": {name: _value(text) for name, text in wanted.policy.items()},
            },
        }
        settings, found = checks.check(document)
        mistakes += [line for each in found if (line := _in_flags(str(each))) not in mistakes]
    if mistakes or settings is None:
        raise Refusal("\n".join(mistakes) or "--account: name one")
    return settings


def _sessions(settings: Settings) -> tuple[Session, ...]:
    """The calendar; from its cache file if an earlier gateway wrote it."""
    simulation = settings.simulation
    assert simulation.start is not None, "the files, or the default of the synthetic market, have one"
    with _naming_flags():
        return sessions(
            settings.hours.calendar,
            simulation.start,
            simulation.end,
            today=datetime.now(UTC).date(),
            cache=control.folder() / f"sessions-{settings.hours.calendar}.json",
        )


@contextlib.contextmanager
def _naming_flags() -> Iterator[None]:
    """Refusals that name flags instead of configuration keys."""
    try:
        yield
    except Refusal as refusal:
        raise Refusal(_in_flags(str(refusal))) from None


def _in_flags(text: str) -> str:
    for key, flag in _FLAGS.items():
        text = text.replace(f"{key}: synthetic", f"{flag} synthetic").replace(key, flag)
    return text


def _value(text: str) -> Any:
    """The value of a switch as typed: true, 2.5, or a text."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _clock(now_ns: int) -> str:
    return f"{datetime.fromtimestamp(now_ns // SECOND, NEW_YORK):%a %Y-%m-%d %H:%M:%S} ET"


def _symbols_text(symbols: Sequence[str]) -> str:
    shown = ", ".join(symbols[:6])
    return shown if len(symbols) <= 6 else f"{shown}, … ({len(symbols)})"
