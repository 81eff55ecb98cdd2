"""Real ZeroMQ in a temporary folder: what arrives, what late subscribers get, which command is answered."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from messages.market import MarketTime, Tick
from messages.operator import Answer, Pause, Sql
from services.runtime.bus import Bus, NoAnswer, ask, latest, serve_control


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bus-", dir="/tmp") as name:
        yield Path(name)


def until(probe: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Until it is so; an answer that never comes fails the test."""
    end = time.monotonic() + timeout_s
    while not probe():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


def tick(number: int, symbol: str = "TSLA") -> Tick:
    return Tick(symbol, 1, number, 0, 10.0, 0)


class TestLinks:
    def test_both_ways_and_named(self, folder: Path) -> None:
        with Bus("risk", folder, binds=True) as risk, Bus("symbol-TSLA", folder, dials=["risk"]) as symbol:
            at_risk: list[tuple[str, bytes]] = []
            at_symbol: list[tuple[str, bytes]] = []

            def received() -> bool:
                symbol.send("risk", b"may I?")
                at_risk.extend(risk.frames())
                return bool(at_risk)

            until(received)
            assert set(at_risk) == {("symbol-TSLA", b"may I?")}
            risk.send("symbol-TSLA", b"yes")
            until(lambda: at_symbol.extend(symbol.frames()) or at_symbol)
            assert at_symbol == [("risk", b"yes")]

    def test_a_frame_without_a_receiver_is_dropped_at_once(self, folder: Path) -> None:
        with Bus("risk", folder, binds=True, dials=["gateway"]) as risk:
            for _ in range(5000):
                risk.send("gateway", b"x")
                risk.send("symbol-NONE", b"x")

    def test_a_new_life_takes_over_its_name(self, folder: Path) -> None:
        """The old one was killed and its connection still stands: the new one gets the mail."""
        with Bus("risk", folder, binds=True) as risk, Bus("symbol-TSLA", folder, dials=["risk"]) as old:
            until(lambda: old.send("risk", b"old") or list(risk.frames()))
            with Bus("symbol-TSLA", folder, dials=["risk"]) as new:
                until(lambda: new.send("risk", b"new") or ("symbol-TSLA", b"new") in list(risk.frames()))
                list(old.frames())
                got: list[tuple[str, bytes]] = []
                until(lambda: risk.send("symbol-TSLA", b"mail") or got.extend(new.frames()) or got)
                assert got[0] == ("risk", b"mail")
                assert list(old.frames()) == []

    def test_every_peer_gets_a_share(self, folder: Path) -> None:
        with (
            Bus("risk", folder, binds=True) as risk,
            Bus("symbol-A", folder, dials=["risk"]) as a,
            Bus("symbol-B", folder, dials=["risk"]) as b,
        ):
            first: set[str] = set()
            until(
                lambda: (
                    a.send("risk", b"0")
                    or b.send("risk", b"0")
                    or first.update(p for p, _ in risk.frames())
                    or len(first) == 2
                )
            )
            for _ in range(300):
                a.send("risk", b"1")
            b.send("risk", b"1")
            seen: list[str] = []
            until(lambda: seen.extend(p for p, f in risk.frames() if f == b"1") or len(seen) == 301)
            assert seen.count("symbol-B") == 1


class TestPublications:
    def test_the_last_value_awaits_a_subscriber(self, folder: Path) -> None:
        with Bus("gateway", folder, publishes=True) as gateway:
            for n in (1, 2, 3):
                gateway.publish("TSLA", tick(n))
                gateway.publish("NVDA", tick(n, "NVDA"))
            with Bus("symbol-TSLA", folder, subscribes={"gateway": ["TSLA"]}) as symbol:
                got: list[object] = []
                until(lambda: list(gateway.publications()) or got.extend(symbol.publications()) or got)
                assert got == [tick(3)]

    def test_only_the_subscribed_topics(self, folder: Path) -> None:
        with (
            Bus("gateway", folder, publishes=True) as gateway,
            Bus("symbol-T", folder, subscribes={"gateway": ["T"]}) as one,
            Bus("risk", folder, subscribes={"gateway": [""]}) as everything,
        ):
            got: list[object] = []
            received: list[object] = []
            gateway.publish("T", tick(0, "T"))
            until(lambda: list(gateway.publications()) or got.extend(one.publications()) or got)
            until(lambda: list(gateway.publications()) or received.extend(everything.publications()) or received)
            gateway.publish("TSLA", tick(1))
            gateway.publish("T", tick(1, "T"))
            until(lambda: got.extend(one.publications()) or tick(1, "T") in got)
            until(lambda: received.extend(everything.publications()) or tick(1, "T") in received)
            assert tick(1) not in got
            assert tick(1) in received

    def test_latest_values_for_a_program_that_looks_once(self, folder: Path) -> None:
        assert latest(folder, "gateway", 0.05) == {}
        done = threading.Event()
        with Bus("gateway", folder, publishes=True) as gateway:
            gateway.publish("TSLA", tick(7))
            gateway.publish("NVDA", tick(9, "NVDA"))

            def serve() -> None:
                while not done.is_set():
                    gateway.poll(10)
                    list(gateway.publications())

            server = threading.Thread(target=serve)
            server.start()
            try:
                assert latest(folder, "gateway", 5.0) == {"TSLA": tick(7), "NVDA": tick(9, "NVDA")}
            finally:
                done.set()
                server.join()


class TestControl:
    def test_a_command_is_answered(self, folder: Path) -> None:
        with Bus("risk", folder, control=True) as risk:
            commands = []

            def serve() -> None:
                until(
                    lambda: (
                        risk.poll(10)
                        and [
                            commands.append(c) or risk.answer(client, Answer(True, "done"))
                            for client, c in risk.commands()
                        ]
                    )
                )

            server = threading.Thread(target=serve)
            server.start()
            assert ask(folder, "risk", Pause("TSLA"), 10.0) == Answer(True, "done")
            server.join()
            assert commands == [Pause("TSLA")]

    def test_no_process_answers(self, folder: Path) -> None:
        with pytest.raises(NoAnswer, match="risk does not answer"):
            ask(folder, "risk", Pause(), 0.05)

    def test_in_a_thread_of_its_own_and_a_bad_question_ends_nothing(self, folder: Path) -> None:
        stopped = threading.Event()

        def answer(command: object) -> Answer:
            if isinstance(command, Sql):
                return Answer(True, command.statement)
            raise ValueError("not that")

        server = threading.Thread(target=serve_control, args=(folder, "recorder", answer, stopped.is_set))
        server.start()
        try:
            assert ask(folder, "recorder", Pause(), 10.0) == Answer(False, "ValueError: not that")
            assert ask(folder, "recorder", Sql("SELECT 1"), 10.0) == Answer(True, "SELECT 1")
        finally:
            stopped.set()
            server.join()


def test_heartbeats_reach_the_watchdog(folder: Path) -> None:
    with Bus("watchdog", folder, receives_beats=True, beats=False) as watchdog, Bus("risk", folder) as risk:
        got: list[bytes] = []
        until(lambda: risk.beat(b"I live") or got.extend(watchdog.beats()) or got)
        assert set(got) == {b"I live"}


def test_a_watched_descriptor_wakes_the_poll(folder: Path) -> None:
    import socket

    ours, theirs = socket.socketpair()
    with Bus("risk", folder) as risk, ours, theirs:
        risk.watch(ours.fileno())
        assert not risk.poll(0)
        theirs.send(b"x")
        assert risk.poll(10_000)


def test_market_time_is_a_publication_too(folder: Path) -> None:
    with Bus("clock", folder, publishes=True) as clock, Bus("risk", folder, subscribes={"clock": ["time"]}) as risk:
        market_time = MarketTime(1, 2, 60.0, 3)
        clock.publish("time", market_time)
        got: list[object] = []
        until(lambda: list(clock.publications()) or got.extend(risk.publications()) or got)
        # Twice if the subscription was there before the publication: then it is also the last value, sent again.
        assert got in ([market_time], [market_time, market_time])
