"""One process without its I/O: a core, its ledger, its links.

A driver passes frames and messages in (`receive`, `deliver`, `elapse`), and calls `flush` when its inputs are drained.
`flush` commits all that was handled in one transaction. Only then anything is sent: rows first, acknowledgements after.
Three drivers run an actor: a blocking poll loop, asyncio, and the in-process runner.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

import messages
from messages import Message
from messages.broker import ToBroker
from messages.frames import Ack, Beat, Envelope, Frame, Probe, Resume, Row, Snapshot
from messages.market import MarketTime, Tick
from messages.operator import Happened, Refused
from messages.timers import Elapsed, LedgerLost, Started
from messages.watchlist import WatchlistChanged
from services.runtime.core import Core, Decision, Now, State, is_volatile
from services.runtime.ledger import (
    UNKNOWN,
    Batch,
    ConstraintBroken,
    JournalLine,
    Ledger,
    OutboxRow,
    RecordChange,
    check_finite,
    encode_record,
)
from services.runtime.link import UNOPENED, Link, matches
from services.runtime.lockstep_probe import ProbeState
from services.runtime.market_clock import MarketClock
from services.trading.ids import is_symbol_process, symbol_process

__all__ = ["Actor", "Outputs"]

SECOND = 1_000_000_000
BEAT_NS, SLOW_BEAT_NS = SECOND, 5 * SECOND
"""Time between heartbeats: normally, and after `QUIET_NS` without anything to handle."""
QUIET_NS = 10 * SECOND
HELLO_NS = SECOND // 20
"""Time between beats to a peer that has not answered yet."""
PRUNE_NS = 60 * SECOND
JOURNAL_KEPT_NS = 31 * 24 * 3600 * SECOND
"""Market time for which the journal keeps inputs: an incident is replayed within a month, or exported."""
CAREFUL_INPUTS = 64

_encode = msgspec.msgpack.Encoder().encode
_decode_frame = msgspec.msgpack.Decoder(Frame).decode
_decode_envelope = msgspec.msgpack.Decoder(Envelope).decode


class Outputs(msgspec.Struct):
    """What is sent after a commit. The answer to a probe is the last frame."""

    frames: list[tuple[str, bytes]] = []
    published: list[tuple[str, Message]] = []
    broker: list[ToBroker] = []
    noted: list[Happened] = []


class _Input(msgspec.Struct):
    """One handled input that is not committed yet.

    `bodies`: its changed records, encoded (None: deleted, or in memory only). `sent`: its messages, encoded. `undo`
    restores what it changed in memory.
    """

    message: Any
    now: Now
    sender: str
    seq: int
    decision: Decision
    bodies: list[bytes | None]
    sent: list[bytes]
    undo: list[tuple[type, str, Any]] = []


def _encoded(message: Any, now: Now, sender: str, seq: int, decision: Decision) -> _Input:
    """An input with its effects encoded. Raises NotFinite: no record and no message has a NaN or an infinity.

    A note for the log may have one.
    """
    bodies = [
        None if record is None or is_volatile(kind) else encode_record(record) for kind, _, record in decision.changes
    ]
    sent = []
    for recipient, each in decision.messages:
        body = b"" if recipient == "broker" else messages.encode(each)
        if type(each) is not Happened:
            check_finite(each, body or None)
        sent.append(body)
    return _Input(message, now, sender, seq, decision, bodies, sent)


class Actor:
    """See the module.

    `dials`: the processes that it connects to, each with the topics that it wants of their rows. `default_interest`:
    the topics that it wants of processes that connect to it. `market`: this process's market time.
    """

    def __init__(
        self,
        name: str,
        core: Core,
        ledger: Ledger,
        *,
        dials: Mapping[str, tuple[str, ...]],
        market: MarketClock,
        default_interest: tuple[str, ...] = (),
    ):
        self.name = name
        self.core = core
        self.market = market
        self.ledger = ledger
        self._default_interest = default_interest
        self._remembers = getattr(core, "remembers", True)
        loaded = ledger.load()
        try:
            self.state = self._state_of(loaded.records)
        except msgspec.MsgspecError as error:
            ledger.set_aside(str(error))
            loaded = ledger.load()
            self.state = self._state_of(loaded.records)
        self.run = loaded.run
        self.epoch = loaded.epoch
        self._head = loaded.head
        self._cursors = loaded.cursors
        self._epochs = loaded.epochs
        self._consumers = loaded.consumers
        # Rows are kept until all of these have them: every consumer that ever opened, and every process that we dial,
        # even before its first frame.
        self._acked = dict.fromkeys(dials, 0) | loaded.acked
        self._told_lost = False
        """Whether this run has reported that its own ledger is lost."""
        self.links: dict[str, Link] = {}
        self._routes: dict[str, list[Link]] = {}
        for peer, interest in dials.items():
            self._link(peer, interest, dialed=True)
        self._batch = Batch()
        self._inputs: list[_Input] = []
        self._outputs = Outputs()
        self.announced_ready = False
        """The readiness that the last beats announced."""
        self._next_beat = self._next_round = 0
        self._active_ns = 0
        self._next_prune = 0
        self._elapse_from = 0
        self._stalled: dict[str, tuple[int | None, int]] = {}
        self._symbol_processes: frozenset[str] | None = None
        """The processes of the symbols on the watchlist; None before the first watchlist."""
        self._probe_state = ProbeState()
        self._work = 0
        self.ticks: dict[str, tuple[int, int]] = {}

    def forget_other_symbols(self, symbols: Iterable[str]) -> None:
        """Only these symbols have a process: rows wait for no other symbol any more.

        Our cursor in the rows of a removed symbol is kept, for the case that it comes back.
        """
        processes = self._set_symbols(symbols)
        for peer in [peer for peer in self._acked if is_symbol_process(peer) and peer not in processes]:
            link = self.links.pop(peer, None)
            if link is not None and link.cursor is not None:
                self._cursors[peer], self._epochs[peer] = link.cursor, link.epoch
            del self._acked[peer]
            self._consumers.pop(peer, None)
            self.ledger.forget(peer)
        self._routes.clear()

    def _set_symbols(self, symbols: Iterable[str]) -> frozenset[str]:
        self._symbol_processes = frozenset(symbol_process(symbol) for symbol in symbols)
        return self._symbol_processes

    def start(self, machine_ns: int) -> None:
        """The first input of every run."""
        self.deliver(Started(self.epoch + self.run), machine_ns)
        aside = self.ledger.was_set_aside
        if aside is not None:
            fields = {"process": self.name, **msgspec.structs.asdict(aside)}
            self._note("ledger_set_aside", "ERROR", fields, machine_ns)
            self._lose_own(machine_ns)

    # Inputs.

    def receive(self, peer: str, frame: bytes, machine_ns: int) -> Frame:
        """Take a frame of another process. Returns it decoded, for drivers that need lock-step frames."""
        decoded: Frame = _decode_frame(frame)
        link = self.links.get(peer) or self._link(peer, self._default_interest, dialed=False)
        match decoded:
            case Row():
                self._receive_row(link, decoded, machine_ns)
            case Ack(cursor, epoch):
                if epoch == self.epoch:
                    self._acknowledge(link, cursor)
            case Beat():
                self._receive_beat(link, decoded, machine_ns)
            case Resume():
                self._reopen(link, decoded)
            case Snapshot():
                self._receive_snapshot(link, decoded, machine_ns)
            case Probe():
                self._receive_probe(decoded, machine_ns)
            case _:
                pass  # frames between clock and simulator: their own code handles them
        return decoded

    def deliver(self, message: Any, machine_ns: int, sender: str = "") -> None:
        """Take a message that is no row: a tick, market time, a report of the broker, a command."""
        if type(message) is MarketTime:
            self.market.update(message)
            return
        if type(message) is Tick:
            last = self.ticks.get(message.symbol)
            if last is not None and last[0] == message.run and message.number <= last[1]:
                return
            self.ticks[message.symbol] = (message.run, message.number)
            self.market.follow(message.time_ns)
        self._handle(message, self._now(machine_ns), sender, 0)

    def elapse_market(self, machine_ns: int) -> None:
        """Deliver `Elapsed` if a market deadline is due. In lock-step only the clock calls for it, by a probe."""
        now = Now(self.market.now(machine_ns), machine_ns)
        due = self.core.deadlines(self.state, now).market_ns
        if due is not None and due <= now.market_ns:
            self._handle(Elapsed(), now, "", 0)

    def _now(self, machine_ns: int, source: Envelope | None = None) -> Now:
        return Now(self.market.now(machine_ns), machine_ns, source, self.market.stale(machine_ns))

    def market_deadline(self) -> int | None:
        """Market time at which the core wants `Elapsed`; None for never."""
        return self.core.deadlines(self.state, Now(self.market.now(0), 0)).market_ns

    def elapse(self, machine_ns: int) -> None:
        """Deliver due timers, send beats, prune rows."""
        now = Now(self.market.now(machine_ns), machine_ns)
        if machine_ns >= self._elapse_from and self._due(now):
            self._handle(Elapsed(), now, "", 0)
            if self._due(now):  # it was refused, or changed nothing: avoid an endless loop
                self._elapse_from = machine_ns + SECOND
        if machine_ns >= self._next_beat:
            self._beat(machine_ns)
        if machine_ns >= self._next_prune:
            self._next_prune = machine_ns + PRUNE_NS
            self._prune(machine_ns)

    def next_deadline(self, machine_ns: int) -> int:
        """Machine time at which `elapse` is due next."""
        wanted = self._next_beat
        due = self.core.deadlines(self.state, Now(self.market.now(machine_ns), machine_ns))
        if due.machine_ns is not None:
            wanted = min(wanted, max(due.machine_ns, self._elapse_from))
        if due.market_ns is not None:
            at = self.market.machine_at(due.market_ns, machine_ns)
            if at is not None:
                wanted = min(wanted, max(at, self._elapse_from))
        return wanted

    def _due(self, now: Now) -> bool:
        """Whether a deadline of the core is due. In lock-step market deadlines wait for the clock's probe."""
        due = self.core.deadlines(self.state, now)
        if due.machine_ns is not None and due.machine_ns <= now.machine_ns:
            return True
        return not self.market.lockstep and due.market_ns is not None and due.market_ns <= now.market_ns

    # Outputs.

    def flush(self, machine_ns: int, *, drained: bool = True, wire: tuple[int, int] = (0, 0)) -> Outputs:
        """Commit what was handled, and return what may be sent now.

        `drained`: the driver has no more inputs at this moment, so a probe may be answered. `wire`: the gateway's frame
        counts (received, sent) on the broker's socket.
        """
        batch = self._batch
        if batch:
            try:
                self.ledger.commit(batch)
            except ConstraintBroken as broken:
                if len(self._inputs) != 1:
                    raise  # crash: the next run commits input by input at first, and refuses only the one that fails
                self._refuse(self._inputs[0], broken)
        self._batch = Batch()
        self._inputs.clear()
        if self.ready is not self.announced_ready:
            self.announced_ready = not self.announced_ready
            for link in self.links.values():
                self._send_beat(link)
        outputs = self._outputs
        for link in self.links.values():
            if link.owed_ack:
                link.owed_ack = False
                outputs.frames.append((link.peer, _encode(Ack(link.cursor or 0, link.epoch))))
        if drained and self._probe_state.waiting(self.ticks) and self.ready:
            self._answer_probe(outputs, wire)
        self._outputs = Outputs()
        return outputs

    @property
    def ready(self) -> bool:
        """Whether the dialled links are up and caught up, and the core is ready."""
        return all(link.caught_up for link in self.links.values() if link.dialed) and self.core.ready(self.state)

    def beat_after(self, machine_ns: int) -> int:
        """Machine time of the next heartbeat. An idle fleet sends few, so it costs almost nothing.

        Slow heartbeats are sent at the same time, so that a receiver of many wakes up once.
        """
        if machine_ns - self._active_ns < QUIET_NS:
            return machine_ns + BEAT_NS
        return (machine_ns // SLOW_BEAT_NS + 1) * SLOW_BEAT_NS

    @property
    def careful(self) -> bool:
        """True for the first inputs of a run. Each is committed alone, to find one that breaks a constraint."""
        return self._work < CAREFUL_INPUTS

    @property
    def pending(self) -> int:
        """Own rows without an acknowledgement. The recorder and removed symbols do not count."""
        return sum(
            link.pending for link in self.links.values() if link.peer != "recorder" and not self._was_removed(link.peer)
        )

    def _was_removed(self, peer: str) -> bool:
        """Whether this is the process of a removed symbol. Its last frames may come after the removal."""
        return self._symbol_processes is not None and is_symbol_process(peer) and peer not in self._symbol_processes

    # Handling.

    def _handle(self, message: Any, now: Now, sender: str, seq: int) -> None:
        self._work += 1
        if now.machine_ns - self._active_ns >= QUIET_NS:
            self._next_beat = self._next_round = (
                now.machine_ns
            )  # after idle time, beat at once to find out which peers are there
        self._active_ns = now.machine_ns
        try:
            item = _encoded(message, now, sender, seq, self.core.handle(self.state, message, now))
        except Exception as error:  # a message that can't be handled must not stop the process
            item = _encoded(message, now, sender, seq, self._refusal(message, sender, seq, error, now))
        self._take(item)

    def _handle_envelope(self, envelope: Envelope, machine_ns: int, sender: str, seq: int) -> None:
        """Handle the message of a row. One that can't be decoded (of a later release) is refused."""
        now = self._now(machine_ns, envelope)
        try:
            message = messages.decode(envelope.body)
        except msgspec.DecodeError as error:
            self._work += 1
            self._take(_encoded(None, now, sender, seq, self._refusal(None, sender, seq, error, now)))
            return
        self._handle(message, now, sender, seq)

    def _take(self, item: _Input) -> None:
        """Apply a decision in memory and add it to the batch."""
        decision = item.decision
        if self._remembers:
            item.undo = [(kind, key, self.state.get(kind, key)) for kind, key, _ in decision.changes]
            self.state.apply(decision.changes)
        if type(item.message) is WatchlistChanged:
            self.forget_other_symbols((*item.message.watchlist, *item.message.winding_down))
        batch = self._batch
        kept = 0
        for (kind, key, _), record in zip(decision.changes, item.bodies, strict=True):
            if not is_volatile(kind):
                kept += 1
                batch.changes.append(RecordChange(kind.__name__, key, record))
        now = item.now
        cause = f"{item.sender}:{item.seq}" if item.seq else ""
        for (recipient, message), sent in zip(decision.messages, item.sent, strict=True):
            if recipient == "broker":
                self._outputs.broker.append(message)  # type: ignore[arg-type]
                continue
            if type(message) is Happened:
                self._outputs.noted.append(message)
            elif type(message) is WatchlistChanged:  # this is the clock; removed symbols still have to report to it
                self._set_symbols((*message.watchlist, *message.winding_down))
            self._head += 1
            body = msgspec.Raw(sent)
            envelope = _encode(
                Envelope(self.name, self.run, self._head, cause, now.market_ns, recipient, body, self.epoch)
            )
            row = OutboxRow(self._head, recipient, envelope)
            batch.rows.append(row)
            for link in self._route(recipient):
                link.add(row)
                if not self._was_removed(link.peer):
                    self._probe_state.reach(link.peer)
                self._send_rows(link)
        for topic, message in decision.published:
            if type(message) is Tick:
                self.ticks[message.symbol] = (message.run, message.number)
            self._outputs.published.append((topic, message))
        if (kept or decision.messages) and self._remembers:
            batch.journal.append(JournalLine(now.market_ns, now.machine_ns, item.sender, _encode(item.message)))
        if item.seq:
            batch.cursors[item.sender] = item.seq
        self._inputs.append(item)

    def _route(self, recipient: str) -> list[Link]:
        """The links that want rows for this recipient. Cached until a link opens."""
        found = self._routes.get(recipient)
        if found is None:
            found = self._routes[recipient] = [link for link in self.links.values() if link.wants(recipient)]
        return found

    def _refuse(self, item: _Input, broken: ConstraintBroken) -> None:
        """The only input of this batch broke a constraint: undo it, and commit its refusal instead."""
        self._head -= len(self._batch.rows)
        self.state.apply(item.undo)  # not from the ledger, which has no volatile records
        self._outputs = Outputs()
        self._batch, self._inputs = Batch(), []
        for link in self.links.values():
            if link.peer_interest is not None:
                link.reopen(link.acked, link.peer_interest, self.ledger.rows_after(link.acked))
                self._send_rows(link)
        refusal = self._refusal(item.message, item.sender, item.seq, broken, item.now)
        self._take(_encoded(item.message, item.now, item.sender, item.seq, refusal))
        self.ledger.commit(self._batch)

    def _refusal(self, message: Any, sender: str, seq: int, error: Exception, now: Now) -> Decision:
        symbol = str(getattr(message, "symbol", "") or getattr(getattr(message, "plan", None), "symbol", ""))
        text = f"{type(message).__name__}: {type(error).__name__}: {error}"
        self._outputs.noted.append(
            Happened("message_refused", symbol, "ERROR", {"error": text, "producer": sender, "seq": seq}, now.market_ns)
        )
        return Decision(messages=[("fleet", Refused(sender, seq, symbol, text))])

    def _note(self, event: str, level: str, fields: dict[str, Any], machine_ns: int) -> None:
        """An event of the actor itself."""
        now = self._now(machine_ns)
        decision = Decision(messages=[("recorder", Happened(event, "", level, fields, now.market_ns))])
        self._take(_encoded(None, now, "", 0, decision))

    def _lose_own(self, machine_ns: int) -> None:
        """Our own ledger is lost: report it once, and let the core do what it can."""
        if not self._told_lost:
            self._told_lost = True
            self._handle(LedgerLost(self.name, self.epoch), self._now(machine_ns), "", 0)

    def _state_of(self, records: Mapping[str, Mapping[str, bytes]]) -> State:
        state = State(self.core.kinds)
        for kind in self.core.kinds:
            decode: Any = msgspec.json.Decoder(kind).decode
            state.apply([(kind, key, decode(body)) for key, body in records.get(kind.__name__, {}).items()])
        return state

    # Links.

    def _link(self, peer: str, interest: tuple[str, ...], *, dialed: bool) -> Link:
        link = Link(self.name, peer, interest, self._cursors.get(peer), dialed, self._epochs.get(peer, 0))
        self.links[peer] = link
        return link

    def _send(self, link: Link, frame: Frame) -> None:
        self._outputs.frames.append((link.peer, _encode(frame)))

    def _send_rows(self, link: Link) -> None:
        for row in link.outgoing():
            self._send(link, row)

    def _receive_row(self, link: Link, row: Row, machine_ns: int) -> None:
        envelope = _decode_envelope(row.envelope)
        # Of another ledger, in which our cursor means nothing; or sent to a run of ours that had a cursor.
        if link.cursor is None or envelope.epoch != link.epoch:
            self._resume(link, machine_ns)
            return
        cursor = link.cursor
        if row.seq <= cursor:
            link.owed_ack = True
            return
        if row.prev > cursor:
            self._resume(link, machine_ns)
            return
        self.market.follow(envelope.time_ns)
        self._handle_envelope(envelope, machine_ns, link.peer, row.seq)
        link.cursor = row.seq
        link.owed_ack = True
        if not link.caught_up:
            link.caught_up = link.peer_run != 0 and 0 <= link.peer_head <= row.seq

    def _receive_snapshot(self, link: Link, snapshot: Snapshot, machine_ns: int) -> None:
        if snapshot.resumed != link.cursor:
            return  # a second answer: the first one is taken, and rows have followed it
        other_ledger = link.cursor is not None and snapshot.epoch != link.epoch
        link.epoch = self._batch.epochs[link.peer] = snapshot.epoch
        if other_ledger:
            self._handle(LedgerLost(link.peer, snapshot.epoch), self._now(machine_ns), link.peer, 0)
        if snapshot.lost:
            self._lose_own(machine_ns)
        for raw in snapshot.envelopes:
            self._handle_envelope(_decode_envelope(raw), machine_ns, link.peer, 0)
        link.cursor = self._batch.cursors[link.peer] = snapshot.seq
        link.caught_up = 0 <= link.peer_head <= snapshot.seq
        link.owed_ack = True

    def _receive_beat(self, link: Link, beat: Beat, machine_ns: int) -> None:
        if link.is_new_run(beat.run, beat.epoch):
            if link.dialed:
                self._send_beat(link)
            self._resume(link, machine_ns)
        if not link.dialed:
            self._send_beat(link)
        link.peer_ready = beat.ready
        link.peer_head = beat.head
        if link.opened and beat.counts_in == self.epoch and beat.cursor <= link.head:
            self._acknowledge(link, beat.cursor)  # an acknowledgement may have been lost
        other_ledger = beat.epoch != link.epoch
        behind = beat.head == UNOPENED or link.cursor is None or other_ledger or link.cursor < beat.head
        link.caught_up = not behind
        if behind:
            # No progress for a second while behind: rows were lost, or the frame that opened the link.
            cursor, since = self._stalled.get(link.peer, (None, 0))
            if cursor != link.cursor or since == 0:
                self._stalled[link.peer] = (link.cursor, machine_ns)
            elif machine_ns - since >= SECOND:
                self._stalled.pop(link.peer)
                self._resume(link, machine_ns, again=True)
        else:
            self._stalled.pop(link.peer, None)

    def _resume(self, link: Link, machine_ns: int, *, again: bool = False) -> None:
        """Request rows from our cursor on. A burst of rows after a gap requests once."""
        if again or link.resumed_at < 0 or machine_ns - link.resumed_at >= SECOND:
            link.resumed_at = machine_ns
            self._send(link, Resume(link.cursor, link.interest, link.epoch, self.epoch))

    def _reopen(self, link: Link, resume: Resume) -> None:
        """The consumer opened. If rows that it needs are pruned or lost, send our state as a snapshot first."""
        cursor, interest = resume.cursor, resume.interest
        acked = self._acked.get(link.peer)
        lost = cursor is None and self._consumers.get(link.peer, UNKNOWN) not in (UNKNOWN, resume.ledger)
        other_ledger = cursor is not None and resume.epoch != self.epoch
        known = 0 if other_ledger else cursor or 0
        # Rows that it has acknowledged may be pruned, later ones never are (see `_prune`).
        lost_its_place = acked is None or known < acked
        gone = known + 1 < self.ledger.oldest() and lost_its_place
        lost = lost or (gone and known < link.confirmed)
        link.confirmed = known
        if lost or gone or known > self._committed_head:
            # What a consumer acknowledged before it lost its ledger is not repeated: it would carry out old commands.
            known = min(acked or 0, self._committed_head) if lost else self._committed_head
            wanted = [(t, m) for t, m in self.core.snapshot(self.state, interest) if matches(t, link.peer, interest)]
            envelopes = tuple(self._enclose(topic, message) for topic, message in wanted)
            self._send(link, Snapshot(known, envelopes, cursor, self.epoch, lost))
        elif cursor is None or other_ledger:
            self._send(link, Snapshot(0, (), cursor, self.epoch))
        self._routes.clear()
        link.reopen(known, interest, self.ledger.rows_after(known))
        for row in self._batch.rows:
            if row.seq > known and link.wants(row.recipient):
                link.add(row)
        if acked is None or self._consumers.get(link.peer) != resume.ledger:
            self.ledger.commit(Batch(acked={link.peer: known}, consumers={link.peer: resume.ledger}))
            self._consumers[link.peer] = resume.ledger
        self._acked[link.peer] = known
        self._send_rows(link)
        self._send_beat(link)

    def _acknowledge(self, link: Link, cursor: int) -> None:
        link.acknowledge(cursor)
        self._acked[link.peer] = link.acked
        self._send_rows(link)

    def _prune(self, machine_ns: int) -> None:
        """Delete the rows that every consumer has.

        A consumer with nothing pending keeps none, even if its cursor is low.
        """
        through = self._committed_head
        for peer, acked in self._acked.items():
            link = self.links.get(peer)
            if link is None or not link.opened or link.pending:
                through = min(through, acked)
        if self._acked:
            self.ledger.commit(Batch(acked=dict(self._acked)))
            self.ledger.prune(through, self.market.now(machine_ns) - JOURNAL_KEPT_NS)

    def _enclose(self, topic: str, message: Message) -> msgspec.Raw:
        body = msgspec.Raw(messages.encode(message))
        return msgspec.Raw(_encode(Envelope(self.name, self.run, 0, "", self.market.now(0), topic, body, self.epoch)))

    @property
    def _committed_head(self) -> int:
        return self._head - len(self._batch.rows)

    def _send_beat(self, link: Link) -> None:
        head = link.head if link.opened else UNOPENED
        self._send(link, Beat(self.run, self.ready, head, link.cursor or 0, self.epoch, link.epoch))

    def _beat(self, machine_ns: int) -> None:
        """Send beats on dialled links, which answer them. Peers that have never answered get beats more often."""
        dialed = [link for link in self.links.values() if link.dialed]
        unknown = [link for link in dialed if link.peer_run == 0]
        all_links = machine_ns >= self._next_round
        if all_links:
            self._next_round = self.beat_after(machine_ns)
        for link in dialed if all_links else unknown:
            self._send_beat(link)
        self._next_beat = machine_ns + HELLO_NS if unknown else self._next_round

    # Lock-step.

    def _receive_probe(self, probe: Probe, machine_ns: int) -> None:
        self._probe_state.receive(probe)
        self.market.reach(probe.time_ns)
        if probe.elapse:
            self.elapse_market(machine_ns)

    def _answer_probe(self, outputs: Outputs, wire: tuple[int, int]) -> None:
        idle = self._probe_state.answer(
            run=self.run,
            pending=self.pending,
            work=self._work,
            ticks=self.ticks,
            wire=wire,
            deadline_ns=self.market_deadline(),
        )
        outputs.frames.append(("clock", _encode(idle)))
