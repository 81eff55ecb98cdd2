"""python -m services.simulator SETTINGS"""

import asyncio
import os
import signal
import time
from pathlib import Path

import msgspec

from messages.frames import Advance, Advanced, Beat, Frame, Idle, Probe, Schedule
from messages.heartbeat import Heartbeat
from services.configuration.broker_switches import policy_of
from services.configuration.refusal import Refusal
from services.runtime import process
from services.runtime.bus import Bus
from services.runtime.process import RunningProcess
from services.simulator.broker import SimulatedBroker
from services.simulator.control import Control
from services.simulator.faults import timetable
from services.simulator.market.choice import check_sessions, market_source
from services.simulator.venue.account import terms_of
from services.simulator.venue.store import Store

SECOND = 1_000_000_000
UNREADY_BEAT_S = 0.05
BEAT_S = 1.0

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Frame).decode


class SimulatorProcess:
    """The simulated broker with its two connections: the TWS socket and the clock.

    It has no time of its own. It listens for clients after the clock has sent the sessions.
    """

    def __init__(self, p: RunningProcess, bus: Bus):
        self._p, self._bus = p, bus
        self._run = time.monotonic_ns()
        self._source = market_source(p.settings)
        faults = p.settings.simulation.faults
        self._timetable = [] if faults is None else timetable.load(Path(faults))
        account = p.settings.ibkr.account
        assert account is not None, "settings fill it in"
        self._account = account
        self._store = Store(p.fleet.simulator_ledger, account)
        self._broker: SimulatedBroker | None = None
        self._control: Control | None = None
        self._last = Advanced(-1, 0, False, (), None, False)
        self._woken = asyncio.Event()
        self._refused, self._note = False, ""

    async def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        self._p.log.event("bot_started", process_run=self._run, pid=os.getpid())
        for fd in self._bus.fds:
            loop.add_reader(fd, self._woken.set)
        beats = loop.create_task(self._beat())
        stopping = loop.create_task(stopped.wait())
        while not stopped.is_set():
            self._woken.clear()
            while await self._receive_from_clock():
                pass
            woken = loop.create_task(self._woken.wait())
            await asyncio.wait((woken, stopping), return_when=asyncio.FIRST_COMPLETED)
            woken.cancel()
        beats.cancel()
        if self._broker is not None:
            await self._broker.close()
        if self._control is not None:
            await self._control.close()
        self._store.close()
        self._p.log.event("bot_stopped", process_run=self._run)

    async def _beat(self) -> None:
        """Send heartbeats to the clock and the watchdog."""
        heartbeat = Heartbeat("simulator", os.getpid(), self._run, False, "")
        next_beat = 0.0
        while True:
            ready = self._broker is not None
            note = self._note if ready or self._refused else ""  # a note without ready is a refusal
            self._bus.send("clock", _encode(Beat(self._run, ready, 0, 0)))
            self._woken.set()  # a send clears the descriptor, and a message that arrived meanwhile would be missed
            self._bus.keep()
            if self._control is not None:
                await self._control.keep()
            if time.monotonic() >= next_beat or (ready, note) != (heartbeat.ready, heartbeat.note):
                heartbeat = msgspec.structs.replace(heartbeat, ready=ready, note=note)
                self._bus.beat(_encode(heartbeat))
                next_beat = time.monotonic() + BEAT_S
            await asyncio.sleep(BEAT_S if ready else UNREADY_BEAT_S)

    async def _receive_from_clock(self) -> bool:
        """Handle the waiting messages; True if there were any."""
        busy = False
        for _, payload in self._bus.frames():
            busy = True
            frame = _decode(payload)
            match frame:
                case Schedule():
                    await self._open(frame)
                    if self._broker is not None:
                        self._answer(0, orders=False, symbols=())
                case Advance():
                    self._advance(frame)
                case Probe():
                    self._bus.send("clock", _encode(self._idle(frame)))
                case _:
                    pass
        return busy

    async def _open(self, schedule: Schedule) -> None:
        """Create the broker from the ledger, or new; then listen. Later schedules only add symbols."""
        if self._broker is not None:
            self._list_symbols(schedule.symbols)
            return
        if self._refused:
            return
        simulation, ibkr = self._p.settings.simulation, self._p.settings.ibkr
        try:
            played = check_sessions(self._source, schedule.sessions)
        except Refusal as refusal:
            self._p.log.event("refused", level="ERROR", error=str(refusal))
            self._refused, self._note = True, str(refusal)
            return
        if played:
            self._p.log.event("market_loaded", rows=played)
            self._note = played
        policy = policy_of(simulation.policy)
        broker = SimulatedBroker(
            self._source,
            schedule.sessions,
            self._store,
            accounts=[terms_of(self._account, simulation.cash, policy)],
            start_ns=schedule.start_ns,
            host=ibkr.host,
            port=ibkr.port,
            policy=policy,
            seed=simulation.seed,
        )
        try:
            broker.plan(self._timetable, schedule.start_ns)
        except Refusal as refusal:
            self._p.log.event("refused", level="ERROR", error=str(refusal))
        try:
            await broker.open()
        except OSError as error:
            self._p.log.event("port_unusable", level="ERROR", host=ibkr.host, port=ibkr.port, error=str(error))
            raise
        self._broker = broker
        self._control = Control(self._p.fleet.simulator_control, broker.command)
        try:
            await self._control.open()
        except Refusal as refusal:  # without the control socket no fault can be started; the market runs anyway
            self._p.log.event("refused", level="ERROR", error=str(refusal))

    def _list_symbols(self, symbols: tuple[str, ...]) -> None:
        """Add new symbols of the watchlist. If the market source lacks one, none is added."""
        assert self._broker is not None
        known = self._broker.exchange.symbols
        new = tuple(symbol for symbol in symbols if symbol not in known)
        if new:
            try:
                source = market_source(self._p.settings, (*known, *new))
            except Refusal as refusal:
                self._p.log.event("refused", level="ERROR", error=str(refusal))
                return
            self._broker.server.dispatcher.list_symbols(source)
            self._p.log.event("symbols_listed", symbols=" ".join(new))

    def _advance(self, request: Advance) -> None:
        """Move the market. A repeated request gets the same answer."""
        if self._broker is None:
            return  # the clock sends the sessions first
        if request.step == self._last.step:
            self._bus.send("clock", _encode(self._last))
            return
        moved = self._broker.advance(request.to_ns, one=request.one)
        self._answer(request.step, orders=moved.orders, symbols=moved.symbols)

    def _answer(self, step: int, *, orders: bool, symbols: tuple[str, ...]) -> None:
        assert self._broker is not None
        exchange = self._broker.exchange
        answer = Advanced(
            step=step,
            now_ns=exchange.now_ns,
            orders=orders,
            symbols=symbols,
            next_ns=self._broker.next_ns(),
            ended=exchange.source_ended,
            wire=self._wire(),
        )
        if step:
            self._last = answer
        self._bus.send("clock", _encode(answer))

    def _wire(self) -> tuple[int, int]:
        """Frames (received, sent) on the gateway's connection."""
        if self._broker is None:
            return (0, 0)
        return self._broker.server.wire_counts().get(self._p.settings.ibkr.client_id, (0, 0))

    def _idle(self, probe: Probe) -> Idle:
        received, sent = self._wire()
        return Idle(
            step=probe.step,
            wave=probe.wave,
            run=self._run,
            pending=0 if self._broker is None else self._broker.server.dispatcher.historical_data.searching,
            work=received,
            reached=(),
            tick=(0, 0),
            wire_in=received,
            wire_out=sent,
            deadline_ns=None,
        )


async def main() -> None:
    """Serve."""
    with process.enter("simulator") as p:
        try:
            simulator = SimulatorProcess(p, p.bus())
        except Refusal as refusal:
            p.log.event("refused", level="ERROR", error=str(refusal))
            raise SystemExit(f"simulator: {refusal}") from None
        await simulator.run()


if __name__ == "__main__":
    asyncio.run(main())
