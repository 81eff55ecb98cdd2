"""What goes over a link between two processes: rows and cursors, readiness, and the steps of lock-step.

A link has two directions, and each has a producer and a consumer. The producer commits a message as a row before it
sends it. The consumer acknowledges it by its cursor. docs/bus.md explains the protocol, docs/lockstep.md the steps.
"""

from __future__ import annotations

import msgspec

from messages.market import Session

__all__ = [
    "ROUTES",
    "Ack",
    "Advance",
    "Advanced",
    "Beat",
    "Envelope",
    "Frame",
    "Idle",
    "Probe",
    "Resume",
    "Row",
    "Schedule",
    "Snapshot",
]


class Envelope(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message, with its sender and its cause. It travels inside `Row` and `Snapshot`.

    `sender`: the process that sent the message.
    `run`: the sender's run, that is, which life of the process.
    `seq`: the row's number in the sender's outbox; it goes on over restarts. 0 in a `Snapshot`.
    `cause`: the row that led to this message, as 'sender:seq'; '' where no row did.
    `time_ns`: the market time at which it was sent.
    `recipient`: a process for a command or an answer; a topic ('fleet' or a ticker) for an event.
    `body`: the encoded message.
    `epoch`: of the sender's ledger. If the ledger is lost, the next one has another epoch and counts from 1 again.
    """

    sender: str
    run: int
    seq: int
    cause: str
    time_ns: int
    recipient: str
    body: msgspec.Raw
    epoch: int = 0


class Row(msgspec.Struct, frozen=True, array_like=True, tag="r", gc=False):
    """One row of the producer's outbox.

    `prev`: the number of the row before it on this link, so that the consumer notices a gap.
    `seq`: the row's number.
    `envelope`: the encoded `Envelope`.
    """

    prev: int
    seq: int
    envelope: msgspec.Raw


class Ack(msgspec.Struct, frozen=True, array_like=True, tag="a", gc=False):
    """The consumer has committed every row up to this one.

    `cursor`: the number of the last row that is committed.
    `epoch`: of the producer's ledger in which it counts.
    """

    cursor: int
    epoch: int = 0


class Resume(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    """The consumer opens the link and asks for the rows that it has not got.

    `cursor`: the last row that it has committed; None: it has nothing.
    `interest`: the topics that it wants: by name, '*' for every topic, '**' for every row. A row that is addressed to
    the consumer by name always comes.
    `epoch`: of the producer's ledger in which the cursor counts.
    `ledger`: the epoch of the consumer's own ledger. If the producer knows another one, the consumer has lost its
    ledger.
    """

    cursor: int | None
    interest: tuple[str, ...]
    epoch: int = 0
    ledger: int = 0


class Snapshot(msgspec.Struct, frozen=True, array_like=True, tag="n"):
    """The producer's whole state as messages, because the rows that the consumer needs are deleted or lost.

    `seq`: the newest row that this state includes.
    `envelopes`: the encoded `Envelope`s.
    `resumed`: the `cursor` of the `Resume` that it answers.
    `epoch`: of the producer's ledger.
    `lost`: True: the producer knew the consumer by another ledger, so the consumer has lost what it knew.
    """

    seq: int
    envelopes: tuple[msgspec.Raw, ...]
    resumed: int | None = None
    epoch: int = 0
    lost: bool = False


class Beat(msgspec.Struct, frozen=True, array_like=True, tag="b", gc=False):
    """A process is alive: its run, its readiness, and its two positions on this link.

    It goes over every link once a second, and whenever the readiness changes.

    `head`: the sender's newest row on this link; -1 until the other side has sent `Resume` to this run.
    `cursor`: the last row of the other side that the sender has committed.
    `epoch`: of the sender's ledger.
    `counts_in`: the epoch of the other side's ledger in which `cursor` counts.
    """

    run: int
    ready: bool
    head: int
    cursor: int
    epoch: int = 0
    counts_in: int = 0


class Schedule(msgspec.Struct, frozen=True, array_like=True, tag="c"):
    """The sessions, when to begin, and the symbols that are traded.

    If it comes again, the simulator adds what is new. A symbol that was listed once stays listed.

    `sessions`: the sessions, in order.
    `start_ns`: when the market begins.
    `symbols`: the tickers.
    """

    sessions: tuple[Session, ...]
    start_ns: int
    symbols: tuple[str, ...] = ()


class Advance(msgspec.Struct, frozen=True, array_like=True, tag="v", gc=False):
    """Move the simulated market on.

    A `step` that comes again gets the same answer as before.

    `to_ns`: the market time to move to.
    `one`: True: stop after the next market event.
    """

    step: int
    to_ns: int
    one: bool


class Advanced(msgspec.Struct, frozen=True, array_like=True, tag="w", gc=False):
    """The answer to `Advance`, and (with step 0) to `Schedule`.

    `now_ns`: the market time that the exchange has reached.
    `orders`: True when something other than prices changed.
    `symbols`: the symbols that had market events.
    `next_ns`: when the exchange has its next event; None: it has no more.
    `ended`: True when the market source has no more data.
    `wire`: frames (received, sent) on the gateway's connection since it was made.
    """

    step: int
    now_ns: int
    orders: bool
    symbols: tuple[str, ...]
    next_ns: int | None
    ended: bool
    wire: tuple[int, int] = (0, 0)


class Probe(msgspec.Struct, frozen=True, array_like=True, tag="p", gc=False):
    """Lock-step: the clock asks a process whether it is done at this market time.

    `time_ns`: the market time of this step.
    `elapse`: deliver the timers that are due.
    `symbol`: the symbol whose tick this step is about; '' for none.
    `flush`: to the gateway: publish the step's tick of `symbol` as soon as you have read `wire` frames.
    `wire`: frames that the simulator has sent to the gateway.
    `tick`: (run of the gateway, number of the tick): answer when you have handled this tick.
    """

    step: int
    wave: int
    time_ns: int
    elapse: bool = False
    symbol: str = ""
    flush: bool = False
    wire: int = 0
    tick: tuple[int, int] = (0, 0)


class Idle(msgspec.Struct, frozen=True, array_like=True, tag="i", gc=False):
    """The answer to `Probe`, sent when the process is ready and has nothing left to handle.

    `pending`: its rows that are not acknowledged yet, those for the recorder excepted.
    `work`: a count of the inputs that it has handled; two equal counts mean that nothing happened between them.
    `reached`: the processes that it has sent rows to since this step began.
    `tick`: (run of the gateway, number) of the last tick of the probed symbol that it handled; of the gateway:
    published.
    `wire_in`: frames that it has received on the broker's socket.
    `wire_out`: frames that it has sent there.
    `deadline_ns`: when its next market timer is due; None: no timer.
    """

    step: int
    wave: int
    run: int
    pending: int
    work: int
    reached: tuple[str, ...]
    tick: tuple[int, int]
    wire_in: int
    wire_out: int
    deadline_ns: int | None


Frame = Row | Ack | Resume | Snapshot | Beat | Schedule | Advance | Advanced | Probe | Idle

ROUTES: dict[type[msgspec.Struct], str] = {
    Row: "every process -> every process",
    Ack: "every process -> every process",
    Resume: "every process -> every process",
    Snapshot: "every process -> every process",
    Beat: "every process -> every process",
    Schedule: "clock -> simulator",
    Advance: "clock -> simulator",
    Advanced: "simulator -> clock",
    Probe: "clock -> every process",
    Idle: "every process -> clock",
}
