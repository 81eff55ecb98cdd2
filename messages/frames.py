"""What goes over a link between two processes: rows and cursors, heartbeats, and the steps of lock-step.

A link is a pair (producer, consumer), each way. `Row` carries an envelope that the producer committed; the consumer's
cursor is the acknowledgement. See docs/bus.md.
"""

from __future__ import annotations

import msgspec

from messages.market import Session

__all__ = [
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
    """A message and where it comes from.

    `sender` and its `run` (which life of the sender), `seq` (outlives runs), `cause` (the row that it answers, as
    'sender:seq', or ''), `time_ns` (market time), `recipient` (a process, or a topic), `body` (an encoded message).
    """

    sender: str
    run: int
    seq: int
    cause: str
    time_ns: int
    recipient: str
    body: msgspec.Raw


class Row(msgspec.Struct, frozen=True, array_like=True, tag="r", gc=False):
    """A row of the producer's outbox; `prev` is the seq before it on this link, so that a gap can be seen."""

    prev: int
    seq: int
    envelope: msgspec.Raw


class Ack(msgspec.Struct, frozen=True, array_like=True, tag="a", gc=False):
    """Everything up to `cursor` is committed by the consumer."""

    cursor: int


class Resume(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    """The consumer opens: send what lies beyond `cursor` (None: I know nothing) and matches `interest`.

    Interest: topics by name, '*' for every topic, '**' for everything. Rows addressed to the consumer always match.
    """

    cursor: int | None
    interest: tuple[str, ...]


class Snapshot(msgspec.Struct, frozen=True, array_like=True, tag="n"):
    """The rows that the consumer needs are gone: the producer's state instead, as messages, as of `seq`.

    `resumed` is the cursor of the `Resume` that it answers.
    """

    seq: int
    envelopes: tuple[msgspec.Raw, ...]
    resumed: int | None = None


class Beat(msgspec.Struct, frozen=True, array_like=True, tag="b", gc=False):
    """I live: my run, whether I am ready, my head on this link (-1 until you have resumed), my cursor of yours."""

    run: int
    ready: bool
    head: int
    cursor: int


class Schedule(msgspec.Struct, frozen=True, array_like=True, tag="c"):
    """Clock to simulator: the sessions there are, when to begin, and the symbols that are traded.

    Heard again it lists what is new of them; a symbol that was listed once stays so.
    """

    sessions: tuple[Session, ...]
    start_ns: int
    symbols: tuple[str, ...] = ()


class Advance(msgspec.Struct, frozen=True, array_like=True, tag="v", gc=False):
    """Clock to simulator: move on to `to_ns`; with `one`, by one market event at the most.

    `step` repeats are answered alike.
    """

    step: int
    to_ns: int
    one: bool


class Advanced(msgspec.Struct, frozen=True, array_like=True, tag="w", gc=False):
    """The answer: where the exchange is, what moved, and when it will have something to do.

    `orders` is True if anything but prices changed. `symbols` had market events. `next_ns` is None when nothing is
    left. `wire` counts the frames (received, sent) on the gateway's connection so far. Step 0 answers `Schedule`.
    """

    step: int
    now_ns: int
    orders: bool
    symbols: tuple[str, ...]
    next_ns: int | None
    ended: bool
    wire: tuple[int, int] = (0, 0)


class Probe(msgspec.Struct, frozen=True, array_like=True, tag="p", gc=False):
    """Clock to a process, lock-step: it is `time_ns`; are you done?

    `elapse` delivers due timers. `flush` has the gateway publish the step's tick of `symbol` once it has read
    `wire` frames; the others answer when they have handled that tick (`tick`: the gateway's run, its number).
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
    """The answer to a probe, when ready and empty.

    `pending`: own rows not yet acknowledged (the recorder's excepted). `work` grows with every input handled: two
    equal values mean that nothing happened between. `reached` are the consumers that rows went to since the last
    step. `tick` is the number of the last tick of the probed symbol that it handled (the gateway: published).
    `wire_in` and `wire_out` count frames of the broker's socket. `deadline_ns` is the next market timer.
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
