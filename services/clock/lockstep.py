"""Lock-step: the market moves only while the fleet is idle, so that a run can be repeated to the cent.

One step: the simulator moves by one market event, all processes handle the broker's order reports, the gateway
publishes the new price, and all processes handle its effects. All have handled everything when two waves of probes have
the same answers with nothing pending (see docs/lockstep.md).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable

from messages.frames import Advanced, Frame, Idle, Probe
from messages.market import MarketTime
from services.clock.core import ClockCore, ClockRecord, MarketEnded, StepBegun, TimeReached
from services.clock.pace import PUBLISH_NS, Publish, Send, SimulatorLink
from services.clock.steps import MarketStep, next_step
from services.runtime.actor import Actor
from services.trading.ids import symbol_process

__all__ = ["LockStep"]

SECOND = 1_000_000_000
RESEND_NS = SECOND // 4
"""Machine time after which an unanswered probe is sent again: the process may have been restarted."""
TRADERS = ("gateway", "risk")

Script = Generator[None, None, None]


class LockStep:
    """See the module. `processes` returns the processes that trade now. `speed`: most market seconds a second."""

    def __init__(
        self,
        actor: Actor,
        core: ClockCore,
        simulator: SimulatorLink,
        send: Send,
        publish: Publish,
        *,
        processes: Callable[[], Iterable[str]],
        speed: float,
        fleet_ready: Callable[[], bool],
    ):
        self._actor, self._core, self._simulator = actor, core, simulator
        self._send, self._publish = send, publish
        self._processes = processes
        self._speed, self._fleet_ready = speed, fleet_ready
        self._deadlines: dict[str, int | None] = {}
        self._idles: dict[str, Idle] = {}
        self._wave = 0
        self._ticks: dict[str, tuple[int, int]] = {}
        self._machine_ns = 0
        self._next_publish = 0
        self._market: Advanced | None = None
        self._wire = (0, 0)
        """Frames (received, sent) that the simulator last counted on the gateway's connection."""
        self._script = self._play()
        self._over = False
        self.note = "starting"

    # The loop's side.

    def frame(self, peer: str, frame: Frame, machine_ns: int) -> None:
        match frame:
            case Idle(step, wave) if (step, wave) == (self._record.step, self._wave):
                self._idles[peer] = frame
                if peer == "simulator":
                    self._wire = (frame.wire_in, frame.wire_out)
            case _ if peer == "simulator":
                self._simulator.frame(frame, machine_ns)

    def list_symbols(self, symbols: tuple[str, ...]) -> bool:
        return self._over or self._simulator.want(symbols)

    def work(self, machine_ns: int) -> None:
        self._machine_ns = machine_ns
        self._simulator.resend(machine_ns)
        if not self._over:
            self._over = next(self._script, "over") is not None
        if machine_ns >= self._next_publish:
            self._next_publish = machine_ns + PUBLISH_NS
            record = self._record
            self.note = "ended" if self._over else record.phase
            now_ns = self._actor.market.now(0)
            self._publish(MarketTime(now_ns, machine_ns, 0.0, now_ns))

    def wake(self, machine_ns: int) -> int:
        return min(self._next_publish, machine_ns + RESEND_NS)

    @property
    def _record(self) -> ClockRecord:
        return self._core.record(self._actor.state)

    @property
    def _all_processes(self) -> tuple[str, ...]:
        return tuple(sorted(self._processes()))

    # The script. Each `yield` waits for the next frame or timer.

    def _play(self) -> Script:
        while (answer := self._simulator.answer) is None or not self._fleet_ready():
            yield
        self._keep(answer)
        start_ns = self._core.simulated_start(self._record, answer.now_ns, answer.next_ns)
        self._actor.market.reach(start_ns)
        if not self._record.date:
            self._deliver(TimeReached(start_ns))
        yield from self._settle(self._all_processes)
        started_machine, started_market = self._machine_ns, start_ns
        while True:
            yield from self._relist()
            if (step := self._next()) is None:
                break
            earliest = started_machine + int((step.time_ns - started_market) / self._speed)
            while self._machine_ns < earliest and self._record.phase != "waiting":
                yield
            yield from self._take(step)
        self._deliver(MarketEnded())
        yield from self._settle(self._all_processes)

    def _relist(self) -> Script:
        """List symbols that are new since the last step, before the next one."""
        if self._simulator.relist(self._machine_ns):
            while (answer := self._simulator.answer) is None:
                yield
            self._keep(answer)

    def _keep(self, answer: Advanced) -> None:
        self._market, self._wire = answer, answer.wire

    def _next(self) -> MarketStep | None:
        assert self._market is not None
        if self._market.next_ns is None and self._record.phase == "waiting":
            return None
        boundary = self._core.next_boundary(self._record)
        deadlines = {name: self._deadlines.get(name) for name in self._all_processes}  # without those that left
        return next_step(self._market.next_ns, boundary, deadlines, self._actor.market.now(0))

    def _take(self, step: MarketStep) -> Script:
        self._deliver(StepBegun(self._record.step + 1, step.time_ns))
        self._actor.market.reach(step.time_ns)
        match step.kind:
            case "calendar":
                self._deliver(TimeReached(step.time_ns))
                yield from self._settle(self._all_processes)
            case "deadline":
                yield from self._settle((step.process, *TRADERS), elapse=step.process)
            case "market":
                self._simulator.advance(self._record.step, step.time_ns, self._machine_ns, one=True)
                while (answer := self._simulator.answer) is None:
                    yield
                self._keep(answer)
                for symbol in answer.symbols or ("",):
                    if answer.orders:
                        yield from self._settle(self._concerned(symbol))
                    if self._follows(symbol):  # its order reports may have made it leave
                        yield from self._settle(self._concerned(symbol), symbol=symbol)

    def _concerned(self, symbol: str) -> tuple[str, ...]:
        """The processes that an event of this symbol concerns. The market also has symbols that left the fleet."""
        if not symbol:
            return self._all_processes
        return (symbol_process(symbol), *TRADERS) if self._follows(symbol) else TRADERS

    def _follows(self, symbol: str) -> bool:
        return symbol_process(symbol) in self._processes()

    def _settle(self, names: Iterable[str], *, elapse: str = "", symbol: str = "") -> Script:
        """Wait until these processes, and all that they reached, have nothing left to do."""
        names = list(dict.fromkeys(names))
        before: tuple[tuple[int, int], ...] | None = None
        tick = self._next_tick(symbol) if symbol else (0, 0)
        while True:
            symbol = symbol if self._follows(symbol) else ""
            yield from self._probe(names, elapse=elapse, symbol=symbol, tick=tick)
            names = [name for name in names if name in self._idles]
            if symbol:
                tick = self._ticks[symbol] = self._idles["gateway"].tick
            elapse = ""
            idles = [self._idles[name] for name in names]
            reached = {peer for idle in idles for peer in idle.reached} & {*self._processes()}
            more = sorted(reached - set(names))
            if more:
                names += more
                before = None
                continue
            quiet = self._quiet(names, symbol)
            if quiet and not reached and not self._actor.pending:
                return  # no process sent anything since the step started: nothing can be on its way
            work = tuple((idle.run, idle.work) for idle in idles)
            if quiet and work == before:
                return
            before = work

    def _next_tick(self, symbol: str) -> tuple[int, int]:
        """The tick that the gateway publishes next. So the others can be asked for it at once."""
        run, number = self._ticks.get(symbol, (0, 0))
        return (run, number + 1)

    def _quiet(self, names: list[str], symbol: str) -> bool:
        """Whether nothing is on its way: rows acknowledged, the price handled, the broker's socket empty."""
        if any(self._idles[name].pending for name in names) or self._actor.pending:
            return False
        gateway, simulator = self._idles.get("gateway"), self._idles.get("simulator")
        if gateway is None:
            return True
        unheard = symbol and gateway.tick != (0, 0)  # otherwise it has published none in this run
        if unheard and any(
            self._idles[name].tick != gateway.tick for name in names if name in (symbol_process(symbol), "risk")
        ):
            return False
        received, sent = self._wire
        if (gateway.wire_in, gateway.wire_out) == (sent, received):
            return True
        if simulator is None:
            names.append("simulator")  # frames went over the wire since its last answer
        return False

    def _probe(
        self, names: Iterable[str], *, elapse: str = "", symbol: str = "", tick: tuple[int, int] = (0, 0)
    ) -> Script:
        """One wave of probes, until all are answered. `symbol`: it is about its price of this step.

        A process that does not answer may have left, or may have restarted. A restarted gateway has a new connection
        and would wait for frames of the old one, so the simulator is probed again, too. The others would wait for ticks
        of the old gateway.
        """
        self._wave += 1
        self._idles = {}
        waiting = list(names)
        sent_at = -SECOND
        while waiting:
            if self._machine_ns - sent_at >= RESEND_NS:
                also = {"simulator"} if sent_at >= 0 else set()
                sent_at = self._machine_ns
                if also:
                    present = {*self._all_processes, "simulator"}
                    waiting = [name for name in waiting if name in present]
                    symbol = symbol if self._follows(symbol) else ""
                    tick = self._idles["gateway"].tick if "gateway" in self._idles else tick
                for name in sorted({*waiting} | also):
                    probe = Probe(
                        step=self._record.step,
                        wave=self._wave,
                        time_ns=self._actor.market.now(0),
                        elapse=name == elapse,
                        symbol=symbol,
                        flush=bool(symbol) and name == "gateway",
                        wire=self._wire[1],
                        tick=tick,
                    )
                    self._send(name, probe)
            yield
            waiting = [name for name in waiting if name not in self._idles]
        for name, idle in self._idles.items():
            if name != "simulator":
                self._deadlines[name] = idle.deadline_ns

    def _deliver(self, message: StepBegun | TimeReached | MarketEnded) -> None:
        self._actor.deliver(message, self._machine_ns)
