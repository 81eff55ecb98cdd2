"""Ledgers are lost, of any process and at any time: every consumer ends with what its producers have.

The cores here know what they sent, so a snapshot has it. A text that came as a row is never handled twice.
"""

from __future__ import annotations

import copy
from collections import Counter

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messages import Message
from messages.operator import Happened
from messages.timers import LedgerLost
from services.runtime.core import Deadlines, Decision, Draft, Now, State
from tests.runtime.network import Network, SendText

DIALS: dict[str, dict[str, tuple[str, ...]]] = {
    "gateway": {"recorder": ()},
    "risk": {"gateway": ("*",), "recorder": ()},
    "symbol-TSLA": {"gateway": ("TSLA", "fleet"), "risk": ("TSLA", "fleet"), "recorder": ()},
    "recorder": {},
}
PRODUCERS = ("gateway", "risk", "symbol-TSLA")
HEARS = {
    "gateway": ("risk", "symbol-TSLA", "recorder"),
    "risk": ("symbol-TSLA", "recorder"),
    "symbol-TSLA": ("recorder",),
}


class Sent(msgspec.Struct, frozen=True):
    """A text that this process sent, in this ledger."""

    text: str

    @property
    def key(self) -> str:
        return self.text


class Known(msgspec.Struct, frozen=True):
    """A text that this process received: how often as a row."""

    text: str
    rows: int

    @property
    def key(self) -> str:
        return self.text


class Lost(msgspec.Struct, frozen=True):
    """A loss that was reported to the core."""

    process: str
    epoch: int

    @property
    def key(self) -> str:
        return f"{self.process} {self.epoch}"


class Teller:
    """Its snapshot has every text that it sent."""

    kinds: tuple[type, ...] = (Sent, Known, Lost)

    def ready(self, state: State) -> bool:
        return True

    def deadlines(self, state: State, now: Now) -> Deadlines:
        return Deadlines()

    def snapshot(self, state: State, interest: tuple[str, ...]) -> list[tuple[str, Message]]:
        return [("fleet", Happened(sent.text, "", "INFO", {}, 0)) for sent in state.table(Sent).values()]

    def handle(self, state: State, message: Message | SendText, now: Now) -> Decision:
        d = Draft(state, now)
        match message:
            case SendText(recipient, text):
                d.put(Sent(text))
                d.send(recipient, Happened(text, "", "INFO", {}, now.market_ns))
            case Happened(event=text) if not text.startswith("ledger"):
                known = d.get(Known, text) or Known(text, 0)
                row = now.source is not None and now.source.seq > 0
                d.put(msgspec.structs.replace(known, rows=known.rows + row))
            case LedgerLost(process, epoch):
                assert d.get(Lost, f"{process} {epoch}") is None, "reported twice"
                d.put(Lost(process, epoch))
        return d.decision


def network(seed: int, loss: float) -> Network:
    net = Network(seed, {name: {} for name in DIALS}, loss=loss)
    net.dials = DIALS
    for name in DIALS:
        net.cores[name] = Teller()  # type: ignore[assignment]
    for name in DIALS:
        start(net, name)
    return net


def start(net: Network, name: str) -> None:
    net.start(name)
    if name == "recorder":
        net.actors[name]._default_interest = ("**",)


def texts(net: Network, name: str) -> list[str]:
    return [sent.text for sent in net.actors[name].state.table(Sent).values()]


def known(net: Network, name: str) -> dict[str, int]:
    return {k.text: k.rows for k in net.actors[name].state.table(Known).values()}


def losses(net: Network, name: str) -> list[tuple[str, int]]:
    return [(lost.process, lost.epoch) for lost in net.actors[name].state.table(Lost).values()]


def lose(net: Network, *names: str) -> None:
    """The files of these processes are removed while they are down."""
    for name in names:
        net.ledgers[name].lose()
    for name in names:
        start(net, name)


counts: Counter[str] = Counter()
step = st.one_of(
    st.tuples(st.just("send"), st.sampled_from(PRODUCERS)),
    st.tuples(st.just("lose"), st.sampled_from(tuple(DIALS))),
    st.tuples(st.just("kill"), st.sampled_from(tuple(DIALS))),
    st.tuples(st.just("prune"), st.sampled_from(PRODUCERS)),
    st.tuples(st.just("deliver"), st.integers(1, 40)),
    st.tuples(st.just("tick"), st.just("")),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**16), st.sampled_from((0.0, 0.1)), st.lists(step, min_size=5, max_size=60))
def test_every_consumer_ends_with_what_its_producers_have(
    seed: int, loss: float, steps: list[tuple[str, str | int]]
) -> None:
    net = network(seed, loss)
    net.settle(4)
    for number, (what, where) in enumerate(steps):
        counts[what] += 1
        match what, where:
            case "send", str(name):
                net.send_text(name, "fleet", f"{name}:{number}")
                net.flush(name)
            case "lose", str(name):
                lose(net, name)
            case "kill", str(name):
                start(net, name)
            case "prune", str(name):
                net.actors[name]._prune(net.now)
            case "deliver", int(frames):
                for _ in range(frames):
                    queues = [pair for pair, queue in net.queues.items() if queue]
                    if queues:
                        pair = net.random.choice(queues)
                        net.deliver(*pair)
                        net.flush(pair[1])
            case _:
                net.tick()
    net.settle()
    for producer, consumers in HEARS.items():
        for consumer in consumers:
            received = known(net, consumer)
            missing = [text for text in texts(net, producer) if text not in received]
            assert not missing, (producer, consumer, missing)
            assert max(received.values(), default=0) <= 1, "a row was handled twice"
            assert net.actors[consumer].links[producer].epoch == net.actors[producer].epoch
    assert all(actor.ready for actor in net.actors.values())
    assert not any(actor.pending for actor in net.actors.values())


def test_the_property_test_did_all_of_it() -> None:
    assert all(counts[what] > 100 for what in ("send", "lose", "kill", "prune", "deliver", "tick")), counts


def spoken() -> Network:
    """Every producer has sent ten texts, which all consumers have; the rows are pruned."""
    net = network(1, 0.0)
    net.settle(4)
    for name in PRODUCERS:
        for n in range(10):
            net.send_text(name, "fleet", f"{name}:old {n}")
            net.flush(name)
    net.settle(4)
    for name in PRODUCERS:
        net.actors[name]._prune(net.now)
    return net


def test_a_lost_producer_whose_new_rows_passed_the_old_cursor() -> None:
    """The recorder is away while the gateway loses its ledger and sends more rows than the recorder has seen."""
    net = spoken()
    away = net.actors.pop("recorder")
    before = away.links["gateway"].cursor
    lose(net, "gateway")
    for n in range(2 * (before or 0)):
        net.send_text("gateway", "fleet", f"gateway:new {n}")
        net.flush("gateway")
    for queue in net.queues.values():
        queue.clear()
    start(net, "recorder")
    net.settle()
    received = known(net, "recorder")
    assert [text for text in received if ":new" in text and text.startswith("gateway")] == texts(net, "gateway")
    assert all(received[text] == 1 for text in texts(net, "gateway"))
    assert losses(net, "recorder") == [("gateway", 1)]


def test_a_process_hears_once_that_its_own_ledger_is_lost() -> None:
    net = spoken()
    lose(net, "risk")
    net.settle()
    assert losses(net, "risk") == [("risk", 1)]
    assert losses(net, "gateway") == [("risk", 1)]
    assert losses(net, "symbol-TSLA") == [("risk", 1)]
    start(net, "risk")
    net.settle()
    assert losses(net, "risk") == [("risk", 1)]


def test_all_ledgers_lost_is_a_first_start() -> None:
    net = spoken()
    lose(net, *DIALS)
    net.settle()
    assert [losses(net, name) for name in DIALS] == [[], [], [], []]


def test_a_lost_consumer_gets_no_old_command_again() -> None:
    """Rows that it had acknowledged may still be kept, because another consumer is away."""
    net = spoken()
    del net.actors["recorder"]
    net.send_text("risk", "gateway", "risk:command")
    net.flush("risk")

    def pass_time() -> None:
        for _ in range(8):
            net.tick()
            while queues := [pair for pair, queue in net.queues.items() if queue and pair[1] != "recorder"]:
                for pair in queues:
                    net.deliver(*pair, frames=100)
                    net.flush(pair[1])

    pass_time()
    assert known(net, "gateway")["risk:command"] == 1
    assert net.ledgers["risk"].rows_after(0), "the rows wait for the recorder"
    lose(net, "gateway")
    pass_time()
    assert net.actors["gateway"].links["risk"].cursor
    assert not any(known(net, "gateway").values()), "handled again"


def test_a_delayed_acknowledgement_of_a_lost_ledger_counts_nothing() -> None:
    net = spoken()
    risk = net.actors["risk"]
    late = risk.links["gateway"]
    late.owed_ack = True
    lose(net, "gateway")
    net.send_text("gateway", "fleet", "gateway:new")
    net.flush("gateway")
    net.flush("risk")  # its Ack counts in the old ledger
    net.settle()
    assert known(net, "risk")["gateway:new"] == 1


def test_a_consumer_whose_ledger_was_set_back_hears_that_it_has_lost_something() -> None:
    """The newest commits are gone: a torn log, or a copy that was put back."""
    net = network(1, 0.0)
    net.settle(4)
    old = copy.deepcopy(net.ledgers["risk"])
    for n in range(5):
        net.send_text("gateway", "fleet", f"gateway:{n}")
        net.flush("gateway")
    net.settle(4)
    net.actors["gateway"]._prune(net.now)
    net.ledgers["risk"] = old
    start(net, "risk")
    net.settle()
    assert losses(net, "risk") == [("risk", 0)]
    assert set(known(net, "risk")) == set(texts(net, "gateway"))
