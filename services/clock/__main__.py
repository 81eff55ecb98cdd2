"""python -m services.clock SETTINGS"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from messages.frames import Frame
from messages.market import MarketTime, Session
from messages.operator import Answer, Command, RollCall
from messages.watchlist import Watch
from services.clock.calendar import FIRST_DATE, renew, sessions
from services.clock.core import ClockCore
from services.clock.hours import allowed
from services.clock.lockstep import LockStep
from services.clock.pace import FreePace, RealPace, SimulatorLink, TimeSource
from services.clock.renewal import Renewal
from services.configuration.refusal import Refusal
from services.runtime import poll_loop, process
from services.runtime.actor import Actor
from services.runtime.bus import Bus
from services.runtime.market_clock import MarketClock
from services.runtime.process import RunningProcess
from services.trading.ids import is_symbol_process, symbol_process

_encode = msgspec.msgpack.Encoder().encode

LOOK_BACK = timedelta(days=7)
"""The calendar is read from this long ago: a session may start on an earlier date, and no closing lasts longer."""
NOT_TRADING = frozenset({"clock", "watchdog", "simulator"})


class Clock(poll_loop.Hooks):
    """Runs the time source once per turn of the loop. What it sends goes out after the commit."""

    def __init__(self, p: RunningProcess, actor: Actor, core: ClockCore, bus: Bus, exchange: tuple[Session, ...]):
        self._bus = bus
        self._actor = actor
        self._waiting: list[tuple[str, Frame]] = []
        self._core = core
        self._exchange = exchange
        self._expected = [name for name in p.fleet.processes if name not in NOT_TRADING]
        self._permanent = [name for name in p.fleet.processes if not is_symbol_process(name)]
        self._wanted: Watch | None = Watch(p.settings.watchlist, p.settings.winding_down)
        self.pace = self._pace(p, core)
        self._renewal = Renewal(
            core,
            lambda: allowed(_calendar(p, renew), p.settings.hours),
            lambda error: p.log.event("calendar_not_renewed", level="WARNING", error=str(error)),
        )
        self._real = p.settings.mode != "sim"

    def _pace(self, p: RunningProcess, core: ClockCore) -> TimeSource:
        simulation = p.settings.simulation
        if p.settings.mode != "sim":
            return RealPace(self._actor, core, self._publish)
        simulator = SimulatorLink(self._send, self._exchange, core.sessions[0].open_ns, tuple(p.fleet.symbols.values()))
        if p.lockstep:
            return LockStep(
                self._actor,
                core,
                simulator,
                self._send,
                self._publish,
                processes=self._participants,
                speed=simulation.speed,
                fleet_ready=self._fleet_ready,
            )
        return FreePace(
            self._actor,
            core,
            simulator,
            self._publish,
            speed=simulation.speed,
            skip_closed=simulation.skip_closed,
            fleet_ready=self._fleet_ready,
        )

    def _participants(self) -> list[str]:
        """The processes that answer in lock-step: those that trade by the newest watchlist."""
        watched = self._core.watched(self._actor.state)
        symbols = [symbol_process(symbol) for symbol in (*watched.watchlist, *watched.staying)]
        return [name for name in self._permanent if name not in ("clock", "watchdog", "recorder")] + symbols

    def command(self, command: Command) -> Answer:
        """The operator changes the watchlist, or requests it."""
        match command:
            case Watch():
                self._wanted = command
                return Answer(True, "the watchlist changes")
            case RollCall():
                watched = self._core.watched(self._actor.state)
                rows: list[list[object]] = [[symbol, "traded"] for symbol in watched.watchlist]
                rows += [[symbol, "left" if symbol in watched.left else "leaving"] for symbol in watched.winding_down]
                return Answer(True, columns=["symbol", "part"], rows=rows)
            case _:
                return Answer(False, "the clock takes the watchlist")

    def _send(self, peer: str, frame: Frame) -> None:
        self._waiting.append((peer, frame))

    def _publish(self, market_time: MarketTime) -> None:
        self._bus.publish("time", market_time)

    def _fleet_ready(self) -> bool:
        links = self._actor.links
        return all(name in links and links[name].peer_ready for name in self._expected)

    @property
    def note(self) -> str:  # type: ignore[override]
        return self.pace.note

    def frame(self, peer: str, frame: Frame, machine_ns: int) -> None:
        self.pace.frame(peer, frame, machine_ns)

    def work(self, machine_ns: int) -> None:
        wanted = self._wanted
        # The simulator must trade a symbol before its process subscribes to it.
        if wanted is not None and self.pace.list_symbols((*wanted.watchlist, *wanted.winding_down)):
            self._wanted = None
            self._actor.deliver(wanted, machine_ns, "operator")
        if self._real:
            record = self._core.record(self._actor.state)
            self._renewal.work(record, self._actor.market.now(machine_ns), machine_ns)
        self.pace.work(machine_ns)

    def sent(self) -> None:
        for peer, frame in self._waiting:
            self._bus.send(peer, _encode(frame))
        self._waiting.clear()

    def wake(self, machine_ns: int) -> int:
        return self.pace.wake(machine_ns)


def _calendar(p: RunningProcess, read: Callable[..., tuple[Session, ...]]) -> tuple[Session, ...]:
    """The exchange's own sessions in the range that this fleet needs."""
    simulation, today = p.settings.simulation, datetime.now(UTC).date()
    real = p.settings.mode != "sim"
    return read(
        p.settings.hours.calendar,
        today - LOOK_BACK if real else simulation.start or FIRST_DATE,
        None if real else simulation.end,
        today=today,
        cache=p.fleet.var / "sessions.json",
    )


def main() -> None:
    """Read the calendar, then run."""
    with process.enter("clock") as p:
        try:
            days = _calendar(p, sessions)
        except Refusal as refusal:
            p.log.event("refused", level="ERROR", error=str(refusal))
            raise SystemExit(f"clock: {refusal}") from None
        core = ClockCore(
            allowed(days, p.settings.hours),
            p.settings.entries.cancel_before_close_minutes,
            p.settings.hours.protective_audit_minutes,
        )
        bus = p.bus()
        actor = p.actor(core, p.ledger(durable=False))
        # Only the time source moves the clock's own market time.
        actor.market = MarketClock(lockstep=True)
        poll_loop.run(actor, bus, p.log, Clock(p, actor, core, bus, days))


if __name__ == "__main__":
    main()
