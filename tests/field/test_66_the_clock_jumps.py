"""Row 66: the clock of the machine jumps. Market time runs on evenly, follows the broker, is set back where wrong."""

from __future__ import annotations

import pytest

from messages.market import (
    BrokerTime,
    MarketTime,
    Session,
    SessionApproaching,
    SessionAwaited,
    SessionClosed,
    SessionClosing,
    SessionOpened,
)
from services.clock.core import ClockCore, ClockRecord
from services.clock.pace import RealPace
from services.runtime.actor import Actor
from services.runtime.ledger import MemoryLedger
from services.runtime.market_clock import MarketClock

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
OPEN = 1_736_173_800 * SECOND
MONDAY = Session("2025-01-06", OPEN, OPEN + 6 * HOUR + HOUR // 2)
TUESDAY = Session("2025-01-07", OPEN + DAY, OPEN + DAY + 6 * HOUR + HOUR // 2)
NOON = MONDAY.open_ns + 3 * HOUR


class Machine:
    """The clock process on a machine whose clocks the test sets, and a reader of its publications."""

    def __init__(self, wall: int = NOON, ledger: MemoryLedger | None = None):
        self.wall = wall
        self.steady = 500 * HOUR
        self.monotonic = 100 * HOUR
        self.ledger = ledger or MemoryLedger("clock")
        self.core = ClockCore([MONDAY, TUESDAY], 15)
        self.actor = Actor("clock", self.core, self.ledger, dials={}, market=MarketClock(lockstep=True))
        self.reader = MarketClock()
        self.published: list[MarketTime] = []
        self.sent: list[object] = []
        self.pace = RealPace(self.actor, self.core, self.publish, lambda: self.wall, lambda: self.steady)
        handle = self.core.handle

        def handled(state, message, now):  # type: ignore[no-untyped-def]
            decision = handle(state, message, now)
            self.sent += [m for _, m in decision.messages]
            return decision

        self.core.handle = handled  # type: ignore[method-assign]
        self.run(3)

    def publish(self, time: MarketTime) -> None:
        self.published.append(time)
        self.reader.update(time)

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.pass_(SECOND)
            self.pace.work(self.monotonic)
            self.actor.flush(self.monotonic)

    def pass_(self, ns: int, *, suspended: bool = False) -> None:
        self.wall += ns
        self.steady += ns
        self.monotonic += 0 if suspended else ns

    def broker_says(self, true_ns: int, *, steady: int | None = None) -> None:
        self.actor.deliver(BrokerTime(true_ns, self.steady if steady is None else steady), self.monotonic, "gateway")
        self.run(1)

    @property
    def record(self) -> ClockRecord:
        return self.core.record(self.actor.state)

    @property
    def market(self) -> int:
        return self.reader.now(self.monotonic)

    @property
    def entries_frozen(self) -> bool:
        return self.reader.stale(self.monotonic)

    def sessions(self) -> list[str]:
        kinds = (SessionAwaited, SessionApproaching, SessionOpened, SessionClosing, SessionClosed)
        return [f"{type(m).__name__} {m.session.date}" for m in self.sent if isinstance(m, kinds)]

    def notes(self) -> list[str]:
        return [m.event for m in self.sent if getattr(m, "level", "") == "ERROR"]  # type: ignore[attr-defined]


def test_field_66_a_jump_of_a_day_ends_no_session_and_is_undone() -> None:
    machine = Machine()
    assert (machine.record.date, machine.record.phase, machine.entries_frozen) == (MONDAY.date, "open", False)
    machine.wall += DAY
    machine.run(20)
    assert (machine.record.date, machine.record.phase) == (MONDAY.date, "open"), "protection goes on"
    assert machine.entries_frozen
    assert machine.market == pytest.approx(NOON + 23 * SECOND, abs=2 * SECOND), "market time runs on evenly"
    machine.wall -= DAY
    machine.run(2)
    assert not machine.entries_frozen
    assert machine.market == pytest.approx(NOON + 25 * SECOND, abs=2 * SECOND)
    assert machine.notes() == ["clock_jumped"], "told once"
    assert not any(each.startswith("SessionClos") for each in machine.sessions())


@pytest.mark.parametrize("jump", [DAY, -DAY, 10 * SECOND, -HOUR])
def test_field_66_a_jump_that_stays_is_followed_only_if_the_broker_agrees(jump: int) -> None:
    machine = Machine()
    machine.wall += jump
    machine.run(5)
    machine.broker_says(machine.wall - jump)
    assert machine.entries_frozen, "the machine's clock is wrong"
    assert machine.record.date == MONDAY.date
    assert machine.market == pytest.approx(machine.wall - jump, abs=2 * SECOND)


def test_field_66_a_jump_that_was_true_is_followed_when_the_broker_says_so() -> None:
    """A virtual machine was frozen for an hour, and no clock of it counted that."""
    machine = Machine()
    machine.wall += HOUR
    machine.run(2)
    assert machine.entries_frozen
    machine.broker_says(machine.wall)
    machine.run(1)
    assert not machine.entries_frozen
    assert machine.market == pytest.approx(NOON + HOUR, abs=10 * SECOND)


def test_field_66_a_suspended_machine_is_no_jump() -> None:
    machine = Machine()
    machine.pass_(HOUR, suspended=True)
    machine.run(1)
    assert not machine.entries_frozen
    assert machine.market == pytest.approx(NOON + HOUR, abs=10 * SECOND)
    assert machine.notes() == []


def test_field_66_a_clock_that_is_wrong_from_the_start_is_set_back() -> None:
    """A bad battery: it starts on Tuesday evening. The session of Monday is open, and opens again."""
    machine = Machine(TUESDAY.close_ns - HOUR)
    assert (machine.record.date, machine.record.phase) == (TUESDAY.date, "open")
    machine.sent.clear()
    machine.broker_says(NOON)
    machine.run(2)
    assert (machine.record.date, machine.record.phase) == (MONDAY.date, "open")
    assert machine.sessions() == [f"SessionAwaited {MONDAY.date}", f"SessionOpened {MONDAY.date}"]
    assert machine.market == pytest.approx(NOON, abs=5 * SECOND), "readers go back, too"
    assert "market_time_corrected" in machine.notes()
    assert machine.entries_frozen, "until the machine's clock is set"


def test_field_66_a_false_close_is_undone() -> None:
    """The clock starts a day ahead on the evening of the same session."""
    machine = Machine(MONDAY.close_ns + HOUR)
    assert machine.record.date == TUESDAY.date
    machine.broker_says(NOON)
    machine.run(2)
    assert (machine.record.date, machine.record.phase) == (MONDAY.date, "open")


def test_field_66_a_restart_after_the_jump_begins_at_the_right_time() -> None:
    ledger = MemoryLedger("clock")
    wrong = Machine(TUESDAY.close_ns + HOUR, ledger)
    assert wrong.record.date == ""
    right = Machine(NOON, ledger)
    assert (right.record.date, right.record.phase) == (MONDAY.date, "open")
    assert not right.entries_frozen


def test_field_66_an_old_report_of_the_brokers_time_is_worth_nothing() -> None:
    machine = Machine()
    for steady in (machine.steady - 61 * SECOND, machine.steady + HOUR):
        machine.broker_says(NOON - DAY, steady=steady)
    assert machine.market == pytest.approx(NOON, abs=10 * SECOND)
    assert machine.notes() == []


def test_field_66_small_corrections_are_followed() -> None:
    machine = Machine()
    for _ in range(10):
        machine.wall += SECOND // 2
        machine.run(1)
    assert not machine.entries_frozen
    assert machine.market == pytest.approx(machine.wall, abs=SECOND)
