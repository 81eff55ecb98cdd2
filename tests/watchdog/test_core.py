"""Who is silent for too long is killed once; who comes back is counted."""

from __future__ import annotations

from typing import Any

from messages.heartbeat import RETIRED, Heartbeat
from messages.operator import Happened
from messages.timers import Elapsed
from services.core import Now, State
from services.watchdog.core import HUNG_NS, Kill, Seen, WatchdogCore

CORE = WatchdogCore()


class Watchdog:
    def __init__(self) -> None:
        self.state = State(CORE.kinds)
        self.kills: list[Any] = []
        self.notes: list[str] = []

    def hear(self, message: Any, at_ns: int) -> None:
        decision = CORE.handle(self.state, message, Now(0, at_ns))
        self.state.apply(decision.changes)
        self.kills += [m for _, m in decision.published]
        self.notes += [m.event for _, m in decision.messages if isinstance(m, Happened)]

    def beat(self, process: str, at_ns: int, *, run: int = 1, pid: int = 100) -> None:
        self.hear(Heartbeat(process, pid, run, True, ""), at_ns)

    def due(self) -> int | None:
        return CORE.deadlines(self.state, Now(0, 0)).machine_ns


def test_silence_is_judged_when_it_has_lasted() -> None:
    watchdog = Watchdog()
    assert watchdog.due() is None
    watchdog.beat("risk", 0, pid=7)
    watchdog.beat("gateway", 5, pid=8)
    assert watchdog.due() == HUNG_NS
    watchdog.hear(Elapsed(), HUNG_NS - 1)
    assert watchdog.kills == []
    watchdog.hear(Elapsed(), HUNG_NS)
    watchdog.hear(Elapsed(), HUNG_NS + 1)
    assert watchdog.kills == [Kill("risk", 7)]
    assert watchdog.notes == ["process_hung"]


def test_a_new_life_is_counted_once() -> None:
    watchdog = Watchdog()
    for at, run in [(0, 3), (1, 3), (2, 4), (3, 4)]:
        watchdog.beat("risk", at, run=run)
    assert watchdog.notes == ["process_restarted"]
    seen = watchdog.state.get(Seen, "risk")
    assert seen is not None
    assert (seen.run, seen.starts, seen.heard_ns) == (4, 2, 3)


def test_who_is_killed_and_comes_back_is_watched_again() -> None:
    watchdog = Watchdog()
    watchdog.beat("risk", 0)
    watchdog.hear(Elapsed(), HUNG_NS)
    assert watchdog.due() is None
    watchdog.beat("risk", HUNG_NS + 5, run=2)
    assert watchdog.due() == 2 * HUNG_NS + 5


def test_one_that_leaves_is_not_missed() -> None:
    watchdog = Watchdog()
    watchdog.beat("symbol-GME", 0)
    watchdog.hear(Heartbeat("symbol-GME", 100, 1, True, RETIRED), 1)
    assert watchdog.due() is None
