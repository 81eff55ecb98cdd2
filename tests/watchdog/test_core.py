"""A process that is silent for too long is killed once, and its restarts are counted."""

from __future__ import annotations

from typing import Any

from messages.heartbeat import RETIRED, Heartbeat
from messages.operator import Happened
from messages.timers import Elapsed, Started
from services.runtime.core import Decision, Now, State
from services.watchdog.core import HUNG_NS, Counted, Kill, Seen, WatchdogCore

CORE = WatchdogCore()


MARKET_NS = 10**18


def note(event: str, level: str, **fields: str | int) -> tuple[str, Happened]:
    return ("recorder", Happened(event, "", level, dict(fields), MARKET_NS))


class Watchdog:
    def __init__(self) -> None:
        self.state = State(CORE.kinds)
        self.kills: list[Any] = []
        self.sent: list[Any] = []

    def handle(self, message: Any, at_ns: int) -> Decision:
        decision = CORE.handle(self.state, message, Now(MARKET_NS, at_ns))
        self.state.apply(decision.changes)
        self.kills += decision.published
        self.sent += decision.messages
        return decision

    def beat(self, process: str, at_ns: int, *, run: int = 1, pid: int = 100) -> None:
        self.handle(Heartbeat(process, pid, run, True, ""), at_ns)

    def due(self) -> int | None:
        return CORE.deadlines(self.state, Now(0, 0)).machine_ns


def test_a_process_is_killed_after_a_long_silence() -> None:
    watchdog = Watchdog()
    assert watchdog.due() is None
    watchdog.beat("risk", 0, pid=7)
    watchdog.beat("gateway", 5, pid=8)
    assert watchdog.due() == HUNG_NS
    watchdog.handle(Elapsed(), HUNG_NS - 1)
    assert watchdog.kills == []
    watchdog.handle(Elapsed(), HUNG_NS)
    watchdog.handle(Elapsed(), HUNG_NS + 1)
    assert watchdog.kills == [("kill", Kill("risk", 7))]
    assert watchdog.sent == [note("process_hung", "ERROR", hung="risk", pid=7)]
    assert list(watchdog.state.table(Seen)) == ["gateway"]


def test_a_new_life_is_counted_once() -> None:
    watchdog = Watchdog()
    for at, run in [(0, 3), (1, 3), (2, 4), (3, 4)]:
        watchdog.beat("risk", at, run=run)
    assert watchdog.sent == [note("process_restarted", "WARNING", restarted="risk", starts=2, pid=100)]
    assert watchdog.state.get(Seen, "risk") == Seen("risk", 100, 4, True, "", 3, 2)


def test_lives_are_counted_across_restarts_of_the_watchdog() -> None:
    """Heartbeats are in memory only, the number of runs is in the ledger."""
    watchdog = Watchdog()
    watchdog.state.apply([(Counted, "risk", Counted("risk", 3, 5))])
    seen = Seen("risk", 100, 3, False, "waits", 1, 5)
    assert watchdog.handle(Heartbeat("risk", 100, 3, False, "waits"), 1).changes == [(Seen, "risk", seen)]
    assert watchdog.handle(Heartbeat("risk", 101, 4, False, "waits"), 2).changes == [
        (Counted, "risk", Counted("risk", 4, 6)),
        (Seen, "risk", Seen("risk", 101, 4, False, "waits", 2, 6)),
    ]
    assert watchdog.sent == [note("process_restarted", "WARNING", restarted="risk", starts=6, pid=101)]


def test_the_first_life_is_no_restart() -> None:
    watchdog = Watchdog()
    assert watchdog.handle(Heartbeat("risk", 100, 3, True, ""), 1).changes == [
        (Counted, "risk", Counted("risk", 3, 1)),
        (Seen, "risk", Seen("risk", 100, 3, True, "", 1, 1)),
    ]
    assert watchdog.sent == []


def test_the_longest_silence_is_due_first_and_all_that_hang_are_killed() -> None:
    watchdog = Watchdog()
    for at, process in [(9, "risk"), (5, "gateway"), (7, "clock")]:
        watchdog.beat(process, at, pid=at)
    assert watchdog.due() == 5 + HUNG_NS
    watchdog.handle(Elapsed(), 7 + HUNG_NS)
    assert [kill.process for _, kill in watchdog.kills] == ["gateway", "clock"]
    assert watchdog.due() == 9 + HUNG_NS


def test_a_killed_process_that_comes_back_is_watched_again() -> None:
    watchdog = Watchdog()
    watchdog.beat("risk", 0)
    watchdog.handle(Elapsed(), HUNG_NS)
    assert watchdog.due() is None
    watchdog.beat("risk", HUNG_NS + 5, run=2)
    assert watchdog.due() == 2 * HUNG_NS + 5


def test_one_that_leaves_is_not_missed() -> None:
    watchdog = Watchdog()
    watchdog.beat("symbol-GME", 0)
    watchdog.handle(Heartbeat("symbol-GME", 100, 1, True, RETIRED), 1)
    assert watchdog.due() is None


def test_a_watchdog_sends_no_snapshot_and_is_always_ready() -> None:
    watchdog = Watchdog()
    watchdog.beat("risk", 0)
    assert CORE.ready(watchdog.state) is True
    assert CORE.snapshot(watchdog.state, ()) == []
    assert CORE.deadlines(watchdog.state, Now(0, 0)).market_ns is None
    assert not watchdog.handle(Started(2), 1)
