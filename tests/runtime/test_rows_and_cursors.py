"""Rows arrive once and in order, whatever frames are lost and whichever process is killed."""

from __future__ import annotations

from collections import defaultdict
from typing import ClassVar

import msgspec
import pytest

import messages
from messages.frames import Beat, Envelope, Frame, Idle, Probe, Resume, Row, Snapshot
from messages.market import MarketTime, Tick
from messages.operator import Refused
from messages.timers import Elapsed
from services.runtime.actor import Actor
from services.runtime.core import Deadlines, Now, State
from services.runtime.ledger import MemoryLedger, Unique
from services.runtime.link import WINDOW, Link, matches
from services.runtime.market_clock import STALE_NS, MarketClock
from tests.runtime.network import SECOND, Network, Received, Relay

decode_frame = msgspec.msgpack.Decoder(Frame).decode
encode_frame = msgspec.msgpack.Encoder().encode

DIALS: dict[str, dict[str, tuple[str, ...]]] = {
    "gateway": {},
    "risk": {"gateway": ("*",)},
    "symbol-TSLA": {"gateway": ("TSLA", "fleet"), "risk": ("TSLA", "fleet")},
    "symbol-NVDA": {"gateway": ("NVDA", "fleet"), "risk": ("NVDA", "fleet")},
}
TRAFFIC = [
    ("gateway", ("TSLA", "NVDA", "fleet", "risk")),
    ("risk", ("TSLA", "NVDA", "fleet", "gateway", "symbol-TSLA")),
    ("symbol-TSLA", ("gateway", "risk")),
    ("symbol-NVDA", ("gateway", "risk", "gateway")),
]


def hears(consumer: str, producer: str, recipient: str) -> bool:
    """Whether this consumer should receive it, by the simplest rule."""
    if recipient == consumer:
        return True
    interest = DIALS[consumer].get(producer, ())
    return recipient in interest or ("*" in interest and recipient in ("TSLA", "NVDA", "fleet"))


def messages_in(ledger: MemoryLedger, kind: type) -> list[object]:
    bodies = (msgspec.msgpack.decode(row.envelope, type=Envelope).body for row in ledger.rows_after(0))
    return [m for m in map(messages.decode, bodies) if isinstance(m, kind)]


@pytest.mark.parametrize("seed", range(30))
def test_every_row_is_handled_once_and_in_order(seed: int) -> None:
    net = Network(seed, DIALS, loss=0.15)
    net.settle(4)  # everyone has opened once: from here on nothing may be forgotten
    expected: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    number = 0
    for _ in range(900):
        action = net.random.random()
        name = net.random.choice(list(DIALS))
        if action < 0.25:
            speaker, recipients = net.random.choice(TRAFFIC)
            recipient = net.random.choice(recipients)
            number += 1
            text = f"{speaker}:{number}"
            net.send_text(speaker, recipient, text)
            if net.random.random() < 0.9:
                net.flush(speaker)  # committed: it must arrive
                for consumer in DIALS:
                    if consumer != speaker and hears(consumer, speaker, recipient):
                        expected[consumer][speaker].append(text)
            else:
                net.start(speaker)  # killed before it was committed
                net.counts["killed before the commit"] += 1
        elif action < 0.75:
            queues = [pair for pair, queue in net.queues.items() if queue]
            if queues:
                sender, receiver = net.random.choice(queues)
                net.deliver(sender, receiver, net.random.randint(1, 5))
                if net.random.random() < 0.9:
                    net.flush(receiver)
                else:
                    net.start(receiver)
                    net.counts["killed between handling and commit"] += 1
        elif action < 0.95:
            net.tick()
        elif action < 0.98:
            net.start(name)
            net.counts["killed"] += 1
        else:
            net.actors[name]._prune(0)
            net.counts["pruned"] += 1
    net.settle()
    for consumer in DIALS:
        received = net.received(consumer)
        assert all(times == 1 for times in received.values()), {t: n for t, n in received.items() if n != 1}
        for speaker in DIALS:
            assert [t for t in received if t.startswith(f"{speaker}:")] == expected[consumer][speaker]
    assert not any(actor.pending for actor in net.actors.values())
    assert all(actor.ready for actor in net.actors.values())
    for what in (
        "lost on the way",
        "killed before the commit",
        "killed between handling and commit",
        "killed",
        "pruned",
    ):
        assert net.counts[what] >= 5, f"{what} occurred too rarely: {net.counts}"
    for name, ledger in net.ledgers.items():
        net.actors[name]._prune(0)
        assert ledger.rows_after(0) == [], f"{name} keeps rows that everyone has"


def test_a_consumer_that_never_connected_gets_everything() -> None:
    """The recorder may start an hour after the others: rows wait for each process that their producer dials."""
    dials: dict[str, dict[str, tuple[str, ...]]] = {
        "gateway": {"recorder": ()},
        "risk": {"gateway": ("*",)},
        "recorder": {},
    }
    net = Network(1, dials)
    down = net.actors.pop("recorder")
    for n in range(5):
        net.send_text("gateway", "TSLA", f"gateway:{n}")
        net.flush("gateway")
        for _ in range(20):
            net.tick(20 * SECOND)
            for pair in [("gateway", "risk"), ("risk", "gateway")]:
                net.deliver(*pair, frames=100)
                net.flush(pair[1])
    assert list(net.received("risk")) == [f"gateway:{n}" for n in range(5)]
    del down
    net.start("recorder")
    net.actors["recorder"]._default_interest = ("**",)
    net.settle()
    assert net.received("recorder") == {f"gateway:{n}": 1 for n in range(5)}


def test_a_consumer_that_opened_once_is_remembered_across_a_kill() -> None:
    net = Network(1, {"gateway": {}, "risk": {"gateway": ("*",)}, "symbol-TSLA": {"gateway": ("TSLA",)}})
    net.settle(4)
    net.start("gateway")  # nothing was committed since both opened
    for peer in ("risk", "symbol-TSLA"):
        assert peer in net.actors["gateway"]._acked
    del net.actors["symbol-TSLA"]
    net.send_text("gateway", "TSLA", "gateway:1")
    net.flush("gateway")
    for _ in range(100):
        net.tick(SECOND)
        for pair in [("gateway", "risk"), ("risk", "gateway")]:
            net.deliver(*pair, frames=100)
            net.flush(pair[1])
    assert net.received("risk") == {"gateway:1": 1}
    net.start("symbol-TSLA")
    net.settle()
    assert net.received("symbol-TSLA") == {"gateway:1": 1}


class TestSnapshot:
    PAIR: ClassVar[dict[str, dict[str, tuple[str, ...]]]] = {
        "gateway": {},
        "symbol-TSLA": {"gateway": ("TSLA", "fleet")},
    }

    def spoken(self) -> Network:
        net = Network(1, self.PAIR)
        net.settle(4)
        for n in range(10):
            net.send_text("gateway", "TSLA", f"gateway:{n}")
            net.flush("gateway")
        net.settle(4)
        net.actors["gateway"]._prune(0)
        assert net.ledgers["gateway"].rows_after(0) == []
        return net

    def lose_the_consumer(self, net: Network) -> None:
        net.ledgers["symbol-TSLA"] = MemoryLedger("symbol-TSLA")
        net.start("symbol-TSLA")

    def test_for_a_consumer_whose_ledger_is_gone(self) -> None:
        net = self.spoken()
        self.lose_the_consumer(net)
        net.settle(4)
        assert net.received("symbol-TSLA") == {"snapshot": 1}  # what concerns it; NVDA's state does not
        net.send_text("gateway", "TSLA", "gateway:new")
        net.flush("gateway")
        net.settle(4)
        assert net.received("symbol-TSLA") == {"snapshot": 1, "gateway:new": 1}

    def test_none_for_a_consumer_whose_rows_are_all_kept(self) -> None:
        """Its cursor is older than the oldest row kept, but nothing between was for it."""
        net = self.spoken()
        for n in range(10):
            net.send_text("gateway", "NVDA", f"gateway:other {n}")
            net.flush("gateway")
        net.actors["gateway"]._prune(0)
        for restarted in ("symbol-TSLA", "gateway", "symbol-TSLA"):
            net.start(restarted)
            net.settle(4)
        assert list(net.received("symbol-TSLA")) == [f"gateway:{n}" for n in range(10)]

    def test_for_everyone_when_the_producers_ledger_is_gone(self) -> None:
        net = self.spoken()
        net.ledgers["gateway"] = MemoryLedger("gateway")
        net.start("gateway")
        net.settle(12)
        assert net.received("symbol-TSLA")["snapshot"] == 1
        net.send_text("gateway", "TSLA", "gateway:again")
        net.flush("gateway")
        net.settle(4)
        assert net.received("symbol-TSLA")["gateway:again"] == 1

    def test_answered_twice_counts_once(self) -> None:
        """Asked again because the first answer was slow: the second one must not turn the cursor back."""
        net = Network(1, self.PAIR)
        for n in range(3):
            net.send_text("gateway", "TSLA", f"gateway:{n}")
            net.flush("gateway")
        gateway = net.actors["gateway"]
        for _ in range(2):
            gateway.receive("symbol-TSLA", encode_frame(Resume(None, ("TSLA",))), net.now)
        net.flush("gateway")
        kinds = [type(decode_frame(f)) for f in net.queues["gateway", "symbol-TSLA"]]
        assert kinds.count(Snapshot) == 2
        assert kinds.count(Row) == 6
        net.settle(4)
        assert net.received("symbol-TSLA") == {"gateway:0": 1, "gateway:1": 1, "gateway:2": 1}


class TestOneFrameLost:
    """Whichever single frame of a conversation is lost, it heals."""

    @pytest.mark.parametrize("lost", range(24))
    def test_it_heals(self, lost: int) -> None:
        net = Network(1, TestSnapshot.PAIR)
        number = 0
        sent = 0
        for round_number in range(30):
            net.tick()
            for pair in [("gateway", "symbol-TSLA"), ("symbol-TSLA", "gateway")]:
                while net.queues[pair]:
                    if number == lost:
                        net.queues[pair].popleft()
                        net.counts["lost"] += 1
                    else:
                        net.deliver(*pair)
                        net.flush(pair[1])
                    number += 1
            if round_number in (0, 3, 6):
                net.send_text("gateway", "TSLA", f"gateway:{sent}")
                net.flush("gateway")
                sent += 1
        assert net.counts["lost"] == 1
        assert net.received("symbol-TSLA") == {f"gateway:{n}": 1 for n in range(sent)}
        assert net.actors["gateway"].pending == 0, "in lock-step the market would stand still for ever"
        assert net.actors["symbol-TSLA"].ready


class TestRefused:
    PAIR = TestSnapshot.PAIR

    def test_a_message_that_raises_is_skipped_and_reported(self) -> None:
        net = Network(1, self.PAIR)
        net.cores["symbol-TSLA"].fails = frozenset({"gateway:1"})
        for n in range(3):
            net.send_text("gateway", "TSLA", f"gateway:{n}")
            net.flush("gateway")
        net.settle(6)
        assert list(net.received("symbol-TSLA")) == ["gateway:0", "gateway:2"]
        (refused,) = messages_in(net.ledgers["symbol-TSLA"], Refused)
        assert isinstance(refused, Refused)
        assert (refused.producer, refused.seq) == ("gateway", 2)
        assert "more than I can take" in refused.error
        net.start("symbol-TSLA")
        net.settle(4)
        assert len(messages_in(net.ledgers["symbol-TSLA"], Refused)) == 1

    def test_a_message_of_a_later_release_is_skipped_and_reported(self) -> None:
        net = Network(1, self.PAIR)
        net.settle(4)
        body = msgspec.Raw(msgspec.msgpack.encode(["Invented", 1]))
        envelope = msgspec.Raw(encode_frame(Envelope("gateway", 1, 1, "", 0, "TSLA", body)))
        actor = net.actors["symbol-TSLA"]
        actor.receive("gateway", encode_frame(Row(0, 1, envelope)), net.now)
        actor.flush(net.now)
        assert len(messages_in(net.ledgers["symbol-TSLA"], Refused)) == 1
        assert net.ledgers["symbol-TSLA"].load().cursors == {"gateway": 1}

    def test_a_message_that_breaks_a_constraint_is_rolled_back_and_reported(self) -> None:
        net = Network(1, self.PAIR)
        net.constrain("symbol-TSLA", Unique("Received", "place"))
        ok, broken = "gateway:0", "gateway:1"
        net.send_text("gateway", "TSLA", ok)
        net.flush("gateway")
        net.settle(4)
        actor = net.actors["symbol-TSLA"]
        # A second record in the same place is what the ledger must not take.
        net.ledgers["symbol-TSLA"]._records["Received"]["x"] = msgspec.json.encode(Received("x", 1, 1))
        net.send_text("gateway", "TSLA", broken)
        net.send_text("gateway", "TSLA", "gateway:2")
        net.flush("gateway")
        frames = [f for f in net.queues["gateway", "symbol-TSLA"] if isinstance(decode_frame(f), Row)]
        assert len(frames) == 2
        actor.receive("gateway", frames[0], net.now)
        outputs = actor.flush(net.now)
        assert [h.event for h in outputs.noted] == ["message_refused"]
        assert actor.state.get(Received, broken) is None
        assert actor.state.get(Received, ok) is not None
        loaded = net.ledgers["symbol-TSLA"].load()
        assert broken not in loaded.records["Received"]
        assert loaded.cursors["gateway"] == 2, "it is not tried again for ever"
        assert len(messages_in(net.ledgers["symbol-TSLA"], Refused)) == 1

    def test_careful_at_the_start_of_a_run_only(self) -> None:
        net = Network(1, self.PAIR)
        assert net.actors["gateway"].careful
        for n in range(70):
            net.send_text("gateway", "TSLA", f"gateway:{n}")
        assert not net.actors["gateway"].careful

    def test_volatile_records_survive_a_rollback(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Received, "volatile", True, raising=False)
        ledger = MemoryLedger("x", [Unique("Place", "key")])
        actor = Actor("x", Relay(), ledger, dials={}, market=MarketClock(lockstep=True))
        from messages.operator import Happened

        actor.deliver(Happened("first", "", "INFO", {}, 0), 0)
        actor.flush(0)
        ledger._records["Place"]["other"] = msgspec.json.encode({"count": 0, "key": "same"})
        ledger._records["Place"]["another"] = msgspec.json.encode({"count": 0, "key": "same"})
        actor.deliver(Happened("second", "", "INFO", {}, 0), 0)
        actor.flush(0)
        assert actor.state.get(Received, "first") is not None
        assert actor.state.get(Received, "second") is None


class TestLink:
    def test_which_consumer_wants_which_row(self) -> None:
        assert matches("risk", "risk", ())
        assert matches("TSLA", "symbol-TSLA", ("TSLA", "fleet"))
        assert not matches("NVDA", "symbol-TSLA", ("TSLA", "fleet"))
        assert matches("BRK B", "risk", ("*",))
        assert matches("fleet", "risk", ("*",))
        assert not matches("gateway", "risk", ("*",))
        assert matches("gateway", "recorder", ("**",))

    def test_no_more_than_a_window_is_on_its_way(self) -> None:
        from services.runtime.ledger import OutboxRow

        link = Link("gateway", "risk", (), 0, False)
        link.reopen(0, ("*",), [OutboxRow(n, "TSLA", b"\xc0") for n in range(1, 2 * WINDOW + 1)])
        first = link.outgoing()
        assert [r.seq for r in first] == list(range(1, WINDOW + 1))
        assert link.outgoing() == []
        link.acknowledge(100)
        assert [(r.prev, r.seq) for r in link.outgoing()] == [(n - 1, n) for n in range(WINDOW + 1, WINDOW + 101)]
        assert link.pending == 2 * WINDOW - 100


class TestTicks:
    def tick(self, number: int, run: int = 1) -> Tick:
        return Tick("TSLA", run, number, 0, 10.0, 0)

    def test_each_once_and_only_newer_ones_of_a_run(self) -> None:
        class Counting(Relay):
            ticks: ClassVar[list[tuple[int, int]]] = []

            def handle(self, state: State, message, now: Now):  # type: ignore[no-untyped-def]
                if isinstance(message, Tick):
                    self.ticks.append((message.run, message.number))
                return super().handle(state, message, now)

        actor = Actor("x", Counting(), MemoryLedger("x"), dials={}, market=MarketClock(lockstep=True))
        for run, number in [(1, 1), (1, 1), (1, 3), (1, 2), (2, 1), (2, 1)]:
            actor.deliver(self.tick(number, run), 0)
        assert Counting.ticks == [(1, 1), (1, 3), (2, 1)]


class TestTimers:
    class Timed(Relay):
        due_ns: int | None = 5 * SECOND
        raises = False
        elapsed = 0

        def deadlines(self, state: State, now: Now) -> Deadlines:
            return Deadlines(machine_ns=self.due_ns)

        def handle(self, state: State, message, now: Now):  # type: ignore[no-untyped-def]
            if isinstance(message, Elapsed):
                self.elapsed += 1
                if self.raises:
                    raise ValueError("no")
                self.due_ns = None
            return super().handle(state, message, now)

    def test_elapsed_when_due_and_not_before(self) -> None:
        core = self.Timed()
        actor = Actor("x", core, MemoryLedger("x"), dials={}, market=MarketClock())
        actor.elapse(4 * SECOND)
        assert core.elapsed == 0
        assert actor.next_deadline(4 * SECOND) == 5 * SECOND
        actor.elapse(5 * SECOND)
        assert core.elapsed == 1

    def test_a_timer_that_raises_makes_no_busy_loop(self) -> None:
        core = self.Timed()
        core.raises = True
        actor = Actor("x", core, MemoryLedger("x"), dials={}, market=MarketClock())
        for now in range(5 * SECOND, 7 * SECOND, SECOND // 100):
            actor.elapse(now)
            assert actor.next_deadline(now) > now
        assert core.elapsed == 2


class TestLockstep:
    def test_a_probe_is_answered_when_everything_is_acknowledged(self) -> None:
        net = Network(1, {"clock": {}, "gateway": {"clock": ()}, "risk": {"gateway": ("*",)}})
        net.settle(4)
        gateway = net.actors["gateway"]
        gateway.receive("clock", encode_frame(Probe(1, 1, 77 * SECOND)), net.now)
        net.send_text("gateway", "TSLA", "gateway:0")
        first = self.idle(gateway, net)
        assert (first.pending, first.reached) == (1, ("risk",))
        assert gateway.market.now(0) == 77 * SECOND
        net.queues["gateway", "risk"].extend(self.rows)
        net.settle(2)
        gateway.receive("clock", encode_frame(Probe(1, 2, 77 * SECOND)), net.now)
        second = self.idle(gateway, net)
        assert (second.wave, second.pending) == (2, 0)
        gateway.receive("clock", encode_frame(Probe(2, 1, 78 * SECOND)), net.now)
        third = self.idle(gateway, net)
        assert (third.work, third.reached) == (second.work, ())

    rows: ClassVar[list[bytes]] = []

    def idle(self, actor: Actor, net: Network) -> Idle:
        frames = actor.flush(net.now).frames
        type(self).rows = [frame for peer, frame in frames if peer == "risk"]
        (found,) = [
            f for f in (decode_frame(frame) for peer, frame in frames if peer == "clock") if isinstance(f, Idle)
        ]
        return found

    def test_not_before_its_inputs_are_drained(self) -> None:
        actor = Actor("x", Relay(), MemoryLedger("x"), dials={}, market=MarketClock(lockstep=True))
        actor.receive("clock", encode_frame(Probe(1, 1, 5)), 0)
        assert [p for p, f in actor.flush(0, drained=False).frames if isinstance(decode_frame(f), Idle)] == []
        assert [p for p, f in actor.flush(0).frames if isinstance(decode_frame(f), Idle)] == ["clock"]

    def test_it_waits_for_the_tick_of_the_probe(self) -> None:
        actor = Actor("x", Relay(), MemoryLedger("x"), dials={}, market=MarketClock(lockstep=True))
        actor.deliver(Tick("TSLA", 1, 4, 0, 1.0, 0), 0)
        actor.receive("clock", encode_frame(Probe(1, 1, 5, symbol="TSLA", tick=(1, 5))), 0)
        assert not any(isinstance(decode_frame(f), Idle) for _, f in actor.flush(0).frames)
        actor.deliver(Tick("TSLA", 1, 5, 0, 1.0, 0), 0)
        assert any(isinstance(decode_frame(f), Idle) for _, f in actor.flush(0).frames)


class TestMarketTime:
    def test_runs_on_to_the_boundary_and_never_back(self) -> None:
        clock = MarketClock()
        assert clock.now(5) == 0
        clock.update(MarketTime(1000 * SECOND, 0, 60.0, 1090 * SECOND))
        assert clock.now(SECOND) == 1060 * SECOND
        assert clock.now(2 * SECOND) == 1090 * SECOND
        clock.update(MarketTime(1050 * SECOND, 2 * SECOND, 60.0, 2000 * SECOND))
        assert clock.now(2 * SECOND) == 1090 * SECOND

    def test_stands_still_once_the_clock_is_stale(self) -> None:
        clock = MarketClock()
        clock.update(MarketTime(0, 0, 60.0, 10**18))
        assert not clock.stale(STALE_NS)
        assert clock.stale(STALE_NS + 1)
        assert clock.now(100 * SECOND) == clock.now(STALE_NS) == 60 * STALE_NS
        assert clock.machine_at(60 * STALE_NS + SECOND, STALE_NS) is None

    def test_when_it_will_be(self) -> None:
        clock = MarketClock()
        clock.update(MarketTime(1000 * SECOND, 0, 60.0, 1200 * SECOND))
        at = clock.machine_at(1060 * SECOND, 0)
        assert at is not None
        assert clock.now(at) >= 1060 * SECOND
        assert clock.machine_at(1300 * SECOND, 0) is None, "the clock will have something to say before"

    def test_in_lockstep_it_moves_only_when_reached(self) -> None:
        clock = MarketClock(lockstep=True)
        clock.update(MarketTime(1000 * SECOND, 0, 60.0, 10**18))
        assert clock.now(SECOND) == 0
        clock.follow(5)
        clock.reach(3)
        assert clock.now(0) == 5
        assert not clock.stale(10**18)


def test_beats_show_whether_a_link_is_open() -> None:
    actor = Actor("gateway", Relay(), MemoryLedger("gateway"), dials={}, market=MarketClock(lockstep=True))
    actor.receive("risk", encode_frame(Beat(1, True, 0, 0)), 0)
    beats = [f for f in (decode_frame(frame) for _, frame in actor.flush(0).frames) if isinstance(f, Beat)]
    assert [b.head for b in beats] == [-1] * len(beats)
    actor.receive("risk", encode_frame(Resume(0, ("*",))), 0)
    beats = [f for f in (decode_frame(frame) for _, frame in actor.flush(0).frames) if isinstance(f, Beat)]
    assert beats[-1].head == 0
