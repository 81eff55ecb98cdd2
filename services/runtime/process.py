"""The start of a process: its arguments, lock, log, ledger and sockets, in that order.

with process.enter("risk") as p:
    poll_loop.run(p.actor(RiskCore(p.settings), p.ledger()), p.bus(), p.log)
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, get_args

from services.configuration.calendars import zone_of
from services.configuration.refusal import Refusal
from services.configuration.settings import Mode
from services.fleet import process_lock
from services.fleet.places import Fleet
from services.runtime import log
from services.runtime.actor import Actor
from services.runtime.bus import Bus
from services.runtime.core import Core
from services.runtime.ledger import Constraint, Ledger, LedgerError, SqliteLedger
from services.runtime.market_clock import MarketClock
from services.runtime.wiring import wiring_of
from services.trading.ids import is_paper_account, symbol_process

__all__ = ["RunningProcess", "enter", "was_owner"]

STARTS_ALLOWED, STARTS_WITHIN_S = 10, 60
"""A process that starts more often is broken: it logs an error and stays down (exit 0)."""

STAY_S = 1.5
"""supervisord counts an exit within its `startsecs` as a failed start, and starts the process again."""

SECOND = 1_000_000_000


class CountsStarts(Protocol):
    """A ledger that records the starts of its process."""

    def count_start(self, wall_ns: int, within_ns: int) -> int:
        """Record a start. Returns how many there were in the last `within_ns`, this one included."""


class RunningProcess:
    """One running process of the fleet. It holds the lock of its name, and ends with its supervisor."""

    def __init__(self, settings_file: Path, kind: str, ticker: str = ""):
        self.fleet = Fleet.of(settings_file)
        self.settings = self.fleet.settings
        self.name = symbol_process(ticker) if ticker else kind
        self.ticker = ticker
        self.wiring = wiring_of(self.name, ticker)
        self.lockstep = self.settings.mode == "sim" and self.settings.simulation.pace == "lockstep"
        self._lock = process_lock.enter(self.fleet, self.name)
        self.log = log.open(
            self.name, self.fleet.log(self.name), self.settings.logging.level, zone_of(self.settings.hours.calendar)
        )
        self._closing: list[Bus | Ledger] = []

    def ledger(self, constraints: Sequence[Constraint] = (), *, durable: bool = True) -> SqliteLedger:
        """This process's own ledger. It belongs to the mode. A process that starts too often ends here.

        Which account a fleet's records belong to is known to the gateway alone, from the broker (`Book.account`): the
        configuration may name it later, or never.
        """
        mode = self.settings.mode
        try:
            ledger = SqliteLedger(
                self.fleet.ledger(self.name),
                f"{self.name}@{mode}",
                constraints,
                durable=durable,
                formerly=lambda owner: was_owner(owner, self.name, mode),
            )
        except LedgerError as error:
            self.log.event("process_failed", level="ERROR", error=str(error))
            raise SystemExit(f"{self.name}: {error}") from None
        self._closing.append(ledger)
        self.count_start(ledger)
        return ledger

    def count_start(self, ledger: CountsStarts) -> None:
        """Count this start. A process that starts too often ends here, and stays down."""
        starts = ledger.count_start(time.time_ns(), STARTS_WITHIN_S * SECOND)
        if starts > STARTS_ALLOWED:
            self.log.event("process_failed", level="ERROR", starts=starts, within_s=STARTS_WITHIN_S)
            time.sleep(STAY_S)
            raise SystemExit(0)

    def actor(self, core: Core, ledger: Ledger) -> Actor:
        """The actor of a core, with the links of the wiring."""
        actor = Actor(
            self.name,
            core,
            ledger,
            dials=self.wiring.dials,
            market=MarketClock(lockstep=self.lockstep),
            default_interest=self.wiring.wants,
        )
        actor.forget_other_symbols(self.fleet.symbols.values())
        return actor

    def bus(self, *, receives_beats: bool = False) -> Bus:
        """The sockets of the wiring."""
        bus = Bus(
            self.name,
            self.fleet.run,
            dials=tuple(self.wiring.dials),
            binds=self.wiring.binds,
            publishes=self.wiring.publishes,
            subscribes=self.wiring.subscribes,
            control=self.wiring.control,
            receives_beats=receives_beats,
            lock=self._lock,
        )
        self._closing.append(bus)
        return bus

    def __enter__(self) -> RunningProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(value, Exception):
            self.log.event("process_crashed", level="ERROR", error=f"{type(value).__name__}: {value}")
        for thing in reversed(self._closing):
            thing.close()
        self._lock.release()


def was_owner(owner: str, process: str, mode: str) -> bool:
    """Whether a ledger's owner, as earlier releases wrote it, is this process in this mode.

    They named the account (`risk@DU1234567`) where the configuration did.
    """
    name, _, account = owner.partition("@")
    if name != process or account in get_args(Mode) or not account:
        return False
    return is_paper_account(account) is (mode != "live")


def enter(kind: str) -> RunningProcess:
    """The process that the command line asks for: `python -m services.KIND SETTINGS [TICKER]`."""
    arguments = sys.argv[1:]
    wanted = "SETTINGS TICKER" if kind == "symbol" else "SETTINGS"
    if len(arguments) != len(wanted.split()):
        raise SystemExit(f"usage: python -m services.{kind} {wanted}")
    log.mask_output()
    try:
        return RunningProcess(Path(arguments[0]), kind, *arguments[1:])
    except Refusal as refusal:
        raise SystemExit(f"{kind}: {refusal}") from None
